"""Threads and processes beside each other: whoever touches a network waits for its turn, a daemon thread does not
end the process, and a forked child gets an error for what it cannot use. (More in test_copies_and_threads.py.)"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bpnet as bp
from ctrl_c import HANG
from test_copies_and_threads import LABELS, X, network, together
from threading_layers import ASKED, LAYERS


def python(code: str, *arguments: str, layer: str = ASKED) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore", "-c", code, *arguments]
    environment = os.environ | {"BPNET_THREADING": layer}
    return subprocess.run(command, capture_output=True, text=True, timeout=HANG, check=False, env=environment)


layers = pytest.mark.parametrize("layer, threads", [(LAYERS[0], "1"), *((layer, "3") for layer in LAYERS)])


ENDING = """
import sys, threading
import numpy as np
import bpnet as bp

bp.set_num_threads(int(sys.argv[3]))
net = bp.Network(64, [bp.Linear(256), bp.Tanh(), bp.Linear(2)])
trainer = bp.Trainer(net, "cross_entropy", "sgd")
X, y = np.zeros((4000, 64), "f4"), np.zeros(4000, int)
begun = threading.Event()

def train():
    net.fit(X, y, epochs=10**6, verbose=0, callbacks=[lambda epoch, metrics: begun.set()])

def predict():
    while True:
        net.predict(X)
        begun.set()

def step():
    while True:
        trainer.step(X, y)
        begun.set()

threading.Thread(target=globals()[sys.argv[1]], daemon=True).start()
begun.wait()

class Notes:  # which the thread does not know, so that the interpreter's end closes its file
    file = open(sys.argv[2], "w")

Notes.file.write("what I noted")
import atexit
atexit.register(Notes.file.close)
"""


@layers
@pytest.mark.parametrize("work", ["train", "predict", "step"])
def test_the_main_thread_ends_while_a_daemon_thread_is_at_work(
    work: str, layer: str, threads: str, tmp_path: Path
):
    for _ in range(5):
        done = python(ENDING, work, str(tmp_path / "notes"), threads, layer=layer)
        assert (done.returncode, done.stderr) == (0, "")
        assert (tmp_path / "notes").read_text() == "what I noted"


FORKING = """
import os, sys, threading
import numpy as np
import bpnet as bp

bp.set_num_threads(int(sys.argv[1]))
net = bp.Network(64, [bp.Linear(256), bp.Tanh(), bp.Linear(2)])
X, y = np.zeros((4000, 64), "f4"), np.zeros(4000, int)
net.save(sys.argv[2])
expected = net.predict(X[:5])
stop = False

def evaluate():
    while not stop:
        net.evaluate(X, y, "cross_entropy")

def child():
    os.closerange(0, 3)  # should it hang, nobody waits for what it prints
    anew = bp.load(sys.argv[2])
    if not np.array_equal(anew.predict(X[:5]), expected):
        return 3
    for use in (lambda: net.predict(X[:5]), lambda: net.save(sys.argv[2] + ".again"), lambda: net.preprocessing):
        try:
            use()
        except RuntimeError as error:
            if "forked while another thread was using the network" not in str(error):
                return 4
        else:
            return 0
    return 1

