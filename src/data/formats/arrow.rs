//! Parquet and Arrow IPC, through Arrow's record batches; and the way back.
//!
//! Row groups of Parquet, and the columns of a batch, are decoded on all cores; batches are put together
//! in the order of the file. What a file has as a dictionary stays one. A Parquet file whose rows are wanted
//! some at a time is read from where it lies, a batch of each column, so that no part of it is ever whole in memory.

use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, TimestampMicrosecondType};
use arrow_array::{
    AnyDictionaryArray, Array, ArrayRef, Float64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use parquet::basic::Type;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use rayon::prelude::*;

use super::{Give, check_names};
use crate::data::raw::{Raw, RawColumn, RawTable};
use crate::data::read::Reading;
use crate::data::storage::Input;
use crate::data::table::{Dictionary, MISSING, MISSING_TIME};
use crate::data::texts::{Levels, Texts};
use crate::data::{Table, Values};
use crate::error::{Error, Result};
use crate::sys::positional::{Positional, Stream};

/// The largest integer up to which every one is a float of its own.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Rows of a batch of Parquet.
const BATCH: usize = 1 << 16;

pub(super) fn parquet(input: Input) -> Result<RawTable> {
    let (name, content) = input.bytes()?;
    let failed = |error: parquet::errors::ParquetError| damaged(&name, "Parquet", &error);
    let metadata =
        ArrowReaderMetadata::load(&content, ArrowReaderOptions::new()).map_err(failed)?;
    let schema = metadata.schema().clone();
    let groups = (0..metadata.metadata().num_row_groups()).into_par_iter().map(|group| {
        let reader =
            ParquetRecordBatchReaderBuilder::new_with_metadata(content.clone(), metadata.clone())
                .with_row_groups(vec![group])
                .with_batch_size(BATCH)
                .build()
                .map_err(failed)?;
        collect(&name, "Parquet", &schema, reader)
    });
    let groups: Vec<Result<Vec<RawTable>>> = groups.collect();
    let mut parts = Vec::new();
    for group in groups {
        parts.extend(group?);
    }
    stack(parts)
}

impl Length for Positional {
    fn len(&self) -> u64 {
        self.size()
    }
}

impl ChunkReader for Positional {
    type T = std::io::BufReader<Stream>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(std::io::BufReader::new(self.stream_at(start)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<bytes::Bytes> {
        Ok(self.bytes_at(start, length)?.into())
    }
}

/// What the columns of a Parquet file take in memory at the least: its texts may be a code each.
pub(super) fn parquet_size(place: &Path) -> Result<f64, ParquetError> {
    let file = Positional::open(place)?;
    let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new())?;
    let rows = metadata.metadata().file_metadata().num_rows() as f64;
    let columns = metadata.parquet_schema().columns().iter();
    let width = columns.map(|column| match column.physical_type() {
        Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY | Type::BOOLEAN => 4.0,
        Type::INT32 | Type::INT64 | Type::INT96 | Type::FLOAT | Type::DOUBLE => 8.0,
    });
    Ok(rows * width.sum::<f64>())
}

/// The rows of a Parquet file some batches at a time; see [`super::read_in_parts`].
pub(super) fn parquet_in_parts(
    name: &Path,
    place: &Path,
    reading: &mut Reading<'_>,
    wanted: &(dyn Fn(&str) -> bool + Sync),
    give: &mut Give<'_>,
) -> Result<()> {
    let mut batches = Batches::open(name, place, wanted)?;
    let mut wave = batches.next_wave()?;
    if let Some(first) = wave.first() {
        reading.kinds(first, name)?;
    }
    let mut rows = 0;
    while !wave.is_empty() {
        let numbered = wave.into_iter().map(|table| {
            rows += table.rows;
            (rows - table.rows, table)
        });
        let numbered = numbered.collect();
        // The next are decoded while these are worked on.
        let (next, given) = rayon::join(|| batches.next_wave(), || give(numbered));
        given?;
        wave = next?;
    }
    Ok(())
}

/// A Parquet file, read from where it lies.
struct Batches<'a> {
    name: &'a Path,
    file: Positional,
    metadata: ArrowReaderMetadata,
    /// Whether the cells of each column are wanted.
    wanted: Vec<bool>,
    /// The row group that comes next, and how many rows of the one before are still to come.
    group: usize,
    left: usize,
    /// A reader for each column that is wanted, of the row group before the next.
    readers: Vec<(usize, ParquetRecordBatchReader)>,
}

impl<'a> Batches<'a> {
    /// Rows of a batch: enough to be worth another thread, few enough that a hundred columns of them are little.
    const ROWS: usize = 1 << 14;

    fn open(name: &'a Path, place: &Path, wanted: &dyn Fn(&str) -> bool) -> Result<Self> {
        let file = Positional::open(place).map_err(|error| Error::io("read", name, &error))?;
        let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new())
            .map_err(|error| damaged(name, "Parquet", &error))?;
        let fields = metadata.schema().fields();
        check_names(name, fields.iter().map(|field| field.name().as_str()))?;
        let wanted = fields.iter().map(|field| wanted(field.name())).collect();
        Ok(Self { name, file, metadata, wanted, group: 0, left: 0, readers: Vec::new() })
    }

    /// As many batches as keep all cores busy; none at the end.
    fn next_wave(&mut self) -> Result<Vec<RawTable>> {
        while self.left == 0 {
            if self.group == self.metadata.metadata().num_row_groups() {
                return Ok(Vec::new());
            }
            self.open_group()?;
        }
        let most = self.left.div_ceil(Self::ROWS).min(2 * rayon::current_num_threads());
        let sizes: Vec<usize> =
            (0..most).map(|at| Self::ROWS.min(self.left - at * Self::ROWS)).collect();
        self.left -= sizes.iter().sum::<usize>();

        let schema = self.metadata.schema().clone();
        let name = self.name;
        let read =
            |(at, reader): &mut (usize, ParquetRecordBatchReader)| -> Result<Vec<RawColumn>> {
                let field = schema.field(*at);
                let mut parts = Vec::with_capacity(sizes.len());
                for &size in &sizes {
                    let batch = match reader.next() {
                        Some(Ok(batch)) if batch.num_rows() == size => batch,
                        Some(Err(error)) => return Err(damaged(name, "Parquet", &error)),
                        _ => {
                            let why = format!(
                                "column `{}` has not as many rows as its row group",
                                field.name()
                            );
                            return Err(damaged(name, "Parquet", &why));
                        }
                    };
                    parts.push(column(name, field, batch.column(0))?);
                }
                Ok(parts)
            };
        let columns: Vec<Result<Vec<RawColumn>>> = self.readers.par_iter_mut().map(read).collect();
        let mut columns: Vec<std::vec::IntoIter<RawColumn>> =
            columns.into_iter().map(|parts| parts.map(Vec::into_iter)).collect::<Result<_>>()?;
        let table = |&rows: &usize| {
            let mut read = columns.iter_mut();
            let fields = schema.fields().iter().zip(&self.wanted);
            let columns = fields.map(|(field, wanted)| {
                let own = if *wanted { read.next().and_then(Iterator::next) } else { None };
                own.unwrap_or_else(|| unread(field.name(), rows))
            });
            RawTable { columns: columns.collect(), rows, decimal: None }
        };
        Ok(sizes.iter().map(table).collect())
    }

    fn open_group(&mut self) -> Result<()> {
        let group = self.group;
        let rows = self.metadata.metadata().row_group(group).num_rows();
        let open = |at: usize| {
            let roots = ProjectionMask::roots(self.metadata.parquet_schema(), [at]);
            let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(
                self.file.clone(),
                self.metadata.clone(),
            );
            let reader = builder
                .with_row_groups(vec![group])
                .with_projection(roots)
                .with_batch_size(Self::ROWS);
            let reader = reader.build().map_err(|error| damaged(self.name, "Parquet", &error))?;
            Ok((at, reader))
        };
        let wanted = (0..self.wanted.len()).filter(|&at| self.wanted[at]);
        self.readers = wanted.map(open).collect::<Result<_>>()?;
        self.left = usize::try_from(rows).unwrap_or(0);
        self.group += 1;
        Ok(())
    }
}

