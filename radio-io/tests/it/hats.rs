//! Catalogues in HATS folders: made here and looked at, and read by lsdb.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use crate::repartition::read;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, FixedSizeListArray, Float32Array, Float64Array, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use cdshealpix::compass_point::Cardinal;
use cdshealpix::nested;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use radio_io::hats::{Collection, Partition, Report, healpix_29, leaves};
use radio_io::{Partitioning, RepartitionOptions, TileWriter, WriteOptions};

/// Rows with these positions, in the order of the sky's curve; ids are their places in the list.
fn rows(positions: &[(f64, f64)]) -> RecordBatch {
    let pixels: Vec<i64> = positions
        .iter()
        .map(|&(ra, dec)| healpix_29(ra, dec).unwrap())
        .collect();
    let mut order: Vec<usize> = (0..positions.len()).collect();
    order.sort_by_key(|&row| (pixels[row], row));
    let numbers = |value: &dyn Fn(usize) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(order.iter().map(|&row| value(row))))
    };
    let integers = |value: &dyn Fn(usize) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(order.iter().map(|&row| value(row))))
    };
    let flux = order.iter().flat_map(|&row| [row as f32, 0.5, -1.0]);
    let element = Arc::new(Field::new("element", DataType::Float32, false));
    let flux = FixedSizeListArray::new(element, 3, Arc::new(Float32Array::from_iter_values(flux)), None);
    let unit = [("unit".to_owned(), "mJy".to_owned())];
    let columns: Vec<(Field, ArrayRef)> = vec![
        (
            Field::new("_healpix_29", DataType::Int64, false),
            integers(&|row| pixels[row]),
        ),
        (
            Field::new("targetid", DataType::Int64, false),
            integers(&|row| row as i64),
        ),
        (
            Field::new("ra", DataType::Float64, false),
            numbers(&|row| positions[row].0),
        ),
        (
            Field::new("dec", DataType::Float64, false),
            numbers(&|row| positions[row].1),
        ),
        (
            Field::new("flux", flux.data_type().clone(), false).with_metadata(unit.into()),
            Arc::new(flux),
        ),
    ];
    let (fields, columns): (Vec<Field>, Vec<ArrayRef>) = columns.into_iter().unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

/// The partition of a pixel of order 29: of order 1, but 2 in every other base pixel.
fn home(pixel: i64) -> (u8, u64) {
    let order = 1 + (pixel >> 58) as u8 % 2;
    (order, (pixel >> (2 * (29 - order))) as u64)
}

fn write_leaf(path: &Path, batch: &RecordBatch) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let options = WriteOptions::default().with_sorted_by("_healpix_29");
    let mut writer = TileWriter::create(path, batch.schema(), options).unwrap();
    writer.write(batch).unwrap();
    writer.finish().unwrap();
}

/// Writes the leaves of a catalogue.
fn write_leaves(folder: &Path, rows: &RecordBatch) -> Vec<Partition> {
    let mut by_home = BTreeMap::<_, Vec<i64>>::new();
    for (row, pixel) in pixels(rows).into_iter().enumerate() {
        by_home.entry(home(pixel)).or_default().push(row as i64);
    }
    let mut partitions = Vec::new();
    for ((order, pixel), numbers) in by_home {
        let partition = Partition {
            order,
            pixel,
            rows: numbers.len() as u64,
        };
        let own = take_record_batch(rows, &Int64Array::from(numbers)).unwrap();
        write_leaf(&folder.join(partition.leaf()), &own);
        partitions.push(partition);
    }
    partitions
}

fn pixels(batch: &RecordBatch) -> Vec<i64> {
    integers(batch, "_healpix_29")
}

fn integers(batch: &RecordBatch, column: &str) -> Vec<i64> {
    batch[column].as_primitive::<Int64Type>().values().to_vec()
}

/// Positions everywhere, at the poles and at right ascension 0, and close to borders of pixels of order 2.
fn positions() -> Vec<(f64, f64)> {
    let mut positions = vec![
        (0.0, 90.0),
        (123.0, -90.0),
        (0.0, 0.0),
        (359.999_999, 0.0),
        (180.0, 41.810_314_9),
    ];
    for row in 0..400 {
        // The golden angle scatters them evenly; the part of the sky between is left free.
        let ra = (f64::from(row) * 137.507_764).rem_euclid(360.0);
        let dec = (f64::from(row) / 200.0 - 1.0).asin().to_degrees();
        if !(100.0..150.0).contains(&ra) {
            positions.push((ra, dec));
        }
    }
    for pixel in 0..192 {
        let border = nested::path_along_cell_edge(2, pixel, &Cardinal::S, false, 2);
        for (number, (lon, lat)) in border.iter().enumerate() {
            let off = number as f64 / 9.0 - 0.4;
            let (ra, dec) = (
                (lon.to_degrees() + off).rem_euclid(360.0),
                (lat.to_degrees() + 0.3 * off).clamp(-90.0, 90.0),
            );
            if !(100.0..150.0).contains(&ra) {
                positions.push((ra, dec));
            }
        }
    }
    positions
}