thread = threading.Thread(target=evaluate)
thread.start()
seen = set()
for _ in range(2000):
    pid = os.fork()
    if pid == 0:
        os._exit(child())
    seen.add(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    if 1 in seen:
        break
stop = True
thread.join()
print(sorted(seen - {0}))
net.predict(X)  # here nothing is lost
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@layers
def test_a_fork_while_another_thread_holds_the_network(layer: str, threads: str, tmp_path: Path):
    """The child gets an error, whatever it does with it; what it makes or loads anew is its own."""
    done = python(FORKING, threads, str(tmp_path / "model"), layer=layer)
    assert (done.returncode, done.stdout) == (0, "[1]\n"), done.stderr


def test_a_fork_while_nobody_holds_it(tmp_path: Path):
    if not hasattr(os, "fork"):
        pytest.skip("there is no fork here")
    code = """
import os
import numpy as np
import bpnet as bp
net = bp.Network(4, [bp.Linear(3)])
for _ in range(3):  # children of children
    pid = os.fork()
    if pid:
        os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    net.predict(np.zeros((2, 4)))
os._exit(7)
"""
    assert python(code).returncode == 7


def preprocessing(columns: int) -> dict[str, Any]:
    names = [f"column {n}" for n in range(columns)]
    return {"columns": [{"name": name, "categories": ["x" * 50] * 20} for name in names], "classes": names}


def test_preprocessing_is_set_while_others_save_and_read(tmp_path: Path):
    net = network()
    values = [preprocessing(60), preprocessing(7)]
    net.preprocessing = values[0]

    def write() -> None:
        for n in range(100):
            net.preprocessing = values[n % 2]

    def save() -> None:
        for _ in range(50):
            net.save(tmp_path / "model")
            assert bp.load(tmp_path / "model").preprocessing in values

    def read() -> None:
        for _ in range(100):
            assert net.preprocessing in values

    assert together(write, save, read) == [None, None, None]


def test_a_training_is_looked_at_from_other_threads():
    """Steps, epochs, the rate and the sums only grow, or fall with the schedule, and what is read is whole."""
    net = network()
    trainer = bp.Trainer(net, "cross_entropy", bp.SGD(0.05, schedule=bp.StepLR(1, 0.5)))
    done = threading.Event()

    def fit() -> None:
        try:
            trainer.fit(X, LABELS, epochs=8, batch_size=50, verbose=0)
        finally:
            done.set()

    def look() -> None:
        last = (0, 0)
        while not done.is_set():
            state = trainer._core.state
            now = (state["epoch"], state["step"])
            assert (
                now >= last and 0 <= state["position"] <= len(X) and state["step"] * 50 >= state["position"]
            )
            last = now
            assert trainer.lr in [0.05 * 0.5**epoch for epoch in range(9)]
            assert all(np.isfinite(trainer._core.epoch_sums)) and trainer._core.weights_are_finite()

    assert together(fit, look, look) == [None, None, None]
    assert (trainer.epochs, trainer.steps) == (8, 8 * 60)


def test_threads_wait_for_their_turn_in_order():
    """Nobody who waits for a network is passed by for ever: each thread that looks has its turn while one trains."""
    net = network()
    trainer = bp.Trainer(net, "cross_entropy", "sgd")
    looked = [threading.Event() for _ in range(3)]

    def fit() -> None:
        def all_have_looked(epoch: int, metrics: Any) -> bool:
            return all(event.is_set() for event in looked)

        trainer.fit(X, LABELS, epochs=10**9, verbose=0, callbacks=[all_have_looked])

    def look(event: threading.Event) -> None:
        for _ in range(20):
            net.predict(X[:10])
        event.set()

    results = together(fit, *[lambda event=event: look(event) for event in looked])
    assert results == [None] * 4


MAKING = """
import sys, threading
import bpnet as bp
sys.setswitchinterval(1e6)  # the interpreter changes hands only where it is given
ran, go = [], threading.Event()

def run():
    go.wait()
    ran.append(True)

thread = threading.Thread(target=run)
thread.start()
go.set()
for made in range(10_000):
    bp.Network(300, [bp.Linear(1000)])
    if ran:
        break
print(bool(ran))
"""


def test_other_threads_run_while_a_network_is_made():
    done = python(MAKING)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


FORKED_FIT = """
import os, threading
import numpy as np
import bpnet as bp

net = bp.Network(4, [bp.Linear(3)])
X, y = np.zeros((6, 4), "f4"), np.zeros(6, int)
there, done = threading.Event(), threading.Event()

def wait(epoch, metrics):
    there.set()
    done.wait()

def in_child(work):
    "The message that a child's work ends with."
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            work()
            text = "no error"
        except RuntimeError as error:
            text = str(error)
        os.write(write, text.encode())
        os._exit(0)
    os.waitpid(pid, 0)
    print(os.read(read, 1000).decode())

def fit(net, *callbacks):
    net.fit(X, y, verbose=0, callbacks=callbacks)

thread = threading.Thread(target=fit, args=(net, wait))
thread.start()
there.wait()
in_child(lambda: fit(net))
in_child(lambda: fit(copy.deepcopy(net)))
done.set()
thread.join()
fit(net, lambda epoch, metrics: in_child(lambda: fit(net)))  # there the fit around the callback continues
in_child(lambda: fit(net))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_while_a_fit_waits():
    done = python("import copy\n" + FORKED_FIT)
    forked = "fit: this process was forked while another thread was training this network"
    assert done.returncode == 0, done.stderr
    messages = done.stdout.splitlines()
    assert messages[0].startswith(forked) and "train a copy" in messages[0]
    assert messages[2].startswith("fit: this network is being trained by another fit")
    assert [messages[1], messages[3]] == ["no error"] * 2


def test_ctrl_c_never_leaves_a_network_locked():
    """Python looks for signals after calls: after each of those of a fit's beginning and end."""
    import dis

    from bpnet import exclusive
    from bpnet.training import fit_data, fitting, loop, trainer

    net = network()
    own = {module.__file__ for module in (exclusive, fit_data, fitting, loop, trainer)}

    def interrupted(at: int) -> bool:
        left = [at]
        before: dict[Any, tuple[str, int | None]] = {}

        def trace(frame: Any, event: str, argument: Any) -> Any:
            if frame.f_code.co_filename not in own:
                return None
            frame.f_trace_opcodes = True
            if event == "opcode":  # the next of the same line: what a call raises belongs to that line's try
                after_call = before.get(frame) == ("CALL", frame.f_lineno)
                before[frame] = (dis.opname[frame.f_code.co_code[frame.f_lasti]][:4], frame.f_lineno)
                left[0] -= after_call
                if after_call and left[0] == 0:
                    raise KeyboardInterrupt
            return trace

        sys.settrace(trace)
        try:
            net.fit(X, LABELS, epochs=0, verbose=0)
        except KeyboardInterrupt as error:
            kept.append(error)  # with its frames, as an interactive interpreter does
            return True
        finally:
            sys.settrace(None)
        return False

    kept: list[KeyboardInterrupt] = []
    at = 1
    while interrupted(at):
        net.fit(X, LABELS, epochs=0, verbose=0)
        at += 1
    assert at > 20
