//! A network of three small layers, 6 → 64 → 8 → 4, and the same arithmetic in plain loops.

use facade::prelude::*;

const SIZES: [usize; 4] = [6, 64, 8, 4];

/// The network: relu after the first two layers.
pub(super) fn network() -> Sequential {
    let [inputs, first, second, outputs] = SIZES;
    Sequential::new()
        .add(Dense::new(inputs, first).activation(Activation::Relu))
        .add(Dense::new(first, second).activation(Activation::Relu))
        .add(Dense::new(second, outputs))
}

/// The weights of the network: for each layer the kernel, row by row, and the bias.
pub(super) struct Loops([(Vec<f32>, Vec<f32>); 3]);

impl Loops {
    pub(super) fn of(network: &Sequential) -> Result<Loops> {
        let weights: Vec<Vec<f32>> =
            network.weights().iter().map(|weight| weight.value().to_vec()).collect::<Result<_>>()?;
        let layer = |k: usize| (weights[2 * k].clone(), weights[2 * k + 1].clone());
        Ok(Loops([layer(0), layer(1), layer(2)]))
    }

    pub(super) fn forward(&self, input: &[f32]) -> Vec<f32> {
        let mut values = input.to_vec();
        for (k, (kernel, bias)) in self.0.iter().enumerate() {
            let mut sums = bias.clone();
            for (value, row) in values.iter().zip(kernel.chunks_exact(sums.len())) {
                for (sum, weight) in sums.iter_mut().zip(row) {
                    *sum += value * weight;
                }
            }
            if k < 2 {
                for sum in &mut sums {
                    *sum = sum.max(0.0);
                }
            }
            values = sums;
        }
        values
    }
}
