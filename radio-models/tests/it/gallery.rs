//! The gallery as a page: well formed, safe, small, and the same each time.

use std::fs;

use proptest::collection::vec;
use proptest::prelude::*;
use radio_models::Error;
use radio_models::gallery::{Candidate, Gallery};

/// Tags without an end in HTML; here they are written as `<br/>`.
const VOID: [&str; 4] = ["meta", "br", "input", "link"];

/// Is this one well-formed document in which every number is one? Words of the user must not contain `NaN`.
#[track_caller]
fn check(html: &str) {
    let (mut open, mut ids) = (Vec::new(), Vec::new());
    let mut rest = html.strip_prefix("<!DOCTYPE html>").unwrap();
    while let Some(start) = rest.find('<') {
        check_text(&rest[..start]);
        // A quoted attribute may hold anything but its quote and a tag.
        let end = start + rest[start..].find('>').unwrap();
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
            continue;
        }
        let name: &str = tag.split([' ', '/']).next().unwrap();
        assert!(
            name.bytes().all(|byte| byte.is_ascii_alphanumeric()) && !name.is_empty(),
            "<{tag}>"
        );
        check_attributes(tag.strip_prefix(name).unwrap().trim_end_matches('/'), &mut ids);
        assert!(!VOID.contains(&name) || tag.ends_with('/'), "<{tag}>");
        if name == "script" || name == "style" {
            let end = format!("</{name}>");
            rest = &rest[rest.find(&end).unwrap() + end.len()..];
        } else if !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{open:?} {rest}");
    let many = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), many, "an id is there twice");
}

#[track_caller]
fn check_attributes<'a>(text: &'a str, ids: &mut Vec<&'a str>) {
    let mut rest = text;
    while !rest.trim().is_empty() {
        let (name, value) = rest.split_once("=\"").unwrap();
        let (value, after) = value.split_once('"').unwrap();
        let name = name.trim();
        assert!(
            name.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-:_".contains(&byte)),
            "{name}"
        );
        assert!(!name.starts_with("on"), "{name}");
        check_text(value);
        if name == "id" {
            ids.push(value);
        }
        rest = after;
    }
}

#[track_caller]
fn check_text(text: &str) {
    assert!(!text.contains(['<', '\0', '\u{1b}', '\u{ffff}']), "{text}");
    for word in ["NaN", "inf"] {
        // As a number, not as a part of "information".
        assert!(
            !text.split(|c: char| !c.is_alphanumeric()).any(|part| part == word),
            "{text}"
        );
    }
    for entity in text.split('&').skip(1) {
        let name = entity.split_once(';').unwrap().0;
        assert!(["amp", "lt", "gt", "quot", "#39"].contains(&name), "&{entity}");
    }
}

/// A spectrum like those of a survey: a continuum, lines, noise, and bad pixels.
fn candidate(targetid: i64, score: f64, pixels: usize) -> Candidate {
    let mut state = targetid as u64 ^ 0x9e37_79b9_7f4a_7c15;
    let mut noise = || {
        // Sums of xorshift numbers are near enough to a Gaussian.
        let mut sum = -6.0;
        for _ in 0..12 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            sum += (state >> 11) as f64 / (1_u64 << 53) as f64;
        }
        sum
    };
    let wavelength: Vec<f64> = (0..pixels).map(|k| 3600.0 + 0.8 * k as f64).collect();
    let model: Vec<f32> = wavelength.iter().map(|x| (1.0 + (x / 500.0).sin()) as f32).collect();
    let flux = model.iter().map(|model| model + noise() as f32).collect();
    let sigma = (0..pixels).map(|k| if k % 97 < 3 { 0.0 } else { 1.0 }).collect();
    Candidate::new(targetid, score, wavelength, flux, sigma, model).unwrap()
}

fn one(candidate: Candidate) -> String {
    let mut gallery = Gallery::new("one").flux_unit("1e-17 erg/(s cm² Å)");
    gallery.push(candidate);
    gallery.to_html()
}

