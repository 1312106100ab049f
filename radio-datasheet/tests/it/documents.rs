//! `datasheet.json`, `croissant.json`, the head for hubs, and whether all of them agree.

use std::fs;
use std::path::Path;

use radio_datasheet::{Answers, Datasheet, Difference, Document, check, diff};
use radio_index::{FileSummary, PixelSummary, Spread, Summary};
use serde_json::Value;

use crate::sample::{answers, survey};

fn file(uri: &str, footer_hash: &str) -> FileSummary {
    let mut file = FileSummary::default();
    (file.node, file.uri, file.footer_hash) = ("local".into(), uri.into(), footer_hash.into());
    (file.rows, file.bytes) = (10, 1000);
    file
}

/// The survey with three tiles below a folder.
fn with_files(folder: &Path) -> Summary {
    let mut summary = survey();
    let name = |name: &str| folder.join(name).display().to_string();
    summary.files = vec![
        file(&name("tiles/a.parquet"), "01"),
        file(&name("tiles/b.parquet"), "02"),
        file(&name("tiles/deep/c.parquet"), "03"),
    ];
    summary.catalogue.nulls = vec![
        ("z".into(), 2_307),
        ("survey".into(), 61_250),
        ("program".into(), 61_250),
    ];
    summary.catalogue.fills = vec![("z".into(), 12), ("zerr".into(), 40)];
    summary.catalogue.programs = vec![(("main".into(), "dark".into()), 61_250)];
    summary.catalogue.targets = vec![("LRG".into(), 20_000)];
    let mut spread = Spread::default();
    (spread.column, spread.edges) = ("zerr".into(), vec![1e-5, 1e-4]);
    spread.counts = vec![20_000, 40_000, 1_210];
    summary.catalogue.spreads = vec![spread];
    let mut pixels = PixelSummary::default();
    pixels.add(
        &[1.0, f32::NAN, f32::INFINITY, 1.0],
        &[1.0, 0.0, f32::NAN, 1.0],
        &[0, 0, 4, 4],
    );
    pixels.add(&[1.0], &[-1.0], &[0]);
    summary.pixels = Some(pixels);
    summary
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn all_files_say_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let (summary, answers) = (with_files(&root), answers());
    let path = Datasheet::new(&summary, &answers)
        .fact("Tokenizer", "patch = 32")
        .write(&root)
        .unwrap();
    let text = fs::read_to_string(path).unwrap();
    let read = |name: &str| fs::read_to_string(root.join(name)).unwrap();
    let document = Document::from_json(&read(Document::FILE_NAME)).unwrap();
    assert_eq!(document.summary, summary);
    assert_eq!(document.tiles, ["tiles/**/*.parquet"]);
    assert_eq!(document.answers["maintenance"]["contact"], "Open an issue.");
    assert!(document.unanswered.contains(&"uses.past".to_owned()));
    assert_eq!(document.settings[0].name, "Tokenizer");
    let digest = document.digest().unwrap();
    assert!(text.contains(&format!("`{digest}`")), "{digest}");

    let croissant = json(&read(Document::CROISSANT_FILE_NAME));
    assert_eq!(croissant["name"], "A patch of galaxies");
    assert_eq!(croissant["license"], "CC BY 4.0");
    assert_eq!(croissant["distribution"][0]["includes"][0], "tiles/**/*.parquet");
    let fields = croissant["recordSet"][0]["field"].as_array().unwrap();
    let names: Vec<&str> = fields.iter().map(|field| field["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["flux", "ivar", "target_ra", "targetid", "z"]);
    assert_eq!(
        (&fields[0]["dataType"], &fields[0]["isArray"]),
        (&Value::from("cr:Float32"), &Value::from(true))
    );

    let head = document.yaml_head();
    assert!(head.contains("license: cc-by-4.0\n") && head.contains("pretty_name: \"A patch of galaxies\"\n"));
    assert!(head.contains("- 10K<n<100K\n") && head.contains("  - \"tiles/**/*.parquet\"\n"));
    assert!(head.starts_with("---\n") && head.ends_with("---\n"));

    // Every number of the rows is in the table of missing values.
    assert!(
        text.contains("| `z` | 2,307 | 12 | 58,931 | 96.2 % | catalogue |"),
        "{text}"
    );
    assert!(text.contains("| `zerr` | 0 | 40 | 61,210 | 99.9 % | catalogue |"));
    assert!(text.contains("| `main dark` | 61,250 | 100.0 % | catalogue |"));
    assert!(text.contains("no such column: `survey`, `program`."));
    assert!(text.contains("| `LRG` | 20,000 |"));
    // 4633 + 167 rows with bit 2, 167 with bit 0.
    assert!(text.contains("| 2, `SMALL_DELTA_CHI2` | 4,800 |") && text.contains("| 0, `SKY` | 167 |"));
    for row in [
        "| without a good pixel | 1 | 50.0 % | spectra |",
        "| good pixels | 1 | 20.0 % | spectra |",
        "| flux is null, NaN or infinite | 2 | 40.0 % | spectra |",
        "| inverse variance is 0 or below | 2 | 40.0 % | spectra |",
        "| masked | 2 | 40.0 % | spectra |",
        "| `zerr` |  | 0.00001 | 20,000 | 32.7 % | catalogue |",
        "| `zerr` | 0.0001 |  | 1,210 | 2.0 % | catalogue |",
    ] {
        assert!(text.contains(row), "{row}\n{text}");
    }
    assert!(root.join("DATA_README.files/completeness.svg").is_file());
}

#[test]
fn the_schema_knows_every_key() {
    // Down all objects of a datasheet: a key that the schema lacks, or asks for in vain.
    fn walk(schema: &Value, value: &Value, place: &str) {
        let schema = schema.get("anyOf").map_or(schema, |choices| &choices[0]);
        match value {
            Value::Object(object) => {
                if let Some(known) = schema.get("properties").and_then(Value::as_object) {
                    let mut required: Vec<&str> = schema["required"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|name| name.as_str().unwrap())
                        .collect();
                    let mut found: Vec<&str> = object.keys().map(String::as_str).collect();
                    required.sort_unstable();
                    found.sort_unstable();
                    assert_eq!(found, required, "{place}");
                    object
                        .iter()
                        .for_each(|(name, value)| walk(&known[name], value, &format!("{place}/{name}")));
                } else {
                    let each = &schema["additionalProperties"];
                    object
                        .iter()
                        .for_each(|(name, value)| walk(each, value, &format!("{place}/{name}")));
                }
            }
            Value::Array(values) => {
                for (at, value) in values.iter().enumerate() {
                    let items = schema.get("prefixItems").map_or(&schema["items"], |items| &items[at]);
                    walk(items, value, &format!("{place}/{at}"));
                }
            }
            Value::Null => {}
            Value::Number(number) => {
                let kind = schema["type"].as_str();
                assert!(
                    kind == Some("number") || (kind == Some("integer") && !number.is_f64()),
                    "{place}: {schema}"
                );
            }
            Value::String(_) => assert_eq!(schema["type"], "string", "{place}"),
            Value::Bool(_) => panic!("{place}"),
        }
    }
    let (mut summary, answers) = (with_files(Path::new("/data")), answers());
    summary.syncs.push(radio_index::SyncSummary::default());
    let document = Datasheet::new(&summary, &answers).fact("a", "b").document();
    walk(&json(Document::SCHEMA), &json(&document.to_json()), "");
}

#[test]
fn damaged_documents_name_line_and_column() {
    let error = Document::from_json("{\n  \"version\": 1\n}").unwrap_err().to_string();
    assert!(error.starts_with("datasheet.json, line 2, column "), "{error}");
}

/// Changes something in a folder with a datasheet: what does a check find?
#[track_caller]
fn differences(change: impl Fn(&Path), summary: impl Fn(&mut Summary)) -> Vec<Difference> {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let (mut counted, answers) = (with_files(&root), answers());
    Datasheet::new(&counted, &answers)
        .fact("Tokenizer", "patch = 32")
        .write(&root)
        .unwrap();
    assert!(check(&root, &counted).unwrap().is_true());
    change(&root);
    summary(&mut counted);
    let report = check(&root, &counted).unwrap();
    assert_eq!(report.to_string().lines().count(), report.differences.len());
    assert_eq!(
        json(&report.to_json())["differences"].as_array().unwrap().len(),
        report.differences.len()
    );
    report.differences
}

fn replace(root: &Path, name: &str, from: &str, to: &str) {
    let text = fs::read_to_string(root.join(name)).unwrap();
    assert!(text.contains(from), "{from}");
    fs::write(root.join(name), text.replacen(from, to, 1)).unwrap();
}

#[test]
fn a_changed_number_is_named() {
    let found = differences(
        |root| {
            replace(
                root,
                "DATA_README.md",
                "| dead fibres | 2,140 |",
                "| dead fibres | 2,141 |",
            );
        },
        |_| {},
    );
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].file, "DATA_README.md");
    assert!(found[0].place.ends_with(": dead fibres"), "{:?}", found[0]);
    assert!(found[0].stated.as_ref().unwrap().contains("2,141"));
    assert!(found[0].counted.as_ref().unwrap().contains("2,140"));
}

