//! The counts of a profiler, and the trace that it writes.
// Most operations are called here to be counted, not for their results.
#![allow(unused_must_use)]

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tensor::ops::{Attention, CustomOp, Fused, Scoring, apply, apply_all};
use tensor::profile::{OpRow, Phase, Profile, Profiler, phase, scope};
use tensor::{DType, Float, Op, Result, Tensor, Update, tensor, update};

/// A profiler records all threads, so these tests must not run at the same time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn profiled(run: impl FnOnce() -> Result<()>) -> Result<Profile> {
    let profiler = Profiler::start();
    run()?;
    Ok(profiler.stop())
}

/// Family, calls, bytes and FLOPs of an operation in the forward phase.
fn costs(profile: &Profile, name: &str) -> (&'static str, u64, u64, u64) {
    let OpRow { family, calls, bytes, flops, .. } =
        profile.row(name, Phase::Forward).unwrap_or_else(|| panic!("{name} was called"));
    (family, *calls, *bytes, *flops)
}

/// An empty folder for one test.
fn folder(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).expect("a folder");
    path
}

/// The events of a trace, read back.
fn trace_of(profile: &Profile, name: &str) -> Vec<Value> {
    let path = folder(name).join("trace.json");
    profile.write_trace(&path).expect("a trace");
    let trace: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).expect("valid JSON");
    trace["traceEvents"].as_array().expect("a list").clone()
}

#[derive(Debug)]
struct Logistic;

impl CustomOp for Logistic {
    fn name(&self) -> &str {
        "logistic \"curve\""
    }

    fn forward(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        (-inputs[0]).exp().try_add(1.0).map(|x| x.reciprocal())
    }
}

#[derive(Debug)]
struct Alone;

impl CustomOp for Alone {
    fn name(&self) -> &str {
        "alone"
    }

    fn forward(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        let values: Vec<f32> = inputs[0].to_vec::<f32>()?.into_iter().map(f32::cbrt).collect();
        Tensor::from_vec(values, inputs[0].shape())
    }
}

#[test]
fn calls_bytes_and_flops_are_those_of_the_arithmetic() -> Result<()> {
    let _alone = alone();
    let (m, k, n) = (5u64, 7, 11);
    let a = Tensor::ones([m as usize, k as usize]);
    let b = Tensor::ones([k as usize, n as usize]);
    let batch = Tensor::ones([3, 2, 4]);
    let bias = Tensor::ones([n as usize]);
    let index = tensor![[0, 2], [4, 4]];
    let profile = profiled(|| {
        let product = a.matmul(&b)?;
        batch.matmul(Tensor::ones([4, 6]))?;
        tensor![1.0, 2.0].matmul(tensor![3.0, 4.0])?;
        let sum = product.try_add(&bias)?;
        sum.cast(DType::F64).sum();
        let y = sum.softmax(-1)?;
        apply(Fused::SoftmaxGradient { axis: 1 }, &[&sum, &y])?;
        apply(Fused::SoftmaxCrossEntropyGradient, &[&Tensor::ones([5]), &sum, &tensor![0, 1, 2, 3, 4]])?;
        sum.t()?.reshape([-1])?;
        a.take(&index, 0)?;
        Tensor::ones([4]).expand([100, 4])?.exp();
        sum.var();
        sum.argsort(0)?;
        Ok(())
    })?;
    let f32s = |count: u64| 4 * count;
    let products = m * k * n + 3 * 2 * 4 * 6 + 2;
    let product_bytes = f32s(m * k + k * n + m * n) + f32s(24 + 24 + 36) + f32s(2 + 2 + 1);
    assert_eq!(costs(&profile, "matmul"), ("Matmul", 3, product_bytes, 2 * products));
    assert_eq!(costs(&profile, "add"), ("Binary", 1, f32s(55 + 11 + 55), 55));
    assert_eq!(costs(&profile, "cast"), ("Unary", 1, 55 * (4 + 8), 55));
    assert_eq!(costs(&profile, "sum"), ("Reduce", 1, 55 * 8 + 8, 55));
    assert_eq!(costs(&profile, "softmax"), ("Fused", 1, f32s(110), 5 * 55));
    assert_eq!(costs(&profile, "softmax_gradient"), ("Fused", 1, f32s(165), 4 * 55));
    // Besides the logits and their gradient: the incoming gradient and the target of each row.
    assert_eq!(costs(&profile, "softmax_cross_entropy_gradient"), ("Fused", 1, f32s(110 + 5) + 5 * 8, 6 * 55));
    assert_eq!(costs(&profile, "var"), ("Reduce", 1, f32s(56), 4 * 55));
    // A view costs nothing; a copy costs what it moves.
    assert_eq!(costs(&profile, "permute"), ("Movement", 1, 0, 0));
    assert_eq!(costs(&profile, "reshape"), ("Movement", 1, f32s(110), 0));
    // Only the selected part of the operand counts.
    assert_eq!(costs(&profile, "take"), ("Index", 1, 2 * f32s(4 * k) + 4 * 8, 0));
    // The operand holds four numbers, whatever its shape.
    assert_eq!(costs(&profile, "expand"), ("Movement", 1, 0, 0));
    assert_eq!(costs(&profile, "exp"), ("Unary", 1, f32s(4 + 400), 400));
    assert_eq!(costs(&profile, "sort"), ("Scan", 1, f32s(110) + 55 * 8, 0));
    Ok(())
}

