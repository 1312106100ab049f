//! The spectra of a survey, some of them with an anomaly that was put in.

use std::sync::Arc;

use radio_index::ReadPlan;
use radio_io::{BadTiles, ReadOptions, Reader, SpectrumBatch};
use radio_models::injection::{Donor, Injector, InjectorOptions, Label, Spectrum};
use radio_models::{Part, Position, Tokens};
use radio_tokenize::{TokenBatch, Tokenizer};

use super::common::{ahead, as_tokens, cut, part_of};
use super::{Options, Result, SPLIT};

/// Pixels of a token.
const PATCH: usize = 32;
/// Pixels of a DESI spectrum: shorter ones are filled up, so that one model fits all.
const PIXELS: usize = 7781;
/// Bright spectra that blends are made with.
const DONORS: usize = 200;
/// Least S/N of a pixel of theirs.
const DONOR_SNR: f32 = 5.0;

/// Where spectra come from, and what is put into them.
#[derive(Clone)]
pub(crate) struct Survey {
    pub(crate) plan: ReadPlan,
    pub(crate) read: ReadOptions,
    tokenizer: Tokenizer,
    injector: Option<Arc<Injector>>,
    is_mock: bool,
}

/// A batch of spectra, and its tokens.
pub(crate) struct Piece {
    pub(crate) batch: SpectrumBatch,
    /// With the anomalies.
    pub(crate) flux: Vec<f32>,
    pub(crate) tokens: Tokens<'static>,
    /// What was put into each spectrum.
    pub(crate) labels: Vec<Label>,
    /// By which the flux of each spectrum was divided, after the offset was subtracted.
    pub(crate) scale: Vec<[f32; 2]>,
}

impl Survey {
    pub(crate) fn new(plan: &ReadPlan, options: &Options) -> Result<Self> {
        let read = ReadOptions::default()
            .with_bad_tiles(BadTiles::Skip)
            .with_batch_rows(256.try_into()?);
        // DESI's tiles have their names for what was observed, SDSS' others, and some have none.
        let names: [&[&str]; 3] = [&["spectype", "z", "target_ra", "target_dec"], &["CLASS", "Z"], &[]];
        let mut found = None;
        for columns in names {
            let read = read.clone().with_columns(columns.iter().copied());
            // A tile without these columns is skipped.
            let has_rows =
                |batch: &radio_io::Result<SpectrumBatch>| batch.as_ref().map_or(true, |batch| !batch.is_empty());
            if let Some(first) = Reader::new(plan, read.clone())?.find(has_rows).transpose()? {
                found = Some((read, first));
                break;
            }
        }
        let (read, first) = found.ok_or("no tile has a spectrum that can be read")?;
        let longest = first.spectra().map(|spectrum| spectrum.flux.len()).max();
        let tokenizer = Tokenizer::new(PATCH);
        let tokens = tokenizer.tokens(longest.unwrap_or_default().max(PIXELS));
        let mut survey = Self {
            plan: plan.clone(),
            read,
            tokenizer: tokenizer.min_tokens(tokens),
            injector: None,
            is_mock: options.tiles.is_none(),
        };
        if options.scorer.is_none() {
            let donors = survey.donors(options.seed)?;
            let settings = InjectorOptions::default()
                .with_seed(options.seed)
                .with_fraction(options.fraction)
                .with_amplitudes(options.amplitudes[0], options.amplitudes[1])
                .with_donors(donors);
            survey.injector = Some(Arc::new(Injector::new(settings)?));
        }
        Ok(survey)
    }

    /// The same spectra with anomalies in another fraction of them.
    pub(crate) fn with_fraction(&self, fraction: f64) -> Result<Self> {
        let mut survey = self.clone();
        if let Some(injector) = &self.injector {
            let options = injector.options().clone().with_fraction(fraction);
            survey.injector = Some(Arc::new(Injector::new(options)?));
        }
        Ok(survey)
    }

