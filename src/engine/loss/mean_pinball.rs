//! Squared error of the middle of a forecast, pinball loss of the levels around it.

use candle_core::Tensor;

use super::pinball::Pinball;
use super::slopes::{LossOp, Slopes};
use crate::error::Result;

/// The pinball loss and, of one level more, the mean over observed targets of (unit · (forecast − target))²:
/// that level forecasts the mean.
#[derive(Clone, Debug)]
pub(crate) struct MeanPinball {
    /// The level of the mean is one of these; its weight there is zero.
    pub pinball: Pinball,
    /// Its place among the levels.
    pub mean: usize,
    /// What an error of one counts as, row by row.
    pub units: Vec<f32>,
}

impl MeanPinball {
    pub(crate) fn of(self, forecasts: &Tensor) -> Result<Tensor> {
        if !forecasts.device().is_cpu() {
            return self.plain(forecasts);
        }
        Ok(LossOp::apply(self, forecasts)?)
    }

    pub(in crate::engine) fn plain(&self, forecasts: &Tensor) -> Result<Tensor> {
        let Pinball { targets, horizon, .. } = &self.pinball;
        let device = forecasts.device();
        let rows = self.units.len();
        let seen = |of: &dyn Fn(f32) -> f32| -> Result<Tensor> {
            let values =
                targets.iter().map(|target| if target.is_nan() { 0.0 } else { of(*target) });
            Ok(Tensor::from_iter(values, device)?.reshape((rows, *horizon))?)
        };
        let units = Tensor::from_slice(&self.units, (rows, 1), device)?;
        let mean = forecasts.narrow(1, self.mean * horizon, *horizon)?;
        let errors = (mean - seen(&|target| target)?)?.mul(&seen(&|_| 1.0)?)?;
        let squares = errors.broadcast_mul(&units)?.sqr()?.sum_all()?;
        Ok((self.pinball.plain(forecasts)? + (squares * f64::from(self.pinball.share()))?)?)
    }
}

impl Slopes for MeanPinball {
    fn name(&self) -> &'static str {
        "mean-pinball"
    }

    fn loss(&self, forecasts: &[f32], slopes: &mut [f32]) -> f64 {
        let Pinball { targets, horizon, levels } = &self.pinball;
        let around = self.pinball.loss(forecasts, slopes);
        let share = self.pinball.share();
        let (width, place) = (levels.len() * horizon, self.mean * horizon);
        let mut sum = 0.0;
        for (((forecasts, slopes), targets), unit) in forecasts
            .chunks_exact(width)
            .zip(slopes.chunks_exact_mut(width))
            .zip(targets.chunks_exact(*horizon))
            .zip(&self.units)
        {
            let means = forecasts[place..].iter().zip(&mut slopes[place..]);
            for ((forecast, slope), target) in means.zip(targets) {
                let error = if target.is_nan() { 0.0 } else { unit * (forecast - target) };
                sum += f64::from(error * error);
                *slope = 2.0 * unit * error * share;
            }
        }
        around + sum * f64::from(share)
    }
}
