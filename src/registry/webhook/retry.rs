//! What follows an attempt to deliver: done, again later, or never.

use std::time::Duration;

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    /// The receiver answered with this status, and said when to come again if it did.
    Status(u16, Option<Duration>),
    /// It couldn't be reached, or didn't answer in time.
    Nothing,
    /// It is where deliveries may not go.
    Refused,
}

/// What to do next about a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Delivered,
    Again(Duration),
    GiveUp,
}

/// How long it is tried to deliver an event.
pub(crate) const PATIENCE: Duration = Duration::from_hours(24);

/// How many events wait for one webhook at most: a receiver that is slower than that loses the oldest.
pub(crate) const MOST_WAITING: u32 = 10_000;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(15);
/// The longest time that a receiver may ask for.
const LONGEST_ASKED: Duration = Duration::from_hours(1);

/// What to do after the attempt of this number, from 1, at a delivery of this age. `chance`, from 0
/// to 1, spreads those that failed together.
///
/// A receiver that is busy, broken or away is tried again, at twice the distance each time. One
/// that says that the request is wrong would say so of the same request tomorrow.
pub(crate) fn after(answered: Answered, attempt: u32, age: Duration, chance: f64) -> Next {
    let asked = match answered {
        Answered::Status(200..=299, _) => return Next::Delivered,
        Answered::Status(408 | 425 | 429 | 500..=599, asked) => asked.unwrap_or_default(),
        Answered::Nothing => Duration::ZERO,
        Answered::Status(..) | Answered::Refused => return Next::GiveUp,
    };
    let pause = pause(attempt, chance).max(asked.min(LONGEST_ASKED));
    if age + pause > PATIENCE { Next::GiveUp } else { Next::Again(pause) }
}

/// How long a webhook is left alone after so many failures in a row: until the time that the receiver
/// asked for, if it did, and else not for long, as another event may fare better.
pub(crate) fn rest(answered: Answered, failures: u32, chance: f64) -> Duration {
    const LONGEST: Duration = Duration::from_mins(1);
    match answered {
        Answered::Status(429 | 503, Some(asked)) => asked.min(LONGEST_ASKED),
        _ => pause(failures, chance).min(LONGEST),
    }
}

/// Between half and all of what doubling comes to.
fn pause(attempt: u32, chance: f64) -> Duration {
    let doubled = FIRST.saturating_mul(1 << attempt.saturating_sub(1).min(16));
    doubled.min(LONGEST).mul_f64(0.5 + 0.5 * chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const YOUNG: Duration = Duration::ZERO;

    #[test]
    fn pauses_double_up_to_a_quarter_of_an_hour() {
        let pauses: Vec<u64> = [1, 2, 3, 10, 11, 1000]
            .map(|attempt| match after(Answered::Nothing, attempt, YOUNG, 1.0) {
                Next::Again(pause) => pause.as_secs(),
                other => panic!("{other:?}"),
            })
            .to_vec();
        assert_eq!(pauses, [1, 2, 4, 512, 900, 900]);
        assert_eq!(
            after(Answered::Nothing, 1, YOUNG, 0.0),
            Next::Again(Duration::from_millis(500))
        );
    }

    #[test]
    fn what_the_receiver_asks_for_is_kept_within_reason() {
        let asks = |seconds| Answered::Status(503, Some(Duration::from_secs(seconds)));
        assert_eq!(after(asks(30), 1, YOUNG, 1.0), Next::Again(Duration::from_secs(30)));
        assert_eq!(after(asks(0), 1, YOUNG, 1.0), Next::Again(FIRST));
        assert_eq!(after(asks(1 << 40), 1, YOUNG, 1.0), Next::Again(LONGEST_ASKED));
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for status in [200, 201, 204] {
            assert_eq!(after(Answered::Status(status, None), 1, YOUNG, 1.0), Next::Delivered);
        }
        for status in [408, 429, 500, 502, 503, 504] {
            let next = after(Answered::Status(status, None), 1, YOUNG, 1.0);
            assert_eq!(next, Next::Again(FIRST), "{status}");
        }
        for status in [301, 302, 307, 400, 401, 404, 410, 413] {
            assert_eq!(after(Answered::Status(status, None), 1, YOUNG, 1.0), Next::GiveUp);
        }
        assert_eq!(after(Answered::Refused, 1, YOUNG, 1.0), Next::GiveUp);
        assert_eq!(after(Answered::Nothing, 9, PATIENCE, 1.0), Next::GiveUp);
    }
}
