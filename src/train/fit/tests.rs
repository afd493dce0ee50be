//! The loop on a line through points: what it comes to, when it ends, and what it says where it breaks.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use candle_core::{Device, Tensor};
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::data::{Column, ColumnKind, Values};
use crate::engine::{NetBuilder, Parameters};
use crate::model::Model;
use crate::sys::random::{Purpose, stream};
use crate::train::learner::{Defaults, Validation};

/// A line through points, with noise in the loss as dropout would make.
struct Line {
    parameters: Parameters,
    points: Vec<(f32, f32)>,
    /// A time of its own, that a step and a validation put forward by so much.
    now: Rc<Cell<f64>>,
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
        Self { parameters, points, now: Rc::default(), takes: [0.0; 2], steep: false }
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
        precision: Precision::Float32,
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
    let best = fit.state.best.iter().map(|(name, tensor)| (name.clone(), bits(tensor))).collect();
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
    let mut report = |event: Event| steps += usize::from(matches!(event, Event::StepEnded { .. }));
    let mut fit = Fit::new(line, plan, state, folder.path(), &interrupt, &mut report)
        .expect("an optimiser")
        .of_rows(&table);
    fit.sitting = Sitting::told(line.now.clone());
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
    for (budget, steps, took) in [(10.0, 13, 9.9), (4.5, 7, 4.1), (2.5, 2, 2.6), (0.1, 1, 2.3)] {
        let line = Line { takes: [0.3, 2.0], ..Line::new() };
        let plan = FitPlan { budget: Some(Duration::from_secs_f64(budget)), ..plan() };
        let (ended, state, told) = train(&line, &plan);
        assert_eq!(ended.expect("fits"), Ended::Finished(StopReason::Budget));
        assert_eq!((told, state.progress.total_steps), (steps, steps as u64), "{budget}");
        let now = line.now.get();
        assert!((now - took).abs() < 1e-9, "{budget}: {now}");
    }
}
