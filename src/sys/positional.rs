//! A file that many threads read from anywhere at once, without a place of its own.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

/// Reads name their place, so that none moves another's. Copies share the open file.
#[derive(Clone, Debug)]
pub(crate) struct Positional {
    file: Arc<File>,
    size: u64,
}

impl Positional {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Self::of(File::open(path)?)
    }

    pub(crate) fn of(file: File) -> io::Result<Self> {
        let size = file.metadata()?.len();
        Ok(Self { file: Arc::new(file), size })
    }

    /// In bytes, as it was when the file was opened.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// All of the buffer from this byte on; a file that ends before is an error.
    pub(crate) fn read_exact_at(&self, buffer: &mut [u8], mut at: u64) -> io::Result<()> {
        let mut rest = buffer;
        while !rest.is_empty() {
            match read_at(&self.file, rest, at) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    rest = &mut rest[read..];
                    at += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// So many bytes from this one on.
    pub(crate) fn bytes_at(&self, at: u64, size: usize) -> io::Result<Vec<u8>> {
        // A size that was read from a damaged file must not be believed before the file has so much.
        if at.checked_add(size as u64).is_none_or(|end| end > self.size) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut bytes = vec![0; size];
        self.read_exact_at(&mut bytes, at)?;
        Ok(bytes)
    }

    /// A stream of its own from this byte on.
    pub(crate) fn stream_at(&self, at: u64) -> Stream {
        Stream { file: self.clone(), at }
    }
}

/// Reads on from where it is.
#[derive(Debug)]
pub(crate) struct Stream {
    file: Positional,
    at: u64,
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = read_at(&self.file.file, buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, at)
}

/// It moves the file's own place, which nobody here looks at.
#[cfg(windows)]
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_name_their_place_and_end_with_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a");
        std::fs::write(&path, b"0123456789").expect("written");
        let file = Positional::open(&path).expect("opened");
        let mut stream = file.stream_at(7);
        assert_eq!(file.bytes_at(2, 3).expect("there"), b"234");
        let mut rest = String::new();
        stream.read_to_string(&mut rest).expect("text");
        assert_eq!((rest.as_str(), file.size()), ("789", 10));
        assert!(file.bytes_at(8, 3).is_err() && file.bytes_at(u64::MAX, 2).is_err());
    }
}
