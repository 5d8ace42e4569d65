//! Attention in blocks and its gradient, against one query at a time in float64; all masks, views, and sizes around those of
//! blocks.

use tensor::ops::{Attention, AttentionOptions, Scoring, apply_all};
use tensor::{DType, Generator, InstructionSet, Result, Tensor, instruction_set, tensor};

/// Queries, keys, width, size of values: below, at and above the sizes of blocks (64 queries, 128 keys), of tiles and of
/// vectors.
const SIZES: [[usize; 4]; 14] = [
    [1, 1, 1, 1],
    [5, 7, 3, 2],
    [17, 17, 32, 32],
    [16, 16, 16, 16],
    [63, 127, 8, 20],
    [64, 128, 16, 8],
    [65, 129, 33, 17],
    [128, 64, 4, 40],
    [130, 300, 8, 8],
    [200, 200, 32, 16],
    [300, 70, 5, 33],
    [1, 257, 64, 64],
    [257, 1, 6, 3],
    [3, 1000, 2, 1],
];

/// The operands of a case: queries, keys, values and the gradient of the result.
struct Case {
    batch: Vec<usize>,
    sizes: [usize; 4],
    inputs: [Tensor; 4],
    mask: Option<Tensor>,
    causal: bool,
    scale: f64,
}

/// Results and gradients of queries, keys, values and scores, all with the axes of the batch.
type Results = [Vec<f64>; 5];

impl Case {
    fn new(batch: &[usize], sizes: [usize; 4], seed: u64) -> Case {
        let [queries, keys, width, size] = sizes;
        let mut generator = Generator::new(seed);
        let mut draw = |rows: usize, columns: usize| {
            let shape: Vec<usize> = batch.iter().copied().chain([rows, columns]).collect();
            generator.normal(&shape, 0.0, 1.0).unwrap().cast(DType::F64)
        };
        let inputs = [draw(queries, width), draw(keys, width), draw(keys, size), draw(queries, size)];
        Case { batch: batch.to_vec(), sizes, inputs, mask: None, causal: false, scale: 0.6 }
    }

    fn shape(&self, rows: usize, columns: usize) -> Vec<usize> {
        self.batch.iter().copied().chain([rows, columns]).collect()
    }

    /// The formulas, for one query after the other. Keys that a query may not attend to are not read.
    fn expected(&self) -> Result<Results> {
        let [queries, keys, width, size] = self.sizes;
        let number = |x: &Tensor, rows, columns| x.cast(DType::F64).expand(self.shape(rows, columns))?.to_vec::<f64>();
        let q = number(&self.inputs[0], queries, width)?;
        let k = number(&self.inputs[1], keys, width)?;
        let v = number(&self.inputs[2], keys, size)?;
        let g = number(&self.inputs[3], queries, size)?;
        let count: usize = self.batch.iter().product();
        let added = match &self.mask {
            None => vec![0.0; count * queries * keys],
            Some(mask) if mask.dtype() == DType::Bool => {
                let allowed = mask.expand(self.shape(queries, keys))?.to_vec::<bool>()?;
                allowed.into_iter().map(|allowed| if allowed { 0.0 } else { f64::NEG_INFINITY }).collect()
            }
            Some(mask) => number(mask, queries, keys)?,
        };
        let mut results = [q.len().max(g.len()), 0, 0, 0, 0].map(|_| Vec::new());
        for (result, source) in results.iter_mut().zip([&g, &q, &k, &v, &added]) {
            *result = vec![0.0; source.len()];
        }
        let [y, dq, dk, dv, ds] = &mut results;
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        for row in 0..count * queries {
            let (matrix, query) = (row / queries, row % queries);
            let own: Vec<usize> = (0..keys)
                .filter(|key| added[row * keys + key] != f64::NEG_INFINITY && (!self.causal || *key <= query))
                .collect();
            let of_query = |all: &[f64], columns: usize| all[row * columns..][..columns].to_vec();
            let of_key =
                |key: usize, columns: usize| (matrix * keys + key) * columns..(matrix * keys + key + 1) * columns;
            let (q_row, g_row) = (of_query(&q, width), of_query(&g, size));
            let scores: Vec<f64> = own
                .iter()
                .map(|&key| self.scale * dot(&q_row, &k[of_key(key, width)]) + added[row * keys + key])
                .collect();
            let top = scores.iter().fold(f64::NEG_INFINITY, |top, &score| top.max(score));
            let sum: f64 = scores.iter().map(|score| (score - top).exp()).sum();
            let weights: Vec<f64> = scores.iter().map(|score| (score - top).exp() / sum).collect();
            let of_weights: Vec<f64> = own.iter().map(|&key| dot(&g_row, &v[of_key(key, size)])).collect();
            let offset = dot(&weights, &of_weights);
            for ((&key, weight), of_weight) in own.iter().zip(&weights).zip(&of_weights) {
                let slope = weight * (of_weight - offset);
                ds[row * keys + key] = slope;
                for column in 0..size {
                    y[row * size + column] += weight * v[of_key(key, size)][column];
                    dv[of_key(key, size)][column] += weight * g_row[column];
                }
                for column in 0..width {
                    dq[row * width + column] += self.scale * slope * k[of_key(key, width)][column];
                    dk[of_key(key, width)][column] += self.scale * slope * q_row[column];
                }
            }
        }
        Ok(results)
    }

