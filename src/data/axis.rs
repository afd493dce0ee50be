//! The time axis of a set of series: integers to count with, and the texts of the times they stand for.
//!
//! Between two indices there is one step, whatever its length in seconds: a month is a step like an
//! hour. What is inferred here is inferred once, from the training data, and kept by the model.

use std::fmt::Write as _;

use chrono::{DateTime, Datelike, Days, FixedOffset, NaiveDate, Timelike, Utc, Weekday};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3600 * SECOND;
const DAY: i64 = 24 * HOUR;

/// A regular grid of times; an index counts its steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum TimeAxis {
    /// The time at an index is `origin + index * step`.
    Integer { origin: i64, step: i64 },
    /// Times of the calendar.
    Calendar(Calendar),
}

/// Times that are a fixed duration, a business day or a number of months apart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Calendar {
    /// As in `data.frequency`, such as `15min` or `MS`.
    pub frequency: String,
    step: Step,
    /// What is left of every time after whole steps: microseconds, or months for [`Step::Months`].
    phase: i64,
    /// Microseconds since local midnight, for steps that count days or months.
    clock: i64,
    /// [`Step::Months`]: the day of the month, or the last one where a month has fewer.
    day: u32,
    /// What the file's own clock is ahead of UTC, in seconds.
    offset_seconds: i32,
    /// How the file writes a time, in chrono's notation.
    pub format: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Step {
    Micros(i64),
    Weekdays,
    Months(i64),
}

impl TimeAxis {
    /// The grid of these integers, which rise within each series.
    pub(crate) fn of_integers(series: &[Vec<i64>], frequency: Option<&str>) -> Result<Self> {
        let step = match frequency {
            Some(text) => text.parse().ok().filter(|step| *step > 0).ok_or_else(|| {
                Error::user(format!("data.frequency is `{text}`, but the times are integers"))
                    .hint("leave data.frequency out, or give the step as a number")
            })?,
            None => gaps(series).fold(0, greatest_common_divisor).max(1),
        };
        let first = series.iter().find_map(|times| times.first()).copied().unwrap_or(0);
        Ok(Self::Integer { origin: first.rem_euclid(step), step })
    }

    /// The grid of these times (microseconds since 1970 in UTC), which rise within each series.
    pub(crate) fn of_times(
        series: &[Vec<i64>],
        frequency: Option<&str>,
        format: Option<&str>,
        offset_seconds: i32,
    ) -> Result<Self> {
        let offset = i64::from(offset_seconds) * SECOND;
        let local: Vec<Vec<i64>> =
            series.iter().map(|times| times.iter().map(|time| time + offset).collect()).collect();
        let (step, name) = match frequency {
            Some(text) => (parse(text)?, text.to_owned()),
            None => infer(&local)?,
        };
        let first = local.iter().find_map(|times| times.first()).copied().unwrap_or(0);
        let day = day_of_month(&local).unwrap_or(1);
        let phase = match step {
            Step::Micros(micros) => first.rem_euclid(micros),
            Step::Weekdays => 0,
            Step::Months(months) => month_of(date_of(first)?).rem_euclid(months),
        };
        let format = format.map_or_else(|| guess_format(&local), ToOwned::to_owned);
        let clock = first.rem_euclid(DAY);
        Ok(Self::Calendar(Calendar {
            frequency: name,
            step,
            phase,
            clock,
            day,
            offset_seconds,
            format,
        }))
    }

    /// The index of a time, an integer or microseconds in UTC; none where it lies off the grid.
    pub(crate) fn index(&self, time: i64) -> Option<i64> {
        match self {
            Self::Integer { origin, step } => {
                let past = time.checked_sub(*origin)?;
                (past.rem_euclid(*step) == 0).then(|| past.div_euclid(*step))
            }
            Self::Calendar(calendar) => {
                let index = calendar.floor(time)?;
                (calendar.time(index) == Some(time)).then_some(index)
            }
        }
    }

    /// The time at an index as a number: an integer, or microseconds in UTC.
    pub(crate) fn time(&self, index: i64) -> i64 {
        match self {
            Self::Integer { origin, step } => origin.saturating_add(index.saturating_mul(*step)),
            Self::Calendar(calendar) => calendar.time(index).unwrap_or(i64::MAX),
        }
    }

