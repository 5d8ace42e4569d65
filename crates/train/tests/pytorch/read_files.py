"""Reads with PyTorch, safetensors and NumPy what the tests here wrote, and runs the model in PyTorch.

    FOR_PYTHON=/tmp/for_python cargo test -p train --test pytorch files_for_python
    python read_files.py /tmp/for_python            # needs torch, safetensors, numpy
"""

import pathlib
import sys

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

folder = pathlib.Path(sys.argv[1])
here = pathlib.Path(__file__).parent

tensors = load_file(folder / "dense.safetensors")
x, expected = tensors.pop("input"), tensors.pop("output")
model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.LayerNorm(4), nn.Linear(4, 2))
model.load_state_dict(tensors)
with torch.no_grad():
    difference = (model(x) - expected).abs().max().item()
print(f"state_dict loaded, outputs differ by {difference:.1e}")
assert difference < 2e-6

original = load_file(here / "dense.safetensors")
arrays = np.load(folder / "dense.npz")
print("npz:", {name: arrays[name].shape for name in arrays.files})
assert np.array_equal(arrays["0.kernel"], original["0.weight"].numpy().T)
assert np.array_equal(arrays["2.gamma"], original["2.weight"].numpy())

types = load_file(folder / "types.safetensors")
for name, tensor in types.items():
    print(f"{name}: {tensor.dtype} {list(tensor.shape)} {tensor.flatten().tolist()}")
assert types["half"].dtype == torch.float16 and types["half"].tolist() == [1.5, -65504.0]
assert types["count"].dtype == torch.int64 and types["count"].tolist() == [2**62]
assert types["mask"].dtype == torch.bool and types["mask"].tolist() == [[True], [False]]

deflated = np.load(folder / "deflated.npz")
assert np.array_equal(deflated["größe/x"], np.arange(1000).reshape(10, 100)) and deflated["größe/x"].dtype == np.int64
alone = np.load(folder / "alone.npy", mmap_mode="r")
assert np.array_equal(alone, np.arange(6, dtype=np.uint8).reshape(3, 2)), alone
print("all read")
