//! Multi-head self-attention: what each token of a group takes of all others (Vaswani et al., Attention Is
//! All You Need, 2017, equation 1).
//!
//! [`Heads`] is the arithmetic for one group of any number of tokens, on slices alone. The step has
//! groups that are the rows of a batch, with as many tokens in each.

use candle_core::{D, Tensor};

use crate::engine::matmul::{View, multiply};
use crate::engine::net::{NetBuilder, Step, Value};
use crate::engine::plain::Plain;
use crate::engine::shard::{Arena, Lane, Shard};
use crate::engine::simd::{exp, vectorised};
use crate::error::Result;

/// So many heads, each over so many numbers of a token.
///
/// A group of tokens is a slice of `[query | key | value]` a token, each `count × width` with the heads
/// side by side; how many tokens there are is read off its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heads {
    pub count: usize,
    /// Of one head.
    pub width: usize,
}

/// What a pass over one group needs room for; of use to the next group.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// What each token takes of each other, in one head.
    shares: Vec<f32>,
    slopes: Vec<f32>,
}

impl Heads {
    /// The numbers that a token has at the end: those of all heads.
    pub(crate) fn outputs(self) -> usize {
        self.count * self.width
    }

    /// The numbers of a token's query, key and value.
    pub(crate) fn inputs(self) -> usize {
        3 * self.outputs()
    }

    /// `softmax(QKᵀ/√width)·V` of every head. `input` is `tokens × inputs`, `output` `tokens × outputs`.
    pub(crate) fn attend(self, input: &[f32], output: &mut [f32], scratch: &mut Scratch) {
        let tokens = self.tokens(input);
        assert_eq!(output.len(), tokens * self.outputs(), "an answer for every token");
        if tokens == 0 {
            return;
        }
        for head in 0..self.count {
            self.share(input, head, tokens, &mut scratch.shares);
            let shares = View::rows(&scratch.shares, tokens, tokens, tokens);
            let target = &mut output[head * self.width..];
            let values = self.part(input, VALUE, head, tokens);
            multiply(target, self.outputs(), false, shares, values);
        }
    }

    /// From the slopes of what [`Self::attend`] made to those of what it read, which go into `target`
    /// or, where it `adds`, onto it.
    pub(crate) fn pull_back(
        self,
        input: &[f32],
        slopes: &[f32],
        target: &mut [f32],
        adds: bool,
        scratch: &mut Scratch,
    ) {
        let tokens = self.tokens(input);
        let (inputs, outputs, width) = (self.inputs(), self.outputs(), self.width);
        assert!(slopes.len() == tokens * outputs && target.len() == input.len(), "slopes of all");
        if tokens == 0 {
            return;
        }
        for head in 0..self.count {
            // To work the shares out again takes less than to keep them: they are tokens² a head.
            self.share(input, head, tokens, &mut scratch.shares);
            let pull = View::rows(&slopes[head * width..], tokens, width, outputs);
            let shares = View::rows(&scratch.shares, tokens, tokens, tokens);
            let at = |part: usize| part * outputs + head * width;
            multiply(&mut target[at(VALUE)..], inputs, adds, shares.transposed(), pull);

            let of_shares = &mut scratch.slopes;
            of_shares.resize(tokens * tokens, 0.0);
            let values = self.part(input, VALUE, head, tokens);
            multiply(of_shares, tokens, false, pull, values.transposed());
            of_scores(&scratch.shares, of_shares, tokens, self.scale());
            let of_scores = View::rows(of_shares, tokens, tokens, tokens);
            let (queries, keys) =
                (self.part(input, QUERY, head, tokens), self.part(input, KEY, head, tokens));
            multiply(&mut target[at(QUERY)..], inputs, adds, of_scores, keys);
            multiply(&mut target[at(KEY)..], inputs, adds, of_scores.transposed(), queries);
        }
    }

