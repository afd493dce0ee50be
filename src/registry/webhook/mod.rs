//! Webhooks: what of the registry can be told to others, in what words, and when again if nobody
//! listens.
//!
//! The events, the payload and the signature are MLflow's, so that its clients make webhooks and
//! its receivers understand them.

mod event;
mod payload;
mod retry;
mod signature;

pub(crate) use event::{WebhookEvent, check_webhook_name};
pub(crate) use payload::{Change, example};
pub(crate) use retry::{Answered, MOST_WAITING, Next, PATIENCE, after, rest};
pub(crate) use signature::sign;
