//! The benchmark workloads in Candle (CPU). Prints one line of JSON per workload.
//!
//! usage: peer_candle [--threads N] [--seconds S] [--mnist DIR] [workload ...]
//!
//! `../../peer_torch.py` defines the workloads: each line gives the median time in milliseconds of one training step on
//! float32 data in memory.
use candle_core::{D, DType, Device, Result, Tensor, Var, backprop::GradStore};
use candle_nn::{
    Conv2d, Embedding, LayerNorm, Linear, Module, Optimizer, RNN, VarBuilder, VarMap, loss, ops,
};
use std::{env, fs::File, io::Read, time::Instant};

const CPU: Device = Device::Cpu;
const ALL: &str = "mlp mlp_small higgs convnet vgg chargpt encoder lstm gru tape infer tiny minilm minilm_short \
                   gemm64 gemm128 gemm256 gemm512 gemm1024 gemm2048";

type Step = Box<dyn FnMut() -> Result<()>>;

struct Args {
    threads: usize,
    seconds: f64,
    mnist: String,
    workloads: Vec<String>,
}

fn arguments() -> Args {
    let mnist = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../../crates/data/assets/mnist");
    let mut args = Args { threads: 2, seconds: 4.0, mnist: mnist.into(), workloads: vec![] };
    let mut words = env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
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

fn measure(args: &Args, workload: &str, flops: Option<f64>, step: &mut Step) -> Result<()> {
    for _ in 0..5 {
        step()?;
    }
    let (mut times, start) = (vec![], Instant::now());
    while start.elapsed().as_secs_f64() < args.seconds || times.len() < 5 {
        let begin = Instant::now();
        step()?;
        times.push(begin.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    let (steps, median) = (times.len(), (times[times.len() / 2] + times[(times.len() - 1) / 2]) / 2.0);
    let gflops = flops.map_or(String::new(), |f| format!(", \"gflops\": {:.1}", f / median / 1e9));
    println!(
        "{{\"framework\": \"candle\", \"version\": \"{}\", \"workload\": \"{workload}\", \"threads\": {}, \
         \"median_ms\": {:.5}, \"steps\": {steps}{gflops}}}",
        version("candle-core"), args.threads, median * 1e3
    );
    Ok(())
}

/// The images as [60000, 784] in 0..1 and the labels as [60000].
fn mnist(dir: &str) -> Result<(Tensor, Tensor)> {
    let idx = |name: &str, header: usize| -> Result<Vec<u8>> {
        let mut bytes = vec![];
        flate2::read::GzDecoder::new(File::open(format!("{dir}/{name}"))?).read_to_end(&mut bytes)?;
        Ok(bytes.split_off(header))
    };
    let pixels: Vec<f32> = idx("train-images-idx3-ubyte.gz", 16)?.iter().map(|&b| b as f32 / 255.0).collect();
    let labels: Vec<u32> = idx("train-labels-idx1-ubyte.gz", 8)?.iter().map(|&b| b as u32).collect();
    Ok((Tensor::from_vec(pixels, (60000, 784), &CPU)?, Tensor::from_vec(labels, 60000, &CPU)?))
}

/// One training step: forward, loss, backward, update, reading the loss back.
fn trainer(mut optimizer: impl Optimizer + 'static, loss_of: impl Fn(usize) -> Result<Tensor> + 'static) -> Step {
    let mut i = 0;
    Box::new(move || {
        let loss = loss_of(i)?;
        i += 1;
        optimizer.backward_step(&loss)?;
        std::hint::black_box(loss.to_scalar::<f32>()?);
        Ok(())
    })
}

fn variables() -> (VarMap, VarBuilder<'static>) {
    let vars = VarMap::new();
    let vb = VarBuilder::from_varmap(&vars, DType::F32, &CPU);
    (vars, vb)
}

fn adam(vars: &VarMap, weight_decay: f64) -> Result<candle_nn::AdamW> {
    candle_nn::AdamW::new(vars.all_vars(), candle_nn::ParamsAdamW { weight_decay, ..Default::default() })
}

fn mlp<O: Optimizer + 'static>(dir: &str, hidden: usize, batch: usize, optimizer: fn(&VarMap) -> Result<O>) -> Result<Step> {
    let (images, labels) = mnist(dir)?;
    let (vars, vb) = variables();
    let l1 = candle_nn::linear(784, hidden, vb.pp("l1"))?;
    let l2 = candle_nn::linear(hidden, 10, vb.pp("l2"))?;
    Ok(trainer(optimizer(&vars)?, move |i| {
        let at = i % (60000 / batch) * batch;
        let logits = l2.forward(&l1.forward(&images.narrow(0, at, batch)?)?.relu()?)?;
        loss::cross_entropy(&logits, &labels.narrow(0, at, batch)?)
    }))
}

fn higgs() -> Result<Step> {
    let (vars, vb) = variables();
    let layer = |k| candle_nn::linear(if k == 0 { 28 } else { 300 }, 300, vb.pp(k));
    let hidden = (0..5).map(layer).collect::<Result<Vec<_>>>()?;
    let out = candle_nn::linear(300, 1, vb.pp("out"))?;
    let (x, y) = (Tensor::randn(0f32, 1f32, (100, 28), &CPU)?, Tensor::rand(0f32, 2f32, 100, &CPU)?.floor()?);
    Ok(trainer(adam(&vars, 0.0)?, move |_| {
        let h = hidden.iter().try_fold(x.clone(), |h, layer| layer.forward(&h)?.tanh())?;
        loss::binary_cross_entropy_with_logit(&out.forward(&h)?.squeeze(1)?, &y)
    }))
}

/// SGD with momentum as in PyTorch, because Candle's SGD has none.
struct Momentum(Vec<(Var, Var)>, f64);

impl Optimizer for Momentum {
    type Config = f64;

    fn new(vars: Vec<Var>, lr: f64) -> Result<Self> {
        let pairs: Result<_> = vars.into_iter().map(|v| Ok((v.clone(), Var::from_tensor(&v.zeros_like()?)?))).collect();
        Ok(Self(pairs?, lr))
    }

    fn step(&mut self, grads: &GradStore) -> Result<()> {
        for (var, velocity) in &self.0 {
            let Some(grad) = grads.get(var) else { continue };
            velocity.set(&((velocity.as_tensor() * 0.9)? + grad)?)?;
            var.set(&(var.as_tensor() - (velocity.as_tensor() * self.1)?)?)?;
        }
        Ok(())
    }

    fn learning_rate(&self) -> f64 {
        self.1
    }

    fn set_learning_rate(&mut self, lr: f64) {
        self.1 = lr;
    }
}

fn vgg() -> Result<Step> {
    let (vars, vb) = variables();
    let config = candle_nn::Conv2dConfig { padding: 1, ..Default::default() };
    let conv = |cin, cout, name: String| candle_nn::conv2d(cin, cout, 3, config, vb.pp(name));
    let stage = |(cin, cout)| Ok([conv(cin, cout, format!("{cout}a"))?, conv(cout, cout, format!("{cout}b"))?]);
    let stages = [(3, 64), (64, 128), (128, 256)].into_iter().map(stage).collect::<Result<Vec<_>>>()?;
    let out = candle_nn::linear(4 * 4 * 256, 10, vb.pp("out"))?;
    let x = Tensor::randn(0f32, 1f32, (32, 3, 32, 32), &CPU)?;
    let y = Tensor::rand(0f32, 10f32, 32, &CPU)?.to_dtype(DType::U32)?;
    Ok(trainer(Momentum::new(vars.all_vars(), 1e-2)?, move |_| {
        let mut h = x.clone();
        for [first, second] in &stages {
            h = second.forward(&first.forward(&h)?.relu()?)?.relu()?.max_pool2d(2)?;
        }
        loss::cross_entropy(&out.forward(&h.flatten_from(1)?)?, &y)
    }))
}

/// PyTorch's RMSprop without momentum, because Candle has no RMSprop.
struct RmsProp(Vec<(Var, Var)>, f64);

impl Optimizer for RmsProp {
    type Config = f64;

    fn new(vars: Vec<Var>, lr: f64) -> Result<Self> {
        let pairs: Result<_> = vars.into_iter().map(|v| Ok((v.clone(), Var::from_tensor(&v.zeros_like()?)?))).collect();
        Ok(Self(pairs?, lr))
    }

    fn step(&mut self, grads: &GradStore) -> Result<()> {
        for (var, square) in &self.0 {
            let Some(grad) = grads.get(var) else { continue };
            square.set(&((square.as_tensor() * 0.99)? + (grad.sqr()? * 0.01)?)?)?;
            var.set(&(var.as_tensor() - ((grad / (square.sqrt()? + 1e-8)?)? * self.1)?)?)?;
        }
        Ok(())
    }

    fn learning_rate(&self) -> f64 {
        self.1
    }

    fn set_learning_rate(&mut self, lr: f64) {
        self.1 = lr;
    }
}

struct Convnet {
    c1: Conv2d,
    c2: Conv2d,
    c3: Conv2d,
    out: Linear,
}

impl Module for Convnet {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.c1.forward(x)?.relu()?.max_pool2d(2)?;
        let x = self.c2.forward(&x)?.relu()?;
        // Candle's gradient of max_pool2d is a quarter of the right size (which does not affect RMSprop), and in the
        // wrong places if the windows leave a remainder (11 by 2). So the last row and column are cut off first.
        let x = x.narrow(2, 0, 10)?.narrow(3, 0, 10)?.max_pool2d(2)?;
        self.out.forward(&self.c3.forward(&x)?.relu()?.flatten_from(1)?)
    }
}

fn convnet(dir: &str) -> Result<Step> {
    let (images, labels) = mnist(dir)?;
    let images = images.reshape((60000, 1, 28, 28))?;
    let (vars, vb) = variables();
    let conv = |cin, cout, name| candle_nn::conv2d(cin, cout, 3, Default::default(), vb.pp(name));
    let model = Convnet {
        c1: conv(1, 32, "c1")?,
        c2: conv(32, 64, "c2")?,
        c3: conv(64, 128, "c3")?,
        out: candle_nn::linear(128 * 3 * 3, 10, vb.pp("out"))?,
    };
    Ok(trainer(RmsProp::new(vars.all_vars(), 1e-3)?, move |i| {
        let at = i % 937 * 64;
        loss::cross_entropy(&model.forward(&images.narrow(0, at, 64)?)?, &labels.narrow(0, at, 64)?)
    }))
}

/// Replaces LayerNorm::forward, whose fused kernel silently passes no gradient.
fn norm(layer: &LayerNorm, x: &Tensor) -> Result<Tensor> {
    ops::layer_norm_slow(x, layer.weight(), layer.bias().unwrap(), 1e-5)
}

struct Block {
    n1: LayerNorm,
    n2: LayerNorm,
    qkv: Linear,
    proj: Linear,
    up: Linear,
    down: Linear,
    mask: Tensor,
}

impl Block {
    fn new(width: usize, mask: Tensor, vb: VarBuilder) -> Result<Self> {
        Ok(Self {
            n1: candle_nn::layer_norm(width, 1e-5, vb.pp("n1"))?,
            n2: candle_nn::layer_norm(width, 1e-5, vb.pp("n2"))?,
            qkv: candle_nn::linear(width, 3 * width, vb.pp("qkv"))?,
            proj: candle_nn::linear(width, width, vb.pp("proj"))?,
            up: candle_nn::linear(width, 4 * width, vb.pp("up"))?,
            down: candle_nn::linear(4 * width, width, vb.pp("down"))?,
            mask,
        })
    }
}

impl Module for Block {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (b, t, c) = x.dims3()?;
        let qkv = self.qkv.forward(&norm(&self.n1, x)?)?;
        let part = |i| qkv.narrow(2, i * c, c)?.reshape((b, t, 4, c / 4))?.transpose(1, 2)?.contiguous();
        let (q, k, v) = (part(0)?, part(1)?, part(2)?);
        let scores = (q.matmul(&k.t()?)? * (4.0 / c as f64).sqrt())?.broadcast_add(&self.mask)?;
        let y = ops::softmax(&scores, D::Minus1)?.matmul(&v)?.transpose(1, 2)?.reshape((b, t, c))?;
        let x = (x + self.proj.forward(&y)?)?;
        &x + self.down.forward(&self.up.forward(&norm(&self.n2, &x)?)?.gelu_erf()?)?
    }
}

