//! How training looks while it goes: a few lines that move on a terminal, a line an epoch elsewhere, an
//! event a line with `--json`.

use std::time::{Duration, Instant};

use super::curve::sparkline;
use super::{Ui, live, size};
use crate::train::Event;

/// Drawn at most this often: more is seen by nobody and slows terminals down.
const REDRAW: Duration = Duration::from_millis(100);

/// The widest that the lines grow.
const WIDEST: usize = 100;

/// Epochs whose mean time says how long the next ones will take.
const TIMED_EPOCHS: usize = 5;

/// Where a run has several parts, an epoch is told in a line this long after the one before.
const TELL_AGAIN: Duration = Duration::from_secs(5);

/// Listens to a run.
pub(crate) struct Progress<'a> {
    ui: &'a Ui,
    /// What is said of a run before its one part.
    before: String,
    /// When the part began that trains.
    began: Instant,
    drawn: Option<Instant>,
    epoch_began: Instant,
    /// When an epoch was last told in a line.
    told: Instant,
    run: Running,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(ui: &'a Ui) -> Self {
        let now = Instant::now();
        Self {
            ui,
            before: String::new(),
            began: now,
            drawn: None,
            epoch_began: now,
            told: now,
            run: Running::default(),
        }
    }

    pub(crate) fn show(&mut self, event: &Event) {
        if self.ui.json {
            if !matches!(event, Event::StepEnded { .. }) {
                // A reader that went away does not end the training.
                let _ = self.ui.train_event(event);
            }
            return;
        }
        self.run.take(event);
        self.tell(event);
        if matches!(event, Event::StepEnded { step: 1, .. } | Event::EpochEnded { .. }) {
            self.epoch_began = Instant::now();
        }
        if matches!(event, Event::PartStarted { .. }) {
            self.began = Instant::now();
        }
        let moves = matches!(event, Event::StepEnded { .. } | Event::EpochEnded { .. });
        if self.ui.live && moves && self.drawn.is_none_or(|drawn| drawn.elapsed() > REDRAW) {
            let now = Now {
                seconds: self.began.elapsed().as_secs_f64(),
                epoch_seconds: self.epoch_began.elapsed().as_secs_f64(),
            };
            self.ui.frame.draw(self.run.lines(now, live::size().0));
            self.drawn = Some(Instant::now());
        }
    }

    /// Whether an epoch is worth a line: of many parts each has many, and all of them tell nobody anything.
    fn is_due(&self) -> bool {
        self.run.parts <= 1 || self.told.elapsed() > TELL_AGAIN
    }

    /// What is said once: the beginning and the end of what trains, and of its epochs where nothing moves.
    fn tell(&mut self, event: &Event) {
        match event {
            Event::Started { run, model, device, parts, .. } => {
                let short = &run[..8];
                if parts.len() == 1 {
                    // Its one part says the rest.
                    self.before = format!("training {model} on {device}: run {short}, ");
                } else {
                    let parts = parts.join(", ");
                    self.ui.note(&format!(
                        "training {model} on {device}: run {short}, {parts} in turn"
                    ));
                }
            }
            Event::PartStarted {
                part,
                number,
                parts,
                train_units,
                valid_units,
                parameters,
                from_epoch,
                budget_seconds,
                notices,
                ..
            } => {
                for notice in notices {
                    self.ui.note(notice);
                }
                let from = match from_epoch {
                    0 => String::new(),
                    epoch => format!(", resumed after epoch {epoch}"),
                };
                // Trees have none.
                let size = match parameters {
                    0 => String::new(),
                    count => format!(", {count} parameters"),
                };
                let what = if *parts == 1 {
                    std::mem::take(&mut self.before)
                } else {
                    let time =
                        budget_seconds.map_or(String::new(), |s| format!(" for {s:.1} s at most"));
                    format!("{part} ({number} of {parts}){time}: ")
                };
                self.ui.note(&format!(
                    "{what}{train_units} to learn from, {valid_units} to validate on{size}{from}"
                ));
            }
            Event::EpochEnded {
                part,
                epoch,
                train_loss,
                valid,
                best_epoch,
                seconds,
                rows_per_second,
                ..
            } if !self.ui.live && self.is_due() => {
                self.told = Instant::now();
                let watched = valid
                    .first()
                    .map_or(String::new(), |(name, value)| format!("  {name} {value:.4}"));
                let part = if self.run.parts > 1 { format!("{part} ") } else { String::new() };
                self.ui.note(&format!(
                    "{part}epoch {epoch}/{}  loss {train_loss:.4}{watched}  best {best_epoch}  {rows_per_second:.0} rows/s  {seconds:.1} s",
                    self.run.max_epochs
                ));
            }
            Event::PartLeftOut { part, why } => {
                self.ui.warn(&format!("{part} is left out: {why}"));
            }
            Event::PartEnded { part, epochs, best_epoch, valid, seconds, .. }
                if self.run.parts > 1 =>
            {
                let watched = valid
                    .first()
                    .map_or(String::new(), |(name, value)| format!(", {name} {value:.4}"));
                self.ui.note(&format!(
                    "{part}: best epoch {best_epoch} of {epochs}{watched}, {seconds:.1} s"
                ));
            }
            // What is chosen is a part of the answer; what moves is drawn.
            _ => {}
        }
    }

    /// Take the lines away: what follows is the answer, or why there is none.
    pub(crate) fn clear(&mut self) {
        self.ui.frame.draw(Vec::new());
    }
}