    fn operands(&self, dtype: DType) -> Vec<Tensor> {
        let cast = |x: &Tensor| if x.dtype().is_float() { x.cast(dtype) } else { x.clone() };
        self.inputs[..3].iter().chain(&self.mask).map(cast).collect()
    }

    /// What the operations return; the gradient of scores only if the mask has one.
    fn found(&self, operands: &[Tensor]) -> Result<Vec<Tensor>> {
        let scoring = Scoring { causal: self.causal, scale: self.scale };
        let list: Vec<&Tensor> = operands.iter().collect();
        let outputs = apply_all(Attention::Attend(scoring), &list)?;
        let of_mask = operands.get(3).is_some_and(|mask| mask.dtype().is_float());
        let g = self.inputs[3].cast(operands[0].dtype());
        let all: Vec<&Tensor> = [&g].into_iter().chain(list).chain(&outputs).collect();
        let gradients = apply_all(Attention::Gradient { scoring, of_mask }, &all)?;
        Ok(outputs.into_iter().take(1).chain(gradients).collect())
    }

    #[track_caller]
    fn check(&self, what: &str) {
        let expected = self.expected().unwrap();
        for (dtype, tolerance) in [(DType::F64, 1e-12), (DType::F32, 1e-5)] {
            self.compare(
                &format!("{what}, {dtype}"),
                &self.found(&self.operands(dtype)).unwrap(),
                &expected,
                tolerance,
            );
        }
    }

    /// Compares elements up to `tolerance` of the largest one.
    #[track_caller]
    fn compare(&self, what: &str, found: &[Tensor], expected: &Results, tolerance: f64) {
        for (part, (found, expected)) in found.iter().zip(expected).enumerate() {
            let found = found.cast(DType::F64).to_vec::<f64>().unwrap();
            assert_eq!(found.len(), expected.len(), "{what}: part {part}");
            let largest = expected.iter().fold(1.0f64, |largest, x| largest.max(x.abs()));
            for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
                let close = (found - expected).abs() <= tolerance * largest;
                assert!(close, "{what} of {:?}: part {part}, place {place}: {found} instead of {expected}", self.sizes);
            }
        }
    }
}

#[test]
fn blocks_of_all_sizes_agree_with_single_queries() {
    for (seed, sizes) in SIZES.into_iter().enumerate() {
        for (batch, causal) in [(&[2, 3][..], false), (&[3], true), (&[], false), (&[1, 2], true)] {
            let case = Case { causal, ..Case::new(batch, sizes, seed as u64) };
            case.check(&format!("batch {batch:?}, causal {causal}"));
        }
    }
}

