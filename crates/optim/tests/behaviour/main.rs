//! Behaviour of optimizers and schedules beyond their golden values.

mod accumulate;
mod average;
mod checks;
mod common;
mod restore;
mod schedules;
mod table;
mod whole;
mod zoo;

use autograd::Variable;

fn message<T>(result: tensor::Result<T>) -> String {
    match result {
        Ok(_) => panic!("no error"),
        Err(error) => error.to_string(),
    }
}

/// The bits of the values, so that NaN and the sign of zero count.
fn bits(variables: &[Variable]) -> Vec<Vec<u32>> {
    let bits = |variable: &Variable| variable.value().to_vec::<f32>().unwrap().iter().map(|x| x.to_bits()).collect();
    variables.iter().map(bits).collect()
}
