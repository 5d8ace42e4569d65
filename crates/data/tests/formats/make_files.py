"""Makes files/*.npy, *.npz and *.safetensors: what NumPy and the Python package safetensors write.

    python make_files.py            # needs numpy, safetensors, ml_dtypes
"""

import io
import pathlib
import zipfile

import numpy as np
from safetensors.numpy import save_file
import ml_dtypes

here = pathlib.Path(__file__).parent / "files"
here.mkdir(exist_ok=True)

# Each type: extremes that tell a wrong width, sign, byte order or conversion from the right one.
arrays = {
    "f2": np.array([[1.5, -65504.0, 6e-8], [np.inf, 0.1, 2.0]], np.float16),
    "f4": np.array([[1.5, -3.4e38, 1e-45], [np.inf, 0.1, 2.0]], np.float32),
    "f8": np.array([[1.5, -1.7e308, 5e-324], [np.inf, 0.1, 2.0]], np.float64),
    "b1": np.array([[True, False, True], [False, False, True]]),
}
for code in ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]:
    most = min(np.iinfo(code).max, 2**63 - 1)
    arrays[code] = np.array([[np.iinfo(code).min, 1, 2], [3, 258 % 128, most]], code)

for code, array in arrays.items():
    np.save(here / f"{code}.npy", array)
np.save(here / "big_endian.npy", arrays["f4"].astype(">f4"))
np.save(here / "big_endian_i2.npy", arrays["i2"].astype(">i2"))
np.save(here / "fortran.npy", np.asfortranarray(np.arange(24, dtype=np.int32).reshape(2, 3, 4)))
np.save(here / "scalar.npy", np.float32(0.25))
np.save(here / "empty.npy", np.zeros((0, 3), np.float32))
np.save(here / "too_large.npy", np.array([1, 2**63], np.uint64))
for version in [(2, 0), (3, 0)]:
    with open(here / f"version_{version[0]}.npy", "wb") as file:
        np.lib.format.write_array(file, arrays["i4"], version=version)

np.savez(here / "stored.npz", **arrays)
np.savez_compressed(here / "deflated.npz", zeros=np.zeros((100, 100), np.float32), **{"dense/kernel": arrays["f4"]})
with zipfile.ZipFile(here / "twice.npz", "w") as archive:
    for _ in range(2):
        data = io.BytesIO()
        np.save(data, arrays["b1"])
        archive.writestr("x.npy", data.getvalue())
with zipfile.ZipFile(here / "lzma.npz", "w", zipfile.ZIP_LZMA) as archive:
    archive.writestr("x.npy", data.getvalue())

names = dict(zip(["f2", "f4", "f8", "b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"],
                 ["F16", "F32", "F64", "BOOL", "I8", "I16", "I32", "I64", "U8", "U16", "U32", "U64"]))
tensors = {names[code]: array for code, array in arrays.items()}
tensors["BF16"] = np.array([[1.5, -3.3895e38, 1e-40], [np.inf, 0.1, 2.0]], ml_dtypes.bfloat16)
save_file(tensors, here / "all_types.safetensors", metadata={"made by": "make_files.py", "quote": 'a "b" ü'})
