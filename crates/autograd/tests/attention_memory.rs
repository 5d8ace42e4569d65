//! Attention and its gradient take memory in proportion to the length.

use autograd::tensor::ops::AttentionOptions;
use autograd::tensor::{Generator, Tensor, clear_pool, set_pool_limit};
use autograd::{GradientTape, Result};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The peak of the bytes that are allocated during a forward and a backward pass for 2 heads of size 16, in addition to
/// the operands.
fn bytes(length: usize, causal: bool) -> Result<usize> {
    let heads: Vec<Tensor> =
        (0..3).map(|seed| Generator::new(seed).normal([1, 2, length, 16], 0.0, 1.0)).collect::<Result<_>>()?;
    let options = if causal { AttentionOptions::default().causal() } else { AttentionOptions::default() };
    clear_pool();
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let tape = GradientTape::new();
    heads.iter().for_each(|x| tape.watch(x));
    let y = heads[0].scaled_dot_product_attention(&heads[1], &heads[2], &options)?;
    let gradients = tape.gradient(&y, &heads)?;
    assert!(gradients.iter().all(|gradient| gradient.abs().sum().item().is_ok_and(|sum| sum > 0.0)));
    Ok(MEMORY.peak_usage() - before)
}

// One test, because memory is counted for the whole process.
#[test]
fn memory_is_linear_in_the_length() -> Result<()> {
    set_pool_limit(0);
    // Starting the threads of the pool takes memory, too.
    bytes(1024, false)?;
    for causal in [false, true] {
        let (short, long) = (bytes(2048, causal)?, bytes(8192, causal)?);
        assert!(long < 5 * short, "{short} bytes for a length of 2048, {long} for 8192");
        // The weights alone would take 512 MiB.
        assert!(long < 32 << 20, "{long}");
    }
    Ok(())
}