    /// The time at an index, as the file would write it.
    pub(crate) fn text(&self, index: i64) -> String {
        self.text_of(self.time(index))
    }

    /// A time that need not lie on the grid, as the file would write it.
    pub(crate) fn text_of(&self, time: i64) -> String {
        match self {
            Self::Integer { .. } => time.to_string(),
            Self::Calendar(calendar) => calendar.text_of(time),
        }
    }

    /// `step 1`, `15min`: for messages and model cards.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Integer { step, .. } => format!("step {step}"),
            Self::Calendar(calendar) => calendar.frequency.clone(),
        }
    }

    /// What the calendar says of the time at an index, as numbers: the hour, the day of the week, of the
    /// month and of the year, or the month, as far as times of this grid differ in it. Nothing for integers.
    pub(crate) fn calendar(&self, index: i64) -> Vec<f64> {
        let Self::Calendar(calendar) = self else { return Vec::new() };
        let local = calendar.time(index).and_then(|time| {
            let local = time.checked_add(i64::from(calendar.offset_seconds) * SECOND)?;
            DateTime::from_timestamp_micros(local)
        });
        let part = |part: fn(&DateTime<Utc>) -> u32| -> f64 {
            local.as_ref().map_or(f64::NAN, |local| f64::from(part(local)))
        };
        let hour = part(DateTime::num_seconds_from_midnight) / 3600.0;
        let weekday = part(|local| local.weekday().num_days_from_monday());
        let (day, year) = (part(DateTime::day), part(DateTime::ordinal));
        match calendar.step {
            Step::Months(_) => vec![part(DateTime::month)],
            Step::Micros(step) if step < DAY => vec![hour, weekday, day, year],
            Step::Micros(step) if step % (7 * DAY) == 0 => vec![day, year],
            Step::Micros(_) | Step::Weekdays => vec![weekday, day, year],
        }
    }

    /// The steps in the season that such a grid commonly has; none for integers, which say nothing.
    pub(crate) fn usual_season(&self) -> Option<usize> {
        let Self::Calendar(calendar) = self else { return None };
        let whole = |of: i64, part: i64| if of % part == 0 { (of / part) as usize } else { 1 };
        Some(match calendar.step {
            Step::Weekdays => 5,
            Step::Months(months) => whole(12, months),
            Step::Micros(micros) if micros < 60 * SECOND => whole(60 * SECOND, micros),
            Step::Micros(micros) if micros < DAY => whole(DAY, micros),
            Step::Micros(micros) if micros == DAY => 7,
            Step::Micros(micros) if micros == 7 * DAY => 52,
            Step::Micros(_) => 1,
        })
    }
}

impl Calendar {
    /// The last index whose time is not after this one.
    fn floor(&self, time: i64) -> Option<i64> {
        let local = time.checked_add(i64::from(self.offset_seconds) * SECOND)?;
        Some(match self.step {
            Step::Micros(micros) => (local - self.phase).div_euclid(micros),
            Step::Weekdays => {
                // 1970-01-01 was a Thursday; from its Monday on, each week holds five steps.
                let days = (local - self.clock).div_euclid(DAY) + 3;
                days.div_euclid(7) * 5 + days.rem_euclid(7).min(4)
            }
            Step::Months(months) => {
                (month_of(date_of(local).ok()?) - self.phase).div_euclid(months)
            }
        })
    }

    fn time(&self, index: i64) -> Option<i64> {
        let local = match self.step {
            Step::Micros(micros) => index.checked_mul(micros)?.checked_add(self.phase)?,
            Step::Weekdays => {
                let days = index.div_euclid(5) * 7 + index.rem_euclid(5) - 3;
                days.checked_mul(DAY)? + self.clock
            }
            Step::Months(months) => {
                let month = index.checked_mul(months)?.checked_add(self.phase)?;
                let date = day_in_month(month, self.day)?;
                micros_of(date) + self.clock
            }
        };
        local.checked_sub(i64::from(self.offset_seconds) * SECOND)
    }

