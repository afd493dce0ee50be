//! What a model's log says: what is live where, what was good before it, and whether it is whole.

use std::collections::BTreeMap;

use super::{EnvironmentName, Event, EventKind, ModelName, VersionNumber};

/// One environment, as its events made it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Environment {
    /// What its pointer points to now.
    pub live: Option<VersionNumber>,
    /// Since when, in milliseconds since 1970.
    pub since_ms: i64,
    /// The versions that were live and were not rolled back from, oldest first, `live` included.
    good: Vec<VersionNumber>,
    /// Every version that was ever live here, in the order in which they last were.
    ever: Vec<VersionNumber>,
}

impl Environment {
    /// Where a rollback goes: the version that was live before this one.
    ///
    /// A version that was rolled back from does not count, so that two rollbacks in a row go two
    /// steps back and not back and forth. `usable` says whether a version is still there.
    pub(crate) fn last_known_good(
        &self,
        usable: impl Fn(VersionNumber) -> bool,
    ) -> Option<VersionNumber> {
        self.good
            .iter()
            .rev()
            .copied()
            .find(|version| Some(*version) != self.live && usable(*version))
    }

    /// The versions that were live and were rolled back from, the last to be live first.
    pub(crate) fn rolled_back_from(&self) -> Vec<VersionNumber> {
        let away =
            |version: &&VersionNumber| Some(**version) != self.live && !self.good.contains(version);
        self.ever.iter().rev().filter(away).copied().collect()
    }

    /// Was this version ever live here?
    pub(crate) fn was_live(&self, version: VersionNumber) -> bool {
        self.ever.contains(&version)
    }

    fn apply(&mut self, event: &Event) {
        self.live = event.to;
        self.since_ms = event.timestamp_ms;
        let Some(to) = event.to else { return };
        self.ever.retain(|version| *version != to);
        self.ever.push(to);
        match (event.kind, self.good.iter().rposition(|version| *version == to)) {
            (EventKind::Rollback, Some(at)) => self.good.truncate(at + 1),
            _ => self.good.push(to),
        }
    }
}

/// Every environment that the events tell of. The alias of each is its `live`.
pub(crate) fn environments<'a>(
    events: impl IntoIterator<Item = &'a Event>,
) -> BTreeMap<EnvironmentName, Environment> {
    let mut environments = BTreeMap::<_, Environment>::new();
    for event in events {
        environments.entry(event.environment.clone()).or_default().apply(event);
    }
    environments
}

/// One environment of the events; empty where they tell nothing of it.
pub(crate) fn environment<'a>(
    events: impl IntoIterator<Item = &'a Event>,
    name: &EnvironmentName,
) -> Environment {
    let mut environment = Environment::default();
    for event in events.into_iter().filter(|event| event.environment == *name) {
        environment.apply(event);
    }
    environment
}

/// A move that is about to become the next event of a model's log.
#[derive(Clone, Debug)]
pub(crate) struct NewEvent {
    pub model: ModelName,
    pub environment: EnvironmentName,
    pub kind: EventKind,
    pub from: Option<VersionNumber>,
    pub to: Option<VersionNumber>,
    pub actor: String,
    pub reason: Option<String>,
    pub evidence: Option<serde_json::Value>,
    pub operation_id: String,
    pub timestamp_ms: i64,
}

impl NewEvent {
    /// The event that follows the last one of the log: numbered, chained and hashed.
    pub(crate) fn after(self, last: Option<(u64, String)>) -> Event {
        let (sequence, previous_hash) =
            last.unwrap_or_else(|| (0, Event::FIRST_PREVIOUS.to_owned()));
        let mut event = Event {
            sequence: sequence + 1,
            model: self.model,
            environment: self.environment,
            kind: self.kind,
            from: self.from,
            to: self.to,
            actor: self.actor,
            reason: self.reason,
            evidence: self.evidence,
            operation_id: self.operation_id,
            timestamp_ms: self.timestamp_ms,
            previous_hash,
            hash: String::new(),
        };
        event.hash = event.computed_hash();
        event
    }
}

/// What is wrong with a model's log, a sentence each: a gap, a changed event, a broken chain, a
/// move that does not start where the one before ended.
pub(crate) fn check(events: &[Event]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut previous_hash = Event::FIRST_PREVIOUS;
    let mut live = BTreeMap::<&EnvironmentName, Option<VersionNumber>>::new();
    for (index, event) in events.iter().enumerate() {
        let name = format!("event {} of `{}`", event.sequence, event.model);
        if event.sequence != index as u64 + 1 {
            problems.push(format!("{name} stands where event {} should", index + 1));
        }
        if event.computed_hash() != event.hash {
            problems.push(format!("{name} is not what its hash says: it was changed"));
        }
        if event.previous_hash != previous_hash {
            problems.push(format!("{name} does not follow the event before it: the chain is cut"));
        }
        let before = live.insert(&event.environment, event.to).flatten();
        if before != event.from {
            problems.push(format!(
                "{name} moves `{}` from {}, and the log had {} live",
                event.environment,
                shown(event.from),
                shown(before)
            ));
        }
        previous_hash = &event.hash;
    }
    problems
}

