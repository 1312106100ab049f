use ndarray::{Array2, ShapeBuilder, array, s};
use proptest::prelude::*;
use radio_fof::{Error, Fof};

use crate::oracle;

/// Points on a line at `x`, linked at 1: do they get `labels`?
#[track_caller]
fn check(x: &[f64], labels: &[i64]) {
    let xyz = Array2::from_shape_fn((x.len(), 3), |(i, k)| if k == 0 { x[i] } else { 0.0 });
    assert_eq!(Fof::new(1.0).link(xyz.view()).unwrap().to_vec(), labels, "x = {x:?}");
}

/// Do `points` get the groups that the definition gives them?
#[track_caller]
fn check_definition(fof: &Fof, points: &[[f64; 3]], length: f64, box_size: Option<f64>, min_members: usize) {
    let are_friends = |i: usize, j: usize| {
        let d = [0, 1, 2].map(|k| {
            let d = (points[i][k] - points[j][k]).abs();
            box_size.map_or(d, |box_size| d.min(box_size - d))
        });
        d[0] * d[0] + d[1] * d[1] + d[2] * d[2] <= length * length
    };
    let expected = oracle::groups(points.len(), min_members, are_friends);
    let labels = fof
        .clone()
        .min_members(min_members)
        .link(matrix(points).view())
        .unwrap();
    assert_eq!(labels.to_vec(), expected);
}

fn matrix(points: &[[f64; 3]]) -> Array2<f64> {
    Array2::from_shape_fn((points.len(), 3), |(i, k)| points[i][k])
}

#[test]
fn chains_are_one_group() {
    check(&[], &[]);
    check(&[5.0], &[-1]);
    check(&[0.0, 0.9, 1.8, 9.0], &[0, 0, 0, -1]);
    check(&[9.0, 0.0, 9.5, 0.5], &[0, 1, 0, 1]);
    check(&[0.0, -0.0, 0.0], &[0, 0, 0]);
}

#[test]
fn exactly_one_linking_length_links() {
    check(&[0.0, 1.0], &[0, 0]);
    check(&[0.0, 1.0_f64.next_up()], &[-1, -1]);
    // Friends whose cells are not adjacent.
    check(&[0.57, 1.57, 3.0, 4.0], &[0, 0, 1, 1]);
}

#[test]
fn periodic_boxes_close_on_themselves() {
    let xyz = array![
        [0.0, 0.0, 0.0],
        [9.5, 9.5, 9.5],
        [5.0, 5.0, 5.0],
        [5.0, 9.9, 5.0],
        [5.0, 0.1, 5.0]
    ];
    let labels = Fof::new(1.0).periodic(10.0).link(xyz.view()).unwrap();
    assert_eq!(labels.to_vec(), [0, 0, -1, 1, 1]);
    // Single precision rounds the last positions up to the side of the box.
    let xyz = array![
        [10.0_f32, 0.0, 0.0],
        [0.5, 0.0, 0.0],
        [9.5, 10.0, 10.0],
        [5.0, 5.0, 5.0]
    ];
    let labels = Fof::new(0.6).periodic(10.0).link(xyz.view()).unwrap();
    assert_eq!(labels.to_vec(), [0, 0, 0, -1]);
}

#[test]
fn narrow_boxes_close_on_themselves_too() {
    // The cells of a box 6 or 7 of them wide are so much smaller than the linking length that friends can be three
    // cells apart.
    #[track_caller]
    fn check(box_size: f64, x: [f64; 2]) {
        let xyz = array![[x[0], 0.0, 0.0], [x[1], 0.0, 0.0]];
        let labels = Fof::new(1.0).periodic(box_size).link(xyz.view()).unwrap();
        assert_eq!(labels.to_vec(), [0, 0], "box of {box_size}, x = {x:?}");
    }
    check(2.9, [0.48, 1.46]);
    check(3.47, [0.4945, 1.49]);
}