fn chargpt() -> Result<Step> {
    let (vocab, width, context) = (65, 128, 64);
    let (vars, vb) = variables();
    let tok: Embedding = candle_nn::embedding(vocab, width, vb.pp("tok"))?;
    let pos: Embedding = candle_nn::embedding(context, width, vb.pp("pos"))?;
    let hidden = |i, j| if j > i { f32::NEG_INFINITY } else { 0.0 };
    let mask: Vec<f32> = (0..context).flat_map(|i| (0..context).map(move |j| hidden(i, j))).collect();
    let mask = Tensor::from_vec(mask, (context, context), &CPU)?;
    let blocks = (0..4).map(|i| Block::new(width, mask.clone(), vb.pp(i))).collect::<Result<Vec<_>>>()?;
    let last = candle_nn::layer_norm(width, 1e-5, vb.pp("norm"))?;
    let head = candle_nn::linear_no_bias(width, vocab, vb.pp("head"))?;
    let positions = Tensor::arange(0u32, context as u32, &CPU)?;
    let [x, y] = [0, 1].map(|_| Tensor::rand(0f32, vocab as f32, (12, context), &CPU)?.to_dtype(DType::U32));
    let (x, y) = (x?, y?.flatten_all()?);
    Ok(trainer(adam(&vars, 0.01)?, move |_| {
        let mut h = tok.forward(&x)?.broadcast_add(&pos.forward(&positions)?)?;
        for block in &blocks {
            h = block.forward(&h)?;
        }
        loss::cross_entropy(&head.forward(&norm(&last, &h)?)?.flatten_to(1)?, &y)
    }))
}

