"""The threading layers of this build, and a walk through all of them with several numbers of threads."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import bpnet as bp

ASKED = os.environ.get("BPNET_THREADING") or "auto"  # what the tests were begun with
_walked = False


def use(layer: str) -> None:
    """Until the test's end."""
    global _walked
    _walked = True
    bp.set_threading(layer)


def as_asked() -> None:
    """After a test that has used another layer; ``auto`` then begins anew."""
    global _walked
    if _walked:
        bp.set_threading(ASKED)
    _walked = False


def _is_built(layer: str) -> bool:
    try:
        bp.set_threading(layer)
    except bp.DeviceError:
        return False
    return True


LAYERS = [layer for layer in ("openmp", "pool", "serial") if _is_built(layer)]
bp.set_threading(ASKED)


def walk(counts: Sequence[int] = (1, 2, 3, 8)) -> Iterator[tuple[str, int]]:
    """Each layer with each number of threads, set."""
    for layer in LAYERS:
        use(layer)
        for threads in counts:
            bp.set_num_threads(threads)
            yield layer, threads
