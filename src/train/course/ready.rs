//! Parts made ready to train: their learners, on the rows and the device that they learn from and on.

use std::path::Path;
use std::time::Instant;

use candle_core::Device;

use super::ledger::Ledger;
use super::time::{End, Spent, end};
use super::{Course, Limits, Part};
use crate::data::{DataSettings, Dataset, Table};
use crate::error::{Error, Result};
use crate::train::checkpoint;
use crate::train::deadline::{Clock, Deadline};
use crate::train::estimator::Request;
use crate::train::learner::Learner;

/// A part's learner.
pub(super) struct Built {
    pub learner: Box<dyn Learner>,
    /// The rows that it learns from, where they are its fold's own.
    pub rows: Option<Table>,
    /// Before anything was made ready.
    pub began: Instant,
}

/// What came of making a part ready.
pub(super) enum Making {
    Built(Built),
    /// It was cut off, after so many seconds.
    CutOff(f64),
}

/// A course's first part, made ready before there is a run; and the clock that began with it.
pub(crate) struct Ready {
    pub(super) clock: Clock,
    /// None where the first part isn't to be trained.
    pub(super) first: Option<Making>,
}

impl Ready {
    /// `folder` holds the checkpoints of a run that is resumed.
    pub(crate) fn new(
        course: &Course,
        dataset: &Dataset,
        data: &DataSettings,
        device: &Device,
        limits: &Limits,
        folder: Option<&Path>,
    ) -> Result<Self> {
        let clock = limits.clock();
        let first = course.parts.first().ok_or_else(|| Error::bug("a course without a part"))?;
        let ledger = folder.map(Ledger::load).transpose()?.unwrap_or_default();
        if ledger.left_out.contains_key(&first.name) {
            return Ok(Self { clock, first: None });
        }
        let spent = Spent::before(limits.before);
        let end = end(&course.parts, 0, &spent, limits.budget, limits.replay.as_ref());
        if let End::Never(_) = end {
            return Ok(Self { clock, first: None });
        }
        let deadline = match folder {
            Some(folder) => deadline(&end, &clock, &folder.join(&first.name))?,
            None => deadline(&end, &clock, Path::new(""))?,
        };
        let first = course.make(first, dataset, data, device, (&clock, &deadline))?;
        Ok(Self { clock, first: Some(first) })
    }
}

/// By when a part is fitted that has no steps. What has a checkpoint was fitted in time, and is again whatever the clock says.
pub(super) fn deadline(end: &End, clock: &Clock, folder: &Path) -> Result<Deadline> {
    Ok(match end {
        End::After(time) if checkpoint::progress(folder)?.is_none() => {
            Deadline::at(clock, clock.now() + time.as_secs_f64())
        }
        _ => Deadline::open(),
    })
}

impl Course {
    /// A part made ready by a deadline, or cut off.
    pub(super) fn make(
        &self,
        part: &Part,
        dataset: &Dataset,
        data: &DataSettings,
        device: &Device,
        (clock, deadline): (&Clock, &Deadline),
    ) -> Result<Making> {
        let (began, since) = (Instant::now(), clock.now());
        match self.learner(part, dataset, data, device, deadline) {
            Ok((learner, rows)) => Ok(Making::Built(Built { learner, rows, began })),
            Err(_) if deadline.is_up() => Ok(Making::CutOff(clock.now() - since)),
            Err(error) => Err(error),
        }
    }

    /// A part's learner, on the device that it trains on, and the rows that it learns from where they are its
    /// fold's own.
    pub(crate) fn learner(
        &self,
        part: &Part,
        dataset: &Dataset,
        data: &DataSettings,
        device: &Device,
        deadline: &Deadline,
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
            deadline,
            common: &self.common,
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
