//! Files of any size some rows at a time: read, worked on and taken on all cores at once, in order.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::digesting::Tally;
use super::formats::{self, Format};
use super::raw::RawTable;
use super::read::{Gathered, Kinds, Reading};
use super::storage::{Input, Local, Storage};
use super::table::Origin;
use super::{ReadOptions, Table};
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

/// Reads one file, or all that a glob names, and answers how many rows there were. A CSV or Parquet file, which
/// may be larger than memory, is never there as a whole; those of other formats are.
pub(crate) fn read_in_parts<T: Send>(
    name: &Path,
    options: &ReadOptions,
    work: &mut Work<'_, T>,
) -> Result<usize> {
    let storage = Local { root: PathBuf::new() };
    let decide = |_: &RawTable, _: &Path| Ok(options.kinds.clone());
    let Work { wanted, work, take } = work;
    let work = |chunk: Chunk<'_>| work(&chunk.table(&options.kinds, options)?);
    let mut reading = Reading::new(options, false, &decide);
    let passed = each_chunk(&storage, name, &mut reading, *wanted, &work, *take)?;
    Ok(passed.iter().map(|file| file.rows).sum())
}

/// Rows that follow each other, as their file has them.
pub(super) struct Chunk<'a> {
    pub file: &'a Path,
    pub format: Format,
    /// The number of the first row in its file, and among those of all files.
    pub first: usize,
    pub overall: usize,
    pub raw: RawTable,
}

impl Chunk<'_> {
    /// Where the rows are from.
    pub(super) fn origin(&self) -> Origin {
        Origin {
            // How long the file is shows at its end.
            files: vec![(self.file.to_owned(), usize::MAX)],
            picked: Some((self.first..self.first + self.raw.rows).collect()),
            ..Origin::default()
        }
    }

    /// The rows as columns of these kinds.
    pub(super) fn table(self, kinds: &Kinds, options: &ReadOptions) -> Result<Table> {
        let origin = self.origin();
        let Self { format, raw, .. } = self;
        let kinds = kinds.clone();
        let gathered = Gathered { raw, sources: Vec::new(), origin, format, kinds };
        Ok(gathered.resolve(options)?.table)
    }
}

/// A file that was read to its end.
pub(super) struct Passed {
    pub file: PathBuf,
    pub format: Format,
    pub rows: usize,
    /// Of the bytes that were read, which a format that is read from where it lies has not all of.
    pub tally: Tally,
}

/// Every row of one file, or of all that a glob names: `work` is done on all cores, `take` in order.
pub(super) fn each_chunk<T: Send>(
    storage: &dyn Storage,
    name: &Path,
    reading: &mut Reading<'_>,
    wanted: &(dyn Fn(&str) -> bool + Sync),
    work: &(dyn Fn(Chunk<'_>) -> Result<T> + Sync),
    take: &mut (dyn FnMut(T) -> Result<()> + Send),
) -> Result<Vec<Passed>> {
    let mut passed = Vec::new();
    let mut before = 0;
    for file in storage.find(name)? {
        let input = Input::open(storage, &file)?;
        let (format, tally) = (Format::detect(&input, reading.options)?, input.tally());
        let mut rows = 0;
        let mut give = |tables: Vec<(usize, RawTable)>| {
            rows += tables.iter().map(|(_, raw)| raw.rows).sum::<usize>();
            let chunk = |(first, raw)| {
                work(Chunk { file: &file, format, first, overall: before + first, raw })
            };
            let worked: Vec<Result<T>> = tables.into_par_iter().map(chunk).collect();
            worked.into_iter().try_for_each(|done| take(done?))
        };
        formats::read_in_parts(input, storage, reading, wanted, &mut give)?;
        before += rows;
        passed.push(Passed { file, format, rows, tally });
    }
    Ok(passed)
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
