//! How `mlx register` looks.

use std::fmt::Write as _;

use super::{Style, Text};
use crate::outcome::register::RegisterOutcome;

impl Text for RegisterOutcome {
    fn text(&self, page: &mut String, style: Style) {
        let Self { model, run, digest, files, size_bytes, .. } = self;
        let run = run.get(..8).unwrap_or(run);
        let digest = digest.get(..12).unwrap_or(digest);
        let _ = match (self.version, self.already_registered) {
            (Some(version), true) => writeln!(
                page,
                "run {run} is {} already (digest {digest})",
                style.bold(&format!("{model}/{version}"))
            ),
            (Some(version), false) => writeln!(
                page,
                "registered run {run} as {} ({files} files, {size_bytes} bytes, digest {digest})",
                style.bold(&format!("{model}/{version}"))
            ),
            (None, _) => writeln!(
                page,
                "would register run {run} as the next version of {model} ({files} files, {size_bytes} bytes, digest {digest})"
            ),
        };
    }
}
