//! Moves of an environment's pointer and what is said of versions, as an append-only log that is chained by hash.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::policy::Satisfied;
use super::{EnvironmentName, ModelName, VersionNumber};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EventKind {
    Promote,
    Rollback,
    /// An alias set through a plain MLflow route.
    AliasSet,
    /// An alias removed through a plain MLflow route.
    AliasRemoved,
    /// A version that no environment may be moved to from now on.
    Yank,
    /// A yank taken back.
    Unyank,
}

impl EventKind {
    /// As people say it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Promote => "promote",
            Self::Rollback => "rollback",
            Self::AliasSet => "alias set",
            Self::AliasRemoved => "alias removed",
            Self::Yank => "yank",
            Self::Unyank => "un-yank",
        }
    }

    /// Whether it moves an environment's pointer; else it speaks of a version.
    pub(crate) fn is_move(self) -> bool {
        !matches!(self, Self::Yank | Self::Unyank)
    }
}

/// One event of a model's log.
///
/// An environment's alias is the projection of its moves: it points to `to` of the last one. A version
/// is yanked while the last event that speaks of it is a yank.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Event {
    /// Position in the model's log, from 1 without gaps.
    pub sequence: u64,
    pub model: ModelName,
    /// Whose pointer moved; null where the event speaks of a version.
    pub environment: Option<EnvironmentName>,
    pub kind: EventKind,
    pub from: Option<VersionNumber>,
    /// Where the pointer points from now on, or the version that the event speaks of.
    pub to: Option<VersionNumber>,
    pub actor: String,
    pub reason: Option<String>,
    /// What decided: the gate's verdict and rules, with the digests of model and data. Null: ungated.
    pub evidence: Option<serde_json::Value>,
    /// The policy that the registry held a move against, and that it satisfied; absent where the
    /// environment had none, so that events from before there were policies keep their hashes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Satisfied>,
    /// Made by the client, so that a repeated request is the same move.
    pub operation_id: String,
    /// Milliseconds since 1970.
    pub timestamp_ms: i64,
    /// `hash` of the event before, 64 zeros for the first.
    pub previous_hash: String,
    /// SHA-256 of the event without this field, as [`Event::computed_hash`] makes it.
    pub hash: String,
}

impl Event {
    pub(crate) const FIRST_PREVIOUS: &'static str =
        "0000000000000000000000000000000000000000000000000000000000000000";

    /// What the gate said of a promotion; `ungated` where none was asked, nothing for other moves.
    pub(crate) fn verdict(&self) -> Option<&str> {
        let said = self.evidence.as_ref().and_then(|evidence| evidence["decision"].as_str());
        said.or((self.kind == EventKind::Promote).then_some("ungated"))
    }

    /// SHA-256 in lower-case hex over the JSON of the event with an empty `hash`.
    pub(crate) fn computed_hash(&self) -> String {
        let mut bare = self.clone();
        bare.hash = String::new();
        // `to_value` orders the evidence's keys as they were given; the store keeps the text it was
        // given, so what is hashed is what is read back.
        let json = serde_json::to_vec(&bare).expect("an event has only string keys");
        hex::encode(Sha256::digest(json))
    }
}
