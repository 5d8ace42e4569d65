//! Masked operations, with NaN and infinity at masked positions: values, gradients and gradients of gradients. Attention
//! with a mask, causal attention and both are compared with a formulation that handles one query at a time and never reads
//! a key to which the query may not attend.

use autograd::tensor::ops::{AttentionOptions, Cell, Sequence, SequenceOperands};
use autograd::tensor::{DType, Generator, Result, Tensor, tensor};
use autograd::{GradientOptions, GradientTape, Unconnected};
use proptest::prelude::*;

/// A case. `seed` draws numbers and masks.
#[derive(Clone, Debug)]
struct Case {
    /// Batch, heads, queries, keys, width of a key, width of a value.
    sizes: [usize; 6],
    causal: bool,
    mask: Mask,
    /// The axes along which the mask has size 1, and how many axes it has.
    broadcast: [bool; 4],
    rank: usize,
    /// Whether NaN and infinities are also at some positions that are not masked.
    harmful: bool,
    seed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mask {
    None,
    Bool,
    Float,
}

fn cases() -> impl Strategy<Value = Case> {
    let masks = prop_oneof![Just(Mask::None), Just(Mask::Bool), Just(Mask::Float)];
    let sizes = (1..3usize, 1..3usize, 0..5usize, 0..5usize, 1..3usize, 1..3usize);
    let options = (any::<[bool; 4]>(), 0..5usize, prop::bool::weighted(0.2));
    (sizes, any::<bool>(), masks, options, any::<u64>()).prop_map(|(sizes, causal, mask, options, seed)| {
        let (batch, heads, queries, keys, width, size) = sizes;
        let (broadcast, rank, harmful) = options;
        Case { sizes: [batch, heads, queries, keys, width, size], causal, mask, broadcast, rank, harmful, seed }
    })
}

/// Queries, keys, values, and the mask, which is empty if there is none.
struct Operands {
    inputs: [Tensor; 3],
    mask: Option<Tensor>,
    /// Whether a query may attend to a key, by batch, head, query and key in row-major order.
    allowed: Vec<bool>,
}

/// `x` with some numbers replaced.
fn replaced(x: &Tensor, mut by: impl FnMut(&[usize; 2]) -> Option<f64>) -> Tensor {
    let &[.., rows, columns] = &x.shape()[..] else { unreachable!("operands have four axes") };
    let numbers = x.to_vec::<f64>().unwrap().into_iter().enumerate();
    let numbers = numbers.map(|(k, x)| by(&[k / columns / rows, k / columns % rows]).unwrap_or(x));
    Tensor::from_vec(numbers.collect(), x.shape()).unwrap()
}

impl Case {
    fn operands(&self) -> Operands {
        let [batch, heads, queries, keys, width, size] = self.sizes;
        let mut generator = Generator::new(self.seed);
        let mut normal = |shape: &[usize]| generator.normal(shape, 0.0, 1.0).unwrap().cast(DType::F64);
        let inputs = [
            normal(&[batch, heads, queries, width]),
            normal(&[batch, heads, keys, width]),
            normal(&[batch, heads, keys, size]),
        ];
        let all = [batch, heads, queries, keys];
        let shape: Vec<usize> =
            (4 - self.rank..4).map(|axis| if self.broadcast[axis] { 1 } else { all[axis] }).collect();
        let numbers = normal(&shape);
        let mask = match self.mask {
            Mask::None => None,
            Mask::Bool => Some(numbers.greater(0).unwrap()),
            Mask::Float => {
                let forbidden = normal(&shape).greater(0).unwrap();
                Some(forbidden.select(f64::NEG_INFINITY, &numbers).unwrap())
            }
        };
        let by_mask = match &mask {
            None => vec![true; all.iter().product()],
            Some(mask) if self.mask == Mask::Bool => mask.expand(all).unwrap().to_vec().unwrap(),
            Some(mask) => mask.not_equal(f64::NEG_INFINITY).unwrap().expand(all).unwrap().to_vec().unwrap(),
        };
        let causal = |k: usize| !self.causal || k % keys <= k / keys % queries;
        let allowed: Vec<bool> = by_mask.into_iter().enumerate().map(|(k, allowed)| allowed && causal(k)).collect();
        let pair = |head: usize, query: usize, key: usize| allowed[(head * queries + query) * keys + key];
        let garbage = |k: usize| [f64::NAN, f64::INFINITY, f64::NEG_INFINITY][k % 3];
        let mut luck = self.seed;
        let mut harm = || {
            luck = luck.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // NaN at a position that counts must stay NaN.
            (self.harmful && luck >> 60 == 0).then_some(f64::NAN)
        };
        let [q, k, v] = inputs;
        let has_key = |&[head, query]: &[usize; 2]| (0..keys).any(|key| pair(head, query, key));
        let has_query = |&[head, key]: &[usize; 2]| (0..queries).any(|query| pair(head, query, key));
        let q = replaced(&q, |at| if has_key(at) { harm() } else { Some(garbage(at[1])) });
        let k = replaced(&k, |at| if has_query(at) { harm() } else { Some(garbage(at[1] + 1)) });
        let v = replaced(&v, |at| if has_query(at) { harm() } else { Some(garbage(at[1] + 2)) });
        Operands { inputs: [q, k, v], mask, allowed }
    }

