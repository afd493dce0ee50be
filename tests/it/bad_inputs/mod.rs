//! Bad inputs: what was wrong, what was typed, and what mlx printed, one row each.
//!
//! The rows are also `docs/bad-inputs.md`: each group compares its section of that page, or writes it
//! where `MLX_REWRITE=1`. A row that panics or blames mlx for what the user did fails whatever its snapshot says.

mod config;
mod data;
mod fixture;
mod flags;
mod full_disk;
mod registry;
mod runs;
mod scoring;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::support::{Answer, Home};

/// The sections of the page, in their order.
const GROUPS: [&str; 10] = [
    "Data",
    "Settings",
    "Command line",
    "Runs",
    "Packages",
    "Scoring",
    "Registry",
    "Registry servers",
    "Full disk",
    "Read-only disk",
];

/// The page has one writer at a time.
static PAGE: Mutex<()> = Mutex::new(());

/// The rows of one group as they are tried.
struct Rows {
    group: &'static str,
    table: String,
}

impl Rows {
    fn of(group: &'static str) -> Self {
        Self { group, table: String::new() }
    }

    /// Type `line` in the project of `home`, and tell what came of it.
    #[track_caller]
    fn tried(&mut self, wrong: &str, home: &Home, line: &str) -> String {
        let answer = home.mlx_in("churn", line);
        self.saw(wrong, line, &answer)
    }

    #[track_caller]
    fn saw(&mut self, wrong: &str, line: &str, answer: &Answer) -> String {
        let shown = masked(&answer.show());
        assert!(answer.code() != 70 && !shown.contains("panicked"), "{wrong}: {shown}");
        let printed = masked(&format!("{}{}", answer.stdout(), answer.stderr()));
        let _ = writeln!(
            self.table,
            "| {wrong} | `mlx {}` | {} | {} |",
            masked(line).replace('|', "\\|"),
            cell(printed.trim_end()),
            answer.code()
        );
        shown
    }

    /// Compare the group's section of the page with its rows.
    #[track_caller]
    fn end(self) {
        let _alone = PAGE.lock().unwrap_or_else(PoisonError::into_inner);
        let file = page();
        let before = std::fs::read_to_string(&file).unwrap_or_default();
        let after = with_section(&before, self.group, &self.table);
        if std::env::var_os("MLX_REWRITE").is_some() {
            std::fs::write(&file, after).expect("the page");
        } else {
            let same = before == after;
            assert!(
                same,
                "{} is not what was printed: rewrite it with MLX_REWRITE=1",
                file.display()
            );
        }
    }
}

const HEAD: &str = "# Bad inputs

What `mlx` answers where an input is wrong: the tests of `tests/it/bad_inputs` type each command, hold its answer,
and write this page (`MLX_REWRITE=1 cargo test --test it bad_inputs`). `[HOME]` is the folder above the project's,
`[ID]` the id of a run, `[SHA256]` a digest. Errors are on stderr, answers on stdout.
";

fn page() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/bad-inputs.md")
}

/// The page with this section in place of its older self.
fn with_section(page: &str, group: &str, rows: &str) -> String {
    let sections = page.split("\n## ").skip(1).filter_map(|section| section.split_once('\n'));
    let sections: Vec<(&str, &str)> = sections.collect();
    let mut text = HEAD.to_owned();
    for name in GROUPS {
        let table = format!(
            "\n| what was wrong | command | what mlx printed | exit code |\n|---|---|---|---|\n{rows}"
        );
        let body = if name == group {
            Some(table.as_str())
        } else {
            sections.iter().find(|(title, _)| *title == name).map(|(_, body)| *body)
        };
        if let Some(body) = body {
            let _ = write!(text, "\n## {name}\n{}\n", body.trim_end_matches('\n'));
        }
    }
    text
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('\n', "<br>")
}

/// Who the registry says that we are.
fn user() -> String {
    let output = std::process::Command::new("id").arg("-un").output();
    output.map_or(String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Ids, digests, ports and names of temporary folders, which differ each time, and the user's.
fn masked(text: &str) -> String {
    /// The number goes up with every table that is added.
    const NEWEST_FORMAT: &str = "its format is 99, and this mlx reads up to ";
    let text = text.replace(&format!(": {} promoted ", user()), ": [USER] promoted ");
    let mut shown = String::new();
    let mut word = String::new();
    for letter in text.chars().chain(['\0']) {
        if letter.is_ascii_alphanumeric() {
            word.push(letter);
            continue;
        }
        let hex = word.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        let temporary = [".mlx-pull-"].iter().any(|name| shown.ends_with(name));
        let port = shown.ends_with("127.0.0.1:") && word.parse::<u16>().is_ok();
        match word.len() {
            1.. if temporary => shown.push('…'),
            _ if port => shown.push_str("[PORT]"),
            _ if shown.ends_with(NEWEST_FORMAT) => shown.push_str("[FORMAT]"),
            64 if hex => shown.push_str("[SHA256]"),
            8..=32 if hex => shown.push_str("[ID]"),
            _ => shown.push_str(&word),
        }
        word.clear();
        if letter != '\0' {
            shown.push(letter);
        }
    }
    any_file(&shown)
}

/// Files are pulled several at a time, and any may be the one that finds no room.
fn any_file(text: &str) -> String {
    let Some((before, rest)) = text.split_once("/.mlx-pull-…/") else { return text.to_owned() };
    let Some((_, after)) = rest.split_once(": No space") else { return text.to_owned() };
    let after = after.replace("/.mlx-pull-…/mlx,", "/.mlx-pull-…,");
    format!("{before}/.mlx-pull-…/[FILE]: No space{after}")
}
