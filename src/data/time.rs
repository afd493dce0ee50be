//! Times as files write them, read into microseconds and written back the same way.
//!
//! A time without a zone is of `data.timezone`, and all times are written back in that zone, so that
//! a forecast shows the clock that its file uses.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime};

use super::table::MISSING_TIME;
use crate::error::{Error, Result};

/// One way to write a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeFormat {
    /// chrono's notation.
    pub pattern: &'static str,
    part: Part,
    pub zoned: bool,
    /// Only read where a column is said to hold times: digits alone are numbers otherwise.
    said: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Month,
    Date,
    DateTime,
}

const fn format(pattern: &'static str, part: Part) -> TimeFormat {
    TimeFormat { pattern, part, zoned: false, said: false }
}

const fn zoned(pattern: &'static str) -> TimeFormat {
    TimeFormat { pattern, part: Part::DateTime, zoned: true, said: false }
}

const MONTH_FIRST: &[TimeFormat] = &[
    format("%m/%d/%Y", Part::Date),
    format("%m/%d/%Y %H:%M", Part::DateTime),
    format("%m/%d/%Y %H:%M:%S%.f", Part::DateTime),
];

const DAY_FIRST: &[TimeFormat] = &[
    format("%d/%m/%Y", Part::Date),
    format("%d/%m/%Y %H:%M", Part::DateTime),
    format("%d/%m/%Y %H:%M:%S%.f", Part::DateTime),
];

const FORMATS: &[TimeFormat] = &[
    format("%Y-%m-%d", Part::Date),
    format("%Y-%m-%d %H:%M:%S%.f", Part::DateTime),
    format("%Y-%m-%dT%H:%M:%S%.f", Part::DateTime),
    format("%Y-%m-%d %H:%M", Part::DateTime),
    format("%Y-%m-%dT%H:%M", Part::DateTime),
    zoned("%Y-%m-%dT%H:%M:%S%.f%#z"),
    zoned("%Y-%m-%d %H:%M:%S%.f%#z"),
    zoned("%Y-%m-%d %H:%M:%S%.f %#z"),
    zoned("%Y-%m-%dT%H:%M%#z"),
    zoned("%Y-%m-%d %H:%M%#z"),
    zoned("%Y-%m-%d %H:%M:%S%.f UTC"),
    format("%Y-%m", Part::Month),
    format("%Y/%m", Part::Month),
    format("%Y/%m/%d", Part::Date),
    format("%Y/%m/%d %H:%M:%S%.f", Part::DateTime),
    format("%Y/%m/%d %H:%M", Part::DateTime),
    format("%d.%m.%Y", Part::Date),
    format("%d.%m.%Y %H:%M", Part::DateTime),
    format("%d.%m.%Y %H:%M:%S%.f", Part::DateTime),
    format("%d-%b-%Y", Part::Date),
    format("%d %b %Y", Part::Date),
    format("%b %d, %Y", Part::Date),
    format("%b %Y", Part::Month),
    TimeFormat { pattern: "%Y%m%d", part: Part::Date, zoned: false, said: true },
];

/// How the times of a project are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Clock {
    /// Seconds east of UTC.
    offset: i32,
    /// `03/04/2020` is the third of April.
    day_first: bool,
}

impl Clock {
    pub(crate) fn new(timezone: Option<&str>, day_first: bool) -> Result<Self> {
        Ok(Self { offset: timezone.map_or(Ok(0), offset)?, day_first })
    }

    /// The zone as an offset, such as `+02:00`.
    pub(crate) fn zone(self) -> String {
        let minutes = self.offset.abs() / 60;
        let sign = if self.offset < 0 { '-' } else { '+' };
        format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }

    /// The format of a text, and what it says in it.
    pub(crate) fn recognise(self, text: &str, said: bool) -> Option<(TimeFormat, i64)> {
        if !plausible(text) {
            return None;
        }
        let slashed = if self.day_first { DAY_FIRST } else { MONTH_FIRST };
        FORMATS
            .iter()
            .chain(slashed)
            .filter(|format| said || !format.said)
            .find_map(|format| Some((*format, self.read(text, *format)?)))
    }

