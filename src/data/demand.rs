//! What tables will need of memory, told before they are read: where there isn't as much, the system would
//! end the process without a word.

use std::path::{Path, PathBuf};

use super::formats::{self, Format};
use super::load::LoadRequest;
use super::numbers::number;
use super::raw::{Raw, RawTable};
use super::storage::{Input, Storage};
use super::{ReadOptions, Task};
use crate::error::{Error, Result};
use crate::sys::memory::show_bytes;

/// A table is in memory twice while its rows are divided into those that train, validate and test.
const TIMES: f64 = 2.0;

/// Whatever a file of this size holds, it isn't looked at.
const SMALL: u64 = 1 << 20;

/// An error where these files, together, surely need more memory than is free.
///
/// The estimate is a low one: what is let through may still be too much, what is refused would not have fitted.
/// What can't be told beforehand, such as a pipe, is let through, and so is what can't be read: reading says why.
pub(super) fn check(
    storage: &dyn Storage,
    files: &[PathBuf],
    options: &ReadOptions,
    request: &LoadRequest<'_>,
) -> Result<()> {
    let Some(free) = request.means.free_bytes() else { return Ok(()) };
    let needed = files.iter().map(|file| table_bytes(storage, file, options).unwrap_or(0.0));
    let needed = TIMES * needed.sum::<f64>();
    if needed <= free as f64 {
        return Ok(());
    }
    let names: Vec<String> = files.iter().take(2).map(|file| file.display().to_string()).collect();
    let more = if files.len() > 2 { " and others" } else { "" };
    let error = Error::user(format!(
        "{}{more} needs {} of memory at the least, and {} are free",
        names.join(" with "),
        show_bytes(needed as u64),
        show_bytes(free)
    ));
    let otherwise = "leave columns out, or use a machine with more memory; `MLX_MEMORY` says how much there is, if this is wrong";
    Err(match request.task {
        Task::Classification => error.hint(format!(
            "train without holding it in memory: `--set data.stream=true --set model.kind=mlp`; or {otherwise}"
        )),
        Task::Forecasting | Task::Ranking => error.hint(otherwise),
    })
}

/// What a file's columns will take at the least; `None` where nothing tells.
fn table_bytes(storage: &dyn Storage, file: &Path, options: &ReadOptions) -> Option<f64> {
    let place = storage.place(file)?;
    let stored = place.metadata().ok()?.len();
    let input = Input::open(storage, file).ok()?;
    let format = Format::detect(&input, options).ok()?;
    if let Some(size) = format.stated_size(&place) {
        return Some(size);
    }
    if stored < SMALL {
        return None;
    }
    let (bytes, beginning) = formats::beginning(&input, options)?;
    // Packed, a row takes fewer bytes of the file; how many fewer only unpacking would tell.
    Some(row_bytes(&beginning) * beginning.rows as f64 * stored as f64 / bytes.max(1) as f64)
}

/// What a row takes as columns, by rows that were read as texts.
fn row_bytes(rows: &RawTable) -> f64 {
    /// A code, a number or a time, and the place where a text ends.
    const CODE: f64 = 4.0;
    const NUMBER: f64 = 8.0;
    const END: f64 = 8.0;
    const FEW: usize = 20;
    let column = |raw: &Raw| match raw {
        Raw::Texts(texts) => {
            let levels = texts.levels.len().max(1);
            let is_number = |text: &str| number(text, None).is_some();
            if texts.levels.iter().take(50).all(is_number) {
                // A few may be codes as well as numbers.
                return if levels > FEW { NUMBER } else { CODE };
            }
            // What is new in most rows of the beginning will be new in most of the rest.
            if 2 * levels < rows.rows {
                return CODE;
            }
            let text: usize = texts.levels.iter().map(str::len).sum();
            let new = levels as f64 / rows.rows.max(1) as f64;
            CODE + new * (text as f64 / levels as f64 + END)
        }
        _ => NUMBER,
    };
    rows.columns.iter().map(|read| column(&read.raw)).sum()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::data::storage::Local;
    use crate::data::{DataSettings, Means};

    fn csv(rows: usize) -> String {
        let mut text = "id,x,city,who\n".to_owned();
        for row in 0..rows {
            let _ = writeln!(text, "{row},{}.25,Oslo,user-{row:08}", row % 977);
        }
        text
    }

    #[test]
    fn a_table_that_cannot_fit_is_refused_before_it_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("a.csv"), csv(60_000)).expect("written");
        let storage = Local { root: folder.path().to_owned() };
        let (options, settings, columns) =
            (ReadOptions::default(), DataSettings::default(), std::collections::BTreeMap::new());
        let asked = |file: &str, memory_bytes, task| {
            let means = Means { cache: None, memory_bytes: Some(memory_bytes) };
            let root = folder.path();
            let request =
                LoadRequest { task, settings: &settings, columns: &columns, root, means: &means };
            check(&storage, &[file.into()], &options, &request)
        };
        assert!(asked("a.csv", 1 << 30, Task::Classification).is_ok());
        let error = asked("a.csv", 2 << 20, Task::Classification).expect_err("too large");
        assert!(error.message().starts_with("a.csv needs "), "{error}");
        assert!(error.message().ends_with("2.1 MB are free"), "{error}");
        assert!(error.hint_text().is_some_and(|hint| hint.contains("data.stream=true")));
        let error = asked("a.csv", 2 << 20, Task::Ranking).expect_err("too large");
        assert!(error.hint_text().is_some_and(|hint| !hint.contains("stream")));
        // What is not there is for reading to say.
        assert!(asked("b.csv", 1, Task::Ranking).is_ok());
    }

    #[test]
    fn the_estimate_is_below_what_columns_take_and_near_it() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("a.csv"), csv(60_000)).expect("written");
        let storage = Local { root: folder.path().to_owned() };
        let told = table_bytes(&storage, Path::new("a.csv"), &ReadOptions::default());
        // An id, which is kept as a text, a number, a code, and a text of 13 bytes with its code and its end.
        let truth = 60_000.0 * ((4.0 + 5.0 + 8.0) + 8.0 + 4.0 + (4.0 + 13.0 + 8.0));
        let share = told.expect("a table") / truth;
        assert!((0.75..=1.0).contains(&share), "{share}");
    }
}
