//! Tables into a file, whole or not at all, or to standard output.

use std::fs::File;
use std::io::{self, Seek as _, Write};
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_ipc::writer::FileWriter;
use flate2::write::GzEncoder;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use tempfile::SpooledTempFile;

use super::Table;
use super::formats::{Format, to_batch, unpacked};
use super::print::{csv, csv_header, json_lines};
use super::storage::is_stdin;
use crate::error::{Error, Result};
use crate::sys::files::Pending;

/// Write a table as its file's name says, or as `format` where it says none; `-` is standard output,
/// CSV by default.
pub(crate) fn write(path: &Path, format: Option<&str>, table: &Table) -> Result<()> {
    let mut writer = Writer::create(path, format)?;
    let printed = writer.printing.print(table)?;
    writer.append(printed)?;
    writer.finish()
}

/// A file that grows by tables of the same columns, and is there once it is finished.
pub(crate) struct Writer {
    path: PathBuf,
    printing: Printing,
    encoder: Encoder,
    packer: Packer,
    sink: Sink,
}

/// How tables are printed, on any core.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printing {
    format: Format,
    delimiter: u8,
}

/// A table that was printed.
pub(crate) enum Printed {
    Text { header: Vec<u8>, rows: Vec<u8> },
    Batch(RecordBatch),
}

enum Encoder {
    /// Nothing was written yet.
    Fresh,
    Text,
    Parquet(Box<ArrowWriter<Vec<u8>>>),
    Arrow(Box<FileWriter<Vec<u8>>>),
}

enum Packer {
    None,
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(zstd::Encoder<'static, Vec<u8>>),
}

enum Sink {
    File(Pending),
    /// Standard output, or a pipe or a device such as `/dev/stdout`, which can't be replaced: what goes
    /// there goes when it is whole. What is long waits in a temporary file.
    Spool(SpooledTempFile),
}

impl Printing {
    pub(crate) fn print(self, table: &Table) -> Result<Printed> {
        Ok(match self.format {
            Format::Csv => Printed::Text {
                header: csv_header(table, self.delimiter)?,
                rows: csv(table, self.delimiter)?,
            },
            Format::JsonLines => {
                Printed::Text { header: Vec::new(), rows: json_lines(table).into_bytes() }
            }
            Format::Parquet | Format::Arrow | Format::Svmlight => Printed::Batch(to_batch(table)?),
        })
    }
}

impl Writer {
    pub(crate) fn create(path: &Path, format: Option<&str>) -> Result<Self> {
        const IN_MEMORY: usize = 64 << 20;
        let printing = Self::printing_of(path, format)?;
        let packer = match path.extension().and_then(|extension| extension.to_str()) {
            Some("gz") => Packer::Gzip(GzEncoder::new(Vec::new(), flate2::Compression::default())),
            Some("zst") => Packer::Zstd(
                zstd::Encoder::new(Vec::new(), 0)
                    .map_err(|error| Error::io("write", path, &error))?,
            ),
            _ => Packer::None,
        };
        let sink = if is_stdin(path) || is_special(path) {
            Sink::Spool(SpooledTempFile::new(IN_MEMORY))
        } else {
            Sink::File(Pending::create(path)?)
        };
        Ok(Self { path: path.to_owned(), printing, encoder: Encoder::Fresh, packer, sink })
    }

    /// How tables are printed for a file of this name.
    pub(crate) fn printing_of(path: &Path, format: Option<&str>) -> Result<Printing> {
        let format = match Format::said(path, format)? {
            Some(format) => format,
            None if is_stdin(path) => Format::Csv,
            None => Format::of_name(path).ok_or_else(|| {
                Error::file("write", path, "its name says no format")
                    .hint("name it .csv, .jsonl or .parquet, or give `--output-format`")
            })?,
        };
        if format == Format::Svmlight {
            return Err(Error::file("write", path, "mlx reads svmlight and does not write it")
                .hint("name it .csv, .jsonl or .parquet"));
        }
        Ok(Printing { format, delimiter: delimiter(path) })
    }

    /// The rows below those that were appended before.
    pub(crate) fn append(&mut self, printed: Printed) -> Result<()> {
        match printed {
            Printed::Text { header, rows } => {
                if matches!(self.encoder, Encoder::Fresh) {
                    self.encoder = Encoder::Text;
                    self.put(&header)?;
                }
                self.put(&rows)
            }
            Printed::Batch(batch) => {
                if matches!(self.encoder, Encoder::Fresh) {
                    self.encoder = Encoder::of_batches(self.printing.format, &batch)?;
                }
                let bytes = self.encoder.encode(&batch)?;
                self.put(&bytes)
            }
        }
    }

