//! Filters, compared with one that looks at every row.

use std::cmp::Ordering;
use std::fs::{self, File};
use std::ops::{Bound, Range};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int16Type, Int32Type, UInt32Type};
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, DictionaryArray, Float32Array, Float64Array, Int64Array, LargeStringArray,
    PrimitiveArray, RecordBatch, StringArray, StringViewArray, StructArray, UInt64Array,
};
use arrow_buffer::NullBuffer;
use arrow_cast::cast;
use arrow_schema::{DataType, Field};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaDataBuilder, ParquetMetaDataWriter};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::file::statistics::Statistics;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use radio_io::{Error, Filter, Filtered, ReadOptions, ReadPlan, Scalar, TileSlice};

use crate::tile::{flat, plan, ragged};

/// How a tile is written.
#[derive(Clone, Copy, Debug)]
struct Layout {
    group_rows: usize,
    page_rows: usize,
    statistics: EnabledStatistics,
    no_index: bool,
    dictionary: bool,
    version: WriterVersion,
    /// Most bytes of the limits of text.
    cut: usize,
}

/// Row groups of 100 rows, pages of 10.
const SMALL: Layout = Layout {
    group_rows: 100,
    page_rows: 10,
    statistics: EnabledStatistics::Page,
    no_index: false,
    dictionary: false,
    version: WriterVersion::PARQUET_1_0,
    cut: 64,
};

/// One row group, of which nothing is known but its statistics.
const WHOLE: Layout = Layout {
    statistics: EnabledStatistics::Chunk,
    no_index: true,
    ..SMALL
};

