//! Is the disk still what the index says? Nothing is changed by asking.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use serde::Serialize;

use crate::discover::{Found, tiles};
use crate::footer::{Footer, FooterReader};
use crate::keys::{Keys, pixel_of_order};
use crate::read_at::{ReadAt, State};
use crate::registry::{Known, hex, registered, row_number};
use crate::store::{Store, Tx, on};
use crate::sync::{blocking, hash_of};
use crate::{Error, KeyColumns, Result, SyncOptions};

/// Files that are looked at together.
const AT_ONCE: usize = 256;

/// How closely to look at the tiles; each depth includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Depth {
    /// Names, sizes and times: one stat per file.
    Stat,
    /// Footers: rows, columns and types.
    Footer,
    /// Key columns, row by row: ids, positions and all others.
    Content,
}

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct VerifyReport {
    /// The folder, as an absolute path without links.
    pub root: PathBuf,
    /// How closely it was looked at.
    pub depth: Depth,
    /// Files on the disk.
    pub tiles: u64,
    /// What is wrong, in the order of the paths.
    pub findings: Vec<Finding>,
}

/// One thing that is wrong with one file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// The file.
    pub uri: String,
    /// What is wrong with it.
    #[serde(flatten)]
    pub problem: Problem,
}

/// What can be wrong with a file.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "problem", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Problem {
    /// Registered, and not on the disk.
    Missing,
    /// On the disk, and not registered.
    Extra,
    /// It cannot be read: truncated, damaged, or no permission.
    Unreadable {
        /// Why.
        reason: String,
    },
    /// Its size or time is not what was registered. Deeper looks say what that means.
    Changed {
        /// Size when it was registered, bytes.
        registered_size: u64,
        /// Size now, bytes.
        size: u64,
    },
    /// Its content is what was registered, its time is not. The next sync reads it again.
    Touched,
    /// It is the file that was registered under another path: leaves were swapped, or one was copied over the other.
    Swapped {
        /// That path.
        with: String,
    },
    /// It has another number of rows.
    RowCount {
        /// Rows when it was registered.
        registered: u64,
        /// Rows now.
        found: u64,
    },
    /// Columns have other types, are new, or are gone.
    Columns {
        /// Name of the column, type when it was registered (`None`: new), type now (`None`: gone).
        changed: Vec<(String, Option<String>, Option<String>)>,
    },
    /// Its footer is another one, with the same rows and columns: it was written anew.
    Rewritten,
    /// The index holds another number of its rows than it has.
    IndexedRows {
        /// Rows in the table `galaxies`.
        indexed: u64,
        /// Rows of the file.
        found: u64,
    },
    /// Rows have other ids than in the index.
    Ids {
        /// How many.
        rows: u64,
        /// The first of them, counted from 0.
        first_row: u64,
        /// Its id in the index.
        indexed: i64,
        /// Its id in the file.
        found: i64,
    },
    /// All its rows have the same id, as after a column was overwritten with zeros.
    SameIds {
        /// That id.
        id: i64,
    },
    /// Key columns other than the id hold other values than when it was registered.
    Keys,
    /// Its path says which HEALPix pixel it is (HATS: `Norder=…/Npix=…`), and rows lie elsewhere.
    WrongPixel {
        /// How many.
        rows: u64,
        /// The first of them, counted from 0.
        first_row: u64,
        /// The pixel that its position is in, at the order of the path.
        pixel: u64,
    },
}

impl VerifyReport {
    /// Was nothing found?
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// The report as one JSON object: `root`, `depth`, `tiles`, and `findings` with `uri`, `problem` and its numbers.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the root is no UTF-8.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string_pretty(self).map_err(|e| Error::Io {
            path: self.root.clone(),
            source: e.into(),
        })
    }
}

/// What the registry says, as far as a file is compared with it.
struct Registry {
    known: HashMap<String, Known>,
    /// Columns and types, by the hash of the schema.
    schemas: HashMap<String, BTreeMap<String, String>>,
    key_columns: String,
}

