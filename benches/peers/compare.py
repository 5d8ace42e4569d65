#!/usr/bin/env python3
"""Times this library and others on the same workloads, in one run.

usage: python3 benches/peers/compare.py [--peers torch,torch-tuned,torch-compile,compile-tuned,jax,candle,burn]
           [--isa avx2|avx512] [--rounds 3] [--seconds 2] [--threads 2] [--environments DIR] [--rust-target DIR]
           [--ours COMMAND] [workload ...]

All libraries run each workload in turn, `rounds` times, in separate processes. The table shows the lowest median of
each in milliseconds. The last column is the best other library's time divided by ours: above 1, this library is faster.
Compare only such ratios; the milliseconds change from machine to machine and from hour to hour.

--isa caps the vector instructions of this library, PyTorch and JAX. candle and burn have no such cap: their columns are
marked with an asterisk and do not count for the last column.
"""
import argparse
import json
import os
import shlex
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")
MNIST = os.path.join(ROOT, "crates/data/assets/mnist")
CACHE = os.path.expanduser("~/.cache/peers")
WORKLOADS = """mlp mlp_small higgs convnet vgg resnet20 chargpt encoder lstm gru tape infer tiny tiny_loops minilm
    minilm_short gemm64 gemm128 gemm256 gemm512 gemm1024 gemm2048""".split()

# The variables that cap the instruction set. PyTorch's own kernels and those of torch.compile obey ATEN_CPU_CAPABILITY;
# MKL and oneDNN, which it calls for products and convolutions, have variables of their own. XLA's code obeys its flag.
CAPS = {
    "avx2": {
        "TENSOR_MAX_ISA": "avx2",
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "XLA_FLAGS": "--xla_cpu_max_isa=AVX2",
    },
    "avx512": {
        "TENSOR_MAX_ISA": "avx512",
        "ATEN_CPU_CAPABILITY": "avx512",
        "MKL_ENABLE_INSTRUCTIONS": "AVX512",
        "ONEDNN_MAX_CPU_ISA": "AVX512_CORE",
        "XLA_FLAGS": "--xla_cpu_max_isa=AVX512",
    },
}
UNCAPPED = ("candle", "burn")


def arguments():
    parser = argparse.ArgumentParser(description="Times this library and others on the same workloads.")
    parser.add_argument("--peers", default="torch,torch-tuned,torch-compile,compile-tuned,jax,candle")
    parser.add_argument("--isa", choices=CAPS, help="the widest vector instructions; all that the processor has by default")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--environments", default=CACHE, help="where setup.sh created the Python environments")
    parser.add_argument("--rust-target", default=os.path.join(CACHE, "rust-target"))
    parser.add_argument("--ours", default="cargo bench -q --bench workloads --")
    parser.add_argument("workloads", nargs="*", default=[])
    return parser.parse_args()


def commands(args):
    """The command of each library, without the common options."""
    torch = [f"{args.environments}/torch/bin/python", f"{HERE}/peer_torch.py"]
    return {
        "ours": shlex.split(args.ours),
        "torch": torch,
        "torch-tuned": [*torch, "--tuned"],
        "torch-compile": [*torch, "--compile"],
        "compile-tuned": [*torch, "--compile", "--tuned"],
        "jax": [f"{args.environments}/jax/bin/python", f"{HERE}/peer_jax.py"],
        "candle": [f"{args.rust_target}/release/peer_candle"],
        "burn": [f"{args.rust_target}/release/peer_burn", "--backend", "flex"],
    }


def run(command, workload, args):
    """The median time of a step in milliseconds, or None if the library lacks the workload or failed."""
    options = ["--threads", str(args.threads), "--seconds", str(args.seconds), "--mnist", MNIST, workload]
    environment = os.environ | CAPS.get(args.isa, {})
    try:
        done = subprocess.run(command + options, capture_output=True, text=True, timeout=300, cwd=ROOT, env=environment)
    except (OSError, subprocess.TimeoutExpired) as error:
        print(f"# {command[0]} {workload}: {error}", file=sys.stderr)
        return None
    for line in done.stdout.splitlines():
        if line.startswith("{") and json.loads(line).get("workload") == workload:
            return json.loads(line)["median_ms"]
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:]
        print(f"# {shlex.join(command)} {workload}: exit code {done.returncode}:", *last, file=sys.stderr)
    return None


def main():
    args = arguments()
    contenders = ["ours"] + [peer for peer in args.peers.split(",") if peer]
    command = commands(args)
    uncapped = UNCAPPED if args.isa else ()
    heading = [name + "*" if name in uncapped else name for name in contenders]
    print("workload".ljust(12), *(name.rjust(14) for name in heading), "best/ours".rjust(10))
    for workload in args.workloads or WORKLOADS:
        best = {}
        for _ in range(args.rounds):
            for name in contenders:
                value = run(command[name], workload, args)
                if value is not None:
                    best[name] = min(value, best.get(name, value))
        peers = [best[name] for name in contenders[1:] if name in best and name not in uncapped]
        ratio = f"{min(peers) / best['ours']:.2f}" if peers and "ours" in best else "-"
        row = [(f"{best[name]:.4f}" if name in best else "-").rjust(14) for name in contenders]
        print(workload.ljust(12), *row, ratio.rjust(10), flush=True)
    if any(name in uncapped for name in contenders):
        print(f"* not capped at {args.isa}: uses all instructions that the processor has; not part of the last column")


if __name__ == "__main__":
    main()
