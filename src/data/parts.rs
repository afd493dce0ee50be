//! A file of any size some rows at a time: read, worked on and taken on all cores at once, in order.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::formats::{self, Format};
use super::read::{Gathered, Kinds, Reading};
use super::storage::{Input, Local, Storage as _};
use super::table::Origin;
use super::{ReadOptions, Table};
use crate::data::raw::RawTable;
use crate::error::Result;

/// The files that a name or a glob means.
pub(crate) fn files(name: &Path) -> Result<Vec<PathBuf>> {
    Local { root: PathBuf::new() }.find(name)
}

/// What is done with the rows.
pub(crate) struct Work<'a, T> {
    /// Columns whose cells are needed, all of a kind that the options decide.
    pub wanted: &'a (dyn Fn(&str) -> bool + Sync),
    /// Done on all cores, with tables that follow each other.
    pub work: &'a (dyn Fn(&Table) -> Result<T> + Sync),
    /// Done in the order of the file.
    pub take: &'a mut (dyn FnMut(T) -> Result<()> + Send),
}

/// Reads one file, or all that a glob names, and answers how many rows there were. A CSV file, which
/// may be larger than memory, is never there as a whole; those of other formats are.
pub(crate) fn read_in_parts<T: Send>(
    name: &Path,
    options: &ReadOptions,
    work: &mut Work<'_, T>,
) -> Result<usize> {
    let storage = Local { root: PathBuf::new() };
    let decide = |_: &RawTable, _: &Path| Ok(options.kinds.clone());
    let mut rows = 0;
    for file in files(name)? {
        let input = Input::open(&storage, &file)?;
        let format = Format::detect(&input, options)?;
        let mut reading = Reading::new(options, false, &decide);
        let part = Part { file: &file, format, kinds: &options.kinds };
        let mut give = |tables: Vec<(usize, RawTable)>| {
            rows += tables.iter().map(|(_, raw)| raw.rows).sum::<usize>();
            let worked: Vec<Result<T>> = tables
                .into_par_iter()
                .map(|(first, raw)| (work.work)(&part.table(first, raw, options)?))
                .collect();
            worked.into_iter().try_for_each(|done| (work.take)(done?))
        };
        formats::read_in_parts(input, &storage, &mut reading, work.wanted, &mut give)?;
    }
    Ok(rows)
}

/// Where a table is from.
struct Part<'a> {
    file: &'a Path,
    format: Format,
    kinds: &'a Kinds,
}

impl Part<'_> {
    fn table(&self, first: usize, raw: RawTable, options: &ReadOptions) -> Result<Table> {
        let origin = Origin {
            // How long the file is shows at its end.
            files: vec![(self.file.to_owned(), usize::MAX)],
            picked: Some((first..first + raw.rows).collect()),
            ..Origin::default()
        };
        let kinds = self.kinds.clone();
        let gathered = Gathered { raw, sources: Vec::new(), origin, format: self.format, kinds };
        Ok(gathered.resolve(options)?.table)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::data::{ColumnKind, Values, read};

    /// Several blocks of rows, the city of one of which is cut by a line break.
    fn text(rows: usize) -> String {
        let mut text = "id,x,city,unused\n".to_owned();
        for row in 0..rows {
            let city = if row % 7 == 0 { "\"Rio\nde Janeiro\"" } else { "Oslo" };
            let _ = writeln!(text, "{row},{}.5,{city},{}", row % 100, "filling".repeat(4));
        }
        text
    }

    fn options() -> ReadOptions {
        let kind = |(name, kind): (&str, ColumnKind)| (name.to_owned(), kind);
        let kinds =
            [("id", ColumnKind::Id), ("x", ColumnKind::Numeric), ("city", ColumnKind::Categorical)];
        ReadOptions { kinds: kinds.map(kind).into(), ..ReadOptions::default() }
    }

    fn cells(table: &Table) -> Vec<String> {
        let cell = |name: &str, row: usize| match &table.column(name).expect("a column").values {
            Values::Numbers(values) => values[row].to_string(),
            Values::Texts(texts) => texts.get(row).unwrap_or("-").to_owned(),
            Values::Times(_) => unreachable!("there are no times"),
        };
        (0..table.rows)
            .map(|row| ["id", "x", "city"].map(|name| cell(name, row)).join(" "))
            .collect()
    }

    #[test]
    fn parts_are_the_rows_of_the_whole_in_their_order() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a.csv");
        std::fs::write(&file, text(40_000)).expect("a file");
        let (mut parts, mut together) = (0, Vec::new());
        let wanted = |name: &str| name != "unused";
        let rows = read_in_parts(
            &file,
            &options(),
            &mut Work {
                wanted: &wanted,
                work: &|table: &Table| Ok(cells(table)),
                take: &mut |cells: Vec<String>| {
                    parts += 1;
                    together.extend(cells);
                    Ok(())
                },
            },
        );
        assert_eq!(rows.expect("a table"), 40_000);
        assert!(parts > 3, "{parts}");
        assert!(together == cells(&read(&file, &options()).expect("a table")));
    }

    #[test]
    fn of_two_faults_the_first_is_named_by_its_row_of_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a.csv");
        let text = text(40_000).replace("\n30000,0.5,", "\n30000,zero,") + "one\n";
        std::fs::write(&file, text).expect("a file");
        let (mut taken, wanted) = (0, |name: &str| name != "unused");
        let read = read_in_parts(
            &file,
            &options(),
            &mut Work {
                wanted: &wanted,
                work: &|table: &Table| Ok(table.rows),
                take: &mut |rows: usize| {
                    taken += rows;
                    Ok(())
                },
            },
        );
        let error = read.expect_err("a bad cell");
        assert!(
            error.message().contains("row 30001 column `x`: `zero` is not a number"),
            "{error}"
        );
        assert!(taken < 30_000, "{taken}");
    }
}
