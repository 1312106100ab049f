//! The two programs as users run them: three nodes register and serve their tiles, a trainer that has none trains on them, is killed, and
//! goes on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test fails"
)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use radio_io::mock::Mock;

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
fn worker(node: &str, tiles: &Path, token: &Path) -> (Killed, String) {
    let mut child = program("cluster_worker")
        .args(["--node", node, "--listen", "127.0.0.1:0", "--threads", "1", "--tiles"])
        .arg(tiles)
        .arg("--token-file")
        .arg(token)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
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
fn three_nodes_train_a_model() {
    let folder = tempfile::tempdir().unwrap();
    let all = folder.path().join("all");
    let mock = Mock::new(900).write(&all, |_| {}).unwrap();
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
        .map(|(node, home)| worker(node, home, &token))
        .unzip();
    let checkpoint = folder.path().join("model");
    let train = |epochs: &str| {
        let mut train = program("cluster_train");
        train
            .arg("--index")
            .arg(&index)
            .arg("--token-file")
            .arg(&token)
            .args(["--epochs", epochs, "--checkpoint"])
            .arg(&checkpoint);
        for address in &addresses {
            train.arg("--worker").arg(address);
        }
        train
    };
    let (is_well, text) = output(&mut train("2"));
    assert!(is_well, "{text}");
    for says in [
        "900 spectra in",
        "of 3 nodes",
        "node-a:",
        "node-c:",
        "0 failed",
        "loss",
        "after step 30",
    ] {
        assert!(text.contains(says), "{says}: {text}");
    }
    // There is nothing left to do.
    let (is_well, text) = output(&mut train("2"));
    assert!(is_well && text.contains("going on after step 30"), "{text}");

    drop(workers);
    fs::write(&token, "").unwrap();
    let (is_well, text) = output(&mut train("2"));
    assert!(!is_well && text.contains("no token in it"), "{text}");
}
