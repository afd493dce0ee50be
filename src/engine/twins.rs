//! Every fused step and loss against its plain twin, and against finite differences.

use std::sync::Arc;

use candle_core::{Device, Tensor, Var};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::loss::{
    ApproxNdcg, CrossEntropy, LambdaRank, ListNet, MeanSquares, NdcgLoss, OverQueries, Pinball,
    Query,
};
use super::*;
use crate::error::Result;

fn layer(width: usize, members: usize, shared_input: bool, activation: Activation) -> Linear {
    Linear { width, members, shared_input, activation, dropout: 0.25 }
}

/// Three nets side by side over dense values and two tables.
fn net() -> Arc<Net> {
    let mut net = NetBuilder::new(5, 2);
    let input = net.gather("tables", &[(7, 3), (40, 2)], 1);
    let hidden = net.linear("a", input, layer(9, 3, true, Activation::Relu));
    let hidden = net.linear("b", hidden, layer(8, 3, false, Activation::None));
    let output =
        net.linear("c", hidden, Linear { dropout: 0.0, ..layer(4, 3, false, Activation::None) });
    net.finish(output)
}

/// A forecasting net: two maps side by side, and quantiles around the first.
fn forecaster() -> Arc<Net> {
    let mut net = NetBuilder::new(6, 2);
    let input = net.dense();
    let maps =
        net.linear("map", input, Linear { dropout: 0.0, ..layer(4, 2, false, Activation::None) });
    let output = net.quantiles("offsets", maps, 5, 2);
    net.finish(output)
}

/// Pools, stretched parts and a decomposed window, some values read twice.
fn windows() -> Arc<Net> {
    let mut net = NetBuilder::new(5, 2);
    let window = net.linear("a", net.dense(), layer(24, 1, true, Activation::None));
    let map = net.decomposed("map", window, 12, 5);
    let pooled = net.pool(window, 4);
    let value = net.linear("b", pooled, layer(9, 1, true, Activation::Relu));
    let part = |offset, count, times| Part { value, offset, count, times };
    let forecast = net.stretch(part(6, 3, 4), Onto::AddedTo(map));
    let left = net.stretch(part(0, 6, 4), Onto::TakenFrom(window));
    let last = net.linear("c", left, layer(12, 1, true, Activation::None));
    let value = net.linear("d", last, layer(12, 1, true, Activation::None));
    let part = Part { value, offset: 0, count: 12, times: 1 };
    let other = net.stretch(part, Onto::Nothing);
    let part = Part { value: other, ..part };
    let output = net.stretch(part, Onto::AddedTo(forecast));
    net.finish(output)
}

/// Members that share weights, over piecewise-linear vectors of four numbers and two tables.
fn members() -> Arc<Net> {
    let mut net = NetBuilder::new(PAIRS, 2);
    let numbers = net.piecewise("numbers", &[5, 0, 1, 9], 3);
    let input = net.gather_after(numbers, "tables", &[(7, 3), (40, 2)], 1);
    let init = Init::Normal { deviation: 1.0, repeats: vec![3, 3, 3, 3, 3, 2] };
    let value = net.members("members", input, 3, init);
    let value = net.linear_stacked("a", value, layer(9, 3, false, Activation::Relu));
    let output =
        net.linear("b", value, Linear { dropout: 0.0, ..layer(4, 3, false, Activation::None) });
    net.finish(output)
}

/// Cosines of numbers, scales, smooth activations, norms and sums, some values read twice.
fn smooth() -> Arc<Net> {
    let mut net = NetBuilder::new(4, 2);
    let numbers = net.periodic("numbers", 6, 4, 0.5);
    let input = net.gather_after(numbers, "tables", &[(7, 3), (40, 2)], 1);
    let init = Init::Normal { deviation: 1.0, repeats: vec![] };
    let input = net.members("scale", input, 1, init);
    let layer = Linear { dropout: 0.0, ..layer(20, 2, true, Activation::None) };
    let wide = net.linear("a", input, layer);
    let mut value = wide;
    for curve in [Curve::Selu, Curve::Mish, Curve::Silu] {
        let bent = net.activate(&format!("b.{curve:?}"), wide, curve, 0.25);
        value = net.residual(value, bent);
    }
    let value = net.norm("c", value, 2);
    // Of the batch's own values too.
    let dense = net.norm("d", net.dense(), 2);
    let dense = net.linear("e", dense, Linear { members: 1, width: 40, ..layer });
    let output = net.residual(value, dense);
    net.finish(output)
}

