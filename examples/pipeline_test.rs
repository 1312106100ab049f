//! The pipeline example, run as its users run it: on a mock and on real tiles, into SQLite and PostgreSQL.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Parser as _;

#[allow(dead_code, reason = "its main function is not called here")]
#[path = "pipeline.rs"]
mod pipeline;

/// Runs the pipeline with `--out OUT` and these arguments.
async fn run(out: &Path, arguments: &[&str]) -> pipeline::Result<()> {
    let out = out.to_str().unwrap();
    let arguments = [&["pipeline", "--out", out, "--steps", "12"], arguments].concat();
    pipeline::run(&pipeline::Options::parse_from(arguments)).await
}

/// A row of the table of anomalies, as a user sees it in a shell of the database.
type Anomaly = (i64, f64, Option<f64>);

const TOP_FIVE: &str = "SELECT targetid, score, snr FROM anomalies ORDER BY score DESC LIMIT 5";

async fn top_five(out: &Path) -> Vec<Anomaly> {
    let pool = sqlx::SqlitePool::connect(&format!("sqlite:{}", out.join("index.db").display()))
        .await
        .unwrap();
    sqlx::query_as(TOP_FIVE).fetch_all(&pool).await.unwrap()
}

async fn count(out: &Path, sql: &'static str) -> i64 {
    let pool = sqlx::SqlitePool::connect(&format!("sqlite:{}", out.join("index.db").display()))
        .await
        .unwrap();
    let (count,): (i64,) = sqlx::query_as(sql).fetch_one(&pool).await.unwrap();
    count
}

fn datasheet(out: &Path) -> String {
    fs::read_to_string(out.join("DATA_README.md")).unwrap()
}

#[tokio::test]
async fn a_mock_survey_goes_the_whole_way_and_the_second_time_too() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    for _ in 0..2 {
        run(out, &["--spectra", "400"]).await.unwrap();
        let top = top_five(out).await;
        assert_eq!(top.len(), 5);
        assert!(top.is_sorted_by(|a, b| a.1 >= b.1) && top.iter().all(|a| a.0 > 0 && a.1.is_finite() && a.2.is_some()));
        assert_eq!(count(out, "SELECT COUNT(*) FROM galaxies").await, 400);
        assert_eq!(
            count(out, "SELECT COUNT(*) FROM file_registry WHERE error IS NOT NULL").await,
            0
        );
        let dead = count(out, "SELECT COUNT(*) FROM galaxies WHERE targetid < 0").await;
        assert!(dead > 0);
        assert_eq!(count(out, "SELECT COUNT(*) FROM anomalies").await, 400 - dead);
        assert!(count(out, "SELECT COUNT(*) FROM galaxy_groups").await > 20);
        assert!(out.join("scores.parquet").exists() && out.join("model.safetensors").exists());
        assert!(datasheet(out).contains("400"));
    }
}

#[tokio::test]
async fn a_selection_is_what_is_scored() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    run(
        out,
        &[
            "--spectra",
            "400",
            "--class",
            "QSO",
            "--z-min",
            "1.0",
            "--z-max",
            "2.5",
            "--good",
        ],
    )
    .await
    .unwrap();
    let asked = "SELECT COUNT(*) FROM galaxies WHERE spectype = 'QSO' AND z >= 1 AND z < 2.5 AND zwarn = 0";
    assert_eq!(
        count(out, "SELECT COUNT(*) FROM anomalies").await,
        count(out, asked).await
    );
    let error = run(out, &["--spectra", "400", "--class", "UNICORN"]).await.unwrap_err();
    assert!(error.to_string().contains("no row"), "{error}");
}

#[tokio::test]
async fn postgresql_gets_the_same() {
    let Some(binaries) = postgres_binaries() else {
        return skipped(
            "on PostgreSQL: no initdb on the PATH or in /usr/lib/postgresql (as root, sudo is needed, too)",
        );
    };
    let server = pgtemp::PgTempDB::builder().with_bin_path(binaries).start_async().await;
    // A server that was just started takes its time; a pool tries again until it answers.
    let pool = sqlx::PgPool::connect(&server.connection_uri()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    run(
        folder.path(),
        &["--spectra", "200", "--database", &server.connection_uri()],
    )
    .await
    .unwrap();
    let top: Vec<Anomaly> = sqlx::query_as(TOP_FIVE).fetch_all(&pool).await.unwrap();
    pool.close().await;
    assert_eq!(top.len(), 5);
    assert!(!folder.path().join("index.db").exists());

    let sqlite = tempfile::tempdir().unwrap();
    run(sqlite.path(), &["--spectra", "200"]).await.unwrap();
    assert_eq!(top, top_five(sqlite.path()).await);
    // Where the survey lies is the only difference, and the datasheet does not depend on it.
    assert_eq!(datasheet(folder.path()), datasheet(sqlite.path()));
}

#[tokio::test]
async fn real_desi_tiles() {
    let Some(tiles) = real_data("tiles/desi") else { return };
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["--tiles", tiles.to_str().unwrap()]).await.unwrap();
    // Twelve rows, of which five have signal.
    assert_eq!(top_five(folder.path()).await.len(), 5);
    assert_eq!(count(folder.path(), "SELECT COUNT(*) FROM anomalies").await, 5);
    assert!(datasheet(folder.path()).contains("flux.list.element"));
}

