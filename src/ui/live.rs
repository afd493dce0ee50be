//! Lines of the terminal that are drawn again and again in place, below everything else that is said.
//!
//! `indicatif` draws them, so that nothing flickers, and lifts them while something is said above. The
//! width is asked for at every drawing: a window that was resized has another one.

use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressStyle};

/// What a terminal that tells no size is taken for, in columns and rows.
const USUAL: (usize, usize) = (80, 24);

/// The lines that are up on stderr. Clones share them: there is one terminal.
#[derive(Clone, Debug, Default)]
pub(super) struct Frame(Arc<Mutex<Option<ProgressBar>>>);

impl Frame {
    /// Put these lines in the place of those that are up; none takes the frame away.
    pub(super) fn draw(&self, lines: Vec<String>) {
        let mut up = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.is_empty() {
            if let Some(bar) = up.take() {
                bar.finish_and_clear();
            }
            return;
        }
        let (width, height) = size();
        let bar = up.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("{msg}");
            let style = style.expect("a template of one key is sound");
            ProgressBar::new_spinner().with_style(style)
        });
        bar.set_message(fit(lines, width, height).join("\n"));
    }

    /// Say something, above the frame where one is up.
    pub(super) fn say(&self, text: &str) {
        let up = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*up {
            Some(bar) => bar.suspend(|| write(text)),
            None => write(text),
        }
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
    fn lines_fit_the_window() {
        let fitted = fit(lines(&["━━━━━━━━━━", "b", "c"]), 5, 3);
        assert_eq!(fitted, lines(&["━━━━", "b"]));
        assert_eq!(fit(lines(&["abc"]), 0, 2), lines(&["a"]));
    }
}