#[test]
fn attention_counts_the_scores_of_allowed_keys() -> Result<()> {
    let _alone = alone();
    let (x, v, g) = (Tensor::ones([2, 1, 5, 3]), Tensor::ones([3, 5, 4]), Tensor::ones([2, 3, 5, 4]));
    for (causal, scores) in [(false, 25), (true, 15)] {
        let scoring = Scoring { causal, scale: 1.0 };
        let profile = profiled(|| {
            let outputs = apply_all(Attention::Attend(scoring), &[&x, &x, &v])?;
            let of_mask = false;
            apply_all(Attention::Gradient { scoring, of_mask }, &[&g, &x, &x, &v, &outputs[0], &outputs[1]]).map(drop)
        })?;
        // Products of width 3 and size 4, and 5 or 4 for the softmax.
        assert_eq!(costs(&profile, "attention").3, 6 * scores * (2 * (3 + 4) + 5));
        assert_eq!(costs(&profile, "attention_gradient").3, 6 * scores * (2 * (3 * 3 + 2 * 4) + 4));
        // The operands, the result and the statistics.
        let result = 6 * 5 * 4;
        assert_eq!(costs(&profile, "attention").2, 4 * (30 + 30 + 60 + result + 6 * 2 * 5));
    }
    Ok(())
}

#[cfg(feature = "linalg")]
#[test]
fn factorizations_count_for_each_matrix() -> Result<()> {
    let _alone = alone();
    let a = Tensor::eye(3).try_mul(2.0)?.expand([5, 3, 3])?;
    let profile = profiled(|| {
        a.solve(Tensor::ones([3, 4]))?;
        a.cholesky()?;
        Tensor::ones([2, 6, 3]).qr()?;
        Ok(())
    })?;
    assert_eq!(costs(&profile, "solve").3, 5 * (18 + 72));
    assert_eq!(costs(&profile, "cholesky").3, 5 * 9);
    assert_eq!(costs(&profile, "qr").3, 2 * (4 * 9 * 6 - 4 * 9));
    Ok(())
}

#[test]
fn an_operation_inside_another_is_counted_once() -> Result<()> {
    let _alone = alone();
    let x = Tensor::ones([300, 400]);
    let profiler = Profiler::start();
    apply(Op::Custom(Arc::new(Logistic)), &[&x])?;
    apply(Op::Custom(Arc::new(Alone)), &[&x])?;
    let profile = profiler.stop();
    let size = 300 * 400;
    assert_eq!(costs(&profile, "logistic \"curve\""), ("Custom", 1, 0, 0));
    assert_eq!(costs(&profile, "exp"), ("Unary", 1, 8 * size, size));
    assert_eq!(costs(&profile, "neg").1, 1);
    // One that calls no other operations reads and writes.
    assert_eq!(costs(&profile, "alone"), ("Custom", 1, 8 * size, 0));
    Ok(())
}

