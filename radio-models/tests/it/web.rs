//! The cosmic web: surroundings, splits, training, judgement.

use std::num::NonZeroUsize;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use ndarray::{Array2, ArrayView2};
use proptest::prelude::*;
use radio_models::web::{
    Baselines, CLASSES, Confusion, CosmicWeb, CosmicWebOptions, Labelled, SpatialSplit, Surroundings, WebGraph,
};
use radio_models::{Error, Model, NodeBatch, Part, TrainerOptions};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use crate::common::{device, normal};

fn squared(a: &ndarray::ArrayView1<'_, f64>, b: &ndarray::ArrayView1<'_, f64>) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

/// Distances and counts, from all pairs.
fn slow_surroundings(surroundings: &Surroundings, positions: &ArrayView2<'_, f64>, row: usize) -> Vec<f64> {
    let point = positions.row(row);
    let others = (0..positions.nrows()).filter(|&other| other != row);
    let mut squares: Vec<f64> = others.map(|other| squared(&point, &positions.row(other))).collect();
    squares.sort_by(f64::total_cmp);
    let least = 1e-3 * surroundings.radii[0];
    let distances = surroundings.neighbours.iter().map(|&k| {
        let square = squares.get(k - 1).or(squares.last()).copied().unwrap_or(0.0);
        square.sqrt().max(least).ln()
    });
    let within = |radius: f64| squares.iter().filter(|&&square| square <= radius * radius).count();
    let shells = surroundings.radii.iter().enumerate().map(|(shell, &radius)| {
        let inner = if shell == 0 {
            0
        } else {
            within(surroundings.radii[shell - 1])
        };
        ((within(radius) - inner) as f64).ln_1p()
    });
    distances.chain(shells).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn surroundings_are_those_of_all_pairs(
        positions in prop::collection::vec(prop::array::uniform3(prop_oneof![(0..6i32).prop_map(f64::from), -9.0..9.0f64]), 2..60)
    ) {
        let positions = Array2::from(positions);
        let surroundings = Surroundings::default()
            .with_neighbours([1, 2, 5, 80])
            .with_radii([1.0, 2.5, 4.0])
            .with_moments([]);
        let features = surroundings.measure(positions.view()).unwrap();
        prop_assert_eq!(features.ncols(), surroundings.names().len());
        for row in 0..positions.nrows() {
            let expected = slow_surroundings(&surroundings, &positions.view(), row);
            for (found, expected) in features.row(row).iter().zip(expected) {
                prop_assert!((f64::from(*found) - expected).abs() < 1e-5, "{} {}", found, expected);
            }
        }
    }

    #[test]
    fn parts_keep_their_distance(
        positions in prop::collection::vec(prop::array::uniform3(-30.0..30.0f64), 1..150),
        buffer in 0.0..5.0f64,
        seed in 0u64..20,
    ) {
        let positions = Array2::from(positions);
        let split = |buffer| SpatialSplit::new(7.0, buffer).with_fractions([0.5, 0.2]).with_seed(seed);
        let parts = split(buffer).parts(positions.view()).unwrap();
        let without = split(0.0).parts(positions.view()).unwrap();
        for i in 0..parts.len() {
            // Without a gap everything is somewhere, and what is for tests is so with one.
            prop_assert!(without[i].is_some());
            prop_assert!(parts[i] == without[i] || (parts[i].is_none() && without[i] != Some(Part::Test)));
            for j in 0..i {
                if let (Some(a), Some(b)) = (parts[i], parts[j]) {
                    let distance = squared(&positions.row(i), &positions.row(j)).sqrt();
                    prop_assert!(a == b || distance >= buffer, "{:?} {:?} {}", a, b, distance);
                }
            }
        }
    }
}

