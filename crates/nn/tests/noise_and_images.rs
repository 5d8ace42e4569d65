//! Moments of the noise of layers, and enlarged images.

use nn::layers::*;
use nn::{Layer, Mode};
use tensor::{DType, Result, Tensor, tensor};

#[test]
fn gaussian_layers_have_the_stated_moments() -> Result<()> {
    let x = Tensor::full([100_000], 3.0);
    let moments = |layer: &dyn Layer| -> Result<[f64; 2]> {
        let y = layer.forward(&x, Mode::Training)?.cast(DType::F64);
        Ok([y.mean().item()?, y.std().item()?])
    };
    // Within five standard errors: σ/√n of the mean, σ/√(2n) of the deviation.
    let within = |found: f64, expected: f64, sigma: f64| (found - expected).abs() < 5.0 * sigma / 100_000f64.sqrt();
    let [mean, std] = moments(&GaussianNoise::new(0.5).seed(1))?;
    assert!(within(mean, 3.0, 0.5) && within(std, 0.5, 0.36), "{mean} {std}");
    let [mean, std] = moments(&GaussianDropout::new(0.2).seed(1))?;
    assert!(within(mean, 3.0, 1.5) && within(std, 1.5, 1.1), "{mean} {std}");
    Ok(())
}

#[test]
fn spatial_dropout_drops_whole_channels_at_its_rate() -> Result<()> {
    let y = SpatialDropout2d::new(0.25).seed(3).forward(&Tensor::ones([40, 2, 3, 50]), Mode::Training)?;
    let by_channel = y.mean_axis([1, 2])?.to_vec::<f32>()?;
    assert!(by_channel.iter().all(|&mean| mean == 0.0 || (mean - 1.0 / 0.75).abs() < 1e-6));
    let dropped = by_channel.iter().filter(|&&mean| mean == 0.0).count() as f64 / 2000.0;
    // Five standard errors.
    assert!((dropped - 0.25).abs() < 5.0 * (0.1875 / 2000f64).sqrt(), "{dropped}");
    Ok(())
}

#[test]
fn noise_rejects_invalid_rates() {
    let message = |layer: &dyn Layer| layer.forward(&Tensor::ones([1, 2, 3]), Mode::Inference).unwrap_err().to_string();
    assert_eq!(message(&GaussianDropout::new(1.0)), "gaussian_dropout: the rate 1.0 would make the noise infinite");
    assert_eq!(message(&SpatialDropout1d::new(-0.5)), "spatial_dropout1d: the rate -0.5 must lie between 0 and 1");
    assert_eq!(
        message(&GaussianNoise::new(f64::NAN)),
        "gaussian_noise: the standard deviation NaN must be finite and at least 0"
    );
}

#[test]
fn bilinear_pixels_are_interpolated() -> Result<()> {
    let image = tensor![[0.0, 4.0]].reshape([1, 1, 2, 1])?;
    let layer = UpSampling2d::new(2, 4).interpolation(Interpolation::Bilinear);
    let larger = layer.forward(&image, Mode::Inference)?;
    let row = [0.0, 0.0, 0.5, 1.5, 2.5, 3.5, 4.0, 4.0];
    assert_eq!(larger.to_vec::<f32>()?, [row, row].concat());
    let wrong = UpSampling2d::new(0, 2).forward(&image, Mode::Inference).unwrap_err();
    assert_eq!(
        wrong.to_string(),
        "up_sampling2d: the factors 0 and 2 must be at least 1, and the output size must not overflow"
    );
    let layer = UpSampling2d::new(1 << 40, 1 << 20).interpolation(Interpolation::Bilinear);
    assert!(layer.forward(&image, Mode::Inference).unwrap_err().to_string().contains("is larger than memory"));
    Ok(())
}