/// A small catalogue, finished.
fn small(folder: &Path) -> (RecordBatch, Vec<Partition>, Report) {
    let rows = rows(&positions());
    let mut partitions = write_leaves(&folder.join("small"), &rows);
    partitions.reverse();
    let report = collection().finish(folder, &partitions).unwrap();
    partitions.sort();
    (rows, partitions, report)
}

fn collection() -> Collection {
    Collection::new("small")
        .with_margin_arcsec(1200.0)
        .with_margin_arcsec(7.5)
        .with_default_columns(["targetid", "ra", "dec"])
        .with_provenance("obs_title", "A small survey: 1 × 1 = 1")
        .with_provenance("hats_creation_date", "2026-11-22T10:26UTC")
        .with_max_rows(1000)
}

/// The partitions, and the fewest pixels that cover the rest of the sky.
fn whole_sky(partitions: &[Partition]) -> Vec<(u8, u64)> {
    let overlaps = |order: u8, pixel: u64| {
        partitions.iter().any(|p| match order.checked_sub(p.order) {
            Some(up) => pixel >> (2 * up) == p.pixel,
            None => p.pixel >> (2 * (p.order - order)) == pixel,
        })
    };
    let mut sky: Vec<(u8, u64)> = partitions.iter().map(|p| (p.order, p.pixel)).collect();
    for order in 0..=2 {
        let free = (0..12 << (2 * order))
            .filter(|&pixel| !overlaps(order, pixel) && (order == 0 || overlaps(order - 1, pixel / 4)));
        sky.extend(free.map(|pixel| (order, pixel)));
    }
    sky
}

#[test]
fn margins_are_the_rings_around_the_whole_sky() {
    let folder = tempfile::tempdir().unwrap();
    let (rows, partitions, report) = small(folder.path());
    assert_eq!(
        (report.rows, report.partitions),
        (rows.num_rows() as u64, partitions.len())
    );
    // 1200 arcsec is less than a pixel of order 6 and more than one of order 7 at its narrowest.
    for (margin, (name, order)) in report
        .margins
        .iter()
        .zip([("small_1200arcs", 6u8), ("small_7.5arcs", 14)])
    {
        assert_eq!(margin.name, name);
        let mut found = (0, 0);
        for part in whole_sky(&partitions) {
            let ring: BTreeSet<u64> = nested::external_edge(part.0, part.1, order - part.0)
                .iter()
                .copied()
                .collect();
            let near = |pixel: &i64| ring.contains(&(*pixel as u64 >> (2 * (29 - order))));
            let expected: Vec<i64> = pixels(&rows).into_iter().filter(near).collect();
            let partition = Partition {
                order: part.0,
                pixel: part.1,
                rows: 0,
            };
            let path = folder.path().join(name).join(partition.leaf());
            if expected.is_empty() {
                assert!(!path.exists());
            } else {
                let margin = read(&path);
                assert_eq!(pixels(&margin), expected, "{part:?}");
                // Whole rows are copied.
                for (row, id) in integers(&margin, "targetid").into_iter().enumerate() {
                    let flux = margin["flux"].as_fixed_size_list().value(row);
                    assert_eq!(flux.as_primitive::<Float32Type>().value(0), id as f32);
                }
                found = (found.0 + expected.len() as u64, found.1 + 1);
            }
        }
        assert_eq!((margin.rows, margin.partitions), found);
        assert!(found.0 > 10);
        let refused = leaves(folder.path().join(name)).unwrap_err();
        let expected = "line 3: dataproduct_type=margin: its rows are not those of a survey: name the main catalogue or the collection";
        assert!(refused.to_string().ends_with(expected), "{refused}");
    }
}