/// Two blocks over the rows of a group, which a net before them makes.
fn listwise() -> Arc<Net> {
    let mut net = NetBuilder::new(5, 2);
    let plain = |width| Linear { dropout: 0.0, ..layer(width, 1, true, Activation::None) };
    let input = net.gather("tables", &[(7, 3), (40, 2)], 1);
    let mut stream = net.linear("first", input, plain(8));
    for block in ["a", "b"] {
        let normal = net.norm(&format!("{block}.norm"), stream, 1);
        let parts = net.linear(&format!("{block}.parts"), normal, plain(24));
        let taken = net.together(parts, 2);
        let added = net.linear(block, taken, layer(8, 1, true, Activation::None));
        stream = net.residual(stream, added);
    }
    let output = net.linear("last", stream, plain(1));
    net.finish(output)
}

/// Patches of a window as tokens that attend to each other, beside numbers drawn out from ragged pools.
fn tokens() -> Arc<Net> {
    let mut net = NetBuilder::new(5, 2);
    let window = net.linear("a", net.dense(), layer(13, 1, true, Activation::None));
    let tokens = 4;
    let patches = net.patches(window, 5, 3);
    let layer = |width, activation| layer(width, tokens, false, activation);
    let stream = net.linear_stacked("b", patches, layer(6, Activation::None));
    let normal = net.norm_tokens("c", stream, tokens);
    let parts = net.linear_tokens("d", normal, layer(18, Activation::None));
    let taken = net.attention(parts, tokens, 2);
    let stream = net.residual(stream, taken);
    let hidden = net.linear_tokens("e", stream, layer(7, Activation::Relu));
    // Of the batch's own values too.
    let own = net.patches(net.dense(), 3, 2);
    let own = net.norm_tokens("f", own, own.width / 3);
    let pooled = net.pool(window, 4);
    let part = |value, offset, count| Part { value, offset, count, times: 1 };
    let drawn = net.interpolate(part(pooled, 0, 4), 14, None);
    let drawn = net.interpolate(part(hidden, 5, 3), 14, Some(drawn));
    let both = net.beside(drawn, own);
    let both = net.beside(hidden, both);
    let output = net.beside(both, pooled);
    net.finish(output)
}

pub(super) fn nets() -> [Arc<Net>; 7] {
    [net(), forecaster(), windows(), members(), smooth(), listwise(), tokens()]
}

/// The dense values of a net that reads numbers as positions among bins.
const PAIRS: usize = 8;

pub(super) fn batch(net: &Net, rows: usize) -> Arc<Batch> {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let mut dense: Vec<f32> = (0..rows * net.dense).map(|_| random.random::<f32>() - 0.5).collect();
    if net.dense == PAIRS {
        // From a missing one to past the edge of all bins but one's.
        for position in dense.iter_mut().skip(1).step_by(2) {
            let drawn = *position * 14.0 + 5.0;
            *position = if drawn < 0.0 { MISSING_POSITION } else { drawn };
        }
        for pairs in dense.chunks_exact_mut(PAIRS) {
            for (position, bins) in pairs.iter_mut().skip(1).step_by(2).zip([5.0, 0.0, 1.0, 9.0]) {
                *position = position.min(bins);
            }
        }
    }
    let codes = (0..rows).flat_map(|row| [(row % 7) as u32, (row * row % 40) as u32]).collect();
    Arc::new(Batch { rows, dense, codes, ends: ends(rows) })
}

/// Groups of one row to some fifty, the last of what is left.
fn ends(rows: usize) -> Vec<usize> {
    let mut ends = vec![];
    let mut end = 0;
    while end < rows {
        end = (end + 1 + ends.len() * 17 % 50).min(rows);
        ends.push(end);
    }
    ends
}

