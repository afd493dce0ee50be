//! How training looks while it goes: a few lines that move on a terminal, a line an epoch elsewhere, an
//! event a line with `--json`.

mod ending;
mod running;

use std::time::{Duration, Instant};

use self::running::{Now, Running};
use super::{Ui, live};
use crate::train::Event;

/// Drawn at most this often: more is seen by nobody and slows terminals down.
const REDRAW: Duration = Duration::from_millis(100);

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
