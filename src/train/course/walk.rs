//! A course carried out: part after part, each through the loop with its own folder of checkpoints.
//!
//! One learner is held at a time. A part that ended is known by its own checkpoint, so a run that was
//! killed anywhere goes on with the part it was in and comes to the same bytes.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use candle_core::Device;

use super::time::{End, end, likely};
use super::{Course, FinishRequest, Finished, Part, PartRecord, Replay, Trained};
use crate::data::{DataSettings, Dataset, Table};
use crate::engine::Precision;
use crate::error::{Context, Error, Result};
use crate::sys::signals::Interrupt;
use crate::train::checkpoint::{self, Progress, State};
use crate::train::estimator::Request;
use crate::train::event::Event;
use crate::train::fit::{Ended, Fit, FitPlan, fresh_state};
use crate::train::learner::Learner;

/// What a run was told of how far and how fast to go; what is absent is the estimator's to say.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Limits {
    pub max_epochs: usize,
    pub patience: usize,
    pub batch: Option<usize>,
    pub learning_rate: Option<f64>,
    pub weight_decay: Option<f64>,
    /// Of parts that train on the device; others know float32 alone.
    pub precision: Precision,
    /// All fitting ends by then, over all sittings of the run.
    pub budget: Option<Duration>,
    pub replay: Option<Replay>,
}

/// A course and everything that it takes to carry it out.
pub(crate) struct Walk<'a> {
    pub course: &'a Course,
    pub dataset: &'a Dataset,
    pub data: &'a DataSettings,
    pub device: &'a Device,
    pub limits: &'a Limits,
    /// Where checkpoints go, a folder a part.
    pub folder: &'a Path,
    pub interrupt: &'a Interrupt,
    pub report: &'a mut dyn FnMut(Event),
}

/// How far a sitting got.
#[derive(Debug)]
pub(crate) struct Walked {
    pub records: Vec<PartRecord>,
    pub end: WalkEnd,
}

#[derive(Debug)]
pub(crate) enum WalkEnd {
    Finished(Box<Finished>),
    /// The user asked to stop in this part, after so many of its epochs.
    Interrupted {
        part: String,
        epochs: usize,
    },
}

/// How far each part's checkpoint is, of those that have one.
pub(crate) fn reached(course: &Course, folder: &Path) -> Result<BTreeMap<String, Progress>> {
    let mut reached = BTreeMap::new();
    for part in &course.parts {
        if let Some(progress) = checkpoint::progress(&folder.join(&part.name))? {
            reached.insert(part.name.clone(), progress);
        }
    }
    Ok(reached)
}

/// What is known of the time that a part and those after it take, in seconds.
#[derive(Clone, Copy, Debug)]
struct Rest {
    /// What the parts before it left of the budget.
    budget: Option<f64>,
    /// What they are likely to take.
    likely: Option<f64>,
}

/// The learner of a course's first part, built before there is a run.
pub(crate) struct Ready {
    learner: Box<dyn Learner>,
    /// The rows that it learns from, where they are its fold's own.
    rows: Option<Table>,
    /// Before anything was made ready.
    began: Instant,
}

impl Ready {
    pub(crate) fn new(
        course: &Course,
        dataset: &Dataset,
        data: &DataSettings,
        device: &Device,
    ) -> Result<Self> {
        let began = Instant::now();
        let first = course.parts.first().ok_or_else(|| Error::bug("a course without a part"))?;
        let (learner, rows) = course.learner(first, dataset, data, device)?;
        Ok(Self { learner, rows, began })
    }
}

impl Course {
    /// A part's learner, on the device that it trains on, and the rows that it learns from where they are its
    /// fold's own.
    pub(crate) fn learner(
        &self,
        part: &Part,
        dataset: &Dataset,
        data: &DataSettings,
        device: &Device,
    ) -> Result<(Box<dyn Learner>, Option<Table>)> {
        // Beside others, what knows the CPU alone trains there; alone it says so.
        let device =
            if part.estimator.cpu_only && self.parts.len() > 1 { &Device::Cpu } else { device };
        let own = part.fold.map(|fold| fold.of(dataset, data)).transpose()?;
        let dataset = own.as_ref().unwrap_or(dataset);
        let learner = (part.estimator.build)(&Request {
            dataset,
            data,
            model: &part.model,
            shared: &self.shared,
            seed: part.seed,
            device,
        })?;
        if let Some(stream) = &dataset.stream
            && learner.units() != stream.rows.train
        {
            return Err(Error::bug("an estimator learns from a sample of the rows alone"));
        }
        if learner.units() == 0 || learner.valid_units() == 0 {
            return Err(Error::user(format!(
                "{} units to learn from and {} to validate on: training needs both",
                learner.units(),
                learner.valid_units()
            ))
            .hint("give more rows, or change `data.split`"));
        }
        Ok((learner, own.map(|own| own.train)))
    }
}

impl Limits {
    /// The plan of a part, with nothing left open.
    pub(crate) fn plan(&self, part: &Part, learner: &dyn Learner) -> FitPlan {
        let defaults = learner.defaults();
        // What means nothing to an estimator is the others' to read.
        let told = |value: Option<f64>| value.filter(|_| part.estimator.descends);
        let (epochs, patience) = learner.most().unwrap_or((usize::MAX, usize::MAX));
        FitPlan {
            part: part.name.clone(),
            seed: part.seed,
            max_epochs: learner.schedule().epochs(self.max_epochs).min(epochs),
            patience: self.patience.min(patience),
            batch: self.batch.filter(|_| part.estimator.descends).unwrap_or(defaults.batch),
            learning_rate: told(self.learning_rate).unwrap_or(defaults.learning_rate),
            weight_decay: told(self.weight_decay).unwrap_or(defaults.weight_decay),
            precision: if part.estimator.takes_precision() {
                self.precision
            } else {
                Precision::Float32
            },
            budget: None,
            last_step: None,
        }
    }
}

