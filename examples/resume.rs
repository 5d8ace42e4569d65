//! A training that is killed in the middle of an epoch and resumed by another process ends with the same bits as one
//! that never stopped.
//!
//! The network has dropout, the data is shuffled and prefetched, and Adam follows a schedule, so all random generators
//! and all states must be restored.
//!
//! ```text
//! cargo run --release --example resume
//! ```

mod say;

use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use clap::Parser;
use facade::prelude::*;
use facade::{data, nn};

use say::{complain, say};

/// Kills a training, resumes it in another process, and compares the bits with those of a training that never stopped
#[derive(Parser)]
struct Options {
    #[arg(long, default_value_t = 3)]
    epochs: usize,
    #[arg(long, default_value_t = 128)]
    batch_size: usize,
    /// Train only on the first N images
    #[arg(long, default_value_t = 60_000)]
    images: usize,
    /// Write a checkpoint after every N batches of an epoch
    #[arg(long, default_value_t = 20)]
    checkpoint_every: usize,
    /// The step in which the training is killed; by default in the middle of the second epoch
    #[arg(long)]
    kill_in: Option<usize>,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Run a single training with checkpoints in this folder; the program uses this to start itself
    #[arg(long, hide = true)]
    folder: Option<PathBuf>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match &options.folder {
        Some(folder) => train(&options, folder, true).map(|weights| say!("{weights}")).map_err(Into::into),
        None => {
            let folder = std::env::temp_dir().join(format!("resume-{}", std::process::id()));
            let compared = compare(&options, &folder);
            // An earlier error matters more than leftover files.
            let _ = fs::remove_dir_all(&folder);
            compared
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Trains from the latest checkpoint in a folder, or from the beginning, and describes the final weights. If the
/// training is to be killed and has no checkpoint yet, it waits at the step in which it is to be killed.
fn train(options: &Options, folder: &Path, killed: bool) -> Result<String> {
    let Mnist { train_images, train_labels, .. } = mnist::load()?;
    let count = options.images.min(train_labels.size());
    let images = train_images.slice(..count)?.reshape([-1, 28 * 28])?;
    let samples = ArrayDataset::from_tensors(&images, &train_labels.slice(..count)?)?;
    let samples = samples.divide_features(255.0).shuffle(options.seed).prefetch(2);
    let batches = count.div_ceil(options.batch_size.max(1));

    random::seed(options.seed);
    let model = Sequential::new()
        .add(Dense::new(28 * 28, 128).activation(Activation::Relu))
        .add(Dropout::new(0.2))
        .add(Dense::new(128, 10).activation(Activation::Softmax));
    let steps = (options.epochs * batches) as u64;
    let adam = Adam::new(schedules::Cosine::new(1e-3, steps).warm_up(steps / 10));
    let mut trainer = Trainer::new(&model, SparseCategoricalCrossentropy::default(), adam).metric(Accuracy::default());

    let checkpoints = Checkpoints::in_folder(folder).every_batches(options.checkpoint_every).keep_last(2);
    let mut fit =
        Fit::epochs(options.epochs).batch_size(options.batch_size).checkpoints(checkpoints).verbose(Verbose::Silent);
    if let Some(latest) = Checkpoints::latest(folder)? {
        let checkpoint = Checkpoint::open(&latest)?;
        say!("another process resumes in epoch {}, batch {}", checkpoint.epoch()?, checkpoint.batch()?);
        fit = fit.resume(latest);
    } else if killed {
        let (mut step, last) = (0, options.kill_in.unwrap_or(batches + batches / 2));
        fit = fit.on_batch(move |end| {
            step += 1;
            if step == last {
                say!("killed in epoch {}, batch {}", end.epoch, end.batch);
                std::thread::sleep(Duration::MAX);
            }
        });
    }
    let history = trainer.fit(&samples, fit)?;
    let hash = data::checksum(&nn::state(&model), &Default::default())?;
    Ok(format!("weights {hash:08x}, accuracy {:.4}", history.last("accuracy").unwrap_or(f64::NAN)))
}

/// Trains once without interruption and once with one, and compares the results.
fn compare(options: &Options, folder: &Path) -> std::result::Result<(), Box<dyn Error>> {
    let (whole, parts) = (folder.join("whole"), folder.join("parts"));
    let expected = train(options, &whole, false)?;
    say!("uninterrupted: {expected}");

    let mut first = start(&parts)?;
    let mut said = String::new();
    BufReader::new(first.stdout.take().ok_or("no output")?).read_line(&mut said)?;
    first.kill()?;
    first.wait()?;
    if !said.starts_with("killed") {
        return Err("the training ended before the step in which it was to be killed; lower --kill-in".into());
    }
    say!("{}", said.trim_end());
    if Checkpoints::latest(&parts)?.is_none() {
        return Err("no checkpoint was written before the kill; lower --checkpoint-every or raise --kill-in".into());
    }

    let second = start(&parts)?.wait_with_output()?;
    let said = String::from_utf8(second.stdout)?;
    let (gone_on, found) = said.trim_end().split_once('\n').ok_or("the training did not resume")?;
    say!("{gone_on}\nresumed: {found}");

    let (whole, parts) = (last_checkpoint(&whole)?, last_checkpoint(&parts)?);
    if found != expected || parts != whole {
        return Err("the weights or the last checkpoints differ".into());
    }
    say!("same bits in all weights, same {} bytes in the last checkpoints", whole.len());
    Ok(())
}

fn last_checkpoint(folder: &Path) -> std::result::Result<Vec<u8>, Box<dyn Error>> {
    Ok(fs::read(Checkpoints::latest(folder)?.ok_or("no checkpoint was written")?)?)
}

/// Starts this program with the same options, to train in this folder.
fn start(folder: &Path) -> std::io::Result<Child> {
    let arguments = std::env::args_os().skip(1);
    Command::new(std::env::current_exe()?).args(arguments).arg("--folder").arg(folder).stdout(Stdio::piped()).spawn()
}
