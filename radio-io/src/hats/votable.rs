//! Units and UCDs of columns, as a VOTable header in a Parquet file's metadata (VOParquet 1.0).

use arrow_schema::{DataType, Field, Schema};

/// Room for text that a column of text declares; longer texts are not cut.
const TEXT: &str = "64*";

/// The key-values to put into a schema's metadata: the columns with types, units and UCDs.
///
/// Unit and UCD are those of the field's metadata (`unit`, `ucd`), or known by the column's name. There are as many FIELDs as columns.
pub(crate) fn votable(schema: &Schema) -> [(String, String); 2] {
    let mut xml = String::from(concat!(
        r#"<?xml version="1.0" encoding="UTF-8"?>"#,
        "\n",
        r#"<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE type="results"><TABLE>"#,
        "\n"
    ));
    for field in schema.fields() {
        push_field(&mut xml, field);
    }
    xml.push_str("</TABLE></RESOURCE></VOTABLE>\n");
    let key = |name| format!("IVOA.VOTable-Parquet.{name}");
    [(key("version"), "1.0".into()), (key("content"), xml)]
}

fn push_field(xml: &mut String, field: &Field) {
    let (datatype, arraysize) = form(field.data_type());
    let (known_unit, known_ucd) = known(field.name());
    let about = |key: &str, known| field.metadata().get(key).map_or(known, String::as_str);
    let attributes = [
        ("name", field.name().as_str()),
        ("datatype", datatype),
        ("arraysize", &arraysize),
        ("unit", about("unit", known_unit)),
        ("ucd", about("ucd", known_ucd)),
    ];
    xml.push_str("<FIELD");
    for (key, value) in attributes.into_iter().filter(|(_, value)| !value.is_empty()) {
        xml.push_str(&format!(r#" {key}="{}""#, escaped(value)));
    }
    xml.push_str("/>\n");
}

/// VOTable's type of a column's values, and how many there are in a row: nothing for one.
fn form(data_type: &DataType) -> (&'static str, String) {
    let of_item = |item: &Field, length: String| match form(item.data_type()) {
        (datatype, one) if one.is_empty() => (datatype, length),
        // Lists of texts or of lists have no type of their own.
        _ => ("char", TEXT.into()),
    };
    let datatype = match data_type {
        DataType::Boolean => "boolean",
        DataType::UInt8 => "unsignedByte",
        DataType::Int8 | DataType::Int16 => "short",
        DataType::UInt16 | DataType::Int32 => "int",
        DataType::Float16 | DataType::Float32 => "float",
        DataType::Float64 => "double",
        DataType::Dictionary(_, values) => return form(values),
        DataType::List(item) | DataType::LargeList(item) => return of_item(item, "*".into()),
        DataType::FixedSizeList(item, length) => return of_item(item, length.to_string()),
        DataType::Binary | DataType::LargeBinary => return ("unsignedByte", "*".into()),
        DataType::FixedSizeBinary(length) => return ("unsignedByte", length.to_string()),
        DataType::UInt32 | DataType::UInt64 | DataType::Int64 => "long",
        DataType::Timestamp(..) | DataType::Time64(_) | DataType::Duration(_) | DataType::Date64 => "long",
        DataType::Date32 | DataType::Time32(_) => "int",
        _ => return ("char", TEXT.into()),
    };
    (datatype, String::new())
}

/// Unit and UCD of columns that are called so everywhere; of either, nothing where they are not known. (UCD1+ 1.6)
fn known(name: &str) -> (&'static str, &'static str) {
    match name.to_ascii_lowercase().as_str() {
        "_healpix_29" => ("", "pos.healpix"),
        "ra" | "target_ra" => ("deg", "pos.eq.ra;meta.main"),
        "dec" | "target_dec" => ("deg", "pos.eq.dec;meta.main"),
        "targetid" | "object_id" | "specobjid" => ("", "meta.id;meta.main"),
        "z" | "redshift" => ("", "src.redshift"),
        "zerr" | "z_err" => ("", "stat.error;src.redshift"),
        "zwarn" | "zwarning" | "mask" => ("", "meta.code.qual"),
        "spectype" | "class" => ("", "src.class"),
        "flux" => ("", "phot.flux.density"),
        "ivar" | "weight" => ("", "stat.weight"),
        "snr" => ("", "stat.snr"),
        "wavelength" | "lambda" => ("", "em.wl"),
        _ => ("", ""),
    }
}

/// Text as the value of an attribute. What XML cannot say is left out.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' | '\r' => escaped.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn columns_have_types_units_and_ucds() {
        let list = |item| DataType::FixedSizeList(Arc::new(Field::new("element", item, false)), 7781);
        let unit = [("unit".to_owned(), "1e-17 erg / (s cm2 \"A\")".to_owned())];
        let schema = Schema::new(vec![
            Field::new("RA", DataType::Float64, false),
            Field::new("flux", list(DataType::Float32), false).with_metadata(unit.into()),
            Field::new("survey", DataType::Utf8, true),
            Field::new("names", list(DataType::Utf8), true),
        ]);
        let [(_, version), (_, content)] = votable(&schema);
        assert_eq!(version, "1.0");
        let fields: Vec<&str> = content.lines().filter(|line| line.starts_with("<FIELD")).collect();
        let expected = [
            r#"<FIELD name="RA" datatype="double" unit="deg" ucd="pos.eq.ra;meta.main"/>"#,
            r#"<FIELD name="flux" datatype="float" arraysize="7781" unit="1e-17 erg / (s cm2 &quot;A&quot;)" ucd="phot.flux.density"/>"#,
            r#"<FIELD name="survey" datatype="char" arraysize="64*"/>"#,
            r#"<FIELD name="names" datatype="char" arraysize="64*"/>"#,
        ];
        assert_eq!(fields, expected);
    }
}
