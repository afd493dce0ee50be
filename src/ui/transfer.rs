//! How bytes on their way look: a line that moves on a terminal, and nothing elsewhere.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Ui, live, size};

/// Drawn at most this often.
const REDRAW: Duration = Duration::from_millis(100);

/// Files that are uploaded or downloaded. The line goes when this does.
pub(crate) struct Transfer {
    ui: Ui,
    moving: Arc<Mutex<Moving>>,
}

struct Moving {
    what: &'static str,
    sizes: Vec<u64>,
    moved: Vec<u64>,
    began: Instant,
    /// What was there at the first word: it tells nothing of the speed.
    before: Option<u64>,
    drawn: Option<Instant>,
}

impl Ui {
    /// Show these files, of so many bytes each, on their way.
    pub(crate) fn transfer(&self, what: &'static str, sizes: Vec<u64>) -> Transfer {
        let moving = Moving {
            what,
            moved: vec![0; sizes.len()],
            sizes,
            began: Instant::now(),
            before: None,
            drawn: None,
        };
        Transfer { ui: self.clone(), moving: Arc::new(Mutex::new(moving)) }
    }
}

impl Transfer {
    /// Tell how many bytes of which file are where they should be.
    pub(crate) fn report(&self) -> Arc<dyn Fn(usize, u64) + Send + Sync> {
        if !self.ui.live {
            return Arc::new(|_, _| {});
        }
        let (ui, moving) = (self.ui.clone(), self.moving.clone());
        Arc::new(move |file, bytes| {
            let mut moving = moving.lock().unwrap_or_else(PoisonError::into_inner);
            moving.moved[file] = bytes.min(moving.sizes[file]);
            if moving.drawn.is_none_or(|drawn| drawn.elapsed() > REDRAW) {
                let seconds = moving.began.elapsed().as_secs_f64();
                ui.frame.draw(vec![moving.line(live::size().0, seconds)]);
                moving.drawn = Some(Instant::now());
            }
        })
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.ui.frame.draw(Vec::new());
    }
}

impl Moving {
    /// `uploading  ━━━━━━━━━━──────────  120.3 MB of 256.0 MB  310.0 MB/s`
    fn line(&mut self, width: usize, seconds: f64) -> String {
        let (done, all) = (self.moved.iter().sum::<u64>(), self.sizes.iter().sum::<u64>());
        let before = *self.before.get_or_insert(done);
        let what = self.what;
        let mut after = format!("  {} of {}", size(done), size(all));
        if seconds > 0.5 && done > before {
            after += &format!("  {}/s", size(((done - before) as f64 / seconds) as u64));
        }
        let room = width.saturating_sub(what.len() + 2 + after.len() + 1).min(40);
        if room < 8 {
            return format!("{what}{after}");
        }
        let full = (room as u64 * done / all.max(1)) as usize;
        format!("{what}  {}{}{after}", "━".repeat(full), "─".repeat(room - full))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moving(moved: &[u64]) -> Moving {
        Moving {
            what: "uploading",
            sizes: vec![3_000_000, 1_000_000],
            moved: moved.to_vec(),
            began: Instant::now(),
            before: Some(1_000_000),
            drawn: None,
        }
    }

    #[test]
    fn a_line_tells_how_far_and_how_fast() {
        let mut half = moving(&[1_500_000, 500_000]);
        insta::assert_snapshot!(half.line(80, 2.0), @"uploading  ━━━━━━━━━━━━━━━━━━━───────────────────  2.0 MB of 4.0 MB  500.0 kB/s");
        assert_eq!(half.line(36, 0.1), "uploading  2.0 MB of 4.0 MB");
        // Nothing to move is all of it.
        let mut none = Moving { sizes: vec![], moved: vec![], ..moving(&[]) };
        assert!(none.line(80, 1.0).contains("0 B of 0 B"));
    }
}
