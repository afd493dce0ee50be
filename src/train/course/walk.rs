//! A course carried out: part after part, each through the loop with its own folder of checkpoints.
//!
//! One learner is held at a time. A part that ended is known by its own checkpoint, so a run that was
//! killed anywhere goes on with the part it was in and comes to the same bytes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use candle_core::Device;

use super::ledger::{Ledger, LeftOut};
use super::ready::{Built, Making, Ready, deadline};
use super::time::{End, Spent, end, kept, likely};
use super::{Allowance, Course, Cuts, FinishRequest, Finished, Part, PartRecord, Replay, Trained};
use crate::data::{DataSettings, Dataset};
use crate::engine::Precision;
use crate::error::{Context, Error, Result};
use crate::sys::signals::Interrupt;
use crate::train::checkpoint::{self, Progress, State};
use crate::train::deadline::Clock;
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
    /// The run ends by then, over all its sittings: from the start of the command to the package.
    pub budget: Option<Duration>,
    /// What of it went by before the first part, reading the data.
    pub before: Duration,
    pub replay: Option<Replay>,
    /// What was cut of the end of the run that is replayed.
    pub cuts: Cuts,
    /// For tests: every look at a deadline takes a second of the budget, and nothing else does.
    #[cfg(test)]
    pub counts_looks: bool,
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
    /// What was cut of what follows the parts.
    pub cuts: Cuts,
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
    for part in course.parts.iter().chain(&course.stand_in) {
        if let Some(progress) = checkpoint::progress(&folder.join(&part.name))? {
            reached.insert(part.name.clone(), progress);
        }
    }
    Ok(reached)
}

/// What a walk has come to in this sitting.
struct Sitting {
    ledger: Ledger,
    spent: Spent,
    records: Vec<PartRecord>,
    trained: Vec<Trained>,
    clock: Clock,
}

/// Why a part isn't trained that was begun.
const CUT_OFF: &str = "the budget ran out while it was fitted";

/// What is known of the time that a part and those after it take, in seconds.
#[derive(Clone, Copy, Debug)]
struct Rest {
    /// What the parts before it left of the budget.
    budget: Option<f64>,
    /// What they are likely to take.
    likely: Option<f64>,
}

