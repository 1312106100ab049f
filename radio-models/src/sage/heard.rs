//! What nodes hear of their neighbours.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::layer::Aggregation;
use super::places;
use crate::model::upload;

/// Rows that one thread works on at a time.
const ROWS: usize = 256;
/// Places that may be filled with nothing, for each that holds a neighbour, before rows are parted by their number of neighbours.
const WASTE: f64 = 0.5;

/// The numbers of some nodes, `(nodes, width)`.
pub(super) fn gather(features: &[f32], width: usize, nodes: &[u32]) -> Vec<f32> {
    let mut gathered = vec![0.0; nodes.len() * width];
    let rows = gathered.par_chunks_mut((ROWS * width).max(1));
    rows.zip(nodes.par_chunks(ROWS)).for_each(|(rows, nodes)| {
        for (row, &node) in rows.chunks_exact_mut(width).zip(nodes) {
            row.copy_from_slice(&features[node as usize * width..][..width]);
        }
    });
    gathered
}

impl Aggregation {
    /// What each of so many rows hears of its neighbours, which are rows of `x`, `(_, width)`: `(rows, width)`.
    pub(super) fn of_rows<N: Iterator<Item = u32>>(
        self,
        x: &[f32],
        width: usize,
        rows: usize,
        neighbours: impl Fn(usize) -> N + Sync,
    ) -> Vec<f32> {
        let mut heard = vec![0.0; rows * width];
        let chunks = heard.par_chunks_mut((ROWS * width).max(1)).enumerate();
        chunks.for_each(|(chunk, heard)| {
            for (row, heard) in heard.chunks_exact_mut(width).enumerate() {
                self.of_row(x, neighbours(chunk * ROWS + row), heard);
            }
        });
        heard
    }

    /// The same for one row; `heard` is 0 where there is no neighbour.
    pub(super) fn of_row(self, x: &[f32], mut neighbours: impl Iterator<Item = u32>, heard: &mut [f32]) {
        let row = |node: u32| &x[node as usize * heard.len()..][..heard.len()];
        let Some(first) = neighbours.next() else {
            heard.fill(0.0);
            return;
        };
        let first = row(first);
        let mut count = 1u32;
        let rest = neighbours.map(|node| {
            count += 1;
            &x[node as usize * first.len()..][..first.len()]
        });
        heard.copy_from_slice(first);
        match self {
            Self::Mean => {
                rest.for_each(|row| heard.iter_mut().zip(row).for_each(|(sum, x)| *sum += x));
                let share = 1.0 / count as f32;
                heard.iter_mut().for_each(|sum| *sum *= share);
            }
            Self::Max | Self::Pool => {
                rest.for_each(|row| heard.iter_mut().zip(row).for_each(|(most, &x)| *most = most.max(x)));
            }
        }
    }
}

/// Neighbours as rectangles: each row with as many places as the one with most neighbours, and marks for those that are empty. Rows of very
/// different numbers of neighbours are parted by powers of two. So nothing has to be scattered.
pub(super) struct Heard {
    pub(super) parts: Vec<Rectangle>,
    /// Where the rows are in the parts, if not in their order.
    pub(super) order: Option<Vec<i32>>,
}

pub(super) struct Rectangle {
    rows: usize,
    width: usize,
    /// `(rows, width)`.
    places: Vec<i32>,
    /// The part that each place has in the mean, `(rows, width)`: 0 where it is empty.
    shares: Vec<f32>,
}

