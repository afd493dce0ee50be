//! The weights of a net, by name.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Shape, Tensor, Var};
use rand::Rng;

use crate::error::{Error, Result};

/// Trainable tensors by dotted name, such as `blocks.0.weight`, always walked in the order of their names.
#[derive(Clone, Debug)]
pub(crate) struct Parameters {
    pub device: Device,
    vars: BTreeMap<String, Var>,
}

impl Parameters {
    pub(crate) fn new(device: &Device) -> Self {
        Self { device: device.clone(), vars: BTreeMap::new() }
    }

    /// A new parameter with the values given; a name is used once.
    pub(crate) fn create(
        &mut self,
        name: &str,
        values: Vec<f32>,
        shape: impl Into<Shape>,
    ) -> Result<Tensor> {
        let var = Var::from_tensor(&Tensor::from_vec(values, shape.into(), &self.device)?)?;
        let tensor = var.as_tensor().clone();
        if self.vars.insert(name.to_owned(), var).is_some() {
            return Err(Error::bug(format!("parameter `{name}` was created twice")));
        }
        Ok(tensor)
    }

    /// A new parameter drawn from U(−bound, bound).
    pub(crate) fn uniform(
        &mut self,
        name: &str,
        shape: impl Into<Shape>,
        bound: f32,
        random: &mut impl Rng,
    ) -> Result<Tensor> {
        let shape = shape.into();
        let values =
            (0..shape.elem_count()).map(|_| (random.random::<f32>() * 2.0 - 1.0) * bound).collect();
        self.create(name, values, shape)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Var)> {
        self.vars.iter().map(|(name, var)| (name.as_str(), var))
    }

    pub(crate) fn count(&self) -> usize {
        self.vars.values().map(|var| var.elem_count()).sum()
    }

    /// The values as they are now, detached from training.
    pub(crate) fn snapshot(&self) -> Result<BTreeMap<String, Tensor>> {
        self.vars
            .iter()
            .map(|(name, var)| Ok((name.clone(), var.as_tensor().copy()?.detach())))
            .collect()
    }

    /// Put values back in place; names and shapes must be exactly those of this net.
    pub(crate) fn restore(&self, values: &BTreeMap<String, Tensor>) -> Result<()> {
        if let Some(name) = values.keys().find(|name| !self.vars.contains_key(*name)) {
            return Err(Error::user(format!("the weights hold `{name}`, which this net has not")));
        }
        for (name, var) in &self.vars {
            let value = values
                .get(name)
                .ok_or_else(|| Error::user(format!("the weights lack `{name}`")))?;
            if value.shape() != var.shape() {
                return Err(Error::user(format!(
                    "the weights hold `{name}` as {:?}, this net has it as {:?}",
                    value.shape(),
                    var.shape()
                )));
            }
            var.set(&value.to_device(&self.device)?.to_dtype(DType::F32)?)?;
        }
        Ok(())
    }
}
