//! How `mlx predict` looks.

use std::fmt::Write as _;

use super::{Style, Text};
use crate::outcome::predict::PredictOutcome;

impl Text for PredictOutcome {
    fn text(&self, page: &mut String, _: Style) {
        let _ = writeln!(
            page,
            "wrote {} predictions to {}: {}",
            self.predictions,
            self.output.display(),
            columns(&self.columns),
        );
    }
}

/// The names, the middle left out of many classes.
fn columns(names: &[String]) -> String {
    const SHOWN: usize = 8;
    if names.len() <= SHOWN {
        return names.join(", ");
    }
    format!("{}, … {}", names[..SHOWN - 2].join(", "), names[names.len() - 1])
}
