//! What the end of a run has time for, from trained parts to a model.
//!
//! Its work comes in pieces that have names, and pieces in steps that are numbered. Where the budget cuts a piece
//! short, that is recorded at once: a resumed run, and one by `mlx.lock`, take as many steps whatever the clock says.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::error::Result;
use crate::train::deadline::{Clock, Deadline};

/// How many steps were taken of each piece that was cut short.
pub(crate) type Cuts = BTreeMap<String, u64>;

pub(crate) struct Allowance<'a> {
    /// By when all of it ends; none where it takes as long as it takes.
    end: Option<(Clock, f64)>,
    cuts: RefCell<Cuts>,
    record: &'a dyn Fn(&Cuts) -> Result<()>,
}

impl<'a> Allowance<'a> {
    /// No more than what is recorded is cut.
    pub(crate) fn replayed(cuts: Cuts) -> Self {
        Self { end: None, cuts: cuts.into(), record: &|_| Ok(()) }
    }

    /// Until the clock tells so many seconds. What is cut is added to `cuts`, of which `record` is told.
    pub(crate) fn until(
        clock: &Clock,
        end: f64,
        cuts: Cuts,
        record: &'a dyn Fn(&Cuts) -> Result<()>,
    ) -> Self {
        Self { end: Some((clock.clone(), end)), cuts: cuts.into(), record }
    }

    /// A piece of work that begins now. It may take this share of the time that is left when so many seconds are
    /// kept for what comes after.
    pub(crate) fn piece(&self, name: &str, share: f64, kept: f64) -> Piece<'_> {
        let deadline = match &self.end {
            Some((clock, end)) => {
                let now = clock.now();
                Deadline::at(clock, now + share * (end - kept - now))
            }
            None => Deadline::open(),
        };
        let most = self.cuts.borrow().get(name).copied();
        Piece { allowance: self, name: name.to_owned(), deadline, most }
    }

    /// The seconds so far, to tell how long something takes; none go by where nothing depends on it.
    pub(crate) fn now(&self) -> f64 {
        self.end.as_ref().map_or(0.0, |(clock, _)| clock.now())
    }

    pub(crate) fn cuts(&self) -> Cuts {
        self.cuts.borrow().clone()
    }
}

pub(crate) struct Piece<'a> {
    allowance: &'a Allowance<'a>,
    name: String,
    deadline: Deadline,
    /// How many steps it has, where that is recorded.
    most: Option<u64>,
}

impl Piece<'_> {
    /// Take step number `at`, which is likely to take so many seconds; none where there is no time for it, or
    /// where its own looks at the deadline found that there wasn't.
    pub(crate) fn step<T>(
        &self,
        at: u64,
        likely: f64,
        step: impl FnOnce(&Deadline) -> Result<T>,
    ) -> Result<Option<T>> {
        if let Some(most) = self.most {
            return if at < most { step(&Deadline::open()).map(Some) } else { Ok(None) };
        }
        if self.deadline.fits(likely) {
            match step(&self.deadline) {
                Err(_) if self.deadline.is_up() => {}
                done => return done.map(Some),
            }
        }
        self.allowance.cuts.borrow_mut().insert(self.name.clone(), at);
        (self.allowance.record)(&self.allowance.cuts.borrow())?;
        Ok(None)
    }

    /// Whether step number `at` may be taken by whoever asks.
    pub(crate) fn goes_on(&self, at: u64) -> Result<bool> {
        self.step(at, 0.0, |_| Ok(())).map(|taken| taken.is_some())
    }
}

/// Work that is done several times, as once a round: each time it may take an even share of the time that is left.
pub(crate) struct Turns<'a> {
    allowance: &'a Allowance<'a>,
    name: &'static str,
    taken: usize,
    count: usize,
    cut: bool,
}

impl<'a> Turns<'a> {
    pub(crate) fn new(allowance: &'a Allowance<'a>, name: &'static str, count: usize) -> Self {
        Self { allowance, name, taken: 0, count, cut: false }
    }

    /// The next one. The work asks whether it goes on with the step of a number, from zero on.
    pub(crate) fn next<T>(
        &mut self,
        work: impl FnOnce(&mut dyn FnMut(usize) -> Result<bool>) -> Result<T>,
    ) -> Result<T> {
        let share = 1.0 / self.count.saturating_sub(self.taken).max(1) as f64;
        self.taken += 1;
        let piece = self.allowance.piece(&format!("{} {}", self.name, self.taken), share, 0.0);
        work(&mut |at| {
            let goes_on = piece.goes_on(at as u64)?;
            self.cut |= !goes_on;
            Ok(goes_on)
        })
    }

    /// Whether one was cut short.
    pub(crate) fn were_cut(&self) -> bool {
        self.cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn steps(piece: &Piece<'_>) -> Vec<bool> {
        (0..6).map(|at| piece.goes_on(at).expect("recorded")).take_while(|taken| *taken).collect()
    }

    #[test]
    fn what_is_cut_is_recorded_and_replayed() {
        let told = RefCell::new(Cuts::new());
        let record = |cuts: &Cuts| -> Result<()> {
            told.replace(cuts.clone());
            Ok(())
        };
        let clock = Clock::of_looks();
        let allowance = Allowance::until(&clock, 10.0, Cuts::new(), &record);
        // A look took the first second; half of the rest is four and a half.
        assert_eq!(steps(&allowance.piece("origins", 0.5, 0.0)).len(), 5);
        let refit = allowance.piece("refit", 1.0, 0.0);
        let taken = refit.step(0, 2.0, |deadline| {
            while deadline.look().is_ok() {}
            deadline.look()
        });
        assert!(taken.expect("cut").is_none());
        let cuts = Cuts::from([("origins".into(), 5), ("refit".into(), 0)]);
        assert_eq!((allowance.cuts(), told.borrow().clone()), (cuts.clone(), cuts.clone()));

        let again = Allowance::replayed(cuts);
        assert_eq!(steps(&again.piece("origins", 0.5, 0.0)).len(), 5);
        assert!(again.piece("refit", 1.0, 0.0).step(0, 0.0, |_| Ok(())).expect("none").is_none());
        assert_eq!(steps(&again.piece("another", 1.0, 0.0)).len(), 6);
    }

    #[test]
    fn turns_share_the_time() {
        let clock = Clock::of_looks();
        let allowance = Allowance::until(&clock, 21.0, Cuts::new(), &|_| Ok(()));
        let mut turns = Turns::new(&allowance, "regression", 2);
        let mut taken = || {
            turns.next(|goes_on| {
                let mut at = 0;
                while goes_on(at)? {
                    at += 1;
                }
                Ok(at)
            })
        };
        // Each has a look to begin with, and one that ends it.
        assert_eq!((taken().expect("cut"), taken().expect("cut")), (10, 9));
        let cuts = Cuts::from([("regression 1".into(), 10), ("regression 2".into(), 9)]);
        assert!(turns.were_cut() && allowance.cuts() == cuts);
    }

    #[test]
    fn a_failure_that_is_no_cut_is_told() {
        let allowance = Allowance::replayed(Cuts::new());
        let fails = allowance
            .piece("refit", 1.0, 0.0)
            .step(0, 0.0, |_| Err::<(), _>(Error::bug("it broke")));
        assert!(fails.is_err() && allowance.cuts().is_empty());
    }
}
