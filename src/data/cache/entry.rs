//! An entry of the cache: the columns of tables as they are in memory, and a description that names every piece by
//! its place and SHA-256.
//!
//! The description comes last, with its own digest behind it, so that an entry which was cut off has none. Pieces are
//! as narrow as their values allow: a day is four bytes and not eight, a code of 200 levels is one.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{About, Kept};
use crate::data::table::{MISSING, MISSING_TIME, Origin};
use crate::data::texts::Levels;
use crate::data::{Column, ColumnKind, Dictionary, Table, Values};
use crate::error::{Error, Result};
use crate::sys::files::{self, Pending};
use crate::sys::positional::Positional;

/// The end of every entry.
const MAGIC: &[u8; 8] = b"mlxtable";
/// The length of the description, its digest in hex, and the magic word.
const TAIL: usize = 8 + 64 + 8;

#[derive(Serialize, Deserialize)]
struct Description {
    about: About,
    tables: Vec<TableOf>,
}

#[derive(Serialize, Deserialize)]
struct TableOf {
    rows: usize,
    columns: Vec<ColumnOf>,
    files: Vec<(PathBuf, usize)>,
    picked: Option<Piece>,
    time_formats: BTreeMap<String, String>,
    offset_seconds: i32,
}

#[derive(Serialize, Deserialize)]
struct ColumnOf {
    name: String,
    kind: ColumnKind,
    values: ValuesOf,
}

#[derive(Serialize, Deserialize)]
enum ValuesOf {
    Numbers(Piece),
    Times(Piece),
    Texts { codes: Piece, text: Piece, lengths: Piece },
}

/// Bytes of the entry, and what they are.
#[derive(Serialize, Deserialize)]
struct Piece {
    at: u64,
    size: usize,
    sha256: String,
    kind: Kind,
}

/// How a value is laid out; all little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    U8,
    U16,
    U32,
    U64,
    F32,
    F64,
    /// Whole days and whole seconds since 1970, in four bytes; microseconds in eight.
    Days,
    Seconds,
    Micros,
}

/// A piece before it has a place.
struct Bytes {
    bytes: Vec<u8>,
    sha256: String,
    kind: Kind,
}

impl Bytes {
    fn new(kind: Kind, bytes: Vec<u8>) -> Self {
        Self { sha256: files::digest_bytes(&bytes), bytes, kind }
    }

    fn of<const N: usize>(kind: Kind, values: impl ExactSizeIterator<Item = [u8; N]>) -> Self {
        let mut bytes = Vec::with_capacity(values.len() * N);
        for value in values {
            bytes.extend_from_slice(&value);
        }
        Self::new(kind, bytes)
    }
}

