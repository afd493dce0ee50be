//! Rows that are ready to be learned from, in a file: what an estimator that goes down a gradient reads of data that
//! doesn't fit in memory.
//!
//! A row is its encoded numbers, its codes and its class, four bytes each, so that its place follows from its number.
//! Rows are read in blocks, each checked against its digest; the file is made once for data, preprocessing and
//! classes, whose digest names it, and found again by the next epoch, run or resumed run.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::order::Locality;
use crate::data::{Stream, Table};
use crate::engine::Batch;
use crate::error::{Error, Result};
use crate::model::features::{Features, Inputs};
use crate::model::labels::class_indices;
use crate::sys::files::{self, Pending};
use crate::sys::positional::Positional;

/// The format of the file and of what is in it.
const FORMAT: u32 = 1;
/// The end of every file.
const MAGIC: &[u8; 8] = b"mlx-rows";
/// The length of the description, its digest in hex, and the magic word.
const TAIL: usize = 8 + 64 + 8;
/// Bytes of a digest that are kept.
const DIGEST: usize = 16;

/// About how many bytes a block has. Reading so many at once costs little more than reading one.
const BLOCK: usize = 1 << 18;
/// Blocks that are shuffled together: 64 MiB.
const WINDOW: usize = 256;
/// Blocks that are kept: a batch may begin in one window and end in the next.
const HELD: usize = 2 * WINDOW;

/// How rows lie in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Layout {
    format: u32,
    rows: usize,
    dense: usize,
    codes: usize,
    /// Rows of a block; the last may have fewer.
    block: usize,
}

impl Layout {
    /// Words of a row.
    fn width(&self) -> usize {
        self.dense + self.codes + 1
    }

    fn blocks(&self) -> usize {
        self.rows.div_ceil(self.block)
    }

    fn bytes(&self, rows: usize) -> usize {
        rows * self.width() * 4
    }
}

/// The rows that train.
#[derive(Debug)]
pub(crate) struct RowFile {
    path: PathBuf,
    file: Positional,
    layout: Layout,
    digests: Vec<u8>,
    held: Mutex<Held>,
}

/// Blocks in memory, and in which order they came.
#[derive(Debug, Default)]
struct Held {
    blocks: HashMap<usize, Vec<u32>>,
    came: VecDeque<usize>,
}

impl RowFile {
    /// The rows of a stream that train, as these features encode them; made where they are not there yet.
    pub(crate) fn of(
        stream: &Stream,
        features: &Features,
        target: &str,
        classes: &[String],
    ) -> Result<Self> {
        let how = serde_json::json!([FORMAT, features, target, classes]);
        let path = stream.place_of(&how).ok_or_else(|| {
            Error::bug("rows are streamed, and there is no folder to keep them in")
        })?;
        let layout = Layout {
            format: FORMAT,
            rows: stream.rows.train,
            dense: features.dense_width(),
            codes: features.levels.len(),
            block: 0,
        };
        let block = (BLOCK / layout.bytes(1)).max(1);
        let layout = Layout { block, ..layout };
        if let Some(found) = Self::open(&path).filter(|found| found.layout == layout) {
            // What was not used for longest is the first to go.
            let _ = File::options()
                .append(true)
                .open(&path)
                .and_then(|file| file.set_modified(SystemTime::now()));
            return Ok(found);
        }
        write(stream, features, target, classes, &path, layout)?;
        stream.make_room(&path);
        Self::open(&path).ok_or_else(|| {
            Error::file("read", &path, "it is not what was written")
                .hint("check the disk; `.mlx/cache` may be removed")
        })
    }

    /// A file that is whole; its blocks are checked when they are read.
    fn open(path: &Path) -> Option<Self> {
        let file = Positional::open(path).ok()?;
        let before_tail = file.size().checked_sub(TAIL as u64)?;
        let tail = file.bytes_at(before_tail, TAIL).ok()?;
        let (size, rest) = tail.split_first_chunk::<8>()?;
        let (digest, magic) = rest.split_at(64);
        let size = usize::try_from(u64::from_le_bytes(*size)).ok()?;
        let start = before_tail.checked_sub(size as u64)?;
        let description = file.bytes_at(start, size).ok()?;
        if magic != MAGIC || files::digest_bytes(&description).as_bytes() != digest {
            return None;
        }
        let (layout, digests): (Layout, String) = serde_json::from_slice(&description).ok()?;
        let digests = hex::decode(digests).ok()?;
        let whole = layout.block > 0
            && digests.len() == layout.blocks() * DIGEST
            && layout.bytes(layout.rows) as u64 == start;
        let held = Mutex::default();
        whole.then(|| Self { path: path.to_owned(), file, layout, digests, held })
    }

