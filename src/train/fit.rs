//! The training loop. It decides what happens next and tells whoever listens;
//! it never prints and never speaks to a registry.

use std::path::Path;
use std::time::{Duration, Instant};

use candle_core::Tensor;
use rand::seq::SliceRandom;

use super::adamw::{AdamW, Moments, norm};
use super::checkpoint::{Progress, State};
use super::event::{Event, StopReason};
use super::learner::Learner;
use super::schedule::learning_rate;
use crate::error::{Error, Result};
use crate::sys::random::{Purpose, stream};
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

/// Gradients longer than this are shortened to it.
const LONGEST_GRADIENT: f64 = 5.0;

/// A long epoch is checkpointed this often.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(20);

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
}

/// The time of this sitting; the state holds the time of those before.
struct Sitting {
    started: Instant,
    seconds_before: f64,
    saved: Instant,
    /// Rows of the current epoch that this sitting learned from.
    rows: usize,
}

impl<'a> Fit<'a> {
    pub(crate) fn new(
        learner: &'a dyn Learner,
        plan: &'a FitPlan,
        state: State,
        folder: &'a Path,
        interrupt: &'a Interrupt,
        report: &'a mut dyn FnMut(Event),
    ) -> Result<Self> {
        let optimiser = AdamW::new(learner.parameters(), &state.optimiser)?;
        let now = Instant::now();
        let sitting =
            Sitting { started: now, seconds_before: state.progress.seconds, saved: now, rows: 0 };
        Ok(Self { learner, plan, state, folder, interrupt, report, optimiser, sitting })
    }

    /// What was done from this moment on, to be ready, counts as fitting too.
    pub(crate) fn since(mut self, began: Instant) -> Self {
        if self.state.progress.total_steps == 0 {
            self.state.progress.setup_seconds = began.elapsed().as_secs_f64();
        }
        self.sitting.started = began;
        self
    }