/// Write an entry whole; false, and nothing written, where it would be larger than that.
pub(super) fn write(path: &Path, kept: &Kept, most_bytes: u64) -> Result<bool> {
    let failed = |error: io::Error| Error::io("write", path, &error);
    let mut file = Pending::create(path)?;
    let at = Cell::new(0);
    let mut place = |Bytes { bytes, sha256, kind }: Bytes| -> Result<Piece> {
        file.write_all(&bytes).map_err(failed)?;
        let piece = Piece { at: at.get(), size: bytes.len(), sha256, kind };
        at.set(at.get() + bytes.len() as u64);
        Ok(piece)
    };
    let mut tables = Vec::new();
    for table in &kept.tables {
        let mut columns = Vec::with_capacity(table.columns.len());
        // As many at once as there are cores: what waits to be written is a copy.
        for some in table.columns.chunks(rayon::current_num_threads()) {
            let laid_out: Vec<Vec<Bytes>> =
                some.par_iter().map(|column| lay_out(&column.values)).collect();
            let size: usize = laid_out.iter().flatten().map(|own| own.bytes.len()).sum();
            if at.get() + size as u64 > most_bytes {
                return Ok(false);
            }
            for (column, pieces) in some.iter().zip(laid_out) {
                let pieces: Vec<Piece> =
                    pieces.into_iter().map(&mut place).collect::<Result<_>>()?;
                let values = match (&column.values, <[Piece; 3]>::try_from(pieces)) {
                    (_, Ok([codes, text, lengths])) => ValuesOf::Texts { codes, text, lengths },
                    (Values::Times(_), Err(mut one)) => ValuesOf::Times(one.remove(0)),
                    (_, Err(mut one)) => ValuesOf::Numbers(one.remove(0)),
                };
                columns.push(ColumnOf { name: column.name.clone(), kind: column.kind, values });
            }
        }
        let Origin { files, picked, time_formats, offset_seconds } = table.origin.clone();
        let rows = |rows: Vec<usize>| {
            Bytes::of(Kind::U64, rows.into_iter().map(|row| (row as u64).to_le_bytes()))
        };
        let picked = picked.map(|picked| place(rows(picked))).transpose()?;
        let rows = table.rows;
        tables.push(TableOf { rows, columns, files, picked, time_formats, offset_seconds });
    }
    if at.get() > most_bytes {
        return Ok(false);
    }
    let description = Description { about: kept.about.clone(), tables };
    let description = serde_json::to_vec(&description)
        .map_err(|error| Error::user(format!("cannot describe {}: {error}", path.display())))?;
    let mut tail = description;
    let size = tail.len() as u64;
    let digest = files::digest_bytes(&tail);
    tail.extend_from_slice(&size.to_le_bytes());
    tail.extend_from_slice(digest.as_bytes());
    tail.extend_from_slice(MAGIC);
    file.write_all(&tail).map_err(failed)?;
    // What a crash of the system leaves of it is found out when it is read.
    file.finish_unsynced()?;
    Ok(true)
}

fn lay_out(values: &Values) -> Vec<Bytes> {
    match values {
        Values::Numbers(values) => {
            let is_short = |value: &f64| f64::from(*value as f32).to_bits() == value.to_bits();
            let bytes = if values.iter().all(is_short) {
                Bytes::of(Kind::F32, values.iter().map(|value| (*value as f32).to_le_bytes()))
            } else {
                Bytes::of(Kind::F64, values.iter().map(|value| value.to_le_bytes()))
            };
            vec![bytes]
        }
        Values::Times(values) => {
            let in_units = |unit: i64| {
                values.iter().all(|&time| {
                    time == MISSING_TIME
                        || time % unit == 0 && (time / unit).unsigned_abs() < i32::MAX as u64
                })
            };
            let short = |kind, unit: i64| {
                let units = |&time: &i64| {
                    if time == MISSING_TIME { i32::MIN } else { (time / unit) as i32 }
                };
                Bytes::of(kind, values.iter().map(|time| units(time).to_le_bytes()))
            };
            vec![if in_units(DAY) {
                short(Kind::Days, DAY)
            } else if in_units(SECOND) {
                short(Kind::Seconds, SECOND)
            } else {
                Bytes::of(Kind::Micros, values.iter().map(|time| time.to_le_bytes()))
            }]
        }
        Values::Texts(Dictionary { codes, levels }) => {
            let (text, ends) = levels.parts();
            let codes = match levels.len() {
                // The largest code stands for the missing.
                0..0xff => Bytes::of(Kind::U8, codes.iter().map(|&code| [code as u8])),
                0xff..0xffff => {
                    Bytes::of(Kind::U16, codes.iter().map(|&code| (code as u16).to_le_bytes()))
                }
                _ => Bytes::of(Kind::U32, codes.iter().map(|code| code.to_le_bytes())),
            };
            let starts = std::iter::once(0).chain(ends.iter().copied());
            let lengths: Vec<usize> =
                ends.iter().zip(starts).map(|(end, start)| end - start).collect();
            let lengths = if lengths.iter().all(|&length| length <= 0xff) {
                Bytes::of(Kind::U8, lengths.iter().map(|&length| [length as u8]))
            } else {
                Bytes::of(Kind::U64, lengths.iter().map(|&length| (length as u64).to_le_bytes()))
            };
            vec![codes, Bytes::new(Kind::U8, text.as_bytes().to_vec()), lengths]
        }
    }
}

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// An entry that is what was written, to the last byte; else in a few words what is wrong with it.
pub(super) fn read(path: &Path) -> std::result::Result<Kept, String> {
    let words = |error: io::Error| error.to_string();
    let file = Positional::open(path).map_err(words)?;
    let before_tail = file.size().checked_sub(TAIL as u64).ok_or("it was cut off")?;
    let tail = file.bytes_at(before_tail, TAIL).map_err(words)?;
    let (size, rest) = tail.split_first_chunk::<8>().ok_or("it was cut off")?;
    let (digest, magic) = rest.split_at(64);
    if magic != MAGIC {
        return Err("it was cut off".into());
    }
    let size = usize::try_from(u64::from_le_bytes(*size)).map_err(|error| error.to_string())?;
    let start = before_tail.checked_sub(size as u64).ok_or("its description is too long")?;
    let description = file.bytes_at(start, size).map_err(words)?;
    if files::digest_bytes(&description).as_bytes() != digest {
        return Err("its description has another checksum".into());
    }
    let description: Description =
        serde_json::from_slice(&description).map_err(|error| error.to_string())?;
    let entry = Reader { file };
    let tables: Option<Vec<Table>> =
        description.tables.into_iter().map(|table| entry.table(table)).collect();
    let tables = tables.ok_or("a column has another checksum")?;
    Ok(Kept { tables, about: description.about })
}

