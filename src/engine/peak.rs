//! How fast matrix products are on one core when there is nothing else: what training is held against.

use std::time::{Duration, Instant};

use super::matmul::{View, multiply};

/// Large enough that packing costs nothing, small enough to be done a few hundred times a second.
const SIZE: usize = 768;

/// Floating-point operations a second, on the calling thread for about so long.
pub(crate) fn products(time: Duration) -> f64 {
    let left = vec![1.0; SIZE * SIZE];
    let right = vec![0.5; SIZE * SIZE];
    let mut target = vec![0.0; SIZE * SIZE];
    let view = |values| View::rows(values, SIZE, SIZE, SIZE);
    multiply(&mut target, SIZE, false, view(&left), view(&right));
    let (mut products, started) = (0, Instant::now());
    while started.elapsed() < time {
        multiply(&mut target, SIZE, false, view(&left), view(&right));
        products += 1;
    }
    assert_eq!(target[0], SIZE as f32 * 0.5);
    let operations = 2 * SIZE.pow(3) * products;
    operations as f64 / started.elapsed().as_secs_f64()
}
