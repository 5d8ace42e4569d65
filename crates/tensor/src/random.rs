//! Reproducible random numbers: seekable generators and their distributions.
//!
//! A [`Generator`] is a position in a ChaCha8 stream of 32-bit words, which its seed and stream number determine. Each
//! element of a draw takes a fixed number of words from that position on. Large draws are therefore filled in parallel
//! and give the same bits for any number of threads, and a generator whose [state](Generator::state) was restored
//! continues exactly where it was.
//!
//! Each thread has a default generator, which [`Tensor::uniform`] and similar functions draw from. [`seed`] sets its
//! seed; otherwise the operating system provides one. Tasks that a thread runs for other callers while a kernel waits
//! for its parallel work do not share it: each starts with a seed from the operating system too. A task of a parallel
//! loop that begins with [`seed`] therefore draws the same numbers as in a serial loop.

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::ops::Range;
use std::panic::Location;

use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng, SeedableRng, TryRng};
use rand::rngs::SysRng;

use crate::context::TaskLocal;
use crate::dtype::Element;
use crate::error::{Error, Result, placed};
use crate::kernels::threads::{CHUNK, for_chunks};
use crate::shape::Shape;
use crate::storage::Buffer;
use crate::tensor::Tensor;

/// A source of random numbers, which its seed, stream and position determine.
///
/// The numbers are stable: the same state gives the same float32 bits with every version of this
/// library, on every platform.
///
/// ```
/// use tensor::Generator;
///
/// let mut generator = Generator::new(1);
/// let before = generator.state();
/// let first = generator.uniform([3], 0.0..1.0)?;
/// let again = Generator::from_state(before).uniform([3], 0.0..1.0)?;
/// assert_eq!(first.to_vec::<f32>()?, again.to_vec::<f32>()?);
/// # Ok::<(), tensor::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Generator {
    state: GeneratorState,
}

/// The complete state of a [`Generator`], as checkpoints store it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GeneratorState {
    /// The first eight bytes, little-endian, of the ChaCha8 key; the others are zero.
    pub seed: u64,
    /// The ChaCha8 stream.
    pub stream: u64,
    /// The position of the next draw in the stream, in 32-bit words.
    pub position: u64,
}

impl Generator {
    /// A generator at the beginning of stream 0 of a seed.
    pub fn new(seed: u64) -> Generator {
        Generator::from_state(GeneratorState { seed, stream: 0, position: 0 })
    }

    /// A generator in a given state.
    pub fn from_state(state: GeneratorState) -> Generator {
        Generator { state }
    }

    /// Seed, stream and position.
    pub fn state(&self) -> GeneratorState {
        self.state
    }

    /// A generator with the same seed at the beginning of a separate stream. The name says what it is for: an
    /// initializer, a shuffle, a dropout layer.
    ///
    /// The stream's number is the 64-bit FNV-1a hash of this generator's stream (8 bytes, little-endian), the name, and
    /// a number drawn here (8 bytes). Two forks with the same name therefore differ, and the same forks in the same
    /// order are reproducible.
    ///
    /// ```
    /// # use tensor::Generator;
    /// let mut generator = Generator::new(1);
    /// let (first, second) = (generator.fork("dropout"), generator.fork("dropout"));
    /// assert_ne!(first, second);
    /// assert_eq!(first, Generator::new(1).fork("dropout"));
    /// ```
    #[must_use]
    pub fn fork(&mut self, name: &str) -> Generator {
        let number = self.words(self.state.position).next_u64();
        self.advance(2);
        let parent = self.state.stream.to_le_bytes();
        let bytes = parent.into_iter().chain(name.bytes()).chain(number.to_le_bytes());
        // FNV-1a: http://www.isthe.com/chongo/tech/comp/fnv/
        let stream = bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Generator::from_state(GeneratorState { seed: self.state.seed, stream, position: 0 })
    }

    /// Float32 numbers uniformly distributed over `range`, without its end: `low + u · (high - low)`, where `u` is the
    /// upper 24 bits of a word as a fraction. Takes one word per element.
    ///
    /// [`Tensor::uniform`] draws from the thread's generator.
    ///
    /// # Errors
    /// Returns an error if the range is empty, if an end is not a finite float32, or if the range contains no float32.
    #[track_caller]
    pub fn uniform(&mut self, shape: impl Into<Shape>, range: Range<f64>) -> Result<Tensor> {
        let (low, high) = (range.start, range.end);
        let place = Location::caller();
        let wrong = |what| Err(Error::argument("uniform", format!("the range {low:?}..{high:?} {what}")).at(place));
        if !(low as f32).is_finite() || !(high as f32).is_finite() {
            return wrong("must have finite float32 ends");
        }
        // The outermost float32 numbers inside the range: rounding must not leave it.
        let (least, most) = (low as f32, high as f32);
        let least = if f64::from(least) < low { least.next_up() } else { least };
        let most = if f64::from(most) >= high { most.next_down() } else { most };
        if low >= high || least > most {
            return wrong("holds no float32 number");
        }
        let width = high - low;
        self.fill("uniform", shape.into(), 1, |words, out: &mut [f32]| {
            for out in out {
                let u = f64::from(words.next_u32() >> 8) / f64::from(1 << 24);
                *out = ((low + u * width) as f32).clamp(least, most);
            }
        })
    }

