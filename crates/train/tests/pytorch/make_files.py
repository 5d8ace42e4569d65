"""Makes the files beside it: models of PyTorch, what they give for an input, and their weights.

    python make_files.py            # needs torch and safetensors

Each NAME.safetensors holds the state_dict and, besides it, `input` and `output`. The pickles that torch.save
writes are not read: save with safetensors.torch.save_file(model.state_dict(), path) instead.
"""

import pathlib

import torch
from safetensors.torch import save_file
from torch import nn

here = pathlib.Path(__file__).parent
torch.manual_seed(1)


def scramble(model):
    """Weights that no default initialization gives: no zeros, no ones."""
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                tensor.copy_(torch.rand_like(tensor) + 0.5 if "var" in name else torch.randn_like(tensor) * 0.4)
    return model.eval()


def save(name, model, call, *inputs, dtype=None):
    model = scramble(model)
    state = model.state_dict()
    if dtype is not None:
        # The output is that of the rounded weights.
        state = {key: tensor.to(dtype) if tensor.is_floating_point() else tensor for key, tensor in state.items()}
        model.load_state_dict(state)
    with torch.no_grad():
        output = call(model, *inputs)
    tensors = dict(state) | {"input": inputs[0], "output": output}
    if len(inputs) > 1:
        tensors["memory"] = inputs[1]
    save_file({key: tensor.contiguous().clone() for key, tensor in tensors.items()}, here / f"{name}.safetensors")


def plain(model, *inputs):
    return model(*inputs)


def last(model, x):
    return model(x)[0]


def channels_last(tensor):
    return tensor.movedim(1, -1)


class Convnet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(2, 4, (3, 2), padding=1)
        self.bn = nn.BatchNorm2d(4)
        self.act = nn.PReLU(4)
        self.conv2 = nn.Conv2d(4, 6, 3, stride=2, groups=2)
        self.fc = nn.Linear(6 * 2 * 3, 5)

    def forward(self, x):
        x = self.act(self.bn(self.conv1(x)))
        return self.fc(torch.flatten(self.conv2(x), 1))


dense = lambda: nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.LayerNorm(4), nn.Linear(4, 2))
x = torch.randn(5, 3)
save("dense", dense(), plain, x)
save("dense_f16", dense(), plain, x, dtype=torch.float16)
save("dense_bf16", dense(), plain, x, dtype=torch.bfloat16)

images = torch.randn(2, 2, 5, 6)
model = scramble(Convnet())
with torch.no_grad():
    output = model(images)
save_file({k: t.contiguous().clone() for k, t in model.state_dict().items()}
          | {"input": channels_last(images).contiguous(), "output": output}, here / "convnet.safetensors")

sequence = torch.randn(2, 7, 3)
conv1d = scramble(nn.Sequential(nn.Conv1d(3, 4, 3, dilation=2), nn.GroupNorm(2, 4)))
with torch.no_grad():
    output = conv1d(sequence.movedim(-1, 1))
save_file({k: t.contiguous().clone() for k, t in conv1d.state_dict().items()}
          | {"input": sequence, "output": channels_last(output).contiguous()}, here / "conv1d.safetensors")

save("rnn", nn.RNN(3, 4, batch_first=True), last, sequence)
save("lstm", nn.LSTM(3, 4, num_layers=2, batch_first=True), last, sequence)
save("gru", nn.GRU(3, 4, batch_first=True, bidirectional=True), last, sequence)
save("attention", nn.MultiheadAttention(6, 2, batch_first=True), lambda m, x: m(x, x, x)[0], torch.randn(2, 5, 6))
save("cross_attention", nn.MultiheadAttention(6, 2, kdim=3, vdim=3, batch_first=True),
     lambda m, q, v: m(q, v, v)[0], torch.randn(2, 5, 6), torch.randn(2, 4, 3))
save("encoder", nn.TransformerEncoderLayer(6, 2, 8, batch_first=True, norm_first=True), plain, torch.randn(2, 5, 6))
causal = nn.Transformer.generate_square_subsequent_mask(5)
save("decoder", nn.TransformerDecoderLayer(6, 2, 8, batch_first=True), lambda m, x, y: m(x, y, tgt_mask=causal),
     torch.randn(2, 5, 6), torch.randn(2, 4, 6))

save("embedding", nn.Sequential(nn.Embedding(7, 4), nn.RMSNorm(4, eps=1e-6)), plain,
     torch.tensor([[0, 6, 3], [1, 1, 5]], dtype=torch.int32))


class Separable(nn.Module):
    def __init__(self):
        super().__init__()
        self.depthwise = nn.Conv2d(2, 6, (3, 2), stride=2, groups=2, bias=False)
        self.pointwise = nn.Conv2d(6, 4, 1)

    def forward(self, x):
        return self.pointwise(self.depthwise(x))


def channels_second(name, model, x):
    model = scramble(model)
    with torch.no_grad():
        output = channels_last(model(x.movedim(-1, 1)))
    save_file({k: t.contiguous().clone() for k, t in model.state_dict().items()}
              | {"input": x, "output": output.contiguous()}, here / f"{name}.safetensors")


channels_second("depthwise1d", nn.Conv1d(3, 6, 3, dilation=2, groups=3), sequence)
channels_second("depthwise2d", nn.Conv2d(2, 6, (3, 2), stride=(1, 2), groups=2), torch.randn(2, 5, 6, 2))
channels_second("transposed1d", nn.ConvTranspose1d(3, 4, 3, stride=2, output_padding=1), sequence)
channels_second("transposed2d", nn.ConvTranspose2d(4, 6, (3, 2), stride=2, padding=1, groups=2), torch.randn(2, 3, 4, 4))
channels_second("separable2d", Separable(), torch.randn(2, 5, 6, 2))
separable1d = nn.Sequential()
separable1d.add_module("depthwise", nn.Conv1d(3, 6, 2, groups=3, bias=False))
separable1d.add_module("pointwise", nn.Conv1d(6, 5, 1))
channels_second("separable1d", separable1d, sequence)
