//! A loss whose slopes are worked out together with its value.

use std::sync::Mutex;

use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor};

use crate::engine::pass::floats;

/// The mean loss of outputs `[rows, width]` and, beside it, its slope in every output.
pub(super) trait Slopes: Send + Sync {
    fn name(&self) -> &'static str;

    /// Fills `slopes`, which is as long as `outputs`.
    fn loss(&self, outputs: &[f32], slopes: &mut [f32]) -> f64;
}

/// Makes a candle operation of it: a scalar out of outputs.
pub(super) struct LossOp<L> {
    loss: L,
    slopes: Mutex<Vec<f32>>,
}

impl<L: Slopes + 'static> LossOp<L> {
    pub(super) fn apply(loss: L, outputs: &Tensor) -> candle_core::Result<Tensor> {
        outputs.apply_op1(Self { loss, slopes: Mutex::default() })
    }
}

impl<L: Slopes> CustomOp1 for LossOp<L> {
    fn name(&self) -> &'static str {
        self.loss.name()
    }

    fn cpu_fwd(
        &self,
        storage: &CpuStorage,
        layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let outputs = floats(storage, layout)?;
        let mut slopes = vec![0.0; outputs.len()];
        let loss = self.loss.loss(outputs, &mut slopes);
        *self.slopes.lock().expect("no loss panics while it holds this") = slopes;
        Ok((CpuStorage::F32(vec![loss as f32]), Shape::from(())))
    }

    fn bwd(
        &self,
        outputs: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> candle_core::Result<Option<Tensor>> {
        let slopes =
            std::mem::take(&mut *self.slopes.lock().expect("no loss panics while it holds this"));
        let slopes = Tensor::from_vec(slopes, outputs.shape(), outputs.device())?;
        let scale = f64::from(gradient.to_scalar::<f32>()?);
        Ok(Some(if scale == 1.0 { slopes } else { (slopes * scale)? }))
    }
}

/// Outputs and slopes in pieces of these lengths, one after the other.
pub(super) fn split<'a>(
    mut outputs: &'a [f32],
    slopes: &'a mut [f32],
    lengths: impl Iterator<Item = usize>,
) -> impl Iterator<Item = (&'a [f32], &'a mut [f32])> {
    let mut slopes = slopes;
    lengths.map(move |length| {
        let (first, rest) = outputs.split_at(length);
        outputs = rest;
        let (first_slopes, rest) = std::mem::take(&mut slopes).split_at_mut(length);
        slopes = rest;
        (first, first_slopes)
    })
}
