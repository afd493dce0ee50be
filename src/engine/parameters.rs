//! The parameters of a net: one buffer, and what lies where in it.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard, OnceLock};

use candle_core::{DType, Device, Tensor, Var};
use rand::Rng;
use rand_distr::StandardNormal;

use super::net::{Batch, Declared, Init, Net};
use super::pass::{Gradient, Mode, Pass, Workspace};
use super::plain;
use super::precision::Precision;
use crate::error::{Error, Result};

/// A net with its parameters, which are training's variables or a package's weights.
#[derive(Clone, Debug)]
pub(crate) struct Parameters {
    net: Arc<Net>,
    flat: Var,
    workspace: Arc<Workspace>,
    fused: bool,
    /// What products are taken in while training; float32 until it is said.
    precision: Arc<OnceLock<Precision>>,
}

impl Parameters {
    /// Parameters as a net starts with them.
    pub(crate) fn init(net: &Arc<Net>, device: &Device, random: &mut impl Rng) -> Result<Self> {
        let mut flat = Vec::with_capacity(net.total());
        let mut declared: Vec<&Declared> = net.parameters().iter().collect();
        declared.sort_by_key(|declared| declared.start);
        for declared in declared {
            let mut drawn = |bound: f32| (random.random::<f32>() * 2.0 - 1.0) * bound;
            match &declared.init {
                Init::Uniform(bound) => flat.extend((0..declared.len()).map(|_| drawn(*bound))),
                Init::Values(values) => flat.extend(values),
                Init::Normal { deviation, repeats } => {
                    let each = if repeats.is_empty() { &[1][..] } else { repeats };
                    let end = flat.len() + declared.len();
                    for &times in each.iter().cycle() {
                        if flat.len() >= end {
                            break;
                        }
                        let value: f32 = random.sample(StandardNormal);
                        flat.extend(std::iter::repeat_n(value * deviation, times));
                    }
                }
                Init::Table { bound, zero_rows } => {
                    let zeros = (zero_rows * declared.shape[1]).min(declared.len());
                    flat.extend(std::iter::repeat_n(0.0, zeros));
                    flat.extend((zeros..declared.len()).map(|_| drawn(*bound)));
                }
            }
        }
        Self::new(net, flat, device)
    }

    /// From a package's weights, of which it takes those that it has a place for; one that is missing
    /// or of another shape is an error.
    pub(crate) fn from_weights(
        net: &Arc<Net>,
        weights: &BTreeMap<String, Tensor>,
        device: &Device,
    ) -> Result<Self> {
        Self::new(net, net.join(weights)?, device)
    }

    fn new(net: &Arc<Net>, flat: Vec<f32>, device: &Device) -> Result<Self> {
        let flat = Var::from_vec(flat, net.total(), device)?;
        let fused = device.is_cpu() && !uses_plain_steps();
        let workspace = Arc::default();
        Ok(Self { net: net.clone(), flat, workspace, fused, precision: Arc::default() })
    }

    /// An empty batch to fill, in memory that is used again and again: the kernel would clear fresh
    /// pages for each.
    pub(crate) fn spare_batch(&self) -> Batch {
        self.workspace.batch()
    }

    /// `[rows, outputs]` of a batch, differentiable in the parameters when training.
    pub(crate) fn forward(&self, batch: Arc<Batch>, mode: Mode) -> Result<Tensor> {
        if !self.fused {
            // Who scores takes float32 everywhere, as a package does.
            let (dropout, precision) = match mode {
                Mode::Score => (None, Precision::Float32),
                Mode::Train(key) => (Some(key), self.precision()),
            };
            return plain::forward(&self.net, &batch, self.flat.as_tensor(), dropout, precision);
        }
        let pass = Pass::new(self.net.clone(), batch, mode, self.workspace.clone());
        Ok(match mode {
            Mode::Score => self.flat.apply_op1_no_bwd(&pass)?,
            Mode::Train(_) => self.flat.apply_op1(pass)?,
        })
    }

