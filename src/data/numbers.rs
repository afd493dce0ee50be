//! Numbers as cells write them.

/// A finite number; `decimal` is its sign where that is a comma.
pub(crate) fn number(cell: &str, decimal: Option<char>) -> Option<f64> {
    if decimal == Some(',') {
        return with_comma(cell);
    }
    match leading_number(cell.as_bytes()) {
        Some((value, length)) if length == cell.len() => Some(value),
        _ => any_number(cell),
    }
}

/// Any notation of a finite number with a decimal point.
fn any_number(cell: &str) -> Option<f64> {
    let first = *cell.as_bytes().first()?;
    // Rust reads `inf` and `nan` as numbers; a table means something else by them.
    if !(first.is_ascii_digit() || matches!(first, b'-' | b'+' | b'.')) {
        return None;
    }
    cell.parse().ok().filter(|value: &f64| value.is_finite())
}

fn with_comma(cell: &str) -> Option<f64> {
    let (whole, part) = cell.split_once(',').unwrap_or((cell, ""));
    // Points group thousands where the comma is the decimal sign, and do nothing else.
    if whole.split('.').skip(1).any(|group| group.len() != 3) || part.contains('.') {
        return None;
    }
    any_number(&format!("{}.{part}", whole.replace('.', "")))
}

/// Powers of ten that a float holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// The plain decimal number that a text begins with, and its length; `None` where it takes more than
/// one division to be exact, or there is none.
///
/// Digits that make an integer below 2^53, over a power of ten up to 22, are one correctly rounded
/// operation on two exact floats (Clinger, How to Read Floating Point Numbers Accurately, 1990), so
/// the answer is the standard library's to the last bit.
#[inline]
pub(crate) fn leading_number(text: &[u8]) -> Option<(f64, usize)> {
    let negative = text.first() == Some(&b'-');
    let start = usize::from(negative);
    let mut at = start;
    let mut digits: u64 = 0;
    while let Some(digit) = text.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|&d| d < 10) {
        digits = digits.wrapping_mul(10).wrapping_add(u64::from(digit));
        at += 1;
    }
    let mut count = at - start;
    let mut places = 0;
    if text.get(at) == Some(&b'.') {
        at += 1;
        let point = at;
        while let Some(digit) = text.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|&d| d < 10)
        {
            digits = digits.wrapping_mul(10).wrapping_add(u64::from(digit));
            at += 1;
        }
        places = at - point;
        count += places;
    }
    // Nineteen digits fit a u64 whatever they are.
    if count == 0 || count > 19 || digits > 1 << 53 {
        return None;
    }
    let value = digits as f64 / POWERS[places];
    Some((if negative { -value } else { value }, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_finite_and_know_the_decimal_comma() {
        for (cell, decimal, value) in [
            ("1.5", None, Some(1.5)),
            ("-3e2", None, Some(-300.0)),
            ("+7", None, Some(7.0)),
            (".5", None, Some(0.5)),
            ("5.", None, Some(5.0)),
            (".", None, None),
            ("-", None, None),
            ("", None, None),
            ("1,5", Some(','), Some(1.5)),
            ("1.234,5", Some(','), Some(1234.5)),
            ("1.5", Some(','), None),
            ("7", Some(','), Some(7.0)),
            (",5", Some(','), Some(0.5)),
            ("1,5", None, None),
            ("inf", None, None),
            ("nan", None, None),
            ("1e999", None, None),
            ("12 px", None, None),
        ] {
            assert_eq!(number(cell, decimal), value, "{cell}");
        }
    }

    #[test]
    fn the_short_way_is_the_standard_library_s_to_the_last_bit() {
        let mut state = 7_u64;
        let mut short = 0;
        for _ in 0..200_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let digits = (state >> 20) % 10_u64.pow((state % 19) as u32 + 1);
            let sign = if state & 1 << 63 == 0 { "" } else { "-" };
            let mut text = format!("{sign}{digits:05}");
            text.insert(text.len() - (state >> 8) as usize % 5, '.');
            let value: f64 = text.parse().expect("a number");
            if let Some((ours, length)) = leading_number(text.as_bytes()) {
                short += 1;
                assert_eq!((ours.to_bits(), length), (value.to_bits(), text.len()), "{text}");
            }
            assert_eq!(number(&text, None).map(f64::to_bits), Some(value.to_bits()), "{text}");
        }
        assert!(short > 100_000, "{short}");
        assert_eq!(
            leading_number(b"-0,").map(|(zero, at)| (zero.to_bits(), at)),
            Some((1 << 63, 2))
        );
    }
}
