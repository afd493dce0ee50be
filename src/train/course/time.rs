//! Who gets how much of a budget. A function of what was stored, so that a resumed run divides it the same way.
//!
//! A budget is the whole command's: what went by before the first part counts, and what makes a model of the parts
//! has time set aside.

use std::time::Duration;

use super::{Part, Replay};
use crate::train::checkpoint::Progress;

/// Of a budget, and at most how many seconds of it, are kept for the end of the run: the model's errors, its
/// baselines, its package.
const KEPT: f64 = 0.1;
const MOST_KEPT: f64 = 5.0;

/// When a part ends, whatever it has come to by then.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum End {
    /// When it is done.
    Open,
    /// After so long.
    After(Duration),
    /// With this step.
    AtStep(u64),
    /// It isn't trained, for this reason.
    Never(String),
}

/// What was spent when a part's turn comes, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Spent {
    /// All that went by, over all sittings.
    pub seconds: f64,
    /// Before the first step, of the part that took longest to be ready for it.
    setup: f64,
    /// How many parts were trained.
    trained: usize,
}

impl Spent {
    /// Before the first part.
    pub(super) fn before(seconds: Duration) -> Self {
        Self { seconds: seconds.as_secs_f64(), ..Self::default() }
    }

    /// A part was trained.
    pub(super) fn trained(&mut self, progress: &Progress) {
        self.seconds += progress.seconds;
        self.trained += 1;
        // What takes no steps is cut off while it is fitted, wherever it is.
        if progress.total_steps > 0 {
            self.setup = self.setup.max(progress.setup_seconds);
        }
    }

    /// A part was cut off after so many seconds.
    pub(super) fn cut_off(&mut self, seconds: f64) {
        self.seconds += seconds;
    }
}

/// The seconds of a budget that are kept for the end of the run.
pub(super) fn kept(budget: Duration) -> f64 {
    (KEPT * budget.as_secs_f64()).min(MOST_KEPT)
}

/// The end of part number `at`. Parts that are fitted whole or not at all have one share together: the first of them
/// may take all of it, as half of each would be nothing.
pub(super) fn end(
    parts: &[Part],
    at: usize,
    spent: &Spent,
    budget: Option<Duration>,
    replay: Option<&Replay>,
) -> End {
    if let Some(replay) = replay {
        return match replay.get(&parts[at].name) {
            Some(&step) => End::AtStep(step),
            None => End::Never("mlx.lock has none of it".into()),
        };
    }
    let Some(budget) = budget else { return End::Open };
    let left = budget.as_secs_f64() - kept(budget) - spent.seconds;
    // Something has to be trained; what comes after has to have time for more than being set up.
    if spent.trained > 0 && left <= 2.0 * spent.setup {
        return End::Never("the budget ran out before it".into());
    }
    let shares = |of: &dyn Fn(&Part) -> bool| -> f64 {
        parts[at..].iter().filter(|part| of(part)).map(|part| part.share).sum()
    };
    let own = match parts[at].estimator.takes_steps {
        true => parts[at].share,
        false => shares(&|part| !part.estimator.takes_steps),
    };
    End::After(Duration::from_secs_f64((left * own / shares(&|_| true)).max(0.0)))
}

/// How long part number `at` and those after it are likely to take: as long as the same estimators took with other
/// seeds and in other folds, among the parts that `ended`. None where there is one that was not seen.
pub(super) fn likely<'a>(
    parts: &[Part],
    at: usize,
    ended: impl Iterator<Item = (&'a str, f64)> + Clone,
) -> Option<f64> {
    let mean = |part: &Part| {
        let took = ended.clone().filter(|(kind, _)| *kind == part.estimator.kind);
        let (sum, count) =
            took.fold((0.0, 0.0), |(sum, count), (_, took)| (sum + took, count + 1.0));
        (count > 0.0).then(|| sum / count)
    };
    parts[at..].iter().map(mean).sum()
}

#[cfg(test)]
mod tests {
    use super::super::{PartRecord, used};
    use super::*;
    use crate::data::Task;
    use crate::model::ModelSettings;
    use crate::train::estimator::offer;

    fn parts(shares: &[f64]) -> Vec<Part> {
        let estimator = offer(Task::Ranking).estimator("mlp").unwrap_or_else(|e| panic!("{e}"));
        let part = |(at, &share): (usize, &f64)| Part {
            name: format!("part{at}"),
            member: format!("part{at}"),
            fold: None,
            estimator,
            model: ModelSettings::default(),
            seed: 7,
            share,
        };
        shares.iter().enumerate().map(part).collect()
    }

    fn took(seconds: f64) -> Progress {
        Progress { seconds, setup_seconds: 0.5, total_steps: 40, ..Progress::default() }
    }

    /// What parts took, after what came before them.
    fn spent(before: f64, parts: &[f64]) -> Spent {
        let mut spent = Spent::before(Duration::from_secs_f64(before));
        for &seconds in parts {
            spent.trained(&took(seconds));
        }
        spent
    }

