//! A stream cut into blocks of whole rows, so that rows of different blocks can be read side by side.

use std::io::{self, Read};

use memchr::{memchr, memrchr2};

/// Hands out the stream in blocks that end where a row ends; only the last may lack its line break.
///
/// Whether a line break ends a row depends on every quote before it, so one thread looks at all of
/// them in turn. It looks at nothing else, and is many times as fast as those who read the cells.
pub(super) struct Blocks<R> {
    stream: R,
    delimiter: u8,
    /// How much is read at once.
    size: usize,
    /// What was read and is of no block yet; it begins where a row begins.
    rest: Vec<u8>,
    ended: bool,
}

impl<R: Read> Blocks<R> {
    pub(super) fn new(stream: R, delimiter: u8, size: usize) -> Self {
        Self { stream, delimiter, size, rest: Vec::new(), ended: false }
    }

    /// The next whole rows, at least one; `None` at the end. A row that is larger than a block is
    /// a block of its own, a quote that never closes the rest of the stream.
    pub(super) fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut block = std::mem::take(&mut self.rest);
        let mut cut = Cut::default();
        while !self.ended {
            let before = block.len();
            block.reserve(self.size);
            // `take` keeps the buffer at the size that was asked for.
            let read = (&mut self.stream).take(self.size as u64).read_to_end(&mut block)?;
            debug_assert_eq!(block.len(), before + read);
            self.ended = read < self.size;
            cut.advance(&block, self.delimiter);
            if cut.end > 0 && !self.ended {
                let mut rest = Vec::with_capacity(self.size + block.len() - cut.end);
                rest.extend_from_slice(&block[cut.end..]);
                block.truncate(cut.end);
                self.rest = rest;
                return Ok(Some(block));
            }
        }
        Ok(Some(block).filter(|block| !block.is_empty()))
    }
}

/// Where the last row ends in what was looked at so far.
#[derive(Default)]
struct Cut {
    /// The first byte that was not looked at.
    at: usize,
    in_quotes: bool,
    /// Behind the last line break that ends a row; 0 where there is none.
    end: usize,
}

impl Cut {
    fn advance(&mut self, block: &[u8], delimiter: u8) {
        loop {
            let Some(quote) = memchr(b'"', &block[self.at..]).map(|found| self.at + found) else {
                self.pass(block, block.len());
                return;
            };
            if !self.in_quotes {
                // A quote opens where a cell begins; inside a cell it is a sign like another.
                let opens = quote.checked_sub(1).is_none_or(|before| {
                    matches!(block[before], b'\n' | b'\r') || block[before] == delimiter
                });
                self.pass(block, quote + 1);
                self.in_quotes = opens;
                continue;
            }
            match block.get(quote + 1) {
                // Whether it is doubled shows when more is read.
                None => {
                    self.at = quote;
                    return;
                }
                Some(b'"') => self.at = quote + 2,
                Some(_) => {
                    self.at = quote + 1;
                    self.in_quotes = false;
                }
            }
        }
    }

    fn pass(&mut self, block: &[u8], to: usize) {
        if !self.in_quotes
            && let Some(found) = memrchr2(b'\n', b'\r', &block[self.at..to])
        {
            self.end = self.at + found + 1;
        }
        self.at = to;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, size: usize) -> Vec<String> {
        let mut blocks = Blocks::new(text.as_bytes(), b',', size);
        std::iter::from_fn(|| blocks.next().expect("no stream fails here"))
            .map(|block| String::from_utf8(block).expect("text"))
            .collect()
    }

    #[test]
    fn blocks_end_where_rows_end() {
        let text = "a,b\n1,\"x\ny\"\n2,\"say \"\"hi\n\"\"\"\n3,5\" pipe\n4,z";
        for size in 1..60 {
            let blocks = cut(text, size);
            assert_eq!(blocks.concat(), text, "{size}");
            for block in &blocks {
                let starts = ["a,", "1,", "2,", "3,", "4,"];
                assert!(starts.iter().any(|start| block.starts_with(start)), "{size}: {block:?}");
            }
        }
        assert_eq!(cut(text, 1)[1], "1,\"x\ny\"\n");
    }

    #[test]
    fn a_quote_that_never_closes_takes_the_rest() {
        assert_eq!(cut("1\n\"2\n3\n4\n", 3), ["1\n", "\"2\n3\n4\n"]);
    }
}
