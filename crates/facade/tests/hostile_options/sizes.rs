//! Impossible sizes: functions that return a `Result` return an error, others panic like `Vec`.

use std::panic::catch_unwind;

use tensor::ops::{Normalize, Reduce, Reduction, apply, apply_all};
use tensor::{DType, Result, Tensor, tensor};

use crate::called;

/// A view of this many elements that takes no memory.
fn view(shape: &[usize]) -> Tensor {
    Tensor::scalar(1.0).expand(shape).unwrap()
}

fn assert_too_large<T>(name: &str, call: impl FnOnce() -> Result<T>) {
    let message = called(name, call).err().map_or("no error".into(), |error| error.to_string());
    assert!(message.contains("memory"), "{name}: {message}");
}

#[test]
fn what_returns_a_result_refuses_sizes_that_memory_cannot_address() {
    let (long, half) = (view(&[1 << 58]), view(&[1 << 30]));
    let (column, row) = (view(&[1 << 30, 1]), view(&[1, 1 << 30]));
    let many = vec![&long; 4];
    assert_too_large("concat", || Tensor::concat(&many, 0));
    assert_too_large("stack", || Tensor::stack(&many, 0));
    assert_too_large("outer", || half.outer(&half));
    assert_too_large("try_add", || column.try_add(&row));
    assert_too_large("less", || column.less(&row));
    assert_too_large("select", || column.less(0.0)?.select(&row, 0.0));
    assert_too_large("maximum", || column.maximum(&row));
    assert_too_large("broadcast", || Tensor::broadcast(&[&column, &row]));
    assert_too_large("allclose", || column.allclose(&row, 0.0, 0.0));
    assert_too_large("einsum", || Tensor::einsum("i,j->ij", &[&half, &half]));
    assert_too_large("einsum", || Tensor::einsum("ik,jk->ij", &[&column, &column]));
    assert_too_large("matmul", || column.matmul(&row));
    assert_too_large("tile", || half.tile([1 << 30]));
    assert_too_large("unstack", || long.unstack(0));
    assert_too_large("chunk", || long.chunk(usize::MAX, 0));
    let image = Tensor::ones([1, 2, 2, 1]);
    assert_too_large("adaptive_max_pool2d", || image.adaptive_max_pool2d([usize::MAX, 1]));
    assert_too_large("adaptive_average_pool2d", || image.adaptive_average_pool2d([1, usize::MAX]));
    assert_too_large("arange", || Tensor::arange(0, i64::MAX, 1));
    assert_too_large("arange", || Tensor::arange(0.0, 1e300, 1.0));
    assert_too_large("one_hot", || tensor![1].one_hot(usize::MAX));
}

