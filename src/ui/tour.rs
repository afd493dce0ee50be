//! How `mlx tour` looks: each command before its output, and a closing line.

use std::fmt::Write as _;

use super::{Style, Text, Ui};
use crate::outcome::tour::TourOutcome;

impl Ui {
    /// Announce a template of the tour.
    pub(crate) fn tour_chapter(&self, title: &str) -> crate::error::Result<()> {
        self.narrate(&format!("\n{}\n", self.style.bold(title)))
    }

    /// Announce a command of the tour and why it comes now.
    pub(crate) fn tour_step(&self, why: &str, command: &str) -> crate::error::Result<()> {
        let why = self.style.dim(&format!("# {why}"));
        self.narrate(&format!("\n{why}\n{}\n", self.style.bold(&format!("$ {command}"))))
    }

    fn narrate(&self, text: &str) -> crate::error::Result<()> {
        if self.json || self.quiet {
            return Ok(());
        }
        self.raw(text).map(|_| ())
    }
}

impl Text for TourOutcome {
    fn text(&self, page: &mut String, style: Style) {
        let _ = writeln!(
            page,
            "\n{} {} commands in {:.0} s: from a table of data to a model in production, and back.",
            style.green("The road is open."),
            self.steps.len(),
            self.seconds
        );
        match &self.kept {
            Some(folder) => _ = writeln!(page, "The sandbox is kept at {}", folder.display()),
            None => page.push_str("The sandbox is gone; `mlx tour --keep` leaves it to look at.\n"),
        }
        page.push_str("next: mlx new my-model --data FILE --target COLUMN\n");
    }
}
