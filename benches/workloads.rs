//! Training steps and matrix products, for comparison with other libraries.
//!
//! ```text
//! cargo bench --bench workloads -- --threads 2 --seconds 2 mlp mlp_small tape infer gemm512
//! ```
//!
//! A step takes a batch (float32, in memory), runs the forward pass, the gradient and the update, and reads the loss
//! back. For each workload, a line of JSON gives the median time of a step after five warm-up steps. With `--profile`,
//! a table of operations follows.

#[path = "workloads/minilm.rs"]
mod minilm;
#[path = "../examples/resnet/model.rs"]
mod resnet;
#[path = "workloads/tiny.rs"]
mod tiny;

use std::hint::black_box;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Parser;
use facade::prelude::*;

/// Times training steps and matrix products.
#[derive(Parser)]
struct Options {
    /// Threads of the pool
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Seconds for which each workload is repeated
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// Folder with the four MNIST files; by default those in this library
    #[arg(long)]
    mnist: Option<PathBuf>,
    /// Profile 100 more steps and print the table to standard error
    #[arg(long)]
    profile: bool,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
    /// mlp, mlp_small, higgs, convnet, vgg, resnet20, chargpt, encoder, lstm, gru, tape, infer, tiny, tiny_loops, minilm,
    /// minilm_short, gemm64 to gemm2048 (or any other size)
    workloads: Vec<String>,
}

const ALL: [&str; 22] = [
    "mlp",
    "mlp_small",
    "higgs",
    "convnet",
    "vgg",
    "resnet20",
    "chargpt",
    "encoder",
    "lstm",
    "gru",
    "tape",
    "infer",
    "tiny",
    "tiny_loops",
    "minilm",
    "minilm_short",
    "gemm64",
    "gemm128",
    "gemm256",
    "gemm512",
    "gemm1024",
    "gemm2048",
];

