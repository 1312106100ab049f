use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use radio_io::{
    BadTiles, CacheReport, ReadOptions, ReadPlan, Reader, Resources, Runtime, Shuffle, SpectrumBatch, TileSlice,
};

use crate::tile::{GRID, arms, flat, plan, ragged, write};

fn runtime(folder: &Path, bytes: u64) -> Runtime {
    let mut resources = Resources::default();
    resources.cache = bytes;
    resources.cache_folder = Some(folder.to_owned());
    Runtime::new(&resources).unwrap()
}

fn report(runtime: &Runtime) -> CacheReport {
    let report = runtime.cache_report().unwrap().unwrap();
    assert!(report.used <= report.budget, "{report}");
    let files = arrow_files(&report.folder);
    let sizes: u64 = files.iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert_eq!(report.used, sizes, "{report}");
    report
}

fn arrow_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(
        files
            .iter()
            .all(|path| path.extension().is_none_or(|extension| extension != "part"))
    );
    files.retain(|path| path.extension().is_some_and(|extension| extension == "arrow"));
    files.sort();
    files
}

/// All batches, how they look and how many rows were in the cache.
fn read(plan: &ReadPlan, options: ReadOptions) -> (Vec<SpectrumBatch>, u64) {
    let mut reader = Reader::new(plan, options).unwrap();
    let batches = reader.by_ref().map(Result::unwrap).collect();
    (batches, reader.metrics().rows_from_cache)
}

#[track_caller]
fn assert_same(found: &[SpectrumBatch], expected: &[SpectrumBatch]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found.record_batch().schema(), expected.record_batch().schema());
        let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert!(found.ids() == expected.ids() && bits(found.flux()) == bits(expected.flux()));
        assert!(bits(found.ivar()) == bits(expected.ivar()) && found.mask() == expected.mask());
        assert!(found.grid() == expected.grid() && found.wavelength() == expected.wavelength());
        let others = ["z", "star"].map(|name| found.record_batch().column_by_name(name).cloned());
        assert_eq!(
            others,
            ["z", "star"].map(|name| expected.record_batch().column_by_name(name).cloned())
        );
    }
}

/// Writes zeros where the pages are, and leaves the size and the time as they are: who reads the tile now, sees it.
fn wipe(path: &Path) {
    let modified = fs::metadata(path).unwrap().modified().unwrap();
    let mut bytes = fs::read(path).unwrap();
    let end = bytes.len() - 8;
    let footer = u32::from_le_bytes(bytes[end..end + 4].try_into().unwrap()) as usize;
    bytes[4..end - footer].fill(0);
    let mut file = fs::File::options().write(true).open(path).unwrap();
    file.write_all(&bytes).unwrap();
    file.set_modified(modified).unwrap();
}

