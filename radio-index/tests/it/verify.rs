//! What has gone wrong with the tiles since they were indexed.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use radio_index::{Depth, Index, Problem, SyncOptions, VerifyReport};

use crate::database::on_every_database;
use crate::real::real_data;
use crate::tile::{self, Row};

/// Indexes a survey, harms it, and looks at all depths: what is found, by file name?
async fn check(harm: impl Fn(&Path), expected: [&[(&str, Problem)]; 3]) {
    on_every_database(async |index, folder| {
        let tiles = folder.join("tiles");
        tile::survey(&tiles);
        let options = SyncOptions::new(&tiles);
        index.sync(&options).await.unwrap();
        harm(&tiles);
        for (depth, expected) in [Depth::Stat, Depth::Footer, Depth::Content].into_iter().zip(expected) {
            let report = index.verify(&options, depth).await.unwrap();
            let found: Vec<_> = report
                .findings
                .iter()
                .map(|f| (f.uri.rsplit('/').next().unwrap(), f.problem.clone()))
                .collect();
            assert_eq!(found, expected, "{depth:?}");
            assert_eq!(report.is_clean(), expected.is_empty());
            json_holds(&report);
        }
    })
    .await;
}

/// A program reads the report.
fn json_holds(report: &VerifyReport) {
    let json: serde_json::Value = serde_json::from_str(&report.to_json().unwrap()).unwrap();
    assert_eq!(json["tiles"], report.tiles);
    assert_eq!(json["findings"].as_array().unwrap().len(), report.findings.len());
    for (json, finding) in json["findings"].as_array().unwrap().iter().zip(&report.findings) {
        assert_eq!(json["uri"], finding.uri.as_str());
        assert!(json["problem"].is_string());
    }
}

/// Writes a file and gives it the time that it had: the stat alone shows nothing if the size is the same.
fn write_unnoticed(path: &Path, bytes: &[u8]) {
    let before = path.metadata().unwrap().modified().unwrap();
    fs::write(path, bytes).unwrap();
    fs::File::options()
        .append(true)
        .open(path)
        .unwrap()
        .set_modified(before)
        .unwrap();
}

const TOUCHED: Problem = Problem::Touched;

#[tokio::test]
async fn nothing_is_wrong() {
    check(|_| {}, [&[], &[], &[]]).await;
}

#[tokio::test]
async fn missing_extra_and_touched_files() {
    let harm = |tiles: &Path| {
        fs::remove_file(tiles.join("deep/b.parquet")).unwrap();
        tile::write(&tiles.join("c.parquet"), &[Row::galaxy(1, 0.1)], 9);
        let file = fs::File::options().append(true).open(tiles.join("a.parquet")).unwrap();
        file.set_modified(SystemTime::now() + Duration::from_secs(9)).unwrap();
    };
    let size = 4738;
    let changed = Problem::Changed {
        registered_size: size,
        size,
    };
    let rest = [("c.parquet", Problem::Extra), ("b.parquet", Problem::Missing)];
    let with = |first: Problem| [&[("a.parquet", first)][..], &rest].concat();
    check(harm, [&with(changed), &with(TOUCHED), &with(TOUCHED)]).await;
}

#[tokio::test]
async fn a_whole_survey_that_is_gone() {
    let harm = |tiles: &Path| {
        fs::remove_file(tiles.join("a.parquet")).unwrap();
        fs::remove_file(tiles.join("deep/b.parquet")).unwrap();
    };
    let gone: &[_] = &[("a.parquet", Problem::Missing), ("b.parquet", Problem::Missing)];
    check(harm, [gone, gone, gone]).await;
}

#[tokio::test]
async fn a_truncated_tile() {
    let harm = |tiles: &Path| {
        let bytes = fs::read(tiles.join("a.parquet")).unwrap();
        write_unnoticed(&tiles.join("a.parquet"), &bytes[..bytes.len() / 2]);
    };
    let changed = Problem::Changed {
        registered_size: 4738,
        size: 2369,
    };
    let reason = "no Parquet magic number at the end: truncated, or not a Parquet file".to_owned();
    let unreadable = Problem::Unreadable { reason };
    check(
        harm,
        [
            &[("a.parquet", changed)],
            &[("a.parquet", unreadable.clone())],
            &[("a.parquet", unreadable)],
        ],
    )
    .await;
}

