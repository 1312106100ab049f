use std::error::Error as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use radio_index::{Error, Index, KeyColumns, Selection, SyncOptions};

use crate::database::skipped;
use crate::tile::{self, Row};

/// Syncs a good tile beside `bad.parquet`, which holds `bytes`: the good one must go through, the bad one be named.
async fn check_bad_tile(bytes: &[u8], expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    tile::write(&folder.path().join("good.parquet"), &[Row::galaxy(1, 0.1)], 9);
    fs::write(folder.path().join("bad.parquet"), bytes).unwrap();
    let index = Index::open("sqlite::memory:").await.unwrap();
    for _ in 0..2 {
        let report = index.sync(&SyncOptions::new(folder.path())).await.unwrap();
        let [(uri, reason)] = report.failed.as_slice() else {
            panic!("{report:?}")
        };
        assert!(uri.ends_with("bad.parquet"), "{uri}");
        assert!(reason.contains(expected), "{reason:?} does not say {expected:?}");
    }
    assert_eq!(index.plan(&Selection::all()).await.unwrap().rows(), 1);
    assert_eq!(index.summary().await.unwrap().tiles.unreadable, 1);
}

fn good_tile() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<Row> = (0..50).map(|id| Row::galaxy(id, 0.1)).collect();
    fs::read(tile::write(&folder.path().join("t.parquet"), &rows, 20)).unwrap()
}

#[tokio::test]
async fn files_that_are_no_tiles() {
    check_bad_tile(b"", "too few").await;
    check_bad_tile(b"PAR1", "too few").await;
    check_bad_tile(b"This is a text file, whatever its name says.", "not a Parquet file").await;
    check_bad_tile(b"PAR1\xff\xff\xff\x7fPAR1", "claims 2147483647 bytes").await;
    check_bad_tile(b"PAR1garbage\x07\0\0\0PAR1", "").await;
}

#[tokio::test]
async fn columns_of_the_wrong_type() {
    let folder = tempfile::tempdir().unwrap();
    tile::write(&folder.path().join("t.parquet"), &[Row::galaxy(1, 0.1)], 9);
    let check = async |change: fn(&mut KeyColumns), expected: &str| {
        let mut columns = KeyColumns::default();
        change(&mut columns);
        let index = Index::open("sqlite::memory:").await.unwrap();
        let report = index
            .sync(&SyncOptions::new(folder.path()).with_columns(columns))
            .await
            .unwrap();
        assert_eq!(report.failed.len(), 1, "{report:?}");
        assert!(
            report.failed[0].1.contains(expected),
            "{:?} does not say {expected:?}",
            report.failed[0].1
        );
    };
    check(
        |c| c.z = vec!["spectype".into()],
        "column \"spectype\" holds strings, not a number",
    )
    .await;
    check(
        |c| c.zwarn = vec!["z".into()],
        "column \"z\" holds real numbers, not an integer",
    )
    .await;
    check(
        |c| c.spectype = vec!["zwarn".into()],
        "column \"zwarn\" holds integers, not a string",
    )
    .await;
    check(
        |c| c.id = vec!["objtype".into()],
        "row 0, column \"objtype\": \"TGT\" is not an id",
    )
    .await;
    check(
        |c| c.z = vec!["flux.list.element".into()],
        "is a list, not one value a row",
    )
    .await;
}

#[tokio::test]
async fn truncated_tiles() {
    let tile = good_tile();
    for keep in [tile.len() - 1, tile.len() / 2, 100] {
        check_bad_tile(&tile[..keep], "truncated").await;
    }
    // The end is there, the middle is not.
    let holed = [&tile[..100], &tile[tile.len() - 2000.min(tile.len() / 2)..]].concat();
    check_bad_tile(&holed, "").await;
}

#[tokio::test]
async fn flipped_bytes_never_panic() {
    let tile = good_tile();
    let index = Index::open("sqlite::memory:").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    tile::write(&folder.path().join("good.parquet"), &[Row::galaxy(1, 0.1)], 9);
    for at in (4..tile.len()).step_by(tile.len() / 150) {
        let mut damaged = tile.clone();
        damaged[at] ^= 0x55;
        fs::write(folder.path().join("bad.parquet"), &damaged).unwrap();
        let report = index.sync(&SyncOptions::new(folder.path())).await.unwrap();
        // A panic of the decoder would be caught, and said to be one.
        assert!(
            report
                .failed
                .iter()
                .all(|(_, reason)| !reason.contains("the decoder gave up")),
            "byte {at}: {report:?}"
        );
    }
    assert!(index.positions(&Selection::all()).await.unwrap().targetid.contains(&1));
}

