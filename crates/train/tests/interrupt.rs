//! Ctrl-C and SIGTERM, as signals from another process.
#![cfg(unix)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use data::ArrayDataset;
use nn::{Dense, MeanSquaredError, Sequential};
use optim::Sgd;
use tensor::Tensor;
use train::{Fit, Trainer, Verbose, interrupted};

/// The environment variable with the child's task. Without it, the child's test does nothing.
const TASK: &str = "TRAIN_TEST_INTERRUPT_TASK";

/// Fits 3 epochs of 8 batches. Reports its second batch, waits there, and reports after how many batches it ended.
fn fit(name: &str, flag: &AtomicBool, wait: impl Fn()) {
    let samples = ArrayDataset::from_tensors(&Tensor::ones([8, 1]), &Tensor::zeros([8, 1])).unwrap();
    let model = Sequential::new().add(Dense::new(1, 1));
    let mut batches = 0;
    let options = Fit::epochs(3).batch_size(1).verbose(Verbose::Silent).stop_when(flag).on_batch(|_| {
        batches += 1;
        if batches == 2 {
            println!("child: {name} waits");
            wait();
        }
    });
    Trainer::new(&model, MeanSquaredError, Sgd::new(0.01)).fit(&samples, options).unwrap();
    println!("child: {name} ended after {batches}");
}

fn until(flag: &AtomicBool) {
    while !flag.load(SeqCst) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn child() {
    let Ok(task) = std::env::var(TASK) else { return };
    let flag = interrupted().unwrap();
    match task.as_str() {
        "once" => ["first", "second"].into_iter().for_each(|name| fit(name, &flag, || until(&flag))),
        "twice" => fit("first", &flag, || {
            until(&flag);
            println!("child: first heard it");
            std::thread::sleep(Duration::from_secs(600));
        }),
        "at a time" => {
            let (other, first_ended) = (interrupted().unwrap(), AtomicBool::new(false));
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    fit("first", &flag, || until(&flag));
                    first_ended.store(true, SeqCst);
                });
                scope.spawn(|| fit("second", &other, || until(&first_ended)));
            });
        }
        "held" => {
            // The first flag is held for a fit that never runs.
            for name in ["second", "third"] {
                let own = interrupted().unwrap();
                fit(name, &own, || until(&own));
            }
        }
        "after" => {
            fit("first", &flag, || until(&flag));
            drop(flag);
            println!("child: nobody listens");
            std::thread::sleep(Duration::from_secs(600));
        }
        _ => panic!("no task: {task}"),
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
    send("INT", child);
}

fn send(signal: &str, child: &Child) {
    assert!(Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap().success());
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
fn sigterm_does_what_ctrl_c_does() {
    let (child, mut said) = child_with("once");
    for (fit, signal) in [("first", "TERM"), ("second", "INT")] {
        assert_eq!(said(), format!("{fit} waits"));
        send(signal, &child);
        assert_eq!(said(), format!("{fit} ended after 2"));
    }
    assert!(status(child).success());

    let (child, mut said) = child_with("twice");
    assert_eq!(said(), "first waits");
    send("TERM", &child);
    assert_eq!(said(), "first heard it");
    send("TERM", &child);
    assert_eq!(status(child).code(), Some(143));
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

#[test]
fn pressed_once_it_ends_all_fits_that_run() {
    let (child, mut said) = child_with("at a time");
    let mut waiting = [said(), said()];
    waiting.sort();
    assert_eq!(waiting, ["first waits", "second waits"]);
    press_ctrl_c(&child);
    assert_eq!([said(), said()], ["first ended after 2", "second ended after 2"]);
    assert!(status(child).success());
}

#[test]
fn a_flag_that_no_fit_checks_does_not_end_the_process() {
    let (child, mut said) = child_with("held");
    for name in ["second", "third"] {
        assert_eq!(said(), format!("{name} waits"));
        press_ctrl_c(&child);
        assert_eq!(said(), format!("{name} ended after 2"));
    }
    assert!(status(child).success());
}

#[test]
fn ctrl_c_ends_the_process_if_no_fit_runs() {
    let (child, mut said) = child_with("after");
    assert_eq!(said(), "first waits");
    press_ctrl_c(&child);
    assert_eq!([said(), said()], ["first ended after 2", "nobody listens"]);
    press_ctrl_c(&child);
    assert_eq!(status(child).code(), Some(130));
}
