//! The outbox: what webhooks are still to be told, written in the transaction of the change itself.
//!
//! A server claims a webhook for a while and delivers what is due, so that of several servers over
//! one database one speaks to a receiver at a time. Of one model, events are delivered in the order
//! in which they happened; a claim that was lost to a crash runs out. A delivery that was made and
//! could not be written down is made again, under the same id.

use sqlx::Row as _;

use super::sql::{Row, Scope, Sql, Transaction};
use super::webhooks::WebhookTarget;
use super::{Failure, Store};
use crate::registry::ModelName;
use crate::registry::webhook::Change;
use crate::sys::secret::Secret;
use crate::sys::{clock, random};

/// A webhook that is ours to deliver to, for a while.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub webhook_id: String,
    pub target: WebhookTarget,
    /// Attempts that failed since the last that didn't.
    pub failures: u32,
    token: String,
}

/// One event for one webhook.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    /// The same at every attempt.
    pub id: String,
    pub model: String,
    pub event: String,
    pub payload: String,
    pub created_ms: i64,
    /// Attempts that were made before.
    pub attempts: u32,
    sequence: i64,
    due_ms: i64,
}

/// What becomes of a delivery that was attempted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// Delivered or given up: it is gone, and the next is on.
    Gone,
    /// Due again at this time; the webhook rests until the other, for whichever server.
    Later { due_ms: i64, rest_until_ms: i64 },
}

/// Deliveries of a webhook that were given up unattempted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dropped {
    pub webhook_id: String,
    pub deliveries: u64,
}

/// How much waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Backlog {
    pub deliveries: u64,
    /// When the oldest of them happened.
    pub since_ms: Option<i64>,
}

/// How long a claim holds after the last sign of life.
pub(crate) const CLAIM_MS: i64 = 30_000;

/// Rows of one statement; each has eight values.
const ROWS: usize = 1_000;

/// Write down whom a change is to be told. Where nobody wants to know, this is one look at an empty
/// index.
pub(super) async fn announce(
    transaction: &mut Transaction<'_>,
    model: &ModelName,
    change: Change<'_>,
) -> Result<(), Failure> {
    let event = change.event().to_string();
    let webhooks: Vec<String> = sqlx::query_scalar(
        "SELECT w.id FROM webhook_events e JOIN webhooks w ON w.id = e.webhook_id \
         WHERE e.event = $1 AND w.active = 1",
    )
    .bind(&event)
    .fetch_all(&mut **transaction)
    .await?;
    if webhooks.is_empty() {
        return Ok(());
    }
    let now = clock::now_ms();
    let payload = change.payload(model, now);
    for webhooks in webhooks.chunks(ROWS) {
        let mut sql = Sql::new(
            "INSERT INTO outbox (webhook_id, delivery_id, model, event, payload, created_ms, \
             due_ms, attempts) VALUES ",
        );
        for (place, webhook) in webhooks.iter().enumerate() {
            sql.push(if place == 0 { "(" } else { ", (" }).bind(webhook.clone());
            sql.push(", ").bind(random::hex_id(16));
            for text in [model.as_str(), &event, &payload] {
                sql.push(", ").bind(text.to_owned());
            }
            sql.push(", ").bind(now).push(", ").bind(now).push(", 0)");
        }
        sql.query().execute(&mut **transaction).await?;
    }
    Ok(())
}

impl Store {
    /// Webhooks that nobody delivers to now and that have something due.
    pub(crate) async fn ready_webhooks(&self, limit: u32) -> Result<Vec<String>, Failure> {
        let ready = sqlx::query_scalar(
            "SELECT w.id FROM webhooks w WHERE w.active = 1 AND w.next_ms <= $1 AND EXISTS \
             (SELECT 1 FROM outbox o WHERE o.webhook_id = w.id AND o.due_ms <= $1) \
             ORDER BY w.next_ms LIMIT $2",
        )
        .bind(clock::now_ms())
        .bind(i64::from(limit))
        .fetch_all(self.read())
        .await?;
        Ok(ready)
    }

    /// Take a webhook for [`CLAIM_MS`]; None: somebody else was quicker.
    pub(crate) async fn claim_webhook(&self, id: &str) -> Result<Option<Claim>, Failure> {
        let now = clock::now_ms();
        let token = random::hex_id(8);
        let row = sqlx::query(
            "UPDATE webhooks SET claim = $2, next_ms = $3 \
             WHERE id = $1 AND active = 1 AND next_ms <= $4 RETURNING url, secret, failures",
        )
        .bind(id)
        .bind(&token)
        .bind(now + CLAIM_MS)
        .bind(now)
        .fetch_optional(&self.database.writer)
        .await?;
        Ok(row.map(|row| claimed(id, token, &row)).transpose()?)
    }

    /// What is to be delivered next under a claim: of each model the oldest alone, so that what is
    /// behind one that failed waits for it.
    pub(crate) async fn next_delivery(&self, claim: &Claim) -> Result<Option<Delivery>, Failure> {
        let now = clock::now_ms();
        loop {
            let model: Option<String> = sqlx::query_scalar(
                "SELECT model FROM outbox WHERE webhook_id = $1 AND due_ms <= $2 \
                 ORDER BY due_ms, sequence LIMIT 1",
            )
            .bind(&claim.webhook_id)
            .bind(now)
            .fetch_optional(self.read())
            .await?;
            let Some(model) = model else { return Ok(None) };
            let first = sqlx::query(
                "SELECT sequence, delivery_id, model, event, payload, created_ms, due_ms, attempts \
                 FROM outbox WHERE webhook_id = $1 AND model = $2 ORDER BY sequence LIMIT 1",
            )
            .bind(&claim.webhook_id)
            .bind(&model)
            .try_map(delivery)
            .fetch_optional(self.read())
            .await?;
            match first {
                // It was given up meanwhile; there may be others.
                None => {}
                Some(first) if first.due_ms <= now => return Ok(Some(first)),
                Some(first) => {
                    sqlx::query(
                        "UPDATE outbox SET due_ms = $3 \
                         WHERE webhook_id = $1 AND model = $2 AND due_ms < $3",
                    )
                    .bind(&claim.webhook_id)
                    .bind(&model)
                    .bind(first.due_ms)
                    .execute(&self.database.writer)
                    .await?;
                }
            }
        }
    }

