//! The mean of squared errors.

use candle_core::Tensor;
use rayon::prelude::*;

use super::slopes::{LossOp, Slopes};
use crate::engine::simd::vectorised;
use crate::error::Result;

/// Values that one core takes at once; the sums of these are added in order.
const PIECE: usize = 16_384;
/// Sums that run side by side within a piece.
const WIDE: usize = 16;

/// The mean over all outputs of (output − target)². Targets lie as the outputs do.
#[derive(Clone, Debug)]
pub(crate) struct MeanSquares {
    pub targets: Vec<f32>,
}

impl MeanSquares {
    pub(crate) fn of(self, outputs: &Tensor) -> Result<Tensor> {
        if !outputs.device().is_cpu() {
            return self.plain(outputs);
        }
        Ok(LossOp::apply(self, outputs)?)
    }

    pub(in crate::engine) fn plain(&self, outputs: &Tensor) -> Result<Tensor> {
        let targets = Tensor::from_slice(&self.targets, outputs.shape(), outputs.device())?;
        Ok((outputs - targets)?.sqr()?.mean_all()?)
    }
}

impl Slopes for MeanSquares {
    fn name(&self) -> &'static str {
        "mean-squares"
    }

    fn loss(&self, outputs: &[f32], slopes: &mut [f32]) -> f64 {
        let share = 1.0 / outputs.len() as f64;
        let double = (2.0 * share) as f32;
        let parts: Vec<f64> = slopes
            .par_chunks_mut(PIECE)
            .zip(outputs.par_chunks(PIECE))
            .zip(self.targets.par_chunks(PIECE))
            .map(|((slopes, outputs), targets)| {
                vectorised(
                    #[inline(always)]
                    || piece(outputs, targets, slopes, double),
                )
            })
            .collect();
        parts.into_iter().sum::<f64>() * share
    }
}

/// The sum of squares of a piece.
#[inline(always)]
fn piece(outputs: &[f32], targets: &[f32], slopes: &mut [f32], double: f32) -> f64 {
    let mut sums = [0.0_f32; WIDE];
    let wide = slopes.chunks_mut(WIDE).zip(outputs.chunks(WIDE)).zip(targets.chunks(WIDE));
    for ((slopes, outputs), targets) in wide {
        let values = slopes.iter_mut().zip(outputs).zip(targets);
        for (sum, ((slope, output), target)) in sums.iter_mut().zip(values) {
            let error = output - target;
            *slope = error * double;
            *sum += error * error;
        }
    }
    sums.iter().map(|sum| f64::from(*sum)).sum()
}
