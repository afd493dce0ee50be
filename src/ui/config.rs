//! How `mlx config show` looks.

use std::fmt::Write as _;

use super::table::Table;
use super::{Style, Text};
use crate::outcome::config::ConfigOutcome;

impl Text for ConfigOutcome {
    fn text(&self, page: &mut String, style: Style) {
        match &self.project {
            Some(folder) => _ = writeln!(page, "project   {}", folder.display()),
            None => page.push_str("project   none here\n"),
        }
        let _ = writeln!(page, "registry  {}", self.registry);
        if let Some(login) = &self.login {
            let _ = writeln!(page, "login     {login}");
        }
        for other in &self.passed_over {
            let _ = writeln!(page, "          {other}");
        }
        page.push('\n');
        let mut table = Table::new(["key", "value", "origin"]);
        for setting in &self.settings {
            let value = setting.value.as_deref().unwrap_or("–");
            table.row([setting.key.as_str(), value, &setting.origin]);
        }
        table.write(page, style);
    }
}
