"""Reads what examples/write_events.rs wrote, with TensorBoard itself. Run by hand:

    python3 -m venv venv && venv/bin/pip install tensorboard
    cargo run -p train --example write_events -- events
    venv/bin/python crates/train/tests/golden/read_tensorboard.py events

With tensorboard 2.21.0 it prints "read 3 tags of 300 events".
"""

import sys

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0}).Reload()
expected = {
    "loss": lambda loss: loss,
    "val_loss": lambda loss: 2 * loss,
    "accuracy é": lambda loss: 1 - loss,
}
assert sorted(events.Tags()["scalars"]) == sorted(expected), events.Tags()
for tag, of in expected.items():
    scalars = events.Scalars(tag)
    assert [scalar.step for scalar in scalars] == list(range(300))
    for scalar in scalars:
        assert scalar.value == np.float32(of(1 / (1 + scalar.step))), (tag, scalar)
print(f"read {len(expected)} tags of {len(events.Scalars('loss'))} events")