/// Seconds since this sitting began, and since its current epoch did.
#[derive(Clone, Copy, Debug)]
struct Now {
    seconds: f64,
    epoch_seconds: f64,
}

/// What is known of a run that goes on.
#[derive(Debug, Default)]
struct Running {
    max_epochs: usize,
    patience: usize,
    /// The part that trains, which one it is, and of how many.
    part: String,
    number: usize,
    parts: usize,
    /// What is left of its budget as the sitting begins.
    budget_seconds: Option<f64>,
    /// The same of the run's, and how long it and the parts after it are likely to take.
    run_budget_seconds: Option<f64>,
    likely_seconds: Option<f64>,
    /// The epoch that goes on, its steps, and the latest step's loss.
    epoch: usize,
    step: usize,
    steps: usize,
    loss: f64,
    rows_per_second: f64,
    memory_bytes: Option<u64>,
    losses: Vec<f64>,
    /// The validation metric that is watched, and what it came to.
    watched: String,
    values: Vec<f64>,
    best: Option<(usize, f64)>,
    /// Absent where a resumed run has not told yet.
    best_epoch: Option<usize>,
    epoch_seconds: Vec<f64>,
}

impl Running {
    fn take(&mut self, event: &Event) {
        match event {
            Event::Started { max_epochs, patience, .. } => {
                (self.max_epochs, self.patience) = (*max_epochs, *patience);
            }
            Event::PartStarted {
                part,
                number,
                parts,
                from_epoch,
                max_epochs,
                budget_seconds,
                from_seconds,
                run_budget_seconds,
                likely_seconds,
                ..
            } => {
                *self = Self {
                    max_epochs: *max_epochs,
                    patience: self.patience,
                    part: part.clone(),
                    number: *number,
                    parts: *parts,
                    budget_seconds: budget_seconds.map(|budget| budget - from_seconds),
                    run_budget_seconds: run_budget_seconds.map(|budget| budget - from_seconds),
                    likely_seconds: likely_seconds.map(|likely| likely - from_seconds),
                    epoch: from_epoch + 1,
                    best_epoch: (*from_epoch == 0).then_some(0),
                    memory_bytes: self.memory_bytes,
                    ..Self::default()
                };
            }
            Event::StepEnded { epoch, step, steps, loss, rows_per_second, .. } => {
                (self.epoch, self.step, self.steps) = (*epoch, *step, *steps);
                (self.loss, self.rows_per_second) = (*loss, *rows_per_second);
            }
            Event::EpochEnded {
                epoch,
                train_loss,
                valid,
                best_epoch,
                improved,
                seconds,
                rows_per_second,
                peak_memory_bytes,
                ..
            } => {
                self.best_epoch = Some(*best_epoch);
                self.losses.push(*train_loss);
                self.rows_per_second = *rows_per_second;
                self.memory_bytes = *peak_memory_bytes;
                self.epoch_seconds.push(*seconds);
                if let Some((name, value)) = valid.first() {
                    self.watched.clone_from(name);
                    self.values.push(*value);
                    if *improved {
                        self.best = Some((*epoch, *value));
                    }
                }
                (self.epoch, self.step) = (epoch + 1, 0);
            }
            _ => {}
        }
    }

    fn lines(&self, now: Now, width: usize) -> Vec<String> {
        let width = width.min(WIDEST);
        let mut lines = vec![self.bar(width)];
        let latest = self.losses.last().copied().unwrap_or(self.loss);
        let name_width = self.watched.chars().count().max("loss".len());
        let row = |name: &str, value: f64, values: &[f64], more: &str| {
            let text = format!("{name:name_width$}  {value:>8.4}  ");
            let room = width.saturating_sub(text.chars().count() + 1);
            let beside = room.saturating_sub(more.chars().count());
            // The curve comes first where there is no room for both.
            let (curve, more) = if beside < 8 { (room, "") } else { (beside, more) };
            format!("{text}{}{more}", sparkline(values, curve)).trim_end().to_owned()
        };
        lines.push(row("loss", latest, &self.losses, ""));
        if let Some(value) = self.values.last() {
            let best = self.best.map_or(String::new(), |(epoch, value)| {
                format!("  best {value:.4}, epoch {epoch}")
            });
            lines.push(row(&self.watched, *value, &self.values, &best));
        }
        lines.push(self.end(now, width));
        lines
    }