#[test]
fn the_line_is_that_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let (summary, answers) = (survey(), answers());
    let path = Datasheet::new(&summary, &answers).write(folder.path()).unwrap();
    fs::write(&path, format!("By hand.\n\n{}", fs::read_to_string(&path).unwrap())).unwrap();
    replace(
        folder.path(),
        "DATA_README.md",
        "| `QSO` | 4,094 |",
        "| `QSO` | 4,095 |",
    );
    let report = check(folder.path(), &summary).unwrap();
    let [found] = &report.differences[..] else {
        panic!("{report}")
    };
    let text = fs::read_to_string(&path).unwrap();
    let line = 1 + text.lines().position(|line| line.contains("4,095")).unwrap();
    assert_eq!(found.place, format!("composition, line {line}: QSO"));
}

#[test]
fn pixels_are_those_of_the_datasheet_where_an_index_counts_none() {
    assert_eq!(differences(|_| {}, |summary| summary.pixels = None), []);
    let row = "| masked | 2 | 40.0 % | spectra |";
    let found = differences(
        |root| replace(root, "DATA_README.md", row, "| masked | 3 | 40.0 % | spectra |"),
        |summary| {
            summary.pixels = None;
        },
    );
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].place.ends_with(": masked"), "{found:?}");
    // Counted again, and otherwise.
    let found = differences(|_| {}, |summary| summary.pixels = Some(PixelSummary::default()));
    assert!(
        found.iter().any(|found| found.place == "/summary/pixels/good"),
        "{found:?}"
    );
}

