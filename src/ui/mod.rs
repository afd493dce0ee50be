//! The only code that writes to the terminal.
//!
//! The answer goes to stdout; status, progress, warnings and hints go to stderr.

use std::fmt::Write as _;
use std::io::Write as _;

use crate::error::{Error, ExitCode};
use crate::outcome::Outcome;

/// How an answer reads as text. Implemented in `ui/<verb>.rs` for what `outcome/<verb>.rs` holds.
pub(crate) trait Text {
    /// Whole lines, without colour codes where `style.colour` is off.
    fn text(&self, page: &mut String, style: Style);
}

/// What the terminal can show.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub colour: bool,
    /// Columns to fill at most.
    pub width: usize,
}

/// How the flags and the environment want the terminal used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct UiSettings {
    pub json: bool,
    pub quiet: bool,
    pub verbose: u8,
    /// `NO_COLOR` is set.
    pub no_colour: bool,
    /// Run by continuous integration: nothing moves.
    pub ci: bool,
}

/// The terminal as the flags and the environment want it used.
#[derive(Clone, Debug)]
pub(crate) struct Ui {
    pub json: bool,
    pub quiet: bool,
    pub verbose: u8,
    pub style: Style,
}

impl Ui {
    pub(crate) fn new(settings: UiSettings) -> Self {
        let UiSettings { json, quiet, verbose, .. } = settings;
        let style = Style { colour: false, width: 100 };
        Self { json, quiet, verbose, style }
    }

    /// Print the answer, as text or as its JSON document, and say how the command ended.
    pub(crate) fn answer<O: Outcome + Text>(&self, outcome: &O) -> Result<ExitCode, Error> {
        let mut page = String::new();
        if self.json {
            let document = serde_json::json!({ "schema": O::SCHEMA, "data": outcome });
            let _ = writeln!(page, "{document}");
        } else {
            outcome.text(&mut page, self.style);
        }
        write_stdout(&page)?;
        Ok(outcome.exit_code())
    }

    /// Something the user should know that is neither the answer nor wrong.
    pub(crate) fn note(&self, message: &str) {
        if !self.quiet {
            write_stderr(&format!("{message}\n"));
        }
    }

    pub(crate) fn warn(&self, message: &str) {
        if !self.quiet {
            write_stderr(&format!("warning: {message}\n"));
        }
    }

    /// Say why a command failed and what to try; with `--json` on stdout as a document too.
    pub(crate) fn fail(&self, error: &Error) {
        if self.json {
            let document = serde_json::json!({
                "schema": "mlx.error/1",
                "error": {
                    "code": error.code() as u8,
                    "kind": error.code(),
                    "message": error.message(),
                    "hint": error.hint_text(),
                },
            });
            let _ = write_stdout(&format!("{document}\n"));
        }
        let mut text = format!("error: {}\n", error.message());
        if let Some(hint) = error.hint_text() {
            let _ = writeln!(text, "  try: {hint}");
        }
        write_stderr(&text);
    }
}

/// A reader that has gone away (`mlx models list | head -1`) ends the output quietly; a full disk does not.
fn write_stdout(text: &str) -> Result<(), Error> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::user(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

fn write_stderr(text: &str) {
    // Nowhere is left to report that stderr is closed.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}