#[test]
fn a_page_holds_what_is_known() {
    let rich = candidate(39_633_345_008_634_465, 7.25, 7781)
        .with_class("QSO")
        .with_redshift(1.5)
        .with_snr(12.5)
        .with_ra_dec(187.277_915, 2.052_388)
        .with_worst(7000.0, 7025.6)
        .with_fact("survey", "main & dark");
    let html = one(rich);
    check(&html);
    for words in [
        "39633345008634465",
        "QSO",
        "1.50000",
        "12.50",
        "7.250",
        "187.27792 +2.05239",
        "12 29 06.70 +02 03 08.6",
        "7000–7026 Å",
        "rest 2800–2810 Å",
        "main &amp; dark",
        "Mg II",
        "[O II]",
        "rest-frame wavelength, Å",
        "flux, 1e-17 erg/(s cm² Å)",
        "7781 pixels, 7538 of them good",
    ] {
        assert!(html.contains(words), "{words}");
    }
    // At this redshift they are out of range.
    assert!(!html.contains("Lyα") && !html.contains("Na D"));
}

#[test]
fn nothing_comes_from_elsewhere() {
    let html = one(candidate(1, 1.0, 100).with_redshift(0.1));
    for word in ["http:", "https:", "src=", "@import", "url(", "<link"] {
        assert!(!html.contains(word), "{word}");
    }
    assert!(html.contains("default-src 'none'"));
}

#[test]
fn hostile_words_stay_words() {
    for hostile in [
        "</script><script>alert(1)</script>",
        "\" onload=\"alert(1)",
        "' onload='alert(1)",
        "]]><svg/>",
        "--><b>",
        "a\0b\u{1b}\u{ffff}",
        "&lt;&#60;&amp",
        "</title></style></svg><img/>",
        "\u{202e}txt",
        "",
    ] {
        let mut gallery = Gallery::new(hostile)
            .subtitle(hostile)
            .flux_unit(hostile)
            .acknowledge(hostile);
        gallery.push(
            candidate(-1, 1.0, 50)
                .with_class(hostile)
                .with_redshift(0.2)
                .with_fact(hostile, hostile),
        );
        gallery.push(candidate(-1, 1.0, 0).with_class(hostile));
        let html = gallery.to_html();
        check(&html);
        assert_eq!(html.matches("<script>").count(), 1, "{hostile}");
        assert_eq!(html.matches("</script>").count(), 1, "{hostile}");
        assert!(
            !html.contains("<b>") && !html.contains("<img") && !html.contains('\0'),
            "{hostile}"
        );
    }
}

