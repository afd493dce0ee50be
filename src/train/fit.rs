//! The training loop. It decides what happens next and tells whoever listens;
//! it never prints and never speaks to a registry.

use std::path::Path;
use std::time::{Duration, Instant};

use candle_core::Tensor;
use rand::seq::SliceRandom;

use super::adamw::{AdamW, Moments, norm};
use super::checkpoint::{Progress, State};
use super::diverged::{self, Broken, Place};
use super::event::{Event, StopReason};
use super::learner::Learner;
use super::pace::Pace;
use crate::data::Table;
use crate::error::{Error, Result};
use crate::sys::memory;
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
    clock: Clock<'a>,
    sitting: Sitting,
    /// The rows to learn from, to name those of a batch that went wrong.
    table: Option<&'a Table>,
}

/// Tells the seconds of fitting so far, over all sittings of the run.
enum Clock<'a> {
    /// The seconds of the sittings before, and when this one began.
    Running(f64, Instant),
    #[cfg_attr(not(test), expect(dead_code, reason = "for tests that can't wait"))]
    Set(&'a std::cell::Cell<f64>),
}

impl Clock<'_> {
    fn now(&self) -> f64 {
        match self {
            Self::Running(before, began) => before + began.elapsed().as_secs_f64(),
            Self::Set(seconds) => seconds.get(),
        }
    }
}

