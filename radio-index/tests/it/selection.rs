use radio_index::{Error, Selection, SyncOptions};

use crate::database::on_every_database;
use crate::tile::{self, Row};

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

#[tokio::test]
async fn what_is_no_position_is_left_out() {
    on_every_database(async |index, folder| {
        let odd = |targetid, ra, dec, z| Row {
            ra,
            dec,
            ..Row::galaxy(targetid, z)
        };
        let rows = [
            odd(1, 10.0, 20.0, 0.1),
            odd(2, 999_999.0, 20.0, 0.1),
            odd(3, 10.0, 91.0, 0.1),
            odd(4, f64::NAN, 20.0, 0.1),
            odd(5, 10.0, 20.0, f64::NAN),
            odd(6, 10.0, 20.0, f64::INFINITY),
            odd(1, 10.0, 20.0, 0.2),
            odd(7, 359.9, -20.0, 0.3),
        ];
        tile::write(&folder.join("t.parquet"), &rows, 3);
        index.sync(&SyncOptions::new(folder)).await.unwrap();
        let positions = index.positions(&Selection::all()).await.unwrap();
        assert_eq!((positions.targetid, positions.z), (vec![1, 7], vec![0.1, 0.3]));
        let c = index.summary().await.unwrap().catalogue;
        assert_eq!((c.without_position, c.without_redshift), (3, 2));
        assert_eq!(c.z.map(|z| (z.min, z.max)), Some((0.1, 0.3)));
    })
    .await;
}

#[tokio::test]
async fn nodes_are_told_apart() {
    on_every_database(async |index, folder| {
        let path = folder.join("t.parquet");
        for (node, rows) in [("storage-1", 2), ("storage-2", 3)] {
            tile::write(&path, &(0..rows).map(|id| Row::galaxy(id, 0.1)).collect::<Vec<_>>(), 9);
            index.sync(&SyncOptions::new(folder).with_node(node)).await.unwrap();
            assert_eq!(
                index.plan(&Selection::all().node(node)).await.unwrap().rows(),
                rows as u64
            );
        }
        let error = index.plan(&Selection::all()).await.unwrap_err();
        assert!(matches!(error, Error::SeveralNodes { .. }), "{error}");
    })
    .await;
}
