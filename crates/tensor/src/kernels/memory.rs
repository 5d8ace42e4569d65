//! Aligned memory blocks that return to a pool when dropped.
//!
//! A fresh page costs a fault when it is first written, and a training step that allocates anew
//! spends half its time there. Blocks are therefore kept by size class and handed out again: small
//! ones by each thread without a lock, large ones by one shared pool (a batch allocated by a loader
//! thread is freed by the training thread, so a pool of its own for each thread would grow on one
//! side only). Every block is initialised once, so that its bytes may always be read.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::any::Any;
use std::cell::RefCell;
use std::ptr::NonNull;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use crate::dtype::{DType, Element};

/// Start of every block: a cache line, and the widest vector register.
const ALIGN: usize = 64;
/// Blocks up to this size are kept by the thread that drops them.
const SMALL: usize = 32 << 10;
/// How many small blocks of one class a thread keeps.
const SMALL_COUNT: usize = 256;
/// Classes lie at four steps between powers of two, so that at most a fifth of a block is unused.
const CLASSES: usize = 4 * 64;

static LARGE: Mutex<[Vec<Block>; CLASSES]> = Mutex::new([const { Vec::new() }; CLASSES]);
static HELD: AtomicUsize = AtomicUsize::new(0);
static LIMIT: AtomicUsize = AtomicUsize::new(1 << 30);
static FRESH: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static SMALL_BLOCKS: SmallBlocks = const { SmallBlocks(RefCell::new([const { Vec::new() }; CLASSES])) };
}

/// The small blocks that wait in a thread, freed when it ends.
struct SmallBlocks(RefCell<[Vec<Block>; CLASSES]>);

impl Drop for SmallBlocks {
    fn drop(&mut self) {
        self.0.get_mut().iter_mut().flat_map(std::mem::take).for_each(Block::free);
    }
}

/// Counters of the pool of buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolStatistics {
    /// Blocks taken from the system so far, because the pool had none that fits. In a steady
    /// state of training this no longer grows.
    pub fresh: u64,
    /// Bytes of large blocks that wait in the pool now.
    pub held: usize,
    /// The most that `held` may become; what is dropped beyond it goes back to the system.
    pub limit: usize,
}

/// The pool's counters.
pub fn pool_statistics() -> PoolStatistics {
    PoolStatistics { fresh: FRESH.load(Relaxed), held: HELD.load(Relaxed), limit: LIMIT.load(Relaxed) }
}

/// Sets how many bytes may wait in the pool (1 GiB unless set).
pub fn set_pool_limit(bytes: usize) {
    LIMIT.store(bytes, Relaxed);
}

/// Returns all memory that waits in the shared pool to the system.
pub fn clear_pool() {
    let mut pool = LARGE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    for block in pool.iter_mut().flat_map(std::mem::take) {
        HELD.fetch_sub(block.capacity, Relaxed);
        block.free();
    }
}

/// A block of initialised memory of unspecified content: a description, freed by whoever owns it.
#[derive(Clone, Copy)]
struct Block {
    start: NonNull<u8>,
    capacity: usize,
}

// SAFETY: a block is plain memory with one owner; nothing in it depends on a thread.
unsafe impl Send for Block {}
// SAFETY: as above; shared access only reads.
unsafe impl Sync for Block {}

/// The class of a size and the capacity of the blocks in it: `(4 + k) · 2ⁿ` bytes, k from 1 to 4.
fn class_of(bytes: usize) -> (usize, usize) {
    let bytes = bytes.max(ALIGN);
    let power = (bytes - 1).ilog2() as usize;
    let step = 1usize << (power - 2);
    let quarters = bytes.div_ceil(step) - 4;
    (power * 4 + quarters - 1, (4 + quarters) * step)
}

fn layout(capacity: usize) -> Layout {
    // Running out of address space panics as `Vec` does.
    Layout::from_size_align(capacity, ALIGN).expect("capacity overflow")
}

