//! Ctrl-C.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::error::{Result, TrainError};

/// The flags that were given out, as long as anybody holds them; nothing before Ctrl-C is listened for.
static FLAGS: Mutex<Option<Vec<Weak<AtomicBool>>>> = Mutex::new(None);

/// A flag that Ctrl-C sets from now on, instead of ending the process. Each call gives another one: fits that run at a
/// time, on threads of their own, each [stop](crate::Fit::stop_when) by their own flag, and one press ends them all.
/// The fit that a flag stops takes it back, so that the next one runs, and [says so](crate::History::stopped). Where no
/// flag was taken back since the press before, or nobody holds one, Ctrl-C ends the process with status 130.
///
/// ```no_run
/// # use train::{Checkpoints, Fit, interrupted};
/// let fit = Fit::epochs(100).checkpoints(Checkpoints::in_folder("run")).stop_when(interrupted()?);
/// # Ok::<(), train::Error>(())
/// ```
///
/// # Errors
/// If the process has another handler already.
pub fn interrupted() -> Result<Arc<AtomicBool>> {
    let mut flags = flags();
    if flags.is_none() {
        ctrlc::set_handler(press).map_err(|error| TrainError::trainer(format!("cannot listen for Ctrl-C: {error}")))?;
    }
    let flag = Arc::new(AtomicBool::new(false));
    let flags = flags.get_or_insert_default();
    flags.retain(|flag| flag.strong_count() > 0);
    flags.push(Arc::downgrade(&flag));
    Ok(flag)
}

fn press() {
    let held: Vec<_> = flags().iter().flatten().filter_map(Weak::upgrade).collect();
    // Not at the first that was not: a flag may be held for a fit that comes later, and nobody takes it back now.
    let taken_back = held.iter().filter(|flag| !flag.swap(true, SeqCst)).count();
    if taken_back == 0 {
        std::process::exit(130);
    }
}

fn flags() -> MutexGuard<'static, Option<Vec<Weak<AtomicBool>>>> {
    FLAGS.lock().unwrap_or_else(PoisonError::into_inner)
}
