//! Derivatives of functions, compared with closed forms, finite differences and each other.

use autograd::tensor::{DType, Tensor, random, tensor};
use autograd::{
    Error, GradientTape, Result, Tolerance, Variable, batch_jacobian, grad, gradcheck, hessian, hvp, jacobian, jvp,
    no_record, value_and_grad, vjp,
};
use proptest::prelude::*;

fn message<T>(result: Result<T>) -> String {
    result.err().map_or_else(|| "no error".into(), |error: Error| error.to_string())
}

fn double(values: &[f64], shape: &[usize]) -> Result<Tensor> {
    Tensor::from_vec(values.to_vec(), shape)
}

fn close(a: &Tensor, b: &Tensor, error: f64) -> Result<()> {
    assert_eq!((a.shape(), a.dtype()), (b.shape(), b.dtype()));
    assert!(a.allclose(b, error, error)?, "{a} differs from {b}");
    Ok(())
}

/// `100 (y - x²)² + (1 - x)²` of `[x, y]`.
fn rosenbrock(x: &Tensor) -> Result<Tensor> {
    let (x, y) = (x.at(0, 0)?, x.at(1, 0)?);
    Ok(100.0 * (&y - x.square()).square() + (1.0 - &x).square())
}

/// A smooth function `[2, 3] → [3, 2]` whose jacobian is full.
fn mixing(x: &Tensor) -> Result<Tensor> {
    let w = tensor![[0.3, -0.2], [0.5, 0.8], [-0.7, 0.4]].cast(x.dtype());
    let products = x.matmul(&w)?.tanh().t()?.matmul(x)?;
    (products.reshape([3, 2])? + x.reshape([3, 2])?.sin() * x.square().mean()).softmax(-1)
}

#[test]
fn rosenbrock_in_closed_form() -> Result<()> {
    let (a, b) = (-1.2, 1.0);
    let x = double(&[a, b], &[2])?;
    let (value, gradient) = value_and_grad(rosenbrock, &x)?;
    assert!((value.item()? - 24.2).abs() < 1e-12);
    let slope = [-400.0 * a * (b - a * a) - 2.0 * (1.0 - a), 200.0 * (b - a * a)];
    close(&gradient, &double(&slope, &[2])?, 1e-13)?;
    let curvature = [1200.0 * a * a - 400.0 * b + 2.0, -400.0 * a, -400.0 * a, 200.0];
    let h = hessian(rosenbrock, &x)?;
    close(&h, &double(&curvature, &[2, 2])?, 1e-13)?;
    let v = double(&[0.3, -2.0], &[2])?;
    close(&hvp(rosenbrock, &x, &v)?, &h.matmul(&v)?, 1e-13)
}

#[test]
fn the_hessian_of_a_quadratic_form_is_the_matrix_and_its_transpose() -> Result<()> {
    random::seed(1);
    for dtype in [DType::F32, DType::F64] {
        let a = Tensor::normal([4, 4], 0.0, 1.0)?.cast(dtype);
        let x = Tensor::normal([4], 0.0, 1.0)?.cast(dtype);
        let form = |x: &Tensor| x.matmul(a.matmul(x)?);
        let both = &a + a.t()?;
        close(&hessian(form, &x)?, &both, 1e-6)?;
        close(&grad(form, &x)?, &both.matmul(&x)?, 1e-6)?;
        let v = Tensor::normal([4], 0.0, 1.0)?.cast(dtype);
        close(&hvp(form, &x, &v)?, &both.matmul(&v)?, 1e-6)?;
    }
    Ok(())
}

