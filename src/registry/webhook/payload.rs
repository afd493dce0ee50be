//! What a receiver is told: MLflow's payload, and beside it what only this registry knows.

use serde_json::{Map, Value, json};

use super::WebhookEvent;
use crate::registry::{Event, EventKind, ModelName, VersionNumber};

/// A change of the registry, as the transaction knows it that makes it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change<'a> {
    ModelCreated {
        description: &'a str,
        tags: &'a [(String, String)],
    },
    VersionCreated {
        version: VersionNumber,
        source: &'a str,
        run_id: &'a str,
        description: &'a str,
        tags: &'a [(String, String)],
    },
    TagSet {
        version: VersionNumber,
        key: &'a str,
        value: &'a str,
    },
    TagDeleted {
        version: VersionNumber,
        key: &'a str,
    },
    /// An environment's pointer moved, by whatever verb.
    Moved(&'a Event),
    /// A version was yanked, or that was taken back; the tag that shows it.
    Yanked {
        event: &'a Event,
        key: &'a str,
        value: &'a str,
    },
}

impl Change<'_> {
    pub(crate) fn event(&self) -> WebhookEvent {
        match self {
            Self::ModelCreated { .. } => WebhookEvent::ModelCreated,
            Self::VersionCreated { .. } => WebhookEvent::VersionCreated,
            Self::TagSet { .. } => WebhookEvent::VersionTagSet,
            Self::Moved(event) if event.to.is_some() => WebhookEvent::AliasCreated,
            Self::Moved(_) => WebhookEvent::AliasDeleted,
            Self::Yanked { event, .. } if event.kind == EventKind::Yank => {
                WebhookEvent::VersionTagSet
            }
            Self::TagDeleted { .. } | Self::Yanked { .. } => WebhookEvent::VersionTagDeleted,
        }
    }

    /// The text that is sent and signed; the same at every attempt.
    ///
    /// What is in the log carries its event under `mlx`, so that a receiver can tell a promotion
    /// from a rollback; MLflow's own receivers don't look there.
    pub(crate) fn payload(&self, model: &ModelName, timestamp_ms: i64) -> String {
        let event = self.event();
        let time = chrono::DateTime::from_timestamp_millis(timestamp_ms).unwrap_or_default();
        let mut payload = json!({
            "entity": event.entity(),
            "action": event.action(),
            "timestamp": time.to_rfc3339_opts(chrono::SecondsFormat::Millis, false),
            "data": self.data(model),
        });
        if let Self::Moved(event) | Self::Yanked { event, .. } = self {
            payload["mlx"] = logged(event);
        }
        payload.to_string()
    }

    fn data(&self, model: &ModelName) -> Value {
        match self {
            Self::ModelCreated { description, tags } => json!({
                "name": model,
                "tags": object(tags),
                "description": text(description),
            }),
            Self::VersionCreated { version, source, run_id, description, tags } => json!({
                "name": model,
                "version": version.to_string(),
                "source": source,
                "run_id": text(run_id),
                "tags": object(tags),
                "description": text(description),
            }),
            Self::TagSet { version, key, value } => json!({
                "name": model, "version": version.to_string(), "key": key, "value": value,
            }),
            Self::TagDeleted { version, key } => json!({
                "name": model, "version": version.to_string(), "key": key,
            }),
            Self::Yanked { event, key, value } => {
                let version = event.to.map(|version| version.to_string());
                let mut data = json!({ "name": model, "version": version, "key": key });
                if event.kind == EventKind::Yank {
                    data["value"] = (*value).into();
                }
                data
            }
            Self::Moved(event) => {
                let mut data = json!({ "name": model, "alias": event.environment });
                if let Some(to) = event.to {
                    data["version"] = to.to_string().into();
                }
                data
            }
        }
    }
}

/// An example of an event's payload, for a test of a webhook.
pub(crate) fn example(event: WebhookEvent, timestamp_ms: i64) -> String {
    let model: ModelName = "example_model".parse().expect("a name of letters");
    let version = VersionNumber(1);
    let tags = [("example_key".to_owned(), "example_value".to_owned())];
    let moved = |kind, to| Event {
        sequence: 1,
        model: model.clone(),
        environment: "example_alias".parse().ok(),
        kind,
        from: None,
        to,
        actor: "example".into(),
        reason: None,
        evidence: None,
        policy: None,
        operation_id: "example".into(),
        timestamp_ms,
        previous_hash: Event::FIRST_PREVIOUS.into(),
        hash: Event::FIRST_PREVIOUS.into(),
    };
    let change = match event {
        WebhookEvent::ModelCreated => {
            Change::ModelCreated { description: "An example.", tags: &tags }
        }
        WebhookEvent::VersionCreated => Change::VersionCreated {
            version,
            source: "models:/m-00000000000000000000000000000000",
            run_id: "00000000000000000000000000000000",
            description: "An example.",
            tags: &tags,
        },
        WebhookEvent::VersionTagSet => {
            Change::TagSet { version, key: "example_key", value: "example_value" }
        }
        WebhookEvent::VersionTagDeleted => Change::TagDeleted { version, key: "example_key" },
        WebhookEvent::AliasCreated => {
            return Change::Moved(&moved(EventKind::AliasSet, Some(version)))
                .payload(&model, timestamp_ms);
        }
        WebhookEvent::AliasDeleted => {
            return Change::Moved(&moved(EventKind::AliasRemoved, None))
                .payload(&model, timestamp_ms);
        }
    };
    change.payload(&model, timestamp_ms)
}

