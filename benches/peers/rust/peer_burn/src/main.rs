//! The benchmark workloads in Burn (CPU). Prints one line of JSON per workload.
//!
//! usage: peer_burn [--backend flex|ndarray] [--threads N] [--seconds S] [--mnist DIR] [workload ...]
//!
//! `../../peer_torch.py` defines the workloads: each line gives the median time in milliseconds of one training step on
//! float32 data in memory.
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::{BinaryCrossEntropyLossConfig, CrossEntropyLossConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig, Lstm, LstmConfig};
use burn::optim::{AdamConfig, AdamWConfig, GradientsParams, ModuleOptimizer, RmsPropConfig, SgdConfig};
use burn::prelude::*;
use burn::tensor::activation::{gelu, relu, softmax};
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Distribution, module::attention};
use std::hint::black_box;
use std::{env, fs::File, io::Read, time::Instant};

const ALL: &str = "mlp mlp_small convnet chargpt lstm tape infer gemm64 gemm128 gemm256 gemm512 gemm1024 gemm2048";

type Step = Box<dyn FnMut()>;

struct Args {
    backend: String,
    threads: usize,
    seconds: f64,
    mnist: String,
    workloads: Vec<String>,
}

fn arguments() -> Args {
    let mnist = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../../crates/data/assets/mnist");
    let mut args = Args { backend: "flex".into(), threads: 2, seconds: 4.0, mnist: mnist.into(), workloads: vec![] };
    let mut words = env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--backend" => args.backend = words.next().expect("flex or ndarray"),
            "--threads" => args.threads = words.next().expect("a count").parse().expect("a count"),
            "--seconds" => args.seconds = words.next().expect("seconds").parse().expect("seconds"),
            "--mnist" => args.mnist = words.next().expect("a directory"),
            "--bench" => {}
            _ => args.workloads.push(word),
        }
    }
    if args.workloads.is_empty() {
        args.workloads = ALL.split(' ').map(String::from).collect();
    }
    args
}

/// The version of `package` in the lock file that this program was built from.
fn version(package: &str) -> &'static str {
    let lock = include_str!("../../Cargo.lock");
    let head = format!("name = \"{package}\"\nversion = \"");
    lock.split(&head).nth(1).and_then(|rest| rest.split('"').next()).unwrap_or("?")
}

fn measure(args: &Args, workload: &str, flops: Option<f64>, step: &mut Step) {
    for _ in 0..5 {
        step();
    }
    let (mut times, start) = (vec![], Instant::now());
    while start.elapsed().as_secs_f64() < args.seconds || times.len() < 5 {
        let begin = Instant::now();
        step();
        times.push(begin.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    let (steps, median) = (times.len(), (times[times.len() / 2] + times[(times.len() - 1) / 2]) / 2.0);
    let gflops = flops.map_or(String::new(), |f| format!(", \"gflops\": {:.1}", f / median / 1e9));
    println!(
        "{{\"framework\": \"burn-{}\", \"version\": \"{}\", \"workload\": \"{workload}\", \"threads\": {}, \
         \"median_ms\": {:.5}, \"steps\": {steps}{gflops}}}",
        args.backend, version("burn"), args.threads, median * 1e3
    );
}

/// The images as [60000, 784] in 0..1 and the labels as [60000].
fn mnist(dir: &str, device: &Device) -> (Tensor<2>, Tensor<1, Int>) {
    let idx = |name: &str, header: usize| {
        let mut bytes = vec![];
        let file = File::open(format!("{dir}/{name}")).expect("an MNIST file");
        flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).expect("a gzip file");
        bytes.split_off(header)
    };
    let pixels: Vec<f32> = idx("train-images-idx3-ubyte.gz", 16).iter().map(|&b| b as f32 / 255.0).collect();
    let labels: Vec<i32> = idx("train-labels-idx1-ubyte.gz", 8).iter().map(|&b| b as i32).collect();
    let images = Tensor::from_data(TensorData::new(pixels, [60000, 784]), device);
    (images, Tensor::from_data(TensorData::new(labels, [60000]), device))
}

/// One training step: forward, loss, backward, update, reading the loss back.
fn trainer<M: Module + 'static>(
    model: M,
    mut optimizer: ModuleOptimizer,
    loss_of: impl Fn(&M, usize) -> Tensor<1> + 'static,
) -> Step {
    let (mut model, mut i) = (Some(model), 0);
    Box::new(move || {
        let current = model.take().unwrap();
        let loss = loss_of(&current, i);
        let gradients = GradientsParams::from_grads(loss.backward(), &current);
        model = Some(optimizer.step(1e-3, current, gradients));
        black_box(loss.into_scalar::<f32>());
        i += 1;
    })
}