impl Block {
    /// A block of at least `bytes`, from the pool where one fits.
    fn take(bytes: usize) -> Block {
        assert!(bytes <= isize::MAX as usize / 2, "capacity overflow");
        let (class, capacity) = class_of(bytes);
        let pooled = if capacity <= SMALL {
            SMALL_BLOCKS.try_with(|pool| pool.0.borrow_mut()[class].pop()).ok().flatten()
        } else {
            let mut pool = LARGE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            pool[class].pop().inspect(|block| {
                HELD.fetch_sub(block.capacity, Relaxed);
            })
        };
        pooled.unwrap_or_else(|| {
            FRESH.fetch_add(1, Relaxed);
            let layout = layout(capacity);
            // SAFETY: the layout's size is not zero: `class_of` rounds up to at least ALIGN.
            let start = unsafe { alloc_zeroed(layout) };
            let start = NonNull::new(start).unwrap_or_else(|| handle_alloc_error(layout));
            Block { start, capacity }
        })
    }

    /// Back to the pool, or to the system where the pool is full.
    fn give(self) {
        let (class, capacity) = class_of(self.capacity);
        let kept = if capacity <= SMALL {
            SMALL_BLOCKS
                .try_with(|pool| {
                    let class = &mut pool.0.borrow_mut()[class];
                    let room = class.len() < SMALL_COUNT;
                    if room {
                        class.push(self);
                    }
                    room
                })
                // The thread is ending, and its pool is gone.
                .unwrap_or(false)
        } else {
            let room = HELD.load(Relaxed) + capacity <= LIMIT.load(Relaxed);
            if room {
                HELD.fetch_add(capacity, Relaxed);
                LARGE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())[class].push(self);
            }
            room
        };
        if !kept {
            self.free();
        }
    }

    fn free(self) {
        // SAFETY: `start` came from `alloc_zeroed` with this layout, and its owner calls this once.
        unsafe { dealloc(self.start.as_ptr(), layout(self.capacity)) }
    }
}

/// Up to this many bytes are stored beside the reference count of their buffer.
const INLINE: usize = 32;

/// Memory for the elements of one tensor.
pub(crate) enum Memory {
    /// Scalars and the smallest vectors.
    Inline([u64; INLINE / 8]),
    /// A block that goes back to the pool.
    Pooled(Pooled),
    /// The vector of a user.
    Adopted(Adopted),
}

pub(crate) struct Pooled(Block);

impl Drop for Pooled {
    fn drop(&mut self) {
        self.0.give();
    }
}

pub(crate) struct Adopted {
    start: NonNull<u8>,
    bytes: usize,
    vector: Box<dyn Any + Send + Sync>,
}

// SAFETY: `start` points into `vector`, which may be sent and shared itself.
unsafe impl Send for Adopted {}
// SAFETY: as above.
unsafe impl Sync for Adopted {}

impl Memory {
    /// Memory for `len` elements, each a valid value: whatever was there before, or `false` for
    /// `bool`, whose other bytes than 0 and 1 would not be values.
    pub(crate) fn new<T: Element>(len: usize) -> Memory {
        let bytes = len.checked_mul(size_of::<T>()).expect("capacity overflow");
        if bytes <= INLINE {
            return Memory::Inline([0; INLINE / 8]);
        }
        let mut memory = Memory::Pooled(Pooled(Block::take(bytes)));
        if T::DTYPE == DType::Bool {
            memory.as_mut_slice::<u8>(bytes).fill(0);
        }
        memory
    }

    /// The memory of a vector, without a copy.
    pub(crate) fn from_vec<T: Element>(mut vector: Vec<T>) -> Memory {
        let start = NonNull::from(vector.as_mut_slice()).cast();
        let bytes = std::mem::size_of_val(vector.as_slice());
        Memory::Adopted(Adopted { start, bytes, vector: Box::new(vector) })
    }