/// A block of an encoder, which normalizes after each sublayer, as BERT does.
struct EncoderBlock {
    n1: LayerNorm,
    n2: LayerNorm,
    qkv: Linear,
    proj: Linear,
    up: Linear,
    down: Linear,
    heads: usize,
    /// Uses the fused normalization, which passes no gradient.
    inference: bool,
}

impl EncoderBlock {
    fn new(width: usize, heads: usize, epsilon: f64, inference: bool, vb: VarBuilder) -> Result<Self> {
        Ok(Self {
            n1: candle_nn::layer_norm(width, epsilon, vb.pp("n1"))?,
            n2: candle_nn::layer_norm(width, epsilon, vb.pp("n2"))?,
            qkv: candle_nn::linear(width, 3 * width, vb.pp("qkv"))?,
            proj: candle_nn::linear(width, width, vb.pp("proj"))?,
            up: candle_nn::linear(width, 4 * width, vb.pp("up"))?,
            down: candle_nn::linear(4 * width, width, vb.pp("down"))?,
            heads,
            inference,
        })
    }

    fn norm(&self, layer: &LayerNorm, x: &Tensor) -> Result<Tensor> {
        if self.inference { layer.forward(x) } else { norm(layer, x) }
    }

    /// `mask` is added to the scores.
    fn forward(&self, x: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
        let (b, t, c) = x.dims3()?;
        let size = c / self.heads;
        let qkv = self.qkv.forward(x)?;
        let part = |i| qkv.narrow(2, i * c, c)?.reshape((b, t, self.heads, size))?.transpose(1, 2)?.contiguous();
        let (q, k, v) = (part(0)?, part(1)?, part(2)?);
        let scores = (q.matmul(&k.t()?)? * (size as f64).powf(-0.5))?;
        let scores = mask.map_or(Ok(scores.clone()), |mask| scores.broadcast_add(mask))?;
        let weights = if self.inference { ops::softmax_last_dim(&scores)? } else { ops::softmax(&scores, D::Minus1)? };
        let y = weights.matmul(&v)?.transpose(1, 2)?.reshape((b, t, c))?;
        let x = self.norm(&self.n1, &(x + self.proj.forward(&y)?)?)?;
        self.norm(&self.n2, &(&x + self.down.forward(&self.up.forward(&x)?.gelu_erf()?)?)?)
    }
}

