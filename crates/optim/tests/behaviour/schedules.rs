//! Schedules in extreme cases and in combination.

use optim::schedules::{
    Constant, Cosine, CosineRestarts, Exponential, InverseSquareRoot, InverseTime, Linear, OneCycle, Piecewise,
    PlateauState, Polynomial, ReduceOnPlateau, Schedule,
};

use super::message;

fn rates(schedule: &dyn Schedule, steps: impl IntoIterator<Item = u64>) -> Vec<f64> {
    steps.into_iter().map(|step| schedule.rate(step)).collect()
}

#[test]
fn the_warm_up_precedes_the_schedule() {
    let schedule = Linear::new(0.5, 0.0, 2).warm_up(4);
    assert_eq!(rates(&schedule, 0..8), [0.0, 0.125, 0.25, 0.375, 0.5, 0.25, 0.0, 0.0]);
    assert_eq!(Constant::new(0.5).warm_up(0).rate(0), 0.5);
}

#[test]
fn a_following_schedule_starts_at_its_first_step() {
    let fall = || Linear::new(1.0, 0.5, 2);
    let schedule = fall().then(3, fall()).then(5, Constant::new(0.25).scaled(0.5));
    assert_eq!(rates(&schedule, 0..7), [1.0, 0.75, 0.5, 1.0, 0.75, 0.125, 0.125]);
}

#[test]
fn rates_are_constant_after_the_end() {
    let far = [20, 1 << 40, u64::MAX];
    let ends: [(Box<dyn Schedule>, f64); 6] = [
        (Box::new(Piecewise::new([3], [0.1, 0.2]).unwrap()), 0.2),
        (Box::new(Linear::new(0.1, 0.3, 20)), 0.3),
        (Box::new(Polynomial::new(0.1, 20).end(0.25)), 0.25),
        (Box::new(Cosine::new(0.5, 20).alpha(0.5)), 0.25),
        (Box::new(OneCycle::new(0.5, 21).div_factor(2.0).final_div_factor(2.0)), 0.125),
        (Box::new(OneCycle::new(0.5, 21).div_factor(2.0).final_div_factor(2.0).three_phases()), 0.125),
    ];
    for (schedule, end) in ends {
        assert_eq!(rates(&*schedule, far), [end; 3], "{}", schedule.name());
    }
    for falling in [&Exponential::new(0.1, 1, 0.5) as &dyn Schedule, &InverseTime::new(0.1, 1, 1.0)] {
        assert!(falling.rate(u64::MAX) < 1e-19);
    }
}

#[test]
fn the_inverse_square_root_after_a_warm_up_is_the_transformers() {
    let schedule = InverseSquareRoot::new(0.5, 4).warm_up(4);
    for step in 1..100u64 {
        let step_number = step as f64;
        // Equation 3 of "Attention Is All You Need", scaled so that the peak is 0.5.
        let expected = 0.5 * 2.0 * step_number.powf(-0.5).min(step_number * 4f64.powf(-1.5));
        assert!((schedule.rate(step) - expected).abs() < 1e-15, "{step}");
    }
}

#[test]
fn a_staircase_has_steps() {
    assert_eq!(rates(&InverseTime::new(1.0, 2, 1.0).staircase(), 0..5), [1.0, 1.0, 0.5, 0.5, 1.0 / 3.0]);
}

#[test]
fn restarts_of_equal_length() {
    let schedule = CosineRestarts::new(1.0, 2).t_mul(1.0).m_mul(0.5);
    let expected = [1.0, 0.5, 0.5, 0.25, 0.25, 0.125];
    assert!(rates(&schedule, 0..6).iter().zip(expected).all(|(rate, expected)| (rate - expected).abs() < 1e-15));
    assert_eq!(schedule.rate(1 << 50), 0.0);
}

#[test]
fn restarts_come_at_the_geometric_sums() {
    // Cycles of 10, 20, 40, … steps begin at the steps 0, 10, 30, 70, ….
    let schedule = CosineRestarts::new(1.0, 10).m_mul(0.5);
    for (wave, restart) in [0u64, 10, 30, 70, 150, 310].into_iter().enumerate() {
        let height = 0.5f64.powi(wave as i32);
        assert!((schedule.rate(restart) - height).abs() < 1e-12, "{restart}: {}", schedule.rate(restart));
        // The rate is lowest just before a restart, and average in the middle of a cycle.
        assert!(restart == 0 || schedule.rate(restart - 1) < 0.03 * 2.0 * height);
        assert!((schedule.rate(restart + 5 * (1 << wave)) - height / 2.0).abs() < 1e-12);
    }
    // 10 + 11 steps, although 1.1 is not a float64 number; cycles that hardly grow start like cycles of equal length.
    assert!((CosineRestarts::new(1.0, 10).t_mul(1.1).rate(21) - 1.0).abs() < 1e-12);
    let (equal, growing) = (CosineRestarts::new(1.0, 4).t_mul(1.0), CosineRestarts::new(1.0, 4).t_mul(1.0 + 1e-15));
    for step in 0..40 {
        assert!((equal.rate(step) - growing.rate(step)).abs() < 1e-12, "{step}");
    }
    // 2¹⁸ cycles have grown by 2³⁵ · 1.1e-15 in total.
    assert!((equal.rate((1 << 20) + 1) - growing.rate((1 << 20) + 1)).abs() < 1e-4);
}

