//! Aligned memory blocks that return to a pool when dropped.
//!
//! A fresh page costs a page fault when it is first written, and a training step that allocates fresh memory spends
//! half its time there. The pool therefore keeps blocks by size class and reuses them: small ones in each thread
//! without a lock, large ones in one shared pool. (A batch allocated by a loader thread is freed by the training
//! thread, so per-thread pools would grow on one side only.) Every block is initialized once, so its bytes may always
//! be read.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::any::Any;
use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use crate::dtype::{DType, Element};

/// The alignment of every block: the size of a cache line, and of the widest vector register.
const ALIGN: usize = 64;
/// Blocks of up to this many bytes are kept by the thread that drops them.
const SMALL: usize = 32 << 10;
/// Bytes between large blocks, which the system places one behind another. Their capacities are multiples of 4096:
/// without a gap, a loop over several blocks would suffer from 4K aliasing, in which a load waits for a recent store
/// whose address has nearly the same low 12 bits.
const GAP: usize = 27 * ALIGN;
/// The maximum number of bytes in small blocks of one class that a thread keeps. This bounds classes that the thread
/// only frees and others allocate.
const CLASS_BYTES: usize = 16 << 20;
/// Bytes by which a thread's share of the pool's limit grows and shrinks.
const SHARE: usize = 64 << 10;
/// Four size classes per power of two: at most a fifth of a block is unused.
const CLASSES: usize = 4 * 64;

static LARGE: Mutex<[Vec<Block>; CLASSES]> = Mutex::new([const { Vec::new() }; CLASSES]);
static HELD: AtomicUsize = AtomicUsize::new(0);
static LIMIT: AtomicUsize = AtomicUsize::new(1 << 30);
static FRESH: AtomicU64 = AtomicU64::new(0);
/// The number of times that the pool was cleared.
static CLEARED: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static SMALL_BLOCKS: RefCell<SmallBlocks> = const {
        RefCell::new(SmallBlocks { classes: [const { Vec::new() }; CLASSES], held: 0, share: 0, cleared: 0 })
    };
}

/// The free small blocks of a thread, which go back to the system when it ends. The thread reserves a share of the
/// pool's limit, extends it by [`SHARE`] when it is full, and gives back one [`SHARE`] when two are unused. So most
/// allocations and drops touch no memory that other threads write.
struct SmallBlocks {
    classes: [Vec<Block>; CLASSES],
    /// Bytes of the free blocks.
    held: usize,
    /// Bytes that are counted in `HELD` for this thread.
    share: usize,
    /// The value of `CLEARED` when this was last cleared.
    cleared: u64,
}

impl SmallBlocks {
    fn pop(&mut self, class: usize) -> Option<Block> {
        self.follow();
        let block = self.classes[class].pop()?;
        self.held -= block.capacity;
        // Hysteresis: allocations and drops around the edge of a share leave `HELD` alone.
        if self.share - self.held >= 2 * SHARE {
            self.share -= SHARE;
            HELD.fetch_sub(SHARE, Relaxed);
        }
        Some(block)
    }

    /// The list for a block of this capacity, if there is room for it. The block counts as held from now on.
    fn make_room(&mut self, class: usize, capacity: usize) -> Option<&mut Vec<Block>> {
        self.follow();
        if (self.classes[class].len() + 1) * capacity > CLASS_BYTES {
            return None;
        }
        if self.held + capacity > self.share {
            if !reserve(SHARE) {
                return None;
            }
            self.share += SHARE;
        }
        self.held += capacity;
        Some(&mut self.classes[class])
    }

    /// Clears this if the pool has been cleared since.
    fn follow(&mut self) {
        let cleared = CLEARED.load(Relaxed);
        if self.cleared != cleared {
            self.cleared = cleared;
            self.clear();
        }
    }

    fn clear(&mut self) {
        self.classes.iter_mut().flat_map(std::mem::take).for_each(Block::free);
        HELD.fetch_sub(std::mem::take(&mut self.share), Relaxed);
        self.held = 0;
    }
}

impl Drop for SmallBlocks {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Counts bytes as held if that stays within the limit, and returns whether it does.
fn reserve(bytes: usize) -> bool {
    let within = |held: usize| held.checked_add(bytes).filter(|&held| held <= LIMIT.load(Relaxed));
    HELD.fetch_update(Relaxed, Relaxed, within).is_ok()
}

/// Counters of the pool of buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolStatistics {
    /// Blocks allocated from the system so far, because the pool had none of the right size. In a steady state of
    /// training this no longer grows.
    pub fresh: u64,
    /// Bytes of the free blocks in the pool. Blocks of up to 32 KiB, which each thread keeps itself, are counted in
    /// steps of 64 KiB.
    pub held: usize,
    /// The maximum of `held`; blocks that are dropped beyond it go back to the system.
    pub limit: usize,
}

/// The pool's counters.
pub fn pool_statistics() -> PoolStatistics {
    PoolStatistics { fresh: FRESH.load(Relaxed), held: HELD.load(Relaxed), limit: LIMIT.load(Relaxed) }
}

