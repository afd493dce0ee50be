//! Lines of the terminal that are drawn again and again in place, below everything else that is said.
//!
//! A frame is written over the one before it in one piece, line by line, so nothing flickers; what
//! is said in between goes above it. The width is asked for at every drawing: a window that was
//! resized has another one, in which lines of the old width may take several rows.

use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

/// Clears all from the cursor on.
const CLEAR: &str = "\x1b[J";

/// What a terminal that tells no size is taken for, in columns and rows.
const USUAL: (usize, usize) = (80, 24);

/// The lines that are up on stderr. Clones share them: there is one terminal.
#[derive(Clone, Debug, Default)]
pub(super) struct Frame(Arc<Mutex<Vec<String>>>);

impl Frame {
    /// Put these lines in the place of those that are up; none takes the frame away.
    pub(super) fn draw(&self, lines: Vec<String>) {
        let mut up = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if up.is_empty() && lines.is_empty() {
            return;
        }
        let (width, height) = size();
        let lines = fit(lines, width, height);
        let text = back(&up, width) + &written(&lines);
        *up = lines;
        write(&text);
    }

    /// Say something, above the frame where one is up.
    pub(super) fn say(&self, text: &str) {
        let up = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if up.is_empty() {
            return write(text);
        }
        write(&(back(&up, size().0) + CLEAR + text + &written(&up)));
    }
}

/// Columns and rows of the terminal behind stderr.
pub(super) fn size() -> (usize, usize) {
    let found = terminal_size::terminal_size_of(std::io::stderr());
    // Some that are no windows say that they have no columns.
    let known = found.filter(|(width, height)| width.0 > 0 && height.0 > 0);
    known.map_or(USUAL, |(width, height)| (usize::from(width.0), usize::from(height.0)))
}

/// Columns of the terminal behind stdout, or of a page where there is none.
pub(super) fn page_width() -> usize {
    let found = terminal_size::terminal_size_of(std::io::stdout());
    found.filter(|(width, _)| width.0 > 0).map_or(USUAL.0, |(width, _)| usize::from(width.0))
}

/// What there is room for: the last column stays free, for some terminals wrap at it, and so does
/// the row below the frame, where the cursor rests.
fn fit(lines: Vec<String>, width: usize, height: usize) -> Vec<String> {
    let room = width.saturating_sub(1).max(1);
    let cut = |line: String| line.chars().take(room).collect::<String>();
    lines.into_iter().take(height.saturating_sub(1)).map(cut).collect()
}

/// To where the frame begins.
fn back(up: &[String], width: usize) -> String {
    if up.is_empty() {
        return String::new();
    }
    let rows: usize = up.iter().map(|line| line.chars().count().div_ceil(width).max(1)).sum();
    format!("\r\x1b[{rows}A")
}

/// The lines, each clearing what is left of the one under it, and the last what is below.
fn written(lines: &[String]) -> String {
    lines.join("\x1b[K\n") + if lines.is_empty() { "" } else { "\x1b[K\n" } + CLEAR
}

fn write(text: &str) {
    // Nowhere is left to report that stderr is closed.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    #[test]
    fn a_frame_is_written_over_the_one_before_however_that_lies_now() {
        assert_eq!(back(&[], 80), "");
        assert_eq!(back(&lines(&["a", "", "bb"]), 80), "\r\u{1b}[3A");
        // Of a window that became narrower: 79 columns lie in two rows of 40.
        assert_eq!(back(&lines(&[&"x".repeat(79), "b"]), 40), "\r\u{1b}[3A");
        assert_eq!(written(&lines(&["a", "b"])), "a\u{1b}[K\nb\u{1b}[K\n\u{1b}[J");
    }

    #[test]
    fn lines_fit_the_window() {
        let fitted = fit(lines(&["━━━━━━━━━━", "b", "c"]), 5, 3);
        assert_eq!(fitted, lines(&["━━━━", "b"]));
        assert_eq!(fit(lines(&["abc"]), 0, 2), lines(&["a"]));
    }
}
