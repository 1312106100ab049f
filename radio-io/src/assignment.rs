//! What every node has left to read.

use std::cmp::Reverse;
use std::num::NonZeroUsize;

use radio_index::ReadPlan;

use crate::balance::{Tile, fill_in, loads};
use crate::{Error, Result};

/// Which node reads which tiles of a plan, from [`Topology::assign`](crate::Topology::assign).
///
/// Used in one of two ways:
/// - every node computes it for itself and reads its [`plan`](Self::plan), for [`steps`](Self::steps) batches where all have to
///   take the same number;
/// - one process, the coordinator, keeps it and [hands out](Self::hand_out) tiles to nodes that ask. Fast nodes then help slow
///   ones.
///
/// When a node is lost, [`lose`](Self::lose) gives what it had left to others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Names, sorted; everywhere else a node is its number here.
    nodes: Vec<String>,
    /// Those not handed out, largest first.
    tiles: Vec<Tile>,
    unheld: Vec<Tile>,
}

impl Assignment {
    /// Of tiles that have readers, largest first.
    pub(crate) fn new(nodes: Vec<String>, tiles: Vec<Tile>, unheld: Vec<Tile>) -> Self {
        Self { nodes, tiles, unheld }
    }

    /// The nodes, by name.
    pub fn nodes(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().map(String::as_str)
    }

    /// What a node has to read, less what was handed out; with all that the whole plan knows of these tiles.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] where there is no such node.
    pub fn plan(&self, node: &str) -> Result<ReadPlan> {
        let node = self.number(node)?;
        Ok(union(self.of(node)))
    }

    /// What nobody reads, since no node that is alive holds it.
    #[must_use]
    pub fn unheld(&self) -> ReadPlan {
        union(&self.unheld)
    }

