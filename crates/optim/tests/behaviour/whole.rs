//! The optimizers that use whole matrices, against straightforward implementations of their definitions.

use autograd::Variable;
use optim::{Adafactor, Group, Lamb, Muon, Optimizer};
use tensor::{DType, Generator, Tensor};

fn draw(seed: u64, shape: [usize; 2]) -> Tensor {
    Generator::new(seed).normal(shape, 0.0, 1.0).unwrap().cast(DType::F64)
}

fn values(tensor: &Tensor) -> Vec<f64> {
    tensor.to_vec().unwrap()
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|x| x * x).sum::<f64>().sqrt()
}

fn assert_close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= tolerance * expected.abs().max(1.0), "{found} instead of {expected}");
    }
}

#[test]
fn adafactor_keeps_means_of_rows_and_columns() {
    let (rows, columns) = (3, 4);
    let w = [Variable::new(draw(0, [rows, columns]))];
    let mut optimizer = Adafactor::new(0.1);
    let (mut r, mut c, mut p) = (vec![0.0; rows], vec![0.0; columns], values(&w[0].value()));
    for t in 1..=6u32 {
        let gradient = draw(u64::from(t), [rows, columns]);
        optimizer.apply(&w, std::slice::from_ref(&gradient)).unwrap();
        let g = values(&gradient);
        let square = |i: usize, j: usize| g[i * columns + j].powi(2) + 1e-30;
        let new = f64::from(t).powf(-0.8);
        for (i, r) in r.iter_mut().enumerate() {
            let mean = (0..columns).map(|j| square(i, j)).sum::<f64>() / columns as f64;
            *r = (1.0 - new) * *r + new * mean;
        }
        for (j, c) in c.iter_mut().enumerate() {
            let mean = (0..rows).map(|i| square(i, j)).sum::<f64>() / rows as f64;
            *c = (1.0 - new) * *c + new * mean;
        }
        let mean = r.iter().sum::<f64>() / rows as f64;
        let u: Vec<f64> = (0..rows * columns).map(|k| g[k] / (r[k / columns] * c[k % columns] / mean).sqrt()).collect();
        let root = (rows as f64 * columns as f64).sqrt();
        let size = (norm(&p) / root).max(1e-3) * 0.1f64.min(1.0 / f64::from(t).sqrt());
        let limit = (norm(&u) / root).max(1.0);
        p.iter_mut().zip(&u).for_each(|(p, u)| *p -= size * u / limit);
        assert_close(&values(&w[0].value()), &p, 1e-14);
    }
    let state = optimizer.state(&w).variables.remove(0).unwrap();
    assert_eq!(state.states.iter().map(|(_, state)| state.size()).collect::<Vec<_>>(), [rows, columns]);
    assert_close(&values(&state.states[0].1), &r, 1e-14);
    assert_close(&values(&state.states[1].1), &c, 1e-14);
}

#[test]
fn adafactor_treats_a_stack_as_separate_matrices() {
    // The size of a step depends on the whole variable, so only directions can be compared.
    let gradients = [draw(1, [3, 4]), draw(2, [3, 4])];
    let direction = |gradient: &Tensor| {
        let w = [Variable::new(Tensor::full_of(gradient.shape(), 0.0, DType::F64))];
        Adafactor::new(1.0).clip_threshold(1e9).apply(&w, std::slice::from_ref(gradient)).unwrap();
        values(&w[0].value())
    };
    let stacked = Tensor::stack(&[&gradients[0], &gradients[1]], 0).unwrap();
    assert_close(&direction(&stacked), &[direction(&gradients[0]), direction(&gradients[1])].concat(), 1e-15);
}

#[test]
fn adafactor_steps_vectors_by_their_own_squares() {
    let w = [Variable::new(Tensor::from([2.0f64, -2.0]))];
    Adafactor::new(0.5).apply(&w, &[Tensor::from([3.0f64, -0.001])]).unwrap();
    // The first step is the sign, times the rate and the root mean square of the variable.
    assert_close(&values(&w[0].value()), &[1.0, -1.0], 1e-15);
}

#[test]
fn a_step_of_lamb_is_proportional_to_the_norm_of_the_variable() {
    let w = [Variable::new(draw(0, [3, 5])), Variable::new(draw(1, [4, 2]).try_mul(100.0).unwrap())];
    let mut optimizer = Lamb::new(0.01);
    for t in 1..=5 {
        let before: Vec<Vec<f64>> = w.iter().map(|w| values(&w.value())).collect();
        let gradients = [draw(10 + t, [3, 5]), draw(20 + t, [4, 2]).try_mul(1e-4).unwrap()];
        optimizer.apply(&w, &gradients).unwrap();
        for (w, before) in w.iter().zip(before) {
            let step: Vec<f64> = before.iter().zip(values(&w.value())).map(|(a, b)| a - b).collect();
            assert_close(&[norm(&step) / norm(&before)], &[0.01], 1e-13);
        }
    }
}

#[test]
fn lamb_goes_in_the_direction_of_adam() {
    let w = [Variable::new(draw(0, [3, 5]))];
    let (mut optimizer, mut m, mut v) = (Lamb::new(0.01), vec![0.0; 15], vec![0.0; 15]);
    for t in 1..=5 {
        let (p, gradient) = (values(&w[0].value()), draw(u64::from(t as u32), [3, 5]));
        optimizer.apply(&w, std::slice::from_ref(&gradient)).unwrap();
        let mut u = values(&gradient);
        for (k, u) in u.iter_mut().enumerate() {
            (m[k], v[k]) = (0.9 * m[k] + 0.1 * *u, 0.999 * v[k] + 0.001 * u.powi(2));
            let (m, v) = (m[k] / (1.0 - 0.9f64.powi(t)), v[k] / (1.0 - 0.999f64.powi(t)));
            *u = m / (v.sqrt() + 1e-7);
        }
        let ratio = norm(&p) / norm(&u);
        let expected: Vec<f64> = p.iter().zip(&u).map(|(p, u)| p - 0.01 * ratio * u).collect();
        assert_close(&values(&w[0].value()), &expected, 1e-13);
    }
}

