"""Writes metrics.json: metrics of random samples by scikit-learn, which tests/metrics.rs compares.

Made with scikit-learn 1.9.1 and NumPy 2.4.6:

    python3 -m venv venv && venv/bin/pip install scikit-learn
    venv/bin/python make_metrics.py > metrics.json

NaN is written as null.
"""

import json
import math
import warnings

import numpy as np
from sklearn import metrics as sk

warnings.simplefilter("ignore")
random = np.random.default_rng(20240229)
AVERAGES = ["macro", "micro", "weighted"]
tensors = []
cases = []


def case(metric, targets, predictions, weights, expected, **settings):
    if not isinstance(expected, list):
        expected = None if math.isnan(expected) else float(expected)
    cases.append({
        "metric": metric,
        "settings": settings,
        "targets": tensor(targets),
        "predictions": tensor(predictions),
        "weights": None if weights is None else tensor(weights),
        "expected": expected,
    })


def tensor(array):
    """The place of the array among the tensors of the file."""
    array = np.asarray(array)
    stored = {"shape": list(array.shape), "dtype": str(array.dtype), "data": array.ravel().tolist()}
    if stored not in tensors:
        tensors.append(stored)
    return tensors.index(stored)


def both_weights(count):
    yield None
    weights = random.uniform(0.1, 3.0, count)
    weights[random.random(count) < 0.2] = 0.0
    yield weights


def confusion(targets, predictions, decided, weights, labels, **settings):
    """Metrics of decisions; `decided` are those that the predictions stand for."""
    w = {"sample_weight": weights}
    for average in ["binary", *AVERAGES] if len(labels) == 2 else AVERAGES:
        s = {"average": average, **settings}
        common = {"average": average, "zero_division": 0, **w}
        if average != "binary":
            common["labels"] = labels
        case("precision", targets, predictions, weights, sk.precision_score(targets, decided, **common), **s)
        case("recall", targets, predictions, weights, sk.recall_score(targets, decided, **common), **s)
        for beta in [1.0, 2.0, 0.5]:
            expected = sk.fbeta_score(targets, decided, beta=beta, **common)
            case("fbeta", targets, predictions, weights, expected, beta=beta, **s)


def agreement(targets, predictions, decided, weights, labels):
    w = {"sample_weight": weights}
    case("accuracy", targets, predictions, weights, sk.accuracy_score(targets, decided, **w))
    case("matthews_corrcoef", targets, predictions, weights, sk.matthews_corrcoef(targets, decided, **w))
    for kind in [None, "linear", "quadratic"]:
        expected = sk.cohen_kappa_score(targets, decided, labels=labels, weights=kind, **w)
        case("cohen_kappa", targets, predictions, weights, expected, disagreement=kind)
    matrix = sk.confusion_matrix(targets, decided, labels=labels, **w)
    case("confusion_matrix", targets, predictions, weights, matrix.ravel().tolist())


def ranking(targets, predictions, weights, average, one_hot=None):
    w = {"sample_weight": weights}
    if average == "binary":
        auc = sk.roc_auc_score(targets, predictions, **w)
        precision = sk.average_precision_score(targets, predictions, **w)
    else:
        auc = sk.roc_auc_score(one_hot, predictions, average=average, **w)
        precision = sk.average_precision_score(one_hot, predictions, average=average, **w)
    case("auc", targets, predictions, weights, auc, average=average)
    case("average_precision", targets, predictions, weights, precision, average=average)


# One number a sample; rounded, so that there are ties, some at the threshold.
for count, digits in [(40, 1), (60, 15), (25, 1)]:
    scores = random.random(count)
    targets = (random.random(count) < scores).astype(int)
    scores = np.round(np.clip(scores + random.normal(0, 0.3, count), 0, 1), digits)
    for weights in both_weights(count):
        decided = (scores > 0.5).astype(int)
        confusion(targets, scores, decided, weights, [0, 1])
        agreement(targets, scores, decided, weights, [0, 1])
        ranking(targets, scores, weights, "binary")
        clipped = np.clip(scores, 1e-3, 1 - 1e-3)
        expected = sk.log_loss(targets, clipped, sample_weight=weights)
        case("binary_crossentropy", targets[:, None], clipped[:, None], weights, expected)

# One kind of samples only, and one kind of predictions.
for targets, scores in [([0] * 6, [0.1, 0.2, 0.7, 0.9, 0.2, 0.4]), ([1] * 5, [0.6, 0.2, 0.7, 0.9, 0.4]),
                        ([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.1]), ([0, 1, 1], [0.5, 0.5, 0.5]), ([0, 0], [0.3, 0.2])]:
    decided = (np.array(scores) > 0.5).astype(int)
    confusion(targets, scores, decided, None, [0, 1])
    agreement(targets, scores, decided, None, [0, 1])
    ranking(targets, scores, None, "binary")