#[tokio::test]
async fn a_wrong_row_count() {
    let harm = |tiles: &Path| {
        let fewer: Vec<Row> = (11..15).map(|id| Row::galaxy(id, 0.1)).collect();
        tile::write(&tiles.join("a.parquet"), &fewer, 2);
    };
    on_every_database(async |index, folder| {
        tile::survey(folder);
        let options = SyncOptions::new(folder);
        index.sync(&options).await.unwrap();
        harm(folder);
        let report = index.verify(&options, Depth::Footer).await.unwrap();
        assert_eq!(
            report.findings[0].problem,
            Problem::RowCount {
                registered: 5,
                found: 4
            }
        );
        assert_eq!(report.findings.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn two_swapped_leaves() {
    on_every_database(async |index, folder| {
        let (a, b) = (folder.join("a.parquet"), folder.join("b.parquet"));
        tile::write(&a, &[Row::galaxy(11, 0.1), Row::galaxy(12, 0.2)], 9);
        tile::write(&b, &[Row::galaxy(21, 0.3), Row::galaxy(22, 0.4)], 9);
        let options = SyncOptions::new(folder);
        index.sync(&options).await.unwrap();
        let [first, second] = [&a, &b].map(|path| fs::read(path).unwrap());
        assert_eq!(first.len(), second.len());
        write_unnoticed(&a, &second);
        write_unnoticed(&b, &first);
        // Same names, sizes and times: a stat cannot see it, and a sync would not.
        assert!(index.verify(&options, Depth::Stat).await.unwrap().is_clean());
        for depth in [Depth::Footer, Depth::Content] {
            let report = index.verify(&options, depth).await.unwrap();
            let with: Vec<_> = report.findings.iter().map(|f| f.problem.clone()).collect();
            let swapped = |path: &Path| Problem::Swapped {
                with: path.canonicalize().unwrap().display().to_string(),
            };
            assert_eq!(with, [swapped(&b), swapped(&a)], "{depth:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_changed_type_and_other_columns() {
    on_every_database(async |index, folder| {
        tile::survey(folder);
        let options = SyncOptions::new(folder);
        index.sync(&options).await.unwrap();
        tile::write_single_precision(&folder.join("a.parquet"), 5);
        let report = index.verify(&options, Depth::Footer).await.unwrap();
        let [finding] = report.findings.as_slice() else {
            panic!("{report:?}")
        };
        let Problem::Columns { changed } = &finding.problem else {
            panic!("{report:?}")
        };
        assert!(
            changed.contains(&("z".into(), Some("DOUBLE".into()), Some("FLOAT".into()))),
            "{changed:?}"
        );
        assert!(
            changed.contains(&("objtype".into(), Some("BYTE_ARRAY (String)".into()), None)),
            "{changed:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn zeroed_ids() {
    on_every_database(async |index, folder| {
        let path = folder.join("t.parquet");
        tile::write_plain_ids(&path, &[7001, 7002, 7003]);
        let options = SyncOptions::new(folder);
        index.sync(&options).await.unwrap();
        // The pages are overwritten, the footer stays: neither stat nor footer can see it.
        let mut bytes = fs::read(&path).unwrap();
        for id in [7001_i64, 7002, 7003] {
            let at = bytes.windows(8).position(|window| window == id.to_le_bytes()).unwrap();
            bytes[at..at + 8].fill(0);
        }
        write_unnoticed(&path, &bytes);
        assert!(index.verify(&options, Depth::Footer).await.unwrap().is_clean());
        let report = index.verify(&options, Depth::Content).await.unwrap();
        let problems: Vec<_> = report.findings.iter().map(|f| f.problem.clone()).collect();
        let ids = Problem::Ids {
            rows: 3,
            first_row: 0,
            indexed: 7001,
            found: 0,
        };
        assert_eq!(problems, [Problem::SameIds { id: 0 }, Problem::Keys, ids]);
    })
    .await;
}

#[tokio::test]
async fn rows_that_someone_took_out_of_the_index() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("index.db").display());
    tile::survey(folder.path());
    let index = Index::open(&url).await.unwrap();
    let options = SyncOptions::new(folder.path());
    index.sync(&options).await.unwrap();
    let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
    sqlx::query("DELETE FROM galaxies WHERE targetid = 12")
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
    let report = index.verify(&options, Depth::Content).await.unwrap();
    assert_eq!(
        report.findings[0].problem,
        Problem::IndexedRows { indexed: 4, found: 5 }
    );
}

#[tokio::test]
async fn leaves_that_were_swapped_before_they_were_indexed() {
    let Some(root) = real_data("catalogs/sdss_dr7_hats/sdss_dr7_vollim") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let copy = |from: &str, to: &str| {
        let to = folder.path().join("dataset").join(to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(root.join("dataset").join(from), to).unwrap();
    };
    let (one, other, right) = (
        "Norder=2/Dir=0/Npix=16.parquet",
        "Norder=2/Dir=0/Npix=17.parquet",
        "Norder=2/Dir=0/Npix=18.parquet",
    );
    copy(one, other);
    copy(other, one);
    copy(right, right);
    let index = Index::open("sqlite::memory:").await.unwrap();
    let columns = radio_index::KeyColumns::default().with_numbered_rows();
    let options = SyncOptions::new(folder.path()).with_columns(columns);
    index.sync(&options).await.unwrap();
    let report = index.verify(&options, Depth::Content).await.unwrap();
    let pixels: Vec<_> = report
        .findings
        .iter()
        .map(|finding| match finding.problem {
            Problem::WrongPixel { first_row, pixel, .. } => (first_row, pixel),
            _ => panic!("{finding:?}"),
        })
        .collect();
    assert_eq!(pixels, [(0, 17), (0, 16)]);
}