#[test]
fn the_time_of_an_operation_excludes_nested_operations() -> Result<()> {
    #[derive(Debug)]
    struct Around;
    impl CustomOp for Around {
        fn name(&self) -> &str {
            "around"
        }
        fn forward(&self, inputs: &[&Tensor]) -> Result<Tensor> {
            assert!(inputs[0].matmul(tensor![1.0]).is_err());
            inputs[0].matmul(inputs[0])?.try_add(1.0)
        }
    }
    let _alone = alone();
    let x = Tensor::ones([300, 300]);
    let profile = profiled(|| apply(Op::Custom(Arc::new(Around)), &[&x]).map(drop))?;
    let time = |name| profile.row(name, Phase::Forward).expect("called").time.as_nanos();
    // A trace shows the total time.
    let trace = trace_of(&profile, "around");
    let event = trace.iter().find(|event| event["name"] == "around").expect("called");
    let whole = (event["dur"].as_f64().unwrap() * 1e3).round() as u128;
    assert_eq!(time("around") + time("matmul") + time("add"), whole);
    assert_eq!(profile.outside().as_nanos() + whole, profile.wall().as_nanos());
    Ok(())
}

#[test]
fn phases_last_until_their_guards_are_dropped() -> Result<()> {
    let _alone = alone();
    let x = tensor![1.0, 2.0];
    let profile = profiled(|| {
        x.exp();
        {
            let _backward = phase(Phase::Backward);
            x.exp();
            {
                let _update = phase(Phase::Update);
                x.exp();
            }
            x.exp();
        }
        x.exp();
        Ok(())
    })?;
    let calls = [Phase::Forward, Phase::Backward, Phase::Update].map(|phase| profile.row("exp", phase).unwrap().calls);
    assert_eq!(calls, [2, 2, 1]);
    Ok(())
}

#[test]
fn an_update_counts_under_its_phase() -> Result<()> {
    #[derive(Clone, Copy)]
    struct Momentum;
    impl Update<1> for Momentum {
        fn element<T: Float>(&self, p: T, g: T, [v]: [T; 1]) -> (T, [T; 1]) {
            (p - v - g, [v + g])
        }
    }
    let _alone = alone();
    let (p, mut v, g) = (Tensor::ones([30]), Tensor::zeros([30]), Tensor::ones([30]));
    let profile = profiled(|| update(&p, &g, [&mut v], &Momentum).map(drop))?;
    let row = profile.row("update", Phase::Update).expect("it was called");
    // Read parameter, gradient and state, write parameter and state.
    assert_eq!((row.family, row.calls, row.bytes, row.flops), ("Update", 1, 5 * 30 * 4, 4 * 30));
    Ok(())
}

#[test]
fn only_calls_that_succeed_between_start_and_stop_are_counted() -> Result<()> {
    let _alone = alone();
    let x = tensor![1.0, 2.0];
    x.exp();
    let outer = Profiler::start();
    x.exp();
    assert!(x.matmul(tensor![1.0, 2.0, 3.0]).is_err());
    let inner = Profiler::start();
    x.exp();
    let inner = inner.stop();
    drop(Profiler::start());
    x.exp();
    let outer = outer.stop();
    x.exp();
    assert_eq!(costs(&inner, "exp").1, 1);
    assert_eq!(costs(&outer, "exp").1, 3);
    assert_eq!((inner.rows().len(), outer.rows().len()), (1, 1));
    assert!(outer.wall() > inner.wall());
    assert!(profiled(|| Ok(()))?.rows().is_empty());
    Ok(())
}

#[test]
fn scopes_nest_and_end_with_their_guards() -> Result<()> {
    let _alone = alone();
    let x = tensor![1.0, 2.0];
    let before = scope("before the start");
    let profile = profiled(|| {
        for _ in 0..3 {
            let _step = scope("step");
            let _model = scope("model");
            x.exp();
        }
        let _other = scope("other");
        Ok(())
    })?;
    drop(before);
    let mut scopes: Vec<_> = profile.scopes().iter().map(|row| (row.path.as_str(), row.calls)).collect();
    assert!(profile.scopes()[0].time >= profile.scopes()[1].time);
    scopes.sort();
    assert_eq!(scopes, [("other", 1), ("step", 3), ("step.model", 3)]);
    Ok(())
}

