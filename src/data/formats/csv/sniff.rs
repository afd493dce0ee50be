//! What a CSV file doesn't say of itself: its delimiter and its decimal sign.

use crate::data::raw::{Raw, RawTable};

/// The delimiter that cuts the first rows into equally many cells, the most of them.
pub(super) fn delimiter(head: &[u8]) -> u8 {
    const ROWS: usize = 50;
    let mut best = (0, b',');
    for delimiter in [b',', b';', b'\t', b'|'] {
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .flexible(true)
            .has_headers(false)
            .from_reader(head);
        let mut widths: Vec<usize> =
            reader.byte_records().take(ROWS).flatten().map(|record| record.len()).collect();
        // The head may end inside its last row.
        if widths.len() > 1 && widths.len() < ROWS {
            widths.pop();
        }
        let width = widths.first().copied().unwrap_or(0);
        let alike = widths.iter().filter(|&&other| other == width).count();
        // A ragged row is for the reader to report; it shall not turn the choice.
        let fits = width > 1 && alike * 10 >= widths.len() * 9;
        let score = if fits { width * 2 } else { usize::from(width > 1) };
        if score > best.0 {
            best = (score, delimiter);
        }
    }
    best.1
}

/// A comma, where the first rows write numbers with one and none with a point.
pub(super) fn decimal(sample: &RawTable, delimiter: u8) -> Option<char> {
    if delimiter == b',' {
        return None;
    }
    let (mut commas, mut points) = (0, 0);
    for column in &sample.columns {
        let Raw::Texts(texts) = &column.raw else { continue };
        for cell in (0..sample.rows).filter_map(|row| texts.get(row)) {
            let digits = cell.trim_start_matches(['-', '+']);
            let Some((whole, part)) = digits.split_once([',', '.']) else { continue };
            let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            if !whole.is_empty() && !part.is_empty() && all_digits(whole) && all_digits(part) {
                if digits.contains(',') { commas += 1 } else { points += 1 }
            }
        }
    }
    (commas > points).then_some(',')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::raw::RawColumn;

    #[test]
    fn the_delimiter_is_the_one_that_cuts_rows_alike() {
        assert_eq!(delimiter(b"a,b,c\n1,2,3\n4,5,6\n"), b',');
        assert_eq!(delimiter(b"a;b;c\n1,5;2,5;3,5\n4,5;5,5;6,5\n"), b';');
        assert_eq!(delimiter(b"a\tb\n\"x,y\"\t2\n3,3\t4\n"), b'\t');
        assert_eq!(delimiter(b"a|b\n1|2\n"), b'|');
        assert_eq!(delimiter(b"only\n1\n2\n"), b',');
        assert_eq!(delimiter(b"a,b\n1,2\n3,4,5\n6,7\n"), b',');
    }

    #[test]
    fn a_decimal_comma_is_seen_only_where_it_cannot_be_the_delimiter() {
        let texts = ["1,5", "-12,25"].into_iter().map(Some).collect();
        let column = RawColumn { name: "x".into(), raw: Raw::Texts(texts), text: false };
        let sample = RawTable { columns: vec![column], rows: 2, decimal: None };
        assert_eq!(decimal(&sample, b';'), Some(','));
        assert_eq!(decimal(&sample, b','), None);
    }
}