fn save<'a>(path: &Path, columns: impl IntoIterator<Item = (&'a str, ArrayRef)>, layout: Layout) -> PathBuf {
    let columns = columns.into_iter().map(|(name, array)| (name, array, true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(layout.group_rows))
        .set_data_page_row_count_limit(layout.page_rows)
        .set_write_batch_size(layout.page_rows)
        .set_statistics_enabled(layout.statistics)
        .set_offset_index_disabled(layout.no_index)
        .set_dictionary_enabled(layout.dictionary)
        .set_writer_version(layout.version)
        .set_statistics_truncate_length(Some(layout.cut))
        .set_column_index_truncate_length(Some(layout.cut))
        .build();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    path.to_owned()
}

/// A value of a tile, or the end of a range.
#[derive(Clone, Debug)]
enum Plain {
    Integer(i128),
    Float(f64),
    Text(&'static str),
}

use Plain::{Float, Integer, Text};

impl From<Plain> for Scalar {
    fn from(plain: Plain) -> Self {
        match plain {
            Integer(x) => i64::try_from(x).map_or_else(|_| u64::try_from(x).unwrap().into(), Into::into),
            Float(x) => x.into(),
            Text(x) => x.into(),
        }
    }
}

const TWO_53: i128 = 1 << 53;
const COLUMNS: [&str; 14] = [
    "i64", "u64", "i16", "u32", "flag", "in.side", "f64", "f32", "f16", "text", "large", "view", "bytes", "words",
];

/// Values of a column, ascending but for NaN.
fn pool(column: &str) -> Vec<Plain> {
    let near_53 = (-2..=2).map(|x| TWO_53 + x);
    let integers: Vec<i128> = match column {
        "i64" | "in.side" => {
            let (min, max) = (i64::MIN.into(), i64::MAX.into());
            [min, min + 1, -TWO_53 - 1, -TWO_53, -3, -1, 0, 1, 2, 5]
                .into_iter()
                .chain(near_53)
                .chain([max - 1, max])
                .collect()
        }
        "u64" => [0, 1, 2, 5]
            .into_iter()
            .chain(near_53)
            .chain((-1..=1).map(|x| (1 << 63) + x))
            .chain([u64::MAX.into()])
            .collect(),
        "i16" => [i16::MIN.into(), -3, -1, 0, 1, 5, i16::MAX.into()].into(),
        "u32" => [0, 1, 5, i32::MAX.into(), 1 << 31, u32::MAX.into()].into(),
        "flag" => [0, 1].into(),
        _ => [].into(),
    };
    let floats = [
        f64::NEG_INFINITY,
        -1e300,
        -9_007_199_254_740_992.0,
        -1.5,
        -0.0,
        0.0,
        0.1,
        0.5,
        1.0,
        2.0,
        5.0,
        9_007_199_254_740_992.0,
        9_007_199_254_740_994.0,
        9_223_372_036_854_775_808.0,
        18_446_744_073_709_551_616.0,
        1e300,
        f64::INFINITY,
        f64::NAN,
        -f64::NAN,
    ];
    match column {
        "f64" => floats.map(Float).into(),
        // Those that it can be exactly.
        "f16" => floats
            .into_iter()
            .filter(|x| x.is_nan() || x.is_infinite() || (x * 2.0).abs() < 16.0 && *x != 0.1)
            .map(Float)
            .collect(),
        "f32" => floats.map(|x| Float((x as f32).into())).into(),
        _ if !integers.is_empty() => integers.into_iter().map(Integer).collect(),
        _ => [
            "",
            "a",
            "aaa",
            "aaaa",
            "aaaab",
            "aaab",
            "b",
            "~~~~",
            "é",
            "éé",
            "日本",
            "日本語",
            "\u{10ffff}\u{10ffff}",
        ]
        .map(Text)
        .into(),
    }
}

fn array(column: &str, rows: &[Option<Plain>]) -> ArrayRef {
    fn integers<T: TryFrom<i128>>(rows: &[Option<Plain>]) -> Vec<Option<T>> {
        rows.iter()
            .map(|row| {
                row.as_ref().map(|row| {
                    if let Integer(x) = row {
                        T::try_from(*x).ok().unwrap()
                    } else {
                        panic!()
                    }
                })
            })
            .collect()
    }
    let floats = || {
        rows.iter()
            .map(|row| row.as_ref().map(|row| if let Float(x) = row { *x } else { panic!() }))
    };
    let texts = || {
        rows.iter()
            .map(|row| row.as_ref().map(|row| if let Text(x) = row { *x } else { panic!() }))
    };
    match column {
        "i64" => Arc::new(Int64Array::from(integers(rows))),
        "u64" => Arc::new(UInt64Array::from(integers(rows))),
        "i16" => Arc::new(PrimitiveArray::<Int16Type>::from(integers(rows))),
        "u32" => Arc::new(PrimitiveArray::<UInt32Type>::from(integers(rows))),
        "flag" => Arc::new(BooleanArray::from_iter(
            integers::<u8>(rows).into_iter().map(|x| x.map(|x| x == 1)),
        )),
        "f64" => Arc::new(Float64Array::from_iter(floats())),
        "f32" => Arc::new(Float32Array::from_iter(floats().map(|x| x.map(|x| x as f32)))),
        "f16" => cast(&Float64Array::from_iter(floats()), &DataType::Float16).unwrap(),
        "text" => Arc::new(StringArray::from_iter(texts())),
        "large" => Arc::new(LargeStringArray::from_iter(texts())),
        "view" => Arc::new(StringViewArray::from_iter(texts())),
        "bytes" => Arc::new(BinaryArray::from_iter(texts())),
        "words" => Arc::new(DictionaryArray::<Int32Type>::from_iter(texts())),
        // A column that has no nulls, in a struct that has some.
        "in.side" => {
            let values = Int64Array::from_iter_values(integers::<i64>(rows).into_iter().map(|x| x.unwrap_or(1)));
            let nulls = NullBuffer::from_iter(rows.iter().map(Option::is_some));
            let field = Field::new("side", DataType::Int64, false);
            Arc::new(StructArray::new(
                vec![field].into(),
                vec![Arc::new(values)],
                Some(nulls),
            ))
        }
        _ => panic!("{column}"),
    }
}

/// The order of two values, in another way than the library's.
fn compare(a: &Plain, b: &Plain) -> Option<Ordering> {
    match (a, b) {
        (Integer(a), Integer(b)) => Some(a.cmp(b)),
        (Float(a), Float(b)) => a.partial_cmp(b),
        (Text(a), Text(b)) => Some(a.cmp(b)),
        (Integer(_), Float(b)) if b.is_nan() => None,
        // Converting saturates: no integer is as large as that.
        (Integer(a), Float(b)) => Some(a.cmp(&(b.floor() as i128)).then(if b.floor() < *b {
            Ordering::Less
        } else {
            Ordering::Equal
        })),
        (Float(_), Integer(_)) => compare(b, a).map(Ordering::reverse),
        _ => panic!("{a:?} and {b:?}"),
    }
}

type Ends = (Bound<Plain>, Bound<Plain>);

fn holds(value: Option<&Plain>, (start, end): &Ends) -> bool {
    let Some(value) = value.filter(|value| compare(value, value).is_some()) else {
        return false;
    };
    let starts = match start {
        Bound::Included(start) => compare(value, start).is_some_and(Ordering::is_ge),
        Bound::Excluded(start) => compare(value, start).is_some_and(Ordering::is_gt),
        Bound::Unbounded => true,
    };
    starts
        && match end {
            Bound::Included(end) => compare(value, end).is_some_and(Ordering::is_le),
            Bound::Excluded(end) => compare(value, end).is_some_and(Ordering::is_lt),
            Bound::Unbounded => true,
        }
}

fn layouts() -> impl Strategy<Value = Layout> {
    use EnabledStatistics::{Chunk, None, Page};
    use WriterVersion::{PARQUET_1_0, PARQUET_2_0};
    let statistics = select(vec![None, Chunk, Page, Page, Page]);
    let version = select(vec![PARQUET_1_0, PARQUET_2_0]);
    let sizes = (1..90_usize, 1..20_usize, 1..5_usize);
    (sizes, statistics, any::<bool>(), any::<bool>(), version).prop_map(
        |((group_rows, page_rows, cut), statistics, no_index, dictionary, version)| Layout {
            group_rows,
            page_rows,
            statistics,
            no_index: no_index && statistics != Page,
            dictionary,
            version,
            cut,
        },
    )
}

/// Values of a column: some of its pool, sorted or not, with nulls or without.
fn values(column: &'static str, rows: usize) -> impl Strategy<Value = Vec<Option<Plain>>> {
    let pool = pool(column);
    let (nulls, sorted) = (select(vec![1e-9, 0.1, 0.9]), any::<bool>());
    (nulls, sorted).prop_flat_map(move |(nulls, sorted)| {
        let pool = pool.clone();
        let value = proptest::option::weighted(1.0 - nulls, 0..pool.len());
        proptest::collection::vec(value, rows).prop_map(move |mut rows| {
            if sorted {
                rows.sort_unstable();
            }
            rows.into_iter()
                .map(|value| value.map(|value| pool[value].clone()))
                .collect()
        })
    })
}

fn tile() -> impl Strategy<Value = Vec<Vec<Option<Plain>>>> {
    (1..150_usize).prop_flat_map(|rows| Vec::from(COLUMNS.map(|column| values(column, rows))))
}

/// A column, by its number, and a range whose ends are such as its values.
fn condition() -> impl Strategy<Value = (usize, Ends)> {
    let numbers: Vec<Plain> = ["i64", "u64", "f64", "f32"]
        .iter()
        .flat_map(|column| pool(column))
        .collect();
    (0..COLUMNS.len(), any::<[(u8, Index); 2]>(), any::<bool>()).prop_map(move |(column, ends, equal)| {
        let own = pool(COLUMNS[column]);
        let end = |(kind, index): (u8, Index)| {
            let is_text = matches!(own[0], Text(_));
            let value = if is_text || kind & 4 > 0 {
                index.get(&own)
            } else {
                index.get(&numbers)
            };
            match kind % 4 {
                0 => Bound::Unbounded,
                1 => Bound::Excluded(value.clone()),
                _ => Bound::Included(value.clone()),
            }
        };
        let [start, mut stop] = ends.map(end);
        if equal {
            stop = start.clone();
        }
        (column, (start, stop))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    /// Whatever is in the tiles, and however they are written: all rows that match, and no others.
    #[test]
    fn the_rows_that_match(
        tiles in proptest::collection::vec((tile(), layouts()), 1..3),
        conditions in proptest::collection::vec(condition(), 0..3),
        holes in any::<[(Index, Index); 2]>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let filter = conditions.iter().fold(Filter::all(), |filter, (column, ends)| {
            filter.between(COLUMNS[*column], ends.clone())
        });
        let (mut planned, mut expected) = (Vec::new(), Vec::new());
        for (number, (columns, layout)) in tiles.iter().enumerate() {
            let rows = columns[0].len();
            let path = folder.path().join(format!("{number}.parquet"));
            let arrays = COLUMNS.iter().zip(columns).map(|(name, rows)| (name.split('.').next().unwrap(), array(name, rows)));
            save(&path, arrays, *layout);
            let holes = holes.map(|(a, b)| a.index(rows)..b.index(rows));
            for row in (0..rows).filter(|row| !holes.iter().any(|hole| hole.contains(row))) {
                let slice = TileSlice::new(path.to_str().unwrap(), row as u64..row as u64 + 1);
                if conditions.iter().all(|(column, ends)| holds(columns[*column][row].as_ref(), ends)) {
                    expected.push(slice.clone());
                }
                planned.push(slice);
            }
        }
        let found = filter.apply(&ReadPlan::from_iter(planned), &ReadOptions::default()).unwrap();
        prop_assert_eq!(&found.plan, &ReadPlan::from_iter(expected));
        prop_assert!(found.pages_decoded <= found.pages);
    }
}

/// Destroys pages of columns: those with rows that `is_bad` says so of.
fn destroy(path: &Path, is_bad: impl Fn(&str, Range<u64>) -> bool) {
    let file = File::open(path).unwrap();
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
    let metadata = ArrowReaderMetadata::load(&file, options).unwrap();
    let metadata = metadata.metadata();
    let mut bytes = fs::read(path).unwrap();
    let mut end = 0;
    for (group, offsets) in metadata.row_groups().iter().zip(metadata.offset_index().unwrap()) {
        let first = end;
        end += group.num_rows();
        for (column, offsets) in group.columns().iter().zip(offsets) {
            let pages = offsets.page_locations();
            let ends = pages
                .iter()
                .skip(1)
                .map(|page| first + page.first_row_index)
                .chain([end]);
            for (page, end) in pages.iter().zip(ends) {
                if is_bad(
                    &column.column_path().string(),
                    (first + page.first_row_index) as u64..end as u64,
                ) {
                    bytes[page.offset as usize..][..page.compressed_page_size as usize].fill(0xff);
                }
            }
        }
    }
    fs::write(path, bytes).unwrap();
}

/// A thousand rows, `id` and `z` ascending, without nulls.
fn sorted(path: &Path, layout: Layout) -> ReadPlan {
    let id: ArrayRef = Arc::new(Int64Array::from_iter_values(0..1_000));
    let z: ArrayRef = Arc::new(Float64Array::from_iter_values((0..1_000).map(f64::from)));
    let class: ArrayRef = Arc::new(StringArray::from_iter_values(
        (0..1_000).map(|row| if row < 500 { "GALAXY" } else { "QSO" }),
    ));
    save(path, [("id", id), ("z", z), ("class", class)], layout);
    plan([(path, 1_000)])
}

/// Where each slice begins and ends.
fn ranges(found: &Filtered) -> Vec<(u64, u64)> {
    let rows = found.plan.slices().iter().map(TileSlice::rows);
    rows.map(|rows| (rows.start, rows.end)).collect()
}

#[test]
fn pages_without_a_match_are_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    let plan = sorted(&path, SMALL);
    destroy(&path, |column, rows| {
        column != "z" || rows.end <= 120 || rows.start >= 460
    });
    let found = Filter::all()
        .between("z", 123.0..457.0)
        .apply(&plan, &ReadOptions::default())
        .unwrap();
    assert_eq!(ranges(&found), [(123, 457)]);
    assert_eq!((found.pages, found.pages_decoded, found.values_decoded), (100, 34, 340));

    // Of planned rows only, and of no page that is not needed.
    let some = ReadPlan::from_iter([5..8, 125..131, 900..905].map(|rows| TileSlice::new(path.to_str().unwrap(), rows)));
    let found = Filter::all()
        .between("z", 123..457)
        .apply(&some, &ReadOptions::default())
        .unwrap();
    assert_eq!(ranges(&found), [(125, 131)]);
    assert_eq!((found.pages, found.pages_decoded, found.values_decoded), (4, 2, 6));

    // Nor of one between them.
    destroy(&path, |_, rows| rows.start == 130);
    let some = ReadPlan::from_iter([125..126, 145..146].map(|rows| TileSlice::new(path.to_str().unwrap(), rows)));
    let found = Filter::all()
        .between("z", 123..457)
        .apply(&some, &ReadOptions::default())
        .unwrap();
    assert_eq!(ranges(&found), [(125, 126), (145, 146)]);
    assert_eq!((found.pages, found.pages_decoded, found.values_decoded), (2, 2, 2));

    let error = Filter::all()
        .between("z", 119.0..457.0)
        .apply(&plan, &ReadOptions::default())
        .unwrap_err();
    assert!(
        matches!(&error, Error::Tile { path: bad, .. } if *bad == path),
        "{error}"
    );
}

#[test]
fn pages_in_which_all_integers_match_are_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    let plan = sorted(&path, SMALL);
    destroy(&path, |column, rows| {
        column != "id" || !(rows.contains(&123) || rows.contains(&456))
    });
    let found = Filter::all()
        .between("id", 123..457)
        .apply(&plan, &ReadOptions::default())
        .unwrap();
    assert_eq!(ranges(&found), [(123, 457)]);
    assert_eq!((found.pages, found.pages_decoded, found.values_decoded), (100, 2, 20));

    // Row groups 1 to 3 are decided whole.
    let found = Filter::all()
        .between("id", 100..400)
        .equals("class", "GALAXY")
        .apply(&plan, &ReadOptions::default())
        .unwrap();
    assert_eq!(ranges(&found), [(100, 400)]);
    assert_eq!((found.pages, found.pages_decoded), (200, 0));
}

/// The second condition is tried on rows that met the first, and statistics of both come before values.
#[test]
fn conditions_help_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    let plan = sorted(&path, SMALL);
    let found = Filter::all()
        .between("z", 480.0..506.0)
        .equals("class", "QSO")
        .apply(&plan, &ReadOptions::default())
        .unwrap();
    assert_eq!(ranges(&found), [(500, 506)]);
    // Of `z` one page; each page of `class` has one value.
    assert_eq!((found.pages, found.pages_decoded, found.values_decoded), (200, 1, 10));
}

#[test]
fn row_groups_are_left_out_without_a_page_index() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    let statistics = EnabledStatistics::Chunk;
    let plan = sorted(
        &path,
        Layout {
            statistics,
            no_index: true,
            ..SMALL
        },
    );
    let found = Filter::all()
        .between("z", 123..=250)
        .apply(&plan, &ReadOptions::default())
        .unwrap();
    assert_eq!(ranges(&found), [(123, 251)]);
    assert_eq!((found.pages, found.pages_decoded, found.values_decoded), (10, 2, 200));

    let statistics = EnabledStatistics::None;
    let plan = sorted(
        &path,
        Layout {
            statistics,
            no_index: true,
            ..SMALL
        },
    );
    let found = Filter::all()
        .between("z", 123..=250)
        .apply(&plan, &ReadOptions::default())
        .unwrap();
    assert_eq!(ranges(&found), [(123, 251)]);
    assert_eq!(
        (found.pages, found.pages_decoded, found.values_decoded),
        (10, 10, 1_000)
    );
}

