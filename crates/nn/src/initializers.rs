//! Initial values of weights.

use tensor::{Error, Generator, Result, Shape, Tensor};

/// The standard deviation of a standard normal distribution truncated at ±2. Division by it corrects for the
/// truncation.
const TRUNCATED_STD: f64 = 0.879_625_661_034_239_8;

/// The initial values of a weight. Names and formulas are those of Keras. Some depend on the numbers of connections, the
/// [fans](Fan).
///
/// ```
/// use nn::Initializer;
/// use tensor::Generator;
///
/// let kernel = Initializer::HeNormal.initialize(&mut Generator::new(1), [784, 512])?;
/// assert_eq!(kernel.shape(), &[784, 512]);
/// assert!((kernel.std().item()? - (2f64 / 784.0).sqrt()).abs() < 3e-4);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Clone, Debug)]
pub enum Initializer {
    /// 0.
    Zeros,
    /// 1.
    Ones,
    /// The same number for all elements.
    Constant(f64),
    /// Uniformly distributed numbers.
    Uniform {
        /// The lower bound, included.
        low: f64,
        /// The upper bound, excluded.
        high: f64,
    },
    /// Normally distributed numbers.
    Normal {
        /// Their mean.
        mean: f64,
        /// Their standard deviation.
        std: f64,
    },
    /// Normally distributed numbers. Those farther than `2 std` from the mean are drawn again.
    TruncatedNormal {
        /// Their mean.
        mean: f64,
        /// The standard deviation before the truncation.
        std: f64,
    },
    /// Uniform between ±√(6 / (fan in + fan out)) (Glorot & Bengio 2010).
    GlorotUniform,
    /// Truncated normal of variance 2 / (fan in + fan out).
    GlorotNormal,
    /// Uniform between ±√(6 / fan in) (He et al. 2015).
    HeUniform,
    /// Truncated normal of variance 2 / fan in.
    HeNormal,
    /// Uniform between ±√(3 / fan in) (LeCun et al. 1998).
    LecunUniform,
    /// Truncated normal of variance 1 / fan in.
    LecunNormal,
    /// Variance `scale / fan`. The six initializers above are special cases.
    VarianceScaling {
        /// The variance times the fan; positive.
        scale: f64,
        /// Which fan.
        fan: Fan,
        /// Which distribution.
        distribution: Distribution,
    },
    /// A matrix of ones on the diagonal and zeros elsewhere, square or not.
    Identity,
    /// A random matrix whose rows, or columns if there are fewer of them, are orthogonal and have length `gain`. All axes
    /// but the last are treated as rows (Saxe et al. 2014).
    Orthogonal {
        /// The length; 1 in Keras.
        gain: f64,
    },
    /// The values of a tensor, which must have the weight's shape.
    Value(Tensor),
}

/// A number of connections. For a matrix `[inputs, outputs]` the fans are the numbers of inputs and outputs; for a
/// convolution's kernel `[…, inputs, outputs]` both are multiplied by the size of the window, the product of the other
/// axes; for a vector both are its length. For kernels with another layout use [`Initializer::initialize_with_fans`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fan {
    /// The inputs of one output.
    In,
    /// The outputs of one input.
    Out,
    /// The mean of the two.
    Average,
}

/// A distribution with mean 0 and a given variance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// Between ±√(3 variance).
    Uniform,
    /// Normal.
    Normal,
    /// Normal, truncated at two standard deviations and scaled to the given variance.
    TruncatedNormal,
}

impl Initializer {
    /// The initial values, float32, of a weight of the given shape.
    ///
    /// # Errors
    /// Returns an error if a parameter is out of range, the initializer is not defined for the shape, or the size of the
    /// shape overflows.
    pub fn initialize(&self, generator: &mut Generator, shape: impl Into<Shape>) -> Result<Tensor> {
        let shape = shape.into();
        shape.checked_size("initialize")?;
        let fans = match *shape {
            [] => [1, 1],
            [size] => [size, size],
            [ref window @ .., inputs, outputs] => {
                let window: usize = window.iter().product();
                [window * inputs, window * outputs]
            }
        };
        self.initialize_with_fans(generator, shape, fans)
    }

    /// Like [`Initializer::initialize`], with given fans `[in, out]` for a weight whose axes do not determine them.
    ///
    /// # Errors
    /// Returns the errors of [`Initializer::initialize`].
    pub fn initialize_with_fans(
        &self,
        generator: &mut Generator,
        shape: impl Into<Shape>,
        fans: [usize; 2],
    ) -> Result<Tensor> {
        use Distribution::{TruncatedNormal, Uniform};
        let shape = shape.into();
        shape.checked_size("initialize")?;
        let scaled = |generator: &mut Generator, scale: f64, fan: Fan, distribution: Distribution| {
            variance_scaling(generator, shape.clone(), scale, fan.of(fans), distribution)
        };
        match self {
            Initializer::Zeros => Ok(Tensor::zeros(shape)),
            Initializer::Ones => Ok(Tensor::ones(shape)),
            Initializer::Constant(value) => Ok(Tensor::full(shape, *value as f32)),
            Initializer::Uniform { low, high } => generator.uniform(shape, *low..*high),
            Initializer::Normal { mean, std } => generator.normal(shape, *mean, *std),
            Initializer::TruncatedNormal { mean, std } => truncated_normal(generator, shape, *mean, *std),
            Initializer::GlorotUniform => scaled(generator, 1.0, Fan::Average, Uniform),
            Initializer::GlorotNormal => scaled(generator, 1.0, Fan::Average, TruncatedNormal),
            Initializer::HeUniform => scaled(generator, 2.0, Fan::In, Uniform),
            Initializer::HeNormal => scaled(generator, 2.0, Fan::In, TruncatedNormal),
            Initializer::LecunUniform => scaled(generator, 1.0, Fan::In, Uniform),
            Initializer::LecunNormal => scaled(generator, 1.0, Fan::In, TruncatedNormal),
            Initializer::VarianceScaling { scale, fan, distribution } => scaled(generator, *scale, *fan, *distribution),
            Initializer::Identity => identity(shape),
            Initializer::Orthogonal { gain } => orthogonal(generator, shape, *gain),
            Initializer::Value(value) if *value.shape() == shape => Ok(value.stop_gradient()),
            Initializer::Value(value) => {
                Err(Error::shape("initialize", value.shape(), format!("must be that of the weight, {shape}")))
            }
        }
    }
}

