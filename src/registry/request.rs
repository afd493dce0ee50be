//! Requested promotions: who asked, who said yes, and when that is enough.
//!
//! A request is for one version's bytes, one gate and one thing that is live. When any of these
//! changes, what people approved is not what would happen, and the request is stale.

use serde::{Deserialize, Serialize};

use super::policy::Approval;
use super::{EnvironmentName, ModelName, Policy, VersionNumber};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    Open,
    /// The promotion was made.
    Done,
    /// Somebody said no.
    Rejected,
    /// Whoever asked took it back.
    Withdrawn,
    /// What was asked for can't happen anymore: something else is live, or other rules hold.
    Stale,
}

impl Status {
    pub(crate) const ALL: [Self; 5] =
        [Self::Open, Self::Done, Self::Rejected, Self::Withdrawn, Self::Stale];

    /// As it is stored and shown.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Done => "done",
            Self::Rejected => "rejected",
            Self::Withdrawn => "withdrawn",
            Self::Stale => "stale",
        }
    }
}

/// What can be said to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    Approve,
    Reject,
    Withdraw,
}

impl Answer {
    /// As in `…/approve`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Withdraw => "withdraw",
        }
    }
}

/// A promotion that somebody asks others to approve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Request {
    /// 16 hexadecimal digits.
    pub id: String,
    pub model: ModelName,
    pub environment: EnvironmentName,
    pub version: VersionNumber,
    /// What was live when it was asked, and must be still; null: nothing.
    pub expected: Option<VersionNumber>,
    /// Of the version's package, of the bytes that are stored; null where it is no package of mlx.
    pub package_digest: Option<String>,
    /// Of the policy's gate, which the evidence satisfies.
    pub gate_digest: String,
    pub evidence: Option<serde_json::Value>,
    /// Who registered the version.
    pub author: String,
    /// Who asks.
    pub actor: String,
    pub reason: Option<String>,
    /// Milliseconds since 1970.
    pub asked_ms: i64,
    /// In the order in which they came, each person once.
    pub approvals: Vec<Approval>,
    pub status: Status,
    /// Who ended it, where somebody did, why and when.
    pub closed: Option<Closed>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Closed {
    pub actor: String,
    pub reason: Option<String>,
    /// Milliseconds since 1970.
    pub closed_ms: i64,
}

impl Request {
    /// `churn/7 to production`.
    pub(crate) fn what(&self) -> String {
        format!("{}/{} to {}", self.model, self.version, self.environment)
    }

    /// Why this person may not give this answer; `None`: they may.
    pub(crate) fn barred_from(
        &self,
        answer: Answer,
        policy: &Policy,
        actor: &str,
    ) -> Option<String> {
        match answer {
            // Whoever made it may say that it isn't good.
            Answer::Reject if actor == self.author || policy.lets(actor) => None,
            Answer::Approve | Answer::Reject => self.barred(policy, actor),
            Answer::Withdraw if actor == self.actor => None,
            Answer::Withdraw => Some(format!("{} asked for it, and takes it back", self.actor)),
        }
    }

    /// Why this person's yes would not count; `None`: it would.
    pub(crate) fn barred(&self, policy: &Policy, actor: &str) -> Option<String> {
        if actor == self.actor {
            return Some(format!("{actor} asked for it, and others have to approve it"));
        }
        if actor == self.author {
            return Some(format!(
                "{actor} registered {}/{}, and others have to approve it",
                self.model, self.version
            ));
        }
        if !policy.lets(actor) {
            return Some(format!(
                "{actor} is none of the promoters of {}: {}",
                self.environment,
                policy.promoters.join(", ")
            ));
        }
        None
    }

    /// The approvals that count under a policy, which may be another one than when they were given.
    pub(crate) fn counted(&self, policy: &Policy) -> Vec<Approval> {
        let counts = |approval: &&Approval| self.barred(policy, &approval.actor).is_none();
        self.approvals.iter().filter(counts).cloned().collect()
    }

    /// Whether enough people approved.
    pub(crate) fn is_approved(&self, policy: &Policy) -> bool {
        self.counted(policy).len() >= policy.approvals as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(approved_by: &[&str]) -> Request {
        let approval =
            |actor: &&str| Approval { actor: (*actor).to_owned(), reason: None, approved_ms: 0 };
        Request {
            id: "0123456789abcdef".into(),
            model: "churn".parse().unwrap(),
            environment: "production".parse().unwrap(),
            version: VersionNumber(7),
            expected: None,
            package_digest: None,
            gate_digest: String::new(),
            evidence: None,
            author: "ada".into(),
            actor: "bob".into(),
            reason: None,
            asked_ms: 0,
            approvals: approved_by.iter().map(approval).collect(),
            status: Status::Open,
            closed: None,
        }
    }

    #[test]
    fn who_made_it_and_who_asks_do_not_approve() {
        let policy = Policy { approvals: 2, ..Policy::default() };
        let barred = |actor| request(&[]).barred(&policy, actor);
        assert!(barred("ada").is_some_and(|why| why.contains("registered churn/7")));
        assert!(barred("bob").is_some_and(|why| why.contains("asked for it")));
        assert_eq!(barred("eve"), None);
        assert!(!request(&["eve", "ada", "bob"]).is_approved(&policy));
        assert!(request(&["eve", "ada", "dan"]).is_approved(&policy));
    }

    #[test]
    fn who_asks_takes_it_back_and_others_say_no() {
        let policy = Policy { approvals: 1, promoters: vec!["eve".into()], ..Policy::default() };
        let may = |answer, actor| request(&[]).barred_from(answer, &policy, actor).is_none();
        assert!(may(Answer::Withdraw, "bob") && !may(Answer::Withdraw, "eve"));
        assert!(may(Answer::Reject, "eve") && may(Answer::Reject, "ada"));
        assert!(!may(Answer::Reject, "dan") && !may(Answer::Approve, "dan"));
        assert!(may(Answer::Approve, "eve") && !may(Answer::Approve, "ada"));
    }

    #[test]
    fn only_promoters_count_and_only_those_of_now() {
        let promoters = |names: &[&str]| Policy {
            approvals: 1,
            promoters: names.iter().map(|name| (*name).to_owned()).collect(),
            ..Policy::default()
        };
        let asked = request(&["eve"]);
        assert!(asked.is_approved(&promoters(&["eve", "dan"])));
        assert!(!asked.is_approved(&promoters(&["dan"])));
        assert!(asked.barred(&promoters(&["dan"]), "eve").is_some());
    }
}