pub(crate) async fn verify(store: &Store, options: &SyncOptions, depth: Depth) -> Result<VerifyReport> {
    let root = options.root.canonicalize().map_err(|source| Error::Io {
        path: options.root.clone(),
        source,
    })?;
    let without: Vec<PathBuf> = options
        .without
        .iter()
        .filter_map(|path| path.canonicalize().ok())
        .collect();
    let mut tx = store.read().await?;
    let registry = Registry {
        known: registered(store, &mut tx, &options.node, &root.to_string_lossy()).await?,
        schemas: schemas(store, &mut tx).await?,
        key_columns: hash_of(&options.columns),
    };
    let folder = root.clone();
    let found = match blocking(move || tiles(&folder, &without)).await? {
        // Here, that every file is gone is an answer.
        Err(Error::NoTiles { .. }) if !registry.known.is_empty() => Vec::new(),
        found => found?,
    };
    let mut report = VerifyReport {
        root,
        depth,
        tiles: found.len() as u64,
        findings: Vec::new(),
    };
    let on_disk: HashSet<&str> = found.iter().map(|found| found.uri.as_str()).collect();
    let missing = registry.known.keys().filter(|uri| !on_disk.contains(uri.as_str()));
    report.findings.extend(missing.map(|uri| Finding {
        uri: uri.clone(),
        problem: Problem::Missing,
    }));

    let (total, mut done) = (found.len() as u64, 0);
    let registry = std::sync::Arc::new(registry);
    let mut found = found.into_iter();
    loop {
        let some: Vec<Found> = found.by_ref().take(AT_ONCE).collect();
        if some.is_empty() {
            break;
        }
        done += some.len() as u64;
        let (registry_here, columns) = (registry.clone(), options.columns.clone());
        let looked: Vec<Looked> = blocking(move || {
            some.into_par_iter()
                .map_init(FooterReader::default, |footers, found| {
                    registry_here.look(footers, found, &columns, depth)
                })
                .collect()
        })
        .await?;
        for Looked { uri, problems, ids } in looked {
            let mut problems = problems;
            if let (Some(ids), Some(known)) = (ids, registry.known.get(&uri)) {
                problems.extend(compare_ids(store, &mut tx, known.tile, &ids).await?);
            }
            report.findings.extend(problems.into_iter().map(|problem| Finding {
                uri: uri.clone(),
                problem,
            }));
        }
        if let Some(progress) = &options.progress {
            progress(done, total);
        }
    }
    report.findings.sort_by(|a, b| a.uri.cmp(&b.uri));
    Ok(report)
}

/// A file that was looked at.
struct Looked {
    uri: String,
    problems: Vec<Problem>,
    /// The ids of its rows, where they are to be compared with the index.
    ids: Option<Vec<i64>>,
}

impl Registry {
    fn look(&self, footers: &mut FooterReader, found: Found, columns: &KeyColumns, depth: Depth) -> Looked {
        let mut looked = Looked {
            uri: found.uri,
            problems: Vec::new(),
            ids: None,
        };
        let Some(known) = self.known.get(&looked.uri) else {
            looked.problems.push(Problem::Extra);
            return looked;
        };
        let outcome = match depth {
            Depth::Stat => {
                looked
                    .problems
                    .extend(known.error.clone().map(|reason| Problem::Unreadable { reason }));
                if known.state != found.state {
                    let (registered_size, size) = (known.state.size, found.state.size);
                    looked.problems.push(Problem::Changed { registered_size, size });
                }
                Ok(())
            }
            _ => self.look_inside(footers, known, found.state, columns, depth, &mut looked),
        };
        if let Err(reason) = outcome {
            looked.problems.push(Problem::Unreadable { reason });
        }
        looked
    }

    fn look_inside(
        &self,
        footers: &mut FooterReader,
        known: &Known,
        state: State,
        columns: &KeyColumns,
        depth: Depth,
        looked: &mut Looked,
    ) -> Result<(), String> {
        let file = File::open(Path::new(&looked.uri)).map_err(|e| e.to_string())?;
        let footer = footers.read_from(&file, file.state().map_err(|e| e.to_string())?)?;
        let is_same_footer = hex(footer.hash()) == known.footer_hash;
        if !is_same_footer {
            looked.problems.extend(self.differences(known, &footer, &looked.uri));
        }
        if depth < Depth::Content {
            if is_same_footer && known.state != state {
                looked.problems.push(Problem::Touched);
            }
            return Ok(());
        }
        let keys = Keys::read(&file, &footer, columns, known.tile)?;
        looked.problems.extend(same_ids(&keys));
        looked.problems.extend(wrong_pixel(&looked.uri, &keys));
        if is_same_footer {
            // Other names of the key columns are other keys, and no change of the file.
            let has_same_names = known.key_columns == self.key_columns;
            if has_same_names && hex(keys.hash()) != known.keys_hash {
                looked.problems.push(Problem::Keys);
            } else if known.state != state {
                looked.problems.push(Problem::Touched);
            }
            looked.ids = Some(keys.targetid);
        }
        Ok(())
    }

