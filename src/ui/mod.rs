//! The only code that writes to the terminal.
//!
//! The answer goes to stdout; status, progress, warnings and hints go to stderr.

mod approve;
pub(crate) mod config;
mod environments;
mod data_check;
mod curve;
mod live;
mod log;
mod login;
pub(crate) mod eval;
pub(crate) mod predict;
mod new;
mod plot;
pub(crate) mod progress;
pub(crate) mod doctor;
pub(crate) mod models;
pub(crate) mod promote;
pub(crate) mod register;
mod registry;
pub(crate) mod table;
pub(crate) mod token;
mod tour;
mod transfer;
mod runs;
pub(crate) mod train;

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};

use anstyle::{AnsiColor, Style as Ansi};

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
}

impl Style {
    pub(crate) fn bold(self, text: &str) -> String {
        self.paint(text, Ansi::new().bold())
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.paint(text, Ansi::new().dimmed())
    }

    pub(crate) fn green(self, text: &str) -> String {
        self.paint(text, AnsiColor::Green.on_default())
    }

    pub(crate) fn yellow(self, text: &str) -> String {
        self.paint(text, AnsiColor::Yellow.on_default())
    }

    pub(crate) fn red(self, text: &str) -> String {
        self.paint(text, AnsiColor::Red.on_default())
    }

    fn paint(self, text: &str, ansi: Ansi) -> String {
        if self.colour { format!("{ansi}{text}{ansi:#}") } else { text.to_owned() }
    }
}

/// How the flags and the environment want the terminal used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct UiSettings {
    pub json: bool,
    pub quiet: bool,
    pub verbose: u8,
    /// `NO_COLOR` is set.
    pub no_colour: bool,
    /// Run by continuous integration, or on a terminal that can't: nothing moves.
    pub still: bool,
}

/// The terminal as the flags and the environment want it used.
#[derive(Clone, Debug)]
pub(crate) struct Ui {
    pub json: bool,
    pub quiet: bool,
    pub verbose: u8,
    /// How stdout is written.
    pub style: Style,
    /// How stderr is written.
    pub error_style: Style,
    /// Whether something on stderr may move: a terminal, outside continuous integration.
    pub live: bool,
    frame: live::Frame,
}

impl Ui {
    pub(crate) fn new(settings: UiSettings) -> Self {
        let UiSettings { json, quiet, verbose, no_colour, still } = settings;
        let style = |terminal: bool| Style { colour: terminal && !no_colour };
        let stderr = std::io::stderr().is_terminal();
        Self {
            json,
            quiet,
            verbose,
            style: style(std::io::stdout().is_terminal()),
            error_style: style(stderr),
            live: stderr && !still && !quiet && !json,
            frame: live::Frame::default(),
        }
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
            self.frame.say(&format!("{message}\n"));
        }
    }

    pub(crate) fn warn(&self, message: &str) {
        if !self.quiet {
            let label = self.error_style.yellow("warning:");
            self.frame.say(&format!("{label} {message}\n"));
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
        self.say_failure(error);
    }

    /// As [`Ui::fail`], for a command that already told the failure as the last event of its stream.
    pub(crate) fn say_failure(&self, error: &Error) {
        let mut text = format!("{} {}\n", self.error_style.red("error:"), error.message());
        if let Some(hint) = error.hint_text() {
            let _ = writeln!(text, "  {} {hint}", self.error_style.dim("try:"));
        }
        self.frame.say(&text);
    }

    /// Say that a panic is a bug of ours, where it happened, and what to send.
    pub(crate) fn report_panics(&self) {
        let ui = self.clone();
        std::panic::set_hook(Box::new(move |panic| {
            let what = panic.payload_as_str().unwrap_or("no message");
            let place = panic.location().map_or(String::new(), |place| format!(" at {place}"));
            ui.fail(&Error::bug(format!("mlx panicked{place}: {what}")));
        }));
    }

    /// Text that is the whole answer and has no JSON form: a script, a schema.
    pub(crate) fn raw(&self, text: &str) -> Result<ExitCode, Error> {
        write_stdout(text)?;
        Ok(ExitCode::Done)
    }

    /// One event of a stream, as one JSON line on stdout.
    pub(crate) fn event(&self, event: &impl serde::Serialize) -> Result<(), Error> {
        let line = serde_json::to_string(event)
            .map_err(|error| Error::bug(format!("cannot write an event as JSON: {error}")))?;
        write_stdout(&format!("{line}\n"))
    }
}

/// Bytes as people read them, in powers of 1000: `1.2 GB`.
pub(crate) fn size(bytes: u64) -> String {
    let mut size = bytes as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if size < 1000.0 {
            return if unit == "B" { format!("{bytes} B") } else { format!("{size:.1} {unit}") };
        }
        size /= 1000.0;
    }
    format!("{size:.1} TB")
}

/// A time as tables show it: `2026-11-23 21:15:40`, in UTC.
pub(crate) fn time(timestamp_ms: i64) -> String {
    chrono::DateTime::from_timestamp_millis(timestamp_ms).map_or_else(
        || timestamp_ms.to_string(),
        |time| time.format("%Y-%m-%d %H:%M:%S").to_string(),
    )
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
