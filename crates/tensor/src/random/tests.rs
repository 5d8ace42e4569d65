use super::*;

fn floats(x: &Tensor) -> Vec<f32> {
    x.to_vec().unwrap()
}

/// Changing these values changes the numbers of every seed.
#[test]
fn golden_words() {
    let mut generator = Generator::new(42);
    let words: Vec<u32> = {
        let mut words = generator.words(0);
        (0..4).map(|_| words.next_u32()).collect()
    };
    assert_eq!(words, [428845191, 1495741553, 379451179, 1227066020]);
    let fork = generator.fork("dense");
    assert_eq!(fork.state(), GeneratorState { seed: 42, stream: 16561287312516250222, position: 0 });
    assert_eq!(generator.state(), GeneratorState { seed: 42, stream: 0, position: 2 });
    assert_eq!(floats(&generator.uniform([3], -1.0..1.0).unwrap()), [-0.8233043, -0.42860293, -0.2110424]);
    assert_eq!(floats(&generator.normal([3], 0.0, 1.0).unwrap()), [-1.0071024, -0.631127, -1.2034756]);
    assert_eq!(generator.state().position, 2 + 3 + 4);
    assert_eq!(generator.permutation(8).to_vec::<i64>().unwrap(), [5, 3, 7, 4, 6, 2, 1, 0]);
    assert_eq!(generator.integers([4], -5..5).unwrap().to_vec::<i64>().unwrap(), [-2, 4, -3, 2]);
    assert_eq!(generator.bernoulli([4], 0.5).unwrap().to_vec::<bool>().unwrap(), [true, true, true, false]);
    assert_eq!(generator.state().position, 9 + 16 + 8 + 4);
}

/// The words are those of the published cipher.
#[test]
fn seed_zero_is_the_zero_key() {
    // Published test vector TC1 of ChaCha8 (256-bit key and nonce of zeros): 3e00ef2f 895f40d6 …
    let mut words = Generator::new(0).words(0);
    let words: Vec<u32> = (0..4).map(|_| words.next_u32()).collect();
    assert_eq!(words, [0x2fef003e, 0xd6405f89, 0xe8b85b7f, 0xa1a5091f]);
}

#[test]
fn moments_are_right() {
    let mut generator = Generator::new(3);
    let n = 200_000;
    let moments = |x: &Tensor| {
        let x: Vec<f64> = floats(x).into_iter().map(f64::from).collect();
        let mean = x.iter().sum::<f64>() / n as f64;
        (mean, x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64)
    };
    // Within four standard errors of each estimate.
    let (mean, variance) = moments(&generator.uniform([n], 2.0..5.0).unwrap());
    assert!((mean - 3.5).abs() < 0.008 && (variance - 0.75).abs() < 0.006, "{mean} {variance}");
    let (mean, variance) = moments(&generator.normal([n], 1.0, 2.0).unwrap());
    assert!((mean - 1.0).abs() < 0.018 && (variance - 4.0).abs() < 0.051, "{mean} {variance}");
    let heads = generator.bernoulli([n], 0.3).unwrap().to_vec::<bool>().unwrap();
    let heads = heads.into_iter().filter(|&head| head).count() as f64 / n as f64;
    assert!((heads - 0.3).abs() < 0.0042, "{heads}");
    let mut counts = [0i32; 5];
    generator.integers([n], 0..5).unwrap().to_vec::<i64>().unwrap().iter().for_each(|&k| counts[k as usize] += 1);
    assert!(counts.iter().all(|count| (count - 40_000).abs() < 716), "{counts:?}");
}

#[test]
fn a_restored_generator_draws_the_same_numbers() {
    let mut generator = Generator::new(9);
    generator.normal([7], 0.0, 1.0).unwrap();
    let state = generator.state();
    let expected = floats(&generator.uniform([70_000], 0.0..1.0).unwrap());
    assert_eq!(floats(&Generator::from_state(state).uniform([70_000], 0.0..1.0).unwrap()), expected);
    // Two smaller draws give the same uniform numbers as one.
    let mut parts = Generator::from_state(state);
    let mut joined = floats(&parts.uniform([40_001], 0.0..1.0).unwrap());
    joined.extend(floats(&parts.uniform([29_999], 0.0..1.0).unwrap()));
    assert_eq!(joined, expected);
    assert_eq!(parts, generator);
}

