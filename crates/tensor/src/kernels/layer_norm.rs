//! Layer normalization: every group is a line of contiguous elements, and all have the same `gamma` and `beta`. Each task
//! computes the statistics of some lines and their results while they are in the cache.

use crate::dtype::Float;
use crate::kernels::lanes::{Vectorized, run_vector_loop};
use crate::kernels::layer_norm_loops::{Backward, Forward};
use crate::kernels::normalize::{Groups, Statistics};
use crate::kernels::scaled::is_ordinary;
use crate::kernels::threads::{CHUNK, for_chunks, for_rows};
use crate::storage::Buffer;

/// Lines whose contributions to the gradients of `gamma` and `beta` are added in the element type before the sums are
/// added in float64.
const LINES: usize = 64;

impl Groups {
    /// The normalized, scaled and shifted elements, the means and the variances, as [`Groups::statistics`] and
    /// [`Groups::forward`] compute them; `None` if the groups are not lines.
    pub(crate) fn lines_forward<T: Vectorized>(
        &self,
        x: &[T],
        [gamma, beta]: [&[T]; 2],
        epsilon: f64,
    ) -> Option<[Buffer; 3]> {
        if !self.are_lines() {
            return None;
        }
        let width = self.columns;
        let mut buffers = [x.len(), self.outer, self.outer].map(Buffer::new::<T>);
        let [out, mean, variance] = buffers.each_mut().map(|buffer| buffer.as_mut_slice::<T>());
        for_rows(self.outer, lines_per_task(width), [&mut *out, &mut *mean, &mut *variance], |lines, parts| {
            let x = &x[lines.start * width..lines.end * width];
            let [out, mean, variance] = parts;
            run_vector_loop(Forward { x, gamma, beta, epsilon, out, mean, variance });
        });
        if !are_in_range([mean, variance], epsilon) {
            // These lines are scaled, and leave the others alone.
            let one = Groups { outer: 1, ..*self };
            let lines = x.chunks(width).zip(out.chunks_mut(width)).zip(mean.iter_mut().zip(variance));
            for ((x, out), (mean, variance)) in
                lines.filter(|(_, (mean, variance))| !is_in_range(**mean, **variance, epsilon))
            {
                let (x, statistics) = one.in_range(x, one.statistics(x), epsilon);
                out.copy_from_slice(one.forward(&x, [gamma, beta], &statistics, epsilon).as_slice());
                let [of_x, of_squares] = statistics.of_elements();
                (*mean, *variance) = (T::from_f64(of_x[0]), T::from_f64(of_squares[0]));
            }
        }
        Some(buffers)
    }

    /// The gradients of `x`, `gamma` and `beta` from that of the result, as [`Groups::gradient`] computes them; `None` if
    /// the groups are not lines.
    pub(crate) fn lines_gradient<T: Vectorized>(
        &self,
        [g, x]: [&[T]; 2],
        gamma: &[T],
        [mean, variance]: [&[T]; 2],
        epsilon: f64,
    ) -> Option<[Buffer; 3]> {
        if !self.are_lines() {
            return None;
        }
        if are_in_range([mean, variance], epsilon) {
            let scale = |line: usize| 1.0 / (variance[line].to_f64() + epsilon).sqrt();
            return Some(self.gradient_of_lines([g, x], gamma, mean, scale));
        }
        let [of_x, of_squares] = [mean, variance].map(|values| values.iter().map(|&x| x.to_f64()).collect());
        let (x, statistics) = self.in_range(x, Statistics::new(of_x, of_squares), epsilon);
        let scales = statistics.scales(epsilon);
        let mean: Vec<T> = statistics.mean.iter().map(|&mean| T::from_f64(mean)).collect();
        let mut parts = self.gradient_of_lines([g, &x], gamma, &mean, |line| scales[line]);
        self.multiply(parts[0].as_mut_slice::<T>(), &statistics.factors);
        Some(parts)
    }