#[test]
fn masks_of_every_shape_hide_keys_that_are_nan() -> Result<()> {
    for (seed, sizes) in SIZES.into_iter().enumerate() {
        let [queries, keys, ..] = sizes;
        let mut generator = Generator::new(seed as u64);
        let shapes: [&[usize]; 7] = [
            &[2, 3, queries, keys],
            &[queries, keys],
            &[2, 1, 1, keys],
            &[3, queries, 1],
            &[2, 1, queries, keys],
            &[keys],
            &[1, 1],
        ];
        for (index, shape) in shapes.into_iter().enumerate() {
            let numbers = generator.normal(shape, 0.0, 1.0)?.cast(DType::F64);
            // Whole blocks without keys, and whole blocks with all.
            let forbidden = match index {
                2 => Tensor::arange(0.0, keys as f64, 1.0)?
                    .greater_equal(Tensor::from([keys as f32 / 3.0, 1.0]).reshape([2, 1, 1, 1])?)?,
                _ => numbers.greater(0.4)?,
            };
            let masks = [forbidden.logical_not()?, forbidden.select(f64::NEG_INFINITY, &numbers)?];
            for (mask, causal) in masks.into_iter().flat_map(|mask| [(mask.clone(), false), (mask, true)]) {
                let mut case = Case { causal, mask: Some(mask), ..Case::new(&[2, 3], sizes, seed as u64) };
                let what = format!("mask {shape:?}, causal {causal}");
                case.check(&what);
                let plain = [DType::F64, DType::F32].map(|dtype| case.found(&case.operands(dtype)).unwrap());
                // Keys without queries and queries without keys become NaN and infinite, and change no bit.
                let allowed = match case.mask.as_ref().unwrap() {
                    mask if mask.dtype() == DType::Bool => mask.clone(),
                    mask => mask.not_equal(f64::NEG_INFINITY)?,
                };
                let mut allowed = allowed.expand([2, 3, queries, keys])?.cast(DType::F32);
                if causal {
                    allowed = allowed.tril(0)?;
                }
                let key_counts = allowed.max_axis(-2)?.expand_dims(-1)?.greater(0)?;
                let query_counts = allowed.max_axis(-1)?.expand_dims(-1)?.greater(0)?;
                case.inputs[0] = query_counts.select(&case.inputs[0], f64::INFINITY)?;
                case.inputs[1] = key_counts.select(&case.inputs[1], f64::NAN)?;
                case.inputs[2] = key_counts.select(&case.inputs[2], f64::NEG_INFINITY)?;
                case.inputs[3] = query_counts.select(&case.inputs[3], f64::NAN)?;
                for (plain, dtype) in plain.iter().zip([DType::F64, DType::F32]) {
                    for (part, (a, b)) in plain.iter().zip(case.found(&case.operands(dtype))?).enumerate() {
                        assert_eq!(
                            a.cast(DType::F64).to_vec::<f64>()?,
                            b.cast(DType::F64).to_vec::<f64>()?,
                            "{what} of {sizes:?}, {dtype}, part {part}"
                        );
                    }
                }
            }
        }
    }
    Ok(())
}

#[test]
fn a_query_without_keys_has_no_result_and_no_gradient() -> Result<()> {
    for (queries, keys) in [(3, 0), (0, 3), (70, 0)] {
        let case = Case::new(&[2], [queries, keys, 2, 3], 1);
        case.check("no keys or no queries");
        assert!(case.found(&case.operands(DType::F32))?[0].to_vec::<f32>()?.iter().all(|&x| x == 0.0));
    }
    for sizes in [[4, 5, 0, 2], [4, 5, 2, 0], [4, 5, 0, 0], [70, 140, 0, 3], [70, 140, 3, 0]] {
        for causal in [false, true] {
            Case { causal, ..Case::new(&[2], sizes, 1) }.check("no width or no size");
        }
    }
    Case::new(&[0, 2], [4, 5, 3, 2], 1).check("no batch");
    Ok(())
}

