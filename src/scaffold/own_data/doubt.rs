//! Columns whose type is in doubt: what was chosen, and why.

use super::levels;
use crate::data::{Column, ColumnKind, Values};
use crate::scaffold::ColumnNote;

/// A column whose type could as well be another, with the type that was chosen and why.
pub(super) fn doubt(column: &Column, rows: usize) -> Option<ColumnNote> {
    let note = |kind, why: String| Some(ColumnNote { name: column.name.clone(), kind, why });
    let levels = levels(column);
    let filled: usize = levels.values().sum();
    match levels.len() {
        0 => return note("ignore", "empty in every row".into()),
        1 if filled == rows => return note("ignore", "the same in every row".into()),
        _ => {}
    }
    let distinct = levels.len();
    match (&column.kind, &column.values) {
        (ColumnKind::Id, _) => note(
            "id",
            "different in every row: it names rows, and nothing is learned from it".into(),
        ),
        (ColumnKind::Text, _) => {
            note("text", "free text, left out; \"categorical\" would learn from it as it is".into())
        }
        (ColumnKind::Numeric, Values::Numbers(values)) => {
            let present = || values.iter().copied().filter(|value| !value.is_nan());
            if !present().all(|value| value.fract() == 0.0) {
                return None;
            }
            let counts_rows =
                distinct == rows && values.windows(2).all(|pair| pair[1] - pair[0] == 1.0);
            if counts_rows {
                return note("id", "counts the rows; \"numeric\" would learn from it".into());
            }
            if is_code(&column.name) {
                return if distinct == rows {
                    note("id", "whole numbers, different in every row, named like a key".into())
                } else {
                    note(
                        "categorical",
                        "digits, and the name speaks of a code rather than an amount".into(),
                    )
                };
            }
            if (3..=6).contains(&distinct) && rows > 50 {
                let list = present().fold(Vec::new(), |mut seen: Vec<f64>, value| {
                    if !seen.contains(&value) {
                        seen.push(value);
                    }
                    seen
                });
                return note(
                    "numeric",
                    format!("only {} whole numbers; \"categorical\" if they are codes", list.len()),
                );
            }
            None
        }
        (ColumnKind::Categorical, _) if distinct > 50 && distinct * 2 > rows => note(
            "categorical",
            format!("{distinct} different values in {rows} rows; \"ignore\" if they say little"),
        ),
        _ => None,
    }
}

/// Names of what is written in digits and isn't an amount.
fn is_code(name: &str) -> bool {
    let name = name.to_lowercase();
    let words: Vec<_> = name.split(|c: char| !c.is_alphanumeric()).collect();
    ["zip", "zipcode", "postcode", "postal", "plz", "code", "phone", "id", "sku", "isbn", "ean"]
        .iter()
        .any(|code| words.contains(code))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{numeric, texts};
    use super::*;

    #[test]
    fn only_doubtful_columns_are_written_down() {
        let whole: Vec<f64> = (0..100).map(f64::from).collect();
        assert_eq!(doubt(&numeric("row", &whole), 100).unwrap().kind, "id");
        let codes: Vec<f64> = (0..100).map(|row| f64::from(row % 40)).collect();
        assert_eq!(doubt(&numeric("zip", &codes), 100).unwrap().kind, "categorical");
        assert_eq!(doubt(&numeric("age", &codes), 100), None);
        assert_eq!(doubt(&numeric("empty", &[f64::NAN; 100]), 100).unwrap().kind, "ignore");
        assert_eq!(doubt(&texts("plan", &["a", "b"]), 2), None);
    }
}
