//! One sitting of a run: its clock, and what it remembers that no other needs.

use std::time::Instant;

use super::pace::Pace;

/// From the start of a process, or its resumption, to its end.
pub(super) struct Sitting {
    clock: Clock,
    /// When the last checkpoint was written, and when the current epoch began, by the clock.
    saved: f64,
    epoch_began: f64,
    /// Rows of the current epoch that were learned from.
    rows: usize,
    pub pace: Pace,
}

/// Tells the seconds of fitting so far, over all sittings of the run.
enum Clock {
    /// The seconds of the sittings before, and when this one began.
    Running(f64, Instant),
    /// For tests that can't wait.
    #[cfg(test)]
    Told(std::rc::Rc<std::cell::Cell<f64>>),
}

impl Sitting {
    /// One that began at this moment, after so many seconds of others.
    pub(super) fn new(before: f64, began: Instant) -> Self {
        Self::by(Clock::Running(before, began), before)
    }

    /// One whose time is what it is told.
    #[cfg(test)]
    pub(super) fn told(seconds: std::rc::Rc<std::cell::Cell<f64>>) -> Self {
        Self::by(Clock::Told(seconds), 0.0)
    }

    fn by(clock: Clock, saved: f64) -> Self {
        Self { clock, saved, epoch_began: 0.0, rows: 0, pace: Pace::default() }
    }

    pub(super) fn now(&self) -> f64 {
        match &self.clock {
            Clock::Running(before, began) => before + began.elapsed().as_secs_f64(),
            #[cfg(test)]
            Clock::Told(seconds) => seconds.get(),
        }
    }

    pub(super) fn begin_epoch(&mut self) {
        self.epoch_began = self.now();
        self.rows = 0;
    }

    /// Seconds of the current epoch.
    pub(super) fn epoch_seconds(&self) -> f64 {
        self.now() - self.epoch_began
    }

    /// A step over these rows, which began then, has ended; the rows a second of its epoch so far.
    pub(super) fn step_ended(&mut self, began: f64, rows: usize) -> f64 {
        self.pace.step_took(self.now() - began);
        self.rows += rows;
        self.rows_per_second()
    }

    pub(super) fn rows_per_second(&self) -> f64 {
        self.rows as f64 / self.epoch_seconds().max(1e-9)
    }

    pub(super) fn since_saved(&self) -> f64 {
        self.now() - self.saved
    }

    /// A checkpoint that was begun then is written.
    pub(super) fn saved(&mut self, began: f64) {
        self.saved = self.now();
        self.pace.save_took(self.saved - began);
    }
}