/// A rod, a plate and a ball have the inertia that they should.
#[test]
fn inertia_tells_shapes() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let mut shape = |dimensions: usize| {
        let positions = Array2::from_shape_fn((4000, 3), |(_, axis)| {
            if axis < dimensions {
                rng.random_range(-1.0..1.0)
            } else {
                0.0
            }
        });
        let mut positions = positions;
        positions.row_mut(0).fill(0.0);
        let surroundings = Surroundings::default()
            .with_neighbours([])
            .with_radii([])
            .with_moments([400]);
        surroundings.measure(positions.view()).unwrap().row(0).to_vec()
    };
    for (dimensions, largest, smallest) in [(1, 1.0, 0.0), (2, 0.5, 0.0), (3, 1.0 / 3.0, 1.0 / 3.0)] {
        let found = shape(dimensions);
        assert!((found[0] - largest).abs() < 0.06, "{dimensions} {found:?}");
        assert!((found[1] - smallest).abs() < 0.06, "{dimensions} {found:?}");
        assert!(found[2] < 0.3, "{dimensions} {found:?}");
    }
}

/// Galaxies in a box of 40; the class follows from the mean of a further feature over the neighbours, which the galaxy itself does not know.
struct Survey {
    web: WebGraph,
    classes: Vec<u8>,
    parts: Vec<Option<Part>>,
}

fn survey(seed: u64, galaxies: usize) -> Survey {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let positions = Array2::from_shape_simple_fn((galaxies, 3), || rng.random_range(0.0..40.0));
    let own = Array2::from_shape_simple_fn((galaxies, 1), || normal(&mut rng));
    let surroundings = Surroundings::default()
        .with_neighbours([1, 4])
        .with_radii([4.0])
        .with_moments([8]);
    let web = WebGraph::new(positions.view(), 8, &surroundings).unwrap();
    let web = web.with_features(own.view()).unwrap();
    let class = |galaxy: usize| {
        let neighbours = web.graph().neighbours(galaxy);
        let sum: f32 = neighbours.iter().map(|&other| own[[other as usize, 0]]).sum();
        let mean = sum / (neighbours.len() as f32).sqrt();
        // Of a normal deviate, in four unequal parts.
        [-1.0, 0.3, 1.2].iter().filter(|&&limit| mean > limit).count() as u8
    };
    let mut classes: Vec<u8> = (0..galaxies).map(class).collect();
    classes[5] = NodeBatch::UNKNOWN;
    let split = SpatialSplit::new(10.0, 1.0).with_fractions([0.6, 0.2]).with_seed(seed);
    let parts = split.parts(positions.view()).unwrap();
    Survey { web, classes, parts }
}

impl Survey {
    fn labelled(&self) -> Labelled<'_> {
        Labelled::new(&self.web, &self.classes, &self.parts).unwrap()
    }
}

fn options(steps: usize) -> CosmicWebOptions {
    CosmicWebOptions::default()
        .with_fan_outs([20])
        .with_hidden(32)
        .with_batch(NonZeroUsize::new(64).unwrap())
        .with_training(
            TrainerOptions::default()
                .with_steps(steps)
                .with_accumulate(4)
                .with_learning_rate(0.01)
                .with_validate_every(20)
                .with_checkpoint_every(10),
        )
}

