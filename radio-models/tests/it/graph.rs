//! Graphs against slow obvious ones, and graphs on disk.

use std::collections::BTreeSet;
use std::fs;

use ndarray::{Array2, ArrayView2, array};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use radio_models::{Error, Graph};

fn distance(positions: &ArrayView2<'_, f64>, a: usize, b: usize) -> f64 {
    (0..3)
        .map(|axis| (positions[[a, axis]] - positions[[b, axis]]).powi(2))
        .sum::<f64>()
}

/// Few different coordinates, so that there are equal points, equal distances and points in a line.
fn points() -> impl Strategy<Value = Array2<f64>> {
    let coordinates = prop_oneof![(0..4i32).prop_map(f64::from), -1e6..1e6f64, -1e-6..1e-6f64];
    prop::collection::vec(coordinates, 0..150).prop_map(|mut numbers| {
        numbers.truncate(numbers.len() / 3 * 3);
        Array2::from_shape_vec((numbers.len() / 3, 3), numbers).unwrap()
    })
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 200,
        rng_seed: RngSeed::Fixed(5),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_nearest_are_the_nearest(points in points(), k in 1usize..12) {
        let graph = Graph::nearest(points.view(), k).unwrap();
        prop_assert_eq!(graph.nodes(), points.nrows());
        for node in 0..points.nrows() {
            let near = graph.neighbours(node);
            prop_assert_eq!(near.len(), k.min(points.nrows() - 1));
            prop_assert!(!near.contains(&(node as u32)));
            prop_assert_eq!(near.iter().collect::<BTreeSet<_>>().len(), near.len());
            // Which of equally distant ones are taken is not said, but their distances are.
            let mut all: Vec<f64> = (0..points.nrows())
                .filter(|&other| other != node)
                .map(|other| distance(&points.view(), node, other))
                .collect();
            all.sort_by(f64::total_cmp);
            let found: Vec<f64> = near.iter().map(|&other| distance(&points.view(), node, other as usize)).collect();
            prop_assert_eq!(&found[..], &all[..near.len()]);
            for (pair, numbers) in found.windows(2).zip(near.windows(2)) {
                prop_assert!(pair[0] < pair[1] || numbers[0] < numbers[1]);
            }
        }
    }

    #[test]
    fn within_is_within(points in points(), radius in prop_oneof![Just(1.0), Just(3.0f64.sqrt()), 1e-7..1e6f64]) {
        let graph = Graph::within(points.view(), radius).unwrap();
        for node in 0..points.nrows() {
            let expected: Vec<u32> = (0..points.nrows())
                .filter(|&other| other != node && distance(&points.view(), node, other) <= radius * radius)
                .map(|other| other as u32)
                .collect();
            prop_assert_eq!(graph.neighbours(node), &expected[..]);
        }
        prop_assert!(graph.symmetric() == graph);
    }

    /// More blocks of nodes than one, and nodes with many neighbours and with none.
    #[test]
    fn both_ways_is_both_ways(nodes in 1u32..5000, edges in prop::collection::vec([any::<u32>(), any::<u32>()], 0..3000), hub in any::<u32>()) {
        let ends = |i: usize, [a, b]: [u32; 2]| [if i.is_multiple_of(3) { hub % nodes } else { a % nodes }, b % nodes];
        let edges: Vec<[u32; 2]> = edges.into_iter().enumerate().map(|(i, edge)| ends(i, edge)).collect();
        let symmetric = Graph::from_edges(nodes as usize, &edges).unwrap().symmetric();
        let both: BTreeSet<[u32; 2]> = edges.iter().flat_map(|&[a, b]| [[a, b], [b, a]]).collect();
        let found = (0..nodes).flat_map(|node| symmetric.neighbours(node as usize).iter().map(move |&to| [node, to]));
        prop_assert!(found.eq(both));
    }

    #[test]
    fn edges_come_back(edges in prop::collection::vec([0u32..20, 0u32..20], 0..200)) {
        let graph = Graph::from_edges(20, &edges).unwrap();
        prop_assert_eq!((graph.nodes(), graph.edges()), (20, edges.len()));
        for node in 0..20 {
            let expected: Vec<u32> = edges.iter().filter(|edge| edge[0] == node).map(|edge| edge[1]).collect();
            prop_assert_eq!(graph.neighbours(node as usize), &expected[..]);
            prop_assert_eq!(graph.degree(node as usize), expected.len());
        }
    }
}

#[test]
fn any_number_of_threads_makes_the_same_graph() {
    let points = Array2::from_shape_fn((5000, 3), |(i, axis)| {
        ((i * [7919, 104_729, 1_299_709][axis]) % 997) as f64
    });
    let make = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let graph = Graph::nearest(points.view(), 8).unwrap();
            (graph.symmetric(), graph, Graph::within(points.view(), 60.0).unwrap())
        })
    };
    assert!(make(1) == make(4));
}

#[test]
fn separations_are_vectors_and_lengths() {
    let positions = array![[1.0, 2.0, 2.0], [0.0, 0.0, 0.0], [1.0, 2.0, 5.0]];
    let graph = Graph::from_edges(3, &[[2, 0], [0, 1], [0, 2]]).unwrap();
    let expected = array![[-1.0, -2.0, -2.0, 3.0], [0.0, 0.0, 3.0, 3.0], [0.0, 0.0, -3.0, 3.0]];
    assert_eq!(graph.separations(positions.view()).unwrap(), expected);
    let error = graph.separations(positions.slice(ndarray::s![..2, ..])).unwrap_err();
    assert!(error.to_string().starts_with("positions has shape [2, 3]"), "{error}");
}

