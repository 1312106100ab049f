//! The columns of a Parquet file: names, types, and how to read what statistics say of them.

use parquet::basic::{ConvertedType, LogicalType, Type as PhysicalType};
use parquet::file::metadata::ParquetMetaDataReader;
use parquet::schema::types::{ColumnDescPtr, ColumnDescriptor};

use crate::footer::TextHash;

/// The schema of a file, shared by all files that have it.
#[derive(Debug)]
pub(crate) struct FileSchema {
    leaves: Vec<Leaf>,
    /// Two schemas with the same columns of the same types have the same hash.
    pub(crate) hash: u64,
}

/// A column that holds values.
#[derive(Debug)]
pub(crate) struct Leaf {
    /// Dotted path.
    pub(crate) path: String,
    /// `INT64`, `BYTE_ARRAY (String)`, …
    pub(crate) data_type: String,
    pub(crate) descriptor: ColumnDescPtr,
}

impl FileSchema {
    /// Decodes the schema of a footer; the error is a reason for people.
    pub(crate) fn decode(footer: &[u8]) -> Result<Self, String> {
        let schema = ParquetMetaDataReader::decode_schema(footer).map_err(|e| e.to_string())?;
        let leaves: Vec<Leaf> = schema.columns().iter().map(Leaf::new).collect();
        let mut hash = TextHash::default();
        for leaf in &leaves {
            hash.text(&leaf.path);
            hash.text(&leaf.data_type);
        }
        Ok(Self {
            leaves,
            hash: hash.finish(),
        })
    }

    pub(crate) fn leaves(&self) -> &[Leaf] {
        &self.leaves
    }
}

impl Leaf {
    fn new(descriptor: &ColumnDescPtr) -> Self {
        let physical = descriptor.physical_type();
        let data_type = match descriptor.logical_type_ref() {
            Some(logical) => format!("{physical} ({logical:?})"),
            None => physical.to_string(),
        };
        Self {
            path: descriptor.path().string(),
            data_type,
            descriptor: descriptor.clone(),
        }
    }

    pub(crate) fn is_unsigned(&self) -> bool {
        let unsigned = matches!(
            self.descriptor.logical_type_ref(),
            Some(LogicalType::Integer(int)) if !int.is_signed
        );
        let converted = [
            ConvertedType::UINT_8,
            ConvertedType::UINT_16,
            ConvertedType::UINT_32,
            ConvertedType::UINT_64,
        ];
        unsigned || converted.contains(&self.descriptor.converted_type())
    }

    pub(crate) fn is_decimal(&self) -> bool {
        is_decimal(&self.descriptor)
    }

    /// A bound of a column chunk (its bytes are the PLAIN encoding) as text. `None` where it says nothing.
    pub(crate) fn statistic(&self, bytes: &[u8]) -> Option<String> {
        if self.is_decimal() {
            return None;
        }
        let four = || bytes.try_into().ok();
        let eight = || bytes.try_into().ok();
        match self.descriptor.physical_type() {
            PhysicalType::BOOLEAN => Some((*bytes.first()? != 0).to_string()),
            PhysicalType::INT32 if self.is_unsigned() => Some(u32::from_le_bytes(four()?).to_string()),
            PhysicalType::INT32 => Some(i32::from_le_bytes(four()?).to_string()),
            PhysicalType::INT64 if self.is_unsigned() => Some(u64::from_le_bytes(eight()?).to_string()),
            PhysicalType::INT64 => Some(i64::from_le_bytes(eight()?).to_string()),
            PhysicalType::FLOAT => Some(f32::from_le_bytes(four()?))
                .filter(|x| !x.is_nan())
                .map(|x| format!("{x:?}")),
            PhysicalType::DOUBLE => Some(f64::from_le_bytes(eight()?))
                .filter(|x| !x.is_nan())
                .map(|x| format!("{x:?}")),
            // What is no text has no place in a column of text.
            PhysicalType::BYTE_ARRAY | PhysicalType::FIXED_LEN_BYTE_ARRAY => std::str::from_utf8(bytes)
                .ok()
                .filter(|text| !text.contains('\0'))
                .map(str::to_owned),
            PhysicalType::INT96 => None,
        }
    }
}

fn is_decimal(column: &ColumnDescriptor) -> bool {
    matches!(column.logical_type_ref(), Some(LogicalType::Decimal(_)))
        || column.converted_type() == ConvertedType::DECIMAL
}
