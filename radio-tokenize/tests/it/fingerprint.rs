//! The canonical text of a configuration and its hash. These strings are stored beside models: they must not change
//! while the tokens do not.

use std::collections::HashSet;

use radio_tokenize::{Normalize, Tail, Tokenizer};

use crate::support::NORMALIZE;

/// The hashes were computed by a separate implementation of FNV-1a (64 bits, offset basis cbf29ce484222325, prime
/// 100000001b3) in Python.
#[track_caller]
fn check(tokenizer: &Tokenizer, text: &str, fingerprint: &str) {
    assert_eq!(tokenizer.to_string(), text);
    assert_eq!(tokenizer.fingerprint(), fingerprint);
}

#[test]
fn texts_and_hashes_are_pinned() {
    check(
        &Tokenizer::new(32),
        "radio-tokenize/1 patch=32 stride=32 tail=pad-and-mask normalize=median",
        "a7abe6f0958db296",
    );
    check(
        &Tokenizer::new(20)
            .stride(10)
            .tail(Tail::Error)
            .normalize(Normalize::WeightedMean),
        "radio-tokenize/1 patch=20 stride=10 tail=error normalize=weighted-mean",
        "22d5519d438d73ee",
    );
}

#[test]
fn every_option_counts() {
    let mut seen = HashSet::new();
    for patch in [31, 32] {
        for stride in [30, 31] {
            for tail in [Tail::PadAndMask, Tail::Drop, Tail::Error] {
                for normalize in NORMALIZE {
                    let tokenizer = Tokenizer::new(patch).stride(stride).tail(tail).normalize(normalize);
                    assert!(seen.insert(tokenizer.fingerprint()), "{tokenizer}");
                }
            }
        }
    }
}

#[test]
fn a_configuration_can_be_written_down() {
    for normalize in NORMALIZE {
        for tail in [Tail::PadAndMask, Tail::Drop, Tail::Error] {
            let tokenizer = Tokenizer::new(20)
                .stride(7)
                .tail(tail)
                .normalize(normalize)
                .min_tokens(9);
            let json = serde_json::to_string(&tokenizer).unwrap();
            assert_eq!(serde_json::from_str::<Tokenizer>(&json).unwrap(), tokenizer, "{json}");
        }
    }
    assert_eq!(
        serde_json::to_string(&Tokenizer::default()).unwrap(),
        r#"{"patch":32,"stride":32,"tail":"pad-and-mask","normalize":"median","min_tokens":0}"#
    );
}

#[test]
fn what_is_not_written_down_has_its_default() {
    let read = |text: &str| toml::from_str::<Tokenizer>(text).map_err(|error| error.message().to_owned());
    assert_eq!(read(""), Ok(Tokenizer::new(32)));
    assert_eq!(read("patch = 16"), Ok(Tokenizer::new(16)));
    let window = Normalize::RestFrameMedian {
        from: 5300.0,
        to: 5850.0,
    };
    assert_eq!(
        read("normalize = { rest-frame-median = { from = 5300.0, to = 5850.0 } }"),
        Ok(Tokenizer::default().normalize(window))
    );
    assert_eq!(
        read("patch = 0").unwrap_err().trim(),
        "option patch is 0, expected 1 to 65536 pixels"
    );
    assert!(read("pach = 16").unwrap_err().contains("unknown field `pach`"));
    assert!(read("tail = \"keep\"").unwrap_err().contains("unknown variant `keep`"));
}

#[cfg(feature = "arrow")]
proptest::proptest! {
    #![proptest_config(crate::support::fixed())]

    #[test]
    fn a_window_comes_back_to_the_last_bit(from in 1e-3..1e5_f64, ratio in 1.0001..1e3_f64) {
        let window = Normalize::RestFrameMedian { from, to: from * ratio };
        let tokenizer = Tokenizer::new(32).normalize(window);
        let json = serde_json::to_string(&tokenizer).unwrap();
        proptest::prop_assert_eq!(serde_json::from_str::<Tokenizer>(&json).unwrap(), tokenizer);
    }
}