#[test]
fn draws_do_not_depend_on_the_number_of_threads() {
    let draw = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut generator = Generator::new(5);
            let normal = floats(&generator.normal([100_001], 0.0, 1.0).unwrap());
            let integers = generator.integers([100_001], i64::MIN..i64::MAX).unwrap();
            (normal, integers.to_vec::<i64>().unwrap(), generator)
        })
    };
    assert_eq!(draw(1), draw(2));
    assert_eq!(draw(1), draw(3));
}

#[test]
fn the_end_of_a_range_is_never_drawn() {
    let mut generator = Generator::new(1);
    // Near 1, float32 is coarser than 24 bits of the range: without the clamp, rounding would reach 1.
    for (low, high) in [(0.5, 1.0), (0.999, 1.0), (-1.0, 1e-40), (0.1, 0.1000001), (1.0, 1.0 + 1e-12)] {
        let x = floats(&generator.uniform([200_000], low..high).unwrap());
        assert!(x.iter().all(|&x| (low..high).contains(&f64::from(x))), "{low}..{high}");
    }
    assert_eq!(generator.integers([3], i64::MAX - 1..i64::MAX).unwrap().to_vec::<i64>().unwrap(), [i64::MAX - 1; 3]);
}

#[test]
fn permutations_permute() {
    let mut generator = Generator::new(1);
    let mut order = generator.permutation(1000).to_vec::<i64>().unwrap();
    assert_ne!(order[..10], generator.permutation(1000).to_vec::<i64>().unwrap()[..10]);
    order.sort_unstable();
    assert_eq!(order, (0..1000).collect::<Vec<_>>());
    assert_eq!(generator.permutation(0).shape(), &[0]);
}

#[test]
fn wrong_arguments_are_named() {
    let mut generator = Generator::new(1);
    let message = |result: Result<Tensor>| result.unwrap_err().to_string();
    assert_eq!(message(generator.uniform([2], 1.0..1.0)), "uniform: the range 1.0..1.0 holds no float32 number");
    assert_eq!(
        message(generator.uniform([2], f64::NAN..1.0)),
        "uniform: the range NaN..1.0 must have finite float32 ends"
    );
    assert_eq!(
        message(generator.uniform([2], 0.0..1e39)),
        "uniform: the range 0.0..1e39 must have finite float32 ends"
    );
    assert_eq!(
        message(generator.normal([2], 0.0, -1.0)),
        "normal: mean 0.0 and std -1.0 must be finite float32 numbers, std not negative"
    );
    assert_eq!(message(generator.bernoulli([2], 1.5)), "bernoulli: the probability 1.5 must lie between 0 and 1");
    assert_eq!(message(generator.integers([2], 3..3)), "integers: the range 3..3 is empty");
    assert_eq!(
        message(generator.normal([usize::MAX, 2], 0.0, 1.0)),
        format!("normal: a tensor of shape [{}, 2] is larger than memory can address", usize::MAX)
    );
    assert_eq!(generator, Generator::new(1), "a failed draw draws nothing");
}

#[test]
fn each_thread_has_a_generator() {
    seed(7);
    let here = floats(&Tensor::uniform([4], 0.0..1.0).unwrap());
    let (seeded, unseeded) = std::thread::spawn(|| {
        let unseeded = state();
        seed(7);
        (floats(&Tensor::uniform([4], 0.0..1.0).unwrap()), unseeded)
    })
    .join()
    .unwrap();
    assert_eq!(here, seeded);
    assert_ne!(unseeded.seed, std::thread::spawn(state).join().unwrap().seed);
    let saved = state();
    let a = fork("shuffle");
    restore(saved);
    assert_eq!(a, fork("shuffle"));
    assert_ne!(a, fork("shuffle"));
}
