//! Parquet and Arrow IPC, through Arrow's record batches; and the way back.

use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, TimestampMicrosecondType};
use arrow_array::{
    Array, ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow_schema::{DataType, Field, Schema, TimeUnit};

use super::check_names;
use crate::data::raw::{Raw, RawColumn, RawTable};
use crate::data::storage::Input;
use crate::data::table::MISSING_TIME;
use crate::data::texts::Texts;
use crate::data::{Table, Values};
use crate::error::{Error, Result};

/// The largest integer up to which every one is a float of its own.
const EXACT: f64 = 9_007_199_254_740_992.0;

pub(super) fn parquet(input: Input) -> Result<RawTable> {
    let (name, content) = input.bytes()?;
    let failed = |error: parquet::errors::ParquetError| damaged(&name, "Parquet", &error);
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(content)
        .map_err(failed)?;
    let schema = reader.schema().clone();
    let batches = reader.build().map_err(failed)?;
    collect(&name, "Parquet", &schema, batches)
}

pub(super) fn ipc(input: Input) -> Result<RawTable> {
    let (name, content) = input.bytes()?;
    let failed = |error| damaged(&name, "Arrow", &error);
    // The file format begins with a magic word, the stream format with a message.
    if content.starts_with(b"ARROW1") {
        let batches =
            arrow_ipc::reader::FileReader::try_new(Cursor::new(content), None).map_err(failed)?;
        let schema = batches.schema();
        collect(&name, "Arrow", &schema, batches)
    } else {
        let batches =
            arrow_ipc::reader::StreamReader::try_new(Cursor::new(content), None).map_err(failed)?;
        let schema = batches.schema();
        collect(&name, "Arrow", &schema, batches)
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
) -> Result<RawTable> {
    check_names(name, schema.fields().iter().map(|field| field.name().as_str()))?;
    let mut table: Option<RawTable> = None;
    for batch in batches {
        let batch = batch.map_err(|error| damaged(name, format, &error))?;
        let columns = schema
            .fields()
            .iter()
            .zip(batch.columns())
            .map(|(field, array)| column(name, field, array))
            .collect::<Result<_>>()?;
        let part = RawTable { columns, rows: batch.num_rows(), decimal: None };
        match &mut table {
            None => table = Some(part),
            Some(table) => table
                .append(part)
                .map_err(|unlike| Error::bug(format!("batches differ in `{}`", unlike.column)))?,
        }
    }
    Ok(table.unwrap_or_default())
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
            texts(&cast(&T::Utf8)?)
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