/// Writes the footer of a tile of one column and one row group anew, with other statistics.
fn set_statistics(path: &Path, statistics: Statistics) {
    let old = ArrowReaderMetadata::load(&File::open(path).unwrap(), ArrowReaderOptions::new()).unwrap();
    let group = old.metadata().row_group(0).clone();
    let column = group.column(0).clone().into_builder().set_statistics(statistics);
    let columns = vec![column.build().unwrap()];
    let group = group.into_builder().set_column_metadata(columns).build().unwrap();
    let file = old.metadata().file_metadata().clone();
    let new = ParquetMetaDataBuilder::new(file).set_row_groups(vec![group]).build();
    let mut file = File::options().append(true).open(path).unwrap();
    ParquetMetaDataWriter::new(&mut file, &new).finish().unwrap();
}

/// Only limits that are in our order are believed.
#[test]
fn limits_of_an_unknown_order_are_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    let text: ArrayRef = Arc::new(StringArray::from_iter_values(
        (0..100).map(|row| if row == 7 { "é" } else { "a" }),
    ));
    let with = |is_old: bool, is_known: bool| {
        save(&path, [("text", text.clone())], WHOLE);
        // They are wrong, so that it shows who believes them.
        set_statistics(
            &path,
            Statistics::byte_array(Some("a".into()), Some("b".into()), None, Some(0), is_old),
        );
        if !is_known {
            // The last field of the footer: a list of one union, whose field 1 is the order of the type.
            let mut bytes = fs::read(&path).unwrap();
            let end = bytes.len() - b"....PAR1".len();
            assert_eq!(bytes[end - 5..end], [0x1c, 0x1c, 0, 0, 0]);
            bytes[end - 4] = 0x3c;
            fs::write(&path, bytes).unwrap();
        }
        let found = Filter::all()
            .equals("text", "é")
            .apply(&plan([(path.as_path(), 100)]), &ReadOptions::default())
            .unwrap();
        (ranges(&found), found.pages_decoded)
    };
    assert_eq!(with(false, true), (vec![], 0));
    assert_eq!(with(true, true), (vec![(7, 8)], 1));
    assert_eq!(with(false, false), (vec![(7, 8)], 1));
}

