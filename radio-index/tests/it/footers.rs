//! Our decoder of footers against the stock one.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, FloatType, Int64Type};
use parquet::file::metadata::ParquetMetaDataReader;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::file::statistics::Statistics;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use proptest::prelude::*;
use radio_index::{Error, FooterReader};

use crate::real::real_data;

/// Does our reader find in a file what the stock reader finds?
fn compare(path: &Path, reader: &mut FooterReader) {
    let ours = reader.read(path).unwrap();
    let stock = ParquetMetaDataReader::new()
        .parse_and_finish(&File::open(path).unwrap())
        .unwrap();
    let file = stock.file_metadata();
    assert_eq!(ours.rows(), file.num_rows() as u64);
    assert_eq!(ours.created_by(), file.created_by().unwrap_or_default());
    assert_eq!(ours.file_size(), path.metadata().unwrap().len());
    let names: Vec<String> = file
        .schema_descr()
        .columns()
        .iter()
        .map(|c| c.path().string())
        .collect();
    assert_eq!(
        ours.columns().map(|(name, _)| name.to_owned()).collect::<Vec<_>>(),
        names
    );
    assert_eq!(ours.row_groups().len(), stock.num_row_groups());
    let (mut first_row, mut chunks) = (0, ours.chunks().iter());
    for (group, ours_group) in stock.row_groups().iter().zip(ours.row_groups()) {
        assert_eq!(
            (ours_group.first_row, ours_group.rows),
            (first_row, group.num_rows() as u64)
        );
        first_row += ours_group.rows;
        assert_eq!(ours_group.bytes, group.compressed_size() as u64);
        for chunk in group.columns() {
            let ours_chunk = chunks.next().unwrap();
            assert_eq!(ours_chunk.values, chunk.num_values() as u64);
            assert_eq!((ours_chunk.first_byte, ours_chunk.bytes), chunk.byte_range());
            assert!(
                format!("{:?}", chunk.compression()).starts_with(ours_chunk.codec()),
                "{}",
                ours_chunk.codec()
            );
            assert_eq!(
                ours_chunk.nulls,
                chunk.statistics().and_then(Statistics::null_count_opt)
            );
            let (min, max) = ours.bounds(ours_chunk);
            let real = |text: Option<String>| text.map(|text| text.parse::<f64>().unwrap());
            match chunk.statistics() {
                Some(Statistics::Int64(s)) => {
                    assert_eq!(
                        (min, max),
                        (s.min_opt().map(i64::to_string), s.max_opt().map(i64::to_string))
                    );
                }
                Some(Statistics::Double(s)) => {
                    assert_eq!((real(min), real(max)), (s.min_opt().copied(), s.max_opt().copied()));
                }
                Some(Statistics::ByteArray(s)) => {
                    let text = |x: Option<&ByteArray>| x.map(|x| x.as_utf8().unwrap().to_owned());
                    assert_eq!((min, max), (text(s.min_opt()), text(s.max_opt())));
                }
                Some(_) => {}
                None => assert_eq!((min, max), (None, None)),
            }
        }
    }
    assert!(chunks.next().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Whatever the writer's settings: row groups, codecs, versions, dictionaries, statistics, nulls, long metadata.
    #[test]
    fn footers_are_read_as_the_stock_reader_does(
        rows in proptest::collection::vec((any::<i64>(), proptest::option::of(any::<f64>()), "[a-zé]{0,40}"), 0..60),
        group_rows in 1..30_usize,
        codec in 0..3_u8,
        statistics in 0..3_u8,
        (is_v2, has_dictionary, metadata) in (any::<bool>(), any::<bool>(), 0..200_000_usize),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        let schema = parse_message_type("message schema {
            required int64 targetid; optional double z; required binary spectype (STRING);
            required group flux (LIST) { repeated group list { required float element; } }
        }").unwrap();
        let properties = WriterProperties::builder()
            .set_compression([Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::ZSTD(ZstdLevel::default())][usize::from(codec)])
            .set_statistics_enabled([EnabledStatistics::None, EnabledStatistics::Chunk, EnabledStatistics::Page][usize::from(statistics)])
            .set_writer_version(if is_v2 { WriterVersion::PARQUET_2_0 } else { WriterVersion::PARQUET_1_0 })
            .set_dictionary_enabled(has_dictionary)
            .set_key_value_metadata(Some(vec![parquet::file::metadata::KeyValue::new("wavelength".into(), "x".repeat(metadata))]))
            .build();
        let mut file = SerializedFileWriter::new(File::create(&path).unwrap(), Arc::new(schema), Arc::new(properties)).unwrap();
        for rows in rows.chunks(group_rows) {
            let mut group = file.next_row_group().unwrap();
            let ids: Vec<i64> = rows.iter().map(|row| row.0).collect();
            let z: Vec<f64> = rows.iter().filter_map(|row| row.1).collect();
            let present: Vec<i16> = rows.iter().map(|row| i16::from(row.1.is_some())).collect();
            let texts: Vec<ByteArray> = rows.iter().map(|row| ByteArray::from(row.2.as_str())).collect();
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<Int64Type>().write_batch(&ids, None, None).unwrap();
            column.close().unwrap();
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<DoubleType>().write_batch(&z, Some(&present), None).unwrap();
            column.close().unwrap();
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<ByteArrayType>().write_batch(&texts, None, None).unwrap();
            column.close().unwrap();
            let mut column = group.next_column().unwrap().unwrap();
            let repeated: Vec<i16> = (0..2 * rows.len()).map(|i| i16::from(i % 2 == 1)).collect();
            column.typed::<FloatType>().write_batch(&vec![1.5; repeated.len()], Some(&vec![1; repeated.len()]), Some(&repeated)).unwrap();
            column.close().unwrap();
            group.close().unwrap();
        }
        file.close().unwrap();
        // Twice with one reader: the second time it knows the schema.
        let mut reader = FooterReader::default();
        compare(&path, &mut reader);
        compare(&path, &mut reader);
    }

    /// No bytes make it panic, and none make it reserve memory that the file does not have.
    #[test]
    fn damaged_footers_are_refused(at in any::<proptest::sample::Index>(), byte in any::<u8>(), cut in any::<proptest::sample::Index>()) {
        let folder = tempfile::tempdir().unwrap();
        let rows: Vec<_> = (0..50).map(|id| crate::tile::Row::galaxy(id, 0.1)).collect();
        let mut bytes = std::fs::read(crate::tile::write(&folder.path().join("t.parquet"), &rows, 20)).unwrap();
        let footer = bytes.len() - 2700;
        let at = footer + at.index(bytes.len() - footer);
        bytes[at] = byte;
        let path = folder.path().join("bad.parquet");
        std::fs::write(&path, &bytes).unwrap();
        let _ = FooterReader::default().read(&path);
        std::fs::write(&path, &bytes[cut.index(bytes.len())..]).unwrap();
        let _ = FooterReader::default().read(&path);
    }
}

#[test]
fn real_footers() {
    for folder in ["tiles/desi", "tiles/sdss", "catalogs/sdss_dr7_hats"] {
        let Some(root) = real_data(folder) else { return };
        let mut reader = FooterReader::default();
        let mut files = 0;
        for entry in walkdir::WalkDir::new(root) {
            let path = entry.unwrap().into_path();
            if path.extension().is_some_and(|extension| extension == "parquet") {
                compare(&path, &mut reader);
                files += 1;
            }
        }
        assert!(files > 0, "{folder}");
    }
}

#[test]
fn only_the_columns_that_were_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<_> = (0..50).map(|id| crate::tile::Row::galaxy(id, 0.1)).collect();
    let path = crate::tile::write(&folder.path().join("t.parquet"), &rows, 20);
    let some = FooterReader::default()
        .with_columns(["z", "targetid"])
        .read(&path)
        .unwrap();
    assert_eq!(
        some.chunks()
            .iter()
            .map(|c| (c.row_group, c.column))
            .collect::<Vec<_>>(),
        [(0, 0), (0, 3), (1, 0), (1, 3), (2, 0), (2, 3)]
    );
    assert_eq!(some.bounds(&some.chunks()[2]), (Some("20".into()), Some("39".into())));
    let all = FooterReader::default().read(&path).unwrap();
    assert_eq!((some.rows(), some.hash()), (all.rows(), all.hash()));
    let error = FooterReader::default()
        .read(folder.path().join("no.parquet"))
        .unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
}