    pub(crate) fn len(&self) -> usize {
        self.layout.rows
    }

    /// In which order they are best drawn.
    pub(crate) fn locality(&self) -> Locality {
        Locality { block: self.layout.block, window: WINDOW }
    }

    /// Adds these rows to a batch, and answers with the class of each.
    pub(crate) fn gather(&self, rows: &[usize], batch: &mut Batch) -> Result<Vec<u32>> {
        let Layout { dense, block, .. } = self.layout;
        let width = self.layout.width();
        let held = &mut *self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let mut absent: Vec<usize> = rows.iter().map(|row| row / block).collect();
        absent.sort_unstable();
        absent.dedup();
        absent.retain(|number| !held.blocks.contains_key(number));
        let read: Vec<Result<Vec<u32>>> =
            absent.par_iter().map(|&number| self.read(number)).collect();
        for (number, words) in absent.into_iter().zip(read) {
            held.blocks.insert(number, words?);
            held.came.push_back(number);
        }
        batch.rows += rows.len();
        batch.dense.reserve(rows.len() * dense);
        batch.codes.reserve(rows.len() * self.layout.codes);
        let mut labels = Vec::with_capacity(rows.len());
        for row in rows {
            let start = row % block * width;
            let words = &held.blocks[&(row / block)][start..start + width];
            let (numbers, codes) = words.split_at(dense);
            batch.dense.extend(numbers.iter().map(|&word| f32::from_bits(word)));
            batch.codes.extend_from_slice(&codes[..codes.len() - 1]);
            labels.extend(codes.last());
        }
        while held.came.len() > HELD
            && let Some(oldest) = held.came.pop_front()
        {
            held.blocks.remove(&oldest);
        }
        Ok(labels)
    }

    fn read(&self, number: usize) -> Result<Vec<u32>> {
        let Layout { rows, block, .. } = self.layout;
        let first = number * block;
        let size = self.layout.bytes(block.min(rows - first));
        let failed = |why: String| {
            Error::file("read", &self.path, why)
                .hint("go on with `mlx train --resume`, which makes it anew if it was removed: `rm -r .mlx/cache`")
        };
        let bytes = self
            .file
            .bytes_at(self.layout.bytes(first) as u64, size)
            .map_err(|error| failed(error.to_string()))?;
        if digest(&bytes)[..] != self.digests[number * DIGEST..(number + 1) * DIGEST] {
            return Err(failed("it was changed since it was made".into()));
        }
        let (words, _) = bytes.as_chunks::<4>();
        Ok(words.iter().map(|&word| u32::from_le_bytes(word)).collect())
    }
}

fn digest(bytes: &[u8]) -> Vec<u8> {
    let mut digest = files::digest_of(bytes);
    digest.truncate(DIGEST);
    digest
}

fn write(
    stream: &Stream,
    features: &Features,
    target: &str,
    classes: &[String],
    path: &Path,
    layout: Layout,
) -> Result<()> {
    let failed = |error: std::io::Error| Error::io("write", path, &error);
    let mut file = Pending::create(path)?;
    let numbers = features.numbers.iter().map(|feature| feature.column.as_str());
    let levels = features.levels.iter().map(|feature| feature.column.as_str());
    let columns: Vec<&str> = numbers.chain(levels).chain([target]).collect();
    let (mut digests, mut rest, mut written) = (Vec::new(), Vec::new(), 0);
    let size = layout.bytes(layout.block);
    let mut take = |bytes: Vec<u8>| -> Result<()> {
        rest.extend_from_slice(&bytes);
        written += bytes.len();
        let whole = rest.len() / size * size;
        for block in rest[..whole].chunks(size) {
            digests.extend(digest(block));
            file.write_all(block).map_err(failed)?;
        }
        rest.drain(..whole);
        Ok(())
    };
    let work = |table: &Table| lay_out(features, table, target, classes);
    stream.train_rows(&|name| columns.contains(&name), &work, &mut take)?;
    if written != layout.bytes(layout.rows) {
        return Err(Error::bug("another number of rows train than were counted"));
    }
    if !rest.is_empty() {
        digests.extend(digest(&rest));
        file.write_all(&rest).map_err(failed)?;
    }
    let description = serde_json::to_vec(&(layout, hex::encode(digests)))
        .map_err(|error| Error::bug(format!("rows can't be described: {error}")))?;
    let mut tail = description.clone();
    tail.extend_from_slice(&(description.len() as u64).to_le_bytes());
    tail.extend_from_slice(files::digest_bytes(&description).as_bytes());
    tail.extend_from_slice(MAGIC);
    file.write_all(&tail).map_err(failed)?;
    file.finish_unsynced()
}

