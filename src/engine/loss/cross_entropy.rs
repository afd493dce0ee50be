//! Softmax cross-entropy over the classes, for several members of one row each.

use candle_core::{D, Tensor};
use candle_nn::ops::log_softmax;
use rayon::prelude::*;

use super::slopes::{LossOp, Slopes};
use crate::engine::simd::{exp, vectorised};
use crate::error::Result;

/// Rows that one core takes at once; the sums of these are added in order.
const ROWS: usize = 128;

/// The mean over rows and members of −ln of the label's softmax. Logits are `[rows, members × classes]`.
#[derive(Clone, Debug, Default)]
pub(crate) struct CrossEntropy {
    pub labels: Vec<u32>,
    pub classes: usize,
    /// By how much each row counts; all the same where there are none.
    pub weights: Vec<f32>,
    /// The share of each label that is spread over all classes (Szegedy et al. 2016).
    pub smoothing: f32,
}

impl CrossEntropy {
    pub(crate) fn of(self, logits: &Tensor) -> Result<Tensor> {
        if !logits.device().is_cpu() {
            return self.plain(logits);
        }
        Ok(LossOp::apply(self, logits)?)
    }

    pub(in crate::engine) fn plain(&self, logits: &Tensor) -> Result<Tensor> {
        let (rows, width) = logits.dims2()?;
        let members = width / self.classes;
        let logs = logits.reshape((rows, members, self.classes))?;
        let logs = log_softmax(&logs, D::Minus1)?;
        let labels = Tensor::from_vec(self.labels.clone(), (rows, 1, 1), logits.device())?
            .broadcast_as((rows, members, 1))?
            .contiguous()?;
        let mut meant = logs.gather(&labels, 2)?.squeeze(2)?;
        if self.smoothing > 0.0 {
            let even = logs.mean(2)?;
            let sure = f64::from(1.0 - self.smoothing);
            meant = ((meant * sure)? + (even * f64::from(self.smoothing))?)?;
        }
        if !self.weights.is_empty() {
            let weights = Tensor::from_vec(self.weights.clone(), (rows, 1), logits.device())?;
            meant = meant.broadcast_mul(&weights)?;
        }
        Ok(meant.mean_all()?.neg()?)
    }
}
impl Slopes for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross-entropy"
    }

    fn loss(&self, logits: &[f32], slopes: &mut [f32]) -> f64 {
        let width = logits.len() / self.labels.len().max(1);
        let share = 1.0 / (logits.len() / self.classes) as f32;
        let parts: Vec<f64> = slopes
            .par_chunks_mut(ROWS * width)
            .zip(logits.par_chunks(ROWS * width))
            .zip(self.labels.par_chunks(ROWS))
            .enumerate()
            .map(|(piece, ((slopes, logits), labels))| {
                let weights = self.weights.get(piece * ROWS..).unwrap_or_default();
                vectorised(
                    #[inline(always)]
                    || self.rows(logits, labels, weights, slopes, share),
                )
            })
            .collect();
        parts.into_iter().sum::<f64>() * f64::from(share)
    }
}

impl CrossEntropy {
    #[inline(always)]
    fn rows(
        &self,
        logits: &[f32],
        labels: &[u32],
        weights: &[f32],
        slopes: &mut [f32],
        share: f32,
    ) -> f64 {
        let mut loss = 0.0;
        let width = logits.len() / labels.len().max(1);
        let sure = 1.0 - self.smoothing;
        let spread = self.smoothing / self.classes as f32;
        for (row, ((logits, slopes), &label)) in
            logits.chunks_exact(width).zip(slopes.chunks_exact_mut(width)).zip(labels).enumerate()
        {
            let weight = weights.get(row).copied().unwrap_or(1.0);
            for (logits, slopes) in
                logits.chunks_exact(self.classes).zip(slopes.chunks_exact_mut(self.classes))
            {
                let most = logits.iter().fold(f32::NEG_INFINITY, |most, &logit| most.max(logit));
                let mut sum = 0.0;
                for (slope, &logit) in slopes.iter_mut().zip(logits) {
                    *slope = exp(logit - most);
                }
                for slope in &*slopes {
                    sum += slope;
                }
                let mut meant = sure * (logits[label as usize] - most);
                if spread > 0.0 {
                    meant += spread * logits.iter().map(|logit| logit - most).sum::<f32>();
                }
                loss += f64::from(weight * (sum.ln() - meant));
                let share = share * weight;
                let scale = share / sum;
                for slope in slopes.iter_mut() {
                    *slope = *slope * scale - share * spread;
                }
                slopes[label as usize] -= share * sure;
            }
        }
        loss
    }
}
