//! Ctrl-C and SIGTERM.

use std::io::Result as IoResult;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::error::{Result, TrainError};

/// The flags that were given out, as long as anybody holds them; `None` before signals are listened for.
static FLAGS: Mutex<Option<Vec<Weak<AtomicBool>>>> = Mutex::new(None);

/// A flag that Ctrl-C sets from now on, instead of ending the process. On Unix so does SIGTERM, which batch systems,
/// containers and service managers (Slurm, Kubernetes, systemd) send some time before they kill.
///
/// Each call gives another flag: fits that run at the same time on threads of their own each
/// [stop](crate::Fit::stop_when) by their own, and one signal ends them all. The fit that a flag stops resets it, so
/// that the next one runs, and [says so](crate::History::stopped). If no flag was reset since the signal before, or
/// nobody holds one, the signal ends the process, with status 130 for Ctrl-C and 143 for SIGTERM.
///
/// SIGHUP, which a terminal sends when it closes, is not changed: it ends the process unless it was started by `nohup`.
///
/// ```no_run
/// # use train::{Checkpoints, Fit, interrupted};
/// let fit = Fit::epochs(100).checkpoints(Checkpoints::in_folder("run")).stop_when(interrupted()?);
/// # Ok::<(), train::Error>(())
/// ```
///
/// # Errors
/// Returns an error if the system does not allow listening for signals, or has no thread for it.
pub fn interrupted() -> Result<Arc<AtomicBool>> {
    let mut flags = flags();
    if flags.is_none() {
        listen().map_err(|error| TrainError::trainer(format!("cannot listen for Ctrl-C: {error}")))?;
    }
    let flag = Arc::new(AtomicBool::new(false));
    let flags = flags.get_or_insert_default();
    flags.retain(|flag| flag.strong_count() > 0);
    flags.push(Arc::downgrade(&flag));
    Ok(flag)
}

/// Has a thread call [`interrupt`] for each signal.
#[cfg(unix)]
fn listen() -> IoResult<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    let (started, start) = std::sync::mpsc::channel();
    // Signals are caught in the thread: without one they keep their effect.
    std::thread::Builder::new().name("signals".into()).spawn(move || match Signals::new([SIGINT, SIGTERM]) {
        Ok(mut signals) => {
            let _ = started.send(Ok(()));
            signals.forever().for_each(|signal| interrupt(128 + signal));
        }
        Err(error) => drop(started.send(Err(error))),
    })?;
    start.recv().map_err(std::io::Error::other)?
}

/// Has a thread call [`interrupt`] for each Ctrl-C.
#[cfg(not(unix))]
fn listen() -> IoResult<()> {
    ctrlc::set_handler(|| interrupt(130)).map_err(std::io::Error::other)
}

/// Sets all flags, or ends the process with this status if that would be the second time.
fn interrupt(status: i32) {
    let held: Vec<_> = flags().iter().flatten().filter_map(Weak::upgrade).collect();
    // Not at the first that was not: a flag may be held for a fit that comes later, and nobody resets it now.
    let reset = held.iter().filter(|flag| !flag.swap(true, SeqCst)).count();
    if reset == 0 {
        std::process::exit(status);
    }
}

fn flags() -> MutexGuard<'static, Option<Vec<Weak<AtomicBool>>>> {
    FLAGS.lock().unwrap_or_else(PoisonError::into_inner)
}