/// Where nobody counted the nulls, there may be some.
#[test]
fn nulls_that_were_not_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    save(
        &path,
        [(
            "x",
            Arc::new(Int64Array::from(vec![Some(1), None, Some(2)])) as ArrayRef,
        )],
        WHOLE,
    );
    set_statistics(&path, Statistics::int64(Some(1), Some(2), None, None, false));
    let found = Filter::all()
        .between("x", 0..9)
        .apply(&plan([(path.as_path(), 3)]), &ReadOptions::default())
        .unwrap();
    assert_eq!(ranges(&found), [(0, 1), (2, 3)]);
}

/// Which of these values meet the filter on `x`?
#[track_caller]
fn check(array: impl arrow_array::Array + 'static, filter: &Filter, rows: &[u64]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    let count = array.len() as u64;
    let array: ArrayRef = Arc::new(array);
    for layout in [WHOLE, SMALL, Layout { page_rows: 1, ..SMALL }] {
        save(&path, [("x", array.clone())], layout);
        let found = filter
            .apply(&plan([(path.as_path(), count)]), &ReadOptions::default())
            .unwrap()
            .plan;
        let found: Vec<u64> = found.into_iter().flat_map(|slice| slice.rows()).collect();
        assert_eq!(found, rows, "{layout:?}");
    }
}

