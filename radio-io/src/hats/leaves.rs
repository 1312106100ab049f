//! The leaves of a catalogue that is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::properties::Properties;
use super::{Partition, catalogue, io, leaf};
use crate::Result;

/// Lists the leaves of the catalogue in a folder, or of the main catalogue of the collection in it, in the order of the sky's curve.
///
/// Rows are counted by the leaves' footers. Margins hold copies of rows of the main catalogue and are not listed. Where a partition is a folder
/// of files, it is listed once for each.
///
/// # Errors
///
/// [`Error::Catalogue`](crate::Error::Catalogue), with file and line, where the folder is no catalogue or is a margin or an index, where leaves are
/// missing, or are not in `partition_info.csv`, or overlap, or where their rows are not `hats_nrows`; [`Error::Tile`](crate::Error::Tile) for a leaf
/// that is not Parquet; [`Error::Io`](crate::Error::Io).
///
/// # Complexity
///
/// A footer is read for each leaf.
pub fn leaves(path: impl AsRef<Path>) -> Result<Vec<(Partition, PathBuf)>> {
    let path = path.as_ref();
    let folder = match Properties::read(&path.join("collection.properties"))? {
        Some(properties) => {
            let key = "hats_primary_table_url";
            let place = properties.required(key)?;
            if place.contains("://") {
                return Err(properties.error(key, "only folders of this computer can be read"));
            }
            path.join(place)
        }
        None => path.to_owned(),
    };
    let properties = match Properties::read(&folder.join("hats.properties"))? {
        Some(properties) => properties,
        None => Properties::read(&folder.join("properties"))?.ok_or_else(|| {
            let reason = "no HATS catalogue: neither hats.properties nor properties nor collection.properties is there";
            catalogue(&folder, reason)
        })?,
    };
    let key = "dataproduct_type";
    if !matches!(properties.required(key)?, "object" | "source") {
        return Err(properties.error(
            key,
            "its rows are not those of a survey: name the main catalogue or the collection",
        ));
    }
    let suffix = properties.get("hats_npix_suffix").unwrap_or(".parquet");
    let is_folder = suffix == "/";
    let suffix = if is_folder { "" } else { suffix };

    let on_disk = leaf_files(&folder)?;
    let info = folder.join("partition_info.csv");
    let mut partitions = match fs::read_to_string(&info) {
        Ok(text) => read_info(&info, &text)?,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => on_disk
            .iter()
            .map(|place| {
                parse(place, suffix)
                    .map(|partition| (0, partition))
                    .ok_or_else(|| catalogue(&folder.join(place), "not the name of a leaf"))
            })
            .collect::<Result<_>>()?,
        Err(e) => return Err(io(&info)(e)),
    };
    partitions.sort_by_key(|(_, partition)| *partition);
    if let Some(two) = partitions.windows(2).find(|two| two[0].1.end() > two[1].1.start()) {
        let line = two[0].0.max(two[1].0);
        let reason = format!(
            "line {line}: the partition overlaps that of line {}",
            two[0].0.min(two[1].0)
        );
        return Err(catalogue(&info, reason));
    }

    let mut expected = BTreeSet::new();
    let (mut leaves, mut total) = (Vec::new(), 0);
    for (line, partition) in partitions {
        let place = partition.leaf();
        let place = PathBuf::from(format!("{}{suffix}", place.trim_end_matches(".parquet")));
        let path = folder.join(&place);
        if !on_disk.contains(&place) {
            let reason = format!("line {line}: {} is missing", path.display());
            return Err(catalogue(&info, reason));
        }
        expected.insert(place);
        let files = if is_folder { names(&path, "")? } else { vec![path] };
        for file in files {
            let rows = leaf::count_rows(&file)?;
            total += rows;
            leaves.push((Partition { rows, ..partition }, file));
        }
    }
    if let Some(place) = on_disk.difference(&expected).next() {
        return Err(catalogue(&folder.join(place), format!("not in {}", info.display())));
    }
    let key = "hats_nrows";
    match properties.get(key) {
        Some(rows) if rows.parse() != Ok(total) => Err(properties.error(key, &format!("the leaves hold {total} rows"))),
        _ => Ok(leaves),
    }
}

/// The partitions of a list, with their lines.
fn read_info(path: &Path, text: &str) -> Result<Vec<(usize, Partition)>> {
    let header: Vec<&str> = text
        .lines()
        .next()
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .collect();
    let column = |name: &str| {
        header
            .iter()
            .position(|column| *column == name)
            .ok_or_else(|| catalogue(path, format!("line 1: no column {name}")))
    };
    let (order, pixel) = (column("Norder")?, column("Npix")?);
    let mut partitions = Vec::new();
    for (line, number) in text
        .lines()
        .zip(1..)
        .skip(1)
        .filter(|(line, _)| !line.trim().is_empty())
    {
        let cells: Vec<&str> = line.split(',').map(str::trim).collect();
        let order = cells.get(order).and_then(|order| order.parse().ok());
        let pixel = cells.get(pixel).and_then(|pixel| pixel.parse().ok());
        let partition = order
            .zip(pixel)
            .map(|(order, pixel)| Partition { order, pixel, rows: 0 });
        let partition = partition.filter(Partition::is_on_sky).ok_or_else(|| {
            catalogue(
                path,
                format!("line {number}: {line:?} is no order and pixel of the sky"),
            )
        })?;
        partitions.push((number, partition));
    }
    Ok(partitions)
}

/// What readers take for leaves below a catalogue's folder: `dataset/Norder*/Dir*/Npix*`.
pub(super) fn leaf_files(folder: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut leaves = BTreeSet::new();
    let dataset = folder.join("dataset");
    if !fs::exists(&dataset).map_err(io(&dataset))? {
        return Ok(leaves);
    }
    for order in names(&dataset, "Norder")? {
        for dir in names(&order, "Dir")? {
            for leaf in names(&dir, "Npix")? {
                leaves.extend(leaf.strip_prefix(folder).map(Path::to_owned));
            }
        }
    }
    Ok(leaves)
}

/// What is in a folder under names that begin so, in the order of the names.
fn names(folder: &Path, start: &str) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(io(folder))? {
        let entry = entry.map_err(io(folder))?;
        let name = entry.file_name();
        if name.to_string_lossy().starts_with(start) && !name.to_string_lossy().starts_with(['.', '_']) {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

/// The partition of a leaf's place in its catalogue.
fn parse(place: &Path, suffix: &str) -> Option<Partition> {
    let mut parts = place.iter().skip(1).map(|part| part.to_str());
    let order = parts.next()??.strip_prefix("Norder=")?.parse().ok()?;
    let pixel = parts
        .nth(1)??
        .strip_prefix("Npix=")?
        .strip_suffix(suffix)?
        .parse()
        .ok()?;
    let partition = Partition { order, pixel, rows: 0 };
    partition.is_on_sky().then_some(partition)
}
