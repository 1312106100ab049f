//! Margins: for each partition the rows of others that are near its border.
//!
//! They are those in the ring of pixels of one order around the partition, whose width is the threshold at least (as hats-import has it). A row
//! is in the ring of a partition if its pixel has a neighbour in the partition, so one pass over the rows finds all margins.

use std::f64::consts::PI;
use std::ops::Range;
use std::path::Path;

use super::leaf::Leaf;
use super::{DEEPEST, Partition, create_folder, sorted};
use crate::{Error, Result, TileWriter, WriteOptions};

/// The margins for one threshold, while leaves are scanned.
#[derive(Debug)]
pub(super) struct Ring<'a> {
    pub(super) threshold_arcsec: f64,
    /// Of the pixels of the rings.
    order: u8,
    /// The whole sky in the order of its curve, partitions and what is between them.
    sky: &'a [Partition],
    /// The pixel of the rows that were added last: in which leaf, in which part of the sky, which rows.
    last: Option<(u64, Run)>,
    runs: Vec<Run>,
    neighbours: Vec<u64>,
}

/// Rows of a leaf that are near a part of the sky.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Run {
    /// The part's number.
    part: usize,
    leaf: usize,
    rows: Range<u64>,
}

impl<'a> Ring<'a> {
    /// The rings for a threshold around the parts of the sky.
    pub(super) fn new(threshold_arcsec: f64, sky: &'a [Partition]) -> Result<Self> {
        let error = |expected| Error::option("margin_arcsec", threshold_arcsec, expected);
        if !(threshold_arcsec > 0.0 && threshold_arcsec.is_finite()) {
            return Err(error("a positive number".into()));
        }
        let order = order(threshold_arcsec);
        let deepest = sky.iter().map(|pixel| pixel.order).max().unwrap_or(0);
        if order <= deepest {
            let widest = (width(deepest + 1).to_degrees() * 3600.0).floor();
            return Err(error(format!(
                "at most {widest}, since partitions are of order {deepest}"
            )));
        }
        Ok(Self {
            threshold_arcsec,
            order,
            sky,
            last: None,
            runs: Vec::new(),
            neighbours: Vec::new(),
        })
    }

    /// Adds a row of a leaf. Rows are in the order of their pixels of order 29.
    pub(super) fn add(&mut self, leaf: usize, healpix_29: u64, row: u64) {
        let pixel = healpix_29 >> self.shift();
        match &mut self.last {
            Some((last, run)) if *last == pixel && run.leaf == leaf => run.rows.end = row + 1,
            _ => {
                self.end_leaf();
                let part = self.part_of(pixel);
                let rows = row..row + 1;
                self.last = Some((pixel, Run { part, leaf, rows }));
            }
        }
    }

    /// Enters what was added last.
    pub(super) fn end_leaf(&mut self) {
        let Some((pixel, run)) = self.last.take() else { return };
        if !self.is_at_border(pixel, self.sky[run.part].order) {
            return;
        }
        let mut neighbours = std::mem::take(&mut self.neighbours);
        neighbours.clear();
        cdshealpix::nested::append_bulk_neighbours(self.order, pixel, &mut neighbours);
        neighbours
            .iter_mut()
            .for_each(|pixel| *pixel = self.part_of(*pixel) as u64);
        neighbours.sort_unstable();
        neighbours.dedup();
        for &part in &neighbours {
            let part = part as usize;
            if part != run.part {
                self.runs.push(Run { part, ..run.clone() });
            }
        }
        self.neighbours = neighbours;
    }

    fn shift(&self) -> u8 {
        2 * (DEEPEST - self.order)
    }

    /// The number of the part of the sky that a pixel lies in.
    fn part_of(&self, pixel: u64) -> usize {
        let start = pixel << self.shift();
        self.sky.partition_point(|part| part.start() <= start).saturating_sub(1)
    }

    /// Is a pixel at the border of the one of this order that it lies in? Its bits are those of two coordinates by turns.
    fn is_at_border(&self, pixel: u64, order: u8) -> bool {
        let inside = (1 << (2 * (self.order - order))) - 1;
        [0x5555_5555_5555_5555, 0xaaaa_aaaa_aaaa_aaaa].iter().any(|bits| {
            let coordinate = pixel & inside & bits;
            coordinate == 0 || coordinate == inside & bits
        })
    }

    /// Writes the leaves of the margin catalogue in this folder, and returns them in the order of the sky's curve.
    pub(super) fn write(mut self, folder: &Path, leaves: &[Leaf], options: &WriteOptions) -> Result<Vec<Leaf>> {
        self.runs.sort_by_key(|run| (run.part, run.leaf, run.rows.start));
        let mut written = Vec::new();
        for runs in self.runs.chunk_by(|a, b| a.part == b.part) {
            let partition = Partition {
                rows: runs.iter().map(|run| run.rows.end - run.rows.start).sum(),
                ..self.sky[runs[0].part]
            };
            let path = folder.join(partition.leaf());
            if let Some(folder) = path.parent() {
                create_folder(folder)?;
            }
            let mut writer = TileWriter::create(&path, leaves[runs[0].leaf].schema(), sorted(options))?;
            for runs in runs.chunk_by(|a, b| a.leaf == b.leaf) {
                leaves[runs[0].leaf].copy(runs.iter().map(|run| run.rows.clone()), &mut writer)?;
            }
            writer.finish()?;
            written.push(Leaf::open(folder, partition)?);
        }
        Ok(written)
    }
}

/// The deepest order whose pixels are wider than the threshold everywhere.
fn order(threshold_arcsec: f64) -> u8 {
    let order = (width(0) / (threshold_arcsec / 3600.0).to_radians()).log2().floor();
    order.clamp(0.0, f64::from(DEEPEST)) as u8
}

/// What pixels of an order are wider than everywhere, in radians: the root of their area over 1.6.
fn width(order: u8) -> f64 {
    (PI / 3.0).sqrt() / 1.6 / f64::from(1u32 << order)
}