#[test]
fn a_changed_tile_is_named() {
    let found = differences(|_| {}, |summary| summary.files[1].footer_hash = "ff".into());
    let places: Vec<&str> = found.iter().map(|found| found.place.as_str()).collect();
    assert!(
        places
            .iter()
            .any(|place| place.ends_with("tiles/b.parquet/footer_hash")),
        "{places:?}"
    );
    // And the digest of all of them.
    assert!(
        places.iter().any(|place| place.starts_with("provenance, line ")),
        "{places:?}"
    );
    let found = differences(
        |_| {},
        |summary| {
            summary.files.pop();
        },
    );
    let is_gone = |found: &Difference| found.place.ends_with("c.parquet") && found.counted.is_none();
    assert!(found.iter().any(is_gone), "{found:?}");
}

#[test]
fn other_files_are_checked_too() {
    let found = differences(
        |root| replace(root, "croissant.json", "cr:Float64", "cr:Float32"),
        |_| {},
    );
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].file.as_str(), found[0].stated.as_deref()),
        ("croissant.json", Some("\"cr:Float32\""))
    );
    assert!(found[0].place.contains("target_ra"), "{found:?}");
    let found = differences(
        |root| replace(root, "datasheet.json", "\"dead\": 2140", "\"dead\": 7"),
        |_| {},
    );
    assert_eq!((found.len(), found[0].place.as_str()), (1, "/summary/catalogue/dead"));
    let found = differences(
        |root| fs::write(root.join("DATA_README.files/sky.svg"), "<svg/>").unwrap(),
        |_| {},
    );
    assert_eq!((found.len(), found[0].file.as_str()), (1, "DATA_README.files/sky.svg"));
    let found = differences(|root| fs::remove_file(root.join("croissant.json")).unwrap(), |_| {});
    assert!(!found.is_empty());
}

#[test]
fn words_by_hand_are_no_drift() {
    let found = differences(
        |root| {
            let path = root.join("DATA_README.md");
            fs::write(
                &path,
                fs::read_to_string(&path).unwrap() + "\nThanks to 12 observers.\n",
            )
            .unwrap();
        },
        |_| {},
    );
    assert_eq!(found, []);
}

#[test]
fn replaced_templates_are_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let (summary, answers) = (survey(), answers());
    let sheet = Datasheet::new(&summary, &answers).template("uses", "## Uses of {{ tiles.rows }} rows");
    sheet.write(folder.path()).unwrap();
    assert!(check(folder.path(), &summary).unwrap().is_true());
}