#[tokio::test]
async fn what_failed_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    tile::write(&folder.path().join("t.parquet"), &[Row::galaxy(7, 0.1)], 9);
    let index = Index::open("sqlite::memory:").await.unwrap();
    let mut columns = KeyColumns::default();
    columns.z = vec!["spectype".into()];
    let wrong = SyncOptions::new(folder.path()).with_columns(columns);
    assert_eq!(index.sync(&wrong).await.unwrap().failed.len(), 1);
    let right = SyncOptions::new(folder.path());
    assert_eq!(index.sync(&right).await.unwrap().updated.len(), 1);
    assert_eq!(index.sync(&right).await.unwrap().unchanged, 1);
    // Other key columns of a good tile are other rows.
    let mut columns = KeyColumns::default();
    columns.z = vec!["target_dec".into()];
    index.sync(&right.with_columns(columns)).await.unwrap();
    assert_eq!(index.positions(&Selection::all()).await.unwrap().z, [20.0]);
}

#[tokio::test]
async fn links_that_lead_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    tile::write(&folder.path().join("t.parquet"), &[Row::galaxy(7, 0.1)], 9);
    std::os::unix::fs::symlink("/no/such/file", folder.path().join("gone.parquet")).unwrap();
    std::os::unix::fs::symlink("/no/such/folder", folder.path().join("latest")).unwrap();
    let index = Index::open("sqlite::memory:").await.unwrap();
    let report = index.sync(&SyncOptions::new(folder.path())).await.unwrap();
    assert_eq!((report.added.len(), report.failed.len()), (1, 1));
    assert!(report.failed[0].0.ends_with("gone.parquet"), "{report:?}");
}

#[tokio::test]
async fn an_index_of_another_version() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("index.db").display());
    Index::open(&url).await.unwrap().close().await;
    let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
    sqlx::query("UPDATE _sqlx_migrations SET checksum = x'00'")
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
    let error = Index::open(&url).await.unwrap_err();
    assert!(matches!(error, Error::OtherVersion { .. }), "{error}");
}

#[tokio::test]
async fn databases_that_cannot_be_opened() {
    let error = Index::open("mysql://host/db").await.unwrap_err();
    assert!(matches!(error, Error::NoDriver { .. }), "{error}");
    assert!(error.to_string().contains("mysql://host/db"), "{error}");

    let error = Index::open("sqlite:/no/such/folder/index.db").await.unwrap_err();
    assert!(error.to_string().contains("/no/such/folder/index.db"), "{error}");
    assert!(error.source().is_some());

    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.db");
    fs::write(
        &text,
        "this is no database, and it is longer than the header of one would be ".repeat(20),
    )
    .unwrap();
    let error = Index::open(&format!("sqlite:{}", text.display())).await.unwrap_err();
    assert!(error.to_string().contains("text.db"), "{error}");
}

#[tokio::test]
async fn a_missing_folder_is_named() {
    let index = Index::open("sqlite::memory:").await.unwrap();
    let error = index.sync(&SyncOptions::new("/no/such/folder")).await.unwrap_err();
    assert!(
        matches!(&error, Error::Io { path, .. } if path == Path::new("/no/such/folder")),
        "{error}"
    );
}

#[tokio::test]
async fn a_full_disk_changes_nothing() {
    // A file system of its own, of 600 kB, in a space of its own: nobody else sees it, and it goes with its process.
    let space = ["--user", "--map-root-user", "--mount"];
    let can = |args: &[&str]| {
        Command::new("unshare")
            .args(args)
            .arg("true")
            .status()
            .is_ok_and(|s| s.success())
    };
    let Some(args) = [&space[..], &space[2..]].into_iter().find(|args| can(args)) else {
        return skipped("a full disk: this system gives no file system to a test (unshare)");
    };
    let folder = tempfile::tempdir().unwrap();
    let small = folder.path().join("small");
    fs::create_dir(&small).unwrap();
    let tiles = folder.path().join("tiles");
    tile::survey(&tiles);
    let script = format!(
        "mount -t tmpfs -o size=600k radio {small} && exec \"$0\" --exact faults::fill_a_disk --nocapture",
        small = small.display()
    );
    let output = Command::new("unshare")
        .args(args)
        .args(["sh", "-c", &script])
        .arg(std::env::current_exe().unwrap())
        .envs([(SMALL, &small), (TILES, &tiles)])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if text.contains("permission denied") && text.contains("mount:") {
        return skipped("a full disk: this system lets no test mount a file system");
    }
    assert!(output.status.success() && tiles.join("filled").exists(), "{text}");
}

