"""Four processes that each train a small network at once, as a grid search does, beside the same four one
after another with one thread each. With the default number of threads each, they must not spin against
each other."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.measure import Row, row
from benchmarks.workers import bound_to

PROCESSES = 4
NETS = {"16-64-64-2 B=32": ((16, 64, 64, 2), 60), "784-128-10 B=32": ((784, 128, 10), 6)}

# Says "ready", then trains whenever it reads a line, and says "done".
CHILD = """
import sys
import numpy as np
import bpnet as bp
widths, epochs = {widths}, {epochs}
rng = np.random.default_rng(0)
x = rng.uniform(-1, 1, (6400, widths[0])).astype(np.float32)
y = rng.integers(0, widths[-1], 6400)
layers = [layer for width in widths[1:] for layer in (bp.Linear(width), bp.ReLU())][:-1]
net = bp.Network((widths[0],), layers)
optimizer = bp.SGD(lr=0.01, momentum=0.9)
net.fit(x, y, optimizer=optimizer, batch_size=32, verbose=0)
print("ready", flush=True)
for line in sys.stdin:
    net.fit(x, y, optimizer=optimizer, batch_size=32, epochs=epochs, verbose=0)
    print("done", flush=True)
"""


def _start(
    code: str, threads: int | None, processors: Sequence[int], environment: dict[str, str] | None
) -> list[Any]:
    names = ("BPNET_NUM_THREADS", "OMP_NUM_THREADS")
    env = {name: value for name, value in os.environ.items() if name not in names}
    env |= environment or {}
    if threads:
        env["BPNET_NUM_THREADS"] = str(threads)
    command = [sys.executable, "-c", code]
    pipe = subprocess.PIPE
    children = [
        subprocess.Popen(
            command, env=env, stdin=pipe, stdout=pipe, text=True, preexec_fn=bound_to(processors)
        )
        for _ in range(PROCESSES)
    ]
    for child in children:
        _expect(child, "ready")
    return children


def _go(child: Any) -> None:
    child.stdin.write("go\n")
    child.stdin.flush()


def _expect(child: Any, word: str) -> None:
    said = child.stdout.readline().strip()
    if said != word:
        raise RuntimeError(f"four processes: one said {said!r}, {word!r} was expected")


def _at_once(children: list[Any]) -> float:
    start = time.perf_counter()
    for child in children:
        _go(child)
    for child in children:
        _expect(child, "done")
    return time.perf_counter() - start


def _one_after_another(children: list[Any]) -> float:
    start = time.perf_counter()
    for child in children:
        _go(child)
        _expect(child, "done")
    return time.perf_counter() - start


def four_processes(
    processors: Sequence[int], repeats: int, environment: dict[str, str] | None = None
) -> list[Row]:
    """Time one after another over time at once: above 1 it pays to run them at once; 1 / 1.3 is the least
    that bpnet promises."""
    rows = []
    for name, (widths, epochs) in NETS.items():
        code = CHILD.format(widths=widths, epochs=epochs)
        together = _start(code, None, processors, environment)
        alone = _start(code, 1, processors, environment)
        try:
            gains = [_one_after_another(alone) / _at_once(together) for _ in range(repeats)]
        finally:
            for child in together + alone:
                child.stdin.close()
                child.wait()
        rows.append(
            row(f"four processes at once, {name}", len(processors), "one after another, one thread", gains)
        )
    return rows
