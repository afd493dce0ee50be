//! Webhooks: who wants to be told of what, where.

use sqlx::Row as _;

use super::sql::{Dialect, Row, Scope, Sql, Transaction};
use super::{Failure, Page, Store};
use crate::registry::webhook::WebhookEvent;
use crate::sys::secret::Secret;
use crate::sys::{clock, random};

#[derive(Clone, Debug)]
pub(crate) struct WebhookRow {
    pub id: String,
    pub name: String,
    pub description: String,
    pub url: String,
    pub active: bool,
    pub events: Vec<WebhookEvent>,
    pub created_ms: i64,
    pub updated_ms: i64,
}

#[derive(Clone, Debug)]
pub(crate) struct NewWebhook {
    pub name: String,
    pub description: String,
    pub url: String,
    /// What signs its deliveries; empty: nothing does.
    pub secret: Secret,
    pub active: bool,
    pub events: Vec<WebhookEvent>,
}

/// What of a webhook is to change.
#[derive(Clone, Debug, Default)]
pub(crate) struct WebhookChange {
    pub name: Option<String>,
    pub description: Option<String>,
    pub url: Option<String>,
    pub secret: Option<Secret>,
    pub active: Option<bool>,
    pub events: Option<Vec<WebhookEvent>>,
}

/// Where a webhook's deliveries go, and what signs them.
#[derive(Clone, Debug)]
pub(crate) struct WebhookTarget {
    pub url: String,
    /// Empty: nothing is signed.
    pub secret: Secret,
}

fn select(dialect: Dialect) -> String {
    let events = dialect.list("event");
    format!(
        "SELECT w.id, w.name, w.description, w.url, w.active, w.created_ms, w.updated_ms, \
         (SELECT {events} FROM webhook_events e WHERE e.webhook_id = w.id) \
         FROM webhooks w WHERE true"
    )
}

impl Store {
    pub(crate) async fn create_webhook(&self, webhook: &NewWebhook) -> Result<String, Failure> {
        let id = random::hex_id(16);
        let mut transaction = self.write(Scope::Webhook(&id)).await?;
        sqlx::query(
            "INSERT INTO webhooks (id, name, description, url, secret, active, created_ms, \
             updated_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $7)",
        )
        .bind(&id)
        .bind(&webhook.name)
        .bind(&webhook.description)
        .bind(&webhook.url)
        .bind(webhook.secret.reveal())
        .bind(i64::from(webhook.active))
        .bind(clock::now_ms())
        .execute(&mut *transaction)
        .await?;
        subscribe(&mut transaction, &id, &webhook.events).await?;
        transaction.commit().await?;
        Ok(id)
    }

    pub(crate) async fn webhook(&self, id: &str) -> Result<WebhookRow, Failure> {
        let mut sql = Sql::new(select(self.dialect()));
        sql.push(" AND w.id = ").bind(id.to_owned());
        let row = sql.query().try_map(webhook).fetch_optional(self.read()).await?;
        row.ok_or_else(|| missing(id))
    }

    /// Those from `offset` on, the newest first.
    pub(crate) async fn webhooks(
        &self,
        offset: u64,
        limit: u64,
    ) -> Result<Page<WebhookRow>, Failure> {
        let mut sql = Sql::new(select(self.dialect()));
        sql.push(" ORDER BY w.created_ms DESC, w.id LIMIT ").bind(limit as i64 + 1);
        sql.push(" OFFSET ").bind(offset as i64);
        let mut items = sql.query().try_map(webhook).fetch_all(self.read()).await?;
        let more = items.len() as u64 > limit;
        items.truncate(limit as usize);
        Ok(Page { items, next_offset: more.then_some(offset + limit) })
    }

    pub(crate) async fn webhook_target(&self, id: &str) -> Result<WebhookTarget, Failure> {
        let found: Option<(String, String)> =
            sqlx::query_as("SELECT url, secret FROM webhooks WHERE id = $1")
                .bind(id)
                .fetch_optional(self.read())
                .await?;
        let (url, secret) = found.ok_or_else(|| missing(id))?;
        Ok(WebhookTarget { url, secret: Secret::new(secret) })
    }

    pub(crate) async fn change_webhook(
        &self,
        id: &str,
        change: &WebhookChange,
    ) -> Result<(), Failure> {
        let now = clock::now_ms();
        let mut transaction = self.write(Scope::Webhook(id)).await?;
        let mut sql = Sql::new("UPDATE webhooks SET updated_ms = ");
        sql.bind(now);
        for (column, value) in [
            ("name", change.name.as_deref()),
            ("description", change.description.as_deref()),
            ("url", change.url.as_deref()),
            ("secret", change.secret.as_ref().map(Secret::reveal)),
        ] {
            if let Some(value) = value {
                sql.push(format!(", {column} = ")).bind(value.to_owned());
            }
        }
        if let Some(active) = change.active {
            sql.push(", active = ").bind(i64::from(active));
        }
        let anew = change.url.is_some() || change.active.is_some();
        if anew {
            sql.push(", failures = 0, next_ms = CASE WHEN claim = '' THEN 0 ELSE next_ms END");
        }
        sql.push(" WHERE id = ").bind(id.to_owned());
        if sql.query().execute(&mut *transaction).await?.rows_affected() == 0 {
            return Err(missing(id));
        }
        if anew {
            // Whoever mended the address doesn't want to wait for what was planned for the old one.
            sqlx::query("UPDATE outbox SET due_ms = $2 WHERE webhook_id = $1 AND due_ms > $2")
                .bind(id)
                .bind(now)
                .execute(&mut *transaction)
                .await?;
        }
        if let Some(events) = &change.events {
            sqlx::query("DELETE FROM webhook_events WHERE webhook_id = $1")
                .bind(id)
                .execute(&mut *transaction)
                .await?;
            subscribe(&mut transaction, id, events).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Remove a webhook, with what it was still to be told.
    pub(crate) async fn delete_webhook(&self, id: &str) -> Result<(), Failure> {
        let mut transaction = self.write(Scope::Webhook(id)).await?;
        let gone = sqlx::query("DELETE FROM webhooks WHERE id = $1")
            .bind(id)
            .execute(&mut *transaction)
            .await?;
        if gone.rows_affected() == 0 {
            return Err(missing(id));
        }
        sqlx::query("DELETE FROM outbox WHERE webhook_id = $1")
            .bind(id)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }
}

async fn subscribe(
    transaction: &mut Transaction<'_>,
    id: &str,
    events: &[WebhookEvent],
) -> Result<(), Failure> {
    for event in events {
        sqlx::query("INSERT INTO webhook_events VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(id)
            .bind(event.to_string())
            .execute(&mut **transaction)
            .await?;
    }
    Ok(())
}

fn missing(id: &str) -> Failure {
    Failure::Missing(format!("Webhook with ID {id} not found."))
}

fn webhook(row: Row) -> Result<WebhookRow, sqlx::Error> {
    let decode = |error: crate::error::Error| sqlx::Error::Decode(Box::new(error));
    let events: Vec<String> = serde_json::from_str(row.try_get(7)?).unwrap_or_default();
    let mut events: Vec<WebhookEvent> =
        events.iter().map(|event| event.parse().map_err(decode)).collect::<Result<_, _>>()?;
    events.sort_unstable();
    Ok(WebhookRow {
        id: row.try_get(0)?,
        name: row.try_get(1)?,
        description: row.try_get(2)?,
        url: row.try_get(3)?,
        active: row.try_get::<i64, _>(4)? != 0,
        created_ms: row.try_get(5)?,
        updated_ms: row.try_get(6)?,
        events,
    })
}