impl Limits {
    /// A clock that starts now.
    pub(super) fn clock(&self) -> Clock {
        #[cfg(test)]
        if self.counts_looks {
            return Clock::of_looks();
        }
        Clock::started()
    }

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
        let Ready { clock, mut first } = first;
        let mut sitting = Sitting {
            ledger: Ledger::load(self.folder)?,
            spent: Spent::before(self.limits.before),
            records: Vec::new(),
            trained: Vec::new(),
            clock,
        };
        let course = self.course;
        for (at, part) in course.parts.iter().enumerate() {
            let end = self.end(at, &mut sitting);
            if let End::Never(why) = end {
                self.leave_out(part, why, 0.0, &mut sitting)?;
                continue;
            }
            let first = if at == 0 { first.take() } else { None };
            if let Some(interrupted) = self.part(at, part, first, &end, &mut sitting)? {
                return Ok(interrupted);
            }
        }
        if !sitting.trained.is_empty() {
            return self.finish(sitting);
        }
        if let Some(interrupted) = self.stand_in(&mut sitting)? {
            return Ok(interrupted);
        }
        let mut walked = self.finish(sitting)?;
        if let (WalkEnd::Finished(finished), Some(part)) = (&mut walked.end, &course.stand_in) {
            finished.notices.push(format!(
                "{} stands in: the budget left no time for anything else",
                part.name
            ));
        }
        Ok(walked)
    }

    /// The end of part number `at`.
    fn end(&self, at: usize, sitting: &mut Sitting) -> End {
        let Limits { budget, before, replay, .. } = self.limits;
        let part = &self.course.parts[at];
        if let Some(left_out) = sitting.ledger.left_out.get(&part.name) {
            sitting.spent.cut_off(left_out.seconds);
            return End::Never(left_out.why.clone());
        }
        // Between parts time goes by too; a resumed run knows of that which was stored.
        let spent = &mut sitting.spent;
        if budget.is_some() && replay.is_none() {
            spent.seconds = spent.seconds.max(before.as_secs_f64() + sitting.clock.now());
        }
        end(&self.course.parts, at, spent, *budget, replay.as_ref())
    }

    /// Leave a part out, which took so long until then; a resumed run does too.
    fn leave_out(
        &mut self,
        part: &Part,
        why: String,
        seconds: f64,
        sitting: &mut Sitting,
    ) -> Result<()> {
        if self.limits.replay.is_none() && !sitting.ledger.left_out.contains_key(&part.name) {
            let left_out = LeftOut { why: why.clone(), seconds };
            sitting.ledger.left_out.insert(part.name.clone(), left_out);
            sitting.ledger.save(self.folder)?;
        }
        (self.report)(Event::PartLeftOut { part: part.name.clone(), why: why.clone() });
        sitting.records.push(PartRecord::left_out(part, why));
        Ok(())
    }

    /// Train a part, or leave it out where it is cut off; how far it got where the user asked to stop.
    fn part(
        &mut self,
        at: usize,
        part: &Part,
        first: Option<Making>,
        end: &End,
        sitting: &mut Sitting,
    ) -> Result<Option<Walked>> {
        let took = sitting.trained.iter().map(|part| (part.kind, part.progress.seconds));
        let rest = Rest {
            budget: self
                .limits
                .budget
                .map(|budget| budget.as_secs_f64() - sitting.spent.seconds - kept(budget)),
            likely: self.course.parts.get(at).and_then(|_| likely(&self.course.parts, at, took)),
        };
        let making = match first {
            Some(making) => making,
            None => {
                let deadline = deadline(end, &sitting.clock, &self.folder.join(&part.name))?;
                let Self { course, dataset, data, device, .. } = *self;
                course.make(part, dataset, data, device, (&sitting.clock, &deadline))?
            }
        };
        let built = match making {
            Making::Built(built) => built,
            Making::CutOff(seconds) => {
                sitting.spent.cut_off(seconds);
                self.leave_out(part, CUT_OFF.into(), seconds, sitting)?;
                return Ok(None);
            }
        };
        let (progress, trained) = self.train((at, part), built, end, rest)?;
        sitting.spent.trained(&progress);
        sitting.records.push(PartRecord::new(part, &progress));
        let Some(trained) = trained else {
            let end = WalkEnd::Interrupted { part: part.name.clone(), epochs: progress.epoch };
            let records = std::mem::take(&mut sitting.records);
            return Ok(Some(Walked { records, cuts: Cuts::new(), end }));
        };
        sitting.trained.push(trained);
        Ok(None)
    }

    /// Where the time was too short for any part, the one that is soon done is trained whatever the clock says.
    fn stand_in(&mut self, sitting: &mut Sitting) -> Result<Option<Walked>> {
        let replay = self.limits.replay.as_ref();
        let wanted = |part: &&Part| replay.is_none_or(|replay| replay.contains_key(&part.name));
        let Some(part) = self.course.stand_in.as_ref().filter(wanted) else {
            return Err(Error::user("mlx.lock records the steps of none of the parts of this run")
                .hint("train without --locked to write a new one"));
        };
        sitting.records.retain(|record| record.name != part.name);
        let at = self.course.parts.iter().position(|own| own.name == part.name);
        let end = replay.map_or(End::Open, |replay| End::AtStep(replay[&part.name]));
        self.part(at.unwrap_or(self.course.parts.len()), part, None, &end, sitting)
    }

    /// One model of what was trained.
    fn finish(self, sitting: Sitting) -> Result<Walked> {
        let Self { course, dataset, data, limits, folder, report, .. } = self;
        let Sitting { ledger, spent, records, trained, clock } = sitting;
        let ledger = RefCell::new(ledger);
        let record = |cuts: &Cuts| -> Result<()> {
            ledger.borrow_mut().finish.clone_from(cuts);
            ledger.borrow().save(folder)
        };
        let allowance = match limits.budget {
            _ if limits.replay.is_some() => Allowance::replayed(limits.cuts.clone()),
            None => Allowance::replayed(Cuts::new()),
            Some(budget) => {
                let now = clock.now();
                let spent = spent.seconds.max(limits.before.as_secs_f64() + now);
                // Of what was kept, half is the package's.
                let left = budget.as_secs_f64() - kept(budget) / 2.0 - spent;
                let cuts = ledger.borrow().finish.clone();
                Allowance::until(&clock, now + left, cuts, &record)
            }
        };
        let request = FinishRequest {
            kind: &course.kind,
            dataset,
            data,
            shared: &course.shared,
            common: &course.common,
            allowance: &allowance,
        };
        let finished = (course.finish)(trained, &request)?;
        if let Some(choice) = &finished.choice {
            report(Event::Chosen { choice: choice.clone() });
        }
        let cuts = allowance.cuts();
        Ok(Walked { records, cuts, end: WalkEnd::Finished(Box::new(finished)) })
    }

    /// Train a part to its end; nothing is trained where the user asked to stop.
    fn train(
        &mut self,
        (at, part): (usize, &Part),
        built: Built,
        end: &End,
        rest: Rest,
    ) -> Result<(Progress, Option<Trained>)> {
        let Built { learner, rows, began } = built;
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
            parts: self.course.parts.len().max(at + 1),
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
