//! Pinball loss over the levels of a forecast (Koenker & Bassett 1978), of the targets that were observed.

use candle_core::Tensor;
use rayon::prelude::*;

use super::slopes::{LossOp, Slopes};
use crate::engine::simd::vectorised;
use crate::error::Result;

/// Rows that one core takes at once; the sums of these are added in order.
const ROWS: usize = 64;

/// The mean over observed targets of Σ weight · (level · e + max(0, −e)) with e = target − forecast.
/// Forecasts are `[rows, levels × horizon]`.
#[derive(Clone, Debug)]
pub(crate) struct Pinball {
    /// `rows × horizon`, NaN where nothing was observed.
    pub targets: Vec<f32>,
    pub horizon: usize,
    /// Each level with its weight.
    pub levels: Vec<(f32, f32)>,
}

impl Pinball {
    pub(crate) fn of(self, forecasts: &Tensor) -> Result<Tensor> {
        if !forecasts.device().is_cpu() {
            return self.plain(forecasts);
        }
        Ok(LossOp::apply(self, forecasts)?)
    }

    pub(in crate::engine) fn plain(&self, forecasts: &Tensor) -> Result<Tensor> {
        let (rows, _) = forecasts.dims2()?;
        let device = forecasts.device();
        let tensor = |of: &dyn Fn(&f32) -> f32| {
            let values: Vec<f32> = self.targets.iter().map(of).collect();
            Tensor::from_vec(values, (rows, 1, self.horizon), device)
        };
        let targets = tensor(&|target| if target.is_nan() { 0.0 } else { *target })?;
        let mask = tensor(&|target| if target.is_nan() { 0.0 } else { 1.0 })?;
        let (levels, weights): (Vec<f32>, Vec<f32>) = self.levels.iter().copied().unzip();
        let levels = Tensor::from_vec(levels, (1, self.levels.len(), 1), device)?;
        let weights = Tensor::from_vec(weights, (1, self.levels.len(), 1), device)?;
        let forecasts = forecasts.reshape((rows, self.levels.len(), self.horizon))?;
        let error = targets.broadcast_sub(&forecasts)?.broadcast_mul(&mask)?;
        let loss = (error.broadcast_mul(&levels)? + error.neg()?.relu()?)?;
        let total = loss.broadcast_mul(&weights)?.sum_all()?;
        Ok((total * f64::from(self.share()))?)
    }

    /// What one observed target counts.
    pub(super) fn share(&self) -> f32 {
        1.0 / self.targets.iter().filter(|target| !target.is_nan()).count().max(1) as f32
    }

    #[inline(always)]
    fn rows(&self, forecasts: &[f32], targets: &[f32], slopes: &mut [f32], share: f32) -> f64 {
        let width = self.levels.len() * self.horizon;
        let mut loss = 0.0;
        for ((forecasts, slopes), targets) in forecasts
            .chunks_exact(width)
            .zip(slopes.chunks_exact_mut(width))
            .zip(targets.chunks_exact(self.horizon))
        {
            let levels =
                forecasts.chunks_exact(self.horizon).zip(slopes.chunks_exact_mut(self.horizon));
            for ((forecasts, slopes), &(level, weight)) in levels.zip(&self.levels) {
                let mut sum = 0.0_f32;
                for ((forecast, slope), target) in forecasts.iter().zip(slopes).zip(targets) {
                    let error = target - forecast;
                    // Not a number is less than nothing: neither branch counts it.
                    let below = if error < 0.0 { 1.0 } else { 0.0 };
                    let seen = if error.is_nan() { 0.0 } else { weight };
                    let error = if error.is_nan() { 0.0 } else { error };
                    sum += seen * (level - below) * error;
                    *slope = -seen * (level - below) * share;
                }
                loss += f64::from(sum);
            }
        }
        loss
    }
}

impl Slopes for Pinball {
    fn name(&self) -> &'static str {
        "pinball"
    }

    fn loss(&self, forecasts: &[f32], slopes: &mut [f32]) -> f64 {
        let width = self.levels.len() * self.horizon;
        let share = self.share();
        let parts: Vec<f64> = slopes
            .par_chunks_mut(ROWS * width)
            .zip(forecasts.par_chunks(ROWS * width))
            .zip(self.targets.par_chunks(ROWS * self.horizon))
            .map(|((slopes, forecasts), targets)| {
                vectorised(
                    #[inline(always)]
                    || self.rows(forecasts, targets, slopes, share),
                )
            })
            .collect();
        parts.into_iter().sum::<f64>() * f64::from(share)
    }
}
