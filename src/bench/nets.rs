//! The workloads' nets.

use std::sync::Arc;

use super::Workload;
use crate::engine::{Activation, Linear, Net, NetBuilder, Onto, Part};

/// Steps that a window looks back, and that a forecast looks ahead.
pub(super) const LOOK_BACK: usize = 336;
pub(super) const HORIZON: usize = 96;
/// Numbers of a document.
pub(super) const DOCUMENT: usize = 136;
/// Numbers of a row with embeddings, and of a row without.
pub(super) const NUMBERS: usize = 10;
pub(super) const WIDE_NUMBERS: usize = 100;

/// Codes of each table: from 100 to 10,000, evenly by their logarithm.
pub(super) fn codes() -> Vec<usize> {
    (0..20).map(|at| (100.0 * 100_f64.powf(f64::from(at) / 19.0)).round() as usize).collect()
}

pub(super) fn of(workload: Workload, dropout: f64) -> Arc<Net> {
    let layers = |mut net: NetBuilder, mut value, hidden: [usize; 2], outputs| {
        for (at, width) in hidden.into_iter().enumerate() {
            value = net.linear(&format!("layers.{at}"), value, relu(width, dropout));
        }
        let output = net.linear("layers.2", value, plain(outputs));
        net.finish(output)
    };
    match workload {
        Workload::Mlp => {
            let net = NetBuilder::new(WIDE_NUMBERS, 0);
            let input = net.dense();
            layers(net, input, [256, 256], 2)
        }
        Workload::Embeddings => {
            let tables: Vec<(usize, usize)> =
                codes().into_iter().map(|codes| (codes, 16)).collect();
            let mut net = NetBuilder::new(NUMBERS, tables.len());
            let input = net.gather("tables", &tables, 0);
            layers(net, input, [256, 128], 2)
        }
        Workload::DLinear => {
            let mut net = NetBuilder::new(LOOK_BACK, 0);
            let output = net.decomposed("map", net.dense(), HORIZON, 25);
            net.finish(output)
        }
        Workload::NHits => nhits(),
        Workload::ListNet | Workload::LambdaRank => {
            let net = NetBuilder::new(DOCUMENT, 0);
            let input = net.dense();
            layers(net, input, [128, 64], 1)
        }
    }
}

fn nhits() -> Arc<Net> {
    let mut net = NetBuilder::new(LOOK_BACK, 0);
    let mut window = net.dense();
    let mut forecast = None;
    for (block, times) in [8, 4, 1].into_iter().enumerate() {
        let (back, ahead) = (LOOK_BACK / times, HORIZON / times);
        let mut value = net.pool(window, times);
        for layer in 0..2 {
            value = net.linear(&format!("{block}.{layer}"), value, relu(256, 0.0));
        }
        let value = net.linear(&format!("{block}.2"), value, plain(back + ahead));
        let part = Part { value, offset: back, count: ahead, times };
        forecast = Some(net.stretch(part, forecast.map_or(Onto::Nothing, Onto::AddedTo)));
        // Nobody looks at what the last block leaves of the window.
        if times > 1 {
            let part = Part { value, offset: 0, count: back, times };
            window = net.stretch(part, Onto::TakenFrom(window));
        }
    }
    net.finish(forecast.expect("there are blocks"))
}

fn relu(width: usize, dropout: f64) -> Linear {
    Linear { dropout, activation: Activation::Relu, ..plain(width) }
}

fn plain(width: usize) -> Linear {
    let activation = Activation::None;
    Linear { width, members: 1, shared_input: true, activation, dropout: 0.0 }
}
