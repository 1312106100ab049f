//! The richest groups in redshift space: where they are in the survey, and each one from the side.

use radio_fof::{Cosmology, Group, Groups};
use svg::Document;
use svg::node::element::{Circle, Line, Path, Rectangle};

use super::Galaxies;
use super::sky::{COLOURS, dots, frame, text};

const WIDTH: f64 = 1040.0;
const HEIGHT: f64 = 1120.0;
/// The observer is here, and the survey above.
const OBSERVER: [f64; 2] = [WIDTH / 2.0, 620.0];
const DEPTH: f64 = 540.0;
/// Side of a panel, and what it shows: comoving Mpc across the line of sight and along it.
const PANEL: f64 = 184.0;
const ACROSS_MPC: f64 = 5.0;
const ALONG_MPC: f64 = 40.0;
/// Groups of fewer members are no landmarks.
const LANDMARK: usize = 5;

/// A wedge of right ascension and distance over a panel for each of the richest groups.
pub(crate) fn draw(galaxies: &Galaxies, members: &Groups, richest: &[Group], cosmology: &Cosmology) -> Document {
    let distance: Vec<f64> = galaxies.z.iter().map(|&z| cosmology.comoving_distance_mpc(z)).collect();
    let title = format!("The {} richest groups in redshift space", richest.len());
    let document = wedge(frame(WIDTH, HEIGHT, &title), galaxies, members, richest, &distance);
    richest.iter().enumerate().fold(document, |document, (rank, group)| {
        panel(document, rank, group, galaxies, members, &distance)
    })
}

fn wedge(
    mut document: Document,
    galaxies: &Galaxies,
    members: &Groups,
    richest: &[Group],
    distance: &[f64],
) -> Document {
    let landmarks = (0..members.len()).filter(|&group| members.members(group).len() >= LANDMARK);
    let rows: Vec<usize> = landmarks
        .flat_map(|group| members.members(group))
        .map(|&row| row as usize)
        .collect();
    let shown = richest.iter().map(|group| group.distance_mpc);
    let farthest = rows.iter().map(|&row| distance[row]).chain(shown).fold(1.0, f64::max);
    let (middle, half) = span(&galaxies.ra);
    // Half a circle at most, however wide the survey is.
    let squeeze = (85.0 / half).min(1.0);
    let widest = (squeeze * half).to_radians().sin();
    let scale = DEPTH.min((OBSERVER[0] - 40.0) / widest) / farthest;
    let place = |ra: f64, distance: f64| {
        let angle = (squeeze * shortest(ra - middle)).to_radians();
        [
            OBSERVER[0] - scale * distance * angle.sin(),
            OBSERVER[1] - scale * distance * angle.cos(),
        ]
    };
    let landmarks = (0..members.len()).filter(|&group| members.members(group).len() >= LANDMARK);
    let rows = landmarks
        .flat_map(|group| members.members(group))
        .map(|&row| row as usize);
    document = document.add(dots(
        rows.map(|row| place(galaxies.ra[row], distance[row])),
        "#aab4c4",
        1.3,
    ));
    for step in 1..=4 {
        let at = farthest * f64::from(step) / 4.0;
        let [x, y] = place(middle, at);
        document = document
            .add(
                Path::new()
                    .set("d", arc(middle, half, |ra| place(ra, at)))
                    .set("fill", "none")
                    .set("stroke", "#d5d9e2"),
            )
            .add(text(x + 4.0, y - 4.0, "small", &format!("{at:.0} Mpc")));
    }
    for side in [-half, 0.0, half] {
        let [x, y] = place(middle + side, farthest);
        let ra = (middle + side).rem_euclid(360.0);
        document = document
            .add(
                Line::new()
                    .set("x1", OBSERVER[0])
                    .set("y1", OBSERVER[1])
                    .set("x2", x)
                    .set("y2", y)
                    .set("stroke", "#d5d9e2"),
            )
            .add(text(x - 12.0, y - 18.0, "small", &format!("{ra:.0}°")));
    }
    for (rank, group) in richest.iter().enumerate() {
        let rows = rows_of(members, group);
        let [x, y] = place(group.ra, group.distance_mpc);
        document = document
            .add(dots(
                rows.iter().map(|&row| place(galaxies.ra[row], distance[row])),
                colour(rank),
                3.0,
            ))
            .add(text(x + 7.0, y - 5.0, "", &(rank + 1).to_string()));
    }
    let squeezed = if squeeze < 1.0 { ", angles squeezed" } else { "" };
    document.add(text(
        24.0,
        54.0,
        "small",
        &format!(
            "right ascension and comoving distance of all groups of {LANDMARK} or more, all declinations{squeezed}"
        ),
    ))
}

