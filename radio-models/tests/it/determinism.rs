//! On `flex` the same data give the same weights, whatever the number of threads.

use std::process::Command;

use radio_models::{AnomalyScorer, ConvAutoencoderConfig, Model, Trainer, TrainerOptions};

use crate::common::survey;

/// Large enough for burn to use all threads in its matrix products.
fn train() -> String {
    let batch = survey(1, 64, 64, 32);
    let config = ConvAutoencoderConfig::new(64, 32).with_hidden(128);
    let mut trainer = Trainer::new(
        TrainerOptions::default(),
        config.init(&radio_models::device("flex").unwrap()).unwrap(),
    )
    .unwrap();
    for _ in 0..4 {
        trainer.step(&batch.tokens()).unwrap();
    }
    let model = trainer.finish();
    let scores = AnomalyScorer::new(model.clone()).score(&batch.tokens()).unwrap();
    let sum: f64 = scores.rows.iter().filter_map(|row| row.score).sum();
    format!("{} {:016x}", model.fingerprint().unwrap(), sum.to_bits())
}

/// Not a test of its own: the process that the next test starts.
#[test]
#[ignore = "run by another test"]
fn worker() {
    println!("result: {}", train());
}

#[test]
fn one_thread_or_many() {
    let here = train();
    assert_eq!(here, train(), "two runs in one process");
    for threads in ["1", "2", "5"] {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "determinism::worker", "--ignored", "--nocapture"])
            .env("RAYON_NUM_THREADS", threads)
            .output()
            .unwrap();
        let output = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.contains(&format!("result: {here}")),
            "{threads} threads, expected {here}: {output}"
        );
    }
}