fn main() -> Result<()> {
    let mut options = Options::parse();
    if options.workloads.is_empty() {
        options.workloads = ALL.map(String::from).to_vec();
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(options.threads).build();
    let pool = pool.map_err(|error| Error::argument("--threads", error.to_string()))?;
    pool.install(|| options.workloads.iter().try_for_each(|name| run(name, &options)))
}

fn run(name: &str, options: &Options) -> Result<()> {
    random::seed(0);
    match name {
        "mlp" => train(name, options, network(512, Activation::Linear), &[784], 128, Sgd::new(1e-3)),
        "mlp_small" => train(name, options, network(128, Activation::Linear), &[784], 32, Adam::new(1e-3)),
        "higgs" => {
            let hidden = |inputs| Dense::new(inputs, 300).activation(Activation::Tanh);
            let model = (0..4).fold(Sequential::new().add(hidden(28)), |model, _| model.add(hidden(300)));
            let mut draws = random::fork("higgs");
            let (x, y) = (draws.normal([100, 28], 0.0, 1.0)?, draws.integers([100, 1], 0..2)?.cast(DType::F32));
            let loss = binary_crossentropy_from_logits;
            steps(name, options, model.add(Dense::new(300, 1)), Adam::new(1e-3), loss, |_| Ok((x.clone(), y.clone())))
        }
        "convnet" => {
            let convolution = |filters| Conv2d::filters(filters, [3, 3]).activation(Activation::Relu);
            let model = Sequential::new()
                .add(convolution(32))
                .add(MaxPool2d::new([2, 2]))
                .add(convolution(64))
                .add(MaxPool2d::new([2, 2]))
                .add(convolution(128))
                .add(Flatten)
                .add(Dense::units(10));
            train(name, options, model, &[28, 28, 1], 64, RmsProp::new(1e-3))
        }
        "vgg" => {
            let convolution = |inputs, filters| {
                Conv2d::new(inputs, filters, [3, 3]).padding(Padding::Same).activation(Activation::Relu)
            };
            let mut model = Sequential::new();
            for (inputs, filters) in [(3, 64), (64, 128), (128, 256)] {
                model = model
                    .add(convolution(inputs, filters))
                    .add(convolution(filters, filters))
                    .add(MaxPool2d::new([2, 2]));
            }
            let model = model.add(Flatten).add(Dense::new(4 * 4 * 256, 10));
            let mut draws = random::fork("vgg");
            let (x, y) = (draws.normal([32, 32, 32, 3], 0.0, 1.0)?, draws.integers([32], 0..10)?);
            let sgd = Sgd::new(1e-2).momentum(0.9);
            let loss = sparse_categorical_crossentropy_from_logits;
            steps(name, options, model, sgd, loss, |_| Ok((x.clone(), y.clone())))
        }
        "resnet20" => {
            let mut draws = random::fork("resnet20");
            let (x, y) = (draws.normal([64, 32, 32, 3], 0.0, 1.0)?, draws.integers([64], 0..10)?);
            let sgd = Sgd::new(0.1).momentum(0.9).l2_penalty(1e-4);
            let loss = sparse_categorical_crossentropy_from_logits;
            steps(name, options, resnet::ResNet::new(3, 3, 10), sgd, loss, |_| Ok((x.clone(), y.clone())))
        }
        "chargpt" => {
            let block = || TransformerEncoder::new(128, 4, 512).norm_first().causal().activation(Activation::Gelu);
            let mut model = Sequential::new().add(Embedding::new(65, 128)).add(PositionEmbedding::new(64, 128));
            for _ in 0..4 {
                model = model.add(block());
            }
            let model = model.add(LayerNorm::new(128)).add(Dense::new(128, 65).without_bias());
            let mut draws = random::fork("chargpt");
            let (x, y) = (draws.integers([12, 64], 0..65)?, draws.integers([12, 64], 0..65)?);
            let loss = sparse_categorical_crossentropy_from_logits;
            steps(name, options, model, AdamW::new(1e-3), loss, |_| Ok((x.clone(), y.clone())))
        }
        "encoder" => {
            let mut model = Sequential::new().add(Embedding::new(1000, 256)).add(PositionEmbedding::new(128, 256));
            for _ in 0..4 {
                model = model.add(TransformerEncoder::new(256, 4, 1024).activation(Activation::Gelu));
            }
            let model = model.add(GlobalAveragePool1d).add(Dense::new(256, 10));
            let mut draws = random::fork("encoder");
            let (x, y) = (draws.integers([16, 128], 0..1000)?, draws.integers([16], 0..10)?);
            let loss = sparse_categorical_crossentropy_from_logits;
            steps(name, options, model, AdamW::new(1e-3), loss, |_| Ok((x.clone(), y.clone())))
        }
        "lstm" => recurrent(name, options, Lstm::new(128, 128)),
        "gru" => recurrent(name, options, Gru::new(128, 128)),
        "tape" => {
            let x = Variable::new(Tensor::scalar(0.0));
            measure(name, options, None, || {
                let tape = GradientTape::new();
                let y = 2.0 * &x + 3.0;
                black_box(tape.gradient(&y, &x)?);
                Ok(())
            })
        }
        "infer" => {
            let model = network(512, Activation::Softmax);
            let x = Tensor::uniform([1, 784], 0.0..1.0)?;
            infer(name, options, || model.forward(&x, Mode::Inference))
        }
        "tiny" => {
            let (model, x) = (tiny::network(), Tensor::uniform([1, 6], 0.0..1.0)?);
            infer(name, options, || model.forward(&x, Mode::Inference))
        }
        "tiny_loops" => {
            let (loops, x) = (tiny::Loops::of(&tiny::network())?, vec![0.5; 6]);
            infer(name, options, || Ok(loops.forward(black_box(&x))))
        }
        "minilm" | "minilm_short" => {
            let [batch, time] = if name == "minilm" { [32, 128] } else { [1, 17] };
            let model = minilm::Encoder::new(batch, time)?;
            infer(name, options, || model.forward())
        }
        _ => match name.strip_prefix("gemm").and_then(|size| size.parse::<usize>().ok()) {
            Some(size) => {
                let a = Tensor::normal([size, size], 0.0, 1.0)?;
                let b = Tensor::normal([size, size], 0.0, 1.0)?;
                measure(name, options, Some(2.0 * (size as f64).powi(3)), || {
                    black_box(a.matmul(&b)?);
                    Ok(())
                })
            }
            None => Err(Error::argument("workloads", format!("there is no {name}; there are {ALL:?}"))),
        },
    }
}

fn network(hidden: usize, last: Activation) -> Sequential {
    Sequential::new()
        .add(Dense::new(784, hidden).activation(Activation::Relu))
        .add(Dense::new(hidden, 10).activation(last))
}

/// Training of a recurrent layer on sequences of words.
fn recurrent(name: &str, options: &Options, layer: impl Layer + 'static) -> Result<()> {
    let model = Sequential::new().add(Embedding::new(10_000, 128)).add(layer).add(Dense::new(128, 1));
    let mut draws = random::fork("lstm");
    let (x, y) = (draws.integers([32, 100], 0..10_000)?, draws.integers([32, 1], 0..2)?.cast(DType::F32));
    let loss = binary_crossentropy_from_logits;
    steps(name, options, model, Adam::new(1e-3), loss, |_| Ok((x.clone(), y.clone())))
}

/// Forward passes.
fn infer<T>(name: &str, options: &Options, forward: impl Fn() -> Result<T>) -> Result<()> {
    measure(name, options, None, || {
        black_box(forward()?);
        Ok(())
    })
}

/// Training on MNIST with images of the given shape.
fn train(
    name: &str,
    options: &Options,
    model: Sequential,
    image: &[usize],
    batch_size: usize,
    optimizer: impl Optimizer,
) -> Result<()> {
    let Mnist { train_images, train_labels, .. } = match &options.mnist {
        Some(folder) => mnist::load_from(folder)?,
        None => mnist::load()?,
    };
    let shape: Vec<usize> = std::iter::once(train_images.shape()[0]).chain(image.iter().copied()).collect();
    let images = train_images.reshape(&shape[..])?.cast(DType::F32).try_div(255.0)?;
    let labels = train_labels.cast(DType::I64);
    let batches = labels.size() / batch_size;
    steps(name, options, model, optimizer, sparse_categorical_crossentropy_from_logits, |number| {
        let start = number % batches * batch_size;
        Ok((images.slice(start..start + batch_size)?, labels.slice(start..start + batch_size)?))
    })
}

/// Training steps on successive batches.
fn steps(
    name: &str,
    options: &Options,
    model: impl Layer,
    mut optimizer: impl Optimizer,
    loss: fn(&Tensor, &Tensor) -> Result<Tensor>,
    batch: impl Fn(usize) -> Result<(Tensor, Tensor)>,
) -> Result<()> {
    // Lazily initialized layers get their weights here.
    model.forward(&batch(0)?.0, Mode::Inference)?;
    let weights = model.trainable_weights();
    let mut number = 0;
    measure(name, options, None, || {
        let (x, y) = batch(number)?;
        number += 1;
        let tape = GradientTape::new();
        let predictions = model.forward(&x, Mode::Training)?;
        let loss = loss(&y, &predictions)?.mean();
        let gradients = tape.gradient(&loss, &weights)?;
        optimizer.apply(&weights, &gradients)?;
        black_box(loss.item()?);
        Ok(())
    })
}

/// Repeats a step and prints its median time.
fn measure(name: &str, options: &Options, flops: Option<f64>, mut step: impl FnMut() -> Result<()>) -> Result<()> {
    for _ in 0..5 {
        step()?;
    }
    let mut times = Vec::new();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs_f64(options.seconds) || times.len() < 5 {
        let start = Instant::now();
        step()?;
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    let (median, steps) = (times[times.len() / 2], times.len());
    let mut row = serde_json::json!({
        "framework": "facade",
        "version": env!("CARGO_PKG_VERSION"),
        "workload": name,
        "threads": options.threads,
        "median_ms": (median * 1e9).round() / 1e6,
        "steps": steps,
    });
    if let Some(flops) = flops {
        row["gflops"] = ((flops / median / 1e8).round() / 10.0).into();
    }
    println!("{row}");
    if options.profile {
        let profiler = Profiler::start();
        for _ in 0..100 {
            step()?;
        }
        eprintln!("\n{}\n", profiler.stop());
    }
    Ok(())
}