#[test]
fn hessians_of_matrices_and_of_several_inputs() -> Result<()> {
    // Σ x³ of a matrix: 6 x on the diagonal.
    let x = double(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[2, 3])?;
    let h = hessian(|x| Ok(x.pow(3.0)?.sum()), &x)?;
    assert_eq!(h.shape(), &[2, 3, 2, 3]);
    let diagonal = Tensor::eye(6).cast(DType::F64) * (6.0 * x.flatten());
    close(&h.reshape([6, 6])?, &diagonal, 1e-14)?;

    // aᵀ B c: only the blocks of two different inputs are not zero.
    let (a, b) = (double(&[1.0, 2.0], &[2])?, double(&[3.0, 4.0, 5.0, 6.0, 7.0, 8.0], &[2, 3])?);
    let c = double(&[-1.0, 0.5, 2.0], &[3])?;
    let blocks = hessian(|[a, b, c]| a.matmul(b.matmul(c)?), &[a.clone(), b.clone(), c.clone()])?;
    close(&blocks[0][2], &b, 1e-14)?;
    close(&blocks[2][0], &b.t()?.reshape([3, 2])?, 1e-14)?;
    close(&blocks[0][0], &Tensor::full_of([2, 2], 0.0, DType::F64), 0.0)?;
    close(&blocks[1][1], &Tensor::full_of([2, 3, 2, 3], 0.0, DType::F64), 0.0)?;
    // d²/da_i dB_jk = δ_ij c_k.
    let expected = Tensor::eye(2).cast(DType::F64).expand_dims(-1)? * &c;
    close(&blocks[0][1], &expected, 1e-14)?;

    let (form, list) = (|x: &[Tensor]| x[0].matmul(x[1].matmul(&x[2])?), [a, b, c]);
    let vectors = [double(&[1.0, -1.0], &[2])?, Tensor::full_of([2, 3], 0.5, DType::F64), list[2].clone()];
    let products = hvp(form, &list[..], &vectors[..])?;
    for (i, product) in products.iter().enumerate() {
        let mut sum = product.zeros_like();
        for (j, vector) in vectors.iter().enumerate() {
            let block = blocks[i][j].reshape([product.size(), vector.size()])?;
            sum = sum + block.matmul(vector.flatten())?.reshape(product.shape())?;
        }
        close(product, &sum, 1e-13)?;
    }
    Ok(())
}

#[test]
fn derivatives_nest() -> Result<()> {
    let x = double(&[0.7], &[])?;
    let third = grad(|x| grad(|x| grad(|x| Ok(x.tanh()), x), x), &x)?;
    let t = 0.7f64.tanh();
    let expected = -2.0 * (1.0 - t * t) * (1.0 - 3.0 * t * t);
    assert!((third.item()? - expected).abs() < 1e-13, "{third} is not {expected}");
    // As a jacobian of a hessian, and by forward mode through a hessian.
    let sum = |x: &Tensor| Ok(x.tanh().sum());
    let x = double(&[0.7, -0.3], &[2])?;
    let cube = jacobian(|x| hessian(sum, x), &x)?;
    assert_eq!(cube.shape(), &[2, 2, 2]);
    assert!((cube.to_vec::<f64>()?[0] - expected).abs() < 1e-13);
    assert_eq!(cube.to_vec::<f64>()?[1], 0.0);
    let v = double(&[2.0, 5.0], &[2])?;
    let (h, along) = jvp(|x| hessian(sum, x), &x, &v)?;
    close(&h, &hessian(sum, &x)?, 1e-14)?;
    close(&along, &cube.matmul(&v)?, 1e-13)
}

/// An inner derivative can tell its input from the same tensor captured from outside.
#[test]
fn captured_inputs_are_constants_of_the_inner_function() -> Result<()> {
    let x = Tensor::scalar(3.0);
    // d/dx (x · d/dy (x + y)) = 1.
    let one = grad(|x| Ok(x * grad(|y| Ok(x + y), &Tensor::scalar(1.0))?), &x)?;
    assert_eq!(one.item()?, 1.0);
    // d/dy (x y) at y = x is x. If they were confused, it would be 2x, and 4x after the outer derivative.
    let inner = grad(|y| Ok(&x * y), &x)?;
    assert_eq!(inner.item()?, 3.0);
    let outer = grad(|x| Ok(x * grad(|y| Ok(x * y), x)?), &x)?;
    assert_eq!(outer.item()?, 6.0);
    // The same in forward mode: d/dx (x · ∂y (x y²)) = d/dx 2x³ at y = x.
    let outer = grad(|x| Ok(x * jvp(|y| Ok(x * y.square()), x, &Tensor::scalar(1.0))?.1), &x)?;
    assert_eq!(outer.item()?, 6.0 * 9.0);
    Ok(())
}

