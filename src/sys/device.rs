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

/// A device beside the processor, as its driver describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Accelerator {
    /// As `--device` takes it.
    pub name: String,
    pub model: String,
    pub memory_bytes: u64,
    pub free_bytes: u64,
}

/// Whether this build can use CUDA, and Metal.
pub(crate) const BUILT: [bool; 2] = [cfg!(feature = "cuda"), cfg!(feature = "metal")];

/// The CUDA devices that are there; an error where this build has no CUDA, or its driver none.
#[cfg(feature = "cuda")]
pub(crate) fn cuda_devices() -> Result<Vec<Accelerator>> {
    use candle_core::cuda_backend::cudarc::driver::{CudaContext, DriverError};

    let described = |ordinal: usize| -> std::result::Result<Accelerator, DriverError> {
        let context = CudaContext::new(ordinal)?;
        let (free, total) = context.mem_get_info()?;
        Ok(Accelerator {
            name: format!("cuda:{ordinal}"),
            model: context.name()?,
            memory_bytes: total as u64,
            free_bytes: free as u64,
        })
    };
    let found = CudaContext::device_count().and_then(|count| {
        (0..count as usize).map(described).collect::<std::result::Result<_, _>>()
    });
    found.map_err(|error| {
        Error::user(format!("CUDA does not answer: {error}"))
            .hint("see whether the driver does: `nvidia-smi`")
    })
}

/// The CUDA devices that are there; an error where this build has no CUDA, or its driver none.
#[cfg(not(feature = "cuda"))]
pub(crate) fn cuda_devices() -> Result<Vec<Accelerator>> {
    Err(cuda_not_built())
}

/// The Metal device; an error where this build has no Metal, or the machine none.
#[cfg(feature = "metal")]
pub(crate) fn metal_devices() -> Result<Vec<Accelerator>> {
    let Device::Metal(device) = metal()? else { return Ok(Vec::new()) };
    let device = device.metal_device();
    // Memory is shared with the processor; this much Metal advises to stay within.
    let memory = device.recommended_max_working_set_size() as u64;
    let used = device.current_allocated_size() as u64;
    Ok(vec![Accelerator {
        name: "metal".into(),
        model: "the Metal device".into(),
        memory_bytes: memory,
        free_bytes: memory.saturating_sub(used),
    }])
}

/// The Metal device; an error where this build has no Metal, or the machine none.
#[cfg(not(feature = "metal"))]
pub(crate) fn metal_devices() -> Result<Vec<Accelerator>> {
    Err(metal_not_built())
}

fn cuda_not_built() -> Error {
    Error::user("this build of mlx has no CUDA")
        .hint("use `--device cpu`, or build with `cargo install --path . --features cuda`")
}

fn metal_not_built() -> Error {
    Error::user("this build of mlx has no Metal").hint(
        "use `--device cpu`, or on a Mac build with `cargo install --path . --features metal`",
    )
}

fn cuda(ordinal: usize) -> Result<Device> {
    if !cfg!(feature = "cuda") {
        return Err(cuda_not_built());
    }
    Device::new_cuda(ordinal).map_err(|error| {
        Error::user(format!("cannot use CUDA device {ordinal}: {error}"))
            .hint("see what is there: `mlx doctor`")
    })
}

fn metal() -> Result<Device> {
    if !cfg!(feature = "metal") {
        return Err(metal_not_built());
    }
    Device::new_metal(0).map_err(|error| {
        Error::user(format!("cannot use the Metal device: {error}"))
            .hint("see what is there: `mlx doctor`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_build_without_cuda_says_so() {
        let said = cuda_devices().expect_err("none").to_string();
        assert_eq!(said, "this build of mlx has no CUDA");
        assert_eq!(open("cuda").expect_err("none").to_string(), said);
    }
}