/// Sets how many bytes of free blocks the pool may hold (1 GiB by default). If it holds more, it is cleared, as by
/// [`clear_pool`].
pub fn set_pool_limit(bytes: usize) {
    LIMIT.store(bytes, Relaxed);
    if HELD.load(Relaxed) > bytes {
        clear_pool();
    }
}

/// Returns all free memory of the pool to the system. Other threads return the blocks that they keep when they next use
/// the pool.
pub fn clear_pool() {
    CLEARED.fetch_add(1, Relaxed);
    // If the thread is ending, its small blocks are already gone.
    let _ = SMALL_BLOCKS.try_with(|pool| pool.borrow_mut().follow());
    let mut pool = LARGE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    for block in pool.iter_mut().flat_map(std::mem::take) {
        HELD.fetch_sub(block.capacity, Relaxed);
        block.free();
    }
}

/// A block of initialized memory with unspecified content. Its owner must give it back or free it; dropping it leaks
/// it.
struct Block {
    start: NonNull<u8>,
    capacity: usize,
}

// SAFETY: a block is plain memory that its owner alone uses; nothing in it depends on a thread.
unsafe impl Send for Block {}
// SAFETY: a shared block gives its address only; reading and writing are up to `Memory`, which is borrowed for either.
unsafe impl Sync for Block {}

/// The class of a size, and the capacity of its blocks: `(4 + k) · 2ⁿ` bytes, k from 1 to 4.
fn class_of(bytes: usize) -> (usize, usize) {
    let bytes = bytes.max(ALIGN);
    let power = (bytes - 1).ilog2() as usize;
    // The size in steps of 2ⁿ, rounded up: from 5 to 8.
    let steps = ((bytes - 1) >> (power - 2)) + 1;
    (power * 4 + steps - 5, steps << (power - 2))
}

fn layout(capacity: usize) -> Layout {
    let size = if capacity <= SMALL { capacity } else { capacity + GAP };
    // Panics as `Vec` does if the size exceeds the address space.
    Layout::from_size_align(size, ALIGN).expect("capacity overflow")
}

