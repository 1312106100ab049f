//! Which node reads which tiles, where every node has some of them on its own disks.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use radio_index::{ReadPlan, TileSlice};

use crate::balance::{Tile, even_out};
use crate::{Assignment, Error, Result};

/// Which nodes hold which tiles: what is needed to let every node read from its own disks.
///
/// A tile may be on several nodes. It has one path for all of them, that of the plan: the same folder on every node, or a
/// common mount point.
///
/// # Examples
///
/// Three nodes, every tile on two of them:
///
/// ```
/// use radio_io::{ReadPlan, TileSlice, Topology};
///
/// let tiles = ["1.parquet", "2.parquet", "3.parquet"];
/// let plan: ReadPlan = tiles.map(|tile| TileSlice::new(tile, 0..1_000)).into_iter().collect();
/// let topology = Topology::from_iter([
///     ("a", tiles[0]), ("b", tiles[0]),
///     ("b", tiles[1]), ("c", tiles[1]),
///     ("c", tiles[2]), ("a", tiles[2]),
/// ]);
/// let mut assignment = topology.assign(&plan, ["a", "b", "c"])?;
/// for node in ["a", "b", "c"] {
///     assert_eq!(assignment.plan(node)?.rows(), 1_000);
/// }
/// assert!(assignment.unheld().is_empty());
///
/// assignment.lose("b")?;
/// assert_eq!(assignment.plan("a")?.rows() + assignment.plan("c")?.rows(), 3_000);
/// # Ok::<(), radio_io::Error>(())
/// ```
///
/// The plan of an index names one node for each tile. Others that hold it are added:
///
/// ```
/// # use radio_io::{ReadPlan, Topology};
/// # let (plan, copied) = (ReadPlan::default(), ["1.parquet"]);
/// let mut topology = Topology::from(&plan);
/// topology.extend(copied.map(|tile| ("mirror", tile)));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topology {
    /// Names of nodes, by the path of the tile.
    holders: BTreeMap<String, BTreeSet<String>>,
}

impl Topology {
    /// The nodes that hold a tile, by name.
    pub fn holders(&self, uri: &str) -> impl Iterator<Item = &str> {
        self.holders.get(uri).into_iter().flatten().map(String::as_str)
    }

    /// Gives every tile of a plan to one of its holders among the nodes `alive`, so that all have about the same number of bytes
    /// to read: of each tile the share that its rows have in its size. Rows count instead where the size of any tile is unknown.
    ///
    /// The most loaded node has at most the size of the largest tile more than in the best of all assignments, and never more
    /// than if each tile were read by the first of its holders. The result depends on the plan, the topology and the set of nodes
    /// and on nothing else: every node can compute it for itself.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] where no node is alive, or one holds no tile of the topology (most likely its name is misspelt; the
    /// topology should be that of the whole survey, not of a small plan). A tile without a holder is not an error, see
    /// [`unheld`](Assignment::unheld).
    ///
    /// # Complexity
    ///
    /// O(t log t) for t tiles, then O(c + n²) for each that passes from node to node to even out loads, with c copies of tiles and n
    /// nodes.
    pub fn assign<S: Into<String>>(&self, plan: &ReadPlan, alive: impl IntoIterator<Item = S>) -> Result<Assignment> {
        let alive: BTreeSet<String> = alive.into_iter().map(Into::into).collect();
        let known: BTreeSet<String> = self.holders.values().flatten().cloned().collect();
        if alive.is_empty() || !alive.is_subset(&known) {
            return Err(Error::option(
                "alive",
                format!("{alive:?}"),
                format!("at least one node, and only nodes that hold tiles: {known:?}"),
            ));
        }
        let nodes: Vec<String> = alive.into_iter().collect();
        let parts = plan.slices().chunk_by(|a, b| a.uri() == b.uri());
        let parts: Vec<ReadPlan> = parts.map(|slices| part(plan, slices)).collect();
        let is_size_known = parts.iter().all(|part| part.bytes() > 0);
        let mut tiles: Vec<Tile> = parts
            .into_iter()
            .map(|part| self.tile(part, &nodes, is_size_known))
            .collect();
        tiles.sort_by_key(|tile| Reverse(tile.weight));
        let (mut tiles, unheld): (Vec<Tile>, _) = tiles.into_iter().partition(|tile| tile.reader.is_some());
        even_out(&mut tiles, nodes.len());
        Ok(Assignment::new(nodes, tiles, unheld))
    }

    /// A tile that its first holder reads.
    fn tile(&self, part: ReadPlan, nodes: &[String], is_size_known: bool) -> Tile {
        let uri = part.slices().first().map_or("", TileSlice::uri);
        let holders = self.holders(uri).map(|name| nodes.iter().position(|node| node == name));
        let holders: Vec<usize> = holders.flatten().collect();
        Tile {
            weight: if is_size_known { part.bytes() } else { part.rows() },
            reader: holders.first().copied(),
            holders,
            part,
        }
    }
}

