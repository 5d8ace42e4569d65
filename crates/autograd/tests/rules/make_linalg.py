"""Writes linalg.json: linear algebra in PyTorch, float64, in the format of ops.json.

Functions are made unique as in `tensor`: symmetric parts, positive diagonals of R, and eigenvectors
whose largest element is positive.
"""
import torch

from golden_cases import write

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)


def symmetric(a):
    return (a + a.mT) / 2


def eigh(a):
    values, vectors = torch.linalg.eigh(symmetric(a))
    largest = vectors.gather(-2, vectors.abs().argmax(-2, keepdim=True))
    return values, vectors * largest.sign().detach()


def qr(a):
    q, r = torch.linalg.qr(a)
    sign = r.diagonal(dim1=-2, dim2=-1).sign().detach()
    return q * sign[..., None, :], r * sign[..., :, None]


def both(pair):
    return torch.cat([part.reshape(-1) for part in pair])


def triangular(a, b, lower, unit_diagonal):
    return torch.linalg.solve_triangular(a, b, upper=not lower, unitriangular=unit_diagonal)


def matrices(*shape, diagonal=0.0):
    return torch.rand(shape) - 0.5 + diagonal * torch.eye(*shape[-2:])


CASES = [
    ("solve/3x3", "solve", torch.linalg.solve, [matrices(3, 3, diagonal=1.0), matrices(3, 2)], {}),
    ("solve/batch", "solve", torch.linalg.solve, [matrices(2, 1, 3, 3, diagonal=1.0), matrices(2, 3, 2)], {}),
    ("solve/vector", "solve_vector", torch.linalg.solve, [matrices(4, 4, diagonal=1.0), torch.rand(4)], {}),
    ("inverse/batch", "inverse", torch.linalg.inv, [matrices(2, 4, 4, diagonal=1.0)], {}),
    ("cholesky/batch", "cholesky", lambda a: torch.linalg.cholesky(symmetric(a)), [matrices(2, 4, 4, diagonal=3.0)], {}),
    ("det/batch", "det", torch.linalg.det, [matrices(3, 4, 4)], {}),
    ("det/12 rows", "det", torch.linalg.det, [matrices(12, 12, diagonal=1.0)], {}),
    ("slogdet/batch", "slogdet", lambda a: torch.linalg.slogdet(a)[1], [matrices(3, 4, 4)], {}),
    ("eigh/batch", "eigh", lambda a: both(eigh(a)), [matrices(2, 4, 4)], {}),
    ("qr/tall", "qr", lambda a: both(qr(a)), [matrices(2, 4, 3, diagonal=1.0)], {}),
    ("qr/square", "qr", lambda a: both(qr(a)), [matrices(3, 3, diagonal=1.0)], {}),
    ("qr/wide", "qr", lambda a: both(qr(a)), [matrices(3, 5, diagonal=1.0)], {}),
]
for lower in (False, True):
    for unit_diagonal in (False, True):
        attrs = {"lower": lower, "unit_diagonal": unit_diagonal}
        function = lambda a, b, attrs=attrs: triangular(a, b, **attrs)
        inputs = [matrices(2, 3, 3, diagonal=2.0), matrices(2, 3, 2)]
        CASES.append((f"solve_triangular/{lower}/{unit_diagonal}", "solve_triangular", function, inputs, attrs))


write("linalg.json", "make_linalg.py", CASES)
