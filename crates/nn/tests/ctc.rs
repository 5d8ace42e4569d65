//! Connectionist temporal classification against its definition, and its errors; values of
//! PyTorch are in `loss_values.rs`.

use autograd::{GradientTape, Tolerance, gradcheck, gradgradcheck};
use nn::*;
use proptest::prelude::*;
use tensor::{DType, Generator, Tensor, tensor};

/// The labels that a sequence of classes stands for.
fn collapsed(classes: &[i64]) -> Vec<i64> {
    let mut labels = classes.to_vec();
    labels.dedup();
    labels.retain(|&label| label != 0);
    labels
}

/// The sum over all sequences of classes, one sample.
fn by_definition(labels: &[i64], logits: &Tensor) -> f64 {
    let (frames, classes) = (logits.shape()[0], logits.shape()[1]);
    let p = logits.softmax(-1).unwrap().to_vec::<f64>().unwrap();
    let mut total = 0.0;
    for code in 0..classes.pow(frames as u32) {
        let way: Vec<i64> = (0..frames).map(|frame| (code / classes.pow(frame as u32) % classes) as i64).collect();
        if collapsed(&way) == labels {
            total += way.iter().enumerate().map(|(frame, &class)| p[frame * classes + class as usize]).product::<f64>();
        }
    }
    -total.ln()
}

fn message(result: Result<Tensor>) -> String {
    result.err().map_or_else(|| "no error".into(), |error| error.to_string())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn it_is_the_sum_over_all_ways(seed: u64, frames in 1usize..6, classes in 2usize..4, length in 0usize..4) {
        let mut generator = Generator::new(seed);
        let logits = generator.normal([1, frames, classes], 0.0, 2.0).unwrap().cast(DType::F64);
        let labels = generator.integers([1, length], 1..classes as i64).unwrap();
        let expected = by_definition(&labels.to_vec::<i64>().unwrap(), &logits.at(0, 0).unwrap());
        match ctc(&labels, &logits) {
            Ok(loss) => {
                let loss = loss.item().unwrap();
                prop_assert!((loss - expected).abs() < 1e-12 * expected.max(1.0), "{loss} for {expected}");
            }
            Err(error) => prop_assert!(expected.is_infinite(), "{expected} but {error}"),
        }
    }

    #[test]
    fn gradients_are_those_of_finite_differences(seed: u64, frames in 4usize..6, classes in 2usize..4) {
        let mut generator = Generator::new(seed);
        let logits = generator.normal([2, frames, classes], 0.0, 1.0).unwrap();
        let labels = generator.integers([2, 2], 1..classes as i64).unwrap();
        let (label_lengths, input_lengths) = (tensor![2, 1], tensor![frames as i64, 3]);
        let loss = |x: &[Tensor]| Ctc::default().loss_of_lengths(&labels, &x[0], &label_lengths, &input_lengths);
        gradcheck(loss, std::slice::from_ref(&logits), Tolerance::default()).unwrap();
        gradgradcheck(loss, &[logits], Tolerance::default()).unwrap();
    }
}

#[test]
fn labels_and_frames_beyond_the_lengths_are_ignored() {
    let logits = Generator::new(3).normal([2, 5, 3], 0.0, 1.0).unwrap();
    let (f, t) = (false, true);
    let within = tensor![[[t], [t], [t], [f], [f]], [[t], [t], [f], [f], [f]]];
    let spoilt = within.select(&logits, f64::NAN).unwrap();
    let tape = GradientTape::new();
    tape.watch(&spoilt);
    let lengths = (tensor![2, 1], tensor![3, 2]);
    let labels = tensor![[1, 2, -7], [2, 99, 0]];
    let losses = Ctc::default().loss_of_lengths(&labels, &spoilt, &lengths.0, &lengths.1).unwrap();
    let expected = [
        ctc(&tensor![[1, 2]], &logits.slice((..1, ..3)).unwrap()).unwrap().item().unwrap(),
        ctc(&tensor![[2]], &logits.slice((1.., ..2)).unwrap()).unwrap().item().unwrap(),
    ];
    let found = losses.cast(DType::F64).to_vec::<f64>().unwrap();
    assert_eq!(found, expected);
    let gradient = tape.gradient(&losses, &spoilt).unwrap();
    assert!(gradient.all_finite());
    assert_eq!(gradient.slice((1.., 2..)).unwrap().abs().sum().item().unwrap(), 0.0);
}

