//! Single operations, forward and backward.
//!
//! ```text
//! cargo bench --bench operations
//! ```

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use facade::prelude::*;

fn draw(shape: &[usize]) -> Tensor {
    Tensor::uniform(shape, 0.1..1.0).expect("a range")
}

/// Elementwise operations and reductions on 128 × 512 numbers: the hidden layer of the chapter.
fn elements(c: &mut Criterion) {
    let (x, y, row) = (draw(&[128, 512]), draw(&[128, 512]), draw(&[512]));
    let mut group = c.benchmark_group("elements");
    group.throughput(Throughput::Elements(x.size() as u64));
    group.bench_function("add", |b| b.iter(|| x.try_add(&y)));
    group.bench_function("add a row", |b| b.iter(|| x.try_add(&row)));
    group.bench_function("add a transposed matrix", |b| b.iter(|| x.t()?.try_add(y.t()?)));
    group.bench_function("relu", |b| b.iter(|| x.relu()));
    group.bench_function("softmax of rows", |b| b.iter(|| x.softmax(-1)));
    group.bench_function("sum of all", |b| b.iter(|| x.sum()));
    group.bench_function("sum of rows", |b| b.iter(|| x.sum_axis(-1)));
    group.bench_function("sum of columns", |b| b.iter(|| x.sum_axis(0)));
    group.bench_function("max of rows", |b| b.iter(|| x.max_axis(-1)));
    group.finish();
}

/// Operations on a million numbers (4 MB, more than an L2 cache holds), in bytes read and written.
fn memory(c: &mut Criterion) {
    type Operation = fn(&Tensor) -> Result<Tensor>;
    let operations: [(&str, Operation, usize); 12] = [
        ("sum of all", |x| Ok(x.sum()), 1),
        ("sum of rows", |x| x.sum_axis(-1), 1),
        ("sum of columns", |x| x.sum_axis(0), 1),
        ("max of all", |x| x.max(), 1),
        ("max of rows", |x| x.max_axis(-1), 1),
        ("max of columns", |x| x.max_axis(0), 1),
        ("variance of rows", |x| x.var_axis(-1), 1),
        ("logsumexp of rows", |x| x.logsumexp_axis(-1), 1),
        ("softmax of rows", |x| x.softmax(-1), 2),
        ("log_softmax of rows", |x| x.log_softmax(-1), 2),
        ("cumsum of rows", |x| x.cumsum(-1), 2),
        ("transposed copy", |x| x.t()?.reshape([1_000_000]), 2),
    ];
    let x = draw(&[1000, 1000]);
    let mut group = c.benchmark_group("memory");
    for (name, operation, passes) in operations {
        group.throughput(Throughput::Bytes((passes * 4 * x.size()) as u64));
        group.bench_function(name, |b| b.iter(|| operation(&x)));
    }
    group.finish();
}

/// The mathematical functions on 1000 numbers, which stay in the L1 cache, and on a million.
fn functions(c: &mut Criterion) {
    type Function = fn(&Tensor) -> Tensor;
    let functions: [(&str, Function); 16] = [
        ("exp", Tensor::exp),
        ("expm1", Tensor::expm1),
        ("log", Tensor::log),
        ("log1p", Tensor::log1p),
        ("sin", Tensor::sin),
        ("cos", Tensor::cos),
        ("tan", Tensor::tan),
        ("tanh", Tensor::tanh),
        ("sigmoid", Tensor::sigmoid),
        ("silu", Tensor::silu),
        ("softplus", Tensor::softplus),
        ("erf", Tensor::erf),
        ("gelu", Tensor::gelu),
        ("gelu_tanh", Tensor::gelu_tanh),
        ("selu", Tensor::selu),
        ("square", Tensor::square),
    ];
    let mut group = c.benchmark_group("functions");
    for (dtype, size) in [(DType::F32, 1000), (DType::F32, 1_000_000), (DType::F64, 1000), (DType::F64, 1_000_000)] {
        let x = draw(&[size]).cast(dtype);
        group.throughput(Throughput::Bytes((2 * size * dtype.size_of()) as u64));
        for (name, function) in functions {
            group.bench_function(format!("{name} of {size} {dtype}"), |b| b.iter(|| function(&x)));
        }
    }
    group.finish();
}

/// Matrix products with the shapes of a training step of the chapter's network.
fn products(c: &mut Criterion) {
    let (x, w, g) = (draw(&[128, 784]), draw(&[784, 512]), draw(&[128, 512]));
    let mut group = c.benchmark_group("products");
    group.throughput(Throughput::Elements(128 * 784 * 512));
    group.bench_function("x w", |b| b.iter(|| x.matmul(&w)));
    group.bench_function("x' g", |b| b.iter(|| x.t()?.matmul(&g)));
    group.bench_function("g w'", |b| b.iter(|| g.matmul(w.t()?)));
    group.bench_function("one row", |b| b.iter(|| x.slice(..1)?.matmul(&w)));
    let (a, b) = (draw(&[2000, 4, 4]), draw(&[2000, 4, 4]));
    group.throughput(Throughput::Elements(2000 * 4 * 4 * 4));
    group.bench_function("2000 of 4 x 4", |bencher| bencher.iter(|| a.matmul(&b)));
    group.finish();
}

/// The cost of recording and of the backward pass for operations on a scalar.
fn tape(c: &mut Criterion) {
    let x = Variable::new(Tensor::scalar(0.5));
    let mut group = c.benchmark_group("tape");
    group.bench_function("2x + 3", |b| {
        b.iter(|| {
            let tape = GradientTape::new();
            let y = 2.0 * &x + 3.0;
            tape.gradient(&y, &x)
        });
    });
    group.throughput(Throughput::Elements(1000));
    group.bench_function("a chain of 1000", |b| {
        b.iter(|| {
            let tape = GradientTape::new();
            let y = (0..1000).fold(x.value(), |y, _| y * 0.999);
            tape.gradient(&y, &x)
        });
    });
    group.finish();
}

criterion_group!(benches, elements, memory, functions, products, tape);
criterion_main!(benches);