    /// Float32 numbers from a normal distribution, by the Box–Muller transform in float64. Takes two words per pair of
    /// elements; if the number of elements is odd, the second number of the last pair is discarded. The 32 bits of a
    /// word limit the range to 6.66 standard deviations.
    ///
    /// [`Tensor::normal`] draws from the thread's generator.
    ///
    /// # Errors
    /// Returns an error if `mean` or `std` is not a finite float32, or `std` is negative.
    #[track_caller]
    pub fn normal(&mut self, shape: impl Into<Shape>, mean: f64, std: f64) -> Result<Tensor> {
        if !(mean as f32).is_finite() || !(std as f32).is_finite() || std < 0.0 {
            let message = format!("mean {mean:?} and std {std:?} must be finite float32 numbers, std not negative");
            return Err(Error::argument("normal", message));
        }
        let shape = shape.into();
        let odd = shape.checked_size("normal")? % 2;
        let out = self.fill("normal", shape, 1, |words, out: &mut [f32]| {
            for pair in out.chunks_mut(2) {
                // In (0, 1], for the logarithm. `libm` instead of `std` gives the same bits on every platform.
                let u = (f64::from(words.next_u32()) + 1.0) / 2f64.powi(32);
                let radius = std * (-2.0 * libm::log(u)).sqrt();
                let angle = f64::from(words.next_u32()) * (std::f64::consts::TAU / 2f64.powi(32));
                let (sine, cosine) = libm::sincos(angle);
                for (out, direction) in pair.iter_mut().zip([cosine, sine]) {
                    *out = (mean + radius * direction) as f32;
                }
            }
        })?;
        self.advance(odd as u64);
        Ok(out)
    }

    /// The int64 numbers `0..count` in random order, `[count]`, by a Fisher–Yates shuffle. Takes two words per element.
    ///
    /// [`Tensor::permutation`] draws from the thread's generator.
    ///
    /// # Panics
    /// Panics in the same cases as [`Tensor::zeros`].
    pub fn permutation(&mut self, count: usize) -> Tensor {
        let mut order: Vec<i64> = (0..count).map(|k| k as i64).collect();
        let mut words = self.words(self.state.position);
        for last in (0..count).rev() {
            order.swap(last, below(words.next_u64(), last as u64 + 1) as usize);
        }
        self.advance(2 * count as u64);
        order.into()
    }

    /// Booleans that are true with probability `p`, accurate to within 2⁻³³. Takes one word per element.
    ///
    /// # Errors
    /// Returns an error if `p` is not between 0 and 1.
    #[track_caller]
    pub fn bernoulli(&mut self, shape: impl Into<Shape>, p: f64) -> Result<Tensor> {
        if !(0.0..=1.0).contains(&p) {
            return Err(Error::argument("bernoulli", format!("the probability {p:?} must lie between 0 and 1")));
        }
        let limit = (p * 2f64.powi(32)).round() as u64;
        self.fill("bernoulli", shape.into(), 1, |words, out: &mut [bool]| {
            out.iter_mut().for_each(|out| *out = u64::from(words.next_u32()) < limit);
        })
    }

    /// Int64 numbers uniformly distributed over `range`; each probability is accurate to within 2⁻⁶⁴. Takes two words
    /// per element.
    ///
    /// # Errors
    /// Returns an error if the range is empty.
    #[track_caller]
    pub fn integers(&mut self, shape: impl Into<Shape>, range: Range<i64>) -> Result<Tensor> {
        if range.is_empty() {
            return Err(Error::argument("integers", format!("the range {range:?} is empty")));
        }
        let width = range.end.wrapping_sub(range.start) as u64;
        self.fill("integers", shape.into(), 2, |words, out: &mut [i64]| {
            for out in out {
                *out = range.start.wrapping_add(below(words.next_u64(), width) as i64);
            }
        })
    }

    /// A tensor that `fill` writes in chunks, each from the words at its position in the stream.
    fn fill<T: Element>(
        &mut self,
        operation: &str,
        shape: Shape,
        words_each: u64,
        fill: impl Fn(&mut ChaCha8Rng, &mut [T]) + Sync,
    ) -> Result<Tensor> {
        let size = shape.checked_size(operation)?;
        let mut out = Buffer::new::<T>(size);
        let position = self.state.position;
        for_chunks(out.as_mut_slice(), CHUNK, |start, out| {
            fill(&mut self.words(position.wrapping_add(start as u64 * words_each)), out);
        });
        self.advance(size as u64 * words_each);
        Ok(Tensor::from_buffer(out, shape))
    }