impl Block {
    /// A block of at least `bytes` bytes, from the pool if it has one.
    fn take(bytes: usize) -> Block {
        assert!(bytes <= isize::MAX as usize / 2, "capacity overflow");
        let (class, capacity) = class_of(bytes);
        let pooled = if capacity <= SMALL {
            SMALL_BLOCKS.try_with(|pool| pool.borrow_mut().pop(class)).ok().flatten()
        } else {
            let mut pool = LARGE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            // Reuse the second most recently freed block. A training step frees a parameter, then its gradient; the
            // next step allocates a gradient, then a parameter. In this order the two swap places. Otherwise the new
            // parameter would be written over the old one, whose cache lines are shared by all threads that have read
            // it, and writing to shared lines takes many times as long.
            let blocks = &mut pool[class];
            let block = if blocks.len() > 1 { Some(blocks.swap_remove(blocks.len() - 2)) } else { blocks.pop() };
            block.inspect(|block| {
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

    /// Returns the block to the pool, or to the system if the pool is full.
    fn give(self) {
        let (class, capacity) = class_of(self.capacity);
        let mut block = Some(self);
        if capacity <= SMALL {
            // This does nothing if the thread is ending and its pool is gone.
            let _ = SMALL_BLOCKS.try_with(|pool| {
                if let Some(blocks) = pool.borrow_mut().make_room(class, capacity) {
                    blocks.extend(block.take());
                }
            });
        } else if reserve(capacity) {
            LARGE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())[class].extend(block.take());
        }
        block.into_iter().for_each(Block::free);
    }

    fn free(self) {
        // SAFETY: `Block::take` made the block by `alloc_zeroed` with this layout, and `self` is consumed, so the block is
        // freed once.
        unsafe { dealloc(self.start.as_ptr(), layout(self.capacity)) }
    }
}

/// Up to this many bytes are stored inline, beside the reference count of their buffer.
const INLINE: usize = 32;

/// Memory for the elements of one tensor.
pub(crate) struct Memory {
    dtype: DType,
    place: Place,
}

enum Place {
    /// Scalars and the smallest vectors.
    Inline([u64; INLINE / 8]),
    /// A block that goes back to the pool.
    Pooled(Pooled),
    /// A vector that the user passed in.
    Adopted(Adopted),
}

struct Pooled(ManuallyDrop<Block>);

impl Drop for Pooled {
    fn drop(&mut self) {
        // SAFETY: the block is not used after this.
        unsafe { ManuallyDrop::take(&mut self.0) }.give();
    }
}

struct Adopted {
    start: NonNull<u8>,
    bytes: usize,
    vector: Box<dyn Any + Send + Sync>,
}

// SAFETY: `start` points into `vector`, which may be sent and shared itself.
unsafe impl Send for Adopted {}
// SAFETY: as for `Send`; the elements are written only through `&mut Memory`.
unsafe impl Sync for Adopted {}

impl Memory {
    /// Memory for `len` elements with unspecified but valid values. For `bool`, where only the bytes 0 and 1 are valid,
    /// all are `false`.
    pub(crate) fn new<T: Element>(len: usize) -> Memory {
        let bytes = len.checked_mul(size_of::<T>()).expect("capacity overflow");
        if bytes <= INLINE {
            return Memory { dtype: T::DTYPE, place: Place::Inline([0; INLINE / 8]) };
        }
        let block = Block::take(bytes);
        if T::DTYPE == DType::Bool {
            // SAFETY: the block has at least `bytes` bytes, and nothing else uses it.
            unsafe { block.start.write_bytes(0, bytes) };
        }
        Memory { dtype: T::DTYPE, place: Place::Pooled(Pooled(ManuallyDrop::new(block))) }
    }

    /// The memory of a vector, without a copy.
    pub(crate) fn from_vec<T: Element>(mut vector: Vec<T>) -> Memory {
        let start = NonNull::from(vector.as_mut_slice()).cast();
        let bytes = std::mem::size_of_val(vector.as_slice());
        Memory { dtype: T::DTYPE, place: Place::Adopted(Adopted { start, bytes, vector: Box::new(vector) }) }
    }

    /// The vector that was passed to `from_vec`, or the memory itself if that was no `Vec<T>`.
    pub(crate) fn into_vec<T: Element>(self) -> Result<Vec<T>, Memory> {
        let Memory { dtype, place } = self;
        match place {
            Place::Adopted(Adopted { start, bytes, vector }) => match vector.downcast() {
                Ok(vector) => Ok(*vector),
                Err(vector) => Err(Memory { dtype, place: Place::Adopted(Adopted { start, bytes, vector }) }),
            },
            place => Err(Memory { dtype, place }),
        }
    }

    /// The type of the elements.
    pub(crate) fn dtype(&self) -> DType {
        self.dtype
    }

    fn bytes(&self) -> (*const u8, usize) {
        match &self.place {
            Place::Inline(words) => (words.as_ptr().cast(), INLINE),
            Place::Pooled(Pooled(block)) => (block.start.as_ptr(), block.capacity),
            Place::Adopted(adopted) => (adopted.start.as_ptr(), adopted.bytes),
        }
    }

    /// The first `len` elements. `T` must be the type that `dtype` names.
    #[inline]
    pub(crate) fn as_slice<T: Element>(&self, len: usize) -> &[T] {
        let (start, bytes) = self.bytes();
        assert_eq!(T::DTYPE, self.dtype);
        assert!(len.checked_mul(size_of::<T>()).is_some_and(|needed| needed <= bytes));
        // SAFETY: the memory was made for elements of type `T`, as was asserted: `start` is aligned for every element type,
        // or came from a vector of `T`. It is long enough, as was asserted, and initialised. Its bytes are values of `T`:
        // every bit pattern is one, except for `bool`, whose memory `new` fills with zeros.
        unsafe { std::slice::from_raw_parts(start.cast(), len) }
    }

    /// The first `len` elements, mutably. `T` must be the type that `dtype` names.
    #[inline]
    pub(crate) fn as_mut_slice<T: Element>(&mut self, len: usize) -> &mut [T] {
        let (start, bytes) = match &mut self.place {
            Place::Inline(words) => (words.as_mut_ptr().cast(), INLINE),
            Place::Pooled(Pooled(block)) => (block.start.as_ptr(), block.capacity),
            Place::Adopted(adopted) => (adopted.start.as_ptr(), adopted.bytes),
        };
        assert_eq!(T::DTYPE, self.dtype);
        assert!(len.checked_mul(size_of::<T>()).is_some_and(|needed| needed <= bytes));
        // SAFETY: as in `as_slice`, and `&mut self` makes the access exclusive.
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
    fn a_dropped_small_block_is_reused_with_its_content() {
        let mut first = Memory::new::<f32>(25);
        first.as_mut_slice::<f32>(25).fill(7.0);
        let address = first.bytes().0;
        assert_eq!(address as usize % ALIGN, 0);
        drop(first);
        let second = Memory::new::<f32>(25);
        assert_eq!((second.bytes().0, second.as_slice::<f32>(25)), (address, &[7.0; 25][..]));
        drop(second);
        // ... but for `bool` only after it is cleared.
        assert_eq!(Memory::new::<bool>(100).as_slice::<bool>(100), [false; 100]);
    }

    #[test]
    fn the_second_most_recently_freed_large_block_is_reused_first() {
        // A size class that no other test uses.
        let [first, second, third] = [(); 3].map(|()| Memory::new::<u8>(28 << 20));
        let addresses = [&first, &second, &third].map(|memory| memory.bytes().0);
        [first, second, third].into_iter().for_each(drop);
        let again = [(); 3].map(|()| Memory::new::<u8>(28 << 20));
        assert_eq!(again.each_ref().map(|memory| memory.bytes().0), [addresses[1], addresses[0], addresses[2]]);
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
    #[should_panic(expected = "assertion `left == right` failed")]
    fn memory_is_not_read_as_another_type() {
        Memory::new::<u8>(100).as_slice::<bool>(100);
    }
}
