//! What a worker does not do, whoever asks.

use radio_io::cluster::{Access, Cluster};
use radio_io::{ReadPlan, TileSlice};

use crate::survey::{Survey, options};
use crate::worker::Orders;

#[test]
fn what_a_worker_refuses() {
    let survey = Survey::new(1);
    let outside = survey.here.slices()[0].uri();
    let link = survey.folder.path().join("a/link.parquet");
    std::os::unix::fs::symlink(outside, link).unwrap();
    for path in [outside, "../all/00.parquet", "/etc/passwd", "link.parquet"] {
        let plan = ReadPlan::from_iter([TileSlice::new(path, 0..1)]);
        let cluster = survey
            .cluster
            .clone()
            .with_topology([("a", path)].into_iter().collect());
        let error = cluster.reader(&plan, options()).unwrap().next().unwrap().unwrap_err();
        assert!(error.to_string().contains("is not below"), "{path}: {error}");
    }

    // A tile that the index gives to a node which is none of these.
    let plan = ReadPlan::from_iter([TileSlice::new("00.parquet", 0..1)]);
    let cluster = survey
        .cluster
        .clone()
        .with_topology([("z", "00.parquet")].into_iter().collect());
    let error = cluster.reader(&plan, options()).unwrap().next().unwrap().unwrap_err();
    assert!(error.to_string().contains("on none of the nodes"), "{error}");

    // Another node than was meant, and a wrong address.
    let error = Cluster::connect([("b", survey.workers[0].url())], &Access::default()).unwrap_err();
    assert!(error.to_string().contains("another one answers"), "{error}");
    let error = Cluster::connect([("b", "node-b")], &Access::default()).unwrap_err();
    assert!(error.to_string().contains("is no address"), "{error}");

    let mut orders = Orders::new("a", &survey.folder.path().join("a"));
    orders.token = Some("secret".into());
    let worker = orders.start();
    let with = |token: &str| Cluster::connect([("a", worker.url())], &Access::default().with_token(token));
    assert!(with("secret").is_ok());
    for wrong in ["", "Secret", "secret2"] {
        let error = with(wrong).unwrap_err();
        assert!(error.to_string().contains("the token"), "{error}");
    }
}

#[cfg(feature = "cluster-tls")]
mod tls {
    use super::*;

    const AUTHORITY: &str = include_str!("tls/authority.pem");

    /// A worker that only speaks encrypted, and wants a token.
    #[test]
    fn rows_come_encrypted() {
        let survey = Survey::new(1);
        let mut orders = Orders::new("a", &survey.folder.path().join("a"));
        (orders.tls, orders.token) = (true, Some("secret".into()));
        let worker = orders.start();
        let access = Access::default().with_authority(AUTHORITY).with_token("secret");
        let name = format!("localhost:{}", worker.address.port());
        for cluster in [
            Cluster::connect([("a", worker.url())], &access),
            Cluster::discover(&name, &access),
        ] {
            let plan = ReadPlan::from_iter([survey.there.slices()[0].clone()]);
            let cluster = cluster
                .unwrap()
                .with_topology([("a", "00.parquet")].into_iter().collect());
            let found: Vec<_> = cluster.reader(&plan, options()).unwrap().map(Result::unwrap).collect();
            let here = ReadPlan::from_iter([survey.here.slices()[0].clone()]);
            let expected = radio_io::Reader::new(&here, options()).unwrap();
            let expected: Vec<_> = expected.map(|batch| batch.unwrap().record_batch().clone()).collect();
            assert_eq!(found, expected);
        }
        let wrong = Cluster::connect([("a", worker.url())], &access.clone().with_token("Secret"));
        assert!(wrong.unwrap_err().to_string().contains("the token"));
    }

    #[test]
    fn strangers_are_not_believed() {
        let survey = Survey::new(1);
        let mut orders = Orders::new("a", &survey.folder.path().join("a"));
        orders.tls = true;
        let worker = orders.clone().start();
        let (url, port) = (worker.url(), worker.address.port());
        orders.address = ([127, 0, 0, 2], 0).into();
        let elsewhere = orders.start();
        let access = |authority: &str| Access::default().with_authority(authority);
        // Signed by somebody else; for another name; a file that is no certificate; one way encrypted, the other not.
        let [other, known] = [include_str!("tls/other.pem"), AUTHORITY].map(access);
        for (access, url, says) in [
            (&other, url.clone(), "invalid peer certificate"),
            (&known, elsewhere.url(), "invalid peer certificate"),
            (&access("no PEM"), url.clone(), "no certificate"),
            (
                &known,
                format!("http://127.0.0.1:{port}"),
                "expected one like https://a:7420",
            ),
            (&Access::default(), url, "Access::with_authority"),
        ] {
            let error = Cluster::connect([("a", url)], access).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
        }
        // Who is not asked for TLS does not get an answer that can be read, and no row.
        let plain = Cluster::connect([("a", format!("http://127.0.0.1:{port}"))], &Access::default()).unwrap();
        let plain = plain.with_topology([("a", "00.parquet")].into_iter().collect());
        let plain = plain.with_patience(std::time::Duration::from_millis(200));
        let plan = ReadPlan::from_iter([survey.there.slices()[0].clone()]);
        let error = plain.reader(&plan, options()).unwrap().find_map(Result::err).unwrap();
        assert!(error.to_string().contains("node a stays away"), "{error}");

        let tls = radio_io::cluster::Worker::builder("a").tls("no PEM", "no key").build();
        assert!(
            tls.unwrap_err()
                .to_string()
                .contains("a certificate and its private key")
        );
    }
}