#[test]
fn lists_and_footers_are_those_of_the_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let (rows, partitions, report) = small(folder.path());
    let main = folder.path().join("small");

    let expected: Vec<(Partition, PathBuf)> = partitions.iter().map(|p| (*p, main.join(p.leaf()))).collect();
    assert_eq!(leaves(folder.path()).unwrap(), expected);
    assert_eq!(leaves(&main).unwrap(), expected);
    let info = fs::read_to_string(main.join("partition_info.csv")).unwrap();
    let lines = partitions.iter().map(|p| format!("{},{}\n", p.order, p.pixel));
    assert_eq!(info, format!("Norder,Npix\n{}", lines.collect::<String>()));

    let footer = |path: &Path| {
        let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
        (builder.schema().clone(), builder.metadata().clone())
    };
    let mut catalogues = vec![(main.clone(), partitions)];
    for margin in &report.margins {
        let margin = folder.path().join(&margin.name);
        let info = fs::read_to_string(margin.join("partition_info.csv")).unwrap();
        let partitions = info.lines().skip(1).map(|line| {
            let (order, pixel) = line.split_once(',').unwrap();
            let (order, pixel) = (order.parse().unwrap(), pixel.parse().unwrap());
            Partition { order, pixel, rows: 0 }
        });
        let partitions: Vec<Partition> = partitions.collect();
        assert!(partitions.is_sorted());
        catalogues.push((margin, partitions));
    }
    for (catalogue, partitions) in catalogues {
        let properties = fs::read_to_string(catalogue.join("properties")).unwrap();
        assert_eq!(
            properties,
            fs::read_to_string(catalogue.join("hats.properties")).unwrap()
        );
        assert!(
            properties.contains("\nobs_title=A small survey: 1 × 1 = 1\n"),
            "{properties}"
        );
        let (common_schema, common) = footer(&catalogue.join("dataset/_common_metadata"));
        assert_eq!((common.num_row_groups(), common.file_metadata().num_rows()), (0, 0));
        let content = &common_schema.metadata()["IVOA.VOTable-Parquet.content"];
        assert!(
            content
                .contains(r#"<FIELD name="flux" datatype="float" arraysize="3" unit="mJy" ucd="phot.flux.density"/>"#)
        );
        let (schema, all) = footer(&catalogue.join("dataset/_metadata"));
        assert_eq!(schema, common_schema);
        let mut groups = all.row_groups().iter();
        for partition in &partitions {
            let leaf = partition.leaf();
            let (leaf_schema, own) = footer(&catalogue.join(&leaf));
            assert_eq!(leaf_schema.fields(), schema.fields());
            for own in own.row_groups() {
                let group = groups.next().unwrap();
                assert_eq!(group.num_rows(), own.num_rows());
                for (column, own) in group.columns().iter().zip(own.columns()) {
                    assert_eq!(column.file_path(), leaf.strip_prefix("dataset/"));
                    assert_eq!(column.byte_range(), own.byte_range());
                    assert_eq!(column.statistics(), own.statistics());
                }
            }
        }
        assert!(groups.next().is_none());
    }

    let map = fs::read(main.join("point_map.fits")).unwrap();
    assert_eq!(map, fs::read(main.join("skymap.fits")).unwrap());
    let mut counts = BTreeMap::<u64, u64>::new();
    for pixel in pixels(&rows) {
        *counts.entry(pixel as u64 >> (2 * (29 - 8))).or_default() += 1;
    }
    assert_eq!(map.len() % 2880, 0);
    let words = map[2 * 2880..]
        .as_chunks::<8>()
        .0
        .iter()
        .map(|word| u64::from_be_bytes(*word));
    let words: Vec<u64> = words.take(2 * counts.len()).collect();
    let found: BTreeMap<u64, u64> = words
        .as_chunks::<2>()
        .0
        .iter()
        .map(|&[pixel, rows]| (pixel, rows))
        .collect();
    assert_eq!(found, counts);
    let thumbnail = read(&main.join("data_thumbnail.parquet"));
    assert_eq!(thumbnail.num_rows(), report.partitions.div_ceil(2));
}

/// All files below a folder.
fn files(folder: &Path, into: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, into);
        } else {
            into.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
}

#[test]
fn finishing_again_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (_, partitions, report) = small(folder.path());
    let (mut first, mut second) = (BTreeMap::new(), BTreeMap::new());
    files(folder.path(), &mut first);
    // What an earlier survey left in a margin's folder does not stay.
    let stray = folder
        .path()
        .join("small_7.5arcs/dataset/Norder=5/Dir=0/Npix=3.parquet");
    fs::create_dir_all(stray.parent().unwrap()).unwrap();
    fs::write(&stray, "").unwrap();
    assert_eq!(collection().finish(folder.path(), &partitions).unwrap(), report);
    files(folder.path(), &mut second);
    assert!(first == second, "{:?} {:?}", first.keys(), second.keys());
}

#[test]
fn a_margin_may_be_empty_and_the_sky_full() {
    let folder = tempfile::tempdir().unwrap();
    // The centres of all pixels of order 8.
    let centres = (0..12 << 16).map(|pixel| nested::center(8, pixel));
    let positions: Vec<(f64, f64)> = centres.map(|(lon, lat)| (lon.to_degrees(), lat.to_degrees())).collect();
    let rows = rows(&positions);
    let partitions = write_leaves(&folder.path().join("small"), &rows);
    let report = Collection::new("small")
        .with_margin_arcsec(0.0001)
        .finish(folder.path(), &partitions)
        .unwrap();
    assert_eq!((report.margins[0].rows, report.margins[0].partitions), (0, 0));
    let margin = folder.path().join("small_0.0001arcs");
    assert_eq!(
        fs::read_to_string(margin.join("partition_info.csv")).unwrap(),
        "Norder,Npix\n"
    );
    let map = fs::read(folder.path().join("small/point_map.fits")).unwrap();
    let words = map[2 * 2880..]
        .as_chunks::<8>()
        .0
        .iter()
        .map(|word| u64::from_be_bytes(*word));
    assert_eq!(words.take(12 << 16).collect::<Vec<_>>(), vec![1; 12 << 16]);
}

