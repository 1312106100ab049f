//! Scores whose writer is killed at any moment, or whose disk is full, in processes of their own.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use radio_models::{Error, ScoreFile, Scores};

use crate::score_file::{at_most, batch, check, names};

const FOLDER: &str = "RADIO_MODELS_TEST_SCORES";
const BATCHES: u64 = 200;
const SEAL_ROWS: usize = 400;
/// About what a process needs before it writes.
const START: Duration = Duration::from_millis(2);

fn batches() -> Vec<Scores> {
    (0..BATCHES)
        .map(|number| batch(number, number as usize * 37 % 101))
        .collect()
}

fn resume(folder: &Path) -> Result<ScoreFile, Error> {
    let file = ScoreFile::resume(folder.join("scores.parquet"), "killed", "0123456789abcdef")?;
    Ok(file.with_seal_rows(at_most(SEAL_ROWS)))
}

/// Not a test: what the processes below run. Stdin says how many batches to write; then it waits to be killed.
#[test]
fn writer_in_a_process_of_its_own() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let mut file = resume(Path::new(&folder)).unwrap();
    let mut line = String::new();
    io::stdin().read_line(&mut line).unwrap();
    let most: usize = line.trim().parse().unwrap();
    let done = file.batches() as usize;
    for scores in batches().iter().skip(done).take(most) {
        file.write(scores).unwrap();
    }
    if done + most < BATCHES as usize {
        println!("\nwritten");
    } else {
        println!("\nfinishing");
        file.finish().unwrap();
        println!("\nfinished");
    }
    let _ = io::stdin().read_to_end(&mut Vec::new());
}

fn start(folder: &Path, batches: u64) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "score_file_kills::writer_in_a_process_of_its_own",
            "--nocapture",
        ])
        .env(FOLDER, folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(child.stdin.as_mut().unwrap(), "{batches}").unwrap();
    child
}

/// Reads what the process says, until it says one of these.
fn wait_for(child: &mut Child, words: &[&str]) -> String {
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    lines
        .map(Result::unwrap)
        .find(|line| words.contains(&line.as_str()))
        .expect("the process ended too early")
}

#[test]
fn killed_thirty_times() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let path = folder.join("scores.parquet");
    // How long it takes undisturbed decides at which moments the others are killed.
    let began = Instant::now();
    let mut file = resume(folder).unwrap();
    batches().iter().for_each(|scores| file.write(scores).unwrap());
    let writing = began.elapsed();
    file.finish().unwrap();
    let finishing = began.elapsed() - writing;
    fs::write(&path, "the scores of yesterday").unwrap();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % 1000) as f64 / 1000.0
    };
    let (mut resumed, mut named) = (0, 0);
    for life in 0..30 {
        // In turn: when a known number of batches is written; in the middle of it; and in `finish`.
        let most = if life % 3 == 2 {
            BATCHES
        } else {
            10 + (40.0 * next()) as u64
        };
        let mut child = start(folder, most);
        match life % 3 {
            0 => {
                if wait_for(&mut child, &["written", "finished"]) == "written" {
                    let error = resume(folder).unwrap_err();
                    assert!(matches!(error, Error::Busy { .. }), "{error}");
                }
            }
            1 => std::thread::sleep(START + writing.mul_f64(next())),
            _ => {
                wait_for(&mut child, &["finishing"]);
                // Early ones above all: that the file gets its name is soon, and the disk confirms it late.
                std::thread::sleep(finishing.mul_f64(next().powi(4)));
            }
        }
        child.kill().unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.code(), None, "killed, not ended: {status}");

        // What there is of the file is all of it.
        if fs::read(&path).unwrap() != b"the scores of yesterday" {
            check(&path, &batches());
            fs::write(&path, "the scores of yesterday").unwrap();
            named += 1;
        }
        // Every other time the next process has to cope alone with what is there.
        if life % 2 == 0 {
            let file = resume(folder).unwrap();
            let safe = file.batches() as usize;
            let rows: usize = batches()[..safe].iter().map(|scores| scores.rows.len()).sum();
            assert_eq!(file.rows(), rows as u64);
            assert!(life > 0 || safe > 0, "what was sealed when it was killed is safe");
            resumed += usize::from(safe > 0);
        }
    }
    assert!(resumed > 0);
    println!("of 30 kills {named} when the file had its name; of 15 looks {resumed} found parts to go on with");

    let mut file = resume(folder).unwrap();
    let done = file.batches() as usize;
    batches()[done..].iter().for_each(|scores| file.write(scores).unwrap());
    file.finish().unwrap();
    check(&path, &batches());
    assert_eq!(names(folder), ["scores.parquet"]);
}

