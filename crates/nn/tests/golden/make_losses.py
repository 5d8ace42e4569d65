"""Writes loss_values.json: losses and their gradients, by Keras (on PyTorch) and by PyTorch.

    KERAS_BACKEND=torch python make_losses.py

Made with Keras 3.15.1 and PyTorch 2.15.0, in float64.
"""

import json
import math
import pathlib

import keras
import torch
import torch.nn.functional as F
from keras import losses
from keras.src.backend.common import dtypes

# On PyTorch, Keras reduces float64 in float32; on TensorFlow it has this entry.
dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"
keras.config.set_floatx("float64")
torch.manual_seed(0)
torch.set_default_dtype(torch.float64)


def stored(x):
    integers = not x.is_floating_point()
    data = [int(v) if integers else float(v) for v in x.detach().flatten()]
    return {"shape": list(x.shape), "data": data} | ({"dtype": "int64"} if integers else {})


cases = []


def case(loss, function, targets, predictions, settings=None, **more):
    """Losses, and the gradient for the predictions of their sum weighted with a cotangent."""
    predictions = predictions.clone().requires_grad_()
    output = function(targets, predictions)
    cotangent = torch.rand(output.shape) + 0.5
    output.backward(cotangent)
    assert torch.isfinite(predictions.grad).all(), loss
    cases.append(
        {
            "loss": loss,
            "settings": settings or {},
            "targets": stored(targets),
            "predictions": stored(predictions),
            "losses": stored(output),
            "cotangent": stored(cotangent),
            "gradient": stored(predictions.grad),
        }
        | {name: stored(value) for name, value in more.items()}
    )


def reduced(loss, object_of, targets, predictions, settings=None, weights=None, class_weights=None):
    """Every reduction of weighted losses; class weights as Keras takes them, times the others."""
    sample_weights = weights
    if class_weights is not None:
        labels = targets.argmax(-1) if targets.shape == predictions.shape else targets
        of_classes = torch.tensor(class_weights)[labels]
        sample_weights = of_classes if weights is None else weights * of_classes
    for reduction in ["none", "sum", "sum_over_batch_size", "mean_with_sample_weight"]:
        x = predictions.clone().requires_grad_()
        output = object_of(reduction)(targets, x, sample_weight=sample_weights)
        output.sum().backward()
        cases.append(
            {
                "loss": loss,
                "settings": settings or {},
                "targets": stored(targets),
                "predictions": stored(predictions),
                "weights": None if weights is None else stored(weights),
                "class_weights": class_weights,
                "reduction": reduction,
                "losses": stored(output),
                "gradient": stored(x.grad),
            }
        )


normal = torch.randn(4, 3) * 2
near = normal + torch.randn(4, 3)
logits = torch.randn(4, 3) * 3
p = torch.rand(4, 3) * 0.9 + 0.05
t = torch.rand(4, 3)
labels = torch.tensor([2, 0, 1, 1])
one_hot = F.one_hot(labels, 3).double()
truth = (torch.rand(4, 3) > 0.5).double()
signs = 2 * truth - 1
certain = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
either = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])

for name in [
    "mean_squared_error",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "log_cosh",
    "cosine_similarity",
]:
    case(name, getattr(losses, name), near, normal)
case("mean_absolute_percentage_error", losses.mean_absolute_percentage_error, near * 0 + 1e-9, normal)
case("mean_squared_logarithmic_error", losses.mean_squared_logarithmic_error, near, normal)
case("huber", lambda y, x: losses.huber(y, x, delta=0.75), near, normal, {"delta": 0.75})
case("poisson", losses.poisson, torch.arange(12.0).reshape(4, 3), normal.abs())
case("kl_divergence", losses.kl_divergence, t, p)
for targets in [signs, truth, near]:
    case("hinge", losses.hinge, targets, normal)
    case("squared_hinge", losses.squared_hinge, targets, normal)
case("categorical_hinge", losses.categorical_hinge, one_hot, normal)


def crossentropies(name, targets, of_logits, **settings):
    function = getattr(losses, name)
    for smoothing in [0.0, 0.2]:
        for from_logits in [False, True]:
            all_settings = settings | {"label_smoothing": smoothing, "from_logits": from_logits}
            case(
                name,
                lambda y, x: function(y, x, **all_settings),
                targets,
                of_logits if from_logits else p,
                all_settings,
            )


crossentropies("binary_crossentropy", t, logits)
crossentropies("categorical_crossentropy", one_hot, logits)
crossentropies("binary_focal_crossentropy", truth, logits)
crossentropies("binary_focal_crossentropy", t, logits, gamma=1.5, apply_class_balancing=True, alpha=0.3)
crossentropies("categorical_focal_crossentropy", one_hot, logits)
crossentropies("categorical_focal_crossentropy", t, logits, gamma=0.5, alpha=0.75)
for name in ["binary_crossentropy", "binary_focal_crossentropy"]:
    case(name, getattr(losses, name), either, certain)
for name in ["categorical_crossentropy", "categorical_focal_crossentropy"]:
    case(name, getattr(losses, name), either, certain)
for ignore_class in [None, 1, -1, 255]:
    targets = torch.where(labels == 1, ignore_class, labels) if ignore_class else labels
    for from_logits in [False, True]:
        settings = {"from_logits": from_logits, "ignore_class": ignore_class}
        case(
            "sparse_categorical_crossentropy",
            lambda y, x: losses.sparse_categorical_crossentropy(y, x, **settings),
            targets,
            logits if from_logits else p,
            settings,
        )
