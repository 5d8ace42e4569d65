"""The benchmark workloads in PyTorch (CPU). Prints one line of JSON per workload.

usage: python peer_torch.py [--threads N] [--compile] [--tuned] [--mnist DIR] [workload ...]

--tuned enables the options that an expert would use: fused optimizers, images with
channels last, and with --compile the mode max-autotune.

Every workload prints the median time in milliseconds of one training step (forward,
loss, backward, update) after a warm-up, on data held in memory as float32.
`../README.md` defines the workloads.
"""
import argparse, gzip, json, os, statistics, time
import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--compile", action="store_true")
parser.add_argument("--tuned", action="store_true")
parser.add_argument("--mnist", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../crates/data/assets/mnist"))
parser.add_argument("--seconds", type=float, default=4.0)
parser.add_argument("workloads", nargs="*")
args = parser.parse_args()
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = str(args.threads)

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(args.threads)
torch.manual_seed(0)
LABEL = ("torch-compile" if args.compile else "torch-eager") + ("-tuned" if args.tuned else "")
FUSED = dict(fused=True) if args.tuned else {}


def mnist():
    def idx(name, header):
        with gzip.open(os.path.join(args.mnist, name)) as f:
            return np.frombuffer(f.read(), np.uint8, offset=header)
    images = idx("train-images-idx3-ubyte.gz", 16).reshape(60000, 784).astype(np.float32) / 255
    labels = idx("train-labels-idx1-ubyte.gz", 8).astype(np.int64)
    return torch.from_numpy(images), torch.from_numpy(labels)


def measure(workload, step, flops=None):
    for _ in range(5):
        step()
    times, end = [], time.perf_counter() + args.seconds
    while time.perf_counter() < end or len(times) < 5:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    median = statistics.median(times)
    row = dict(framework=LABEL, version=torch.__version__, workload=workload,
               threads=args.threads, median_ms=round(median * 1e3, 4), steps=len(times))
    if flops:
        row["gflops"] = round(flops / median / 1e9, 1)
    print(json.dumps(row), flush=True)


def trainer(model, optimizer, loss_of, batches):
    state = {"i": 0}

    def body(x, y):
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    mode = "max-autotune" if args.tuned else None
    run = torch.compile(body, mode=mode) if args.compile else body

    def step():
        x, y = batches(state["i"])
        state["i"] += 1
        return run(x, y).item()
    return step


def images_last(module):
    return module.to(memory_format=torch.channels_last) if args.tuned else module


def mlp(hidden, batch, make_optimizer):
    images, labels = mnist()
    model = nn.Sequential(nn.Linear(784, hidden), nn.ReLU(), nn.Linear(hidden, 10))
    count = 60000 // batch
    return trainer(model, make_optimizer(model.parameters()), F.cross_entropy,
                   lambda i: (images[(i % count) * batch:][:batch], labels[(i % count) * batch:][:batch]))


class Convnet(nn.Module):
    """The small convnet of Deep Learning with Python, chapter 8."""
    def __init__(self):
        super().__init__()
        self.c1, self.c2, self.c3 = nn.Conv2d(1, 32, 3), nn.Conv2d(32, 64, 3), nn.Conv2d(64, 128, 3)
        self.out = nn.Linear(128 * 3 * 3, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.c1(x)), 2)
        x = F.max_pool2d(F.relu(self.c2(x)), 2)
        return self.out(torch.flatten(F.relu(self.c3(x)), 1))


def convnet():
    images, labels = mnist()
    images = images_last(images.reshape(-1, 1, 28, 28))
    model = images_last(Convnet())
    return trainer(model, torch.optim.RMSprop(model.parameters(), lr=1e-3), F.cross_entropy,
                   lambda i: (images[(i % 937) * 64:][:64], labels[(i % 937) * 64:][:64]))


