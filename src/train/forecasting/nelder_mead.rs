//! The least value of a function of a few numbers between zero and one, without its slopes.
//!
//! Source: Nelder and Mead, A Simplex Method for Function Minimization, 1965. Points outside of the unit
//! cube are moved to its border.

/// First steps from where it starts.
const STEP: f64 = 0.25;
/// The simplex is small enough where its values and its sides are this close.
const CLOSE: f64 = 1e-5;

/// The point found after at most so many values, and its value. What is not a number is no minimum.
pub(super) fn minimise(
    start: &[f64],
    most: usize,
    mut value: impl FnMut(&[f64]) -> f64,
) -> (Vec<f64>, f64) {
    let size = start.len();
    let mut of = |point: Vec<f64>| {
        let point: Vec<f64> = point.into_iter().map(|number| number.clamp(0.0, 1.0)).collect();
        let found = value(&point);
        (point, if found.is_nan() { f64::INFINITY } else { found })
    };
    let mut simplex = vec![of(start.to_vec())];
    for axis in 0..size {
        let mut point = start.to_vec();
        point[axis] += if point[axis] < 0.5 { STEP } else { -STEP };
        simplex.push(of(point));
    }
    let mut spent = size + 1;
    while spent < most && size > 0 {
        simplex.sort_by(|one, other| one.1.total_cmp(&other.1));
        let (best, worst) = (simplex[0].1, simplex[size].1);
        let side = |axis: usize| {
            let places = || simplex.iter().map(|(point, _)| point[axis]);
            places().fold(0.0, f64::max) - places().fold(1.0, f64::min)
        };
        let flat = (worst - best).abs() <= CLOSE * (1.0 + best.abs()) * 1e-2;
        if flat && (0..size).all(|axis| side(axis) < CLOSE.sqrt()) {
            break;
        }
        let centre: Vec<f64> = (0..size)
            .map(|axis| {
                simplex[..size].iter().map(|(point, _)| point[axis]).sum::<f64>() / size as f64
            })
            .collect();
        let along = |by: f64| -> Vec<f64> {
            centre
                .iter()
                .zip(&simplex[size].0)
                .map(|(centre, worst)| centre + by * (centre - worst))
                .collect()
        };
        let reflected = of(along(1.0));
        spent += 1;
        if reflected.1 < best {
            let expanded = of(along(2.0));
            spent += 1;
            simplex[size] = if expanded.1 < reflected.1 { expanded } else { reflected };
            continue;
        }
        if reflected.1 < simplex[size - 1].1 {
            simplex[size] = reflected;
            continue;
        }
        let contracted = of(along(if reflected.1 < worst { 0.5 } else { -0.5 }));
        spent += 1;
        if contracted.1 < worst.min(reflected.1) {
            simplex[size] = contracted;
            continue;
        }
        let nearest = simplex[0].0.clone();
        for vertex in &mut simplex[1..] {
            let halfway =
                vertex.0.iter().zip(&nearest).map(|(own, best)| f64::midpoint(*own, *best));
            *vertex = of(halfway.collect());
        }
        spent += size;
    }
    simplex.sort_by(|one, other| one.1.total_cmp(&other.1));
    simplex.swap_remove(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valley_within_and_one_beyond_the_border_are_found() {
        let (point, value) = minimise(&[0.5, 0.5, 0.5], 500, |x| {
            (x[0] - 0.2).powi(2) + (x[1] - 0.9).powi(2) + (x[2] - x[0]).powi(2)
        });
        assert!(
            (point[0] - 0.2).abs() < 1e-3 && (point[1] - 0.9).abs() < 1e-3 && value < 1e-6,
            "{point:?}"
        );
        let (point, _) = minimise(&[0.3], 100, |x| (x[0] - 2.0).powi(2));
        assert!(point[0] > 0.999, "{point:?}");
        assert_eq!(minimise(&[], 10, |_| 3.0), (vec![], 3.0));
        assert_eq!(minimise(&[0.5], 10, |_| f64::NAN).1, f64::INFINITY);
    }
}
