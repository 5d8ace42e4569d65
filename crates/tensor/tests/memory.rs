//! The pool of buffers: what it keeps, and that its limit and `clear_pool` apply to all of it.

use std::sync::mpsc::channel;

use tensor::{DType, Tensor, clear_pool, pool_statistics, set_pool_limit};

const SMALL: usize = 1_000;
const LARGE: usize = 100_000;

/// Blocks allocated from the system while a tensor of `size` float32 elements is created and dropped.
fn fresh(size: usize) -> u64 {
    let before = pool_statistics().fresh;
    drop(Tensor::zeros([size]));
    pool_statistics().fresh - before
}

// One test, because the pool belongs to the whole process.
#[test]
fn limit_and_clearing_of_the_pool_apply_to_small_and_large_blocks() {
    for size in [SMALL, LARGE] {
        clear_pool();
        assert_eq!(pool_statistics().held, 0);
        assert_eq!((fresh(size), fresh(size)), (1, 0), "{size}: kept");
        assert!(pool_statistics().held >= size * 4);
        clear_pool();
        assert_eq!((pool_statistics().held, fresh(size)), (0, 1), "{size}: cleared");

        // A limit below what the pool already holds.
        set_pool_limit(1_000);
        assert_eq!((pool_statistics().held, pool_statistics().limit), (0, 1_000));
        assert_eq!((fresh(size), fresh(size)), (1, 1), "{size}: not kept");
        set_pool_limit(1 << 30);
    }

    // Small blocks have a separate limit for each size class: here 4096 blocks of 4 KiB.
    let many: Vec<Tensor> = (0..5_000).map(|_| Tensor::zeros([SMALL])).collect();
    drop(many);
    assert_eq!(pool_statistics().held, 16 << 20);
    // Blocks that are in use again do not count as held.
    let again: Vec<Tensor> = (0..5_000).map(|_| Tensor::zeros([SMALL])).collect();
    assert!(pool_statistics().held <= 128 << 10, "{}", pool_statistics().held);
    drop(again);
    assert_eq!(pool_statistics().held, 16 << 20);

    // Blocks that another thread keeps go back to the system when it next uses the pool, or ends.
    clear_pool();
    let (ask, asked) = channel();
    let (answer, answered) = channel();
    let thread = std::thread::spawn(move || {
        for size in asked {
            answer.send(fresh(size)).unwrap();
        }
    });
    let fresh_there = |size| {
        ask.send(size).unwrap();
        answered.recv().unwrap()
    };
    assert_eq!((fresh_there(SMALL), fresh_there(SMALL)), (1, 0));
    let held = pool_statistics().held;
    assert!(held > 0);
    clear_pool();
    assert_eq!(pool_statistics().held, held);
    assert_eq!((fresh_there(2 * SMALL), fresh_there(SMALL)), (1, 1));
    drop(ask);
    thread.join().unwrap();
    assert_eq!(pool_statistics().held, 0);

    // Picking from a view takes memory for the result only, however many elements the view has.
    clear_pool();
    let row: Tensor = (0..50i64).collect();
    let (many, index) = (row.expand([LARGE, 50]).unwrap(), Tensor::from([[7i64, 99_999], [3, 7]]));
    let rows = many.take(&index, 0).unwrap();
    assert_eq!(rows.shape(), &[2, 2, 50]);
    assert_eq!(rows.to_vec::<i64>().unwrap(), row.to_vec::<i64>().unwrap().repeat(4));
    let columns = many.slice(..5).unwrap().take(&Tensor::from([49i64, 0, 5]), 1).unwrap();
    assert_eq!(columns.to_vec::<i64>().unwrap(), [49, 0, 5].repeat(5));
    let mask = Tensor::zeros([LARGE]).cast(DType::Bool);
    assert_eq!(many.masked_select(&mask).unwrap().shape(), &[0, 50]);
    drop((rows, columns, mask));
    assert!(pool_statistics().held < 2 << 20, "{}", pool_statistics().held);
}
