//! Einstein summation, composed of other operations.

use crate::error::{Error, Result, placed};
use crate::ops::apply::apply;
use crate::ops::range::{Range, whole};
use crate::ops::{Movement, Reduce, Reduction};
use crate::shape::{Axes, Shape};
use crate::tensor::Tensor;

/// The name of an axis: a letter, or its position, counted from the right, among the axes of an ellipsis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Label {
    Dots(std::cmp::Reverse<usize>),
    Letter(char),
}

/// A tensor with a name for each axis.
struct Term {
    tensor: Tensor,
    labels: Vec<Label>,
}

impl Tensor {
    /// Sums of products in Einstein notation, as NumPy's `einsum`. Each letter names an axis. Axes with the same letter
    /// are indexed together, and axes that the result does not name are summed over. `...` stands for all unnamed axes,
    /// which broadcast. Without `->`, the result has the axes of the ellipsis and then the letters that occur once, in
    /// alphabetical order.
    ///
    /// | | |
    /// |---|---|
    /// | `ij,jk->ik` | the matrix product |
    /// | `...ij->...ji` | the transposed matrices |
    /// | `ii->i`, `ii` | the diagonal, the trace |
    /// | `bqhd,bkhd->bhqk` | attention scores |
    ///
    /// Several operands are multiplied from left to right, two at a time.
    ///
    /// ```
    /// # use tensor::{Tensor, tensor};
    /// let (a, b) = (tensor![[1.0, 2.0], [3.0, 4.0]], tensor![10.0, 1.0]);
    /// assert_eq!(Tensor::einsum("ij,j->i", &[&a, &b])?.to_vec::<f32>()?, [12.0, 34.0]);
    /// # Ok::<(), tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error if the formula is invalid or does not match the shapes, if products of tensors that are not
    /// floating-point must be summed, or if a result is larger than memory can address.
    #[track_caller]
    pub fn einsum(formula: &str, operands: &[&Tensor]) -> Result<Tensor> {
        placed(|| Tensor::composed_einsum(formula, operands))
    }

    fn composed_einsum(formula: &str, operands: &[&Tensor]) -> Result<Tensor> {
        let (terms, output) = parse(formula, operands)?;
        check_sizes(formula, &terms)?;
        let mut terms = terms.into_iter().map(diagonal).collect::<Result<Vec<_>>>()?.into_iter();
        let mut product = terms.next().ok_or_else(|| Error::argument("einsum", "needs at least one operand"))?;
        while let Some(next) = terms.next() {
            let later =
                |label: &Label| output.contains(label) || terms.as_slice().iter().any(|t| t.labels.contains(label));
            product = multiplied(&product, &next, &later)?;
        }
        let kept = product.summed(|label| output.contains(label))?;
        kept.arranged(&output)
    }
}

