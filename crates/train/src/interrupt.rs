//! Ctrl-C.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// A flag that Ctrl-C sets from now on, instead of ending the process. The fit that it stops takes it back, so that the
/// next one runs, and [says so](crate::History::stopped). Pressed again before that, Ctrl-C ends the process with
/// status 130.
///
/// ```no_run
/// # use train::{Checkpoints, Fit, interrupted};
/// let fit = Fit::epochs(100).checkpoints(Checkpoints::in_folder("run")).stop_when(interrupted()?);
/// # Ok::<(), train::Error>(())
/// ```
///
/// # Errors
/// If the process has another handler already.
pub fn interrupted() -> Result<&'static AtomicBool> {
    static SET: Mutex<bool> = Mutex::new(false);
    let mut set = SET.lock().unwrap_or_else(PoisonError::into_inner);
    if !*set {
        let handle = || {
            if INTERRUPTED.swap(true, SeqCst) {
                std::process::exit(130);
            }
        };
        ctrlc::set_handler(handle).map_err(|error| Error::Trainer(format!("cannot listen for Ctrl-C: {error}")))?;
        *set = true;
    }
    Ok(&INTERRUPTED)
}