    /// What [`Self::attend`] makes, in plain tensors: from `[groups, tokens, inputs]` to `[groups, tokens, outputs]`.
    pub(crate) fn plain(self, input: &Tensor) -> Result<Tensor> {
        let (groups, tokens, _) = input.dims3()?;
        // [3, groups, heads, tokens, width]
        let parts = input.reshape((groups, tokens, 3, self.count, self.width))?;
        let parts = parts.permute((2, 0, 3, 1, 4))?.contiguous()?;
        let [queries, keys, values] = [parts.get(QUERY)?, parts.get(KEY)?, parts.get(VALUE)?];
        let scores = queries.contiguous()?.matmul(&keys.transpose(2, 3)?.contiguous()?)?;
        let scores = (scores * f64::from(self.scale()))?;
        // The largest is a shift that changes nothing, slopes included.
        let powers = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?.detach())?.exp()?;
        let shares = powers.broadcast_div(&powers.sum_keepdim(D::Minus1)?)?;
        let made = shares.matmul(&values.contiguous()?)?.transpose(1, 2)?.contiguous()?;
        Ok(made.reshape((groups, tokens, self.outputs()))?)
    }

    fn tokens(self, input: &[f32]) -> usize {
        assert!(input.len().is_multiple_of(self.inputs()), "whole tokens");
        input.len() / self.inputs()
    }

    fn scale(self) -> f32 {
        1.0 / (self.width as f32).sqrt()
    }

    /// The queries, keys or values of a head.
    fn part(self, input: &[f32], part: usize, head: usize, tokens: usize) -> View<'_> {
        let start = part * self.outputs() + head * self.width;
        View::rows(&input[start..], tokens, self.width, self.inputs())
    }

    /// What each token takes of each other in one head: rows that add up to one.
    fn share(self, input: &[f32], head: usize, tokens: usize, shares: &mut Vec<f32>) {
        shares.resize(tokens * tokens, 0.0);
        let (queries, keys) =
            (self.part(input, QUERY, head, tokens), self.part(input, KEY, head, tokens));
        multiply(shares, tokens, false, queries, keys.transposed());
        let scale = self.scale();
        vectorised(
            #[inline(always)]
            || shares.chunks_exact_mut(tokens).for_each(|row| softmax(row, scale)),
        );
    }
}

const QUERY: usize = 0;
const KEY: usize = 1;
const VALUE: usize = 2;

/// Sums that run side by side.
const WIDE: usize = 16;

/// The softmax of scores times a scale, in place.
#[inline(always)]
fn softmax(row: &mut [f32], scale: f32) {
    let most = fold(row.iter().copied(), f32::NEG_INFINITY, f32::max);
    for score in row.iter_mut() {
        *score = exp((*score - most) * scale);
    }
    let share = 1.0 / fold(row.iter().copied(), 0.0, |sum, value| sum + value);
    for value in row {
        *value *= share;
    }
}

/// From slopes of shares to slopes of the scores that they are the softmax of, in place.
fn of_scores(shares: &[f32], slopes: &mut [f32], tokens: usize, scale: f32) {
    vectorised(
        #[inline(always)]
        || {
            let rows = shares.chunks_exact(tokens);
            for (shares, slopes) in rows.zip(slopes.chunks_exact_mut(tokens)) {
                let each = shares.iter().zip(slopes.iter()).map(|(share, slope)| share * slope);
                let all = fold(each, 0.0, |sum, value| sum + value);
                for (slope, share) in slopes.iter_mut().zip(shares) {
                    *slope = share * (*slope - all) * scale;
                }
            }
        },
    );
}

/// In sixteen parts, so that it vectorises.
#[inline(always)]
fn fold(
    mut values: impl ExactSizeIterator<Item = f32>,
    start: f32,
    join: impl Fn(f32, f32) -> f32,
) -> f32 {
    let mut parts = [start; WIDE];
    for _ in 0..values.len() / WIDE {
        for (part, value) in parts.iter_mut().zip(&mut values) {
            *part = join(*part, value);
        }
    }
    let joined = parts.into_iter().fold(start, &join);
    values.fold(joined, join)
}

#[derive(Debug)]
struct Attention {
    input: Value,
    output: Value,
    heads: Heads,
}

