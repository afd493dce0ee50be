//! How an entry of a journal is written into the tags of a version, and read from them.

use crate::api::mlflow::{CreateModelVersion, KeyValue, ModelVersion};
use crate::error::{Error, Result};
use crate::registry::history::shown;
use crate::registry::journal::{self, Entry, Line};
use crate::registry::{Event, EventKind, ModelName};
use crate::sys::files;

/// Raised when an older mlx must not read on.
const FORMAT: &str = "1";
const FORMAT_TAG: &str = "mlx.journal.format";
/// The number of the last entry that counted.
const FOLLOWS_TAG: &str = "mlx.journal.follows";
/// The event as JSON, in parts `.0`, `.1` and so on: MLflow 2 takes 5,000 characters a tag.
const EVENT_TAG: &str = "mlx.journal.event";
/// Set when the environment's alias was seen to be where the entry moved it.
pub(super) const SHOWN_TAG: &str = "mlx.journal.shown";
/// By what one finds an entry without reading the journal.
const OPERATION_TAG: &str = "mlx.operation_id";
const PART_CHARACTERS: usize = 4_500;
/// With this many parts evidence is no longer kept as it is, but named by its digest.
const MOST_PARTS: usize = 16;

/// The request that appends an event after entry `follows`.
pub(super) fn request(event: &Event, follows: u64, is_shown: bool) -> Result<CreateModelVersion> {
    let json = serde_json::to_string(event)
        .map_err(|error| Error::bug(format!("an event is no JSON: {error}")))?;
    let mut tags = vec![
        KeyValue::new(FORMAT_TAG, FORMAT),
        KeyValue::new(FOLLOWS_TAG, follows.to_string()),
        KeyValue::new(OPERATION_TAG, &event.operation_id),
    ];
    tags.extend(
        parts(&json)
            .into_iter()
            .enumerate()
            .map(|(index, part)| KeyValue::new(format!("{EVENT_TAG}.{index}"), part)),
    );
    if is_shown {
        tags.push(KeyValue::new(SHOWN_TAG, "1"));
    }
    Ok(CreateModelVersion {
        name: journal::name_of(&event.model),
        // No files are there: MLflow wants a source, and takes a scheme that it doesn't know.
        source: format!("mlx://journal/{}/{}", event.model, event.operation_id),
        description: Some(sentence(event)),
        tags,
        ..Default::default()
    })
}

/// Evidence that an entry has room for: as it is, or its digest and what it decided.
pub(super) fn evidence(evidence: Option<serde_json::Value>) -> Option<serde_json::Value> {
    let evidence = evidence?;
    let text = evidence.to_string();
    // What is not evidence takes less than a part.
    if parts(&text).len() < MOST_PARTS {
        return Some(evidence);
    }
    let mut kept = serde_json::json!({
        "omitted": { "sha256": files::digest_bytes(text.as_bytes()), "size_bytes": text.len() },
    });
    for key in ["decision", "model"] {
        if let Some(value) = evidence.get(key) {
            kept[key] = value.clone();
        }
    }
    Some(kept)
}

/// What a version of a journal says.
pub(super) fn line(model: &ModelName, version: &ModelVersion) -> Result<Line> {
    let number = version.version.parse().map_err(|_| {
        Error::user(format!(
            "`{}` is no version number of `{}`",
            version.version,
            journal::name_of(model)
        ))
    })?;
    let tag =
        |key: &str| version.tags.iter().find(|tag| tag.key == key).map(|tag| tag.value.as_str());
    match tag(FORMAT_TAG) {
        None => return Ok(Line::Foreign(number)),
        Some(FORMAT) => {}
        Some(_) => return Err(newer(model, number)),
    }
    let Some(follows) = tag(FOLLOWS_TAG).and_then(|follows| follows.parse().ok()) else {
        return Ok(Line::Unreadable(number, format!("`{FOLLOWS_TAG}` is no number")));
    };
    let json: String = (0..).map_while(|part| tag(&format!("{EVENT_TAG}.{part}"))).collect();
    match serde_json::from_str::<Event>(&json) {
        Ok(event) => Ok(Line::Entry(Box::new(Entry {
            number,
            follows,
            event,
            shown: tag(SHOWN_TAG).is_some(),
        }))),
        // To pass over a move that we don't know would draw another line than others draw.
        Err(_) if is_of_unknown_kind(&json) => Err(newer(model, number)),
        Err(error) => Ok(Line::Unreadable(number, error.to_string())),
    }
}