    /// `epoch 12/200  ━━━━━━━━━━────────  34/61  48210 rows/s  212.4 MB`
    fn bar(&self, width: usize) -> String {
        let part = match self.parts {
            0 | 1 => String::new(),
            parts => format!("{} ({} of {parts})  ", self.part, self.number),
        };
        let epoch = self.epoch.min(self.max_epochs);
        let before = format!("{part}epoch {epoch}/{}  ", self.max_epochs);
        let mut after = format!("  {}/{}", self.step, self.steps);
        after += &format!("  {:.0} rows/s", self.rows_per_second);
        after += &self.memory_bytes.map_or(String::new(), |bytes| format!("  {}", size(bytes)));
        let room = width.saturating_sub(before.chars().count() + after.len() + 1).min(40);
        // A bar of a few characters says less than the numbers beside it.
        if room < 8 {
            return before.trim_end().to_owned() + &after;
        }
        let done = room * self.step.min(self.steps) / self.steps.max(1);
        format!("{before}{}{}{after}", "━".repeat(done), "─".repeat(room - done))
    }

    /// When the part ends, if nothing improves any more and at the latest; when all parts have; and what went by.
    fn end(&self, now: Now, width: usize) -> String {
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
    use super::*;

    /// A run of 40 epochs whose validation is best after `best` of `epochs`, and a third into the next.
    fn running(epochs: usize, best: usize, budget: Option<f64>) -> Running {
        let mut run = Running {
            max_epochs: 40,
            patience: 10,
            budget_seconds: budget,
            best_epoch: Some(0),
            ..Running::default()
        };
        for epoch in 1..=epochs {
            let value = 0.3 + epoch.abs_diff(best) as f64 / 100.0;
            run.take(&Event::EpochEnded {
                part: "mlp".into(),
                epoch,
                total_steps: 60 * epoch as u64,
                train_loss: 1.0 / epoch as f64,
                valid: vec![("logloss".into(), value), ("auc".into(), 0.9)],
                best_epoch: epoch.min(best),
                improved: epoch <= best,
                learning_rate: Some(1e-3),
                seconds: 3.0,
                rows_per_second: 48_210.0,
                peak_memory_bytes: Some(212_400_000),
            });
        }
        run.take(&Event::StepEnded {
            epoch: epochs + 1,
            step: 20,
            steps: 60,
            total_steps: 60 * epochs as u64 + 20,
            loss: 0.5,
            rows_per_second: 50_000.0,
        });
        run
    }

    fn shown(run: &Running, width: usize) -> String {
        let now = Now { seconds: 3.0 * (run.losses.len() as f64) + 1.0, epoch_seconds: 1.0 };
        run.lines(now, width).join("\n")
    }

    #[test]
    fn lines_of_a_run_on_a_wide_and_on_a_narrow_terminal() {
        let run = running(14, 9, None);
        insta::assert_snapshot!(shown(&run, 100), @"
        epoch 15/40  ━━━━━━━━━━━━━───────────────────────────  20/60  50000 rows/s  212.4 MB
        loss       0.0714  █▄▃▂▂▁▁▁▁▁▁▁▁▁
        logloss    0.3500  █▇▆▅▄▃▃▂▁▂▃▃▄▅  best 0.3000, epoch 9
        ends in 14 s (patience) to 1 min 17 s (epochs)  43 s gone
        ");
        insta::assert_snapshot!(shown(&run, 50), @"
        epoch 15/40  20/60  50000 rows/s  212.4 MB
        loss       0.0714  █▄▃▂▂▁▁▁▁▁▁▁▁▁
        logloss    0.3500  █▇▅▃▁▁▃▅  best 0.3000, epoch 9
        ends in 14 s (patience) to 1 min 17 s (epochs)  43 s gone
        ");
        let one_of_several =
            Running { part: "mlp".into(), number: 2, parts: 3, ..running(1, 1, None) };
        let bar = shown(&one_of_several, 100);
        assert!(bar.starts_with("mlp (2 of 3)  epoch 2/40  ━━"), "{bar}");
        insta::assert_snapshot!(shown(&run, 20), @"
        epoch 15/40  20/60  50000 rows/s  212.4 MB
        loss       0.0714
        logloss    0.3500
        ends in 14 s (patience) to 1 min 17 s (epochs)  43 s gone
        ");
        for width in 0..120 {
            let widest = run.lines(Now { seconds: 43.0, epoch_seconds: 1.0 }, width);
            assert_eq!(widest.len(), 4, "{width}");
        }
    }

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
