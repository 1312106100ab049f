//! What comes is what the embedded reader gives.

use std::num::NonZeroU64;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use radio_io::cluster::{Access, Cluster, Output};
use radio_io::{ReadPlan, Shuffle, State};

use crate::survey::{ROWS, Survey, TILES, options, shuffles};
use crate::worker::Orders;

#[test]
fn batches_are_those_of_the_embedded_reader() {
    let survey = Survey::new(1);
    for shuffle in shuffles() {
        for (world, drop_last) in [(1, false), (3, true)] {
            let mut options = options()
                .with_shuffle(shuffle)
                .with_seed(5)
                .with_rank(world - 1, NonZeroU64::new(world).unwrap());
            options.drop_last = drop_last;
            let expected = survey.embedded(&options);
            let mut reader = survey.cluster.reader(&survey.there, options.clone()).unwrap();
            let mut found = Vec::new();
            let mut states: Vec<State> = vec![reader.state()];
            while let Some(batch) = reader.next() {
                found.push(batch.unwrap());
                states.push(reader.state());
            }
            assert_eq!(found, expected, "{shuffle:?}");
            // Every node gave its own share.
            let nodes = reader.nodes();
            assert!(
                nodes.iter().all(|node| node.rows > 0 && node.failures == 0),
                "{nodes:?}"
            );
            // From anywhere in the pass, across what is stored of a state.
            for at in [1, states.len() / 2, states.len() - 1] {
                let state = serde_json::from_str(&serde_json::to_string(&states[at]).unwrap()).unwrap();
                let rest = survey.cluster.resume(&survey.there, options.clone(), &state).unwrap();
                #[cfg(feature = "progress")]
                let rest = rest.with_progress();
                assert_eq!(rest.map(Result::unwrap).collect::<Vec<_>>(), expected[at..]);
            }
        }
    }
}

/// Behind a name there may be another address after each restart; the test has one, and the workers' own names.
#[test]
fn workers_are_found_by_a_name() {
    let survey = Survey::new(1);
    let mut worker = Orders::new("a", &survey.folder.path().join("a")).start();
    let name = format!("localhost:{}", worker.address.port());
    let cluster = Cluster::discover(&name, &Access::default()).unwrap();
    let of_a = survey
        .there
        .slices()
        .iter()
        .filter(|slice| survey.there.tile(slice.uri()).unwrap().node == "a");
    let known = of_a
        .clone()
        .map(|slice| (slice.uri().into(), survey.there.tile(slice.uri()).unwrap().clone()));
    let plan: ReadPlan = of_a.cloned().collect::<ReadPlan>().with_tiles(known);
    let mut reader = cluster.reader(&plan, options()).unwrap();
    let mut rows = reader.next().unwrap().unwrap().num_rows();
    worker.restart();
    rows += reader.map(|batch| batch.unwrap().num_rows()).sum::<usize>();
    assert_eq!(rows as u64, plan.rows());

    // Nobody of the node b is there.
    let cluster = cluster.with_patience(Duration::from_millis(200));
    let error = cluster
        .reader(&survey.there, options())
        .unwrap()
        .find_map(Result::err)
        .unwrap();
    assert!(
        error
            .to_string()
            .contains("no worker of this node answers at localhost"),
        "{error}"
    );
}

#[test]
fn functions_are_called_where_the_tiles_are() {
    let survey = Survey::new(1);
    let cluster = survey.cluster.clone().with_outputs([
        Output::column("targetid"),
        Output::call("digit", "last_digit", ["targetid"]),
    ]);
    let options = options().with_shuffle(Shuffle::window());
    let mut rows = 0;
    for batch in cluster.reader(&survey.there, options.clone()).unwrap() {
        let batch = batch.unwrap();
        assert_eq!(batch.num_columns(), 2);
        let [ids, digits] = ["targetid", "digit"].map(|name| batch[name].as_primitive::<Int64Type>().values().to_vec());
        assert!(ids.iter().zip(&digits).all(|(id, digit)| id % 10 == *digit));
        rows += batch.num_rows();
    }
    assert_eq!(rows, TILES * ROWS);

    for (output, says) in [
        (Output::call("x", "rm_rf", ["targetid"]), "no function \"rm_rf\""),
        (Output::call("x", "last_digit", ["nothing"]), "no column \"nothing\""),
    ] {
        let cluster = survey.cluster.clone().with_outputs([output]);
        let error = cluster
            .reader(&survey.there, options.clone())
            .unwrap()
            .next()
            .unwrap()
            .unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}
