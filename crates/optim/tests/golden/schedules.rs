//! Forty rates of every schedule.

use optim::schedules::{
    Constant, Cosine, CosineRestarts, Exponential, InverseTime, Linear, OneCycle, Piecewise, Polynomial,
    ReduceOnPlateau, Schedule,
};

use super::{Case, assert_close, list, numbers};

fn schedule(case: &Case) -> Box<dyn Schedule> {
    let (number, integer) = (|key: &str| case.number(key), |key: &str| case.integer(key));
    let (name, framework) = case.name().split_once('/').unwrap();
    if framework == "torch" {
        return torch(case, name);
    }
    let initial = || number("initial_learning_rate");
    match name {
        "constant" => Box::new(Constant::new(number("learning_rate"))),
        "piecewise" => Box::new(Piecewise::new(case.integers("boundaries"), case.numbers("values")).unwrap()),
        "exponential" => Box::new(Exponential::new(initial(), integer("decay_steps"), number("decay_rate"))),
        "exponential_staircase" => {
            Box::new(Exponential::new(initial(), integer("decay_steps"), number("decay_rate")).staircase())
        }
        "inverse_time" => Box::new(InverseTime::new(initial(), integer("decay_steps"), number("decay_rate"))),
        "cosine" => Box::new(Cosine::new(initial(), integer("decay_steps")).alpha(number("alpha"))),
        "cosine_warmup" => {
            assert_eq!(initial(), 0.0);
            let cosine = Cosine::new(number("warmup_target"), integer("decay_steps")).alpha(number("alpha"));
            Box::new(cosine.warm_up(integer("warmup_steps")))
        }
        "cosine_restarts" => Box::new(
            CosineRestarts::new(initial(), integer("first_decay_steps"))
                .t_mul(number("t_mul"))
                .m_mul(number("m_mul"))
                .alpha(number("alpha")),
        ),
        "linear" => Box::new(Linear::new(initial(), number("end_learning_rate"), integer("decay_steps"))),
        "polynomial" | "polynomial_cycle" => {
            let polynomial = Polynomial::new(initial(), integer("decay_steps"))
                .end(number("end_learning_rate"))
                .power(number("power"));
            Box::new(if case.is("cycle") { polynomial.cycle() } else { polynomial })
        }
        other => panic!("no schedule for {other}"),
    }
}

fn torch(case: &Case, name: &str) -> Box<dyn Schedule> {
    let (number, integer) = (|key: &str| case.number(key), |key: &str| case.integer(key));
    let rate = || number("lr");
    match name {
        "constant" => {
            Box::new(Constant::new(number("factor") * rate()).then(integer("total_iters"), Constant::new(rate())))
        }
        "step" => Box::new(Exponential::new(rate(), integer("step_size"), number("gamma")).staircase()),
        "piecewise" => {
            // Milestones are the first steps with a rate, boundaries the last.
            let boundaries: Vec<u64> = case.integers("milestones").iter().map(|step| step - 1).collect();
            let values: Vec<f64> = (0..=boundaries.len()).map(|k| rate() * number("gamma").powi(k as i32)).collect();
            Box::new(Piecewise::new(boundaries, values).unwrap())
        }
        "exponential" => Box::new(Exponential::new(rate(), 1, number("gamma"))),
        "cosine" => Box::new(Cosine::new(rate(), integer("T_max")).alpha(number("eta_min") / rate()).periodic()),
        "cosine_restarts" => Box::new(
            CosineRestarts::new(rate(), integer("T_0")).t_mul(number("T_mult")).alpha(number("eta_min") / rate()),
        ),
        "linear" => {
            let (start, end) = (number("start_factor") * rate(), number("end_factor") * rate());
            Box::new(Linear::new(start, end, integer("total_iters")))
        }
        "polynomial" => Box::new(Polynomial::new(rate(), integer("total_iters")).end(0.0).power(number("power"))),
        "one_cycle" => Box::new(OneCycle::new(number("max_lr"), integer("total_steps"))),
        "one_cycle_linear" => {
            assert!(case.is("three_phase"));
            Box::new(
                OneCycle::new(number("max_lr"), integer("total_steps"))
                    .rising_share(number("pct_start"))
                    .div_factor(number("div_factor"))
                    .final_div_factor(number("final_div_factor"))
                    .linear()
                    .three_phases(),
            )
        }
        "warmup_cosine" => {
            let parts = list(&case.0["attrs"]["parts"]);
            let (line, wave) = (&parts[0][1], &parts[1][1]);
            let start = line["start_factor"].as_f64().unwrap() * rate();
            let line = Linear::new(start, rate(), line["total_iters"].as_u64().unwrap());
            let wave = Cosine::new(rate(), wave["T_max"].as_u64().unwrap()).periodic();
            Box::new(line.then(case.integers("milestones")[0], wave))
        }
        other => panic!("no schedule for {other}"),
    }
}

fn plateau(case: &Case) -> ReduceOnPlateau {
    let common = |rate, patience, cooldown| {
        ReduceOnPlateau::new(rate)
            .factor(case.number("factor"))
            .patience(patience)
            .cooldown(cooldown)
            .min_rate(case.number("min_lr"))
    };
    let (patience, cooldown) = (case.integer("patience"), case.integer("cooldown"));
    match case.name() {
        "plateau/keras" => common(case.number("learning_rate"), patience, cooldown).min_delta(case.number("min_delta")),
        // PyTorch's patience lasts one report longer, and its cooldown one less.
        _ => common(case.number("lr"), patience + 1, cooldown + 1).min_delta(case.number("threshold")).relative(),
    }
}

#[test]
fn rates() {
    let cases = Case::all("schedules");
    assert_eq!(cases.len(), 24);
    for case in cases {
        let expected = numbers(&case.0["values"]);
        let found: Vec<f64> = if case.name().starts_with("plateau/") {
            let mut running = plateau(&case);
            let report = |(k, loss)| {
                if k == 7 {
                    let state = running.state();
                    running = plateau(&case);
                    running.restore(state).unwrap();
                }
                running.report(loss).unwrap()
            };
            case.numbers("losses").into_iter().enumerate().map(report).collect()
        } else {
            let schedule = schedule(&case);
            schedule.validate().unwrap();
            (0..expected.len() as u64).map(|step| schedule.rate(step)).collect()
        };
        assert_close(&found, &expected, 1e-15, case.name());
    }
}