#[test]
fn what_neighbours_say_is_heard() {
    let (survey, other, folder) = (survey(1, 3000), survey(2, 1500), tempfile::tempdir().unwrap());
    let mut steps = 0;
    let model = CosmicWeb::train(
        &options(150),
        &survey.labelled(),
        &device(),
        folder.path().join("web"),
        |record| {
            steps = record.step;
        },
    );
    let model = model.unwrap();
    assert_eq!(steps, 150);
    assert!(folder.path().join("web/losses.svg").is_file());
    // Judged by another survey, of which all is for tests.
    let parts = vec![Some(Part::Test); 1500];
    let tests = Labelled::new(&other.web, &other.classes, &parts).unwrap();
    let alone = folder.path().join("mlp");
    let baselines = Baselines::train(model.options(), &survey.labelled(), &device(), alone).unwrap();
    let compare = |tests: &Labelled<'_>| baselines.compare(&model, tests).unwrap();
    for comparison in [compare(&tests), compare(&survey.labelled())] {
        let [graph, mlp, forest, majority] = &comparison.models[..] else {
            panic!("{comparison}")
        };
        assert_eq!(
            [graph.name, mlp.name, forest.name, majority.name],
            ["GraphSAGE", "MLP", "random forest", "majority"]
        );
        assert!(graph.confusion.macro_f1() > 0.6, "{comparison}");
        for baseline in [mlp, forest, majority] {
            assert!(baseline.confusion.macro_f1() < 0.4, "{comparison}");
            assert!(baseline.log_loss > graph.log_loss + 0.2, "{comparison}");
        }
        assert!(
            graph.calibration_error < 0.1 && majority.calibration_error < 0.1,
            "{comparison}"
        );
        // The one class whose share it says, for all.
        assert!(
            majority
                .confusion
                .counts()
                .iter()
                .all(|row| row[0] + row[2] + row[3] == 0)
        );
        let table = comparison.to_string();
        assert!(table.lines().count() == 6 && table.contains("| MLP | 0."), "{table}");
    }
    let confusion = compare(&tests).models[0].confusion;
    let galaxies: u64 = confusion.counts().iter().flatten().sum();
    assert_eq!(galaxies, 1499, "one class is not known");
}

