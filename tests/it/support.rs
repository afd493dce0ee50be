//! A clean home for the real binary, and what it answered in it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder with nothing of the developer's in it: HOME, settings, registry and working folder.
pub struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn join(&self, path: &str) -> PathBuf {
        self.path().join(path)
    }

    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(path);
        std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder");
        std::fs::write(&path, content).expect("a file");
        path
    }

    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// The binary, in this home and in `folder` of it.
    pub fn command_in(&self, folder: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mlx"));
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path())
            .env("USER", "tester")
            .env("CI", "true")
            .current_dir(self.join(folder));
        command
    }

    /// Run `mlx` with the words of `line` in `folder`, and show what it answered.
    pub fn mlx_in(&self, folder: &str, line: &str) -> Answer {
        self.answer(self.command_in(folder).args(line.split_whitespace()))
    }

    pub fn answer(&self, command: &mut Command) -> Answer {
        self.answered(command.output().expect("mlx starts"))
    }

    /// What a command that was run in this home printed.
    pub fn answered(&self, output: Output) -> Answer {
        Answer { home: self.path().to_owned(), output }
    }

    pub fn mlx(&self, line: &str) -> Answer {
        self.mlx_in("", line)
    }
}

pub struct Answer {
    home: PathBuf,
    pub output: Output,
}

impl Answer {
    pub fn code(&self) -> i32 {
        self.output.status.code().unwrap_or(-1)
    }

    pub fn stdout(&self) -> String {
        self.filtered(&self.output.stdout)
    }

    pub fn stderr(&self) -> String {
        self.filtered(&self.output.stderr)
    }

    /// The `data` of a `--json` answer.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice::<serde_json::Value>(&self.output.stdout)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.show()))["data"]
            .clone()
    }

    /// Panics unless the command ended with 0.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code(), 0, "{}", self.show());
        self
    }

    #[track_caller]
    pub fn fails_with(self, code: i32) -> Self {
        assert_eq!(self.code(), code, "{}", self.show());
        self
    }

    /// Exit code, stdout and stderr in one text, for an inline snapshot.
    pub fn show(&self) -> String {
        let mut text = format!("exit {}\n", self.code());
        for (name, stream) in [("stdout", self.stdout()), ("stderr", self.stderr())] {
            if !stream.is_empty() {
                let _ = write!(text, "--- {name}\n{stream}");
            }
        }
        text
    }

    /// Paths of this home as `[HOME]`; ids, digests, times and durations are filtered where they are snapshot.
    fn filtered(&self, stream: &[u8]) -> String {
        String::from_utf8_lossy(stream).replace(&self.home.display().to_string(), "[HOME]")
    }
}

/// A project of this template in a folder of its name, trained for a moment.
pub fn trained(home: &Home, template: &str) {
    home.mlx(&format!("new {template} --template {template} --no-git")).ok();
    home.mlx_in(template, "train -q --device cpu --set train.max_epochs=2").ok();
}
