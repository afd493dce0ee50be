//! The formats that tables come in, each a reader from bytes to raw columns.

mod arrow;
mod csv;
mod jsonl;
mod svmlight;

pub(crate) use self::arrow::to_batch;

use std::path::Path;

use crate::data::ReadOptions;
use crate::data::raw::RawTable;
use crate::data::read::Reading;
use crate::data::storage::{Input, Storage};
use crate::error::{Error, Result, closest};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Csv,
    JsonLines,
    Parquet,
    Arrow,
    Svmlight,
}

const NAMES: &[(&str, Format)] = &[
    ("csv", Format::Csv),
    ("tsv", Format::Csv),
    ("txt", Format::Csv),
    ("jsonl", Format::JsonLines),
    ("ndjson", Format::JsonLines),
    ("json", Format::JsonLines),
    ("parquet", Format::Parquet),
    ("pq", Format::Parquet),
    ("arrow", Format::Arrow),
    ("ipc", Format::Arrow),
    ("feather", Format::Arrow),
    ("svmlight", Format::Svmlight),
    ("libsvm", Format::Svmlight),
    ("svm", Format::Svmlight),
    ("letor", Format::Svmlight),
];

impl Format {
    /// By the name that a user or a file's extension gives it.
    pub(crate) fn named(name: &str) -> Result<Self> {
        NAMES
            .iter()
            .find(|(known, _)| *known == name.to_ascii_lowercase())
            .map(|(_, format)| *format)
            .ok_or_else(|| {
                let names = ["csv", "jsonl", "parquet", "arrow", "svmlight"];
                Error::user(format!("`{name}` is no format that mlx reads")).hint(
                    match closest(name, names) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("use one of {}", names.join(", ")),
                    },
                )
            })
    }

    /// By a file's extension, .gz and .zst stripped.
    pub(crate) fn of_name(path: &Path) -> Option<Self> {
        Self::named(unpacked(path).extension()?.to_str()?).ok()
    }

    /// By what the file holds, where its name doesn't say; a `.txt` may be LETOR's.
    fn of_content(input: &Input) -> Self {
        let head = &input.head;
        let line = head.split(|&byte| byte == b'\n').next().unwrap_or_default();
        if head.starts_with(b"PAR1") {
            Self::Parquet
        } else if head.starts_with(b"ARROW1") {
            Self::Arrow
        } else if head.trim_ascii_start().starts_with(b"{") {
            Self::JsonLines
        } else if svmlight::looks_like(line) {
            Self::Svmlight
        } else {
            Self::Csv
        }
    }

    /// As a file's name says, or as `otherwise` where it does not; a `.txt` may hold anything.
    pub(crate) fn said(path: &Path, otherwise: Option<&str>) -> Result<Option<Self>> {
        let otherwise = otherwise.map(Self::named).transpose()?;
        let is_text = unpacked(path).extension().is_some_and(|extension| extension == "txt");
        Ok(Self::of_name(path).filter(|_| !is_text).or(otherwise))
    }

    pub(crate) fn detect(input: &Input, options: &ReadOptions) -> Result<Self> {
        match Self::said(&input.name, options.format.as_deref())? {
            Some(format) => Ok(format),
            None => match Self::of_content(input) {
                // What spreadsheets write is an archive, and no text has a zero byte.
                Self::Csv if input.head.starts_with(b"PK") || input.head.contains(&0) => {
                    Err(Error::file("read", &input.name, "it is no table that mlx reads")
                        .hint("save it as CSV; mlx reads csv, jsonl, parquet, arrow and svmlight"))
                }
                format => Ok(format),
            },
        }
    }

    /// What the columns of a file take in memory at the least, where the file itself says it.
    pub(crate) fn stated_size(self, place: &Path) -> Option<f64> {
        match self {
            Self::Parquet => arrow::parquet_size(place).ok(),
            Self::Csv | Self::JsonLines | Self::Arrow | Self::Svmlight => None,
        }
    }

    /// Whether a file of this format is a text, in which every value has to be found and understood.
    pub(crate) fn is_text(self) -> bool {
        match self {
            Self::Csv | Self::JsonLines => true,
            // Others are columns already, or, as svmlight's, have a second file beside them.
            Self::Parquet | Self::Arrow | Self::Svmlight => false,
        }
    }

    pub(crate) fn read(
        self,
        input: Input,
        storage: &dyn Storage,
        reading: &mut Reading<'_>,
    ) -> Result<RawTable> {
        let name = input.name.clone();
        let table = match self {
            Self::Csv => csv::read(input, reading),
            Self::JsonLines => jsonl::read(input),
            Self::Parquet => arrow::parquet(input),
            Self::Arrow => arrow::ipc(input),
            Self::Svmlight => svmlight::read(input, storage, reading.options),
        }?;
        if table.rows == 0 {
            return Err(no_rows(&name));
        }
        // Whoever has not asked on the way asks now.
        reading.kinds(&table, &name)?;
        Ok(table)
    }
}