/// In every dialect and order: what comes from the cache is what comes from the tiles, and nothing else is read any more.
#[test]
fn a_cached_epoch_is_the_same() {
    let ids: Vec<i64> = (0..700).collect();
    let texts: Vec<String> = ids.iter().map(i64::to_string).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let flux: Vec<Vec<Option<f32>>> = ids
        .iter()
        .map(|id| (0..id % 7).map(|p| (p != 3).then_some((id * p) as f32)).collect())
        .collect();
    let mut two_arms = ReadOptions::default();
    two_arms.spectrum.arms = vec!["B".into(), "R".into()];
    for (dialect, batch, options) in [
        (
            "flat",
            flat(&ids, Some(GRID)),
            ReadOptions::default().with_columns(["z"]),
        ),
        (
            "no mask",
            flat(&ids, Some(GRID)).project(&[0, 1, 2, 3]).unwrap(),
            ReadOptions::default(),
        ),
        (
            "struct",
            ragged(&texts, &flux),
            ReadOptions::default().with_columns(["star"]),
        ),
        ("arms", arms(&ids), two_arms),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let tiles = [0, 1].map(|tile| write(&folder.path().join(format!("{tile}.parquet")), &batch, 300));
        // Not from the first row on, with a hole.
        let slices = tiles.iter().flat_map(|path| {
            let path = path.to_str().unwrap();
            [TileSlice::new(path, 5..290), TileSlice::new(path, 400..700)]
        });
        let plan: ReadPlan = slices.collect();
        let orders = [
            Shuffle::None,
            Shuffle::Window {
                rows: NonZeroUsize::new(500).unwrap(),
            },
            Shuffle::Global,
        ];
        let options = orders.map(|shuffle| options.clone().with_shuffle(shuffle).with_seed(5));
        let expected: Vec<_> = options.iter().map(|options| read(&plan, options.clone()).0).collect();
        for first in 0..3 {
            let cache = folder.path().join(format!("cache-{first}"));
            let runtime = runtime(&cache, 1 << 30);
            let with = |n: usize| options[n].clone().with_runtime(&runtime);
            let (found, _) = read(&plan, with(first));
            assert_same(&found, &expected[first]);
            let report = report(&runtime);
            // Three blocks of 256 rows a tile, of which rows 0 to 4 and 290 to 399 are in no plan.
            assert_eq!(
                (report.rows, report.blocks, report.filled, report.refused),
                (1_170, 6, 6, 0),
                "{dialect}"
            );
            for (n, expected) in expected.iter().enumerate() {
                let (found, from_cache) = read(&plan, with(n));
                assert_same(&found, expected);
                assert_eq!(from_cache, 1_170, "{dialect}");
            }
        }
        // Somebody else, later, finds it.
        tiles.iter().for_each(|path| wipe(path));
        let runtime = runtime(&folder.path().join("cache-1"), 1 << 30);
        let (found, from_cache) = read(&plan, options[2].clone().with_runtime(&runtime));
        assert_same(&found, &expected[2]);
        assert_eq!((from_cache, report(&runtime).filled), (1_170, 0), "{dialect}");
        assert!(
            Reader::new(&plan, options[0].clone()).unwrap().next().unwrap().is_err(),
            "the tiles are wiped"
        );
    }
}

fn survey(folder: &Path, tiles: i64) -> (Vec<PathBuf>, ReadPlan) {
    let tiles: Vec<PathBuf> = (0..tiles)
        .map(|tile| {
            let ids: Vec<i64> = (tile * 512..(tile + 1) * 512).collect();
            write(&folder.join(format!("{tile}.parquet")), &flat(&ids, Some(GRID)), 512)
        })
        .collect();
    let plan = plan(tiles.iter().map(|path| (path.as_path(), 512)));
    (tiles, plan)
}

#[test]
fn a_small_budget_caches_what_fits() {
    let folder = tempfile::tempdir().unwrap();
    let (_, plan) = survey(folder.path(), 8);
    let (expected, _) = read(&plan, ReadOptions::default());
    let all = runtime(&folder.path().join("all"), 1 << 30);
    read(&plan, ReadOptions::default().with_runtime(&all));
    let some = runtime(&folder.path().join("some"), report(&all).used / 2);
    for epoch in 0..3 {
        let (found, from_cache) = read(&plan, ReadOptions::default().with_runtime(&some));
        assert_same(&found, &expected);
        let report = report(&some);
        assert!(report.refused > 0 && (4..8).contains(&report.filled), "{report}");
        assert_eq!(from_cache, if epoch == 0 { 0 } else { report.rows }, "{report}");
        assert!(report.to_string().contains("there was no room"), "{report}");
    }
}

#[test]
fn a_changed_tile_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let (tiles, plan) = survey(folder.path(), 2);
    let runtime = runtime(&folder.path().join("cache"), 1 << 30);
    let options = ReadOptions::default().with_runtime(&runtime);
    read(&plan, options.clone());
    let ids: Vec<i64> = (7_000..7_512).collect();
    write(&tiles[1], &flat(&ids, Some(GRID)), 512);
    let (found, from_cache) = read(&plan, options.clone());
    assert_same(&found, &read(&plan, ReadOptions::default()).0);
    assert_eq!((from_cache, found[3].ids()[255]), (512, 7_511));
    // The old part is gone, not only unused.
    assert_eq!((report(&runtime).blocks, report(&runtime).filled), (4, 6));
}