#[derive(Module, Debug)]
struct Mlp {
    l1: Linear,
    l2: Linear,
}

impl Mlp {
    fn new(hidden: usize, device: &Device) -> Self {
        Self {
            l1: LinearConfig::new(784, hidden).init(device),
            l2: LinearConfig::new(hidden, 10).init(device),
        }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.l2.forward(relu(self.l1.forward(x)))
    }
}

fn mlp(dir: &str, hidden: usize, batch: usize, optimizer: ModuleOptimizer, device: &Device) -> Step {
    let (images, labels) = mnist(dir, device);
    let loss = CrossEntropyLossConfig::new().init(device);
    trainer(Mlp::new(hidden, device), optimizer, move |model, i| {
        let at = i % (60000 / batch) * batch;
        let logits = model.forward(images.clone().narrow(0, at, batch));
        loss.forward(logits, labels.clone().narrow(0, at, batch))
    })
}

#[derive(Module, Debug)]
struct Convnet {
    c1: Conv2d,
    c2: Conv2d,
    c3: Conv2d,
    pool: MaxPool2d,
    out: Linear,
}

impl Convnet {
    fn new(device: &Device) -> Self {
        let conv = |cin, cout| Conv2dConfig::new([cin, cout], [3, 3]).init(device);
        Self {
            c1: conv(1, 32),
            c2: conv(32, 64),
            c3: conv(64, 128),
            pool: MaxPool2dConfig::new([2, 2]).init(),
            out: LinearConfig::new(128 * 3 * 3, 10).init(device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = self.pool.forward(relu(self.c1.forward(x)));
        let x = self.pool.forward(relu(self.c2.forward(x)));
        self.out.forward(relu(self.c3.forward(x)).flatten(1, 3))
    }
}

fn convnet(dir: &str, device: &Device) -> Step {
    let (images, labels) = mnist(dir, device);
    let images = images.reshape([60000, 1, 28, 28]);
    let loss = CrossEntropyLossConfig::new().init(device);
    let optimizer = RmsPropConfig::new().with_momentum(0.0).with_epsilon(1e-8).init();
    trainer(Convnet::new(device), optimizer, move |model, i| {
        let at = i % 937 * 64;
        loss.forward(model.forward(images.clone().narrow(0, at, 64)), labels.clone().narrow(0, at, 64))
    })
}

#[derive(Module, Debug)]
struct Block {
    n1: LayerNorm,
    n2: LayerNorm,
    qkv: Linear,
    proj: Linear,
    up: Linear,
    down: Linear,
}

impl Block {
    fn new(width: usize, device: &Device) -> Self {
        let linear = |cin, cout| LinearConfig::new(cin, cout).init(device);
        Self {
            n1: LayerNormConfig::new(width).init(device),
            n2: LayerNormConfig::new(width).init(device),
            qkv: linear(width, 3 * width),
            proj: linear(width, width),
            up: linear(width, 4 * width),
            down: linear(4 * width, width),
        }
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [b, t, c] = x.dims();
        let parts = self.qkv.forward(self.n1.forward(x.clone())).split(c, 2);
        let [q, k, v] = [0, 1, 2].map(|i| parts[i].clone().reshape([b, t, 4, c / 4]).swap_dims(1, 2));
        let options = AttentionModuleOptions { is_causal: true, ..Default::default() };
        let y = attention(q, k, v, None, None, options).swap_dims(1, 2).reshape([b, t, c]);
        let x = x + self.proj.forward(y);
        x.clone() + self.down.forward(gelu(self.up.forward(self.n2.forward(x))))
    }
}

#[derive(Module, Debug)]
struct CharGpt {
    tok: Embedding,
    pos: Embedding,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: Linear,
}

impl CharGpt {
    fn new(vocab: usize, width: usize, context: usize, device: &Device) -> Self {
        Self {
            tok: EmbeddingConfig::new(vocab, width).init(device),
            pos: EmbeddingConfig::new(context, width).init(device),
            blocks: (0..4).map(|_| Block::new(width, device)).collect(),
            norm: LayerNormConfig::new(width).init(device),
            head: LinearConfig::new(width, vocab).with_bias(false).init(device),
        }
    }

    fn forward(&self, x: Tensor<2, Int>, positions: Tensor<2, Int>) -> Tensor<3> {
        let x = self.tok.forward(x) + self.pos.forward(positions);
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x));
        self.head.forward(self.norm.forward(x))
    }
}

