//! Rules of normalizations. Notation: `n` are the normalized elements `(x - mean) · r`, `r` is
//! `1 / √(variance + epsilon)`, `M` is the mean over each group, and `h` is a gradient of `n`. The gradient of `x` is
//! `P h = r · (h - M h - n · M(h · n))`. `P` is symmetric.

use smallvec::smallvec;
use tensor::ops::{Normalize, apply_all, magnitudes};
use tensor::{Result, Tensor};

use super::context::InputGradients;
use super::pass::Pass;
use super::selection::{Input, Output};

pub(super) fn rule<'a, P: Pass<'a>>(op: &Normalize, pass: P) -> P::Answer {
    match *op {
        Normalize::Normalize { epsilon } => pass
            .all((Input(0), Input(1), Output(1), Output(2)), |cx, (x, gamma, mean, variance)| {
                normalize(epsilon, cx.gradients, [x, gamma, mean, variance])
            }),
        Normalize::NormalizeGradient { epsilon } => {
            pass.all((Input(0), Input(1), Input(2)), |cx, inputs| normalize_gradient(epsilon, cx.gradients, inputs))
        }
    }
}

/// The gradients of `x`, `gamma` and `beta` from those of the result, the mean and the variance.
fn normalize(
    epsilon: f64,
    gradients: &[Option<Tensor>],
    [x, gamma, mean, variance]: [&Tensor; 4],
) -> Result<InputGradients> {
    let mut to_inputs: InputGradients = match &gradients[0] {
        Some(g) => {
            let operands = [g, x, gamma, mean, variance];
            apply_all(Normalize::NormalizeGradient { epsilon }, &operands)?.into_iter().map(Some).collect()
        }
        None => smallvec![None; 3],
    };
    let count = (x.shape()[1] * x.shape()[3]) as f64;
    if let Some(g) = &gradients[1] {
        to_inputs[0] = Some(sum(to_inputs[0].take(), g.try_div(count)?.expand(x.shape())?)?);
    }
    if let Some(g) = &gradients[2] {
        let slope = x.try_sub(mean)?.try_mul(2.0 / count)?;
        to_inputs[0] = Some(sum(to_inputs[0].take(), slope.try_mul(g)?)?);
    }
    Ok(to_inputs)
}

fn sum(before: Option<Tensor>, term: Tensor) -> Result<Tensor> {
    match before {
        Some(before) => before.try_add(term),
        None => Ok(term),
    }
}

/// The gradients of `g`, `x` and `gamma` from those of the outputs `P h`, `Σ g · n` and `Σ g`, with `h = g · gamma`. Call
/// them `u`, `p` and `q`. The gradient of `n` is `p · g - r · (h · M(u · n) + u · M(h · n))`. `P` has the factor `r`,
/// through which `x` gets `-r² · n · (M(u · h) - M u · M h - M(u · n) · M(h · n))` as well.
fn normalize_gradient(
    epsilon: f64,
    gradients: &[Option<Tensor>],
    (g, x, gamma): (&Tensor, &Tensor, &Tensor),
) -> Result<InputGradients> {
    let mean = |values: &Tensor| values.mean_keepdims([1, 3]);
    let mean_of_product = |a: &Tensor, b: &Tensor| mean(&a.try_mul(b)?);
    let deviation = x.try_sub(mean(x)?)?;
    let variance = mean(&deviation.square())?;
    let (n, r) = match magnitudes(x, &variance, &[1, 3], epsilon)? {
        None => {
            let r = variance.try_add(epsilon)?.rsqrt();
            (deviation.try_mul(&r)?, r)
        }
        // The squares overflowed or underflowed: compute `n` from scaled elements, and scale `r` like them.
        Some(magnitudes) => {
            let scaled = x.try_div(&magnitudes)?;
            let deviation = scaled.try_sub(mean(&scaled)?)?;
            let epsilon = magnitudes.reciprocal().try_mul(epsilon)?.try_div(&magnitudes)?;
            let r = mean(&deviation.square())?.try_add(epsilon)?.rsqrt();
            (deviation.try_mul(&r)?, r.try_div(&magnitudes)?)
        }
    };
    let project = |h: &Tensor| {
        let rest = h.try_sub(mean(h)?)?;
        rest.try_sub(n.try_mul(mean_of_product(h, &n)?)?)?.try_mul(&r)
    };
    let (mut to_g, mut to_x, mut to_gamma) = (g.zeros_like(), x.zeros_like(), gamma.zeros_like());
    if let Some(u) = &gradients[0] {
        let h = g.try_mul(gamma)?;
        let projected = project(u)?;
        to_g = to_g.try_add(gamma.try_mul(&projected)?)?;
        to_gamma = to_gamma.try_add(g.try_mul(&projected)?)?;
        let (of_u, of_h) = (mean_of_product(u, &n)?, mean_of_product(&h, &n)?);
        let covariance =
            mean_of_product(u, &h)?.try_sub(mean(u)?.try_mul(mean(&h)?)?)?.try_sub(of_u.try_mul(&of_h)?)?;
        let through_n = project(&h.try_mul(&of_u)?.try_add(u.try_mul(&of_h)?)?.try_mul(&r)?)?;
        let through_r = n.try_mul(r.square().try_mul(covariance)?)?;
        to_x = to_x.try_sub(through_n)?.try_sub(through_r)?;
    }
    if let Some(p) = &gradients[1] {
        to_g = to_g.try_add(p.try_mul(&n)?)?;
        to_x = to_x.try_add(project(&p.try_mul(g)?)?)?;
    }
    if let Some(q) = &gradients[2] {
        to_g = to_g.try_add(q)?;
    }
    // Mean and variance are functions of `x`. Their gradients are part of that of `x`.
    Ok(smallvec![Some(to_g), Some(to_x), Some(to_gamma), None, None])
}
