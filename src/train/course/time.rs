//! Who gets how much of a budget. A function of what was stored, so that a resumed run divides it the same way.

use std::time::Duration;

use super::{Part, Replay};
use crate::train::checkpoint::Progress;

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

/// The end of part number `at`. `ended` are the parts before it that were trained.
pub(super) fn end(
    parts: &[Part],
    at: usize,
    ended: &[Progress],
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
    let spent: f64 = ended.iter().map(|progress| progress.seconds).sum();
    let left = budget.as_secs_f64() - spent;
    // Something has to be trained; what comes after has to have time for more than being set up.
    let setup = ended.iter().map(|progress| progress.setup_seconds).fold(0.0, f64::max);
    if !ended.is_empty() && left <= 2.0 * setup {
        return End::Never("the budget ran out before it".into());
    }
    let shares: f64 = parts[at..].iter().map(|part| part.share).sum();
    End::After(Duration::from_secs_f64((left * parts[at].share / shares).max(0.0)))
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
        Progress { seconds, setup_seconds: 0.5, ..Progress::default() }
    }

    #[test]
    fn later_parts_share_what_earlier_ones_left() {
        let parts = parts(&[1.0, 3.0, 6.0]);
        let budget = Some(Duration::from_secs(100));
        let end = |at, ended: &[Progress]| end(&parts, at, ended, budget, None);
        assert_eq!(end(0, &[]), End::After(Duration::from_secs(10)));
        assert_eq!(end(1, &[took(1.0)]), End::After(Duration::from_secs(33)));
        assert_eq!(end(2, &[took(1.0), took(33.0)]), End::After(Duration::from_secs(66)));
        assert_eq!(
            end(2, &[took(1.0), took(98.5)]),
            End::Never("the budget ran out before it".into())
        );
        assert_eq!(super::end(&parts, 1, &[took(1e9)], None, None), End::Open);
    }

    #[test]
    fn folds_share_the_budget_evenly() {
        // Three folds of two estimators, each of which uses what it may.
        let parts = parts(&[1.0, 4.0, 1.0, 4.0, 1.0, 4.0]);
        let budget = Some(Duration::from_secs(90));
        let mut ended: Vec<Progress> = Vec::new();
        for at in 0..parts.len() {
            let End::After(time) = end(&parts, at, &ended, budget, None) else {
                panic!("part {at} has time")
            };
            assert!((time.as_secs_f64() - [6.0, 24.0][at % 2]).abs() < 1e-6, "{at}: {time:?}");
            ended.push(took(time.as_secs_f64()));
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
        let end = |at| end(&parts, at, &[], Some(Duration::ZERO), Some(&replay));
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
