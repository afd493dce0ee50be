//! How the answers of `mlx registry token …` look.

use std::fmt::Write as _;

use super::table::Table;
use super::{Style, Text, time};
use crate::outcome::token::{
    TokenCreateOutcome, TokenListOutcome, TokenRevokeOutcome, TokenSummary,
};

impl Text for TokenCreateOutcome {
    fn text(&self, page: &mut String, style: Style) {
        let made = &self.made;
        let _ = writeln!(page, "{}", self.token.reveal());
        let _ = writeln!(
            page,
            "token {} of {}: {}; {}",
            made.id,
            style.bold(made.name.as_str()),
            roles(made),
            made.expires_ms
                .map_or("never expires".into(), |at| format!("expires {} UTC", time(at))),
        );
        let _ = writeln!(page, "it is shown this once; {} keeps its hash", self.place);
    }
}

impl Text for TokenListOutcome {
    fn text(&self, page: &mut String, style: Style) {
        if self.tokens.is_empty() {
            let _ = writeln!(page, "no tokens in {}", self.place);
            return;
        }
        let mut table = Table::new(["name", "id", "roles", "made", "expires", "standing"]);
        for token in &self.tokens {
            let standing = match token.revoked_ms {
                Some(at) => format!("revoked {}", time(at)),
                None => format!("{:?}", token.standing).to_lowercase(),
            };
            table.row([
                token.name.to_string(),
                token.id.clone(),
                roles(token),
                time(token.created_ms),
                token.expires_ms.map_or("never".into(), time),
                standing,
            ]);
        }
        table.write(page, style);
    }
}

impl Text for TokenRevokeOutcome {
    fn text(&self, page: &mut String, _: Style) {
        for token in &self.revoked {
            let _ = writeln!(page, "revoked {} of {}: {}", token.id, token.name, roles(token));
        }
    }
}

fn roles(token: &TokenSummary) -> String {
    token.roles.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
