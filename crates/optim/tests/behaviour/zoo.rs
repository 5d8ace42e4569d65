//! All optimizers and all schedules, for tests that iterate over them.

use optim::schedules::{
    Constant, Cosine, CosineRestarts, Exponential, InverseSquareRoot, InverseTime, Linear, OneCycle, Piecewise,
    Polynomial, Schedule,
};
use optim::{
    Adadelta, Adafactor, Adagrad, Adam, AdamW, Adamax, Lamb, LearningRate, Lion, Muon, Nadam, Optimizer, RmsProp, Sgd,
};

/// Every optimizer in every form with different states or formulas.
pub(crate) fn optimizers(rate: impl Into<LearningRate>) -> Vec<Box<dyn Optimizer>> {
    let rate = rate.into();
    let rate = || rate.clone();
    vec![
        Box::new(Sgd::new(rate())),
        Box::new(Sgd::new(rate()).momentum(0.9).dampening(0.1)),
        Box::new(Sgd::new(rate()).momentum(0.9).nesterov()),
        Box::new(Adagrad::new(rate())),
        Box::new(Adadelta::new(rate())),
        Box::new(RmsProp::new(rate())),
        Box::new(RmsProp::new(rate()).centered()),
        Box::new(RmsProp::new(rate()).momentum(0.9)),
        Box::new(RmsProp::new(rate()).centered().momentum(0.9)),
        Box::new(Adam::new(rate())),
        Box::new(Adam::new(rate()).amsgrad()),
        Box::new(AdamW::new(rate())),
        Box::new(Adamax::new(rate())),
        Box::new(Nadam::new(rate())),
        Box::new(Lion::new(rate())),
        Box::new(Adafactor::new(rate())),
        Box::new(Lamb::new(rate())),
        Box::new(Muon::new(rate())),
    ]
}

/// Every schedule, with changes in its first ten steps.
pub(crate) fn schedules() -> Vec<Box<dyn Fn() -> LearningRate>> {
    vec![
        Box::new(|| Constant::new(0.1).into()),
        Box::new(|| Piecewise::new([2, 6], [0.1, 0.2, 0.05]).unwrap().into()),
        Box::new(|| Exponential::new(0.1, 3, 0.5).into()),
        Box::new(|| InverseTime::new(0.1, 2, 0.5).into()),
        Box::new(|| InverseSquareRoot::new(0.1, 2).into()),
        Box::new(|| Linear::new(0.1, 0.01, 8).into()),
        Box::new(|| Polynomial::new(0.1, 8).power(2.0).into()),
        Box::new(|| Cosine::new(0.1, 8).into()),
        Box::new(|| CosineRestarts::new(0.1, 3).into()),
        Box::new(|| OneCycle::new(0.1, 10).into()),
        Box::new(|| Cosine::new(0.1, 8).warm_up(3).scaled(0.5).then(7, Constant::new(0.2)).into()),
    ]
}