    /// The gradient of a loss over what [`Self::forward`] gave, one number a parameter.
    pub(crate) fn gradient(&self, loss: &Tensor) -> Result<FlatGradient<'_>> {
        let store = loss.backward()?;
        if let Some(gradient) = store.get(&self.flat) {
            // Detached: a gradient holds on to the graph that made it.
            return Ok(FlatGradient::Copied(gradient.detach().to_vec1()?));
        }
        let mut gradient = self.workspace.gradient();
        if !std::mem::take(&mut gradient.fresh) {
            return Err(Error::bug("a loss that does not depend on the net has no gradient"));
        }
        Ok(FlatGradient::Shared(gradient))
    }

    /// From now on, and for good, training takes its products in this precision. Steps that are fused know
    /// float32 alone.
    pub(crate) fn train_in(&self, precision: Precision) -> Result<()> {
        if self.fused && precision != Precision::Float32 {
            return Err(Error::bug(format!("fused steps don't run in {}", precision.name())));
        }
        if *self.precision.get_or_init(|| precision) == precision {
            return Ok(());
        }
        Err(Error::bug("parameters are trained in one precision"))
    }

    fn precision(&self) -> Precision {
        self.precision.get().copied().unwrap_or_default()
    }

    /// All parameters in one row.
    pub(crate) fn flat(&self) -> &Var {
        &self.flat
    }

    /// With the fused steps, or with their plain twins.
    #[cfg(test)]
    pub(crate) fn with_fused(mut self, fused: bool) -> Self {
        self.fused = fused;
        self
    }

    /// A free parameter as a tensor that training differentiates.
    #[cfg(test)]
    pub(crate) fn tensor(&self, name: &str) -> Result<Tensor> {
        let declared = self
            .net
            .parameters()
            .iter()
            .find(|declared| declared.name == name)
            .ok_or_else(|| Error::bug(format!("the net has no parameter `{name}`")))?;
        let part = self.flat.narrow(0, declared.start, declared.len())?;
        Ok(part.reshape(declared.shape.as_slice())?)
    }

    pub(super) fn net(&self) -> &Arc<Net> {
        &self.net
    }

    /// Whether the steps run on slices, and not as tensors.
    pub(super) fn is_fused(&self) -> bool {
        self.fused
    }

    pub(crate) fn device(&self) -> &Device {
        self.flat.device()
    }

    pub(crate) fn declared(&self) -> &[Declared] {
        self.net.parameters()
    }

    pub(crate) fn count(&self) -> usize {
        self.flat.elem_count()
    }

    /// The values as they are now by name, detached from training.
    pub(crate) fn snapshot(&self) -> Result<BTreeMap<String, Tensor>> {
        self.split(&self.flat.as_tensor().detach())
    }

    /// Puts values back in place; names and shapes must be exactly those of this net.
    pub(crate) fn restore(&self, values: &BTreeMap<String, Tensor>) -> Result<()> {
        let known = |name: &String| self.declared().iter().any(|declared| declared.name == *name);
        if let Some(name) = values.keys().find(|name| !known(name)) {
            return Err(Error::user(format!("the weights hold `{name}`, which this net has not")));
        }
        let flat = self.net.join(values)?;
        Ok(self.flat.set(&Tensor::from_vec(flat, self.count(), self.device())?)?)
    }

    /// What stands beside each parameter in a buffer like this one, by name.
    pub(crate) fn split(&self, flat: &Tensor) -> Result<BTreeMap<String, Tensor>> {
        let parts = self.declared().iter().map(|declared| {
            let part = flat.narrow(0, declared.start, declared.len())?;
            Ok((declared.name.clone(), part.reshape(declared.shape.as_slice())?.copy()?))
        });
        parts.collect()
    }

    /// The buffer that [`Self::split`] came from; one that is missing or of another shape is an error.
    pub(crate) fn join(&self, values: &BTreeMap<String, Tensor>) -> Result<Vec<f32>> {
        self.net.join(values)
    }
}

impl Net {
    fn join(&self, values: &BTreeMap<String, Tensor>) -> Result<Vec<f32>> {
        let mut flat = vec![0.0; self.total()];
        for declared in self.parameters() {
            let name = &declared.name;
            let value = values
                .get(name)
                .ok_or_else(|| Error::user(format!("the model's weights lack `{name}`")))?;
            if value.dims() != declared.shape {
                return Err(Error::user(format!(
                    "the model's weights hold `{name}` as {:?}, and its net has it as {:?}",
                    value.dims(),
                    declared.shape
                )));
            }
            let value = value.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.flatten_all()?;
            flat[declared.start..declared.start + declared.len()]
                .copy_from_slice(&value.to_vec1::<f32>()?);
        }
        Ok(flat)
    }
}

/// A gradient where the pass left it, or a copy of the one that candle made.
pub(crate) enum FlatGradient<'a> {
    Shared(MutexGuard<'a, Gradient>),
    Copied(Vec<f32>),
}

impl Deref for FlatGradient<'_> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match self {
            Self::Shared(gradient) => &gradient.values,
            Self::Copied(gradient) => gradient,
        }
    }
}

/// Whether nets run their plain twins on the CPU too.
static PLAIN: AtomicBool = AtomicBool::new(false);

/// From now on nets that are made run their plain twins: the reference that fused steps are held to.
pub(crate) fn use_plain_steps() {
    PLAIN.store(true, Ordering::Relaxed);
}

/// Whether [`use_plain_steps`] was called.
pub(crate) fn uses_plain_steps() -> bool {
    PLAIN.load(Ordering::Relaxed)
}
