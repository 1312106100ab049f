use radio_index::{Bounds, SyncOptions};

use crate::database::on_every_database;
use crate::tile;

#[tokio::test]
async fn a_summary_counts_the_survey() {
    on_every_database(async |index, folder| {
        tile::survey(folder);
        index.sync(&SyncOptions::new(folder)).await.unwrap();
        let s = index.summary().await.unwrap();

        assert_eq!((s.tiles.count, s.tiles.rows, s.tiles.row_groups), (2, 8, 3 + 1));
        assert_eq!((s.tiles.rows_per_tile.min, s.tiles.rows_per_tile.max), (3, 5));
        let on_disk = ["a.parquet", "deep/b.parquet"].map(|name| folder.join(name).metadata().unwrap().len());
        assert_eq!(s.tiles.bytes, on_disk.iter().sum::<u64>());
        assert!(
            s.tiles.created_by[0].0.contains("parquet-rs"),
            "{:?}",
            s.tiles.created_by
        );

        let files: Vec<_> = s.files.iter().map(|file| (file.rows, file.bytes)).collect();
        assert_eq!(files, [(5, on_disk[0]), (3, on_disk[1])]);
        assert!(
            s.files
                .iter()
                .all(|file| file.footer_hash.len() == 16 && file.error.is_none())
        );
        let sync = (
            s.syncs[0].added,
            s.syncs[0].updated,
            s.syncs[0].removed,
            s.syncs[0].failed,
        );
        assert_eq!((s.syncs.len(), sync), (1, (2, 0, 0, 0)));
        // A sync that changes nothing leaves the summary as it is.
        index.sync(&SyncOptions::new(folder)).await.unwrap();
        assert_eq!(index.summary().await.unwrap(), s);

        let names: Vec<_> = s.columns.iter().map(|c| c.name.as_str()).collect();
        let sorted = [
            "flux.list.element",
            "objtype",
            "spectype",
            "target_dec",
            "target_ra",
            "targetid",
            "z",
            "zwarn",
        ];
        assert_eq!(names, sorted);
        let z = &s.columns[6];
        assert_eq!(
            (z.data_type.as_str(), z.tiles, z.values, z.nulls),
            ("DOUBLE", 2, 8, Some(2))
        );
        assert_eq!(s.columns[0].values, 16);

        let c = &s.catalogue;
        assert_eq!(
            (c.rows, c.ids, c.dead, c.without_redshift, c.without_position),
            (8, 8, 1, 3, 0)
        );
        assert_eq!(c.classes, [("GALAXY".into(), 5), (String::new(), 2), ("QSO".into(), 1)]);
        assert_eq!(c.warnings, [(Some(0), 5), (None, 2), (Some(4), 1)]);
        assert_eq!(c.z, Some(Bounds { min: 0.1, max: 2.0 }));
        assert_eq!(c.ra, Some(Bounds { min: 10.0, max: 359.9 }));

        assert_eq!(s.redshifts.counts.iter().sum::<u64>(), 5);
        let edge = |bin: usize| s.redshifts.start + bin as f64 * s.redshifts.width;
        let within = |bin: usize| {
            [0.1, 0.15, 0.2, 0.3, 2.0]
                .iter()
                .filter(|z| (edge(bin)..edge(bin + 1)).contains(z))
                .count()
        };
        let expected: Vec<u64> = (0..s.redshifts.counts.len()).map(|bin| within(bin) as u64).collect();
        assert_eq!(s.redshifts.counts, expected);
        assert!(expected[0] > 0 && expected.ends_with(&[1]));
        assert_eq!(
            s.sky.pixels.iter().map(|p| p.1).collect::<Vec<_>>().iter().sum::<u64>(),
            8
        );
        assert_eq!(s.sky.pixels.len(), 2);
        assert!((s.sky.area_square_degrees() - 2.0 * 0.839_290_6).abs() < 1e-4);
    })
    .await;
}

#[tokio::test]
async fn spreads_count_between_edges() {
    on_every_database(async |index, folder| {
        // On an edge, beside it, below the first, above the last, none, and fill values.
        let values = [
            Some(9.0),
            Some(8.99),
            Some(-3.0),
            Some(0.5),
            Some(2e7),
            None,
            Some(999_999.0),
            Some(-1e20),
        ];
        let row = |deltachi2| tile::Full {
            deltachi2,
            ..tile::Full::default()
        };
        tile::write_full(&folder.join("a.parquet"), &values.map(row));
        index.sync(&SyncOptions::new(folder)).await.unwrap();
        let catalogue = index.summary().await.unwrap().catalogue;
        // The tile has no errors of redshifts.
        let [spread] = &catalogue.spreads[..] else {
            panic!("{:?}", catalogue.spreads)
        };
        assert_eq!(
            (spread.column.as_str(), &spread.edges[..4]),
            ("deltachi2", &[1.0, 3.0, 9.0, 25.0][..])
        );
        assert_eq!(spread.counts, [2, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1]);
    })
    .await;
}

#[tokio::test]
async fn an_empty_index_has_an_empty_summary() {
    on_every_database(async |index, _| {
        let s = index.summary().await.unwrap();
        assert_eq!((s.tiles.count, s.catalogue.rows, s.catalogue.z), (0, 0, None));
        assert!(s.redshifts.counts.is_empty() && s.columns.is_empty());
    })
    .await;
}
