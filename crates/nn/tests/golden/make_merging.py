"""Golden values of layers with several inputs, in float64 from PyTorch.

usage: python make_merging.py > merging.json

PyTorch has these operations as functions; `dot` has none there, so it is einsum by the definition in Keras'
documentation, after F.normalize with Keras' epsilon if `normalize` is set. A case has the inputs, the output y, a
cotangent c and the gradients of sum(y * c).
"""
import json
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
rng = torch.Generator().manual_seed(0)


def draw(*shape):
    return (torch.randint(-2048, 2049, shape, generator=rng) / 1024.0).requires_grad_()


def mean(a, b, c):
    return (a + b + c) / 3


def largest(a, b, c):
    return torch.maximum(torch.maximum(a, b), c)


def smallest(a, b, c):
    return torch.minimum(torch.minimum(a, b), c)


def cosines(formula, first, second):
    return lambda a, b: torch.einsum(formula, F.normalize(a, dim=first, eps=1e-7), F.normalize(b, dim=second, eps=1e-7))


THREE = [[2, 3], [1, 3], [2, 1]]
CASES = [
    ("multiply", THREE, lambda a, b, c: a * b * c),
    ("average", THREE, mean),
    ("maximum", THREE, largest),
    ("minimum", THREE, smallest),
    ("subtract", [[2, 3], [1, 3]], torch.sub),
    ("dot/vectors", [[3, 4], [3, 4]], lambda a, b: torch.einsum("bi,bi->b", a, b)[:, None]),
    ("dot/sequences", [[2, 3, 4], [2, 5, 4]], lambda a, b: torch.einsum("bik,bjk->bij", a, b)),
    ("dot/axes", [[2, 4, 3], [2, 2, 3, 4]], lambda a, b: torch.einsum("bki,bmnk->bimn", a, b)),
    ("dot/vector", [[2, 4], [2, 4, 3]], lambda a, b: torch.einsum("bk,bkj->bj", a, b)),
    ("dot/normalized", [[2, 4, 3], [2, 5, 4]], cosines("bki,bjk->bij", 1, 2)),
    ("repeat_vector", [[2, 3]], lambda a: a[:, None].expand(2, 4, 3)),
    ("permute", [[2, 3, 4, 2]], lambda a: a.permute(0, 3, 1, 2)),
]


def stored(x):
    return dict(shape=list(x.shape), data=x.detach().flatten().tolist())


lines = []
for name, shapes, run in CASES:
    inputs = [draw(*shape) for shape in shapes]
    y = run(*inputs)
    cotangent = draw(*y.shape).detach()
    grads = torch.autograd.grad(y, inputs, cotangent)
    case = dict(name=name, inputs=[stored(x) for x in inputs], y=stored(y), cotangent=stored(cotangent), gradients=[stored(g) for g in grads])
    lines.append(json.dumps(case))
print('{"torch": "%s", "cases": [\n%s\n]}' % (torch.__version__, ",\n".join(lines)))
