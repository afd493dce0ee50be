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