/// Rows of a table as the file has them.
fn lay_out(
    features: &Features,
    table: &Table,
    target: &str,
    classes: &[String],
) -> Result<Vec<u8>> {
    let labels = class_indices(table, target, classes)?;
    let inputs = Inputs::read(features, table, 0..table.rows)?;
    let Batch { dense, codes, .. } = features.encode(&inputs).range(0..table.rows);
    let (dense_width, code_width) = (features.dense_width(), features.levels.len());
    let mut bytes = Vec::with_capacity(table.rows * (dense_width + code_width + 1) * 4);
    for (row, label) in labels.into_iter().enumerate() {
        for number in &dense[row * dense_width..(row + 1) * dense_width] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        for code in &codes[row * code_width..(row + 1) * code_width] {
            bytes.extend_from_slice(&code.to_le_bytes());
        }
        bytes.extend_from_slice(&(label as u32).to_le_bytes());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Write as _;

    use super::*;
    use crate::data::{Cache, DataSettings, Dataset, LoadRequest, Means, Task, load};
    use crate::model::features::NumberStyle;
    use crate::model::labels::classes_of;

    fn dataset(folder: &Path) -> (Dataset, DataSettings) {
        let mut text = "x,when,city,y\n".to_owned();
        for row in 0..9000 {
            let city = ["Oslo", "", "Bonn"][row / 7 % 3];
            let _ = writeln!(
                text,
                "{}.5,2024-05-{:02},{city},{}",
                row % 731,
                1 + row % 28,
                ["no", "yes"][row % 3 / 2]
            );
        }
        std::fs::write(folder.join("a.csv"), text).expect("written");
        let settings = DataSettings {
            train: "a.csv".into(),
            target: "y".into(),
            stream: true,
            ..DataSettings::default()
        };
        let cache = Cache { folder: folder.join("cache"), most_bytes: u64::MAX };
        let means = Means { cache: Some(cache), memory_bytes: None };
        let (task, columns) = (Task::Classification, BTreeMap::new());
        let request = LoadRequest {
            task,
            settings: &settings,
            columns: &columns,
            root: folder,
            means: &means,
        };
        (load(&request).expect("data"), settings)
    }

    fn batch() -> Batch {
        Batch::default()
    }

    #[test]
    fn a_row_of_the_file_is_the_row_in_memory() {
        let folder = tempfile::tempdir().expect("a folder");
        let (dataset, settings) = dataset(folder.path());
        let stream = dataset.stream.as_ref().expect("a stream");
        let names = dataset.features(&settings, Task::Classification);
        let classes = classes_of(&dataset.train, "y").expect("classes");
        let features = Features::fit(&dataset.train, &names, NumberStyle::Bins(16), None);
        let features = features.expect("features");
        let file = RowFile::of(stream, &features, "y", &classes).expect("a file");
        // So few rows are all in the sample.
        assert_eq!(file.len(), dataset.train.rows);
        let table = &dataset.train;
        let inputs = Inputs::read(&features, table, 0..table.rows).expect("inputs");
        let (rows, labels) =
            (features.encode(&inputs), class_indices(table, "y", &classes).expect("labels"));
        for picked in [vec![0, file.len() - 1, 17, 17], (0..file.len()).rev().collect()] {
            let (mut ours, mut theirs) = (batch(), batch());
            let own = file.gather(&picked, &mut ours).expect("rows");
            rows.gather(&picked, &mut theirs);
            assert!(ours.dense == theirs.dense && ours.codes == theirs.codes);
            assert!(picked.iter().zip(own).all(|(&row, label)| labels[row] as u32 == label));
        }

        // It is found again, unless its end is not there; a block that changed is an error.
        let whole = std::fs::read(&file.path).expect("bytes");
        let mut damaged = whole.clone();
        damaged[100] ^= 1;
        std::fs::write(&file.path, &damaged).expect("written");
        let again = RowFile::of(stream, &features, "y", &classes).expect("its end is whole");
        let error = again.gather(&[0], &mut batch()).expect_err("a block that changed");
        assert!(error.message().contains("it was changed since it was made"), "{error}");
        std::fs::write(&file.path, &whole[..whole.len() - 1]).expect("written");
        let again = RowFile::of(stream, &features, "y", &classes).expect("made anew");
        assert!(again.gather(&[0], &mut batch()).is_ok());
        assert!(std::fs::read(&file.path).expect("bytes") == whole);
    }
}
