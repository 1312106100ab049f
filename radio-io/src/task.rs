//! What one thread does at once: the matrices of one piece.

use crate::Result;
use crate::arms::{ArmRow, Sums, join};
use crate::cache::Block;
use crate::decode::Part;
use crate::fast::Slot;
use crate::tile::Tile;

/// Rows that are joined from arms at once: few, so that what they are joined from stays in the core's own cache.
const JOINED: usize = 16;

/// Rows of one piece that go to their places.
pub(crate) enum Task<'a> {
    /// One part of a spectrum, as it is in a tile.
    Part(&'a Tile, Part, Vec<Slot<'a>>),
    /// All parts of spectra that are joined from arms; flux, ivar and, where there is one, mask.
    Join(&'a Tile, [Vec<Slot<'a>>; 3]),
    /// One part of a spectrum that is in memory already.
    Copy(&'a Block, Part, Vec<Slot<'a>>),
}

impl<'a> Task<'a> {
    pub(crate) fn of_tile(tile: &'a Tile, slots: [Vec<Slot<'a>>; 3]) -> Vec<Self> {
        if tile.columns.arms().len() > 1 {
            return vec![Self::Join(tile, slots)];
        }
        let parts = Part::ALL.into_iter().zip(slots);
        parts.map(|(part, slots)| Self::Part(tile, part, slots)).collect()
    }

    pub(crate) fn of_block(block: &'a Block, slots: [Vec<Slot<'a>>; 3]) -> Vec<Self> {
        let parts = Part::ALL.into_iter().zip(slots);
        parts.map(|(part, slots)| Self::Copy(block, part, slots)).collect()
    }

    /// Returns how many rows of a part were not of the form that is read fast.
    pub(crate) fn run(self) -> Result<usize> {
        match self {
            Self::Part(tile, part, mut slots) => {
                slots.sort_unstable_by_key(|slot| slot.row);
                let arm = tile.columns.arms().first();
                arm.map_or(Ok(0), |arm| arm.fill(&tile.source, part, &mut slots))
            }
            Self::Join(tile, mut slots) => {
                slots
                    .iter_mut()
                    .for_each(|slots| slots.sort_unstable_by_key(|slot| slot.row));
                let [flux, ivar, mask] = &mut slots;
                let mut by_parquet = 0;
                // Where no tile has a mask, there is none to be filled.
                let mut masks = mask.chunks_mut(JOINED);
                for (flux, ivar) in flux.chunks_mut(JOINED).zip(ivar.chunks_mut(JOINED)) {
                    by_parquet += join_rows(tile, flux, ivar, masks.next())?;
                }
                Ok(by_parquet)
            }
            Self::Copy(block, part, slots) => {
                // Without a mask there are the zeros of the batch.
                if let Some(matrix) = &block.parts[part as usize] {
                    let bytes: &[u8] = bytemuck::cast_slice(matrix);
                    for slot in slots {
                        let length = slot.values.len();
                        let row = block
                            .find(slot.row)
                            .and_then(|row| bytes.get(row * length..(row + 1) * length));
                        row.into_iter().for_each(|row| slot.values.copy_from_slice(row));
                    }
                }
                Ok(0)
            }
        }
    }
}

/// Reads the arms of some rows, and joins them.
fn join_rows(
    tile: &Tile,
    flux: &mut [Slot<'_>],
    ivar: &mut [Slot<'_>],
    mut mask: Option<&mut [Slot<'_>]>,
) -> Result<usize> {
    let rows: Vec<u64> = flux.iter().map(|slot| slot.row).collect();
    let mut by_parquet = 0;
    let mut arms = Vec::new();
    for arm in tile.columns.arms() {
        let mut parts = [Vec::new(), Vec::new(), Vec::new()];
        for part in Part::ALL {
            if arm.columns[part as usize].is_none() {
                continue;
            }
            let values: &mut Vec<u32> = &mut parts[part as usize];
            values.resize(rows.len() * arm.pixels, 0);
            let places = bytemuck::cast_slice_mut::<u32, u8>(values).chunks_exact_mut(arm.pixels * size_of::<u32>());
            let mut slots: Vec<Slot<'_>> = rows
                .iter()
                .zip(places)
                .map(|(&row, values)| Slot { row, values })
                .collect();
            by_parquet += arm.fill(&tile.source, part, &mut slots)?;
        }
        arms.push((arm, parts));
    }
    let mut sums = Sums::default();
    for (number, (flux, ivar)) in flux.iter_mut().zip(ivar).enumerate() {
        let of_row: Vec<ArmRow<'_>> = arms
            .iter()
            .map(|(arm, [flux, ivar, mask])| {
                let pixels = number * arm.pixels..(number + 1) * arm.pixels;
                ArmRow {
                    first: arm.first,
                    flux: bytemuck::cast_slice(&flux[pixels.clone()]),
                    ivar: bytemuck::cast_slice(&ivar[pixels.clone()]),
                    mask: bytemuck::cast_slice(mask.get(pixels).unwrap_or_default()),
                }
            })
            .collect();
        let mask = mask.as_mut().map(|mask| bytemuck::cast_slice_mut(mask[number].values));
        join(
            &of_row,
            &mut sums,
            bytemuck::cast_slice_mut(flux.values),
            bytemuck::cast_slice_mut(ivar.values),
            mask,
        );
    }
    Ok(by_parquet)
}
