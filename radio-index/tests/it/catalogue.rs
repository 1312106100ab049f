//! A catalogue beside the tiles, joined by id.

use std::path::Path;

use radio_index::{CatalogueOptions, Error, Index, Selection, SyncOptions};

use crate::database::on_every_database;
use crate::tile::{self, Row};

/// Tiles that know ids, and nothing of redshifts and classes.
fn tiles(folder: &Path) {
    let row = |targetid| Row {
        z: None,
        zwarn: None,
        spectype: None,
        ..Row::galaxy(targetid, 0.0)
    };
    tile::write(&folder.join("a.parquet"), &[row(1), row(2), row(3)], 2);
    tile::write(&folder.join("b.parquet"), &[row(4), row(2), Row::galaxy(9, 0.9)], 2);
}

/// A catalogue that knows them: of target 2 three rows, of 3 a fill value, of 4 nothing, of 77 no tile.
fn catalogue(folder: &Path) {
    let warned = |z| Row {
        zwarn: Some(4),
        ..Row::galaxy(2, z)
    };
    let without = Row {
        z: None,
        spectype: Some("QSO"),
        ..Row::galaxy(4, 0.0)
    };
    let rows = [
        Row::galaxy(1, 0.1),
        warned(0.7),
        Row::galaxy(2, 0.2),
        warned(0.8),
        Row::galaxy(3, 999_999.0),
        without,
    ];
    tile::write(&folder.join("one.parquet"), &rows, 4);
    tile::write(&folder.join("two.parquet"), &[Row::galaxy(77, 1.5), Row::dead(-8)], 9);
}

async fn redshifts(index: &Index) -> Vec<(i64, f64)> {
    let positions = index.positions(&Selection::all()).await.unwrap();
    positions.targetid.into_iter().zip(positions.z).collect()
}

#[tokio::test]
async fn a_catalogue_is_joined_and_counted() {
    on_every_database(async |index, folder| {
        let (tiles_folder, catalogue_folder) = (folder.join("tiles"), folder.join("catalogue"));
        tiles(&tiles_folder);
        catalogue(&catalogue_folder);
        index.sync(&SyncOptions::new(&tiles_folder)).await.unwrap();
        assert_eq!(redshifts(&index).await, [(9, 0.9)]);

        for _ in 0..2 {
            let report = index
                .join_catalogue(&CatalogueOptions::new(&catalogue_folder))
                .await
                .unwrap();
            assert_eq!((report.files, report.rows, report.repeated, report.dead), (2, 8, 2, 1));
            assert_eq!((report.joined, report.not_joined, report.without_spectrum), (5, 1, 2));
            assert!(
                report.nulls.contains(&("z", 2)) && report.nulls.contains(&("survey", 8)),
                "{:?}",
                report.nulls
            );
            assert_eq!(report.fills, [("z", 1)]);
            // The fill value is kept, and is no redshift. What only a tile knows stays.
            assert_eq!(redshifts(&index).await, [(1, 0.1), (2, 0.2), (9, 0.9)]);
            let plan = index.plan(&Selection::all().ids([2])).await.unwrap();
            let slices: Vec<_> = plan
                .slices()
                .iter()
                .map(|s| (s.uri().rsplit('/').next().unwrap(), s.rows()))
                .collect();
            assert_eq!(slices, [("a.parquet", 1..2), ("b.parquet", 1..2)]);
            let quasars = index.plan(&Selection::all().class(["QSO"])).await.unwrap();
            assert_eq!((quasars.rows(), quasars.slices()[0].rows()), (1, 0..1));
            let filled = index
                .plan(&Selection::all().matching("z = ?", [999_999.0.into()]))
                .await
                .unwrap();
            assert_eq!(filled.rows(), 1);
            assert_eq!(index.summary().await.unwrap().catalogue.fills, [("z".to_owned(), 1)]);
        }
    })
    .await;
}

#[tokio::test]
async fn tiles_that_come_later_are_joined_too() {
    on_every_database(async |index, folder| {
        let (tiles_folder, catalogue_folder) = (folder.join("tiles"), folder.join("catalogue"));
        catalogue(&catalogue_folder);
        let report = index
            .join_catalogue(&CatalogueOptions::new(&catalogue_folder))
            .await
            .unwrap();
        assert_eq!((report.joined, report.without_spectrum), (0, 6));
        tiles(&tiles_folder);
        index.sync(&SyncOptions::new(&tiles_folder)).await.unwrap();
        assert_eq!(redshifts(&index).await, [(1, 0.1), (2, 0.2), (9, 0.9)]);
        // A tile that is written anew is read anew, and joined again.
        tile::write(
            &tiles_folder.join("a.parquet"),
            &[Row {
                z: None,
                ..Row::galaxy(77, 0.0)
            }],
            9,
        );
        index.sync(&SyncOptions::new(&tiles_folder)).await.unwrap();
        assert_eq!(redshifts(&index).await, [(77, 1.5), (2, 0.2), (9, 0.9)]);
    })
    .await;
}

#[tokio::test]
async fn a_catalogue_that_cannot_be_used_changes_nothing() {
    on_every_database(async |index, folder| {
        let (tiles_folder, catalogue_folder) = (folder.join("tiles"), folder.join("catalogue"));
        tiles(&tiles_folder);
        catalogue(&catalogue_folder);
        index.sync(&SyncOptions::new(&tiles_folder)).await.unwrap();
        index
            .join_catalogue(&CatalogueOptions::new(&catalogue_folder))
            .await
            .unwrap();
        let before = redshifts(&index).await;
        std::fs::write(catalogue_folder.join("zzz.parquet"), "not Parquet").unwrap();
        let error = index
            .join_catalogue(&CatalogueOptions::new(&catalogue_folder))
            .await
            .unwrap_err();
        assert!(
            matches!(&error, Error::Catalogue { path, .. } if path.ends_with("zzz.parquet")),
            "{error}"
        );
        let error = index
            .join_catalogue(&CatalogueOptions::new(folder.join("no")))
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error}");
        assert_eq!(redshifts(&index).await, before);
    })
    .await;
}
