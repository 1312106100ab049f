//! `_common_metadata` and `_metadata`: the columns, and the footers of all leaves in one file.

use std::io::Write as _;
use std::path::Path;

use parquet::errors::Result as Encoded;
use parquet::file::metadata::{FileMetaData, ParquetMetaDataBuilder, ParquetMetaDataWriter, RowGroupMetaData};
use parquet::file::writer::TrackedWrite;

use super::leaf::Leaf;
use super::put;
use crate::Result;
use crate::error::not_written;
use crate::write::{CREATED_BY, key_values};

/// Writes both files into the folder `dataset` of a catalogue. Its columns are those of the leaf `like`.
pub(super) fn write(dataset: &Path, leaves: &[Leaf], like: &Leaf) -> Result<()> {
    let write = |name: &str, leaves: &[Leaf]| {
        let path = dataset.join(name);
        let bytes = groups(leaves).and_then(|groups| footer(like, groups));
        let bytes = bytes.map_err(not_written(&path))?;
        put(&path, &bytes)
    };
    write("_common_metadata", &[])?;
    write("_metadata", leaves)
}

/// The row groups of all leaves, with the leaves' places.
fn groups(leaves: &[Leaf]) -> Encoded<Vec<RowGroupMetaData>> {
    let mut groups = Vec::new();
    for leaf in leaves {
        let path = leaf.partition.file();
        for group in leaf.metadata().row_groups() {
            let place = |column: &parquet::file::metadata::ColumnChunkMetaData| {
                column.clone().into_builder().set_file_path(path.clone()).build()
            };
            let columns = group.columns().iter().map(place).collect::<Encoded<_>>()?;
            groups.push(group.clone().into_builder().set_column_metadata(columns).build()?);
        }
    }
    Ok(groups)
}

fn footer(like: &Leaf, groups: Vec<RowGroupMetaData>) -> Encoded<Vec<u8>> {
    let (about, schema) = (like.metadata().file_metadata(), like.schema());
    let about = FileMetaData::new(
        about.version(),
        groups.iter().map(RowGroupMetaData::num_rows).sum(),
        Some(CREATED_BY.to_owned()),
        Some(key_values(&schema)),
        about.schema_descr_ptr(),
        about.column_orders().cloned(),
    );
    let metadata = ParquetMetaDataBuilder::new(about).set_row_groups(groups).build();
    let mut bytes = Vec::new();
    let mut file = TrackedWrite::new(&mut bytes);
    file.write_all(b"PAR1")?;
    ParquetMetaDataWriter::new_with_tracked(file, &metadata).finish()?;
    Ok(bytes)
}