    pub(crate) fn run(&mut self) -> Result<Ended> {
        loop {
            if let Some(reason) = self.state.progress.ended {
                return Ok(Ended::Finished(reason));
            }
            let began = Instant::now();
            match self.train_epoch()? {
                Paused::Interrupt => {
                    self.save()?;
                    let Progress { epoch, step, .. } = self.state.progress;
                    let part = self.plan.part.clone();
                    (self.report)(Event::Interrupted { part, epoch, step });
                    return Ok(Ended::Interrupted);
                }
                // The steps that were taken count: they are validated as a last, short epoch.
                Paused::OutOfTime | Paused::EpochEnd => self.end_epoch(began)?,
            }
        }
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

    /// The rest of the current epoch, from the step that the state has reached.
    fn train_epoch(&mut self) -> Result<Paused> {
        let epoch = self.state.progress.epoch + 1;
        let mut units: Vec<usize> = (0..self.learner.units()).collect();
        units.shuffle(&mut stream(self.plan.seed, Purpose::Shuffle, epoch as u64));
        let steps = self.learner.steps_per_epoch().unwrap_or(units.len().div_ceil(self.plan.batch));
        let batches = units.chunks(self.plan.batch).chain(std::iter::repeat(&[][..]));
        for batch in batches.take(steps).skip(self.state.progress.step) {
            if self.interrupt.is_set() {
                return Ok(Paused::Interrupt);
            }
            // An epoch that began takes at least one step, or there would be nothing to validate.
            if self.state.progress.step > 0 && self.out_of_time() {
                return Ok(Paused::OutOfTime);
            }
            let loss = self.step(batch)?;
            let step = self.state.progress.step;
            (self.report)(Event::StepEnded { epoch, step, steps, loss });
            if self.sitting.saved.elapsed() > CHECKPOINT_EVERY {
                self.save()?;
            }
        }
        Ok(Paused::EpochEnd)
    }

    fn step(&mut self, batch: &[usize]) -> Result<f64> {
        let Self { plan, learner, optimiser, .. } = self;
        let progress = &mut self.state.progress;
        let mut random = stream(plan.seed, Purpose::Dropout, progress.total_steps);
        let rate = learning_rate(plan, progress);
        let mut descend = |loss: &Tensor| {
            let value = f64::from(loss.to_scalar::<f32>()?);
            let parameters = learner.parameters();
            let gradient = parameters.gradient(loss)?;
            let norm = norm(&gradient);
            if !norm.is_finite() {
                return Ok(f64::NAN);
            }
            let scale = if norm > LONGEST_GRADIENT { LONGEST_GRADIENT / norm } else { 1.0 };
            optimiser.step(parameters, &gradient, scale, rate, plan.weight_decay)?;
            Ok(value)
        };
        let value = learner.step(batch, &mut random, &mut descend)?;
        if !value.is_finite() {
            return Err(not_finite(progress, value));
        }
        progress.step += 1;
        progress.total_steps += 1;
        // A step that is not over a batch counts as any other.
        let weight = batch.len().max(1);
        progress.loss_sum += value * weight as f64;
        progress.loss_units += weight;
        self.sitting.rows += learner.rows_of(batch);
        Ok(value)
    }

    fn end_epoch(&mut self, began: Instant) -> Result<()> {
        let validation = self.learner.validate()?;
        if !validation.monitor.is_finite() {
            return Err(not_finite(&self.state.progress, validation.monitor));
        }
        let units = self.state.progress.loss_units;
        let rows = std::mem::take(&mut self.sitting.rows);
        let train_loss = self.state.progress.loss_sum / units.max(1) as f64;
        let progress = &mut self.state.progress;
        progress.epoch += 1;
        progress.step = 0;
        progress.loss_sum = 0.0;
        progress.loss_units = 0;
        let improved = progress.judge(&validation);
        if improved {
            self.state.best = self.learner.mark()?;
        }
        let seconds = began.elapsed().as_secs_f64();
        let progress = &self.state.progress;
        (self.report)(Event::EpochEnded {
            part: self.plan.part.clone(),
            epoch: progress.epoch,
            train_loss,
            valid: validation.metrics,
            best_epoch: progress.best_epoch,
            improved,
            seconds,
            rows_per_second: rows as f64 / seconds.max(1e-9),
        });
        // Saved after it is told: a run killed in between tells the epoch again, where the other
        // order would leave it out. And before anyone asks whether to stop: the epoch that ends a
        // run is resumable too.
        let due =
            self.learner.saves_every_epoch() || self.sitting.saved.elapsed() > CHECKPOINT_EVERY;
        self.state.progress.ended = self.finished();
        if due || self.state.progress.ended.is_some() { self.save() } else { Ok(()) }
    }

    fn save(&mut self) -> Result<()> {
        self.state.progress.seconds = self.seconds();
        let parameters = self.learner.parameters();
        self.state.weights = self.learner.snapshot()?;
        self.state.optimiser = self.optimiser.moments(parameters)?;
        self.state.save(self.folder)?;
        self.sitting.saved = Instant::now();
        Ok(())
    }

    fn out_of_time(&self) -> bool {
        if let Some(last) = self.plan.last_step {
            return self.state.progress.total_steps >= last;
        }
        self.plan.budget.is_some_and(|budget| self.seconds() >= budget.as_secs_f64())
    }

    fn seconds(&self) -> f64 {
        self.sitting.seconds_before + self.sitting.started.elapsed().as_secs_f64()
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

fn not_finite(progress: &Progress, value: f64) -> Error {
    Error::user(format!(
        "the loss is {value} at step {} of epoch {}: training has diverged",
        progress.step + 1,
        progress.epoch + 1
    ))
    .hint("lower `train.learning_rate`, or look for extreme values: `mlx data check`")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use candle_core::Device;
    use rand::Rng as _;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::engine::{NetBuilder, Parameters};
    use crate::model::Model;
    use crate::train::learner::{Defaults, Validation};

    /// A line through points, with noise in the loss as dropout would make.
    struct Line {
        parameters: Parameters,
        points: Vec<(f32, f32)>,
    }

    impl Line {
        fn new() -> Self {
            let mut net = NetBuilder::new(0, 0);
            net.free("weight", vec![0.0, 0.0], &[2, 1]);
            let net = net.finish_without_output();
            let mut random = stream(1, Purpose::Sample, 0);
            let parameters = Parameters::init(&net, &Device::Cpu, &mut random).expect("new");
            let points = (0..50)
                .map(|_| {
                    let x: f32 = random.random::<f32>() * 2.0 - 1.0;
                    (x, 3.0 * x + 1.0)
                })
                .collect();
            Self { parameters, points }
        }

        fn error(&self, units: &[usize], noise: f32) -> Result<Tensor> {
            let x: Vec<f32> =
                units.iter().flat_map(|&unit| [self.points[unit].0 + noise, 1.0]).collect();
            let y: Vec<f32> = units.iter().map(|&unit| self.points[unit].1).collect();
            let x = Tensor::from_vec(x, (units.len(), 2), &Device::Cpu)?;
            let y = Tensor::from_vec(y, (units.len(), 1), &Device::Cpu)?;
            Ok((x.matmul(&self.parameters.tensor("weight")?)? - y)?.sqr()?.mean_all()?)
        }
    }

    impl Learner for Line {
        fn parameters(&self) -> &Parameters {
            &self.parameters
        }
        fn units(&self) -> usize {
            self.points.len()
        }
        fn valid_units(&self) -> usize {
            self.points.len()
        }
        fn defaults(&self) -> Defaults {
            Defaults { batch: 8, learning_rate: 0.05, weight_decay: 0.0 }
        }
        fn loss(&self, units: &[usize], random: &mut ChaCha8Rng) -> Result<Tensor> {
            self.error(units, random.random::<f32>() * 0.01)
        }
        fn validate(&self) -> Result<Validation> {
            let all: Vec<usize> = (0..self.points.len()).collect();
            let monitor = f64::from(self.error(&all, 0.0)?.to_scalar::<f32>()?);
            Ok(Validation { monitor, metrics: vec![("mse".into(), monitor)] })
        }
        fn model(&self) -> Result<Model> {
            Err(Error::bug("a line is no model"))
        }
    }

    fn plan() -> FitPlan {
        FitPlan {
            part: "line".into(),
            seed: 7,
            max_epochs: 12,
            patience: 50,
            batch: 8,
            learning_rate: 0.05,
            weight_decay: 0.01,
            budget: None,
            last_step: None,
        }
    }

    /// Run from the checkpoint in `folder`, where there is one, until `stop` says so or to the end.
    fn sit(
        folder: &Path,
        plan: &FitPlan,
        stop: impl Fn(u64) -> bool,
    ) -> (Ended, BTreeMap<String, Vec<u32>>) {
        let learner = Line::new();
        let state = match State::load(folder, &Device::Cpu).expect("loads") {
            Some(state) => state,
            None => fresh_state(&learner).expect("fresh"),
        };
        learner.parameters.restore(&state.weights).expect("restored");
        let interrupt = Interrupt::default();
        let flag = interrupt.clone();
        let mut steps = state.progress.total_steps;
        let mut report = |event: Event| {
            if matches!(event, Event::StepEnded { .. }) {
                steps += 1;
                if stop(steps) {
                    flag.set();
                }
            }
        };
        let mut fit =
            Fit::new(&learner, plan, state, folder, &interrupt, &mut report).expect("an optimiser");
        let ended = fit.run().expect("fits");
        let bits = |tensor: &Tensor| -> Vec<u32> {
            let values = tensor.flatten_all().and_then(|t| t.to_vec1::<f32>()).expect("values");
            values.into_iter().map(f32::to_bits).collect()
        };
        let best =
            fit.state.best.iter().map(|(name, tensor)| (name.clone(), bits(tensor))).collect();
        (ended, best)
    }

    #[test]
    fn a_run_interrupted_anywhere_ends_with_the_same_bits() {
        let whole = tempfile::tempdir().expect("a folder");
        let (ended, expected) = sit(whole.path(), &plan(), |_| false);
        assert_eq!(ended, Ended::Finished(StopReason::Completed));
        let pieces = tempfile::tempdir().expect("a folder");
        let mut sittings = 0;
        // Seven steps make an epoch: sittings of 5 steps end everywhere in it.
        let found = loop {
            sittings += 1;
            let (ended, best) = sit(pieces.path(), &plan(), |step| step % 5 == 0);
            if ended != Ended::Interrupted {
                break best;
            }
        };
        assert!(sittings > 10, "{sittings}");
        assert_eq!(found, expected);
    }

    #[test]
    fn a_step_count_is_replayed_where_the_clock_ended_a_run() {
        let folder = tempfile::tempdir().expect("a folder");
        let replay = FitPlan { last_step: Some(17), ..plan() };
        let (ended, first) = sit(folder.path(), &replay, |_| false);
        assert_eq!(ended, Ended::Finished(StopReason::Budget));
        let again = tempfile::tempdir().expect("a folder");
        assert_eq!(sit(again.path(), &replay, |_| false).1, first);
        let state = State::load(folder.path(), &Device::Cpu).expect("loads").expect("one");
        assert_eq!((state.progress.total_steps, state.progress.epoch), (17, 3));
    }

    #[test]
    fn the_line_is_found_and_patience_ends_the_run() {
        let folder = tempfile::tempdir().expect("a folder");
        let plan = FitPlan { max_epochs: 500, patience: 5, ..plan() };
        assert_eq!(sit(folder.path(), &plan, |_| false).0, Ended::Finished(StopReason::Patience));
        let state = State::load(folder.path(), &Device::Cpu).expect("loads").expect("one");
        assert!(state.progress.best_monitor.expect("one") < 1e-3, "{:?}", state.progress);
        assert_eq!(state.progress.epoch - state.progress.best_epoch, 5);
    }
}