/// Takes tables that follow each other, each with the number of its first row.
pub(crate) type Give<'a> = dyn FnMut(Vec<(usize, RawTable)>) -> Result<()> + Send + 'a;

/// The rows of a file some at a time where its format allows it, else all at once, in the order of the file.
/// Columns that `wanted` doesn't name are there without their cells.
pub(crate) fn read_in_parts(
    input: Input,
    storage: &dyn Storage,
    reading: &mut Reading<'_>,
    wanted: &(dyn Fn(&str) -> bool + Sync),
    give: &mut Give<'_>,
) -> Result<()> {
    let format = Format::detect(&input, reading.options)?;
    let name = input.name.clone();
    let mut rows = 0;
    let mut counted = |tables: Vec<(usize, RawTable)>| {
        rows += tables.iter().map(|(_, table)| table.rows).sum::<usize>();
        give(tables)
    };
    match (format, storage.place(&name).filter(|_| input.plain)) {
        (Format::Csv, _) => csv::read_in_parts(input, reading, wanted, &mut counted)?,
        (Format::Parquet, Some(place)) => {
            arrow::parquet_in_parts(&name, &place, reading, wanted, &mut counted)?;
        }
        _ => counted(vec![(0, format.read(input, storage, reading)?)])?,
    }
    if rows == 0 { Err(no_rows(&name)) } else { Ok(()) }
}

/// What the beginning of a text holds: how many bytes, and their rows, all as texts; `None` where none of it
/// can be read alone.
pub(crate) fn beginning(input: &Input, options: &ReadOptions) -> Option<(usize, RawTable)> {
    match Format::detect(input, options).ok()? {
        Format::Csv => csv::beginning(&input.head, options),
        _ => None,
    }
}

fn no_rows(name: &Path) -> Error {
    Error::file("read", name, "it has a header and no rows").hint("check how the file was made")
}

/// Whether mlx knows a format of this name.
pub(crate) fn check_format(name: &str) -> Result<()> {
    Format::named(name).map(drop)
}

/// Whether a file's name says its format.
pub(crate) fn names_format(path: &Path) -> bool {
    matches!(Format::said(path, None), Ok(Some(_)))
}

/// The name without .gz or .zst.
pub(crate) fn unpacked(path: &Path) -> std::path::PathBuf {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("gz" | "zst") => path.with_extension(""),
        _ => path.to_owned(),
    }
}

/// Column names that are there once each.
pub(super) fn check_names<'a>(file: &Path, names: impl IntoIterator<Item = &'a str>) -> Result<()> {
    let mut seen = std::collections::HashMap::new();
    for (at, name) in names.into_iter().enumerate() {
        if name.is_empty() {
            return Err(Error::file("read", file, format!("column {} has no name", at + 1))
                .hint("give every column a name in the header; pandas leaves out its own with `to_csv(index=False)`"));
        }
        if let Some(first) = seen.insert(name, at) {
            return Err(Error::file(
                "read",
                file,
                format!("columns {} and {} are both named `{name}`", first + 1, at + 1),
            )
            .hint("rename one of them in the header"));
        }
    }
    Ok(())
}
