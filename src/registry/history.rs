//! What a model's log says: what is live where, what was good before it, what is yanked, and whether it is whole.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::policy::Satisfied;
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

    /// Does it stand behind what is live, or is it that: was live, and not rolled back from since?
    pub(crate) fn is_good(&self, version: VersionNumber) -> bool {
        self.good.contains(&version)
    }

    /// Was nothing ever live here but what is?
    pub(crate) fn is_alone(&self) -> bool {
        self.ever.iter().all(|version| Some(*version) == self.live)
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
        if let Some(environment) = &event.environment {
            environments.entry(environment.clone()).or_default().apply(event);
        }
    }
    environments
}

/// One environment of the events; empty where they tell nothing of it.
pub(crate) fn environment<'a>(
    events: impl IntoIterator<Item = &'a Event>,
    name: &EnvironmentName,
) -> Environment {
    let mut environment = Environment::default();
    for event in events.into_iter().filter(|event| event.environment.as_ref() == Some(name)) {
        environment.apply(event);
    }
    environment
}

/// The versions that are yanked, with the event that did it.
pub(crate) fn yanked<'a>(
    events: impl IntoIterator<Item = &'a Event>,
) -> BTreeMap<VersionNumber, &'a Event> {
    let mut yanked = BTreeMap::new();
    for event in events {
        match (event.kind, event.to) {
            (EventKind::Yank, Some(version)) => _ = yanked.insert(version, event),
            (EventKind::Unyank, Some(version)) => _ = yanked.remove(&version),
            _ => {}
        }
    }
    yanked
}

/// What was live in an environment at some time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Standing {
    pub environment: EnvironmentName,
    /// Null: nothing was.
    pub live: Option<VersionNumber>,
    /// Since when, in milliseconds since 1970.
    pub since_ms: i64,
    /// The move that made it so: its place in the model's log, what it was, who made it and why.
    pub sequence: u64,
    pub kind: EventKind,
    pub actor: String,
    pub reason: Option<String>,
    /// Where a rollback would have gone.
    pub last_known_good: Option<VersionNumber>,
}

/// What was live where after the last event that is not after `at_ms`, by environment.
///
/// `exists` says of a version whether it could be rolled back to; what was yanked then could not.
pub(crate) fn standings(
    events: &[Event],
    at_ms: i64,
    exists: impl Fn(VersionNumber) -> bool,
) -> Vec<Standing> {
    let until = || events.iter().filter(|event| event.timestamp_ms <= at_ms);
    let yanked = yanked(until());
    let usable = |version| exists(version) && !yanked.contains_key(&version);
    let mut last = BTreeMap::new();
    for event in until() {
        if let Some(environment) = &event.environment {
            last.insert(environment, event);
        }
    }
    environments(until())
        .into_iter()
        .map(|(name, state)| {
            let event = last[&name];
            Standing {
                live: state.live,
                since_ms: state.since_ms,
                sequence: event.sequence,
                kind: event.kind,
                actor: event.actor.clone(),
                reason: event.reason.clone(),
                last_known_good: state.last_known_good(usable),
                environment: name,
            }
        })
        .collect()
}

/// The last event of a log, as the next one must follow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Last {
    pub sequence: u64,
    pub hash: String,
    pub timestamp_ms: i64,
}

impl From<&Event> for Last {
    fn from(event: &Event) -> Self {
        let Event { sequence, hash, timestamp_ms, .. } = event;
        Self { sequence: *sequence, hash: hash.clone(), timestamp_ms: *timestamp_ms }
    }
}

/// What is about to become the next event of a model's log.
#[derive(Clone, Debug)]
pub(crate) struct NewEvent {
    pub model: ModelName,
    pub environment: Option<EnvironmentName>,
    pub kind: EventKind,
    pub from: Option<VersionNumber>,
    pub to: Option<VersionNumber>,
    pub actor: String,
    pub reason: Option<String>,
    pub evidence: Option<serde_json::Value>,
    pub policy: Option<Satisfied>,
    pub operation_id: String,
    pub timestamp_ms: i64,
}

