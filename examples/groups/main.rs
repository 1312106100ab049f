//! Groups of galaxies in a redshift survey: found, measured, recorded and drawn.
//!
//! ```text
//! cargo run --release -p radio-examples --example groups                              # a mock survey, whose groups are known
//! cargo run --release -p radio-examples --example groups -- --catalog FOLDER          # Parquet tiles or a HATS collection
//! ```
//!
//! Every galaxy of a catalogue with right ascension, declination and redshift gets the number of its group, in the index. The properties of
//! the groups are in `groups.parquet`; `sky.svg` and `wedge.svg` show where the ten richest ones are. Groups of the mock are compared with
//! the true ones, and with `--tune` the linking lengths are improved on it.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

#[path = "../common/mod.rs"]
mod common;
mod sky;
mod wedge;

use std::fs::{self, File};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use ndarray::Array1;
use parquet::arrow::ArrowWriter;
use radio_fof::mock::MockSurvey;
use radio_fof::{Comparison, Cosmology, Density, Group, Groups, Mock, RedshiftFof, Survey, Tuner};
use radio_index::blocking::Index;
use radio_index::{GroupMember, KeyColumns, Run, Selection, SyncOptions};

pub(crate) use common::Result;
use common::end;

/// How many groups are printed and drawn.
pub(crate) const RICHEST: usize = 10;

/// Finds groups of galaxies by friends of friends, in a catalogue or in a mock survey.
#[derive(Debug, Parser)]
#[command(args_override_self = true)]
pub(crate) struct Options {
    /// Folder of Parquet files with ra, dec and z (HATS collections, too); without it a mock survey is made
    #[arg(long, value_name = "DIR")]
    catalog: Option<PathBuf>,
    /// Galaxies of the mock survey
    #[arg(long, value_name = "N", default_value = "100000")]
    galaxies: NonZeroUsize,
    /// Linking length across the line of sight, in mean separations of galaxies
    #[arg(long, value_name = "B0", default_value_t = 0.06)]
    b0: f64,
    /// How many times longer it is along the line of sight
    #[arg(long, value_name = "R0", default_value_t = 18.0)]
    r0: f64,
    /// Where the mean density of galaxies comes from
    #[arg(long, value_enum, default_value_t = From::Fitted)]
    density: From,
    /// Solid angle of the survey; by default as the index counts it
    #[arg(long, value_name = "SQUARE_DEGREES")]
    area: Option<f64>,
    /// Nearer galaxies are left out: their redshifts are no distances
    #[arg(long, value_name = "Z", default_value_t = 0.005)]
    min_redshift: f64,
    /// Hubble constant, km/s/Mpc
    #[arg(long, value_name = "H0", default_value_t = 70.0)]
    h0: f64,
    /// Density of matter, of a flat universe
    #[arg(long, value_name = "OMEGA", default_value_t = 0.3)]
    omega_m: f64,
    /// Find the groups that Nessie finds with these numbers
    #[arg(long)]
    nessie: bool,
    /// Improve b0 and r0 on the mock first
    #[arg(long, conflicts_with = "catalog")]
    tune: bool,
    /// Folder for everything that is made
    #[arg(long, value_name = "DIR", default_value = "radio-groups")]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum From {
    /// The same everywhere: galaxies over volume
    Even,
    /// In a window of 40 Mpc
    Measured,
    /// Smoothed with a Gaussian of 40 Mpc
    Smoothed,
    /// A curve through the redshift distribution
    Fitted,
}

fn main() -> std::process::ExitCode {
    end(run(&Options::parse()).map(|_| ()))
}

/// Galaxies to be grouped.
pub(crate) struct Galaxies {
    ids: Vec<i64>,
    pub(crate) ra: Vec<f64>,
    pub(crate) dec: Vec<f64>,
    pub(crate) z: Vec<f64>,
    /// Where they are known.
    magnitude: Option<Vec<f64>>,
    truth: Option<Array1<i64>>,
    area: f64,
}

impl Galaxies {
    fn survey(&self) -> Survey<'_> {
        let survey = Survey::new(&self.ra, &self.dec, &self.z);
        match &self.magnitude {
            Some(magnitude) => survey.absolute_magnitudes(magnitude),
            None => survey,
        }
    }
}

