//! What may be wrong with data that reads well: leaks, ids among the features, repetitions.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;

use super::check::row_hashes;
use super::table::{MISSING, MISSING_TIME};
use super::{Column, ColumnKind, DataSettings, Table, Task, Values};

/// Something that the user should look at. Training goes on all the same.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Suspicion {
    /// `leak`, `id`, `constant`, `missing`, `rare_class`, `duplicate_rows`, `duplicate_ids`,
    /// `shared_rows`, `conflict` or `gap`.
    pub kind: &'static str,
    pub column: Option<String>,
    pub message: String,
}

/// Fewer rows than this prove nothing.
const ENOUGH_ROWS: usize = 50;

pub(super) fn suspicions(
    train: &Table,
    test: Option<&Table>,
    settings: &DataSettings,
    task: Task,
    inputs: &[String],
) -> Vec<Suspicion> {
    let mut found = Vec::new();
    let target = train.column(settings.label());
    for column in inputs.iter().filter_map(|name| train.column(name)) {
        if let Some(target) = target {
            found.extend(leak(column, target, task));
        }
        found.extend(id_among_features(column, train.rows));
        found.extend(mostly_missing(column, train.rows));
    }
    let constant = inputs.iter().filter_map(|name| train.column(name)).filter(|c| is_constant(c));
    found.extend(constants(&constant.map(|column| column.name.as_str()).collect::<Vec<_>>()));
    if let Some(target) = target {
        found.extend(rare_classes(target));
    }
    found.extend(settings.id.iter().filter_map(|name| train.column(name)).filter_map(repeated_ids));
    if task != Task::Forecasting {
        found.extend(repetitions(train, test, settings));
    }
    found
}

fn suspicion(kind: &'static str, column: &Column, message: String) -> Suspicion {
    Suspicion { kind, column: Some(column.name.clone()), message }
}

/// A column that alone says the target is mostly made from it, or known only after it.
fn leak(column: &Column, target: &Column, task: Task) -> Option<Suspicion> {
    const SUSPICIOUS: f64 = 0.99;
    let rows = target.values.len();
    if rows < ENOUGH_ROWS {
        return None;
    }
    let (name, label) = (&column.name, &target.name);
    if task == Task::Classification {
        let Values::Texts(classes) = &target.values else { return None };
        let ordered = !matches!(column.values, Values::Texts(_));
        let score = one_rule(&bins(column), ordered, &classes.codes, classes.levels.len());
        return (score >= SUSPICIOUS).then(|| {
            suspicion("leak", column, format!(
                "`{name}` alone predicts `{label}` (balanced accuracy {score:.3} on rows it was not fitted on): is it known when the prediction is made? else `[columns] {name} = \"ignore\"`"
            ))
        });
    }
    let (Values::Numbers(a), Values::Numbers(b)) = (&column.values, &target.values) else {
        return None;
    };
    let correlation = correlation(a, b);
    (correlation.abs() >= 0.9999).then(|| {
        suspicion("leak", column, format!(
            "`{name}` is all but the same as `{label}` (correlation {correlation:.5}): is it known when the prediction is made? else `[columns] {name} = \"ignore\"`"
        ))
    })
}

/// Each row's bin: its text, its number where there are few, else its quantile.
fn bins(column: &Column) -> Vec<u32> {
    const FEW: usize = 256;
    const QUANTILES: usize = 64;
    let number = |values: &[f64]| {
        let mut sorted: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let mut edges = sorted.clone();
        edges.dedup();
        if edges.len() > FEW {
            edges = (1..QUANTILES).map(|at| sorted[at * sorted.len() / QUANTILES]).collect();
            edges.dedup();
        }
        values
            .iter()
            .map(|value| {
                if value.is_nan() {
                    MISSING
                } else {
                    edges.partition_point(|edge| edge <= value) as u32
                }
            })
            .collect()
    };
    match &column.values {
        Values::Texts(texts) => texts.codes.clone(),
        Values::Numbers(values) => number(values),
        Values::Times(values) => {
            number(&values.iter().map(|&time| time as f64).collect::<Vec<_>>())
        }
    }
}

