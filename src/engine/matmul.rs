//! Matrix products of views into slices, on the calling thread alone.

use gemm::Parallelism;

/// A matrix in a slice: `rows × columns`, each with its stride.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> View<'a> {
    /// Row-major, with rows `stride` apart: the columns may be a part of wider rows.
    pub(crate) fn rows(values: &'a [f32], rows: usize, columns: usize, stride: usize) -> Self {
        assert!(columns <= stride && reach(rows, columns, stride, 1) <= values.len());
        Self { values, rows, columns, row_stride: stride, column_stride: 1 }
    }

    pub(crate) fn transposed(self) -> Self {
        Self {
            values: self.values,
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
        }
    }
}

/// A row-major matrix with its rows and columns exchanged, in blocks that stay in the first cache.
pub(crate) fn transpose(values: &[f32], rows: usize, columns: usize, target: &mut [f32]) {
    const BLOCK: usize = 16;
    assert!(values.len() == rows * columns && target.len() == values.len());
    for top in (0..rows).step_by(BLOCK) {
        for left in (0..columns).step_by(BLOCK) {
            for column in left..(left + BLOCK).min(columns) {
                for row in top..(top + BLOCK).min(rows) {
                    target[column * rows + row] = values[row * columns + column];
                }
            }
        }
    }
}

/// `target = left × right`, or `target += left × right`. Rows of the target lie `stride` apart.
pub(crate) fn multiply(
    target: &mut [f32],
    stride: usize,
    add: bool,
    left: View<'_>,
    right: View<'_>,
) {
    let (rows, inner, columns) = (left.rows, left.columns, right.columns);
    assert_eq!(inner, right.rows, "the inner sizes of a product agree");
    assert!(columns <= stride && reach(rows, columns, stride, 1) <= target.len());
    #[expect(
        unsafe_code,
        reason = "gemm takes pointers; the views and the asserts above hold every one inside its slice"
    )]
    // SAFETY: element (i, j) of each operand is at i · row_stride + j · column_stride, which `View::rows`
    // and the assert checked against the length of its slice. The target is borrowed mutably, so it
    // overlaps neither operand.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            target.as_mut_ptr(),
            1,
            stride as isize,
            add,
            left.values.as_ptr(),
            left.column_stride as isize,
            left.row_stride as isize,
            right.values.as_ptr(),
            right.column_stride as isize,
            right.row_stride as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

/// One more than the largest index that a matrix touches.
fn reach(rows: usize, columns: usize, row_stride: usize, column_stride: usize) -> usize {
    if rows == 0 || columns == 0 {
        return 0;
    }
    (rows - 1) * row_stride + (columns - 1) * column_stride + 1
}