const SMALL: &str = "RADIO_TEST_SMALL_DISK";
const TILES: &str = "RADIO_TEST_TILES";

/// Not a test: what runs on the small file system.
#[tokio::test]
async fn fill_a_disk() {
    let (Some(small), Some(tiles)) = (std::env::var_os(SMALL), std::env::var_os(TILES)) else {
        return;
    };
    let small = Path::new(&small);
    let index = Index::open(&format!("sqlite:{}", small.join("index.db").display()))
        .await
        .unwrap();
    index.sync(&SyncOptions::new(&tiles)).await.unwrap();
    let before = index.summary().await.unwrap();
    let large = Path::new(&tiles).join("large.parquet");
    tile::write(
        &large,
        &(0..50_000).map(|id| Row::galaxy(id, 0.1)).collect::<Vec<_>>(),
        60_000,
    );
    let error = index.sync(&SyncOptions::new(&tiles)).await.unwrap_err();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    assert!(cause.to_string().contains("full"), "{error}: {cause}");
    let scores = (0..50_000).map(|id| radio_index::AnomalyScore::new(id, 1.0));
    assert!(index.record_scores(&radio_index::Run::new("a"), scores).await.is_err());
    assert_eq!(index.summary().await.unwrap(), before);
    // With room again, the same handle does it.
    fs::remove_file(large).unwrap();
    assert_eq!(index.sync(&SyncOptions::new(&tiles)).await.unwrap().unchanged, 2);
    index.close().await;
    let again = Index::open(&format!("sqlite:{}", small.join("index.db").display()))
        .await
        .unwrap();
    assert_eq!(again.summary().await.unwrap(), before);
    fs::write(Path::new(&tiles).join("filled"), "").unwrap();
}

#[tokio::test]
async fn a_read_only_database_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.db");
    tile::survey(folder.path());
    let index = Index::open(&format!("sqlite:{}", path.display())).await.unwrap();
    index.sync(&SyncOptions::new(folder.path())).await.unwrap();
    let before = index.summary().await.unwrap();
    index.close().await;
    let read_only = Index::open(&format!("sqlite:{}?mode=ro", path.display()))
        .await
        .unwrap();
    assert_eq!(read_only.summary().await.unwrap(), before);
    tile::write(&folder.path().join("c.parquet"), &[Row::galaxy(31, 0.1)], 9);
    let error = read_only.sync(&SyncOptions::new(folder.path())).await.unwrap_err();
    assert!(
        error.source().unwrap().to_string().contains("readonly"),
        "{error}: {}",
        error.source().unwrap()
    );
    assert_eq!(read_only.summary().await.unwrap(), before);
}

#[tokio::test]
async fn an_index_of_a_newer_version() {
    crate::database::on_every_database_at(async |url, _| {
        Index::open(url).await.unwrap().close().await;
        let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (99, 'newer', TRUE, 'x', 0)";
        if url.starts_with("sqlite") {
            let pool = sqlx::SqlitePool::connect(url).await.unwrap();
            sqlx::query(newer).execute(&pool).await.unwrap();
            pool.close().await;
        } else {
            #[cfg(feature = "postgres")]
            sqlx::query(newer).execute(&crate::database::pool(url).await).await.unwrap();
        }
        let error = Index::open(url).await.unwrap_err();
        assert!(matches!(error, Error::OtherVersion { .. }), "{error}");
    })
    .await;
}

