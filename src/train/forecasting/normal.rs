//! Ridge regression in closed form, in double precision.
//!
//! The normal equations are gathered once for a set of windows; each strength of the penalty, and
//! each map that the penalty pulls towards, is then one Cholesky factorisation or one solve away.

use candle_core::{DType, Device, Tensor};

use crate::error::Result;
use crate::train::deadline::Deadline;

/// Rows that enter the normal equations at once.
const CHUNK: usize = 2048;

/// `ZᵀZ` and `ZᵀR` for inputs with a constant appended.
pub(super) struct Normal {
    /// Inputs, the constant counted.
    size: usize,
    outputs: usize,
    gram: Vec<f64>,
    cross: Vec<f64>,
}

impl Normal {
    /// The equations of `rows` windows; `fill` writes the inputs and targets of one window and answers its weight.
    pub(super) fn gather(
        rows: usize,
        inputs: usize,
        outputs: usize,
        deadline: &Deadline,
        fill: impl Fn(usize, &mut [f64], &mut [f64]) -> f64,
    ) -> Result<Self> {
        let size = inputs + 1;
        let width = size + outputs;
        let mut gram = vec![0.0; size * size];
        let mut cross = vec![0.0; size * outputs];
        for start in (0..rows).step_by(CHUNK) {
            deadline.look()?;
            let count = CHUNK.min(rows - start);
            let mut chunk = vec![0.0; count * width];
            for (row, cells) in chunk.chunks_exact_mut(width).enumerate() {
                let (left, targets) = cells.split_at_mut(size);
                let weight = fill(start + row, &mut left[..inputs], targets);
                left[inputs] = 1.0;
                for cell in cells {
                    *cell *= weight;
                }
            }
            let both = Tensor::from_vec(chunk, (count, width), &Device::Cpu)?;
            let left = both.narrow(1, 0, size)?.t()?.contiguous()?;
            let product: Vec<f64> =
                left.matmul(&both)?.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?;
            for (row, sums) in product.chunks_exact(width).enumerate() {
                add(&mut gram[row * size..][..size], &sums[..size]);
                add(&mut cross[row * outputs..][..outputs], &sums[size..]);
            }
        }
        Ok(Self { size, outputs, gram, cross })
    }

    /// The equations of the last `inputs` inputs alone.
    pub(super) fn last(&self, inputs: usize) -> Self {
        let size = inputs + 1;
        let skipped = self.size - size;
        let rows = self.gram.chunks_exact(self.size).skip(skipped);
        Self {
            size,
            outputs: self.outputs,
            gram: rows.flat_map(|row| row[skipped..].iter().copied()).collect(),
            cross: self.cross[skipped * self.outputs..].to_vec(),
        }
    }

    /// The map that fits best when it is pulled towards each of `towards` with a strength relative to
    /// the inputs' own size. Maps are `[inputs + 1, outputs]`, the constant last. None where the
    /// equations are singular.
    pub(super) fn solve(&self, strength: f64, towards: &[Vec<f64>]) -> Option<Vec<Vec<f64>>> {
        let trace: f64 = (0..self.size).map(|row| self.gram[row * self.size + row]).sum();
        let penalty = strength * trace / self.size as f64;
        let mut factor = self.gram.clone();
        for row in 0..self.size {
            factor[row * self.size + row] += penalty;
        }
        cholesky(&mut factor, self.size)?;
        let solved = towards.iter().map(|towards| {
            // The correction to `towards` is the ridge solution for what it leaves unexplained.
            let mut right = self.cross.clone();
            for row in 0..self.size {
                for (column, gram) in self.gram[row * self.size..][..self.size].iter().enumerate() {
                    let from = &towards[column * self.outputs..][..self.outputs];
                    let into = &mut right[row * self.outputs..][..self.outputs];
                    // Most maps to be pulled towards are nearly all zeros.
                    if from.iter().any(|value| *value != 0.0) {
                        subtract(into, from, *gram);
                    }
                }
            }
            substitute(&factor, self.size, &mut right, self.outputs);
            add(&mut right, towards);
            right
        });
        let solved: Vec<Vec<f64>> = solved.collect();
        solved.iter().flatten().all(|value| value.is_finite()).then_some(solved)
    }
}