pub(super) fn parameters(net: &Arc<Net>) -> Parameters {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let parameters = Parameters::init(net, &Device::Cpu, &mut random).expect("parameters");
    // What starts at zero or one would hide what it is multiplied with.
    let mut values: Vec<f32> = parameters.flat().to_vec1().expect("values");
    for declared in parameters.declared() {
        if matches!(declared.init, Init::Values(_)) {
            let own = &mut values[declared.start..declared.start + declared.len()];
            for value in own {
                *value += random.random::<f32>() * 0.5 - 0.25;
            }
        }
    }
    let values = Tensor::new(values, &Device::Cpu).expect("a tensor");
    parameters.flat().set(&values).expect("set");
    parameters
}

/// A loss that looks at every output in its own way, and the gradient of all parameters.
fn pull(parameters: &Parameters, batch: &Arc<Batch>, mode: Mode) -> (Vec<f32>, f32, Vec<f32>) {
    let output = parameters.forward(batch.clone(), mode).expect("output");
    let weights: Vec<f32> = (0..output.elem_count()).map(|at| (at as f32 * 0.37).sin()).collect();
    let weights = Tensor::from_vec(weights, output.shape(), &Device::Cpu).expect("weights");
    let loss = (output.tanh().expect("tanh") * weights).and_then(|t| t.sum_all()).expect("loss");
    let gradient = parameters.gradient(&loss).expect("gradient").to_vec();
    let values = output.flatten_all().and_then(|t| t.to_vec1()).expect("values");
    (values, loss.to_scalar().expect("scalar"), gradient)
}

fn close(one: &[f32], other: &[f32], within: f32) {
    assert_eq!(one.len(), other.len());
    for (at, (one, other)) in one.iter().zip(other).enumerate() {
        assert!((one - other).abs() <= within * (1.0 + other.abs()), "{at}: {one} and {other}");
    }
}

#[test]
fn a_fused_pass_is_its_plain_twin() {
    for (net, rows) in nets().iter().flat_map(|net| [1, 127, 128, 300].map(|rows| (net, rows))) {
        let fused = parameters(net).with_fused(true);
        let plain = parameters(net).with_fused(false);
        let batch = batch(net, rows);
        let values = |parameters: &Parameters| {
            let output = parameters.forward(batch.clone(), Mode::Score).expect("output");
            output.flatten_all().and_then(|t| t.to_vec1::<f32>()).expect("values")
        };
        close(&values(&fused), &values(&plain), 1e-5);
        let mode = Mode::Train(StepKey(11));
        let (fused, fused_loss, fused_gradient) = pull(&fused, &batch, mode);
        let (plain, plain_loss, plain_gradient) = pull(&plain, &batch, mode);
        close(&fused, &plain, 1e-5);
        close(&[fused_loss], &[plain_loss], 1e-5);
        // Sums over rows are as exact as their terms are large: each parameter by its own largest.
        for declared in net.parameters() {
            let own = declared.start..declared.start + declared.len();
            let (fused, plain) = (&fused_gradient[own.clone()], &plain_gradient[own]);
            let largest = plain.iter().fold(0.0_f32, |most, slope| most.max(slope.abs()));
            for (fused, plain) in fused.iter().zip(plain) {
                let within = 1e-5 * (1.0 + largest);
                assert!((fused - plain).abs() <= within, "{}: {fused} {plain}", declared.name);
            }
        }
    }
}