struct Reader {
    file: Positional,
}

impl Reader {
    fn table(&self, table: TableOf) -> Option<Table> {
        let TableOf { rows, columns, files, picked, time_formats, offset_seconds } = table;
        let columns: Option<Vec<Column>> =
            columns.into_par_iter().map(|column| self.column(column, rows)).collect();
        let picked = match picked {
            Some(piece) => Some(self.whole_numbers(&piece)?),
            None => None,
        };
        let origin = Origin { files, picked, time_formats, offset_seconds };
        Some(Table { columns: columns?, rows, origin })
    }

    fn column(&self, column: ColumnOf, rows: usize) -> Option<Column> {
        let ColumnOf { name, kind, values } = column;
        let values = match values {
            ValuesOf::Numbers(piece) => Values::Numbers(self.numbers(&piece)?),
            ValuesOf::Times(piece) => Values::Times(self.times(&piece)?),
            ValuesOf::Texts { codes, text, lengths } => {
                let text = String::from_utf8(self.bytes(&text)?).ok()?;
                let levels = Levels::from_parts(text, &self.whole_numbers(&lengths)?)?;
                Values::Texts(Dictionary { codes: self.codes(&codes, levels.len())?, levels })
            }
        };
        (values.len() == rows).then_some(Column { name, kind, values })
    }

    fn bytes(&self, piece: &Piece) -> Option<Vec<u8>> {
        let bytes = self.file.bytes_at(piece.at, piece.size).ok()?;
        (files::digest_bytes(&bytes) == piece.sha256).then_some(bytes)
    }

    fn numbers(&self, piece: &Piece) -> Option<Vec<f64>> {
        let bytes = self.bytes(piece)?;
        match piece.kind {
            Kind::F32 => Some(each(&bytes, |value| f64::from(f32::from_le_bytes(value)))),
            Kind::F64 => Some(each(&bytes, f64::from_le_bytes)),
            _ => None,
        }
    }

    fn times(&self, piece: &Piece) -> Option<Vec<i64>> {
        let bytes = self.bytes(piece)?;
        let units = |unit: i64| {
            each(&bytes, |value| match i32::from_le_bytes(value) {
                i32::MIN => MISSING_TIME,
                time => i64::from(time) * unit,
            })
        };
        match piece.kind {
            Kind::Days => Some(units(DAY)),
            Kind::Seconds => Some(units(SECOND)),
            Kind::Micros => Some(each(&bytes, i64::from_le_bytes)),
            _ => None,
        }
    }

    /// Codes that are all of a level or [`MISSING`].
    fn codes(&self, piece: &Piece, levels: usize) -> Option<Vec<u32>> {
        let bytes = self.bytes(piece)?;
        let or_missing = |code: u32, missing: u32| if code == missing { MISSING } else { code };
        let codes: Vec<u32> = match piece.kind {
            Kind::U8 => each(&bytes, |[code]| or_missing(u32::from(code), 0xff)),
            Kind::U16 => {
                each(&bytes, |code| or_missing(u32::from(u16::from_le_bytes(code)), 0xffff))
            }
            Kind::U32 => each(&bytes, u32::from_le_bytes),
            _ => return None,
        };
        let is_known = |&code: &u32| code == MISSING || (code as usize) < levels;
        codes.iter().all(is_known).then_some(codes)
    }

