//! A model's log where a registry keeps none: as entries that were appended one by one to a list that
//! anyone can append to.
//!
//! A plain MLflow server numbers the versions of a model in one order, and that is all it does for
//! us. So the log of `churn` is the model `churn.mlx-journal`, and a move is a version of it. Whoever
//! appends names the entry that was the last when it decided; an entry counts only if that one still
//! is the last that counts. Every reader draws the same line through the same numbers, so of two
//! moves at once one wins, and both can tell which.

use std::collections::{BTreeMap, BTreeSet};

use super::{EnvironmentName, Event, ModelName, VersionNumber};

/// What follows a model's name in the name of its journal.
pub(crate) const SUFFIX: &str = ".mlx-journal";

/// The name of a model's journal. Not a [`ModelName`]: it may be longer than one.
pub(crate) fn name_of(model: &ModelName) -> String {
    format!("{model}{SUFFIX}")
}

/// One of the numbers of a journal, as it was read.
#[derive(Clone, Debug)]
pub(crate) enum Line {
    Entry(Box<Entry>),
    /// It says that it is an entry, and can't be read: why.
    Unreadable(u64, String),
    /// Somebody else's: it has nothing of an entry.
    Foreign(u64),
}

/// A move as it was appended; whether it counts, the journal says.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Its place in the order of appending, from 1; other entries, gaps and strangers have numbers too.
    pub number: u64,
    /// The number of the last entry that counted when it was written; 0 for none.
    pub follows: u64,
    pub event: Event,
    /// The environment's alias was seen to be where this entry moved it.
    pub shown: bool,
}

/// The entries that count, and what is wrong with the rest.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    model: ModelName,
    /// Oldest first.
    counted: Vec<Entry>,
    /// What was deleted, changed or put in by others, a sentence each.
    pub damage: Vec<String>,
}

/// How an environment's alias stands to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It points to what the log says.
    InStep,
    /// It does not yet, and a move that was logged explains it: whoever made it is at it, or died.
    Unfinished,
    /// It was moved by somebody who doesn't keep the log.
    Outside,
}

impl Journal {
    /// Draw the line through what was read.
    pub(crate) fn fold(model: &ModelName, mut lines: Vec<Line>) -> Self {
        lines.sort_by_key(Line::number);
        // A page that shifted while it was read shows the same number twice.
        lines.dedup_by_key(|line| line.number());
        let readable: BTreeSet<u64> =
            lines.iter().filter(|line| matches!(line, Line::Entry(_))).map(Line::number).collect();
        let mut journal = Self { model: model.clone(), counted: Vec::new(), damage: Vec::new() };
        let mut expected = 1;
        for line in lines {
            let number = line.number();
            journal.note_deleted(expected, number);
            expected = number + 1;
            match line {
                Line::Entry(entry) => journal.weigh(*entry, &readable),
                Line::Unreadable(number, why) => {
                    journal.damage.push(format!("{} cannot be read: {why}", journal.at(number)));
                }
                Line::Foreign(number) => {
                    journal.damage.push(format!("{} is none of mlx's entries", journal.at(number)));
                }
            }
        }
        journal
    }

    /// Let an entry count if it follows the last that does.
    fn weigh(&mut self, entry: Entry, readable: &BTreeSet<u64>) {
        let last = self.last().map_or(0, |last| last.number);
        if entry.follows == last {
            self.check(&entry, true);
            self.counted.push(entry);
            return;
        }
        // Whoever wrote it saw an entry that counted, and that is no longer there to be read. To let
        // the rest of the log go for that would give whoever deleted it the last word.
        let lost = entry.follows > last
            && entry.follows < entry.number
            && !readable.contains(&entry.follows);
        if lost {
            self.damage.push(format!(
                "{} follows {}, which is gone: what it moved is not known",
                self.at(entry.number),
                entry.follows
            ));
            self.check(&entry, false);
            self.counted.push(entry);
        }
    }

    /// Note what doesn't fit. `follows`: the entry before it is there too.
    fn check(&mut self, entry: &Entry, follows: bool) {
        let event = &entry.event;
        let at = self.at(entry.number);
        if event.computed_hash() != event.hash || event.model != self.model {
            self.damage.push(format!("{at} is not what its hash says: it was changed"));
        }
        let (sequence, hash) = match self.last() {
            Some(last) => (last.event.sequence, last.event.hash.as_str()),
            None => (0, Event::FIRST_PREVIOUS),
        };
        if follows && (event.previous_hash != hash || event.sequence != sequence + 1) {
            self.damage.push(format!("{at} does not follow the entry before it: the chain is cut"));
        }
    }