    /// The time that a text says in this format, in microseconds of UTC.
    pub(crate) fn read(self, text: &str, format: TimeFormat) -> Option<i64> {
        if let Some(micros) = plain(text.as_bytes(), format.pattern) {
            return Some(self.to_utc(micros));
        }
        let local = match format.part {
            Part::Month => {
                NaiveDate::parse_from_str(&format!("{text} 1"), &format!("{} %d", format.pattern))
                    .ok()?
                    .and_time(NaiveTime::MIN)
            }
            Part::Date => {
                NaiveDate::parse_from_str(text, format.pattern).ok()?.and_time(NaiveTime::MIN)
            }
            Part::DateTime if format.pattern.ends_with("UTC") => {
                let time = NaiveDateTime::parse_from_str(text, format.pattern).ok()?;
                return Some(time.and_utc().timestamp_micros());
            }
            Part::DateTime if format.zoned => {
                let time = DateTime::parse_from_str(text, format.pattern).ok()?;
                return Some(time.timestamp_micros());
            }
            Part::DateTime => NaiveDateTime::parse_from_str(text, format.pattern).ok()?,
        };
        Some(self.to_utc(local.and_utc().timestamp_micros()))
    }

    /// Microseconds of this clock in UTC.
    pub(crate) fn to_utc(self, micros: i64) -> i64 {
        if micros == MISSING_TIME { micros } else { micros - i64::from(self.offset) * 1_000_000 }
    }

    /// Microseconds of UTC on this clock.
    pub(crate) fn to_local(self, micros: i64) -> i64 {
        micros.saturating_add(i64::from(self.offset) * 1_000_000)
    }

    /// Seconds east of UTC.
    pub(crate) fn offset(self) -> i32 {
        self.offset
    }

    /// Whether a text is a date with the day and the month the other way round.
    pub(crate) fn is_turned(self, text: &str) -> bool {
        let turned = Self { day_first: !self.day_first, ..self };
        self.recognise(text, false).is_none() && turned.recognise(text, false).is_some()
    }

    /// The pattern by which a time is written as `example` is.
    pub(crate) fn written(self, format: TimeFormat, example: &str) -> String {
        let zone = if self.offset == 0 && example.ends_with('Z') { "Z" } else { "%:z" };
        let mut pattern = format.pattern.replace("%#z", zone);
        if self.offset != 0 {
            pattern = pattern.replace("UTC", "%:z");
        }
        let digits = example
            .split_once('.')
            .map_or(0, |(_, rest)| rest.bytes().take_while(u8::is_ascii_digit).count());
        if !pattern.contains("%.f") {
            return pattern;
        }
        let fraction = match digits {
            0 => "",
            1..=3 => "%.3f",
            _ => "%.6f",
        };
        pattern.replace("%.f", fraction)
    }
}

/// The time of a text in one of the commonest patterns, written out in full: many times as fast as
/// chrono, which reads all else. `None` says nothing of the text.
fn plain(text: &[u8], pattern: &str) -> Option<i64> {
    let (date, time) = match pattern {
        "%Y-%m-%d" if text.len() == 10 => (text, None),
        "%Y-%m-%d %H:%M:%S%.f" | "%Y-%m-%d %H:%M" => {
            let (date, time) = text.split_at_checked(10)?;
            (date, Some(time.strip_prefix(b" ")?))
        }
        "%Y-%m-%dT%H:%M:%S%.f" | "%Y-%m-%dT%H:%M" => {
            let (date, time) = text.split_at_checked(10)?;
            (date, Some(time.strip_prefix(b"T")?))
        }
        _ => return None,
    };
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0_u32, |number, byte| {
            byte.is_ascii_digit().then(|| number * 10 + u32::from(byte - b'0'))
        })
    };
    let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = *date else { return None };
    let (year, month, day) = (number(&[y0, y1, y2, y3])?, number(&[m0, m1])?, number(&[d0, d1])?);
    let date = NaiveDate::from_ymd_opt(year as i32, month, day)?;
    let (hour, minute, second) = match time {
        None => (0, 0, 0),
        Some(&[h0, h1, b':', m0, m1]) if !pattern.contains("%S") => {
            (number(&[h0, h1])?, number(&[m0, m1])?, 0)
        }
        Some(&[h0, h1, b':', m0, m1, b':', s0, s1]) if pattern.contains("%S") => {
            (number(&[h0, h1])?, number(&[m0, m1])?, number(&[s0, s1])?)
        }
        Some(_) => return None,
    };
    Some(date.and_hms_opt(hour, minute, second)?.and_utc().timestamp_micros())
}

/// A time in chrono's notation, on a clock so many seconds east of UTC.
pub(crate) fn write(micros: i64, pattern: &str, offset: i32) -> String {
    let zone = FixedOffset::east_opt(offset).filter(|_| micros != MISSING_TIME);
    match (zone, DateTime::from_timestamp_micros(micros)) {
        (Some(zone), Some(time)) => time.with_timezone(&zone).format(pattern).to_string(),
        _ => String::new(),
    }
}

