//! Results have the same bits with any number of threads.

use facade::prelude::*;
use facade::tensor::ops::{ConvOptions, Padding, PoolOptions};

/// Runs `f` in a separate pool.
fn with_threads<R: Send>(threads: usize, f: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool").install(f)
}

/// Three training steps with sizes that are split into many tasks. Returns their results.
fn train() -> Result<Vec<u32>> {
    random::seed(5);
    let model = Sequential::new()
        .add(Dense::new(784, 512).activation(Activation::Gelu))
        .add(Dropout::new(0.3))
        .add(Dense::new(512, 300).activation(Activation::Softmax));
    let images = Tensor::normal([400, 784], 0.0, 1.0)?;
    let labels = Generator::new(1).integers([400], 0..300)?;
    let data = ArrayDataset::from_tensors(&images, &labels)?.shuffle(7);
    let mut trainer = Trainer::new(&model, SparseCategoricalCrossentropy::default(), Adam::new(1e-3));
    trainer.fit(&data, Fit::epochs(1).batch_size(150).verbose(Verbose::Silent))?;
    let mut bits = Vec::new();
    for weight in model.weights() {
        bits.extend(weight.value().to_vec::<f32>()?.into_iter().map(f32::to_bits));
    }
    // Convolution and pooling in many blocks, with the gradients of both operands. The table of operations has small
    // images only.
    let (x, kernel) =
        (Variable::new(Tensor::normal([40, 24, 24, 16], 0.0, 1.0)?), Tensor::normal([3, 3, 16, 40], 0.0, 1.0)?);
    let kernel = Variable::new(kernel);
    let tape = GradientTape::new();
    let y = x.value().conv2d(&kernel, ConvOptions { padding: Padding::Same, ..ConvOptions::default() })?;
    let y = y.max_pool2d(PoolOptions::new([2, 2]))?.square().mean();
    for gradient in tape.gradient(&y, [&x, &kernel])? {
        bits.extend(gradient.to_vec::<f32>()?.into_iter().map(f32::to_bits));
    }
    Ok(bits)
}

#[test]
fn one_two_three_and_eight_threads_agree_bit_for_bit() -> Result<()> {
    let one = with_threads(1, train)?;
    for threads in [2, 3, 8] {
        let several = with_threads(threads, train)?;
        let differ = one.iter().zip(&several).filter(|(a, b)| a != b).count();
        assert_eq!((one.len(), differ), (several.len(), 0), "with {threads} threads");
    }
    Ok(())
}