#[test]
fn batch_jacobians_are_the_diagonal_blocks() -> Result<()> {
    random::seed(2);
    let x = Tensor::normal([5, 3], 0.0, 1.0)?.cast(DType::F64);
    let w = Tensor::normal([3, 4], 0.0, 1.0)?.cast(DType::F64);
    let f = |x: &Tensor| x.matmul(&w)?.tanh().softmax(-1);
    let blocks = batch_jacobian(f, &x)?;
    assert_eq!(blocks.shape(), &[5, 4, 3]);
    let whole = jacobian(f, &x)?;
    assert_eq!(whole.shape(), &[5, 4, 5, 3]);
    for example in 0..5 {
        let block = whole.at(example, 0)?.at(example, 1)?;
        close(&blocks.at(example, 0)?, &block, 1e-14)?;
    }
    // More axes, and no axes, of inputs and outputs.
    let x = Tensor::normal([2, 3, 4], 0.0, 1.0)?;
    assert_eq!(batch_jacobian(|x| x.square().sum_axis(1), &x)?.shape(), &[2, 4, 3, 4]);
    let sums = batch_jacobian(|x| x.square().sum_axis([1, 2]), &x)?;
    close(&sums, &(2.0 * &x), 1e-6)?;
    let column = batch_jacobian(|x| Ok(x.square()), &tensor![1.0, 2.0])?;
    assert_eq!(column.to_vec::<f32>()?, [2.0, 4.0]);
    // A loss that is computed from a jacobian.
    gradcheck(|x| batch_jacobian(|y| Ok((y * &x[1]).sin()), &x[0]), &[tensor![[0.3, 1.0]], tensor![[2.0, 0.4]]], {
        Tolerance::default()
    })
}

#[test]
fn products_agree_with_the_jacobian() -> Result<()> {
    random::seed(3);
    let x = Tensor::normal([2, 3], 0.0, 1.0)?.cast(DType::F64);
    let v = Tensor::normal([2, 3], 0.0, 1.0)?.cast(DType::F64);
    let u = Tensor::normal([3, 2], 0.0, 1.0)?.cast(DType::F64);
    let j = jacobian(mixing, &x)?;
    assert_eq!(j.shape(), &[3, 2, 2, 3]);
    let flat = j.reshape([6, 6])?;
    let (y, dy) = jvp(mixing, &x, &v)?;
    close(&y, &mixing(&x)?, 0.0)?;
    close(&dy.flatten(), &flat.matmul(v.flatten())?, 1e-13)?;
    let (y, pullback) = vjp(mixing, &x)?;
    close(&y, &mixing(&x)?, 0.0)?;
    for _ in 0..2 {
        close(&pullback.apply(&u)?.flatten(), &u.flatten().matmul(&flat)?, 1e-13)?;
    }
    Ok(())
}

