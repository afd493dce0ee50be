//! Tokens in a file of TOML, which `mlx registry token` writes and a person can read.

use std::fs::File;
use std::path::Path;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::registry::access::{Role, TokenName, TokenRecord};
use crate::sys::{clock, files};

const FORMAT: u32 = 1;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: u32,
    #[serde(default)]
    token: Vec<Entry>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    name: TokenName,
    roles: Vec<Role>,
    sha256: String,
    created: Moment,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<Moment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revoked: Option<Moment>,
}

/// Milliseconds since 1970, written as people read them.
#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
struct Moment(i64);

/// What tells that a file is another than it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    length: u64,
    modified: SystemTime,
    #[cfg(unix)]
    inode: u64,
}

impl State {
    /// None: there is no such file, or it can't be told.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self {
            length: metadata.len(),
            modified: metadata.modified().ok()?,
            #[cfg(unix)]
            inode: std::os::unix::fs::MetadataExt::ino(&metadata),
        })
    }
}

pub(super) fn read(path: &Path) -> Result<Vec<TokenRecord>> {
    if !path.exists() {
        return Err(Error::user(format!("there is no file of tokens {}", path.display())).hint(
            format!(
                "make the first: `mlx registry token create NAME --role admin --auth {}`",
                path.display()
            ),
        ));
    }
    let text = files::read_text(path)?;
    let bad = |why: String| {
        Error::file("read", path, why)
            .hint("`mlx registry token` writes it; put its last state back")
    };
    let document: Document = toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
        bad(format!("line {line}: {}", error.message()))
    })?;
    if document.format != FORMAT {
        return Err(bad(format!("its format is {}, and this mlx reads {FORMAT}", document.format)));
    }
    Ok(document.token.into_iter().map(Into::into).collect())
}

/// Change the tokens of a file, which need not be there yet, while nobody else does.
pub(super) fn change(
    path: &Path,
    change: impl FnOnce(&mut Vec<TokenRecord>) -> Result<()>,
) -> Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let beside = Path::new(&beside);
    let lock = File::create(beside).map_err(|error| Error::io("write", beside, &error))?;
    // Where the file system has no locks, two changes at once may lose one; none breaks the file.
    let _ = lock.lock();
    let mut records = if path.exists() { read(path)? } else { vec![] };
    change(&mut records)?;
    let document =
        Document { format: FORMAT, token: records.into_iter().map(Into::into).collect() };
    let text = toml::to_string(&document)
        .map_err(|error| Error::bug(format!("tokens are no TOML: {error}")))?;
    let text =
        format!("# Tokens of an mlx registry, hashed. Written by `mlx registry token`.\n{text}");
    files::write_private(path, text.as_bytes())
}

impl From<Entry> for TokenRecord {
    fn from(entry: Entry) -> Self {
        Self {
            id: entry.id,
            name: entry.name,
            roles: entry.roles,
            digest: entry.sha256,
            created_ms: entry.created.0,
            expires_ms: entry.expires.map(|moment| moment.0),
            revoked_ms: entry.revoked.map(|moment| moment.0),
        }
    }
}

impl From<TokenRecord> for Entry {
    fn from(record: TokenRecord) -> Self {
        Self {
            id: record.id,
            name: record.name,
            roles: record.roles,
            sha256: record.digest,
            created: Moment(record.created_ms),
            expires: record.expires_ms.map(Moment),
            revoked: record.revoked_ms.map(Moment),
        }
    }
}

impl TryFrom<String> for Moment {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        clock::parse_rfc3339(&text).map(Self)
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> Self {
        clock::rfc3339(moment.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_file_is_said_with_its_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tokens.toml");
        let good = "format = 1\n\n[[token]]\nid = \"a\"\nname = \"ci\"\nroles = [\"reader\"]\n\
                    sha256 = \"b\"\ncreated = \"2026-01-02T03:04:05.678Z\"\n";
        std::fs::write(&path, good).expect("written");
        let records = read(&path).expect("read");
        assert_eq!(records[0].created_ms, 1_767_323_045_678);
        for (from, to, said) in [
            ("reader", "reeder", "line 6: `reeder` is not a role"),
            ("format = 1", "format = 2", "its format is 2"),
            ("2026-01-02", "2026-13-02", "line 8"),
            ("sha256", "sha265", "line 7"),
        ] {
            std::fs::write(&path, good.replace(from, to)).expect("written");
            let error = read(&path).expect_err("bad");
            assert!(error.message().contains(said), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn its_owner_alone_reads_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tokens.toml");
        change(&path, |_| Ok(())).expect("made");
        let mode = std::fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
