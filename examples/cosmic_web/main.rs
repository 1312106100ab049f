//! Voids, sheets, filaments and knots: a graph network learns them from one mock universe and finds them in another.
//!
//! ```text
//! cargo run --release -p radio-examples --example cosmic_web
//! cargo run --release -p radio-examples --example cosmic_web -- --redshift-space --survey     # as a telescope would see it
//! ```
//!
//! The galaxies of a box of 256 Mpc/h, with classes by the tidal tensor of the matter, are parted in space; a GraphSAGE learns from the larger part. It
//! is judged by the part for tests and by another universe, beside a random forest and a network that see the same features of each galaxy
//! but no neighbours. The classes are recorded in an index; `web.svg` is a slice of the other universe as it is and as the model sees it. A training that was
//! stopped goes on when it is started again.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

#[path = "../common/mod.rs"]
mod common;
mod slice;

use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use clap::{Parser, ValueEnum};
use radio_index::blocking::Index;
use radio_index::{Run, WebProbabilities};
use radio_models::mock::{RedshiftSpace, Survey, Web, WebMock};
use radio_models::web::{
    Baselines, CLASSES, Comparison, CosmicWeb, CosmicWebOptions, Labelled, SpatialSplit, Surroundings, WebGraph,
};
use radio_models::{Aggregation, Part, TrainerOptions};

pub(crate) use common::Result;
use common::{end, progress};
use slice::Slice;

/// Models make and drop large tensors all the time, which the system's allocator gives back to the system each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Learns classes of the cosmic web from a mock universe, and finds them in another.
#[derive(Debug, Parser)]
#[command(args_override_self = true)]
pub(crate) struct Options {
    /// Galaxies of each universe
    #[arg(long, value_name = "N", default_value = "100000")]
    galaxies: NonZeroUsize,
    /// Cells along a side of the box
    #[arg(long, value_name = "N", default_value = "128")]
    cells: NonZeroUsize,
    /// Side of the box, Mpc/h
    #[arg(long, value_name = "LENGTH", default_value_t = 256.0)]
    box_size: f64,
    /// Smoothing of the matter, Mpc/h
    #[arg(long, value_name = "LENGTH", default_value_t = 2.0)]
    smoothing: f64,
    /// Eigenvalue above which an axis has collapsed
    #[arg(long, value_name = "LAMBDA", default_value_t = 0.2)]
    threshold: f64,
    /// Galaxies where their redshift puts them
    #[arg(long)]
    redshift_space: bool,
    /// Only those in a cone with holes, of which some are missed
    #[arg(long)]
    survey: bool,
    /// Seed of the first universe, the split and the model; the other universe has the next one
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Neighbours in the graph
    #[arg(long, value_name = "N", default_value = "16")]
    neighbours: NonZeroUsize,
    /// Know of each galaxy no more than the distances to its 8 nearest
    #[arg(long)]
    near: bool,
    /// What is made of neighbours
    #[arg(long, value_enum, default_value_t = Of::Mean)]
    aggregation: Of,
    /// Numbers that stand for a galaxy between the layers
    #[arg(long, value_name = "N", default_value = "64")]
    hidden: NonZeroUsize,
    /// Training steps, each of 64 batches of 64 galaxies
    #[arg(long, value_name = "N", default_value = "300")]
    steps: NonZeroUsize,
    /// Where the model computes: cpu, tch, tch:cuda:0, vulkan, wgpu, cuda:0
    #[arg(long, value_name = "NAME", default_value = "cpu")]
    device: String,
    /// Folder for everything that is made
    #[arg(long, value_name = "DIR", default_value = "radio-web")]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Of {
    Mean,
    Max,
    Pool,
}

fn main() -> std::process::ExitCode {
    end(run(&Options::parse()).map(|_| ()))
}

/// A universe, and what a model may know of it.
struct Universe {
    mock: Web,
    web: WebGraph,
}