/// Each derivative is itself a differentiable function.
#[test]
fn derivatives_are_differentiable() -> Result<()> {
    let inputs = [tensor![[0.4, -0.8, 1.1], [0.2, 0.9, -0.5]], tensor![[1.0, 0.3, -0.6], [0.1, -2.0, 0.7]]];
    let tolerance = Tolerance::default();
    gradcheck(|x| Ok(jvp(mixing, &x[0], &x[1])?.1), &inputs, tolerance)?;
    gradcheck(|x| vjp(mixing, &x[0])?.1.apply(&x[1].reshape([3, 2])?), &inputs, tolerance)?;
    gradcheck(|x| jacobian(mixing, &x[0]), &inputs, tolerance)?;
    gradcheck(|x| hvp(|y| Ok((mixing(y)? * &x[1].reshape([3, 2])?).sum()), &x[0], &x[1]), &inputs, tolerance)?;
    gradcheck(|x| hessian(|y| Ok((y.exp() * &x[1]).sum().square()), &x[0]), &inputs, tolerance)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// `⟨J v, u⟩ = ⟨v, Jᵀu⟩`, and `J v` is the limit of the difference quotient.
    #[test]
    fn forward_and_reverse_agree(numbers in prop::collection::vec(-1.5f64..1.5, 18)) {
        let (x, v) = (double(&numbers[..6], &[2, 3])?, double(&numbers[6..12], &[2, 3])?);
        let u = double(&numbers[12..], &[3, 2])?;
        let (_, forward) = jvp(mixing, &x, &v)?;
        let backward = vjp(mixing, &x)?.1.apply(&u)?;
        let (left, right) = ((&forward * &u).sum().item()?, (&backward * &v).sum().item()?);
        prop_assert!((left - right).abs() < 1e-12, "⟨Jv, u⟩ = {left}, ⟨v, Jᵀu⟩ = {right}");
        let step = 1e-5;
        let difference = (mixing(&(&x + step * &v))? - mixing(&(&x - step * &v))?) / (2.0 * step);
        prop_assert!(difference.allclose(&forward, 1e-7, 1e-7)?, "{difference} differs from {forward}");
    }

    /// Hessians are symmetric, and their products are those of `hvp`.
    #[test]
    fn hessians_are_symmetric(numbers in prop::collection::vec(-1.5f64..1.5, 12)) {
        let (x, v) = (double(&numbers[..6], &[2, 3])?, double(&numbers[6..], &[2, 3])?);
        let f = |x: &Tensor| Ok((mixing(x)?.square() * tensor![1.0, -2.0].cast(DType::F64)).sum());
        let h = hessian(f, &x)?.reshape([6, 6])?;
        prop_assert!(h.allclose(&h.t()?, 1e-12, 1e-12)?);
        prop_assert!(hvp(f, &x, &v)?.flatten().allclose(&h.matmul(v.flatten())?, 1e-12, 1e-12)?);
    }
}

#[test]
fn linear_and_constant_functions_have_zeros() -> Result<()> {
    let x = tensor![1.0, 2.0];
    let zeros = Tensor::zeros([2, 2]);
    close(&hessian(|x| Ok(x.sum()), &x)?, &zeros, 0.0)?;
    close(&hessian(|_| Ok(Tensor::scalar(5.0)), &x)?, &zeros, 0.0)?;
    close(&hvp(|x| Ok(x.sum()), &x, &x)?, &Tensor::zeros([2]), 0.0)?;
    close(&jacobian(|_| Ok(tensor![5.0, 6.0]), &x)?, &zeros, 0.0)?;
    close(&jacobian(|x| Ok(x.clone()), &x)?, &Tensor::eye(2), 0.0)?;
    let (y, dy) = jvp(|_| Ok(tensor![5.0]), &x, &x)?;
    assert_eq!((y.item()?, dy.item()?), (5.0, 0.0));
    let (_, dy) = jvp(|x| Ok(x.clone()), &x, &tensor![3.0, 4.0])?;
    close(&dy, &tensor![3.0, 4.0], 0.0)?;
    // One of two inputs unused.
    let [da, db] = jacobian(|[a, _]| Ok(a.square()), &[x.clone(), tensor![[1.0]]])?;
    assert_eq!((da.shape(), db.shape()), (&[2, 2].into(), &[2, 1, 1].into()));
    assert_eq!(db.to_vec::<f32>()?, [0.0, 0.0]);
    let (_, dy) = jvp(|[a, _]| Ok(a.square()), &[x.clone(), x.clone()], &[x.clone(), x.clone()])?;
    assert_eq!(dy.to_vec::<f32>()?, [2.0, 8.0]);
    // No outputs, no inputs.
    assert_eq!(jacobian(|_| Ok(Tensor::zeros([0, 3])), &x)?.shape(), &[0, 3, 2]);
    assert_eq!(jacobian(|x| Ok(x.sum()), &Tensor::zeros([0]))?.shape(), &[0]);
    assert!(grad(|_: &[Tensor]| Ok(Tensor::scalar(5.0)), &[][..])?.is_empty());
    Ok(())
}

