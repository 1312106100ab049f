//! Groups that Nessie found, a published implementation of Robotham et al. 2011.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use radio_fof::{Density, RedshiftFof, Survey};

use crate::oracle;

#[test]
fn small_survey_where_both_caps_are_active() {
    let table = include_str!("../golden/nessie_small.csv");
    let rows: Vec<Vec<f64>> = table
        .lines()
        .skip(2)
        .map(|line| line.split(',').map(|field| field.parse().unwrap()).collect())
        .collect();
    let column = |k: usize| -> Vec<f64> { rows.iter().map(|row| row[k]).collect() };
    let (ra, dec, z, completeness) = (column(0), column(1), column(2), column(3));
    let expected: Vec<i64> = rows.iter().map(|row| row[4] as i64).collect();
    assert_eq!(expected.len(), 800);

    let survey = Survey::new(&ra, &dec, &z).completeness(&completeness);
    let fof = RedshiftFof::new(0.06, 10.0, Density::Constant(3e-5)).nessie_compatible();
    let link = |fof: &RedshiftFof| fof.link(&survey).unwrap().to_vec();
    assert_eq!(link(&fof), oracle::canonical(&expected));
    // The caps matter here: a heavier halo finds other groups.
    assert_ne!(link(&fof.max_mass_msun(1e17)), oracle::canonical(&expected));
}

#[test]
fn sdss_dr7() {
    let (Some(catalog), Some(reference)) = (
        real_data("catalogs/sdss_dr7_vollim.fits"),
        real_data("reference/nessie_sdss_dr7_b0.06_r18.parquet"),
    ) else {
        return;
    };
    let catalog = read_fits(&catalog);
    let (rows, group_first) = read_reference(&reference);
    assert_eq!(rows.len(), 120_603);

    let column = |k: usize| -> Vec<f64> { rows.iter().map(|&row| f64::from(catalog[row][k])).collect() };
    let (z, ra, dec) = (column(0), column(1), column(2));
    let fof = RedshiftFof::new(0.06, 18.0, Density::Constant(0.001_791_13)).nessie_compatible();
    let labels = fof.link(&Survey::new(&ra, &dec, &z)).unwrap();

    // The reference names each group by its first row; a galaxy that is alone names itself.
    let mut first_of_group = Vec::new();
    for (i, &label) in labels.iter().enumerate() {
        if label == first_of_group.len() as i64 {
            first_of_group.push(i as i64);
        }
    }
    let found = labels.iter().enumerate().map(|(i, &label)| {
        if label < 0 {
            i as i64
        } else {
            first_of_group[label as usize]
        }
    });
    let differing = found
        .zip(&group_first)
        .filter(|(found, expected)| found != *expected)
        .count();
    assert_eq!(
        differing,
        0,
        "galaxies in another group than Nessie's, of {}",
        rows.len()
    );
    assert!(first_of_group.len() > 10_000, "{} groups", first_of_group.len());
}

/// A file of real data, if it is there.
fn real_data(name: &str) -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data");
    let file = PathBuf::from(std::env::var_os("RADIO_REAL_DATA").unwrap_or_else(|| default.into())).join(name);
    if !file.is_file() {
        // Past the test harness, which keeps the output of a test that passes to itself.
        let message = format!("SKIPPED: no real data at {} (set RADIO_REAL_DATA)\n", file.display());
        std::io::stderr().write_all(message.as_bytes()).unwrap();
        return None;
    }
    Some(file)
}

/// z, ra, dec and weight of a FITS file whose first extension is a binary table of four 32-bit floats.
fn read_fits(path: &Path) -> Vec<[f32; 4]> {
    const BLOCK: usize = 2880;
    const CARD: usize = 80;
    let bytes = fs::read(path).unwrap();
    let header_end = |start: usize| {
        let cards = bytes[start..]
            .chunks(CARD)
            .position(|card| card.starts_with(b"END     "))
            .unwrap()
            + 1;
        start + (cards * CARD).next_multiple_of(BLOCK)
    };
    let table = header_end(0);
    let data = header_end(table);
    let value = |key: &str| -> String {
        let card = bytes[table..data]
            .chunks(CARD)
            .find(|card| card.starts_with(format!("{key:8}=").as_bytes()))
            .unwrap();
        String::from_utf8(card[10..].to_vec())
            .unwrap()
            .split('/')
            .next()
            .unwrap()
            .trim_matches([' ', '\''])
            .to_owned()
    };
    for (k, name) in ["z", "ra", "dec", "weight"].into_iter().enumerate() {
        assert_eq!(
            (
                value(&format!("TTYPE{}", k + 1)).as_str(),
                value(&format!("TFORM{}", k + 1)).as_str()
            ),
            (name, "E")
        );
    }
    let rows: usize = value("NAXIS2").parse().unwrap();
    let float = |at: usize| f32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    (0..rows)
        .map(|row| [0, 1, 2, 3].map(|k| float(data + 16 * row + 4 * k)))
        .collect()
}

/// Rows of the catalogue, and for each the smallest row (among these) of its group.
fn read_reference(path: &Path) -> (Vec<usize>, Vec<i64>) {
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let names: Vec<String> = reader
        .metadata()
        .file_metadata()
        .schema_descr()
        .columns()
        .iter()
        .map(|c| c.name().to_owned())
        .collect();
    assert_eq!(names, ["file_row", "group_id", "group_min_row"]);
    let rows = reader.get_row_iter(None).unwrap().map(|row| {
        let row = row.unwrap();
        (row.get_long(0).unwrap() as usize, row.get_long(2).unwrap())
    });
    rows.unzip()
}