#[test]
fn numbers_are_not_rounded() {
    let (x, two_53) = (Filter::all, 1_i64 << 53);
    let ids = || Int64Array::from(vec![two_53 - 1, two_53, two_53 + 1, two_53 + 2, i64::MAX]);
    check(ids(), &x().equals("x", two_53 + 1), &[2]);
    check(ids(), &x().equals("x", two_53 as f64), &[1]);
    check(ids(), &x().between("x", ..=9_007_199_254_740_992.0), &[0, 1]);
    check(ids(), &x().between("x", 9_007_199_254_740_991.5..9.2e18), &[1, 2, 3]);
    check(ids(), &x().between("x", 9_223_372_036_854_775_808.0..), &[]);
    check(ids(), &x().between("x", ..u64::MAX), &[0, 1, 2, 3, 4]);
    let floats = || Float64Array::from(vec![two_53 as f64, (two_53 + 2) as f64, f64::INFINITY, f64::NAN]);
    check(floats(), &x().equals("x", two_53 + 1), &[]);
    check(floats(), &x().between("x", two_53 + 1..), &[1, 2]);
    check(floats(), &x().between("x", ..two_53 + 1), &[0]);
    check(
        UInt64Array::from(vec![0, 1 << 63, u64::MAX]),
        &x().between("x", 1..u64::MAX),
        &[1],
    );
    check(Float64Array::from(vec![0.0, -0.0]), &x().equals("x", -0.0), &[0, 1]);
    check(Float64Array::from(vec![-0.0, -0.0]), &x().between("x", 0.0..), &[0, 1]);
    check(Float32Array::from(vec![0.1]), &x().equals("x", 0.1_f32), &[0]);
    check(Float32Array::from(vec![0.1]), &x().equals("x", 0.1), &[]);
}

