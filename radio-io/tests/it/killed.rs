//! Writers in processes of their own, which are killed (`kill -9`) while they write.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use radio_io::{TileWriter, WriteOptions};

use crate::write::{assert_equal, flat, read, write};

/// Where a process is to write, and how far.
const FOLDER: &str = "RADIO_IO_TEST_KILLED_FOLDER";
const STOP: &str = "RADIO_IO_TEST_KILLED_STOP";
const READY: &str = "ready to be killed";

/// Starts this test in a process of its own, waits until it is ready, and kills it.
fn kill(test: &str, folder: &Path, stop: u64) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(FOLDER, folder)
        .env(STOP, stop.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(
        lines.any(|line| line.unwrap().ends_with(READY)),
        "{test} has ended by itself"
    );
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Says so, and waits for the end.
fn wait_to_be_killed() {
    std::io::stderr().write_all(format!("{READY}\n").as_bytes()).unwrap();
    loop {
        std::thread::park();
    }
}

/// Folder and stop of a process that is to be killed; none where the tests run.
fn orders() -> Option<(PathBuf, u64)> {
    let folder = std::env::var_os(FOLDER)?;
    Some((folder.into(), std::env::var(STOP).ok()?.parse().ok()?))
}

/// Not a test: writes so many batches over a tile.
#[test]
fn write_until_killed() {
    let Some((folder, stop)) = orders() else { return };
    let options = WriteOptions::default().with_row_group_bytes(100_000);
    let schema = flat(0, 1, 100).schema();
    let mut writer = TileWriter::create(folder.join("tile.parquet"), schema, options).unwrap();
    for batch in 0..stop {
        writer.write(&flat(300 * batch as i64, 300, 100)).unwrap();
    }
    wait_to_be_killed();
}

#[test]
fn a_killed_writer_leaves_the_old_tile() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tile.parquet");
    let old = flat(7, 20, 100);
    write(&path, std::slice::from_ref(&old), WriteOptions::default());
    for stop in [0, 1, 4] {
        kill("killed::write_until_killed", folder.path(), stop);
        assert_equal(&read(&path).0, &old);
    }
    // The next one does not mind what is left.
    let new = flat(0, 300, 100);
    write(&path, std::slice::from_ref(&new), WriteOptions::default());
    assert_equal(&read(&path).0, &new);
}

#[cfg(feature = "hats")]
mod repartition {
    use std::fs;

    use radio_io::hats::Partition;
    use radio_io::{Partitioning, RepartitionOptions, repartition};

    use super::*;
    use crate::repartition::{check, inputs, run, survey};

    const PIXELS: usize = 500;

    fn options() -> RepartitionOptions {
        RepartitionOptions::default()
            .with_partitioning(Partitioning::Order(2))
            .with_memory(1 << 20)
    }

    fn files(folder: &Path) -> Vec<PathBuf> {
        (0..survey().len())
            .map(|number| folder.join(format!("in/{number}.parquet")))
            .collect()
    }

    /// Not a test: divides files until so many rows are done.
    #[test]
    fn divide_until_killed() {
        let Some((folder, stop)) = orders() else { return };
        let stop_there = |done, _of| {
            if done >= stop {
                wait_to_be_killed();
            }
        };
        repartition(&files(&folder), folder.join("out"), &options(), stop_there).unwrap();
    }

    /// Killed while it reads and while it writes, a run goes on, and makes the same tiles.
    #[test]
    fn a_killed_run_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let survey = survey();
        let inputs = inputs(&folder.path().join("in"), &survey, PIXELS);
        assert_eq!(inputs, files(folder.path()));
        let (out, whole) = (folder.path().join("out"), folder.path().join("whole"));
        let expected = run(&inputs, &whole, &options());
        let rows = expected.read;
        let mut kept = 0;
        for stop in [1, rows / 2, rows + rows / 4, rows + rows / 2, 2 * rows - 1] {
            kill("killed::repartition::divide_until_killed", folder.path(), stop);
            // What is there is whole.
            let there = expected.tiles.iter().map(Partition::file);
            let there: Vec<String> = there.filter(|tile| out.join(tile).exists()).collect();
            for tile in &there {
                assert!(
                    fs::read(out.join(tile)).unwrap() == fs::read(whole.join(tile)).unwrap(),
                    "{tile}"
                );
            }
            assert!(there.len() >= kept);
            kept = there.len();
        }
        // The last of them wrote nearly all.
        assert!(kept > expected.tiles.len() / 2 && kept <= expected.tiles.len());
        let done = run(&inputs, &out, &options());
        assert_eq!(done.kept, kept);
        check(&done, &out, &survey, PIXELS);
        for tile in &done.tiles {
            let folder = out.join(tile.file()).parent().unwrap().to_owned();
            let mut files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
            assert!(files.all(|file| file.extension().is_some_and(|end| end == "parquet")));
        }
    }
}
