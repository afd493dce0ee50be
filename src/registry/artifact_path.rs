//! A path of a stored file: forward slashes, relative, and going nowhere but down.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// `1/3f2a…/artifacts/model/MLmodel`, or the empty path, which is the root.
///
/// Clients write these below a folder of theirs, so a path must be harmless however often
/// somebody on the way decodes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ArtifactPath(String);

impl ArtifactPath {
    const LONGEST: usize = 2000;

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    #[must_use]
    pub(crate) fn join(&self, below: &Self) -> Self {
        match (self.is_root(), below.is_root()) {
            (true, _) => below.clone(),
            (_, true) => self.clone(),
            _ => Self(format!("{}/{}", self.0, below.0)),
        }
    }
}

impl FromStr for ArtifactPath {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = |why: &str| Err(Error::user(format!("`{text}` is not a file's path: {why}")));
        let path = text.strip_suffix('/').unwrap_or(text);
        if path.len() > Self::LONGEST {
            return bad("it is too long");
        }
        if path.is_empty() {
            return if text.is_empty() { Ok(Self::default()) } else { bad("it is absolute") };
        }
        let mut decoded = path.to_owned();
        loop {
            for part in decoded.split('/') {
                if part.is_empty() {
                    return bad("it has an empty part");
                }
                if part.trim_matches([' ', '.']).is_empty() {
                    return bad("it has a part of dots alone");
                }
                // A colon is a drive or a stream on Windows, and a scheme elsewhere.
                if part.contains(['\\', ':']) || part.chars().any(char::is_control) {
                    return bad("it has a backslash, a colon or a control character");
                }
            }
            let next = percent_encoding::percent_decode_str(&decoded).decode_utf8_lossy();
            if next == decoded {
                return Ok(Self(path.to_owned()));
            }
            decoded = next.into_owned();
        }
    }
}

impl fmt::Display for ArtifactPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_leave_their_folder_are_refused_in_every_encoding() {
        for text in [
            "..",
            "../x",
            "a/../b",
            "a/..",
            "/etc/passwd",
            "//x",
            "a//b",
            "./a",
            "a/./b",
            "%2e%2e/x",
            "a/%2E%2e/b",
            "%252e%252e/x",
            "a%2f..%2fb",
            "a%252f%252e%252e%252fb",
            "..\\x",
            "a\\..\\b",
            "%5c..%5c",
            "C:/x",
            "c%3a/x",
            "a\0b",
            "a%00b",
            "a\nb",
            "...",
            ".. /x",
            "a/. /b",
            "/",
        ] {
            assert!(text.parse::<ArtifactPath>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn honest_paths_pass() {
        for text in
            ["", "a", "1/3f/artifacts/model/MLmodel", "a b/c.d", ".hidden", "50%/x", "ü/%C3"]
        {
            assert_eq!(text.parse::<ArtifactPath>().map(|path| path.0).ok().as_deref(), Some(text));
        }
        assert_eq!("a/b/".parse::<ArtifactPath>().unwrap().as_str(), "a/b");
    }
}
