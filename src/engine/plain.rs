//! The twin of a pass: the same steps as plain candle tensors, on any device.

use candle_core::{DType, Device, Shape, Tensor};

use super::dropout::StepKey;
use super::net::{Batch, Net, ParameterId, Value};
use super::precision::Precision;
use crate::error::{Error, Result};

/// A batch on its way through a net as tensors.
#[derive(Debug)]
pub(crate) struct Plain<'a> {
    net: &'a Net,
    batch: &'a Batch,
    weights: &'a Tensor,
    /// The same in the type that products are taken in.
    factors: Tensor,
    dropout: Option<StepKey>,
    device: Device,
    values: Vec<Option<Tensor>>,
}

/// `[rows, outputs]`, differentiable in the weights.
pub(super) fn forward(
    net: &Net,
    batch: &Batch,
    weights: &Tensor,
    dropout: Option<StepKey>,
    precision: Precision,
) -> Result<Tensor> {
    let device = weights.device().clone();
    let values = vec![None; net.widths.len()];
    // All at once: one kernel a pass, and one on the way back.
    let factors = weights.to_dtype(precision.of_products())?;
    let mut plain = Plain { net, batch, weights, factors, dropout, device, values };
    if let Some(dense) = plain.dense()? {
        plain.values[0] = Some(dense);
    }
    for step in &net.steps {
        step.plain(&mut plain)?;
    }
    plain.value(net.output)
}

impl Plain<'_> {
    pub(super) fn rows(&self) -> usize {
        self.batch.rows
    }

    /// Where each group of rows ends.
    pub(super) fn ends(&self) -> &[usize] {
        self.net.groups(self.batch)
    }

    pub(super) fn dropout(&self) -> Option<StepKey> {
        self.dropout
    }

    pub(super) fn dense(&self) -> Result<Option<Tensor>> {
        if self.net.dense == 0 {
            return Ok(None);
        }
        Ok(Some(self.tensor(self.batch.dense.clone(), (self.batch.rows, self.net.dense))?))
    }

    pub(super) fn codes(&self, column: usize) -> Result<Tensor> {
        let codes: Vec<u32> =
            self.batch.codes.chunks_exact(self.net.codes).map(|codes| codes[column]).collect();
        Ok(Tensor::from_vec(codes, self.batch.rows, &self.device)?)
    }

    pub(super) fn weight(&self, id: ParameterId) -> Result<Tensor> {
        self.part(self.weights, id)
    }

    /// A weight to take a [product](Self::product) with.
    pub(super) fn factor(&self, id: ParameterId) -> Result<Tensor> {
        self.part(&self.factors, id)
    }

    fn part(&self, weights: &Tensor, id: ParameterId) -> Result<Tensor> {
        let declared = self.net.declared(id);
        let part = weights.narrow(0, declared.start, declared.len())?;
        Ok(part.reshape(declared.shape.as_slice())?)
    }

    /// `values × factor` in the type that products are taken in; what comes of it is float32.
    pub(super) fn product(&self, values: &Tensor, factor: &Tensor) -> Result<Tensor> {
        let kind = self.factors.dtype();
        Ok(values.to_dtype(kind)?.matmul(&factor.to_dtype(kind)?)?.to_dtype(DType::F32)?)
    }

    pub(super) fn tensor(&self, values: Vec<f32>, shape: impl Into<Shape>) -> Result<Tensor> {
        Ok(Tensor::from_vec(values, shape.into(), &self.device)?)
    }

    pub(super) fn value(&self, value: Value) -> Result<Tensor> {
        self.values[value.id]
            .clone()
            .ok_or_else(|| Error::bug("a step reads a value that none made"))
    }

    pub(super) fn put(&mut self, value: Value, made: Tensor) {
        self.values[value.id] = Some(made);
    }
}
