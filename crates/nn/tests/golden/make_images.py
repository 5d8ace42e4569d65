"""Golden values of layers for images and sequences with their channels second, from PyTorch in float64.

usage: python make_images.py > images.json

A case is a layer with its attributes under the names here, weights in the layout here (the functions below bring
them into PyTorch's), an input and an output with channels second, a cotangent c, and the gradients of sum(output * c).
"""
import json
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
rng = torch.Generator().manual_seed(0)


def draw(*shape):
    return (torch.randint(-2048, 2049, shape, generator=rng) / 1024.0).requires_grad_()


def reach(size, dilation):
    return dilation * (size - 1) + 1


def pads(a, x, size):
    """(before, after) for each axis, as `padding` says."""
    if a["padding"] == "valid":
        return [(0, 0)] * len(size)
    if a["padding"] == "same":
        out = []
        for n, k, s, d in zip(x.shape[2:], size, a["stride"], a["dilation"]):
            total = max((-(-n // s) - 1) * s + reach(k, d) - n, 0)
            out.append((total // 2, total - total // 2))
        return out
    return a["padding"]


def padded(x, pads, value=0.0):
    return F.pad(x, [p for pair in reversed(pads) for p in pair], value=value)


def to_torch(kernel):
    """[*size, inputs / groups, outputs] as [outputs, inputs / groups, *size]; of a transposed one likewise."""
    n = kernel.dim() - 2
    return kernel.permute(n + 1, n, *range(n))


def depthwise_to_torch(kernel):
    """[*size, channels, multiplier] as [channels * multiplier, 1, *size]."""
    n = kernel.dim() - 2
    return kernel.permute(n, n + 1, *range(n)).flatten(0, 1).unsqueeze(1)


def functions(n):
    return (F.conv1d, F.conv_transpose1d) if n == 1 else (F.conv2d, F.conv_transpose2d)


def conv(a, x, w):
    n = len(a["size"])
    return functions(n)[0](padded(x, pads(a, x, a["size"])), to_torch(w["kernel"]), w.get("bias"), a["stride"], 0, a["dilation"], a["groups"])


def depthwise(a, x, w, kernel="kernel"):
    n, k = len(a["size"]), depthwise_to_torch(w[kernel])
    bias = w.get("bias") if kernel == "kernel" else None
    return functions(n)[0](padded(x, pads(a, x, a["size"])), k, bias, a["stride"], 0, a["dilation"], x.shape[1])


def separable(a, x, w):
    return functions(len(a["size"]))[0](depthwise(a, x, w, "depthwise_kernel"), to_torch(w["pointwise_kernel"]), w.get("bias"))


def conv_transpose(a, x, w):
    f, k = functions(len(a["size"]))[1], to_torch(w["kernel"])
    if a["padding"] == "same":
        # As much is cut off the whole, or put to its end, as leaves a multiple of the stride.
        y = f(x, k, None, a["stride"], 0, 0, a["groups"], a["dilation"])
        for axis, (m, s, d) in enumerate(zip(a["size"], a["stride"], a["dilation"])):
            first, length = max(reach(m, d) - s, 0) // 2, x.shape[axis + 2] * s
            y = y.narrow(axis + 2, first, min(length, y.shape[axis + 2] - first))
            missing = [(0, 0)] * len(a["size"])
            missing[axis] = (0, length - y.shape[axis + 2])
            y = padded(y, missing)
        return y if "bias" not in w else y + w["bias"].view(-1, *[1] * len(a["size"]))
    padding = [0] * len(a["size"]) if a["padding"] == "valid" else [p for p, _ in a["padding"]]
    return f(x, k, w.get("bias"), a["stride"], padding, a["output_padding"], a["groups"], a["dilation"])


def max_pool(a, x, w):
    n = len(a["size"])
    return (F.max_pool1d if n == 1 else F.max_pool2d)(padded(x, pads(a, x, a["size"]), -float("inf")), a["size"], a["stride"])


def average_pool(a, x, w):
    """Padding is not counted."""
    n, p = len(a["size"]), pads(a, x, a["size"])
    f = F.avg_pool1d if n == 1 else F.avg_pool2d
    return f(padded(x, p), a["size"], a["stride"]) / f(padded(torch.ones_like(x), p), a["size"], a["stride"])


RUN = dict(
    conv=conv, depthwise_conv=depthwise, separable_conv=separable, conv_transpose=conv_transpose,
    max_pool=max_pool, average_pool=average_pool,
    zero_padding=lambda a, x, w: padded(x, a["padding"]),
    up_sampling=lambda a, x, w: F.interpolate(x, scale_factor=a["factors"], mode=a["mode"], **({} if a["mode"] == "nearest" else dict(align_corners=False))),
    global_max_pool=lambda a, x, w: x.amax(tuple(range(2, x.dim()))),
    global_average_pool=lambda a, x, w: x.mean(tuple(range(2, x.dim()))),
    batch_norm=lambda a, x, w: F.batch_norm(x, None, None, w["gamma"], w["beta"], True, 0.1, a["epsilon"]),
    cropping=lambda a, x, w: padded(x, [(-before, -after) for before, after in a["padding"]]),
    instance_norm=lambda a, x, w: F.instance_norm(x, None, None, w.get("gamma"), w.get("beta"), True, 0.1, a["epsilon"]),
    unit_normalization=lambda a, x, w: F.normalize(x, dim=1, eps=1e-12),
    group_norm=lambda a, x, w: F.group_norm(x, a["groups"], w["gamma"], w["beta"], a["epsilon"]),
)


def window(size, stride=1, padding="valid", dilation=1, **more):
    n = len(size)
    return dict(size=size, stride=[stride] * n if isinstance(stride, int) else stride, padding=padding, dilation=[dilation] * n if isinstance(dilation, int) else dilation, **more)


def weights(layer, a):
    n = len(a.get("size", []))
    if layer == "conv":
        return dict(kernel=draw(*a["size"], a["channels"] // a["groups"], a["filters"]), bias=draw(a["filters"]))
    if layer == "conv_transpose":
        return dict(kernel=draw(*a["size"], a["filters"] // a["groups"], a["channels"]), bias=draw(a["filters"]))
    if layer == "depthwise_conv":
        return dict(kernel=draw(*a["size"], a["channels"], a["multiplier"]), bias=draw(a["channels"] * a["multiplier"]))
    if layer == "separable_conv":
        return dict(depthwise_kernel=draw(*a["size"], a["channels"], a["multiplier"]), pointwise_kernel=draw(*[1] * n, a["channels"] * a["multiplier"], a["filters"]), bias=draw(a["filters"]))
    if layer in ("batch_norm", "group_norm"):
        return dict(gamma=draw(a["channels"]), beta=draw(a["channels"]))
    if layer == "instance_norm" and a["affine"]:
        return dict(gamma=draw(a["channels"]), beta=draw(a["channels"]))
    return {}


c, t = dict(channels=2, filters=4), dict(channels=4, filters=2)
CASES = [
    ("conv1d", "conv", [2, 2, 7], window([3], 2, "same", groups=1, **c)),
    ("conv1d/causal", "conv", [1, 2, 6], window([3], 1, [(4, 0)], 2, groups=1, **c)),
    ("conv2d", "conv", [2, 2, 4, 5], window([3, 2], 1, "valid", groups=1, **c)),
    ("conv2d/groups", "conv", [1, 2, 5, 5], window([2, 3], [2, 1], [(1, 0), (0, 2)], [1, 2], groups=2, **c)),
    ("depthwise_conv1d", "depthwise_conv", [2, 3, 6], window([3], 2, "same", channels=3, multiplier=1)),
    ("depthwise_conv1d/multiplier", "depthwise_conv", [1, 2, 6], window([2], 1, [(2, 1)], 2, channels=2, multiplier=3)),
    ("depthwise_conv2d", "depthwise_conv", [2, 3, 4, 4], window([3, 3], 1, "same", channels=3, multiplier=1)),
    ("depthwise_conv2d/multiplier", "depthwise_conv", [1, 2, 5, 6], window([2, 3], 2, "valid", channels=2, multiplier=2)),
    ("depthwise_conv2d/dilated", "depthwise_conv", [1, 2, 6, 5], window([2, 2], 1, "same", [2, 3], channels=2, multiplier=2)),
    ("separable_conv1d", "separable_conv", [2, 2, 6], window([3], 2, "same", multiplier=2, **c)),
    ("separable_conv1d/dilated", "separable_conv", [1, 2, 7], window([3], 1, "valid", 2, multiplier=1, **c)),
    ("separable_conv2d", "separable_conv", [1, 2, 4, 5], window([3, 3], 1, "same", multiplier=1, **c)),
    ("separable_conv2d/multiplier", "separable_conv", [1, 2, 5, 6], window([2, 3], 2, [(1, 0), (0, 1)], multiplier=2, **c)),
    ("conv_transpose1d", "conv_transpose", [2, 4, 4], window([3], 2, "valid", output_padding=[1], groups=1, **t)),
    ("conv_transpose1d/same", "conv_transpose", [1, 4, 3], window([4], 2, "same", output_padding=[0], groups=1, **t)),
    ("conv_transpose1d/sparse", "conv_transpose", [1, 4, 3], window([2], 3, "same", output_padding=[0], groups=1, **t)),
    ("conv_transpose2d", "conv_transpose", [1, 4, 3, 2], window([3, 2], [2, 3], "valid", output_padding=[0, 2], groups=1, **t)),
    ("conv_transpose2d/same", "conv_transpose", [1, 4, 3, 3], window([3, 3], 2, "same", output_padding=[0, 0], groups=1, **t)),
    ("conv_transpose2d/padded", "conv_transpose", [2, 4, 3, 4], window([3, 3], 2, [(1, 1), (1, 1)], output_padding=[1, 1], groups=1, **t)),
    ("conv_transpose2d/dilated", "conv_transpose", [1, 4, 3, 3], window([2, 3], 1, [(1, 1), (0, 0)], [2, 1], output_padding=[0, 0], groups=2, **t)),
    ("max_pool1d", "max_pool", [2, 2, 7], window([3], 2, "same")),
    ("max_pool2d", "max_pool", [1, 2, 5, 4], window([2, 3], [2, 1], [(1, 0), (0, 1)])),
    ("average_pool1d", "average_pool", [2, 2, 7], window([3], 2, "same")),
    ("average_pool2d", "average_pool", [1, 2, 5, 4], window([2, 3], [2, 1], "same")),
    ("zero_padding1d", "zero_padding", [1, 2, 3], dict(padding=[(1, 2)])),
    ("zero_padding2d", "zero_padding", [1, 2, 3, 2], dict(padding=[(1, 0), (0, 2)])),
    ("up_sampling1d", "up_sampling", [2, 2, 3], dict(factors=[3], mode="nearest")),
    ("up_sampling2d", "up_sampling", [1, 2, 3, 2], dict(factors=[2, 3], mode="nearest")),
    ("up_sampling2d/bilinear", "up_sampling", [1, 2, 3, 4], dict(factors=[3, 2], mode="bilinear")),
    ("global_max_pool1d", "global_max_pool", [2, 3, 4], {}),
    ("global_max_pool2d", "global_max_pool", [2, 3, 4, 2], {}),
    ("global_average_pool1d", "global_average_pool", [2, 3, 4], {}),
    ("global_average_pool2d", "global_average_pool", [2, 3, 4, 2], {}),
    ("batch_norm", "batch_norm", [2, 3, 2, 2], dict(channels=3, epsilon=1e-3)),
    ("group_norm", "group_norm", [2, 4, 2, 3], dict(channels=4, groups=2, epsilon=1e-3)),
    ("cropping1d", "cropping", [1, 2, 5], dict(padding=[(1, 2)])),
    ("cropping2d", "cropping", [1, 2, 3, 4], dict(padding=[(1, 0), (0, 2)])),
    ("instance_norm", "instance_norm", [2, 3, 5], dict(channels=3, affine=False, epsilon=1e-5)),
    ("instance_norm/affine", "instance_norm", [2, 3, 2, 3], dict(channels=3, affine=True, epsilon=1e-5)),
    ("unit_normalization", "unit_normalization", [2, 3, 4], {}),
]


def stored(x):
    return dict(shape=list(x.shape), data=x.detach().flatten().tolist())


lines = []
for name, layer, shape, attrs in CASES:
    x, w = draw(*shape), weights(layer, attrs)
    y = RUN[layer](attrs, x, w)
    cotangent = draw(*y.shape).detach()
    grads = torch.autograd.grad(y, [x, *w.values()], cotangent)
    case = dict(name=name, attrs=attrs, weights={k: stored(v) for k, v in w.items()}, x=stored(x), y=stored(y), cotangent=stored(cotangent),
                x_gradient=stored(grads[0]), gradients={k: stored(g) for k, g in zip(w, grads[1:])})
    lines.append(json.dumps(case))
print('{"torch": "%s", "cases": [\n%s\n]}' % (torch.__version__, ",\n".join(lines)))
