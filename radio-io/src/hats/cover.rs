//! Partitions, and the sky that they leave uncovered.

use super::Partition;
use crate::{Error, Result};

/// The partitions in the order of the sky's curve, if they can be those of one catalogue.
pub(super) fn check(partitions: &[Partition]) -> Result<Vec<Partition>> {
    let error = |value: String, expected: &str| Err(Error::option("partitions", value, expected));
    let name = |partition: &Partition| format!("order {}, pixel {}", partition.order, partition.pixel);
    if partitions.is_empty() {
        return error("empty".into(), "at least one partition");
    }
    if let Some(partition) = partitions.iter().find(|partition| !partition.is_on_sky()) {
        return error(name(partition), "order 0 to 29, and pixel below 12 · 4^order");
    }
    if let Some(partition) = partitions.iter().find(|partition| partition.rows == 0) {
        return error(
            format!("{}, without rows", name(partition)),
            "partitions with rows: leave out the others",
        );
    }
    let mut sorted = partitions.to_vec();
    sorted.sort();
    if let Some(two) = sorted.windows(2).find(|two| two[0].end() > two[1].start()) {
        let value = format!("{} and {}", name(&two[0]), name(&two[1]));
        return error(value, "partitions that do not overlap");
    }
    Ok(sorted)
}

/// The whole sky in the order of its curve: the partitions, and between them the fewest pixels that cover the rest, which have no rows.
pub(super) fn whole_sky(sorted: &[Partition]) -> Vec<Partition> {
    let mut sky = Vec::new();
    split(
        Partition {
            order: 0,
            pixel: 0,
            rows: 0,
        },
        12,
        sorted,
        &mut sky,
    );
    sky
}

/// Covers this pixel and its next siblings, `count` in all.
fn split(first: Partition, count: u64, mut inside: &[Partition], sky: &mut Vec<Partition>) {
    for pixel in first.pixel..first.pixel + count {
        let pixel = Partition { pixel, ..first };
        let own;
        (own, inside) = inside.split_at(inside.partition_point(|partition| partition.start() < pixel.end()));
        match own {
            [] => sky.push(pixel),
            [partition, ..] if partition.order <= pixel.order => sky.push(*partition),
            _ => {
                let child = Partition {
                    order: pixel.order + 1,
                    pixel: 4 * pixel.pixel,
                    rows: 0,
                };
                split(child, 4, own, sky);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_sky_is_covered_once(pixels in prop::collection::vec((0u8..6, 0u64..12 << 10), 0..40)) {
            let mut partitions: Vec<Partition> = pixels.into_iter()
                .map(|(order, pixel)| Partition { order, pixel: pixel % (12 << (2 * order)), rows: 1 })
                .collect();
            partitions.sort();
            let mut end = 0;
            partitions.retain(|partition| {
                let is_free = partition.start() >= end;
                if is_free {
                    end = partition.end();
                }
                is_free
            });
            let sky = whole_sky(&partitions);
            prop_assert_eq!((sky[0].start(), sky[sky.len() - 1].end()), (0, 12 << 58));
            prop_assert!(sky.windows(2).all(|two| two[0].end() == two[1].start()));
            let full: Vec<Partition> = sky.iter().copied().filter(|pixel| pixel.rows > 0).collect();
            prop_assert_eq!(full, partitions);
            // Four empty siblings would be one pixel.
            let is_merged = |four: &[Partition]| four.iter().any(|pixel| pixel.rows > 0 || pixel.order != four[0].order || pixel.order == 0)
                || !four[0].pixel.is_multiple_of(4);
            prop_assert!(sky.windows(4).all(is_merged));
        }
    }
}
