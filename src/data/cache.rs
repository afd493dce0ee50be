//! Tables that were read before, kept so that the next command on the same data starts at once.
//!
//! A table is asked for by all that decides it: what its files hold, by SHA-256, and every setting that says how they
//! are read. A time stamp would be quicker to look at than the bytes and proves nothing: an entry that is taken for
//! the wrong file trains on other data than `mlx.lock` says. An entry is written whole, checked to its last byte when
//! it is read ([`entry`]), and never needed: whatever is wrong with it, the files are read again. The folder may be
//! removed at any time.

mod entry;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::storage::Storage;
use super::{Source, Table};
use crate::sys::files;

/// The format of entries. Raise it with whatever changes what is read of the same bytes.
const FORMAT: u32 = 1;

/// What is read of less is there in no time.
const SMALLEST: u64 = 4 << 20;

/// A file that nobody has written to for so long has nobody who finishes it.
const ABANDONED: Duration = Duration::from_hours(1);

const NOT_KEPT: &str = "what was read is not kept for the next time";

/// Where entries are, and how many bytes they may be together.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    pub folder: PathBuf,
    pub most_bytes: u64,
}

/// What was read of some files.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kept {
    pub tables: Vec<Table>,
    pub about: About,
}

/// What goes with the tables.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct About {
    pub sources: Vec<Source>,
    pub notices: Vec<String>,
    /// Whatever else whoever asked wants to know again.
    pub more: Value,
}

/// What is asked for: some files, read in a certain way.
pub(super) struct Question<'a> {
    pub storage: &'a dyn Storage,
    pub files: Vec<PathBuf>,
    /// All that decides what is read of them, but for what they hold.
    pub how: Value,
}

impl Question<'_> {
    /// Names the entries that may answer: the same files by name and size, read in the same way.
    fn name(&self) -> Option<String> {
        let mut sizes = Vec::new();
        for file in &self.files {
            sizes.push((file.to_str()?, self.storage.place(file)?.metadata().ok()?.len()));
        }
        let total: u64 = sizes.iter().map(|(_, size)| size).sum();
        let all = serde_json::json!([FORMAT, env!("CARGO_PKG_VERSION"), sizes, self.how]);
        (total >= SMALLEST).then(|| short(&all.to_string()))
    }
}

/// The beginning of a digest: of so many entries no two have it in common.
fn short(text: &str) -> String {
    let mut digest = files::digest_bytes(text.as_bytes());
    digest.truncate(32);
    digest
}

/// Names the content of files in their order.
fn content(digests: impl Iterator<Item = String>) -> String {
    short(&digests.collect::<Vec<_>>().join(" "))
}

impl Cache {
    const EXTENSION: &'static str = "table";

    /// What was read of these files before; `None` where it has to be read. `notices` are told of an entry that is
    /// damaged.
    pub(super) fn find(&self, question: &Question<'_>, notices: &mut Vec<String>) -> Option<Kept> {
        let name = question.name().filter(|_| self.most_bytes > 0)?;
        // To digest files that are not known by name and size would be for nothing.
        if self.entries().iter().all(|entry| !entry.is_of(&name)) {
            return None;
        }
        let places: Vec<PathBuf> = question
            .files
            .iter()
            .map(|file| question.storage.place(file))
            .collect::<Option<_>>()?;
        let digests: Vec<String> = places
            .par_iter()
            .map(|place| files::digest(place).ok().map(|(digest, _)| digest))
            .collect::<Option<_>>()?;
        let path = self.path(&name, &content(digests.into_iter()));
        if !path.is_file() {
            return None;
        }
        match entry::read(&path) {
            Ok(kept) => {
                // The entries that were not used for longest are the first to go.
                let _ = fs::File::options()
                    .append(true)
                    .open(&path)
                    .and_then(|file| file.set_modified(SystemTime::now()));
                Some(kept)
            }
            Err(why) => {
                notices
                    .push(format!("{} is damaged ({why}): the data is read again", path.display()));
                let _ = fs::remove_file(&path);
                None
            }
        }
    }

    /// Keep what was read, for the same question to be answered by. A run is not lost for want of it: what goes wrong
    /// is told to `notices`.
    pub(super) fn keep(&self, question: &Question<'_>, kept: &Kept, notices: &mut Vec<String>) {
        let Some(name) = question.name().filter(|_| self.most_bytes > 0) else { return };
        let digests = kept.about.sources.iter().map(|source| source.sha256.clone());
        let path = self.path(&name, &content(digests));
        match entry::write(&path, kept, self.most_bytes) {
            Ok(true) => {
                // What these files held before, nobody will ask for again.
                for entry in self.entries() {
                    if entry.is_of(&name) && entry.path != path {
                        let _ = fs::remove_file(&entry.path);
                    }
                }
                self.make_room(&path);
            }
            Ok(false) => {}
            // Once is enough, however many files there are.
            Err(_) if notices.iter().any(|notice| notice.starts_with(NOT_KEPT)) => {}
            Err(error) => {
                notices.push(format!("{NOT_KEPT}: {error} (`MLX_DATA_CACHE=0` keeps nothing)"));
            }
        }
    }

    /// The extension of files of rows ready to be learned from, which are kept here too.
    const ROWS: &'static str = "rows";

    /// Where rows of this name belong.
    pub(crate) fn rows(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.{}", Self::ROWS))
    }

    fn path(&self, name: &str, content: &str) -> PathBuf {
        self.folder.join(format!("{name}-{content}.{}", Self::EXTENSION))
    }

    /// Remove what was not used for longest until the rest is as small as it should be; never `kept`.
    pub(crate) fn make_room(&self, kept: &Path) {
        self.sweep(SystemTime::now() - ABANDONED);
        let mut entries = self.entries();
        entries.sort_by(|a, b| a.used.cmp(&b.used).then_with(|| a.path.cmp(&b.path)));
        let mut total: u64 = entries.iter().map(|entry| entry.size).sum();
        for entry in entries.iter().filter(|entry| entry.path != kept) {
            if total <= self.most_bytes {
                break;
            }
            if fs::remove_file(&entry.path).is_ok() {
                total -= entry.size;
            }
        }
    }

    /// Remove what processes that were killed left unfinished before this moment.
    fn sweep(&self, before: SystemTime) {
        for found in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let is_pending = found.file_name().to_string_lossy().starts_with(files::PENDING);
            let used = || found.metadata().and_then(|about| about.modified());
            if is_pending && used().is_ok_and(|used| used < before) {
                let _ = fs::remove_file(found.path());
            }
        }
    }

    /// All that is in the folder.
    fn entries(&self) -> Vec<Entry> {
        let Ok(found) = fs::read_dir(&self.folder) else { return Vec::new() };
        let entry = |path: PathBuf| {
            let is_ours = path
                .extension()
                .is_some_and(|extension| extension == Self::EXTENSION || extension == Self::ROWS);
            let about = is_ours.then(|| path.metadata().ok())??;
            let used = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            Some(Entry { path, size: about.len(), used })
        };
        found.flatten().filter_map(|found| entry(found.path())).collect()
    }
}

struct Entry {
    path: PathBuf,
    size: u64,
    used: SystemTime,
}

impl Entry {
    fn is_of(&self, name: &str) -> bool {
        let own = self.path.file_name().and_then(|name| name.to_str());
        own.is_some_and(|own| own.starts_with(name))
    }
}