#[test]
fn far_logits_stay_finite() {
    let logits = tensor![[[700.0, -700.0], [-700.0, 700.0], [700.0, -700.0]]];
    let tape = GradientTape::new();
    tape.watch(&logits);
    let certain = ctc(&tensor![[1]], &logits).unwrap();
    assert_eq!(certain.item().unwrap(), 0.0);
    let impossible = ctc(&tensor![[0]], &logits).unwrap();
    assert_eq!(impossible.item().unwrap(), 1400.0);
    let gradient = tape.gradient(impossible, &logits).unwrap().to_vec::<f32>().unwrap();
    assert_eq!(gradient, [0.0, 0.0, -1.0, 1.0, 0.0, 0.0]);
}

#[test]
fn labels_that_need_too_many_frames() {
    let logits = Tensor::zeros([2, 3, 3]);
    let labels = tensor![[1, 2], [2, 2]];
    assert!(ctc(&labels, &logits).is_ok());
    let short = logits.slice((.., ..2)).unwrap();
    assert_eq!(
        message(ctc(&labels, &short)),
        "ctc of targets [2, 2] and predictions [2, 2, 3]: labels: those of sample 1 need 3 frames (2 labels, 1 equal \
         to the one before), not 2; `zero_infinity` gives them the loss 0"
    );
    let tape = GradientTape::new();
    tape.watch(&short);
    let losses = Ctc::default().zero_infinity().loss(&labels, &short).unwrap();
    let values = losses.to_vec::<f32>().unwrap();
    assert!((values[0] - 9f32.ln()).abs() < 1e-6 && values[1] == 0.0, "{values:?}");
    let gradient = tape.gradient(&losses, &short).unwrap();
    assert_eq!(gradient.at(1, 0).unwrap().to_vec::<f32>().unwrap(), [0.0; 6]);
    assert!(gradient.at(0, 0).unwrap().norm().item().unwrap() > 0.1);
}

#[test]
fn errors_name_what_would_be_right() {
    let logits = Tensor::zeros([2, 4, 3]);
    let of = |labels: Tensor| message(ctc(&labels, &logits));
    assert_eq!(
        of(tensor![[1, 0, 2], [1, 1, 0]]),
        "ctc of targets [2, 3] and predictions [2, 4, 3]: labels: 0 in sample 0 is not a class from 1 to 2"
    );
    assert!(of(tensor![[1, 3], [1, 1]]).ends_with("labels: 3 in sample 0 is not a class from 1 to 2"));
    assert!(of(tensor![[1, 2], [-1, 1]]).ends_with("labels: -1 in sample 1 is not a class from 1 to 2"));
    assert!(of(tensor![1, 2]).ends_with("labels: shape [2]: must be [2, length], one row per sample"));
    assert!(of(tensor![[1.0], [2.0]]).ends_with("labels: float32 is not int64 or uint8"));
    assert!(message(ctc(&tensor![[1]], &Tensor::zeros([4, 3]))).ends_with("must be logits [batch, frames, classes]"));
    let of_lengths = |labels: Tensor, frames: Tensor| {
        message(Ctc::default().loss_of_lengths(&tensor![[1, 2], [2, 1]], &logits, &labels, &frames))
    };
    assert!(of_lengths(tensor![3, 1], tensor![4, 4]).ends_with("label_lengths: 3 must lie between 0 and 2"));
    assert!(of_lengths(tensor![2, 1], tensor![4, 0]).ends_with("input_lengths: 0 must lie between 1 and 4"));
    assert!(of_lengths(tensor![2], tensor![4, 4]).ends_with("label_lengths: shape [1]: must be [2], one per sample"));
}