/// The groups, richest first.
pub(crate) fn run(options: &Options) -> Result<Vec<Group>> {
    fs::create_dir_all(&options.out).map_err(|e| format!("{}: {e}", options.out.display()))?;
    let index = Index::open(&format!("sqlite:{}", options.out.join("index.db").display()))?;
    let cosmology = Cosmology::flat(options.h0, options.omega_m)?;
    let galaxies = options.galaxies(&index)?;
    if galaxies.z.is_empty() {
        return Err("no galaxy has a position and a redshift in the range".into());
    }
    println!(
        "{} galaxies on {:.0} square degrees, redshifts {:.3} to {:.3}",
        galaxies.z.len(),
        galaxies.area,
        galaxies.z.iter().copied().fold(f64::INFINITY, f64::min),
        galaxies.z.iter().copied().fold(0.0, f64::max)
    );
    let mut fof = RedshiftFof::new(options.b0, options.r0, options.density(&galaxies, &cosmology)).cosmology(cosmology);
    if options.nessie {
        fof = fof.nessie_compatible();
    }
    if let (true, Some(truth)) = (options.tune, &galaxies.truth) {
        let started = Instant::now();
        let mock = Mock::new(galaxies.survey(), truth.view());
        let tuned = Tuner::new(fof).min_members(5).tune(&[mock])?;
        println!(
            "tuned to b0 = {:.4}, r0 = {:.2} in {} runs, {:.1} s",
            tuned.b0,
            tuned.r0,
            tuned.runs,
            started.elapsed().as_secs_f64()
        );
        fof = tuned.fof;
    }

    let started = Instant::now();
    let labels = fof.link(&galaxies.survey())?;
    let seconds = started.elapsed().as_secs_f64();
    let members = Groups::from_labels(labels.view())?;
    println!(
        "{} galaxies in {} groups, {} outside, in {seconds:.3} s",
        galaxies.z.len() - members.isolated().len(),
        members.len(),
        members.isolated().len()
    );
    if let Some(truth) = &galaxies.truth {
        let comparison = Comparison::new(labels.view(), truth.view(), 5)?;
        let [found, true_ones] = [comparison.found, comparison.truth];
        println!(
            "of {} groups with five members or more {:.1} % match a true one, of {} true ones {:.1} %; purity {:.1} % and {:.1} %; S_tot {:.3}",
            found.groups,
            100.0 * found.bijective,
            true_ones.groups,
            100.0 * true_ones.bijective,
            100.0 * found.purity,
            100.0 * true_ones.purity,
            comparison.s_total()
        );
    }

    let mut groups = members.properties(&galaxies.survey(), &cosmology)?;
    options.write(&groups)?;
    let run = Run::new(format!("fof-{}-{}", options.b0, options.r0)).with_options(format!("{fof:?}"));
    let of_galaxies = galaxies.ids.iter().zip(&labels);
    index.record_groups(
        &run,
        of_galaxies.map(|(&targetid, &group_id)| GroupMember { targetid, group_id }),
    )?;

    groups.sort_by_key(|group| std::cmp::Reverse(group.size));
    let richest = &groups[..groups.len().min(RICHEST)];
    print_table(richest);
    let picture = sky::draw(&galaxies, &members, richest);
    let file = options.out.join("sky.svg");
    svg::save(&file, &picture).map_err(|e| format!("{}: {e}", file.display()))?;
    let picture = wedge::draw(&galaxies, &members, richest, &cosmology);
    let file = options.out.join("wedge.svg");
    svg::save(&file, &picture).map_err(|e| format!("{}: {e}", file.display()))?;
    println!(
        "\nin {}: groups.parquet, index.db, sky.svg, wedge.svg",
        options.out.display()
    );
    Ok(groups)
}

fn print_table(groups: &[Group]) {
    println!("\nThe richest groups:\n");
    println!("| group | members | ra | dec | z | σ km/s | R50 Mpc | mass M☉ |");
    println!("|------:|--------:|---:|----:|--:|-------:|--------:|--------:|");
    for group in groups {
        println!(
            "| {} | {} | {:.3} | {:.3} | {:.4} | {:.0} | {:.2} | {:.1e} |",
            group.group_id,
            group.size,
            group.ra,
            group.dec,
            group.z,
            group.velocity_dispersion_km_s,
            group.r50_mpc,
            group.dynamical_mass_msun
        );
    }
}

impl Options {
    fn galaxies(&self, index: &Index) -> Result<Galaxies> {
        let Some(catalog) = &self.catalog else {
            let mock = MockSurvey::new(self.galaxies.get()).make()?;
            return Ok(Galaxies {
                ids: (0..i64::try_from(mock.z.len())?).collect(),
                ra: mock.ra,
                dec: mock.dec,
                z: mock.z,
                magnitude: Some(mock.absolute_magnitude),
                truth: Some(mock.halo),
                area: self.area.unwrap_or(mock.area_square_degrees),
            });
        };
        let columns = KeyColumns::default().with_numbered_rows();
        let report = index.sync(&SyncOptions::new(catalog).with_columns(columns))?;
        for failure in &report.failed {
            eprintln!("left out: {failure:?}");
        }
        let selection = Selection::objects(Selection::all()).redshift(self.min_redshift..10.0);
        let positions = index.positions(&selection)?;
        let area = index.sky(&selection)?.area_square_degrees();
        Ok(Galaxies {
            ids: positions.targetid,
            ra: positions.ra,
            dec: positions.dec,
            z: positions.z,
            magnitude: None,
            truth: None,
            area: self.area.unwrap_or(area),
        })
    }

    fn density(&self, galaxies: &Galaxies, cosmology: &Cosmology) -> Density {
        let area = galaxies.area;
        match self.density {
            From::Measured => Density::measured(area),
            From::Smoothed => Density::smoothed(area),
            From::Fitted => Density::fitted(area),
            From::Even => {
                let near = galaxies.z.iter().copied().fold(f64::INFINITY, f64::min);
                let far = galaxies.z.iter().copied().fold(0.0, f64::max);
                let steradians = area * 1_f64.to_radians().powi(2);
                let volume = steradians * cosmology.comoving_volume_mpc3_per_sr(near, far);
                Density::Constant(galaxies.z.len() as f64 / volume)
            }
        }
    }

    fn write(&self, groups: &[Group]) -> Result<()> {
        let path = self.out.join("groups.parquet");
        let file = File::create(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let batch = Group::to_record_batch(groups)?;
        let mut writer = ArrowWriter::try_new(file, batch.schema(), None)?;
        writer.write(&batch)?;
        writer.close()?;
        Ok(())
    }
}