#[test]
fn a_classifier_comes_back_as_it_went_and_gives_what_an_index_records() {
    let (survey, folder) = (survey(3, 800), tempfile::tempdir().unwrap());
    let train = |options: &CosmicWebOptions, folder: &str, at: &std::path::Path| {
        CosmicWeb::train(options, &survey.labelled(), &device(), at.join(folder), |_| {})
    };
    let model = train(&options(20), "web", folder.path()).unwrap();
    let path = folder.path().join("web.safetensors");
    model.save(&path).unwrap();
    let loaded = CosmicWeb::load(&path, &device()).unwrap();
    assert_eq!(loaded.fingerprint().unwrap(), model.fingerprint().unwrap());
    assert_eq!(loaded.options(), model.options());
    let probabilities = loaded.classify(&survey.web).unwrap();
    assert_eq!(probabilities, model.classify(&survey.web).unwrap());
    assert!(
        probabilities
            .rows()
            .iter()
            .all(|row| (row.iter().sum::<f64>() - 1.0).abs() < 1e-12)
    );

    let ids: Vec<i64> = (0..800).map(|row| 39_000_000 + row).collect();
    let batch = probabilities.to_record_batch(&ids).unwrap();
    assert_eq!(batch.column(0).as_primitive::<Int64Type>().values().to_vec(), ids);
    for (class, name) in CLASSES.iter().enumerate() {
        let column = batch.column_by_name(name).unwrap().as_primitive::<Float64Type>();
        assert_eq!(column.value(17), probabilities.rows()[17][class]);
    }
    assert!(probabilities.to_record_batch(&ids[1..]).is_err());

    // More steps go on; another survey, or other sizes, do not.
    let longer = train(&options(30), "web", folder.path()).unwrap();
    assert_ne!(longer.fingerprint().unwrap(), model.fingerprint().unwrap());
    let at_once = train(&options(20), "again", folder.path()).unwrap();
    assert_eq!(at_once.fingerprint().unwrap(), model.fingerprint().unwrap());
    let error = train(&options(40).with_hidden(16), "web", folder.path()).unwrap_err();
    assert!(matches!(error, Error::Data { .. }), "{error}");

    // A model without its calibration is none, and a web of other features is refused.
    model.model().save(&path).unwrap();
    let error = CosmicWeb::load(&path, &device()).unwrap_err().to_string();
    assert!(error.contains("calibration"), "{error}");
    let positions = Array2::from_shape_fn((50, 3), |(row, axis)| ((row * [7, 31, 97][axis]) % 101) as f64);
    let other = WebGraph::new(positions.view(), 4, &Surroundings::default()).unwrap();
    assert!(matches!(model.classify(&other), Err(Error::Shape { .. })));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let survey = survey(4, 300);
    let refused =
        |classes: &[u8], parts: &[Option<Part>]| Labelled::new(&survey.web, classes, parts).unwrap_err().to_string();
    assert!(refused(&survey.classes[1..], &survey.parts).contains("classes"));
    assert!(refused(&survey.classes, &survey.parts[1..]).contains("parts"));
    let mut classes = survey.classes.clone();
    classes[7] = 4;
    assert!(refused(&classes, &survey.parts).contains("4 for galaxy 7"));
    let folder = tempfile::tempdir().unwrap();
    let parts = vec![Some(Part::Training); 300];
    let galaxies = Labelled::new(&survey.web, &survey.classes, &parts).unwrap();
    let error = CosmicWeb::train(&options(1), &galaxies, &device(), folder.path(), |_| {}).unwrap_err();
    assert!(error.to_string().contains("without validation"), "{error}");

    let positions = Array2::<f64>::zeros((3, 3));
    for surroundings in [
        Surroundings::default().with_neighbours([0]),
        Surroundings::default().with_moments([0]),
        Surroundings::default().with_radii([2.0, 1.0]),
        Surroundings::default().with_radii([f64::NAN]),
    ] {
        surroundings.measure(positions.view()).unwrap_err();
    }
    for (cube, buffer) in [(0.0, 0.0), (f64::NAN, 0.0), (1.0, 1.5), (1.0, -0.1)] {
        SpatialSplit::new(cube, buffer).parts(positions.view()).unwrap_err();
    }
    let mut lost = positions.clone();
    lost[[2, 1]] = f64::NAN;
    for error in [
        SpatialSplit::new(1.0, 0.1).parts(lost.view()).unwrap_err(),
        Surroundings::default().measure(lost.view()).unwrap_err(),
    ] {
        assert!(matches!(error, Error::Position { row: 2, .. }), "{error}");
    }
    let features = Surroundings::default().measure(positions.view()).unwrap();
    assert!(
        features.iter().all(|x| x.is_finite()),
        "three galaxies in one place: {features}"
    );
    assert_eq!(
        Surroundings::default()
            .measure(positions.slice(ndarray::s![..0, ..]))
            .unwrap()
            .dim(),
        (0, 17)
    );
    assert_eq!(
        Surroundings::default()
            .measure(positions.slice(ndarray::s![..1, ..]))
            .unwrap()
            .dim(),
        (1, 17)
    );
    let further = Array2::from_elem((300, 1), f32::INFINITY);
    let error = survey
        .web
        .clone()
        .with_features(further.view())
        .unwrap_err()
        .to_string();
    assert!(error.contains("inf in row 0"), "{error}");
    assert!(
        survey
            .web
            .clone()
            .with_features(further.slice(ndarray::s![1.., ..]))
            .is_err()
    );
}

#[test]
fn scores_are_those_of_their_formulas() {
    // By hand, 2 TP / (2 TP + FP + FN).
    let truth = [0, 0, 0, 1, 1, 2, 2, 2, 2, 3];
    let given = [0, 1, 0, 1, 2, 2, 2, 0, 2, 2];
    let confusion = Confusion::of(truth.into_iter().zip(given));
    let expected = [2.0 / 3.0, 0.5, 2.0 / 3.0, 0.0];
    for (class, expected) in expected.into_iter().enumerate() {
        assert!((confusion.f1(class) - expected).abs() < 1e-12);
    }
    assert!((confusion.macro_f1() - expected.iter().sum::<f64>() / 4.0).abs() < 1e-12);
    assert!((confusion.accuracy() - 0.6).abs() < 1e-12);
    assert_eq!(Confusion::of([]).macro_f1(), 0.0);
    let table = confusion.to_string();
    assert!(
        table.contains("| filament | 4 | 25.0 % | 0.0 % | 75.0 % | 0.0 % |"),
        "{table}"
    );
}
