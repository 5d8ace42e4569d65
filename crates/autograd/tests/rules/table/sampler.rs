//! Draws operands of a given shape, with values away from kinks and unusual memory layouts.

use autograd::tensor::{DType, Generator, Shape, Tensor};
use serde_json::{Value, json};

/// Draws the operands of one case from a shape and a seed.
pub(crate) struct Sampler {
    /// The shape that proptest drew.
    pub(crate) shape: Vec<usize>,
    /// The distance by which the drawn operands may change without reaching a kink or leaving the domain.
    pub(crate) room: f64,
    generator: Generator,
}

impl Sampler {
    /// The distance for operands that may be any moderate numbers.
    pub(crate) const ANYWHERE: f64 = 0.5;

    pub(crate) fn new(shape: &[usize], seed: u64) -> Sampler {
        Sampler { shape: shape.to_vec(), room: Self::ANYWHERE, generator: Generator::new(seed) }
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let draw = self.generator.integers([], 0..bound as i64).expect("a bound above 0");
        draw.item().expect("a scalar") as usize
    }

    pub(crate) fn coin(&mut self) -> bool {
        self.below(2) == 1
    }

    /// Float64 numbers of a shape in a range, as a view with one of several memory layouts, or with stride 0 along an axis.
    /// A positive range stays positive, for logarithms.
    pub(crate) fn within(&mut self, shape: &[usize], low: f64, high: f64) -> Tensor {
        self.room = self.room.min((high - low) / 8.0).min(if low > 0.0 { low / 2.0 } else { Self::ANYWHERE });
        if let Some(axis) = shape.iter().position(|&n| n > 1).filter(|_| self.below(5) == 0) {
            let mut part = shape.to_vec();
            part[axis] = 1;
            return self.within(&part, low, high).expand(shape).expect("one element for all").stop_gradient();
        }
        let size: usize = shape.iter().product();
        let values = self.generator.uniform([size], low..high).expect("a range").cast(DType::F64);
        let values = values.to_vec::<f64>().expect("float64");
        self.view(values, shape)
    }

    /// Numbers between -2 and 2 that are at least 0.1 from zero.
    pub(crate) fn apart_from_zero(&mut self, shape: &[usize]) -> Tensor {
        self.room = self.room.min(0.05);
        let x = self.within(shape, -1.9, 1.9);
        let moved = x.greater_equal(0.0).expect("numbers").select(&x + 0.1, &x - 0.1).expect("one shape");
        moved.stop_gradient()
    }

    /// Numbers of which no two are closer than 0.1, so small changes do not change their order.
    pub(crate) fn distinct(&mut self, shape: &[usize]) -> Tensor {
        self.room = self.room.min(0.02);
        let size: usize = shape.iter().product();
        let order = self.generator.permutation(size).to_vec::<i64>().expect("int64");
        let values = order.iter().map(|&k| (k as f64 - size as f64 / 2.0) * 0.11 + 0.037).collect();
        self.view(values, shape)
    }

    /// `(k + offset) · step` for whole numbers `k` below `count`: never near a multiple of the step.
    pub(crate) fn between_multiples(&mut self, shape: &[usize], count: usize, offset: f64, step: f64) -> Tensor {
        self.room = self.room.min(0.02);
        let x = (self.indices(shape, count).cast(DType::F64) + offset) * step;
        x.stop_gradient()
    }

    /// Booleans.
    pub(crate) fn mask(&mut self, shape: &[usize]) -> Tensor {
        self.generator.bernoulli(Shape::from(shape), 0.5).expect("a probability")
    }

    /// Indices below `size`.
    pub(crate) fn indices(&mut self, shape: &[usize], size: usize) -> Tensor {
        self.generator.integers(Shape::from(shape), 0..size as i64).expect("a size above 0")
    }

    /// A shape that broadcasts to the drawn one: some leading axes are dropped, some others are 1.
    pub(crate) fn broadcast_shape(&mut self) -> Vec<usize> {
        let shape = self.shape.clone();
        let dropped = self.below(shape.len() + 1) * self.below(2);
        shape[dropped..].iter().map(|&n| if self.below(3) == 0 { 1 } else { n }).collect()
    }

    /// An axis of the drawn shape, negative in half of the cases. `None` for a scalar.
    pub(crate) fn axis(&mut self) -> Option<isize> {
        let rank = self.shape.len();
        let axis = if rank == 0 { return None } else { self.below(rank) as isize };
        Some(if self.coin() { axis - rank as isize } else { axis })
    }

    /// `axes` and `keepdims`: none, some or all axes.
    pub(crate) fn reduction(&mut self) -> Value {
        let rank = self.shape.len() as i64;
        let mut chosen = Vec::new();
        for axis in 0..rank {
            if self.coin() {
                chosen.push(if self.coin() { axis } else { axis - rank });
            }
        }
        let axes = if self.below(4) == 0 { Value::Null } else { json!(chosen) };
        json!({"axes": axes, "keepdims": self.coin()})
    }

    /// The values as a tensor with a contiguous, transposed, reversed or interleaved memory layout.
    fn view(&mut self, values: Vec<f64>, shape: &[usize]) -> Tensor {
        let plain = Tensor::from_vec(values, shape).expect("as many values as the shape has");
        let rank = shape.len() as isize;
        let view = match self.below(4) {
            0 => Ok(plain),
            1 => {
                // Stored with the axes reversed.
                let back: Vec<isize> = (0..rank).rev().collect();
                let stored = plain.permute(&back).expect("all axes");
                Tensor::from_vec(stored.to_vec::<f64>().expect("float64"), stored.shape())
                    .and_then(|x| x.permute(&back))
            }
            2 => {
                let stored = plain.flip(..).expect("all axes");
                Tensor::from_vec(stored.to_vec::<f64>().expect("float64"), stored.shape()).and_then(|x| x.flip(..))
            }
            _ => {
                // Every second element along a new last axis.
                let other = &plain * 0.0 - 7.0;
                Tensor::stack(&[&other, &plain], -1).and_then(|both| {
                    let last = both.rank() - 1;
                    let mut ranges = vec![(None, None, 1); last];
                    ranges.push((Some(1), None, 1));
                    slice_all(&both, &ranges).and_then(|x| x.squeeze(-1))
                })
            }
        };
        view.expect("views of the drawn values").stop_gradient()
    }
}

/// A slice along the leading axes, whose number is only known at run time.
pub(crate) fn slice_all(x: &Tensor, ranges: &[(Option<isize>, Option<isize>, isize)]) -> autograd::Result<Tensor> {
    let mut x = x.clone();
    for (axis, &range) in ranges.iter().enumerate() {
        let order = |axis: usize| -> Vec<isize> {
            let mut order: Vec<isize> = (0..x.rank() as isize).collect();
            order.swap(0, axis);
            order
        };
        let order = order(axis);
        x = x.permute(&order)?.slice(range)?.permute(&order)?;
    }
    Ok(x)
}