#[test]
fn a_struct_that_is_null_has_no_values() {
    let rows = [Some(Integer(1)), None, Some(Integer(1))];
    check(
        array("in.side", &rows).as_struct().clone(),
        &Filter::all().equals("x.side", 1),
        &[0, 2],
    );
}

#[test]
fn long_text_with_limits_that_are_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    let texts = ["pear", "peach", "pea", "pears"].map(|text| [text; 10]);
    let column: ArrayRef = Arc::new(StringArray::from_iter_values(texts.as_flattened()));
    save(&path, [("text", column)], Layout { cut: 3, ..SMALL });
    let check = |text: &str, rows: Range<u64>, decoded: u64| {
        let found = Filter::all()
            .equals("text", text)
            .apply(&plan([(path.as_path(), 40)]), &ReadOptions::default())
            .unwrap();
        assert_eq!(
            (ranges(&found), found.pages_decoded),
            (vec![(rows.start, rows.end)], decoded),
            "{text}"
        );
    };
    // The limits of the others are from "pea" to "peb", which say nothing of these.
    check("peach", 10..20, 3);
    check("pears", 30..40, 3);
    check("pea", 20..30, 3);
    let found = Filter::all()
        .equals("text", "pebble")
        .apply(&plan([(path.as_path(), 40)]), &ReadOptions::default())
        .unwrap();
    assert_eq!((found.plan.rows(), found.pages_decoded), (0, 0));
}