/// Angle between two directions in radians.
fn distance((lon, lat): (f64, f64), (lon2, lat2): (f64, f64)) -> f64 {
    let (a, b) = (((lon - lon2) / 2.0).sin(), ((lat - lat2) / 2.0).sin());
    2.0 * (b * b + lat.cos() * lat2.cos() * a * a).sqrt().asin()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: RngSeed::Fixed(11), ..ProptestConfig::with_cases(8) })]

    #[test]
    fn no_row_that_is_near_is_missing(
        threshold in 60.0f64..4000.0,
        near in prop::collection::vec((0u64..192, 0usize..80, -1.5f64..1.5, -1.5f64..1.5), 1..150),
    ) {
        // Rows around borders, up to a few thresholds away.
        let positions: Vec<(f64, f64)> = near.iter().map(|&(pixel, place, east, north)| {
            let (lon, lat) = nested::path_along_cell_edge(2, pixel, &Cardinal::S, false, 20)[place];
            let dec = (lat.to_degrees() + north * threshold / 3600.0).clamp(-90.0, 90.0);
            let ra = lon.to_degrees() + east * threshold / 3600.0 / dec.to_radians().cos().max(0.01);
            (ra.rem_euclid(360.0), dec)
        }).collect();
        let folder = tempfile::tempdir().unwrap();
        let rows = rows(&positions);
        let partitions = write_leaves(&folder.path().join("small"), &rows);
        let report = Collection::new("small").with_margin_arcsec(threshold).finish(folder.path(), &partitions).unwrap();
        for (order, pixel) in whole_sky(&partitions) {
            let border = nested::path_along_cell_edge(order, pixel, &Cardinal::S, false, 400);
            let path = folder.path().join(&report.margins[0].name).join(Partition { order, pixel, rows: 0 }.leaf());
            let margin: BTreeSet<i64> = if path.exists() { integers(&read(&path), "targetid").into_iter().collect() } else { BTreeSet::new() };
            for (id, &(ra, dec)) in positions.iter().enumerate() {
                let is_inside = healpix_29(ra, dec).unwrap() as u64 >> (2 * (29 - order)) == pixel;
                let to = |&point: &(f64, f64)| distance(point, (ra.to_radians(), dec.to_radians()));
                let is_near = border.iter().any(|point| to(point) < (threshold / 3600.0).to_radians());
                prop_assert!(!is_near || is_inside || margin.contains(&(id as i64)), "row {} of {:?}", id, (order, pixel));
                prop_assert!(!is_inside || !margin.contains(&(id as i64)));
            }
        }
    }
}

/// A leaf of the small catalogue, and its number.
const LEAF: &str = "small/dataset/Norder=1/Dir=0/Npix=2.parquet";
const NUMBER: usize = 2;

/// Is a small catalogue refused with this error after its leaves or partitions were changed? The folder's own name is left out.
#[track_caller]
fn refuses(collection: &Collection, expected: &str, change: impl FnOnce(&Path, &mut Vec<Partition>)) {
    let folder = tempfile::tempdir().unwrap();
    let mut partitions = write_leaves(&folder.path().join("small"), &rows(&positions()));
    partitions.sort();
    change(folder.path(), &mut partitions);
    let error = collection.finish(folder.path(), &partitions).unwrap_err();
    let root = format!("{}/", folder.path().display());
    assert_eq!(error.to_string().replace(&root, ""), expected);
    // Nothing was written.
    assert!(leaves(folder.path()).is_err());
    assert!(!folder.path().join("small/partition_info.csv").exists());
}

/// Is it refused with this error after a column of a leaf was changed?
#[track_caller]
fn refuses_column(name: &str, change: impl FnOnce(&ArrayRef) -> ArrayRef, expected: &str) {
    refuses(&collection(), &format!("{LEAF}: {expected}"), |folder, _| {
        let path = folder.join(LEAF);
        let batch = read(&path);
        let schema = batch.schema();
        let columns = schema.fields().iter().map(|field| {
            let column = &batch[field.name().as_str()];
            (field.name().clone(), column.clone(), field.is_nullable())
        });
        let mut columns: Vec<(String, ArrayRef, bool)> = columns.collect();
        let column = columns.iter_mut().find(|column| column.0 == name).unwrap();
        column.1 = change(&column.1);
        let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
        let mut writer = TileWriter::create(&path, batch.schema(), WriteOptions::default().without_order()).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
    });
}

fn changed(column: &ArrayRef, row: usize, value: f64) -> ArrayRef {
    let mut values = column.as_primitive::<Float64Type>().values().to_vec();
    values[row] = value;
    Arc::new(Float64Array::from(values))
}

