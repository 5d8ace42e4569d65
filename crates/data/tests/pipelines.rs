//! Random pipelines of all transformations: an epoch that is continued from any position, prefetched or in other
//! batches, has the same samples.

use std::process::Command;

use data::{ArrayDataset, Batch, DataSource, Dataset, Pipeline, Split, Stream, Window, class_weights};
use proptest::prelude::*;
use tensor::Tensor;

/// A transformation and its parameters.
#[derive(Clone, Debug)]
enum Verb {
    Map,
    Filter,
    Shuffle(u64),
    Repeat(usize),
    Take(usize),
    Skip(usize),
    Split(f64, u64),
    Zip(u64),
    Cache,
    Window(usize, usize, usize),
    ClassWeights,
    CheckFinite,
}

fn verb() -> impl Strategy<Value = Verb> {
    prop_oneof![
        Just(Verb::Map),
        Just(Verb::Filter),
        any::<u64>().prop_map(Verb::Shuffle),
        (1usize..4).prop_map(Verb::Repeat),
        (1usize..40).prop_map(Verb::Take),
        (0usize..10).prop_map(Verb::Skip),
        (0.3..1.0, any::<u64>()).prop_map(|(fraction, seed)| Verb::Split(fraction, seed)),
        any::<u64>().prop_map(Verb::Zip),
        Just(Verb::Cache),
        (1usize..4, 1usize..4, 1usize..3).prop_map(|(length, shift, stride)| Verb::Window(length, shift, stride)),
        Just(Verb::ClassWeights),
        Just(Verb::CheckFinite),
    ]
}

/// Features `[count, 2]`, classes 0 to 2.
fn source(count: usize) -> ArrayDataset {
    let features: Tensor = (0..2 * count).map(|k| k as f32).collect();
    let classes: Tensor = (0..count as i64).map(|k| (k * k) % 3).collect();
    ArrayDataset::from_tensors(&features.reshape([count, 2]).unwrap(), &classes).unwrap()
}

fn double(batch: Batch) -> data::Result<Batch> {
    Ok(Batch { features: batch.features.try_mul(2.0)?.try_add(1.0)?, ..batch })
}

fn add(one: Batch, other: Batch) -> data::Result<Batch> {
    Ok(Batch { features: one.features.try_add(&other.features)?, ..one })
}

/// Whether the sum of a sample is not divisible by 3.
fn keeps(batch: &Batch) -> tensor::Result<Tensor> {
    let sums = batch.features.reshape([batch.len(), batch.features.size() / batch.len().max(1)])?.sum_axis(1)?;
    sums.try_sub(sums.try_div(3.0)?.floor().try_mul(3.0)?)?.not_equal(0.0)
}

/// Applies the transformations. Windows refuse weights, so windows and what follows are applied to samples without
/// weights.
fn dataset(count: usize, verbs: &[Verb]) -> Pipeline {
    let mut pipeline = Pipeline::new(source(count));
    let (mut weighted, mut windowed) = (false, false);
    for verb in verbs {
        pipeline = match *verb {
            Verb::Map => pipeline.map(double),
            Verb::Filter if !pipeline.is_empty() => pipeline.filter(keeps).unwrap(),
            Verb::Shuffle(seed) => pipeline.shuffle(seed),
            Verb::Repeat(times) => pipeline.repeat(times).unwrap(),
            Verb::Take(count) => pipeline.take(count),
            Verb::Skip(count) => pipeline.skip(count),
            Verb::Split(fraction, seed) => pipeline.split(Split::fraction(fraction).shuffle(seed)).unwrap().0,
            Verb::Zip(seed) => pipeline.clone().zip(pipeline.shuffle(seed), add),
            Verb::Cache if !pipeline.is_empty() => Pipeline::new(pipeline.cache().unwrap()),
            Verb::Window(length, shift, stride) if !weighted => {
                windowed = true;
                pipeline.window(Window::new(length).shift(shift).stride(stride).target(0)).unwrap()
            }
            Verb::ClassWeights if !windowed => {
                weighted = true;
                pipeline.map(class_weights(&[1.0, 0.5, 2.0]))
            }
            Verb::CheckFinite => pipeline.check_finite(),
            _ => pipeline,
        };
    }
    pipeline
}

/// The samples of the source in chunks, in a different order in each epoch if shuffled.
fn chunks(count: usize, chunk: usize, shuffled: bool) -> Stream {
    Stream::of_batches(move |epoch| {
        let all = if shuffled { source(count).shuffle(epoch) } else { Pipeline::new(source(count)) };
        Ok((0..count).step_by(chunk).map(move |start| all.range(0, start..count.min(start + chunk))))
    })
}

