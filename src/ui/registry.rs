//! How the answers of `mlx registry …` look.

use std::fmt::Write as _;

use super::models::or_dash;
use super::table::Table;
use super::{Style, Text, size};
use crate::outcome::registry::{
    BackupOutcome, Checked, Done, Found, GcOutcome, ImportOutcome, Kind, ReconcileOutcome,
    RestoreOutcome, StatusOutcome, VerifyOutcome,
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
        if let Some(version) = &self.mlflow_version {
            let _ = writeln!(page, "version   MLflow {version}");
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
            if let Some(instead) = promise.instead {
                let _ = writeln!(page, "     {}", style.dim(instead));
            }
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

impl Text for ReconcileOutcome {
    fn text(&self, page: &mut String, style: Style) {
        if !self.apart {
            let _ = writeln!(
                page,
                "{} moves an alias and writes its history in one step: they can't be apart",
                self.place
            );
            return;
        }
        if self.models.is_empty() {
            let _ = writeln!(page, "nothing was moved with mlx in {}", self.place);
            return;
        }
        let mut table =
            Table::new(["model", "environment", "alias", "history", "found", "done"]).right([2, 3]);
        let mut rows = 0;
        for model in &self.models {
            for environment in &model.environments {
                rows += 1;
                let found = match environment.found {
                    Found::InStep => style.green("in step"),
                    Found::Unfinished => style.yellow("unfinished"),
                    Found::Outside => style.red("moved outside mlx"),
                    Found::Unknown => "not in the history".to_owned(),
                };
                let done = match environment.done {
                    None => "",
                    Some(Done::Finished) => "finished",
                    Some(Done::Adopted) => "taken into the history",
                    Some(Done::Restored) => "put back",
                };
                table.row([
                    model.model.to_string(),
                    environment.environment.to_string(),
                    or_dash(environment.alias),
                    or_dash(environment.logged),
                    found,
                    done.to_owned(),
                ]);
            }
        }
        if rows == 0 {
            let _ = writeln!(page, "no environments");
        } else {
            table.write(page, style);
        }
        for model in &self.models {
            for damage in &model.damage {
                let _ = writeln!(page, "{}: {damage}", style.red("damaged"));
            }
        }
        let left = |found: Found| {
            self.models
                .iter()
                .flat_map(|model| &model.environments)
                .any(|environment| environment.found == found && environment.done.is_none())
        };
        if left(Found::Outside) {
            page.push_str(
                "\n`--adopt` takes what was moved outside into the history, `--restore` moves the alias back\n",
            );
        } else if left(Found::Unfinished) {
            page.push_str(
                "\n`--restore` finishes what is unfinished, as the next promotion would\n",
            );
        }
    }
}

impl Text for GcOutcome {
    fn text(&self, page: &mut String, _: Style) {
        let (removed, freed) =
            if self.dry_run { ("would remove", "would be") } else { ("removed", "are") };
        let counts = [
            (self.runs.len(), "deleted run"),
            (self.logged_models.len(), "logged model"),
            (self.experiments.len(), "deleted experiment"),
            (self.uploads.len(), "unfinished upload"),
            (self.objects.len(), "orphaned file"),
        ];
        let counts: Vec<_> = counts
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, name)| things(count as u64, name))
            .collect();
        if counts.is_empty() {
            let _ = writeln!(page, "{}: nothing to remove", self.place);
        } else {
            let _ = writeln!(page, "{}: {removed} {}", self.place, counts.join(", "));
            let _ = writeln!(page, "{} {freed} free again", size(self.size_bytes));
        }
        if self.kept_runs > 0 {
            let kept = things(self.kept_runs, "deleted run");
            let _ = writeln!(page, "kept {kept} that versions came from");
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
