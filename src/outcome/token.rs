//! What `mlx registry token …` answers.

use serde::{Serialize, Serializer};

use super::Outcome;
use crate::registry::access::{Role, Standing, Token, TokenName, TokenRecord};

/// What may be told of a token.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TokenSummary {
    pub id: String,
    pub name: TokenName,
    pub roles: Vec<Role>,
    pub standing: Standing,
    pub created_ms: i64,
    /// Null: never.
    pub expires_ms: Option<i64>,
    pub revoked_ms: Option<i64>,
}

impl TokenSummary {
    pub(crate) fn new(record: &TokenRecord, now_ms: i64) -> Self {
        Self {
            id: record.id.clone(),
            name: record.name.clone(),
            roles: record.roles.clone(),
            standing: record.standing(now_ms),
            created_ms: record.created_ms,
            expires_ms: record.expires_ms,
            revoked_ms: record.revoked_ms,
        }
    }
}

/// A token, shown this once.
#[derive(Debug, Serialize)]
pub(crate) struct TokenCreateOutcome {
    /// The file, or the registry.
    pub place: String,
    #[serde(serialize_with = "revealed")]
    pub token: Token,
    #[serde(flatten)]
    pub made: TokenSummary,
}

#[derive(Debug, Serialize)]
pub(crate) struct TokenListOutcome {
    pub place: String,
    pub tokens: Vec<TokenSummary>,
}

#[derive(Debug, Serialize)]
pub(crate) struct TokenRevokeOutcome {
    pub place: String,
    pub revoked: Vec<TokenSummary>,
}

impl Outcome for TokenCreateOutcome {
    const SCHEMA: &'static str = "mlx.registry.token.create/1";
}

impl Outcome for TokenListOutcome {
    const SCHEMA: &'static str = "mlx.registry.token.list/1";
}

impl Outcome for TokenRevokeOutcome {
    const SCHEMA: &'static str = "mlx.registry.token.revoke/1";
}

fn revealed<S: Serializer>(token: &Token, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(token.reveal())
}
