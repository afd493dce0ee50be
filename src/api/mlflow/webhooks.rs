//! Webhooks. A secret comes in and never goes out.

use serde::{Deserialize, Serialize};

use super::number;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct WebhookEventName {
    /// `MODEL_VERSION` and its like.
    pub entity: String,
    /// `CREATED` and its like.
    pub action: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Webhook {
    pub webhook_id: String,
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    pub url: String,
    pub events: Vec<WebhookEventName>,
    /// `ACTIVE` or `DISABLED`.
    pub status: String,
    #[serde(deserialize_with = "number::whole")]
    pub creation_timestamp: i64,
    #[serde(deserialize_with = "number::whole")]
    pub last_updated_timestamp: i64,
}

/// Not `Debug`: it holds a secret.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct CreateWebhook {
    pub name: String,
    pub description: String,
    pub url: String,
    pub events: Vec<WebhookEventName>,
    pub secret: String,
    /// Empty: active.
    pub status: String,
}

/// What is absent stays as it is. Not `Debug`: it holds a secret.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct UpdateWebhook {
    pub name: String,
    pub description: Option<String>,
    pub url: String,
    pub events: Vec<WebhookEventName>,
    /// Empty: deliveries are not signed any more.
    pub secret: Option<String>,
    pub status: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ListWebhooks {
    #[serde(deserialize_with = "number::maybe_whole")]
    pub max_results: Option<i64>,
    pub page_token: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TestWebhook {
    /// Absent: the first of the webhook's own.
    pub event: Option<WebhookEventName>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct WebhookReply {
    pub webhook: Webhook,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct WebhooksReply {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub webhooks: Vec<Webhook>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_page_token: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct WebhookTestResult {
    pub success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct WebhookTestReply {
    pub result: WebhookTestResult,
}