impl<N: Into<String>, U: Into<String>> Extend<(N, U)> for Topology {
    /// Adds what nodes hold: names of nodes and paths of tiles.
    fn extend<T: IntoIterator<Item = (N, U)>>(&mut self, held: T) {
        for (node, uri) in held {
            self.holders.entry(uri.into()).or_default().insert(node.into());
        }
    }
}

impl<N: Into<String>, U: Into<String>> FromIterator<(N, U)> for Topology {
    fn from_iter<T: IntoIterator<Item = (N, U)>>(held: T) -> Self {
        let mut topology = Self::default();
        topology.extend(held);
        topology
    }
}

impl From<&ReadPlan> for Topology {
    /// What the index knows: one node of each tile. Tiles of a plan that was put together by hand have none.
    fn from(plan: &ReadPlan) -> Self {
        let uris = plan.slices().iter().map(TileSlice::uri);
        let nodes = uris.filter_map(|uri| Some((plan.tile(uri)?.node.as_str(), uri)));
        nodes.filter(|(node, _)| !node.is_empty()).collect()
    }
}

/// Slices of one tile, with what is known of it.
fn part(plan: &ReadPlan, slices: &[TileSlice]) -> ReadPlan {
    let known = slices
        .first()
        .and_then(|slice| Some((slice.uri().into(), plan.tile(slice.uri())?.clone())));
    ReadPlan::from_iter(slices.iter().cloned()).with_tiles(known)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use proptest::prelude::*;
    use radio_index::PlanTile;

    use super::*;

    const NODES: [&str; 3] = ["a", "b", "c"];

    /// A tile: its size, and which nodes hold it.
    type Drawn = (u64, [bool; 3]);

    fn uri(tile: usize) -> String {
        format!("{tile:03}.parquet")
    }

    /// Tiles of 100 rows, of which 50 are planned in two slices.
    fn plan(tiles: &[Drawn]) -> ReadPlan {
        let slices = (0..tiles.len()).flat_map(|tile| [0..20, 70..100].map(|rows| TileSlice::new(uri(tile), rows)));
        let known = tiles.iter().enumerate().map(|(tile, &(size, _))| {
            let known = PlanTile {
                node: "a".into(),
                size,
                mtime_ns: tile as i64,
                rows: 100,
            };
            (uri(tile).into(), known)
        });
        ReadPlan::from_iter(slices).with_tiles(known)
    }

    fn held(tiles: &[Drawn]) -> Vec<(&'static str, String)> {
        let held = tiles.iter().enumerate().flat_map(|(tile, (_, holders))| {
            let holders = NODES.into_iter().zip(holders).filter(|&(_, &is_held)| is_held);
            holders.map(move |(node, _)| (node, uri(tile)))
        });
        held.chain(NODES.map(|node| (node, "not planned".to_owned()))).collect()
    }

    fn loads(assignment: &Assignment) -> Vec<u64> {
        assignment
            .nodes()
            .map(|node| assignment.plan(node).unwrap().bytes())
            .collect()
    }

    /// max / mean - 1
    fn imbalance(assignment: &Assignment) -> f64 {
        let loads = loads(assignment);
        let mean = loads.iter().sum::<u64>() as f64 / loads.len() as f64;
        *loads.iter().max().unwrap() as f64 / mean - 1.0
    }

    /// The lowest possible maximum: tries everything.
    fn optimum(tiles: &[(u64, Vec<usize>)], loads: [u64; 3]) -> u64 {
        let Some(((size, holders), rest)) = tiles.split_first() else {
            return loads.into_iter().max().unwrap();
        };
        let each = holders.iter().map(|&node| {
            let mut loads = loads;
            loads[node] += size;
            optimum(rest, loads)
        });
        each.min().unwrap()
    }

    /// Is each row of `plan` in just one of the parts, with what is known of its tile?
    fn is_divided(plan: &ReadPlan, parts: &[ReadPlan]) -> bool {
        let all: ReadPlan = parts.iter().flatten().cloned().collect();
        let are_known = |part: &ReadPlan| {
            part.slices()
                .iter()
                .all(|slice| part.tile(slice.uri()) == plan.tile(slice.uri()))
        };
        all.slices() == plan.slices()
            && parts.iter().map(ReadPlan::rows).sum::<u64>() == plan.rows()
            && parts.iter().all(are_known)
    }

    fn is_held(topology: &Topology, node: &str, plan: &ReadPlan) -> bool {
        let is_holder = |slice: &TileSlice| topology.holders(slice.uri()).any(|holder| holder == node);
        plan.slices().iter().all(is_holder)
    }

    fn survey(tiles: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Drawn>> {
        let size = prop_oneof![4 => 2..40_u64, 1 => 2..1_000_000_000_000_u64];
        proptest::collection::vec((size, any::<[bool; 3]>()), tiles)
    }

    fn some_nodes() -> impl Strategy<Value = Vec<&'static str>> {
        proptest::sample::subsequence(NODES.to_vec(), 1..=3)
    }

    proptest! {
        #[test]
        fn loads_are_near_the_optimum(tiles in survey(0..9), alive in some_nodes()) {
            let (plan, topology) = (plan(&tiles), Topology::from_iter(held(&tiles)));
            let assignment = topology.assign(&plan, alive.clone()).unwrap();
            let mut parts = vec![assignment.unheld()];
            for &node in &alive {
                let part = assignment.plan(node).unwrap();
                prop_assert!(is_held(&topology, node, &part));
                prop_assert!(!is_held(&topology, node, &parts[0]) || parts[0].is_empty());
                parts.push(part);
            }
            prop_assert!(is_divided(&plan, &parts));

            let nodes = (0..3).filter(|&node| alive.contains(&NODES[node]));
            let tiles = tiles.iter().map(|(size, holders)| (size / 2, nodes.clone().filter(|&node| holders[node]).collect()));
            let tiles: Vec<(u64, Vec<usize>)> = tiles.filter(|(_, holders): &(_, Vec<_>)| !holders.is_empty()).collect();
            let largest = tiles.iter().map(|&(size, _)| size).max().unwrap_or(0);
            let most = loads(&assignment).into_iter().max().unwrap();
            prop_assert!(most <= optimum(&tiles, [0; 3]) + largest);
            let firsts: Vec<_> = tiles.into_iter().map(|(size, holders)| (size, holders[..1].to_vec())).collect();
            prop_assert!(most <= optimum(&firsts, [0; 3]));
        }

        #[test]
        fn order_of_input_is_nothing(
            (tiles, shuffled) in survey(0..30).prop_flat_map(|tiles| {
                let held = Just(held(&tiles)).prop_shuffle();
                (Just(tiles), held)
            }),
            alive in Just(NODES.to_vec()).prop_shuffle(),
        ) {
            let assignment = Topology::from_iter(held(&tiles)).assign(&plan(&tiles), NODES).unwrap();
            prop_assert_eq!(assignment, Topology::from_iter(shuffled).assign(&plan(&tiles), alive).unwrap());
        }

        #[test]
        fn a_tile_is_handed_out_once_and_to_a_holder(
            tiles in survey(0..30),
            calls in proptest::collection::vec((0..3_usize, 0..4_usize), 0..60),
        ) {
            let (plan, topology) = (plan(&tiles), Topology::from_iter(held(&tiles)));
            let mut assignment = topology.assign(&plan, NODES).unwrap();
            let mut parts = Vec::new();
            for (node, tiles) in calls {
                let node = NODES[node];
                if !assignment.nodes().any(|name| name == node) {
                    prop_assert!(assignment.hand_out(node, NonZeroUsize::MIN).is_err());
                } else if let Some(tiles) = NonZeroUsize::new(tiles) {
                    let part = assignment.hand_out(node, tiles).unwrap();
                    prop_assert!(part.tiles() <= tiles.get() && is_held(&topology, node, &part));
                    parts.push(part);
                } else {
                    assignment.lose(node).unwrap();
                }
            }
            for node in assignment.nodes() {
                let part = assignment.plan(node).unwrap();
                prop_assert!(is_held(&topology, node, &part));
                parts.push(part);
            }
            parts.push(assignment.unheld());
            prop_assert!(is_divided(&plan, &parts));
        }
    }

    /// 300 tiles of 20 to 520 MB, most of them on two of three nodes.
    fn cluster() -> Vec<Drawn> {
        let size = |tile: u64| 20_000_000 + tile * tile * 7_919 % 500_000_000;
        let holders = |tile: u64| match tile {
            290.. => [false, false, true],
            _ => [0, 1, 2].map(|node| node != tile * 31 % 17 % 3),
        };
        (0..300).map(|tile| (size(tile), holders(tile))).collect()
    }

    #[test]
    fn a_lost_node_leaves_the_others_in_balance() {
        let tiles = cluster();
        let (plan, topology) = (plan(&tiles), Topology::from_iter(held(&tiles)));
        let before = topology.assign(&plan, NODES).unwrap();
        assert!(
            before.unheld().is_empty() && imbalance(&before) < 0.01,
            "{:?}",
            loads(&before)
        );

        let mut after = before.clone();
        after.lose("c").unwrap();
        let anew = topology.assign(&plan, ["a", "b"]).unwrap();
        for assignment in [&after, &anew] {
            let unheld = assignment.unheld();
            let uris: BTreeSet<&str> = unheld.slices().iter().map(TileSlice::uri).collect();
            assert_eq!(
                uris.into_iter().map(str::to_owned).collect::<Vec<_>>(),
                (290..300).map(uri).collect::<Vec<_>>()
            );
            assert!(imbalance(assignment) < 0.1, "{:?}", loads(assignment));
            assert!(is_divided(
                &plan,
                &[assignment.plan("a").unwrap(), assignment.plan("b").unwrap(), unheld]
            ));
        }
        let kept = ["a", "b"].map(|node| {
            let after = after.plan(node).unwrap();
            before
                .plan(node)
                .unwrap()
                .slices()
                .iter()
                .filter(|slice| after.slices().contains(slice))
                .count()
        });
        let had = ["a", "b"].map(|node| before.plan(node).unwrap().slices().len());
        assert!(
            kept.iter().sum::<usize>() * 100 >= had.iter().sum::<usize>() * 95,
            "{kept:?} of {had:?}"
        );
    }

    #[test]
    fn fast_nodes_help_slow_ones() {
        let tiles = cluster();
        let (plan, topology) = (plan(&tiles), Topology::from_iter(held(&tiles)));
        let mut assignment = topology.assign(&plan, NODES).unwrap();
        // Bytes a second, and when the node will be idle.
        let mut nodes = [(100e6, 0.0_f64), (200e6, 0.0), (400e6, 0.0)];
        let mut parts = Vec::new();
        let mut idle: Vec<usize> = vec![0, 1, 2];
        while let Some(node) = idle.iter().copied().min_by(|&a, &b| nodes[a].1.total_cmp(&nodes[b].1)) {
            let part = assignment.hand_out(NODES[node], NonZeroUsize::MIN).unwrap();
            assert!(is_held(&topology, NODES[node], &part));
            if part.is_empty() {
                idle.retain(|&other| other != node);
            }
            nodes[node].1 += part.bytes() as f64 / nodes[node].0;
            parts.push(part);
        }
        assert!(is_divided(&plan, &parts));
        // Without help the slow one would need more than twice as long. Tiles that the fast one does not hold keep it from the best.
        let best = plan.bytes() as f64 / 700e6;
        assert!(nodes.iter().all(|(_, end)| *end < 1.1 * best), "{nodes:?}, best {best}");
    }

    #[test]
    fn rows_count_where_sizes_are_unknown() {
        let plan =
            ReadPlan::from_iter([("1", 30), ("2", 20), ("3", 10)].map(|(uri, rows)| TileSlice::new(uri, 0..rows)));
        let uris = ["1", "2", "3"];
        let topology: Topology = uris.iter().flat_map(|&uri| [("a", uri), ("b", uri)]).collect();
        let assignment = topology.assign(&plan, ["b", "a"]).unwrap();
        assert_eq!(
            assignment
                .nodes()
                .map(|node| assignment.plan(node).unwrap().rows())
                .collect::<Vec<_>>(),
            [30, 30]
        );
        assert_eq!(assignment.steps(NonZeroUsize::new(8).unwrap()), 3);
        assert_eq!(assignment.steps(NonZeroUsize::new(31).unwrap()), 0);
    }

    #[test]
    fn a_plan_knows_one_node() {
        let topology = Topology::from(&plan(&[(10, [true; 3]), (20, [true; 3])]));
        assert_eq!(topology.holders(&uri(1)).collect::<Vec<_>>(), ["a"]);
        let nameless = ReadPlan::from_iter([TileSlice::new("1", 0..1), TileSlice::new("2", 0..1)])
            .with_tiles([("1".into(), PlanTile::default())]);
        assert_eq!(Topology::from(&nameless), Topology::default());
    }

    #[test]
    fn wrong_nodes_are_errors() {
        let topology = Topology::from_iter([("a", "1")]);
        let plan = ReadPlan::default();
        assert!(
            topology
                .assign(&plan, [""; 0])
                .unwrap_err()
                .to_string()
                .contains("at least one node")
        );
        let error = topology.assign(&plan, ["a", "A"]).unwrap_err().to_string();
        assert!(
            error.contains(r#"{"A", "a"}"#) && error.ends_with(r#"{"a"}"#),
            "{error}"
        );

        let mut assignment = topology.assign(&plan, ["a", "a"]).unwrap();
        assert_eq!(assignment.nodes().collect::<Vec<_>>(), ["a"]);
        assert_eq!(
            (assignment.plan("a").unwrap(), assignment.steps(NonZeroUsize::MIN)),
            (plan.clone(), 0)
        );
        assert!(assignment.plan("b").is_err() && assignment.lose("b").is_err());
        assignment.lose("a").unwrap();
        assert_eq!(
            (assignment.nodes().count(), assignment.steps(NonZeroUsize::MIN)),
            (0, 0)
        );
    }
}
