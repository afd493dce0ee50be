//! The training loop. It decides what happens next and tells whoever listens;
//! it never prints and never speaks to a registry.

mod epoch;
mod pace;
#[cfg(test)]
mod precision_tests;
pub(crate) mod scaling;
mod sitting;
mod step;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::{Duration, Instant};

use self::scaling::LossScale;
use self::sitting::Sitting;
use super::adamw::{AdamW, Moments};
use super::checkpoint::{Progress, State};
use super::diverged::{self, Broken, Place};
use super::event::{Event, StopReason};
use super::learner::Learner;
use super::order::Order;
use crate::data::Table;
use crate::engine::Precision;
use crate::error::{Error, Result};
use crate::sys::signals::Interrupt;

/// What a run was asked to do, with nothing left open.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FitPlan {
    /// The part of the run, as events name it.
    pub part: String,
    pub seed: u64,
    pub max_epochs: usize,
    pub patience: usize,
    pub batch: usize,
    pub learning_rate: f64,
    pub weight_decay: f64,
    pub precision: Precision,
    /// Fitting ends by then, over all sittings of the part.
    pub budget: Option<Duration>,
    /// Fitting ends with this step: what a locked run replays instead of the clock.
    pub last_step: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Finished(StopReason),
    /// The user asked to stop; the checkpoint goes on from here.
    Interrupted,
}

/// A long epoch is checkpointed this often.
const CHECKPOINT_EVERY_SECONDS: f64 = 20.0;

/// Fit a learner from a state, which a resumed run has loaded, to the end that it returns.
pub(crate) struct Fit<'a> {
    pub learner: &'a dyn Learner,
    pub plan: &'a FitPlan,
    pub state: State,
    /// Where checkpoints go.
    pub folder: &'a Path,
    pub interrupt: &'a Interrupt,
    pub report: &'a mut dyn FnMut(Event),
    optimiser: AdamW,
    sitting: Sitting,
    /// The rows to learn from, to name those of a batch that went wrong.
    table: Option<&'a Table>,
}

impl<'a> Fit<'a> {
    pub(crate) fn new(
        learner: &'a dyn Learner,
        plan: &'a FitPlan,
        mut state: State,
        folder: &'a Path,
        interrupt: &'a Interrupt,
        report: &'a mut dyn FnMut(Event),
    ) -> Result<Self> {
        learner.parameters().train_in(plan.precision)?;
        if state.progress.total_steps == 0 {
            state.progress.loss_scale = LossScale::of(plan.precision);
        }
        let optimiser = AdamW::new(learner.parameters(), &state.optimiser)?;
        let sitting = Sitting::new(state.progress.seconds, Instant::now());
        Ok(Self {
            learner,
            plan,
            state,
            folder,
            interrupt,
            report,
            optimiser,
            sitting,
            table: None,
        })
    }

    /// With the table that the learner's rows are of: a run that breaks names those it broke on.
    pub(crate) fn of_rows(mut self, table: &'a Table) -> Self {
        self.table = Some(table);
        self
    }

    /// What was done from this moment on, to be ready, counts as fitting too.
    pub(crate) fn since(mut self, began: Instant) -> Self {
        if self.state.progress.total_steps == 0 {
            self.state.progress.setup_seconds = began.elapsed().as_secs_f64();
        }
        self.sitting = Sitting::new(self.state.progress.seconds, began);
        self
    }

    pub(crate) fn run(&mut self) -> Result<Ended> {
        loop {
            if let Some(reason) = self.state.progress.ended {
                return Ok(Ended::Finished(reason));
            }
            self.sitting.begin_epoch();
            match self.train_epoch()? {
                Paused::Interrupt => {
                    self.save()?;
                    let Progress { epoch, step, .. } = self.state.progress;
                    let part = self.plan.part.clone();
                    (self.report)(Event::Interrupted { part, epoch, step });
                    return Ok(Ended::Interrupted);
                }
                // The steps that were taken count: they are validated as a last, short epoch.
                Paused::OutOfTime | Paused::EpochEnd => self.end_epoch()?,
            }
        }
    }