impl Heard {
    /// The neighbours of so many rows, by their places.
    pub(super) fn new<'a>(rows: usize, neighbours: impl Fn(usize) -> &'a [u32]) -> Self {
        let (mut most, mut all) = (0, 0);
        for row in 0..rows {
            most = most.max(neighbours(row).len());
            all += neighbours(row).len();
        }
        if (most * rows) as f64 <= (1.0 + WASTE) * all as f64 {
            let parts = vec![Rectangle::new(most, (0..rows).map(neighbours))];
            return Self { parts, order: None };
        }
        Self::by_degree(rows, neighbours)
    }

    fn by_degree<'a>(rows: usize, neighbours: impl Fn(usize) -> &'a [u32]) -> Self {
        // The class of a row: 0 for no neighbour, then by powers of two.
        let class = |row: &usize| match neighbours(*row).len() {
            0 => 0,
            n => n.next_power_of_two().ilog2() + 1,
        };
        let mut by_class: Vec<usize> = (0..rows).collect();
        by_class.sort_by_key(class);
        let parts = by_class.chunk_by(|a, b| class(a) == class(b)).map(|rows| {
            let width = rows.iter().map(|&row| neighbours(row).len()).max().unwrap_or(0);
            Rectangle::new(width, rows.iter().map(|&row| neighbours(row)))
        });
        let parts = parts.collect();
        let mut order = vec![0; rows];
        by_class
            .iter()
            .enumerate()
            .for_each(|(at, &row)| order[row] = at as i32);
        Self {
            parts,
            order: Some(order),
        }
    }

    /// Is there no neighbour at all?
    pub(super) fn is_silent(&self) -> bool {
        self.parts.iter().all(|part| part.width == 0)
    }

    /// What is heard of nodes, `(nodes, d)`: `(rows, d)`.
    pub(super) fn of(self, x: &Tensor<2>, aggregation: Aggregation) -> Tensor<2> {
        let mut parts: Vec<Tensor<2>> = self
            .parts
            .into_iter()
            .map(|part| part.of(x.clone(), aggregation))
            .collect();
        let heard = match parts.len() {
            1 => parts.remove(0),
            0 => x.clone().narrow(0, 0, 0),
            _ => Tensor::cat(parts, 0),
        };
        match self.order {
            Some(order) => heard.select(0, places(order, &x.device())),
            None => heard,
        }
    }
}

impl Rectangle {
    pub(super) fn new<'a>(width: usize, rows: impl Iterator<Item = &'a [u32]>) -> Self {
        let (mut places, mut shares, mut count) = (Vec::new(), Vec::new(), 0);
        for neighbours in rows {
            places.extend(neighbours.iter().map(|&place| place as i32));
            shares.extend(neighbours.iter().map(|_| 1.0 / neighbours.len() as f32));
            count += 1;
            places.resize(count * width, 0);
            shares.resize(count * width, 0.0);
        }
        Self {
            rows: count,
            width,
            places,
            shares,
        }
    }

    /// `(rows, d)`.
    fn of(self, x: Tensor<2>, aggregation: Aggregation) -> Tensor<2> {
        let (d, device) = (x.dims()[1], x.device());
        if self.width == 0 {
            return Tensor::zeros([self.rows, d], &device);
        }
        let filled = !self.shares.contains(&0.0);
        let of_neighbours = x
            .select(0, places(self.places, &device))
            .reshape([self.rows, self.width, d]);
        let heard = match aggregation {
            Aggregation::Mean => {
                let shares = upload(self.shares, [self.rows, self.width, 1], &device);
                (of_neighbours * shares).sum_dim(1)
            }
            Aggregation::Max | Aggregation::Pool if filled => of_neighbours.max_dim(1),
            Aggregation::Max | Aggregation::Pool => {
                // A place that is empty holds less than any other; a row of nothing else becomes 0.
                let low = |share: &f32| if *share > 0.0 { 0.0 } else { f32::MIN };
                let low = upload(
                    self.shares.iter().map(low).collect(),
                    [self.rows, self.width, 1],
                    &device,
                );
                let hears = |row: &[f32]| if row[0] > 0.0 { 1.0 } else { 0.0 };
                let hears = self.shares.chunks_exact(self.width).map(hears).collect();
                (of_neighbours + low).max_dim(1) * upload(hears, [self.rows, 1, 1], &device)
            }
        };
        heard.reshape([self.rows, d])
    }
}
