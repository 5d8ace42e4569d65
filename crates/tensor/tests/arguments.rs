//! Sizes and axes can be passed in any integer type and in any kind of list.
#![allow(clippy::needless_borrows_for_generic_args, reason = "borrowed lists are among the forms")]

use tensor::{DType, Result, Tensor, tensor};

/// `[2, 3, 4]`, filled with 0 to 23.
fn block() -> Result<Tensor> {
    Tensor::arange(0, 24, 1)?.reshape([2, 3, 4])
}

#[test]
fn reshape_takes_sizes_of_any_integer_type() -> Result<()> {
    let x = block()?;
    let n = x.shape()[0];
    let (wide, narrow) = (6_i64, 6_i32);
    let shapes = [
        x.reshape([n, 12])?,
        x.reshape([n as isize, -1])?,
        x.reshape([2, -1])?,
        x.reshape([-1, wide * 2])?,
        x.reshape([narrow / 3, 12])?,
        x.reshape(&[2, 12])?,
        x.reshape(vec![n, 12])?,
        x.reshape(&vec![2, -1])?,
        x.reshape(&x.reshape([2, 12])?.shape()[..])?,
        x.reshape(x.reshape([2, 12])?.shape())?,
        x.reshape(x.reshape([2, 12])?.shape().clone())?,
    ];
    for y in shapes {
        assert_eq!(y.shape(), &[2, 12]);
        assert_eq!(y.to_vec::<i64>()?, x.to_vec::<i64>()?);
    }
    assert_eq!(x.reshape(24)?.shape(), &[24]);
    assert_eq!(x.reshape(-1)?.shape(), &[24]);
    assert_eq!(tensor![[5.0]].reshape(())?.rank(), 0);
    let none: [usize; 0] = [];
    assert_eq!(tensor![[5.0]].reshape(none)?.rank(), 0);
    Ok(())
}

#[test]
fn permute_and_reductions_take_axes_in_one_form() -> Result<()> {
    let x = block()?;
    let (last, order) = (x.rank() - 1, vec![0_usize, 2, 1]);
    for y in [
        x.permute([0, 2, 1])?,
        x.permute(&[0, 2, 1])?,
        x.permute([0, -1, 1])?,
        x.permute([0, last, 1])?,
        x.permute(&order)?,
        x.permute(&order[..])?,
        x.permute(order)?,
        x.transpose(1, last)?,
        x.transpose(-1, 1_i64)?,
    ] {
        assert_eq!(y.shape(), &[2, 4, 3]);
        assert_eq!(y.at(1, 0)?.at(0, 0)?.to_vec::<i64>()?, [12, 16, 20]);
    }
    for y in [x.sum_axis([1, 2])?, x.sum_axis(vec![2, 1])?, x.sum_axis([last, 1])?, x.sum_axis(&[-1, 1][..])?] {
        assert_eq!(y.to_vec::<i64>()?, [66, 210]);
    }
    assert_eq!(x.sum_axis(last)?.to_vec::<i64>()?, x.sum_axis(-1)?.to_vec::<i64>()?);
    assert_eq!(x.sum_axis(())?.shape(), x.shape());
    assert_eq!(x.sum_axis(..)?.item()?, 276.0);
    Ok(())
}

#[test]
fn single_axes_and_positions_are_of_any_integer_type() -> Result<()> {
    let x = block()?;
    let (last, size) = (x.rank() - 1, x.shape()[2]);
    assert_eq!(x.at(size - 1, last)?.to_vec::<i64>()?, x.at(-1, -1)?.to_vec::<i64>()?);
    assert_eq!(x.roll(size - 1, last)?.to_vec::<i64>()?, x.roll(-1, 2_i64)?.to_vec::<i64>()?);
    assert_eq!(x.cumsum(last)?.to_vec::<i64>()?, x.cumsum(-1)?.to_vec::<i64>()?);
    assert_eq!(x.cast(DType::F32).softmax(last)?.shape(), x.shape());
    assert_eq!(Tensor::concat(&[&x, &x], last)?.shape(), &[2, 3, 8]);
    assert_eq!(x.expand_dims(last + 1)?.shape(), &[2, 3, 4, 1]);
    let square = Tensor::ones([3, 3]);
    assert_eq!(square.tril(last - 2)?.sum().item()?, 6.0);
    Ok(())
}

#[test]
fn lists_of_sizes_are_arrays_slices_or_vectors() -> Result<()> {
    let x = block()?;
    let sizes = vec![1_usize, 3];
    for pieces in [x.split([1, 3], -1)?, x.split(&[1, 3], -1)?, x.split(&sizes, 2)?, x.split(&sizes[..], 2_usize)?] {
        assert_eq!(pieces[1].shape(), &[2, 3, 3]);
    }
    for y in [x.tile([2, 1, 1])?, x.tile(&[2, 1, 1])?, x.tile(vec![2, 1, 1])?] {
        assert_eq!(y.shape(), &[4, 3, 4]);
    }
    let pads = vec![(0, 0), (1, 0), (0, 2)];
    for y in [x.pad([(0, 0), (1, 0), (0, 2)], 0.0)?, x.pad(&[(0, 0), (1, 0), (0, 2)], 0.0)?, x.pad(&pads, 0.0)?] {
        assert_eq!(y.shape(), &[2, 4, 6]);
    }
    assert_eq!(Tensor::zeros(&sizes).shape(), &[1, 3]);
    assert_eq!(Tensor::ones(()).item()?, 1.0);
    Ok(())
}

#[test]
fn sizes_and_axes_out_of_range_are_errors_in_every_type() {
    let x = Tensor::zeros([2, 3]);
    let message = |result: Result<Tensor>| result.unwrap_err().to_string();
    let axis = "sum: axis 2 is out of range for a tensor of rank 2, whose axes are -2 to 1";
    assert_eq!(message(x.sum_axis(2)), axis);
    assert_eq!(message(x.sum_axis([0, 2_usize])), axis);
    assert_eq!(message(x.reshape([7_usize, 2])), "reshape: [2, 3] → [7, 2]: 6 elements cannot become 14");
    assert_eq!(message(x.reshape(-7_i64)), "reshape: [2, 3] → [-7]: a size is negative");
    assert_eq!(message(x.at(3_usize, 1)), "at: index 3 is out of range for an axis of size 3");
}
