//! If the system provides no threads, the calling thread does all the work.

use std::process::Command;

use tensor::Tensor;

/// Set in the process that cannot start threads.
const NO_THREADS: &str = "TENSOR_TEST_WITHOUT_THREADS";

/// Operations large enough to be shared among threads.
fn large_operations() {
    let x = Tensor::arange(0, 1 << 20, 1).unwrap().cast(tensor::DType::F32).reshape([1024, 1024]).unwrap();
    assert_eq!((&x + 1.0).max().unwrap().item().unwrap(), f64::from(1 << 20));
    assert_eq!(Tensor::eye(1024).matmul(&x).unwrap().to_vec::<f32>().unwrap(), x.to_vec::<f32>().unwrap());
    assert_eq!(x.max_axis(1).unwrap().at(7, 0).unwrap().item().unwrap(), 8191.0);
    assert_eq!(Tensor::uniform([1 << 20], 0.0..1.0).unwrap().less(1.0).unwrap().all().unwrap().item().unwrap(), 1.0);
}

#[test]
fn large_operations_work_where_no_thread_can_start() {
    if std::env::var_os(NO_THREADS).is_some() {
        assert!(std::thread::Builder::new().spawn(|| ()).is_err(), "this process must not get threads");
        return large_operations();
    }
    // A stack larger than the address space makes every start of a thread fail. That works for any user, unlike limits
    // on the number of threads.
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "large_operations_work_where_no_thread_can_start", "--test-threads=1", "--nocapture"])
        .env(NO_THREADS, "1")
        .env("RUST_MIN_STACK", (1u64 << 56).to_string())
        .env("RAYON_NUM_THREADS", "4")
        .output()
        .unwrap();
    let printed = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "{printed}");
    assert!(printed.contains("1 passed"), "{printed}");
    large_operations();
}