/// A weight may be 0 in a block in which all keys are allowed.
#[test]
fn a_key_whose_weight_is_zero_has_no_effect_in_any_block() -> Result<()> {
    let steps = 200;
    let column = |first: f64, rest: f64| {
        let values: Vec<f64> = (0..steps).map(|step| if step == 0 { first } else { rest }).collect();
        Tensor::from_vec(values, [steps, 1])
    };
    let query = column(1.0, 1.0)?;
    let causal = AttentionOptions::default().causal().scale(1.0);
    let result = query.scaled_dot_product_attention(&column(-1000.0, 0.0)?, &column(f64::INFINITY, 1.0)?, &causal)?;
    let result = result.to_vec::<f64>()?;
    // The reciprocal of the number of keys is rounded.
    let is_one = |x: &f64| (x - 1.0).abs() <= f64::EPSILON;
    assert!(!result[0].is_finite() && result[1..].iter().all(is_one), "{result:?}");

    let all = Tensor::full([1, steps], true);
    let masked = AttentionOptions::default().mask(&all).scale(1.0);
    let key = column(f64::NEG_INFINITY, 0.0)?;
    let result = query.scaled_dot_product_attention(&key, &column(f64::NAN, 1.0)?, &masked)?;
    let result = result.to_vec::<f64>()?;
    assert!(result.iter().all(is_one), "{result:?}");
    Ok(())
}

/// Scores far from 0 neither overflow nor lose the digits of their differences.
#[test]
fn large_scores_do_not_overflow() {
    for (scale, causal) in [(1e4, false), (-1e4, true), (300.0, false)] {
        let mut case = Case { causal, ..Case::new(&[2], [70, 140, 2, 3], 5) };
        // Small integers: products and scores are exact in float32, too.
        for input in &mut case.inputs[..2] {
            *input = (&*input * 2.0).round();
        }
        case.scale = scale;
        case.check(&format!("scale {scale}"));
    }
    // Equal keys with large scores: in float32, a logarithm of the sum of exponentials would lose the 3.
    let mut case = Case::new(&[], [1, 3, 1, 1], 1);
    (case.inputs[0], case.inputs[1], case.scale) =
        (tensor![[1e4]].cast(DType::F64), Tensor::ones([3, 1]).cast(DType::F64), 1.0);
    case.check("equal scores");
}

/// Scores that overflow make their queries NaN, as in the composed form.
#[test]
fn scores_that_overflow_are_not_hidden() -> Result<()> {
    let (query, key) = (tensor![[1e30], [1.0]], tensor![[1e30], [1.0]]);
    let value = tensor![[1.0], [2.0]];
    for options in [AttentionOptions::default(), AttentionOptions::default().mask(&tensor![true])] {
        let y = query.scaled_dot_product_attention(&key, &value, &options)?.to_vec::<f32>()?;
        assert!(y[0].is_nan() && y[1] == 1.0, "{y:?}");
    }
    let y = tensor![[-1e30]].scaled_dot_product_attention(
        &tensor![[1e30]],
        &tensor![[1.0]],
        &AttentionOptions::default(),
    )?;
    assert!(y.item()?.is_nan());
    Ok(())
}