fn parse(formula: &str, operands: &[&Tensor]) -> Result<(Vec<Term>, Vec<Label>)> {
    let wrong = |reason: String| Error::argument("einsum", format!("\"{formula}\": {reason}"));
    let text: String = formula.chars().filter(|c| !c.is_whitespace()).collect();
    let (inputs, output) = match text.split_once("->") {
        Some((inputs, output)) => (inputs, Some(output)),
        None => (text.as_str(), None),
    };
    let inputs: Vec<&str> = inputs.split(',').collect();
    if inputs.len() != operands.len() {
        return Err(wrong(format!("names {} operands, not {}", inputs.len(), operands.len())));
    }
    // The letters before and after the ellipsis, if there is one.
    let letters = |part: &str| match part.chars().find(|c| !c.is_ascii_alphabetic()) {
        Some(other) => Err(wrong(format!("'{other}' is not a letter"))),
        None => Ok(part.chars().map(Label::Letter).collect::<Vec<_>>()),
    };
    let named = |part: &str, dots: Option<usize>| match part.split_once("...") {
        Some((before, after)) => {
            let (mut before, after) = (letters(before)?, letters(after)?);
            let count = dots.unwrap_or(0);
            before.extend((0..count).map(|k| Label::Dots(std::cmp::Reverse(count - 1 - k))));
            before.extend(after);
            Ok(before)
        }
        None => letters(part),
    };
    let mut terms = Vec::new();
    let mut most = None;
    for (part, &tensor) in inputs.iter().zip(operands) {
        let count = named(part, None)?.len();
        let dots = if part.contains("...") { tensor.rank().checked_sub(count) } else { None };
        let labels = named(part, dots)?;
        if labels.len() != tensor.rank() {
            return Err(wrong(format!("\"{part}\" does not name the axes of {}", tensor.shape())));
        }
        most = most.max(dots);
        terms.push(Term { tensor: tensor.clone(), labels });
    }
    let all = || terms.iter().flat_map(|term| term.labels.iter().copied());
    let output = match output {
        Some(output) => {
            if most.is_some_and(|dots| dots > 0) && !output.contains("...") {
                return Err(wrong("the result must have an ellipsis, as the operands do".into()));
            }
            named(output, most)?
        }
        None => {
            let is_once =
                |label: &Label| !matches!(label, Label::Letter(_)) || all().filter(|other| other == label).count() == 1;
            let mut once: Vec<Label> = all().filter(is_once).collect();
            once.sort();
            once.dedup();
            once
        }
    };
    for (k, label) in output.iter().enumerate() {
        if output[..k].contains(label) || !all().any(|other| other == *label) {
            let Label::Letter(letter) = label else { return Err(wrong("no operand has an ellipsis".into())) };
            return Err(wrong(format!("the result must name '{letter}' once, and an operand must have it")));
        }
    }
    Ok((terms, output))
}

/// Returns an error unless equal letters have equal sizes and the axes of ellipses broadcast.
fn check_sizes(formula: &str, terms: &[Term]) -> Result<()> {
    let mut seen: Vec<(Label, usize, &Shape)> = Vec::new();
    for term in terms {
        for (&label, &size) in term.labels.iter().zip(term.tensor.shape().iter()) {
            let same = |other: usize| size == other || (matches!(label, Label::Dots(_)) && (size == 1 || other == 1));
            if let Some((_, other, shape)) = seen.iter().find(|(name, other, _)| *name == label && !same(*other)) {
                let axis = if let Label::Letter(letter) = label { letter.to_string() } else { "...".into() };
                let reason = format!("\"{formula}\": '{axis}' stands for the sizes {other} and {size}");
                return Err(Error::product("einsum", shape, term.tensor.shape(), reason));
            }
            seen.push((label, size, term.tensor.shape()));
        }
    }
    Ok(())
}

/// The generalized diagonal: the elements whose positions are equal along all axes with the same name.
fn diagonal(term: Term) -> Result<Term> {
    let Term { mut tensor, mut labels } = term;
    while let Some(second) = (1..labels.len()).find(|&k| labels[..k].contains(&labels[k])) {
        let first = labels.iter().position(|label| *label == labels[second]).expect("the label occurs before `second`");
        let rest = (0..labels.len()).filter(|&axis| axis != first && axis != second);
        let order: Axes = rest.chain([first, second]).collect();
        let size = tensor.shape()[first];
        let names: Vec<Label> = order.iter().take(labels.len() - 1).map(|&axis| labels[axis]).collect();
        let moved = apply(Movement::Permute { order }, &[&tensor])?;
        // If this saturates, `reshape` returns an error.
        let square = size.saturating_mul(size);
        let flat: Shape = moved.shape()[..names.len() - 1].iter().copied().chain([square]).collect();
        let flat = moved.reshape(flat)?;
        let mut ranges = whole(flat.shape());
        ranges[names.len() - 1] = Range { start: 0, count: size, step: size as isize + 1 };
        tensor = apply(Movement::Slice { ranges }, &[&flat])?;
        labels = names;
    }
    Ok(Term { tensor, labels })
}

