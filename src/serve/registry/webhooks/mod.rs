//! `webhooks…`: who is told of changes, and the telling.
//!
//! All six routes are the administrator's: a webhook says where this server connects to, and is told
//! of every model.

mod address;
mod sender;
mod worker;

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};

use super::App;
use super::extract::{Body, Params, required};
use super::failure::{Answer, ApiError};
use super::metrics::Metrics;
use super::query::{Limits, page, token};
use crate::api::mlflow::{
    CreateWebhook, Empty, ListWebhooks, TestWebhook, UpdateWebhook, Webhook, WebhookEventName,
    WebhookReply, WebhookTestReply, WebhookTestResult, WebhooksReply,
};
use crate::registry::webhook::{WebhookEvent, check_webhook_name, example};
use crate::store::{NewWebhook, Store, WebhookChange, WebhookRow};
use crate::sys::secret::Secret;
use crate::sys::{clock, random};

pub(crate) use address::Reach;
pub(crate) use worker::Deliveries;

const LIMITS: Limits = Limits { default: 100, most: 1000 };

/// The longest description and secret that MLflow stores.
const LONGEST: usize = 1000;

const ACTIVE: &str = "ACTIVE";
const DISABLED: &str = "DISABLED";

/// What speaks to receivers.
#[derive(Clone, Debug)]
pub(super) struct Webhooks(sender::Sender);

impl Webhooks {
    pub(super) fn new(reach: Reach) -> Self {
        Self(sender::Sender::new(reach))
    }

    pub(super) fn deliveries(&self, store: Store, metrics: Metrics) -> Deliveries {
        Deliveries { store, sender: self.0.clone(), metrics }
    }
}

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/webhooks", get(list).post(create))
        .route("/webhooks/{id}", get(show).patch(update).delete(remove))
        .route("/webhooks/{id}/test", post(try_out))
}

async fn create(
    State(app): State<App>,
    Body(request): Body<CreateWebhook>,
) -> Answer<WebhookReply> {
    check_webhook_name(required("name", &request.name)?)?;
    let url = required("url", &request.url)?;
    check_length("description", &request.description)?;
    check_length("secret", &request.secret)?;
    let webhook = NewWebhook {
        events: events(&request.events)?,
        active: active(&request.status)?.unwrap_or(true),
        name: request.name.clone(),
        description: request.description,
        url: url.to_owned(),
        secret: Secret::new(request.secret),
    };
    // Last, as it may take a while.
    app.webhooks.0.reach.check_and_resolve(url).await?;
    let id = app.store.create_webhook(&webhook).await?;
    reply(&app, &id).await
}

async fn list(
    State(app): State<App>,
    Params(request): Params<ListWebhooks>,
) -> Answer<WebhooksReply> {
    // A client that asks for no number in particular may say 0.
    let most = request.max_results.filter(|most| *most != 0);
    let wanted = page(most, request.page_token.as_deref(), LIMITS)?;
    let page = app.store.webhooks(wanted.offset, wanted.limit).await?;
    Ok(Json(WebhooksReply {
        webhooks: page.items.into_iter().map(Into::into).collect(),
        next_page_token: token(page.next_offset),
    }))
}

async fn show(State(app): State<App>, Path(id): Path<String>) -> Answer<WebhookReply> {
    reply(&app, &id).await
}

async fn update(
    State(app): State<App>,
    Path(id): Path<String>,
    Body(request): Body<UpdateWebhook>,
) -> Answer<WebhookReply> {
    let given = |text: String| Some(text).filter(|text| !text.is_empty());
    if !request.name.is_empty() {
        check_webhook_name(&request.name)?;
    }
    check_length("description", request.description.as_deref().unwrap_or_default())?;
    check_length("secret", request.secret.as_deref().unwrap_or_default())?;
    let change = WebhookChange {
        active: active(&request.status)?,
        events: match request.events.as_slice() {
            [] => None,
            given => Some(events(given)?),
        },
        name: given(request.name),
        description: request.description,
        url: given(request.url),
        secret: request.secret.map(Secret::new),
    };
    if let Some(url) = &change.url {
        app.webhooks.0.reach.check_and_resolve(url).await?;
    }
    app.store.change_webhook(&id, &change).await?;
    reply(&app, &id).await
}

async fn remove(State(app): State<App>, Path(id): Path<String>) -> Answer<Empty> {
    app.store.delete_webhook(&id).await?;
    Ok(Json(Empty {}))
}

/// Send an example of an event, once and at once, and say what came of it.
async fn try_out(
    State(app): State<App>,
    Path(id): Path<String>,
    Body(request): Body<TestWebhook>,
) -> Answer<WebhookTestReply> {
    let webhook = app.store.webhook(&id).await?;
    let event = match &request.event {
        Some(name) => event(name)?,
        None => webhook.events.first().copied().unwrap_or(WebhookEvent::ModelCreated),
    };
    let target = app.store.webhook_target(&id).await?;
    let payload = example(event, clock::now_ms());
    let result = match app.webhooks.0.try_out(&target, &random::hex_id(16), &payload).await {
        Ok((status, body)) => WebhookTestResult {
            success: (200..300).contains(&status),
            response_status: Some(status),
            response_body: Some(body).filter(|body| !body.is_empty()),
            error_message: None,
        },
        Err(why) => WebhookTestResult { error_message: Some(why), ..WebhookTestResult::default() },
    };
    Ok(Json(WebhookTestReply { result }))
}

async fn reply(app: &App, id: &str) -> Answer<WebhookReply> {
    let webhook = app.store.webhook(id).await?.into();
    Ok(Json(WebhookReply { webhook }))
}

fn check_length(name: &str, text: &str) -> Result<(), ApiError> {
    if text.len() > LONGEST {
        return Err(ApiError::invalid(format!(
            "the {name} of a webhook has at most {LONGEST} bytes, and this has {}",
            text.len()
        )));
    }
    Ok(())
}

fn events(names: &[WebhookEventName]) -> Result<Vec<WebhookEvent>, ApiError> {
    if names.is_empty() {
        return Err(ApiError::invalid("Missing value for required parameter 'events'."));
    }
    names.iter().map(event).collect()
}

fn event(name: &WebhookEventName) -> Result<WebhookEvent, ApiError> {
    Ok(WebhookEvent::of_wire(&name.entity, &name.action)?)
}

/// None where nothing is said.
fn active(status: &str) -> Result<Option<bool>, ApiError> {
    match status {
        "" => Ok(None),
        ACTIVE => Ok(Some(true)),
        DISABLED => Ok(Some(false)),
        other => Err(ApiError::invalid(format!(
            "`{other}` is no status of a webhook: it is {ACTIVE} or {DISABLED}"
        ))),
    }
}

impl From<WebhookRow> for Webhook {
    fn from(row: WebhookRow) -> Self {
        let event = |event: WebhookEvent| WebhookEventName {
            entity: event.entity().to_ascii_uppercase(),
            action: event.action().to_ascii_uppercase(),
        };
        Self {
            webhook_id: row.id,
            name: row.name,
            description: row.description,
            url: row.url,
            events: row.events.into_iter().map(event).collect(),
            status: if row.active { ACTIVE } else { DISABLED }.into(),
            creation_timestamp: row.created_ms,
            last_updated_timestamp: row.updated_ms,
        }
    }
}