#[test]
fn element_types_may_be_mixed() -> Result<()> {
    let (single, wide) = (tensor![1.0, 2.0], double(&[3.0, 4.0], &[2])?);
    let f = |[a, b]: &[Tensor; 2]| Ok((a.cast(DType::F64).square() * b).sum());
    let inputs = [single.clone(), wide.clone()];
    let [da, db] = grad(f, &inputs)?;
    close(&da, &tensor![6.0, 16.0], 0.0)?;
    close(&db, &double(&[1.0, 4.0], &[2])?, 0.0)?;
    let (_, along) = jvp(f, &inputs, &inputs)?;
    close(&along, &double(&[6.0 + 32.0 + 3.0 + 16.0], &[])?, 0.0)?;
    let [[aa, ab], [ba, _]] = hessian(f, &inputs)?;
    assert_eq!((aa.dtype(), ab.dtype(), ba.dtype()), (DType::F32, DType::F64, DType::F32));
    assert_eq!(ba.to_vec::<f32>()?, [2.0, 0.0, 0.0, 4.0]);
    let [ha, hb] = hvp(f, &inputs, &inputs)?;
    close(&ha, &tensor![12.0, 32.0], 0.0)?;
    close(&hb, &double(&[2.0, 8.0], &[2])?, 0.0)
}

#[test]
fn errors_say_what_would_be_right() -> Result<()> {
    let x = tensor![1.0, 2.0];
    let square = |x: &Tensor| Ok(x.square());
    let needs_number = "shape [2]: the function must return one number; take the sum, or use `jacobian`".to_string();
    assert_eq!(message(grad(square, &x)), format!("grad: {needs_number}"));
    assert_eq!(message(value_and_grad(square, &x)), format!("value_and_grad: {needs_number}"));
    assert_eq!(message(hessian(square, &x)), format!("hessian: {needs_number}"));
    assert_eq!(message(hvp(square, &x, &x)), format!("hvp: {needs_number}"));

    let floating = |k: usize| {
        format!(
            "int64 is not a floating type, as input {k} must be; cast it, as in `x.cast(DType::F32)`, or let the \
             function capture it"
        )
    };
    let mixed = [tensor![1.0], tensor![1]];
    assert_eq!(message(grad(|[a, _]| Ok(a.sum()), &mixed)), format!("grad: {}", floating(1)));
    assert_eq!(message(jacobian(square, &tensor![1])), format!("jacobian: {}", floating(0)));
    assert_eq!(message(jvp(square, &tensor![1], &tensor![1])), format!("jvp: {}", floating(0)));
    let target = "gradient: the target is of type int64; only floating types have gradients";
    assert_eq!(message(jacobian(|x| x.argmax_axis(0), &x)), format!("jacobian: {target}"));
    assert_eq!(message(jvp(|x| x.argmax_axis(0), &x, &x)), format!("jvp: {target}"));
    assert_eq!(message(grad(|x| x.argmax_axis(0), &x)), format!("grad: {target}"));

    assert_eq!(message(jvp(square, &x, &tensor![1.0])), "jvp: vector 0 is float32 [1], but its input is float32 [2]");
    assert_eq!(
        message(hvp(square, &x, &x.cast(DType::F64))),
        "hvp: vector 0 is float64 [2], but its input is float32 [2]"
    );
    let sum = |x: &[Tensor]| Ok(x[0].sum());
    assert_eq!(message(hvp(sum, &[x.clone()][..], &[][..])), "hvp: 0 vectors for 1 inputs");
    let (_, pullback) = vjp(square, &x)?;
    assert_eq!(
        message(pullback.apply(&tensor![1.0])),
        "vjp: gradient: the output gradient is float32 [1], but the target is float32 [2]"
    );
    assert_eq!(
        message(batch_jacobian(|x| Ok(x.sum()), &x)),
        "batch_jacobian: input 0 [2] and the value [] differ in their first axis"
    );
    // Errors of the function itself are passed on.
    assert_eq!(message(grad(|x| x.matmul(tensor![1.0]), &x)), message(x.matmul(tensor![1.0])));
    Ok(())
}