#[test]
fn plans_share_what_they_have_in_common() {
    let folder = tempfile::tempdir().unwrap();
    let (tiles, all) = survey(folder.path(), 1);
    let cache = folder.path().join("cache");
    let part = |rows| ReadPlan::from_iter([TileSlice::new(tiles[0].to_str().unwrap(), rows)]);
    let runtime = runtime(&cache, 1 << 30);
    let options = ReadOptions::default().with_runtime(&runtime);
    for (rows, cached) in [
        (0..10, 0),
        (5..20, 0),
        (0..20, 20),
        (3..7, 4),
        (250..260, 0),
        (0..20, 20),
    ] {
        let (found, from_cache) = read(&part(rows.clone()), options.clone());
        assert_same(&found, &read(&part(rows.clone()), ReadOptions::default()).0);
        assert_eq!(from_cache, cached, "{rows:?}");
    }
    assert_eq!((report(&runtime).rows, report(&runtime).blocks), (30, 2));
    read(&all, options.clone());
    assert_eq!((report(&runtime).rows, report(&runtime).blocks), (512, 2));
    // Other columns are other files.
    let (found, from_cache) = read(&all, options.with_columns(["z"]));
    assert!(found[0].record_batch().column_by_name("z").is_some() && from_cache == 0);
    assert_eq!(arrow_files(&cache).len(), 4);
}

