//! Rules of normalizations. In what follows `n` are the normalized elements `(x - mean) · r`, `r` is
//! `1 / √(variance + epsilon)`, `M` the mean over each group, and `h` a gradient of `n`: that of `x` is
//! `P h = r · (h - M h - n · M(h · n))`. `P` is symmetric.

use smallvec::smallvec;
use tensor::ops::{Normalize, apply_all, magnitudes};
use tensor::{Result, Tensor};

use super::{Needs, Parts};
use crate::site::Site;

pub(super) fn needs(op: &Normalize) -> Needs {
    match op {
        Normalize::Normalize { .. } => Needs::InputsAndLaterOutputs,
        Normalize::NormalizeGradient { .. } => Needs::Inputs,
    }
}

pub(super) fn backward(op: &Normalize, site: &Site, gradients: &[Option<Tensor>]) -> Result<Parts> {
    match *op {
        Normalize::Normalize { epsilon } => {
            let (x, gamma, mean, variance) = (site.input(0), site.input(1), site.output_at(1), site.output_at(2));
            let mut parts: Parts = match &gradients[0] {
                Some(g) => {
                    let operands = [g, x, gamma, mean, variance];
                    apply_all(Normalize::NormalizeGradient { epsilon }, &operands)?.into_iter().map(Some).collect()
                }
                None => smallvec![None; 3],
            };
            let count = (site.shape(0)[1] * site.shape(0)[3]) as f64;
            if let Some(g) = &gradients[1] {
                parts[0] = Some(sum(parts[0].take(), g.try_div(count)?.expand(site.shape(0))?)?);
            }
            if let Some(g) = &gradients[2] {
                let slope = x.try_sub(mean)?.try_mul(2.0 / count)?;
                parts[0] = Some(sum(parts[0].take(), slope.try_mul(g)?)?);
            }
            Ok(parts)
        }
        Normalize::NormalizeGradient { epsilon } => gradient_of_gradient(epsilon, site, gradients),
    }
}

fn sum(before: Option<Tensor>, part: Tensor) -> Result<Tensor> {
    match before {
        Some(before) => before.try_add(part),
        None => Ok(part),
    }
}

/// With `h = g · gamma` the outputs are `P h`, `Σ g · n` and `Σ g`. Given `u`, `p` and `q` for these, that of `n` is
/// `p · g - r · (h · M(u · n) + u · M(h · n))`, and as `P` has the factor `r`, `x` gets through that
/// `-r² · n · (M(u · h) - M u · M h - M(u · n) · M(h · n))` as well.
fn gradient_of_gradient(epsilon: f64, site: &Site, gradients: &[Option<Tensor>]) -> Result<Parts> {
    let (g, x, gamma) = (site.input(0), site.input(1), site.input(2));
    let mean = |values: &Tensor| values.mean_keepdims([1, 3]);
    let mean_of_product = |a: &Tensor, b: &Tensor| mean(&a.try_mul(b)?);
    let deviation = x.try_sub(mean(x)?)?;
    let variance = mean(&deviation.square())?;
    let (n, r) = match magnitudes(x, &variance, &[1, 3], epsilon)? {
        None => {
            let r = variance.try_add(epsilon)?.rsqrt();
            (deviation.try_mul(&r)?, r)
        }
        // The squares left the range of the element type: `n` is that of scaled elements, and `r` is scaled as they are.
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
    // Mean and variance are functions of x, through which all has gone that depends on them.
    Ok(smallvec![Some(to_g), Some(to_x), Some(to_gamma), None, None])
}
