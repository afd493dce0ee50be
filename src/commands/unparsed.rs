//! A command line that says nothing to do: help and version, which are answers, or one that is wrong.

use clap::error::ErrorKind;

use crate::error::{Error, ExitCode};
use crate::ui::{Ui, UiSettings};

pub(super) fn unparsed(error: &clap::Error) -> std::process::ExitCode {
    let wrong = error.use_stderr();
    // `--json` was not parsed, and whoever typed it still parses stdout.
    if wrong && std::env::args_os().any(|word| word == "--json") {
        Ui::new(UiSettings { json: true, ..UiSettings::default() }).fail(&explained(error));
    } else {
        let _ = error.print();
    }
    std::process::ExitCode::from(if wrong { ExitCode::Usage } else { ExitCode::Done } as u8)
}

/// All that clap's page of text says, as a message and a hint.
fn explained(error: &clap::Error) -> Error {
    let text = error.to_string();
    let verb = usage(&text);
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Error::usage(format!("`{verb}` needs a command: {}", commands(&text).join(", ")))
            .hint(format!("see `{verb} --help`"));
    }
    let said = text.split("\nUsage:").next().unwrap_or_default();
    let said = said.split("\nFor more information").next().unwrap_or_default();
    let (tips, said): (Vec<&str>, Vec<&str>) = said
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .partition(|line| line.starts_with("tip: "));
    let mut message = String::new();
    for line in said {
        message.push_str(match message.chars().last() {
            None => "",
            // A list of what is missing stands a line each.
            Some('>') => ", ",
            Some(_) => " ",
        });
        message.push_str(line.trim_start_matches("error: "));
    }
    let hint = match tips.is_empty() {
        true => format!("see `{verb} --help`"),
        false => tips.join("; ").replace("tip: ", ""),
    };
    Error::usage(message).hint(hint)
}

/// `mlx registry` of the line `Usage: mlx registry [OPTIONS] <COMMAND>`.
fn usage(text: &str) -> String {
    let line = text.split("Usage: ").nth(1).and_then(|rest| rest.lines().next()).unwrap_or("mlx");
    let is_verb = |word: &&str| word.starts_with(|first: char| first.is_ascii_lowercase());
    line.split_whitespace().take_while(is_verb).collect::<Vec<_>>().join(" ")
}

/// The names below `Commands:`.
fn commands(help: &str) -> Vec<&str> {
    let list = help.split("Commands:\n").nth(1).unwrap_or_default();
    list.lines()
        .take_while(|line| !line.is_empty())
        // A description that goes on stands further in.
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn an_error_says_all_that_the_page_does() {
        let explained = |line: &str| {
            let error = Cli::try_parse_from(line.split(' ')).expect_err("a wrong command line");
            let error = explained(&error);
            format!("{}; {}", error.message(), error.hint_text().unwrap_or_default())
        };
        for (line, said) in [
            (
                "mlx predict",
                "the following required arguments were not provided: --input <FILE>, --output <FILE>; see `mlx predict --help`",
            ),
            ("mlx trian", "unrecognized subcommand 'trian'; a similar subcommand exists: 'train'"),
            (
                "mlx models",
                "`mlx models` needs a command: list, show, history, pull, yank, delete; see `mlx models --help`",
            ),
            (
                "mlx new x --data y --layout tall",
                "invalid value 'tall' for '--layout <LAYOUT>' [possible values: long, wide]; see `mlx --help`",
            ),
            (
                "mlx train --sed 8",
                "unexpected argument '--sed' found; a similar argument exists: '--seed'",
            ),
        ] {
            assert_eq!(explained(line), said, "{line}");
        }
    }
}