/// What an earlier run used makes room for what this one uses.
/// A thread that has just decoded for a reader may have the cache open a little longer than its runtime lives.
fn wait_until_closed(cache: &Path) {
    let users = File::open(cache.join("users")).unwrap();
    while users.try_lock().is_err() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn what_nobody_uses_goes_first() {
    let folder = tempfile::tempdir().unwrap();
    let (tiles, _) = survey(folder.path(), 4);
    let cache = folder.path().join("cache");
    let of = |n: usize| plan([(tiles[n].as_path(), 512)]);
    let whole = {
        let runtime = runtime(&cache, 1 << 30);
        read(&of(0), ReadOptions::default().with_runtime(&runtime));
        let one = report(&runtime).used;
        // A file's last use has to be told from that of the next ones.
        std::thread::sleep(Duration::from_millis(20));
        read(&of(1), ReadOptions::default().with_runtime(&runtime));
        one * 2 + one / 2
    };
    wait_until_closed(&cache);
    let first = runtime(&cache, whole);
    let options = ReadOptions::default().with_runtime(&first);
    assert_eq!(read(&of(1), options.clone()).1, 512);
    read(&of(2), options.clone());
    assert_eq!((report(&first).refused, report(&first).filled), (0, 2), "tile 0 went");
    assert_eq!(read(&of(1), options.clone()).1, 512);
    read(&of(3), options);
    assert_eq!(report(&first).refused, 2, "all that is left is used");
    // While somebody has the cache open, nobody else removes anything.
    let second = runtime(&cache, whole);
    read(&of(3), ReadOptions::default().with_runtime(&second));
    assert_eq!((report(&second).refused, report(&second).filled), (2, 0));
}

#[test]
fn damaged_files_are_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let (_, plan) = survey(folder.path(), 3);
    let (expected, _) = read(&plan, ReadOptions::default());
    let cache = folder.path().join("cache");
    read(&plan, ReadOptions::default().with_runtime(&runtime(&cache, 1 << 30)));
    let files = arrow_files(&cache);
    assert_eq!(files.len(), 6);
    let bytes = fs::read(&files[0]).unwrap();
    fs::write(&files[0], &bytes[..bytes.len() / 2]).unwrap();
    fs::write(&files[1], "").unwrap();
    fs::write(&files[2], vec![0xff; bytes.len()]).unwrap();
    // A file of another block under this name, and one in which the lengths lie.
    fs::copy(&files[5], &files[3]).unwrap();
    let mut lies = bytes.clone();
    let footer = lies.len() - 10;
    lies[footer..footer + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    fs::write(&files[4], lies).unwrap();
    let runtime = runtime(&cache, 1 << 30);
    let (found, from_cache) = read(&plan, ReadOptions::default().with_runtime(&runtime));
    assert_same(&found, &expected);
    assert_eq!((from_cache, report(&runtime).filled), (256, 5));
}

/// A tile that is bad is as bad with a cache as without one.
#[test]
fn bad_tiles_are_left_out_as_without_a_cache() {
    let folder = tempfile::tempdir().unwrap();
    let (tiles, plan) = survey(folder.path(), 4);
    wipe(&tiles[1]);
    fs::remove_file(&tiles[2]).unwrap();
    let runtime = runtime(&folder.path().join("cache"), 1 << 30);
    let options = ReadOptions::default()
        .with_shuffle(Shuffle::Window {
            rows: NonZeroUsize::new(700).unwrap(),
        })
        .with_bad_tiles(BadTiles::Skip);
    let read = |options: ReadOptions| {
        let mut reader = Reader::new(&plan, options).unwrap();
        let batches: Vec<_> = reader.by_ref().map(Result::unwrap).collect();
        let mut skipped: Vec<_> = reader
            .skipped()
            .iter()
            .map(|tile| (tile.path.clone(), tile.rows))
            .collect();
        skipped.sort();
        (batches, skipped)
    };
    let (expected, skipped) = read(options.clone());
    assert_eq!(skipped, [(tiles[1].clone(), 512), (tiles[2].clone(), 512)]);
    for _ in 0..2 {
        let (found, also) = read(options.clone().with_runtime(&runtime));
        assert_same(&found, &expected);
        assert_eq!(also, skipped);
    }
    assert_eq!((report(&runtime).rows, report(&runtime).filled), (1_024, 4));
}

/// Which rows are left out with a bad one depends neither on the cache nor on where a pass was resumed.
#[test]
fn a_bad_row_takes_the_same_rows_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let texts: Vec<String> = (0..900)
        .map(|id| if id == 300 { "no id".to_owned() } else { id.to_string() })
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let flux = vec![vec![Some(1.0), Some(2.0)]; 900];
    let path = write(&folder.path().join("t.parquet"), &ragged(&texts, &flux), 900);
    // Pieces that are not the blocks of the cache.
    let plan = ReadPlan::from_iter([TileSlice::new(path.to_str().unwrap(), 100..900)]);
    let size = |n| NonZeroUsize::new(n).unwrap();
    for shuffle in [Shuffle::None, Shuffle::Window { rows: size(400) }] {
        let options = ReadOptions::default()
            .with_batch_rows(size(60))
            .with_shuffle(shuffle)
            .with_bad_tiles(BadTiles::Skip);
        let ids = |batches: &[SpectrumBatch]| batches.iter().map(|batch| batch.ids().to_vec()).collect::<Vec<_>>();
        let mut reader = Reader::new(&plan, options.clone()).unwrap();
        let (mut expected, mut states) = (Vec::new(), vec![reader.state()]);
        while let Some(batch) = reader.next() {
            expected.push(batch.unwrap().ids().to_vec());
            states.push(reader.state());
        }
        assert_eq!(expected.iter().map(Vec::len).sum::<usize>(), 800 - 256);
        for (taken, state) in states.iter().enumerate() {
            let rest: Vec<_> = Reader::resume(&plan, options.clone(), state)
                .unwrap()
                .map(Result::unwrap)
                .collect();
            // Who finds no row that can be read does not know what an empty batch looks like.
            let is_empty = expected[taken..].iter().all(Vec::is_empty);
            let expected = if is_empty { &[] } else { &expected[taken..] };
            assert_eq!(ids(&rest), expected, "{shuffle:?}, {taken}");
        }
        let runtime = runtime(&folder.path().join(format!("{shuffle:?}")), 1 << 30);
        for _ in 0..2 {
            let mut reader = Reader::new(&plan, options.clone().with_runtime(&runtime)).unwrap();
            let batches: Vec<_> = reader.by_ref().map(Result::unwrap).collect();
            assert_eq!(ids(&batches), expected, "{shuffle:?}");
            assert_eq!(reader.skipped().iter().map(|tile| tile.rows).collect::<Vec<_>>(), [256]);
        }
    }
}