impl NetBuilder {
    /// Self-attention over the tokens of each row. A row is `[query | key | value]` a token.
    pub(crate) fn attention(&mut self, input: Value, tokens: usize, heads: usize) -> Value {
        let width = input.width / (3 * heads * tokens);
        let heads = Heads { count: heads, width };
        assert_eq!(input.width, tokens * heads.inputs(), "tokens that heads divide evenly");
        let output = self.value(tokens * heads.outputs());
        self.step(Attention { input, output, heads });
        output
    }
}

impl Step for Attention {
    fn forward(&self, shard: &Shard<'_>, arena: &mut Arena) {
        let mut output = arena.take(self.output);
        let mut scratch = Scratch::default();
        let rows = arena.value(self.input, shard).chunks_exact(self.input.width);
        for (output, input) in output.chunks_exact_mut(self.output.width).zip(rows) {
            self.heads.attend(input, output, &mut scratch);
        }
        arena.put(self.output, output);
    }

    fn backward(&self, shard: &Shard<'_>, arena: &mut Arena, _: &mut Lane<'_>) {
        let Some((mut target, adds)) = arena.wanted(self.input) else { return };
        let mut scratch = Scratch::default();
        let rows = arena.value(self.input, shard).chunks_exact(self.input.width);
        let slopes = arena.gradient_ref(self.output).chunks_exact(self.output.width);
        let targets = target.chunks_exact_mut(self.input.width);
        for ((input, slopes), target) in rows.zip(slopes).zip(targets) {
            self.heads.pull_back(input, slopes, target, adds, &mut scratch);
        }
        arena.put_gradient(self.input, target);
    }

    fn plain(&self, plain: &mut Plain<'_>) -> Result<()> {
        let (rows, tokens) = (plain.rows(), self.input.width / self.heads.inputs());
        let groups = plain.value(self.input)?.reshape((rows, tokens, self.heads.inputs()))?;
        let made = self.heads.plain(&groups)?;
        plain.put(self.output, made.reshape((rows, self.output.width))?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADS: Heads = Heads { count: 2, width: 3 };

    fn group(tokens: usize) -> Vec<f32> {
        (0..tokens * HEADS.inputs()).map(|at| (at as f32 * 0.7).sin()).collect()
    }

    #[test]
    fn one_token_takes_all_of_itself_and_of_none_there_is_nothing() {
        let input = group(1);
        let mut output = vec![0.0; HEADS.outputs()];
        HEADS.attend(&input, &mut output, &mut Scratch::default());
        assert_eq!(output, input[2 * HEADS.outputs()..]);
        let mut none = vec![];
        HEADS.attend(&[], &mut none, &mut Scratch::default());
        HEADS.pull_back(&[], &[], &mut none, false, &mut Scratch::default());
    }

    #[test]
    fn groups_of_any_size_share_a_scratch_and_add_to_what_is_there() {
        let mut scratch = Scratch::default();
        for tokens in [5, 40, 3] {
            let input = group(tokens);
            let slopes: Vec<f32> = group(tokens)[..tokens * HEADS.outputs()].to_vec();
            let mut fresh = vec![9.0; input.len()];
            HEADS.pull_back(&input, &slopes, &mut fresh, false, &mut scratch);
            let mut added = vec![1.0; input.len()];
            HEADS.pull_back(&input, &slopes, &mut added, true, &mut Scratch::default());
            for (fresh, added) in fresh.iter().zip(&added) {
                assert!((added - fresh - 1.0).abs() < 1e-5, "{added} {fresh}");
            }
        }
    }

    #[test]
    fn huge_scores_give_shares_and_no_overflow() {
        let input: Vec<f32> = group(20).iter().map(|value| value * 1e6).collect();
        let mut output = vec![0.0; 20 * HEADS.outputs()];
        HEADS.attend(&input, &mut output, &mut Scratch::default());
        assert!(output.iter().all(|value| value.abs() <= 1.01e6), "{output:?}");
    }
}