#[test]
fn bad_options_are_refused() {
    #[track_caller]
    fn check(fof: &Fof, option: &str) {
        oracle::assert_option_refused(fof.link(Array2::<f64>::zeros((0, 3)).view()), option);
    }
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-200, 1e200] {
        check(&Fof::new(bad), "linking_length");
        check(&Fof::new(1.0).periodic(bad), "box_size");
    }
    check(&Fof::new(1.0).min_members(0), "min_members");

    #[track_caller]
    fn check_message(fof: &Fof, message: &str) {
        let error = fof.link(Array2::<f64>::zeros((0, 3)).view()).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
    check_message(
        &Fof::new(1.0).min_members(0),
        "option min_members is 0, expected at least 1",
    );
    check_message(
        &Fof::new(1.0).periodic(1e200),
        "option box_size is 1e200, expected positive, between 1e-150 and 1e150",
    );
}

#[test]
fn bad_data_is_refused_by_row() {
    #[track_caller]
    fn check(fof: &Fof, point: [f64; 3], message: &str) {
        let error = fof.link(matrix(&[[1.0; 3], [2.0; 3], point]).view()).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
    let open = Fof::new(0.1);
    check(
        &open,
        [0.0, f64::NAN, 0.0],
        "y at row 2 is NaN: it must be finite and within ±1e150; drop the row or repair it",
    );
    check(
        &open,
        [0.0, 0.0, f64::INFINITY],
        "z at row 2 is inf: it must be finite and within ±1e150; drop the row or repair it",
    );
    let periodic = open.periodic(3.0);
    check(
        &periodic,
        [3.1, 0.0, 0.0],
        "x at row 2 is 3.1: it must be in [0, box_size]; drop the row or wrap the position",
    );
    check(
        &periodic,
        [-0.1, 0.0, 0.0],
        "x at row 2 is -0.1: it must be in [0, box_size]; drop the row or wrap the position",
    );
    let error = Fof::new(1.0).link(Array2::<f64>::zeros((4, 2)).view()).unwrap_err();
    assert_eq!(error, Error::Shape { rows: 4, columns: 2 });
}

#[test]
fn any_memory_layout_will_do() {
    let xyz = array![[0.0, 0.0, 0.0], [0.0, 0.5, 0.0], [7.0, 0.0, 0.0]];
    let mut column_major = Array2::<f64>::zeros((3, 3).f());
    column_major.assign(&xyz);
    let reversed = xyz.slice(s![..;-1, ..]);
    assert_eq!(Fof::new(1.0).link(column_major.view()).unwrap().to_vec(), [0, 0, -1]);
    assert_eq!(Fof::new(1.0).link(reversed).unwrap().to_vec(), [-1, 0, 0]);
}

#[test]
fn crowds_and_outliers() {
    // Equal points, and as many fill values far beyond the range of the grid. Quadratic work would take ten minutes.
    const CROWD: usize = 300_000;
    let mut points = vec![[1.0, 2.0, 3.0]; CROWD];
    points.extend(vec![[1e20; 3]; CROWD]);
    let labels = Fof::new(0.5).link(matrix(&points).view()).unwrap();
    assert!(labels.iter().enumerate().all(|(i, &label)| label == (i / CROWD) as i64));
    let labels = Fof::new(0.5).link(matrix(&points[..CROWD]).view()).unwrap();
    assert!(labels.iter().all(|&label| label == 0));

    // Points all over a small box; two clouds that are just not friends; a cloud and a point far away. All as crowded.
    let mut uniform = oracle::uniform(41);
    let mut cloud = |x: f64, width: f64| -> Vec<[f64; 3]> {
        let mut at = || width * uniform();
        (0..CROWD / 3).map(|_| [x + at(), at(), at()]).collect()
    };
    let everywhere = cloud(0.0, 3.0);
    let labels = Fof::new(1.0).periodic(3.0).link(matrix(&everywhere).view()).unwrap();
    assert!(labels.iter().all(|&label| label == 0));
    let two = [cloud(0.0, 0.5), cloud(1.51, 0.5)].concat();
    let labels = Fof::new(1.0).link(matrix(&two).view()).unwrap();
    assert!(
        labels
            .iter()
            .enumerate()
            .all(|(i, &label)| label == (i / (CROWD / 3)) as i64)
    );
    let far = [cloud(0.0, 0.5), vec![[1e9, -1e12, 0.0]]].concat();
    let labels = Fof::new(1.0).link(matrix(&far).view()).unwrap();
    assert!(labels.iter().take(CROWD / 3).all(|&label| label == 0) && labels[CROWD / 3] == -1);
}

#[test]
fn threads_do_not_matter() {
    let mut uniform = oracle::uniform(7);
    let points: Vec<[f64; 3]> = (0..30_000)
        .map(|_| [(); 3].map(|()| 30.0 * uniform().powi(2)))
        .collect();
    let mut with_outlier = points.clone();
    with_outlier.push([1e12; 3]);
    let open = Fof::new(0.3);
    for (fof, points) in [
        (&open, &points),
        (&open.clone().periodic(30.0), &points),
        (&open, &with_outlier),
        // No grid is as large: the tree.
        (&open.clone().periodic(1e9), &points),
    ] {
        let xyz = matrix(points);
        let one = oracle::with_threads(1, || fof.link(xyz.view()).unwrap());
        let many = oracle::with_threads(16, || fof.link(xyz.view()).unwrap());
        assert_eq!(one, many);
        assert!(one.iter().any(|&label| label > 100), "the sample has groups");
    }
    check_definition(&Fof::new(0.3), &points[..3000], 0.3, None, 2);
    check_definition(&Fof::new(0.5).periodic(30.0), &points[..3000], 0.5, Some(30.0), 2);
}

/// Positions in [0, 4): anywhere, or on a lattice, where distances and cell borders coincide with the linking lengths.
fn coordinate() -> impl Strategy<Value = f64> {
    prop_oneof![
        0.0..4.0_f64,
        (0..16_u8).prop_map(|i| f64::from(i) / 4.0),
        Just(0.0),
        Just(4.0_f64.next_down())
    ]
}

fn points() -> impl Strategy<Value = Vec<[f64; 3]>> {
    let anywhere = prop::collection::vec([coordinate(), coordinate(), coordinate()], 0..200);
    let collinear = prop::collection::vec(coordinate().prop_map(|x| [x, x, 1.0]), 0..200);
    prop_oneof![3 => anywhere, 1 => collinear]
}

fn length() -> impl Strategy<Value = f64> {
    prop_oneof![
        0.02..2.0_f64,
        Just(0.25),
        Just(0.5),
        Just(1.0),
        Just(0.75_f64.sqrt()),
        Just(5.0)
    ]
}

proptest! {
    #![proptest_config(oracle::fixed_cases(256))]

    #[test]
    fn open_space_agrees_with_the_definition(points in points(), length in length(), min_members in 1..5_usize) {
        check_definition(&Fof::new(length), &points, length, None, min_members);
    }

    #[test]
    fn periodic_boxes_agree_with_the_definition(
        points in points(), length in length(), box_size in prop_oneof![Just(4.0), 4.0..6.0], min_members in 1..5_usize,
    ) {
        check_definition(&Fof::new(length).periodic(box_size), &points, length, Some(box_size), min_members);
    }

    #[test]
    fn narrow_boxes_agree_with_the_definition(
        length in 0.1..10.0_f64,
        lengths in prop_oneof![2.0..8.0_f64, 2.88..3.0_f64, 3.46..3.5_f64],
        start in prop::array::uniform3(0.0..1.0_f64),
        steps in prop::collection::vec((0..3_usize, 0.96..1.02_f64), 1..6),
    ) {
        // A walk along the axes, with steps of about a linking length: the farthest friends.
        let box_size = length * lengths;
        let wrap = |x: f64| x.rem_euclid(box_size).min(box_size.next_down());
        let mut points = vec![start.map(|x| wrap(x * box_size))];
        let mut last = points[0];
        for (axis, step) in steps {
            last[axis] = wrap(last[axis] + step * length);
            points.push(last);
        }
        check_definition(&Fof::new(length).periodic(box_size), &points, length, Some(box_size), 2);
    }

    #[test]
    fn crowds_agree_with_the_definition(
        clouds in prop::collection::vec((prop::array::uniform3(0.0..4.0_f64), 0.0..0.6_f64, 20..120_usize), 2..4),
        length in 0.3..1.5_f64, box_size in prop_oneof![Just(None), (4.0..5.0_f64).prop_map(Some)], seed in any::<u64>(),
    ) {
        // So many points in a cell that pairs of cells are halved.
        let mut uniform = oracle::uniform(seed);
        let mut points = Vec::new();
        for (centre, width, count) in clouds {
            points.extend((0..count).map(|_| centre.map(|x| (x + width * uniform()).min(4.0))));
        }
        let fof = Fof::new(length);
        let fof = box_size.map_or(fof.clone(), |box_size| fof.periodic(box_size));
        check_definition(&fof, &points, length, box_size, 2);
    }

    #[test]
    fn far_outliers_agree_with_the_definition(points in points(), length in length(), far in 1e8..1e12_f64) {
        let mut points = points;
        points.extend([[far, 0.0, 1.0], [far, 0.0, 1.0 + length], [-far, far, 0.0], [-far, far, 0.0]]);
        check_definition(&Fof::new(length), &points, length, None, 2);
    }

    #[test]
    fn tiny_linking_lengths_agree_with_the_definition(points in points(), length in length()) {
        // Clumps at the corners and in the middle of a box a hundred million linking lengths wide.
        let box_size = 1e8;
        let spread = |x: f64| if x < 1.5 { x } else if x < 2.5 { 0.5 * box_size + x } else { box_size + (x - 4.0) };
        let points: Vec<[f64; 3]> = points.into_iter().map(|point| point.map(|x| spread(x).min(box_size.next_down()))).collect();
        check_definition(&Fof::new(length).periodic(box_size), &points, length, Some(box_size), 2);
        check_definition(&Fof::new(length), &points, length, None, 2);
    }

    #[test]
    fn order_does_not_matter(points in points(), length in length(), seed in any::<u64>()) {
        let fof = Fof::new(length);
        let labels = fof.link(matrix(&points).view()).unwrap();
        let mut uniform = oracle::uniform(seed);
        let mut order: Vec<(f64, usize)> = (0..points.len()).map(|i| (uniform(), i)).collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0));
        let shuffled: Vec<[f64; 3]> = order.iter().map(|&(_, i)| points[i]).collect();
        let found = fof.link(matrix(&shuffled).view()).unwrap();
        let expected: Vec<i64> = order.iter().map(|&(_, i)| labels[i]).collect();
        prop_assert_eq!(found.to_vec(), oracle::canonical(&expected));
    }
}