/// A column that was passed over.
fn unread(name: &str, rows: usize) -> RawColumn {
    let texts = Dictionary { codes: vec![MISSING; rows], levels: Levels::default() };
    RawColumn { name: name.to_owned(), raw: Raw::Texts(texts), text: false }
}

pub(super) fn ipc(input: Input) -> Result<RawTable> {
    let (name, content) = input.bytes()?;
    let failed = |error| damaged(&name, "Arrow", &error);
    // The file format begins with a magic word, the stream format with a message.
    if content.starts_with(b"ARROW1") {
        let batches =
            arrow_ipc::reader::FileReader::try_new(Cursor::new(content), None).map_err(failed)?;
        let schema = batches.schema();
        stack(collect(&name, "Arrow", &schema, batches)?)
    } else {
        let batches =
            arrow_ipc::reader::StreamReader::try_new(Cursor::new(content), None).map_err(failed)?;
        let schema = batches.schema();
        stack(collect(&name, "Arrow", &schema, batches)?)
    }
}

fn damaged(name: &Path, format: &str, error: &dyn std::fmt::Display) -> Error {
    let error = error.to_string();
    let why = error.lines().next().unwrap_or_default();
    Error::file("read", name, format!("it is not whole as a {format} file: {why}"))
        .hint("write it again; a file in another format needs a name that says so, such as .csv")
}

