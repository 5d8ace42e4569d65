//! Convolutions whose windows reach so far beyond the image, or whose places of the kernel lie so far apart, that a
//! padded copy would take far more memory than operands and result. Every element is read in place; nothing is copied.

use crate::dtype::Float;
use crate::kernels::conv::{Convolution, Correlation};
use crate::kernels::threads::for_chunks;
use crate::kernels::windows::{Images, Line};
use crate::storage::Buffer;

/// The line of an output, and the output's number on it.
fn on_line(lines: &[Line], output: usize) -> (&Line, usize) {
    let every = lines[0].every;
    (&lines[output % every], output / every)
}

impl<T: Float> Correlation<'_, T> {
    /// Computes every element of the target, `out`.
    pub(super) fn sparse(&self, convolution: &Convolution, out: &mut [T]) {
        let [height, width] = self.target;
        let columns = convolution.axes[1].kernel;
        let [depth, channels] = [self.source.channels, self.channels].map(|channels| channels / convolution.groups);
        let [inputs, outputs] = [convolution.inputs, convolution.outputs].map(|channels| channels / convolution.groups);
        for_chunks(out, width * self.channels, |start, out| {
            let row = start / (width * self.channels);
            let image = self.source.image(row / height);
            let (y, row) = on_line(self.lines[0], row % height);
            out.fill(T::zero());
            for (column, out) in out.chunks_mut(self.channels).enumerate() {
                let (x, column) = on_line(self.lines[1], column);
                let rows = y.inside(row, image.size[0]);
                let taps = rows.flat_map(|j| x.inside(column, image.size[1]).map(move |k| (j, k)));
                for (j, k) in taps {
                    let element = image.element([y.source(row, j), x.source(column, k)]);
                    let place = (y.place_of(j) * columns + x.place_of(k)) * inputs * convolution.outputs;
                    for group in 0..convolution.groups {
                        let factors = &self.kernel[place + group * outputs..];
                        let source = &element[group * depth..][..depth];
                        for (c, out) in out[group * channels..][..channels].iter_mut().enumerate() {
                            let products = source.iter().zip(factors[c * self.column..].iter().step_by(self.inner));
                            *out += products.map(|(&x, &factor)| x * factor).sum::<T>();
                        }
                    }
                }
            }
        });
    }
}

impl Convolution {
    /// The gradient of the kernel.
    pub(super) fn sparse_kernel<T: Float>(&self, source: &Images<T>, gradient: &[T]) -> Buffer {
        let [y, x] = self.axes.map(|axis| axis.forward());
        let [height, width] = self.axes.map(|axis| axis.output);
        let [inputs, outputs] = [self.inputs, self.outputs].map(|channels| channels / self.groups);
        let [rows, columns] = self.axes.map(|axis| axis.kernel);
        let mut sums = Buffer::filled(rows * columns * inputs * self.outputs, T::zero());
        for_chunks(sums.as_mut_slice::<T>(), inputs * self.outputs, |start, sums| {
            let place = start / (inputs * self.outputs);
            let (j, k) = (place / columns, place % columns);
            let across = x.meeting(k, source.size[1], width);
            let met =
                y.meeting(j, source.size[0], height).flat_map(|row| across.clone().map(move |column| (row, column)));
            for (image, (row, column)) in (0..self.images).flat_map(|image| met.clone().map(move |met| (image, met))) {
                let element = source.image(image).element([y.source(row, j), x.source(column, k)]);
                let gradient = &gradient[((image * height + row) * width + column) * self.outputs..][..self.outputs];
                for group in 0..self.groups {
                    let gradient = &gradient[group * outputs..][..outputs];
                    for (&x, sums) in element[group * inputs..].iter().zip(sums.chunks_mut(self.outputs)) {
                        let sums = sums[group * outputs..][..outputs].iter_mut();
                        sums.zip(gradient).for_each(|(sum, &g)| *sum += x * g);
                    }
                }
            }
        });
        sums
    }
}
