//! What a promotion or a rollback would do, decided from the history before anything is sent.

use serde::{Deserialize, Serialize};

use super::history::{self, Environment};
use super::{EnvironmentName, Event, EventKind, ModelName, VersionNumber};
use crate::error::{Error, Result};

/// The version that must be live for a move to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// What is live when the plan is made.
    WhateverIsLive,
    Nothing,
    Version(VersionNumber),
}

impl std::str::FromStr for Expect {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "none" => Ok(Self::Nothing),
            number => number.parse().map(Self::Version).map_err(|_| {
                Error::usage(format!("`--expect {number}` is neither a version number nor `none`"))
                    .hint("write the version that must be live there now, such as `--expect 3`")
            }),
        }
    }
}

/// One move of an environment's pointer, made only while `from` is live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub kind: EventKind,
    pub model: ModelName,
    pub environment: EnvironmentName,
    pub from: Option<VersionNumber>,
    pub to: VersionNumber,
}

impl Plan {
    /// The version is live there already, so there is nothing to do and nothing to log.
    pub(crate) fn is_done(&self) -> bool {
        self.from == Some(self.to)
    }
}

/// The plan of a promotion. An `expect` that is already wrong is a conflict before anything is sent.
pub(crate) fn plan(
    model: &ModelName,
    events: &[Event],
    environment: &EnvironmentName,
    to: VersionNumber,
    expect: Expect,
) -> Result<Plan> {
    let live = history::environment(events, environment).live;
    let from = match expect {
        Expect::WhateverIsLive => live,
        Expect::Nothing => None,
        Expect::Version(version) => Some(version),
    };
    if from != live {
        let last =
            events.iter().rev().find(|event| event.environment.as_ref() == Some(environment));
        return Err(conflict(model, environment, from, live, last));
    }
    if Some(to) != from {
        not_yanked(model, events, to)?;
    }
    Ok(Plan {
        kind: EventKind::Promote,
        model: model.clone(),
        environment: environment.clone(),
        from,
        to,
    })
}

/// The plan of a rollback: to `version`, else to the last other version that was live there, `exists`
/// and isn't yanked.
pub(crate) fn plan_rollback(
    model: &ModelName,
    events: &[Event],
    environment: &EnvironmentName,
    version: Option<VersionNumber>,
    exists: impl Fn(VersionNumber) -> bool,
) -> Result<Plan> {
    let past = history::environment(events, environment);
    let live = past.live;
    let yanked = history::yanked(events);
    let usable = |version| exists(version) && !yanked.contains_key(&version);
    let to = match version {
        Some(version) => {
            if !past.was_live(version) {
                return Err(Error::user(format!(
                    "{model}/{version} was never live in {environment}, so going to it is not a rollback"
                ))
                .hint(format!("promote it: `mlx promote {model}/{version} --to {environment}`")));
            }
            if Some(version) != live {
                not_yanked(model, events, version)?;
            }
            version
        }
        None => match past.last_known_good(usable) {
            Some(version) => version,
            None => return Err(nothing_good(model, environment, &past, usable)),
        },
    };
    Ok(Plan {
        kind: EventKind::Rollback,
        model: model.clone(),
        environment: environment.clone(),
        from: live,
        to,
    })
}

/// An error where the version is yanked: who did it and why.
/// An error where a version is yanked, with who did it and why.
pub(crate) fn not_yanked<'a>(
    model: &ModelName,
    events: impl IntoIterator<Item = &'a Event>,
    version: VersionNumber,
) -> Result<()> {
    let yanked = history::yanked(events);
    let Some(event) = yanked.get(&version) else { return Ok(()) };
    let why = event.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
    Err(Error::user(format!("{} yanked {model}/{version}{why}", event.actor)).hint(format!(
        "choose another version, or take it back: `mlx models yank {model}/{version} --undo`"
    )))
}

/// Why no version is left that a rollback would choose, and where one can go by name.
fn nothing_good(
    model: &ModelName,
    environment: &EnvironmentName,
    past: &Environment,
    usable: impl Fn(VersionNumber) -> bool,
) -> Error {
    let away: Vec<_> =
        past.rolled_back_from().into_iter().filter(|version| usable(*version)).collect();
    let why = match (past.live, away.as_slice()) {
        (None, _) => "nothing is live there".to_owned(),
        (Some(_), [version]) => format!("{model}/{version} was rolled back from"),
        (Some(_), [_, ..]) => {
            let mut names: Vec<String> =
                away.iter().map(|version| format!("{model}/{version}")).collect();
            names.reverse();
            format!("{} were rolled back from", names.join(", "))
        }
        (Some(live), []) if past.is_alone() => {
            format!("no version but {live} has been live there")
        }
        (Some(live), []) => format!("what was live there besides {live} is deleted or yanked"),
    };
    let error =
        Error::user(format!("nothing to roll back to in {environment} for `{model}`: {why}"));
    match away.first() {
        Some(version) if past.live.is_some() => error.hint(format!(
            "to go there all the same: `mlx rollback {model} --env {environment} --version {version}`"
        )),
        _ => error.hint(format!("see what was live when: `mlx models history {model}`")),
    }
}