/// Views of every kind: heads within time, transposed, reversed, repeated and interleaved. Their gradients are those of
/// copies, bit by bit.
#[test]
fn views_are_read_where_they_lie() -> Result<()> {
    let [queries, keys, width, size] = [70, 133, 20, 12];
    let case = Case::new(&[2, 3], [queries, keys, width, size], 7);
    let copies = case.operands(DType::F32);
    let expected = case.found(&copies)?;
    let stored = |x: &Tensor, order: [isize; 4]| -> Result<Tensor> {
        let back: Vec<isize> = (0..4).map(|axis| order.iter().position(|&k| k == axis).unwrap() as isize).collect();
        let moved = x.permute(order)?;
        Tensor::from_vec(moved.to_vec::<f32>()?, moved.shape())?.permute(&back)
    };
    let flipped = |x: &Tensor| {
        let turned = x.flip(..)?;
        Tensor::from_vec(turned.to_vec::<f32>()?, turned.shape())?.flip(..)
    };
    let interleaved = |x: &Tensor| Tensor::stack(&[x, &x.zeros_like()], -1)?.at(0, -1);
    type View<'a> = &'a dyn Fn(&Tensor) -> Result<Tensor>;
    let views: [View; 5] = [
        &|x| stored(x, [0, 2, 1, 3]),
        &|x| stored(x, [0, 1, 3, 2]),
        &|x| stored(x, [3, 2, 1, 0]),
        &flipped,
        &interleaved,
    ];
    for (index, view) in views.iter().enumerate() {
        let operands: Vec<Tensor> = copies.iter().map(view).collect::<Result<_>>()?;
        for (part, (found, expected)) in case.found(&operands)?.iter().zip(&expected).enumerate() {
            assert_eq!(found.to_vec::<f32>()?, expected.to_vec::<f32>()?, "view {index}, part {part}");
        }
    }
    // Heads that share keys and values, and a batch that shares queries.
    let mut case = Case::new(&[2, 3], [queries, keys, width, size], 8);
    case.inputs[0] = case.inputs[0].slice((0..1, .., .., ..))?;
    case.inputs[1] = case.inputs[1].slice((.., 0..1, .., ..))?;
    case.inputs[2] = case.inputs[2].slice((0..1, 0..1))?.reshape([1, keys, size])?;
    case.check("shared heads");
    Ok(())
}

/// Long sequences, whose keys several tasks share, and many short ones, of which a task takes several.
#[test]
fn the_number_of_threads_changes_no_bit() -> Result<()> {
    for (batch, sizes, causal) in
        [(&[][..], [700, 1500, 24, 32], false), (&[2], [500, 900, 40, 16], true), (&[40, 3], [17, 20, 16, 16], true)]
    {
        let case = Case { causal, ..Case::new(batch, sizes, 2) };
        case.check("long or many");
        let results = |threads: usize| -> Result<Vec<Vec<f32>>> {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            pool.install(|| case.found(&case.operands(DType::F32))?.iter().map(Tensor::to_vec::<f32>).collect())
        };
        let expected = results(1)?;
        for threads in [2, 3, 8] {
            assert!(results(threads)? == expected, "{threads} threads");
        }
    }
    Ok(())
}

/// Heads that lie within the steps of time stay there, so joining them costs no copy.
#[test]
fn results_lie_as_queries_do() -> Result<()> {
    let x = Tensor::ones([2, 5, 3, 4]);
    let heads = x.transpose(1, 2)?;
    let y = heads.scaled_dot_product_attention(&heads, &heads, &AttentionOptions::default())?;
    assert_eq!(y.shape(), &[2, 3, 5, 4]);
    let joined = y.transpose(1, 2)?.reshape([2, 5, 12])?;
    assert_eq!(joined.storage(), y.storage());
    let copies = heads.try_add(0.0)?;
    let y = copies.scaled_dot_product_attention(&copies, &copies, &AttentionOptions::default())?;
    assert_eq!(y.reshape([2, 60])?.storage(), y.storage());
    Ok(())
}

/// A single key gets exactly the weight 1, and so no gradient: results and offsets are summed in the same order.
#[test]
fn a_single_key_has_no_gradient_of_its_score() -> Result<()> {
    for sizes in [[3, 1, 5, 7], [70, 1, 32, 64]] {
        let case = Case::new(&[2], sizes, 3);
        let found = case.found(&case.operands(DType::F32))?;
        for part in &found[1..3] {
            assert!(part.to_vec::<f32>()?.iter().all(|&x| x == 0.0), "{part:?}");
        }
    }
    Ok(())
}

