//! Layers that the tasks of a parallel loop share. A thread that waits for its kernel runs other tasks of the loop, which
//! use the same layers.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use nn::layers::*;
use nn::{ActivityRegularization, Initializer, L2, Layer, LazyInit, Mode, Variable, first_non_finite};
use rayon::prelude::*;
use tensor::{Error, Generator, Result, Tensor, random, tensor};

/// The result of `f`; panics if it takes some minutes, because of a deadlock.
fn watched<R: Send + 'static>(what: &str, f: impl FnOnce() -> R + Send + 'static) -> R {
    let (sender, receiver) = channel();
    thread::spawn(move || sender.send(f()));
    match receiver.recv_timeout(Duration::from_secs(180)) {
        Ok(result) => result,
        Err(RecvTimeoutError::Disconnected) => panic!("{what}: panicked"),
        Err(RecvTimeoutError::Timeout) => panic!("{what}: threads wait for each other"),
    }
}

/// The results of 64 tasks in a pool of eight threads.
fn tasks<R: Send + 'static>(what: &str, task: impl Fn(usize) -> Result<R> + Send + Sync + 'static) -> Vec<R> {
    watched(what, move || {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(8).build().expect("a pool");
        let results = pool.install(|| (0..64).into_par_iter().map(task).collect::<Result<Vec<R>>>());
        results.unwrap_or_else(|error| panic!("{error}"))
    })
}

/// Regression test: the random stream was locked while its numbers were drawn.
#[test]
fn layers_that_draw_do_not_wait_for_each_other() -> Result<()> {
    let layers: [(Box<dyn Layer>, Vec<usize>); 6] = [
        (Box::new(Dropout::new(0.5)), vec![300, 700]),
        (Box::new(GaussianNoise::new(0.5)), vec![300, 700]),
        (Box::new(GaussianDropout::new(0.5)), vec![300, 700]),
        (Box::new(SpatialDropout1d::new(0.5)), vec![300, 2, 700]),
        (Box::new(SpatialDropout2d::new(0.5)), vec![100, 2, 2, 700]),
        (Box::new(SimpleRnn::new(1500, 2).dropout(0.5).recurrent_dropout(0.5)), vec![40, 2, 1500]),
    ];
    for (layer, shape) in layers {
        let name = layer.describe();
        let outputs = tasks(&name, move |_| {
            let output = layer.forward(&Tensor::ones(&shape[..]), Mode::Training)?;
            output.to_vec::<f32>()
        });
        // Each task draws different numbers.
        let bits = |output: &Vec<f32>| output.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        let different: std::collections::HashSet<_> = outputs.iter().map(bits).collect();
        assert_eq!(different.len(), 64, "{name}");
    }
    Ok(())
}

/// Regression test: a lock was held while the weights were initialized.
#[test]
fn concurrent_first_uses_create_one_set_of_weights() -> Result<()> {
    let layers: [(Box<dyn Layer>, Vec<usize>); 7] = [
        (Box::new(Dense::units(700)), vec![2, 700]),
        (Box::new(Conv2d::filters(300, [3, 3])), vec![1, 4, 4, 100]),
        (Box::new(Lstm::units(150)), vec![2, 2, 300]),
        (Box::new(BatchNorm::new(50_000)), vec![2, 50_000]),
        (Box::new(LayerNorm::new(50_000)), vec![2, 50_000]),
        (Box::new(MultiHeadAttention::heads(4, 64)), vec![1, 3, 300]),
        (
            Box::new(Sequential::new().add(Dense::units(400)).add(Sequential::new().add(Dense::units(300)))),
            vec![2, 300],
        ),
    ];
    for (layer, shape) in layers {
        let (name, layer) = (layer.describe(), Arc::new(layer));
        let shared = Arc::clone(&layer);
        let seen = tasks(&name, move |_| {
            let output = shared.forward(&Tensor::ones(&shape[..]), Mode::Inference)?.to_vec::<f32>()?;
            let ids = shared.weights().iter().map(Variable::id).collect::<Vec<_>>();
            Ok((ids, output))
        });
        let ids: Vec<u32> = layer.weights().iter().map(Variable::id).collect();
        assert!(!ids.is_empty() && seen.iter().all(|(of_task, _)| *of_task == ids), "{name}");
        assert!(seen.iter().all(|(_, output)| *output == seen[0].1), "{name}");
    }
    Ok(())
}