/// The cache has a column of its own, which must not be in the way of the tile's.
#[test]
fn a_column_may_have_any_name() {
    let folder = tempfile::tempdir().unwrap();
    let batch = flat(&(0..300).collect::<Vec<_>>(), Some(GRID));
    let mut fields: Vec<_> = batch.schema().fields().iter().map(|field| (**field).clone()).collect();
    fields[1] = fields[1].clone().with_name("row_in_tile");
    let schema = arrow_schema::Schema::new_with_metadata(fields, batch.schema().metadata().clone());
    let batch = arrow_array::RecordBatch::try_new(schema.into(), batch.columns().to_vec()).unwrap();
    let path = write(&folder.path().join("t.parquet"), &batch, 300);
    let plan = plan([(path.as_path(), 300)]);
    let options = ReadOptions::default().with_columns(["row_in_tile"]);
    let expected: Vec<_> = Reader::new(&plan, options.clone())
        .unwrap()
        .map(|b| b.unwrap().record_batch().clone())
        .collect();
    let options = options.with_runtime(&runtime(&folder.path().join("cache"), 1 << 30));
    for _ in 0..2 {
        let found: Vec<_> = Reader::new(&plan, options.clone())
            .unwrap()
            .map(|b| b.unwrap().record_batch().clone())
            .collect();
        assert_eq!(found, expected);
    }
}

/// A pass goes on with the file that it opened first, or says that there is another one; the cache keeps nothing of the old one.
#[test]
fn a_tile_that_is_replaced_in_mid_pass() {
    let folder = tempfile::tempdir().unwrap();
    let ids: Vec<i64> = (0..2_048).collect();
    let path = write(&folder.path().join("t.parquet"), &flat(&ids, Some(GRID)), 2_048);
    let plan = plan([(path.as_path(), 2_048)]);
    let runtime = runtime(&folder.path().join("cache"), 1 << 30);
    let size = |n| NonZeroUsize::new(n).unwrap();
    let options = ReadOptions::default()
        .with_runtime(&runtime)
        .with_prefetch(size(1))
        .with_batch_rows(size(32));
    let mut reader = Reader::new(&plan, options.clone()).unwrap();
    reader.next().unwrap().unwrap();
    let other: Vec<i64> = (10_000..12_048).collect();
    let new = write(&folder.path().join("new"), &flat(&other, Some(GRID)), 2_048);
    fs::rename(new, &path).unwrap();
    if let Some(Err(error)) = reader.find(Result::is_err) {
        assert!(error.to_string().contains("changed since the plan was made"), "{error}");
    }
    let (found, _) = read(&plan, options);
    assert_same(&found, &read(&plan, ReadOptions::default().with_batch_rows(size(32))).0);
    assert_eq!(found[0].ids()[0], 10_000);
}

#[test]
fn a_folder_that_everybody_may_write_to_is_not_trusted() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let mut resources = Resources::default();
    resources.cache = 1 << 30;
    resources.cache_folder = Some(folder.path().to_owned());
    let error = Runtime::new(&resources).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        source.contains("everybody may write to this folder"),
        "{error}: {source}"
    );
    // Folders on the way to a new one are as anybody makes them.
    let deep = folder.path().join("a/b");
    runtime(&deep, 1 << 30);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&deep), mode(deep.parent().unwrap()) & 0o700), (0o700, 0o700));
}

const CHILD: &str = "RADIO_IO_TEST_CACHE";

/// Not a test by itself: what the processes do that other tests start.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(CHILD).map(PathBuf::from) else {
        return;
    };
    let mut slices = Vec::new();
    for tile in 0..40 {
        let path = folder.join(format!("{tile}.parquet"));
        slices.push(TileSlice::new(path.to_str().unwrap(), 0..512));
    }
    let plan = ReadPlan::from_iter(slices);
    let runtime = runtime(&folder.join("cache"), 1 << 30);
    let (batches, from_cache) = read(&plan, ReadOptions::default().with_runtime(&runtime));
    let rows: usize = batches.iter().map(SpectrumBatch::len).sum();
    let _ = writeln!(
        std::io::stdout(),
        "child: {rows} rows, {from_cache} from the cache, {} written",
        runtime.cache_report().unwrap().unwrap().filled
    );
}

