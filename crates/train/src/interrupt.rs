//! Flags that Ctrl-C and SIGTERM set.

use std::io::Result as IoResult;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::error::{Result, TrainError};

/// The flags that are still held by callers; `None` until the signal handler is installed.
static FLAGS: Mutex<Option<Vec<Weak<AtomicBool>>>> = Mutex::new(None);

/// A flag that Ctrl-C sets from now on instead of ending the process. On Unix SIGTERM sets it too, which Slurm,
/// Kubernetes, systemd and others send some time before they kill a process.
///
/// Each call returns a new flag, so that each of several concurrent fits can [stop](crate::Fit::stop_when) at its own;
/// one signal sets all flags. A fit that is stopped resets its flag, so the next fit runs, and its
/// [history says so](crate::History::stopped). If no flag has been reset since the last signal, or no flag is held, the
/// signal ends the process, with status 130 for Ctrl-C and 143 for SIGTERM.
///
/// SIGHUP, which a process receives when its terminal is closed, still ends the process unless it runs under `nohup`.
///
/// ```no_run
/// # use train::{Checkpoints, Fit, interrupted};
/// let fit = Fit::epochs(100).checkpoints(Checkpoints::in_folder("run")).stop_when(interrupted()?);
/// # Ok::<(), train::Error>(())
/// ```
///
/// # Errors
/// Returns an error if the signal handler cannot be installed or its thread cannot be started.
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

/// Starts a thread that calls [`interrupt`] for each signal.
#[cfg(unix)]
fn listen() -> IoResult<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    let (started, start) = std::sync::mpsc::channel();
    // Installed by the thread itself: if the thread cannot be started, signals keep their default effect.
    std::thread::Builder::new().name("signals".into()).spawn(move || match Signals::new([SIGINT, SIGTERM]) {
        Ok(mut signals) => {
            let _ = started.send(Ok(()));
            signals.forever().for_each(|signal| interrupt(128 + signal));
        }
        Err(error) => drop(started.send(Err(error))),
    })?;
    start.recv().map_err(std::io::Error::other)?
}

/// Installs a handler that calls [`interrupt`] for each Ctrl-C.
#[cfg(not(unix))]
fn listen() -> IoResult<()> {
    ctrlc::set_handler(|| interrupt(130)).map_err(std::io::Error::other)
}

/// Sets all flags, or ends the process with this status if all of them are already set.
fn interrupt(status: i32) {
    let held: Vec<_> = flags().iter().flatten().filter_map(Weak::upgrade).collect();
    // All flags must be set, because a flag that is held for a later fit is not reset by anyone now.
    let reset = held.iter().filter(|flag| !flag.swap(true, SeqCst)).count();
    if reset == 0 {
        std::process::exit(status);
    }
}

fn flags() -> MutexGuard<'static, Option<Vec<Weak<AtomicBool>>>> {
    FLAGS.lock().unwrap_or_else(PoisonError::into_inner)
}
