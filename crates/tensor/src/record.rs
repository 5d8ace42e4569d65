//! The hook for a gradient tape: identities of values, and the recorders of each thread.
//!
//! This crate has no rules of differentiation. It gives every tensor an identity, offers the
//! result of each operation to the recorders of the calling thread, and carries a mark along with
//! every value that was computed from a trainable variable, so that a tape can tell such a value
//! from a constant even where it was computed on another thread.
//!
//! A thread that waits for parallel work runs tasks of other callers meanwhile. In here such a task
//! counts as running on another thread: it has another number ([`thread`]) and none of the waiting
//! code's recorders. State that belongs to the code which set it is therefore kept by that number.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::ops::Op;
use crate::tensor::Tensor;

/// An observer of every operation that is applied on its thread.
pub trait Recorder {
    /// `op` was applied to `inputs` and gave `outputs`. No kernel may run in here.
    fn record(&self, op: &Op, inputs: &[&Tensor], outputs: &[Tensor]);

    /// Whether it follows what is computed from `value`.
    fn is_watching(&self, value: &Tensor) -> bool;

    /// Whether it no longer observes, even if it is still listed.
    fn is_stopped(&self) -> bool;
}

/// Who a value is: an identity, and the variable it came from, if any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    id: u64,
    time: u64,
    /// 0 where it came from none.
    variable: u32,
    /// [`TRAINABLE`] and [`READ`]. Not `bool`: its niche would be used as the discriminant of `Option<Tensor>`, which
    /// makes moves slower.
    flags: u32,
}

/// That variable is trainable.
const TRAINABLE: u32 = 1;
/// The value was just read, and not computed with.
const READ: u32 = 2;

fn flags(trainable: bool, read: bool) -> u32 {
    u32::from(trainable) * TRAINABLE + u32::from(read) * READ
}

/// The bits of an identity that count within one thread; those above are the thread's number.
const SEQUENCE_BITS: u32 = 40;

static THREADS: AtomicU64 = AtomicU64::new(1);
static TIME: AtomicU64 = AtomicU64::new(1);