fn collect(
    name: &Path,
    format: &str,
    schema: &Schema,
    batches: impl Iterator<Item = std::result::Result<RecordBatch, arrow_schema::ArrowError>>,
) -> Result<Vec<RawTable>> {
    check_names(name, schema.fields().iter().map(|field| field.name().as_str()))?;
    let mut parts = Vec::new();
    for batch in batches {
        let batch = batch.map_err(|error| damaged(name, format, &error))?;
        let columns: Vec<Result<RawColumn>> = schema
            .fields()
            .par_iter()
            .zip(batch.columns())
            .map(|(field, array)| column(name, field, array))
            .collect();
        let columns = columns.into_iter().collect::<Result<_>>()?;
        parts.push(RawTable { columns, rows: batch.num_rows(), decimal: None });
    }
    Ok(parts)
}

fn stack(parts: Vec<RawTable>) -> Result<RawTable> {
    RawTable::stack(parts)
        .map_err(|unlike| Error::bug(format!("batches differ in `{}`", unlike.column)))
}

fn column(name: &Path, field: &Field, array: &ArrayRef) -> Result<RawColumn> {
    use DataType as T;
    let cast = |to: &DataType| {
        arrow_cast::cast(array, to).map_err(|error| {
            Error::file("read", name, format!("column `{}`: {error}", field.name()))
        })
    };
    let plain = match field.data_type() {
        T::Dictionary(_, values) => values.as_ref(),
        other => other,
    };
    let mut text = false;
    let raw = match plain {
        T::Float16
        | T::Float32
        | T::Float64
        | T::Decimal32(..)
        | T::Decimal64(..)
        | T::Decimal128(..)
        | T::Decimal256(..) => numbers(&cast(&T::Float64)?),
        T::Int8 | T::Int16 | T::Int32 | T::UInt8 | T::UInt16 | T::UInt32 => {
            numbers(&cast(&T::Float64)?)
        }
        T::Int64 | T::UInt64 => match numbers(&cast(&T::Float64)?) {
            Raw::Numbers(values)
                if values.iter().all(|value| value.is_nan() || value.abs() < EXACT) =>
            {
                Raw::Numbers(values)
            }
            // An id of 19 digits would lose its last ones as a float.
            _ => texts(&cast(&T::Utf8)?),
        },
        T::Date32 | T::Date64 | T::Timestamp(..) => {
            let zoned = matches!(plain, T::Timestamp(_, Some(_)));
            let times = if zoned {
                cast(&T::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())))?
            } else {
                cast(&T::Timestamp(TimeUnit::Microsecond, None))?
            };
            let times = times.as_primitive::<TimestampMicrosecondType>();
            let values = times.iter().map(|time| time.unwrap_or(MISSING_TIME)).collect();
            Raw::Times { values, zoned }
        }
        T::Boolean | T::Null | T::Time32(_) | T::Time64(_) => texts(&cast(&T::Utf8)?),
        T::Utf8 | T::LargeUtf8 | T::Utf8View => {
            text = true;
            match array.as_any_dictionary_opt() {
                Some(dictionary) => coded(dictionary, |values| {
                    arrow_cast::cast(values, &T::Utf8).map_err(|error| {
                        Error::file("read", name, format!("column `{}`: {error}", field.name()))
                    })
                })?,
                None => texts(&cast(&T::Utf8)?),
            }
        }
        other => {
            return Err(Error::file(
                "read",
                name,
                format!(
                    "column `{}` has the type {other}, which is no column of a table",
                    field.name()
                ),
            )
            .hint("flatten it, or write the file without it"));
        }
    };
    Ok(RawColumn { name: field.name().clone(), raw, text })
}

fn numbers(array: &ArrayRef) -> Raw {
    let values = array.as_primitive::<Float64Type>();
    Raw::Numbers(values.iter().map(|value| value.unwrap_or(f64::NAN)).collect())
}

fn texts(array: &ArrayRef) -> Raw {
    let mut cells = Texts::default();
    for cell in array.as_string::<i32>() {
        cells.push(cell.unwrap_or_default().trim());
    }
    Raw::Texts(cells.finish())
}

