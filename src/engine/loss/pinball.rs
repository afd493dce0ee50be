//! Pinball loss over the levels of a forecast (Koenker & Bassett 1978), of the targets that were observed.
//! One level may answer to its squared error instead: then it is the mean, and the others lie around it.

use candle_core::Tensor;
use rayon::prelude::*;

use super::slopes::{LossOp, Slopes};
use crate::engine::simd::vectorised;
use crate::error::Result;

/// Rows that one core takes at once; the sums of these are added in order.
const ROWS: usize = 64;

/// The mean over observed targets of Σ weight · (level · e + max(0, −e)) with e = unit · (target − forecast),
/// and of weight · e² at the level that is squared. Forecasts are `[rows, levels × horizon]`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pinball {
    /// `rows × horizon`, NaN where nothing was observed.
    pub targets: Vec<f32>,
    pub horizon: usize,
    /// Each level with its weight.
    pub levels: Vec<(f32, f32)>,
    /// What the errors of each row are multiplied with; of none, one.
    pub units: Vec<f32>,
    /// Which of the levels is squared.
    pub squared: Option<usize>,
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
        let units: Vec<f32> = (0..rows).map(|row| self.unit(row)).collect();
        let units = Tensor::from_vec(units, (rows, 1, 1), device)?;
        let squared = |level| if self.squared == Some(level) { 1.0 } else { 0.0 };
        let squared: Vec<f32> = (0..self.levels.len()).map(squared).collect();
        let squared = Tensor::from_vec(squared, (1, self.levels.len(), 1), device)?;
        let forecasts = forecasts.reshape((rows, self.levels.len(), self.horizon))?;
        let error =
            targets.broadcast_sub(&forecasts)?.broadcast_mul(&mask.broadcast_mul(&units)?)?;
        let loss = (error.broadcast_mul(&levels)? + error.neg()?.relu()?)?;
        let loss = loss.broadcast_mul(&squared.affine(-1.0, 1.0)?)?;
        let loss = (loss + error.sqr()?.broadcast_mul(&squared)?)?;
        let total = loss.broadcast_mul(&weights)?.sum_all()?;
        Ok((total * f64::from(self.share()))?)
    }

    /// What one observed target counts.
    fn share(&self) -> f32 {
        1.0 / self.targets.iter().filter(|target| !target.is_nan()).count().max(1) as f32
    }

    fn unit(&self, row: usize) -> f32 {
        self.units.get(row).copied().unwrap_or(1.0)
    }

    /// The loss of some rows, the first of which has this number.
    #[inline(always)]
    fn rows(
        &self,
        first: usize,
        forecasts: &[f32],
        targets: &[f32],
        slopes: &mut [f32],
        share: f32,
    ) -> f64 {
        let width = self.levels.len() * self.horizon;
        let mut loss = 0.0;
        for (row, ((forecasts, slopes), targets)) in forecasts
            .chunks_exact(width)
            .zip(slopes.chunks_exact_mut(width))
            .zip(targets.chunks_exact(self.horizon))
            .enumerate()
        {
            let unit = self.unit(first + row);
            let levels =
                forecasts.chunks_exact(self.horizon).zip(slopes.chunks_exact_mut(self.horizon));
            for (at, ((forecasts, slopes), &(level, weight))) in
                levels.zip(&self.levels).enumerate()
            {
                let weight = weight * unit;
                let mut sum = 0.0_f32;
                if self.squared == Some(at) {
                    let weight = weight * unit;
                    for ((forecast, slope), target) in forecasts.iter().zip(slopes).zip(targets) {
                        let error = if target.is_nan() { 0.0 } else { target - forecast };
                        sum += weight * error * error;
                        *slope = -2.0 * weight * error * share;
                    }
                    loss += f64::from(sum);
                    continue;
                }
                for ((forecast, slope), target) in forecasts.iter().zip(slopes).zip(targets) {
                    // A forecast that is no number shows in the loss; a target that is none counts nothing.
                    let error = if target.is_nan() { 0.0 } else { target - forecast };
                    let below = if error < 0.0 { 1.0 } else { 0.0 };
                    let seen = if target.is_nan() { 0.0 } else { weight };
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
            .enumerate()
            .map(|(at, ((slopes, forecasts), targets))| {
                vectorised(
                    #[inline(always)]
                    || self.rows(at * ROWS, forecasts, targets, slopes, share),
                )
            })
            .collect();
        parts.into_iter().sum::<f64>() * f64::from(share)
    }
}
