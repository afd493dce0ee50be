//! A registry that asks for tokens, as a process of its own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::support::{Answer, Home};

/// `mlx registry serve --auth tokens.toml`, killed when dropped. Its log is `server.log` of the home.
pub struct Guarded {
    child: Child,
    pub url: String,
}

impl Guarded {
    /// With these words more. There must be a token already.
    pub fn start(home: &Home, more: &[&str]) -> Self {
        let log = std::fs::File::create(home.join("server.log")).expect("a log");
        let mut command = home.command_in("");
        command
            .args(["registry", "serve", "--port", "0", "--data", "registry"])
            .args(["--auth", "tokens.toml"])
            .args(more)
            .stdout(Stdio::piped())
            .stderr(log);
        let mut child = command.spawn().expect("mlx starts");
        let mut line = String::new();
        let stdout = child.stdout.as_mut().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let url = line.trim().strip_prefix("listening on ");
        let url = url.unwrap_or_else(|| panic!("{line}: {}", home.read("server.log"))).to_owned();
        Self { child, url }
    }

    /// The server's address without its scheme.
    pub fn address(&self) -> &str {
        self.url.split_once("://").expect("an address").1
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A token of these roles, made as an operator would.
pub fn token(home: &Home, name: &str, roles: &[&str]) -> String {
    let roles: Vec<_> = roles.iter().map(|role| format!("--role {role}")).collect();
    let line =
        format!("registry token create {name} {} --auth tokens.toml --json", roles.join(" "));
    home.mlx(&line).ok().json()["token"].as_str().expect("a token").to_owned()
}

/// Run `mlx` with these variables.
pub fn with(home: &Home, variables: &[(&str, &str)], line: &str) -> Answer {
    home.answer(command(home, variables, line))
}

/// The same, with this on stdin.
pub fn told(home: &Home, variables: &[(&str, &str)], line: &str, input: &str) -> Answer {
    let file = home.write("stdin", input);
    let input = std::fs::File::open(file).expect("the input");
    home.answer(command(home, variables, line).stdin(input))
}

fn command<'a>(home: &Home, variables: &[(&str, &str)], line: &str) -> &'a mut Command {
    let mut command = home.command_in("");
    command.envs(variables.iter().copied()).args(line.split_whitespace());
    Box::leak(Box::new(command))
}
