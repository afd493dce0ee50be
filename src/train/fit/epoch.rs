//! The end of an epoch: validation, whether it is the best one, the checkpoint, and whether it is the last.

use super::{CHECKPOINT_EVERY_SECONDS, Fit};
use crate::error::Result;
use crate::sys::memory;
use crate::train::diverged::Broken;
use crate::train::event::{Event, StopReason};

impl Fit<'_> {
    pub(super) fn end_epoch(&mut self) -> Result<()> {
        let learning_rate = self.last_learning_rate();
        let began = self.sitting.now();
        let validation = self.learner.validate()?;
        self.sitting.pace.validation_took(self.sitting.now() - began);
        let (seconds, rows_per_second) =
            (self.sitting.epoch_seconds(), self.sitting.rows_per_second());
        if !validation.monitor.is_finite() {
            return Err(self.diverged(Broken::Validation(validation.monitor), &[]));
        }
        let progress = &mut self.state.progress;
        let train_loss = progress.loss_sum / progress.loss_units.max(1) as f64;
        progress.epoch += 1;
        progress.step = 0;
        progress.loss_sum = 0.0;
        progress.loss_units = 0;
        let improved = progress.judge(&validation);
        if improved {
            self.state.best = self.learner.mark()?;
        }
        let progress = &self.state.progress;
        (self.report)(Event::EpochEnded {
            part: self.plan.part.clone(),
            epoch: progress.epoch,
            total_steps: progress.total_steps,
            train_loss,
            valid: validation.metrics,
            best_epoch: progress.best_epoch,
            improved,
            learning_rate,
            seconds,
            rows_per_second,
            peak_memory_bytes: memory::peak_bytes(),
        });
        // Saved after it is told: a run killed in between tells the epoch again, where the other
        // order would leave it out. And before anyone asks whether to stop: the epoch that ends a
        // run is resumable too.
        let due = self.learner.saves_every_epoch()
            || self.sitting.since_saved() > CHECKPOINT_EVERY_SECONDS;
        self.state.progress.ended = self.finished();
        if due || self.state.progress.ended.is_some() { self.save() } else { Ok(()) }
    }

    /// Why there is no further epoch, asked between epochs.
    fn finished(&self) -> Option<StopReason> {
        let progress = &self.state.progress;
        // The clock comes last: a replay, which has none, ends for the reason it ended for at first.
        if progress.epoch > 0 && progress.stale >= self.plan.patience {
            return Some(StopReason::Patience);
        }
        if progress.epoch >= self.plan.max_epochs {
            return Some(StopReason::Completed);
        }
        let between = progress.epoch > 0 && progress.step == 0;
        (between && self.out_of_time()).then_some(StopReason::Budget)
    }

    /// Learn how long a validation takes before the deadline depends on it. Its result is of no
    /// interest yet, and neither is a failure: the epoch's own will tell.
    pub(super) fn time_validation(&mut self) {
        let Some(left) = self.time_left() else { return };
        if self.sitting.pace.wants_timing(left, self.validation_steps()) {
            let began = self.sitting.now();
            let _ = self.learner.validate();
            self.sitting.pace.validation_took(self.sitting.now() - began);
        }
    }

    /// That of the step before; of what takes whole rounds, the rate is a setting and no schedule.
    fn last_learning_rate(&self) -> Option<f64> {
        let mut progress = self.state.progress.clone();
        progress.total_steps = progress.total_steps.saturating_sub(1);
        let scheduled = self.learner.steps_per_epoch().is_none();
        let schedule = self.learner.schedule();
        scheduled.then(|| schedule.rate(self.plan, &progress, self.steps_per_epoch()))
    }
}