#[test]
fn a_tensor_of_no_elements_may_have_any_other_size_but_nothing_of_that_size_is_made() {
    let x = Tensor::zeros([0, usize::MAX]);
    assert_eq!((x.size(), x.sum().item().unwrap()), (0, 0.0));
    assert_too_large("sum_axis", || x.sum_axis(0));
    assert_too_large("mean_keepdims", || x.mean_keepdims(0));
    assert_too_large("logsumexp", || x.logsumexp_axis(0));
    assert_too_large("var", || x.var_axis(0));
    assert_eq!(called("sum_axis", || x.sum_axis(1)).unwrap().shape(), &[0]);
    assert_too_large("unstack", || x.unstack(1));

    // Nothing iterates over the size, either.
    let shapes: [[usize; 3]; 4] = [[1 << 60, 0, 1 << 60], [0, 1 << 62, 1 << 62], [0, 1 << 62, 2], [1 << 10, 0, 3]];
    for x in shapes.map(Tensor::zeros).into_iter().chain([x, Tensor::zeros([usize::MAX, 0])]) {
        let same = |y: &Tensor| assert_eq!(y.shape(), x.shape());
        same(&x.exp());
        same(&x.relu());
        same(&(&x + &x));
        same(&x.try_mul(2.0).unwrap());
        same(&x.cast(DType::I64));
        assert_eq!(x.flatten().shape(), &[0]);
        assert_eq!(x.nonzero().shape(), &[0, x.rank()]);
        assert_eq!(x.to_vec::<f32>().unwrap().len(), 0);
        let _ = called(x.shape(), || x.view::<f32>().map(drop));
        let _ = called(x.shape(), || x.clone().into_array::<f32>().map(drop));
        assert!(!format!("{x} {x:?}").is_empty());
        for axis in 0..x.rank() as isize {
            let _ = called(axis, || x.cumsum(axis).inspect(&same));
            let _ = called(axis, || x.sort(axis).map(|(values, _)| same(&values)));
            let _ = called(axis, || x.softmax(axis).inspect(&same));
            let _ = called(axis, || x.log_softmax(axis).inspect(&same));
            let _ = called(axis, || x.argmax_axis(axis));
            let _ = called(axis, || x.max_axis(axis));
            let _ = called(axis, || x.prod_axis(axis));
            let _ = called(axis, || x.norm_keepdims(axis));
            let _ = called(axis, || x.topk(0, axis));
            let _ = called(axis, || x.flip(axis));
            let _ = called(axis, || x.roll(3, axis));
            let _ = called(axis, || x.at(0, axis));
            let _ = called(axis, || x.unstack(axis));
            let _ = called(axis, || x.chunk(3, axis));
            let _ = called(axis, || x.take(&tensor![0], axis));
            let _ = called(axis, || x.normalize(axis, 1e-5));
            let _ = called(axis, || x.rms_normalize(axis, 1e-5));
            let _ = called(axis, || Tensor::concat(&[&x, &x], axis));
            let _ = called(axis, || Tensor::stack(&[&x, &x], axis));
        }
        let _ = called(x.shape(), || x.t());
        let _ = called(x.shape(), || x.tril(0));
        let _ = called(x.shape(), || x.matmul(&x));
        let _ = called(x.shape(), || x.matmul(x.t()?));
        let _ = called(x.shape(), || x.t()?.matmul(&x));
        let _ = called(x.shape(), || Tensor::einsum("...ij,...ij->...", &[&x, &x]));
        let _ = called(x.shape(), || Tensor::einsum("...ij,...kj->...ik", &[&x, &x]));
        let _ = called(x.shape(), || x.softmax_cross_entropy(&tensor![0]));
        let _ = called(x.shape(), || x.try_add(Tensor::ones([3, 1, 1])));
        for reduction in [Reduction::Sum, Reduction::Mean, Reduction::Norm, Reduction::ArgMax] {
            let reduce = Reduce { reduction, axes: (0..x.rank()).collect(), keepdims: true };
            let _ = called(reduction, || apply(reduce, &[&x]));
        }
        if let Ok(grouped) = x.reshape([x.shape()[0], 1, 1, x.shape()[1]]) {
            let one = Tensor::scalar(1.0);
            let _ = called(x.shape(), || {
                apply_all(Normalize::Normalize { epsilon: 0.0 }, &[&grouped, &one, &one]).map(drop)
            });
        }
    }
}

#[test]
fn what_returns_no_result_panics_as_a_vector_does() {
    type Make = fn() -> Tensor;
    let makers: [(&str, Make); 8] = [
        ("zeros", || Tensor::zeros([usize::MAX])),
        ("zeros", || Tensor::zeros([1 << 32, 1 << 32])),
        ("ones", || Tensor::ones([1 << 62, 2])),
        ("full", || Tensor::full([1 << 61], 1.0)),
        ("full_of", || Tensor::full_of([1 << 60], 1.0, DType::F64)),
        ("eye", || Tensor::eye(1 << 32)),
        ("linspace", || Tensor::linspace(0.0, 1.0, usize::MAX)),
        ("permutation", || Tensor::permutation(usize::MAX)),
    ];
    for (name, make) in makers {
        let panic = catch_unwind(make).expect_err(name);
        let message = panic.downcast_ref::<String>().cloned();
        let message = message.or_else(|| panic.downcast_ref::<&str>().map(|message| message.to_string()));
        assert!(message.is_some_and(|message| message.contains("capacity overflow")), "{name}");
    }
}
