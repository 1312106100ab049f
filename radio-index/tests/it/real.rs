use std::path::PathBuf;

use crate::database::skipped;
use radio_index::{Index, KeyColumns, Selection, SyncOptions};

/// A folder of the real data, or `None` with a word about it.
pub(crate) fn real_data(folder: &str) -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data");
    let root = PathBuf::from(std::env::var("RADIO_REAL_DATA").unwrap_or_else(|_| default.into())).join(folder);
    if !root.is_dir() {
        skipped(&format!("no real data at {} (set RADIO_REAL_DATA)", root.display()));
        return None;
    }
    Some(root)
}

#[tokio::test]
async fn desi_tiles() {
    let Some(root) = real_data("tiles/desi") else { return };
    let index = Index::open("sqlite::memory:").await.unwrap();
    let report = index.sync(&SyncOptions::new(root)).await.unwrap();
    assert_eq!((report.added.len(), report.failed.len(), report.rows), (4, 0, 12));
    let c = index.summary().await.unwrap().catalogue;
    assert_eq!(
        (c.rows, c.dead, c.without_redshift, c.classes[0].clone()),
        (12, 5, 10, (String::new(), 10))
    );
    let positions = index.positions(&Selection::all()).await.unwrap();
    assert!(positions.targetid.contains(&39_633_345_008_634_465));
}

#[tokio::test]
async fn sdss_tiles_have_ids_of_digits() {
    let Some(root) = real_data("tiles/sdss") else { return };
    let index = Index::open("sqlite::memory:").await.unwrap();
    let report = index.sync(&SyncOptions::new(root)).await.unwrap();
    assert_eq!((report.added.len(), report.failed.len(), report.rows), (3, 0, 25));
    let quasars = index
        .plan(&Selection::all().class(["QSO"]).redshift(1.0..4.0))
        .await
        .unwrap();
    assert_eq!((quasars.tiles(), quasars.rows()), (1, 9));
    let positions = index.positions(&Selection::all()).await.unwrap();
    assert!(positions.targetid.contains(&358_518_180_504));
}

#[tokio::test]
async fn a_hats_catalogue_without_its_margin() {
    let Some(root) = real_data("catalogs/sdss_dr7_hats") else {
        return;
    };
    let index = Index::open("sqlite::memory:").await.unwrap();
    let columns = KeyColumns::default().with_numbered_rows();
    let report = index.sync(&SyncOptions::new(root).with_columns(columns)).await.unwrap();
    assert_eq!((report.added.len(), report.rows), (34, 120_606));
    let s = index.summary().await.unwrap();
    assert_eq!((s.catalogue.ids, s.catalogue.without_position), (120_606, 0));
    // The importer's own skymap says that 0.349 of 12 pixels' worth of sky at its orders is covered; ours is finer.
    assert!(
        (5_000.0..9_000.0).contains(&s.sky.area_square_degrees()),
        "{}",
        s.sky.area_square_degrees()
    );
}
