//! Task-local state.
//!
//! While a thread waits for parallel work, rayon lets it run tasks of other callers. Such a task must neither see nor
//! change the tapes, the default generator, or anything else that the waiting code has set. Such state is therefore
//! kept in a [`TaskLocal`] rather than in a `thread_local!`: all values of a task are saved while its thread waits, and
//! restored afterwards. The recorders, which every operation reads, do the same through a [hook](set_hook).
//!
//! This module does not know the types of the values that it stores.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::mem;
use std::rc::Rc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// The low bits of a [number](next_number) count within one task; the bits above them are the number of the task.
const SEQUENCE_BITS: u32 = 40;

/// The values of a task, indexed by `TaskLocal::place`.
type Values = Vec<Option<Rc<dyn Any>>>;

thread_local! {
    /// The next number of the running task; 0 before its first.
    static NEXT: Cell<u64> = const { Cell::new(0) };
    static VALUES: RefCell<Values> = const { RefCell::new(Vec::new()) };
    /// The next numbers of the sequences that other callers' tasks use while this thread waits.
    static GUESTS: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// A value with a separate instance for each task, just as a `thread_local!` has one for each thread. A task is the
/// code of a thread, or the code that a thread runs for another caller while it waits in a
/// [`parallel_section`](crate::parallel_section).
///
/// ```
/// use std::cell::Cell;
///
/// use tensor::{TaskLocal, parallel_section};
///
/// static DEPTH: TaskLocal<Cell<u32>> = TaskLocal::new(|| Cell::new(0));
///
/// DEPTH.get().set(3);
/// assert_eq!(parallel_section(|| DEPTH.get().get()), 0);
/// assert_eq!(DEPTH.get().get(), 3);
/// ```
pub struct TaskLocal<T> {
    place: OnceLock<usize>,
    initial: fn() -> T,
}

impl<T: 'static> TaskLocal<T> {
    /// A task-local value that `initial` initializes.
    pub const fn new(initial: fn() -> T) -> TaskLocal<T> {
        TaskLocal { place: OnceLock::new(), initial }
    }

    /// The value of the running task, initialized on first use.
    pub fn get(&self) -> Rc<T> {
        self.get_if_set().unwrap_or_else(|| self.first())
    }

    /// The value of the running task, if the task has used it.
    #[inline]
    pub fn get_if_set(&self) -> Option<Rc<T>> {
        let place = *self.place.get()?;
        // `VALUES` is no longer accessible while the thread is being torn down.
        let value = VALUES.try_with(|values| values.borrow().get(place).cloned()).ok()??;
        value?.downcast().ok()
    }

    #[cold]
    fn first(&self) -> Rc<T> {
        static PLACES: AtomicUsize = AtomicUsize::new(0);
        let place = *self.place.get_or_init(|| PLACES.fetch_add(1, Relaxed));
        let value = Rc::new((self.initial)());
        let _ = VALUES.try_with(|values| {
            let mut values = values.borrow_mut();
            if values.len() <= place {
                values.resize(place + 1, None);
            }
            values[place] = Some(value.clone());
        });
        value
    }
}

/// How a module saves and restores the state of a task that it keeps in a `thread_local!` itself. Without a state, which
/// is `None`, a task begins.
#[derive(Clone, Copy)]
pub(crate) struct Hook {
    pub(crate) take: fn() -> Option<Box<dyn Any>>,
    pub(crate) restore: fn(Option<Box<dyn Any>>),
}

static HOOK: OnceLock<Hook> = OnceLock::new();

/// Registers the hook of the one module whose state every operation reads: a [`TaskLocal`] would take a tenth of the time
/// of an operation on a scalar.
pub(crate) fn set_hook(hook: Hook) {
    HOOK.get_or_init(|| hook);
}

/// Returns a number that is unique in the process and greater than all earlier numbers of the running task.
#[inline]
pub(crate) fn next_number() -> u64 {
    static TASKS: AtomicU64 = AtomicU64::new(1);
    NEXT.with(|next| {
        let number = match next.get() {
            0 => TASKS.fetch_add(1, Relaxed) << SEQUENCE_BITS,
            number => number,
        };
        // A task whose sequence is used up continues with a new task number.
        let following = number + 1;
        next.set(if following.trailing_zeros() >= SEQUENCE_BITS { 0 } else { following });
        number
    })
}

/// The number that the next call of [`next_number`] will return.
pub(crate) fn upcoming_number() -> u64 {
    let number = next_number();
    NEXT.set(number);
    number
}

/// The number of the task that drew a [number](next_number).
#[inline]
pub(crate) fn task_of(number: u64) -> u64 {
    number >> SEQUENCE_BITS
}

/// Runs `f` as another task, then restores the state of the calling task, also after a panic.
pub(crate) fn suspended<R>(f: impl FnOnce() -> R) -> R {
    struct Resume {
        number: u64,
        values: Values,
        hooked: Option<Box<dyn Any>>,
    }
    impl Drop for Resume {
        fn drop(&mut self) {
            // Destructors of the guest's values may use task-local state: they must not see that of the calling task.
            let values = VALUES.take();
            drop(values);
            let guest = NEXT.replace(self.number);
            GUESTS.with_borrow_mut(|guests| guests.push(guest));
            let left = VALUES.replace(mem::take(&mut self.values));
            drop(left);
            // Also if the hook was registered during the section: then the calling task had no such state.
            if let Some(hook) = HOOK.get() {
                (hook.restore)(self.hooked.take());
            }
        }
    }
    let guest = GUESTS.with_borrow_mut(Vec::pop).unwrap_or(0);
    let hooked = HOOK.get().and_then(|hook| (hook.take)());
    let _resume = Resume { number: NEXT.replace(guest), values: VALUES.take(), hooked };
    f()
}

#[cfg(test)]
mod tests {
    use super::*;

    static NAMES: TaskLocal<RefCell<Vec<&'static str>>> = TaskLocal::new(RefCell::default);

    #[test]
    fn a_suspended_task_gets_its_state_back() {
        assert!(NAMES.get_if_set().is_none());
        NAMES.get().borrow_mut().push("outer");
        let first = next_number();
        let inside = suspended(|| {
            assert!(NAMES.get_if_set().is_none());
            NAMES.get().borrow_mut().push("guest");
            let deeper = suspended(next_number);
            (next_number(), deeper)
        });
        assert_eq!(*NAMES.get().borrow(), ["outer"]);
        assert_eq!(next_number(), first + 1);
        let tasks = [task_of(first), task_of(inside.0), task_of(inside.1)];
        assert!(tasks[0] != tasks[1] && tasks[1] != tasks[2] && tasks[0] != tasks[2], "{tasks:?}");
        // A guest's number sequence continues, but its values are dropped.
        assert_eq!(suspended(|| (next_number(), NAMES.get_if_set().is_none())), (inside.0 + 1, true));
    }

    #[test]
    fn a_panic_in_a_section_leaves_the_state_as_it_was() {
        NAMES.get().borrow_mut().push("before");
        let number = upcoming_number();
        assert!(std::panic::catch_unwind(|| suspended(|| panic!("on purpose"))).is_err());
        assert_eq!((NAMES.get().borrow()[0], upcoming_number()), ("before", number));
    }

    #[test]
    fn a_sequence_that_is_used_up_continues_in_another() {
        let last = (next_number() | ((1 << SEQUENCE_BITS) - 1)) - 1;
        NEXT.set(last);
        let numbers = [next_number(), next_number(), next_number()];
        assert_eq!(numbers[..2], [last, last + 1]);
        assert_ne!(task_of(numbers[2]), task_of(last));
    }
}
