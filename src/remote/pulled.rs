//! Where a download comes together: a folder beside the target, which a later download of the same
//! files finds again, and which becomes the target when all is there.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::api::mlx::VersionFile;
use crate::error::{Error, ExitCode};
use crate::sys::{files, random};

const PREFIX: &str = ".mlx-pull-";

pub(super) struct Pulled {
    folder: PathBuf,
    lock: PathBuf,
    /// Held as long as we write there.
    _held: File,
}

impl Pulled {
    /// The folder for these files in `parent`. Another's, where somebody is downloading them right now.
    pub(super) fn open(parent: &Path, files: &[VersionFile]) -> io::Result<Self> {
        let mut name = Sha256::new();
        for file in files {
            name.update(format!("{}  {}\n", file.sha256, file.path));
        }
        let name = &hex::encode(name.finalize())[..16];
        if let Some(pulled) = Self::named(parent, name)? {
            return Ok(pulled);
        }
        let own = Self::named(parent, &random::hex_id(8))?;
        own.ok_or_else(|| io::Error::other("a lock that nobody else knows is taken"))
    }

    fn named(parent: &Path, name: &str) -> io::Result<Option<Self>> {
        let folder = parent.join(format!("{PREFIX}{name}"));
        let lock = parent.join(format!("{PREFIX}{name}.lock"));
        let mut held = File::options().create(true).truncate(false).write(true).open(&lock)?;
        if let Err(fs::TryLockError::WouldBlock) = held.try_lock() {
            return Ok(None);
        }
        // The file may have been removed by who held it since we opened it; then another one is the lock.
        let token = random::hex_id(8);
        held.set_len(0)?;
        held.write_all(token.as_bytes())?;
        if fs::read(&lock).is_ok_and(|there| there == token.as_bytes()) {
            fs::create_dir_all(&folder)?;
            return Ok(Some(Self { folder, lock, _held: held }));
        }
        Ok(None)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// All is there: give it its name.
    pub(super) fn finish(self, to: &Path) -> io::Result<()> {
        let parent = self.folder.parent().unwrap_or(Path::new("."));
        let renamed = files::open_folder(&self.folder)
            .and_then(|()| fs::rename(&self.folder, to))
            .and_then(|()| files::sync_folder(parent));
        if renamed.is_err() {
            let _ = fs::remove_dir_all(&self.folder);
        }
        let _ = fs::remove_file(&self.lock);
        renamed
    }

    /// It broke off. What came is kept where a repetition may succeed, and use it.
    pub(super) fn end(self, why: &Error) {
        if why.code() != ExitCode::Unreachable || size_bytes(&self.folder) == 0 {
            let _ = fs::remove_dir_all(&self.folder);
        }
        let _ = fs::remove_file(&self.lock);
    }
}

fn size_bytes(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => size_bytes(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}