    /// All of it to where it belongs.
    pub(crate) fn finish(mut self) -> Result<()> {
        let last = std::mem::replace(&mut self.encoder, Encoder::Fresh).finish()?;
        self.put(&last)?;
        let path = self.path;
        let failed = |error: io::Error| Error::io("write", &path, &error);
        let rest = match self.packer {
            Packer::None => Vec::new(),
            Packer::Gzip(encoder) => encoder.finish().map_err(failed)?,
            Packer::Zstd(encoder) => encoder.finish().map_err(failed)?,
        };
        match self.sink {
            Sink::File(mut file) => {
                file.write_all(&rest).map_err(failed)?;
                file.finish()
            }
            Sink::Spool(mut spool) => {
                spool.write_all(&rest).and_then(|()| spool.rewind()).map_err(failed)?;
                if is_stdin(&path) {
                    return to_stdout(&mut spool);
                }
                let copied =
                    File::options().write(true).truncate(true).open(&path).and_then(|mut file| {
                        io::copy(&mut spool, &mut file)?;
                        file.flush()
                    });
                copied.map_err(failed)
            }
        }
    }

    /// Bytes on their way, packed where the name says so.
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        let mut put = || -> io::Result<()> {
            let packed;
            let bytes = match &mut self.packer {
                Packer::None => bytes,
                Packer::Gzip(encoder) => {
                    encoder.write_all(bytes)?;
                    packed = std::mem::take(encoder.get_mut());
                    &packed
                }
                Packer::Zstd(encoder) => {
                    encoder.write_all(bytes)?;
                    packed = std::mem::take(encoder.get_mut());
                    &packed
                }
            };
            match &mut self.sink {
                Sink::File(file) => file.write_all(bytes),
                Sink::Spool(spool) => spool.write_all(bytes),
            }
        };
        put().map_err(|error| Error::io("write", &self.path, &error))
    }
}

impl Encoder {
    fn of_batches(format: Format, batch: &RecordBatch) -> Result<Self> {
        if format == Format::Arrow {
            let writer = FileWriter::try_new(Vec::new(), &batch.schema());
            return Ok(Self::Arrow(Box::new(writer.map_err(|error| cannot_encode(&error))?)));
        }
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties));
        Ok(Self::Parquet(Box::new(writer.map_err(|error| cannot_encode(&error))?)))
    }

    /// What of the file is ready when the batch is in it.
    fn encode(&mut self, batch: &RecordBatch) -> Result<Vec<u8>> {
        match self {
            Self::Parquet(writer) => {
                writer.write(batch).map_err(|error| cannot_encode(&error))?;
                Ok(std::mem::take(writer.inner_mut()))
            }
            Self::Arrow(writer) => {
                writer.write(batch).map_err(|error| cannot_encode(&error))?;
                Ok(std::mem::take(writer.get_mut()))
            }
            Self::Fresh | Self::Text => Err(Error::bug("a table was printed in two ways")),
        }
    }

    fn finish(self) -> Result<Vec<u8>> {
        match self {
            Self::Fresh | Self::Text => Ok(Vec::new()),
            Self::Parquet(writer) => writer.into_inner().map_err(|error| cannot_encode(&error)),
            Self::Arrow(mut writer) => writer
                .finish()
                .and_then(|()| writer.into_inner())
                .map_err(|error| cannot_encode(&error)),
        }
    }
}

fn cannot_encode(error: &dyn std::fmt::Display) -> Error {
    Error::bug(format!("cannot write a table: {error}"))
}

/// A pipe or a device: written to, where a file would be replaced.
fn is_special(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir())
}

fn delimiter(path: &Path) -> u8 {
    if unpacked(path).extension().is_some_and(|extension| extension == "tsv") {
        b'\t'
    } else {
        b','
    }
}

/// A reader that has gone away ends the output quietly.
fn to_stdout(content: &mut impl io::Read) -> Result<()> {
    let mut stdout = io::stdout().lock();
    match io::copy(content, &mut stdout).and_then(|_| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::user(format!("cannot write to standard output: {error}"))
                .hint("make room where it goes, or name a file"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{ReadOptions, read};

    #[test]
    fn every_format_gives_back_the_table_it_was_given() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let text = "when,x,y,who\n2024-01-01T10:00:00Z,0.1,1,\"a,b\"\n2024-01-02T10:00:00Z,,2,c\n2024-01-03T10:00:00Z,1e-9,3,\n";
        std::fs::write(path("in.csv"), text).expect("a file");
        let options = ReadOptions::default();
        let table = read(&path("in.csv"), &options).expect("a table");
        for name in ["a.csv", "a.csv.gz", "a.csv.zst", "a.tsv", "a.jsonl", "a.parquet", "a.arrow"] {
            write(&path(name), None, &table).expect(name);
            let again = read(&path(name), &options).expect(name);
            assert_eq!(again.rows, 3, "{name}");
            for (first, second) in table.columns.iter().zip(&again.columns) {
                assert_eq!(first.kind, second.kind, "{name} {}", first.name);
                // NaN is unlike itself, so columns are compared as they print.
                assert_eq!(format!("{:?}", first.values), format!("{:?}", second.values), "{name}");
            }
        }
        write(&path("b.csv"), None, &table).expect("written");
        let written = std::fs::read_to_string(path("b.csv")).expect("text");
        assert_eq!(written, text);
    }
}
