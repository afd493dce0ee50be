//! Where bytes come from: found by name or glob, opened, and unpacked while they are read.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use super::digesting::{Digesting, Tally};
use crate::error::{Error, Result, closest};

/// A place that holds files. Local folders are one; object stores will be others.
pub(crate) trait Storage {
    /// The files that a name or a glob means, in a fixed order, each as the user would write it.
    fn find(&self, name: &Path) -> Result<Vec<PathBuf>>;

    /// The bytes of one of them, as stored.
    fn open(&self, name: &Path) -> Result<Box<dyn Read + Send>>;

    /// Whether it gives the same bytes when it is opened again, as no pipe does.
    fn can_open_again(&self, name: &Path) -> bool;

    fn exists(&self, name: &Path) -> bool;

    /// Where it lies as a file of this machine, which can be read from anywhere; no pipe does.
    fn place(&self, name: &Path) -> Option<PathBuf>;
}

/// Files under a folder; `-` is standard input.
#[derive(Debug)]
pub(crate) struct Local {
    pub root: PathBuf,
}

impl Storage for Local {
    fn find(&self, name: &Path) -> Result<Vec<PathBuf>> {
        if name.as_os_str().is_empty() {
            return Err(Error::user("no data file is named")
                .hint("name it in mlx.toml: `[data]` `train = \"data/train.csv\"`"));
        }
        if is_stdin(name) {
            return Ok(vec![name.to_owned()]);
        }
        let text = name.to_string_lossy();
        if let Some((scheme, _)) = text.split_once("://") {
            return Err(Error::user(format!("cannot read {text}: `{scheme}` is not read yet"))
                .hint("download the file and name it by its path"));
        }
        let path = self.root.join(name);
        if path.is_dir() {
            return Err(Error::file("read", name, "it is a folder")
                .hint(format!("name a file in it, or all: `{}`", name.join("*.csv").display())));
        }
        if path.exists() {
            return Ok(vec![name.to_owned()]);
        }
        if text.contains(['*', '?', '[']) {
            return self.matching(name);
        }
        Err(self.missing(name))
    }

    fn open(&self, name: &Path) -> Result<Box<dyn Read + Send>> {
        if is_stdin(name) {
            return Ok(Box::new(io::stdin()));
        }
        let file = File::open(self.root.join(name))
            .map_err(|error| Error::file("read", name, reason(&error)))?;
        Ok(Box::new(file))
    }

    fn can_open_again(&self, name: &Path) -> bool {
        !is_stdin(name) && self.root.join(name).is_file()
    }

    fn exists(&self, name: &Path) -> bool {
        self.root.join(name).is_file()
    }

    fn place(&self, name: &Path) -> Option<PathBuf> {
        self.can_open_again(name).then(|| self.root.join(name))
    }
}

impl Local {
    fn matching(&self, name: &Path) -> Result<Vec<PathBuf>> {
        let bad = |why: String| {
            Error::user(format!("`{}` is not a glob: {why}", name.display()))
                .hint("a glob reads like `data/part-*.csv`")
        };
        // The root is a folder of the user's, whose name may hold a bracket.
        let root = glob::Pattern::escape(&self.root.to_string_lossy());
        let pattern = Path::new(&root).join(name);
        let mut found = Vec::new();
        for entry in
            glob::glob(&pattern.to_string_lossy()).map_err(|error| bad(error.to_string()))?
        {
            let path = entry.map_err(|error| bad(error.to_string()))?;
            if path.is_file() {
                found.push(path.strip_prefix(&self.root).map_or(path.clone(), Path::to_owned));
            }
        }
        if found.is_empty() {
            return Err(Error::user(format!("no file matches `{}`", name.display())).hint(
                "check the folder and the pattern: `*` is any part of one name, `**` any folders",
            ));
        }
        Ok(found)
    }

    fn missing(&self, name: &Path) -> Error {
        let path = self.root.join(name);
        let error = Error::file("read", name, "there is no such file");
        let folder = path.parent().unwrap_or(Path::new("."));
        let Ok(entries) = folder.read_dir() else {
            return error.hint(format!("the folder {} isn't there either", folder.display()));
        };
        let names: Vec<String> = entries
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        let wanted = name.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match closest(&wanted, names.iter().map(String::as_str)) {
            Some(near) => {
                error.hint(format!("did you mean `{}`?", name.with_file_name(near).display()))
            }
            None => error.hint("paths in mlx.toml are relative to its folder, others to yours"),
        }
    }
}