/// Guards that are dropped out of order give odd paths, but no panic within a character of several bytes.
#[test]
fn scopes_that_end_out_of_order_are_harmless() -> Result<()> {
    let _alone = alone();
    let profile = profiled(|| {
        let (first, second) = (scope("a"), scope("b"));
        drop(first);
        let third = scope("ä");
        drop(second);
        drop(third);
        let _last = scope("c");
        Ok(())
    })?;
    let mut scopes: Vec<_> = profile.scopes().iter().map(|row| (row.path.as_str(), row.calls)).collect();
    scopes.sort();
    assert_eq!(scopes, [("a.b", 1), ("c", 1), ("ä", 2)]);
    Ok(())
}

#[test]
fn all_threads_are_recorded() -> Result<()> {
    let _alone = alone();
    let x = Tensor::ones([50]);
    let profiler = Profiler::start();
    let _backward = phase(Phase::Backward);
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| (0..25).for_each(|_| drop(x.exp())));
        }
    });
    x.exp();
    let profile = profiler.stop();
    // The phase of this thread does not apply to the others.
    assert_eq!(costs(&profile, "exp"), ("Unary", 100, 100 * 400, 100 * 50));
    let here = profile.row("exp", Phase::Backward).unwrap();
    assert_eq!(here.calls, 1);
    // `outside` refers to this thread only.
    assert_eq!(profile.outside() + here.time, profile.wall());
    Ok(())
}

/// While a thread waits for its parallel kernel, it steals whatever is queued.
fn waiting_thread_runs_for_others(name: &str, operation: impl Fn() -> Result<Tensor> + Sync) {
    let _alone = alone();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
    let small = Tensor::ones([4]);
    let profiler = Profiler::start();
    pool.install(|| {
        for _ in 0..200 {
            let operation = || {
                let _backward = phase(Phase::Backward);
                let _scope = scope("mine");
                operation().map(drop)
            };
            let wait = || std::thread::sleep(std::time::Duration::from_micros(300));
            let elsewhere = || {
                let _scope = scope("other");
                small.tanh();
            };
            rayon::join(operation, || rayon::join(wait, elsewhere)).0.expect("a result");
        }
    });
    let profile = profiler.stop();
    let calls = |name| [Phase::Forward, Phase::Backward].map(|phase| profile.row(name, phase).map(|row| row.calls));
    assert_eq!(calls("tanh"), [Some(200), None]);
    assert_eq!(calls(name), [None, Some(200)]);
    let mut scopes: Vec<_> = profile.scopes().iter().map(|row| (row.path.as_str(), row.calls)).collect();
    scopes.sort();
    assert_eq!(scopes, [("mine", 200), ("other", 200)]);
}

#[test]
fn stolen_tasks_are_not_in_the_phase_of_the_waiting_thread() {
    let large = Tensor::ones([400, 400]);
    waiting_thread_runs_for_others("matmul", || large.matmul(&large));
}

#[test]
#[cfg(feature = "linalg")]
fn nor_are_tasks_stolen_while_a_thread_waits_for_factorizations() {
    let large = Tensor::eye(60).expand([8, 60, 60]).expect("a batch");
    waiting_thread_runs_for_others("det", || large.det());
}

#[test]
fn results_have_the_same_bits_under_a_profiler() -> Result<()> {
    let _alone = alone();
    let run = || -> Result<Vec<f32>> {
        let x = Tensor::arange(0.0, 90_000.0, 1.0)?.try_div(1e4)?.reshape([300, 300])?;
        x.sin().matmul(x.cos())?.softmax(-1)?.cumsum(0)?.to_vec::<f32>()
    };
    let without = run()?;
    let profiler = Profiler::start();
    let with = run()?;
    drop(profiler);
    assert!(without.iter().map(|x| x.to_bits()).eq(with.iter().map(|x| x.to_bits())));
    Ok(())
}