/// Is a finished catalogue read, or refused with this error, after it was changed?
#[track_caller]
fn reads(change: impl FnOnce(&Path), expected: Result<(), &str>) {
    let folder = tempfile::tempdir().unwrap();
    let (rows, _, _) = small(folder.path());
    change(&folder.path().join("small"));
    let root = format!("{}/", folder.path().display());
    let found = leaves(folder.path()).map_err(|e| e.to_string().replace(&root, ""));
    let found = found.map(|leaves| leaves.iter().map(|leaf| leaf.0.rows).sum());
    assert_eq!(found, expected.map(|()| rows.num_rows() as u64).map_err(String::from));
}

/// Replaces text in a file.
fn edit(file: &str, from: &str, to: &str) -> impl FnOnce(&Path) {
    move |folder| {
        let text = fs::read_to_string(folder.join(file)).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(folder.join(file), text.replacen(from, to, 1)).unwrap();
    }
}

fn remove(file: &str) -> impl FnOnce(&Path) {
    move |folder| fs::remove_file(folder.join(file)).unwrap()
}

#[test]
fn catalogues_of_others_are_read() {
    let (properties, info) = ("hats.properties", "partition_info.csv");
    reads(remove(properties), Ok(()));
    reads(edit(properties, "hats_nrows=", "! a comment\nhats_nrows : "), Ok(()));
    reads(remove(info), Ok(()));
    let other = "dataset/Norder=1/Dir=0/_temporary";
    reads(|folder| fs::write(folder.join(other), "").unwrap(), Ok(()));
    let lines = |folder: &Path| -> Vec<(String, String)> {
        let text = fs::read_to_string(folder.join(info)).unwrap();
        let pairs = text.lines().skip(1).map(|line| line.split_once(',').unwrap());
        pairs.map(|(order, pixel)| (order.into(), pixel.into())).collect()
    };
    // More columns, in any order.
    let more_columns = |folder: &Path| {
        let rows = lines(folder)
            .into_iter()
            .map(|(order, pixel)| format!("0,{pixel},17,{order}\r\n"));
        let text = format!("Dir,Npix,num_rows,Norder\n{}", rows.collect::<String>());
        fs::write(folder.join(info), text).unwrap();
    };
    reads(more_columns, Ok(()));
    let partitions_are_folders = |folder: &Path| {
        edit(properties, "suffix=.parquet", "suffix=/")(folder);
        for (order, pixel) in lines(folder) {
            let leaf = folder.join(format!("dataset/Norder={order}/Dir=0/Npix={pixel}"));
            fs::create_dir(&leaf).unwrap();
            fs::rename(leaf.with_added_extension("parquet"), leaf.join("part0.parquet")).unwrap();
        }
    };
    reads(partitions_are_folders, Ok(()));
}

#[test]
fn catalogues_that_contradict_themselves_are_refused_by_line() {
    let (properties, info) = ("hats.properties", "partition_info.csv");
    let leaf = LEAF.strip_prefix("small/").unwrap();
    let check = |change: &dyn Fn(&Path), expected: &str| reads(change, Err(expected));

    check(
        &|folder| {
            remove("properties")(folder);
            remove(properties)(folder);
        },
        "small: no HATS catalogue: neither hats.properties nor properties nor collection.properties is there",
    );
    check(
        &|folder| edit(properties, "hats_nrows=", "hats_nrows=17\nhats_was=")(folder),
        "small/hats.properties: line 4: hats_nrows=17: the leaves hold 1677 rows",
    );
    check(
        &|folder| edit(properties, "obs_collection=", "obs_collection ")(folder),
        r#"small/hats.properties: line 2: "obs_collection small" is not KEY=VALUE"#,
    );
    check(
        &|folder| edit(info, "Npix", "pixel")(folder),
        "small/partition_info.csv: line 1: no column Npix",
    );
    check(
        &|folder| edit(info, "\n1,2\n", "\n1,48\n")(folder),
        r#"small/partition_info.csv: line 4: "1,48" is no order and pixel of the sky"#,
    );
    check(
        &|folder| edit(info, "\n1,2\n", "\n1,2\n2,9\n")(folder),
        "small/partition_info.csv: line 5: the partition overlaps that of line 4",
    );
    check(
        &|folder| remove(leaf)(folder),
        &format!("small/partition_info.csv: line 4: {LEAF} is missing"),
    );
    check(
        &|folder| edit(info, "\n1,2\n", "\n")(folder),
        &format!("{LEAF}: not in small/partition_info.csv"),
    );
    check(
        &|folder| fs::write(folder.join(leaf), "PAR1").unwrap(),
        &format!("{LEAF}: not a readable Parquet tile; is it complete?"),
    );
}