/// The error must name the tile, and say this.
#[track_caller]
fn check_error(filter: &Filter, plan: &ReadPlan, words: &str) {
    let message = filter.apply(plan, &ReadOptions::default()).unwrap_err().to_string();
    assert!(
        message.starts_with(plan.slices()[0].uri()) && message.ends_with(words),
        "{message}"
    );
}

#[test]
fn columns_that_cannot_be_compared() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    crate::tile::write(&path, &flat(&[1, 2, 3], None), 9);
    let plan = plan([(path.as_path(), 3)]);
    let all = Filter::all;
    check_error(
        &all().equals("y", 1),
        &plan,
        "column \"y\": not found, but the filter has a condition on it",
    );
    check_error(
        &all().equals("z.z", 1),
        &plan,
        "column \"z.z\": not found, but the filter has a condition on it",
    );
    check_error(
        &all().equals("z", "1"),
        &plan,
        "column \"z\": Float64 cannot be compared with text",
    );
    let message = all()
        .between("flux", 1.0..)
        .apply(&plan, &ReadOptions::default())
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("column \"flux\": FixedSizeList(") && message.ends_with("cannot be compared with a number")
    );

    crate::tile::write(&path, &ragged(&["1", "2", "3"], &[vec![], vec![], vec![]]), 9);
    check_error(
        &all().equals("object_id", 1),
        &plan,
        "column \"object_id\": Utf8 cannot be compared with a number",
    );
    let message = all()
        .equals("spectrum", "x")
        .apply(&plan, &ReadOptions::default())
        .unwrap_err()
        .to_string();
    assert!(message.contains("column \"spectrum\": Struct(") && message.ends_with("cannot be compared with text"));
    let found = all()
        .equals("object_id", "2")
        .equals("star", false)
        .apply(&plan, &ReadOptions::default())
        .unwrap();
    assert_eq!(ranges(&found), [(1, 2)]);
}