/// Every schedule returns immediately for invalid arguments and for any step.
#[test]
fn absurd_arguments_neither_hang_nor_panic() {
    let (done, finished) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let numbers = [0.0, -1.0, 0.5, 1.0, 1.0 + f64::EPSILON, 1e308, -1e308, 5e-324, f64::NAN, f64::INFINITY];
        let counts = [0, 1, 3, u64::MAX];
        for x in numbers {
            for n in counts {
                let schedules: Vec<Box<dyn Schedule>> = vec![
                    Box::new(CosineRestarts::new(0.1, n).t_mul(x)),
                    Box::new(CosineRestarts::new(0.1, n).m_mul(x)),
                    Box::new(CosineRestarts::new(x, n).alpha(x)),
                    Box::new(Constant::new(x).warm_up(n).then(n, Constant::new(x).scaled(x))),
                    Box::new(Cosine::new(x, n).alpha(x).periodic()),
                    Box::new(Exponential::new(0.1, n, x).staircase()),
                    Box::new(InverseSquareRoot::new(x, n)),
                    Box::new(InverseTime::new(0.1, n, x)),
                    Box::new(Linear::new(x, -x, n)),
                    Box::new(OneCycle::new(0.1, n).rising_share(x).div_factor(x).final_div_factor(x).three_phases()),
                    Box::new(Piecewise::new([n], [x, x]).unwrap()),
                    Box::new(Polynomial::new(0.1, n).power(x).end(x).cycle()),
                ];
                for schedule in schedules {
                    for step in [0, 1, 2, 1000, u64::MAX - 1, u64::MAX] {
                        schedule.rate(step);
                    }
                    let _ = schedule.validate();
                }
            }
        }
        done.send(()).unwrap();
    });
    let waited = finished.recv_timeout(std::time::Duration::from_secs(60));
    assert!(waited.is_ok(), "some schedule does not return, or panicked");
}

#[test]
fn one_cycle_at_its_extremes() {
    // No rise, only a rise, and a cycle of one step: the rate is always within the range.
    for share in [0.0, 0.3, 0.5, 1.0] {
        for total in [1, 2, 3, 10] {
            for three in [false, true] {
                let cycle = OneCycle::new(0.5, total).rising_share(share);
                let cycle = if three { cycle.three_phases() } else { cycle };
                let rates = rates(&cycle, 0..12);
                assert!(rates.iter().all(|rate| (0.0..=0.5).contains(rate)), "{share}, {total}, {three}: {rates:?}");
            }
        }
    }
}

#[test]
fn invalid_arguments_are_errors() {
    assert_eq!(message(Piecewise::new([1, 2], [0.1])), "piecewise: 2 boundaries need 3 values, not 1");
    assert_eq!(message(Piecewise::new([2, 2], [0.1, 0.2, 0.3])), "piecewise: the boundaries [2, 2] must increase");
    let cases: [(Box<dyn Schedule>, &str); 11] = [
        (Box::new(Constant::new(f64::NAN)), "constant: learning_rate is NaN; it must be a finite number of at least 0"),
        (
            Box::new(Piecewise::new([1], [0.1, -0.1]).unwrap()),
            "piecewise: value is -0.1; it must be a finite number of at least 0",
        ),
        (
            Box::new(Exponential::new(0.1, 0, 0.5)),
            "exponential: decay_steps is 0.0; it must be a finite number of at least 1",
        ),
        (
            Box::new(InverseTime::new(0.1, 1, -0.5)),
            "inverse_time: decay_rate is -0.5; it must be a finite number of at least 0",
        ),
        (
            Box::new(InverseSquareRoot::new(0.1, 0)),
            "inverse_square_root: decay_steps is 0.0; it must be a finite number of at least 1",
        ),
        (Box::new(Linear::new(-0.1, 0.1, 1)), "linear: start is -0.1; it must be a finite number of at least 0"),
        (Box::new(Polynomial::new(0.1, 1).power(0.0)), "polynomial: power is 0.0; it must be a finite number above 0"),
        (Box::new(Cosine::new(0.1, 1).alpha(1.5)), "cosine: alpha is 1.5; it must be a number from 0 to 1"),
        (
            Box::new(CosineRestarts::new(0.1, 1).t_mul(0.5)),
            "cosine_restarts: t_mul is 0.5; it must be a finite number of at least 1",
        ),
        (
            Box::new(OneCycle::new(0.1, 1).rising_share(1.5)),
            "one_cycle: rising_share is 1.5; it must be a number from 0 to 1",
        ),
        (
            Box::new(Constant::new(0.1).then(1, Constant::new(-0.5))),
            "constant: learning_rate is -0.5; it must be a finite number of at least 0",
        ),
    ];
    for (schedule, expected) in cases {
        assert_eq!(message(schedule.validate()), expected);
    }
}

#[test]
fn a_plateau_of_an_accuracy() {
    let mut plateau = ReduceOnPlateau::new(0.5).factor(0.5).patience(1).min_delta(0.0).maximize();
    let found: Vec<f64> = [0.5, 0.6, 0.6, 0.7, f64::NAN].into_iter().map(|x| plateau.report(x).unwrap()).collect();
    assert_eq!(found, [0.5, 0.5, 0.25, 0.25, 0.125]);
    assert_eq!(plateau.state(), PlateauState { learning_rate: 0.125, best: Some(0.7), wait: 0, cooldown: 0 });
}

#[test]
fn a_plateau_out_of_range_is_named() {
    assert_eq!(
        message(ReduceOnPlateau::new(0.5).factor(1.0).report(1.0)),
        "reduce_on_plateau: factor is 1.0; it must be a number from 0 up to but not including 1"
    );
    let mut plateau = ReduceOnPlateau::new(0.5);
    let state = PlateauState { learning_rate: -1.0, ..plateau.state() };
    assert_eq!(
        message(plateau.restore(state)),
        "reduce_on_plateau: learning_rate is -1.0; it must be a finite number of at least 0"
    );
    assert_eq!(plateau.rate(), 0.5);
}
