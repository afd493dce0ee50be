//! Parts of a file, as RFC 9110 has them: one range of bytes, under the condition that the file is still
//! the one that the client has the rest of.

use std::ops::Range;

use axum::http::{HeaderMap, header};

/// What of a file a request wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Whole,
    Part(Range<u64>),
    /// Nothing that the file has.
    Beyond,
}

/// What these headers want of a file with this tag and size. What is no single range of bytes is not
/// understood, and then all of the file is the answer.
pub(super) fn wanted(headers: &HeaderMap, etag: &str, size_bytes: u64) -> Wanted {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let Some(range) = text(header::RANGE) else { return Wanted::Whole };
    // A date proves nothing of bytes; neither does a weak tag.
    if text(header::IF_RANGE).is_some_and(|known| known != etag) {
        return Wanted::Whole;
    }
    let Some((first, last)) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-'))
    else {
        return Wanted::Whole;
    };
    let (first, last) = (first.trim(), last.trim());
    if first.is_empty() {
        let Ok(suffix) = last.parse::<u64>() else { return Wanted::Whole };
        return match suffix.min(size_bytes) {
            0 => Wanted::Beyond,
            suffix => Wanted::Part(size_bytes - suffix..size_bytes),
        };
    }
    let Ok(first) = first.parse::<u64>() else { return Wanted::Whole };
    let last = if last.is_empty() { Ok(u64::MAX) } else { last.parse::<u64>() };
    match last {
        Ok(last) if last < first => Wanted::Whole,
        Ok(_) if first >= size_bytes => Wanted::Beyond,
        Ok(last) => Wanted::Part(first..last.saturating_add(1).min(size_bytes)),
        Err(_) => Wanted::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(range: &str, if_range: Option<&str>) -> Wanted {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, range.parse().unwrap());
        if let Some(tag) = if_range {
            headers.insert(header::IF_RANGE, tag.parse().unwrap());
        }
        wanted(&headers, "\"tag\"", 10)
    }

    #[test]
    fn ranges_are_those_of_http() {
        for (range, expected) in [
            ("bytes=0-", Wanted::Part(0..10)),
            ("bytes=3-5", Wanted::Part(3..6)),
            ("bytes=3-99", Wanted::Part(3..10)),
            ("bytes=9-9", Wanted::Part(9..10)),
            ("bytes=-4", Wanted::Part(6..10)),
            ("bytes=-99", Wanted::Part(0..10)),
            ("bytes=10-", Wanted::Beyond),
            ("bytes=-0", Wanted::Beyond),
            ("bytes=5-3", Wanted::Whole),
            ("bytes=0-1,4-5", Wanted::Whole),
            ("bytes=x-", Wanted::Whole),
            ("lines=0-1", Wanted::Whole),
        ] {
            assert_eq!(of(range, None), expected, "{range}");
        }
        assert_eq!(wanted(&HeaderMap::new(), "\"tag\"", 10), Wanted::Whole);
    }

    #[test]
    fn another_file_than_before_comes_whole() {
        assert_eq!(of("bytes=3-", Some("\"tag\"")), Wanted::Part(3..10));
        assert_eq!(of("bytes=3-", Some("\"other\"")), Wanted::Whole);
        assert_eq!(of("bytes=3-", Some("W/\"tag\"")), Wanted::Whole);
        assert_eq!(of("bytes=3-", Some("Wed, 25 Nov 2026 21:00:00 GMT")), Wanted::Whole);
    }
}
