//! What a net is without its weights: stored with a model, and enough to put its steps together again.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{NetSettings, Numbers};
use crate::engine::{Activation, Curve, Init, Linear, Net, NetBuilder, Value};
use crate::model::features::{Features, UNSEEN_CODE};

/// The deviation that the frequencies of cosines start with.
const FREQUENCIES: f32 = 0.1;

/// A net over the encoded numbers and the codes of a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct NetShape {
    /// Dense values of a row, as the features encode them.
    pub dense: usize,
    pub numbers: NumberShape,
    pub embeddings: Vec<EmbeddingShape>,
    /// What the members share, and how they look.
    pub body: Body,
    /// Of one member.
    pub outputs: usize,
    pub members: usize,
}

/// What becomes of the encoded numbers first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum NumberShape {
    /// The dense values go in as they are.
    Plain,
    /// Each number, with so many bins, becomes a vector of this size.
    Piecewise { bins: Vec<usize>, size: usize },
    /// Each dense value becomes a vector of this size, itself and what is made of so many cosines.
    Periodic { cosines: usize, size: usize },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct EmbeddingShape {
    pub codes: usize,
    pub size: usize,
}

/// The layers between what is read and what is said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Body {
    /// Nets of their own side by side.
    Mlp { hidden: Vec<usize> },
    /// Members that share all layers but the last, each with scales and biases of its own
    /// (Gorishniy et al., TabM: Advancing Tabular Deep Learning With Parameter-Efficient Ensembling, 2025).
    Tabm { hidden: Vec<usize> },
    /// Blocks that each add to what they were given, `width` wide, and `hidden` within (Gorishniy et
    /// al., Revisiting Deep Learning Models for Tabular Data, 2021).
    Resnet { width: usize, hidden: Vec<usize> },
    /// Scaled inputs, and layers whose activations learn how far they bend (Holzmüller et al.,
    /// Better by Default, 2024).
    RealMlp { hidden: Vec<usize>, activation: Curve },
    /// Transformer blocks over the rows of a query, each with so many heads and a hidden layer, on a stream `width`
    /// wide (Pobrotyn et al., Context-Aware Learning to Rank with Self-Attention, 2020).
    Attention { width: usize, heads: usize, hidden: Vec<usize> },
}

impl Body {
    pub(crate) fn hidden(&self) -> &[usize] {
        match self {
            Self::Mlp { hidden }
            | Self::Tabm { hidden }
            | Self::Resnet { hidden, .. }
            | Self::RealMlp { hidden, .. }
            | Self::Attention { hidden, .. } => hidden,
        }
    }

    /// Whether what it says of a row depends on the other rows of its query.
    pub(crate) fn is_listwise(&self) -> bool {
        matches!(self, Self::Attention { .. })
    }

    pub(super) fn hidden_mut(&mut self) -> &mut Vec<usize> {
        match self {
            Self::Mlp { hidden }
            | Self::Tabm { hidden }
            | Self::Resnet { hidden, .. }
            | Self::RealMlp { hidden, .. }
            | Self::Attention { hidden, .. } => hidden,
        }
    }
}

impl NetShape {
    pub(crate) fn new(features: &Features, settings: &NetSettings, outputs: usize) -> Self {
        let embeddings = features
            .levels
            .iter()
            .map(|level| {
                let codes = level.encoder.codes();
                // A rule of thumb (fastai's): about the square root, and no more than there are levels.
                let size = (1.6 * (codes as f64).powf(0.56)).round() as usize;
                EmbeddingShape { codes, size: size.min(codes).clamp(1, settings.embedding) }
            })
            .collect();
        let numbers = match features.bins() {
            Some(bins) if !bins.is_empty() => {
                NumberShape::Piecewise { bins, size: settings.number_embedding }
            }
            None if settings.numbers == Numbers::Periodic => {
                NumberShape::Periodic { cosines: settings.cosines, size: settings.number_embedding }
            }
            _ => NumberShape::Plain,
        };
        Self {
            dense: features.dense_width(),
            numbers,
            embeddings,
            body: settings.body.clone(),
            outputs,
            members: settings.members,
        }
    }

    /// The steps of the net, with so much left out of hidden values in training.
    pub(super) fn net(&self, dropout: f64) -> Arc<Net> {
        let mut net = NetBuilder::new(self.dense, self.embeddings.len());
        let numbers = match &self.numbers {
            NumberShape::Plain => net.dense(),
            NumberShape::Piecewise { bins, size } => net.piecewise("numbers", bins, *size),
            NumberShape::Periodic { cosines, size } => {
                net.periodic("numbers", *cosines, *size, FREQUENCIES)
            }
        };
        let tables: Vec<(usize, usize)> =
            self.embeddings.iter().map(|embedding| (embedding.codes, embedding.size)).collect();
        // The codes of the missing and the unseen stay zero, which is the mean, until a row teaches them.
        let value = net.gather_after(numbers, "embeddings", &tables, UNSEEN_CODE as usize + 1);
        let output = match &self.body {
            Body::Mlp { hidden } => self.mlp(&mut net, value, hidden, dropout),
            Body::Tabm { hidden } => self.tabm(&mut net, value, hidden, dropout),
            Body::Resnet { width, hidden } => self.resnet(&mut net, value, *width, hidden, dropout),
            Body::RealMlp { hidden, activation } => {
                self.real_mlp(&mut net, value, hidden, *activation, dropout)
            }
            Body::Attention { width, heads, hidden } => {
                self.attention(&mut net, value, *width, *heads, hidden, dropout)
            }
        };
        net.finish(output)
    }