    /// The vector that came in through `from_vec`; the memory itself where it did not.
    pub(crate) fn into_vec<T: Element>(self) -> Result<Vec<T>, Memory> {
        match self {
            Memory::Adopted(Adopted { start, bytes, vector }) => match vector.downcast() {
                Ok(vector) => Ok(*vector),
                Err(vector) => Err(Memory::Adopted(Adopted { start, bytes, vector })),
            },
            memory => Err(memory),
        }
    }

    fn bytes(&self) -> (*const u8, usize) {
        match self {
            Memory::Inline(words) => (words.as_ptr().cast(), INLINE),
            Memory::Pooled(Pooled(block)) => (block.start.as_ptr(), block.capacity),
            Memory::Adopted(adopted) => (adopted.start.as_ptr(), adopted.bytes),
        }
    }

    /// The first `len` elements; `T` is the type this memory was made for, or `u8`.
    pub(crate) fn as_slice<T: Element>(&self, len: usize) -> &[T] {
        let (start, bytes) = self.bytes();
        assert!(len.checked_mul(size_of::<T>()).is_some_and(|needed| needed <= bytes));
        // SAFETY: `start` is aligned for every element type, or came from a vector of `T`; the
        // memory is long enough (just checked) and initialised, and its bytes are values of `T`.
        unsafe { std::slice::from_raw_parts(start.cast(), len) }
    }

    /// The first `len` elements, to be written.
    pub(crate) fn as_mut_slice<T: Element>(&mut self, len: usize) -> &mut [T] {
        let (start, bytes) = match self {
            Memory::Inline(words) => (words.as_mut_ptr().cast(), INLINE),
            Memory::Pooled(Pooled(block)) => (block.start.as_ptr(), block.capacity),
            Memory::Adopted(adopted) => (adopted.start.as_ptr(), adopted.bytes),
        };
        assert!(len.checked_mul(size_of::<T>()).is_some_and(|needed| needed <= bytes));
        // SAFETY: as in `as_slice`; `&mut self` makes the access exclusive.
        unsafe { std::slice::from_raw_parts_mut(start.cast(), len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_monotone_and_waste_at_most_a_fifth() {
        let mut last = (0, 0);
        for bytes in 1..100_000 {
            let (class, capacity) = class_of(bytes);
            assert!(capacity >= bytes && (class, capacity) >= last);
            assert_eq!(class_of(capacity), (class, capacity));
            if bytes > ALIGN {
                assert!(capacity * 4 < bytes * 5 + 4, "{bytes} in {capacity}");
            }
            last = (class, capacity);
        }
    }

    #[test]
    fn a_dropped_small_block_is_handed_out_again_as_it_was() {
        let mut first = Memory::new::<f32>(25);
        first.as_mut_slice::<f32>(25).fill(7.0);
        let address = first.bytes().0;
        assert_eq!(address as usize % ALIGN, 0);
        drop(first);
        let second = Memory::new::<f32>(25);
        assert_eq!((second.bytes().0, second.as_slice::<f32>(25)), (address, &[7.0; 25][..]));
        drop(second);
        // ... but as truth values only after it was cleared.
        assert_eq!(Memory::new::<bool>(100).as_slice::<bool>(100), [false; 100]);
    }

    #[test]
    fn memory_crosses_threads_and_is_freed_with_them() {
        let memory = Memory::new::<i64>(100);
        std::thread::spawn(move || assert_eq!(memory.as_slice::<i64>(100).len(), 100)).join().unwrap();
    }

    #[test]
    fn a_vector_comes_back_as_it_went_in() {
        let vector = vec![1.5f32, 2.5];
        let address = vector.as_ptr();
        let mut memory = Memory::from_vec(vector);
        memory.as_mut_slice::<f32>(2)[0] = 3.5;
        let memory = memory.into_vec::<f64>().err().unwrap();
        let vector = memory.into_vec::<f32>().ok().unwrap();
        assert_eq!((vector.as_ptr(), &vector[..]), (address, &[3.5, 2.5][..]));
    }

    #[test]
    fn the_limit_of_the_pool_is_kept() {
        let statistics = pool_statistics();
        assert!(statistics.held <= statistics.limit);
    }
}
