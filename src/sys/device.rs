//! Devices to train on.

use candle_core::Device;

use crate::error::{Error, Result};

/// Whether a device could have this name, here or elsewhere.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let ordinal = name.strip_prefix("cuda:").map(str::parse::<usize>);
    if matches!(name, "auto" | "cpu" | "cuda" | "metal") || matches!(ordinal, Some(Ok(_))) {
        return Ok(());
    }
    Err(Error::user(format!("no device is named `{name}`"))
        .hint("use auto, cpu, cuda, cuda:N or metal"))
}

/// The device of this name. `auto` takes CUDA or Metal where this build has it and one is there,
/// else the CPU; any other name is that device or an error.
pub(crate) fn open(name: &str) -> Result<Device> {
    check_name(name)?;
    match name {
        "cpu" => Ok(Device::Cpu),
        "auto" => Ok(cuda(0).or_else(|_| metal()).unwrap_or(Device::Cpu)),
        "metal" => metal(),
        name => cuda(name.strip_prefix("cuda:").and_then(|text| text.parse().ok()).unwrap_or(0)),
    }
}

/// `cpu`, `cuda:0` or `metal`.
pub(crate) fn name(device: &Device) -> String {
    match device.location() {
        candle_core::DeviceLocation::Cpu => "cpu".into(),
        candle_core::DeviceLocation::Cuda { gpu_id } => format!("cuda:{gpu_id}"),
        candle_core::DeviceLocation::Metal { gpu_id } => format!("metal:{gpu_id}"),
    }
}

fn cuda(ordinal: usize) -> Result<Device> {
    if !cfg!(feature = "cuda") {
        return Err(Error::user("this build of mlx has no CUDA")
            .hint("use `--device cpu`, or build with `cargo install --path . --features cuda`"));
    }
    Device::new_cuda(ordinal).map_err(|error| {
        Error::user(format!("cannot use CUDA device {ordinal}: {error}"))
            .hint("see what is there: `mlx doctor`")
    })
}

fn metal() -> Result<Device> {
    if !cfg!(feature = "metal") {
        return Err(Error::user("this build of mlx has no Metal").hint(
            "use `--device cpu`, or on a Mac build with `cargo install --path . --features metal`",
        ));
    }
    Device::new_metal(0).map_err(|error| {
        Error::user(format!("cannot use the Metal device: {error}"))
            .hint("see what is there: `mlx doctor`")
    })
}