    fn note_deleted(&mut self, from: u64, to: u64) {
        if from >= to {
            return;
        }
        let which = match to - from {
            1 => format!("{} was", self.at(from)),
            _ => format!("versions {from} to {} of `{}` were", to - 1, name_of(&self.model)),
        };
        self.damage.push(format!("{which} deleted"));
    }

    fn at(&self, number: u64) -> String {
        format!("version {number} of `{}`", name_of(&self.model))
    }

    /// The moves that count, oldest first.
    pub(crate) fn events(&self) -> impl DoubleEndedIterator<Item = &Event> {
        self.counted.iter().map(|entry| &entry.event)
    }

    /// The entry that the next one has to follow.
    pub(crate) fn last(&self) -> Option<&Entry> {
        self.counted.last()
    }

    /// The entry that says what is live in an environment.
    pub(crate) fn last_of(&self, environment: &EnvironmentName) -> Option<&Entry> {
        self.counted
            .iter()
            .rev()
            .find(|entry| entry.event.environment.as_ref() == Some(environment))
    }

    /// What is live in an environment, as the log has it.
    pub(crate) fn live(&self, environment: &EnvironmentName) -> Option<VersionNumber> {
        self.last_of(environment)?.event.to
    }

    /// The environments that the log tells of, and what is live in each.
    pub(crate) fn environments(&self) -> BTreeMap<EnvironmentName, Option<VersionNumber>> {
        self.events().filter_map(|event| Some((event.environment.clone()?, event.to))).collect()
    }

    /// The move that this operation made, where it made one.
    pub(crate) fn of_operation(&self, operation_id: &str) -> Option<&Entry> {
        self.counted.iter().find(|entry| entry.event.operation_id == operation_id)
    }

    /// The entries of an environment whose moves the alias may not have seen.
    pub(crate) fn not_shown(&self, environment: &EnvironmentName) -> impl Iterator<Item = &Entry> {
        self.counted
            .iter()
            .filter(|entry| !entry.shown && entry.event.environment.as_ref() == Some(environment))
    }

    /// Whether an alias that points to `alias` is explained by the log.
    ///
    /// An alias is set after the move is logged, so it may lag behind: it may still be where the
    /// last move began, or where an earlier one went whose alias arrived after the last one's.
    pub(crate) fn standing(
        &self,
        environment: &EnvironmentName,
        alias: Option<VersionNumber>,
    ) -> Standing {
        let Some(last) = self.last_of(environment) else {
            return if alias.is_none() { Standing::InStep } else { Standing::Outside };
        };
        if last.event.to == alias {
            return Standing::InStep;
        }
        let not_moved_yet = !last.shown && last.event.from == alias;
        if not_moved_yet || self.not_shown(environment).any(|entry| entry.event.to == alias) {
            return Standing::Unfinished;
        }
        Standing::Outside
    }
}

