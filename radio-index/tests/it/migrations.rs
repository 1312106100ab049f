//! Indexes of every version that was released open, keep their rows and can be synced.

use radio_index::{AnomalyScore, GroupMember, Index, Selection, SyncOptions};

use crate::tile;

/// What `migration-0001.db` and `migration-0001.sql` were made of, by this crate's version of 22 November 2026: `tile::survey`
/// and a broken file, synced for the node `storage-1` from the folder below; two scores and a group.
async fn check(index: &Index) {
    let plan = index.plan(&Selection::all()).await.unwrap();
    assert_eq!((plan.tiles(), plan.rows()), (2, 8));
    assert_eq!(plan.nodes()["storage-1"].rows, 8);
    assert_eq!(plan.slices()[0].uri(), "/tmp/radio-fixture-tiles/a.parquet");
    let galaxies = Selection::all().class(["GALAXY"]).redshift(0.15..0.35);
    let plan = index.plan(&galaxies).await.unwrap();
    let rows: Vec<_> = plan
        .slices()
        .iter()
        .map(|s| (s.uri().rsplit('/').next().unwrap(), s.rows()))
        .collect();
    assert_eq!(rows, [("a.parquet", 1..2), ("a.parquet", 3..4), ("b.parquet", 0..1)]);
    assert_eq!(
        index
            .plan(&Selection::all().cone(359.9, -45.0, 0.1))
            .await
            .unwrap()
            .rows(),
        1
    );
    let top = index.top_scores("ae", 9).await.unwrap();
    assert_eq!(top, [AnomalyScore::new(11, 9.5), AnomalyScore::new(13, 1.25)]);
    assert_eq!(index.score_runs().await.unwrap()[0].model_hash, "4f2a");
    let groups = index.groups("fof", &Selection::all()).await.unwrap();
    assert_eq!(groups, [11, 12].map(|targetid| GroupMember { targetid, group_id: 0 }));
    let summary = index.summary().await.unwrap();
    assert_eq!(
        (summary.tiles.count, summary.tiles.unreadable, summary.catalogue.rows),
        (2, 1, 8)
    );

    // A sync reads every file again, since this version keeps more of it.
    let folder = tempfile::tempdir().unwrap();
    tile::survey(folder.path());
    index.sync(&SyncOptions::new(folder.path())).await.unwrap();
    let summary = index.summary().await.unwrap();
    assert_eq!((summary.catalogue.rows, summary.columns.len()), (16, 8));
}

#[tokio::test]
async fn sqlite_of_migration_1() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("index.db");
    std::fs::copy(
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/migration-0001.db"),
        &copy,
    )
    .unwrap();
    let index = Index::open(&format!("sqlite:{}", copy.display())).await.unwrap();
    check(&index).await;
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn postgres_of_migration_1() {
    let Some(server) = crate::database::server().await else {
        return;
    };
    let url = server.connection_uri();
    let pool = crate::database::pool(&url).await;
    let dump = include_str!("../fixtures/migration-0001.sql");
    sqlx::raw_sql(dump).execute(&pool).await.unwrap();
    pool.close().await;
    let index = Index::open(&url).await.unwrap();
    check(&index).await;
    index.close().await;
}
