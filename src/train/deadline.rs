//! Until when work that has no steps may go on. What is fitted in closed form looks at it between two pieces of
//! itself, so that a budget cuts it off where a step of the loop would not be begun.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::error::{Error, Result};

/// Tells the seconds of a sitting.
#[derive(Clone, Debug)]
pub(crate) enum Clock {
    /// Since then.
    Since(Instant),
    /// For tests that can't wait and shouldn't depend on how fast a machine is: every look takes a second.
    #[cfg(test)]
    Looks(std::sync::Arc<std::sync::atomic::AtomicU64>),
}

impl Clock {
    pub(crate) fn started() -> Self {
        Self::Since(Instant::now())
    }

    #[cfg(test)]
    pub(crate) fn of_looks() -> Self {
        Self::Looks(std::sync::Arc::default())
    }

    pub(crate) fn now(&self) -> f64 {
        match self {
            Self::Since(began) => began.elapsed().as_secs_f64(),
            #[cfg(test)]
            Self::Looks(looks) => looks.fetch_add(1, Ordering::SeqCst) as f64,
        }
    }
}

/// A moment by which work ends, or is dropped.
#[derive(Debug)]
pub(crate) struct Deadline {
    /// By the clock; none where the work takes as long as it takes.
    end: Option<(Clock, f64)>,
    up: AtomicBool,
}

impl Deadline {
    /// As long as it takes.
    pub(crate) const fn open() -> Self {
        Self { end: None, up: AtomicBool::new(false) }
    }

    /// When the clock tells so many seconds.
    pub(crate) fn at(clock: &Clock, seconds: f64) -> Self {
        Self { end: Some((clock.clone(), seconds)), up: AtomicBool::new(false) }
    }

    /// Between two pieces of work: an error where the time is up. Threads may look side by side.
    pub(crate) fn look(&self) -> Result<()> {
        let past = |(clock, end): &(Clock, f64)| clock.now() > *end;
        if self.is_up() || self.end.as_ref().is_some_and(past) {
            self.up.store(true, Ordering::SeqCst);
            return Err(Error::user("the budget ran out while it was fitted")
                .hint("give it more time: `--budget`"));
        }
        Ok(())
    }

    /// For work that goes on at an even pace, which begins now.
    pub(crate) fn pace(&self) -> Pace<'_> {
        Pace { deadline: self, began: self.end.as_ref().map_or(0.0, |(clock, _)| clock.now()) }
    }

    /// Whether what is likely to take so many seconds ends in time.
    pub(crate) fn fits(&self, seconds: f64) -> bool {
        !self.is_up() && self.end.as_ref().is_none_or(|(clock, end)| clock.now() + seconds <= *end)
    }

    /// Whether a look found the time to be up: then an error of the work says no more than that.
    pub(crate) fn is_up(&self) -> bool {
        self.up.load(Ordering::SeqCst)
    }
}

/// Of its time, how much work may take before its pace says whether it ends in time; and how much longer than it
/// may take it is then likely to take, as paces aren't that even.
const SEEN: f64 = 0.2;
const CLEARLY: f64 = 1.5;

/// Work that gives up early where it would be far from done in time, so that what comes after it has that time.
pub(crate) struct Pace<'a> {
    deadline: &'a Deadline,
    began: f64,
}

impl Pace<'_> {
    /// A look, when this share of the work is done.
    pub(crate) fn look(&self, done: f64) -> Result<()> {
        if let Some((clock, end)) = &self.deadline.end {
            let (now, may) = (clock.now(), end - self.began);
            let took = now - self.began;
            if took > SEEN * may && took > CLEARLY * may * done {
                self.deadline.up.store(true, Ordering::SeqCst);
            }
        }
        self.deadline.look()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_far_from_done_in_time_gives_up_early() {
        let looks = |work: f64| {
            let clock = Clock::of_looks();
            let deadline = Deadline::at(&clock, 100.0);
            let pace = deadline.pace();
            (0..).take_while(|&at| pace.look(f64::from(at) / work).is_ok()).take(200).count()
        };
        // A look is two seconds here: fifty are as many as there is time for.
        assert!((10..20).contains(&looks(1000.0)), "{}", looks(1000.0));
        assert_eq!(looks(55.0), 50);
        let deadline = Deadline::open();
        assert!(deadline.pace().look(0.0).is_ok());
    }

    #[test]
    fn a_deadline_that_was_passed_stays_passed() {
        let clock = Clock::of_looks();
        let deadline = Deadline::at(&clock, 2.0);
        assert!(deadline.look().is_ok() && deadline.fits(1.0) && !deadline.fits(1.0));
        assert!(!deadline.is_up(), "what doesn't fit was not begun");
        assert!(deadline.look().is_err() && deadline.is_up());
        assert!(deadline.look().is_err() && !deadline.fits(0.0));
        let open = Deadline::open();
        assert!(open.look().is_ok() && open.fits(f64::MAX) && !open.is_up());
    }
}
