//! The lifecycle extension under `/api/mlx/1/`: what MLflow lacks.
//!
//! | route | request | reply |
//! |---|---|---|
//! | `POST models/{name}/moves` | [`MoveRequest`] | [`MoveReply`]; 409 `MLX_CONFLICT` where `expect` is not what is live |
//! | `GET models/{name}/events?environment=&after=&limit=&last=` | – | [`EventsReply`], oldest first |
//! | `GET models/{name}/history?environment=&at=` | – | [`HistoryReply`]: what was live where at a time |
//! | `POST models/{name}/versions/{version}/yank` | [`YankRequest`] | [`YankReply`] |
//! | `GET models/{name}/versions/{version}/files` | – | [`FilesReply`]: the manifest pinned at creation |
//! | `GET models/{name}/environments/{environment}/policy` | – | [`PolicyReply`]: what it asks of this model |
//! | `GET environments` | – | [`EnvironmentsReply`] |
//! | `GET environments/{environment}` | – | [`EnvironmentReply`] |
//! | `PUT environments/{environment}/policy` | [`SetPolicyRequest`] | [`RevisionReply`]; 409 where `expect` is not the last revision |
//! | `POST models/{name}/requests` | [`AskRequest`] | [`RequestReply`] |
//! | `GET requests?status=&model=&environment=` | – | [`RequestsReply`] |
//! | `POST requests/{id}/approve`, `…/reject`, `…/withdraw` | [`AnswerRequest`] | [`RequestReply`]; 409 where it is not open anymore |
//! | `GET verify` | – | [`VerifyReply`] |
//! | `GET whoami` | – | [`WhoAmI`] |
//! | `POST gc` | [`GcRequest`] | [`GcReply`] |
//!
//! Every write carries an `operation_id` that the client makes: repeated, it answers what the first
//! one did. What an environment's policy forbids is 403 `PERMISSION_DENIED`.

use serde::{Deserialize, Serialize};

use crate::registry::access::Role;
use crate::registry::history::Standing;
use crate::registry::policy::{Revision, Summary};
use crate::registry::{
    EnvironmentName, Event, EventKind, ModelPattern, Policy, Request, VersionNumber,
};

/// The `error_code` of a write that lost its compare-and-set.
pub(crate) const CONFLICT: &str = "MLX_CONFLICT";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MoveRequest {
    /// Made by the client; repeating a request with the same id answers the first one's event.
    pub operation_id: String,
    pub kind: EventKind,
    pub environment: EnvironmentName,
    pub to: VersionNumber,
    /// The version that must be live now; null: nothing may be live.
    pub expect: Option<VersionNumber>,
    pub reason: Option<String>,
    pub evidence: Option<serde_json::Value>,
    /// Who asks, where the server has no authentication of its own.
    pub actor: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MoveReply {
    pub event: Event,
}

/// The body of a lost compare-and-set: MLflow's error shape, and who won.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ConflictBody {
    pub error_code: String,
    pub message: String,
    /// The version that is live now.
    pub live: Option<VersionNumber>,
    /// The move that made it so; null where the conflict is about something else than what is live.
    pub winner: Option<Event>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct EventsReply {
    #[serde(default)]
    pub events: Vec<Event>,
    /// Ask again with `after` of this; absent: that was all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// What was live at `at_ms`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct HistoryReply {
    pub at_ms: i64,
    /// By environment.
    pub standings: Vec<Standing>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct YankRequest {
    pub operation_id: String,
    /// False: take a yank back.
    pub yank: bool,
    pub reason: Option<String>,
    pub actor: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct YankReply {
    /// Null: it was so already.
    pub event: Option<Event>,
    /// Where the version is live.
    pub live: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct VersionFile {
    /// Relative to the version's source, forward slashes.
    pub path: String,
    pub size_bytes: u64,
    /// Empty where nobody knows it: a plain MLflow server keeps none of versions that others made.
    pub sha256: String,
}

impl VersionFile {
    /// Whether bytes of this size and SHA-256 are the file.
    pub(crate) fn is(&self, size_bytes: u64, sha256: &str) -> bool {
        size_bytes == self.size_bytes && (self.sha256.is_empty() || sha256 == self.sha256)
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct FilesReply {
    #[serde(default)]
    pub files: Vec<VersionFile>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PolicyReply {
    /// Null: the environment asks nothing of this model.
    pub policy: Option<Revision>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct EnvironmentsReply {
    /// By name: those where something is live, and those that have a policy.
    pub environments: Vec<Summary>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct EnvironmentReply {
    pub summary: Summary,
    /// Every revision of its policies that there was, newest first.
    pub revisions: Vec<Revision>,
    /// Those that are open, oldest first.
    pub requests: Vec<Request>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SetPolicyRequest {
    pub operation_id: String,
    pub models: ModelPattern,
    /// Null: remove the policy.
    pub policy: Option<Policy>,
    /// The revision that this one is made from; null: there is none yet.
    pub expect: Option<u64>,
    pub reason: Option<String>,
    pub actor: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RevisionReply {
    pub revision: Revision,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AskRequest {
    pub operation_id: String,
    pub environment: EnvironmentName,
    pub version: VersionNumber,
    /// What is live, and must be when it is approved; null: nothing.
    pub expect: Option<VersionNumber>,
    pub evidence: Option<serde_json::Value>,
    pub reason: Option<String>,
    pub actor: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AnswerRequest {
    pub operation_id: String,
    pub reason: Option<String>,
    pub actor: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RequestReply {
    pub request: Request,
    /// How many approvals the policy asks for now.
    pub needed: u32,
    /// How many of those that were given count.
    pub counted: u32,
    /// The promotion, where this approval was the last that it needed.
    pub event: Option<Event>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RequestsReply {
    /// Oldest first.
    pub requests: Vec<Request>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct VerifyReply {
    pub models: u64,
    pub versions: u64,
    pub files: u64,
    pub bytes: u64,
    pub events: u64,
    pub aliases: u64,
    /// What is wrong, a sentence each; empty: the registry is sound.
    pub problems: Vec<String>,
}

/// Whom the registry takes the caller for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WhoAmI {
    pub name: String,
    /// Absent where the registry asks nobody who they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<Role>>,
    /// When the token ends, in milliseconds since 1970; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<i64>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct GcRequest {
    pub older_than_ms: u64,
    pub deleted_runs: bool,
    pub dry_run: bool,
}

/// What was collected as garbage, or would be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct GcReply {
    /// Ids of runs that were deleted, and now are for good; as the next two, only on request.
    pub runs: Vec<String>,
    pub logged_models: Vec<String>,
    pub experiments: Vec<i64>,
    /// Deleted runs that stay, because versions came from them.
    pub kept_runs: u64,
    pub uploads: Vec<Collected>,
    pub objects: Vec<Collected>,
}

/// Something that took room.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Collected {
    /// A digest, or an upload's id or file.
    pub name: String,
    pub size_bytes: u64,
}
