//! Sample weights.

use tensor::{DType, Error, Result, Shape, Tensor};

use crate::metrics::classes::place;

/// The weight of each value of this shape, in row-major order; 1 without weights. Weights have that shape or that of
/// its leading axes, and are then repeated; last axes of size 1 are ignored.
pub(super) fn weights_of(weights: Option<&Tensor>, shape: &Shape) -> Result<Vec<f64>> {
    let Some(weights) = weights else {
        return Ok(vec![1.0; shape.size()]);
    };
    let significant = weights.shape().iter().rposition(|&size| size != 1).map_or(0, |last| last + 1);
    let leading = &weights.shape()[..significant];
    if !shape.starts_with(leading) {
        let expected = format!("must be that of what is counted, {shape}, or of its leading axes");
        return Err(Error::shape("weights", weights.shape(), expected));
    }
    let given = weights.shape();
    let weights = weights.cast(DType::F64).to_vec::<f64>()?;
    if let Some((k, weight)) = weights.iter().enumerate().find(|(_, weight)| !(weight.is_finite() && **weight >= 0.0)) {
        let place = place(given, k);
        return Err(Error::argument("weights", format!("{weight:?} {place} must be finite and not negative")));
    }
    let below: usize = shape[significant..].iter().product();
    Ok(weights.into_iter().flat_map(|weight| std::iter::repeat_n(weight, below)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tensor::tensor;

    #[test]
    fn a_weight_counts_for_all_that_is_below_it() {
        let of = |weights: Tensor, shape: &[usize]| weights_of(Some(&weights), &Shape::from(shape));
        assert_eq!(of(tensor![1, 2], &[2, 3]).unwrap(), [1.0, 1.0, 1.0, 2.0, 2.0, 2.0]);
        assert_eq!(of(tensor![[1], [2]], &[2]).unwrap(), [1.0, 2.0]);
        assert_eq!(of(tensor![[1.0, 0.5]], &[1, 2]).unwrap(), [1.0, 0.5]);
        assert_eq!(of(tensor![3.0], &[1, 2]).unwrap(), [3.0, 3.0]);
        assert_eq!(
            of(tensor![1, 2], &[3]).unwrap_err().to_string(),
            "weights: shape [2]: must be that of what is counted, [3], or of its leading axes"
        );
        assert_eq!(
            of(tensor![1.0, -2.0], &[2]).unwrap_err().to_string(),
            "weights: -2.0 of sample 1 must be finite and not negative"
        );
        assert!(of(tensor![1.0, f64::NAN], &[2]).is_err());
    }
}