fn start_child(folder: &Path) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "cache::child", "--nocapture"])
        .env(CHILD, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn says(child: std::process::Child) -> String {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .find_map(|line| line.split_once("child: "))
        .unwrap()
        .1
        .to_owned()
}

#[test]
fn a_killed_process_leaves_nothing_that_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let (_, plan) = survey(folder.path(), 40);
    let (expected, _) = read(&plan, ReadOptions::default());
    let cache = folder.path().join("cache");
    let mut stages = BTreeSet::new();
    for run in 0..25 {
        let mut child = start_child(folder.path());
        // As early and as late as it gets.
        while fs::read_dir(&cache).map_or(0, Iterator::count) < run * 3 && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // An unfinished file is a promise of nobody: the next one to come removes it.
        let runtime = runtime(&cache, 1 << 30);
        let before = report(&runtime);
        stages.insert(arrow_files(&cache).len());
        assert_eq!(before.rows, 0);
        if run % 5 == 4 {
            let (found, from_cache) = read(&plan, ReadOptions::default().with_runtime(&runtime));
            assert_same(&found, &expected);
            assert_eq!(from_cache + 256 * report(&runtime).filled, 40 * 512);
            drop(runtime);
            fs::remove_dir_all(&cache).unwrap();
        }
    }
    assert!(stages.len() > 3, "killed in different moments: {stages:?}");
}

#[test]
fn an_unfinished_file_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    fs::create_dir(&cache).unwrap();
    let (dead, alive) = (cache.join("0000000000000001.part"), cache.join("0000000000000002.part"));
    fs::write(&dead, vec![7; 5_000]).unwrap();
    fs::write(&alive, vec![7; 3_000]).unwrap();
    let writer = fs::File::open(&alive).unwrap();
    writer.lock().unwrap();
    let runtime = runtime(&cache, 1 << 30);
    assert!(!dead.exists() && alive.exists());
    // What is being written counts.
    assert_eq!(runtime.cache_report().unwrap().unwrap().used, 3_000);
}

#[test]
fn processes_share_one_copy() {
    let folder = tempfile::tempdir().unwrap();
    survey(folder.path(), 40);
    // Both at once: what one is writing, the other one does not write as well.
    let both = [start_child(folder.path()), start_child(folder.path())].map(says);
    assert!(both.iter().all(|text| text.starts_with("20480 rows")), "{both:?}");
    assert_eq!(arrow_files(&folder.path().join("cache")).len(), 80);
    // What neither wrote in time, a third one finds.
    let third = says(start_child(folder.path()));
    assert_eq!(third, "20480 rows, 20480 from the cache, 0 written");
}

/// On a file system that is full, rows come from their tiles.
#[test]
fn a_full_disk_is_no_end() {
    let folder = tempfile::tempdir().unwrap();
    let (_, plan) = survey(folder.path(), 20);
    let cache = folder.path().join("cache");
    fs::create_dir(&cache).unwrap();
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=200k,mode=700", "tmpfs"])
        .arg(&cache)
        .output();
    if !mount.is_ok_and(|output| output.status.success()) {
        let _ = writeln!(std::io::stderr(), "SKIPPED: a small file system cannot be mounted here");
        return;
    }
    let (expected, _) = read(&plan, ReadOptions::default());
    {
        let runtime = runtime(&cache, 1 << 30);
        for _ in 0..2 {
            let (found, _) = read(&plan, ReadOptions::default().with_runtime(&runtime));
            assert_same(&found, &expected);
        }
        let report = report(&runtime);
        assert!(report.refused > 0 && report.filled > 2, "{report}");
    }
    // Threads of the runtime may close their last file a moment after it is dropped.
    let unmounted = || {
        Command::new("umount")
            .arg(&cache)
            .output()
            .is_ok_and(|output| output.status.success())
    };
    let begin = Instant::now();
    while !unmounted() {
        assert!(
            begin.elapsed() < Duration::from_secs(60),
            "something keeps the cache open"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_folder_that_cannot_be_used() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut resources = Resources::default();
    resources.cache = 1;
    resources.cache_folder = Some(file.path().to_owned());
    let error = Runtime::new(&resources).unwrap_err().to_string();
    assert!(error.contains(file.path().to_str().unwrap()), "{error}");
}