#[test]
fn a_full_disk_loses_nothing() {
    // A file system of its own, of 1 MB, in a space of its own: nobody else sees it, and it goes with its process.
    let space = ["--user", "--map-root-user", "--mount"];
    let can = |args: &[&str]| {
        let status = Command::new("unshare").args(args).arg("true").status();
        status.is_ok_and(|status| status.success())
    };
    let Some(args) = [&space[..], &space[2..]].into_iter().find(|args| can(args)) else {
        eprintln!("SKIPPED a full disk: this system gives no file system to a test (unshare)");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (small, filled) = (folder.path().join("small"), folder.path().join("filled"));
    fs::create_dir(&small).unwrap();
    let script = format!(
        "mount -t tmpfs -o size=1m radio {} && exec \"$0\" --exact score_file_kills::fill_a_disk --nocapture",
        small.display()
    );
    let output = Command::new("unshare")
        .args(args)
        .args(["sh", "-c", &script])
        .arg(std::env::current_exe().unwrap())
        .env(SMALL, &small)
        .env(FILLED, &filled)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if text.contains("permission denied") && text.contains("mount:") {
        eprintln!("SKIPPED a full disk: this system lets no test mount a file system");
        return;
    }
    assert!(output.status.success() && filled.exists(), "{text}");
}

const SMALL: &str = "RADIO_MODELS_TEST_SMALL_DISK";
const FILLED: &str = "RADIO_MODELS_TEST_FILLED";

/// Not a test: what runs on the small file system.
#[test]
fn fill_a_disk() {
    let (Some(small), Some(filled)) = (std::env::var_os(SMALL), std::env::var_os(FILLED)) else {
        return;
    };
    let small = Path::new(&small);
    let (path, ballast) = (small.join("scores.parquet"), small.join("ballast"));
    fs::write(&path, "the scores of yesterday").unwrap();
    fs::write(&ballast, vec![1; 850_000]).unwrap();
    let batches: Vec<Scores> = (0..18).map(|number| batch(number, 500)).collect();
    let parts = small.join(".scores.parquet.parts");

    // A part does not fit.
    let mut file = resume(small).unwrap();
    let mut written = 0;
    let error = loop {
        match file.write(&batches[written]) {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
    };
    check_full(&error);
    assert!(written > 0);
    assert_eq!(file.batches(), written as u64);
    assert_eq!(names(&parts).len(), 1 + written);
    assert_eq!(fs::read(&path).unwrap(), b"the scores of yesterday");

    // With room again, the same batch on the same handle.
    fs::remove_file(&ballast).unwrap();
    batches[written..].iter().for_each(|scores| file.write(scores).unwrap());
    assert_eq!(file.batches(), 18);

    // The whole does not fit.
    let mut rest = File::create(&ballast).unwrap();
    while rest.write_all(&[1; 4096]).is_ok() {}
    drop(rest);
    check_full(&file.finish().unwrap_err());
    assert_eq!(fs::read(&path).unwrap(), b"the scores of yesterday");
    assert_eq!(names(&parts).len(), 1 + 18);

    fs::remove_file(&ballast).unwrap();
    let file = resume(small).unwrap();
    assert_eq!(file.batches(), 18);
    file.finish().unwrap();
    check(&path, &batches);
    assert_eq!(names(small), ["scores.parquet"]);
    fs::write(filled, "").unwrap();
}

#[track_caller]
fn check_full(error: &Error) {
    assert!(matches!(error, Error::File { .. }), "{error:?}");
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    assert!(cause.to_string().contains("No space left"), "{error}: {cause}");
}
