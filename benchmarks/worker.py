"""The process of one peer: ``python -m benchmarks.worker MODULE[:ARGUMENT] THREADS PROCESSORS``.

With an argument the peer is ``MODULE.peer(ARGUMENT)``, without the module itself. The process binds itself to
the processors before the peer is loaded, then answers one JSON line with one JSON line:

    {"do": "forms", "case": …}                     the names of the forms in which the peer can run the case
    {"do": "make", "case": …, "form": …}           builds it
    {"do": "run", "seconds": …}                    whole runs, one at least, until so much time has passed:
                                                   samples, seconds
    {"do": "weights", "path": …}                   its weights into an .npz file; whether it can tell them
    {"do": "outputs", "path": …}                   replaces the inputs in an .npy file by their outputs
    {"do": "results", "path": …}                   what a run computes into an .npz file
    {"do": "threading"}                            bpnet's threading layer in use
    {"do": "device"}                               the name of the card that the peer is on
    {"do": "to_goal", "form": …}                   benchmarks/to_accuracy.py

A ``case`` is the fields of one (``benchmarks/cases.py``, or what the peer's ``read_case`` understands). What
the peer prints is written to the error stream.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from typing import Any

import numpy as np

from benchmarks.cases import Case, make_data, make_weights
from benchmarks.peers import Runner


def bind(processors: list[int]) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, processors)


class Desk:
    """What the worker holds between two commands."""

    def __init__(self, peer: Any, threads: int) -> None:
        self._peer = peer
        self._threads = threads
        self._runner: Runner | None = None
        self._samples = 0

    def _case(self, fields: dict[str, Any]) -> Any:
        return getattr(self._peer, "read_case", lambda f: Case(**f))(fields)

    def forms(self, case: dict[str, Any]) -> dict[str, Any]:
        return {"forms": self._peer.forms(self._case(case))}

    def make(self, case: dict[str, Any], form: str) -> dict[str, Any]:
        self._runner = None  # the memory of the one before is free
        made = self._case(case)
        if isinstance(made, Case):
            data = make_data(made), make_weights(made)
            self._samples = made.samples * made.epochs
        else:
            data = ()
            self._samples = made.batch
        self._runner = self._peer.make(made, *data, self._threads, form)
        return {}

    def run(self, seconds: float) -> dict[str, Any]:
        assert self._runner is not None, "nothing was made"
        samples, begin = 0, time.perf_counter()
        while True:
            samples += self._runner.run() or self._samples
            passed = time.perf_counter() - begin
            if passed >= seconds:
                return {"samples": samples, "seconds": passed}

    def weights(self, path: str) -> dict[str, Any]:
        assert self._runner is not None, "nothing was made"
        if self._runner.weights is None:
            return {"known": False}
        np.savez(path, *[array for pair in self._runner.weights() for array in pair])
        return {"known": True}

    def outputs(self, path: str) -> dict[str, Any]:
        assert self._runner is not None and self._runner.outputs is not None, "it has no outputs"
        np.save(path, self._runner.outputs(np.load(path)))
        return {}

    def results(self, path: str) -> dict[str, Any]:
        assert self._runner is not None and self._runner.results is not None, "it has no results"
        np.savez(path, **self._runner.results())
        return {}

    def threading(self) -> dict[str, Any]:
        import bpnet

        return {"layer": bpnet.threading()}

    def device(self) -> dict[str, Any]:
        return {"name": self._peer.device_name()}

    def to_goal(self, form: str) -> dict[str, Any]:
        from benchmarks.to_accuracy import seconds_to_goal

        seconds, epochs = seconds_to_goal(self._peer.make, self._threads, form)
        return {"seconds": seconds, "epochs": epochs}


def answer(desk: Desk, line: str) -> dict[str, Any]:
    command = json.loads(line)
    try:
        return getattr(desk, command.pop("do"))(**command)
    except ImportError as error:
        return {"missing": str(error)}
    except Exception as error:
        traceback.print_exc()
        return {"error": f"{type(error).__name__}: {error}"}


def main() -> None:
    module, threads, processors = sys.argv[1:]
    bind([int(number) for number in processors.split(",")])
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def reply(message: dict[str, Any]) -> None:
        print(json.dumps(message), file=replies, flush=True)

    try:
        module, _, argument = module.partition(":")
        peer: Any = importlib.import_module(module)
        desk = Desk(peer.peer(argument) if argument else peer, int(threads))
    except ImportError as error:
        reply({"missing": str(error)})
        return
    reply({})
    for line in sys.stdin:
        reply(answer(desk, line))


if __name__ == "__main__":
    main()