for q in [0.5, 0.7]:
    case(
        "categorical_generalized_cross_entropy",
        lambda y, x: losses.categorical_generalized_cross_entropy(y, x, q),
        labels,
        p,
        {"q": q},
    )
for axis in [None, [1], [0, 1]]:
    case("dice", lambda y, x: losses.dice(y, x, axis=axis), truth, p, {"axis": axis})
    case(
        "tversky",
        lambda y, x: losses.tversky(y, x, alpha=0.3, beta=0.9, axis=axis),
        truth,
        p,
        {"axis": axis, "alpha": 0.3, "beta": 0.9},
    )
embeddings = F.normalize(torch.randn(6, 5), dim=-1)
for classes in [[0, 1, 0, 2, 1, 0], [3, 3, 3, 3, 3, 3]]:
    for gamma, margin in [(80.0, 0.4), (3.0, 0.25)]:
        case(
            "circle",
            lambda y, x: losses.circle(y, x, gamma=gamma, margin=margin),
            torch.tensor(classes),
            embeddings,
            {"gamma": gamma, "margin": margin},
        )

# CTC: three samples of seven frames and five classes; labels of lengths 3 (one repeated), 1 and 0.
sequences = torch.tensor([[2, 2, 4], [3, 0, 0], [0, 0, 0]])
frames = torch.randn(3, 7, 5) * 2
case("ctc", losses.ctc, sequences, frames)
case("ctc", losses.ctc, sequences[:, :1], frames * 100)


def torch_ctc(label_lengths, input_lengths, zero_infinity=False):
    return lambda y, x: F.ctc_loss(
        x.log_softmax(-1).transpose(0, 1),
        y,
        input_lengths,
        label_lengths,
        reduction="none",
        zero_infinity=zero_infinity,
    )


for label_lengths, input_lengths, zero_infinity in [
    ([3, 2, 3], [7, 5, 6], False),
    ([3, 2, 3], [3, 1, 7], True),
    ([0, 1, 2], [1, 2, 2], False),
]:
    lengths = [torch.tensor(label_lengths), torch.tensor(input_lengths)]
    case(
        "ctc",
        torch_ctc(*lengths, zero_infinity),
        torch.tensor([[2, 2, 4], [3, 1, 4], [1, 2, 3]]),
        frames,
        {"zero_infinity": zero_infinity},
        label_lengths=lengths[0],
        input_lengths=lengths[1],
    )
# Long enough that no probability of a whole way is a number of float64.
case("ctc", torch_ctc(torch.tensor([12]), torch.tensor([60])), torch.randint(1, 4, (1, 12)), torch.randn(1, 60, 4) * 30)

triples = torch.randn(4, 3, 3)
for p_norm, margin in [(2.0, 1.0), (1.0, 0.5), (3.0, 2.0), (math.inf, 1.0)]:
    case(
        "triplet_margin",
        lambda y, x: F.triplet_margin_loss(x[:, 0], x[:, 1], x[:, 2], margin=margin, p=p_norm, reduction="none"),
        torch.zeros(4),
        triples,
        {"p": None if p_norm == math.inf else p_norm, "margin": margin},
    )


def contrastive(margin):
    # Neither library has it; PyTorch differentiates the formula.
    return lambda y, x: y * x**2 + (1 - y) * torch.clamp(margin - x, min=0) ** 2


case("contrastive", contrastive(1.5), torch.tensor([1.0, 0.0, 0.0, 1.0]), torch.tensor([0.5, 1.0, 2.0, 3.0]), {"margin": 1.5})

weights = torch.tensor([1.0, 0.5, 0.0, 2.0])
reduced("mean_squared_error", lambda r: losses.MeanSquaredError(reduction=r), near, normal, weights=weights)
sequence, sequence_near = normal.reshape(2, 2, 3), near.reshape(2, 2, 3)
reduced("log_cosh", lambda r: losses.LogCosh(reduction=r), sequence_near, sequence, weights=weights.reshape(2, 2))
reduced("mean_squared_error", lambda r: losses.MeanSquaredError(reduction=r), near, normal)
reduced(
    "categorical_crossentropy",
    lambda r: losses.CategoricalCrossentropy(reduction=r),
    one_hot,
    p,
    weights=weights,
    class_weights=[0.5, 2.0, 3.0],
)
for ignore_class, weights_or_none in [(None, weights), (0, weights), (1, None)]:
    reduced(
        "sparse_categorical_crossentropy",
        lambda r: losses.SparseCategoricalCrossentropy(reduction=r, from_logits=True, ignore_class=ignore_class),
        labels,
        logits,
        {"from_logits": True, "ignore_class": ignore_class},
        weights=weights_or_none,
        class_weights=[0.5, 2.0, 3.0],
    )
reduced(
    "sparse_categorical_crossentropy",
    lambda r: losses.SparseCategoricalCrossentropy(reduction=r, from_logits=True, ignore_class=1),
    labels * 0 + 1,
    logits,
    {"from_logits": True, "ignore_class": 1},
    weights=weights,
)
# Nobody else of the class of the fourth: its loss is 0 and does not count.
reduced(
    "circle",
    lambda r: losses.Circle(reduction=r, gamma=3.0, margin=0.25),
    torch.tensor([0, 1, 0, 2, 1, 0]),
    embeddings,
    {"gamma": 3.0, "margin": 0.25},
)

document = ",\n".join(json.dumps(case) for case in cases)
header = json.dumps({"keras": keras.__version__, "torch": torch.__version__})[:-1]
path = pathlib.Path(__file__).with_name("loss_values.json")
path.write_text(f'{header}, "cases": [\n{document}\n]}}\n')
print(len(cases), "cases")