    /// What another footer means.
    fn differences(&self, known: &Known, footer: &Footer, uri: &str) -> Vec<Problem> {
        let hash = hex(footer.hash());
        let other = self
            .known
            .iter()
            .filter(|(other, known)| *other != uri && known.footer_hash == hash);
        if let Some(with) = other.map(|(other, _)| other).min() {
            return vec![Problem::Swapped { with: with.clone() }];
        }
        let mut problems = Vec::new();
        let registered = u64::try_from(known.rows).unwrap_or_default();
        if registered != footer.rows() {
            problems.push(Problem::RowCount {
                registered,
                found: footer.rows(),
            });
        }
        if known.schema_hash != hex(footer.schema().hash) {
            let mut before = self.schemas.get(&known.schema_hash).cloned().unwrap_or_default();
            let mut changed: Vec<_> = footer
                .columns()
                .map(|(name, now)| (name.to_owned(), before.remove(name), Some(now.to_owned())))
                .filter(|(_, before, now)| before != now)
                .collect();
            changed.extend(before.into_iter().map(|(name, before)| (name, Some(before), None)));
            problems.push(Problem::Columns { changed });
        }
        if problems.is_empty() {
            problems.push(Problem::Rewritten);
        }
        problems
    }
}

/// Columns and types of every schema that was registered.
async fn schemas(store: &Store, tx: &mut Tx) -> Result<HashMap<String, BTreeMap<String, String>>> {
    const SQL: &str = "SELECT schema_hash, column_path, data_type FROM schema_columns";
    let rows: Vec<(String, String, String)> = on!(tx, connection => sqlx::query_as(SQL).fetch_all(connection).await)
        .map_err(store.failed("read the registry"))?;
    let mut schemas = HashMap::<String, BTreeMap<String, String>>::new();
    for (hash, path, data_type) in rows {
        schemas.entry(hash).or_default().insert(path, data_type);
    }
    Ok(schemas)
}

/// Are the ids of a file those of the index?
async fn compare_ids(store: &Store, tx: &mut Tx, tile: i32, ids: &[i64]) -> Result<Option<Problem>> {
    const SQL: &str = "SELECT targetid FROM galaxies WHERE galaxy >= $1 AND galaxy < $2 ORDER BY galaxy";
    let indexed: Vec<(i64,)> = on!(tx, connection => sqlx::query_as(SQL).bind(row_number(tile, 0)).bind(row_number(tile + 1, 0)).fetch_all(connection).await)
        .map_err(store.failed("read ids"))?;
    if indexed.len() != ids.len() {
        return Ok(Some(Problem::IndexedRows {
            indexed: indexed.len() as u64,
            found: ids.len() as u64,
        }));
    }
    let mut others = indexed
        .iter()
        .zip(ids)
        .enumerate()
        .filter(|(_, (indexed, found))| indexed.0 != **found);
    let first = others.next();
    let rows = 1 + others.count() as u64;
    Ok(first.map(|(row, (indexed, found))| Problem::Ids {
        rows,
        first_row: row as u64,
        indexed: indexed.0,
        found: *found,
    }))
}

fn same_ids(keys: &Keys) -> Option<Problem> {
    let (first, rest) = keys.targetid.split_first()?;
    (!rest.is_empty() && rest.iter().all(|id| id == first)).then_some(Problem::SameIds { id: *first })
}

fn wrong_pixel(uri: &str, keys: &Keys) -> Option<Problem> {
    let (order, pixel) = hats_pixel(uri)?;
    let positions = keys.ra.iter().zip(&keys.dec).enumerate();
    let mut elsewhere = positions
        .filter_map(|(row, (&ra, &dec))| Some((row, pixel_of_order(order, ra, dec)?)))
        .filter(|(_, found)| *found != pixel);
    let (row, found) = elsewhere.next()?;
    Some(Problem::WrongPixel {
        rows: 1 + elsewhere.count() as u64,
        first_row: row as u64,
        pixel: found,
    })
}

/// Order and pixel of a HATS leaf: `…/Norder=2/Dir=0/Npix=101.parquet`.
fn hats_pixel(uri: &str) -> Option<(u8, u64)> {
    let mut parts = uri.rsplit('/');
    let pixel = parts.next()?.strip_prefix("Npix=")?.split('.').next()?.parse().ok()?;
    let order = parts.find_map(|part| part.strip_prefix("Norder="))?.parse().ok()?;
    Some((order, pixel))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_say_their_pixel() {
        assert_eq!(hats_pixel("/a/dataset/Norder=2/Dir=0/Npix=101.parquet"), Some((2, 101)));
        assert_eq!(hats_pixel("/a/tile-101.parquet"), None);
        assert_eq!(hats_pixel("Npix=x.parquet"), None);
    }
}