    /// Write down what came of an attempt. The claim, renewed, if it goes on; None: it was lost, or
    /// the webhook rests or is gone.
    pub(crate) async fn settle(
        &self,
        claim: Claim,
        delivery: &Delivery,
        settled: Settled,
    ) -> Result<Option<Claim>, Failure> {
        let mut transaction = self.write(Scope::Webhook(&claim.webhook_id)).await?;
        let mut sql = Sql::new("UPDATE webhooks SET ");
        match settled {
            Settled::Gone => {
                sql.push("failures = 0, next_ms = ").bind(clock::now_ms() + CLAIM_MS);
            }
            Settled::Later { rest_until_ms, .. } => {
                sql.push("failures = failures + 1, claim = '', next_ms = ").bind(rest_until_ms);
            }
        }
        sql.push(" WHERE id = ").bind(claim.webhook_id.clone());
        sql.push(" AND claim = ").bind(claim.token.clone());
        sql.push(" RETURNING url, secret, failures, active");
        let held = sql.query().fetch_optional(&mut *transaction).await?;
        let Some(held) = held else { return Ok(None) };
        let (mut sql, goes_on) = match settled {
            Settled::Gone => (Sql::new("DELETE FROM outbox"), held.try_get::<i64, _>(3)? != 0),
            Settled::Later { due_ms, .. } => {
                let mut sql = Sql::new("UPDATE outbox SET attempts = attempts + 1, due_ms = ");
                sql.bind(due_ms);
                (sql, false)
            }
        };
        sql.push(" WHERE sequence = ").bind(delivery.sequence);
        sql.query().execute(&mut *transaction).await?;
        transaction.commit().await?;
        if goes_on { Ok(Some(claimed(&claim.webhook_id, claim.token, &held)?)) } else { Ok(None) }
    }

    /// Let go of a webhook, for whoever comes next.
    pub(crate) async fn release_webhook(&self, claim: Claim) -> Result<(), Failure> {
        sqlx::query("UPDATE webhooks SET claim = '', next_ms = 0 WHERE id = $1 AND claim = $2")
            .bind(&claim.webhook_id)
            .bind(&claim.token)
            .execute(&self.database.writer)
            .await?;
        Ok(())
    }

    /// Drop what happened before this time, what webhooks that are gone left behind, and of each
    /// webhook what is more than its newest `most`.
    pub(crate) async fn sweep_outbox(
        &self,
        before_ms: i64,
        most: u32,
    ) -> Result<Vec<Dropped>, Failure> {
        let most = i64::from(most);
        sqlx::query("DELETE FROM outbox WHERE webhook_id NOT IN (SELECT id FROM webhooks)")
            .execute(&self.database.writer)
            .await?;
        let webhooks: Vec<(String, i64, i64)> = sqlx::query_as(
            "SELECT webhook_id, count(*), min(created_ms) FROM outbox GROUP BY webhook_id",
        )
        .fetch_all(self.read())
        .await?;
        let mut dropped = Vec::new();
        for (webhook_id, waiting, oldest_ms) in webhooks {
            if waiting <= most && oldest_ms >= before_ms {
                continue;
            }
            let gone = sqlx::query(
                "DELETE FROM outbox WHERE webhook_id = $1 AND (created_ms < $2 OR sequence <= \
                 (SELECT o.sequence FROM outbox o WHERE o.webhook_id = $1 \
                 ORDER BY o.sequence DESC LIMIT 1 OFFSET $3))",
            )
            .bind(&webhook_id)
            .bind(before_ms)
            .bind(most)
            .execute(&self.database.writer)
            .await?;
            if gone.rows_affected() > 0 {
                dropped.push(Dropped { webhook_id, deliveries: gone.rows_affected() });
            }
        }
        Ok(dropped)
    }

    pub(crate) async fn backlog(&self) -> Result<Backlog, Failure> {
        let (deliveries, since_ms): (i64, Option<i64>) =
            sqlx::query_as("SELECT count(*), min(created_ms) FROM outbox")
                .fetch_one(self.read())
                .await?;
        Ok(Backlog { deliveries: deliveries as u64, since_ms })
    }
}

fn claimed(id: &str, token: String, row: &Row) -> Result<Claim, sqlx::Error> {
    Ok(Claim {
        webhook_id: id.to_owned(),
        target: WebhookTarget { url: row.try_get(0)?, secret: Secret::new(row.try_get(1)?) },
        failures: row.try_get::<i64, _>(2)?.try_into().unwrap_or(u32::MAX),
        token,
    })
}

fn delivery(row: Row) -> Result<Delivery, sqlx::Error> {
    Ok(Delivery {
        sequence: row.try_get(0)?,
        id: row.try_get(1)?,
        model: row.try_get(2)?,
        event: row.try_get(3)?,
        payload: row.try_get(4)?,
        created_ms: row.try_get(5)?,
        due_ms: row.try_get(6)?,
        attempts: row.try_get::<i64, _>(7)?.try_into().unwrap_or(u32::MAX),
    })
}