    /// Tokens of a spectrum, pixels of a token.
    pub(crate) fn shape(&self) -> [usize; 2] {
        [self.tokenizer.tokens(PIXELS), PATCH]
    }

    /// What was put into the spectra, in words.
    pub(crate) fn injected(&self) -> String {
        let Some(injector) = &self.injector else {
            return "as it is".to_owned();
        };
        let options = injector.options();
        format!(
            "anomalies in {} of the spectra, {} to {} σ, seed {}",
            options.fraction, options.amplitudes.0, options.amplitudes.1, options.seed
        )
    }

    pub(crate) fn credit(&self) -> &'static str {
        if self.is_mock {
            "Mock spectra of radio-io: no telescope saw these"
        } else {
            ""
        }
    }

    /// The batches of a pass, from a position on.
    pub(crate) fn pieces(
        &self,
        plan: &ReadPlan,
        read: &ReadOptions,
        position: Position,
    ) -> Result<impl Iterator<Item = Result<Piece>> + use<>> {
        let read = read.clone().with_epoch(position.epoch);
        let start = Reader::new(plan, read.clone())?.state().at(position.batch);
        let (tokenizer, injector) = (self.tokenizer.clone(), self.injector.clone());
        let reader = Reader::resume(plan, read, &start)?;
        let pieces = reader.map(move |batch| Piece::new(batch?, &tokenizer, injector.as_deref()));
        Ok(ahead(pieces))
    }

    /// The same, for a model.
    pub(crate) fn tokens(
        &self,
        plan: &ReadPlan,
        read: &ReadOptions,
        position: Position,
    ) -> Result<impl Iterator<Item = Result<Tokens<'static>>> + use<>> {
        Ok(self.pieces(plan, read, position)?.map(|piece| Ok(piece?.tokens)))
    }

    /// Bright spectra of tiles that are for training.
    fn donors(&self, seed: u64) -> Result<Vec<Donor>> {
        let training = part_of(&self.plan, Part::Training, seed, SPLIT);
        let mut donors = Vec::new();
        for piece in self.pieces(&training, &self.read, Position::default())? {
            let piece = piece?;
            for (row, spectrum) in piece.batch.spectra().enumerate() {
                let wavelength = spectrum.wavelength;
                if piece.tokens.snr()[row] >= DONOR_SNR && donors.len() < DONORS {
                    donors.push(Donor::new(
                        wavelength,
                        spectrum.flux,
                        spectrum.ivar,
                        Some(spectrum.mask),
                    )?);
                }
            }
            if donors.len() == DONORS {
                break;
            }
        }
        Ok(donors)
    }
}

impl Piece {
    fn new(batch: SpectrumBatch, tokenizer: &Tokenizer, injector: Option<&Injector>) -> Result<Self> {
        let mut flux = batch.flux().to_vec();
        let mut labels = vec![None; batch.len()];
        for (row, spectrum) in batch.spectra().enumerate() {
            let Some(injector) = injector else { break };
            let Some(injection) = injector.draw(batch.ids()[row]) else {
                continue;
            };
            let wavelength = spectrum.wavelength;
            let flux = &mut flux[batch.offsets()[row]..batch.offsets()[row + 1]];
            let mut spectrum = Spectrum::new(wavelength, flux, spectrum.ivar)?.with_mask(spectrum.mask)?;
            let injected = injector.inject(&injection, &mut spectrum)?;
            labels[row] = injected.map(|injected| (injected.kind, injected.amplitude));
        }
        let tokens: TokenBatch = cut(tokenizer, &batch, &flux)?;
        // Of a normalisation by patches, those of the first.
        let rows = tokens.scale.outer_iter().zip(tokens.offset.outer_iter());
        let scale = rows.map(|(scale, offset)| [scale[0], offset[0]]).collect();
        Ok(Self {
            scale,
            tokens: as_tokens(batch.ids(), tokens)?,
            batch,
            flux,
            labels,
        })
    }
}