#[test]
fn every_way_to_give_positions_is_the_same() {
    let mut uniform = oracle::uniform(3);
    let points: Vec<[f32; 3]> = (0..2000).map(|_| [(); 3].map(|()| 20.0 * uniform() as f32)).collect();
    let single = Array2::from_shape_fn((points.len(), 3), |(i, k)| points[i][k]);
    let double = single.mapv(f64::from);
    let fof = Fof::new(0.8);
    let labels = fof.link(single.view()).unwrap();
    assert!(labels.iter().any(|&label| label > 10));
    assert_eq!(fof.link(double.view()).unwrap(), labels);
    let columns: Vec<Vec<f32>> = (0..3).map(|k| single.column(k).to_vec()).collect();
    assert_eq!(fof.link([&columns[0][..], &columns[1], &columns[2]]).unwrap(), labels);
    let error = fof.link([&[0.0][..], &[0.0], &[]]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "z has 0 rows but x has 1: every column needs one value per row"
    );
}

#[test]
fn the_tree_agrees_with_the_grid_on_a_large_sample() {
    // In a box so large that there is no grid of it, the points are linked by the tree.
    let mut uniform = oracle::uniform(29);
    let mut points: Vec<[f64; 3]> = Vec::new();
    let mut centre = [0.0; 3];
    for i in 0..100_000 {
        let place = [(); 3].map(|()| 40.0 * uniform());
        if i % 50 == 0 {
            centre = place;
        }
        points.push(if i % 2 == 0 {
            place
        } else {
            centre.map(|x| x + 0.3 * uniform())
        });
    }
    let fof = Fof::new(0.15);
    let by_grid = fof.link(matrix(&points).view()).unwrap();
    let by_tree = fof.periodic(1e9).link(matrix(&points).view()).unwrap();
    assert_eq!(by_grid, by_tree);
    assert!(by_tree.iter().any(|&label| label > 1000));
}
