//! How a new project is told of.

use std::fmt::Write as _;

use super::{Style, Text};
use crate::outcome::new::{FileState, GitOutcome, NewOutcome};

impl Text for NewOutcome {
    fn text(&self, page: &mut String, _style: Style) {
        let made = if self.dry_run { "would be" } else { "is" };
        let _ = writeln!(
            page,
            "{} {made} a {} project in {}\n",
            self.name,
            self.task,
            self.directory.display()
        );
        let width = self.files.iter().map(|file| file.path.len()).max().unwrap_or(0);
        for file in &self.files {
            let what = match file.state {
                FileState::Skipped => "was there, and stays as it is",
                FileState::Written | FileState::Planned => &file.why,
            };
            let line = format!("  {:width$}  {what}", file.path);
            let _ = writeln!(page, "{}", line.trim_end());
        }
        page.push('\n');
        for note in &self.notes {
            let _ = writeln!(page, "{note}");
        }
        let _ = match &self.git {
            GitOutcome::Made { commit } => {
                writeln!(
                    page,
                    "git repository made, first commit {}",
                    &commit[..7.min(commit.len())]
                )
            }
            GitOutcome::Planned => {
                writeln!(page, "a git repository with a first commit would be made")
            }
            GitOutcome::Inside { repository } => writeln!(
                page,
                "inside the git repository {}: no other is nested into it, and the commit is yours to make",
                repository.display()
            ),
            GitOutcome::Off => Ok(()),
            GitOutcome::Failed { why } => writeln!(page, "no git repository: {why}"),
        };
        if self.dry_run {
            return;
        }
        page.push_str("\nnext:\n");
        if self.typed.as_os_str() != "." {
            let _ = writeln!(page, "  cd {}", shell_word(&self.typed.to_string_lossy()));
        }
        page.push_str("  mlx train\n");
    }
}

/// The text as one word of a shell, quoted where it has to be.
fn shell_word(text: &str) -> String {
    let plain = !text.is_empty()
        && text.chars().all(|letter| letter.is_alphanumeric() || "_-./+,@:~".contains(letter));
    if plain { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