pub(crate) fn is_stdin(name: &Path) -> bool {
    name == Path::new("-")
}

/// How a file is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packing {
    Plain,
    Gzip,
    Zstd,
}

/// A file's unpacked bytes, with the first of them looked at.
pub(crate) struct Input {
    pub name: PathBuf,
    /// The unpacked beginning: what formats and delimiters are told by.
    pub head: Vec<u8>,
    /// The bytes are the file's own, as it stores them.
    pub plain: bool,
    rest: Box<dyn Read + Send>,
    tally: Tally,
}

impl Input {
    const HEAD: usize = 1 << 16;

    pub(crate) fn open(storage: &dyn Storage, name: &Path) -> Result<Self> {
        let failed = |error| read_failed(name, &error);
        let tally = Tally::default();
        let mut stored = Digesting { stream: storage.open(name)?, tally: tally.clone() };
        let magic = fill(&mut stored, 4).map_err(failed)?;
        let packing = packing(&magic);
        let promised = match name.extension().and_then(|extension| extension.to_str()) {
            Some("gz") => Packing::Gzip,
            Some("zst") => Packing::Zstd,
            _ => packing,
        };
        if magic.is_empty() {
            return Err(Error::file("read", name, "the file is empty")
                .hint("a table has a header line and at least one row"));
        }
        if promised != packing {
            return Err(Error::file("read", name, "its name says it is packed, its bytes do not")
                .hint("rename it to what it is, or pack it"));
        }
        let stored = io::Cursor::new(magic).chain(stored);
        let mut rest: Box<dyn Read + Send> = match packing {
            Packing::Plain => Box::new(stored),
            Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::new(stored))),
            Packing::Zstd => Box::new(zstd::Decoder::new(stored).map_err(failed)?),
        };
        let mut head = fill(&mut rest, Self::HEAD).map_err(failed)?;
        if head.starts_with(b"\xef\xbb\xbf") {
            head.drain(..3);
        }
        if head.is_empty() {
            return Err(Error::file("read", name, "the file is empty")
                .hint("a table has a header line and at least one row"));
        }
        if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
            return Err(Error::file("read", name, "it is UTF-16 text")
                .hint(format!("save it as UTF-8: `iconv -f UTF-16 -t UTF-8 {}`", name.display())));
        }
        Ok(Self { name: name.to_owned(), head, plain: packing == Packing::Plain, rest, tally })
    }

    /// The digest of the stored bytes, once all are read.
    pub(crate) fn tally(&self) -> Tally {
        self.tally.clone()
    }

    /// All the bytes, from the first.
    pub(crate) fn stream(self) -> (PathBuf, impl Read + Send) {
        (self.name, io::Cursor::new(self.head).chain(self.rest))
    }

    /// All the bytes at once, for formats that are read from their end.
    pub(crate) fn bytes(self) -> Result<(PathBuf, bytes::Bytes)> {
        let (name, mut stream) = self.stream();
        let mut content = Vec::new();
        stream.read_to_end(&mut content).map_err(|error| read_failed(&name, &error))?;
        Ok((name, content.into()))
    }
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input").field("name", &self.name).finish_non_exhaustive()
    }
}

fn packing(magic: &[u8]) -> Packing {
    match magic {
        [0x1f, 0x8b, ..] => Packing::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd] => Packing::Zstd,
        _ => Packing::Plain,
    }
}

/// Up to this many bytes, fewer only where the stream ends.
fn fill(stream: &mut dyn Read, size: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.take(size as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A failure while unpacking or reading: a truncated archive says so.
pub(crate) fn read_failed(name: &Path, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Error::file("read", name, "the file ends in the middle")
            .hint("it was cut off, perhaps by a download or a full disk: fetch it again"),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::Other => {
            Error::file("read", name, format!("its bytes are damaged: {error}"))
                .hint("fetch the file again")
        }
        _ => Error::file("read", name, reason(error)),
    }
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        io::ErrorKind::NotFound => "there is no such file".into(),
        _ => error.to_string(),
    }
}
