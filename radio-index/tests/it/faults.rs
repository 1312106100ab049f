use std::error::Error as _;
use std::fs;
use std::path::Path;

use radio_index::{Error, Index, KeyColumns, Selection, SyncOptions};

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
