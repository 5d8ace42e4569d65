//! Random programs: 5 to 15 operations over two inputs, each on the results of earlier ones; the
//! gradient of the whole against central differences. A program that fails shrinks to a small one.
//!
//! `PROPTEST_CASES=20000 cargo test -p autograd --test rules programs` is the long run.

use autograd::tensor::{Tensor, tensor};
use autograd::{Result, Tolerance, gradcheck, gradgradcheck};
use proptest::prelude::*;

/// A step: its name, and what it makes of two earlier values, all of shape [2, 3] and moderate size.
type Step = (&'static str, fn(&Tensor, &Tensor) -> Result<Tensor>);

const STEPS: [Step; 34] = [
    ("tanh(a)", |a, _| Ok(a.tanh())),
    ("sigmoid(a)", |a, _| Ok(a.sigmoid())),
    ("sin(a)", |a, _| Ok(a.sin())),
    ("cos(a)", |a, _| Ok(a.cos())),
    ("erf(a)", |a, _| Ok(a.erf())),
    ("exp(tanh a)", |a, _| Ok(a.tanh().exp())),
    ("log(2 + sin a)", |a, _| Ok(a.sin().try_add(2.0)?.log())),
    ("sqrt(1 + a²)", |a, _| Ok(a.square().try_add(1.0)?.sqrt().tanh())),
    ("rsqrt(1 + a²)", |a, _| Ok(a.square().try_add(1.0)?.rsqrt())),
    ("softplus(a)", |a, _| Ok(a.softplus().tanh())),
    ("silu(a)", |a, _| Ok(a.silu().tanh())),
    ("gelu(a)", |a, _| Ok(a.gelu().tanh())),
    ("tanh(a + b)", |a, b| Ok(a.try_add(b)?.tanh())),
    ("tanh(a - b)", |a, b| Ok(a.try_sub(b)?.tanh())),
    ("a · b", |a, b| Ok(a.try_mul(b)?.tanh())),
    ("a / (1 + b²)", |a, b| a.try_div(b.square().try_add(1.0)?)),
    ("(1 + a²) ^ tanh(b)", |a, b| Ok(a.square().try_add(1.0)?.pow(b.tanh())?.tanh())),
    ("atan2(a, 2 + sin b)", |a, b| a.atan2(b.sin().try_add(2.0)?)),
    ("a bᵀ a", |a, b| Ok(a.matmul(b.t()?)?.matmul(a)?.tanh())),
    ("softmax of rows", |a, _| a.softmax(-1)),
    ("log-softmax of columns", |a, _| Ok(a.log_softmax(0)?.tanh())),
    ("a + row sums of b", |a, b| Ok(a.try_add(b.sum_keepdims(1)?)?.tanh())),
    ("a - column means of b", |a, b| Ok(a.try_sub(b.mean_keepdims(0)?)?.tanh())),
    ("a · variance of b", |a, b| Ok(a.try_mul(b.var())?.tanh())),
    ("a · logsumexp of rows of b", |a, b| Ok(a.try_mul(b.logsumexp_keepdims(1)?)?.tanh())),
    ("a / (1 + norm of b)", |a, b| a.try_div(b.square().sum().try_add(1.0)?.sqrt())),
    ("cumulative sums of a", |a, _| Ok(a.cumsum(1)?.tanh())),
    ("aᵀ read as rows", |a, _| a.t()?.reshape([2, 3])),
    ("first row of a over last of b", |a, b| Tensor::concat(&[&a.slice(0..1)?, &b.slice(1..2)?], 0)),
    ("a reversed", |a, _| a.flip([0, 1])),
    ("a, padded and cut", |a, _| a.pad(&[(1, 0), (0, 1)], 0.5)?.slice((0..2, 1..4))),
    ("rows 1, 1 of a", |a, _| a.take(&tensor![1, 1], 0)),
    ("a where a fixed mask, else b", |a, b| tensor![[true, false, true], [false, true, false]].select(a, b)),
    ("b added to a at columns 2, 0, 0", |a, b| Ok(a.scatter_add(&tensor![[2, 0, 0], [1, 1, 2]], b, 1)?.tanh())),
];

/// Which steps, and on which earlier values, counted back from the last.
type Program = Vec<(usize, usize, usize)>;

fn run(program: &Program, inputs: &[Tensor]) -> Result<Tensor> {
    let mut values = inputs.to_vec();
    for &(step, a, b) in program {
        let back = |k: usize| &values[values.len() - 1 - k % values.len()];
        let value = (STEPS[step].1)(back(a), back(b))?;
        values.push(value);
    }
    Ok(values.swap_remove(values.len() - 1))
}

fn listing(program: &Program) -> String {
    let line = |(n, &(step, a, b)): (usize, &(usize, usize, usize))| {
        let name = |k: usize| format!("v{}", n + 1 - k % (n + 2));
        format!("v{} = {} with a = {}, b = {}", n + 2, STEPS[step].0, name(a), name(b))
    };
    program.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
}

fn values() -> impl Strategy<Value = Tensor> {
    prop::collection::vec(-1.5..1.5f64, 6).prop_map(|x| Tensor::from_vec(x, [2, 3]).expect("six numbers"))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_gradient_of_a_program_agrees_with_central_differences(
        program in prop::collection::vec((0..STEPS.len(), 0..4usize, 0..6usize), 5..=15),
        x in values(),
        y in values(),
    ) {
        let f = |inputs: &[Tensor]| run(&program, inputs);
        let inputs = [x, y];
        let fail = |error: autograd::Error| TestCaseError::fail(format!("{error}\n{}", listing(&program)));
        gradcheck(f, &inputs, Tolerance { step: 1e-5, error: 1e-7 }).map_err(fail)?;
        gradgradcheck(f, &inputs, Tolerance { step: 1e-5, error: 1e-5 }).map_err(fail)?;
    }
}
