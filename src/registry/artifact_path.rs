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
                // A colon is a drive or a stream on Windows, and a scheme elsewhere.
                if part.contains(['\\', ':']) || part.chars().any(char::is_control) {
                    return bad("it has a backslash, a colon or a control character");
                }
            }
            if lookalikes_resolved(&decoded).split(['/', '\\']).any(is_dots) {
                return bad("it has a part of dots alone");
            }
            let Some(next) = decode(&decoded) else {
                return bad("it has a character in more bytes than it needs");
            };
            if next == decoded {
                return Ok(Self(path.to_owned()));
            }
            decoded = next;
        }
    }
}

/// A folder above, or the folder itself, to some system: Windows drops blanks and dots at the end
/// of a name, and some servers drop what follows a semicolon.
fn is_dots(part: &str) -> bool {
    let (name, parameters) = part.split_once(';').map_or((part, ""), |(name, rest)| (name, rest));
    let dots = name.trim_matches([' ', '.']).is_empty();
    dots && (!name.is_empty() || parameters.is_empty())
}

/// The text with what some systems take for dots and slashes written as those (by the
/// compatibility forms of Unicode, or Windows's best fit).
fn lookalikes_resolved(text: &str) -> String {
    let mut resolved = String::with_capacity(text.len());
    for letter in text.chars() {
        resolved.push_str(match letter {
            '\u{2024}' | '\u{fe52}' | '\u{ff0e}' | '\u{3002}' | '\u{ff61}' => ".",
            '\u{2025}' => "..",
            '\u{2026}' => "...",
            '\u{2044}' | '\u{2215}' | '\u{29f8}' | '\u{ff0f}' => "/",
            '\u{2216}' | '\u{29f5}' | '\u{29f9}' | '\u{fe68}' | '\u{ff3c}' => "\\",
            other => {
                resolved.push(other);
                continue;
            }
        });
    }
    resolved
}

/// One more decoding of `%2e` and of `%u002e`, as somebody on the way may do. None: it comes to
/// overlong UTF-8, which a lenient decoder would read as other characters.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at..];
        let hex = |from: usize, to: usize| {
            let digits = rest.get(from..to)?;
            let all = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            all.then(|| u32::from_str_radix(digits, 16).ok())?
        };
        let wide = rest[1..].starts_with(['u', 'U']).then(|| hex(2, 6).and_then(char::from_u32));
        let taken = if let Some(letter) = wide.flatten() {
            bytes.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
            6
        } else if let Some(byte) = hex(1, 3) {
            bytes.push(byte as u8);
            3
        } else {
            bytes.push(b'%');
            1
        };
        rest = &rest[taken..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    let overlong = bytes.windows(2).any(|pair| {
        matches!((pair[0], pair[1]), (0xc0 | 0xc1, _) | (0xe0, 0x80..=0x9f) | (0xf0, 0x80..=0x8f))
    });
    (!overlong).then(|| String::from_utf8_lossy(&bytes).into_owned())
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
            "%25252e%25252e%25252fx",
            "%25c0%25ae%25c0%25ae/x",
            "%c0%ae%c0%ae/x",
            "%e0%80%ae%e0%80%ae/x",
            "%f0%80%80%ae/x",
            "\u{ff0e}\u{ff0e}/x",
            "a/\u{2025}/x",
            "a/\u{2026}",
            "..\u{2215}x",
            "a\u{ff3c}..\u{ff3c}x",
            "%ef%bc%8e%ef%bc%8e/x",
            "%u002e%u002e/x",
            "%U002E./x",
            "a/..;/x",
            "..;jsessionid=1/x",
            "..%3b/x",
        ] {
            assert!(text.parse::<ArtifactPath>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn honest_paths_pass() {
        for text in [
            "",
            "a",
            "1/3f/artifacts/model/MLmodel",
            "a b/c.d",
            ".hidden",
            "50%/x",
            "ü/%C3",
            "100%u/x",
            "%u12",
            "说明：v2…/1／2",
            ";x/a;b",
            "..a/a..b",
        ] {
            assert_eq!(text.parse::<ArtifactPath>().map(|path| path.0).ok().as_deref(), Some(text));
        }
        assert_eq!("a/b/".parse::<ArtifactPath>().unwrap().as_str(), "a/b");
    }
}
