//! The façade for programs without a runtime, and what programs with one need of the async methods.

use radio_index::blocking::Index;
use radio_index::{AnomalyScore, CatalogueOptions, Depth, GroupMember, Run, Selection, SyncOptions, WebProbabilities};

use crate::tile;

#[test]
fn every_method_waits_for_its_namesake() {
    let folder = tempfile::tempdir().unwrap();
    tile::survey(folder.path());
    let options = SyncOptions::new(folder.path());
    let index = Index::open("sqlite::memory:").unwrap();
    assert_eq!(index.sync(&options).unwrap().added.len(), 2);
    assert!(index.verify(&options, Depth::Content).unwrap().is_clean());
    assert_eq!(
        index
            .join_catalogue(&CatalogueOptions::new(folder.path()))
            .unwrap()
            .joined,
        8
    );
    let all = Selection::all();
    assert_eq!(index.plan(&all).unwrap().rows(), 8);
    assert!(index.explain(&all).unwrap().starts_with("SELECT"));
    assert_eq!(index.positions(&all).unwrap().z.len(), 5);
    assert_eq!(index.sky(&all).unwrap().pixels.len(), 2);
    let run = Run::new("a");
    index.record_scores(&run, [AnomalyScore::new(11, 2.0)]).unwrap();
    index
        .record_groups(
            &run,
            [GroupMember {
                targetid: 11,
                group_id: 0,
            }],
        )
        .unwrap();
    index
        .record_classes(
            &run,
            [WebProbabilities {
                targetid: 11,
                probabilities: [0.0, 0.0, 1.0, 0.0],
            }],
        )
        .unwrap();
    assert_eq!(index.top_scores("a", 1).unwrap()[0].score, 2.0);
    assert_eq!(index.scores("a", &all).unwrap().len(), 1);
    assert_eq!(index.groups("a", &all).unwrap().len(), 1);
    assert_eq!(index.classes("a", &all).unwrap().len(), 1);
    let runs = [index.score_runs(), index.group_runs(), index.class_runs()];
    assert!(runs.into_iter().all(|runs| runs.unwrap()[0].name == "a"));
    assert_eq!(index.summary().unwrap().catalogue.rows, 8);
    assert_eq!(index.url(), "sqlite::memory:");
    index.close();
}

/// The futures can be spawned on a runtime of several threads.
#[tokio::test(flavor = "multi_thread")]
async fn futures_are_send() {
    let folder = tempfile::tempdir().unwrap();
    tile::survey(folder.path());
    let index = radio_index::Index::open(&format!("sqlite:{}", folder.path().join("i.db").display()))
        .await
        .unwrap();
    let rows = tokio::spawn(async move {
        index.sync(&SyncOptions::new(folder.path())).await.unwrap();
        index
            .join_catalogue(&CatalogueOptions::new(folder.path()))
            .await
            .unwrap();
        index
            .verify(&SyncOptions::new(folder.path()), Depth::Content)
            .await
            .unwrap();
        index
            .record_scores(&Run::new("a"), [AnomalyScore::new(1, 1.0)])
            .await
            .unwrap();
        index.plan(&Selection::all().redshift(0.0..1.0)).await.unwrap().rows()
    });
    assert_eq!(rows.await.unwrap(), 4);
}
