//! The two programs as users run them: three nodes register and serve their tiles, a trainer that has none trains on them, is killed, and
//! goes on; then the workers score their spectra with its model.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a panic is how a test fails"
)]

#[path = "../common/mod.rs"]
mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use radio_io::ReadOptions;
use radio_io::mock::Mock;
use radio_models::{AnomalyScorer, ConvAutoencoder, Position, Scores, device};
use radio_tokenize::Tokenizer;

/// In about a dozen tiles.
const SPECTRA: usize = 3_000;

/// A program of this package.
fn program(name: &str) -> Command {
    // Tests are in `deps`, beside the folder of examples.
    let tests = std::env::current_exe().unwrap();
    let program = tests.parent().unwrap().parent().unwrap().join("examples").join(name);
    let missing =
        "is not built: a test alone does not, `cargo build -p radio-examples --features cluster --examples` does";
    assert!(program.exists(), "{} {missing}", program.display());
    Command::new(program)
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A worker of some tiles, and where it answers.
fn worker(node: &str, tiles: &Path, token: &Path, scorer: Option<&Path>) -> (Killed, String) {
    let mut command = program("cluster_worker");
    command
        .args(["--node", node, "--listen", "127.0.0.1:0", "--threads", "1", "--tiles"])
        .arg(tiles)
        .arg("--token-file")
        .arg(token);
    if let Some(scorer) = scorer {
        command.arg("--scorer").arg(scorer);
    }
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let address = line.trim().rsplit(' ').next().unwrap().to_owned();
    (Killed(child), format!("{node}=http://{address}"))
}

fn output(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr]
        .map(|text| String::from_utf8(text).unwrap())
        .concat();
    (output.status.success(), text)
}

#[test]
fn three_nodes_train_a_model_and_score_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let all = folder.path().join("all");
    let mock = Mock::new(SPECTRA).write(&all, |_| {}).unwrap();
    let nodes = ["node-a", "node-b", "node-c"];
    let homes: Vec<PathBuf> = nodes.iter().map(|node| folder.path().join(node)).collect();
    homes.iter().for_each(|home| fs::create_dir(home).unwrap());
    for (slice, home) in mock.plan.slices().iter().zip(homes.iter().cycle()) {
        let from = Path::new(slice.uri());
        fs::rename(from, home.join(from.file_name().unwrap())).unwrap();
    }
    let (index, token) = (folder.path().join("survey.db"), folder.path().join("token"));
    fs::write(&token, "a secret\n").unwrap();
    for (node, home) in nodes.iter().zip(&homes) {
        let mut register = program("cluster_worker");
        register
            .args(["--node", node, "--tiles"])
            .arg(home)
            .arg("--register")
            .arg(&index);
        let (is_well, text) = output(&mut register);
        assert!(is_well && text.contains("tiles added"), "{text}");
    }
    let (workers, addresses): (Vec<Killed>, Vec<String>) = nodes
        .iter()
        .zip(&homes)
        .map(|(node, home)| worker(node, home, &token, None))
        .unzip();
    let (checkpoint, scorer) = (folder.path().join("model"), folder.path().join("model.safetensors"));
    let asking = |name: &str, addresses: &[String]| {
        let mut command = program(name);
        command.arg("--index").arg(&index).arg("--token-file").arg(&token);
        for address in addresses {
            command.arg("--worker").arg(address);
        }
        command
    };
    let train = |epochs: &str| {
        let mut train = asking("cluster_train", &addresses);
        train.args(["--epochs", epochs, "--checkpoint"]).arg(&checkpoint);
        train
    };
    let (is_well, text) = output(&mut train("2"));
    assert!(is_well, "{text}");
    for says in ["spectra in", "of 3 nodes", "node-a:", "node-c:", "0 failed", "loss"] {
        assert!(text.contains(says), "{says}: {text}");
    }
    let (_, steps) = text.split_once("after step ").unwrap();
    let steps = steps.lines().next().unwrap();
    // There is nothing left to do.
    let (is_well, text) = output(&mut train("2"));
    assert!(
        is_well && text.contains(&format!("going on after step {steps}\n")),
        "{text}"
    );

    // The same workers know no model.
    let scores = folder.path().join("scores.parquet");
    let (is_well, text) = output(asking("cluster_score", &addresses).arg("--out").arg(&scores));
    assert!(
        !is_well && text.contains("no function \"score\" is registered"),
        "{text}"
    );
    drop(workers);
    let (workers, addresses): (Vec<Killed>, Vec<String>) = nodes
        .iter()
        .zip(&homes)
        .map(|(node, home)| worker(node, home, &token, Some(&scorer)))
        .unzip();
    let (is_well, text) = output(asking("cluster_score", &addresses).arg("--out").arg(&scores));
    assert!(
        is_well && text.contains("node-b:") && text.contains("and in the index, run cluster-"),
        "{text}"
    );
    let file = fs::File::open(&scores).unwrap();
    let batches = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let found: Vec<Scores> = batches
        .map(|batch| Scores::from_record_batch(&batch.unwrap()).unwrap())
        .collect();

    // Those of this process, with the same model.
    let model = AnomalyScorer::<ConvAutoencoder>::load(&scorer, &device("cpu").unwrap()).unwrap();
    assert!(model.calibration().is_some());
    let plan = radio_index::blocking::Index::open(&format!("sqlite:{}", index.display())).unwrap();
    let plan = plan.plan(&radio_index::Selection::all()).unwrap();
    let tokenizer = Tokenizer::new(32);
    let here = common::batches(&plan, &ReadOptions::default(), &tokenizer, Position::default()).unwrap();
    let here: Vec<Scores> = here.map(|tokens| model.score(&tokens.unwrap()).unwrap()).collect();
    let rows = |scores: &[Scores]| scores.iter().flat_map(|scores| scores.rows.clone()).collect::<Vec<_>>();
    assert_eq!(rows(&found).len(), SPECTRA);
    // In other company, so that matrices have other sizes and are summed in another order.
    let is_near = |a: Option<f64>, b: Option<f64>| match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() < 1e-3 * a.abs().max(1.0),
        _ => a == b,
    };
    for (found, here) in rows(&found).iter().zip(&rows(&here)) {
        assert_eq!((found.targetid, found.flags), (here.targetid, here.flags));
        assert!(
            is_near(found.score, here.score) && is_near(found.chi2, here.chi2),
            "{found:?} {here:?}"
        );
    }

    drop(workers);
    fs::write(&token, "").unwrap();
    let (is_well, text) = output(&mut train("2"));
    assert!(!is_well && text.contains("no token in it"), "{text}");
}
