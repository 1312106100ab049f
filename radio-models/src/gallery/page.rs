//! The document around the pictures.

use std::fmt::Write as _;

use super::Gallery;
use super::candidate::Candidate;
use super::plot::{self, Plot};
use super::spectrum::Spectrum;
use super::text::{Escaped, NOTHING, data, decimal, number, sexagesimal};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");
/// Nothing may be loaded from anywhere, whatever gets into the page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";
/// The table above the cards: the key that a column is sorted by, its name, and whether most come first.
const COLUMNS: [(&str, &str); 8] = [
    ("", "#"),
    ("", "spectrum"),
    ("id", "target"),
    ("", "class"),
    ("z", "z"),
    ("snr", "S/N"),
    ("score", "score"),
    ("worst", "worst patch, Å"),
];

/// The whole page; candidates are in the order of their ranks.
pub(super) fn html(gallery: &Gallery, ranked: &[&Candidate]) -> String {
    let (title, subtitle) = (Escaped(&gallery.title), Escaped(&gallery.subtitle));
    let mut html = format!(
        r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta http-equiv="Content-Security-Policy" content="{POLICY}"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="color-scheme" content="light dark"/>
<title>{title}</title>
<style>
{STYLE}</style>
</head>
<body>
<header class="top"><h1>{title}</h1>"#
    );
    if !gallery.subtitle.is_empty() {
        let _ = write!(html, r#"<p class="subtitle">{subtitle}</p>"#);
    }
    html.push_str("</header>\n");
    if ranked.is_empty() {
        html.push_str("<main><p>There is no candidate.</p></main>\n");
    } else {
        let (rows, cards) = rows_and_cards(ranked, &gallery.flux_unit);
        html.push_str(include_str!("toolbar.html"));
        let _ = write!(html, r#"<main>{}{rows}</tbody></table></div>"#, table_head());
        let _ = write!(html, "\n<div id=\"cards\">\n{cards}</div></main>\n");
    }
    let _ = write!(
        html,
        r#"<footer>{}<p>Wavelengths are in vacuum. A high score says that the model has not seen the like,
which is true of sky lines and cosmic rays too.</p></footer>
<script>
{SCRIPT}</script>
</body>
</html>
"#,
        match gallery.acknowledgement.as_str() {
            "" => String::new(),
            words => format!("<p>{}</p>", Escaped(words)),
        }
    );
    html
}

fn table_head() -> String {
    let mut head =
        r#"<div class="overview" tabindex="0" role="region" aria-label="All candidates"><table><thead><tr>"#.to_owned();
    for (key, name) in COLUMNS {
        let _ = match key {
            "" => write!(head, r#"<th scope="col">{name}</th>"#),
            _ => write!(head, r#"<th scope="col" data-sort="{key}">{name}</th>"#),
        };
    }
    head.push_str("</tr></thead><tbody>\n");
    head
}

fn rows_and_cards(ranked: &[&Candidate], unit: &str) -> (String, String) {
    let (mut rows, mut cards) = (String::new(), String::new());
    let most = ranked
        .iter()
        .map(|candidate| candidate.score)
        .filter(|score| score.is_finite())
        .fold(0.0, f64::max);
    for (candidate, rank) in ranked.iter().zip(1..) {
        let spectrum = Spectrum::new(candidate);
        let plot = plot::draw(candidate, &spectrum, rank, unit);
        row(
            &mut rows,
            candidate,
            rank,
            candidate.score / most,
            &plot::thumbnail(&spectrum),
        );
        card(&mut cards, candidate, rank, &plot);
    }
    (rows, cards)
}

/// A line of the table.
fn row(rows: &mut String, candidate: &Candidate, rank: usize, part: f64, thumbnail: &str) {
    let part = if part.is_finite() {
        100.0 * part.clamp(0.0, 1.0)
    } else {
        0.0
    };
    let _ = writeln!(
        rows,
        r##"<tr id="o{rank}"><td class="rank">{rank}</td><td>{thumbnail}</td>
<td><a href="#c{rank}">{}</a></td><td>{}</td><td>{}</td><td>{}</td>
<td class="score"><i style="width:{part:.0}%"></i>{}</td><td>{}</td></tr>"##,
        candidate.targetid,
        class(candidate),
        optional(candidate.redshift.map(|redshift| decimal(redshift, 5))),
        optional(candidate.snr.map(number)),
        number(candidate.score),
        optional(candidate.worst_range().map(span)),
    );
}

/// A candidate with all that is known of it.
fn card(cards: &mut String, candidate: &Candidate, rank: usize, plot: &Plot) {
    let worst = candidate.worst_range();
    let _ = write!(
        cards,
        r#"<article class="card" id="c{rank}" tabindex="-1" aria-labelledby="h{rank}" data-id="{id}"
data-class="{}" data-score="{}" data-snr="{}" data-z="{}" data-worst="{}">
<header><span class="rank">{rank}</span><h2 id="h{rank}" data-copy="">{id}</h2>"#,
        Escaped(candidate.class.as_deref().unwrap_or_default()),
        data(Some(candidate.score)),
        data(candidate.snr),
        data(candidate.redshift),
        data(worst.map(|[from, to]| from / 2.0 + to / 2.0)),
        id = candidate.targetid,
    );
    if candidate.class.is_some() {
        cards.push_str(&class(candidate));
    }
    cards.push_str(r#"</header><dl class="numbers">"#);
    measure(cards, "score", &number(candidate.score), "");
    if let Some(snr) = candidate.snr {
        measure(cards, "S/N", &number(snr), "");
    }
    if let Some(redshift) = candidate.redshift {
        let note = if candidate.usable_redshift().is_none() {
            "not used: no lines are drawn"
        } else {
            ""
        };
        measure(cards, "redshift", &decimal(redshift, 5), note);
    }
    if let Some(worst) = worst {
        let rest = candidate
            .usable_redshift()
            .map(|redshift| worst.map(|wavelength| wavelength / (1.0 + redshift)));
        let rest = rest.map(|rest| format!("rest {} Å", span(rest))).unwrap_or_default();
        measure(cards, "worst patch", &format!("{} Å", span(worst)), &rest);
    }
    if let Some((ra, dec)) = candidate.ra_dec.filter(|(ra, dec)| ra.is_finite() && dec.is_finite()) {
        let sign = if dec < 0.0 { "" } else { "+" };
        let degrees = format!(r#"<span data-copy="">{} {sign}{}</span>"#, plain(ra), plain(dec));
        let note = sexagesimal(ra, dec).unwrap_or_default();
        let _ = write!(
            cards,
            "<div><dt>RA, Dec (ICRS), degrees</dt><dd>{degrees} <small>{note}</small></dd></div>"
        );
    }
    for (name, value) in &candidate.facts {
        measure(cards, name, value, "");
    }
    let _ = write!(
        cards,
        r#"</dl><figure><div class="scroll">{}</div><figcaption>"#,
        plot.svg
    );
    for (class, meaning) in &plot.legend {
        let sample = sample(class);
        let _ = write!(
            cards,
            r#"<span><svg viewBox="0 0 22 12" aria-hidden="true">{sample}</svg>{meaning}</span>"#
        );
    }
    cards.push_str("</figcaption></figure></article>\n");
}

fn measure(cards: &mut String, name: &str, value: &str, note: &str) {
    let _ = write!(cards, "<div><dt>{}</dt><dd>{}", Escaped(name), Escaped(value));
    if !note.is_empty() {
        let _ = write!(cards, " <small>{note}</small>");
    }
    cards.push_str("</dd></div>");
}

fn class(candidate: &Candidate) -> String {
    match &candidate.class {
        Some(class) => format!(r#"<span class="class">{}</span>"#, Escaped(class)),
        None => NOTHING.to_owned(),
    }
}

fn optional(text: Option<String>) -> String {
    text.unwrap_or_else(|| NOTHING.to_owned())
}

fn span([from, to]: [f64; 2]) -> String {
    format!("{}–{}", decimal(from, 0), decimal(to, 0))
}

/// Degrees with a hyphen for a minus: other programs shall understand what a reader copies.
fn plain(degrees: f64) -> String {
    if degrees.abs() < 1e9 {
        format!("{degrees:.5}")
    } else {
        format!("{degrees:.2e}")
    }
}

/// A piece of what the legend explains, 22 by 12.
fn sample(class: &str) -> String {
    let d = match class {
        "raw" | "flux" => "M1 8l3-4 3 5 3-6 4 7 3-5 4 2",
        "band" | "worst" => return format!(r#"<rect class="{class}" x="1" y="1" width="20" height="10"/>"#),
        "off" => "M7.5 9l3.5-6 3.5 6z",
        "emission" | "absorption" => return format!(r#"<g class="{class}"><path d="M11 0V12"/></g>"#),
        _ => "M1 6H21",
    };
    format!(r#"<path class="{class}" d="{d}"/>"#)
}
