use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use radio_index::{
    AnomalyScore, Error, GroupMember, Index, Run, Selection, SyncOptions, Tracer, Value, WebClass, WebProbabilities,
};

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

/// The ids that a selection takes, sorted.
async fn ids(index: &Index, selection: Selection) -> Vec<i64> {
    let plan = index.plan(&selection).await.unwrap();
    // Every id of the survey below is its row.
    let mut ids: Vec<i64> = plan
        .slices()
        .iter()
        .flat_map(|s| s.rows().map(|row| row as i64))
        .collect();
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn cuts_that_people_apply() {
    on_every_database(async |index, folder| {
        let bit = |bits: i64| tile::Full {
            desi_target: Some(bits),
            deltachi2: Some(100.0),
            ..tile::Full::default()
        };
        let rows = [
            bit(1),
            tile::Full {
                deltachi2: Some(12.0),
                ..bit(1)
            },
            tile::Full { z: 1.6, ..bit(1) },
            bit(2),
            bit(4),
            bit(1 << 60),
            tile::Full {
                deltachi2: Some(30.0),
                ..bit(1 << 60)
            },
            tile::Full {
                fiberstatus: Some(8),
                ..bit(3)
            },
            tile::Full {
                primary: Some(false),
                ..bit(0)
            },
            tile::Full {
                objtype: Some("SKY"),
                ..bit(0)
            },
            tile::Full {
                zwarn: Some(4),
                ..bit(7)
            },
            tile::Full {
                survey: "sv3",
                program: "bright",
                primary: None,
                desi_target: None,
                ..bit(0)
            },
        ];
        tile::write_full(&folder.join("t.parquet"), &rows);
        index.sync(&SyncOptions::new(folder)).await.unwrap();
        let all = Selection::all;
        assert_eq!(ids(&index, all().tracer(Tracer::Lrg)).await, [0, 7]);
        assert_eq!(ids(&index, all().tracer(Tracer::Elg)).await, [3, 7]);
        assert_eq!(ids(&index, all().tracer(Tracer::Qso)).await, [4]);
        assert_eq!(ids(&index, all().tracer(Tracer::Bgs)).await, [5]);
        assert_eq!(ids(&index, all().target_bits(6)).await, [3, 4, 7, 10]);
        assert_eq!(ids(&index, all().clean()).await, [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(ids(&index, all().good_fiber().target_bits(3)).await, [0, 1, 2, 3, 10]);
        assert_eq!(
            ids(&index, all().targets().primary()).await,
            [0, 1, 2, 3, 4, 5, 6, 7, 10]
        );
        assert_eq!(ids(&index, all().survey(["sv3"])).await, [11]);
        assert_eq!(ids(&index, all().program(["bright", "backup"])).await, [11]);
        assert_eq!(ids(&index, all().ids([5, 3, 3, 99, -1])).await, [3, 5]);
        assert_eq!(ids(&index, all().ids([])).await, [] as [i64; 0]);
        assert_eq!(
            ids(&index, all().ids(2..1_000_000)).await,
            [2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
        );
        assert_eq!(ids(&index, all().redshift(1.5..)).await, [2]);
        assert_eq!(
            ids(
                &index,
                all().redshift(..=1.6).matching("deltachi2 < ?", [Value::from(20.0)])
            )
            .await,
            [1]
        );
        let summary = index.summary().await.unwrap().catalogue;
        let name = |survey: &str, program: &str| (survey.to_owned(), program.to_owned());
        assert_eq!(
            summary.programs,
            [(name("main", "dark"), 11), (name("sv3", "bright"), 1)]
        );
        assert_eq!(
            summary.targets,
            [("LRG", 5), ("ELG", 3), ("QSO", 2), ("BGS", 2)].map(|(n, c)| (n.to_owned(), c))
        );
    })
    .await;
}

#[tokio::test]
async fn hostile_texts_are_values() {
    on_every_database(async |index, folder| {
        tile::survey(folder);
        index.sync(&SyncOptions::new(folder)).await.unwrap();
        let hostile = [
            "'; DROP TABLE galaxies; --",
            "\" OR 1=1 --",
            "GALAXY' OR 'a'='a",
            "\\'; SELECT 1",
            "$1",
            "?",
            "\u{1f52d}",
        ];
        let all = Selection::all;
        for text in hostile {
            for selection in [
                all().class([text]),
                all().survey([text]),
                all().node(text),
                all().under(std::path::Path::new(text)),
                all().group(text, []),
                all().score(text, 0.0..),
                all().web_class(text, [WebClass::Knot]),
                all().matching("spectype = ? OR survey = ?", [text.into(), text.into()]),
            ] {
                assert_eq!(index.plan(&selection).await.unwrap().rows(), 0, "{selection:?}");
            }
            let run = Run::new(text).with_options(text);
            index.record_scores(&run, [AnomalyScore::new(11, 1.0)]).await.unwrap();
            assert_eq!(index.plan(&all().score(text, 0.5..2.0)).await.unwrap().rows(), 1);
            assert_eq!(index.top_scores(text, 9).await.unwrap().len(), 1);
        }
        assert_eq!(index.plan(&all()).await.unwrap().rows(), 8);
        // A comment in a condition ends with it, and a question mark in a text is one.
        let commented = all().matching("zwarn = ? -- the best", [0.into()]).class(["QSO"]);
        assert_eq!(index.plan(&commented).await.unwrap().rows(), 1);
        let quoted = all().matching("spectype <> '?' AND zwarn = ?", [0.into()]);
        assert_eq!(index.plan(&quoted).await.unwrap().rows(), 5);
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused() {
    on_every_database(async |index, _| {
        let refused = async |selection: Selection, expected: &str| {
            let error = index.plan(&selection).await.unwrap_err();
            assert!(
                matches!(error, Error::BadSelection { .. }) && error.to_string().contains(expected),
                "{error}"
            );
            assert!(index.positions(&selection).await.is_err() && index.explain(&selection).await.is_err());
        };
        refused(Selection::all().cone(10.0, 95.0, 1.0), "dec lies within").await;
        refused(Selection::all().rectangle(0.0..1.0, 3.0..2.0), "goes upwards").await;
        refused(Selection::all().matching("z > ?", []), "1 question marks and 0 values").await;
        let error = index
            .plan(&Selection::all().matching("no_such_column = 1", []))
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Store { .. }), "{error}");
        // NULL compares to nothing.
        assert_eq!(
            index.plan(&Selection::all().redshift(f64::NAN..)).await.unwrap().rows(),
            0
        );
    })
    .await;
}

#[tokio::test]
async fn results_are_conditions_too() {
    on_every_database(async |index, folder| {
        tile::survey(folder);
        index.sync(&SyncOptions::new(folder)).await.unwrap();
        let run = Run::new("a");
        index
            .record_scores(
                &run,
                [(11, 1.0), (12, 5.0), (13, 9.0)].map(|(id, s)| AnomalyScore::new(id, s)),
            )
            .await
            .unwrap();
        let member = |(targetid, group_id)| GroupMember { targetid, group_id };
        index
            .record_groups(&run, [(11, 0), (12, 0), (14, 1), (21, 1)].map(member))
            .await
            .unwrap();
        let web = |targetid, probabilities| WebProbabilities {
            targetid,
            probabilities,
        };
        let classes = [
            web(11, [0.7, 0.1, 0.1, 0.1]),
            web(12, [0.1, 0.2, 0.3, 0.4]),
            web(13, [0.0, 0.0, 1.0, 0.0]),
        ];
        assert_eq!(index.record_classes(&run, classes).await.unwrap(), 3);
        index.record_classes(&run, classes).await.unwrap();

        let found = async |selection: Selection| index.plan(&selection).await.unwrap().rows();
        let all = Selection::all;
        assert_eq!(found(all().score("a", 4.0..)).await, 2);
        assert_eq!(found(all().score("a", ..=1.0)).await, 1);
        assert_eq!(found(all().score("b", ..)).await, 0);
        assert_eq!(found(all().group("a", [])).await, 4);
        assert_eq!(found(all().group("a", [1])).await, 2);
        assert_eq!(
            found(all().web_class("a", [WebClass::Void, WebClass::Filament])).await,
            2
        );
        assert_eq!(found(all().web_class("a", [])).await, 0);
        assert_eq!(
            found(all().score("a", 4.0..).class(["QSO"]).web_class("a", WebClass::ALL)).await,
            1
        );

        let galaxies = all().class(["GALAXY"]);
        assert_eq!(index.classes("a", &all()).await.unwrap(), classes);
        assert_eq!(index.classes("a", &galaxies).await.unwrap(), classes[..2]);
        let scores = index.scores("a", &galaxies.clone().redshift(0.15..)).await.unwrap();
        assert_eq!(scores, [AnomalyScore::new(12, 5.0)]);
        assert_eq!(
            index.groups("a", &all().cone(359.9, -45.0, 1.0)).await.unwrap(),
            [member((21, 1))]
        );
        assert_eq!(index.class_runs().await.unwrap(), std::slice::from_ref(&run));

        let bad = web(15, [0.5, 0.5, 0.5, 0.5]);
        let error = index.record_classes(&Run::new("bad"), [bad]).await.unwrap_err();
        assert!(matches!(error, Error::BadResult { targetid: 15, .. }), "{error}");
        assert_eq!(index.class_runs().await.unwrap(), [run]);
    })
    .await;
}

#[tokio::test]
async fn a_plan_knows_its_tiles() {
    on_every_database(async |index, folder| {
        tile::survey(folder);
        index
            .sync(&SyncOptions::new(folder).with_node("storage-1"))
            .await
            .unwrap();
        let plan = index.plan(&Selection::all().class(["GALAXY"])).await.unwrap();
        let uri = plan.slices()[0].uri();
        let tile = plan.tile(uri).unwrap();
        assert_eq!((tile.node.as_str(), tile.rows), ("storage-1", 5));
        assert_eq!(tile.size, std::path::Path::new(uri).metadata().unwrap().len());
        let share = plan.nodes()["storage-1"];
        assert_eq!((share.tiles, share.rows, share.bytes), (2, 5, plan.bytes()));
        let sizes: u64 = plan
            .slices()
            .iter()
            .map(|s| plan.tile(s.uri()).unwrap().size * s.len() / plan.tile(s.uri()).unwrap().rows)
            .sum();
        assert!(plan.bytes().abs_diff(sizes) <= 4, "{} and {sizes}", plan.bytes());
        // The same rows are the same plan, whichever way they were asked for.
        let same = index.plan(&Selection::all().ids([11, 12, 14, 21, 22])).await.unwrap();
        assert_eq!(plan, same);
    })
    .await;
}

#[tokio::test]
async fn explanations_show_sql_values_and_indexes() {
    on_every_database(async |index, folder| {
        // So many rows that an index pays.
        let rows: Vec<Row> = (0..20_000)
            .map(|id| Row {
                dec: id as f64 / 400.0,
                ..Row::galaxy(id, 1e-4 * id as f64)
            })
            .collect();
        tile::write(&folder.join("t.parquet"), &rows, 30_000);
        index.sync(&SyncOptions::new(folder)).await.unwrap();
        for (selection, by) in [
            (Selection::all().redshift(1.99..), "galaxies_by_z"),
            (Selection::all().ids([5, 6]), "galaxies_by_targetid"),
            (Selection::all().cone(10.0, 20.0, 0.1001), "galaxies_by_healpix"),
        ] {
            let text = index.explain(&selection).await.unwrap();
            assert!(
                text.starts_with("SELECT galaxy") && text.contains("$1 = ") && text.contains(by),
                "{text}"
            );
        }
        let text = index.explain(&Selection::all().cone(10.0, 20.0, 0.1001)).await.unwrap();
        assert!(text.contains("then, exactly: Cone"), "{text}");
        assert_eq!(
            index
                .plan(&Selection::all().cone(10.0, 20.0, 0.1001))
                .await
                .unwrap()
                .rows(),
            81
        );
    })
    .await;
}

/// A selection is what a look at every row says it is: random rows, random conditions.
#[tokio::test]
async fn selections_equal_a_look_at_every_row() {
    on_every_database(async |index, folder| {
        let mut runner = TestRunner::deterministic();
        let position = (
            prop_oneof![0.0..360.0, 359.0..360.0, 0.0..1.0_f64],
            prop_oneof![-90.0..90.0, 89.0..90.0, Just(90.0), Just(-90.0_f64)],
        );
        let rows = proptest::collection::vec((position.clone(), proptest::option::of(0.0..3.0), 0..3_i64), 1500);
        let rows: Vec<Row> = rows
            .new_tree(&mut runner)
            .unwrap()
            .current()
            .into_iter()
            .zip(0..)
            .map(|(((ra, dec), z, zwarn), id)| Row {
                ra,
                dec,
                z,
                zwarn: Some(zwarn),
                ..Row::galaxy(id, 0.0)
            })
            .collect();
        tile::write(&folder.join("a.parquet"), &rows[..900], 250);
        tile::write(&folder.join("b.parquet"), &rows[900..], 250);
        index.sync(&SyncOptions::new(folder)).await.unwrap();

        let cases = (
            position,
            0.0..40.0_f64,
            0.0..3.0_f64,
            0.0..1.5_f64,
            0..3_i64,
            0.0..200.0_f64,
        );
        for _ in 0..60 {
            let ((ra, dec), radius, z, width, zwarn, span) = cases.new_tree(&mut runner).unwrap().current();
            let (end, top) = ((ra + span).rem_euclid(360.0), (dec + radius).min(90.0));
            let haversine = |row: &Row| {
                let half = |x: f64| (x.to_radians() / 2.0).sin().powi(2);
                let h = half(row.dec - dec) + dec.to_radians().cos() * row.dec.to_radians().cos() * half(row.ra - ra);
                2.0 * h.min(1.0).sqrt().asin().to_degrees()
            };
            type Test<'a> = Box<dyn Fn(&Row) -> bool + 'a>;
            let cases: [(Selection, Test<'_>); 4] = [
                (
                    Selection::all().cone(ra, dec, radius),
                    Box::new(|row| haversine(row) <= radius),
                ),
                (
                    Selection::all().rectangle(ra..end, dec..top),
                    Box::new(|row| (row.ra - ra).rem_euclid(360.0) < span && (dec..=top).contains(&row.dec)),
                ),
                (
                    Selection::all()
                        .redshift(z..z + width)
                        .matching("zwarn <= ?", [zwarn.into()]),
                    Box::new(|row| row.z.is_some_and(|x| (z..z + width).contains(&x)) && row.zwarn.unwrap() <= zwarn),
                ),
                (
                    Selection::all().cone(ra, dec, radius).redshift(z..).good_redshift(),
                    Box::new(|row| haversine(row) <= radius && row.z.is_some_and(|x| x >= z) && row.zwarn == Some(0)),
                ),
            ];
            for (selection, test) in &cases {
                let expected: Vec<(usize, u64)> = rows
                    .iter()
                    .enumerate()
                    .filter(|(_, row)| test(row))
                    .map(|(i, _)| if i < 900 { (0, i as u64) } else { (1, i as u64 - 900) })
                    .collect();
                let plan = index.plan(selection).await.unwrap();
                let found: Vec<(usize, u64)> = plan
                    .slices()
                    .iter()
                    .flat_map(|s| s.rows().map(|row| (usize::from(s.uri().ends_with("b.parquet")), row)))
                    .collect();
                assert_eq!(found, expected, "{selection:?}");
                let with_z = rows.iter().filter(|row| test(row) && row.z.is_some()).count();
                assert_eq!(index.positions(selection).await.unwrap().z.len(), with_z);
                let on_sky: u64 = index.sky(selection).await.unwrap().pixels.iter().map(|p| p.1).sum();
                assert_eq!(on_sky, expected.len() as u64);
            }
        }
    })
    .await;
}