    fn text_of(&self, time: i64) -> String {
        let zone = FixedOffset::east_opt(self.offset_seconds)
            .unwrap_or_else(|| FixedOffset::east_opt(0).expect("zero is an offset"));
        let Some(moment) = DateTime::from_timestamp_micros(time) else {
            return time.to_string();
        };
        let moment = moment.with_timezone(&zone);
        let mut text = String::new();
        // A format from a package could be one that chrono refuses; writing it then fails.
        match write!(text, "{}", moment.format(&self.format)) {
            Ok(()) => text,
            Err(_) => moment.to_rfc3339(),
        }
    }
}

fn gaps(series: &[Vec<i64>]) -> impl Iterator<Item = i64> {
    series
        .iter()
        .flat_map(|times| times.windows(2).map(|pair| pair[1].saturating_sub(pair[0])))
        .filter(|gap| *gap > 0)
}

fn greatest_common_divisor(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// The step between these local times and its name.
fn infer(series: &[Vec<i64>]) -> Result<(Step, String)> {
    let mut all: Vec<i64> = gaps(series).collect();
    if all.is_empty() {
        return Err(Error::user(
            "the step between times cannot be inferred: no series has two times",
        )
        .hint("say it in data.frequency, such as `D`, `h`, `15min`, `W` or `MS`"));
    }
    all.sort_unstable();
    if all[0] >= 28 * DAY && day_of_month(series).is_some() {
        let mut months = 0;
        for times in series {
            for pair in times.windows(2) {
                let gap = month_of(date_of(pair[1])?) - month_of(date_of(pair[0])?);
                months = greatest_common_divisor(months, gap);
            }
        }
        return Ok((Step::Months(months), month_name(months)));
    }
    let micros = most_common(&all);
    if micros == DAY && only_weekdays(series) && all.contains(&(3 * DAY)) {
        return Ok((Step::Weekdays, "B".into()));
    }
    Ok((Step::Micros(micros), micros_name(micros)))
}

/// Of sorted values, the most common one; of several, the smallest.
fn most_common(sorted: &[i64]) -> i64 {
    let mut best = (0, 0);
    for run in sorted.chunk_by(|a, b| a == b) {
        if run.len() > best.0 {
            best = (run.len(), run[0]);
        }
    }
    best.1
}

fn only_weekdays(series: &[Vec<i64>]) -> bool {
    series.iter().flatten().all(|time| {
        date_of(*time).is_ok_and(|date| !matches!(date.weekday(), Weekday::Sat | Weekday::Sun))
    })
}

/// The day of the month that all these local times share, 31 where each is its month's last; the
/// time of day must be the same too.
fn day_of_month(series: &[Vec<i64>]) -> Option<u32> {
    let mut times = series.iter().flatten().copied();
    let first = times.next()?;
    let clock = first.rem_euclid(DAY);
    let mut dates = vec![date_of(first).ok()?];
    for time in times {
        if time.rem_euclid(DAY) != clock {
            return None;
        }
        dates.push(date_of(time).ok()?);
    }
    let latest = dates.iter().map(Datelike::day).max()?;
    let all_last = dates.iter().all(|date| is_last(*date));
    let day = if all_last { 31 } else { latest };
    dates.iter().all(|date| day_in_month(month_of(*date), day) == Some(*date)).then_some(day)
}

fn is_last(date: NaiveDate) -> bool {
    date.succ_opt().is_none_or(|next| next.day() == 1)
}

fn date_of(local: i64) -> Result<NaiveDate> {
    DateTime::from_timestamp_micros(local).map(|time| time.date_naive()).ok_or_else(|| {
        Error::user(format!("a time lies out of the calendar: {local} µs from 1970"))
    })
}

fn micros_of(date: NaiveDate) -> i64 {
    date.and_hms_opt(0, 0, 0).expect("midnight exists").and_utc().timestamp_micros()
}

fn month_of(date: NaiveDate) -> i64 {
    i64::from(date.year()) * 12 + i64::from(date.month0())
}

fn day_in_month(month: i64, day: u32) -> Option<NaiveDate> {
    let year = i32::try_from(month.div_euclid(12)).ok()?;
    let first = NaiveDate::from_ymd_opt(year, month.rem_euclid(12) as u32 + 1, 1)?;
    let days = u32::from(first.num_days_in_month());
    first.checked_add_days(Days::new(u64::from(day.clamp(1, days)) - 1))
}

/// The step that `data.frequency` names, in the notation that pandas made common.
fn parse(text: &str) -> Result<Step> {
    let bare = text.split('-').next().unwrap_or(text);
    let unit = bare.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let count = &bare[..bare.len() - unit.len()];
    let count: i64 = if count.is_empty() { 1 } else { count.parse().unwrap_or(0) };
    let step = match unit {
        "ms" | "L" => Step::Micros(count * 1000),
        "s" | "S" | "sec" => Step::Micros(count * SECOND),
        "min" | "T" => Step::Micros(count * 60 * SECOND),
        "h" | "H" => Step::Micros(count * HOUR),
        "d" | "D" => Step::Micros(count * DAY),
        "w" | "W" => Step::Micros(count * 7 * DAY),
        "B" | "b" if count == 1 => Step::Weekdays,
        "MS" | "M" | "ME" => Step::Months(count),
        "QS" | "Q" | "QE" => Step::Months(count * 3),
        "Y" | "YS" | "YE" | "A" | "AS" => Step::Months(count * 12),
        _ => Step::Micros(0),
    };
    if !(1..=1_000_000).contains(&count) || step == Step::Micros(0) {
        return Err(Error::user(format!("data.frequency is `{text}`, which names no step")).hint(
            "use s, min, h, D, B, W, MS, M, Q or Y, with a number before it where needed: `15min`",
        ));
    }
    Ok(step)
}

fn month_name(months: i64) -> String {
    match months {
        1 => "MS".into(),
        3 => "QS".into(),
        12 => "YS".into(),
        _ if months % 12 == 0 => format!("{}YS", months / 12),
        _ => format!("{months}MS"),
    }
}

fn micros_name(micros: i64) -> String {
    let units = [
        (7 * DAY, "W"),
        (DAY, "D"),
        (HOUR, "h"),
        (60 * SECOND, "min"),
        (SECOND, "s"),
        (1000, "ms"),
    ];
    for (unit, name) in units {
        if micros % unit == 0 {
            let count = micros / unit;
            return if count == 1 { name.into() } else { format!("{count}{name}") };
        }
    }
    format!("{micros}us")
}

/// For sources that write no texts (Parquet, Arrow): a date where every time is midnight.
fn guess_format(series: &[Vec<i64>]) -> String {
    let all = |unit: i64| series.iter().flatten().all(|time| time.rem_euclid(unit) == 0);
    if all(DAY) {
        "%Y-%m-%d".into()
    } else if all(SECOND) {
        "%Y-%m-%d %H:%M:%S".into()
    } else {
        "%Y-%m-%d %H:%M:%S%.6f".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(text: &str) -> i64 {
        let text = if text.len() == 10 { format!("{text} 00:00:00") } else { text.to_owned() };
        let time = chrono::NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S").unwrap();
        time.and_utc().timestamp_micros()
    }

    #[test]
    fn the_calendar_says_of_a_step_what_its_length_leaves_to_say() {
        let of = |time: &str, frequency| {
            let axis = axis(&[time], Some(frequency));
            axis.calendar(axis.index(micros(time)).unwrap())
        };
        // 2024-03-06 was a Wednesday, the 66th day of its year.
        assert_eq!(of("2024-03-06 15:30:00", "30min"), [15.5, 2.0, 6.0, 66.0]);
        assert_eq!(of("2024-03-06", "D"), [2.0, 6.0, 66.0]);
        assert_eq!(of("2024-03-06", "W-WED"), [6.0, 66.0]);
        assert_eq!(of("2024-03-01", "MS"), [3.0]);
        let axis = axis(&["2024-03-06"], Some("D"));
        assert!(axis.calendar(i64::MAX).iter().all(|part| part.is_nan()));
        assert_eq!(axis.calendar(i64::MAX).len(), 3);
        assert_eq!(TimeAxis::Integer { origin: 0, step: 1 }.calendar(3), [0.0; 0]);
    }

    fn axis(times: &[&str], frequency: Option<&str>) -> TimeAxis {
        let times = times.iter().map(|time| micros(time)).collect();
        TimeAxis::of_times(&[times], frequency, None, 0).unwrap()
    }

    #[test]
    fn every_frequency_is_inferred_and_goes_there_and_back() {
        let cases: [(&str, &[&str], usize); 13] = [
            ("s", &["2020-01-01 00:00:01", "2020-01-01 00:00:02"], 60),
            ("min", &["2020-01-01 00:01:00", "2020-01-01 00:02:00"], 1440),
            ("15min", &["2020-01-01 00:15:00", "2020-01-01 00:30:00"], 96),
            ("h", &["2016-07-01 00:00:00", "2016-07-01 01:00:00"], 24),
            ("D", &["2020-02-28", "2020-02-29", "2020-03-01"], 7),
            ("B", &["2020-01-02", "2020-01-03", "2020-01-06", "2020-01-07"], 5),
            ("W", &["2020-01-05", "2020-01-12", "2020-01-19"], 52),
            ("MS", &["1949-01-01", "1949-02-01", "1949-03-01"], 12),
            ("MS", &["2020-01-31", "2020-02-29", "2020-03-31"], 12),
            ("MS", &["2021-01-30", "2021-02-28", "2021-03-30"], 12),
            ("QS", &["2020-03-31", "2020-06-30", "2020-09-30"], 4),
            ("YS", &["1949-01-01", "1950-01-01", "1951-01-01"], 1),
            ("2h", &["2020-01-01 01:00:00", "2020-01-01 03:00:00"], 12),
        ];
        for (name, times, season) in cases {
            let axis = axis(times, None);
            assert_eq!(axis.describe(), name, "{times:?}");
            assert_eq!(axis.usual_season(), Some(season), "{times:?}");
            let first = axis.index(micros(times[0])).unwrap();
            for (step, time) in times.iter().enumerate() {
                assert_eq!(axis.index(micros(time)), Some(first + step as i64), "{time}");
                assert_eq!(axis.time(first + step as i64), micros(time), "{time}");
            }
            for index in first - 1000..first + 1000 {
                assert_eq!(axis.index(axis.time(index)), Some(index), "{name}");
            }
        }
    }

    #[test]
    fn a_gap_does_not_change_the_step_and_a_time_between_is_off_the_grid() {
        let axis = axis(&["2020-01-01", "2020-01-02", "2020-01-03", "2020-01-07"], None);
        assert_eq!(axis.describe(), "D");
        assert_eq!(axis.index(micros("2020-01-04 12:00:00")), None);
        let business = self::axis(&["2020-01-02", "2020-01-03"], Some("B"));
        assert_eq!(business.index(micros("2020-01-04")), None);
    }

    #[test]
    fn times_are_written_as_the_file_writes_them() {
        let months = vec![micros("1949-01-01"), micros("1949-02-01")];
        let axis = TimeAxis::of_times(&[months], None, Some("%Y-%m"), 0).unwrap();
        assert_eq!(axis.text(axis.index(micros("1949-01-01")).unwrap() + 24), "1951-01");
        let zoned = vec![micros("2020-01-31 23:00:00"), micros("2020-02-29 23:00:00")];
        let axis = TimeAxis::of_times(&[zoned], None, Some("%Y-%m-%dT%H:%M:%S%:z"), 3600).unwrap();
        assert_eq!(axis.describe(), "MS");
        let first = axis.index(micros("2020-01-31 23:00:00")).unwrap();
        assert_eq!(axis.text(first), "2020-02-01T00:00:00+01:00");
        assert_eq!(axis.text(first + 1), "2020-03-01T00:00:00+01:00");
    }

    #[test]
    fn integers_count_by_their_own_step() {
        let axis = TimeAxis::of_integers(&[vec![3, 8, 18], vec![13]], None).unwrap();
        assert_eq!(axis, TimeAxis::Integer { origin: 3, step: 5 });
        assert_eq!(axis.index(18), Some(3));
        assert_eq!(axis.index(19), None);
        assert_eq!(axis.text(4), "23");
    }

    #[test]
    fn a_frequency_that_names_no_step_is_refused() {
        for text in ["", "fortnight", "0h", "15"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("W-SUN").unwrap(), Step::Micros(7 * DAY));
    }
}
