//! What one core works on: some rows of a batch, with the memory for their values and gradients.

use std::ops::Range;

use super::dropout::StepKey;
use super::net::{Batch, Net, ParameterId, Value};

/// Rows of a batch that go through a net together on one core.
#[derive(Debug)]
pub(crate) struct Shard<'a> {
    pub net: &'a Net,
    pub batch: &'a Batch,
    /// The rows, as numbered in the batch.
    pub rows: Range<usize>,
    pub weights: &'a [f32],
    /// What each step of the net made of the weights for the whole pass.
    pub prepared: &'a [Vec<f32>],
    /// What dropout draws from; none when scoring.
    pub dropout: Option<StepKey>,
}

impl Shard<'_> {
    pub(super) fn weights(&self, id: ParameterId) -> &[f32] {
        self.net.part(self.weights, id)
    }

    /// What the step at this place of the net has prepared.
    pub(super) fn prepared(&self, place: usize) -> &[f32] {
        &self.prepared[place]
    }

    /// The rows of each group, counted from the shard's first.
    pub(super) fn groups(&self) -> impl Iterator<Item = Range<usize>> {
        let Range { start, end } = self.rows;
        let first = self.batch.ends.partition_point(|group| *group <= start);
        let ends = self.batch.ends[first..].iter().take_while(move |group| **group <= end);
        ends.scan(0, move |from, group| {
            let rows = *from..group - start;
            *from = rows.end;
            Some(rows)
        })
    }

    pub(super) fn dense(&self) -> &[f32] {
        &self.batch.dense[self.rows.start * self.net.dense..self.rows.end * self.net.dense]
    }

    /// The codes of one of the shard's rows, counted from its first.
    pub(super) fn codes(&self, row: usize) -> &[u32] {
        let row = self.rows.start + row;
        &self.batch.codes[row * self.net.codes..(row + 1) * self.net.codes]
    }
}

/// The values of a shard's rows and their gradients, kept from forward to backward and used again.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    values: Vec<Vec<f32>>,
    gradients: Vec<Vec<f32>>,
    /// Which gradients have something in them.
    begun: Vec<bool>,
    /// Numbers drawn for a row.
    pub drawn: Vec<u16>,
}

impl Arena {
    /// Makes room for these rows; what was there stays as it is, since every step overwrites it.
    pub(super) fn prepare(&mut self, net: &Net, rows: usize) {
        self.values.resize_with(net.widths.len(), Vec::new);
        self.gradients.resize_with(net.widths.len(), Vec::new);
        self.begun.clear();
        self.begun.resize(net.widths.len(), false);
        // The batch itself holds the dense values, and nobody wants their gradient.
        for (value, &width) in self.values.iter_mut().zip(&net.widths).skip(1) {
            value.resize(rows * width, 0.0);
        }
    }

    /// Room for gradients, with that of the output given.
    pub(super) fn prepare_backward(&mut self, net: &Net, output: &[f32]) {
        for (gradient, value) in self.gradients.iter_mut().zip(&self.values).skip(1) {
            gradient.resize(value.len(), 0.0);
        }
        self.begun.fill(false);
        self.gradients[net.output.id].copy_from_slice(output);
        self.begun[net.output.id] = true;
    }

    /// A value that an earlier step made, or the dense values of the batch.
    pub(super) fn value<'a>(&'a self, value: Value, shard: &'a Shard<'_>) -> &'a [f32] {
        if value.id == 0 { shard.dense() } else { &self.values[value.id] }
    }

    /// A value that is about to be made, taken out so that others can be read; `put` it back.
    pub(super) fn take(&mut self, value: Value) -> Vec<f32> {
        std::mem::take(&mut self.values[value.id])
    }

    pub(super) fn put(&mut self, value: Value, made: Vec<f32>) {
        self.values[value.id] = made;
    }

    /// The gradient of what a step made, taken out for good: nobody asks for it again.
    pub(super) fn gradient(&mut self, value: Value) -> Vec<f32> {
        std::mem::take(&mut self.gradients[value.id])
    }

    pub(super) fn gradient_ref(&self, value: Value) -> &[f32] {
        &self.gradients[value.id]
    }

    pub(super) fn put_gradient(&mut self, value: Value, gradient: Vec<f32>) {
        self.gradients[value.id] = gradient;
    }

    /// The gradient of what a step read, to write (`false`) or to add to (`true`); none where
    /// nobody wants it.
    pub(super) fn wanted(&mut self, value: Value) -> Option<(Vec<f32>, bool)> {
        if value.id == 0 {
            return None;
        }
        let add = std::mem::replace(&mut self.begun[value.id], true);
        Some((std::mem::take(&mut self.gradients[value.id]), add))
    }
}

/// The gradients of the parameters that are no tables, for a few shards that are worked through in order.
#[derive(Debug)]
pub(crate) struct Lane<'a> {
    pub gradient: &'a mut [f32],
    /// Whether there is something to add to: not so for the first shard.
    pub add: bool,
}

impl Lane<'_> {
    pub(super) fn of(&mut self, shard: &Shard<'_>, id: ParameterId) -> &mut [f32] {
        let declared = shard.net.declared(id);
        &mut self.gradient[declared.start..declared.start + declared.len()]
    }
}
