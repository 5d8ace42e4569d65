"""Cases in the format of ops.json, from PyTorch in float64: values, gradients and second derivatives."""
import json, pathlib, torch

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)


def dump(x):
    return {"shape": list(x.shape), "data": x.detach().reshape(-1).tolist()}


def case(name, op, function, inputs, attrs):
    inputs = [x.detach().requires_grad_() for x in inputs]
    output = function(*inputs)
    cotangent = (torch.rand_like(output) - 0.5).detach().requires_grad_()
    grads = torch.autograd.grad(output, inputs, cotangent, create_graph=True)
    directions = [torch.rand_like(x).detach() - 0.5 for x in inputs]
    total = sum((g * d).sum() for g, d in zip(grads, directions))
    *seconds, for_cotangent = torch.autograd.grad(total, [*inputs, cotangent])
    second = {"directions": [dump(d) for d in directions], "grads": [dump(g) for g in seconds]}
    return {
        "name": name, "op": op, "attrs": attrs, "inputs": [dump(x) for x in inputs], "output": dump(output),
        "cotangent": dump(cotangent), "grads": [dump(g) for g in grads],
        "second": second | {"cotangent_grad": dump(for_cotangent)},
    }  # fmt: skip


def write(file, generator, cases):
    head = {"format": 1, "generator": generator, "torch": torch.__version__, "dtype": "float64", "seed": 0}
    text = json.dumps(head | {"cases": [case(*c) for c in cases]})
    pathlib.Path(__file__).with_name(file).write_text(text + "\n")