#[test]
fn a_trace_is_json_with_the_fields_that_viewers_need() -> Result<()> {
    let _alone = alone();
    let x = Tensor::ones([2, 3]);
    let profile = profiled(|| {
        let _scope = scope("a \"quoted\\name\"\n");
        x.try_add(Tensor::ones([3]))?;
        let _backward = phase(Phase::Backward);
        apply(Op::Custom(Arc::new(Logistic)), &[&x])?;
        std::thread::Builder::new()
            .name("worker".into())
            .spawn(|| drop(Tensor::ones([2]).exp()))
            .unwrap()
            .join()
            .unwrap();
        Ok(())
    })?;
    let events = trace_of(&profile, "trace");
    for event in &events {
        for field in ["ph", "ts", "name", "pid", "tid", "args"] {
            assert!(!event[field].is_null(), "{field} in {event}");
        }
        assert!(event["ts"].is_number() && event["pid"].is_u64() && event["tid"].is_u64(), "{event}");
    }
    let complete: Vec<&Value> = events.iter().filter(|event| event["ph"] == "X").collect();
    let named = |name: &str| *complete.iter().find(|event| event["name"] == name).unwrap_or_else(|| panic!("{name}"));
    assert_eq!(complete.len(), 8, "a sum, a custom operation of four, exp elsewhere, a scope: {events:?}");
    let sum = named("add");
    assert_eq!(sum["cat"], "forward");
    assert_eq!(sum["args"], serde_json::json!({"family": "Binary", "bytes": 60, "flops": 6, "shapes": [[2, 3], [3]]}));
    let custom = named("logistic \"curve\"");
    assert_eq!((&custom["cat"], &custom["args"]["family"]), (&"backward".into(), &"Custom".into()));
    let outer = named("a \"quoted\\name\"\n");
    assert_eq!(outer["cat"], "scope");
    // Both lie within the scope, one after the other.
    let span = |event: &Value| {
        let (start, time) = (event["ts"].as_f64().unwrap(), event["dur"].as_f64().unwrap());
        (start, start + time)
    };
    // Clocks have whole nanoseconds; the sum of two numbers of microseconds may be off in the last bit.
    let last_bit = 1e-6;
    assert!(span(outer).0 <= span(sum).0 && span(sum).1 <= span(custom).0 + last_bit);
    assert!(span(custom).1 <= span(outer).1 + last_bit);
    // The other thread has its own track and name.
    let elsewhere = complete.iter().find(|event| event["tid"] != sum["tid"]).expect("an event of the worker");
    assert_eq!((&elsewhere["name"], &elsewhere["cat"]), (&"exp".into(), &"forward".into()));
    let is_name = |event: &&Value| event["ph"] == "M" && event["tid"] == elsewhere["tid"];
    let name = events.iter().find(is_name).expect("metadata");
    assert_eq!((&name["name"], &name["args"]["name"]), (&"thread_name".into(), &"worker".into()));
    Ok(())
}

#[test]
fn a_trace_replaces_a_file_atomically_or_not_at_all() -> Result<()> {
    let _alone = alone();
    let profile = profiled(|| {
        tensor![1.0].exp();
        Ok(())
    })?;
    let folder = folder("replace");
    let path = folder.join("trace.json");
    std::fs::write(&path, "old").unwrap();
    profile.write_trace(&path)?;
    assert!(std::fs::read_to_string(&path).unwrap().contains("\"exp\""));
    // A folder cannot be replaced by a file: that fails after everything was written.
    let taken = folder.join("taken");
    std::fs::create_dir_all(taken.join("inside")).unwrap();
    let message = profile.write_trace(&taken).unwrap_err().to_string();
    assert!(message.starts_with(&format!("write_trace: {}: ", taken.display())), "{message}");
    let missing = folder.join("missing/trace.json");
    let message = profile.write_trace(&missing).unwrap_err().to_string();
    assert!(message.starts_with(&format!("write_trace: {}: ", missing.display())), "{message}");
    assert!(profile.write_trace(folder.join("..")).is_err());
    // No partial file is left.
    let mut names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["taken", "trace.json"]);
    Ok(())
}

#[test]
fn new_buffers_are_counted() -> Result<()> {
    let _alone = alone();
    // A size that nothing else here has: at first the pool has no such buffer, then it has one.
    let x = Tensor::ones([777_777]);
    let first = profiled(|| {
        x.exp();
        Ok(())
    })?;
    let second = profiled(|| {
        x.exp();
        Ok(())
    })?;
    assert_eq!((first.fresh_blocks(), second.fresh_blocks()), (1, 0));
    #[cfg(target_os = "linux")]
    // Three megabytes in pages of 4 KiB; fewer pages if they are larger.
    assert!(first.page_faults().expect("known on Linux") > 0);
    Ok(())
}