fn add(into: &mut [f64], from: &[f64]) {
    for (into, from) in into.iter_mut().zip(from) {
        *into += from;
    }
}

fn subtract(into: &mut [f64], from: &[f64], factor: f64) {
    for (into, from) in into.iter_mut().zip(from) {
        *into -= factor * from;
    }
}

/// The lower factor of a positive definite matrix, in place; none where it is not positive.
pub(super) fn cholesky(matrix: &mut [f64], size: usize) -> Option<()> {
    for row in 0..size {
        let (above, current) = matrix.split_at_mut(row * size);
        for column in 0..row {
            let other = &above[column * size..][..=column];
            let sum: f64 = dot(&current[..column], &other[..column]);
            current[column] = (current[column] - sum) / other[column];
        }
        let rest = current[row] - dot(&current[..row], &current[..row]);
        if rest <= 0.0 || !rest.is_finite() {
            return None;
        }
        current[row] = rest.sqrt();
    }
    Some(())
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

/// Solves `L Lᵀ X = right` in place.
pub(super) fn substitute(factor: &[f64], size: usize, right: &mut [f64], outputs: usize) {
    for row in 0..size {
        let (above, current) = right.split_at_mut(row * outputs);
        let current = &mut current[..outputs];
        for column in 0..row {
            subtract(current, &above[column * outputs..][..outputs], factor[row * size + column]);
        }
        let pivot = factor[row * size + row];
        for value in current {
            *value /= pivot;
        }
    }
    for row in (0..size).rev() {
        let (head, below) = right.split_at_mut((row + 1) * outputs);
        let current = &mut head[row * outputs..];
        for column in row + 1..size {
            let from = &below[(column - row - 1) * outputs..][..outputs];
            subtract(current, from, factor[column * size + row]);
        }
        let pivot = factor[row * size + row];
        for value in current {
            *value /= pivot;
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;
    use crate::sys::random::{Purpose, stream};

    #[test]
    fn a_known_linear_map_is_recovered_and_a_strong_pull_wins() {
        let random = &mut stream(1, Purpose::Sample, 0);
        let (inputs, outputs, rows) = (5, 3, 5000);
        let map: Vec<f64> = (0..(inputs + 1) * outputs).map(|_| random.random()).collect();
        let data: Vec<f64> = (0..rows * inputs).map(|_| random.random::<f64>() - 0.5).collect();
        let fill = |row: usize, left: &mut [f64], right: &mut [f64]| {
            left.copy_from_slice(&data[row * inputs..][..inputs]);
            for (output, value) in right.iter_mut().enumerate() {
                *value = map[inputs * outputs + output]
                    + (0..inputs).map(|i| left[i] * map[i * outputs + output]).sum::<f64>();
            }
            1.0
        };
        let normal = Normal::gather(rows, inputs, outputs, &Deadline::open(), fill).unwrap();
        let zeros = vec![0.0; map.len()];
        let ones = vec![1.0; map.len()];
        let free = normal.solve(1e-12, &[zeros, ones.clone()]).unwrap();
        for solved in &free {
            for (found, known) in solved.iter().zip(&map) {
                assert!((found - known).abs() < 1e-8);
            }
        }
        let pulled = normal.solve(1e9, &[ones]).unwrap();
        assert!(pulled[0].iter().all(|value| (value - 1.0).abs() < 1e-6));
    }

    #[test]
    fn equations_without_a_solution_are_told() {
        let normal = Normal::gather(4, 2, 1, &Deadline::open(), |_, _, _| 0.0).unwrap();
        assert!(normal.solve(0.0, &[vec![0.0; 3]]).is_none());
    }
}