#[test]
fn leaves_that_are_wrong_are_refused_by_row() {
    refuses_column(
        "dec",
        |dec| changed(dec, 3, 91.0),
        r#"row 3, column "dec": is 91: no position on the sky, in degrees"#,
    );
    refuses_column(
        "ra",
        |ra| changed(ra, 3, f64::NAN),
        r#"row 3, column "ra": is NaN: no position on the sky, in degrees"#,
    );
    refuses_column(
        "_healpix_29",
        |pixels| {
            let mut values = pixels.as_primitive::<Int64Type>().values().to_vec();
            values[4] = 17;
            Arc::new(Int64Array::from(values))
        },
        r#"row 4, column "_healpix_29": is 17, but 150119407867727789 is the pixel of ra 33.57222222222222, dec 29.94666666666667"#,
    );
    refuses_column(
        "_healpix_29",
        |pixels| arrow_cast::cast(pixels, &DataType::UInt64).unwrap(),
        r#"column "_healpix_29": is of type UInt64, expected int64"#,
    );
    refuses_column(
        "targetid",
        |ids| arrow_cast::cast(ids, &DataType::Int32).unwrap(),
        r#"column "targetid" is Int32, but the column there in small/dataset/Norder=1/Dir=0/Npix=0.parquet is "targetid", Int64"#,
    );
    let swapped = |folder: &Path, _: &mut Vec<Partition>| {
        let path = folder.join(LEAF);
        let batch = read(&path);
        let order: Vec<i64> = (0..batch.num_rows() as i64).rev().collect();
        let batch = take_record_batch(&batch, &Int64Array::from(order)).unwrap();
        let mut writer = TileWriter::create(&path, batch.schema(), WriteOptions::default().without_order()).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
    };
    refuses(
        &collection(),
        &format!(
            "{LEAF}: {}",
            r#"row 1, column "_healpix_29": 214672130436518130 comes after 214968572233805194: sort the rows"#
        ),
        swapped,
    );
    // A row that is the next pixel's.
    refuses(
        &collection(),
        &format!(
            "{LEAF}: {}",
            r#"row 42, column "_healpix_29": lies in pixel 3 of order 1"#
        ),
        |folder, partitions| {
            let (own, next) = (
                folder.join(LEAF),
                folder.join("small").join(partitions[NUMBER + 1].leaf()),
            );
            let next = read(&next).slice(0, 1);
            let batch = concat_batches(&next.schema(), &[read(&own), next]).unwrap();
            write_leaf(&own, &batch);
            partitions[NUMBER].rows += 1;
        },
    );
}

#[test]
fn positions_that_are_not_known_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let pixel = healpix_29(1.0, 2.0).unwrap();
    let batch = RecordBatch::try_from_iter_with_nullable([
        (
            "_healpix_29",
            Arc::new(Int64Array::from(vec![pixel; 2])) as ArrayRef,
            false,
        ),
        ("ra", Arc::new(Float64Array::from(vec![1.0; 2])) as ArrayRef, true),
        (
            "dec",
            Arc::new(Float64Array::from(vec![Some(2.0), None])) as ArrayRef,
            true,
        ),
    ]);
    let partitions = write_leaves(&folder.path().join("small"), &batch.unwrap());
    let error = Collection::new("small").finish(folder.path(), &partitions).unwrap_err();
    let expected = r#"row 1, column "dec": is null: positions have to be known"#;
    assert!(error.to_string().ends_with(expected), "{error}");
}

#[test]
fn leaves_that_do_not_go_together_are_refused() {
    let missing = format!("{LEAF}: no such leaf, but there is a partition for it");
    refuses(&collection(), &missing, |folder, _| {
        fs::remove_file(folder.join(LEAF)).unwrap();
    });
    refuses(
        &collection(),
        &format!("{LEAF}: has 42 rows, expected the 43 of the partition"),
        |_, partitions| partitions[NUMBER].rows += 1,
    );
    let without = |column: &'static str| {
        move |folder: &Path, _: &mut Vec<Partition>| {
            let path = folder.join(LEAF);
            let mut batch = read(&path);
            let number = batch.schema().index_of(column).unwrap();
            batch.remove_column(number);
            let mut writer =
                TileWriter::create(&path, batch.schema(), WriteOptions::default().without_order()).unwrap();
            writer.write(&batch).unwrap();
            writer.finish().unwrap();
        }
    };
    let error = format!(r#"{LEAF}: column "_healpix_29": not found, expected int64"#);
    refuses(&collection(), &error, without("_healpix_29"));
    refuses(
        &collection(),
        &format!("{LEAF}: 4 columns, but 5 in small/dataset/Norder=1/Dir=0/Npix=0.parquet"),
        without("flux"),
    );
    let stray = "small/dataset/Norder=1/Dir=0/Npix=2.parquet.17-0.part";
    let error = format!("{stray}: readers would take this for a leaf, but there is no partition for it: remove it");
    refuses(&collection(), &error, |folder, _| {
        fs::write(folder.join(stray), "").unwrap();
    });
    refuses(
        &collection(),
        "option partitions is order 0, pixel 0 and order 1, pixel 0, expected partitions that do not overlap",
        |_, partitions| {
            partitions.push(Partition {
                order: 0,
                pixel: 0,
                rows: 1,
            });
        },
    );
    refuses(
        &collection(),
        "option partitions is order 30, pixel 0, expected order 0 to 29, and pixel below 12 · 4^order",
        |_, partitions| {
            partitions.push(Partition {
                order: 30,
                pixel: 0,
                rows: 1,
            });
        },
    );
    refuses(
        &collection(),
        "option partitions is empty, expected at least one partition",
        |_, partitions| partitions.clear(),
    );
}