impl Walk<'_> {
    /// Train every part that has time, then make one model of them.
    pub(crate) fn run(mut self, first: Ready) -> Result<Walked> {
        let mut first = Some(first);
        let course = self.course;
        let mut records = Vec::new();
        let mut trained: Vec<Trained> = Vec::new();
        for (at, part) in course.parts.iter().enumerate() {
            let ended: Vec<Progress> = trained.iter().map(|part| part.progress.clone()).collect();
            let end =
                end(&course.parts, at, &ended, self.limits.budget, self.limits.replay.as_ref());
            if let End::Never(why) = end {
                (self.report)(Event::PartLeftOut { part: part.name.clone(), why: why.clone() });
                records.push(PartRecord::left_out(part, why));
                continue;
            }
            let ready = first.take().filter(|_| at == 0);
            let spent: f64 = ended.iter().map(|progress| progress.seconds).sum();
            let took = trained.iter().map(|part| (part.kind, part.progress.seconds));
            let rest = Rest {
                budget: self.limits.budget.map(|budget| budget.as_secs_f64() - spent),
                likely: likely(&course.parts, at, took),
            };
            let (progress, finished) = self.train(at, ready, &end, rest)?;
            let record = PartRecord::new(part, &progress);
            records.push(record);
            let Some(part) = finished else {
                let end = WalkEnd::Interrupted { part: part.name.clone(), epochs: progress.epoch };
                return Ok(Walked { records, end });
            };
            trained.push(part);
        }
        if trained.is_empty() {
            return Err(Error::user("mlx.lock records the steps of none of the parts of this run")
                .hint("train without --locked to write a new one"));
        }
        let Self { dataset, data, .. } = self;
        let request = FinishRequest { kind: &course.kind, dataset, data, shared: &course.shared };
        let finished = (course.finish)(trained, &request)?;
        if let Some(choice) = &finished.choice {
            (self.report)(Event::Chosen { choice: choice.clone() });
        }
        Ok(Walked { records, end: WalkEnd::Finished(Box::new(finished)) })
    }

    /// Train a part to its end; nothing is trained where the user asked to stop.
    fn train(
        &mut self,
        at: usize,
        ready: Option<Ready>,
        end: &End,
        rest: Rest,
    ) -> Result<(Progress, Option<Trained>)> {
        let part = &self.course.parts[at];
        let Ready { learner, rows, began } = match ready {
            Some(ready) => ready,
            None => {
                let began = Instant::now();
                let course = self.course;
                let (learner, rows) = course.learner(part, self.dataset, self.data, self.device)?;
                Ready { learner, rows, began }
            }
        };
        let learner = learner.as_ref();
        let folder = self.folder.join(&part.name);
        let misfit = || format!("the checkpoint of {} does not fit", part.name);
        let state = match State::load(&folder, learner.parameters().device())? {
            Some(state) => {
                learner.restore(&state.weights).context(misfit)?;
                state
            }
            None => fresh_state(learner)?,
        };
        let mut plan = self.limits.plan(part, learner);
        match *end {
            End::After(time) => plan.budget = Some(time),
            End::AtStep(step) => plan.last_step = Some(step),
            End::Open | End::Never(_) => {}
        }
        (self.report)(Event::PartStarted {
            part: part.name.clone(),
            kind: part.estimator.kind.to_owned(),
            number: at + 1,
            parts: self.course.parts.len(),
            train_units: learner.units(),
            valid_units: learner.valid_units(),
            max_epochs: plan.max_epochs,
            parameters: learner.parameters().count(),
            from_epoch: state.progress.epoch,
            budget_seconds: plan.budget.map(|time| time.as_secs_f64()),
            from_seconds: state.progress.seconds,
            run_budget_seconds: rest.budget.filter(|_| plan.last_step.is_none()),
            likely_seconds: rest.likely,
            notices: learner.notices(),
        });
        let mut fit =
            Fit::new(learner, &plan, state, &folder, self.interrupt, self.report)?.since(began);
        // The table of a stream is a sample: its rows have other numbers.
        if self.dataset.stream.is_none() {
            fit = fit.of_rows(rows.as_ref().unwrap_or(&self.dataset.train));
        }
        let ended = fit.run()?;
        let state = fit.state;
        let Ended::Finished(reason) = ended else { return Ok((state.progress, None)) };
        learner.restore(&state.best)?;
        let progress = state.progress;
        (self.report)(Event::PartEnded {
            part: part.name.clone(),
            epochs: progress.epoch,
            best_epoch: progress.best_epoch,
            steps: progress.total_steps,
            valid: progress.best_metrics.clone(),
            seconds: progress.seconds,
            reason,
        });
        let trained = Trained {
            name: part.name.clone(),
            member: part.member.clone(),
            fold: part.fold,
            kind: part.estimator.kind,
            model: learner.model()?,
            progress: progress.clone(),
        };
        Ok((progress, Some(trained)))
    }
}