    #[test]
    fn later_parts_share_what_earlier_ones_left() {
        let parts = parts(&[1.0, 3.0, 6.0]);
        let budget = Some(Duration::from_secs(100));
        let end = |at, seconds: &[f64]| end(&parts, at, &spent(2.0, seconds), budget, None);
        // Reading the data took two seconds, and five are kept for the end.
        assert_eq!(end(0, &[]), End::After(Duration::from_secs_f64(9.3)));
        assert_eq!(end(1, &[3.0]), End::After(Duration::from_secs(30)));
        assert_eq!(end(2, &[3.0, 30.0]), End::After(Duration::from_mins(1)));
        assert_eq!(end(2, &[3.0, 89.5]), End::Never("the budget ran out before it".into()));
        let spent = spent(0.0, &[1e9]);
        assert_eq!(super::end(&parts, 1, &spent, None, None), End::Open);
    }

    #[test]
    fn what_is_fitted_whole_shares_what_it_may_take_with_its_like() {
        let mut parts = parts(&[1.0; 4]);
        let ridge = offer(Task::Forecasting).estimator("ridge").unwrap_or_else(|e| panic!("{e}"));
        parts[..3].iter_mut().for_each(|part| part.estimator = ridge);
        let budget = Some(Duration::from_secs(20));
        let end = |at, spent: &Spent| match end(&parts, at, spent, budget, None) {
            End::After(time) => time.as_secs_f64(),
            other => panic!("{other:?}"),
        };
        // Of 18 seconds the last, which takes steps, has a quarter to itself.
        let mut spent = Spent::default();
        assert!((end(0, &spent) - 13.5).abs() < 1e-6);
        let closed = Progress { seconds: 6.0, setup_seconds: 6.0, ..Progress::default() };
        spent.trained(&closed);
        assert!((end(1, &spent) - 8.0).abs() < 1e-6);
        // A part that was cut off took its time all the same.
        spent.cut_off(8.0);
        assert!((end(2, &spent) - 2.0).abs() < 1e-6);
        assert!((end(3, &spent) - 4.0).abs() < 1e-6);
    }

    #[test]
    fn folds_share_the_budget_evenly() {
        // Three folds of two estimators, each of which uses what it may.
        let parts = parts(&[1.0, 4.0, 1.0, 4.0, 1.0, 4.0]);
        let budget = Some(Duration::from_secs(95));
        let mut ended: Vec<f64> = Vec::new();
        for at in 0..parts.len() {
            let spent = spent(0.0, &ended);
            let End::After(time) = end(&parts, at, &spent, budget, None) else {
                panic!("part {at} has time")
            };
            assert!((time.as_secs_f64() - [6.0, 24.0][at % 2]).abs() < 1e-6, "{at}: {time:?}");
            ended.push(time.as_secs_f64());
        }
    }

    #[test]
    fn what_is_to_come_takes_as_long_as_its_like_took() {
        let mut parts = parts(&[1.0; 6]);
        let trees = offer(Task::Ranking).estimator("trees").unwrap_or_else(|e| panic!("{e}"));
        parts.iter_mut().skip(1).step_by(2).for_each(|part| part.estimator = trees);
        let ended = [("mlp", 2.0), ("trees", 10.0), ("mlp", 4.0)];
        let likely = |at: usize| likely(&parts, at, ended[..at].iter().copied());
        assert_eq!(likely(0), None, "nothing has ended");
        assert_eq!(likely(1), None, "no trees have");
        assert_eq!(likely(2), Some(2.0 + 10.0 + 2.0 + 10.0));
        assert_eq!(likely(3), Some(10.0 + 3.0 + 10.0));
    }

    #[test]
    fn a_lock_is_replayed_whatever_the_clock_says() {
        let parts = parts(&[1.0, 1.0]);
        let replay = Replay::from([("part0".to_owned(), 40)]);
        let none = Spent::default();
        let end = |at| end(&parts, at, &none, Some(Duration::ZERO), Some(&replay));
        assert_eq!(end(0), End::AtStep(40));
        assert_eq!(end(1), End::Never("mlx.lock has none of it".into()));
    }

    #[test]
    fn a_fold_that_was_cut_short_is_not_used() {
        let part = |name: &str, member: &str, left_out: Option<&str>| {
            let part = Part { name: name.into(), member: member.into(), ..parts(&[1.0]).remove(0) };
            let record = PartRecord::new(&part, &took(1.0));
            PartRecord { left_out: left_out.map(str::to_owned), ..record }
        };
        let records = [
            part("a-fold1", "a", None),
            part("b-fold1", "b", None),
            part("a-fold2", "a", None),
            part("b-fold2", "b", Some("no time")),
        ];
        let names: Vec<&str> = used(&records).iter().map(|part| part.name.as_str()).collect();
        assert_eq!(names, ["a-fold1", "b-fold1"]);
        assert_eq!(used(&records[..1]).len(), 1);
    }
}