/// The balanced accuracy of "in this bin it is that class", learned on the even rows and scored
/// on the odd ones, so that a column of distinct values proves nothing by them. A number that
/// wasn't seen goes by its neighbour.
fn one_rule(bins: &[u32], ordered: bool, classes: &[u32], count: usize) -> f64 {
    let mut sizes = vec![0.0_f64; count];
    let mut seen: HashMap<u32, Vec<f64>> = HashMap::new();
    for (&bin, &class) in bins.iter().zip(classes).step_by(2) {
        if let Some(size) = sizes.get_mut(class as usize) {
            *size += 1.0;
            seen.entry(bin).or_insert_with(|| vec![0.0; count])[class as usize] += 1.0;
        }
    }
    let rules: BTreeMap<u32, usize> = seen
        .into_iter()
        .map(|(bin, counts)| {
            let weight = |class: usize| counts[class] / sizes[class].max(1.0);
            let best = (0..count).max_by(|&a, &b| weight(a).total_cmp(&weight(b))).unwrap_or(0);
            (bin, best)
        })
        .collect();
    let (mut right, mut total) = (vec![0.0; count], vec![0.0; count]);
    for (bin, &class) in bins.iter().zip(classes).skip(1).step_by(2) {
        let class = class as usize;
        if class < count {
            total[class] += 1.0;
            right[class] += f64::from(u8::from(rule(&rules, *bin, ordered) == Some(class)));
        }
    }
    let present: Vec<usize> = (0..count).filter(|&class| total[class] > 0.0).collect();
    if present.len() < 2 {
        return 0.0;
    }
    present.iter().map(|&class| right[class] / total[class]).sum::<f64>() / present.len() as f64
}

fn rule(rules: &BTreeMap<u32, usize>, bin: u32, ordered: bool) -> Option<usize> {
    if !ordered || bin == MISSING {
        return rules.get(&bin).copied();
    }
    let below = rules.range(..=bin).next_back();
    let above = rules.range(bin..MISSING).next();
    let nearest = match (below, above) {
        (Some(below), Some(above)) if bin - below.0 > above.0 - bin => Some(above),
        (Some(below), _) => Some(below),
        (None, above) => above,
    };
    nearest.map(|(_, class)| *class)
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let pairs: Vec<(f64, f64)> =
        a.iter().copied().zip(b.iter().copied()).filter(|(a, b)| !(a + b).is_nan()).collect();
    let count = pairs.len() as f64;
    let (mean_a, mean_b) = pairs
        .iter()
        .fold((0.0, 0.0), |(sum_a, sum_b), (a, b)| (sum_a + a / count, sum_b + b / count));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in pairs {
        ab += (a - mean_a) * (b - mean_b);
        aa += (a - mean_a).powi(2);
        bb += (b - mean_b).powi(2);
    }
    if aa > 0.0 && bb > 0.0 { ab / (aa * bb).sqrt() } else { 0.0 }
}

fn id_among_features(column: &Column, rows: usize) -> Option<Suspicion> {
    if rows < ENOUGH_ROWS {
        return None;
    }
    let name = &column.name;
    let (distinct, what, share) = match &column.values {
        Values::Numbers(values) => {
            if values.iter().any(|value| value.fract() != 0.0) {
                return None;
            }
            (
                values.iter().map(|value| value.to_bits()).collect::<HashSet<_>>().len(),
                "integers",
                0.95,
            )
        }
        Values::Texts(texts) => (texts.levels.len(), "texts", 0.5),
        Values::Times(_) => return None,
    };
    (distinct as f64 >= rows as f64 * share).then(|| {
        suspicion("id", column, format!(
            "`{name}` looks like an id: {distinct} distinct {what} in {rows} rows; if it is one, `[columns] {name} = \"id\"`"
        ))
    })
}

fn is_constant(column: &Column) -> bool {
    match &column.values {
        Values::Numbers(values) => values.windows(2).all(|pair| pair[0] == pair[1]),
        Values::Texts(texts) => texts.codes.windows(2).all(|pair| pair[0] == pair[1]),
        Values::Times(values) => values.windows(2).all(|pair| pair[0] == pair[1]),
    }
}

/// One warning for all of them: sparse formats have many.
fn constants(names: &[&str]) -> Option<Suspicion> {
    const SHOWN: usize = 8;
    let (column, message) = match names {
        [] => return None,
        [one] => (Some((*one).to_owned()), format!("`{one}` has the same value in every row")),
        many => {
            let shown = many.iter().take(SHOWN).copied().collect::<Vec<_>>().join("`, `");
            let more = if many.len() > SHOWN { ", …" } else { "" };
            let message =
                format!("{} columns have the same value in every row: `{shown}`{more}", many.len());
            (None, message)
        }
    };
    Some(Suspicion { kind: "constant", column, message })
}

fn mostly_missing(column: &Column, rows: usize) -> Option<Suspicion> {
    let missing = match &column.values {
        Values::Numbers(values) => values.iter().filter(|value| value.is_nan()).count(),
        Values::Texts(texts) => texts.codes.iter().filter(|&&code| code == MISSING).count(),
        Values::Times(values) => values.iter().filter(|&&time| time == MISSING_TIME).count(),
    };
    let share = missing as f64 / rows.max(1) as f64;
    (share > 0.5).then(|| {
        let message = format!("`{}` is missing in {:.0} % of the rows", column.name, share * 100.0);
        suspicion("missing", column, message)
    })
}