/// A time where no file says how it is written.
pub(crate) fn iso(micros: i64, offset: i32) -> String {
    let pattern = if micros.rem_euclid(1_000_000) == 0 {
        "%Y-%m-%dT%H:%M:%S"
    } else {
        "%Y-%m-%dT%H:%M:%S%.6f"
    };
    write(micros, pattern, offset)
}

/// Most cells are not times; say so before a dozen formats are tried.
fn plausible(text: &str) -> bool {
    let bytes = text.as_bytes();
    (6..=40).contains(&bytes.len())
        && bytes.iter().filter(|byte| byte.is_ascii_digit()).count() >= 4
        && (bytes[0].is_ascii_digit() || bytes[bytes.len() - 1].is_ascii_digit())
}

/// `+02:00`, `-0530`, `Z` or `UTC` as seconds.
fn offset(text: &str) -> Result<i32> {
    let bad = || {
        Error::user(format!("`data.timezone` is `{text}`, which is not an offset"))
            .hint("write it as hours and minutes from UTC, such as `+02:00`")
    };
    if ["Z", "UTC", "utc"].contains(&text) {
        return Ok(0);
    }
    let time =
        DateTime::parse_from_str(&format!("2000-01-01T00:00:00{text}"), "%Y-%m-%dT%H:%M:%S%#z");
    time.map(|time| time.offset().local_minus_utc()).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(text: &str, clock: Clock) -> String {
        let (format, micros) = clock.recognise(text, false).expect("a time");
        write(micros, &clock.written(format, text), clock.offset)
    }

    #[test]
    fn times_are_written_as_they_were_read() {
        for text in [
            "1949-01",
            "2016-07-01 00:00:00",
            "2016-07-01",
            "2016-07-01T12:30:00Z",
            "2016-07-01T12:30:00.250Z",
            "2020-12-31 23:59",
            "31.12.2020",
            "12/31/2020",
        ] {
            assert_eq!(round_trip(text, Clock::default()), text);
        }
    }

    #[test]
    fn zones_are_converted_to_the_one_of_the_project() {
        let here = Clock::new(Some("+02:00"), false).expect("a zone");
        assert_eq!(round_trip("2020-01-01T00:00:00+01:00", here), "2020-01-01T01:00:00+02:00");
        // Without a zone the clock on the wall is what counts.
        assert_eq!(round_trip("2020-01-01 00:00:00", here), "2020-01-01 00:00:00");
        assert!(Clock::new(Some("Berlin"), false).is_err());
    }

    #[test]
    fn the_plain_way_reads_what_chrono_reads() {
        let patterns = [
            "%Y-%m-%d",
            "%Y-%m-%d %H:%M:%S%.f",
            "%Y-%m-%dT%H:%M:%S%.f",
            "%Y-%m-%d %H:%M",
            "%Y-%m-%dT%H:%M",
        ];
        let texts = [
            "2024-02-29",
            "2023-02-29",
            "0000-01-01",
            "9999-12-31",
            "2024-1-01",
            "+024-01-01",
            "2024-02-29 23:59:59",
            "2024-02-29 23:59:60",
            "2024-02-29 24:00:00",
            "2024-02-29T00:00:00",
            "2024-02-29 07:05",
            "2024-02-29T07:05",
            "2024-02-29 07:05:1",
            "2024-02-29 07:05:01.5",
            "2024-02-29T",
            "2024-02-29 é",
            "2024é02-29",
            "",
        ];
        let mut plainly = 0;
        for pattern in patterns {
            for text in texts {
                let slowly = NaiveDateTime::parse_from_str(text, pattern)
                    .or_else(|error| match pattern {
                        "%Y-%m-%d" => NaiveDate::parse_from_str(text, pattern)
                            .map(|date| date.and_time(NaiveTime::MIN)),
                        _ => Err(error),
                    })
                    .map(|time| time.and_utc().timestamp_micros());
                if let Some(micros) = plain(text.as_bytes(), pattern) {
                    plainly += 1;
                    assert_eq!(Ok(micros), slowly, "{text} {pattern}");
                }
            }
        }
        assert!(plainly >= 7, "{plainly}");
    }

    #[test]
    fn what_is_no_time_is_not_taken_for_one() {
        for text in ["20200101", "12", "2020", "1.5", "abc", "2020-13-01", "25/12/2020", "1-2-3"] {
            assert!(Clock::default().recognise(text, false).is_none(), "{text}");
        }
        assert!(Clock::default().recognise("20200101", true).is_some());
        assert!(Clock::default().is_turned("25/12/2020"));
    }
}
