//! Nets over the window before a forecast: what they are without their weights, and what they read.
//!
//! Training and scoring take the same steps. All end in a location and a raw spread for each step ahead,
//! from which the engine's `quantiles` makes the levels.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::net::{LEVELS, MEDIAN, OFFSETS};
use super::window::Window;
use crate::engine::net::Declared;
use crate::engine::{Activation, Linear, Net, NetBuilder, Onto, Part, Value, patch_count};

/// What is stored of a net.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum WindowNet {
    /// One linear map (NLinear: Zeng et al., Are Transformers Effective for Time Series Forecasting?, 2023).
    NLinear,
    /// Linear maps of the moving average over `kernel` steps and of what is left (DLinear, the same paper).
    DLinear { kernel: usize },
    /// Blocks that see the window at a pace of their own, forecast at one of their own and leave the rest of
    /// the window to the next (N-HiTS: Challu et al., Neural Hierarchical Interpolation for Time Series
    /// Forecasting, 2023).
    NHits {
        /// Of how many steps each block sees the mean.
        pools: Vec<usize>,
        /// How many steps of the forecast each block has one number for.
        ratios: Vec<usize>,
        /// The widths of a block's layers.
        hidden: Vec<usize>,
    },
    /// A transformer encoder over patches of the window (PatchTST: Nie et al., A Time Series is Worth 64
    /// Words, 2023), with layer norms before each part where the paper has batch norms after it: these
    /// would tie the windows of a batch to each other.
    PatchTst {
        /// Steps of a patch, and from one to the next.
        patch: usize,
        stride: usize,
        /// What a patch becomes, and in how many parts it is compared with others.
        width: usize,
        heads: usize,
        /// Blocks of attention and of a hidden layer.
        layers: usize,
        hidden: usize,
    },
}

impl WindowNet {
    /// Whether there can be such a net of so many steps; asked of what a package says.
    pub(super) fn is_sound(&self, look_back: usize) -> bool {
        let sizes = |sizes: &[usize]| sizes.iter().all(|size| (1..=100_000).contains(size));
        look_back > 0
            && match self {
                Self::NLinear => true,
                Self::DLinear { kernel } => kernel % 2 == 1 && sizes(&[*kernel]),
                Self::NHits { pools, ratios, hidden } => {
                    !pools.is_empty()
                        && pools.len() == ratios.len()
                        && [pools, ratios, hidden].into_iter().all(|list| sizes(list))
                }
                Self::PatchTst { patch, stride, width, heads, layers, hidden } => {
                    sizes(&[*patch, *stride, *width, *heads, *layers, *hidden])
                        && *patch <= look_back
                        && stride <= patch
                        && width.is_multiple_of(*heads)
                }
            }
    }

    /// The same with no pool, patch or pace longer than what there is.
    pub(crate) fn held_to(mut self, look_back: usize, horizon: usize) -> Self {
        match &mut self {
            Self::NLinear | Self::DLinear { .. } => {}
            Self::NHits { pools, ratios, .. } => {
                for pool in pools {
                    *pool = look_back.min(*pool);
                }
                for ratio in ratios {
                    *ratio = horizon.min(*ratio);
                }
            }
            Self::PatchTst { patch, stride, .. } => {
                *patch = look_back.min(*patch);
                *stride = (*patch).min(*stride);
            }
        }
        self
    }

    /// Whether the spread is a map of the sizes of the window's values, which stand beside these.
    fn reads_sizes(&self) -> bool {
        matches!(self, Self::NLinear | Self::DLinear { .. })
    }

    /// Adds what the net reads of a window to a batch.
    pub(crate) fn read(&self, window: &Window, dense: &mut Vec<f32>) {
        let start = dense.len();
        dense.extend(window.inputs.iter().map(|input| *input as f32));
        if self.reads_sizes() {
            let end = dense.len();
            dense.extend_from_within(start..end);
            for size in &mut dense[end..] {
                *size = size.abs();
            }
        }
    }

