//! How the answers of `mlx registry …` look.

use std::fmt::Write as _;

use super::{Style, Text, size};
use crate::outcome::registry::{
    BackupOutcome, Checked, ImportOutcome, Kind, RestoreOutcome, StatusOutcome, VerifyOutcome,
};

impl Text for StatusOutcome {
    fn text(&self, page: &mut String, style: Style) {
        let kind = match self.kind {
            Kind::Embedded => "embedded, no server needed",
            Kind::Mlx => "an mlx registry over HTTP",
            Kind::Mlflow => "an MLflow server",
        };
        let _ = writeln!(page, "registry  {}", style.bold(&self.place));
        let _ = writeln!(page, "kind      {kind}");
        if let Some(version) = &self.mlx_version {
            let _ = writeln!(page, "version   mlx {version}");
        }
        match self.models {
            Some(models) => {
                let _ = writeln!(page, "models    {models}");
            }
            None => page.push_str("models    none yet: it is made when the first is registered\n"),
        }
        page.push('\n');
        for promise in &self.promises {
            let mark = if promise.kept { style.green("yes") } else { style.red("no ") };
            let _ = writeln!(page, "{mark}  {}", promise.what);
        }
    }
}

impl Text for VerifyOutcome {
    fn text(&self, page: &mut String, style: Style) {
        let _ = writeln!(page, "checked {}: {}", self.place, counted(&self.checked));
        match self.checked.problems.len() {
            0 => {
                let _ = writeln!(page, "{}", style.green("nothing is wrong"));
            }
            count => {
                let _ = writeln!(
                    page,
                    "{}",
                    style.red(&format!("{} wrong:", things(count as u64, "thing")))
                );
                for problem in &self.checked.problems {
                    let _ = writeln!(page, "  {problem}");
                }
            }
        }
    }
}

impl Text for BackupOutcome {
    fn text(&self, page: &mut String, _: Style) {
        let _ = writeln!(page, "backed up {} to {}", self.registry, self.backup.display());
        let _ = writeln!(page, "verified: {}", counted(&self.checked));
    }
}

impl Text for RestoreOutcome {
    fn text(&self, page: &mut String, _: Style) {
        let _ = writeln!(page, "restored {} to {}", self.backup.display(), self.registry.display());
        let _ = writeln!(page, "verified: {}", counted(&self.checked));
        if let Some(kept) = &self.kept {
            let _ = writeln!(page, "what was there is kept in {}", kept.display());
        }
    }
}

impl Text for ImportOutcome {
    fn text(&self, page: &mut String, style: Style) {
        let brought = [
            things(self.experiments, "experiment"),
            things(self.runs, "run"),
            format!("{} of metrics", things(self.points, "value")),
            things(self.models, "model"),
            things(self.versions, "version"),
            format!("{} ({})", things(self.files, "file"), size(self.bytes)),
        ];
        let _ = writeln!(page, "imported into {}: {}", self.registry, brought.join(", "));
        let _ = writeln!(page, "verified: {}", counted(&self.checked));
        for problem in &self.checked.problems {
            let _ = writeln!(page, "  {}", style.red(problem));
        }
        if !self.left.is_empty() {
            let _ = writeln!(
                page,
                "not brought: {}; see above",
                things(self.left.len() as u64, "thing")
            );
        }
    }
}

/// `2 models, 3 versions, 12 files of versions and runs (1.2 MB read and hashed), 4 events, 1 alias`.
fn counted(checked: &Checked) -> String {
    format!(
        "{}, {}, {} of versions and runs ({} read and hashed), {}, {}",
        things(checked.models, "model"),
        things(checked.versions, "version"),
        things(checked.files, "file"),
        size(checked.bytes),
        things(checked.events, "event"),
        if checked.aliases == 1 {
            "1 alias".into()
        } else {
            format!("{} aliases", checked.aliases)
        },
    )
}

fn things(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