#[test]
fn a_folder_without_a_datasheet_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let error = check(folder.path(), &survey()).unwrap_err().to_string();
    assert!(
        error.starts_with("cannot find ") && error.ends_with("datasheet.json"),
        "{error}"
    );
}

#[test]
fn hostile_names_stay_names_in_every_file() {
    let mut summary = Summary::default();
    summary.columns = vec![crate::sample::column("a b\"<script>{{x}}", "DOUBLE", 1, None, 1)];
    summary.files = vec![file("/data/\"quoted\"\n.parquet", "1")];
    let answers = Answers::from_toml("title = 'Say \"no\": # yes'").unwrap();
    let document = Datasheet::new(&summary, &answers).document();
    let croissant = json(&document.to_croissant());
    assert_eq!(
        croissant["recordSet"][0]["field"][0]["@id"],
        "rows/a%20b%22%3Cscript%3E%7B%7Bx%7D%7D"
    );
    assert!(
        document
            .yaml_head()
            .contains("pretty_name: \"Say \\\"no\\\": # yes\"\n")
    );
    assert_eq!(Document::from_json(&document.to_json()).unwrap(), document);
}

#[test]
fn changes_from_one_version_to_the_next() {
    let answers = Answers::default();
    let old = with_files(Path::new("/old"));
    let document = |summary: &Summary| Datasheet::new(summary, &answers).document();
    // Elsewhere, the same data set is the same.
    assert!(diff(&document(&old), &document(&with_files(Path::new("/else/where")))).is_empty());
    assert_eq!(diff(&document(&old), &document(&old)).to_string(), "Nothing changed.\n");

    let mut new = with_files(Path::new("/new"));
    new.files[0].footer_hash = "99".into();
    new.files.remove(1);
    new.files.push(file("/new/tiles/z.parquet", "04"));
    new.columns.remove(4);
    new.columns[2].data_type = "FLOAT".into();
    // Redshifts twice as large, and as many in bins half as wide.
    new.redshifts.width *= 2.0;
    // Errors of which more are large, and a survey that has moved to where the sky is otherwise.
    new.catalogue.spreads[0].counts = vec![2_000, 40_000, 19_210];
    new.sky.pixels = crate::sample::patch(6, 30.0, 0.0, 3.5);
    let changes = diff(&document(&old), &document(&new));
    assert_eq!(
        changes.tiles_changed,
        ["tiles/a.parquet"].map(|name| name.trim_start_matches("tiles/"))
    );
    assert_eq!(changes.tiles_removed, ["b.parquet"]);
    assert_eq!(changes.tiles_added, ["z.parquet"]);
    assert_eq!(
        (changes.columns_removed, changes.columns_changed),
        (vec!["z".to_owned()], vec!["target_ra".to_owned()])
    );
    let moved: Vec<&str> = changes
        .distributions
        .iter()
        .filter(|d| d.has_moved)
        .map(|d| d.name.as_str())
        .collect();
    assert_eq!(moved, ["positions", "z", "zerr"]);
}

#[test]
fn bins_of_another_width_are_no_other_distribution() {
    let answers = Answers::default();
    let (mut old, mut new) = (Summary::default(), Summary::default());
    (old.redshifts.width, new.redshifts.width) = (0.1, 0.05);
    old.redshifts.counts = (1..=20).map(|k| 100 * k).collect();
    new.redshifts.counts = (1..=20).flat_map(|k| [50 * k, 50 * k]).collect();
    let changes = diff(
        &Datasheet::new(&old, &answers).document(),
        &Datasheet::new(&new, &answers).document(),
    );
    assert!(changes.distributions[0].psi < 1e-9 && changes.is_empty(), "{changes:?}");
    // By hand, of two classes: (0.9 - 0.6) ln (0.9 / 0.6) + (0.1 - 0.4) ln (0.1 / 0.4), but for the half rows.
    old.catalogue.classes = vec![("GALAXY".into(), 900_000), ("QSO".into(), 100_000)];
    new.catalogue.classes = vec![("GALAXY".into(), 600_000), ("QSO".into(), 400_000)];
    let changes = diff(
        &Datasheet::new(&old, &answers).document(),
        &Datasheet::new(&new, &answers).document(),
    );
    let expected = 0.3 * 1.5_f64.ln() + 0.3 * 4_f64.ln();
    assert!((changes.distributions[0].psi - expected).abs() < 1e-4, "{changes:?}");
}