impl NewEvent {
    /// The event that follows the last one of the log: numbered, chained and hashed.
    ///
    /// A clock that was put back must not put it before the one that it follows, or the log would
    /// tell two stories of one time.
    pub(crate) fn after(self, last: Option<Last>) -> Event {
        let last = last.unwrap_or_else(|| Last {
            sequence: 0,
            hash: Event::FIRST_PREVIOUS.to_owned(),
            timestamp_ms: i64::MIN,
        });
        let mut event = Event {
            sequence: last.sequence + 1,
            model: self.model,
            environment: self.environment,
            kind: self.kind,
            from: self.from,
            to: self.to,
            actor: self.actor,
            reason: self.reason,
            evidence: self.evidence,
            policy: self.policy,
            operation_id: self.operation_id,
            timestamp_ms: self.timestamp_ms.max(last.timestamp_ms),
            previous_hash: last.hash,
            hash: String::new(),
        };
        event.hash = event.computed_hash();
        event
    }
}

/// What is wrong with a model's log, a sentence each: a gap, a changed event, a broken chain, a
/// move that does not start where the one before ended or goes to what was yanked.
pub(crate) fn check(events: &[Event]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut previous_hash = Event::FIRST_PREVIOUS;
    let mut live = BTreeMap::<&EnvironmentName, Option<VersionNumber>>::new();
    let mut yanked = BTreeSet::new();
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
        match (&event.environment, event.to) {
            (Some(environment), to) if event.kind.is_move() => {
                let before = live.insert(environment, to).flatten();
                if before != event.from {
                    problems.push(format!(
                        "{name} moves `{environment}` from {}, and the log had {} live",
                        shown(event.from),
                        shown(before)
                    ));
                }
                if to.is_some_and(|to| yanked.contains(&to)) {
                    problems.push(format!(
                        "{name} moves `{environment}` to {}, which was yanked",
                        shown(to)
                    ));
                }
            }
            (None, Some(version)) if !event.kind.is_move() => {
                let changed = match event.kind {
                    EventKind::Yank => yanked.insert(version),
                    _ => yanked.remove(&version),
                };
                if !changed {
                    problems.push(format!(
                        "{name} is a {} of version {version}, which changes nothing",
                        event.kind.name()
                    ));
                }
            }
            _ => problems.push(format!("{name} is no whole {}", event.kind.name())),
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

    const FIRST_FORMAT: &str = r#"{
        "sequence": 1, "model": "churn", "environment": "production", "kind": "promote",
        "from": null, "to": 1, "actor": "ada", "reason": "first",
        "evidence": { "decision": "pass", "rows": 3 }, "operation_id": "op", "timestamp_ms": 5,
        "previous_hash": "0000000000000000000000000000000000000000000000000000000000000000",
        "hash": "bb7cc36bea77a32dfc2d0a8ee10bcd013be901ddd59940d3db254da7996dd4e8"
    }"#;

    /// A log of one environment: `p3` promotes version 3, `r2` rolls back to 2, `x` removes, `y3` yanks
    /// 3 and `u3` un-yanks it. Each comes a millisecond after the one before.
    fn log(words: &str) -> Vec<Event> {
        let mut events: Vec<Event> = Vec::new();
        let mut live = None;
        for (index, word) in words.split_whitespace().enumerate() {
            let to = word[1..].parse().ok().map(VersionNumber);
            let kind = match &word[..1] {
                "p" => EventKind::Promote,
                "r" => EventKind::Rollback,
                "y" => EventKind::Yank,
                "u" => EventKind::Unyank,
                _ => EventKind::AliasRemoved,
            };
            let event = NewEvent {
                model: "churn".parse().unwrap(),
                environment: kind.is_move().then(|| "production".parse().unwrap()),
                kind,
                from: live.filter(|_| kind.is_move()),
                to,
                actor: "ada".into(),
                reason: None,
                evidence: Some(serde_json::json!({ "b": 1.1, "a": [0.300_000_000_000_000_04] })),
                policy: None,
                operation_id: format!("op-{index}"),
                timestamp_ms: index as i64,
            };
            if kind.is_move() {
                live = to;
            }
            events.push(event.after(events.last().map(Last::from)));
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
    fn a_version_is_yanked_until_that_is_taken_back() {
        let of = |words: &str| {
            yanked(&log(words)).into_keys().map(|version| version.0).collect::<Vec<_>>()
        };
        assert_eq!(of("p1 y1 y2"), [1, 2]);
        assert_eq!(of("p1 y1 y2 u1"), [2]);
        assert_eq!(of("y1 u1 y1"), [1]);
        // It moves nothing.
        assert_eq!(target("p1 p2 y2"), Some(1));
        let production = environment(&log("p1 p2 y1 y2"), &"production".parse().unwrap());
        assert_eq!(production.live, Some(VersionNumber(2)));
        assert_eq!(production.since_ms, 1);
    }

    #[test]
    fn what_was_live_is_told_of_any_time() {
        let events = log("p1 p2 y1 r1 x");
        let told = |at_ms| {
            let standings = standings(&events, at_ms, |_| true);
            let number = |version: Option<VersionNumber>| version.map_or(0, |version| version.0);
            standings
                .first()
                .map(|told| (number(told.live), told.since_ms, number(told.last_known_good)))
        };
        assert_eq!(told(-1), None);
        assert_eq!(told(0), Some((1, 0, 0)));
        assert_eq!(told(1), Some((2, 1, 1)));
        assert_eq!(told(2), Some((2, 1, 0)), "yanked since");
        assert_eq!(told(3), Some((1, 3, 0)));
        assert_eq!(told(i64::MAX), Some((0, 4, 0)));
    }

    #[test]
    fn a_clock_that_is_put_back_does_not_turn_the_log_around() {
        let mut events = log("p1 p2");
        events[1].timestamp_ms = 1_000;
        let last = Last::from(&events[1]);
        let next = NewEvent {
            model: "churn".parse().unwrap(),
            environment: None,
            kind: EventKind::Yank,
            from: None,
            to: Some(VersionNumber(1)),
            actor: "ada".into(),
            reason: None,
            evidence: None,
            policy: None,
            operation_id: "op".into(),
            timestamp_ms: 500,
        };
        assert_eq!(next.after(Some(last)).timestamp_ms, 1_000);
    }

    #[test]
    fn events_that_make_no_sense_are_told() {
        for (words, said) in [
            ("y1 y1", "is a yank of version 1, which changes nothing"),
            ("u1", "is a un-yank of version 1, which changes nothing"),
            ("p1 y2 p2", "moves `production` to version 2, which was yanked"),
        ] {
            let problems = check(&log(words)).join("\n");
            assert!(problems.contains(said), "{words}: {problems}");
        }
        let mut nowhere = log("p1");
        nowhere[0].environment = None;
        nowhere[0].hash = nowhere[0].computed_hash();
        assert!(check(&nowhere)[0].contains("is no whole promote"));
        assert_eq!(check(&log("p1 p2 y1 u1 y2 r1")), Vec::<String>::new());
    }

    /// An event from before there were policies and yanks, as it stands in registries: its hash holds.
    #[test]
    fn an_event_of_the_first_format_keeps_its_hash() {
        let event: Event = serde_json::from_str(FIRST_FORMAT).unwrap();
        assert_eq!(event.computed_hash(), event.hash);
        assert_eq!(check(&[event]), Vec::<String>::new());
    }

    /// Whatever happens in whatever order: what is live is what the last move says, what a rollback
    /// would choose was live, is not live and not yanked, and the log is whole.
    #[test]
    fn the_fold_holds_for_any_log() {
        let mut state = 7_u64;
        let mut draw = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let production: EnvironmentName = "production".parse().unwrap();
        for _ in 0..200 {
            let mut words = String::new();
            let (mut live, mut ever, mut away) = (0, BTreeSet::new(), BTreeSet::new());
            for _ in 0..draw(40) {
                let version = 1 + draw(5);
                let word = match draw(6) {
                    0..=2 if !away.contains(&version) && version != live => {
                        (live, _) = (version, ever.insert(version));
                        format!("p{version} ")
                    }
                    3 if ever.contains(&version) && !away.contains(&version) && version != live => {
                        live = version;
                        format!("r{version} ")
                    }
                    4 if away.insert(version) => format!("y{version} "),
                    5 if away.remove(&version) => format!("u{version} "),
                    _ => continue,
                };
                words.push_str(&word);
            }
            let events = log(&words);
            assert_eq!(check(&events), Vec::<String>::new(), "{words}");
            let past = environment(&events, &production);
            assert_eq!(past.live.map_or(0, |version| version.0), live, "{words}");
            let yanked = yanked(&events);
            assert_eq!(yanked.keys().map(|version| version.0).collect::<BTreeSet<_>>(), away);
            let good = past.last_known_good(|version| !yanked.contains_key(&version));
            if let Some(good) = good {
                assert!(past.was_live(good) && past.is_good(good), "{words}");
                assert!(good.0 != live && !away.contains(&good.0), "{words}");
            }
        }
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
