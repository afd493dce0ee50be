//! How `mlx doctor` looks: a line a finding, and under each that isn't well what to do.

use std::fmt::Write as _;

use super::{Style, Text};
use crate::outcome::doctor::{DoctorOutcome, State};

impl Text for DoctorOutcome {
    fn text(&self, page: &mut String, style: Style) {
        for check in &self.checks {
            let mark = match check.state {
                State::Well => style.green("ok    "),
                State::Note => style.yellow("note  "),
                State::Broken => style.red("broken"),
            };
            let _ = writeln!(page, "{mark}  {:<9} {}", check.area, check.finding);
            if let Some(remedy) = &check.remedy {
                let _ = writeln!(page, "        {:<9} {} {remedy}", "", style.dim("try:"));
            }
        }
        let broken = self.checks.iter().filter(|check| check.state == State::Broken).count();
        if broken == 0 {
            page.push_str("\nnothing stands in the way\n");
        } else {
            let _ = writeln!(page, "\n{broken} broken");
        }
    }
}
