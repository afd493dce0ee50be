//! How `mlx approve` looks.

use std::fmt::Write as _;

use super::models::or_dash;
use super::table::Table;
use super::{Style, Text, time};
use crate::outcome::approve::{Answer, ApproveListOutcome, ApproveOutcome, Request};

impl Text for ApproveOutcome {
    fn text(&self, page: &mut String, style: Style) {
        let Self { request, needed, counted, .. } = self;
        let (model, version, environment) = (&request.model, request.version, &request.environment);
        let what = style.bold(&format!("{model}/{version}"));
        let _ = match (self.answer, &self.event) {
            (Answer::Reject, _) => writeln!(page, "rejected {what} for {environment}"),
            (Answer::Withdraw, _) => {
                writeln!(page, "withdrew the request of {what} for {environment}")
            }
            (Answer::Approve, None) => {
                writeln!(page, "approved {what} for {environment}: {counted} of {needed} approvals")
            }
            (Answer::Approve, Some(event)) => {
                let moved = event.from.map_or_else(
                    || ", where nothing was live".to_owned(),
                    |from| format!(", from {model}/{from}"),
                );
                writeln!(page, "approved, and promoted {what} to {environment}{moved}")
            }
        };
    }
}

impl Text for ApproveListOutcome {
    fn text(&self, page: &mut String, style: Style) {
        if self.requests.is_empty() {
            let _ = writeln!(page, "nothing waits for approval in {}", self.registry);
            return;
        }
        requests(page, style, &self.requests);
    }
}

/// A table of requests.
pub(super) fn requests(page: &mut String, style: Style, requests: &[Request]) {
    let header = ["id", "asked", "what", "to", "replaces", "who", "approved by", "why"];
    let mut table = Table::new(header).right([4]);
    for request in requests {
        let approvals: Vec<&str> =
            request.approvals.iter().map(|approval| approval.actor.as_str()).collect();
        table.row([
            request.id.get(..8).unwrap_or(&request.id).to_owned(),
            time(request.asked_ms),
            format!("{}/{}", request.model, request.version),
            request.environment.to_string(),
            or_dash(request.expected),
            request.actor.clone(),
            if approvals.is_empty() { "–".into() } else { approvals.join(", ") },
            request.reason.clone().unwrap_or_default(),
        ]);
    }
    table.write(page, style);
}
