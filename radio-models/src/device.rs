//! From a name in a configuration file to a device.

use burn::tensor::Device;

use crate::error::{Error, Result};

/// Finds a device by its name.
///
/// | name | runs on | feature |
/// |---|---|---|
/// | `cpu` or `flex` | all cores, pure Rust | `flex` |
/// | `tch`, `tch:cuda`, `tch:cuda:1` | LibTorch, on the CPU or a CUDA card | `tch` |
/// | `vulkan`, `vulkan:1` | a graphics card through Vulkan | `vulkan` |
/// | `wgpu`, `wgpu:1` | a graphics card through the first of Vulkan, Metal and others that the machine has | `wgpu` |
/// | `cuda`, `cuda:1` | an NVIDIA card through CubeCL | `cuda` |
///
/// Cards count from 0; for `vulkan` and `wgpu` only discrete ones count. Without a number these two take the device
/// that the library prefers, which may be part of the processor.
///
/// The name says which library computes: features only decide what is compiled in. The one choice left open is that of
/// `wgpu`, which settles on a graphics API by itself, and that depends on the machine and on the features; `vulkan` is
/// Vulkan or fails. Whether the card is there is found out when it is first used.
///
/// # Errors
///
/// [`Error::Device`] for a name that is not in the table, or whose feature is off.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "flex")] {
/// assert!(radio_models::device("cpu")? == radio_models::device("flex")?);
/// # }
/// let error = radio_models::device("abacus").unwrap_err();
/// assert!(error.to_string().starts_with("no device \"abacus\""));
/// # Ok::<(), radio_models::Error>(())
/// ```
pub fn device(name: &str) -> Result<Device> {
    let (library, card) = split_card(name)?;
    match (library, card) {
        ("cpu" | "flex", None) => flex(name),
        ("tch", None) => tch(name, None),
        ("tch:cuda", card) => tch(name, Some(card.unwrap_or(0))),
        ("vulkan", card) => vulkan(name, card),
        ("wgpu", card) => wgpu(name, card),
        ("cuda", card) => cuda(name, card.unwrap_or(0)),
        _ => Err(unknown(name)),
    }
}

/// `vulkan:1` is `vulkan` and card 1; a name without a number at its end has no card.
fn split_card(name: &str) -> Result<(&str, Option<usize>)> {
    match name.rsplit_once(':') {
        Some((library, number)) if number.starts_with(|c: char| c.is_ascii_digit()) => {
            let card = number.parse().map_err(|_| unknown(name))?;
            Ok((library, Some(card)))
        }
        _ => Ok((name, None)),
    }
}

fn unknown(name: &str) -> Error {
    let help = "known are cpu, tch, tch:cuda:N, vulkan:N, wgpu:N and cuda:N, where N counts cards from 0";
    Error::Device {
        name: name.to_owned(),
        help: help.to_owned(),
    }
}

#[allow(dead_code, reason = "unused where every back end is compiled in")]
fn feature_off(name: &str, feature: &str) -> Error {
    Error::Device {
        name: name.to_owned(),
        help: format!("build radio-models with its feature {feature:?}"),
    }
}

#[cfg(feature = "flex")]
#[allow(clippy::unnecessary_wraps, reason = "the same signature as without the feature")]
fn flex(_name: &str) -> Result<Device> {
    Ok(Device::flex())
}

#[cfg(not(feature = "flex"))]
fn flex(name: &str) -> Result<Device> {
    Err(feature_off(name, "flex"))
}

#[cfg(feature = "tch")]
#[allow(clippy::unnecessary_wraps, reason = "the same signature as without the feature")]
#[expect(
    deprecated,
    reason = "burn drops LibTorch after 0.22; until then it is the CUDA path that builds offline"
)]
fn tch(_name: &str, card: Option<usize>) -> Result<Device> {
    Ok(card.map_or_else(Device::libtorch, Device::libtorch_cuda))
}

/// Is it LibTorch on the CPU, with or without autodiff?
#[cfg(feature = "tch")]
pub(crate) fn is_tch_cpu(device: &Device) -> bool {
    tch("tch", None).is_ok_and(|tch| device.clone().inner() == tch)
}

#[cfg(not(feature = "tch"))]
fn tch(name: &str, _card: Option<usize>) -> Result<Device> {
    Err(feature_off(name, "tch"))
}

#[cfg(any(feature = "vulkan", feature = "wgpu"))]
fn kind(card: Option<usize>) -> burn::tensor::DeviceKind {
    card.map_or(
        burn::tensor::DeviceKind::DefaultDevice,
        burn::tensor::DeviceKind::DiscreteGpu,
    )
}

#[cfg(feature = "vulkan")]
#[allow(clippy::unnecessary_wraps, reason = "the same signature as without the feature")]
fn vulkan(_name: &str, card: Option<usize>) -> Result<Device> {
    Ok(Device::vulkan(kind(card)))
}

#[cfg(not(feature = "vulkan"))]
fn vulkan(name: &str, _card: Option<usize>) -> Result<Device> {
    Err(feature_off(name, "vulkan"))
}

#[cfg(feature = "wgpu")]
#[allow(clippy::unnecessary_wraps, reason = "the same signature as without the feature")]
fn wgpu(_name: &str, card: Option<usize>) -> Result<Device> {
    Ok(Device::wgpu(kind(card)))
}

#[cfg(not(feature = "wgpu"))]
fn wgpu(name: &str, _card: Option<usize>) -> Result<Device> {
    Err(feature_off(name, "wgpu"))
}

#[cfg(feature = "cuda")]
#[allow(clippy::unnecessary_wraps, reason = "the same signature as without the feature")]
fn cuda(_name: &str, card: usize) -> Result<Device> {
    Ok(Device::cuda(card))
}

#[cfg(not(feature = "cuda"))]
fn cuda(name: &str, _card: usize) -> Result<Device> {
    Err(feature_off(name, "cuda"))
}
