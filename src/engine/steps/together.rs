//! Self-attention over the rows of a group: what each row takes of all others of its query (Pobrotyn et al.,
//! Context-Aware Learning to Rank with Self-Attention, 2020; Pang et al., SetRank, SIGIR 2020).
//!
//! Rows have no place in their group, so that other orders of them give the same answers in that order.

use candle_core::Tensor;

use super::attention::{Heads, Scratch};
use crate::engine::net::{NetBuilder, Step, Value};
use crate::engine::plain::Plain;
use crate::engine::shard::{Arena, Lane, Shard};
use crate::error::Result;

#[derive(Debug)]
struct Together {
    input: Value,
    output: Value,
    heads: Heads,
}

impl NetBuilder {
    /// Self-attention over the rows of each group of a batch. A row is `[query | key | value]`.
    pub(crate) fn together(&mut self, input: Value, heads: usize) -> Value {
        let heads = Heads { count: heads, width: input.width / (3 * heads) };
        assert_eq!(input.width, heads.inputs(), "rows that heads divide evenly");
        let output = self.value(heads.outputs());
        self.look_at_groups();
        self.step(Together { input, output, heads });
        output
    }
}

impl Step for Together {
    fn forward(&self, shard: &Shard<'_>, arena: &mut Arena) {
        let mut output = arena.take(self.output);
        let mut scratch = Scratch::default();
        let input = arena.value(self.input, shard);
        let (inputs, outputs) = (self.input.width, self.output.width);
        for group in shard.groups() {
            let input = &input[group.start * inputs..group.end * inputs];
            let output = &mut output[group.start * outputs..group.end * outputs];
            self.heads.attend(input, output, &mut scratch);
        }
        arena.put(self.output, output);
    }

    fn backward(&self, shard: &Shard<'_>, arena: &mut Arena, _: &mut Lane<'_>) {
        let Some((mut target, adds)) = arena.wanted(self.input) else { return };
        let mut scratch = Scratch::default();
        let input = arena.value(self.input, shard);
        let slopes = arena.gradient_ref(self.output);
        let (inputs, outputs) = (self.input.width, self.output.width);
        for group in shard.groups() {
            let own = group.start * inputs..group.end * inputs;
            let slopes = &slopes[group.start * outputs..group.end * outputs];
            let target = &mut target[own.clone()];
            self.heads.pull_back(&input[own], slopes, target, adds, &mut scratch);
        }
        arena.put_gradient(self.input, target);
    }

    fn plain(&self, plain: &mut Plain<'_>) -> Result<()> {
        let input = plain.value(self.input)?;
        let mut start = 0;
        let mut parts = Vec::new();
        for &end in plain.ends() {
            let group = input.narrow(0, start, end - start)?.unsqueeze(0)?;
            parts.push(self.heads.plain(&group)?.squeeze(0)?);
            start = end;
        }
        plain.put(self.output, Tensor::cat(&parts, 0)?);
        Ok(())
    }
}