/// Regression test: the second of two threads that initialized at the same time waited, and each forked its own generator.
#[test]
fn concurrent_initializations_create_equal_values() -> Result<()> {
    let (kernels, states) = watched("two builders", || {
        let (built, both) = (LazyInit::<Vec<Tensor>>::new(), Barrier::new(2));
        let build = |seed: u64| -> Result<(Vec<f32>, bool)> {
            random::seed(seed);
            let before = random::state();
            let inner = LazyInit::<Tensor>::new();
            let mut made = Vec::new();
            let value = built.get_or_init("outer", |generator| {
                // Both threads must arrive here; otherwise this is a deadlock.
                both.wait();
                let kernel = Initializer::HeNormal.initialize(generator, [300, 300])?;
                let nested = inner.get_or_init("inner", |generator| generator.normal([3], 0.0, 1.0))?.clone();
                made = vec![kernel, nested, Tensor::uniform([3], 0.0..1.0)?];
                Ok(made.clone())
            })?;
            for (made, value) in made.iter().zip(value) {
                assert_eq!(made.to_vec::<f32>()?, value.to_vec::<f32>()?);
            }
            Ok((value[0].to_vec()?, random::state() != before))
        };
        let results = thread::scope(|scope| {
            let other = scope.spawn(|| build(1));
            [build(2), other.join().expect("no panic")]
        });
        let [first, second] = results.map(|result| result.expect("weights"));
        ([first.0, second.0], [first.1, second.1])
    });
    assert_eq!(kernels[0], kernels[1]);
    // The first thread took the only fork.
    assert_eq!(states.iter().filter(|&&moved| moved).count(), 1);
    Ok(())
}

#[test]
fn after_a_failed_initialization_the_next_one_uses_the_seed() -> Result<()> {
    let built = LazyInit::<Tensor>::new();
    let failed = built.get_or_init("kernel", |_| Err(Error::argument("build", "on purpose")));
    assert_eq!(failed.err().map(|error| error.to_string()), Some("build: on purpose".into()));
    assert!(built.get().is_none());
    random::seed(1);
    let kernel = built.get_or_init("kernel", |generator| generator.normal([4], 0.0, 1.0))?;
    let expected = Generator::new(1).fork("kernel").normal([4], 0.0, 1.0)?;
    assert_eq!(kernel.to_vec::<f32>()?, expected.to_vec::<f32>()?);
    Ok(())
}

/// Regression test: a stolen task took or replaced the penalty of the waiting task.
#[test]
fn penalties_belong_to_the_task_that_set_them() -> Result<()> {
    let model =
        Sequential::new().add(ActivityRegularization::new(L2(1.0))).add(Dense::new(500, 500)).add(Dense::new(500, 500));
    let penalties = tasks("penalties", move |k| {
        let input = Tensor::full([100, 500], k as f32);
        model.forward(&input, Mode::Training)?;
        let penalty = model.regularization_loss()?.map(|penalty| penalty.item()).transpose()?;
        Ok((penalty, input.square().sum().item()?))
    });
    for (k, (penalty, expected)) in penalties.into_iter().enumerate() {
        let penalty = penalty.unwrap_or(f64::NAN);
        assert!((penalty - expected).abs() <= 1e-6 * expected, "task {k}: {penalty} instead of {expected}");
    }
    Ok(())
}

/// Regression test: a search for NaN also stopped the tasks that the searching thread had stolen.
#[test]
fn a_search_for_nan_does_not_affect_other_tasks() -> Result<()> {
    let model = Sequential::new().add(Dense::new(500, 500)).add(Dense::new(500, 500));
    let found = tasks("searches", move |k| {
        if k.is_multiple_of(2) {
            Ok(first_non_finite(&model, &Tensor::ones([100, 500]), None, Mode::Inference))
        } else {
            let output = model.forward(&Tensor::full([100, 500], f32::INFINITY), Mode::Inference)?;
            assert!(!output.all_finite());
            Ok(None)
        }
    });
    assert!(found.iter().all(Option::is_none), "{found:?}");
    // A panic ends the search.
    struct Panics;
    impl Layer for Panics {
        fn forward(&self, _: &Tensor, _: Mode) -> Result<Tensor> {
            panic!("on purpose")
        }
    }
    let search = || first_non_finite(&Panics, &tensor![1.0], None, Mode::Inference);
    assert!(std::panic::catch_unwind(search).is_err());
    let layer = Sequential::new().add(Flatten);
    assert!(layer.forward(&tensor![[f32::NAN]], Mode::Inference).is_ok());
    Ok(())
}
