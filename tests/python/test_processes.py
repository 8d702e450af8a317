"""Processes that train at once with the default number of threads, as a grid search's do, disturb neither each
other's results nor each other's ends."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from ctrl_c import HANG
from threading_layers import ASKED, LAYERS

PROCESSES = 4

# Wide enough that the work is shared out over threads.
CODE = """
import hashlib
import numpy as np
import bpnet as bp
rng = np.random.default_rng(0)
x = rng.uniform(-1, 1, (640, 300)).astype(np.float32)
y = rng.integers(0, 10, 640)
net = bp.Network((300,), [bp.Linear(256), bp.ReLU(), bp.Dropout(0.2), bp.Linear(10)], seed=3)
print("ready", flush=True)
input()
net.fit(x, y, optimizer=bp.SGD(lr=0.05, momentum=0.9), epochs=5, verbose=0)
print(hashlib.sha256(b"".join(w.tobytes() for w in net.state_dict().values())).hexdigest())
"""


def train(threads: int | None, processes: int, layer: str = ASKED) -> list[str]:
    """What each of so many processes has learnt, all of them set off together."""
    env = {k: v for k, v in os.environ.items() if k not in ("BPNET_NUM_THREADS", "OMP_NUM_THREADS")}
    env["BPNET_THREADING"] = layer
    if threads:
        env["BPNET_NUM_THREADS"] = str(threads)
    pipe = subprocess.PIPE
    children = [
        subprocess.Popen([sys.executable, "-c", CODE], env=env, stdin=pipe, stdout=pipe, text=True)
        for _ in range(processes)
    ]
    try:
        for child in children:
            assert child.stdout and child.stdout.readline() == "ready\n"
        for child in children:
            assert child.stdin
            child.stdin.write("\n")
            child.stdin.flush()
        return [child.communicate(timeout=HANG)[0].strip() for child in children]
    finally:
        for child in children:
            child.kill()
            child.wait()


@pytest.mark.parametrize("threads, layer", [(None, ASKED), (4, ASKED), *((4, layer) for layer in LAYERS)])
def test_four_processes_at_once_learn_the_same_and_end(threads: int | None, layer: str):
    alone = train(1, 1)
    assert len(alone[0]) == 64
    assert train(threads, PROCESSES, layer) == alone * PROCESSES