/// Judgements by the part for tests, and by another universe.
pub(crate) fn run(options: &Options) -> Result<[Comparison; 2]> {
    let device = radio_models::device(&options.device)?;
    fs::create_dir_all(&options.out).map_err(|e| format!("{}: {e}", options.out.display()))?;
    let first = options.universe(options.seed)?;
    let other = options.universe(options.seed.wrapping_add(1))?;

    let cube = options.box_size / 4.0;
    let split = SpatialSplit::new(cube, 2.0 * options.smoothing).with_seed(options.seed);
    let parts = split.parts(first.mock.positions.view())?;
    let count = |part| parts.iter().filter(|&&other| other == part).count();
    println!(
        "split into cubes of {cube} Mpc/h: {} galaxies for training, {} for validation, {} for tests, {} in the gaps",
        count(Some(Part::Training)),
        count(Some(Part::Validation)),
        count(Some(Part::Test)),
        count(None)
    );
    let galaxies = Labelled::new(&first.web, &first.mock.classes, &parts)?;

    let (started, steps) = (Instant::now(), options.steps.get());
    let bar = progress("training", steps as u64);
    let folder = options.out.join("training");
    let model = CosmicWeb::train(&options.model(), &galaxies, &device, &folder, |record| {
        bar.set_position(record.step as u64);
    })?;
    bar.finish_and_clear();
    let file = options.out.join("web.safetensors");
    model.save(&file)?;
    println!(
        "trained in {:.1} s: {}, {}",
        started.elapsed().as_secs_f64(),
        file.display(),
        folder.join("losses.svg").display()
    );

    let started = Instant::now();
    let probabilities = model.classify(&other.web)?;
    let ids: Vec<i64> = (0..i64::try_from(probabilities.rows().len())?).collect();
    let recorded = options.record(&model, &probabilities.to_record_batch(&ids)?)?;
    println!(
        "classified and recorded {recorded} galaxies of the other universe in {:.1} s",
        started.elapsed().as_secs_f64()
    );

    let all = vec![Some(Part::Test); ids.len()];
    let of_other = Labelled::new(&other.web, &other.mock.classes, &all)?;
    println!("growing a forest and training a network without neighbours ...");
    let alone = options.out.join("training-alone");
    let baselines = Baselines::train(model.options(), &galaxies, &device, alone)?;
    let comparisons = [
        baselines.compare(&model, &galaxies)?,
        baselines.compare(&model, &of_other)?,
    ];
    let mut text = String::new();
    for (what, comparison) in ["part for tests", "other universe"].iter().zip(&comparisons) {
        let confusion = &comparison.models[0].confusion;
        text.push_str(&format!("## The {what}\n\n{comparison}\nGraphSAGE:\n\n{confusion}\n"));
    }
    println!("\n{text}");
    let file = options.out.join("comparison.md");
    fs::write(&file, text).map_err(|e| format!("{}: {e}", file.display()))?;

    let picture = options.out.join("web.svg");
    let slice = Slice {
        positions: other.mock.positions.view(),
        panels: [
            ("true classes", &other.mock.classes),
            ("as GraphSAGE sees them", &probabilities.classes()),
        ],
        thickness: 0.06 * options.box_size,
    };
    svg::save(&picture, &slice.draw()).map_err(|e| format!("{}: {e}", picture.display()))?;
    println!("a slice of the other universe: {}", picture.display());
    Ok(comparisons)
}

impl Options {
    fn universe(&self, seed: u64) -> Result<Universe> {
        let started = Instant::now();
        let mut mock = WebMock::default()
            .with_galaxies(self.galaxies.get())
            .with_cells(self.cells.get())
            .with_box_size_mpc_h(self.box_size)
            .with_smoothing_mpc_h(self.smoothing)
            .with_threshold(self.threshold)
            .with_seed(seed);
        if self.survey {
            let observer = [self.box_size / 2.0, self.box_size / 2.0, -self.box_size / 4.0];
            let survey = Survey::default()
                .with_observer_mpc_h(observer)
                .with_distances_mpc_h(self.box_size / 4.0, 1.25 * self.box_size)
                .with_direction([0.0, 0.0, 1.0])
                .with_opening_deg(30.0)
                .with_holes(20)
                .with_completeness(0.9);
            mock = mock.with_survey(survey);
        }
        if self.redshift_space {
            mock = mock.with_redshift_space(if self.survey {
                RedshiftSpace::LineOfSight
            } else {
                RedshiftSpace::Axis(2)
            });
        }
        let mock = mock.make()?;
        let made = started.elapsed().as_secs_f64();
        let surroundings = if self.near {
            Surroundings::default()
                .with_neighbours([1, 2, 4, 8])
                .with_radii([])
                .with_moments([])
        } else {
            Surroundings::default()
        };
        let web = WebGraph::new(mock.positions.view(), self.neighbours.get(), &surroundings)?;
        let classes = CLASSES.iter().enumerate().map(|(class, name)| {
            let galaxies = mock
                .classes
                .iter()
                .filter(|&&other| usize::from(other) == class)
                .count();
            let share = 100.0 * galaxies as f64 / mock.classes.len().max(1) as f64;
            format!(
                "{name} {share:.1} % ({:.1} % of the volume)",
                100.0 * mock.volume_fractions[class]
            )
        });
        println!(
            "universe {seed}: {} galaxies in {made:.1} s, {} edges and {} features in {:.1} s\n  {}",
            mock.classes.len(),
            web.graph().edges(),
            web.features().ncols(),
            started.elapsed().as_secs_f64() - made,
            classes.collect::<Vec<_>>().join(", ")
        );
        Ok(Universe { mock, web })
    }

    fn model(&self) -> CosmicWebOptions {
        let defaults = CosmicWebOptions::default();
        let training: TrainerOptions = defaults.training.clone().with_steps(self.steps.get());
        defaults
            .with_aggregation(match self.aggregation {
                Of::Mean => Aggregation::Mean,
                Of::Max => Aggregation::Max,
                Of::Pool => Aggregation::Pool,
            })
            .with_hidden(self.hidden.get())
            .with_seed(self.seed)
            .with_training(training)
    }

    /// Records classes in an index, and says how many are there.
    fn record(&self, model: &CosmicWeb, classes: &RecordBatch) -> Result<usize> {
        let index = Index::open(&format!("sqlite:{}", self.out.join("index.db").display()))?;
        let ids = classes.column(0).as_primitive::<Int64Type>().values();
        let of = |name: &str| Ok::<_, String>(classes.column_by_name(name).ok_or(name)?.as_primitive::<Float64Type>());
        let columns = [of(CLASSES[0])?, of(CLASSES[1])?, of(CLASSES[2])?, of(CLASSES[3])?];
        let rows = ids.iter().enumerate().map(|(row, &targetid)| WebProbabilities {
            targetid,
            probabilities: columns.map(|column| column.value(row)),
        });
        let hash = model.fingerprint()?;
        let run = Run::new(format!("graph-sage-{hash}"))
            .with_model_hash(hash)
            .with_options(serde_json::to_string(model.options())?);
        Ok(usize::try_from(index.record_classes(&run, rows)?)?)
    }
}