/// The same transformations, as far as streams have them.
fn stream(mut stream: Stream, verbs: &[Verb]) -> Stream {
    let (mut weighted, mut windowed) = (false, false);
    for verb in verbs {
        stream = match *verb {
            Verb::Map => stream.map(double),
            Verb::Filter => stream.filter(keeps),
            Verb::Shuffle(seed) => stream.shuffle(seed, 1 + (seed % 20) as usize).unwrap(),
            Verb::Repeat(times) => stream.repeat(times as u64),
            Verb::Take(count) => stream.take(count),
            Verb::Skip(count) => stream.skip(count),
            Verb::Zip(seed) => stream.clone().zip(stream.shuffle(seed, 5).unwrap(), add),
            Verb::Window(length, shift, stride) if !weighted => {
                windowed = true;
                stream.window(Window::new(length).shift(shift).stride(stride).target(0)).unwrap()
            }
            Verb::ClassWeights if !windowed => {
                weighted = true;
                stream.map(class_weights(&[1.0, 0.5, 2.0]))
            }
            Verb::CheckFinite => stream.check_finite(),
            _ => stream,
        };
    }
    stream
}

/// The content of a batch.
fn bits(batch: Batch) -> (Vec<usize>, Vec<u32>, Vec<i64>, Option<Vec<u32>>) {
    let floats = |tensor: &Tensor| tensor.to_vec::<f32>().unwrap().into_iter().map(f32::to_bits).collect();
    let weights = batch.weights.as_ref().map(floats);
    (batch.features.shape().to_vec(), floats(&batch.features), batch.targets.to_vec().unwrap(), weights)
}

/// Stops at every batch of epochs 0 and 1 and continues there, with and without prefetching, and draws the same samples
/// in batches of another size.
fn check(samples: impl DataSource + Clone + 'static, size: usize, ahead: usize) {
    let prefetched = samples.clone().prefetch(ahead);
    for epoch in 0..2 {
        let whole: Vec<_> = samples.batch(size).epoch(epoch).unwrap().map(|batch| bits(batch.unwrap())).collect();
        let total: usize = whole.iter().map(|batch| batch.0[0]).sum();
        assert!(samples.len_hint().is_none_or(|len| len == total), "{:?} {total}", samples.len_hint());
        for k in 0..=whole.len() {
            for samples in [&samples as &dyn DataSource, &prefetched] {
                let rest = data::Batches::new(samples, size).epoch_from(epoch, k * size).unwrap();
                let rest: Vec<_> = rest.map(|batch| bits(batch.unwrap())).collect();
                assert!(rest == whole[k.min(whole.len())..], "epoch {epoch}, batch {k}");
            }
        }
        let singles = samples.batch(1).epoch(epoch).unwrap().map(|batch| bits(batch.unwrap()).1).collect::<Vec<_>>();
        assert_eq!(singles.concat(), whole.iter().flat_map(|batch| batch.1.clone()).collect::<Vec<_>>());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn data_sets_go_on_from_any_position(
        count in 0usize..40, verbs in prop::collection::vec(verb(), 0..7), size in 1usize..12, ahead in 0usize..4,
    ) {
        let pipeline = dataset(count, &verbs);
        check(pipeline.take(200), size, ahead);
    }

    #[test]
    fn streams_go_on_from_any_position(
        count in 0usize..40, chunk in 1usize..9, verbs in prop::collection::vec(verb(), 0..7),
        size in 1usize..12, ahead in 0usize..4,
    ) {
        check(stream(chunks(count, chunk, true), &verbs).take(200), size, ahead);
    }

    /// The transformations that both have, except random orders.
    #[test]
    fn streams_are_as_data_sets(
        count in 0usize..40, chunk in 1usize..9, verbs in prop::collection::vec(verb(), 0..7), size in 1usize..12,
    ) {
        let ordered = |verb: &Verb| !matches!(verb, Verb::Shuffle(_) | Verb::Zip(_) | Verb::Split(..));
        let verbs: Vec<Verb> = verbs.into_iter().filter(ordered).collect();
        let all = |samples: &dyn DataSource| {
            data::Batches::new(samples, size).epoch(0).unwrap().map(|batch| bits(batch.unwrap())).collect::<Vec<_>>()
        };
        prop_assert_eq!(all(&stream(chunks(count, chunk, false), &verbs)), all(&dataset(count, &verbs)));
    }
}

#[test]
fn batches_are_computed_by_the_caller_without_a_thread() {
    const NO_THREADS: &str = "DATA_TEST_WITHOUT_THREADS";
    if std::env::var_os(NO_THREADS).is_some() {
        assert!(std::thread::Builder::new().spawn(|| ()).is_err(), "this process must not get threads");
        let x = Tensor::arange(0, 10, 1).unwrap();
        let samples = ArrayDataset::from_tensors(&x, &x).unwrap().prefetch(2);
        let firsts =
            samples.batch(4).epoch(0).unwrap().map(|batch| batch.unwrap().features.at(0, 0).unwrap().item().unwrap());
        assert_eq!(firsts.collect::<Vec<_>>(), [0.0, 4.0, 8.0]);
        return;
    }
    // Threads request a stack larger than the address space.
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "batches_are_computed_by_the_caller_without_a_thread", "--test-threads=1"])
        .env(NO_THREADS, "1")
        .env("RUST_MIN_STACK", (1u64 << 56).to_string())
        .output()
        .unwrap();
    let printed = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
}