#[test]
fn errors_name_the_operands() {
    let x = |shape: &[usize]| Tensor::ones(shape);
    let attend = |q: Tensor, k: Tensor, v: Tensor, mask: Option<Tensor>| {
        let options = AttentionOptions::default();
        let options = mask.as_ref().map_or(options, |mask| options.mask(mask));
        q.scaled_dot_product_attention(&k, &v, &options).unwrap_err().to_string()
    };
    for (found, expected) in [
        (attend(x(&[3]), x(&[2, 3]), x(&[2, 3]), None), "attention: shape [3]: needs at least two axes, [time, width]"),
        (attend(x(&[2, 3]), x(&[2, 3]), x(&[2]), None), "attention: shape [2]: needs at least two axes, [time, size]"),
        (
            attend(x(&[2, 3]), x(&[2, 4]), x(&[2, 3]), None),
            "attention: [2, 3] × [2, 4]: the widths 3 of queries and 4 of keys differ",
        ),
        (
            attend(x(&[2, 3]), x(&[4, 3]), x(&[5, 3]), None),
            "attention: [4, 3] × [5, 3]: the numbers 4 of keys and 5 of values differ",
        ),
        (
            attend(x(&[2, 2, 3]), x(&[3, 2, 3]), x(&[2, 3]), None),
            "attention: [2, 2, 3] × [3, 2, 3]: the leading axes (all but the last two) do not broadcast",
        ),
        (
            attend(x(&[2, 3]), x(&[2, 3]), x(&[2, 3]), Some(tensor![[true], [true], [true]])),
            "attention: shape [3, 1]: a mask must broadcast to the scores, [2, 2]: […, queries, keys]",
        ),
        (
            attend(x(&[2, 3]).cast(DType::I64), x(&[2, 3]).cast(DType::I64), x(&[2, 3]).cast(DType::I64), None),
            "attention: int64 is not a floating type; cast the operands first",
        ),
    ] {
        assert_eq!(found, expected);
    }
    let wrong = attend(x(&[2, 3]), x(&[2, 3]), x(&[2, 3]), Some(tensor![0, 1]));
    assert!(wrong.starts_with("attention: ") && wrong.contains("int64") && wrong.contains("float32"), "{wrong}");
    let scoring = Scoring { causal: false, scale: 1.0 };
    let apply = |op: Attention, inputs: &[&Tensor]| apply_all(op, inputs).unwrap_err().to_string();
    let (a, gradient) = (x(&[2, 3]), Attention::Gradient { scoring, of_mask: false });
    assert_eq!(
        apply(Attention::Attend(scoring), &[&a]),
        "attention: takes query, key, value and optionally a mask, not 1 operands"
    );
    assert_eq!(apply(gradient, &[&a, &a]), "attention_gradient: takes more operands than 2");
    assert_eq!(apply(gradient, &[&a, &a, &a, &a, &a, &a]), "attention_gradient: shape [2, 3]: must be [2, 2]");
    let of_mask = Attention::Gradient { scoring, of_mask: true };
    let statistics = x(&[2, 2]);
    assert_eq!(
        apply(of_mask, &[&a, &a, &a, &a, &a, &statistics]),
        "attention_gradient: only a floating mask has a gradient"
    );
}

/// All tests of this file, in child processes.
#[test]
fn narrower_instruction_sets_pass_the_tests() {
    if std::env::var_os("TENSOR_MAX_ISA").is_some() {
        return;
    }
    let sets = [InstructionSet::Base, InstructionSet::Avx2];
    for set in sets.into_iter().filter(|&set| set < instruction_set()) {
        let mut tests = std::process::Command::new(std::env::current_exe().unwrap());
        let skip = ["--skip", "narrower_instruction_sets_pass_the_tests"];
        let output = tests.env("TENSOR_MAX_ISA", set.to_string()).args(skip).output().unwrap();
        assert!(output.status.success(), "{set}: {}", String::from_utf8_lossy(&output.stdout));
    }
}