fn encoder() -> Result<Step> {
    let (vocab, width, time) = (1000, 256, 128);
    let (vars, vb) = variables();
    let tok = candle_nn::embedding(vocab, width, vb.pp("tok"))?;
    let pos = candle_nn::embedding(time, width, vb.pp("pos"))?;
    let block = |i| EncoderBlock::new(width, 4, 1e-5, false, vb.pp(i));
    let blocks = (0..4).map(block).collect::<Result<Vec<_>>>()?;
    let out = candle_nn::linear(width, 10, vb.pp("out"))?;
    let positions = Tensor::arange(0u32, time as u32, &CPU)?;
    let x = Tensor::rand(0f32, vocab as f32, (16, time), &CPU)?.to_dtype(DType::U32)?;
    let y = Tensor::rand(0f32, 10f32, 16, &CPU)?.to_dtype(DType::U32)?;
    Ok(trainer(adam(&vars, 0.01)?, move |_| {
        let h = tok.forward(&x)?.broadcast_add(&pos.forward(&positions)?)?;
        let h = blocks.iter().try_fold(h, |h, block| block.forward(&h, None))?;
        loss::cross_entropy(&out.forward(&h.mean(1)?)?, &y)
    }))
}

/// The weights that `build` creates, detached, so the forward pass records nothing.
fn detached(build: impl Fn(VarBuilder) -> Result<()>) -> Result<VarBuilder<'static>> {
    let (vars, vb) = variables();
    build(vb)?;
    let tensors = vars.data().lock().unwrap().iter().map(|(name, var)| (name.clone(), var.as_detached_tensor())).collect();
    Ok(VarBuilder::from_tensors(tensors, DType::F32, &CPU))
}

