//! ResNet-20 (He et al. 2015) on MNIST's digits, padded to 32 × 32 pixels and repeated for three
//! colours.
//!
//! ```text
//! cargo run --release --example resnet
//! ```

mod model;
#[path = "../say.rs"]
mod say;

use clap::Parser;
use facade::prelude::*;

use model::ResNet;
use say::say;

/// Trains a residual network on MNIST
#[derive(Parser)]
struct Options {
    #[arg(long, default_value_t = 2)]
    epochs: usize,
    #[arg(long, default_value_t = 128)]
    batch_size: usize,
    /// The maximum learning rate: warm-up over the first tenth of the steps, then cosine decay
    #[arg(long, default_value_t = 0.1)]
    learning_rate: f64,
    #[arg(long, default_value_t = 1e-4)]
    weight_decay: f64,
    /// Blocks in each of the three groups: 3 for ResNet-20, 5 for ResNet-32
    #[arg(long, default_value_t = 3)]
    blocks: usize,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Train only on the first N images
    #[arg(long, default_value_t = 60_000)]
    images: usize,
    /// Test only on the first N images
    #[arg(long, default_value_t = 10_000)]
    test_images: usize,
}

/// Training and test images, 32 × 32 pixels in three colours, with labels from 0.
struct Images {
    train: Pipeline,
    test: Pipeline,
    classes: usize,
}

impl Images {
    /// MNIST's digits, padded by two pixels on each side and repeated for all colours.
    fn mnist(train: usize, test: usize) -> Result<Images> {
        let Mnist { train_images, train_labels, test_images, test_labels } = mnist::load()?;
        let samples = |images: &Tensor, labels: &Tensor, count: usize| -> Result<Pipeline> {
            let count = count.min(labels.size());
            let images = images.slice(..count)?.pad([(0, 0), (2, 2), (2, 2)], 0.0)?.expand_dims(-1)?;
            let pixels = ArrayDataset::from_tensors(&images, &labels.slice(..count)?)?.divide_features(255.0);
            // With the padding, the pixels have mean 0.1 and standard deviation 0.28.
            let pixels = pixels.map_features(|x| x.try_sub(0.1)?.try_div(0.28));
            Ok(pixels.map_features(|x| x.expand([x.shape()[0], 32, 32, 3])))
        };
        let (train, test) = (samples(&train_images, &train_labels, train)?, samples(&test_images, &test_labels, test)?);
        Ok(Images { train, test, classes: 10 })
    }
}

fn main() -> Result<()> {
    let options = Options::parse();
    random::seed(options.seed);
    let Images { train, test, classes } = Images::mnist(options.images, options.test_images)?;
    let model = ResNet::new(3, options.blocks, classes);
    let trainable: usize = model.trainable_weights().iter().map(|weight| weight.shape().size()).sum();
    say!("ResNet-{} with {trainable} parameters", 6 * options.blocks + 2);

    let steps = (options.epochs * train.len().div_ceil(options.batch_size)) as u64;
    let cosine = schedules::Cosine::new(options.learning_rate, (steps - steps / 10).max(1));
    let sgd = Sgd::new(cosine.warm_up(steps / 10)).momentum(0.9).l2_penalty(options.weight_decay);
    let loss = SparseCategoricalCrossentropy::from_logits();
    let mut trainer = Trainer::new(&model, loss, sgd).metric(Accuracy::default());
    let shuffled = train.shuffle(options.seed);
    trainer.fit(&shuffled, Fit::epochs(options.epochs).batch_size(options.batch_size))?;
    let score = trainer.evaluate(&test)?;
    say!("test loss {:.4}, test accuracy {:.4}", score.loss, score.get("accuracy").unwrap_or(f64::NAN));
    Ok(())
}