def higgs():
    hidden = [layer for k in range(5) for layer in (nn.Linear(28 if k == 0 else 300, 300), nn.Tanh())]
    model = nn.Sequential(*hidden, nn.Linear(300, 1), nn.Flatten(0))
    x, y = torch.randn(100, 28), torch.randint(0, 2, (100,)).float()
    return trainer(model, torch.optim.Adam(model.parameters(), **FUSED), F.binary_cross_entropy_with_logits, lambda i: (x, y))


def vgg():
    layers = []
    for cin, cout in ((3, 64), (64, 128), (128, 256)):
        layers += [nn.Conv2d(cin, cout, 3, padding=1), nn.ReLU(), nn.Conv2d(cout, cout, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    model = images_last(nn.Sequential(*layers, nn.Flatten(), nn.Linear(4 * 4 * 256, 10)))
    x, y = images_last(torch.randn(32, 3, 32, 32)), torch.randint(0, 10, (32,))
    return trainer(model, torch.optim.SGD(model.parameters(), lr=1e-2, momentum=0.9, **FUSED), F.cross_entropy, lambda i: (x, y))


class ResidualBlock(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.c1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.b1 = nn.BatchNorm2d(cout)
        self.c2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        self.b2 = nn.BatchNorm2d(cout)
        self.short = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout)) \
            if stride != 1 or cin != cout else nn.Identity()

    def forward(self, x):
        return F.relu(self.b2(self.c2(F.relu(self.b1(self.c1(x))))) + self.short(x))


def resnet20():
    blocks, cin = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()], 16
    for cout, stride in ((16, 1), (32, 2), (64, 2)):
        for k in range(3):
            blocks.append(ResidualBlock(cin, cout, stride if k == 0 else 1))
            cin = cout
    model = images_last(nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)))
    x, y = images_last(torch.randn(64, 3, 32, 32)), torch.randint(0, 10, (64,))
    return trainer(model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4, **FUSED),
                   F.cross_entropy, lambda i: (x, y))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.n1, self.n2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = (z.view(b, t, self.heads, c // self.heads).transpose(1, 2)
                   for z in self.qkv(self.n1(x)).split(c, dim=2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.proj(y.transpose(1, 2).reshape(b, t, c))
        return x + self.down(F.gelu(self.up(self.n2(x))))


class CharGPT(nn.Module):
    def __init__(self, vocab=65, width=128, heads=4, layers=4, context=64):
        super().__init__()
        self.tok, self.pos = nn.Embedding(vocab, width), nn.Embedding(context, width)
        self.blocks = nn.Sequential(*[Block(width, heads) for _ in range(layers)])
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, vocab, bias=False)
        self.register_buffer("positions", torch.arange(context))

    def forward(self, x):
        return self.head(self.norm(self.blocks(self.tok(x) + self.pos(self.positions))))


def chargpt():
    model = CharGPT()
    x, y = torch.randint(0, 65, (12, 64)), torch.randint(0, 65, (12, 64))
    return trainer(model, torch.optim.AdamW(model.parameters(), lr=1e-3, **FUSED),
                   lambda logits, t: F.cross_entropy(logits.flatten(0, 1), t.flatten()), lambda i: (x, y))


class EncoderBlock(nn.Module):
    """Normalizes after each sublayer, as BERT does."""
    def __init__(self, width, heads, eps=1e-5):
        super().__init__()
        self.heads = heads
        self.n1, self.n2 = nn.LayerNorm(width, eps), nn.LayerNorm(width, eps)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x, mask=None):
        b, t, c = x.shape
        q, k, v = (z.view(b, t, self.heads, c // self.heads).transpose(1, 2) for z in self.qkv(x).split(c, dim=2))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = self.n1(x + self.proj(y.transpose(1, 2).reshape(b, t, c)))
        return self.n2(x + self.down(F.gelu(self.up(x))))


class Encoder(nn.Module):
    def __init__(self, vocab=1000, width=256, heads=4, layers=4, length=128):
        super().__init__()
        self.tok, self.pos = nn.Embedding(vocab, width), nn.Embedding(length, width)
        self.blocks = nn.Sequential(*[EncoderBlock(width, heads) for _ in range(layers)])
        self.out = nn.Linear(width, 10)
        self.register_buffer("positions", torch.arange(length))

    def forward(self, x):
        return self.out(self.blocks(self.tok(x) + self.pos(self.positions)).mean(1))


def encoder():
    model = Encoder()
    x, y = torch.randint(0, 1000, (16, 128)), torch.randint(0, 10, (16,))
    return trainer(model, torch.optim.AdamW(model.parameters(), lr=1e-3, **FUSED), F.cross_entropy, lambda i: (x, y))


class MiniLM(nn.Module):
    def __init__(self, length, vocab=30522, width=384, heads=12, layers=6):
        super().__init__()
        self.tok, self.pos, self.norm = nn.Embedding(vocab, width), nn.Embedding(length, width), nn.LayerNorm(width, 1e-12)
        self.blocks = nn.ModuleList([EncoderBlock(width, heads, 1e-12) for _ in range(layers)])
        self.register_buffer("positions", torch.arange(length))

    def forward(self, x, mask):
        h = self.norm(self.tok(x) + self.pos(self.positions))
        for block in self.blocks:
            h = block(h, mask[:, None, None, :])
        weights = mask[:, :, None].float()
        return (h * weights).sum(1) / weights.sum(1)


def minilm(batch, time):
    """Sentences of time / 2 + 1 to `time` tokens, padded to `time`; a single one has no padding."""
    lengths = [time if batch == 1 else time // 2 + 1 + k * (time // 2 - 1) // (batch - 1) for k in range(batch)]
    mask = torch.arange(time)[None, :] < torch.tensor(lengths)[:, None]
    return inference(MiniLM(time), torch.randint(0, 30522, (batch, time)), mask)


class Tagger(nn.Module):
    def __init__(self, recurrent, vocab=10000, width=128, hidden=128):
        super().__init__()
        self.emb = nn.Embedding(vocab, width)
        self.recurrent = recurrent(width, hidden, batch_first=True)
        self.out = nn.Linear(hidden, 1)

    def forward(self, x):
        return self.out(self.recurrent(self.emb(x))[0][:, -1]).squeeze(1)


def tagger(recurrent):
    model = Tagger(recurrent)
    x, y = torch.randint(0, 10000, (32, 100)), torch.randint(0, 2, (32,)).float()
    return trainer(model, torch.optim.Adam(model.parameters(), **FUSED), F.binary_cross_entropy_with_logits, lambda i: (x, y))


def gemm(n):
    a, b = torch.randn(n, n), torch.randn(n, n)
    return lambda: a @ b


def tape():
    x = torch.zeros((), requires_grad=True)

    def step():
        x.grad = None
        (2 * x + 3).backward()
    return step


def inference(model, *inputs):
    model = model.eval()
    if args.compile:
        model = torch.compile(model, mode="max-autotune" if args.tuned else None)

    def step():
        with torch.inference_mode():
            model(*inputs)
    return step


def infer():
    return inference(nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 10), nn.Softmax(1)), torch.rand(1, 784))


def tiny():
    layers = nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 4)
    return inference(nn.Sequential(*layers), torch.rand(1, 6))


sgd = lambda p: torch.optim.SGD(p, lr=1e-3, **FUSED)
WORKLOADS = {
    "mlp": lambda: measure("mlp", mlp(512, 128, sgd)),
    "mlp_small": lambda: measure("mlp_small", mlp(128, 32, lambda p: torch.optim.Adam(p, **FUSED))),
    "higgs": lambda: measure("higgs", higgs()),
    "convnet": lambda: measure("convnet", convnet()),
    "vgg": lambda: measure("vgg", vgg()),
    "resnet20": lambda: measure("resnet20", resnet20()),
    "chargpt": lambda: measure("chargpt", chargpt()),
    "encoder": lambda: measure("encoder", encoder()),
    "lstm": lambda: measure("lstm", tagger(nn.LSTM)),
    "gru": lambda: measure("gru", tagger(nn.GRU)),
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