    fn whole_numbers(&self, piece: &Piece) -> Option<Vec<usize>> {
        let bytes = self.bytes(piece)?;
        match piece.kind {
            Kind::U8 => Some(each(&bytes, |[value]| usize::from(value))),
            Kind::U64 => Some(each(&bytes, |value| u64::from_le_bytes(value) as usize)),
            _ => None,
        }
    }
}

fn each<const N: usize, T>(bytes: &[u8], value: impl Fn([u8; N]) -> T) -> Vec<T> {
    let (values, _) = bytes.as_chunks::<N>();
    values.iter().map(|&bytes| value(bytes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Source;

    fn kept() -> Kept {
        let column = |name: &str, kind, values| Column { name: name.into(), kind, values };
        let times = |times: &[i64]| Values::Times(times.to_vec());
        let many = (0..700).map(|row| Some(format!("level {row}"))).collect::<Dictionary>();
        let long = [Some("é".repeat(300)), None, Some("b".to_owned())].into_iter().collect();
        let few = Dictionary { codes: many.codes[..3].to_vec(), levels: many.levels.clone() };
        let columns = vec![
            column("short", ColumnKind::Numeric, Values::Numbers(vec![0.5, -0.0, 3e7])),
            column("exact", ColumnKind::Numeric, Values::Numbers(vec![0.1, 1e300, -1e-300])),
            column("days", ColumnKind::Timestamp, times(&[DAY, MISSING_TIME, -9000 * DAY])),
            column("seconds", ColumnKind::Timestamp, times(&[DAY + SECOND, 0, MISSING_TIME])),
            column("micros", ColumnKind::Timestamp, times(&[1, MISSING_TIME, -7])),
            column("long", ColumnKind::Text, Values::Texts(long)),
            column("few", ColumnKind::Categorical, Values::Texts(few)),
        ];
        let origin = Origin {
            files: vec![("data/a.csv".into(), 90)],
            picked: Some(vec![7, 3, 80]),
            time_formats: BTreeMap::from([("days".to_owned(), "%Y-%m-%d".to_owned())]),
            offset_seconds: 3600,
        };
        let table = Table { columns, rows: 3, origin };
        let source =
            Source { path: "data/a.csv".into(), sha256: "ab".repeat(32), size_bytes: 9, rows: 90 };
        let about = About {
            sources: vec![source],
            notices: vec!["a notice".into()],
            more: serde_json::json!({ "rows": 3 }),
        };
        Kept { tables: vec![table, Table::default()], about }
    }

    #[test]
    fn an_entry_comes_back_as_it_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.table");
        assert!(write(&path, &kept(), u64::MAX).expect("written"));
        assert_eq!(read(&path).expect("whole"), kept());
        // Not a number is unlike itself, and comes back too.
        let mut odd = kept();
        odd.tables[0].columns[0].values = Values::Numbers(vec![f64::NAN, 1.0, f64::INFINITY]);
        assert!(write(&path, &odd, u64::MAX).expect("written"));
        let again = read(&path).expect("whole");
        assert_eq!(format!("{:?}", again.tables), format!("{:?}", odd.tables));
        assert!(!write(&folder.path().join("b.table"), &kept(), 10).expect("too large"));
        assert_eq!(folder.path().read_dir().expect("a folder").count(), 1);
    }

    #[test]
    fn no_byte_can_change_and_none_be_missing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.table");
        write(&path, &kept(), u64::MAX).expect("written");
        let whole = std::fs::read(&path).expect("bytes");
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            std::fs::write(&path, &bytes).expect("written");
            assert!(read(&path).is_err(), "byte {at} of {}", whole.len());
        }
        for size in (0..whole.len()).step_by(11) {
            std::fs::write(&path, &whole[..size]).expect("written");
            assert!(read(&path).is_err(), "{size} bytes of {}", whole.len());
        }
    }
}