#[test]
fn the_highest_score_comes_first_whatever_the_order() {
    let scores = [
        (3, 1.0),
        (1, f64::NAN),
        (4, 7.0),
        (2, 1.0),
        (5, f64::INFINITY),
        (6, -2.0),
    ];
    let page = |order: &[usize]| {
        let mut gallery = Gallery::new("order");
        gallery.extend(order.iter().map(|&k| candidate(scores[k].0, scores[k].1, 20)));
        assert_eq!((gallery.len(), gallery.is_empty()), (6, false));
        gallery.to_html()
    };
    let html = page(&[0, 1, 2, 3, 4, 5]);
    check(&html);
    let ids: Vec<&str> = html
        .split("data-id=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert_eq!(ids, ["4", "2", "3", "6", "1", "5"]);
    assert_eq!(html, page(&[5, 3, 1, 0, 2, 4]));
}

#[test]
fn a_hundred_spectra_are_a_small_file() {
    let mut gallery = Gallery::new("a hundred");
    gallery.extend((0..100).map(|k| candidate(k, k as f64, 7781).with_redshift(0.05 * k as f64)));
    let html = gallery.to_html();
    check(&html);
    assert!(html.len() < 6_500_000, "{} bytes", html.len());
    let most = html.split("<article").skip(1).map(str::len).max();
    assert!(most < Some(60_000), "{most:?} bytes in one card");
}

#[test]
fn odd_spectra_have_sensible_cards() {
    let spectrum = |wavelength: &[f64], flux: &[f32], sigma: f32| {
        let sigma = vec![sigma; flux.len()];
        one(Candidate::new(1, 1.0, wavelength.to_vec(), flux.to_vec(), sigma, flux.to_vec()).unwrap())
    };
    let none = "no good pixel";
    for (html, has_good) in [
        (spectrum(&[], &[], 1.0), false),
        (spectrum(&[5000.0], &[1.0], 1.0), true),
        (spectrum(&[5000.0], &[1.0], 0.0), false),
        (spectrum(&[5000.0, 5001.0], &[1.0, 2.0], f32::NAN), false),
        (spectrum(&[5000.0, 5001.0], &[f32::NAN, f32::INFINITY], 1.0), false),
        (spectrum(&[f64::NAN, f64::INFINITY], &[1.0, 2.0], 1.0), false),
        (spectrum(&[-5.0, 1e300], &[1.0, 2.0], 1.0), false),
        (spectrum(&[5000.0; 3], &[1.0; 3], 1.0), true),
        (
            spectrum(&[5002.0, 5001.0, 5000.0], &[f32::MAX, f32::MIN, 0.0], f32::MIN_POSITIVE),
            true,
        ),
        (spectrum(&[1.0, 1e10], &[0.0; 2], f32::MAX), true),
    ] {
        check(&html);
        assert_eq!(!html.contains(none), has_good);
    }
    check(&Gallery::new("empty").to_html());
    check(&Gallery::default().to_html());
}

#[test]
fn odd_redshifts_are_shown_but_not_used() {
    for redshift in [-1.0, -5.0, 1e9, 31.0] {
        let html = one(candidate(1, 1.0, 100).with_redshift(redshift));
        check(&html);
        assert!(
            html.contains("not used") && !html.contains("rest-frame wavelength, Å"),
            "{redshift}"
        );
    }
    for redshift in [f64::NAN, f64::INFINITY, -0.05, 0.0, 30.0] {
        check(&one(candidate(1, 1.0, 100)
            .with_redshift(redshift)
            .with_worst(f64::NAN, 1.0)
            .with_snr(redshift)));
    }
}

#[test]
fn lengths_must_agree() {
    let result = Candidate::new(1, 1.0, vec![1.0; 3], vec![1.0; 3], vec![1.0; 2], vec![1.0; 3]);
    assert!(matches!(result, Err(Error::Shape { array: "sigma", .. })));
}

#[test]
fn a_file_is_replaced_as_a_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gallery.html");
    let mut gallery = Gallery::new("first");
    gallery.write(&path).unwrap();
    gallery.push(candidate(1, 1.0, 10));
    gallery.write(&path).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), gallery.to_html());

    // A folder is in the way of the new name: what is there stays, and nothing is left beside it.
    let taken = folder.path().join("taken");
    fs::create_dir(&taken).unwrap();
    fs::write(taken.join("old"), "old").unwrap();
    assert!(matches!(gallery.write(&taken), Err(Error::File { .. })));
    assert_eq!(fs::read_to_string(taken.join("old")).unwrap(), "old");
    let missing = folder.path().join("missing").join("gallery.html");
    assert!(matches!(gallery.write(&missing), Err(Error::File { .. })));
    assert!(matches!(gallery.write(".."), Err(Error::File { .. })));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

/// Any bits at all, and more often what a survey has.
fn any_f32() -> impl Strategy<Value = f32> {
    prop_oneof![any::<u32>().prop_map(f32::from_bits), -3.0_f32..3.0, Just(0.0)]
}

fn any_f64() -> impl Strategy<Value = f64> {
    prop_oneof![any::<u64>().prop_map(f64::from_bits), 3000.0..10_000.0, -0.2..40.0]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn any_numbers_make_a_page(
        pixels in vec((any_f64(), any_f32(), any_f32(), any_f32()), 0..60),
        numbers in (any_f64(), any_f64(), any_f64(), any_f64(), any_f64(), any_f64(), any_f64()),
        words in ".*",
    ) {
        let (score, snr, redshift, ra, dec, from, to) = numbers;
        let column = |k: usize| pixels.iter().map(|p| [p.1, p.2, p.3][k]).collect::<Vec<f32>>();
        let wavelength = pixels.iter().map(|p| p.0).collect();
        let candidate = Candidate::new(i64::MIN, score, wavelength, column(0), column(1), column(2)).unwrap();
        let candidate = candidate.with_snr(snr).with_redshift(redshift).with_ra_dec(ra, dec).with_worst(from, to);
        let html = one(candidate.with_class(words.replace("NaN", "").replace("inf", "")));
        check(&html);
    }
}
