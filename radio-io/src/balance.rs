//! Evens out what nodes have to read, where each tile can be read by some of them only. A node is a number here.

use std::cmp::Reverse;

use radio_index::ReadPlan;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tile {
    /// What the plan wants of it.
    pub(crate) part: ReadPlan,
    /// Bytes to read, or rows; at least 1.
    pub(crate) weight: u64,
    /// Nodes that hold it, ascending.
    pub(crate) holders: Vec<usize>,
    /// The holder that reads it; `None` only where there is none, or before it is placed.
    pub(crate) reader: Option<usize>,
}

/// What each node has to read.
pub(crate) fn loads(tiles: &[Tile], nodes: usize) -> Vec<u128> {
    let mut loads = vec![0; nodes];
    for tile in tiles {
        if let Some(node) = tile.reader {
            loads[node] += u128::from(tile.weight);
        }
    }
    loads
}

/// From any readers to even loads; tiles are sorted, largest first.
pub(crate) fn even_out(tiles: &mut [Tile], nodes: usize) {
    try_out(tiles, nodes, |tiles| {
        tiles.iter_mut().for_each(|tile| tile.reader = None);
        place(tiles, nodes);
    });
    let mut step = tiles.first().map_or(0, |tile| tile.weight);
    while step > 0 {
        try_out(tiles, nodes, |tiles| level(tiles, nodes, step));
        step -= step.div_ceil(8);
    }
}

/// Readers for the tiles that have none; others pass on only where loads are more than the largest tile apart.
pub(crate) fn fill_in(tiles: &mut [Tile], nodes: usize) {
    place(tiles, nodes);
    let largest = tiles.first().map_or(0, |tile| tile.weight);
    try_out(tiles, nodes, |tiles| level(tiles, nodes, largest));
}

/// Changes readers, but for a change that does not make the highest loads lower.
fn try_out(tiles: &mut [Tile], nodes: usize, change: impl FnOnce(&mut [Tile])) {
    let highest_first = |tiles: &[Tile]| {
        let mut loads = loads(tiles, nodes);
        loads.sort_by_key(|&load| Reverse(load));
        loads
    };
    let before = highest_first(tiles);
    let readers: Vec<Option<usize>> = tiles.iter().map(|tile| tile.reader).collect();
    change(tiles);
    if highest_first(tiles) >= before {
        let tiles = tiles.iter_mut().zip(readers);
        tiles.for_each(|(tile, reader)| tile.reader = reader);
    }
}

/// Gives each tile that has no reader to its holder with the least to read: those with the fewest holders first, of these the
/// largest.
fn place(tiles: &mut [Tile], nodes: usize) {
    let mut loads = loads(tiles, nodes);
    let mut tiles: Vec<&mut Tile> = tiles.iter_mut().filter(|tile| tile.reader.is_none()).collect();
    tiles.sort_by_key(|tile| tile.holders.len());
    for tile in tiles {
        tile.reader = tile.holders.iter().copied().min_by_key(|&node| (loads[node], node));
        if let Some(node) = tile.reader {
            loads[node] += u128::from(tile.weight);
        }
    }
}

/// Lets tiles of at most `step` bytes pass from node to node until no node has over `step` more than any node that it
/// can reach so.
///
/// A node that has over `low + step` passes one tile on, on the shortest way to a node that has at most `low`; `low` rises
/// when no such way is left. Ways to `low` never become shorter, so this ends (Gairing et al. 2004, "Computing Nash equilibria for
/// scheduling on restricted parallel links"). If all tiles may pass, what the nodes within reach of the most loaded one read is on
/// none but these: in every assignment one of them has at least its load less `step`.
fn level(tiles: &mut [Tile], nodes: usize, step: u64) {
    let mut loads = loads(tiles, nodes);
    let mut passes = ways(tiles, nodes, step);
    let mut low = 0;
    loop {
        let full = towards(&passes, &loads, low).into_iter().zip(&loads).enumerate();
        let full = full.filter(|&(_, (_, &load))| load > low + u128::from(step));
        let fullest = full.filter_map(|(from, (way, &load))| Some((load, Reverse(from), way?)));
        if let Some((_, Reverse(from), (tile, to))) = fullest.max() {
            let tile = &mut tiles[tile];
            tile.reader = Some(to);
            loads[from] -= u128::from(tile.weight);
            loads[to] += u128::from(tile.weight);
            passes = ways(tiles, nodes, step);
        } else if let Some(&next) = loads.iter().filter(|&&load| load > low).min() {
            low = next;
        } else {
            return;
        }
    }
}