/// A dictionary's texts: each value is looked at once, and each row has the code of its key.
fn coded(
    dictionary: &dyn AnyDictionaryArray,
    to_text: impl Fn(&ArrayRef) -> Result<ArrayRef>,
) -> Result<Raw> {
    let values = to_text(dictionary.values())?;
    let values = values.as_string::<i32>();
    let mut texts = Texts::default();
    let mut first_rows = vec![None; values.len()];
    for (row, key) in dictionary.normalized_keys().into_iter().enumerate() {
        // Both a key and the value that it names can be missing.
        if dictionary.keys().is_null(row) || values.is_null(key) {
            texts.push_missing();
        } else if let Some(first) = first_rows[key] {
            texts.push_as(first);
        } else {
            texts.push(values.value(key).trim());
            first_rows[key] = Some(row);
        }
    }
    Ok(Raw::Texts(texts.finish()))
}

/// A table as one record batch.
pub(crate) fn to_batch(table: &Table) -> Result<RecordBatch> {
    let mut fields = Vec::new();
    let mut arrays: Vec<ArrayRef> = Vec::new();
    for column in &table.columns {
        let array: ArrayRef = match &column.values {
            Values::Numbers(values) => Arc::new(
                values
                    .iter()
                    .map(|value| (!value.is_nan()).then_some(*value))
                    .collect::<Float64Array>(),
            ),
            Values::Times(values) => {
                // The type has no zone, so its times are of the project's clock.
                let ahead = i64::from(table.origin.offset_seconds) * 1_000_000;
                let local =
                    |time: &i64| (*time != MISSING_TIME).then(|| time.saturating_add(ahead));
                Arc::new(values.iter().map(local).collect::<TimestampMicrosecondArray>())
            }
            Values::Texts(texts) => {
                Arc::new((0..table.rows).map(|row| texts.get(row)).collect::<StringArray>())
            }
        };
        fields.push(Field::new(&column.name, array.data_type().clone(), true));
        arrays.push(array);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
        .map_err(|error| Error::bug(format!("columns make no batch: {error}")))
}

#[cfg(test)]
mod tests {
    use arrow_array::types::Int32Type;
    use arrow_array::{DictionaryArray, StringArray};

    use super::*;

    #[test]
    fn a_dictionary_stays_one_whatever_of_it_is_missing() {
        let values = StringArray::from(vec![Some("b "), None, Some("a"), Some(""), Some("b")]);
        let keys = arrow_array::Int32Array::from(vec![
            Some(2),
            Some(0),
            None,
            Some(1),
            Some(2),
            Some(4),
            Some(3),
            Some(0),
        ]);
        let array: ArrayRef =
            Arc::new(DictionaryArray::<Int32Type>::try_new(keys, Arc::new(values)).expect("keys"));
        let field = Field::new("city", array.data_type().clone(), true);
        let read = column(Path::new("a.parquet"), &field, &array).expect("a column");
        let Raw::Texts(texts) = read.raw else { panic!("texts") };
        let cells: Vec<_> = (0..8).map(|row| texts.get(row)).collect();
        let (a, b) = (Some("a"), Some("b"));
        assert_eq!(cells, [a, b, None, None, a, b, None, b]);
        assert_eq!(texts.levels.iter().collect::<Vec<_>>(), ["a", "b"]);
        assert!(read.text);
    }

    #[test]
    fn row_groups_keep_their_order() {
        use parquet::arrow::ArrowWriter;
        use parquet::file::properties::WriterProperties;

        let rows = 1000;
        let names: StringArray = (0..rows).map(|row| Some(format!("n{}", row % 13))).collect();
        let numbers: Float64Array = (0..rows).map(|row| Some(f64::from(row))).collect();
        let fields = [("name", DataType::Utf8), ("x", DataType::Float64)];
        let fields: Vec<Field> =
            fields.into_iter().map(|(name, kind)| Field::new(name, kind, true)).collect();
        let batch = RecordBatch::try_new(
            Arc::new(Schema::new(fields)),
            vec![Arc::new(names), Arc::new(numbers)],
        )
        .expect("a batch");
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(64)).build();
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a.parquet");
        let out = std::fs::File::create(&file).expect("a file");
        let mut writer =
            ArrowWriter::try_new(out, batch.schema(), Some(properties)).expect("a writer");
        writer.write(&batch).expect("written");
        writer.close().expect("closed");

        let table =
            crate::data::read(&file, &crate::data::ReadOptions::default()).expect("a table");
        assert_eq!(table.rows, 1000);
        // Eight bytes of a number and four of a code at the least.
        assert!(parquet_size(&file).is_ok_and(|size| (size - 12_000.0).abs() < 1e-9));
        let Values::Texts(names) = &table.columns[0].values else { panic!("texts") };
        assert_eq!(names.get(777), Some("n10"));
        let Values::Texts(x) = &table.columns[1].values else { panic!("it counts the rows") };
        assert_eq!(x.get(777), Some("777"));
    }
}
