//! Which rows of the training file are held out.

use super::LoadRequest;
use super::moments::{Moments, ranks, times};
use crate::data::split::{self, Parts, Shares};
use crate::data::{Column, DataSettings, SplitKind, Table, Task, Values};
use crate::error::{Error, Result};

/// Which rows of the training file to hold out.
pub(in crate::data) fn divide(
    request: &LoadRequest<'_>,
    train: &Table,
    has_test: bool,
    notices: &mut Vec<String>,
) -> Result<Parts> {
    let settings = request.settings;
    let split = &settings.split;
    let shares = Shares { test: if has_test { 0.0 } else { split.test }, valid: split.valid };
    if request.task == Task::Forecasting && split.kind != SplitKind::Time {
        return divide_by_horizon(settings, train, has_test, notices);
    }
    let parts = match split.kind {
        SplitKind::Time => {
            let name = split.time.as_ref().or(settings.time.as_ref()).ok_or_else(|| {
                Error::user("`data.split` is by time, and no column of times is named")
                    .hint("name it: `split = { kind = \"time\", time = \"created_at\" }`")
            })?;
            split::by_time(&ranks(&times(train, train.require(name)?)?), shares)
        }
        SplitKind::Group => {
            let name = split.group.as_ref().or(settings.query.as_ref()).ok_or_else(|| {
                Error::user("`data.split` is by group, and no column of groups is named")
                    .hint("name it: `split = { kind = \"group\", group = \"customer\" }`")
            })?;
            split::by_group(&groups(train.require(name)?), shares, split.seed)
        }
        SplitKind::Random => {
            // Candidates of one query are judged together, so they are held out together.
            if let (Task::Ranking, Some(query)) = (request.task, &settings.query) {
                split::by_group(&groups(train.require(query)?), shares, split.seed)
            } else {
                let strata = match train.column(settings.label()) {
                    Some(column) if split.stratify => groups(column),
                    _ => vec![0; train.rows],
                };
                split::random(&strata, shares, split.seed)
            }
        }
    };
    check_parts(&parts, shares)?;
    Ok(parts)
}

fn check_parts(parts: &Parts, shares: Shares) -> Result<()> {
    for (rows, share, name) in [
        (&parts.train, 1.0, "training"),
        (&parts.valid, shares.valid, "validation"),
        (&parts.test, shares.test, "testing"),
    ] {
        if rows.is_empty() && share > 0.0 {
            return Err(Error::user(format!("the split leaves no row for {name}"))
                .hint("give more rows or groups, or other shares in `data.split`"));
        }
    }
    Ok(())
}

fn divide_by_horizon(
    settings: &DataSettings,
    train: &Table,
    has_test: bool,
    notices: &mut Vec<String>,
) -> Result<Parts> {
    let moments = Moments::of(train, settings)?;
    moments.check_distinct(train)?;
    let horizon = settings.horizon.unwrap_or(1);
    let ends = split::by_horizon(&moments.series, &ranks(&moments.times), horizon, !has_test);
    if ends.parts.valid.is_empty() || !has_test && ends.parts.test.is_empty() {
        let needed = if has_test { horizon } else { 2 * horizon } + 1;
        return Err(Error::user(format!(
            "no series of {} is long enough for a horizon of {horizon}: {needed} times are the least",
            train.origin.file()
        ))
        .hint("use a shorter `data.horizon`, or more history"));
    }
    let count = moments.keys.len();
    if ends.untested > 0 {
        notices.push(format!(
            "{} of {count} series are too short to test on; they are trained on",
            ends.untested
        ));
    }
    if ends.unvalidated > 0 {
        notices
            .push(format!("{} of {count} series are too short to validate on", ends.unvalidated));
    }
    Ok(ends.parts)
}

/// The number of each row's value.
fn groups(column: &Column) -> Vec<u32> {
    match &column.values {
        Values::Texts(texts) => split::number_off(texts.codes.iter()),
        Values::Numbers(values) => split::number_off(values.iter().map(|value| value.to_bits())),
        Values::Times(values) => split::number_off(values.iter()),
    }
}