fn integers<const N: usize>(shape: [usize; N], below: usize, device: &Device) -> Tensor<N, Int> {
    Tensor::random(shape, Distribution::Uniform(0.0, below as f64), device)
}

fn chargpt(device: &Device) -> Step {
    let (vocab, context) = (65, 64);
    let (x, y) = (integers([12, context], vocab, device), integers([12 * context], vocab, device));
    let positions = Tensor::arange(0..context as i64, device).unsqueeze();
    let loss = CrossEntropyLossConfig::new().init(device);
    let optimizer = AdamWConfig::new().with_weight_decay(0.01).init();
    trainer(CharGpt::new(vocab, 128, context, device), optimizer, move |model, _| {
        loss.forward(model.forward(x.clone(), positions.clone()).flatten(0, 1), y.clone())
    })
}

#[derive(Module, Debug)]
struct Tagger {
    embedding: Embedding,
    lstm: Lstm,
    out: Linear,
}

fn lstm(device: &Device) -> Step {
    let model = Tagger {
        embedding: EmbeddingConfig::new(10000, 128).init(device),
        lstm: LstmConfig::new(128, 128, true).init(device),
        out: LinearConfig::new(128, 1).init(device),
    };
    let (x, y) = (integers([32, 100], 10000, device), integers([32], 2, device));
    let loss = BinaryCrossEntropyLossConfig::new().with_logits(true).init(device);
    trainer(model, AdamConfig::new().init(), move |model, _| {
        let (_, state) = model.lstm.forward(model.embedding.forward(x.clone()), None);
        loss.forward(model.out.forward(state.hidden).squeeze_dim::<1>(1), y.clone())
    })
}

fn gemm(n: usize, device: &Device) -> Step {
    let [a, b] = [0, 1].map(|_| Tensor::<2>::random([n, n], Distribution::Normal(0.0, 1.0), device));
    Box::new(move || drop(black_box(a.clone().matmul(b.clone()))))
}

fn tape(device: &Device) -> Step {
    let x = Tensor::<1>::zeros([1], device).require_grad();
    Box::new(move || drop(black_box((x.clone() * 2.0 + 3.0).backward())))
}

fn infer(device: &Device) -> Step {
    let model = Mlp::new(512, device);
    let x = Tensor::<2>::random([1, 784], Distribution::Default, device);
    Box::new(move || drop(black_box(softmax(model.forward(x.clone()), 1))))
}

fn main() {
    let args = arguments();
    for name in ["RAYON_NUM_THREADS", "MATMUL_NUM_THREADS"] {
        // SAFETY: these are the first lines of `main`, before any other thread is started.
        unsafe { env::set_var(name, args.threads.to_string()) };
    }
    #[allow(deprecated)] // ndarray, for comparison
    let plain = match args.backend.as_str() {
        "flex" => Device::flex(),
        "ndarray" => Device::ndarray(),
        other => panic!("no backend {other}"),
    };
    let device = plain.clone().autodiff();
    for name in &args.workloads {
        let size = name.strip_prefix("gemm").and_then(|n| n.parse::<usize>().ok());
        let mut step = match name.as_str() {
            "mlp" => mlp(&args.mnist, 512, 128, SgdConfig::new().init(), &device),
            "mlp_small" => mlp(&args.mnist, 128, 32, AdamConfig::new().init(), &device),
            "convnet" => convnet(&args.mnist, &device),
            "chargpt" => chargpt(&device),
            "lstm" => lstm(&device),
            "tape" => tape(&device),
            "infer" => infer(&plain),
            _ => match size {
                Some(n) => gemm(n, &plain),
                None => {
                    eprintln!("# no workload {name}");
                    continue;
                }
            },
        };
        measure(&args, name, size.map(|n| 2.0 * (n as f64).powi(3)), &mut step);
    }
}