#[tokio::test]
async fn a_tile_that_changes_while_it_is_read_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    // Large enough that writing and reading meet.
    let rows: Vec<Row> = (0..20_000).map(|id| Row::galaxy(id, 0.1)).collect();
    tile::write(&path, &rows, 500);
    let whole = fs::read(&path).unwrap();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let writer = std::thread::spawn({
        let (stop, path) = (stop.clone(), path.clone());
        move || {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                fs::write(&path, &whole[..whole.len() / 2]).unwrap();
                fs::write(&path, &whole).unwrap();
            }
        }
    });
    let index = Index::open("sqlite::memory:").await.unwrap();
    let mut noticed = 0;
    for _ in 0..300 {
        let report = index.sync(&SyncOptions::new(folder.path())).await.unwrap();
        noticed += report.failed.len();
        // Whatever was met: all rows, or none and a reason.
        let rows = index.plan(&Selection::all()).await.unwrap().rows();
        assert_eq!(rows, if report.failed.is_empty() { 20_000 } else { 0 }, "{report:?}");
        if noticed > 3
            && report
                .failed
                .iter()
                .any(|(_, reason)| reason.contains("changed while it was read"))
        {
            break;
        }
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    writer.join().unwrap();
    assert!(noticed > 0);
    index.sync(&SyncOptions::new(folder.path())).await.unwrap();
    assert_eq!(index.plan(&Selection::all()).await.unwrap().rows(), 20_000);
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn a_server_that_refuses_or_goes_away() {
    let Some(server) = crate::database::server().await else {
        return;
    };
    let url = server.connection_uri();
    let folder = tempfile::tempdir().unwrap();
    tile::survey(folder.path());
    let options = SyncOptions::new(folder.path());
    let index = Index::open(&url).await.unwrap();
    index.sync(&options).await.unwrap();
    let before = index.summary().await.unwrap();
    let pool = crate::database::pool(&url).await;

    // A password that is wrong. (This server asks for none, so one that is asked has to be made.)
    let hba: (String,) = sqlx::query_as("SHOW hba_file").fetch_one(&pool).await.unwrap();
    let trusting = fs::read_to_string(&hba.0).unwrap();
    fs::write(&hba.0, "host all ann all scram-sha-256\n".to_owned() + &trusting).unwrap();
    sqlx::raw_sql("CREATE ROLE ann LOGIN PASSWORD 'right'; SELECT pg_reload_conf()")
        .execute(&pool)
        .await
        .unwrap();
    let as_ann = url
        .replacen("postgres@", "ann:wrong@", 1)
        .replacen("postgres:password@", "ann:wrong@", 1);
    assert_ne!(as_ann, url);
    let error = Index::open(&as_ann).await.unwrap_err();
    let said = format!("{error}: {}", error.source().unwrap());
    assert!(
        said.contains("password authentication failed") && !said.contains("wrong@"),
        "{said}"
    );

    // Read only.
    sqlx::raw_sql("ALTER DATABASE postgres SET default_transaction_read_only = on")
        .execute(&pool)
        .await
        .unwrap();
    let read_only = Index::open(&url).await.unwrap();
    assert_eq!(read_only.summary().await.unwrap(), before);
    tile::write(&folder.path().join("c.parquet"), &[Row::galaxy(31, 0.1)], 9);
    let error = read_only.sync(&options).await.unwrap_err();
    assert!(
        error.source().unwrap().to_string().contains("read-only"),
        "{}",
        error.source().unwrap()
    );
    sqlx::raw_sql(
        "SET default_transaction_read_only = off; ALTER DATABASE postgres RESET default_transaction_read_only",
    )
    .execute(&pool)
    .await
    .unwrap();

    // Connections that are cut in the middle of a sync.
    let many: Vec<Row> = (0..200_000).map(|id| Row::galaxy(id, 0.1)).collect();
    tile::write(&folder.path().join("many.parquet"), &many, 50_000);
    let cutter = tokio::spawn(async move {
        let sql = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'COPY galaxies%' AND state = 'active'";
        for _ in 0..60_000 {
            let (cut,): (i64,) = sqlx::query_as(sql).fetch_one(&pool).await.unwrap();
            if cut > 0 {
                return true;
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        false
    });
    let index = Index::open(&url).await.unwrap();
    let outcome = index.sync(&options).await;
    assert!(cutter.await.unwrap(), "the sync was never seen to copy");
    let error = outcome.unwrap_err();
    assert!(matches!(error, Error::Store { .. }), "{error}");
    assert_eq!(index.summary().await.unwrap(), before);
    // The same handle finds its way back.
    assert_eq!(index.sync(&options).await.unwrap().added.len(), 2);
    index.close().await;
}
