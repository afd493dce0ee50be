//! The time of day, and durations as people write them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::{Error, Result};

/// Milliseconds since 1970-01-01T00:00:00Z.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

/// `2026-11-23 21:15:40 UTC`.
pub(crate) fn format_ms(timestamp_ms: i64) -> String {
    chrono::DateTime::from_timestamp_millis(timestamp_ms).map_or_else(
        || timestamp_ms.to_string(),
        |time| time.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
    )
}

/// A time as people and programs write it, in milliseconds since 1970: RFC 3339, as [`format_ms`]
/// writes it, a day (its beginning, in UTC), milliseconds, or `now`.
pub(crate) fn parse_time(text: &str) -> Result<i64> {
    let text = text.trim();
    if text == "now" {
        return Ok(now_ms());
    }
    if let Ok(milliseconds) = text.parse() {
        return Ok(milliseconds);
    }
    if let Ok(time) = chrono::DateTime::parse_from_rfc3339(text) {
        return Ok(time.timestamp_millis());
    }
    let day = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .ok()
        .and_then(|day| day.and_hms_opt(0, 0, 0));
    let time = text.strip_suffix(" UTC").unwrap_or(text);
    let time = chrono::NaiveDateTime::parse_from_str(time, "%Y-%m-%d %H:%M:%S").ok();
    day.or(time).map(|time| time.and_utc().timestamp_millis()).ok_or_else(|| {
        Error::user(format!("`{text}` is not a time")).hint(
            "write it as `2026-11-23T21:15:40Z`, `2026-11-23`, milliseconds since 1970, or `now`",
        )
    })
}

/// `2026-11-23T21:15:40.123Z`.
pub(crate) fn rfc3339(timestamp_ms: i64) -> String {
    chrono::DateTime::from_timestamp_millis(timestamp_ms).map_or_else(
        || timestamp_ms.to_string(),
        |time| time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
    )
}

/// The milliseconds since 1970 of what [`rfc3339`] wrote, or anybody else by that standard.
pub(crate) fn parse_rfc3339(text: &str) -> Result<i64> {
    chrono::DateTime::parse_from_rfc3339(text).map(|time| time.timestamp_millis()).map_err(|_| {
        Error::user(format!("`{text}` is not a time")).hint("write it like `2026-11-23T21:15:40Z`")
    })
}

/// A duration such as `90s`, `10m`, `2h`, `30d`, or `1h30m`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration> {
    let bad = || {
        Error::user(format!("`{text}` is not a duration"))
            .hint("write a number and a unit, such as `90s`, `10m`, `2h` or `30d`")
    };
    let mut seconds = 0.0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(bad());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(bad)?;
        let number: f64 = rest[..digits].parse().map_err(|_| bad())?;
        let unit = rest[digits..]
            .find(|c: char| c.is_ascii_digit())
            .map_or(rest.len(), |end| digits + end);
        seconds += number
            * match &rest[digits..unit] {
                "ms" => 0.001,
                "s" => 1.0,
                "m" | "min" => 60.0,
                "h" => 3600.0,
                "d" => 86400.0,
                _ => return Err(bad()),
            };
        rest = &rest[unit..];
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_they_are_written() {
        let written = 1_795_468_540_000;
        for text in [
            "2026-11-23T21:15:40Z",
            "2026-11-23T22:15:40+01:00",
            "2026-11-23 21:15:40 UTC",
            "2026-11-23 21:15:40",
            "1795468540000",
        ] {
            assert_eq!(parse_time(text).ok(), Some(written), "{text}");
        }
        assert_eq!(format_ms(written), "2026-11-23 21:15:40 UTC");
        assert_eq!(parse_time("1970-01-02").ok(), Some(86_400_000));
        for text in ["", "yesterday", "2026-13-01", "21:15", "2026-11-23T21:15:40"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_read_as_people_write_them() {
        for (text, seconds) in
            [("90s", 90.0), ("1h30m", 5400.0), ("0.5d", 43200.0), ("250ms", 0.25)]
        {
            assert_eq!(parse_duration(text).map(|d| d.as_secs_f64()).ok(), Some(seconds), "{text}");
        }
        for text in ["", "10", "ten minutes", "-5m", "5x"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
