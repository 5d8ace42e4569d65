"""Writes recurrent.json: recurrent layers in PyTorch, float64, in the format of ops.json.

PyTorch's layers project the inputs themselves: their input kernel is the identity here, and has the
order of gates as `tensor` has it. A GRU's gates are r, z, n there and z, r, n here.
"""
import torch
from golden_cases import write


def layer(kind, x, kernel, bias, states, backwards):
    """All states after each step, side by side, in the order of time."""
    units, width = kernel.shape
    order = torch.arange(width)
    if kind is torch.nn.GRU:
        order = torch.cat([order[units : 2 * units], order[:units], order[2 * units :]])
    weights = {
        "weight_ih_l0": torch.eye(width)[order],
        "weight_hh_l0": kernel.T[order],
        "bias_ih_l0": torch.zeros(width),
        "bias_hh_l0": bias[order],
    }
    cell = kind(width, units, batch_first=True)
    states = tuple(state[None] for state in states)
    all_states = []
    for k in range(x.shape[1]):
        k = x.shape[1] - 1 - k if backwards else k
        given = states if len(states) > 1 else states[0]
        _, states = torch.func.functional_call(cell, weights, (x[:, k : k + 1], given))
        states = states if isinstance(states, tuple) else (states,)
        all_states.append(torch.cat([state[0] for state in states], -1))
    return torch.stack(all_states[::-1] if backwards else all_states, 1)


def numbers(*shape):
    return 2 * torch.rand(shape) - 1


CASES = []
for name, kind, gates, count in [
    ("simple_rnn", torch.nn.RNN, 1, 1),
    ("lstm", torch.nn.LSTM, 4, 2),
    ("gru", torch.nn.GRU, 3, 1),
]:
    for backwards in (False, True):
        batch, time, units = 2, 3, 2

        def function(x, kernel, bias, *states, kind=kind, backwards=backwards):
            return layer(kind, x, kernel, bias, states, backwards)

        inputs = [numbers(batch, time, gates * units), numbers(units, gates * units), numbers(gates * units)]
        inputs += [numbers(batch, units) for _ in range(count)]
        order = "backwards" if backwards else "forwards"
        CASES.append((f"{name}/{order}", name, function, inputs, {"backwards": backwards}))

write("recurrent.json", "make_recurrent.py", CASES)
