//! One step: the loss of a batch, its gradient, no longer than it may be, and the optimiser's way down.

use candle_core::Tensor;

use super::Fit;
use crate::error::Result;
use crate::sys::random::{Purpose, stream};
use crate::train::adamw::norm;
use crate::train::diverged::Broken;

/// Gradients longer than this are shortened to it.
const LONGEST_GRADIENT: f64 = 5.0;

impl Fit<'_> {
    /// The loss that the step answered to; one that is no number ends the run.
    pub(super) fn step(&mut self, batch: &[usize]) -> Result<f64> {
        let steps = self.steps_per_epoch();
        let Self { plan, learner, optimiser, .. } = self;
        let progress = &self.state.progress;
        let mut random = stream(plan.seed, Purpose::Dropout, progress.total_steps);
        let rate = learner.schedule().rate(plan, progress, steps);
        let mut loss_scale = progress.loss_scale;
        let mut broken = None;
        // What is no number takes no step: the weights stay those that gave it.
        let mut descend = |loss: &Tensor| {
            let value = f64::from(loss.to_scalar::<f32>()?);
            if !value.is_finite() {
                return Ok(value);
            }
            let parameters = learner.parameters();
            let times = loss_scale.map_or(1.0, |of| of.scale);
            let scaled = if times == 1.0 { loss.clone() } else { (loss * times)? };
            let gradient = parameters.gradient(&scaled)?;
            let norm = norm(&gradient) / times;
            if let Some(scale) = &mut loss_scale {
                if norm.is_finite() {
                    scale.fitted();
                } else if scale.overflowed() {
                    return Ok(value);
                }
            }
            if !norm.is_finite() {
                broken = Some(Broken::Gradient(norm));
                return Ok(value);
            }
            let shorter = if norm > LONGEST_GRADIENT { LONGEST_GRADIENT / norm } else { 1.0 };
            optimiser.step(parameters, &gradient, shorter / times, rate, plan.weight_decay)?;
            Ok(value)
        };
        let value = learner.step(batch, &mut random, &mut descend)?;
        if !value.is_finite() {
            broken = Some(Broken::Loss(value));
        }
        if let Some(broken) = broken {
            return Err(self.diverged(broken, batch));
        }
        let progress = &mut self.state.progress;
        progress.loss_scale = loss_scale;
        progress.step += 1;
        progress.total_steps += 1;
        // A step that is not over a batch counts as any other.
        let weight = batch.len().max(1);
        progress.loss_sum += value * weight as f64;
        progress.loss_units += weight;
        Ok(value)
    }
}
