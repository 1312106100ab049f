use radio_index::{Selection, SyncOptions};

use crate::database::on_every_database;
use crate::tile;

#[tokio::test]
async fn selections_become_merged_row_ranges() {
    on_every_database(async |index, folder| {
        tile::survey(folder);
        index.sync(&SyncOptions::new(folder)).await.unwrap();
        let check = async |selection: Selection, expected: &[(&str, std::ops::Range<u64>)]| {
            let plan = index.plan(&selection).await.unwrap();
            let found: Vec<_> = plan
                .slices()
                .iter()
                .map(|s| (s.uri().rsplit('/').next().unwrap(), s.rows()))
                .collect();
            assert_eq!(found, expected, "{selection:?}");
        };
        let all = Selection::all;
        check(all(), &[("a.parquet", 0..5), ("b.parquet", 0..3)]).await;
        check(all().redshift(0.1..0.3), &[("a.parquet", 0..2), ("b.parquet", 0..1)]).await;
        check(all().redshift(0.2..0.1), &[]).await;
        check(all().class(["QSO"]), &[("a.parquet", 2..3)]).await;
        check(
            all().class(["QSO", "GALAXY"]),
            &[("a.parquet", 0..4), ("b.parquet", 0..2)],
        )
        .await;
        check(all().class(Vec::<String>::new()), &[]).await;
        check(all().class(["'; DROP TABLE galaxies; --"]), &[]).await;
        check(all().good_redshift(), &[("a.parquet", 0..3), ("b.parquet", 0..2)]).await;
        check(all().objects(), &[("a.parquet", 0..4), ("b.parquet", 0..2)]).await;
        check(
            all().objects().good_redshift().redshift(0.0..0.2),
            &[("a.parquet", 0..1), ("b.parquet", 0..1)],
        )
        .await;
        check(all().under(std::path::Path::new("/elsewhere")), &[]).await;
    })
    .await;
}

#[tokio::test]
async fn positions_come_in_the_order_of_the_rows() {
    on_every_database(async |index, folder| {
        tile::survey(folder);
        index.sync(&SyncOptions::new(folder)).await.unwrap();
        let positions = index
            .positions(&Selection::all().objects().redshift(0.0..1.0))
            .await
            .unwrap();
        assert_eq!(positions.targetid, [11, 12, 14, 21]);
        assert_eq!(positions.ra, [10.0, 10.0, 10.0, 359.9]);
        assert_eq!(positions.dec, [20.0, 20.0, 20.0, -45.0]);
        assert_eq!(positions.z, [0.1, 0.2, 0.3, 0.15]);
    })
    .await;
}

#[tokio::test]
async fn the_sky_of_a_selection() {
    on_every_database(async |index, folder| {
        tile::survey(folder);
        index.sync(&SyncOptions::new(folder)).await.unwrap();
        let all = index.sky(&Selection::all()).await.unwrap();
        assert_eq!(all, index.summary().await.unwrap().sky);
        let quasars = index.sky(&Selection::all().class(["QSO"])).await.unwrap();
        assert_eq!((quasars.pixels.len(), quasars.pixels[0].1), (1, 1));
        assert!(all.pixels.contains(&(quasars.pixels[0].0, 7)));
    })
    .await;
}