#[test]
fn bad_input_is_named() {
    let message = |positions: Array2<f64>, k| Graph::nearest(positions.view(), k).unwrap_err().to_string();
    let nan = array![[0.0, 0.0, 0.0], [0.0, f64::NAN, 0.0]];
    assert_eq!(
        message(nan, 3),
        "the position in row 1 is [0.0, NaN, 0.0]: finite numbers below 1e150 are needed"
    );
    assert!(message(array![[0.0, 0.0, -1e200]], 3).contains("row 0"));
    assert!(message(Array2::zeros((3, 2)), 3).starts_with("positions has shape [3, 2]"));
    assert!(message(Array2::zeros((3, 3)), 0).starts_with("option k is 0"));
    for radius in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let error = Graph::within(Array2::zeros((3, 3)).view(), radius).unwrap_err();
        assert!(matches!(error, Error::Option { name: "radius", .. }), "{error}");
    }
}

#[test]
fn a_graph_comes_back_from_its_file_and_damage_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("graph.safetensors");
    let graph = Graph::from_edges(5, &[[0, 4], [3, 1], [3, 2], [4, 4]]).unwrap();
    graph.save(&path).unwrap();
    let opened = Graph::open(&path).unwrap();
    assert!(opened == graph);
    // It is mapped: what is read later is still there when the name is not.
    fs::remove_file(&path).unwrap();
    assert_eq!(opened.neighbours(3), [1, 2]);
    let empty = Graph::from_edges(0, &[]).unwrap();
    empty.save(&path).unwrap();
    assert!(Graph::open(&path).unwrap() == empty);

    graph.save(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    let reason = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let error = Graph::open(&path).unwrap_err();
        assert!(error.to_string().contains("graph.safetensors"), "{error}");
        std::error::Error::source(&error).unwrap().to_string()
    };
    // Cut off anywhere.
    for length in 0..bytes.len() {
        assert!(!reason(&bytes[..length]).is_empty());
    }
    let data = bytes.len() - 6 * 8 - 4 * 4;
    let with = |at: usize, value: u8| {
        let mut bytes = bytes.clone();
        bytes[data + at] = value;
        bytes
    };
    assert!(reason(&with(0, 1)).contains("do not begin with 0"));
    assert!(reason(&with(8, 3)).contains("node 1 end before they begin"));
    assert!(reason(&with(40, 3)).contains("end with the number of edges"));
    assert_eq!(reason(&with(48 + 4, 5)), "edge 1 goes to 5, but there are 5 nodes");
}

/// Whatever stands in a file, it is a graph or an error.
#[test]
fn random_damage_is_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("graph.safetensors");
    Graph::from_edges(3, &[[0, 1], [1, 2], [2, 0]])
        .unwrap()
        .save(&path)
        .unwrap();
    let bytes = fs::read(&path).unwrap();
    for at in 0..bytes.len() {
        for value in [0, 1, b' ', b'9', b'}', 0x7f, 0xff] {
            let mut bytes = bytes.clone();
            bytes[at] = value;
            fs::write(&path, &bytes).unwrap();
            if let Ok(graph) = Graph::open(&path) {
                let edges: usize = (0..graph.nodes()).map(|node| graph.neighbours(node).len()).sum();
                assert_eq!(edges, graph.edges());
            }
        }
    }
}

/// Fill values, for instance: a tree cannot part them.
#[test]
fn thousands_of_equal_points_are_no_error() {
    let mut points = Array2::zeros((5000, 3));
    points[[4999, 0]] = 1.0;
    let graph = Graph::nearest(points.view(), 3).unwrap();
    assert!(
        (0..5000u32)
            .all(|node| graph.neighbours(node as usize).len() == 3 && !graph.neighbours(node as usize).contains(&node))
    );
    assert!((0..4999).all(|node| !graph.neighbours(node).contains(&4999)));
    let graph = Graph::within(points.view(), 0.5).unwrap();
    assert!((0..4999).all(|node| graph.degree(node) == 4998) && graph.degree(4999) == 0);
}

#[cfg(feature = "petgraph")]
mod with_petgraph {
    use petgraph::graph::{DiGraph, UnGraph};

    use super::*;

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn there_and_back(edges in prop::collection::vec([0u32..20, 0u32..20], 0..100)) {
            let mut ascending = edges.clone();
            ascending.sort_unstable();
            let graph = Graph::from_edges(20, &ascending).unwrap();
            let there = DiGraph::from(&graph);
            prop_assert_eq!((there.node_count(), there.edge_count()), (20, edges.len()));
            prop_assert!(Graph::from(&there) == graph);
            // Without direction.
            let mut undirected = UnGraph::<&str, f32>::default();
            (0..20).for_each(|_| { undirected.add_node(""); });
            edges.iter().for_each(|&[a, b]| { undirected.add_edge(a.into(), b.into(), 1.0); });
            prop_assert!(Graph::from(&undirected) == graph.symmetric());
        }
    }
}