/// `version 3`, or `nothing`.
pub(crate) fn shown(version: Option<VersionNumber>) -> String {
    version.map_or_else(|| "nothing".to_owned(), |version| format!("version {version}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The log of moves in one environment: `p3` promotes version 3, `r2` rolls back to 2, `x` removes.
    fn log(moves: &str) -> Vec<Event> {
        let mut events: Vec<Event> = Vec::new();
        for (index, word) in moves.split_whitespace().enumerate() {
            let to = word[1..].parse().ok().map(VersionNumber);
            let event = NewEvent {
                model: "churn".parse().unwrap(),
                environment: "production".parse().unwrap(),
                kind: match &word[..1] {
                    "p" => EventKind::Promote,
                    "r" => EventKind::Rollback,
                    _ => EventKind::AliasRemoved,
                },
                from: events.last().and_then(|event| event.to),
                to,
                actor: "ada".into(),
                reason: None,
                evidence: Some(serde_json::json!({ "b": 1.1, "a": [0.300_000_000_000_000_04] })),
                operation_id: format!("op-{index}"),
                timestamp_ms: index as i64,
            };
            let last = events.last().map(|event| (event.sequence, event.hash.clone()));
            events.push(event.after(last));
        }
        events
    }

    fn target(moves: &str) -> Option<u64> {
        environment(&log(moves), &"production".parse().unwrap())
            .last_known_good(|_| true)
            .map(|version| version.0)
    }

    #[test]
    fn a_rollback_goes_to_what_was_live_before() {
        assert_eq!(target(""), None);
        assert_eq!(target("p1"), None);
        assert_eq!(target("p1 p2"), Some(1));
        assert_eq!(target("p1 p2 p3"), Some(2));
    }

    #[test]
    fn a_version_that_was_rolled_back_from_is_not_good() {
        assert_eq!(target("p1 p2 p3 r2"), Some(1));
        assert_eq!(target("p1 p2 p3 r2 r1"), None);
        assert_eq!(target("p1 p2 r1 p3"), Some(1));
        // Promoted again, it is trusted again.
        assert_eq!(target("p1 p2 r1 p2 p3"), Some(2));
    }

    #[test]
    fn a_version_that_came_back_counts_once() {
        assert_eq!(target("p1 p2 p1"), Some(2));
        assert_eq!(target("p1 p2 p1 r2"), Some(1));
    }

    #[test]
    fn an_emptied_environment_goes_back_to_what_it_had() {
        assert_eq!(target("p1 p2 x"), Some(2));
    }

    #[test]
    fn what_is_gone_is_passed_over() {
        let production = environment(&log("p1 p2 p3"), &"production".parse().unwrap());
        assert_eq!(production.last_known_good(|version| version.0 != 2), Some(VersionNumber(1)));
        assert!(production.was_live(VersionNumber(2)));
        assert!(!production.was_live(VersionNumber(4)));
    }

    #[test]
    fn a_whole_log_has_no_problems_even_after_a_trip_through_json() {
        let events = log("p1 p2 r1");
        assert_eq!(check(&events), Vec::<String>::new());
        let text = serde_json::to_string(&events).unwrap();
        assert_eq!(
            check(&serde_json::from_str::<Vec<Event>>(&text).unwrap()),
            Vec::<String>::new()
        );
    }

    #[test]
    fn what_was_rolled_back_from_is_told_the_latest_first() {
        let away = |moves: &str| {
            let past = environment(&log(moves), &"production".parse().unwrap());
            past.rolled_back_from().iter().map(|version| version.0).collect::<Vec<_>>()
        };
        assert_eq!(away("p1 p2"), [0; 0]);
        assert_eq!(away("p1 p2 p3 r2 r1"), [2, 3]);
        // Live again, it was not rolled back from; nor was what stands behind the live one.
        assert_eq!(away("p1 p2 r1 p2"), [0; 0]);
        assert_eq!(away("p1 p2 r1 p3"), [2]);
    }

    #[test]
    fn every_kind_of_tampering_is_seen() {
        let whole = log("p1 p2 r1");
        let mut changed = whole.clone();
        changed[1].actor = "mallory".into();
        assert!(check(&changed)[0].contains("was changed"));

        let mut rehashed = changed;
        rehashed[1].hash = rehashed[1].computed_hash();
        assert!(check(&rehashed)[0].contains("the chain is cut"));

        let removed = [whole[0].clone(), whole[2].clone()];
        let problems = check(&removed).join("\n");
        assert!(problems.contains("stands where event 2 should"), "{problems}");
    }
}
