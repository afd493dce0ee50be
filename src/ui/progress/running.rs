//! What is known of a run that goes on, and the lines that tell it.

use crate::train::Event;
use crate::ui::curve::sparkline;
use crate::ui::size;

/// The widest that the lines grow.
const WIDEST: usize = 100;

/// Seconds since this sitting began, and since its current epoch did.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub seconds: f64,
    pub epoch_seconds: f64,
}

/// What is known of a run that goes on.
#[derive(Debug, Default)]
pub(super) struct Running {
    pub(super) max_epochs: usize,
    pub(super) patience: usize,
    /// The part that trains, which one it is, and of how many.
    pub(super) part: String,
    pub(super) number: usize,
    pub(super) parts: usize,
    /// What is left of its budget as the sitting begins.
    pub(super) budget_seconds: Option<f64>,
    /// The same of the run's, and how long it and the parts after it are likely to take.
    pub(super) run_budget_seconds: Option<f64>,
    pub(super) likely_seconds: Option<f64>,
    /// The epoch that goes on, its steps, and the latest step's loss.
    pub(super) epoch: usize,
    pub(super) step: usize,
    pub(super) steps: usize,
    pub(super) loss: f64,
    pub(super) rows_per_second: f64,
    pub(super) memory_bytes: Option<u64>,
    pub(super) losses: Vec<f64>,
    /// The validation metric that is watched, and what it came to.
    pub(super) watched: String,
    pub(super) values: Vec<f64>,
    pub(super) best: Option<(usize, f64)>,
    /// Absent where a resumed run has not told yet.
    pub(super) best_epoch: Option<usize>,
    pub(super) epoch_seconds: Vec<f64>,
}

impl Running {
    pub(super) fn take(&mut self, event: &Event) {
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

    pub(super) fn lines(&self, now: Now, width: usize) -> Vec<String> {
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
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A run of 40 epochs whose validation is best after `best` of `epochs`, and a third into the next.
    pub(in crate::ui::progress) fn running(
        epochs: usize,
        best: usize,
        budget: Option<f64>,
    ) -> Running {
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
}
