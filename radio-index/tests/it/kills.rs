//! A sync that is killed or given up at any moment, and two at once, in processes of their own.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use radio_index::{Index, Positions, ReadPlan, Selection, Summary, SyncOptions};

use crate::database::on_every_database_at;
use crate::tile::{self, Row};

const URL: &str = "RADIO_TEST_SYNC_URL";
const ROOT: &str = "RADIO_TEST_SYNC_ROOT";
const TILES: i64 = 60;

/// Not a test: what the processes below run, in this same program.
#[tokio::test]
async fn sync_in_a_process_of_its_own() {
    let (Ok(url), Ok(root)) = (std::env::var(URL), std::env::var(ROOT)) else {
        return;
    };
    let index = Index::open(&url).await.unwrap();
    index.sync(&SyncOptions::new(root)).await.unwrap();
    index.close().await;
}

fn start(url: &str, root: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kills::sync_in_a_process_of_its_own"])
        .envs([(URL, url), (ROOT, root.to_str().unwrap())])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Writes every tile anew; `round` tells one state of the survey from the next.
fn write_survey(root: &Path, round: i64) {
    for tile in 0..TILES {
        let rows: Vec<Row> = (0..40 + (tile + round) % 7)
            .map(|row| Row::galaxy(tile * 1000 + row, 0.01 * (round + 1) as f64))
            .collect();
        tile::write(&root.join(format!("{tile:03}.parquet")), &rows, 25);
    }
    // One comes and goes, so that there is something to add and to remove.
    let guest = root.join("guest.parquet");
    if round % 2 == 0 {
        tile::write(&guest, &[Row::galaxy(5, 0.5)], 9);
    } else {
        let _ = fs::remove_file(guest);
    }
}

/// All that an index says of the files; not how it came to know.
async fn state(index: &Index) -> (ReadPlan, Positions, Summary) {
    let all = Selection::all();
    let mut summary = index.summary().await.unwrap();
    summary.syncs.clear();
    (
        index.plan(&all).await.unwrap(),
        index.positions(&all).await.unwrap(),
        summary,
    )
}

/// The state of an index that nothing ever happened to.
async fn undisturbed(root: &Path) -> (ReadPlan, Positions, Summary) {
    let index = Index::open("sqlite::memory:").await.unwrap();
    index.sync(&SyncOptions::new(root)).await.unwrap();
    state(&index).await
}

#[tokio::test]
async fn killed_fifty_times() {
    on_every_database_at(async |url, folder| {
        let root = folder.join("tiles");
        write_survey(&root, 0);
        let index = Index::open(url).await.unwrap();
        index.sync(&SyncOptions::new(&root)).await.unwrap();
        let mut before = state(&index).await;
        index.close().await;

        // How long one takes undisturbed decides at which moments the others are killed.
        let began = Instant::now();
        write_survey(&root, 1);
        assert!(start(url, &root).wait().unwrap().success());
        let whole = began.elapsed().max(Duration::from_millis(20));
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let (mut killed, mut finished) = (0, 0);
        let index = Index::open(url).await.unwrap();
        before = {
            let now = state(&index).await;
            assert_ne!(before, now);
            now
        };
        index.close().await;
        for round in 2..52 {
            write_survey(&root, round);
            let mut child = start(url, &root);
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            std::thread::sleep(whole.mul_f64((random % 1000) as f64 / 1000.0));
            child.kill().unwrap();
            if child.wait().unwrap().success() {
                finished += 1;
            } else {
                killed += 1;
            }
            let index = Index::open(url).await.unwrap();
            let now = state(&index).await;
            if now != before {
                // Not half of it: what the sync was to do is done as a whole.
                assert_eq!(now, undisturbed(&root).await, "round {round}");
                before = now;
            }
            index.close().await;
        }
        assert!(killed > 0, "{finished} of 50 came to their end before they were killed");
        let index = Index::open(url).await.unwrap();
        index.sync(&SyncOptions::new(&root)).await.unwrap();
        assert_eq!(state(&index).await, undisturbed(&root).await);
        index.close().await;
    })
    .await;
}

#[tokio::test]
async fn two_processes_at_once() {
    on_every_database_at(async |url, folder| {
        let root = folder.join("tiles");
        write_survey(&root, 0);
        for round in 0..3 {
            write_survey(&root, round);
            let mut both = [start(url, &root), start(url, &root)];
            assert!(both.iter_mut().all(|child| child.wait().unwrap().success()));
            let index = Index::open(url).await.unwrap();
            assert_eq!(state(&index).await, undisturbed(&root).await);
            index.close().await;
        }
    })
    .await;
}

/// A future that is dropped, by a timeout for instance, leaves nothing behind, and its handle can be used on.
#[tokio::test]
async fn given_up_twenty_times() {
    on_every_database_at(async |url, folder| {
        let root = folder.join("tiles");
        write_survey(&root, 0);
        let index = Index::open(url).await.unwrap();
        let options = SyncOptions::new(&root);
        let began = Instant::now();
        index.sync(&options).await.unwrap();
        let whole = began.elapsed();
        // A commit may be on its way when its sync is given up, and arrive later, even between two of the queries below: but
        // whole.
        let mut states = vec![undisturbed(&root).await];
        for round in 1..21 {
            write_survey(&root, round);
            states.push(undisturbed(&root).await);
            if let Ok(report) = tokio::time::timeout(whole.mul_f64(round as f64 / 20.0), index.sync(&options)).await {
                report.unwrap();
            }
            let (plan, positions, summary) = state(&index).await;
            let is_whole = states.iter().any(|state| state.0 == plan)
                && states.iter().any(|state| state.1 == positions)
                && states.iter().any(|state| state.2 == summary);
            assert!(is_whole, "half of a sync was left in round {round}");
        }
        index.sync(&options).await.unwrap();
        assert!(
            states.pop() == Some(state(&index).await),
            "the last sync left another state"
        );
        index.close().await;
    })
    .await;
}