#[tokio::test]
async fn real_sdss_tiles() {
    let Some(tiles) = real_data("tiles/sdss") else { return };
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["--tiles", tiles.to_str().unwrap()]).await.unwrap();
    assert_eq!(top_five(folder.path()).await.len(), 5);
    assert_eq!(count(folder.path(), "SELECT COUNT(*) FROM anomalies").await, 25);
}

#[tokio::test]
async fn a_real_catalogue_without_spectra() {
    let Some(catalog) = real_data("catalogs/sdss_dr7_hats") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["--catalog", catalog.to_str().unwrap()])
        .await
        .unwrap();
    assert_eq!(count(folder.path(), "SELECT COUNT(*) FROM galaxies").await, 120_606);
    let grouped = count(folder.path(), "SELECT COUNT(*) FROM galaxy_groups").await;
    assert!((30_000..100_000).contains(&grouped), "{grouped}");
    assert!(datasheet(folder.path()).contains("120,606"));
}

#[tokio::test]
async fn bad_tiles_do_not_hold_up_good_ones() {
    let folder = tempfile::tempdir().unwrap();
    let tiles = folder.path().join("tiles");
    radio_io::mock::Mock::new(200).write(&tiles, |_| {}).unwrap();
    let good = fs::read_dir(&tiles).unwrap().next().unwrap().unwrap().path();
    let bytes = fs::read(&good).unwrap();
    fs::write(tiles.join("text.parquet"), "not Parquet").unwrap();
    fs::write(tiles.join("truncated.parquet"), &bytes[..bytes.len() / 2]).unwrap();
    run(folder.path(), &["--tiles", tiles.to_str().unwrap()]).await.unwrap();
    assert_eq!(
        count(
            folder.path(),
            "SELECT COUNT(*) FROM file_registry WHERE error IS NOT NULL"
        )
        .await,
        2
    );
    assert_eq!(count(folder.path(), "SELECT COUNT(*) FROM galaxies").await, 200);
    let scored = count(folder.path(), "SELECT COUNT(*) FROM anomalies").await;

    // One more is damaged in the middle: the next run notices, and goes on without it.
    let footer = bytes.len() - 4096;
    let spoiled = [vec![0xff; footer], bytes[footer..].to_vec()].concat();
    fs::write(&good, spoiled).unwrap();
    run(folder.path(), &["--tiles", tiles.to_str().unwrap()]).await.unwrap();
    assert_eq!(
        count(
            folder.path(),
            "SELECT COUNT(*) FROM file_registry WHERE error IS NOT NULL"
        )
        .await,
        3
    );
    assert!(scored > 5 && top_five(folder.path()).await.len() == 5);
}

#[tokio::test]
async fn results_among_the_tiles_are_no_tiles() {
    let folder = tempfile::tempdir().unwrap();
    let tiles = folder.path().to_str().unwrap();
    radio_io::mock::Mock::new(100).write(folder.path(), |_| {}).unwrap();
    for out in [folder.path().to_owned(), folder.path().join("out")] {
        for _ in 0..2 {
            run(&out, &["--tiles", tiles]).await.unwrap();
            assert!(out.join("scores.parquet").exists());
            assert_eq!(count(&out, "SELECT COUNT(*) FROM galaxies").await, 100);
        }
        fs::remove_file(out.join("scores.parquet")).unwrap();
    }
}

#[tokio::test]
async fn errors_name_the_culprit() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let check = async |arguments: &[&str], expected: &str| {
        let error = run(folder.path(), arguments).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    };
    check(&["--tiles", empty.to_str().unwrap()], "no *.parquet file under").await;
    check(&["--tiles", "/no/such/folder"], "/no/such/folder").await;
    check(
        &["--tiles", ".", "--database", "sqlite:/no/such/folder/index.db"],
        "/no/such/folder/index.db",
    )
    .await;
    check(&["--tiles", ".", "--database", "oracle://db"], "oracle://db").await;
}

/// Where PostgreSQL's programs are. Debian does not put them on the PATH.
fn postgres_binaries() -> Option<PathBuf> {
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout == b"0\n");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort();
    folders.extend(std::env::split_paths(&path));
    // PostgreSQL refuses to run as root, and pgtemp needs sudo then.
    let can_run = !is_root || std::env::split_paths(&path).any(|folder| folder.join("sudo").exists());
    folders
        .into_iter()
        .find(|folder| can_run && folder.join("initdb").exists())
}

fn real_data(folder: &str) -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data");
    let root = PathBuf::from(std::env::var("RADIO_REAL_DATA").unwrap_or_else(|_| default.into())).join(folder);
    if !root.is_dir() {
        skipped(&format!("no real data at {} (set RADIO_REAL_DATA)", root.display()));
        return None;
    }
    Some(root)
}

/// Says so past the test harness, which keeps the output of a test that passes to itself.
fn skipped(why: &str) {
    std::io::stderr()
        .write_all(format!("SKIPPED {why}\n").as_bytes())
        .unwrap();
}