impl Line {
    fn number(&self) -> u64 {
        match self {
            Self::Entry(entry) => entry.number,
            Self::Unreadable(number, _) | Self::Foreign(number) => *number,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::EventKind;
    use crate::registry::history::{Last, NewEvent};

    fn production() -> EnvironmentName {
        "production".parse().unwrap()
    }

    fn model() -> ModelName {
        "churn".parse().unwrap()
    }

    fn version(number: u64) -> Option<VersionNumber> {
        (number > 0).then_some(VersionNumber(number))
    }

    /// An entry that moves production to `to` after `before`, which its writer took for the last.
    fn entry(number: u64, before: Option<&Entry>, to: u64) -> Entry {
        let event = NewEvent {
            model: model(),
            environment: Some(production()),
            kind: EventKind::Promote,
            from: before.and_then(|entry| entry.event.to),
            to: version(to),
            actor: format!("writer of {number}"),
            reason: None,
            evidence: None,
            policy: None,
            operation_id: format!("op-{number}"),
            timestamp_ms: number as i64,
        };
        let last = before.map(|entry| Last::from(&entry.event));
        Entry {
            number,
            follows: before.map_or(0, |entry| entry.number),
            event: event.after(last),
            shown: true,
        }
    }

    fn fold(entries: &[&Entry]) -> Journal {
        let lines = entries.iter().map(|entry| Line::Entry(Box::new((*entry).clone()))).collect();
        Journal::fold(&model(), lines)
    }

    fn counted(journal: &Journal) -> Vec<u64> {
        journal.counted.iter().map(|entry| entry.number).collect()
    }

    #[test]
    fn of_entries_that_follow_the_same_one_the_first_counts() {
        let first = entry(1, None, 1);
        let won = entry(2, Some(&first), 2);
        let lost = entry(3, Some(&first), 3);
        let next = entry(4, Some(&won), 4);
        // What follows an entry that lost has lost too: its writer didn't read what others read.
        let confused = entry(5, Some(&lost), 5);
        let journal = fold(&[&next, &lost, &first, &confused, &won]);
        assert_eq!(counted(&journal), [1, 2, 4]);
        assert_eq!(journal.live(&production()), version(4));
        assert!(journal.damage.is_empty(), "{:?}", journal.damage);
        assert!(journal.of_operation("op-3").is_none());
        assert!(journal.of_operation("op-4").is_some());
    }

    #[test]
    fn a_number_that_is_read_twice_is_one_entry() {
        let first = entry(1, None, 1);
        let second = entry(2, Some(&first), 2);
        assert_eq!(counted(&fold(&[&second, &first, &second])), [1, 2]);
    }

    #[test]
    fn an_entry_that_was_deleted_is_told_and_does_not_undo_what_followed() {
        let first = entry(1, None, 1);
        let gone = entry(2, Some(&first), 2);
        let third = entry(3, Some(&gone), 3);
        let journal = fold(&[&first, &third]);
        assert_eq!(counted(&journal), [1, 3]);
        let damage = journal.damage.join("\n");
        assert!(damage.contains("version 2 of `churn.mlx-journal` was deleted"), "{damage}");
        assert!(damage.contains("what it moved is not known"), "{damage}");
        // The same for one that can't be read any more.
        let lines = vec![
            Line::Entry(Box::new(first)),
            Line::Unreadable(2, "no JSON".into()),
            Line::Entry(Box::new(third)),
        ];
        let journal = Journal::fold(&model(), lines);
        assert_eq!(counted(&journal), [1, 3]);
        assert!(journal.damage[0].contains("cannot be read: no JSON"), "{:?}", journal.damage);
    }

    #[test]
    fn what_lost_may_be_deleted_without_harm_but_not_unseen() {
        let first = entry(1, None, 1);
        let second = entry(2, Some(&first), 2);
        let fourth = entry(4, Some(&second), 3);
        let journal = fold(&[&first, &second, &fourth]);
        assert_eq!(counted(&journal), [1, 2, 4]);
        assert_eq!(journal.damage, ["version 3 of `churn.mlx-journal` was deleted"]);
    }

    #[test]
    fn an_entry_that_names_one_yet_to_come_does_not_count() {
        let mut from_the_future = entry(1, None, 1);
        from_the_future.follows = 7;
        assert!(counted(&fold(&[&from_the_future])).is_empty());
    }

    #[test]
    fn strangers_are_passed_over_and_told() {
        let first = entry(1, None, 1);
        let lines = vec![Line::Foreign(2), Line::Entry(Box::new(first.clone()))];
        let journal = Journal::fold(&model(), lines);
        assert_eq!(counted(&journal), [1]);
        assert_eq!(journal.damage, ["version 2 of `churn.mlx-journal` is none of mlx's entries"]);
    }

    #[test]
    fn a_changed_entry_still_counts_and_is_told() {
        let first = entry(1, None, 1);
        let mut changed = entry(2, Some(&first), 2);
        changed.event.actor = "mallory".into();
        let third = entry(3, Some(&changed), 3);
        let damage = fold(&[&first, &changed, &third]).damage.join("\n");
        assert!(damage.contains("version 2"), "{damage}");
        assert!(damage.contains("it was changed"), "{damage}");
        // With a hash that fits, the one after it no longer does.
        changed.event.hash = changed.event.computed_hash();
        let damage = fold(&[&first, &changed, &third]).damage.join("\n");
        assert!(damage.contains("version 3"), "{damage}");
        assert!(damage.contains("the chain is cut"), "{damage}");
    }

    #[test]
    fn an_alias_lags_behind_or_was_moved_by_others() {
        let first = entry(1, None, 1);
        let mut second = entry(2, Some(&first), 2);
        let mut third = entry(3, Some(&second), 3);
        let standing = |entries: &[&Entry], alias| fold(entries).standing(&production(), alias);

        assert_eq!(standing(&[], None), Standing::InStep);
        assert_eq!(standing(&[], version(1)), Standing::Outside);
        assert_eq!(standing(&[&first, &second], version(2)), Standing::InStep);
        // Shown already, so somebody put it back.
        assert_eq!(standing(&[&first, &second], version(1)), Standing::Outside);
        second.shown = false;
        assert_eq!(standing(&[&first, &second], version(1)), Standing::Unfinished);
        assert_eq!(standing(&[&first, &second], version(9)), Standing::Outside);
        assert_eq!(standing(&[&first, &second], None), Standing::Outside);
        // The second's alias arrived after the third's.
        third.shown = true;
        assert_eq!(standing(&[&first, &second, &third], version(2)), Standing::Unfinished);
    }
}