    /// The gradients, given the means and the factors `1 / √(variance + epsilon)` of the lines.
    fn gradient_of_lines<T: Vectorized>(
        &self,
        [g, x]: [&[T]; 2],
        gamma: &[T],
        mean: &[T],
        scale: impl Fn(usize) -> f64 + Sync,
    ) -> [Buffer; 3] {
        let width = self.columns;
        let mut out = Buffer::new::<T>(x.len());
        let together = lines_per_task(width);
        // Each task with the sums for `gamma` and `beta`.
        let tasks = out.as_mut_slice::<T>().chunks_mut(together * width);
        let mut tasks: Vec<(&mut [T], [Vec<f64>; 2])> =
            tasks.map(|out| (out, [(); 2].map(|()| vec![0.0; width]))).collect();
        for_chunks(&mut tasks, 1, |task, tasks| {
            let (out, sums) = &mut tasks[0];
            let mut parts = [(); 2].map(|()| vec![T::zero(); width]);
            for (k, out) in out.chunks_mut(LINES * width).enumerate() {
                let first = task * together + k * LINES;
                let lines = first..first + out.len() / width;
                let mut scales = [0.0; LINES];
                scales.iter_mut().zip(lines.clone()).for_each(|(out, line)| *out = scale(line));
                let elements = first * width..lines.end * width;
                let (g, x, mean) = (&g[elements.clone()], &x[elements], &mean[lines.clone()]);
                parts.iter_mut().for_each(|part| part.fill(T::zero()));
                let totals = parts.each_mut().map(|part| &mut part[..]);
                run_vector_loop(Backward { g, x, gamma, mean, scales: &scales[..lines.len()], out, totals });
                for (sums, parts) in sums.iter_mut().zip(&parts) {
                    sums.iter_mut().zip(parts).for_each(|(sum, &part)| *sum += part.to_f64());
                }
            }
        });
        let [of_gamma, of_beta] = [0, 1].map(|which| {
            let mut total = vec![0.0; width];
            for (_, sums) in &tasks {
                total.iter_mut().zip(&sums[which]).for_each(|(total, sum)| *total += sum);
            }
            Buffer::from_vec(total.into_iter().map(T::from_f64).collect())
        });
        [out, of_gamma, of_beta]
    }

    /// Whether every group is a line.
    fn are_lines(&self) -> bool {
        self.groups == 1 && self.rows == 1
    }
}

fn lines_per_task(width: usize) -> usize {
    (CHUNK / width).max(1)
}

/// Whether the squares of a line are in the range of the element type.
fn is_in_range<T: Float>(mean: T, variance: T, epsilon: f64) -> bool {
    mean.is_finite() & is_ordinary::<T>(variance.to_f64(), epsilon)
}

fn are_in_range<T: Float>([mean, variance]: [&[T]; 2], epsilon: f64) -> bool {
    let mut lines = mean.iter().zip(variance);
    lines.all(|(&mean, &variance)| is_in_range(mean, variance, epsilon))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Widths of no, one and several whole vectors with and without a rest, and lines whose first elements tell nothing
    /// about the others.
    #[test]
    fn statistics_of_lines_agree_with_float64() {
        for width in (1..70).chain([100, 128, 1000, 5000]) {
            let line: Vec<f32> = (0..width).map(|k| ((k * 7919) % 1009) as f32 / 500.0).collect();
            let outlier = |k: usize| (0..width).map(move |other| if other == k { 1e4 } else { 0.0 });
            let rows = [line.clone(), line.iter().map(|x| x + 1000.0).collect(), vec![-3.1; width]];
            let rows: Vec<Vec<f32>> =
                rows.into_iter().chain([0, width / 2, width - 1].map(|k| outlier(k).collect())).collect();
            let groups = Groups { outer: rows.len(), rows: 1, groups: 1, columns: width };
            let (gamma, beta) = (vec![1.0; width], vec![0.0; width]);
            let found = groups.lines_forward(&rows.concat(), [&gamma, &beta], 0.1).expect("the groups are lines");
            for (k, row) in rows.iter().enumerate() {
                let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / width as f64;
                let variance = row.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / width as f64;
                let [of_x, of_squares] = [1, 2].map(|which| f64::from(found[which].as_slice::<f32>()[k]));
                assert!((of_x - mean).abs() <= 1e-7 * mean.abs(), "line {k} of {width}: mean {of_x}, not {mean}");
                let message = format!("line {k} of {width}: variance {of_squares}, not {variance}");
                assert!((of_squares - variance).abs() <= 2e-6 * variance, "{message}");
            }
        }
    }

    #[test]
    fn gradients_do_not_depend_on_the_lines_beside_them() {
        let (width, outer) = (77, 1500);
        let values = |seed: usize| (0..outer * width).map(move |k| ((k * 7919 + seed) % 1009) as f32 / 500.0 - 1.0);
        let (x, g): (Vec<f32>, Vec<f32>) = (values(0).collect(), values(5).collect());
        let gamma: Vec<f32> = (0..width).map(|k| k as f32 * 0.1).collect();
        let groups = Groups { outer, rows: 1, groups: 1, columns: width };
        let [_, mean, variance] = groups.lines_forward(&x, [&gamma, &gamma], 0.1).expect("the groups are lines");
        let (mean, variance) = (mean.as_slice::<f32>(), variance.as_slice::<f32>());
        let [all, ..] = groups.lines_gradient([&g, &x], &gamma, [mean, variance], 0.1).expect("the groups are lines");
        for line in (0..outer).step_by(7) {
            let elements = line * width..(line + 1) * width;
            let operands = [&g[elements.clone()], &x[elements.clone()]];
            let statistics = [&mean[line..=line], &variance[line..=line]];
            let one = Groups { outer: 1, ..groups }.lines_gradient(operands, &gamma, statistics, 0.1);
            assert_eq!(one.expect("an ordinary line")[0].as_slice::<f32>(), &all.as_slice::<f32>()[elements]);
        }
    }
}
