use radio_index::{AnomalyScore, Error, GroupMember, Run};

use crate::database::on_every_database;

fn score(targetid: i64, score: f64) -> AnomalyScore {
    let mut row = AnomalyScore::new(targetid, score);
    row.snr = Some(3.0);
    row
}

#[tokio::test]
async fn scores_are_recorded_once_per_run_and_id() {
    on_every_database(async |index, _| {
        let run = Run::new("a").with_model_hash("4f2a").with_options("latent 24");
        let many = (0..9_000).map(|id| score(id, id as f64));
        assert_eq!(index.record_scores(&run, many.clone()).await.unwrap(), 9_000);
        index.record_scores(&run, many).await.unwrap();
        index
            .record_scores(&run, [score(7, 1e6), score(8, 1.0), score(8, 2e6)])
            .await
            .unwrap();
        index.record_scores(&Run::new("b"), [score(7, 3.0)]).await.unwrap();

        let top: Vec<_> = index
            .top_scores("a", 3)
            .await
            .unwrap()
            .iter()
            .map(|s| (s.targetid, s.score))
            .collect();
        assert_eq!(top, [(8, 2e6), (7, 1e6), (8_999, 8_999.0)]);
        assert_eq!(index.top_scores("b", 9).await.unwrap(), [score(7, 3.0)]);
        let runs = index.summary().await.unwrap().anomaly_runs;
        assert_eq!((runs[0].run.as_str(), runs[0].rows, runs[0].largest), ("a", 9_000, 2e6));
        assert_eq!(runs[0].options, "latent 24");
        assert_eq!((runs[1].run.as_str(), runs[1].rows), ("b", 1));
    })
    .await;
}

#[tokio::test]
async fn a_score_that_is_no_number_leaves_nothing_behind() {
    on_every_database(async |index, _| {
        let error = index
            .record_scores(&Run::new("a"), [score(1, 1.0), score(2, f64::NAN)])
            .await
            .unwrap_err();
        assert!(matches!(error, Error::BadResult { targetid: 2, .. }), "{error}");
        assert!(index.top_scores("a", 9).await.unwrap().is_empty());
        assert!(index.summary().await.unwrap().anomaly_runs.is_empty());
    })
    .await;
}

#[tokio::test]
async fn groups_replace_the_run() {
    on_every_database(async |index, _| {
        let member = |(targetid, group_id)| GroupMember { targetid, group_id };
        let run = Run::new("fof");
        let first = [(1, 0), (2, 0), (3, 1), (4, 1), (5, 1), (6, -1)].map(member);
        assert_eq!(index.record_groups(&run, first).await.unwrap(), 5);
        assert_eq!(
            index
                .record_groups(&run, [(1, 0), (2, 0), (3, -1)].map(member))
                .await
                .unwrap(),
            2
        );
        let runs = index.summary().await.unwrap().group_runs;
        assert_eq!((runs[0].rows, runs[0].groups, runs[0].largest), (2, 1, 2.0));
    })
    .await;
}
