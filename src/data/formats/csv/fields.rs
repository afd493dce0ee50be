//! The cells of a block, one after the other, by the rules of RFC 4180 and what is made of its breaches.
//!
//! A quote opens where a cell begins, and is doubled to stand for itself; what follows a closed quote
//! belongs to the cell as it is. A row ends at `\n`, `\r` or `\r\n`, and an empty line is no row. A
//! quote that never closes takes the rest. These are the rules of the `csv` crate, to which the tests
//! hold this reader.

/// Walks over the cells of whole rows.
pub(super) struct Fields<'a> {
    block: &'a [u8],
    at: usize,
    delimiter: u8,
    /// A cell whose quotes are taken away, where that leaves more than one piece.
    pieces: Vec<u8>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(block: &'a [u8], delimiter: u8) -> Self {
        Self { block, at: 0, delimiter, pieces: Vec::new() }
    }

    /// Goes to the next row, past empty lines; false at the end of the block.
    pub(super) fn next_row(&mut self) -> bool {
        while self.block.get(self.at).is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
            self.at += 1;
        }
        self.at < self.block.len()
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// What the row has from here on, for a reader that knows a shorter way than to find the cell's end.
    #[inline]
    pub(super) fn ahead(&self) -> &'a [u8] {
        &self.block[self.at..]
    }

    /// Whether a cell of this length ends where the row or the block does, or a delimiter stands.
    /// If it does, it is passed: `Some(true)` where it is the last of its row.
    #[inline]
    pub(super) fn pass(&mut self, length: usize) -> Option<bool> {
        let end = self.at + length;
        let last = match self.block.get(end) {
            Some(&byte) if byte == self.delimiter => false,
            None | Some(b'\n' | b'\r') => true,
            Some(_) => return None,
        };
        // The line break stays for `next_row`.
        self.at = if last { end } else { end + 1 };
        Some(last)
    }

    /// The next cell and whether it is the last of its row.
    #[inline]
    pub(super) fn next_cell(&mut self) -> (&[u8], bool) {
        if self.block.get(self.at) == Some(&b'"') {
            return self.quoted();
        }
        let start = self.at;
        let end = start + length(&self.block[start..], self.delimiter);
        let last = self.close(end);
        (&self.block[start..end], last)
    }

    /// The cell ends here, at a delimiter, a line break or the end of the block.
    fn close(&mut self, end: usize) -> bool {
        let last = self.block.get(end) != Some(&self.delimiter);
        self.at = if last { end } else { end + 1 };
        last
    }

    fn quoted(&mut self) -> (&[u8], bool) {
        let start = self.at + 1;
        let mut from = start;
        self.pieces.clear();
        let closed = loop {
            let Some(found) = memchr::memchr(b'"', &self.block[from..]) else {
                self.pieces.extend_from_slice(&self.block[from..]);
                self.at = self.block.len();
                return (&self.pieces, true);
            };
            let quote = from + found;
            if self.block.get(quote + 1) != Some(&b'"') {
                break quote;
            }
            self.pieces.extend_from_slice(&self.block[from..=quote]);
            from = quote + 2;
        };
        let tail = closed + 1;
        let end = tail + length(&self.block[tail..], self.delimiter);
        let last = self.close(end);
        if from == start && end == tail {
            return (&self.block[start..closed], last);
        }
        self.pieces.extend_from_slice(&self.block[from..closed]);
        self.pieces.extend_from_slice(&self.block[tail..end]);
        (&self.pieces, last)
    }
}

/// How far it is to the delimiter, a line break or the end.
///
/// Eight bytes at a time: most cells are shorter than what a call to a vector routine takes to begin.
#[inline]
fn length(text: &[u8], delimiter: u8) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const LOW: u64 = ONES * 0x7f;
    // The high bit of each byte that is zero, and of no other.
    let zeros = |word: u64| !(((word & LOW) + LOW) | word | LOW);
    let like = |word: u64, byte: u8| zeros(word ^ (ONES * u64::from(byte)));
    let mut at = 0;
    while let Some(word) = text[at..].first_chunk::<8>() {
        let word = u64::from_le_bytes(*word);
        let found = like(word, delimiter) | like(word, b'\n') | like(word, b'\r');
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let ends = |byte: &u8| *byte == delimiter || matches!(byte, b'\n' | b'\r');
    text[at..].iter().position(ends).map_or(text.len(), |found| at + found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows as the `csv` crate reads them.
    fn reference(text: &[u8]) -> Vec<Vec<Vec<u8>>> {
        let mut reader =
            csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(text);
        let rows = reader.byte_records().map(|row| row.expect("bytes in memory"));
        rows.map(|row| row.iter().map(<[u8]>::to_vec).collect()).collect()
    }

    fn ours(text: &[u8]) -> Vec<Vec<Vec<u8>>> {
        let mut fields = Fields::new(text, b',');
        let mut rows = Vec::new();
        while fields.next_row() {
            let mut row = Vec::new();
            loop {
                let (cell, last) = fields.next_cell();
                row.push(cell.to_vec());
                if last {
                    break;
                }
            }
            rows.push(row);
        }
        rows
    }

    #[test]
    fn any_text_is_read_as_the_csv_crate_reads_it() {
        // All texts of up to seven signs that mean something, and one that means nothing.
        const SIGNS: &[u8] = b"a,\"\n\r";
        for length in 0..=7_u32 {
            for mut number in 0..SIGNS.len().pow(length) {
                let text: Vec<u8> = (0..length)
                    .map(|_| {
                        let sign = SIGNS[number % SIGNS.len()];
                        number /= SIGNS.len();
                        sign
                    })
                    .collect();
                assert_eq!(ours(&text), reference(&text), "{:?}", String::from_utf8_lossy(&text));
            }
        }
    }

    #[test]
    fn long_cells_end_where_they_should() {
        for width in 0..40 {
            let cell = "x".repeat(width);
            let text =
                format!("{cell},{cell}é\r\n\"{cell}\"\"{cell}\",\"{cell}\n\"{cell},\n{cell}");
            assert_eq!(ours(text.as_bytes()), reference(text.as_bytes()), "{width}");
        }
    }
}
