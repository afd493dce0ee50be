//! How `mlx login` asks and answers, and `mlx logout`.

use std::fmt::Write as _;
use std::io::IsTerminal as _;

use super::{Style, Text, Ui, time};
use crate::error::{Error, Result};
use crate::outcome::login::{LoginOutcome, LogoutOutcome};

impl Ui {
    /// Ask for what must not be seen: at a terminal without showing what is typed, else the first
    /// line of stdin.
    pub(crate) fn ask_secret(&self, question: &str) -> Result<String> {
        let failed = |error: std::io::Error| Error::user(format!("cannot read it: {error}"));
        if std::io::stdin().is_terminal() {
            return rpassword::prompt_password(question).map_err(failed);
        }
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map_err(failed)?;
        Ok(line)
    }
}

impl Text for LoginOutcome {
    fn text(&self, page: &mut String, style: Style) {
        let name = self.name.as_deref().unwrap_or("somebody it doesn't name");
        let roles: Vec<_> = self.roles.iter().flatten().map(ToString::to_string).collect();
        let _ = write!(page, "{} knows you as {}", self.registry, style.bold(name));
        if !roles.is_empty() {
            let _ = write!(page, ": {}", roles.join(", "));
        }
        if let Some(at) = self.expires_ms {
            let _ = write!(page, "; until {} UTC", time(at));
        }
        let _ = writeln!(page, "\nkept in {}", self.kept);
    }
}

impl Text for LogoutOutcome {
    fn text(&self, page: &mut String, _: Style) {
        let _ = writeln!(page, "forgot what {} knew you by", self.registry);
    }
}