/// What this sitting remembers that no other needs.
#[derive(Default)]
struct Sitting {
    /// When the last checkpoint was written, and when the current epoch began, by the clock.
    saved: f64,
    epoch_began: f64,
    /// Rows of the current epoch that were learned from.
    rows: usize,
    pace: Pace,
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
        let before = state.progress.seconds;
        let clock = Clock::Running(before, Instant::now());
        let sitting = Sitting { saved: before, ..Sitting::default() };
        Ok(Self {
            learner,
            plan,
            state,
            folder,
            interrupt,
            report,
            optimiser,
            clock,
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
        self.clock = Clock::Running(self.state.progress.seconds, began);
        self
    }

    pub(crate) fn run(&mut self) -> Result<Ended> {
        loop {
            if let Some(reason) = self.state.progress.ended {
                return Ok(Ended::Finished(reason));
            }
            self.sitting.epoch_began = self.clock.now();
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
        let steps = self.steps_per_epoch();
        let batches = units.chunks(self.plan.batch).chain(std::iter::repeat(&[][..]));
        for batch in batches.take(steps).skip(self.state.progress.step) {
            if self.interrupt.is_set() {
                return Ok(Paused::Interrupt);
            }
            // An epoch that began takes at least one step, or there would be nothing to validate.
            if self.state.progress.step > 0 && self.out_of_time() {
                return Ok(Paused::OutOfTime);
            }
            let began = self.clock.now();
            let loss = self.step(batch)?;
            let now = self.clock.now();
            self.sitting.pace.step_took(now - began);
            let Progress { step, total_steps, .. } = self.state.progress;
            let rows_per_second = self.rows_per_second(now);
            (self.report)(Event::StepEnded {
                epoch,
                step,
                steps,
                total_steps,
                loss,
                rows_per_second,
            });
            self.time_validation();
            if now - self.sitting.saved > CHECKPOINT_EVERY_SECONDS {
                self.save()?;
            }
        }
        Ok(Paused::EpochEnd)
    }

    fn steps_per_epoch(&self) -> usize {
        let batches = || self.learner.units().div_ceil(self.plan.batch);
        self.learner.steps_per_epoch().unwrap_or_else(batches)
    }

    fn step(&mut self, batch: &[usize]) -> Result<f64> {
        let steps = self.steps_per_epoch();
        let Self { plan, learner, optimiser, .. } = self;
        let progress = &self.state.progress;
        let mut random = stream(plan.seed, Purpose::Dropout, progress.total_steps);
        let rate = learner.schedule().rate(plan, progress, steps);
        let mut broken = None;
        // What is no number takes no step: the weights stay those that gave it.
        let mut descend = |loss: &Tensor| {
            let value = f64::from(loss.to_scalar::<f32>()?);
            if !value.is_finite() {
                return Ok(value);
            }
            let parameters = learner.parameters();
            let gradient = parameters.gradient(loss)?;
            let norm = norm(&gradient);
            if !norm.is_finite() {
                broken = Some(Broken::Gradient(norm));
                return Ok(value);
            }
            let scale = if norm > LONGEST_GRADIENT { LONGEST_GRADIENT / norm } else { 1.0 };
            optimiser.step(parameters, &gradient, scale, rate, plan.weight_decay)?;
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
        progress.step += 1;
        progress.total_steps += 1;
        // A step that is not over a batch counts as any other.
        let weight = batch.len().max(1);
        progress.loss_sum += value * weight as f64;
        progress.loss_units += weight;
        self.sitting.rows += learner.rows_of(batch);
        Ok(value)
    }

    fn end_epoch(&mut self) -> Result<()> {
        let learning_rate = self.last_learning_rate();
        let began = self.clock.now();
        let validation = self.learner.validate()?;
        let now = self.clock.now();
        self.sitting.pace.validation_took(now - began);
        if !validation.monitor.is_finite() {
            return Err(self.diverged(Broken::Validation(validation.monitor), &[]));
        }
        let rows_per_second = self.rows_per_second(now);
        self.sitting.rows = 0;
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
            seconds: now - self.sitting.epoch_began,
            rows_per_second,
            peak_memory_bytes: memory::peak_bytes(),
        });
        // Saved after it is told: a run killed in between tells the epoch again, where the other
        // order would leave it out. And before anyone asks whether to stop: the epoch that ends a
        // run is resumable too.
        let due = self.learner.saves_every_epoch()
            || self.clock.now() - self.sitting.saved > CHECKPOINT_EVERY_SECONDS;
        self.state.progress.ended = self.finished();
        if due || self.state.progress.ended.is_some() { self.save() } else { Ok(()) }
    }

    /// Learn how long a validation takes before the deadline depends on it. Its result is of no
    /// interest yet, and neither is a failure: the epoch's own will tell.
    fn time_validation(&mut self) {
        let Some(budget) = self.plan.budget.filter(|_| self.plan.last_step.is_none()) else {
            return;
        };
        let began = self.clock.now();
        let left = budget.as_secs_f64() - began;
        if self.sitting.pace.wants_timing(left, self.validation_steps()) {
            let _ = self.learner.validate();
            self.sitting.pace.validation_took(self.clock.now() - began);
        }
    }

    /// How many steps' worth of units validation looks at.
    fn validation_steps(&self) -> f64 {
        let batch = self.plan.batch.min(self.learner.units()).max(1);
        self.learner.valid_units() as f64 / batch as f64
    }

    /// That of the step before; of what takes whole rounds, the rate is a setting and no schedule.
    fn last_learning_rate(&self) -> Option<f64> {
        let mut progress = self.state.progress.clone();
        progress.total_steps = progress.total_steps.saturating_sub(1);
        let scheduled = self.learner.steps_per_epoch().is_none();
        let schedule = self.learner.schedule();
        scheduled.then(|| schedule.rate(self.plan, &progress, self.steps_per_epoch()))
    }

    fn rows_per_second(&self, now: f64) -> f64 {
        self.sitting.rows as f64 / (now - self.sitting.epoch_began).max(1e-9)
    }

    fn diverged(&self, broken: Broken, units: &[usize]) -> Error {
        let progress = &self.state.progress;
        let (epoch, step) = (progress.epoch + 1, progress.step + 1);
        let place = Place { broken, epoch, step, units, rate: self.plan.learning_rate };
        diverged::error(&place, self.learner, self.table)
    }

    fn save(&mut self) -> Result<()> {
        let began = self.clock.now();
        self.state.progress.seconds = began;
        let parameters = self.learner.parameters();
        self.state.weights = self.learner.snapshot()?;
        self.state.optimiser = self.optimiser.moments(parameters)?;
        self.state.save(self.folder)?;
        self.sitting.saved = self.clock.now();
        self.sitting.pace.save_took(self.sitting.saved - began);
        Ok(())
    }

    /// Whether the next step would end, be validated and saved after the deadline.
    fn out_of_time(&self) -> bool {
        if let Some(last) = self.plan.last_step {
            return self.state.progress.total_steps >= last;
        }
        self.plan.budget.is_some_and(|budget| {
            let left = budget.as_secs_f64() - self.clock.now();
            left <= 0.0 || !self.sitting.pace.fits(left, self.validation_steps())
        })
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::BTreeMap;

    use candle_core::Device;
    use rand::Rng as _;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::data::{Column, ColumnKind, Values};
    use crate::engine::{NetBuilder, Parameters};
    use crate::model::Model;
    use crate::train::learner::{Defaults, Validation};

    /// A line through points, with noise in the loss as dropout would make.
    struct Line {
        parameters: Parameters,
        points: Vec<(f32, f32)>,
        /// A time of its own, that a step and a validation put forward by so much.
        now: Cell<f64>,
        takes: [f64; 2],
        /// The loss is the root of nothing, which has no slope.
        steep: bool,
    }

    impl Line {
        fn new() -> Self {
            let mut net = NetBuilder::new(0, 0);
            net.free("weight", vec![1.0, 0.0], &[2, 1]);
            let net = net.finish_without_output();
            let mut random = stream(1, Purpose::Sample, 0);
            let parameters = Parameters::init(&net, &Device::Cpu, &mut random).expect("new");
            let points = (0..50)
                .map(|_| {
                    let x: f32 = random.random::<f32>() * 2.0 - 1.0;
                    (x, 3.0 * x + 1.0)
                })
                .collect();
            Self { parameters, points, now: Cell::new(0.0), takes: [0.0; 2], steep: false }
        }

        fn pass(&self, seconds: f64) {
            self.now.set(self.now.get() + seconds);
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
            self.pass(self.takes[0]);
            let error = self.error(units, random.random::<f32>() * 0.01)?;
            Ok(if self.steep { error.sub(&error)?.sqrt()? } else { error })
        }
        fn validate(&self) -> Result<Validation> {
            self.pass(self.takes[1]);
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

    /// Train this line on a clock of its own, with its points as the rows of a file; and how often
    /// it was told of a step.
    fn train(line: &Line, plan: &FitPlan) -> (Result<Ended>, State, usize) {
        let folder = tempfile::tempdir().expect("a folder");
        let numbers = |name: &str, values: Vec<f64>| Column {
            name: name.into(),
            kind: ColumnKind::Numeric,
            values: Values::Numbers(values),
        };
        let (x, y) = line.points.iter().map(|&(x, y)| (f64::from(x), f64::from(y))).unzip();
        let columns = vec![numbers("x", x), numbers("y", y)];
        let mut table = Table { columns, rows: line.points.len(), ..Table::default() };
        table.origin.files = vec![("line.csv".into(), table.rows)];
        let state = fresh_state(line).expect("fresh");
        let interrupt = Interrupt::default();
        let mut steps = 0;
        let mut report =
            |event: Event| steps += usize::from(matches!(event, Event::StepEnded { .. }));
        let mut fit = Fit::new(line, plan, state, folder.path(), &interrupt, &mut report)
            .expect("an optimiser")
            .of_rows(&table);
        fit.clock = Clock::Set(&line.now);
        let ended = fit.run();
        let state = fit.state;
        (ended, state, steps)
    }

    fn failure(line: &Line, plan: &FitPlan) -> String {
        let error = train(line, plan).0.expect_err("it breaks");
        format!("{error}\n  try: {}", error.hint_text().unwrap_or_default())
    }

    #[test]
    fn a_loss_that_is_no_number_names_step_rows_and_the_value_that_stands_out() {
        let mut line = Line::new();
        line.points[13].0 = 1e30;
        let whole = FitPlan { batch: 50, ..plan() };
        insta::assert_snapshot!(failure(&line, &whole), @"
        training has diverged: the loss is inf at step 1 of epoch 1, over all 50 rows; most likely the cause: `x` is 1e30 in line.csv row 14, where half of its values lie between -0.62967 and 0.58631
          try: mend the value, or leave the column out: `--set columns.x=ignore`; `mlx data check` finds more
        ");
        // Of smaller batches, the one that holds the row.
        let said = failure(&line, &plan());
        assert!(said.contains("over 8 rows: line.csv rows "), "{said}");
        assert!(said.contains("`x` is 1e30 in line.csv row 14"), "{said}");
        // Whatever else there is, a rate that nothing asks for comes first.
        let fast = FitPlan { learning_rate: 5.0, ..whole };
        insta::assert_snapshot!(failure(&line, &fast), @"
        training has diverged: the loss is inf at step 1 of epoch 1, over all 50 rows; most likely the cause: the learning rate 5 is 100 times the estimator's own
          try: lower the learning rate: `--set train.learning_rate=0.05`
        ");
    }

    #[test]
    fn a_gradient_that_is_no_number_stops_before_it_reaches_the_weights() {
        let line = Line { steep: true, ..Line::new() };
        let before = line.parameters.snapshot().expect("weights");
        insta::assert_snapshot!(failure(&line, &plan()), @"
        training has diverged: the gradient's length is NaN at step 1 of epoch 1, over 8 rows: line.csv rows 5, 46, 41, 33, 19 and 3 more; no value of these rows stands out: most likely its steps are too long
          try: lower the learning rate: `--set train.learning_rate=0.005`
        ");
        let after = line.parameters.snapshot().expect("weights");
        assert_eq!(format!("{after:?}"), format!("{before:?}"));
    }

    #[test]
    fn a_budget_leaves_room_for_the_validation_and_ends_in_time() {
        // Steps of 0.3 s, seven an epoch; validations of 2 s, far more than scoring 50 points
        // would seem to take.
        // Where there is time enough, the first step is followed by a validation for its length alone.
        for (budget, steps, took) in [(10.0, 13, 9.9), (4.5, 7, 4.1), (2.5, 2, 2.6), (0.1, 1, 2.3)]
        {
            let line = Line { takes: [0.3, 2.0], ..Line::new() };
            let plan = FitPlan { budget: Some(Duration::from_secs_f64(budget)), ..plan() };
            let (ended, state, told) = train(&line, &plan);
            assert_eq!(ended.expect("fits"), Ended::Finished(StopReason::Budget));
            assert_eq!((told, state.progress.total_steps), (steps, steps as u64), "{budget}");
            let now = line.now.get();
            assert!((now - took).abs() < 1e-9, "{budget}: {now}");
        }
    }
}
