//! Tasks that a thread steals from other callers while a kernel waits for its parallel work.

use rayon::prelude::*;
use tensor::{Generator, Result, Tensor, parallel_section, random};

fn in_pool<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(8).build().expect("a pool").install(f)
}

/// Draws that are large enough to wait for other threads, and small ones between them.
fn draws(seed: u64) -> Result<Vec<u32>> {
    random::seed(seed);
    let mut bits = Vec::new();
    for _ in 0..3 {
        let large = Tensor::uniform([33_000], 0.0..1.0)?;
        let small = Tensor::uniform([2], 0.0..1.0)?;
        bits.push((large.at(-1, 0)?.item()? as f32).to_bits());
        bits.extend(small.to_vec::<f32>()?.into_iter().map(f32::to_bits));
        bits.extend(random::fork("layer").normal([2], 0.0, 1.0)?.to_vec::<f32>()?.into_iter().map(f32::to_bits));
    }
    Ok(bits)
}

/// A regression test: a stolen task seeded the generator of the task that was waiting.
#[test]
fn seeded_tasks_of_a_parallel_loop_draw_as_in_a_serial_loop() -> Result<()> {
    let count = 3_840;
    let serial = (0..count).map(draws).collect::<Result<Vec<_>>>()?;
    let parallel = in_pool(|| (0..count).into_par_iter().map(draws).collect::<Result<Vec<_>>>())?;
    let differ = (0..count as usize).filter(|&k| serial[k] != parallel[k]).count();
    assert_eq!(differ, 0, "of {count} tasks");
    Ok(())
}

/// A sum that is large enough to be split between threads.
fn wait() -> f64 {
    Tensor::ones([1 << 18]).exp().sum().item().unwrap_or(f64::NAN)
}

#[test]
fn a_draw_leaves_the_thread_generator_where_a_serial_draw_does() -> Result<()> {
    random::seed(1);
    Tensor::normal([100_001], 0.0, 1.0)?;
    let expected = random::state();
    let found = in_pool(|| {
        (0..64u64)
            .into_par_iter()
            .map(|k| {
                random::seed(1);
                wait();
                Tensor::normal([100_001], 0.0, 1.0)?;
                let state = random::state();
                // The state that others find if they do not seed.
                random::seed(k + 2);
                Ok(state)
            })
            .collect::<Result<Vec<_>>>()
    })?;
    assert!(found.iter().all(|state| *state == expected));
    Ok(())
}

#[test]
fn a_parallel_section_sets_the_generator_aside() {
    random::seed(3);
    let before = random::state();
    let inside = parallel_section(|| {
        random::seed(4);
        random::state()
    });
    assert_eq!((inside, random::state()), (Generator::new(4).state(), before));
    // It starts without a seed, so nothing in it depends on the caller's.
    let unseeded = [(); 2].map(|()| parallel_section(random::state));
    assert!(unseeded[0].seed != unseeded[1].seed && unseeded[0].seed != 3);
    let panicked = std::panic::catch_unwind(|| parallel_section::<()>(|| panic!("on purpose")));
    assert!(panicked.is_err());
    assert_eq!(random::state(), before);
}

#[test]
fn with_generator_restores_the_thread_generator() -> Result<()> {
    random::seed(3);
    let before = random::state();
    let mut generator = Generator::new(5);
    random::with_generator(&mut generator, || Tensor::uniform([3], 0.0..1.0))?;
    assert_eq!((generator.state().position, random::state()), (3, before));
    Ok(())
}
