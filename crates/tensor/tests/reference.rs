//! Every kernel against its plain formulation, one element at a time, over random shapes and views.

use ndarray::{ArrayD, IxDyn};
use proptest::prelude::*;
use tensor::ops::{Fused, apply};
use tensor::{DType, Tensor};

/// The layout of a tensor in its storage.
#[derive(Clone, Copy, Debug)]
enum View {
    Plain,
    Transposed,
    Strided,
    Flipped,
    Expanded,
}

fn views() -> impl Strategy<Value = View> {
    prop_oneof![
        Just(View::Plain),
        Just(View::Transposed),
        Just(View::Strided),
        Just(View::Flipped),
        Just(View::Expanded),
    ]
}

fn shapes(rank: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(prop_oneof![1 => Just(0usize), 2 => Just(1), 6 => 2..6usize], rank)
}

/// Values of both signs, some of them repeated to give ties.
fn values(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    (0..count).map(|_| next() as i64 % 41 - 20).map(|k| k as f64 / 8.0).collect()
}

/// A tensor of `shape` with the layout `view`.
fn make(shape: &[usize], view: View, seed: u64) -> Tensor {
    let of = |shape: &[usize]| {
        Tensor::from_vec(values(shape.iter().product(), seed), shape).unwrap_or_else(|error| panic!("{error}"))
    };
    let all: Vec<isize> = (0..shape.len() as isize).collect();
    let x = match view {
        View::Plain => of(shape),
        View::Transposed => {
            let reversed: Vec<usize> = shape.iter().rev().copied().collect();
            of(&reversed).permute(all.iter().rev().copied().collect::<Vec<_>>()).unwrap()
        }
        View::Strided => match shape {
            [] => of(&[3]).at(1, 0).unwrap(),
            [first, rest @ ..] => {
                let wide: Vec<usize> = [2 * first + 1].iter().chain(rest).copied().collect();
                of(&wide).slice((Some(1), None, 2)).unwrap()
            }
        },
        View::Flipped => of(shape).flip(&all[..]).unwrap(),
        View::Expanded => match shape {
            [] => of(shape),
            [_, rest @ ..] => of(rest).expand(shape).unwrap(),
        },
    };
    assert_eq!(x.shape()[..], *shape, "{view:?}");
    x
}

fn array(x: &Tensor) -> ArrayD<f64> {
    x.cast(DType::F64).view::<f64>().unwrap().to_owned()
}

fn positions(shape: &[usize]) -> Vec<Vec<usize>> {
    ndarray::indices(IxDyn(shape)).into_iter().map(|index| ndarray::Dimension::slice(&index).to_vec()).collect()
}

/// Asserts that `found` has the elements of `expected` up to a relative error.
fn check(found: &Tensor, expected: &ArrayD<f64>) {
    assert_eq!(found.shape()[..], *expected.shape());
    for (found, &expected) in array(found).iter().zip(expected) {
        let error = (found - expected).abs();
        let same = *found == expected || found.is_nan() && expected.is_nan();
        assert!(same || error <= 1e-12 * expected.abs().max(1.0), "{found}, not {expected}");
    }
}

fn broadcast(x: &ArrayD<f64>, shape: &[usize]) -> ArrayD<f64> {
    x.broadcast(IxDyn(shape)).unwrap().to_owned()
}