fn rare_classes(target: &Column) -> Option<Suspicion> {
    const FEW: usize = 10;
    let Values::Texts(texts) = &target.values else { return None };
    if target.kind != ColumnKind::Categorical {
        return None;
    }
    let mut counts = vec![0; texts.levels.len()];
    for &code in &texts.codes {
        if let Some(count) = counts.get_mut(code as usize) {
            *count += 1;
        }
    }
    let rare: Vec<String> = texts
        .levels
        .iter()
        .zip(counts)
        .filter(|(_, count)| *count < FEW)
        .map(|(level, count)| format!("`{level}` ({count})"))
        .collect();
    (!rare.is_empty()).then(|| {
        let shown = rare.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
        let more = if rare.len() > 5 { ", …" } else { "" };
        let message = format!(
            "{} classes of `{}` have fewer than {FEW} rows: {shown}{more}",
            rare.len(),
            target.name
        );
        suspicion("rare_class", target, message)
    })
}

fn repeated_ids(column: &Column) -> Option<Suspicion> {
    let Values::Texts(texts) = &column.values else { return None };
    let mut seen = HashSet::new();
    let repeated = texts.codes.iter().filter(|code| !seen.insert(**code)).count();
    (repeated > 0).then(|| {
        let message = format!("{repeated} rows repeat an id of `{}`", column.name);
        suspicion("duplicate_ids", column, message)
    })
}

fn repetitions(train: &Table, test: Option<&Table>, settings: &DataSettings) -> Vec<Suspicion> {
    let mut found = Vec::new();
    let mut say = |kind, message| found.push(Suspicion { kind, column: None, message });
    let is_id = |column: &Column| settings.id.contains(&column.name);
    let rows = row_hashes(train, |column| !is_id(column));
    let distinct: HashSet<u64> = rows.iter().copied().collect();
    let repeated = rows.len() - distinct.len();
    if repeated > 0 {
        say("duplicate_rows", format!("{repeated} of {} rows repeat another row", rows.len()));
    }
    if train.column(settings.label()).is_some() {
        let label = settings.label();
        let inputs = row_hashes(train, |column| !is_id(column) && column.name != label);
        // Rows that are alike but for the target: as many as there are more rows than inputs.
        let alike = distinct.len() - inputs.iter().copied().collect::<HashSet<_>>().len();
        if alike > 0 {
            say("conflict", format!("rows that differ from another in `{label}` alone: {alike}"));
        }
    }
    if let Some(test) = test {
        let shared = row_hashes(test, |column| !is_id(column))
            .iter()
            .filter(|hash| distinct.contains(hash))
            .count();
        if shared > 0 {
            say(
                "shared_rows",
                format!(
                    "{shared} of {} rows of {} are in the training file too",
                    test.rows,
                    test.origin.file()
                ),
            );
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Dictionary;

    fn numbers(name: &str, value: impl Fn(usize) -> f64) -> Column {
        let values = Values::Numbers((0..400).map(value).collect());
        Column { name: name.into(), kind: ColumnKind::Numeric, values }
    }

    fn target() -> Column {
        let codes = (0..400).map(|row| u32::from(row % 7 == 0)).collect();
        let levels = ["no", "yes"].into_iter().collect();
        let values = Values::Texts(Dictionary { codes, levels });
        Column { name: "churned".into(), kind: ColumnKind::Categorical, values }
    }

    #[test]
    fn a_column_made_from_the_target_is_a_leak() {
        let leaky = numbers("refund", |row| if row % 7 == 0 { 20.0 + row as f64 } else { 0.0 });
        let found = leak(&leaky, &target(), Task::Classification).expect("a suspicion");
        assert_eq!((found.kind, found.column.as_deref()), ("leak", Some("refund")));
        let honest = numbers("age", |row| (row * 31 % 50) as f64);
        assert_eq!(leak(&honest, &target(), Task::Classification), None);
    }

    #[test]
    fn distinct_integers_look_like_an_id_and_prove_no_leak() {
        let id = numbers("number", |row| (row * 7919 % 100_003) as f64);
        assert_eq!(leak(&id, &target(), Task::Classification), None);
        assert_eq!(id_among_features(&id, 400).map(|found| found.kind), Some("id"));
        assert!(is_constant(&numbers("one", |_| 1.0)) && !is_constant(&id));
    }
}