    /// The rest of the current epoch, from the step that the state has reached.
    fn train_epoch(&mut self) -> Result<Paused> {
        let epoch = self.state.progress.epoch + 1;
        let Self { learner, plan, .. } = self;
        let mut order = Order::new(learner.units(), learner.locality(), plan.seed, epoch);
        let batch_size = plan.batch;
        let (steps, taken) = (self.steps_per_epoch(), self.state.progress.step);
        for number in 0..steps {
            let batch = &order.next(batch_size)[..];
            if number < taken {
                continue;
            }
            if self.interrupt.is_set() {
                return Ok(Paused::Interrupt);
            }
            // An epoch that began takes at least one step, or there would be nothing to validate.
            if self.state.progress.step > 0 && self.out_of_time() {
                return Ok(Paused::OutOfTime);
            }
            let began = self.sitting.now();
            let loss = self.step(batch)?;
            let rows_per_second = self.sitting.step_ended(began, self.learner.rows_of(batch));
            let Progress { step, total_steps, .. } = self.state.progress;
            (self.report)(Event::StepEnded {
                epoch,
                step,
                steps,
                total_steps,
                loss,
                rows_per_second,
            });
            self.time_validation();
            if self.sitting.since_saved() > CHECKPOINT_EVERY_SECONDS {
                self.save()?;
            }
        }
        Ok(Paused::EpochEnd)
    }

    fn steps_per_epoch(&self) -> usize {
        let batches = || self.learner.units().div_ceil(self.plan.batch);
        self.learner.steps_per_epoch().unwrap_or_else(batches)
    }

    fn save(&mut self) -> Result<()> {
        let began = self.sitting.now();
        self.state.progress.seconds = began;
        let parameters = self.learner.parameters();
        self.state.weights = self.learner.snapshot()?;
        self.state.optimiser = self.optimiser.moments(parameters)?;
        self.state.save(self.folder)?;
        self.sitting.saved(began);
        Ok(())
    }

    /// Whether the next step would end, be validated and saved after the deadline.
    fn out_of_time(&self) -> bool {
        if let Some(last) = self.plan.last_step {
            return self.state.progress.total_steps >= last;
        }
        let fits = |left| self.sitting.pace.fits(left, self.validation_steps());
        self.time_left().is_some_and(|left| left <= 0.0 || !fits(left))
    }

    /// Until the deadline; none where there is none, and where a lock is replayed.
    fn time_left(&self) -> Option<f64> {
        let budget = self.plan.budget.filter(|_| self.plan.last_step.is_none())?;
        Some(budget.as_secs_f64() - self.sitting.now())
    }

    /// How many steps' worth of units validation looks at.
    fn validation_steps(&self) -> f64 {
        let batch = self.plan.batch.min(self.learner.units()).max(1);
        self.learner.valid_units() as f64 / batch as f64
    }

    fn diverged(&self, broken: Broken, units: &[usize]) -> Error {
        let progress = &self.state.progress;
        let (epoch, step) = (progress.epoch + 1, progress.step + 1);
        let FitPlan { learning_rate: rate, precision, .. } = *self.plan;
        let place = Place { broken, epoch, step, units, rate, precision };
        diverged::error(&place, self.learner, self.table)
    }
}

/// Why the steps of an epoch stopped.
enum Paused {
    EpochEnd,
    OutOfTime,
    Interrupt,
}

/// The state of a run that has not taken a step.
pub(crate) fn fresh_state(learner: &dyn Learner) -> Result<State> {
    let weights = learner.snapshot()?;
    Ok(State {
        progress: Progress::default(),
        best: learner.mark()?,
        weights,
        optimiser: Moments::default(),
    })
}
