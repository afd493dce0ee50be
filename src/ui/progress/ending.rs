//! When a run ends: its part, and all of them.

use super::running::{Now, Running};

/// Epochs whose mean time says how long the next ones will take.
const TIMED_EPOCHS: usize = 5;

impl Running {
    /// When the part ends, if nothing improves any more and at the latest; when all parts have; and what went by.
    pub(super) fn end(&self, now: Now, width: usize) -> String {
        let gone = format!("{} gone", readable(now.seconds));
        let Some(Ends { earliest, latest, why }) = self.ends(now) else { return gone };
        let own = if earliest >= latest {
            format!("ends in {} ({why})", readable(latest))
        } else {
            let (earliest, latest) = (readable(earliest), readable(latest));
            format!("ends in {earliest} (patience) to {latest} ({why})")
        };
        let all =
            self.all(now, earliest.min(latest)).map_or(String::new(), |all| format!("  {all}"));
        let room = width.saturating_sub(own.len() + gone.len() + "  ".len());
        format!("{own}{}  {gone}", if all.len() <= room { &all } else { "" })
    }

    /// None where nothing says how long an epoch takes.
    fn ends(&self, now: Now) -> Option<Ends> {
        let share = self.step as f64 / self.steps.max(1) as f64;
        let timed = &self.epoch_seconds[self.epoch_seconds.len().saturating_sub(TIMED_EPOCHS)..];
        let epoch_seconds = match timed {
            [] if self.step == 0 => return None,
            // No validation was seen yet, so this is a little short.
            [] => now.epoch_seconds / share,
            timed => timed.iter().sum::<f64>() / timed.len() as f64,
        };
        let done = (self.epoch.saturating_sub(1)) as f64 + share;
        let until = |epoch: usize| (epoch as f64 - done).max(0.0) * epoch_seconds;
        let budget = self.budget_seconds.map(|budget| (budget - now.seconds).max(0.0));
        let (mut latest, mut why) = (until(self.max_epochs), "epochs");
        if let Some(left) = budget.filter(|left| *left < latest) {
            (latest, why) = (left, "budget");
        }
        let earliest =
            self.best_epoch.map_or(latest, |best_epoch| until(best_epoch + self.patience));
        Some(Ends { earliest, latest, why })
    }

    /// When all parts have ended: likely, or at the latest. This one takes `earliest` at least.
    fn all(&self, now: Now, earliest: f64) -> Option<String> {
        if self.number >= self.parts {
            return None;
        }
        let left = |all: f64| (all - now.seconds).max(0.0);
        let budget = self.run_budget_seconds.map(left);
        match (self.likely_seconds.map(|likely| left(likely).max(earliest)), budget) {
            (Some(likely), budget) if budget.is_none_or(|budget| likely < budget) => {
                Some(format!("all in some {}", readable(likely)))
            }
            (_, budget) => budget.map(|budget| format!("all in {} (budget)", readable(budget))),
        }
    }
}

/// When a part ends, in seconds from now.
struct Ends {
    /// If nothing improves any more.
    earliest: f64,
    latest: f64,
    /// What it is that ends it at the latest.
    why: &'static str,
}

/// Seconds in the two units that tell: `45 s`, `3 min 10 s`, `2 h 5 min`.
fn readable(seconds: f64) -> String {
    let whole = seconds.round().min(1e9) as u64;
    let two = |high: u64, name: &str, low: u64, small: &str| match low {
        0 => format!("{high} {name}"),
        low => format!("{high} {name} {low} {small}"),
    };
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => two(whole / 60, "min", whole % 60, "s"),
        3600..86_400 => two(whole / 3600, "h", whole % 3600 / 60, "min"),
        _ => two(whole / 86_400, "d", whole % 86_400 / 3600, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::running::tests::running;
    use super::*;

    #[test]
    fn the_end_is_the_first_of_epochs_patience_and_budget() {
        let end = |run: &Running, seconds: f64| run.end(Now { seconds, epoch_seconds: 1.0 }, 100);
        // Nothing has ended: a third took a second.
        assert_eq!(
            end(&running(0, 0, None), 1.0),
            "ends in 29 s (patience) to 1 min 59 s (epochs)  1 s gone"
        );
        assert_eq!(
            end(&running(14, 9, None), 43.0),
            "ends in 14 s (patience) to 1 min 17 s (epochs)  43 s gone"
        );
        assert_eq!(
            end(&running(14, 9, Some(100.0)), 43.0),
            "ends in 14 s (patience) to 57 s (budget)  43 s gone"
        );
        assert_eq!(end(&running(14, 9, Some(50.0)), 43.0), "ends in 7 s (budget)  43 s gone");
        let resumed = Running { best_epoch: None, ..running(0, 0, None) };
        assert_eq!(end(&resumed, 1.0), "ends in 1 min 59 s (epochs)  1 s gone");
        assert_eq!(end(&running(36, 36, None), 110.0), "ends in 11 s (epochs)  1 min 50 s gone");
    }

    #[test]
    fn of_several_parts_the_end_of_all_is_told_where_something_says_it() {
        let end = |run_budget_seconds, likely_seconds, number, width| {
            let parts = Running {
                number,
                parts: 3,
                run_budget_seconds,
                likely_seconds,
                ..running(14, 9, None)
            };
            parts.end(Now { seconds: 43.0, epoch_seconds: 1.0 }, width)
        };
        let own = "ends in 14 s (patience) to 1 min 17 s (epochs)";
        for (budget, likely, all) in [
            (None, None, ""),
            (Some(643.0), None, "  all in 10 min (budget)"),
            (None, Some(143.0), "  all in some 1 min 40 s"),
            (Some(643.0), Some(143.0), "  all in some 1 min 40 s"),
            (Some(103.0), Some(143.0), "  all in 1 min (budget)"),
            // It took longer than its like by now.
            (None, Some(40.0), "  all in some 14 s"),
        ] {
            assert_eq!(end(budget, likely, 2, 100), format!("{own}{all}  43 s gone"));
            assert_eq!(end(budget, likely, 3, 100), format!("{own}  43 s gone"), "the last part");
            assert_eq!(end(budget, likely, 2, 60), format!("{own}  43 s gone"), "no room");
        }
    }

    #[test]
    fn times_have_the_units_that_tell() {
        for (seconds, text) in [
            (0.2, "0 s"),
            (59.4, "59 s"),
            (59.6, "1 min"),
            (190.0, "3 min 10 s"),
            (7500.0, "2 h 5 min"),
            (90_000.0, "1 d 1 h"),
            (f64::INFINITY, "11574 d 1 h"),
        ] {
            assert_eq!(readable(seconds), text);
        }
    }
}
