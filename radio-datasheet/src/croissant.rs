//! The data set in the vocabulary of Croissant, which loaders of machine-learning data sets read.

use serde_json::{Value, json};

use crate::Document;
use crate::document::pretty;

impl Document {
    /// Name of the Croissant file that [`Datasheet::write`](crate::Datasheet::write) writes.
    pub const CROISSANT_FILE_NAME: &'static str = "croissant.json";

    /// The data set as Croissant 1.1 (JSON-LD): its tiles as a set of Parquet files, its columns as the fields of a record set.
    ///
    /// A column of lists is an array of any length. Columns inside of structs are described by their struct, as JSON; loaders
    /// read the others. Tiles are found from the folder of the file on. The data set is declared as live, so that no checksum
    /// of each tile is asked for: a survey of terabytes would have to be read for them; the hashes of footers are in
    /// `datasheet.json`.
    ///
    /// # References
    ///
    /// Croissant 1.1, <http://mlcommons.org/croissant/1.1>; Akhtar et al. 2024, NeurIPS, *Croissant*.
    #[must_use]
    pub fn to_croissant(&self) -> String {
        let title = self.title.as_deref().unwrap_or("Untitled data set");
        let summary = &self.summary;
        let description = self.answer("motivation", "purpose").map_or_else(
            || format!("{} rows in {} Parquet tiles.", summary.tiles.rows, summary.tiles.count),
            str::to_owned,
        );
        let mut croissant = json!({
            "@context": context(),
            "@type": "sc:Dataset",
            "conformsTo": "http://mlcommons.org/croissant/1.1",
            "name": title,
            "description": description,
            "isLiveDataset": true,
            "keywords": ["astronomy", "spectroscopy"],
            "distribution": [{
                "@type": "cr:FileSet",
                "@id": "tiles",
                "name": "tiles",
                "description": format!("{} Parquet files", summary.tiles.count),
                "encodingFormat": "application/x-parquet",
                "includes": self.tiles,
            }],
            "recordSet": [{
                "@type": "cr:RecordSet",
                "@id": "rows",
                "name": "rows",
                "description": format!("{} rows", summary.tiles.rows),
                "field": self.fields(),
            }],
        });
        let more = [
            ("license", self.licence()),
            ("creator", self.answer("motivation", "creators")),
            ("datePublished", self.answer("distribution", "release")),
            ("url", self.answer("distribution", "channels")),
        ];
        for (key, answer) in more {
            if let Some(answer) = answer {
                croissant[key] = match key {
                    "creator" => json!({"@type": "sc:Organization", "name": answer}),
                    _ => Value::from(answer),
                };
            }
        }
        pretty(&croissant)
    }

    /// A field for each column at the top of the schema.
    fn fields(&self) -> Vec<Value> {
        let mut fields: Vec<(&str, Value)> = Vec::new();
        for column in &self.summary.columns {
            let (name, below) = column.name.split_once('.').unwrap_or((&column.name, ""));
            if fields.iter().any(|(known, _)| *known == name) {
                continue;
            }
            let is_list = ["list.element", "list.item", "bag.array_element", "array"].contains(&below);
            let mut field = json!({
                "@type": "cr:Field",
                "@id": format!("rows/{}", id(name)),
                "name": name,
                "description": format!("Parquet column {}", column.name),
                "dataType": if below.is_empty() || is_list { data_type(&column.data_type) } else { "sc:Text" },
                "source": {"fileSet": {"@id": "tiles"}, "extract": {"column": name}},
            });
            if is_list {
                field["isArray"] = Value::from(true);
                field["arrayShape"] = Value::from("-1");
            }
            fields.push((name, field));
        }
        fields.into_iter().map(|(_, field)| field).collect()
    }
}

/// The type of a field, from the type of a Parquet column.
fn data_type(parquet: &str) -> &'static str {
    let physical = parquet.split([' ', '(']).next().unwrap_or_default();
    match physical {
        "BOOLEAN" => "sc:Boolean",
        "INT32" => "cr:Int32",
        "INT64" => "cr:Int64",
        "FLOAT" => "cr:Float32",
        "DOUBLE" => "cr:Float64",
        _ => "sc:Text",
    }
}

/// A name in an id: letters, digits and few others, so that it means the same wherever it stands.
fn id(name: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    name.bytes().map(byte).collect()
}

/// Words of Croissant that mean what they say, and nothing more.
const WORDS: [&str; 32] = [
    "arrayShape",
    "citeAs",
    "column",
    "containedIn",
    "dataBiases",
    "dataCollection",
    "equivalentProperty",
    "excludes",
    "extract",
    "field",
    "fileObject",
    "fileProperty",
    "fileSet",
    "format",
    "includes",
    "isArray",
    "isLiveDataset",
    "jsonPath",
    "key",
    "md5",
    "parentField",
    "path",
    "personalSensitiveInformation",
    "recordSet",
    "references",
    "regex",
    "repeated",
    "replace",
    "samplingRate",
    "separator",
    "source",
    "subField",
];

/// What the words of a Croissant file mean.
fn context() -> Value {
    let mut context = json!({
        "@language": "en",
        "@vocab": "https://schema.org/",
        "sc": "https://schema.org/",
        "cr": "http://mlcommons.org/croissant/",
        "dct": "http://purl.org/dc/terms/",
        "conformsTo": "dct:conformsTo",
        "data": {"@id": "cr:data", "@type": "@json"},
        "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
        "examples": {"@id": "cr:examples", "@type": "@json"},
        "transform": "cr:transform",
    });
    for word in WORDS {
        context[word] = Value::from(format!("cr:{word}"));
    }
    context
}