/// For each node the largest tile, of at most `step` bytes, that it could pass on to each other.
fn ways(tiles: &[Tile], nodes: usize, step: u64) -> Vec<Vec<Option<usize>>> {
    let mut ways = vec![vec![None; nodes]; nodes];
    let first = tiles.partition_point(|tile| tile.weight > step);
    for (number, tile) in tiles.iter().enumerate().skip(first) {
        if let Some(from) = tile.reader {
            for &to in tile.holders.iter().filter(|&&to| to != from) {
                ways[from][to].get_or_insert(number);
            }
        }
    }
    ways
}

/// The tile that each node that has more than `low` passes on, and to whom, on its shortest way to a node that does not.
fn towards(ways: &[Vec<Option<usize>>], loads: &[u128], low: u128) -> Vec<Option<(usize, usize)>> {
    let mut next = vec![None; loads.len()];
    let mut reached: Vec<usize> = (0..loads.len()).filter(|&node| loads[node] <= low).collect();
    let mut at = 0;
    while let Some(&to) = reached.get(at) {
        at += 1;
        for from in 0..loads.len() {
            if loads[from] > low
                && next[from].is_none()
                && let Some(tile) = ways[from][to]
            {
                next[from] = Some((tile, to));
                reached.push(from);
            }
        }
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tiles of these weights and holders, the first of whom reads.
    fn tiles(tiles: &[(u64, &[usize])]) -> Vec<Tile> {
        let tile = |&(weight, holders): &(u64, &[usize])| Tile {
            part: ReadPlan::default(),
            weight,
            holders: holders.to_vec(),
            reader: holders.first().copied(),
        };
        tiles.iter().map(tile).collect()
    }

    #[track_caller]
    fn check_level(held: &[(u64, &[usize])], step: u64, expected: &[u128]) {
        let mut tiles = tiles(held);
        level(&mut tiles, expected.len(), step);
        assert_eq!(loads(&tiles, expected.len()), expected);
    }

    #[track_caller]
    fn check(held: &[(u64, &[usize])], expected: &[u128]) {
        let mut tiles = tiles(held);
        even_out(&mut tiles, expected.len());
        assert_eq!(loads(&tiles, expected.len()), expected);
    }

    #[test]
    fn tiles_pass_along_chains() {
        check_level(&[], 1, &[]);
        check_level(&[], 1, &[0, 0]);
        check_level(&[(5, &[0])], 5, &[5, 0]);
        // Node 0 shares tiles with 1 only, and 1 with 2.
        let chain: [(u64, &[usize]); 2] = [(1, &[0, 1]), (1, &[1, 2])];
        check_level(&chain, 1, &[1, 1, 0]);
        check_level(&[[chain[0]; 4], [chain[1]; 4]].concat(), 1, &[3, 3, 2]);
        // What is larger than the step stays.
        check_level(&[(3, &[0, 1]), (1, &[0, 1]), (1, &[0, 1])], 1, &[3, 2]);
    }

    #[test]
    fn loads_are_even() {
        check(&[], &[0]);
        check(&[(4, &[0, 1]), (2, &[0, 1]), (2, &[0, 1])], &[4, 4]);
        // The least loaded holder at each time would lead to 72, 66, 30.
        let chain: [(u64, &[usize]); 2] = [(10, &[1, 2]), (9, &[0, 1])];
        check(&[vec![chain[0]; 6], vec![chain[1]; 12]].concat(), &[54, 54, 60]);
        // And here to 38, 56, 42: first holders are better.
        let firsts: [(u64, &[usize]); 6] = [
            (38, &[0]),
            (28, &[2]),
            (26, &[1]),
            (16, &[0, 1]),
            (14, &[1, 2]),
            (14, &[2]),
        ];
        check(&firsts, &[54, 40, 42]);
    }
}