#[test]
fn tiles_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    let filter = || Filter::all().between("z", 123.0..457.0);
    let missing = filter()
        .apply(&plan([(path.as_path(), 9)]), &ReadOptions::default())
        .unwrap_err();
    assert!(matches!(missing, Error::Io { .. }));
    sorted(&path, SMALL);
    check_error(
        &filter(),
        &plan([(path.as_path(), 1_003)]),
        "wants row 1000, the tile has 1000 rows: sync the index again",
    );
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 100]).unwrap();
    check_error(
        &filter(),
        &plan([(path.as_path(), 1_000)]),
        "not a readable Parquet tile; is it complete?",
    );
}

/// Wherever a footer or a page index is damaged: an error or some answer, but no panic.
#[test]
fn damaged_footers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    let filter = Filter::all()
        .between("id", 123..457)
        .between("z", 123.0..457.0)
        .equals("class", "QSO");
    let plan = sorted(
        &path,
        Layout {
            group_rows: 500,
            page_rows: 100,
            ..SMALL
        },
    );
    let bytes = fs::read(&path).unwrap();
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
    let metadata = ArrowReaderMetadata::load(&File::open(&path).unwrap(), options).unwrap();
    let index = metadata
        .metadata()
        .row_group(0)
        .column(0)
        .column_index_offset()
        .unwrap() as usize;
    let mut errors = 0;
    for at in (index..bytes.len()).step_by(3) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        fs::write(&path, damaged).unwrap();
        match filter.apply(&plan, &ReadOptions::default()) {
            Ok(found) => assert!(found.plan.rows() <= 1_000),
            Err(error) => {
                assert!(error.to_string().contains("t.parquet"), "{error}");
                errors += 1;
            }
        }
    }
    assert!(errors > 100, "{errors}");
}

/// What an index knows of tiles goes with the tiles that are left.
#[test]
fn known_tiles_stay_known() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["a", "b"].map(|name| folder.path().join(name));
    let mut planned = ReadPlan::default();
    for (path, size) in paths.iter().zip([7, 8]) {
        let known = radio_index::PlanTile {
            size,
            rows: 1_000,
            ..Default::default()
        };
        planned.extend(sorted(path, SMALL));
        planned = planned.with_tiles([(path.to_str().unwrap().into(), known)]);
    }
    let found = Filter::all()
        .between("z", 100..)
        .apply(&planned, &ReadOptions::default())
        .unwrap();
    assert_eq!(found.plan.rows(), 1_800);
    assert_eq!(found.plan.bytes(), 7 * 9 / 10 + 8 * 9 / 10);
    assert_eq!(
        Filter::all().apply(&planned, &ReadOptions::default()).unwrap().plan,
        planned
    );
    assert!(
        Filter::all()
            .apply(&ReadPlan::default(), &ReadOptions::default())
            .unwrap()
            .plan
            .is_empty()
    );
    let none = Filter::all()
        .between("z", f64::NAN..)
        .apply(&planned, &ReadOptions::default())
        .unwrap();
    assert!(none.plan.is_empty() && none.pages > 0);
}