    fn options<'a>(&self, mask: Option<&'a Tensor>) -> AttentionOptions<'a> {
        let options = AttentionOptions::default().scale(0.7);
        let options = if self.causal { options.causal() } else { options };
        mask.map_or(options, |mask| options.mask(mask))
    }

    /// Attention, one query at a time.
    fn plain(&self, inputs: &[Tensor; 3], mask: Option<&Tensor>, allowed: &[bool]) -> Result<Tensor> {
        let [batch, heads, queries, keys, _, size] = self.sizes;
        let [q, k, v] = inputs;
        let added = match mask.filter(|_| self.mask == Mask::Float) {
            Some(mask) => Some(mask.expand([batch, heads, queries, keys])?),
            None => None,
        };
        let mut outputs = vec![Tensor::zeros([0, size]).cast(q.dtype())];
        for place in 0..batch * heads * queries {
            let (head, query) = (place / queries, place % queries);
            let of = |x: &Tensor| x.at((head / heads) as isize, 0)?.at((head % heads) as isize, 0);
            let own: Vec<i64> = (0..keys).filter(|key| allowed[place * keys + key]).map(|key| key as i64).collect();
            if own.is_empty() {
                outputs.push(Tensor::zeros([1, size]).cast(q.dtype()));
                continue;
            }
            let own: Tensor = own.into_iter().collect();
            let mut scores = of(k)?.take(&own, 0)?.matmul(of(q)?.at(query as isize, 0)?)?.try_mul(0.7)?;
            if let Some(added) = &added {
                scores = scores.try_add(of(added)?.at(query as isize, 0)?.take(&own, 0)?)?;
            }
            outputs.push(scores.softmax(0)?.matmul(of(v)?.take(&own, 0)?)?.expand_dims(0)?);
        }
        Tensor::concat(&outputs.iter().collect::<Vec<_>>(), 0)?.reshape([batch, heads, queries, size])
    }

    /// Results of `attend`, their gradients and, if these are all finite, the gradients of the gradients.
    fn derivatives(&self, operands: &Operands, attend: impl Fn(&[Tensor]) -> Result<Tensor>) -> Result<Vec<Tensor>> {
        let mut sources = operands.inputs.to_vec();
        sources.extend(operands.mask.clone().filter(|_| self.mask == Mask::Float));
        let zeros = || GradientOptions::default().unconnected(Unconnected::Zeros);
        let outer = GradientTape::new();
        sources.iter().for_each(|source| outer.watch(source));
        let inner = GradientTape::new();
        sources.iter().for_each(|source| inner.watch(source));
        let output = attend(&sources)?;
        // A different number for each element, so no gradient is 0 by chance.
        let weighted = |x: &Tensor, seed: u64| {
            x.try_mul(Generator::new(seed).normal(x.shape(), 0.0, 1.0)?.cast(x.dtype())).map(|x| x.sum())
        };
        let first = inner.gradient_with(weighted(&output, 1)?, &sources, zeros())?;
        let mut all = vec![output];
        all.extend(first.iter().cloned());
        if !self.harmful {
            let mut target = Tensor::full_of([], 0.0, sources[0].dtype());
            for (k, gradient) in first.iter().enumerate() {
                target = target.try_add(weighted(gradient, 2 + k as u64)?)?;
            }
            all.extend(outer.gradient_with(&target, &sources, zeros())?);
        }
        Ok(all)
    }

    fn check(&self, operands: &Operands, tolerance: f64) -> Result<()> {
        let fused = self.derivatives(operands, |x| {
            let mask = operands.mask.as_ref().map(|mask| x.get(3).unwrap_or(mask));
            x[0].scaled_dot_product_attention(&x[1], &x[2], &self.options(mask))
        })?;
        let plain = self.derivatives(operands, |x| {
            let mask = operands.mask.as_ref().map(|mask| x.get(3).unwrap_or(mask));
            self.plain(&[x[0].clone(), x[1].clone(), x[2].clone()], mask, &operands.allowed)
        })?;
        assert_eq!(fused.len(), plain.len());
        for (k, (fused, plain)) in fused.iter().zip(&plain).enumerate() {
            assert_eq!(fused.shape(), plain.shape());
            let (a, b) = (fused.cast(DType::F64).to_vec::<f64>()?, plain.cast(DType::F64).to_vec::<f64>()?);
            for (a, b) in a.iter().zip(&b) {
                let close = (a - b).abs() <= tolerance * (1.0 + b.abs()) || a.is_nan() && b.is_nan();
                assert!(close, "{k}: {fused:?}\ninstead of {plain:?}\n{:?}", operands.inputs);
                assert!(self.harmful || a.is_finite(), "{k}: {fused:?}");
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn only_allowed_keys_count(case in cases()) {
        let operands = case.operands();
        case.check(&operands, 1e-10)?;
        let cast = |x: &Tensor| if x.dtype().is_float() { x.cast(DType::F32) } else { x.clone() };
        let single = Operands {
            inputs: operands.inputs.each_ref().map(cast),
            mask: operands.mask.as_ref().map(cast),
            allowed: operands.allowed,
        };
        case.check(&single, 1e-4)?;
    }
}

/// Length 4, width 1, one head, causal. The first two keys are masked, so the first two queries have no key.
#[test]
fn a_query_without_a_key_does_not_attend_to_later_ones() -> Result<()> {
    let x = tensor![[[1.0], [2.0], [3.0], [4.0]]];
    let weights = |mask: &Tensor| {
        let weights = x.attention_weights(&x, &AttentionOptions::default().causal().scale(0.0).mask(mask))?;
        weights.to_vec::<f32>()
    };
    let expected = [0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 1., 0., 0., 0., 0.5, 0.5];
    assert_eq!(weights(&tensor![[[false, false, true, true]]])?, expected);
    let infinite = f64::NEG_INFINITY;
    assert_eq!(weights(&tensor![[[infinite, infinite, 0.0, 0.0]]])?, expected);
    let all = x.attention_weights(&x, &AttentionOptions::default().mask(&tensor![[[infinite; 4]]]))?;
    assert_eq!(all.to_vec::<f32>()?, [0.0; 16]);

    let tape = GradientTape::new();
    tape.watch(&x);
    let mask = tensor![[[false, false, true, true]]];
    let y = x.scaled_dot_product_attention(&x, &x, &AttentionOptions::default().causal().mask(&mask))?;
    assert_eq!(y.slice((.., ..2))?.to_vec::<f32>()?, [0.0, 0.0]);
    assert_eq!(tape.gradient(y.slice((.., ..2))?, &x)?.to_vec::<f32>()?, [0.0; 4]);
    Ok(())
}

/// A NaN step makes its own output and later outputs NaN, but not earlier ones.
#[test]
fn a_causal_query_sees_no_nan_after_it() -> Result<()> {
    let x = tensor![[[1.0, 0.5], [2.0, 1.0], [f64::NAN, 1.0]]];
    let y = x.scaled_dot_product_attention(&x, &x, &AttentionOptions::default().causal())?;
    let known = x.slice((.., ..2))?;
    let expected = known.scaled_dot_product_attention(&known, &known, &AttentionOptions::default().causal())?;
    assert_eq!(y.slice((.., ..2))?.to_vec::<f32>()?, expected.to_vec::<f32>()?);
    assert!(y.slice((.., 2..))?.isnan().all()?.item()? != 0.0);
    Ok(())
}

/// Sums that overflow are infinite, whether zeros are skipped or not.
#[test]
fn only_zeros_are_absent() -> Result<()> {
    let (weights, values) = (tensor![[3e38, 3e38, 0.0], [0.5, 0.5, 0.0]], tensor![[2.0], [4.0], [f64::INFINITY]]);
    assert_eq!(weights.sparse_matmul(&values)?.to_vec::<f32>()?, [f32::INFINITY, 3.0]);
    let present = tensor![[0.0, 0.0, 1.0]].sparse_matmul(&values)?;
    assert_eq!(present.to_vec::<f32>()?, [f32::INFINITY]);
    Ok(())
}

/// Values, gradients and gradients of gradients of a recurrent operation whose masked steps hold NaN.
#[test]
fn masked_steps_may_be_nan() -> Result<()> {
    for cell in [Cell::SimpleRnn, Cell::Lstm, Cell::Gru] {
        let width = 2 * cell.gates();
        let mut draw = Generator::new(4);
        let mut normal = |shape: &[usize]| draw.normal(shape, 0.0, 0.5).map(|x| x.cast(DType::F64));
        let (x, mask) = (normal(&[2, 3, width])?, tensor![[true, false, true], [false, false, true]]);
        let others = [normal(&[2, width])?, normal(&[width])?];
        let states: Vec<Tensor> = (0..cell.states()).map(|_| normal(&[2, 2])).collect::<Result<_>>()?;
        let results = |with: f64, backwards: bool| -> Result<Vec<Tensor>> {
            let x = mask.expand_dims(-1)?.select(&x, with)?;
            let sources: Vec<Tensor> = [&x].into_iter().chain(&others).chain(&states).cloned().collect();
            let (outer, inner) = (GradientTape::new(), GradientTape::new());
            for source in &sources {
                outer.watch(source);
                inner.watch(source);
            }
            let (kernel, bias) = (&others[0], &others[1]);
            let operands = SequenceOperands { projected: &x, kernel, bias, states: &states, mask: Some(&mask) };
            let y = Sequence { cell, backwards }.states(&operands)?[0].clone();
            let first = inner.gradient(y.square().sum(), &sources)?;
            let mut target = first[0].square().sum();
            for gradient in &first[1..] {
                target = target.try_add(gradient.square().sum())?;
            }
            let second = outer.gradient(&target, &sources)?;
            Ok([y].into_iter().chain(first).chain(second).collect())
        };
        for backwards in [false, true] {
            let expected = results(0.0, backwards)?;
            for with in [f64::NAN, f64::INFINITY] {
                for (found, expected) in results(with, backwards)?.iter().zip(&expected) {
                    assert!(found.allclose(expected, 1e-12, 1e-12)?, "{cell:?}: {found:?} instead of {expected:?}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn a_key_that_is_minus_infinity_has_no_gradient_if_the_mask_allows_all() -> Result<()> {
    let mut draws = Generator::new(3);
    let query = draws.uniform([65, 3], 0.1..1.0)?.cast(DType::F64);
    let others = draws.normal([128, 3], 0.0, 1.0)?.cast(DType::F64);
    let key = Tensor::concat(&[&Tensor::full_of([1, 3], f64::NEG_INFINITY, DType::F64), &others], 0)?;
    let value = draws.normal([129, 2], 0.0, 1.0)?.cast(DType::F64);
    let mask = Tensor::full([1, 129], true);
    let gradient = |key: &Tensor, value: &Tensor, mask: &Tensor| {
        let tape = GradientTape::new();
        tape.watch(&query);
        let options = AttentionOptions::default().mask(mask);
        let result = query.scaled_dot_product_attention(key, value, &options)?;
        tape.gradient(result.square().sum(), &query)?.to_vec::<f64>()
    };
    let found = gradient(&key, &value, &mask)?;
    let expected = gradient(&others, &value.slice(1..)?, &Tensor::full([1, 128], true))?;
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found - expected).abs() <= 1e-12 * expected.abs().max(1.0), "{found}, not {expected}");
    }
    Ok(())
}
