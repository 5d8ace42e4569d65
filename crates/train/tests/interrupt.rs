//! Ctrl-C, as a signal from another process.
#![cfg(unix)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use data::ArrayDataset;
use nn::{Dense, MeanSquaredError, Sequential};
use optim::Sgd;
use tensor::Tensor;
use train::{Fit, Trainer, Verbose, interrupted};

/// What the child is to do; without it the child's test does nothing.
const TASK: &str = "TRAIN_TEST_INTERRUPT_TASK";

/// Fits twice with one flag. Each fit says when it has come to its second batch, and waits there for the flag.
#[test]
fn child() {
    let Ok(task) = std::env::var(TASK) else { return };
    let flag = interrupted().unwrap();
    let samples = ArrayDataset::from_tensors(&Tensor::ones([8, 1]), &Tensor::zeros([8, 1])).unwrap();
    let model = Sequential::new().add(Dense::new(1, 1));
    let mut trainer = Trainer::new(&model, MeanSquaredError, Sgd::new(0.01));
    for fit in ["first", "second"] {
        let mut batches = 0;
        let options = Fit::epochs(3).batch_size(1).verbose(Verbose::Silent).stop_when(flag).on_batch(|_| {
            batches += 1;
            if batches != 2 {
                return;
            }
            println!("child: {fit} waits");
            while !flag.load(SeqCst) {
                std::thread::sleep(Duration::from_millis(1));
            }
            if task == "twice" {
                println!("child: {fit} heard it");
                std::thread::sleep(Duration::from_secs(600));
            }
        });
        trainer.fit(&samples, options).unwrap();
        println!("child: {fit} ended after {batches}");
    }
}

/// The child, and a function for its next line.
fn child_with(task: &str) -> (Child, impl FnMut() -> String) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--nocapture"])
        .env(TASK, task)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // The test harness writes there as well.
    let said = move || loop {
        let line = lines.next().expect("the child has ended").unwrap();
        if let Some((_, said)) = line.split_once("child: ") {
            return said.to_owned();
        }
    };
    (child, said)
}

fn press_ctrl_c(child: &Child) {
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
}

fn status(mut child: Child) -> ExitStatus {
    child.wait().unwrap()
}

#[test]
fn it_ends_one_fit_and_not_the_next() {
    let (child, mut said) = child_with("once");
    for fit in ["first", "second"] {
        assert_eq!(said(), format!("{fit} waits"));
        press_ctrl_c(&child);
        assert_eq!(said(), format!("{fit} ended after 2"));
    }
    assert!(status(child).success());
}

#[test]
fn pressed_twice_within_a_fit_it_ends_the_process() {
    let (child, mut said) = child_with("twice");
    assert_eq!(said(), "first waits");
    press_ctrl_c(&child);
    assert_eq!(said(), "first heard it");
    press_ctrl_c(&child);
    assert_eq!(status(child).code(), Some(130));
}
