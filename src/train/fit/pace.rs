//! Whether another step still fits into a budget, with the validation and the checkpoint that end it.

/// How fast a past step is forgotten: one that took long for a reason of its own should not end the run.
const FORGETTING: f64 = 0.9;

/// Longer than this a validation is timed before a run relies on a guess, in seconds.
const WORTH_TIMING: f64 = 0.25;

/// And only where this many of them are left: it is time that nothing is learned in.
const WORTH_OF: f64 = 4.0;

/// How long the parts of an epoch take in this sitting, in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    step: f64,
    validation: Option<f64>,
    save: f64,
}

impl Pace {
    pub(super) fn step_took(&mut self, seconds: f64) {
        self.step = seconds.max(self.step * FORGETTING);
    }

    pub(super) fn validation_took(&mut self, seconds: f64) {
        self.validation = Some(seconds.max(self.validation.unwrap_or(0.0) * FORGETTING));
    }

    pub(super) fn save_took(&mut self, seconds: f64) {
        self.save = seconds.max(self.save * FORGETTING);
    }

    /// Whether validation is unknown and may be long, and `left` seconds are enough to see how long.
    /// `share` is its size, in steps.
    pub(super) fn wants_timing(&self, left: f64, share: f64) -> bool {
        let guess = self.guess(share);
        self.validation.is_none() && guess > WORTH_TIMING && guess * WORTH_OF <= left
    }

    /// Whether a step that begins now is taken, validated and saved before `left` seconds are over.
    pub(super) fn fits(&self, left: f64, share: f64) -> bool {
        self.step + self.validation.unwrap_or_else(|| self.guess(share)) + self.save <= left
    }

    /// Scoring costs no more than learning from as many units.
    fn guess(&self, share: f64) -> f64 {
        self.step * share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_step_counts_before_it_is_taken() {
        let mut pace = Pace::default();
        assert!(pace.fits(0.0, 10.0), "nothing is known of a run that has not begun");
        pace.step_took(0.02);
        assert!(!pace.wants_timing(9.0, 10.0) && pace.fits(0.23, 10.0) && !pace.fits(0.21, 10.0));
        assert!(pace.wants_timing(9.0, 20.0) && !pace.wants_timing(1.5, 20.0));
        pace.validation_took(3.0);
        assert!(!pace.wants_timing(9.0, 20.0) && !pace.fits(3.01, 10.0) && pace.fits(3.03, 10.0));
        pace.save_took(1.0);
        assert!(!pace.fits(4.0, 10.0));
    }

    #[test]
    fn one_long_step_is_forgotten() {
        let mut pace = Pace::default();
        pace.step_took(5.0);
        (0..60).for_each(|_| pace.step_took(0.01));
        assert!(pace.fits(0.1, 0.0));
    }
}
