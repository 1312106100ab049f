//! Object stores give what files give.

use std::fs;
use std::num::NonZeroUsize;
use std::sync::Arc;

use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use radio_io::{
    PlanTile, ReadOptions, ReadPlan, Reader, Resources, Runtime, Shuffle, SpectrumBatch, Store, TileSlice, fetch,
};

use crate::tile::{GRID, flat, ragged, write};

fn read(plan: &ReadPlan, options: ReadOptions) -> Vec<SpectrumBatch> {
    Reader::new(plan, options).unwrap().map(Result::unwrap).collect()
}

#[track_caller]
fn assert_same(found: &[SpectrumBatch], expected: &[SpectrumBatch]) {
    let batches = |all: &[SpectrumBatch]| all.iter().map(|batch| batch.record_batch().clone()).collect::<Vec<_>>();
    assert_eq!(batches(found), batches(expected));
}

/// The same tiles in a folder, and in two stores.
fn stores(folder: &std::path::Path, tiles: &[&str]) -> Vec<Store> {
    let memory = InMemory::new();
    let tasks = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for tile in tiles {
        let bytes = fs::read(folder.join(tile)).unwrap();
        tasks
            .block_on(memory.put(&Path::parse(tile).unwrap(), bytes.into()))
            .unwrap();
    }
    let local = LocalFileSystem::new_with_prefix(folder).unwrap();
    let stores: [Arc<dyn ObjectStore>; 2] = [Arc::new(memory), Arc::new(local)];
    stores.map(|store| Store::new(store).unwrap()).into()
}

#[test]
fn stores_give_what_files_give() {
    let folder = tempfile::tempdir().unwrap();
    let ids: Vec<i64> = (0..900).collect();
    let texts: Vec<String> = ids.iter().map(i64::to_string).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let flux: Vec<Vec<Option<f32>>> = ids
        .iter()
        .map(|id| (0..id % 5).map(|p| Some((id * p) as f32)).collect())
        .collect();
    fs::create_dir(folder.path().join("deep er")).unwrap();
    write(&folder.path().join("a.parquet"), &flat(&ids, Some(GRID)), 200);
    write(&folder.path().join("deep er/b.parquet"), &flat(&ids, Some(GRID)), 900);
    write(&folder.path().join("c.parquet"), &ragged(&texts, &flux), 300);
    let plan = |prefix: &str, tiles: &[&str]| -> ReadPlan {
        tiles
            .iter()
            .map(|tile| TileSlice::new(format!("{prefix}{tile}"), 17..900))
            .collect()
    };
    let prefix = format!("{}/", folder.path().display());
    for store in stores(folder.path(), &["a.parquet", "deep er/b.parquet", "c.parquet"]) {
        for tiles in [["a.parquet", "deep er/b.parquet"].as_slice(), &["c.parquet"]] {
            for shuffle in [Shuffle::None, Shuffle::window(), Shuffle::Global] {
                let options = ReadOptions::default()
                    .with_shuffle(shuffle)
                    .with_batch_rows(NonZeroUsize::new(300).unwrap());
                let expected = read(&plan(&prefix, tiles), options.clone());
                assert_same(&read(&plan("", tiles), options.with_store(&store)), &expected);
            }
        }
        let few = ReadPlan::from_iter([TileSlice::new("a.parquet", 3..5), TileSlice::new("a.parquet", 500..501)]);
        let found = fetch(&few, ReadOptions::default().with_store(&store)).unwrap().unwrap();
        assert_eq!(found.ids(), [3, 4, 500]);

        // And through a cache.
        let mut resources = Resources::default();
        resources.cache = 1 << 30;
        resources.cache_folder = Some(folder.path().join(format!("{store:?}").replace('/', "-")));
        let options = ReadOptions::default()
            .with_store(&store)
            .with_runtime(&Runtime::new(&resources).unwrap());
        let all = plan("", &["a.parquet"]);
        let first = read(&all, options.clone());
        let mut reader = Reader::new(&all, options).unwrap();
        let second: Vec<_> = reader.by_ref().map(Result::unwrap).collect();
        assert_same(&second, &first);
        assert_eq!(reader.metrics().rows_from_cache, 883);
    }
}

#[test]
fn objects_that_are_not_as_planned() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("a.parquet"), &flat(&[1, 2, 3], Some(GRID)), 9);
    fs::write(folder.path().join("b.parquet"), "no Parquet").unwrap();
    for store in stores(folder.path(), &["a.parquet", "b.parquet"]) {
        let check = |plan: ReadPlan, words: &str| {
            let mut reader = Reader::new(&plan, ReadOptions::default().with_store(&store)).unwrap();
            let error = reader.next().unwrap().unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        };
        let all = |tile: &str| ReadPlan::from_iter([TileSlice::new(tile, 0..3)]);
        check(all("no/such.parquet"), "could not use no/such.parquet");
        check(all("b.parquet"), "b.parquet: not a readable Parquet tile");
        check(all("a//b"), "could not use a//b");
        let known = PlanTile {
            size: 7,
            mtime_ns: 7,
            rows: 3,
            ..PlanTile::default()
        };
        check(
            all("a.parquet").with_tiles([("a.parquet".into(), known)]),
            "changed since the plan was made",
        );
    }
}

/// A program may be async, and drop what it has wherever it likes.
#[test]
fn a_store_lives_in_an_async_program() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("a.parquet"), &flat(&[1, 2, 3], Some(GRID)), 9);
    let store = stores(folder.path(), &["a.parquet"]).pop().unwrap();
    let tasks = tokio::runtime::Builder::new_current_thread().build().unwrap();
    tasks.block_on(async {
        let plan = ReadPlan::from_iter([TileSlice::new("a.parquet", 0..3)]);
        let mut batches = Reader::new(&plan, ReadOptions::default().with_store(&store))
            .unwrap()
            .into_stream();
        drop(store);
        let batch = futures_util::StreamExt::next(&mut batches).await.unwrap().unwrap();
        assert_eq!(batch.ids(), [1, 2, 3]);
    });
}