#[test]
fn an_unused_input_is_an_error_of_grad_and_vjp() -> Result<()> {
    let inputs = [tensor![1.0], tensor![2.0, 3.0]];
    let unused = "gradient: source 1, a tensor of shape [2], does not contribute to the target";
    let found = message(grad(|[a, _]| Ok(a.sum()), &inputs));
    assert!(found.starts_with(&format!("grad: {unused}")), "{found}");
    let found = message(vjp(|[a, _]| Ok(a.square()), &inputs)?.1.apply(&tensor![1.0]));
    assert!(found.starts_with(&format!("vjp: {unused}")), "{found}");
    // The same for a constant derivative, for which `hessian` returns zeros.
    let found = message(grad(|x| grad(|x| Ok(3.0 * x), x), &Tensor::scalar(1.0)));
    assert!(found.starts_with("grad: gradient: source 0, a tensor of shape [], does not contribute"), "{found}");
    Ok(())
}

#[test]
fn tapes_outside_follow_inputs_and_captured_variables() -> Result<()> {
    let w = Variable::new(double(&[2.0, 3.0], &[2])?);
    let x = Variable::new(double(&[0.5, -1.0], &[2])?);
    // ∂x Σ w x² = 2 w x.
    let tape = GradientTape::new();
    let slope = grad(|x| Ok((&w * x.square()).sum()), &x.value())?;
    let [dw, dx] = tape.gradient(&slope, [&w, &x])?;
    close(&dw, &double(&[1.0, -2.0], &[2])?, 0.0)?;
    close(&dx, &double(&[4.0, 6.0], &[2])?, 0.0)?;
    // The outer tape also follows the value.
    let tape = GradientTape::new();
    let (value, pullback) = vjp(|x| Ok(&w * x.square()), &x.value())?;
    let u = &w * 1.0;
    let [dw, dx] = tape.gradient(&(value.sum() + pullback.apply(&u)?.sum()), [&w, &x])?;
    // Σ w x² + 2 w² x.
    close(&dw, &double(&[0.25 + 4.0, 1.0 - 12.0], &[2])?, 1e-14)?;
    close(&dx, &double(&[2.0 + 8.0, -6.0 + 18.0], &[2])?, 1e-14)?;
    // Inside `no_record` the function is differentiated, but outer tapes record nothing.
    let tape = GradientTape::new();
    let slope = no_record(|| grad(|x| Ok((&w * x.square()).sum()), &x.value()))?;
    close(&slope, &double(&[2.0, -6.0], &[2])?, 0.0)?;
    assert!(message(tape.gradient(&slope, &w)).contains("was not used by any operation that the tape recorded"));
    Ok(())
}

/// A network whose slope is held at 1 by a gradient penalty (Gulrajani et al. 2017).
#[test]
fn a_gradient_penalty_trains() -> Result<()> {
    random::seed(4);
    let weights = [
        Variable::new(Tensor::normal([3, 8], 0.0, 0.5)?),
        Variable::new(Tensor::zeros([8])),
        Variable::new(Tensor::normal([8, 1], 0.0, 0.5)?),
    ];
    let [w1, b1, w2] = &weights;
    let x = Tensor::normal([16, 3], 0.0, 1.0)?;
    let f = |x: &Tensor| x.matmul(w1)?.try_add(b1)?.tanh().matmul(w2);
    let mut losses = Vec::new();
    for _ in 0..50 {
        let tape = GradientTape::new();
        let slopes = grad(|x| Ok(f(x)?.sum()), &x)?;
        let penalty = (slopes.norm_axis(-1)? - 1.0).square().mean();
        let loss = f(&x)?.square().mean() + &penalty;
        let gradients = tape.gradient(&loss, [w1, b1, w2])?;
        for (weight, gradient) in weights.iter().zip(gradients) {
            weight.assign_sub(gradient * 0.05)?;
        }
        losses.push((loss.item()?, penalty.item()?));
    }
    let falls = losses.windows(2).all(|pair| pair[1].0 < pair[0].0);
    let ((first, penalty), (last, penalty_after)) = (losses[0], losses[49]);
    assert!(falls && last < 0.6 * first && penalty_after < penalty, "{losses:?}");
    Ok(())
}