struct MiniLm {
    tok: Embedding,
    pos: Embedding,
    norm: LayerNorm,
    blocks: Vec<EncoderBlock>,
}

impl MiniLm {
    fn new(time: usize, vb: VarBuilder) -> Result<Self> {
        let width = 384;
        Ok(Self {
            tok: candle_nn::embedding(30522, width, vb.pp("tok"))?,
            pos: candle_nn::embedding(time, width, vb.pp("pos"))?,
            norm: candle_nn::layer_norm(width, 1e-12, vb.pp("norm"))?,
            blocks: (0..6).map(|i| EncoderBlock::new(width, 12, 1e-12, true, vb.pp(i))).collect::<Result<_>>()?,
        })
    }
}

/// Sentences of time / 2 + 1 to `time` tokens, padded to `time`; a single one has no padding.
fn minilm(batch: usize, time: usize) -> Result<Step> {
    let model = MiniLm::new(time, detached(|vb| MiniLm::new(time, vb).map(drop))?)?;
    let length = |k| if batch == 1 { time } else { time / 2 + 1 + k * (time / 2 - 1) / (batch - 1) };
    let mask = |hidden: f32, shown: f32| -> Vec<f32> {
        (0..batch).flat_map(|k| (0..time).map(move |t| if t < length(k) { shown } else { hidden })).collect()
    };
    let scores = Tensor::from_vec(mask(f32::NEG_INFINITY, 0.0), (batch, 1, 1, time), &CPU)?;
    let weights = Tensor::from_vec(mask(0.0, 1.0), (batch, time, 1), &CPU)?;
    let positions = Tensor::arange(0u32, time as u32, &CPU)?;
    let x = Tensor::rand(0f32, 30522f32, (batch, time), &CPU)?.to_dtype(DType::U32)?;
    Ok(Box::new(move || {
        let h = model.tok.forward(&x)?.broadcast_add(&model.pos.forward(&positions)?)?;
        let h = model.norm.forward(&h)?;
        let h = model.blocks.iter().try_fold(h, |h, block| block.forward(&h, Some(&scores)))?;
        let y = h.broadcast_mul(&weights)?.sum(1)?.broadcast_div(&weights.sum(1)?)?;
        Ok(drop(std::hint::black_box(y)))
    }))
}

fn tiny() -> Result<Step> {
    let layers = |vb: VarBuilder| {
        let sizes = [(6, 64), (64, 8), (8, 4)];
        sizes.into_iter().map(|(cin, cout)| candle_nn::linear(cin, cout, vb.pp(cin))).collect::<Result<Vec<_>>>()
    };
    let layers = layers(detached(|vb| layers(vb).map(drop))?)?;
    let x = Tensor::rand(0f32, 1f32, (1, 6), &CPU)?;
    Ok(Box::new(move || {
        let h = layers[..2].iter().try_fold(x.clone(), |h, layer| layer.forward(&h)?.relu())?;
        Ok(drop(std::hint::black_box(layers[2].forward(&h)?)))
    }))
}