#[test]
fn options_that_cannot_work_are_refused() {
    let check = |collection: Collection, expected: &str| refuses(&collection, expected, |_, _| {});
    check(
        collection().with_margin_arcsec(20_000.0),
        "option margin_arcsec is 20000, expected at most 16490, since partitions are of order 2",
    );
    check(
        collection().with_margin_arcsec(f64::NAN),
        "option margin_arcsec is NaN, expected a positive number",
    );
    check(
        collection().with_margin_arcsec(7.5),
        "option margin_arcsec is 7.5, twice, expected different margins",
    );
    check(
        collection().with_default_columns(["ra", "snr"]),
        r#"small/dataset/Norder=1/Dir=0/Npix=0.parquet: column "snr": not found, but it is to be a default column"#,
    );
    check(
        Collection::new("../small"),
        r#"option name is "../small", expected letters, digits, '_', '-' and '.', a letter or digit first"#,
    );
    check(
        collection().with_provenance("hats_nrows", "7"),
        r#"option provenance is "hats_nrows", expected a key that is not written anyway"#,
    );
    check(
        collection().with_provenance("obs_title", "two\nlines"),
        r#"option provenance is "two\nlines", expected a value in one line"#,
    );
}

/// The real catalogue, or `None` with a word about it.
fn real() -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data");
    let root = PathBuf::from(std::env::var("RADIO_REAL_DATA").unwrap_or_else(|_| default.into()));
    let catalogue = root.join("catalogs/sdss_dr7_hats");
    if fs::exists(&catalogue).unwrap() {
        return Some(catalogue);
    }
    skip(&format!(
        "no real data at {} (set RADIO_REAL_DATA)",
        catalogue.display()
    ));
    None
}

/// Says so past the test harness, which keeps the output of a test that passes to itself.
fn skip(reason: &str) {
    std::io::stderr()
        .write_all(format!("SKIPPED {reason}\n").as_bytes())
        .unwrap();
}

#[test]
fn pixels_of_sdss_are_those_of_the_official_catalogue() {
    let Some(catalogue) = real() else { return };
    let leaves = leaves(&catalogue).unwrap();
    assert_eq!(leaves.len(), 34);
    let mut rows = 0;
    for (partition, path) in leaves {
        let batch = read(&path);
        let column = |name: &str| arrow_cast::cast(&batch[name], &DataType::Float64).unwrap();
        let (ra, dec) = (column("ra"), column("dec"));
        let (ra, dec) = (ra.as_primitive::<Float64Type>(), dec.as_primitive::<Float64Type>());
        let own = ra
            .values()
            .iter()
            .zip(dec.values())
            .map(|(&ra, &dec)| healpix_29(ra, dec).unwrap());
        assert_eq!(own.collect::<Vec<_>>(), pixels(&batch));
        assert_eq!(partition.rows, batch.num_rows() as u64);
        rows += partition.rows;
    }
    assert_eq!(rows, 120_606);
}

#[test]
fn sdss_is_written_as_the_official_catalogue_and_lsdb_reads_it() {
    let Some(catalogue) = real() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut partitions = Vec::new();
    for (partition, path) in leaves(&catalogue).unwrap() {
        write_leaf(&folder.path().join("sdss_dr7").join(partition.leaf()), &read(&path));
        partitions.push(partition);
    }
    let report = Collection::new("sdss_dr7")
        .with_margin_arcsec(600.0)
        .with_margin_arcsec(10.0)
        .finish(folder.path(), &partitions)
        .unwrap();
    assert_eq!(report.margins[0].rows, 13_011);
    // The margin has the rows that hats-import's has.
    let official = catalogue.join("sdss_dr7_vollim_10arcmin");
    let info = fs::read_to_string(official.join("partition_info.csv")).unwrap();
    assert_eq!(
        info,
        fs::read_to_string(folder.path().join("sdss_dr7_600arcs/partition_info.csv")).unwrap()
    );
    for line in info.lines().skip(1) {
        let (order, pixel) = line.split_once(',').unwrap();
        let (order, pixel) = (order.parse().unwrap(), pixel.parse().unwrap());
        let leaf = Partition { order, pixel, rows: 0 }.leaf();
        let mut expected = pixels(&read(&official.join(&leaf)));
        expected.sort_unstable();
        assert_eq!(
            pixels(&read(&folder.path().join("sdss_dr7_600arcs").join(leaf))),
            expected
        );
    }
    check_in_python(folder.path(), report.rows, &SDSS);
}

