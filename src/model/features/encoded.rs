//! Rows as a net reads them: encoded numbers and codes in contiguous buffers.

use std::ops::Range;

use crate::engine::Batch;

/// Encoded rows, row-major.
#[derive(Clone, Debug, Default)]
pub(crate) struct EncodedRows {
    rows: Batch,
    dense_width: usize,
    code_width: usize,
}

impl EncodedRows {
    pub(super) fn new(rows: Batch, dense_width: usize, code_width: usize) -> Self {
        Self { rows, dense_width, code_width }
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.rows
    }

    /// Neighbouring rows.
    pub(crate) fn range(&self, rows: Range<usize>) -> Batch {
        Batch {
            rows: rows.len(),
            dense: self.rows.dense[rows.start * self.dense_width..rows.end * self.dense_width]
                .to_vec(),
            codes: self.rows.codes[rows.start * self.code_width..rows.end * self.code_width]
                .to_vec(),
            ends: vec![],
        }
    }

    /// These rows, in this order.
    pub(crate) fn pick(&self, rows: &[usize]) -> Self {
        let mut picked = Batch::default();
        self.gather(rows, &mut picked);
        Self { rows: picked, ..*self }
    }

    /// Adds these rows to a batch.
    pub(crate) fn gather(&self, rows: &[usize], batch: &mut Batch) {
        let (dense, codes) = (self.dense_width, self.code_width);
        batch.rows += rows.len();
        batch.dense.reserve(rows.len() * dense);
        batch.codes.reserve(rows.len() * codes);
        for &row in rows {
            batch.dense.extend_from_slice(&self.rows.dense[row * dense..(row + 1) * dense]);
            batch.codes.extend_from_slice(&self.rows.codes[row * codes..(row + 1) * codes]);
        }
    }
}