/// The shape of an operand that broadcasts to `shape`: some sizes become 1, some leading axes vanish.
fn narrowed(shape: &[usize], mask: u8) -> Vec<usize> {
    let kept = if mask & 16 != 0 { &shape[shape.len() / 2..] } else { shape };
    kept.iter().enumerate().map(|(axis, &size)| if mask >> axis & 1 == 1 { 1 } else { size }).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn views_show_the_elements(shape in shapes(0..=4), view in views(), seed: u64) {
        let x = make(&shape, view, seed);
        let y = x.view::<f64>().unwrap();
        prop_assert_eq!(x.to_vec::<f64>().unwrap(), y.iter().copied().collect::<Vec<_>>());
        prop_assert_eq!(x.clone().into_array::<f64>().unwrap(), y.to_owned());
        prop_assert_eq!(Tensor::from(y.to_owned()).to_vec::<f64>().unwrap(), x.to_vec::<f64>().unwrap());
    }

    #[test]
    fn elementwise_functions(shape in shapes(0..=4), view in views(), seed: u64) {
        let x = make(&shape, view, seed);
        let a = array(&x);
        check(&x.exp(), &a.mapv(f64::exp));
        check(&-&x, &a.mapv(|x| -x));
        check(&x.relu(), &a.mapv(|x| x.max(0.0)));
        check(&x.clamp(-1.0, 0.5).unwrap(), &a.mapv(|x| x.clamp(-1.0, 0.5)));
        check(&x.cast(DType::I64), &a.mapv(|x| x.trunc()));
        check(&x.cast(DType::U8), &a.mapv(|x| x.trunc().max(0.0)));
        check(&x.cast(DType::Bool), &a.mapv(|x| f64::from(x != 0.0)));
        // float32 is within 2 units in the last place.
        let narrow = array(&x.cast(DType::F32).sigmoid().cast(DType::F64));
        assert_eq!(narrow.shape(), a.shape());
        for (found, x) in narrow.iter().zip(&a) {
            let expected = 1.0 / (1.0 + (-x).exp());
            assert!((found - expected).abs() <= 2.0 * f64::from(f32::EPSILON) * expected, "{found}, not {expected}");
        }
    }

    #[test]
    fn broadcast_functions(
        shape in shapes(0..=4), masks in (any::<u8>(), any::<u8>(), any::<u8>()),
        views in (views(), views(), views()), seed: u64,
    ) {
        // The first operand keeps the rank, so it is the rank of every result.
        let x = make(&narrowed(&shape, masks.0 & 15), views.0, seed);
        let y = make(&narrowed(&shape, masks.1), views.1, seed ^ 1);
        let c = make(&narrowed(&shape, masks.2), views.2, seed ^ 2);
        let joint = x.try_add(&y).unwrap();
        let shape = joint.shape().to_vec();
        let (a, b) = (broadcast(&array(&x), &shape), broadcast(&array(&y), &shape));
        let zip = |f: fn(f64, f64) -> f64| {
            ndarray::Zip::from(&a).and(&b).map_collect(|&a, &b| f(a, b))
        };
        check(&joint, &zip(|a, b| a + b));
        check(&(&x * &y), &zip(|a, b| a * b));
        check(&(&x / &y), &zip(|a, b| a / b));
        check(&x.maximum(&y).unwrap(), &zip(f64::max));
        check(&x.remainder(&y).unwrap(), &zip(|a, b| a - b * (a / b).floor()));
        check(&x.floor_div(&y).unwrap(), &zip(|a, b| (a / b).floor()));
        check(&x.less(&y).unwrap(), &zip(|a, b| f64::from(a < b)));
        let (i, j) = (x.cast(DType::I64), y.cast(DType::I64));
        check(&(&i - &j), &zip(|a, b| a.trunc() - b.trunc()));
        check(&i.equal(&j).unwrap(), &zip(|a, b| f64::from(a.trunc() == b.trunc())));

        let selected = c.greater(0).unwrap().select(&x, &y).unwrap();
        let shape = selected.shape().to_vec();
        let [a, b, c] = [&x, &y, &c].map(|x| broadcast(&array(x), &shape));
        check(&selected, &ndarray::Zip::from(&a).and(&b).and(&c).map_collect(|&a, &b, &c| if c > 0.0 { a } else { b }));
    }

    #[test]
    fn reductions(shape in shapes(0..=4), view in views(), mask in 0..16u8, keep: bool, seed: u64) {
        let x = make(&shape, view, seed);
        let axes: Vec<isize> = (0..shape.len()).filter(|axis| mask >> axis & 1 == 1).map(|axis| axis as isize).collect();
        let reduced = |axis: usize| axes.contains(&(axis as isize));
        let kept: Vec<usize> = (0..shape.len()).filter(|&axis| keep || !reduced(axis)).collect();
        let target: Vec<usize> = kept.iter().map(|&axis| if reduced(axis) { 1 } else { shape[axis] }).collect();
        // The elements that belong to each position of the result, in row-major order.
        let mut rows = ArrayD::from_elem(IxDyn(&target), Vec::new());
        for (index, &x) in array(&x).indexed_iter() {
            let place: Vec<usize> = kept.iter().map(|&axis| if reduced(axis) { 0 } else { index[axis] }).collect();
            rows[&place[..]].push(x);
        }
        let with = |f: &dyn Fn(&[f64]) -> f64| rows.map(|row| f(row));
        let mean = |row: &[f64]| row.iter().sum::<f64>() / row.len() as f64;
        let deviations = move |row: &[f64]| row.iter().map(|x| (x - mean(row)).powi(2)).sum::<f64>();
        use tensor::ops::Reduction::*;
        let found = |reduction| x.reduce(reduction, &axes[..], keep).unwrap();
        check(&found(Sum), &with(&|row| row.iter().sum()));
        check(&found(Prod), &with(&|row| row.iter().product()));
        check(&found(Mean), &with(&mean));
        check(&found(Var { correction: 0.0 }), &with(&|row| deviations(row) / row.len() as f64));
        for correction in [0.0, 1.0] {
            let divisor = |row: &[f64]| (row.len() as f64 - correction).max(0.0);
            let expected = with(&|row| (deviations(row) / divisor(row)).sqrt());
            check(&x.std_corrected(&axes[..], keep, correction).unwrap(), &expected);
        }
        check(&found(Norm), &with(&|row| row.iter().map(|x| x * x).sum::<f64>().sqrt()));
        check(&found(LogSumExp), &with(&|row| row.iter().map(|x| x.exp()).sum::<f64>().ln()));
        let integers = x.cast(DType::I64).reduce(Sum, &axes[..], keep).unwrap();
        prop_assert_eq!(integers.dtype(), DType::I64);
        check(&integers, &with(&|row| row.iter().map(|x| x.trunc()).sum()));
        let positive = x.greater(0).unwrap();
        check(&positive.reduce(Any, &axes[..], keep).unwrap(), &with(&|row| f64::from(row.iter().any(|&x| x > 0.0))));
        check(&positive.reduce(All, &axes[..], keep).unwrap(), &with(&|row| f64::from(row.iter().all(|&x| x > 0.0))));
        check(&positive.reduce(Mean, &axes[..], keep).unwrap().cast(DType::F64), &with(&|row| {
            f64::from((row.iter().filter(|&&x| x > 0.0).count() as f64 / row.len() as f64) as f32)
        }));
        let empty = axes.iter().any(|&axis| shape[axis as usize] == 0);
        prop_assert_eq!(x.reduce(Max, &axes[..], keep).is_err(), empty);
        if !empty {
            let best = |row: &[f64]| row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            check(&found(Max), &with(&best));
            check(&found(Min), &with(&|row| row.iter().copied().fold(f64::INFINITY, f64::min)));
            let place = |row: &[f64]| row.iter().position(|&x| x == best(row)).unwrap() as f64;
            check(&found(ArgMax), &with(&place));
        }
    }

    #[test]
    fn matrix_products(
        sizes in [prop_oneof![1 => Just(0usize), 6 => 1..6usize], prop_oneof![1 => Just(0usize), 6 => 1..6usize], prop_oneof![1 => Just(0usize), 6 => 1..6usize]],
        batch in shapes(0..=2), masks in (0..4u8, 0..4u8), views in (views(), views()), vectors in 0..4u8, seed: u64,
    ) {
        let [m, k, n] = sizes;
        let side = |mask: u8, last: [usize; 2]| -> Vec<usize> { narrowed(&batch, mask).into_iter().chain(last).collect() };
        let (left, right) = (vectors & 1 == 1, vectors & 2 == 2);
        let x = make(&if left { vec![k] } else { side(masks.0, [m, k]) }, views.0, seed);
        let y = make(&if right { vec![k] } else { side(masks.1, [k, n]) }, views.1, seed ^ 1);
        let found = x.matmul(&y).unwrap();
        // All operands as matrices in one batch: vectors become rows or columns.
        let a = if left { x.expand_dims(0).unwrap() } else { x.clone() };
        let b = if right { y.expand_dims(1).unwrap() } else { y.clone() };
        let product = (&a.expand_dims(-1).unwrap() * &b.expand_dims(-3).unwrap()).sum_axis(-2).unwrap();
        let expected = product.reshape(found.shape()).unwrap();
        check(&found, &array(&expected));
        check(&x.cast(DType::F32).matmul(y.cast(DType::F32)).unwrap(), &array(&expected));
    }

    #[test]
    fn movements(shape in shapes(1..=4), view in views(), axis in 0..4usize, n in 0..9isize, seed: u64) {
        let axis = axis % shape.len();
        let size = shape[axis];
        let x = make(&shape, view, seed);
        let a = array(&x);
        // A movement, described by the source position of each element, if it has one.
        let moved = |target: &[usize], from: &dyn Fn(&mut Vec<usize>) -> bool| {
            ArrayD::from_shape_fn(IxDyn(target), |index| {
                let mut place = ndarray::Dimension::slice(&index).to_vec();
                if from(&mut place) { a[&place[..]] } else { -3.5 }
            })
        };
        let resized = |axis: usize, size: usize| -> Vec<usize> {
            shape.iter().enumerate().map(|(k, &n)| if k == axis { size } else { n }).collect()
        };
        let along = axis as isize;
        check(&x.flip(along).unwrap(), &moved(&shape, &|p| { p[axis] = size - 1 - p[axis]; true }));
        check(&x.roll(n - 4, along).unwrap(), &moved(&shape, &|p| {
            p[axis] = (p[axis] as isize - (n - 4)).rem_euclid(size as isize) as usize;
            true
        }));
        let mut pads = vec![(0, 0); shape.len()];
        pads[axis] = (n as usize, 1);
        check(&x.pad(&pads, -3.5).unwrap(), &moved(&resized(axis, size + n as usize + 1), &|p| {
            let inside = p[axis] >= n as usize && p[axis] < n as usize + size;
            p[axis] = p[axis].wrapping_sub(n as usize);
            inside
        }));
        let mut repeats = vec![1; shape.len()];
        repeats[axis] = 3;
        check(&x.tile(&repeats).unwrap(), &moved(&resized(axis, 3 * size), &|p| { p[axis] %= size; true }));
        let twice = Tensor::concat(&[&x, &x.flip(along).unwrap()], along).unwrap();
        check(&twice, &moved(&resized(axis, 2 * size), &|p| {
            if p[axis] >= size { p[axis] = 2 * size - 1 - p[axis] }
            true
        }));
        let stacked = Tensor::stack(&[&x, &x], along).unwrap();
        let mut target = shape.clone();
        target.insert(axis, 2);
        check(&stacked, &moved(&target, &|p| { p.remove(axis); true }));
        let steps = (Some(n - 4), None, -2);
        let indices: Vec<usize> = (0..size).rev().collect();
        let start = if n < 4 { n - 4 + size as isize } else { (n - 4).min(size as isize - 1) };
        let chosen: Vec<usize> = indices.into_iter().filter(|&k| k as isize <= start && (start - k as isize) % 2 == 0).collect();
        let first = x.transpose(0, along).unwrap().slice(steps).unwrap().transpose(0, along).unwrap();
        check(&first, &moved(&resized(axis, chosen.len()), &|p| { p[axis] = chosen[p[axis]]; true }));
        let pieces = x.split([size / 2, 0, size - size / 2], along).unwrap();
        check(&Tensor::concat(&pieces.iter().collect::<Vec<_>>(), along).unwrap(), &a);
        let chunks = x.chunk(3, along).unwrap();
        check(&Tensor::concat(&chunks.iter().collect::<Vec<_>>(), along).unwrap(), &a);
        check(&x.flatten(), &a.clone().into_shape_with_order(IxDyn(&[a.len()])).unwrap_or_else(|_| a.iter().copied().collect::<ndarray::Array1<_>>().into_dyn()));
        let reversed: Vec<isize> = (0..shape.len() as isize).rev().collect();
        check(&x.permute(&reversed).unwrap(), &a.t().to_owned());
        if shape.len() >= 2 {
            let (rows, columns) = (shape.len() - 2, shape.len() - 1);
            let (lower, upper) = (x.tril(n - 4).unwrap(), x.triu(n - 4).unwrap());
            let diagonal = |p: &[usize]| p[columns] as isize - p[rows] as isize;
            for position in positions(&shape) {
                let x = a[&position[..]];
                let expected = if diagonal(&position) <= n - 4 { x } else { 0.0 };
                prop_assert_eq!(array(&lower)[&position[..]], expected);
                let expected = if diagonal(&position) >= n - 4 { x } else { 0.0 };
                prop_assert_eq!(array(&upper)[&position[..]], expected);
            }
        }
    }

    #[test]
    fn selections(shape in shapes(1..=3), view in views(), axis in 0..3usize, picks in shapes(0..=2), seed: u64) {
        let axis = axis % shape.len();
        let along = axis as isize;
        let size = shape[axis];
        let x = make(&shape, view, seed);
        let a = array(&x);
        let index = |shape: &[usize]| {
            let numbers = values(shape.iter().product(), seed ^ 3);
            let numbers: Vec<i64> = numbers.iter().map(|x| (x * 8.0) as i64 + 20).map(|k| k % size.max(1) as i64).collect();
            Tensor::from_vec(numbers, shape).unwrap()
        };
        let picks = index(&picks);
        if size == 0 && picks.size() > 0 {
            prop_assert!(x.take(&picks, along).is_err());
            return Ok(());
        }
        let p = picks.view::<i64>().unwrap();
        let target: Vec<usize> =
            shape[..axis].iter().chain(p.shape()).chain(&shape[axis + 1..]).copied().collect();
        // The source position of an element of the taken tensor.
        let source = |place: &[usize]| -> Vec<usize> {
            let end = axis + p.ndim();
            let entry = p[&place[axis..end]] as usize;
            place[..axis].iter().chain([&entry]).chain(&place[end..]).copied().collect()
        };
        let taken = x.take(&picks, along).unwrap();
        check(&taken, &ArrayD::from_shape_fn(IxDyn(&target), |index| a[&source(ndarray::Dimension::slice(&index))[..]]));
        let mut sums = ArrayD::zeros(IxDyn(&shape));
        for place in positions(&target) {
            sums[&source(&place)[..]] += array(&taken)[&place[..]];
        }
        check(&taken.index_add(&picks, along, size).unwrap(), &sums);

        // An index as long as the tensor, but one shorter on the first axis.
        let mut short = shape.clone();
        short[0] = short[0].saturating_sub(1);
        let index = index(&short);
        let i = index.view::<i64>().unwrap();
        let place = |position: &[usize]| {
            let mut place = position.to_vec();
            place[axis] = i[position] as usize;
            place
        };
        let gathered = x.gather(&index, along).unwrap();
        check(&gathered, &ArrayD::from_shape_fn(IxDyn(&short), |index| a[&place(ndarray::Dimension::slice(&index))[..]]));
        let mut sums = a.clone();
        for position in positions(&short) {
            sums[&place(&position)[..]] += a[&position[..]];
        }
        check(&x.scatter_add(&index, &x, along).unwrap(), &sums);

        let mask = x.greater(0).unwrap();
        let chosen: Vec<f64> = a.iter().copied().filter(|&x| x > 0.0).collect();
        check(&x.masked_select(&mask).unwrap(), &ArrayD::from_shape_vec(IxDyn(&[chosen.len()]), chosen).unwrap());
        check(&x.masked_fill(&mask, -1).unwrap(), &a.mapv(|x| if x > 0.0 { -1.0 } else { x }));
        let places: Vec<f64> =
            positions(&shape).into_iter().filter(|p| a[&p[..]] != 0.0).flatten().map(|k| k as f64).collect();
        let rows = places.len() / shape.len();
        check(&x.nonzero(), &ArrayD::from_shape_vec(IxDyn(&[rows, shape.len()]), places).unwrap());
        let one_hot = picks.one_hot(size.max(1)).unwrap();
        for (place, &hot) in array(&one_hot).indexed_iter() {
            let (class, place) = ndarray::Dimension::slice(&place).split_last().unwrap();
            prop_assert_eq!(hot, f64::from(p[place] as usize == *class));
        }
    }

    #[test]
    fn scans(shape in shapes(1..=4), view in views(), axis in 0..4usize, descending: bool, seed: u64) {
        let axis = axis % shape.len();
        let along = axis as isize;
        let x = make(&shape, view, seed);
        let a = array(&x);
        let lanes = |f: &dyn Fn(&[f64]) -> Vec<f64>| {
            let mut out = a.clone();
            for mut lane in out.lanes_mut(ndarray::Axis(axis)) {
                let result = f(&lane.to_vec());
                lane.iter_mut().zip(result).for_each(|(x, y)| *x = y);
            }
            out
        };
        let running = |row: &[f64], start: f64, f: fn(f64, f64) -> f64| -> Vec<f64> {
            row.iter().scan(start, |state, &x| { *state = f(*state, x); Some(*state) }).collect()
        };
        check(&x.cumsum(along).unwrap(), &lanes(&|row| running(row, 0.0, |a, b| a + b)));
        check(&x.cumprod(along).unwrap(), &lanes(&|row| running(row, 1.0, |a, b| a * b)));
        let integers = x.cast(DType::I64).cumsum(along).unwrap();
        prop_assert_eq!(integers.dtype(), DType::I64);
        check(&integers, &lanes(&|row| running(row, 0.0, |a, b| a + b.trunc())));
        let order = |row: &[f64]| {
            let mut order: Vec<usize> = (0..row.len()).collect();
            order.sort_by(|&a, &b| if descending { row[b].total_cmp(&row[a]) } else { row[a].total_cmp(&row[b]) });
            order
        };
        let (sorted, indices) = if descending { x.sort_descending(along) } else { x.sort(along) }.unwrap();
        check(&sorted, &lanes(&|row| order(row).into_iter().map(|k| row[k]).collect()));
        check(&indices, &lanes(&|row| order(row).into_iter().map(|k| k as f64).collect()));
        let k = shape[axis] / 2;
        let (best, places) = if descending { x.topk(k, along) } else { x.bottomk(k, along) }.unwrap();
        let first = |x: &Tensor| x.split([k, shape[axis] - k], along).unwrap().swap_remove(0);
        check(&best, &array(&first(&sorted)));
        check(&places, &array(&first(&indices)));
        for (found, expected) in [
            (x.softmax(along), lanes(&|row| {
                let sum: f64 = row.iter().map(|x| x.exp()).sum();
                row.iter().map(|x| x.exp() / sum).collect()
            })),
            (x.log_softmax(along), lanes(&|row| {
                let sum: f64 = row.iter().map(|x| x.exp()).sum();
                row.iter().map(|x| x - sum.ln()).collect()
            })),
            (apply(Fused::SoftmaxGradient { axis }, &[&x, &x]), lanes(&|row| {
                let sum: f64 = row.iter().map(|x| x * x).sum();
                row.iter().map(|x| x * (x - sum)).collect()
            })),
            (apply(Fused::LogSoftmaxGradient { axis }, &[&x, &(&x - 3.0)]), lanes(&|row| {
                let sum: f64 = row.iter().sum();
                row.iter().map(|x| x - (x - 3.0).exp() * sum).collect()
            })),
        ] {
            check(&found.unwrap(), &expected);
        }
    }
}