fn is_of_unknown_kind(json: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(json).is_ok_and(|value| {
        value["kind"].is_string()
            && serde_json::from_value::<EventKind>(value["kind"].clone()).is_err()
    })
}

fn newer(model: &ModelName, number: u64) -> Error {
    Error::user(format!(
        "version {number} of `{}` was written by a newer mlx, and this one can't read it",
        journal::name_of(model)
    ))
    .hint("update mlx here")
}

/// For those who look at it on MLflow's page.
fn sentence(event: &Event) -> String {
    let (kind, to, actor) = (event.kind.name(), shown(event.to), &event.actor);
    let mut text = match &event.environment {
        Some(environment) => {
            format!("{environment} {kind}: {} → {to}, by {actor}", shown(event.from))
        }
        None => format!("{kind} of {to}, by {actor}"),
    };
    if let Some(reason) = &event.reason {
        text = format!("{text}: {reason}");
    }
    text.chars().take(PART_CHARACTERS).collect()
}

fn parts(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    characters.chunks(PART_CHARACTERS).map(|part| part.iter().collect()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::registry::VersionNumber;
    use crate::registry::history::NewEvent;

    fn event(evidence: Option<serde_json::Value>) -> Event {
        NewEvent {
            model: "churn".parse().unwrap(),
            environment: Some("production".parse().unwrap()),
            kind: EventKind::Promote,
            from: None,
            to: Some(VersionNumber(3)),
            actor: "ana".into(),
            reason: Some("“better”".into()),
            evidence,
            policy: None,
            operation_id: "ab".into(),
            timestamp_ms: 7,
        }
        .after(None)
    }

    fn read(request: CreateModelVersion) -> Result<Line> {
        let version =
            ModelVersion { version: "5".into(), tags: request.tags, ..Default::default() };
        line(&"churn".parse().unwrap(), &version)
    }

    #[test]
    fn an_entry_reads_back_as_it_was_written_whatever_its_length() {
        for text in ["short".to_owned(), "ü".repeat(20_000)] {
            let event = event(Some(json!({ "b": text, "a": 0.1 })));
            let request = request(&event, 4, false).unwrap();
            assert!(request.tags.iter().all(|tag| tag.value.chars().count() < 5_000));
            assert!(request.description.as_ref().is_some_and(|text| text.chars().count() < 5_000));
            let Ok(Line::Entry(entry)) = read(request) else { panic!("an entry") };
            assert_eq!((entry.number, entry.follows, entry.shown), (5, 4, false));
            assert_eq!(entry.event, event);
            assert_eq!(entry.event.computed_hash(), event.hash);
        }
    }

    #[test]
    fn evidence_without_end_is_named_by_its_digest() {
        let large = json!({ "decision": "pass", "rules": "x".repeat(200_000) });
        let kept = evidence(Some(large.clone())).unwrap();
        assert_eq!(kept["decision"], "pass");
        assert_eq!(kept["omitted"]["sha256"], files::digest_bytes(large.to_string().as_bytes()));
        assert_eq!(evidence(Some(json!({ "a": 1 }))), Some(json!({ "a": 1 })));
        assert_eq!(evidence(None), None);
    }

    #[test]
    fn what_is_no_entry_is_told_from_one_that_is_damaged_or_newer() {
        let with = |change: &dyn Fn(&mut Vec<KeyValue>)| {
            let mut request = request(&event(None), 0, true).unwrap();
            change(&mut request.tags);
            read(request)
        };
        let set = |tags: &mut Vec<KeyValue>, key: &str, value: &str| {
            tags.retain(|tag| tag.key != key);
            tags.push(KeyValue::new(key, value));
        };
        assert!(matches!(with(&|_| {}), Ok(Line::Entry(entry)) if entry.shown));
        assert!(matches!(with(&Vec::clear), Ok(Line::Foreign(5))));
        let part = format!("{EVENT_TAG}.0");
        assert!(matches!(with(&|tags| set(tags, &part, "{")), Ok(Line::Unreadable(5, _))));
        assert!(matches!(with(&|tags| set(tags, FOLLOWS_TAG, "x")), Ok(Line::Unreadable(5, _))));
        assert!(with(&|tags| set(tags, FORMAT_TAG, "2")).is_err());
        assert!(with(&|tags| set(tags, &part, "{\"kind\": \"levitate\"}")).is_err());
    }
}