/// A group from the side: members and what is near them.
fn panel(
    document: Document,
    rank: usize,
    group: &Group,
    galaxies: &Galaxies,
    members: &Groups,
    distance: &[f64],
) -> Document {
    let left = 24.0 + (PANEL + 16.0) * (rank % 5) as f64;
    let top = 684.0 + (PANEL + 36.0) * (rank / 5) as f64;
    let place = |row: usize| {
        let across = shortest(galaxies.ra[row] - group.ra).to_radians() * group.dec.to_radians().cos();
        let x = -across * group.distance_mpc / ACROSS_MPC;
        let y = (distance[row] - group.distance_mpc) / ALONG_MPC;
        let north = (galaxies.dec[row] - group.dec).to_radians() * group.distance_mpc / ACROSS_MPC;
        let is_inside = [x, y, north].iter().all(|offset| offset.abs() <= 1.0);
        is_inside.then_some([left + 0.5 * PANEL * (1.0 + x), top + 0.5 * PANEL * (1.0 - y)])
    };
    let header = format!(
        "{}: {} members, z = {:.3}, σ {:.0}",
        rank + 1,
        group.size,
        group.z,
        group.velocity_dispersion_km_s
    );
    let mut document = document
        .add(
            Rectangle::new()
                .set("x", left)
                .set("y", top)
                .set("width", PANEL)
                .set("height", PANEL)
                .set("fill", "#f8f9fb")
                .set("stroke", "#d5d9e2"),
        )
        .add(dots((0..galaxies.z.len()).filter_map(place), "#aab4c4", 2.0))
        .add(text(left, top - 6.0, "small", &header));
    for [x, y] in rows_of(members, group).into_iter().filter_map(place) {
        document = document.add(
            Circle::new()
                .set("cx", format!("{x:.1}"))
                .set("cy", format!("{y:.1}"))
                .set("r", 2.2)
                .set("fill", colour(rank))
                .set("fill-opacity", 0.75),
        );
    }
    if rank == 0 {
        let what = format!(
            "each panel: ±{ACROSS_MPC:.0} Mpc along right ascension, ±{ALONG_MPC:.0} Mpc along the line of sight, farther up; others in grey"
        );
        document = document.add(text(left, HEIGHT - 12.0, "small", &what));
    }
    document
}

fn colour(rank: usize) -> &'static str {
    COLOURS[rank % COLOURS.len()]
}

fn rows_of(members: &Groups, group: &Group) -> Vec<usize> {
    let group = usize::try_from(group.group_id).unwrap_or(usize::MAX);
    members.members(group).iter().map(|&row| row as usize).collect()
}

/// An angle in degrees, taken the shortest way round.
fn shortest(angle: f64) -> f64 {
    (angle + 180.0).rem_euclid(360.0) - 180.0
}

/// The middle of some right ascensions and half of their width, across the widest gap.
fn span(ra: &[f64]) -> (f64, f64) {
    let mut sorted = ra.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let (Some(&first), Some(&last)) = (sorted.first(), sorted.last()) else {
        return (180.0, 1.0);
    };
    let around = (first + 360.0 - last, last);
    let (gap, end) = sorted
        .windows(2)
        .map(|pair| (pair[1] - pair[0], pair[0]))
        .fold(around, |widest, gap| if gap.0 > widest.0 { gap } else { widest });
    let width = 360.0 - gap;
    (end + gap + 0.5 * width, (0.5 * width).max(0.5))
}

fn arc(middle: f64, half: f64, place: impl Fn(f64) -> [f64; 2]) -> String {
    let point = |k: u32| place(middle - half + 2.0 * half * f64::from(k) / 60.0);
    let points: Vec<String> = (0..=60).map(point).map(|[x, y]| format!("{x:.1} {y:.1}")).collect();
    format!("M{}", points.join("L"))
}
