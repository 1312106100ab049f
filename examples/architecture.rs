//! The rules of the house that can be checked by a machine: which crate may know which, and what lies where.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

const PUBLISHED: [&str; 6] = [
    "radio-index",
    "radio-io",
    "radio-tokenize",
    "radio-models",
    "radio-fof",
    "radio-datasheet",
];
/// The only arrows between published crates. Both take `radio-index` without its default features: plain structs. A datasheet keeps
/// the summary as JSON, so it asks for serde's derives, and for nothing else.
const ARROWS: [(&str, &str, &[&str]); 2] = [
    ("radio-io", "radio-index", &[]),
    ("radio-datasheet", "radio-index", &["serde"]),
];

fn metadata() -> Metadata {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    MetadataCommand::new().manifest_path(manifest).no_deps().exec().unwrap()
}

fn published(metadata: &Metadata) -> Vec<&Package> {
    let find = |name: &&str| {
        metadata
            .packages
            .iter()
            .find(|p| p.name.as_str() == *name)
            .expect("a published crate")
    };
    PUBLISHED.iter().map(find).collect()
}

#[test]
fn crates_know_only_whom_they_may() {
    let metadata = metadata();
    let mut found = BTreeSet::new();
    for package in published(&metadata) {
        for dependency in package.dependencies.iter().filter(|d| d.name.starts_with("radio-")) {
            assert_eq!(
                dependency.kind,
                DependencyKind::Normal,
                "{}: {}",
                package.name,
                dependency.name
            );
            assert!(
                !dependency.uses_default_features,
                "{} takes all of {}",
                package.name, dependency.name
            );
            found.insert((
                package.name.to_string(),
                dependency.name.clone(),
                dependency.features.clone(),
            ));
        }
    }
    assert_eq!(
        found,
        ARROWS
            .iter()
            .map(|(a, b, features)| {
                let features = features.iter().map(|feature| (*feature).to_owned()).collect();
                ((*a).to_owned(), (*b).to_owned(), features)
            })
            .collect()
    );
}

#[test]
fn the_index_without_features_needs_nothing() {
    let metadata = metadata();
    let index = published(&metadata)[0];
    let needed = index
        .dependencies
        .iter()
        .filter(|d| d.kind == DependencyKind::Normal && !d.optional);
    assert_eq!(needed.map(|d| d.name.as_str()).collect::<Vec<_>>(), Vec::<&str>::new());
}

#[test]
fn nothing_heavy_is_built_unless_asked_for() {
    let metadata = metadata();
    let defaults = |package: &Package| package.features.get("default").cloned().unwrap_or_default();
    let found: Vec<_> = published(&metadata).iter().map(|p| defaults(p).join(" ")).collect();
    assert_eq!(found, ["sqlite", "", "", "flex", "", ""]);
}

/// Neither the engine of a cluster nor what it brings along, unless a feature asks for it.
#[test]
fn a_cluster_costs_nothing_where_there_is_none() {
    for name in PUBLISHED {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
        let tree = Command::new(env!("CARGO"))
            .args([
                "tree",
                "--offline",
                "--edges",
                "normal",
                "--prefix",
                "none",
                "--package",
                name,
                "--manifest-path",
                manifest,
            ])
            .output()
            .unwrap();
        assert!(tree.status.success(), "{tree:?}");
        let tree = String::from_utf8(tree.stdout).unwrap();
        assert!(tree.contains(name), "{tree}");
        let engine = tree.lines().find(|line| {
            ["datafusion", "tonic", "arrow-flight"]
                .iter()
                .any(|heavy| line.starts_with(heavy))
        });
        assert_eq!(engine, None, "{name}");
    }
}

#[test]
fn published_crates_are_complete() {
    let metadata = metadata();
    let members: BTreeSet<_> = metadata.packages.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(members.len(), PUBLISHED.len() + 2, "{members:?}");
    for package in published(&metadata) {
        let name = &package.name;
        assert!(package.description.is_some() && package.license.is_some(), "{name}");
        assert!(
            !package.keywords.is_empty() && !package.categories.is_empty() && package.documentation.is_some(),
            "{name}"
        );
        assert!(package.publish.is_none(), "{name} is not to be published?");
        let folder = package.manifest_path.parent().unwrap();
        for file in ["README.md", "CHANGELOG.md", "tests/it/main.rs"] {
            assert!(folder.join(file).exists(), "{name} has no {file}");
        }
        // Each feature is explained above its line in the manifest, and in the table of the crate's documentation.
        let manifest = fs::read_to_string(&package.manifest_path).unwrap();
        let docs = fs::read_to_string(folder.join("src/lib.rs")).unwrap();
        for feature in package
            .features
            .keys()
            .filter(|f| *f != "default" && !f.starts_with('_'))
        {
            let line = manifest
                .lines()
                .position(|line| line.starts_with(&format!("{feature} = [")))
                .unwrap_or_default();
            assert!(
                line > 0 && manifest.lines().nth(line - 1).unwrap().starts_with("# "),
                "{name}: {feature} in Cargo.toml"
            );
            assert!(
                docs.contains(&format!("| `{feature}` |")),
                "{name}: {feature} in lib.rs"
            );
        }
    }
}

#[test]
fn the_top_level_holds_nothing_else() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let ignored = fs::read_to_string(root.join(".gitignore")).unwrap();
    let ignored: BTreeSet<_> = ignored.lines().map(|line| line.trim_matches('/').to_owned()).collect();
    let folders: BTreeSet<String> = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| !name.starts_with('.') && !ignored.contains(name))
        .collect();
    let expected = PUBLISHED
        .iter()
        .copied()
        .chain(["benches", "examples"])
        .map(str::to_owned)
        .collect();
    assert_eq!(folders, expected);
}