    /// The words of this stream from `position` on.
    fn words(&self, position: u64) -> ChaCha8Rng {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&self.state.seed.to_le_bytes());
        let mut words = ChaCha8Rng::from_seed(key);
        words.set_stream(self.state.stream);
        words.set_word_pos(position.into());
        words
    }

    fn advance(&mut self, words: u64) {
        self.state.position = self.state.position.wrapping_add(words);
    }
}

/// Scales a 64-bit random number to `0..bound`.
fn below(random: u64, bound: u64) -> u64 {
    ((u128::from(random) * u128::from(bound)) >> 64) as u64
}

static DEFAULT: TaskLocal<Cell<Option<GeneratorState>>> = TaskLocal::new(Cell::default);

/// Draws from the thread's generator.
fn with_default<T>(draw: impl FnOnce(&mut Generator) -> T) -> T {
    let mut generator = Generator::from_state(state());
    let result = draw(&mut generator);
    restore(generator.state);
    result
}

/// Restores the thread's generator on drop, also during a panic.
struct Restore(Option<GeneratorState>);

impl Drop for Restore {
    fn drop(&mut self) {
        DEFAULT.get().set(self.0);
    }
}

/// Runs `f` with `generator` as the calling thread's default generator, and advances `generator` by what `f` draws. The
/// thread's own generator is restored afterwards.
///
/// ```
/// # use tensor::{Generator, Tensor, random};
/// let mut generator = Generator::new(1);
/// let inside = random::with_generator(&mut generator, || Tensor::normal([2], 0.0, 1.0))?;
/// let mut same = Generator::new(1);
/// assert_eq!(inside.to_vec::<f32>()?, same.normal([2], 0.0, 1.0)?.to_vec::<f32>()?);
/// assert_eq!(generator, same);
/// # Ok::<(), tensor::Error>(())
/// ```
pub fn with_generator<R>(generator: &mut Generator, f: impl FnOnce() -> R) -> R {
    let _restore = Restore(DEFAULT.get().replace(Some(generator.state)));
    let result = f();
    generator.state = state();
    result
}

/// Seeds the calling thread's generator.
///
/// ```
/// # use tensor::{Tensor, random};
/// random::seed(1);
/// let first = Tensor::permutation(5);
/// random::seed(1);
/// assert_eq!(first.to_vec::<i64>()?, Tensor::permutation(5).to_vec::<i64>()?);
/// # Ok::<(), tensor::Error>(())
/// ```
pub fn seed(seed: u64) {
    restore(Generator::new(seed).state);
}

/// A fork of the calling thread's generator: see [`Generator::fork`].
#[must_use]
pub fn fork(name: &str) -> Generator {
    with_default(|generator| generator.fork(name))
}

/// The state of the calling thread's generator. If it has no seed yet, the operating system provides one.
pub fn state() -> GeneratorState {
    DEFAULT.get().get().unwrap_or_else(|| {
        // Fall back on the standard library's hash keys, which are random too.
        let seed = SysRng.try_next_u64().unwrap_or_else(|_| RandomState::new().build_hasher().finish());
        let state = Generator::new(seed).state;
        DEFAULT.get().set(Some(state));
        state
    })
}

/// Restores the calling thread's generator to a state that [`state`] returned.
pub fn restore(state: GeneratorState) {
    DEFAULT.get().set(Some(state));
}

/// Random tensors from the calling thread's generator: see [`random`](crate::random).
impl Tensor {
    /// Float32 numbers uniformly distributed over `range`, without its end. [`Generator::uniform`] draws from an
    /// explicit generator.
    ///
    /// # Errors
    /// Returns an error if the range is empty, if an end is not a finite float32, or if the range contains no float32.
    ///
    /// ```
    /// # use tensor::Tensor;
    /// let x = Tensor::uniform([2, 3], -0.05..0.05)?;
    /// assert!(x.view::<f32>()?.iter().all(|x| (-0.05..0.05).contains(x)));
    /// # Ok::<(), tensor::Error>(())
    /// ```
    #[track_caller]
    pub fn uniform(shape: impl Into<Shape>, range: Range<f64>) -> Result<Tensor> {
        placed(|| with_default(|generator| generator.uniform(shape, range)))
    }

    /// Float32 numbers from a normal distribution. [`Generator::normal`] draws from an explicit generator.
    ///
    /// # Errors
    /// Returns an error if `mean` or `std` is not a finite float32, or `std` is negative.
    #[track_caller]
    pub fn normal(shape: impl Into<Shape>, mean: f64, std: f64) -> Result<Tensor> {
        placed(|| with_default(|generator| generator.normal(shape, mean, std)))
    }

    /// The int64 numbers `0..count` in random order, `[count]`. [`Generator::permutation`] draws from an explicit
    /// generator.
    ///
    /// # Panics
    /// Panics in the same cases as [`Tensor::zeros`].
    pub fn permutation(count: usize) -> Tensor {
        with_default(|generator| generator.permutation(count))
    }
}

#[cfg(test)]
mod tests;