/// An event of the log, without its evidence, which may be long.
fn logged(event: &Event) -> Value {
    json!({
        "sequence": event.sequence,
        "kind": event.kind,
        "from": event.from,
        "to": event.to,
        "actor": event.actor,
        "reason": event.reason,
        "verdict": event.verdict(),
        "operation_id": event.operation_id,
        "hash": event.hash,
    })
}

fn object(tags: &[(String, String)]) -> Map<String, Value> {
    tags.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect()
}

/// Null where there is nothing to say, as MLflow writes it.
fn text(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::webhook::event::WEBHOOK_EVENTS;

    #[test]
    fn a_move_is_told_as_an_alias_and_as_what_it_was() {
        let churn: ModelName = "churn".parse().expect("a name");
        let event = Event {
            sequence: 9,
            model: churn.clone(),
            environment: "production".parse().ok(),
            kind: EventKind::Rollback,
            from: Some(VersionNumber(3)),
            to: Some(VersionNumber(2)),
            actor: "ada".into(),
            reason: Some("slow".into()),
            evidence: None,
            policy: None,
            operation_id: "op".into(),
            timestamp_ms: 1,
            previous_hash: String::new(),
            hash: "h".into(),
        };
        insta::assert_snapshot!(
            Change::Moved(&event).payload(&churn, 1_764_108_000_123),
            @r#"{"entity":"model_version_alias","action":"created","timestamp":"2025-11-25T22:00:00.123+00:00","data":{"name":"churn","alias":"production","version":"2"},"mlx":{"sequence":9,"kind":"rollback","from":3,"to":2,"actor":"ada","reason":"slow","verdict":null,"operation_id":"op","hash":"h"}}"#
        );
    }

    #[test]
    fn a_yank_is_told_as_the_tag_that_shows_it() {
        let churn: ModelName = "churn".parse().expect("a name");
        let event = |kind| Event {
            sequence: 4,
            model: churn.clone(),
            environment: None,
            kind,
            from: None,
            to: Some(VersionNumber(3)),
            actor: "ada".into(),
            reason: Some("leaks".into()),
            evidence: None,
            policy: None,
            operation_id: "op".into(),
            timestamp_ms: 1,
            previous_hash: String::new(),
            hash: "h".into(),
        };
        let told = |kind| {
            let event = event(kind);
            let change = Change::Yanked { event: &event, key: "mlx.yanked", value: "leaks" };
            let payload: Value = serde_json::from_str(&change.payload(&churn, 0)).expect("JSON");
            (change.event(), payload["data"].clone(), payload["mlx"]["kind"].clone())
        };
        let tag = json!({ "name": "churn", "version": "3", "key": "mlx.yanked", "value": "leaks" });
        assert_eq!(told(EventKind::Yank), (WebhookEvent::VersionTagSet, tag, json!("yank")));
        let tag = json!({ "name": "churn", "version": "3", "key": "mlx.yanked" });
        assert_eq!(
            told(EventKind::Unyank),
            (WebhookEvent::VersionTagDeleted, tag, json!("unyank"))
        );
    }

    #[test]
    fn what_is_not_there_is_null_and_versions_are_text() {
        let churn: ModelName = "churn".parse().expect("a name");
        let change = Change::VersionCreated {
            version: VersionNumber(7),
            source: "s3://b/m",
            run_id: "",
            description: "",
            tags: &[("a".into(), "b".into())],
        };
        insta::assert_snapshot!(
            change.payload(&churn, 0),
            @r#"{"entity":"model_version","action":"created","timestamp":"1970-01-01T00:00:00.000+00:00","data":{"name":"churn","version":"7","source":"s3://b/m","run_id":null,"tags":{"a":"b"},"description":null}}"#
        );
    }

    #[test]
    fn every_event_has_an_example() {
        for event in WEBHOOK_EVENTS {
            let payload: Value = serde_json::from_str(&example(*event, 0)).expect("JSON");
            assert_eq!(payload["entity"], event.entity());
            assert_eq!(payload["action"], event.action());
            assert_eq!(payload["data"]["name"], "example_model");
        }
    }
}
