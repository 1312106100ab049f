//! Which columns of a tile hold what: the three dialects.

use arrow_schema::{DataType, Field, Schema};

use crate::arms::{self, Arm};
use crate::decode::{FLUX, ID, IVAR, MASK, WAVELENGTH};
use crate::grid::Grid;
use crate::tile::Source;
use crate::{Error, ReadOptions, Result, SpectrumColumns};

/// The columns of one tile, by their dotted paths.
#[derive(Debug)]
pub(crate) struct Columns {
    pub(crate) id: String,
    pub(crate) spectra: Spectra,
    pub(crate) more: Vec<String>,
}

#[derive(Debug)]
pub(crate) enum Spectra {
    /// All rows share a grid, which one arm covers, or several that are joined on reading.
    OnGrid { grid: Grid, arms: Vec<Arm> },
    /// Every row has a grid of its own.
    Ragged {
        flux: String,
        ivar: String,
        mask: Option<String>,
        wavelength: String,
    },
}

impl Columns {
    pub(crate) fn find(source: &Source, options: &ReadOptions) -> Result<Self> {
        let SpectrumColumns {
            id,
            flux,
            ivar,
            mask,
            wavelength,
            arms,
        } = &options.spectrum;
        let schema = source.metadata.schema();
        let missing = |column: &str, reason: String| Error::Column {
            path: source.path().to_owned(),
            column: column.into(),
            reason,
        };
        let find = |names: &[String]| names.iter().find(|name| has(schema, name)).cloned();
        let need = |column: &str, names: &[String]| {
            find(names).ok_or_else(|| missing(column, format!("not found (looked for {})", names.join(", "))))
        };
        for column in &options.columns {
            if [ID, FLUX, IVAR, MASK, WAVELENGTH].contains(&column.as_str()) {
                let reason = "every batch has a column of this name already: do not ask for it";
                return Err(missing(column, reason.into()));
            }
            if schema.field_with_name(column).is_err() {
                return Err(missing(column, "not found, but asked for".into()));
            }
        }
        let spectra = if find(flux).is_none() && arms.iter().any(|arm| has(schema, &arms::column(arm, "FLUX"))) {
            let (grid, arms) = arms::find(source, arms)?;
            Spectra::OnGrid { grid, arms }
        } else {
            let (flux, ivar, mask) = (need(FLUX, flux)?, need(IVAR, ivar)?, find(mask));
            match find(wavelength) {
                Some(wavelength) => Spectra::Ragged {
                    flux,
                    ivar,
                    mask,
                    wavelength,
                },
                None => {
                    let grid = Grid::from_metadata(schema.metadata()).map_err(|reason| missing(WAVELENGTH, reason))?;
                    let columns = [Some(flux), Some(ivar), mask];
                    let arms = vec![Arm::new(source, 0, grid.wavelength.len(), columns)];
                    Spectra::OnGrid { grid, arms }
                }
            }
        };
        Ok(Self {
            id: need(ID, id)?,
            spectra,
            more: options.columns.clone(),
        })
    }

    /// The grid that all rows share, if they do.
    pub(crate) fn grid(&self) -> Option<&Grid> {
        match &self.spectra {
            Spectra::OnGrid { grid, .. } => Some(grid),
            Spectra::Ragged { .. } => None,
        }
    }

    /// The arms that cover the grid that all rows share; none where they do not share one.
    pub(crate) fn arms(&self) -> &[Arm] {
        match &self.spectra {
            Spectra::OnGrid { arms, .. } => arms,
            Spectra::Ragged { .. } => &[],
        }
    }
}

/// Does the schema have a column with this dotted path?
pub(crate) fn has(schema: &Schema, path: &str) -> bool {
    field(schema, path).is_some()
}

/// The column with this dotted path.
pub(crate) fn field<'a>(schema: &'a Schema, path: &str) -> Option<&'a Field> {
    let mut names = path.split('.');
    let mut field = schema.field_with_name(names.next()?).ok()?;
    for name in names {
        let DataType::Struct(fields) = field.data_type() else {
            return None;
        };
        field = fields.find(name)?.1;
    }
    Some(field)
}