    /// The steps of the net, with so much left out of hidden values in training.
    pub(crate) fn net(&self, look_back: usize, horizon: usize, dropout: f64) -> Arc<Net> {
        let inputs = if self.reads_sizes() { 2 * look_back } else { look_back };
        let mut net = NetBuilder::new(inputs, 0);
        let both = match self {
            Self::NLinear => {
                let maps = Linear { members: 2, shared_input: false, ..plain(horizon) };
                net.linear("map", net.dense(), maps)
            }
            Self::DLinear { kernel } => {
                let value = net.dense();
                let half = |offset| Part { value, offset, count: look_back, times: 1 };
                let values = net.stretch(half(0), Onto::Nothing);
                let sizes = net.stretch(half(look_back), Onto::Nothing);
                let location = net.decomposed("map", values, horizon, *kernel);
                let raw = net.linear("spread", sizes, plain(horizon));
                net.beside(location, raw)
            }
            Self::NHits { pools, ratios, hidden } => {
                let block = Block { horizon, hidden, dropout };
                blocks(&mut net, pools, ratios, &block)
            }
            Self::PatchTst { patch, stride, width, heads, layers, hidden } => {
                let tokens = patch_count(look_back, *patch, *stride);
                let patches = net.patches(net.dense(), *patch, *stride);
                let token =
                    Token { tokens, width: *width, heads: *heads, hidden: *hidden, dropout };
                let value = encoder(&mut net, patches, *layers, &token);
                net.linear("head", value, plain(2 * horizon))
            }
        };
        let output = net.quantiles(OFFSETS, both, LEVELS.len(), MEDIAN);
        net.finish(output)
    }

    /// About how many multiplications a window takes forward.
    pub(crate) fn work(&self, look_back: usize, horizon: usize) -> usize {
        match self {
            // Its layers see every patch, and its heads every pair of them.
            Self::PatchTst { patch, stride, width, layers, hidden, .. } => {
                let tokens = patch_count(look_back, *patch, *stride);
                let head = 2 * horizon * tokens * width;
                let layer = 4 * width * width + 2 * width * hidden + 2 * tokens * width;
                head + tokens * (patch * width + layers * layer)
            }
            _ => {
                let net = self.net(look_back, horizon, 0.0);
                net.parameters().iter().map(Declared::len).sum()
            }
        }
    }
}

fn plain(width: usize) -> Linear {
    let activation = Activation::None;
    Linear { width, members: 1, shared_input: true, activation, dropout: 0.0 }
}

struct Block<'a> {
    horizon: usize,
    hidden: &'a [usize],
    dropout: f64,
}

/// `[location | raw spread]`, each the sum of what all blocks say.
fn blocks(net: &mut NetBuilder, pools: &[usize], ratios: &[usize], block: &Block<'_>) -> Value {
    let Block { horizon, hidden, dropout } = *block;
    let mut window = net.dense();
    let (mut location, mut raw) = (None, None);
    for (at, (&pool, &ratio)) in pools.iter().zip(ratios).enumerate() {
        let last = at + 1 == pools.len();
        // Nobody looks at what the last block leaves of the window.
        let back = if last { 0 } else { window.width };
        let knots = horizon.div_ceil(ratio);
        let mut value = net.pool(window, pool);
        for (layer, &width) in hidden.iter().enumerate() {
            let activation = Activation::Relu;
            let linear = Linear { activation, dropout, ..plain(width) };
            value = net.linear(&format!("blocks.{at}.{layer}"), value, linear);
        }
        let value = net.linear(&format!("blocks.{at}.last"), value, plain(back + 2 * knots));
        let part = |offset, count| Part { value, offset, count, times: 1 };
        location = Some(net.interpolate(part(back, knots), horizon, location));
        raw = Some(net.interpolate(part(back + knots, knots), horizon, raw));
        if !last {
            window = net.stretch(part(0, back), Onto::TakenFrom(window));
        }
    }
    let (location, raw) = location.zip(raw).expect("there is a block");
    net.beside(location, raw)
}

struct Token {
    tokens: usize,
    width: usize,
    heads: usize,
    hidden: usize,
    dropout: f64,
}

/// All tokens after the blocks, `width` numbers each.
fn encoder(net: &mut NetBuilder, patches: Value, layers: usize, token: &Token) -> Value {
    let Token { tokens, width, heads, hidden, dropout } = *token;
    let layer = |width, activation, dropout| Linear {
        members: tokens,
        shared_input: false,
        activation,
        dropout,
        ..plain(width)
    };
    let none = Activation::None;
    // A bias for each token says where it stands.
    let mut stream = net.linear_stacked("embedding", patches, layer(width, none, dropout));
    for at in 0..layers {
        let name = |part: &str| format!("layers.{at}.{part}");
        let normal = net.norm_tokens(&name("attention.norm"), stream, tokens);
        let parts = net.linear_tokens(&name("attention.in"), normal, layer(3 * width, none, 0.0));
        let taken = net.attention(parts, tokens, heads);
        let taken = net.linear_tokens(&name("attention.out"), taken, layer(width, none, dropout));
        stream = net.residual(stream, taken);
        let normal = net.norm_tokens(&name("hidden.norm"), stream, tokens);
        let relu = layer(hidden, Activation::Relu, dropout);
        let value = net.linear_tokens(&name("hidden.in"), normal, relu);
        let value = net.linear_tokens(&name("hidden.out"), value, layer(width, none, dropout));
        stream = net.residual(stream, value);
    }
    net.norm_tokens("norm", stream, tokens)
}
