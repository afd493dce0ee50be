//! Files that appear whole or not at all, and the digests that name them.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// Write a file so that a reader, or a crash, sees the old content or the new and nothing between.
pub(crate) fn write_atomic(path: &Path, content: &[u8]) -> Result<()> {
    let mut file = Pending::create(path)?;
    file.write_all(content).map_err(|error| Error::io("write", path, &error))?;
    file.finish()
}

/// As [`write_atomic`], for what its owner alone may read.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Result<()> {
    let mut file = Pending::create(path)?;
    file.private = true;
    file.write_all(content).map_err(|error| Error::io("write", path, &error))?;
    file.finish()
}

/// How the names of files begin that are not finished: what a killed process leaves is known by it.
pub(crate) const PENDING: &str = ".mlx-";

/// A file that takes its place when it is finished; dropped before, it leaves nothing.
pub(crate) struct Pending {
    file: tempfile::NamedTempFile,
    path: PathBuf,
    /// Whether it stays as `tempfile` makes it: readable and writable by its owner alone.
    private: bool,
}

impl Pending {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let folder = folder_of(path);
        let file = fs::create_dir_all(folder)
            .and_then(|()| tempfile::Builder::new().prefix(PENDING).tempfile_in(folder))
            .map_err(|error| Error::io("write", path, &error))?;
        Ok(Self { file, path: path.to_owned(), private: false })
    }

    pub(crate) fn finish(self) -> Result<()> {
        self.file.as_file().sync_all().map_err(|error| Error::io("write", &self.path, &error))?;
        self.finish_unsynced()
    }

    /// The same, without waiting for the disk: for what is checked whenever it is read, and can be made again.
    pub(crate) fn finish_unsynced(self) -> Result<()> {
        let Self { file, path, private } = self;
        let attempt = || -> std::io::Result<()> {
            // `tempfile` makes files that only their owner reads; an artefact is as readable as any other file.
            if !private {
                readable_by_all(file.as_file())?;
            }
            file.persist(&path).map_err(|error| error.error)?;
            sync_folder(folder_of(&path))
        };
        attempt().map_err(|error| Error::io("write", &path, &error))
    }
}

impl Write for Pending {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| Error::io("read", path, &error))
}

pub(crate) fn read_text(path: &Path) -> Result<String> {
    String::from_utf8(read(path)?).map_err(|error| {
        Error::file(
            "read",
            path,
            format!("not UTF-8 text at byte {}", error.utf8_error().valid_up_to()),
        )
        .hint("save it as UTF-8")
    })
}

/// SHA-256 in lower-case hex, and the size in bytes, in constant memory.
pub(crate) fn digest(path: &Path) -> Result<(String, u64)> {
    let failed = |error| Error::file("read", path, error);
    let mut file = File::open(path).map_err(failed)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut size = 0;
    loop {
        let read = file.read(&mut buffer).map_err(failed)?;
        if read == 0 {
            return Ok((hex::encode(hasher.finalize()), size));
        }
        hasher.update(&buffer[..read]);
        size += read as u64;
    }
}

pub(crate) fn digest_bytes(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}

/// The same as bytes.
pub(crate) fn digest_of(content: &[u8]) -> Vec<u8> {
    Sha256::digest(content).to_vec()
}

/// Temporary folders are their owner's alone; what one becomes is as readable as any other folder.
#[cfg(unix)]
pub(crate) fn let_all_read_folder(folder: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
        .map_err(|error| Error::file("write", folder, error))
}

#[cfg(not(unix))]
pub(crate) fn let_all_read_folder(_: &Path) -> Result<()> {
    Ok(())
}

#[cfg(unix)]
fn readable_by_all(file: &File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable_by_all(_: &File) -> std::io::Result<()> {
    Ok(())
}

/// Let others into a folder that `tempfile` made for its owner alone.
#[cfg(unix)]
pub(crate) fn open_folder(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
pub(crate) fn open_folder(_: &Path) -> std::io::Result<()> {
    Ok(())
}

/// A rename is on disk only when its folder is.
#[cfg(unix)]
pub(crate) fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
pub(crate) fn sync_folder(_: &Path) -> std::io::Result<()> {
    Ok(())
}
