//! A writer of small FITS files, for tests.

use std::fs;
use std::path::{Path, PathBuf};

/// A header of these cards, `KEYWORD=value`, and its data, filled up to whole blocks.
pub(crate) fn hdu(cards: &[String], data: &[u8]) -> Vec<u8> {
    let card = |card: &String| {
        let (keyword, value) = card.split_once('=').unwrap();
        format!("{:80}", format!("{keyword:8}= {value:>20}"))
    };
    let mut header: String = cards.iter().map(card).collect();
    header += &format!("{:80}", "END");
    let mut bytes = header.into_bytes();
    bytes.resize(bytes.len().next_multiple_of(2880), b' ');
    bytes.extend_from_slice(data);
    bytes.resize(bytes.len().next_multiple_of(2880), 0);
    bytes
}

pub(crate) fn primary() -> Vec<u8> {
    hdu(&["SIMPLE=T", "BITPIX=8", "NAXIS=0"].map(str::to_owned), &[])
}

/// An image, its fastest axis first, and further cards.
pub(crate) fn image(name: &str, bitpix: i64, axes: &[usize], more: &[&str], data: &[u8]) -> Vec<u8> {
    let mut cards = vec![
        "XTENSION='IMAGE   '".to_owned(),
        format!("BITPIX={bitpix}"),
        format!("NAXIS={}", axes.len()),
    ];
    cards.extend(
        axes.iter()
            .enumerate()
            .map(|(axis, length)| format!("NAXIS{}={length}", axis + 1)),
    );
    cards.extend([
        "PCOUNT=0".to_owned(),
        "GCOUNT=1".to_owned(),
        format!("EXTNAME='{name}'"),
    ]);
    cards.extend(more.iter().map(|&card| card.to_owned()));
    hdu(&cards, data)
}

/// A table of columns (name and TFORM), and its rows.
pub(crate) fn table(name: &str, columns: &[(&str, &str)], rows: &[Vec<u8>]) -> Vec<u8> {
    let mut cards = ["XTENSION='BINTABLE'", "BITPIX=8", "NAXIS=2"]
        .map(str::to_owned)
        .to_vec();
    cards.push(format!("NAXIS1={}", rows.first().map_or(0, Vec::len)));
    cards.push(format!("NAXIS2={}", rows.len()));
    cards.extend([
        "PCOUNT=0".to_owned(),
        "GCOUNT=1".to_owned(),
        format!("TFIELDS={}", columns.len()),
    ]);
    for (number, (column, form)) in columns.iter().enumerate() {
        cards.push(format!("TTYPE{}='{column}'", number + 1));
        cards.push(format!("TFORM{}='{form}'", number + 1));
    }
    cards.push(format!("EXTNAME='{name}'"));
    hdu(&cards, &rows.concat())
}

pub(crate) fn floats(values: impl IntoIterator<Item = f32>) -> Vec<u8> {
    values.into_iter().flat_map(f32::to_be_bytes).collect()
}

pub(crate) fn doubles(values: impl IntoIterator<Item = f64>) -> Vec<u8> {
    values.into_iter().flat_map(f64::to_be_bytes).collect()
}

/// First wavelength and pixels of DESI's arms.
pub(crate) const ARMS: [(&str, f64, usize); 3] = [("B", 3600.0, 2751), ("R", 5760.0, 2326), ("Z", 7520.0, 2881)];

/// The HDUs of a coadd of so many rows, whose arms are a tenth as long where `tenth` says so; the first is the primary one.
pub(crate) fn coadd(rows: usize, arms: &[(&str, f64, usize)]) -> Vec<Vec<u8>> {
    let fibre = |row: usize| {
        let mut bytes = (row as i64 + 1000).to_be_bytes().to_vec();
        bytes.extend(doubles([10.0 + row as f64 / 100.0, -5.0]));
        bytes.extend(b"TGT");
        bytes.extend(0i32.to_be_bytes());
        bytes
    };
    let columns = [
        ("TARGETID", "K"),
        ("TARGET_RA", "D"),
        ("TARGET_DEC", "D"),
        ("OBJTYPE", "3A"),
        ("COADD_FIBERSTATUS", "J"),
    ];
    let mut hdus = vec![
        primary(),
        table("FIBERMAP", &columns, &(0..rows).map(fibre).collect::<Vec<_>>()),
    ];
    for &(arm, start, pixels) in arms {
        let name = |part: &str| format!("{arm}_{part}");
        let count = rows * pixels;
        let grid = doubles((0..pixels).map(|pixel| start + 0.8 * pixel as f64));
        let flux = floats((0..count).map(|pixel| (pixel * 7919 % 1000) as f32 / 100.0 - 3.0));
        let ivar = floats((0..count).map(|pixel| (pixel * 104_729 % 50) as f32 / 10.0));
        let mask: Vec<u8> = (0..count)
            .flat_map(|pixel| (u32::from(pixel % 50 == 0) ^ 1 << 31).to_be_bytes())
            .collect();
        hdus.push(image(&name("WAVELENGTH"), -64, &[pixels], &["BUNIT='Angstrom'"], &grid));
        hdus.push(image(&name("FLUX"), -32, &[pixels, rows], &[], &flux));
        hdus.push(image(&name("IVAR"), -32, &[pixels, rows], &[], &ivar));
        hdus.push(image(
            &name("MASK"),
            32,
            &[pixels, rows],
            &["BSCALE=1", "BZERO=2147483648"],
            &mask,
        ));
    }
    hdus
}

pub(crate) fn write(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path
}
