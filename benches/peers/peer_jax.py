"""The benchmark workloads in JAX (CPU, jit). Prints one line of JSON per workload.

usage: python peer_jax.py [--threads N] [--mnist DIR] [workload ...]

`../README.md` defines the workloads and what is timed.
"""
import argparse, gzip, json, os, statistics, time
import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--mnist", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../crates/data/assets/mnist"))
parser.add_argument("--seconds", type=float, default=4.0)
parser.add_argument("workloads", nargs="*")
args = parser.parse_args()
if args.threads == 1:
    os.sched_setaffinity(0, {0})
    os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false"

import jax
import jax.numpy as jnp
import optax


def mnist():
    def idx(name, header):
        with gzip.open(os.path.join(args.mnist, name)) as f:
            return np.frombuffer(f.read(), np.uint8, offset=header)
    images = idx("train-images-idx3-ubyte.gz", 16).reshape(60000, 784).astype(np.float32) / 255
    return images, idx("train-labels-idx1-ubyte.gz", 8).astype(np.int32)


def measure(workload, step, flops=None):
    for _ in range(5):
        step()
    times, end = [], time.perf_counter() + args.seconds
    while time.perf_counter() < end or len(times) < 5:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    median = statistics.median(times)
    row = dict(framework="jax-jit", version=jax.__version__, workload=workload,
               threads=args.threads, median_ms=round(median * 1e3, 4), steps=len(times))
    if flops:
        row["gflops"] = round(flops / median / 1e9, 1)
    print(json.dumps(row), flush=True)


def trainer(params, forward, optimizer, batches, loss=optax.softmax_cross_entropy_with_integer_labels):
    state = {"p": params, "o": optimizer.init(params), "i": 0}

    def loss_of(p, x, y):
        return loss(forward(p, x), y).mean()

    @jax.jit
    def run(p, o, x, y):
        loss, grads = jax.value_and_grad(loss_of)(p, x, y)
        updates, o = optimizer.update(grads, o, p)
        return optax.apply_updates(p, updates), o, loss

    def step():
        x, y = batches(state["i"])
        state["i"] += 1
        state["p"], state["o"], loss = run(state["p"], state["o"], x, y)
        return float(loss)
    return step


def dense(key, cin, cout):
    return {"w": jax.random.normal(key, (cin, cout)) * (2 / cin) ** 0.5, "b": jnp.zeros(cout)}


def mlp(hidden, batch, optimizer):
    images, labels = mnist()
    k = jax.random.split(jax.random.key(0), 2)
    params = [dense(k[0], 784, hidden), dense(k[1], hidden, 10)]

    def forward(p, x):
        return jax.nn.relu(x @ p[0]["w"] + p[0]["b"]) @ p[1]["w"] + p[1]["b"]
    count = 60000 // batch
    return trainer(params, forward, optimizer,
                   lambda i: (images[(i % count) * batch:][:batch], labels[(i % count) * batch:][:batch]))


def higgs():
    k = jax.random.split(jax.random.key(0), 6)
    params = [dense(k[i], 28 if i == 0 else 300, 300) for i in range(5)] + [dense(k[5], 300, 1)]

    def forward(p, x):
        for q in p[:-1]:
            x = jnp.tanh(x @ q["w"] + q["b"])
        return (x @ p[-1]["w"] + p[-1]["b"])[:, 0]
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((100, 28)).astype(np.float32), rng.integers(0, 2, 100).astype(np.float32)
    return trainer(params, forward, optax.adam(1e-3), lambda i: (x, y), optax.sigmoid_binary_cross_entropy)


