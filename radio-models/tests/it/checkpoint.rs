use std::fs;

use radio_models::{Autoencoder, ConvAutoencoder, ConvAutoencoderConfig, Error, Model, Trainer, TrainerOptions};

use crate::common::{device, model, small, survey};

fn load(path: &std::path::Path) -> Result<ConvAutoencoder, Error> {
    ConvAutoencoder::load(path, &device())
}

#[test]
fn a_model_comes_back_as_it_went() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let batch = survey(1, 8, 5, 8);
    model(5, 8).save(&path).unwrap();
    let mut trainer = Trainer::new(TrainerOptions::default(), model(5, 8)).unwrap();
    for _ in 0..3 {
        trainer.step(&batch.tokens()).unwrap();
    }
    let trained = trainer.finish();
    trained.save(&path).unwrap(); // in place of the first
    let loaded = load(&path).unwrap();
    assert_eq!(loaded.config(), trained.config());
    assert_eq!(
        loaded.reconstruct(&batch.tokens()).unwrap(),
        trained.reconstruct(&batch.tokens()).unwrap()
    );
    assert_eq!(loaded.fingerprint().unwrap(), trained.fingerprint().unwrap());
    assert_ne!(loaded.fingerprint().unwrap(), model(5, 8).fingerprint().unwrap());
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "nothing is left beside the file"
    );
}

#[test]
fn a_loaded_model_can_be_trained_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let batch = survey(2, 8, 5, 8);
    let step = |model: ConvAutoencoder| {
        let mut trainer = Trainer::new(TrainerOptions::default(), model).unwrap();
        trainer.step(&batch.tokens()).unwrap();
        trainer.finish().fingerprint().unwrap()
    };
    model(5, 8).save(&path).unwrap();
    assert_eq!(step(load(&path).unwrap()), step(model(5, 8)));
    assert_ne!(step(model(5, 8)), model(5, 8).fingerprint().unwrap());
}

#[test]
fn the_fingerprint_is_the_same_everywhere() {
    // Written down once: it must not change with the platform, nor with a later version.
    let config = ConvAutoencoderConfig::new(3, 4)
        .with_width(2)
        .with_hidden(3)
        .with_latent(2)
        .with_seed(1);
    assert_eq!(
        config.init(&device()).unwrap().fingerprint().unwrap(),
        "f5c0ef4191f379ae"
    );
}

#[test]
fn the_seed_makes_the_weights() {
    let fingerprint = |seed: u64| {
        let config = ConvAutoencoderConfig::new(3, 4).with_seed(seed);
        config.init(&device()).unwrap().fingerprint().unwrap()
    };
    assert_eq!(fingerprint(7), fingerprint(7));
    assert_ne!(fingerprint(7), fingerprint(8));
}

#[test]
fn damaged_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    model(5, 8).save(&path).unwrap();
    let whole = fs::read(&path).unwrap();
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    for length in [0, 3, 8, 9, header - 1, header, header + 1, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(matches!(load(&path), Err(Error::Model { .. })), "{length} bytes");
    }
    for (from, to) in [
        ("\\\"tokens\\\": 5", "\\\"tokens\\\": 9"),
        ("conv-auto", "corn-auto"),
        ("mix_in", "mix_on"),
    ] {
        let text = String::from_utf8_lossy(&whole[..header]).replace(from, to).into_bytes();
        assert_ne!(text, whole[..header], "{from} is in the header");
        fs::write(&path, [&text, &whole[header..]].concat()).unwrap();
        assert!(matches!(load(&path), Err(Error::Model { .. })), "{to}");
    }
    fs::write(&path, [0xff; 64]).unwrap();
    assert!(matches!(load(&path), Err(Error::Model { .. })));
    fs::write(&path, &whole).unwrap();
    load(&path).unwrap();
}

#[test]
fn missing_places_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nowhere").join("model.safetensors");
    for error in [
        load(&path).unwrap_err(),
        small(2, 3).init(&device()).unwrap().save(&path).unwrap_err(),
    ] {
        assert!(matches!(error, Error::File { .. }), "{error:?}");
        assert!(error.to_string().contains("nowhere"), "{error}");
    }
}
