"""Peers in processes of their own, of which one at a time is awake.

A worker is stopped (SIGSTOP) as soon as it has answered and continued when it is asked again: its idle threads,
which may spin for a fifth of a second and more, take nothing from the peer whose turn it is.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CAN_STOP = hasattr(signal, "SIGSTOP")


class MissingPeer(Exception):
    """The peer, or a part that it needs, is not installed."""


class PeerError(Exception):
    """The peer could not do what it was asked."""


class Company:
    """The workers of one run; asks one at a time.

    Args:
        memory: a file of the fastest forms, of this run and those before; None: they are found anew in each run.

    Attributes:
        awake: who is at work, "" while all are stopped.
        fastest: the fastest form, by peer, case and number of threads.
    """

    def __init__(self, memory: str | None = None) -> None:
        self.awake = ""
        self._memory = Path(memory) if memory else None
        self.fastest: dict[str, str] = {}
        if self._memory and self._memory.exists():
            self.fastest = json.loads(self._memory.read_text(encoding="utf-8"))
        self._workers: list[Process] = []

    def __enter__(self) -> Company:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.end()

    def remember(self, key: str, form: str) -> None:
        self.fastest[key] = form
        if self._memory:
            self._memory.write_text(json.dumps(self.fastest, indent=1), encoding="utf-8")

    def start(self, name: str, command: Sequence[str], environment: dict[str, str] | None = None) -> Process:
        worker = Process(self, name, command, environment)
        self._workers.append(worker)
        return worker


def die_with_parent() -> None:
    """A stopped process would not see that its pipe has ended (Linux; elsewhere it stays)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def bound_to(processors: Sequence[int]) -> Callable[[], None] | None:
    """A ``preexec_fn`` that binds a process to these processors, also where ours is bound to fewer."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    return lambda: os.sched_setaffinity(0, processors)


class Process:
    """A process that answers a line with a line, stopped in between."""

    def __init__(
        self, company: Company, name: str, command: Sequence[str], environment: dict[str, str] | None
    ) -> None:
        self.name = name
        self._company = company
        self._enter()
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            preexec_fn=die_with_parent if os.name == "posix" else None,
            env={**os.environ, **(environment or {})},
        )

    def _enter(self) -> None:
        if self._company.awake:
            raise RuntimeError(f"{self.name}: {self._company.awake} is at work")
        self._company.awake = self.name

    @property
    def pid(self) -> int:
        return self._process.pid

    def rest(self) -> None:
        """Stop it until it is asked; returns when all of its threads have stopped."""
        if CAN_STOP and self._process.poll() is None:
            self._process.send_signal(signal.SIGSTOP)
            if hasattr(os, "waitid"):
                with contextlib.suppress(
                    ChildProcessError
                ):  # it ended meanwhile, and send_signal has seen it
                    os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        self._company.awake = ""

    def read(self) -> str:
        """The next line that it prints, after which it is stopped."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        self.rest()
        if not line:
            raise PeerError(f"{self.name}: it ended, with code {self._process.wait()}")
        return line

    def ask(self, line: str) -> str:
        assert self._process.stdin is not None
        self._enter()
        if CAN_STOP:
            self._process.send_signal(signal.SIGCONT)
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            self.rest()
            raise PeerError(f"{self.name}: it ended, with code {self._process.wait()}") from None
        return self.read()

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


class Worker:
    """A peer (benchmarks/worker.py) in its process."""

    def __init__(
        self,
        company: Company,
        name: str,
        module: str,
        threads: int,
        processors: Sequence[int],
        environment: dict[str, str] | None = None,
    ) -> None:
        self.name = name
        numbers = ",".join(map(str, processors))
        command = [sys.executable, "-m", "benchmarks.worker", module, str(threads), numbers]
        self._process = company.start(name, command, environment)
        self._check(self._process.read())

    @property
    def pid(self) -> int:
        return self._process.pid

    def _check(self, line: str) -> dict[str, Any]:
        reply = json.loads(line)
        if "missing" in reply:
            raise MissingPeer(reply["missing"])
        if "error" in reply:
            raise PeerError(f"{self.name}: {reply['error']}")
        return reply

    def ask(self, do: str, **more: Any) -> dict[str, Any]:
        return self._check(self._process.ask(json.dumps({"do": do, **more})))

    def rate(self, seconds: float) -> float:
        """Samples a second, over whole runs of so many seconds together at least."""
        reply = self.ask("run", seconds=seconds)
        return reply["samples"] / reply["seconds"]

    def end(self) -> None:
        self._process.end()
