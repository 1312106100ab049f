use std::fs;

use radio_index::{Error, Index, KeyColumns, Selection, SyncOptions};

use crate::database::on_every_database;
use crate::tile::{self, Row};

/// File names of a list of tiles.
fn names<'a>(uris: impl IntoIterator<Item = &'a String>) -> Vec<&'a str> {
    uris.into_iter().map(|uri| uri.rsplit('/').next().unwrap()).collect()
}

async fn rows(index: &Index) -> u64 {
    index.plan(&Selection::all()).await.unwrap().rows()
}

#[tokio::test]
async fn a_sync_follows_the_folder() {
    on_every_database(async |index, folder| {
        let tiles = folder.join("tiles");
        tile::survey(&tiles);
        let options = SyncOptions::new(&tiles);

        let first = index.sync(&options).await.unwrap();
        assert_eq!(names(&first.added), ["a.parquet", "b.parquet"]);
        assert_eq!((first.rows, rows(&index).await), (8, 8));

        let second = index.sync(&options).await.unwrap();
        assert_eq!(
            (second.added.len(), second.updated.len(), second.unchanged, second.rows),
            (0, 0, 2, 0)
        );
        assert_eq!(rows(&index).await, 8);

        tile::write(&tiles.join("a.parquet"), &[Row::galaxy(11, 0.1)], 9);
        tile::write(
            &tiles.join("c.parquet"),
            &[Row::galaxy(31, 0.4), Row::galaxy(32, 0.4)],
            9,
        );
        fs::remove_file(tiles.join("deep/b.parquet")).unwrap();
        let third = index.sync(&options).await.unwrap();
        assert_eq!(
            (names(&third.added), names(&third.updated)),
            (vec!["c.parquet"], vec!["a.parquet"])
        );
        assert_eq!((names(&third.removed), third.unchanged), (vec!["b.parquet"], 0));
        assert_eq!(rows(&index).await, 3);
        assert_eq!(index.summary().await.unwrap().tiles.rows, 3);
    })
    .await;
}

#[tokio::test]
async fn nodes_and_roots_keep_to_themselves() {
    on_every_database(async |index, folder| {
        let (near, far) = (folder.join("near"), folder.join("far"));
        tile::write(&near.join("n.parquet"), &[Row::galaxy(1, 0.1)], 9);
        tile::write(&far.join("f.parquet"), &[Row::galaxy(2, 0.2)], 9);
        index
            .sync(&SyncOptions::new(&near).with_node("storage-1"))
            .await
            .unwrap();
        let report = index
            .sync(&SyncOptions::new(&far).with_node("storage-2"))
            .await
            .unwrap();
        assert!(report.removed.is_empty());
        assert_eq!(rows(&index).await, 2);
        let here = index.plan(&Selection::all().under(&report.root)).await.unwrap();
        assert_eq!(names([&here.slices()[0].uri().to_owned()]), ["f.parquet"]);
        assert_eq!(here.rows(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_folder_and_its_subfolder_share_their_tiles() {
    on_every_database(async |index, folder| {
        tile::survey(folder);
        let all = index.sync(&SyncOptions::new(folder)).await.unwrap();
        let deep = index.sync(&SyncOptions::new(folder.join("deep"))).await.unwrap();
        assert_eq!((deep.added.len(), deep.unchanged, rows(&index).await), (0, 1, 8));
        assert_eq!(index.plan(&Selection::all().under(&all.root)).await.unwrap().rows(), 8);
        assert_eq!(index.plan(&Selection::all().under(&deep.root)).await.unwrap().rows(), 3);
        // A folder whose name only begins alike is another one.
        assert!(
            index
                .plan(&Selection::all().under(&all.root.join("de")))
                .await
                .unwrap()
                .is_empty()
        );

        fs::remove_file(folder.join("a.parquet")).unwrap();
        assert!(
            index
                .sync(&SyncOptions::new(folder.join("deep")))
                .await
                .unwrap()
                .removed
                .is_empty()
        );
        assert_eq!(
            names(&index.sync(&SyncOptions::new(folder)).await.unwrap().removed),
            ["a.parquet"]
        );
        let one = index
            .sync(&SyncOptions::new(folder.join("deep/b.parquet")))
            .await
            .unwrap();
        assert_eq!((one.unchanged, one.added.len(), rows(&index).await), (1, 0, 3));
    })
    .await;
}

#[tokio::test]
async fn two_syncs_at_once_end_in_the_same_state() {
    on_every_database(async |index, folder| {
        tile::survey(folder);
        let options = SyncOptions::new(folder);
        let (one, other) = tokio::join!(index.sync(&options), index.sync(&options));
        let (one, other) = (one.unwrap(), other.unwrap());
        assert_eq!(one.added.len() + other.added.len(), 2);
        assert_eq!(one.unchanged + other.unchanged, 2);
        assert_eq!(rows(&index).await, 8);
    })
    .await;
}

#[tokio::test]
async fn a_margin_catalogue_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    tile::write(&folder.path().join("main/Npix=1.parquet"), &[Row::galaxy(1, 0.1)], 9);
    tile::write(&folder.path().join("margin/Npix=2.parquet"), &[Row::galaxy(1, 0.1)], 9);
    fs::write(folder.path().join("main/hats.properties"), "dataproduct_type=object\n").unwrap();
    fs::write(
        folder.path().join("margin/hats.properties"),
        "dataproduct_type = margin\n",
    )
    .unwrap();
    let index = Index::open("sqlite::memory:").await.unwrap();
    let options = SyncOptions::new(folder.path()).without(folder.path().join("out"));
    let report = index.sync(&options).await.unwrap();
    assert_eq!(names(&report.added), ["Npix=1.parquet"]);
}

#[tokio::test]
async fn rows_without_an_id_can_be_numbered() {
    let folder = tempfile::tempdir().unwrap();
    tile::write(
        &folder.path().join("t.parquet"),
        &[Row::galaxy(7, 0.1), Row::galaxy(8, 0.2)],
        9,
    );
    let mut columns = KeyColumns::default();
    columns.id = vec!["nothing".into()];
    let index = Index::open("sqlite::memory:").await.unwrap();
    let options = SyncOptions::new(folder.path()).with_columns(columns.clone());
    let (_, reason) = &index.sync(&options).await.unwrap().failed[0];
    assert!(
        reason.contains("no id column") && reason.contains("nothing"),
        "{reason}"
    );

    let index = Index::open("sqlite::memory:").await.unwrap();
    index
        .sync(&options.with_columns(columns.with_numbered_rows()))
        .await
        .unwrap();
    assert_eq!(index.positions(&Selection::all()).await.unwrap().targetid, [0, 1]);
}

#[tokio::test]
async fn an_empty_folder_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    tile::survey(folder.path());
    let index = Index::open("sqlite::memory:").await.unwrap();
    index.sync(&SyncOptions::new(folder.path())).await.unwrap();
    fs::remove_file(folder.path().join("a.parquet")).unwrap();
    fs::remove_dir_all(folder.path().join("deep")).unwrap();
    let error = index.sync(&SyncOptions::new(folder.path())).await.unwrap_err();
    assert!(matches!(error, Error::NoTiles { .. }), "{error}");
    assert_eq!(rows(&index).await, 8);
}