# Several classes, of which the last never occurs in the second round, nor is ever predicted.
for count, classes, absent in [(50, 4, False), (40, 5, True)]:
    predictions = np.round(random.dirichlet(np.ones(classes), count), 2)
    targets = random.integers(0, classes - absent, count)
    agree = random.random(count) < 0.5
    targets[agree] = predictions[agree].argmax(-1)
    if absent:
        predictions[:, -1] = 0.0
        targets[targets == classes - 1] = 0
    labels = list(range(classes))
    one_hot = np.eye(classes, dtype=int)[targets]
    for weights in both_weights(count):
        decided = predictions.argmax(-1)
        confusion(targets, predictions, decided, weights, labels)
        agreement(targets, predictions, decided, weights, labels)
        for average in AVERAGES:
            if average != "micro" and absent:
                continue  # scikit-learn warns, and what it returns is not one convention
            ranking(targets, predictions, weights, average, one_hot)
        exact = random.dirichlet(np.ones(classes), count)
        for k in [1, 2, 3]:
            expected = sk.top_k_accuracy_score(targets, exact, k=k, labels=labels, sample_weight=weights)
            case("top_k", targets, exact, weights, expected, k=k)
            case("top_k", one_hot, exact, weights, expected, k=k)
        expected = sk.log_loss(targets, exact, labels=labels, sample_weight=weights)
        case("sparse_categorical_crossentropy", targets, exact, weights, expected)
        case("categorical_crossentropy", one_hot, exact, weights, expected)
        case("perplexity", targets, exact, weights, math.exp(expected))

# Several labels a sample.
predictions = np.round(random.random((45, 3)), 1)
targets = (random.random((45, 3)) < predictions).astype(int)
for weights in both_weights(45):
    for threshold in [0.5, 0.3]:
        decided = (predictions > threshold).astype(int)
        confusion(targets, predictions, decided, weights, [0, 1, 2], threshold=threshold)
        elements = None if weights is None else np.repeat(weights, 3)
        expected = sk.accuracy_score(targets.ravel(), decided.ravel(), sample_weight=elements)
        case("binary_accuracy", targets, predictions, weights, expected, threshold=threshold)
    for average in AVERAGES:
        ranking(targets, predictions, weights, average, targets)

# Regression; the mean of the last one is large beside its spread.
for shape, offset in [((30, 1), 0.0), ((30, 3), 0.0), ((20, 2), 1e6)]:
    targets = random.normal(offset, 2.0, shape)
    predictions = targets + random.normal(0.1, 1.0, shape)
    for weights in both_weights(shape[0]):
        w = {"sample_weight": weights}
        squared = sk.mean_squared_error(targets, predictions, **w)
        case("mean_squared_error", targets, predictions, weights, squared)
        case("root_mean_squared_error", targets, predictions, weights, math.sqrt(squared))
        expected = sk.mean_absolute_error(targets, predictions, **w)
        case("mean_absolute_error", targets, predictions, weights, expected)
        expected = 100 * sk.mean_absolute_percentage_error(targets, predictions, **w)
        case("mean_absolute_percentage_error", targets, predictions, weights, expected)
        for multioutput in ["uniform_average", "variance_weighted"]:
            expected = sk.r2_score(targets, predictions, multioutput=multioutput, **w)
            case("r2_score", targets, predictions, weights, expected, multioutput=multioutput)
        if offset == 0.0:
            positive = np.exp(targets / 4), np.exp(predictions / 4)
            expected = sk.mean_squared_log_error(*positive, **w)
            case("mean_squared_logarithmic_error", *positive, weights, expected)
        cosines = np.diag(sk.pairwise.cosine_similarity(targets, predictions))
        case("cosine_similarity", targets, predictions, weights, np.average(cosines, weights=weights))
for targets, predictions in [([2.0, 2.0], [2.0, 2.0]), ([2.0, 2.0], [2.0, 3.0]), ([2.0], [3.0])]:
    expected = sk.r2_score(targets, predictions)
    case("r2_score", targets, predictions, None, expected, multioutput="uniform_average")

print('{"tensors": [')
print(",\n".join(json.dumps(stored) for stored in tensors))
print('], "cases": [')
print(",\n".join(json.dumps(case) for case in cases))
print("]}")
