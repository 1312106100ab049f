//! The nodes example, run as its users run it: on a graph that is made, and on a public one.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::types::Float32Type;
use arrow_array::{ArrayRef, BooleanArray, FixedSizeListArray, Int32Array, RecordBatch};
use clap::Parser as _;
use parquet::arrow::ArrowWriter;

#[allow(dead_code, reason = "its main function is not called here")]
#[path = "main.rs"]
mod nodes;

fn run(folder: &Path, arguments: &[&str]) -> nodes::Result<Vec<nodes::Judged>> {
    let arguments = [&["nodes", folder.to_str().unwrap()], arguments].concat();
    nodes::run(&nodes::Options::parse_from(arguments))
}

fn write(path: &Path, columns: Vec<(String, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// A ring of 400, in which a node is of class 1 if the numbers of its two neighbours differ; two splits.
fn ring(folder: &Path) {
    let n = 400;
    let number = |node: usize| ((node * node) % 11 % 2) as f32;
    let features = (0..n).map(|node| Some(vec![Some(number(node)), Some(1.0)]));
    let class = |node: usize| i32::from(number((node + n - 1) % n) != number((node + 1) % n));
    let mut columns: Vec<(String, ArrayRef)> = vec![
        (
            "feature".to_owned(),
            Arc::new(FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(
                features, 2,
            )),
        ),
        ("label".to_owned(), Arc::new((0..n).map(class).collect::<Int32Array>())),
    ];
    for split in 0..2 {
        for (part, name) in ["train", "val", "test"].iter().enumerate() {
            let part_of = |node: usize| [0, 0, 1, 2][(node * 7 + split) % 4] == part;
            let chosen: BooleanArray = (0..n).map(|node| Some(part_of(node))).collect();
            columns.push((format!("{name}_{split}"), Arc::new(chosen)));
        }
    }
    write(&folder.join("nodes.parquet"), columns);
    let from: ArrayRef = Arc::new((0..n as i32).collect::<Int32Array>());
    let to: ArrayRef = Arc::new((0..n as i32).map(|node| (node + 1) % n as i32).collect::<Int32Array>());
    write(
        &folder.join("edges.parquet"),
        vec![("src".to_owned(), from), ("dst".to_owned(), to)],
    );
}

#[test]
fn edges_say_what_nodes_do_not() {
    let folder = tempfile::tempdir().unwrap();
    ring(folder.path());
    let arguments = [
        "--hidden",
        "16",
        "--steps",
        "60",
        "--learning-rate",
        "0.02",
        "--models",
        "2",
    ];
    let judged = run(folder.path(), &arguments).unwrap();
    assert_eq!(judged.len(), 4);
    assert!(judged.iter().all(|judged| judged.auroc > Some(0.95)), "{judged:?}");
    let alone = run(folder.path(), &[&arguments[..], &["--alone"]].concat()).unwrap();
    assert!(alone.iter().all(|judged| judged.auroc < Some(0.8)), "{alone:?}");
}

#[test]
fn files_that_are_no_graph_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = run(folder.path(), &[]).unwrap_err().to_string();
    assert!(error.contains("nodes.parquet"), "{error}");
    ring(folder.path());
    write(
        &folder.path().join("edges.parquet"),
        vec![("src".to_owned(), Arc::new(Int32Array::from(vec![1])))],
    );
    let error = run(folder.path(), &[]).unwrap_err().to_string();
    assert!(error.contains("edges.parquet: no column dst"), "{error}");
}

#[test]
fn cora() {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data");
    let folder = std::env::var_os("RADIO_REAL_DATA").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let folder = folder.join("graphs").join("cora");
    if !folder.is_dir() {
        let message = format!("SKIPPED no graph at {} (set RADIO_REAL_DATA)\n", folder.display());
        std::io::stderr().write_all(message.as_bytes()).unwrap();
        return;
    }
    let judged = run(&folder, &["--plain", "--dropout", "0.5", "--steps", "60"]).unwrap();
    assert!(judged[0].accuracy > 0.7, "{judged:?}");
}