/// From the files of others to a collection in one call, with columns that units and UCDs are known of.
#[test]
fn sdss_is_divided_anew_and_lsdb_reads_it() {
    let Some(catalogue) = real() else { return };
    let folder = tempfile::tempdir().unwrap();
    let inputs: Vec<PathBuf> = leaves(&catalogue).unwrap().into_iter().map(|(_, path)| path).collect();
    let options = RepartitionOptions::default()
        .with_partitioning(Partitioning::Rows {
            most: 5_000,
            deepest: 8,
        })
        .with_memory(4 << 20);
    let (rows, report) = Collection::new("sdss")
        .with_margin_arcsec(10.0)
        .write(&inputs, folder.path(), &options, |_, _| {})
        .unwrap();
    assert_eq!((rows.read, rows.written, report.rows), (120_606, 120_606, 120_606));
    assert!(rows.tiles.iter().all(|tile| tile.rows <= 5_000) && rows.tiles.len() > 34);
    assert_eq!(leaves(folder.path()).unwrap().len(), rows.tiles.len());
    check_in_python(folder.path(), 120_606, &SDSS);
}

/// From FITS to a collection of spectra, whose units astropy understands.
#[cfg(feature = "fits")]
#[test]
fn spectra_of_desi_become_a_collection_and_lsdb_reads_it() {
    let Some(root) = crate::real::root() else { return };
    let folder = tempfile::tempdir().unwrap();
    let inputs = ["coadd-5-169-thru20210419", "coadd-sv3-dark-26065"].map(|name| {
        let path = folder.path().join(format!("{name}.parquet"));
        let fits = root.join(format!("fits/desi/{name}.fits"));
        let batches = radio_io::fits::spectra(fits, &radio_io::fits::FitsOptions::default()).unwrap();
        let options = WriteOptions::default().without_order();
        let mut writer = TileWriter::create(&path, batches.schema(), options).unwrap();
        batches.for_each(|batch| writer.write(&batch.unwrap()).unwrap());
        writer.finish().unwrap();
        path
    });
    let out = folder.path().join("desi");
    let (rows, _) = Collection::new("desi")
        .with_position("target_ra", "target_dec")
        .with_margin_arcsec(10.0)
        .write(&inputs, &out, &RepartitionOptions::default(), |_, _| {})
        .unwrap();
    assert_eq!(rows.written, 10);
    let lists = |item: &str| format!("fixed_size_list<element: {item} not null>[7781]");
    let (flux, mask) = (lists("float"), lists("int32"));
    let columns = [
        ("targetid", ["int64", "", "meta.id;meta.main"]),
        ("target_ra", ["double", "deg", "pos.eq.ra;meta.main"]),
        (
            "flux",
            [&flux, "1e-17 erg / (Angstrom s cm2)", "phot.flux.density;em.wl"],
        ),
        (
            "ivar",
            [
                &flux,
                "1e+34 cm4 Angstrom2 s2 / erg2",
                "stat.weight;phot.flux.density;em.wl",
            ],
        ),
        ("mask", [&mask, "", "meta.code.qual"]),
    ];
    check_in_python(&out, 10, &columns);
}

#[test]
fn lsdb_reads_a_small_catalogue() {
    let folder = tempfile::tempdir().unwrap();
    let (_, _, report) = small(folder.path());
    // What a field says goes before what is known of its name.
    let flux = (
        "flux",
        [
            "fixed_size_list<element: float not null>[3]",
            "mJy",
            "phot.flux.density",
        ],
    );
    check_in_python(folder.path(), report.rows, &[flux]);
}

/// Runs hats' strict validation, and compares what lsdb finds with brute force. Then columns have these types, units and UCDs, the last two by
/// astropy's reading of the VOTable header.
#[track_caller]
fn check_in_python(collection: &Path, rows: u64, columns: &[(&str, [&str; 3])]) {
    let python = std::env::var("RADIO_HATS_PYTHON").unwrap_or_else(|_| "python3".into());
    let has_lsdb = Command::new(&python).args(["-c", "import lsdb"]).output();
    if !has_lsdb.is_ok_and(|output| output.status.success()) {
        return skip(&format!("{python} has no lsdb (set RADIO_HATS_PYTHON)"));
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/hats_check.py");
    let output = Command::new(python)
        .arg(script)
        .arg(collection)
        .args(["--rows", &rows.to_string()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    for (column, expected) in columns {
        assert_eq!(report["columns"][column], serde_json::json!(expected), "{column}");
    }
}

/// Columns of SDSS's catalogue that everybody calls so.
const SDSS: [(&str, [&str; 3]); 5] = [
    ("_healpix_29", ["int64", "", "pos.healpix"]),
    ("ra", ["float", "deg", "pos.eq.ra;meta.main"]),
    ("dec", ["float", "deg", "pos.eq.dec;meta.main"]),
    ("z", ["float", "", "src.redshift"]),
    ("weight", ["float", "", "stat.weight"]),
];
