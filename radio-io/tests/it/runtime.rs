use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;

use futures_util::{Stream as _, StreamExt as _};
use radio_io::{BadTiles, Error, ReadOptions, ReadPlan, Reader, Resources, Runtime, Shuffle, SpectrumBatch};

use crate::tile::{GRID, flat, plan, write};

fn tile(folder: &Path, rows: i64) -> ReadPlan {
    let path = write(
        &folder.join("t.parquet"),
        &flat(&(0..rows).collect::<Vec<_>>(), Some(GRID)),
        100,
    );
    plan([(path.as_path(), rows as u64)])
}

fn ids(batches: impl Iterator<Item = radio_io::Result<SpectrumBatch>>) -> Vec<i64> {
    batches.flat_map(|batch| batch.unwrap().ids().to_vec()).collect()
}

/// Names and CPUs (as the system lists them) of the threads of this program that are radio-io's and may use one CPU only.
fn pinned() -> Vec<(String, String)> {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let status = tasks.filter_map(|task| fs::read_to_string(task.unwrap().path().join("status")).ok());
    let field = |text: &str, name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name).map(|v| v.trim().to_owned()))
    };
    let threads = status.filter_map(|text| Some((field(&text, "Name:")?, field(&text, "Cpus_allowed_list:")?)));
    threads
        .filter(|(name, cpus)| name.starts_with("radio-io") && cpus.parse::<usize>().is_ok())
        .collect()
}

#[test]
#[cfg(target_os = "linux")]
fn threads_stay_on_their_cpus() {
    let folder = tempfile::tempdir().unwrap();
    let plan = tile(folder.path(), 5_000);
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let allowed = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
        .unwrap();
    let last: usize = allowed.trim().rsplit([',', '-']).next().unwrap().parse().unwrap();

    let text = format!(r#"{{"cpus": [{last}], "threads": 3}}"#);
    let resources: Resources = serde_json::from_str(&text).unwrap();
    let runtime = Runtime::new(&resources).unwrap();
    assert_eq!(runtime.resources(), &resources);
    let options = ReadOptions::default()
        .with_runtime(&runtime)
        .with_shuffle(Shuffle::window());
    let mut reader = Reader::new(&plan, options.clone().with_batch_rows(NonZeroUsize::MIN)).unwrap();
    reader.next().unwrap().unwrap();
    let found = pinned();
    // Three that decode, and the one that plans, which waits for the consumer.
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(found.iter().all(|(_, cpus)| *cpus == last.to_string()), "{found:?}");
    drop(reader);
    // What comes out does not depend on it.
    let elsewhere = options
        .clone()
        .with_runtime(&Runtime::new(&Resources::default()).unwrap());
    assert_eq!(
        ids(Reader::new(&plan, options).unwrap()),
        ids(Reader::new(&plan, elsewhere).unwrap())
    );

    let mut wrong = Resources::default();
    wrong.cpus = vec![100_000];
    let error = Runtime::new(&wrong).unwrap_err();
    assert!(
        matches!(&error, Error::Option { name: "cpus", value, .. } if value == "100000"),
        "{error}"
    );
    assert!(
        serde_json::from_str::<Resources>(r#"{"cpu": [0]}"#).is_err(),
        "misspelt names are not ignored"
    );
}

#[test]
fn a_stream_gives_what_an_iterator_gives() {
    let folder = tempfile::tempdir().unwrap();
    let plan = tile(folder.path(), 700);
    let options = ReadOptions::default()
        .with_shuffle(Shuffle::Global)
        .with_batch_rows(NonZeroUsize::new(64).unwrap());
    let tasks = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (found, metrics) = tasks.block_on(async {
        let mut stream = Reader::new(&plan, options.clone()).unwrap().into_stream();
        assert_eq!(stream.size_hint(), (0, Some(11)));
        let mut found = Vec::new();
        while let Some(batch) = stream.next().await {
            found.push(batch);
        }
        (found, stream.reader().metrics())
    });
    assert_eq!((metrics.batches, metrics.rows), (11, 700));
    assert!(metrics.consumer_waited <= metrics.elapsed);
    assert_eq!(ids(found.into_iter()), ids(Reader::new(&plan, options).unwrap()));
}

#[test]
fn a_stream_ends_with_an_error() {
    let tasks = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let plan = plan([(Path::new("/no/such/tile"), 3)]);
    let results = tasks.block_on(
        Reader::new(&plan, ReadOptions::default())
            .unwrap()
            .into_stream()
            .collect::<Vec<_>>(),
    );
    assert_eq!(results.len(), 1);
    assert!(results[0].as_ref().unwrap_err().to_string().contains("/no/such/tile"));
}

/// Many tasks wait on one thread, for readers of which some are left early.
#[test]
fn many_streams_share_a_thread() {
    let folder = tempfile::tempdir().unwrap();
    let plan = tile(folder.path(), 700);
    let tasks = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let rows = tasks.block_on(async {
        let streams = (0..20_u64).map(|seed| {
            let options = ReadOptions::default()
                .with_shuffle(Shuffle::window())
                .with_seed(seed)
                .with_bad_tiles(BadTiles::Skip)
                .with_prefetch(NonZeroUsize::MIN);
            let stream = Reader::new(&plan, options).unwrap().into_stream();
            stream.take(1 + seed as usize % 4).map(|batch| batch.unwrap().len())
        });
        let mut all = futures_util::stream::select_all(streams);
        let mut rows = 0;
        while let Some(n) = all.next().await {
            rows += n;
        }
        rows
    });
    assert_eq!(rows, 5 * (256 + 512 + 700 + 700));
}