impl Fan {
    fn of(self, [fan_in, fan_out]: [usize; 2]) -> f64 {
        match self {
            Fan::In => fan_in as f64,
            Fan::Out => fan_out as f64,
            Fan::Average => (fan_in as f64 + fan_out as f64) / 2.0,
        }
    }
}

fn variance_scaling(
    generator: &mut Generator,
    shape: Shape,
    scale: f64,
    fan: f64,
    distribution: Distribution,
) -> Result<Tensor> {
    if !(scale > 0.0 && scale.is_finite()) {
        return Err(Error::argument("initialize", format!("the scale {scale:?} must be positive")));
    }
    // A fan of 0 counts as 1, as in Keras; such a weight has no elements.
    let variance = scale / fan.max(1.0);
    match distribution {
        Distribution::Uniform => {
            let limit = (3.0 * variance).sqrt();
            generator.uniform(shape, -limit..limit)
        }
        Distribution::Normal => generator.normal(shape, 0.0, variance.sqrt()),
        Distribution::TruncatedNormal => truncated_normal(generator, shape, 0.0, variance.sqrt() / TRUNCATED_STD),
    }
}

/// Draws the whole shape from a standard normal distribution, then draws replacements for the numbers beyond ±2 until
/// there are none. The draws depend only on the generator's state. Scaling comes last: near a large mean, rounding could
/// otherwise put numbers out of bounds again and again.
fn truncated_normal(generator: &mut Generator, shape: Shape, mean: f64, std: f64) -> Result<Tensor> {
    if !(mean as f32).is_finite() || !(std as f32).is_finite() || std < 0.0 {
        let message = format!("mean {mean:?} and std {std:?} must be finite float32 numbers, std not negative");
        return Err(Error::argument("truncated_normal", message));
    }
    let mut values = generator.normal(&shape, 0.0, 1.0)?.to_vec::<f32>()?;
    let mut again: Vec<usize> = (0..values.len()).collect();
    loop {
        again.retain(|&k| values[k].abs() > 2.0);
        if again.is_empty() {
            break;
        }
        let drawn = generator.normal([again.len()], 0.0, 1.0)?.to_vec::<f32>()?;
        again.iter().zip(drawn).for_each(|(&k, drawn)| values[k] = drawn);
    }
    values.iter_mut().for_each(|value| *value = (mean + std * f64::from(*value)) as f32);
    Tensor::from_vec(values, shape)
}

fn identity(shape: Shape) -> Result<Tensor> {
    let [rows, columns] = *shape else {
        return Err(Error::shape("initialize", &shape, "an identity matrix must have two axes"));
    };
    let mut values = vec![0f32; rows * columns];
    values.iter_mut().step_by(columns + 1).take(rows.min(columns)).for_each(|value| *value = 1.0);
    Tensor::from_vec(values, shape)
}

/// Orthonormalizes normally distributed vectors with the modified Gram–Schmidt process in float64, run twice so that
/// their products are 0 up to rounding. The result is the Q of a QR decomposition whose R has a positive diagonal, so
/// all directions are equally likely.
fn orthogonal(generator: &mut Generator, shape: Shape, gain: f64) -> Result<Tensor> {
    let (columns, rows) = match *shape {
        [ref rows @ .., columns] if !rows.is_empty() => (columns, rows.iter().product::<usize>()),
        _ => return Err(Error::shape("initialize", &shape, "an orthogonal matrix must have at least two axes")),
    };
    if !gain.is_finite() {
        return Err(Error::argument("initialize", format!("the gain {gain:?} must be finite")));
    }
    let (count, length) = (rows.min(columns), rows.max(columns));
    let drawn = generator.normal([count, length], 0.0, 1.0)?.to_vec::<f32>()?;
    let mut vectors: Vec<Vec<f64>> =
        drawn.chunks(length.max(1)).map(|row| row.iter().map(|&x| f64::from(x)).collect()).collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    for k in 0..vectors.len() {
        let (before, rest) = vectors.split_at_mut(k);
        let vector = &mut rest[0];
        for other in before.iter().chain(before.iter()) {
            let along = dot(vector, other);
            vector.iter_mut().zip(other).for_each(|(x, y)| *x -= along * y);
        }
        let norm = dot(vector, vector).sqrt();
        vector.iter_mut().for_each(|x| *x /= norm);
    }
    let element =
        |row: usize, column: usize| gain * if rows >= columns { vectors[column][row] } else { vectors[row][column] };
    let values = (0..rows * columns).map(|k| element(k / columns, k % columns) as f32).collect();
    Tensor::from_vec(values, shape)
}