/// Shapes large enough for several tasks, which random small ones never are.
#[test]
fn work_split_over_tasks() {
    let x = make(&[70, 33, 41], View::Plain, 5);
    let total: f64 = x.to_vec::<f64>().unwrap().iter().sum();
    assert!((x.sum().item().unwrap() - total).abs() < 1e-9);
    for axes in [[0, 1], [0, 2], [1, 2]] {
        let sums = x.sum_axis(axes).unwrap();
        assert!((sums.sum().item().unwrap() - total).abs() < 1e-9, "{axes:?}");
    }
    let y = x.permute([2, 0, 1]).unwrap();
    assert_eq!((&y + &y).permute([1, 2, 0]).unwrap().to_vec::<f64>().unwrap(), (&x * 2).to_vec::<f64>().unwrap());
    let index: Tensor = (0..3000i64).map(|k| k * 7 % 70).collect();
    let taken = x.take(&index, 0).unwrap();
    assert_eq!(
        taken.at(2999, 0).unwrap().to_vec::<f64>().unwrap(),
        x.at(2999 * 7 % 70, 0).unwrap().to_vec::<f64>().unwrap()
    );
    let index = index.reshape([3000, 1, 1]).unwrap().expand([3000, 33, 41]).unwrap();
    assert_eq!(x.gather(&index, 0).unwrap().to_vec::<f64>().unwrap(), taken.to_vec::<f64>().unwrap());
    let a = make(&[300, 200], View::Transposed, 1);
    let b = make(&[200, 500], View::Flipped, 2);
    let product = a.matmul(&b).unwrap();
    let matrix = |x: &Tensor| array(x).into_dimensionality::<ndarray::Ix2>().unwrap();
    let expected = matrix(&a).dot(&matrix(&b));
    check(&product, &expected.into_dyn());
}