#[test]
fn gradients_are_finite_differences() {
    // The forecaster's location leaves out on purpose what other levels pull at it.
    for net in [net(), windows(), members(), smooth(), listwise(), tokens()] {
        let parameters = parameters(&net).with_fused(true);
        let batch = batch(&net, 20);
        let mode = Mode::Train(StepKey(2));
        let (_, _, gradient) = pull(&parameters, &batch, mode);
        let start: Vec<f32> = parameters.flat().to_vec1().expect("values");
        let (mut compared, mut kinks) = (0, 0);
        for at in (0..start.len()).step_by(7) {
            let moved = |by: f32| {
                let mut values = start.clone();
                values[at] += by;
                let values = Tensor::from_vec(values, start.len(), &Device::Cpu).expect("values");
                parameters.flat().set(&values).expect("set");
                f64::from(pull(&parameters, &batch, mode).1)
            };
            let difference = |step: f32| (moved(step) - moved(-step)) / f64::from(2.0 * step);
            let (wide, narrow) = (difference(1.0 / 512.0), difference(1.0 / 1024.0));
            let found = f64::from(gradient[at]);
            // The loss is a float32 sum of some hundred terms.
            let within = 1e-2 * (1.0 + found.abs());
            // Where a ReLU turns between two points, the two differences disagree and say nothing.
            if (wide - narrow).abs() > within / 2.0 {
                kinks += 1;
                continue;
            }
            compared += 1;
            assert!((narrow - found).abs() < within, "{at}: {narrow} {found}");
        }
        assert!(compared > 8 * kinks, "{compared} compared, {kinks} at a kink");
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    for net in nets() {
        let bits = |threads| {
            threads::with_threads(threads, || {
                let (values, _, gradient) = pull(
                    &parameters(&net).with_fused(true),
                    &batch(&net, 2_000),
                    Mode::Train(StepKey(4)),
                );
                values.into_iter().chain(gradient).map(f32::to_bits).collect::<Vec<_>>()
            })
            .expect("threads")
        };
        let one = bits(1);
        assert_eq!(bits(2), one);
        assert_eq!(bits(5), one);
    }
}

#[test]
fn another_order_of_a_groups_rows_gives_their_answers_in_that_order() {
    let net = listwise();
    let parameters = parameters(&net).with_fused(true);
    let batch = batch(&net, 150);
    let values = |batch: &Arc<Batch>| {
        let output = parameters.forward(batch.clone(), Mode::Score).expect("output");
        output.flatten_all().and_then(|t| t.to_vec1::<f32>()).expect("values")
    };
    let own = values(&batch);
    let Batch { dense, codes, ends, .. } = &*batch;
    let turned = ends[4]..ends[5];
    assert!(turned.len() > 5);
    let order: Vec<usize> = (0..150)
        .map(|row| if turned.contains(&row) { ends[4] + ends[5] - 1 - row } else { row })
        .collect();
    let other = Batch {
        rows: 150,
        dense: order.iter().flat_map(|row| dense[row * 5..][..5].to_vec()).collect(),
        codes: order.iter().flat_map(|row| codes[row * 2..][..2].to_vec()).collect(),
        ends: ends.clone(),
    };
    let others = values(&Arc::new(other));
    for (row, &from) in order.iter().enumerate() {
        if turned.contains(&row) {
            // The same sums in another order.
            close(&[others[row]], &[own[from]], 1e-5);
        } else {
            assert_eq!(others[row].to_bits(), own[row].to_bits(), "{row}");
        }
    }
    // And alone a row has another answer than among others.
    let first = turned.start;
    let alone = Batch {
        rows: 1,
        dense: dense[first * 5..][..5].to_vec(),
        codes: codes[first * 2..][..2].to_vec(),
        ends: vec![1],
    };
    assert!((values(&Arc::new(alone))[0] - own[first]).abs() > 1e-3);
}

#[test]
fn a_table_forgets_the_batch_before() {
    let net = net();
    let used = parameters(&net).with_fused(true);
    pull(&used, &batch(&net, 300), Mode::Train(StepKey(1)));
    let again = pull(&used, &batch(&net, 3), Mode::Train(StepKey(1))).2;
    let fresh =
        pull(&parameters(&net).with_fused(true), &batch(&net, 3), Mode::Train(StepKey(1))).2;
    assert_eq!(again, fresh);
}

/// A loss and its slopes in outputs.
fn slopes(loss: impl Fn(&Tensor) -> Result<Tensor>, outputs: &Var) -> (f32, Vec<f32>) {
    let loss = loss(outputs).expect("loss");
    let slopes = loss.backward().expect("slopes");
    let slopes = slopes.get(outputs).expect("of the outputs");
    let slopes: Vec<f32> = slopes.flatten_all().and_then(|t| t.to_vec1()).expect("values");
    (loss.to_scalar().expect("scalar"), slopes)
}

/// The fused form of a loss against its twin, and against finite differences; on any threads.
fn check(
    fused: impl Fn(&Tensor) -> Result<Tensor> + Sync,
    plain: impl Fn(&Tensor) -> Result<Tensor>,
    shape: (usize, usize),
    spread: f32,
) {
    let mut random = ChaCha8Rng::seed_from_u64(9);
    let values: Vec<f32> =
        (0..shape.0 * shape.1).map(|_| (random.random::<f32>() - 0.5) * spread).collect();
    let outputs = Var::from_vec(values.clone(), shape, &Device::Cpu).expect("outputs");
    let (value, found) = slopes(&fused, &outputs);
    let (plain, plain_slopes) = slopes(plain, &outputs);
    close(&[value], &[plain], 1e-5);
    close(&found, &plain_slopes, 1e-6);

    // Small enough that no two scores change places.
    let step = 1.0 / 2048.0;
    let most = found.iter().fold(0.0_f32, |most, slope| most.max(slope.abs()));
    for at in (0..values.len()).step_by((values.len() / 40).max(1)) {
        let moved = |by: f32| {
            let mut values = values.clone();
            values[at] += by;
            let outputs = Tensor::from_vec(values, shape, &Device::Cpu).expect("outputs");
            fused(&outputs).and_then(|loss| Ok(loss.to_scalar::<f32>()?)).expect("loss")
        };
        let difference = (moved(step) - moved(-step)) / (2.0 * step);
        // A float32 loss is exact to 1e-7 of itself.
        let within = 0.02 * most + 3e-4 * value.abs();
        assert!((difference - found[at]).abs() < within, "{at}: {difference} {}", found[at]);
    }

    let bits = |threads| threads::with_threads(threads, || slopes(&fused, &outputs)).expect("runs");
    assert_eq!(bits(1), bits(5));
}

#[test]
fn the_location_answers_to_the_median_alone() {
    // All that pulls at the other levels leaves the first map as it is.
    let net = forecaster();
    let random = &mut ChaCha8Rng::seed_from_u64(5);
    let parameters =
        Parameters::init(&net, &Device::Cpu, random).expect("parameters").with_fused(true);
    let output = parameters.forward(batch(&net, 30), Mode::Train(StepKey(0))).expect("output");
    let median = output.narrow(1, 8, 4).and_then(|median| median.sum_all()).expect("a sum");
    let loss = (output.sum_all().expect("a sum") - median).expect("the rest");
    let gradient = parameters.gradient(&loss).expect("gradient").to_vec();
    let map =
        parameters.declared().iter().find(|declared| declared.name == "map.weight").expect("it");
    let (location, spread) = gradient[map.start..map.start + map.len()].split_at(map.len() / 2);
    assert!(location.iter().all(|slope| *slope == 0.0), "{location:?}");
    // Offsets are zero at first, so nothing pulls at the spread either, but at them.
    assert!(spread.iter().all(|slope| *slope == 0.0), "{spread:?}");
    assert!(gradient.iter().any(|slope| *slope != 0.0));
}

#[test]
fn pinball_is_its_plain_twin() {
    let mut random = ChaCha8Rng::seed_from_u64(9);
    let mut draw =
        |count: usize| (0..count).map(|_| random.random::<f32>() * 4.0 - 2.0).collect::<Vec<_>>();
    let forecasts = Var::from_vec(draw(200 * 12), (200, 12), &Device::Cpu).expect("a variable");
    let mut targets = draw(200 * 4);
    targets.iter_mut().step_by(7).for_each(|target| *target = f32::NAN);
    let levels = vec![(0.1, 0.5), (0.5, 2.0), (0.9, 0.5)];
    let loss = Pinball { targets, horizon: 4, levels, ..Pinball::default() };
    let units: Vec<f32> = (0..200).map(|row| 0.5 + (row % 9) as f32 / 4.0).collect();
    let squared = Pinball { units: units.clone(), squared: Some(1), ..loss.clone() };
    for loss in [Pinball { units, ..loss.clone() }, loss, squared] {
        let (fused, fused_slopes) = slopes(|forecasts| loss.clone().of(forecasts), &forecasts);
        let (plain, plain_slopes) = slopes(|forecasts| loss.plain(forecasts), &forecasts);
        close(&[fused], &[plain], 1e-5);
        close(&fused_slopes, &plain_slopes, 1e-6);
    }
}

#[test]
fn squared_errors_of_a_level_have_their_slopes() {
    let targets = (0..60 * 4).map(|at| (at as f32 * 0.3).cos()).collect();
    let units = (0..60).map(|row| 0.5 + (row % 9) as f32 / 4.0).collect();
    let levels = vec![(0.5, 2.0)];
    let loss = Pinball { targets, horizon: 4, levels, units, squared: Some(0) };
    check(|outputs| loss.clone().of(outputs), |outputs| loss.plain(outputs), (60, 4), 4.0);
}

#[test]
fn cross_entropy_is_its_plain_twin() {
    let labels: Vec<u32> = (0..300).map(|row| row % 4).collect();
    let weights = (0..300).map(|row| 0.2 + (row % 7) as f32 / 4.0).collect();
    let told = CrossEntropy { labels: labels.clone(), classes: 4, weights, smoothing: 0.2 };
    for loss in [CrossEntropy { labels, classes: 4, ..CrossEntropy::default() }, told] {
        check(|logits| loss.clone().of(logits), |logits| loss.plain(logits), (300, 12), 20.0);
    }
}

#[test]
fn mean_squares_are_their_plain_twin() {
    for rows in [1, 5_000] {
        let targets = (0..rows * 7).map(|at| (at as f32 * 0.3).cos()).collect();
        let loss = MeanSquares { targets };
        check(|outputs| loss.clone().of(outputs), |outputs| loss.plain(outputs), (rows, 7), 4.0);
    }
}

/// Grades of queries of many lengths, one of them without a relevant row.
fn grades() -> Vec<Vec<f32>> {
    let lengths = [1, 2, 5, 16, 17, 40, 80];
    let grade = |length, at| if length == 5 { 0 } else { (at * at + at / 3) % 5 };
    lengths.map(|length| (0..length).map(|at| grade(length, at) as f32).collect()).to_vec()
}

fn queries(depth: usize) -> Vec<Arc<Query>> {
    let query = |grades: Vec<f32>| {
        let grades: Vec<f64> = grades.into_iter().map(f64::from).collect();
        Arc::new(Query::new(&grades, depth))
    };
    grades().into_iter().map(query).collect()
}

#[test]
fn list_net_is_its_plain_twin() {
    let of_grades = grades().iter().map(|grades| ListNet::target(grades)).collect();
    let of_gains =
        |grades: Vec<f32>| ListNet::gains(&grades.into_iter().map(f64::from).collect::<Vec<_>>());
    let of_gains = grades().into_iter().map(of_gains).collect();
    for targets in [of_grades, of_gains] {
        let loss = ListNet { targets };
        check(|scores| loss.clone().of(scores), |scores| loss.plain(scores), (161, 3), 8.0);
    }
}

#[test]
fn lambda_rank_is_its_plain_twin() {
    for (depth, even) in [(usize::MAX, false), (20, true)] {
        let loss = OverQueries { queries: queries(depth), loss: LambdaRank { even } };
        check(|scores| loss.clone().of(scores), |scores| loss.plain(scores), (161, 2), 300.0);
    }
}

#[test]
fn ndcg_loss_is_its_plain_twin() {
    let loss = OverQueries { queries: queries(usize::MAX), loss: NdcgLoss };
    check(|scores| loss.clone().of(scores), |scores| loss.plain(scores), (161, 2), 300.0);
}

#[test]
fn approx_ndcg_is_its_plain_twin() {
    let loss = OverQueries { queries: queries(usize::MAX), loss: ApproxNdcg };
    for spread in [0.5, 5.0] {
        check(|scores| loss.clone().of(scores), |scores| loss.plain(scores), (161, 2), spread);
    }
}

type RankLoss = Box<dyn Fn(&Tensor) -> Result<Tensor>>;

/// Every loss of ranks by name, for one query.
fn rank_losses(grades: &[f32]) -> [(&'static str, RankLoss); 4] {
    let grades: Vec<f64> = grades.iter().copied().map(f64::from).collect();
    let queries = vec![Arc::new(Query::new(&grades, usize::MAX))];
    let list = ListNet { targets: vec![ListNet::gains(&grades)] };
    let lambda = OverQueries { queries: queries.clone(), loss: LambdaRank { even: true } };
    let ndcg = OverQueries { queries: queries.clone(), loss: NdcgLoss };
    let approx = OverQueries { queries, loss: ApproxNdcg };
    [
        ("softmax", Box::new(move |scores| list.clone().of(scores))),
        ("lambdarank", Box::new(move |scores| lambda.clone().of(scores))),
        ("ndcgloss2++", Box::new(move |scores| ndcg.clone().of(scores))),
        ("approxndcg", Box::new(move |scores| approx.clone().of(scores))),
    ]
}

#[test]
fn of_equal_scores_the_order_of_the_rows_decides_nothing() {
    // All scores are equal: whatever the order of the rows, each has the slope of its grade.
    let grades = [2.0, 0.0, 1.0, 0.0, 3.0];
    let other = [0.0, 3.0, 0.0, 2.0, 1.0];
    let tied = Var::zeros((5, 1), candle_core::DType::F32, &Device::Cpu).expect("scores");
    for ((name, one), (_, two)) in rank_losses(&grades).into_iter().zip(rank_losses(&other)) {
        let (value, found) = slopes(one, &tied);
        let (other_value, others) = slopes(two, &tied);
        assert!((value - other_value).abs() < 1e-6, "{name}: {value} {other_value}");
        // Of the grades 3, 2 and 1, which each has once.
        for (at, other_at) in [(4, 1), (0, 3), (2, 4)] {
            assert!((found[at] - others[other_at]).abs() < 1e-6, "{name}: {found:?} {others:?}");
        }
        assert!(found[4] < 0.0 && found[1] > 0.0, "{name}: {found:?}");
    }
}

#[test]
fn queries_with_nothing_relevant_and_huge_scores_do_no_harm() {
    for (grades, relevant) in [(vec![0.0; 20], false), (vec![1.0; 20], true), (vec![2.0], true)] {
        let values: Vec<f32> = (0..grades.len()).map(|at| (at as f32 * 0.7).sin()).collect();
        let scores = Var::from_vec(values, (grades.len(), 1), &Device::Cpu).expect("scores");
        for (name, loss) in rank_losses(&grades) {
            let (value, found) = slopes(loss, &scores);
            assert!(value.is_finite() && found.iter().all(|slope| slope.is_finite()), "{name}");
            if !relevant {
                assert_eq!(value, 0.0, "{name}");
                assert!(found.iter().all(|slope| *slope == 0.0), "{name}: {found:?}");
            }
        }
    }
    for (name, loss) in rank_losses(&[0.0, 1.0, 2.0, 1.0]) {
        let scores = Var::new(&[[1e30_f32], [-1e30], [0.0], [3e4]], &Device::Cpu).expect("scores");
        let (value, found) = slopes(loss, &scores);
        assert!(value.is_finite() && found.iter().all(|slope| slope.is_finite()), "{name}");
    }
}

#[test]
fn the_right_order_costs_less() {
    for (name, loss) in rank_losses(&[0.0, 1.0, 2.0]) {
        let cost = |scores: [f32; 3]| {
            let scores = Tensor::new(&scores, &Device::Cpu).and_then(|t| t.unsqueeze(1));
            loss(&scores.expect("scores")).expect("loss").to_scalar::<f32>().expect("scalar")
        };
        assert!(cost([-2.0, 0.0, 2.0]) < cost([0.0, 0.0, 0.0]), "{name}");
        assert!(cost([0.0, 0.0, 0.0]) < cost([2.0, 0.0, -2.0]), "{name}");
    }
}