thread_local! {
    static NEXT: Cell<u64> = const { Cell::new(0) };
    static RECORDERS: RefCell<Vec<Rc<dyn Recorder>>> = const { RefCell::new(Vec::new()) };
    static DETACHED: Cell<bool> = const { Cell::new(false) };
    /// Where the sequences of identities stand that tasks of others use while this thread waits.
    static GUESTS: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

impl Trace {
    /// The identity of a new value that depends on nothing.
    #[inline]
    pub(crate) fn fresh() -> Trace {
        Trace { id: next_id(), time: 0, variable: 0, flags: 0 }
    }

    /// The identity of a value just read from the variable with this number; that of a constant
    /// inside [`no_record`], unless a recorder was started in there.
    pub fn read(variable: u32, trainable: bool) -> Trace {
        if DETACHED.get() && RECORDERS.with_borrow(Vec::is_empty) {
            return Trace::fresh();
        }
        Trace { id: next_id(), time: now(), variable, flags: flags(trainable, true) }
    }

    /// Unique among all values of the process; ascending on each thread.
    #[inline]
    pub fn id(self) -> u64 {
        self.id
    }

    /// The number of the thread the value was computed on.
    #[inline]
    pub fn thread(self) -> u64 {
        thread_of(self.id)
    }

    /// The number of the variable that the value was just read from, if it was, and whether that
    /// is trainable.
    #[inline]
    pub fn leaf(self) -> Option<(u32, bool)> {
        self.origin().filter(|_| self.flags & READ != 0)
    }

    /// The number of the variable that the value was read or computed from, if any, and whether
    /// that is trainable.
    #[inline]
    pub fn origin(self) -> Option<(u32, bool)> {
        (self.variable != 0).then_some((self.variable, self.flags & TRAINABLE != 0))
    }

    /// When a value with an [`origin`](Trace::origin) was computed, on the clock of [`tick`].
    #[inline]
    pub fn time(self) -> u64 {
        self.time
    }
}

#[inline]
fn next_id() -> u64 {
    NEXT.with(|next| {
        let id = match next.get() {
            0 => THREADS.fetch_add(1, Relaxed) << SEQUENCE_BITS,
            id => id,
        };
        // A sequence that is used up goes on under another number.
        let following = id + 1;
        next.set(if following.trailing_zeros() >= SEQUENCE_BITS { 0 } else { following });
        id
    })
}

/// The number of the thread on which the value of an identity was made.
#[inline]
pub fn thread_of(id: u64) -> u64 {
    id >> SEQUENCE_BITS
}

/// The number of the calling thread. A task that a waiting thread runs for another caller has a number of
/// its own.
pub fn thread() -> u64 {
    thread_of(upcoming_id())
}

/// The identity that the next new value of this thread gets.
pub fn upcoming_id() -> u64 {
    let id = next_id();
    NEXT.set(id);
    id
}

/// Advances the process-wide clock by which values of other threads are told to be older or
/// younger than a tape, and returns the new time.
pub fn tick() -> u64 {
    TIME.fetch_add(1, Relaxed) + 1
}

fn now() -> u64 {
    TIME.load(Relaxed)
}

/// Starts to tell `recorder` of the operations on this thread.
pub fn start(recorder: Rc<dyn Recorder>) {
    RECORDERS.with_borrow_mut(|recorders| recorders.push(recorder));
}

/// Stops to tell `recorder`; `true` if it was told until now.
pub fn stop(recorder: &Rc<dyn Recorder>) -> bool {
    // A tape kept in a thread-local of its own may be dropped after this one is gone.
    let stopped = RECORDERS.try_with(|recorders| {
        let mut recorders = recorders.borrow_mut();
        let place = recorders.iter().rposition(|other| std::ptr::addr_eq(Rc::as_ptr(other), Rc::as_ptr(recorder)));
        place.map(|place| recorders.remove(place)).is_some()
    });
    stopped.unwrap_or(false)
}

/// Whether a recorder of this thread follows what is computed from `value`.
pub fn is_watched(value: &Tensor) -> bool {
    RECORDERS.with_borrow(|recorders| recorders.iter().any(|recorder| recorder.is_watching(value)))
}

/// Runs `f` without telling `recorder` of it; all others of this thread are told.
pub fn without<R>(recorder: &Rc<dyn Recorder>, f: impl FnOnce() -> R) -> R {
    struct Restore(Option<(usize, Rc<dyn Recorder>)>);
    impl Drop for Restore {
        fn drop(&mut self) {
            if let Some((place, recorder)) = self.0.take() {
                RECORDERS.with_borrow_mut(|recorders| recorders.insert(place.min(recorders.len()), recorder));
            }
        }
    }
    let taken = RECORDERS.with_borrow_mut(|recorders| {
        let place = recorders.iter().rposition(|other| std::ptr::addr_eq(Rc::as_ptr(other), Rc::as_ptr(recorder)));
        place.map(|place| (place, recorders.remove(place)))
    });
    let _restore = Restore(taken);
    f()
}

/// Runs `f` without this thread's recorders; what it computes from a variable is still marked so.
pub fn unrecorded<R>(f: impl FnOnce() -> R) -> R {
    struct Restore(Vec<Rc<dyn Recorder>>, bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            RECORDERS.with_borrow_mut(|recorders| {
                let started_inside = std::mem::take(recorders);
                *recorders = std::mem::take(&mut self.0);
                recorders.extend(started_inside);
                recorders.retain(|recorder| !recorder.is_stopped());
            });
            DETACHED.set(self.1);
        }
    }
    let _restore = Restore(RECORDERS.take(), DETACHED.replace(false));
    f()
}

/// As [`unrecorded`], around every parallel section of a kernel: while this thread waits, it may run
/// tasks of others. What those compute is numbered as on another thread, so that a tape of this one
/// takes it for what it is.
pub(crate) fn suspended<R>(f: impl FnOnce() -> R) -> R {
    struct Restore(u64);
    impl Drop for Restore {
        fn drop(&mut self) {
            let guest = NEXT.replace(self.0);
            GUESTS.with_borrow_mut(|guests| guests.push(guest));
        }
    }
    let guest = GUESTS.with_borrow_mut(Vec::pop).unwrap_or(0);
    let _restore = Restore(NEXT.replace(guest));
    unrecorded(f)
}

/// Runs `f` so that nothing in it is recorded: what it computes is a constant, whatever it was
/// computed from.
///
/// A tape that is made inside records as usual.
pub fn no_record<R>(f: impl FnOnce() -> R) -> R {
    unrecorded(|| {
        DETACHED.set(true);
        f()
    })
}

/// Offers the outputs of an operation to the recorders, and hands the mark of the inputs on.
#[inline]
pub(crate) fn offer(op: &Op, inputs: &[&Tensor], outputs: &mut [Tensor]) {
    // Of a trainable variable rather than of another.
    if let Some((variable, trainable)) =
        inputs.iter().filter_map(|input| input.trace.origin()).max_by_key(|(_, trainable)| *trainable)
        && !DETACHED.get()
    {
        let time = now();
        for output in outputs.iter_mut().filter(|output| output.dtype().is_float()) {
            output.trace = Trace { time, variable, flags: flags(trainable, false), ..output.trace };
        }
    }
    RECORDERS.with_borrow(|recorders| {
        for recorder in recorders {
            recorder.record(op, inputs, outputs);
        }
    });
}