fn gru() -> Result<Step> {
    let (vars, vb) = variables();
    let embedding = candle_nn::embedding(10000, 128, vb.pp("emb"))?;
    let gru = candle_nn::gru(128, 128, Default::default(), vb.pp("gru"))?;
    let out = candle_nn::linear(128, 1, vb.pp("out"))?;
    let x = Tensor::rand(0f32, 10000f32, (32, 100), &CPU)?.to_dtype(DType::U32)?;
    let y = Tensor::rand(0f32, 2f32, 32, &CPU)?.floor()?;
    Ok(trainer(adam(&vars, 0.0)?, move |_| {
        let states = gru.seq(&embedding.forward(&x)?)?;
        loss::binary_cross_entropy_with_logit(&out.forward(states[99].h())?.squeeze(1)?, &y)
    }))
}

fn lstm() -> Result<Step> {
    let (vars, vb) = variables();
    let embedding = candle_nn::embedding(10000, 128, vb.pp("emb"))?;
    let lstm = candle_nn::lstm(128, 128, Default::default(), vb.pp("lstm"))?;
    let out = candle_nn::linear(128, 1, vb.pp("out"))?;
    let x = Tensor::rand(0f32, 10000f32, (32, 100), &CPU)?.to_dtype(DType::U32)?;
    let y = Tensor::rand(0f32, 2f32, 32, &CPU)?.floor()?;
    Ok(trainer(adam(&vars, 0.0)?, move |_| {
        let states = lstm.seq(&embedding.forward(&x)?)?;
        loss::binary_cross_entropy_with_logit(&out.forward(states[99].h())?.squeeze(1)?, &y)
    }))
}

fn gemm(n: usize) -> Result<Step> {
    let (a, b) = (Tensor::randn(0f32, 1f32, (n, n), &CPU)?, Tensor::randn(0f32, 1f32, (n, n), &CPU)?);
    Ok(Box::new(move || a.matmul(&b).map(|c| drop(std::hint::black_box(c)))))
}

fn tape() -> Result<Step> {
    let x = Var::zeros((), DType::F32, &CPU)?;
    Ok(Box::new(move || {
        let y = ((x.as_tensor() * 2.0)? + 3.0)?;
        y.backward().map(|grads| drop(std::hint::black_box(grads)))
    }))
}

fn infer() -> Result<Step> {
    let (_, vb) = variables();
    // Detached weights, so the forward pass records nothing.
    let linear = |cin, cout, name| {
        let layer = candle_nn::linear(cin, cout, vb.pp(name))?;
        Ok::<_, candle_core::Error>(Linear::new(layer.weight().detach(), layer.bias().map(|b| b.detach())))
    };
    let (l1, l2) = (linear(784, 512, "l1")?, linear(512, 10, "l2")?);
    let x = Tensor::rand(0f32, 1f32, (1, 784), &CPU)?;
    Ok(Box::new(move || {
        let y = ops::softmax_last_dim(&l2.forward(&l1.forward(&x)?.relu()?)?)?;
        Ok(drop(std::hint::black_box(y)))
    }))
}

fn main() -> Result<()> {
    let args = arguments();
    for name in ["RAYON_NUM_THREADS", "MATMUL_NUM_THREADS"] {
        // SAFETY: these are the first lines of `main`, before any other thread is started.
        unsafe { env::set_var(name, args.threads.to_string()) };
    }
    for name in &args.workloads {
        let size = name.strip_prefix("gemm").and_then(|n| n.parse::<usize>().ok());
        let mut step = match name.as_str() {
            "mlp" => mlp(&args.mnist, 512, 128, |vars| candle_nn::SGD::new(vars.all_vars(), 1e-3))?,
            "mlp_small" => mlp(&args.mnist, 128, 32, |vars| adam(vars, 0.0))?,
            "higgs" => higgs()?,
            "convnet" => convnet(&args.mnist)?,
            "vgg" => vgg()?,
            "chargpt" => chargpt()?,
            "encoder" => encoder()?,
            "lstm" => lstm()?,
            "gru" => gru()?,
            "tape" => tape()?,
            "infer" => infer()?,
            "tiny" => tiny()?,
            "minilm" => minilm(32, 128)?,
            "minilm_short" => minilm(1, 17)?,
            _ => match size {
                Some(n) => gemm(n)?,
                None => {
                    eprintln!("# no workload {name}");
                    continue;
                }
            },
        };
        measure(&args, name, size.map(|n| 2.0 * (n as f64).powi(3)), &mut step)?;
    }
    Ok(())
}
