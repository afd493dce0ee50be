//! The learning rate of a step.
//!
//! It is a function of the run's plan and progress alone, so a resumed run needs no state of it.

use std::f64::consts::TAU;

use super::checkpoint::Progress;
use super::fit::FitPlan;

/// Steps over which the rate rises from near nothing: AdamW's moments are noise until then.
const WARM_UP_STEPS: u64 = 50;

/// How much smaller the rate gets once half of the patience is used up without an improvement.
const PLATEAU: f64 = 0.25;

/// How the rate goes from the first step to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Schedule {
    /// A warm-up, then the peak, lowered when validation stands still.
    Plateau,
    /// Up and down four times, each time twice as long, and laid out for so many epochs: a net that
    /// has seen enough early is at rest early, and one that needs all epochs has them (`coslog4`,
    /// Holzmüller et al., Better by Default, 2024).
    Cosines { epochs: usize },
}

impl Schedule {
    /// Laid out for so many epochs, or waiting for validation.
    pub(crate) fn of(epochs: Option<usize>) -> Self {
        epochs.map_or(Self::Plateau, |epochs| Self::Cosines { epochs })
    }

    /// How many epochs there are at the most, where a run may take so many.
    pub(crate) fn epochs(self, most: usize) -> usize {
        match self {
            Self::Plateau => most,
            Self::Cosines { epochs } => epochs.min(most),
        }
    }

    /// The rate of the step after this progress, where an epoch has so many.
    pub(crate) fn rate(self, plan: &FitPlan, progress: &Progress, steps_per_epoch: usize) -> f64 {
        let share = match self {
            Self::Plateau => {
                let warm_up = (progress.total_steps + 1) as f64 / WARM_UP_STEPS as f64;
                let stands_still = progress.stale * 2 >= plan.patience.max(2);
                warm_up.min(1.0) * if stands_still { PLATEAU } else { 1.0 }
            }
            Self::Cosines { .. } => {
                let steps = (plan.max_epochs * steps_per_epoch) as f64;
                // The middle of the step: at either end of the run the rate would be nothing.
                let passed = (progress.total_steps as f64 + 0.5) / steps;
                (1.0 - (TAU * (1.0 + 15.0 * passed.min(1.0)).log2()).cos()) / 2.0
            }
        };
        plan.learning_rate * share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_cosines_come_to_rest_four_times() {
        let plan = FitPlan {
            part: "mlp".into(),
            seed: 1,
            max_epochs: 30,
            patience: 5,
            batch: 1,
            learning_rate: 0.5,
            weight_decay: 0.0,
            precision: crate::engine::Precision::Float32,
            budget: None,
            last_step: None,
        };
        let rate = |total_steps| {
            let progress = Progress { total_steps, ..Progress::default() };
            Schedule::Cosines { epochs: 30 }.rate(&plan, &progress, 100)
        };
        for resting in [0, 200, 600, 1400, 2999] {
            assert!(rate(resting) < 1e-4, "{resting}: {}", rate(resting));
        }
        let most = (0..3000).map(rate).fold(0.0, f64::max);
        assert!((most - 0.5).abs() < 1e-6, "{most}");
    }
}