/// The product of two terms, summed over the axes that are not needed later.
fn multiplied(a: &Term, b: &Term, later: &impl Fn(&Label) -> bool) -> Result<Term> {
    let a = a.summed(|label| later(label) || b.labels.contains(label))?;
    let b = b.summed(|label| later(label) || a.labels.contains(label))?;
    let part = |of: &Term, other: &Term, shared: bool, kept: bool| -> Vec<Label> {
        let wanted = |label: &&Label| other.labels.contains(label) == shared && later(label) == kept;
        of.labels.iter().filter(wanted).copied().collect()
    };
    let (batch, summed) = (part(&a, &b, true, true), part(&a, &b, true, false));
    let (left, right) = (part(&a, &b, false, true), part(&b, &a, false, true));
    let labels = [&batch[..], &left, &right].concat();
    if summed.is_empty() {
        // Give each term axes of size 1 for those that only the other has.
        let apart = |term: &Term, own: &[Label], before: usize, after: usize| {
            let arranged = term.arranged(&[&batch[..], own].concat())?;
            let (common, own) = arranged.shape().split_at(batch.len());
            let ones = |count: usize| std::iter::repeat_n(1, count);
            let shape: Shape =
                common.iter().copied().chain(ones(before)).chain(own.iter().copied()).chain(ones(after)).collect();
            arranged.reshape(shape)
        };
        let product = apart(&a, &left, 0, right.len())?.try_mul(apart(&b, &right, left.len(), 0)?)?;
        return Ok(Term { tensor: product, labels });
    }
    // Multiply as matrices: [batch, left, summed] and [batch, summed, right]. Axes of an ellipsis may have size 1 in
    // one term.
    let both = |label: &Label| if a.size(label) == 1 { b.size(label) } else { a.size(label) };
    let matrices = |term: &Term, rows: &[Label], columns: &[Label]| {
        let order = [&batch[..], rows, columns].concat();
        let arranged = term.arranged(&order)?;
        let is_shared = |label: &Label| batch.contains(label) || summed.contains(label);
        let full: Shape =
            order.iter().map(|label| if is_shared(label) { both(label) } else { term.size(label) }).collect();
        full.checked_size("einsum")?;
        let size = |from: usize, to: usize| full[from..to].iter().product::<usize>();
        let middle = batch.len() + rows.len();
        let flat = [size(0, batch.len()), size(batch.len(), middle), size(middle, order.len())];
        arranged.expand(&full)?.reshape(flat)
    };
    let product = matrices(&a, &left, &summed)?.matmul(matrices(&b, &summed, &right)?)?;
    let sizes = batch
        .iter()
        .map(both)
        .chain(left.iter().map(|label| a.size(label)))
        .chain(right.iter().map(|label| b.size(label)));
    Ok(Term { tensor: product.reshape(sizes.collect::<Shape>())?, labels })
}

impl Term {
    fn axis(&self, label: &Label) -> usize {
        self.labels.iter().position(|other| other == label).expect("the term has this axis")
    }

    fn size(&self, label: &Label) -> usize {
        self.tensor.shape()[self.axis(label)]
    }

    /// This term summed over the axes that are not kept.
    fn summed(&self, keep: impl Fn(&Label) -> bool) -> Result<Term> {
        let axes: Axes = (0..self.labels.len()).filter(|&axis| !keep(&self.labels[axis])).collect();
        if axes.is_empty() {
            return Ok(Term { tensor: self.tensor.clone(), labels: self.labels.clone() });
        }
        let tensor = apply(Reduce { reduction: Reduction::Sum, axes, keepdims: false }, &[&self.tensor])?;
        Ok(Term { tensor, labels: self.labels.iter().copied().filter(keep).collect() })
    }

    /// The tensor with its axes permuted to this order. `labels` names each axis once.
    fn arranged(&self, labels: &[Label]) -> Result<Tensor> {
        if self.labels == labels {
            return Ok(self.tensor.clone());
        }
        let order = labels.iter().map(|label| self.axis(label)).collect();
        apply(Movement::Permute { order }, &[&self.tensor])
    }
}
