//! User-defined parts, written with the prelude alone and used in one model: a layer, a loss, a metric, a callback, a
//! data set, a regularizer and an operation. All of them return the prelude's `Result`.

use std::fs;
use std::path::PathBuf;

use facade::prelude::*;

/// `x · gate(x) + x`, with a learned factor.
struct Gated {
    gate: Dense,
    factor: Variable,
}

impl Gated {
    fn new(width: usize) -> Gated {
        Gated {
            gate: Dense::new(width, width).activation(Activation::Sigmoid),
            factor: Variable::new(Tensor::scalar(1.0)),
        }
    }
}

impl Layer for Gated {
    parts!(gate, factor);

    fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
        if input.rank() != 2 {
            return Err(Error::shape("gated", input.shape(), "needs [batch, features]"));
        }
        let gate = self.gate.call("gate", input, mode)?;
        input.try_mul(gate)?.try_mul(&self.factor)?.try_add(input)
    }
}

/// `|target - prediction|³`, for each sample.
struct Cubic;

impl Loss for Cubic {
    fn loss(&self, targets: &Tensor, predictions: &Tensor) -> Result<Tensor> {
        predictions.try_sub(targets)?.abs().pow(3.0)?.mean_axis(-1)
    }

    fn name(&self) -> &str {
        "cubic"
    }
}

/// The largest error of all samples.
#[derive(Default)]
struct LargestError(f64);

impl Metric for LargestError {
    fn name(&self) -> &str {
        "largest_error"
    }

    fn update(&mut self, targets: &Tensor, predictions: &Tensor, _weights: Option<&Tensor>) -> Result<()> {
        self.0 = self.0.max(predictions.try_sub(targets)?.abs().max_axis(..)?.item()?);
        Ok(())
    }

    fn result(&self) -> f64 {
        self.0
    }

    fn reset(&mut self) {
        self.0 = 0.0;
    }
}

/// Writes each epoch's loss to a file.
struct Diary(PathBuf);

impl Callback for Diary {
    fn name(&self) -> &str {
        "diary"
    }

    fn on_epoch_end(&mut self, training: &mut TrainingState<'_>, values: &[(String, f64)]) -> Result<()> {
        let text = format!("{} {values:?}", training.epoch());
        fs::write(&self.0, text).map_err(Error::other)
    }
}

/// The numbers 0 to n - 1 and their doubles, computed on demand.
struct Doubles(usize);

impl Dataset for Doubles {
    fn len(&self) -> usize {
        self.0
    }

    fn gather(&self, _pass: u64, samples: &[usize]) -> Result<Batch> {
        if let Some(sample) = samples.iter().find(|sample| **sample >= self.0) {
            return Err(Error::argument("doubles", format!("there is no sample {sample} among {}", self.0)));
        }
        let numbers: Tensor = samples.iter().map(|&sample| sample as f32 / self.0 as f32).collect();
        let features = numbers.reshape([samples.len(), 1])?;
        Batch::new(&features, &(2.0 * &features))
    }
}

#[derive(Debug)]
struct Sparse;

impl Regularizer for Sparse {
    fn penalty(&self, x: &Tensor) -> Result<Tensor> {
        x.abs().sqrt().sum().try_mul(1e-4)
    }
}

#[derive(Debug)]
struct Cube;

impl CustomOp for Cube {
    fn name(&self) -> &str {
        "cube"
    }

    fn forward(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        inputs[0].pow(3.0)
    }

    fn backward(&self, inputs: &[Tensor], _output: &Tensor, gradient: &Tensor) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![Some(gradient.try_mul(inputs[0].square())?.try_mul(3.0)?)])
    }
}

#[test]
fn all_of_them_work_together() -> Result<()> {
    random::seed(4);
    let model =
        Sequential::new().add(Dense::new(1, 8).kernel_regularizer(Sparse)).add(Gated::new(8)).add(Dense::new(8, 1));
    assert_eq!(model.weights().len(), 7);
    let data = Doubles(64).map(|batch| Batch::new(&batch.features, &batch.targets));
    let path = std::env::temp_dir().join(format!("diary-{}.txt", std::process::id()));
    let mut trainer = Trainer::new(&model, Cubic, Adam::new(3e-3)).metric(LargestError::default());
    let fit = Fit::epochs(60).batch_size(16).callback(Diary(path.clone())).verbose(Verbose::Silent);
    let history = trainer.fit(&data, fit)?;
    let written = fs::read_to_string(&path).map_err(Error::other)?;
    fs::remove_file(&path).map_err(Error::other)?;
    assert!(written.contains("largest_error"), "{written}");
    assert_eq!(history.epochs(), 60);
    let score = trainer.evaluate(&data)?;
    assert!(score.loss < 0.05, "{score}");
    Ok(())
}

#[test]
fn errors_of_one_pass_through_all_others() {
    let model = Sequential::new().add(Gated::new(3));
    let mut trainer = Trainer::new(&model, Cubic, Sgd::new(0.1));
    let broken = Doubles(4).map(|batch| Err(Error::argument("mine", format!("{} samples", batch.len()))));
    let fit = || Fit::epochs(1).verbose(Verbose::Silent);
    assert_eq!(trainer.fit(&broken, fit()).unwrap_err().to_string(), "mine: 4 samples");
    let widened = |inputs: &[Tensor]| inputs[0].expand_dims(0);
    let deep = ArrayDataset::from_tensors(&Tensor::ones([4, 1, 3]), &Tensor::ones([4, 1, 3])).unwrap();
    let error = trainer.fit(&deep, fit()).unwrap_err();
    assert_eq!(error.to_string(), "gated (Gated): gated: shape [4, 1, 3]: needs [batch, features]");
    assert_eq!(error.place().map(|place| place.file()), Some(file!()));
    assert_eq!(checkpoint(widened, &[&Tensor::ones([2])]).unwrap().shape(), &[1, 2]);
}

#[test]
fn an_operation_has_its_own_gradient() -> Result<()> {
    let x = Variable::new(tensor![2.0]);
    let tape = GradientTape::new();
    let y = custom(Cube, &[&x.value()])?;
    assert_eq!((y.item()?, tape.gradient(&y, &x)?.item()?), (8.0, 12.0));
    Ok(())
}

/// All metrics are in the prelude.
#[test]
fn the_prelude_has_the_metrics_of_the_table() {
    let read = |path: &str| fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).expect("a file");
    let source = read("src/lib.rs");
    let prelude: Vec<&str> = source.split(|c: char| !c.is_alphanumeric()).collect();
    let page = read("../../docs/metrics.md");
    let rows =
        page.lines().skip_while(|line| !line.starts_with("| here")).skip(2).take_while(|line| line.starts_with('|'));
    let names: Vec<&str> =
        rows.filter_map(|row| row.split('`').nth(1)?.split(|c: char| !c.is_alphanumeric()).next()).collect();
    assert!(names.len() > 12, "{names:?}");
    let missing: Vec<_> = names.iter().filter(|name| !prelude.contains(name)).collect();
    assert_eq!(missing, [&"Named"], "`Named` is what `named` returns, and nobody writes it");
}