    /// All members read the same input, so their first layer is one matrix.
    fn mlp(&self, net: &mut NetBuilder, mut value: Value, hidden: &[usize], dropout: f64) -> Value {
        for (layer, &width) in hidden.iter().enumerate() {
            let linear = self.hidden_layer(width, layer == 0, dropout);
            value = net.linear(&format!("layers.{layer}"), value, linear);
        }
        let last = self.last_layer(hidden.is_empty());
        net.linear(&format!("layers.{}", hidden.len()), value, last)
    }

    /// TabM's smaller form: a scale a member at the entrance, then shared weights with a bias a
    /// member, then a last layer a member.
    fn tabm(&self, net: &mut NetBuilder, value: Value, hidden: &[usize], dropout: f64) -> Value {
        // One draw for all that comes of one column, as in the paper.
        let mut repeats = match &self.numbers {
            NumberShape::Piecewise { bins, size } => vec![*size; bins.len()],
            NumberShape::Periodic { size, .. } => vec![*size; self.dense],
            NumberShape::Plain => vec![1; self.dense],
        };
        repeats.extend(self.embeddings.iter().map(|embedding| embedding.size));
        let init = Init::Normal { deviation: 1.0, repeats };
        let mut value = net.members("members", value, self.members, init);
        for (layer, &width) in hidden.iter().enumerate() {
            let linear = self.hidden_layer(width, false, dropout);
            value = net.linear_stacked(&format!("layers.{layer}"), value, linear);
        }
        net.linear(&format!("layers.{}", hidden.len()), value, self.last_layer(false))
    }

    /// Layer norms stand where the paper has batch norms, which would tie a batch's shards together.
    fn resnet(
        &self,
        net: &mut NetBuilder,
        value: Value,
        width: usize,
        hidden: &[usize],
        dropout: f64,
    ) -> Value {
        let plain = |width, shared_input| Linear {
            activation: Activation::None,
            dropout: 0.0,
            ..self.hidden_layer(width, shared_input, 0.0)
        };
        let mut stream = net.linear("first", value, plain(width, true));
        for (block, &inner) in hidden.iter().enumerate() {
            let normal = net.norm(&format!("blocks.{block}.norm"), stream, self.members);
            let layer = self.hidden_layer(inner, false, dropout);
            let within = net.linear(&format!("blocks.{block}.0"), normal, layer);
            let added = net.linear(&format!("blocks.{block}.1"), within, plain(width, false));
            stream = net.residual(stream, added);
        }
        let normal = net.norm("last.norm", stream, self.members);
        net.linear("last", normal, self.last_layer(false))
    }

    /// Rates stand where the paper has the neural tangent parametrisation: a weight that is divided by
    /// the root of its inputs in the net learns as one that is not, at a rate divided by it.
    fn real_mlp(
        &self,
        net: &mut NetBuilder,
        value: Value,
        hidden: &[usize],
        curve: Curve,
        dropout: f64,
    ) -> Value {
        net.learn_at("numbers", 0.1);
        net.learn_at("embeddings", 0.25);
        let ones = Init::Values(vec![1.0; self.members * value.width]);
        let mut value = net.members("scale", value, self.members, ones);
        net.learn_at("scale", 6.0);
        for (layer, &width) in hidden.iter().chain([&self.outputs]).enumerate() {
            let inputs = value.width / self.members;
            let name = format!("layers.{layer}");
            let linear = Linear { width, ..self.last_layer(false) };
            value = net.linear(&name, value, linear);
            net.learn_at(&format!("{name}.weight"), 1.0 / (inputs as f32).sqrt());
            net.learn_at(&format!("{name}.bias"), 0.1);
            if layer < hidden.len() {
                let name = format!("activations.{layer}");
                value = net.activate(&name, value, curve, dropout);
                net.learn_at(&name, 0.1);
            }
        }
        value
    }

    /// Encoder blocks whose normalisation comes first (Xiong et al., On Layer Normalization in the Transformer
    /// Architecture, 2020), so that no warm-up is needed; rows have no positions.
    fn attention(
        &self,
        net: &mut NetBuilder,
        value: Value,
        width: usize,
        heads: usize,
        hidden: &[usize],
        dropout: f64,
    ) -> Value {
        let plain = |width, dropout| Linear {
            activation: Activation::None,
            ..self.hidden_layer(width, true, dropout)
        };
        let mut stream = net.linear("first", value, plain(width, 0.0));
        for (block, &inner) in hidden.iter().enumerate() {
            let name = |part: &str| format!("blocks.{block}.{part}");
            let normal = net.norm(&name("attention.norm"), stream, 1);
            let parts = net.linear(&name("attention.parts"), normal, plain(3 * width, 0.0));
            let taken = net.together(parts, heads);
            let added = net.linear(&name("attention.out"), taken, plain(width, dropout));
            stream = net.residual(stream, added);
            let normal = net.norm(&name("norm"), stream, 1);
            let within = net.linear(&name("0"), normal, self.hidden_layer(inner, true, dropout));
            let added = net.linear(&name("1"), within, plain(width, dropout));
            stream = net.residual(stream, added);
        }
        let normal = net.norm("last.norm", stream, 1);
        net.linear("last", normal, self.last_layer(true))
    }

    fn hidden_layer(&self, width: usize, shared_input: bool, dropout: f64) -> Linear {
        let activation = Activation::Relu;
        Linear { width, members: self.members, shared_input, activation, dropout }
    }

    fn last_layer(&self, shared_input: bool) -> Linear {
        Linear {
            width: self.outputs,
            members: self.members,
            shared_input,
            activation: Activation::None,
            dropout: 0.0,
        }
    }
}
