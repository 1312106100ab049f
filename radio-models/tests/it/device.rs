use radio_models::{Error, device};

#[track_caller]
fn refused(name: &str, help: &str) {
    let error = device(name).unwrap_err();
    assert!(matches!(error, Error::Device { .. }), "{error:?}");
    assert!(error.to_string().contains(help), "{error}");
}

#[test]
#[cfg(feature = "flex")]
fn the_cpu_has_two_names() {
    assert_eq!(device("cpu").unwrap(), device("flex").unwrap());
    assert!(!device("cpu").unwrap().is_autodiff());
}

#[test]
fn unknown_names_are_refused() {
    for name in [
        "",
        ":",
        "gpu",
        "cpu:0",
        "cpu:",
        "cuda:",
        "cuda:-1",
        "cuda:99999999999999999999",
        "tch:0",
        "CPU",
    ] {
        refused(name, "known are cpu, tch");
    }
}

#[test]
#[cfg(not(feature = "flex"))]
fn no_other_library_stands_in_for_the_cpu() {
    refused("cpu", "feature \"flex\"");
    refused("flex", "feature \"flex\"");
}

#[test]
#[cfg(not(feature = "cuda"))]
fn a_feature_that_is_off_is_named() {
    refused("cuda:0", "feature \"cuda\"");
}

#[test]
#[cfg(not(feature = "tch"))]
fn so_is_libtorch() {
    refused("tch", "feature \"tch\"");
    refused("tch:cuda:1", "feature \"tch\"");
}

#[test]
#[cfg(not(any(feature = "vulkan", feature = "wgpu")))]
fn so_are_graphics_cards() {
    refused("vulkan", "feature \"vulkan\"");
    refused("wgpu:1", "feature \"wgpu\"");
}