    /// Full batches that every node can take from its plan: 0 where a node has less than one (assign without it).
    ///
    /// Bytes are balanced, rows only about, so the plans differ in their number of batches. Nodes that wait for each other after
    /// every batch take this many. With a shuffle, the rows that are left over are others in each epoch. Where processes of
    /// a node share its plan ([`with_rank`](crate::ReadOptions::with_rank)), `batch_rows` are those of all of them together. With
    /// [`BadTiles::Skip`](crate::BadTiles::Skip) batches can be short, or missing at the end: then nodes have to agree when to stop.
    ///
    /// # Examples
    ///
    #[cfg_attr(feature = "mock", doc = "```")]
    #[cfg_attr(not(feature = "mock"), doc = "```ignore")]
    /// use radio_io::{ReadOptions, Reader, Topology, mock::Mock};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// let plan = Mock::new(3_000).write(folder.path(), |_rows_done| {})?.plan;
    /// let tiles = plan.slices().iter().zip(["a", "b", "c"].into_iter().cycle());
    /// let topology: Topology = tiles.map(|(slice, node)| (node, slice.uri())).collect();
    /// let assignment = topology.assign(&plan, ["a", "b", "c"])?;
    ///
    /// let options = ReadOptions::default();
    /// let steps = assignment.steps(options.batch_rows);
    /// assert!(steps > 0);
    /// // On the node b:
    /// let mut taken = 0;
    /// for batch in Reader::new(&assignment.plan("b")?, options)?.take(steps) {
    ///     assert_eq!(batch?.len(), 256);
    ///     taken += 1;
    /// }
    /// assert_eq!(taken, steps);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn steps(&self, batch_rows: NonZeroUsize) -> usize {
        let rows = |node| union(self.of(node)).rows();
        let fewest = (0..self.nodes.len()).map(rows).min().unwrap_or(0);
        usize::try_from(fewest / batch_rows.get() as u64).unwrap_or(usize::MAX)
    }

    /// Hands out up to `tiles` tiles to a node that has nothing to do, its largest first; an empty plan when nothing is left
    /// that it holds. No tile is handed out twice.
    ///
    /// A node that has none left is given one of another node: of the tiles that it holds, too, the largest of the node that has
    /// most bytes left. Such tiles come one by one, so that all end at about the same time. Rows of tiles that are handed out
    /// together are mixed by a [`Shuffle`](crate::Shuffle).
    ///
    /// # Errors
    ///
    /// [`Error::Option`] where there is no such node.
    ///
    /// # Complexity
    ///
    /// O(t), where t tiles are left.
    ///
    /// # Examples
    ///
    /// The node a is faster than b:
    ///
    /// ```
    /// use std::num::NonZeroUsize;
    ///
    /// use radio_io::{ReadPlan, TileSlice, Topology};
    ///
    /// let tiles = ["1.parquet", "2.parquet", "3.parquet", "4.parquet"];
    /// let plan: ReadPlan = tiles.map(|tile| TileSlice::new(tile, 0..1_000)).into_iter().collect();
    /// let topology: Topology = tiles.iter().flat_map(|&tile| [("a", tile), ("b", tile)]).collect();
    /// let mut assignment = topology.assign(&plan, ["a", "b"])?;
    ///
    /// let one = NonZeroUsize::MIN;
    /// for node in ["a", "b", "a", "a"] {
    ///     assert_eq!(assignment.hand_out(node, one)?.rows(), 1_000);
    /// }
    /// assert!(assignment.hand_out("b", one)?.is_empty());
    /// # Ok::<(), radio_io::Error>(())
    /// ```
    pub fn hand_out(&mut self, node: &str, tiles: NonZeroUsize) -> Result<ReadPlan> {
        let node = self.number(node)?;
        let own = self.tiles.extract_if(.., |tile| tile.reader == Some(node));
        let mut given: Vec<Tile> = own.take(tiles.get()).collect();
        if given.is_empty() {
            let loads = loads(&self.tiles, self.nodes.len());
            let held = self.tiles.iter().enumerate();
            let held = held.filter(|(_, tile)| tile.holders.contains(&node));
            let most = held.max_by_key(|&(number, tile)| (tile.reader.map(|node| loads[node]), Reverse(number)));
            let most = most.map(|(number, _)| number);
            given.extend(most.map(|number| self.tiles.remove(number)));
        }
        Ok(union(&given))
    }

    /// Takes a node out: what it had left goes to other holders, or is [`unheld`](Self::unheld) from now on.
    ///
    /// The others keep their tiles: one passes on only where a node would have over the size of the largest tile more than another
    /// that it can pass tiles to, directly or by way of others. To balance all tiles anew, [assign](crate::Topology::assign)
    /// without the node.
    ///
    /// What was handed out to the lost node counts as read. To have it read again, assign the plan of it to the others.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] where there is no such node.
    pub fn lose(&mut self, node: &str) -> Result<()> {
        let lost = self.number(node)?;
        self.nodes.remove(lost);
        for tile in &mut self.tiles {
            tile.holders.retain(|&holder| holder != lost);
            tile.reader = tile.reader.filter(|&reader| reader != lost);
            for node in tile.holders.iter_mut().chain(&mut tile.reader) {
                *node -= usize::from(*node > lost);
            }
        }
        let gone = self.tiles.extract_if(.., |tile| tile.holders.is_empty());
        self.unheld.extend(gone);
        fill_in(&mut self.tiles, self.nodes.len());
        Ok(())
    }

    fn number(&self, node: &str) -> Result<usize> {
        let number = self.nodes.iter().position(|name| name == node);
        number.ok_or_else(|| Error::option("node", node, format!("one of {:?}", self.nodes)))
    }

    fn of(&self, node: usize) -> impl Iterator<Item = &Tile> {
        self.tiles.iter().filter(move |tile| tile.reader == Some(node))
    }
}

fn union<'a>(tiles: impl IntoIterator<Item = &'a Tile>) -> ReadPlan {
    let parts: Vec<&ReadPlan> = tiles.into_iter().map(|tile| &tile.part).collect();
    let known = parts.iter().filter_map(|part| {
        let uri = part.slices().first()?.uri();
        Some((uri.into(), part.tile(uri)?.clone()))
    });
    parts
        .iter()
        .copied()
        .flatten()
        .cloned()
        .collect::<ReadPlan>()
        .with_tiles(known)
}