def vgg():
    sizes = [(3, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256)]
    k = jax.random.split(jax.random.key(0), 7)
    params = {"conv": [jax.random.normal(k[i], (3, 3, *s)) * (2 / (9 * s[0])) ** 0.5 for i, s in enumerate(sizes)],
              "bias": [jnp.zeros(s[1]) for s in sizes], "out": dense(k[6], 4 * 4 * 256, 10)}

    def forward(p, x):
        for n, (w, b) in enumerate(zip(p["conv"], p["bias"])):
            x = jax.nn.relu(jax.lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")) + b)
            if n % 2 == 1:
                x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        return x.reshape(x.shape[0], -1) @ p["out"]["w"] + p["out"]["b"]
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((32, 32, 32, 3)).astype(np.float32), rng.integers(0, 10, 32).astype(np.int32)
    return trainer(params, forward, optax.sgd(1e-2, momentum=0.9), lambda i: (x, y))


def convnet():
    images, labels = mnist()
    images = images.reshape(-1, 28, 28, 1)
    k = jax.random.split(jax.random.key(0), 4)
    params = [jax.random.normal(k[i], s) * 0.1 for i, s in enumerate([(3, 3, 1, 32), (3, 3, 32, 64), (3, 3, 64, 128)])]
    params = {"conv": params, "bias": [jnp.zeros(c) for c in (32, 64, 128)], "out": dense(k[3], 1152, 10)}

    def forward(p, x):
        for n, (w, b) in enumerate(zip(p["conv"], p["bias"])):
            x = jax.nn.relu(jax.lax.conv_general_dilated(x, w, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")) + b)
            if n < 2:
                x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        x = x.reshape(x.shape[0], -1)
        return x @ p["out"]["w"] + p["out"]["b"]
    return trainer(params, forward, optax.rmsprop(1e-3),
                   lambda i: (images[(i % 937) * 64:][:64], labels[(i % 937) * 64:][:64]))


def chargpt(vocab=65, width=128, heads=4, layers=4, context=64):
    keys = iter(jax.random.split(jax.random.key(0), 64))
    def matrix(*s):
        return jax.random.normal(next(keys), s) * 0.02
    params = {"tok": matrix(vocab, width), "pos": matrix(context, width), "head": matrix(width, vocab),
              "norm": (jnp.ones(width), jnp.zeros(width)),
              "blocks": [dict(n1=(jnp.ones(width), jnp.zeros(width)), n2=(jnp.ones(width), jnp.zeros(width)),
                              qkv=(matrix(width, 3 * width), jnp.zeros(3 * width)), proj=(matrix(width, width), jnp.zeros(width)),
                              up=(matrix(width, 4 * width), jnp.zeros(4 * width)), down=(matrix(4 * width, width), jnp.zeros(width)))
                         for _ in range(layers)]}

    def norm(p, x):
        mean = x.mean(-1, keepdims=True)
        return (x - mean) * jax.lax.rsqrt(((x - mean) ** 2).mean(-1, keepdims=True) + 1e-5) * p[0] + p[1]

    def forward(p, x):
        b, t = x.shape
        mask = jnp.tril(jnp.ones((t, t), bool))
        h = p["tok"][x] + p["pos"]
        for q in p["blocks"]:
            z = norm(q["n1"], h) @ q["qkv"][0] + q["qkv"][1]
            a, k, v = (u.reshape(b, t, heads, -1).transpose(0, 2, 1, 3) for u in jnp.split(z, 3, -1))
            s = a @ k.transpose(0, 1, 3, 2) / (width // heads) ** 0.5
            s = jax.nn.softmax(jnp.where(mask, s, -jnp.inf))
            h = h + (s @ v).transpose(0, 2, 1, 3).reshape(b, t, width) @ q["proj"][0] + q["proj"][1]
            h = h + jax.nn.gelu(norm(q["n2"], h) @ q["up"][0] + q["up"][1], approximate=False) @ q["down"][0] + q["down"][1]
        return norm(p["norm"], h) @ p["head"]
    rng = np.random.default_rng(0)
    x, y = (rng.integers(0, vocab, (12, context)).astype(np.int32) for _ in range(2))
    return trainer(params, forward, optax.adamw(1e-3), lambda i: (x, y))


def normalized(p, x, eps):
    mean = x.mean(-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(((x - mean) ** 2).mean(-1, keepdims=True) + eps) * p[0] + p[1]


def encoder_params(vocab, width, layers, length):
    keys = iter(jax.random.split(jax.random.key(0), 8 * layers + 3))
    def linear(cin, cout):
        return jax.random.normal(next(keys), (cin, cout)) * 0.02, jnp.zeros(cout)
    def norm():
        return jnp.ones(width), jnp.zeros(width)
    return {"tok": linear(vocab, width)[0], "pos": linear(length, width)[0], "norm": norm(), "out": linear(width, 10),
            "blocks": [dict(qkv=linear(width, 3 * width), proj=linear(width, width), n1=norm(),
                            up=linear(width, 4 * width), down=linear(4 * width, width), n2=norm())
                       for _ in range(layers)]}


def encoder_blocks(blocks, h, heads, eps, mask=None):
    """Blocks that normalize after each sublayer, as BERT's do."""
    b, t, width = h.shape
    for q in blocks:
        z = h @ q["qkv"][0] + q["qkv"][1]
        a, k, v = (u.reshape(b, t, heads, -1).transpose(0, 2, 1, 3) for u in jnp.split(z, 3, -1))
        s = a @ k.transpose(0, 1, 3, 2) / (width // heads) ** 0.5
        s = jax.nn.softmax(s if mask is None else jnp.where(mask[:, None, None, :], s, -jnp.inf))
        z = (s @ v).transpose(0, 2, 1, 3).reshape(b, t, width) @ q["proj"][0] + q["proj"][1]
        h = normalized(q["n1"], h + z, eps)
        z = jax.nn.gelu(h @ q["up"][0] + q["up"][1], approximate=False) @ q["down"][0] + q["down"][1]
        h = normalized(q["n2"], h + z, eps)
    return h


def encoder():
    params = encoder_params(1000, 256, 4, 128)

    def forward(p, x):
        return encoder_blocks(p["blocks"], p["tok"][x] + p["pos"], 4, 1e-5).mean(1) @ p["out"][0] + p["out"][1]
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 1000, (16, 128)).astype(np.int32), rng.integers(0, 10, 16).astype(np.int32)
    return trainer(params, forward, optax.adamw(1e-3), lambda i: (x, y))


def minilm(batch, time):
    """Sentences of time / 2 + 1 to `time` tokens, padded to `time`; a single one has no padding."""
    params = encoder_params(30522, 384, 6, time)
    lengths = [time if batch == 1 else time // 2 + 1 + k * (time // 2 - 1) // (batch - 1) for k in range(batch)]
    mask = np.arange(time)[None, :] < np.array(lengths)[:, None]
    x = np.random.default_rng(0).integers(0, 30522, (batch, time)).astype(np.int32)

    @jax.jit
    def run(p, x, mask):
        h = encoder_blocks(p["blocks"], normalized(p["norm"], p["tok"][x] + p["pos"], 1e-12), 12, 1e-12, mask)
        weights = mask[:, :, None].astype(h.dtype)
        return (h * weights).sum(1) / weights.sum(1)
    return lambda: run(params, x, mask).block_until_ready()


def lstm_step(p, state, z):
    h, c = state
    i, f, g, o = jnp.split(z + h @ p["recurrent"], 4, -1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


def gru_step(p, state, z):
    h, = state
    r = h @ p["recurrent"] + p["recurrent_bias"]
    update, reset = jax.nn.sigmoid(z[:, :128] + r[:, :128]), jax.nn.sigmoid(z[:, 128:256] + r[:, 128:256])
    return update * h + (1 - update) * jnp.tanh(z[:, 256:] + reset * r[:, 256:]),


def tagger(cell, gates, states):
    k = jax.random.split(jax.random.key(0), 4)
    params = {"emb": jax.random.normal(k[0], (10000, 128)) * 0.05, "input": dense(k[1], 128, gates * 128),
              "recurrent": jax.random.normal(k[2], (128, gates * 128)) * 128 ** -0.5,
              "recurrent_bias": jnp.zeros(gates * 128), "out": dense(k[3], 128, 1)}

    def forward(p, x):
        z = (p["emb"][x] @ p["input"]["w"] + p["input"]["b"]).swapaxes(0, 1)
        start = (jnp.zeros((x.shape[0], 128)),) * states
        last, _ = jax.lax.scan(lambda state, z: (cell(p, state, z), None), start, z)
        return (last[0] @ p["out"]["w"] + p["out"]["b"])[:, 0]
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 10000, (32, 100)).astype(np.int32), rng.integers(0, 2, 32).astype(np.float32)
    return trainer(params, forward, optax.adam(1e-3), lambda i: (x, y), optax.sigmoid_binary_cross_entropy)


def gemm(n):
    k = jax.random.split(jax.random.key(0), 2)
    a, b = jax.random.normal(k[0], (n, n)), jax.random.normal(k[1], (n, n))
    run = jax.jit(lambda a, b: a @ b)
    return lambda: run(a, b).block_until_ready()


def tape():
    run = jax.jit(jax.grad(lambda x: 2 * x + 3))
    return lambda: run(0.0).block_until_ready()


def infer():
    k = jax.random.split(jax.random.key(0), 2)
    params = [dense(k[0], 784, 512), dense(k[1], 512, 10)]
    run = jax.jit(lambda p, x: jax.nn.softmax(jax.nn.relu(x @ p[0]["w"] + p[0]["b"]) @ p[1]["w"] + p[1]["b"]))
    x = np.random.rand(1, 784).astype(np.float32)
    return lambda: run(params, x).block_until_ready()


def tiny():
    k = jax.random.split(jax.random.key(0), 3)
    params = [dense(k[0], 6, 64), dense(k[1], 64, 8), dense(k[2], 8, 4)]

    @jax.jit
    def run(p, x):
        for q in p[:-1]:
            x = jax.nn.relu(x @ q["w"] + q["b"])
        return x @ p[-1]["w"] + p[-1]["b"]
    x = np.random.rand(1, 6).astype(np.float32)
    return lambda: run(params, x).block_until_ready()


WORKLOADS = {
    "mlp": lambda: measure("mlp", mlp(512, 128, optax.sgd(1e-3))),
    "mlp_small": lambda: measure("mlp_small", mlp(128, 32, optax.adam(1e-3))),
    "higgs": lambda: measure("higgs", higgs()),
    "convnet": lambda: measure("convnet", convnet()),
    "vgg": lambda: measure("vgg", vgg()),
    "chargpt": lambda: measure("chargpt", chargpt()),
    "encoder": lambda: measure("encoder", encoder()),
    "lstm": lambda: measure("lstm", tagger(lstm_step, 4, 2)),
    "gru": lambda: measure("gru", tagger(gru_step, 3, 1)),
    "tape": lambda: measure("tape", tape()),
    "infer": lambda: measure("infer", infer()),
    "tiny": lambda: measure("tiny", tiny()),
    "minilm": lambda: measure("minilm", minilm(32, 128)),
    "minilm_short": lambda: measure("minilm_short", minilm(1, 17)),
    **{f"gemm{n}": (lambda n=n: measure(f"gemm{n}", gemm(n), 2 * n ** 3)) for n in (64, 128, 256, 512, 1024, 2048)},
}
for name in args.workloads or WORKLOADS:
    if name in WORKLOADS:
        WORKLOADS[name]()