#[test]
fn lamb_moves_a_variable_of_zeros_by_the_direction_itself() {
    let w = [Variable::new(Tensor::from([0.0f64, 0.0]))];
    Lamb::new(0.5).epsilon(1e-30).apply(&w, &[Tensor::from([3.0f64, -4.0])]).unwrap();
    assert_close(&values(&w[0].value()), &[-0.5, 0.5], 1e-15);
}

/// Where five iterations take singular values from 0.01 to 1.
const SINGULAR: std::ops::Range<f64> = 0.68..1.14;

/// The direction of the first step of Muon from zero, of root mean square about 1 / √(the longer side).
fn direction(optimizer: Muon, gradient: &Tensor) -> Tensor {
    let w = [Variable::new(gradient.zeros_like())];
    let mut optimizer = optimizer.rms_rate(1.0);
    optimizer.set_learning_rate(1.0).unwrap();
    optimizer.apply(&w, std::slice::from_ref(gradient)).unwrap();
    let longest = gradient.shape().iter().copied().max().unwrap();
    w[0].value().try_div(-(longest as f64).sqrt()).unwrap()
}

#[test]
fn a_step_of_muon_is_nearly_orthogonal() {
    for (seed, shape) in [(1, [6, 6]), (2, [4, 9]), (3, [9, 4]), (4, [1, 5])] {
        let gradient = draw(seed, shape);
        let smaller = shape[0].min(shape[1]);
        let gram = |x: &Tensor| if shape[0] <= shape[1] { x.matmul(x.t().unwrap()) } else { x.t().unwrap().matmul(x) };
        // The trace of the Gram matrix is the sum of the squared singular values.
        let squares = values(&gram(&direction(Muon::default(), &gradient)).unwrap());
        let mean = squares.iter().step_by(smaller + 1).sum::<f64>() / smaller as f64;
        assert!((SINGULAR.start.powi(2)..SINGULAR.end.powi(2)).contains(&mean), "{mean}");
        // Convergent coefficients converge to an orthogonal matrix.
        let exact = Muon::default().coefficients([1.875, -1.25, 0.375]).iterations(40);
        let identity = Tensor::eye(smaller).cast(DType::F64);
        let orthogonal = direction(exact, &gradient);
        assert_close(&values(&gram(&orthogonal).unwrap()), &values(&identity), 1e-12);
        // It is the factor of the polar decomposition: the other factor is symmetric.
        let left = if shape[0] <= shape[1] {
            gradient.matmul(orthogonal.t().unwrap()).unwrap()
        } else {
            orthogonal.t().unwrap().matmul(&gradient).unwrap()
        };
        assert_close(&values(&left), &values(&left.t().unwrap()), 1e-12);
    }
}

#[test]
fn singular_values_of_muon_come_near_1() {
    // The diagonal of a diagonal matrix contains the singular values, which the iteration maps separately.
    let diagonal: Vec<f64> = (1..=50).map(|k| f64::from(k) / 50.0).collect();
    let mut elements = vec![0.0; 50 * 50];
    elements.iter_mut().step_by(51).zip(&diagonal).for_each(|(element, &value)| *element = value);
    let found = values(&direction(Muon::default(), &Tensor::from_vec(elements, [50, 50]).unwrap()));
    for (k, value) in found.iter().step_by(51).enumerate() {
        // The first momentum is the gradient, and Nesterov momentum adds 0.95 of it.
        let start = 1.95 * diagonal[k] / (1.95 * norm(&diagonal) + 1e-7);
        let expected = (0..5).fold(start, |x, _| 3.4445 * x - 4.775 * x.powi(3) + 2.0315 * x.powi(5));
        assert!((value - expected).abs() < 1e-13, "{value} instead of {expected}");
        assert!(start < 0.01 || SINGULAR.contains(value), "{start} becomes {value}");
    }
}

#[test]
fn muon_steps_other_variables_like_adamw() {
    let shapes = [vec![5], vec![2, 3, 2], vec![4, 3], vec![4, 3], vec![4, 3]];
    let names = ["bias", "stack", "Token_Embedding/table", "output/kernel", "hidden/kernel"];
    let make = || -> Vec<Variable> {
        let zip = shapes.iter().zip(names);
        zip.map(|(shape, name)| Variable::new(Tensor::ones(shape.as_slice())).with_name(name)).collect()
    };
    let (a, b) = (make(), make());
    let mut muon = Muon::new(0.1).exclude("output").group(Group::vectors().weight_decay(0.0));
    let mut adamw = optim::AdamW::new(0.1).group(Group::vectors().weight_decay(0.0));
    for step in 0..3 {
        let mut generator = Generator::new(step);
        let gradients: Vec<Tensor> =
            shapes.iter().map(|shape| generator.normal(shape.as_slice(), 0.0, 1.0).unwrap()).collect();
        muon.apply(&a, &gradients).unwrap();
        adamw.apply(&b, &gradients).unwrap();
    }
    let equal: Vec<bool> = super::bits(&a).into_iter().zip(super::bits(&b)).map(|(a, b)| a == b).collect();
    assert_eq!(equal, [true, true, true, true, false]);
}
