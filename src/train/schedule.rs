//! The learning rate of a step: a warm-up, then the peak, lowered when validation stands still.
//!
//! It is a function of the run's progress alone, so a resumed run needs no state of it.

use super::checkpoint::Progress;
use super::fit::FitPlan;

/// Steps over which the rate rises from near nothing: AdamW's moments are noise until then.
const WARM_UP_STEPS: u64 = 50;

/// How much smaller the rate gets once half of the patience is used up without an improvement.
const PLATEAU: f64 = 0.25;

pub(crate) fn learning_rate(plan: &FitPlan, progress: &Progress) -> f64 {
    let warm_up = ((progress.total_steps + 1) as f64 / WARM_UP_STEPS as f64).min(1.0);
    let plateau = if progress.stale * 2 >= plan.patience.max(2) { PLATEAU } else { 1.0 };
    plan.learning_rate * warm_up * plateau
}
