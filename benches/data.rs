//! How fast samples are drawn, compared with the training step.
//!
//! ```text
//! cargo bench --bench data
//! ```
//!
//! The data is MNIST, shuffled, divided by 255, in batches of 128; the step is that of the chapter's network. Prints
//! one line each, as medians of alternating passes, for the samples alone, augmented samples, the step on a batch
//! already in memory, and a whole training with and without prefetching.

use std::hint::black_box;
use std::time::Instant;

use facade::prelude::*;

const BATCH: usize = 128;
const ROUNDS: u64 = 7;

fn main() -> Result<()> {
    let Mnist { train_images, train_labels, .. } = mnist::load()?;
    let rows = train_images.reshape([-1, 28 * 28])?;
    let images = train_images.reshape([60_000, 28, 28, 1])?;
    let train = ArrayDataset::from_tensors(&rows, &train_labels)?.shuffle(1).divide_features(255.0);
    let augmentation = Augmentation::new(1).pad_crop(2).rotate(10.0).noise(0.05);
    let augmented = ArrayDataset::from_tensors(&images, &train_labels)?.shuffle(1).divide_features(255.0);
    let augmented = augmented.take(6_000).augment(augmentation)?;
    let prefetched = train.clone().prefetch(4);

    let model = Sequential::new()
        .add(Dense::new(28 * 28, 512).activation(Activation::Relu))
        .add(Dense::new(512, 10).activation(Activation::Softmax));
    let mut optimizer = Sgd::new(1e-3);
    let mut step = |batch: &Batch| -> Result<()> {
        let tape = GradientTape::new();
        let predictions = model.forward(&batch.features, Mode::Training)?;
        let loss = sparse_categorical_crossentropy(&batch.targets, &predictions)?.mean();
        let weights = model.trainable_weights();
        optimizer.apply(&weights, &tape.gradient(&loss, &weights)?)?;
        black_box(loss.item()?);
        Ok(())
    };

    let waiting = train.range(0, 0..BATCH)?;
    let mut times: [(&str, Vec<f64>); 5] =
        ["samples", "samples, augmented", "step", "training", "training, prefetch(4)"].map(|name| (name, Vec::new()));
    for round in 0..ROUNDS {
        for (kind, (_, times)) in times.iter_mut().enumerate() {
            let (start, mut count) = (Instant::now(), 0);
            match kind {
                0 => count += draw(&train, round)?,
                1 => count += draw(&augmented, round)?,
                2 => {
                    for _ in 0..60_000 / BATCH {
                        step(&waiting)?;
                        count += BATCH;
                    }
                }
                _ => {
                    let samples: &dyn DataSource = if kind == 3 { &train } else { &prefetched };
                    for batch in Batches::new(samples, BATCH).epoch(round)? {
                        let batch = batch?;
                        step(&batch)?;
                        count += batch.len();
                    }
                }
            }
            times.push(start.elapsed().as_secs_f64() / count as f64);
        }
    }
    for (name, times) in &mut times {
        times.sort_by(f64::total_cmp);
        let each = times[times.len() / 2];
        println!("{name:24} {:9.0} samples/s, {:6.1} µs a batch of {BATCH}", 1.0 / each, 1e6 * each * BATCH as f64);
    }
    Ok(())
}

/// Draws all samples of an epoch and returns their number.
fn draw(samples: &dyn DataSource, epoch: u64) -> Result<usize> {
    let mut count = 0;
    for batch in Batches::new(samples, BATCH).epoch(epoch)? {
        count += black_box(batch?).len();
    }
    Ok(count)
}
