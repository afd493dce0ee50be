//! The worker of a server: looks into the outbox and delivers what is due.
//!
//! The outbox is asked twice a second, as other servers over the same database write to it too. A
//! few webhooks are delivered to at a time, each by one server; an event that is not delivered
//! stays in the outbox, whatever happens to this process.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::sender::{Attempt, Sender};
use crate::registry::webhook::{MOST_WAITING, Next, PATIENCE, after, rest};
use crate::serve::registry::metrics::{Delivered, Metrics};
use crate::store::{Claim, Delivery, Failure, Settled, Store};
use crate::sys::{clock, random};

const EVERY: Duration = Duration::from_millis(500);
/// How long to wait after the database failed.
const AFTER_FAILURE: Duration = Duration::from_secs(5);
const SWEEP_EVERY: Duration = Duration::from_mins(1);

/// How many webhooks are delivered to at a time.
const AT_ONCE: usize = 16;

/// How many deliveries to one webhook before others have their turn.
const IN_A_ROW: usize = 100;

/// What delivers to webhooks, until it is told to stop.
#[derive(Clone, Debug)]
pub(crate) struct Deliveries {
    pub(in crate::serve::registry) store: Store,
    pub(super) sender: Sender,
    pub(in crate::serve::registry) metrics: Metrics,
}

impl Deliveries {
    /// Deliver until `stop`. What is under way then is broken off, and left to whoever comes next.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let room = Arc::new(Semaphore::new(AT_ONCE));
        let mut under_way = JoinSet::new();
        let mut swept: Option<tokio::time::Instant> = None;
        let mut ailing = false;
        loop {
            while under_way.try_join_next().is_some() {}
            let mut worked = self.start(&room, &mut under_way, &stop).await;
            if worked.is_ok() && swept.is_none_or(|at| at.elapsed() >= SWEEP_EVERY) {
                swept = Some(tokio::time::Instant::now());
                worked = self.sweep().await;
            }
            if let Err(failure) = &worked
                && !ailing
            {
                tracing::warn!("cannot look for what webhooks are to be told: {failure:?}");
            }
            ailing = worked.is_err();
            let pause = if ailing { AFTER_FAILURE } else { EVERY };
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
        while under_way.join_next().await.is_some() {}
    }

    /// Begin to deliver to as many webhooks as there is room for.
    async fn start(
        &self,
        room: &Arc<Semaphore>,
        under_way: &mut JoinSet<()>,
        stop: &CancellationToken,
    ) -> Result<(), Failure> {
        let free = room.available_permits();
        if free == 0 {
            return Ok(());
        }
        for id in self.store.ready_webhooks(free as u32).await? {
            let Ok(permit) = room.clone().try_acquire_owned() else { break };
            let Some(claim) = self.store.claim_webhook(&id).await? else { continue };
            let (deliveries, stop) = (self.clone(), stop.clone());
            under_way.spawn(async move {
                if let Err(failure) = deliveries.drain(claim, &stop).await {
                    tracing::warn!(webhook = %id, "cannot go on delivering: {failure:?}");
                }
                drop(permit);
            });
        }
        Ok(())
    }

    /// Deliver what is due to one webhook, one after the other.
    async fn drain(&self, mut claim: Claim, stop: &CancellationToken) -> Result<(), Failure> {
        for _ in 0..IN_A_ROW {
            let Some(delivery) = self.store.next_delivery(&claim).await? else { break };
            let attempt = tokio::select! {
                // Not counted as one: it may have arrived, and will be sent again.
                () = stop.cancelled() => break,
                attempt = self.sender.attempt(&claim.target, &delivery.id, &delivery.payload) => attempt,
            };
            let settled = self.judge(&claim, &delivery, &attempt);
            match self.store.settle(claim, &delivery, settled).await? {
                Some(held) => claim = held,
                None => return Ok(()),
            }
        }
        self.store.release_webhook(claim).await
    }

    /// What becomes of a delivery, said to the log and counted.
    fn judge(&self, claim: &Claim, delivery: &Delivery, attempt: &Attempt) -> Settled {
        let now_ms = clock::now_ms();
        let age_ms = now_ms.saturating_sub(delivery.created_ms).try_into().unwrap_or(0);
        let number = delivery.attempts.saturating_add(1);
        let next = after(attempt.answered, number, Duration::from_millis(age_ms), random::chance());
        let why = attempt.why.as_deref().unwrap_or_default();
        let Delivery { id, event, model, .. } = delivery;
        let webhook = &claim.webhook_id;
        match next {
            Next::Delivered => {
                self.metrics.delivered(Delivered::Yes);
                tracing::debug!(%webhook, delivery = %id, %event, %model, attempt = number, "delivered");
                Settled::Gone
            }
            Next::Again(pause) => {
                self.metrics.delivered(Delivered::NotYet);
                tracing::warn!(
                    %webhook, delivery = %id, %event, %model, attempt = number,
                    again_in_s = pause.as_secs_f64().round(),
                    "not delivered: {why}"
                );
                let pause_ms = |pause: Duration| pause.as_millis() as i64;
                let failures = claim.failures.saturating_add(1);
                let rest = rest(attempt.answered, failures, random::chance());
                Settled::Later {
                    due_ms: now_ms + pause_ms(pause),
                    rest_until_ms: now_ms + pause_ms(rest),
                }
            }
            Next::GiveUp => {
                self.metrics.delivered(Delivered::Never);
                tracing::error!(
                    %webhook, delivery = %id, %event, %model, attempt = number,
                    "given up, and will not be delivered: {why}"
                );
                Settled::Gone
            }
        }
    }

    async fn sweep(&self) -> Result<(), Failure> {
        let before_ms = clock::now_ms() - PATIENCE.as_millis() as i64;
        for dropped in self.store.sweep_outbox(before_ms, MOST_WAITING).await? {
            self.metrics.dropped(dropped.deliveries);
            tracing::error!(
                webhook = %dropped.webhook_id,
                "{} deliveries given up: they waited for a day, or with more than {MOST_WAITING} others",
                dropped.deliveries
            );
        }
        Ok(())
    }
}