/// Someone moved first: who, when it is known, and what is live now.
pub(crate) fn conflict(
    model: &ModelName,
    environment: &EnvironmentName,
    expected: Option<VersionNumber>,
    live: Option<VersionNumber>,
    winner: Option<&Event>,
) -> Error {
    let said = |version: Option<VersionNumber>| {
        version.map_or_else(|| "nothing".to_owned(), |version| format!("{model}/{version}"))
    };
    let mut message =
        format!("{environment} has {}, where {} was expected", said(live), said(expected));
    if let Some(event) = winner {
        let verb = match event.kind {
            EventKind::Promote => "promoted",
            EventKind::Rollback => "rolled back to",
            EventKind::AliasSet => "set the alias to",
            EventKind::AliasRemoved => "removed the alias of",
            EventKind::Yank => "yanked",
            EventKind::Unyank => "un-yanked",
        };
        let what = said(event.to.or(event.from));
        message = format!("{message}: {} {verb} {what} first", event.actor);
    }
    Error::conflict(message)
        .hint(format!("look at `mlx models history {model}`, then decide again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> ModelName {
        "churn".parse().expect("a name")
    }

    fn production() -> EnvironmentName {
        "production".parse().expect("a name")
    }

    /// A log of production: `3` promotes version 3, `-2` rolls back to version 2, `0` removes the alias.
    fn log(moves: &[i64]) -> Vec<Event> {
        let mut from = None;
        moves
            .iter()
            .zip(1..)
            .map(|(&to, sequence)| {
                let kind = match to {
                    0 => EventKind::AliasRemoved,
                    1.. => EventKind::Promote,
                    _ => EventKind::Rollback,
                };
                let to = (to != 0).then_some(VersionNumber(to.unsigned_abs()));
                let event = Event {
                    sequence,
                    model: model(),
                    environment: Some(production()),
                    kind,
                    from,
                    to,
                    actor: "ana".into(),
                    reason: None,
                    evidence: None,
                    policy: None,
                    operation_id: sequence.to_string(),
                    timestamp_ms: 0,
                    previous_hash: String::new(),
                    hash: String::new(),
                };
                from = to;
                event
            })
            .collect()
    }

    #[test]
    fn a_wrong_expectation_is_a_conflict_that_says_who() {
        let expect = Expect::Version(VersionNumber(1));
        let error = plan(&model(), &log(&[1, 2]), &production(), VersionNumber(3), expect)
            .expect_err("a conflict");
        assert_eq!(error.code(), crate::error::ExitCode::Conflict);
        assert_eq!(
            error.message(),
            "production has churn/2, where churn/1 was expected: ana promoted churn/2 first"
        );
        let plan =
            plan(&model(), &log(&[2]), &production(), VersionNumber(2), Expect::WhateverIsLive);
        assert!(plan.is_ok_and(|plan| plan.is_done()));
    }

    #[test]
    fn a_yanked_version_is_gone_to_by_no_road() {
        let mut events = log(&[1, 2, 3]);
        let yank = Event {
            environment: None,
            kind: EventKind::Yank,
            from: None,
            to: Some(VersionNumber(2)),
            reason: Some("leaks".into()),
            ..events[2].clone()
        };
        events.push(yank);
        let to = |version| {
            let whatever = Expect::WhateverIsLive;
            plan(&model(), &events, &"staging".parse().unwrap(), VersionNumber(version), whatever)
        };
        assert_eq!(to(2).expect_err("yanked").message(), "ana yanked churn/2: leaks");
        assert!(to(1).is_ok());
        let back = |version| plan_rollback(&model(), &events, &production(), version, |_| true);
        assert_eq!(back(None).map(|plan| plan.to).ok(), Some(VersionNumber(1)));
        assert!(back(Some(VersionNumber(2))).is_err());
        let none = plan_rollback(&model(), &events, &production(), None, |version| version.0 != 1);
        assert_eq!(
            none.expect_err("nothing").message(),
            "nothing to roll back to in production for `churn`: what was live there besides 3 is deleted or yanked"
        );
    }

    #[test]
    fn only_what_was_live_can_be_rolled_back_to() {
        let to = |version, moves: &[i64]| {
            plan_rollback(&model(), &log(moves), &production(), version, |_| true)
        };
        assert_eq!(to(None, &[1, 2]).map(|plan| plan.to).ok(), Some(VersionNumber(1)));
        assert_eq!(
            to(Some(VersionNumber(1)), &[1, 2, 3]).map(|plan| plan.to).ok(),
            Some(VersionNumber(1))
        );
        assert!(to(Some(VersionNumber(9)), &[1, 2]).is_err());
        assert!(to(None, &[1]).is_err());
    }
}
