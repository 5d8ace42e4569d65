//! `einsum` against sums over all positions of all letters.

use std::collections::BTreeMap;

use tensor::{DType, Generator, Tensor, tensor};

/// The sum for every position of the result, computed naively; only for formulas of letters.
fn reference(formula: &str, operands: &[&Tensor]) -> Vec<f64> {
    let (inputs, output) = formula.split_once("->").unwrap();
    let inputs: Vec<&str> = inputs.split(',').collect();
    let mut sizes = BTreeMap::new();
    for (part, operand) in inputs.iter().zip(operands) {
        sizes.extend(part.chars().zip(operand.shape().iter().copied()));
    }
    let letters: Vec<char> = sizes.keys().copied().collect();
    let mut out = vec![0.0; output.chars().map(|letter| sizes[&letter]).product()];
    for position in 0..sizes.values().product() {
        let mut rest: usize = position;
        let mut at = BTreeMap::new();
        for letter in &letters {
            at.insert(*letter, rest % sizes[letter]);
            rest /= sizes[letter];
        }
        let place = |part: &str| part.chars().fold(0, |place, letter| place * sizes[&letter] + at[&letter]);
        let factors = inputs.iter().zip(operands).map(|(part, operand)| operand.to_vec::<f64>().unwrap()[place(part)]);
        out[place(output)] += factors.product::<f64>();
    }
    out
}

fn draw(seed: u64, shape: &[usize]) -> Tensor {
    Generator::new(seed).normal(shape, 0.0, 1.0).unwrap().cast(DType::F64)
}

#[test]
fn agrees_with_sums_over_all_positions() {
    let size = |letter: char| [2, 3, 4, 1][letter as usize % 4];
    let formulas = [
        "ij,jk->ik",
        "ij,jk->ki",
        "ij->ji",
        "ij->",
        "ij->j",
        "ii->i",
        "ii->",
        "iji->j",
        "iijj->ij",
        "i,i->",
        "i,j->ji",
        "ij,ij->ij",
        "bij,bjk->bik",
        "bqhd,bkhd->bhqk",
        "ij,kl->jl",
        "ijk,jk->ji",
        "ab,bc,cd->ad",
        "ab,a,b->",
        "ij,i->",
        "iaj,jbi->ab",
        "ijkl->lkji",
    ];
    for formula in formulas {
        let inputs = formula.split("->").next().unwrap().split(',').enumerate();
        let operands: Vec<Tensor> =
            inputs.map(|(k, part)| draw(k as u64, &part.chars().map(size).collect::<Vec<_>>())).collect();
        let operands: Vec<&Tensor> = operands.iter().collect();
        let found = Tensor::einsum(formula, &operands).unwrap();
        let shape: Vec<usize> = formula.split("->").last().unwrap().chars().map(size).collect();
        assert_eq!(*found.shape(), shape[..], "{formula}");
        for (found, expected) in found.to_vec::<f64>().unwrap().iter().zip(reference(formula, &operands)) {
            assert!((found - expected).abs() < 1e-12 * expected.abs().max(1.0), "{formula}: {found} for {expected}");
        }
    }
}

#[test]
fn ellipses_and_implicit_results() {
    let equal = |formula: &str, operands: &[&Tensor], expected: Tensor| {
        let found = Tensor::einsum(formula, operands).unwrap();
        assert!(found.shape() == expected.shape() && found.allclose(&expected, 0.0, 1e-12).unwrap(), "{formula}");
    };
    let (a, b) = (draw(1, &[5, 1, 2, 3]), draw(2, &[4, 3, 2]));
    equal("...ij,...jk", &[&a, &b], a.matmul(&b).unwrap());
    equal("...ij,...jk->ik...", &[&a, &b], a.matmul(&b).unwrap().permute([2, 3, 0, 1]).unwrap());
    equal("...ji", &[&b], b.permute([0, 2, 1]).unwrap());
    equal("i...->...", &[&b], b.sum_axis(0).unwrap());
    let (m, n) = (draw(3, &[2, 3]), draw(4, &[3, 2]));
    equal("ij , jk", &[&m, &n], m.matmul(&n).unwrap());
    // An implicit result has its letters in alphabetical order.
    equal("ba", &[&m], m.t().unwrap());
    equal("...,...", &[&m, &m.at(0, 0).unwrap()], &m * m.at(0, 0).unwrap());
    assert_eq!(
        Tensor::einsum("i,j->ij", &[&tensor![1, 2], &tensor![3, 4]]).unwrap().to_vec::<i64>().unwrap(),
        [3, 4, 6, 8]
    );
    let empty = Tensor::einsum("ij,jk->ik", &[&draw(1, &[2, 0]), &draw(1, &[0, 3])]).unwrap();
    assert_eq!(empty.to_vec::<f64>().unwrap(), [0.0; 6]);
}

#[test]
fn errors_quote_the_formula() {
    let (m, v) = (Tensor::ones([2, 3]), Tensor::ones([4]));
    let message = |formula: &str, operands: &[&Tensor]| Tensor::einsum(formula, operands).unwrap_err().to_string();
    assert_eq!(message("ij,j->i", &[&m]), "einsum: \"ij,j->i\": names 2 operands, not 1");
    assert_eq!(message("ij,j->i", &[&m, &v]), "einsum: [2, 3] × [4]: \"ij,j->i\": 'j' stands for the sizes 3 and 4");
    assert_eq!(message("ii", &[&m]), "einsum: [2, 3] × [2, 3]: \"ii\": 'i' stands for the sizes 2 and 3");
    assert_eq!(message("i->i", &[&m]), "einsum: \"i->i\": \"i\" does not name the axes of [2, 3]");
    assert_eq!(message("ij...->i", &[&v]), "einsum: \"ij...->i\": \"ij...\" does not name the axes of [4]");
    assert_eq!(message("i1->i", &[&m]), "einsum: \"i1->i\": '1' is not a letter");
    assert_eq!(
        message("ij->ik", &[&m]),
        "einsum: \"ij->ik\": the result must name 'k' once, and an operand must have it"
    );
    assert_eq!(
        message("ij->ii", &[&m]),
        "einsum: \"ij->ii\": the result must name 'i' once, and an operand must have it"
    );
    assert_eq!(message("i...->i", &[&m]), "einsum: \"i...->i\": the result must have an ellipsis, as the operands do");
    assert_eq!(message("", &[]), "einsum: \"\": names 1 operands, not 0");
}
