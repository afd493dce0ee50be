//! The events that a webhook can ask for, by the words of MLflow's wire and of its payloads.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// What happened to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum WebhookEvent {
    ModelCreated,
    VersionCreated,
    VersionTagSet,
    VersionTagDeleted,
    AliasCreated,
    AliasDeleted,
}

/// All of them.
pub(crate) const WEBHOOK_EVENTS: &[WebhookEvent] = &[
    WebhookEvent::ModelCreated,
    WebhookEvent::VersionCreated,
    WebhookEvent::VersionTagSet,
    WebhookEvent::VersionTagDeleted,
    WebhookEvent::AliasCreated,
    WebhookEvent::AliasDeleted,
];

/// What MLflow has webhooks for and this registry has not.
const ELSEWHERE: [&str; 6] = [
    "PROMPT",
    "PROMPT_VERSION",
    "PROMPT_TAG",
    "PROMPT_VERSION_TAG",
    "PROMPT_ALIAS",
    "BUDGET_POLICY",
];

impl WebhookEvent {
    /// As payloads say it.
    pub(crate) fn entity(self) -> &'static str {
        match self {
            Self::ModelCreated => "registered_model",
            Self::VersionCreated => "model_version",
            Self::VersionTagSet | Self::VersionTagDeleted => "model_version_tag",
            Self::AliasCreated | Self::AliasDeleted => "model_version_alias",
        }
    }

    /// As payloads say it.
    pub(crate) fn action(self) -> &'static str {
        match self {
            Self::ModelCreated | Self::VersionCreated | Self::AliasCreated => "created",
            Self::VersionTagSet => "set",
            Self::VersionTagDeleted | Self::AliasDeleted => "deleted",
        }
    }

    /// The event of these two words of the wire, which are upper case there.
    pub(crate) fn of_wire(entity: &str, action: &str) -> Result<Self> {
        let found = WEBHOOK_EVENTS.iter().find(|event| {
            event.entity().to_ascii_uppercase() == entity
                && event.action().to_ascii_uppercase() == action
        });
        if let Some(event) = found {
            return Ok(*event);
        }
        if ELSEWHERE.contains(&entity) {
            return Err(Error::user(format!(
                "this registry keeps no prompts and no budgets, so it has no webhooks for {entity}"
            )));
        }
        let known: Vec<_> = WEBHOOK_EVENTS.iter().map(ToString::to_string).collect();
        Err(Error::user(format!(
            "there is no event of entity '{entity}' and action '{action}'; there are {}",
            known.join(", ")
        )))
    }
}

/// `model_version.created`: as the store and people write it.
impl fmt::Display for WebhookEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.entity(), self.action())
    }
}

impl FromStr for WebhookEvent {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = WEBHOOK_EVENTS.iter().find(|event| event.to_string() == text);
        found.copied().ok_or_else(|| Error::user(format!("`{text}` is no event of a webhook")))
    }
}

/// A webhook's name: 1 to 63 letters, digits, `.`, `_` and `-`, a letter or digit first and last.
pub(crate) fn check_webhook_name(name: &str) -> Result<()> {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let bytes = name.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    if bytes.len() <= 63
        && bytes.iter().all(|byte| inside(*byte))
        && ends.iter().all(|end| end.is_some_and(u8::is_ascii_alphanumeric))
    {
        return Ok(());
    }
    Err(Error::user(format!(
        "`{name}` is no name of a webhook: 1 to 63 letters, digits, `.`, `_` and `-`, a letter or \
         digit first and last"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_have_the_words_of_the_wire() {
        for event in WEBHOOK_EVENTS {
            let (entity, action) =
                (event.entity().to_ascii_uppercase(), event.action().to_ascii_uppercase());
            assert_eq!(WebhookEvent::of_wire(&entity, &action).ok(), Some(*event));
            assert_eq!(event.to_string().parse::<WebhookEvent>().ok(), Some(*event));
        }
        let message = |entity, action| {
            WebhookEvent::of_wire(entity, action).expect_err("no event").message().to_owned()
        };
        assert!(message("PROMPT", "CREATED").contains("no prompts"));
        assert!(message("MODEL_VERSION", "DELETED").contains("model_version.created"));
        assert!(message("model_version", "created").contains("there is no event"));
    }

    #[test]
    fn names_begin_and_end_with_a_letter_or_digit() {
        let longest = "a".repeat(63);
        for name in ["a", "A.b_c-9", longest.as_str()] {
            assert!(check_webhook_name(name).is_ok(), "{name}");
        }
        let too_long = "a".repeat(64);
        for name in ["", "-a", "a.", "a b", "ä", "a\n", too_long.as_str()] {
            assert!(check_webhook_name(name).is_err(), "{name:?}");
        }
    }
}
