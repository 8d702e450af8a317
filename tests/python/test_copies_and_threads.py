"""Copies of a network, forks of its process and threads beside each other: each computes the same bits."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import bpnet as bp
from ctrl_c import HANG
from layer_cases import CASES, Case
from test_bad_input import bits
from threading_layers import LAYERS, use

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3000, 20)).astype(np.float32)
LABELS = RNG.integers(0, 5, 3000)


def network(seed: int = 2, **options: Any) -> bp.Network:
    layers = [bp.Linear(64), bp.ReLU(), bp.Dropout(0.1), bp.Linear(5)]
    return bp.Network(20, layers, seed=seed, **options)


def train(net: bp.Network, epochs: int = 2, **options: Any) -> None:
    options = {"epochs": epochs, "batch_size": 100, "verbose": 0} | options
    net.fit(X, LABELS, optimizer=bp.SGD(lr=0.05, momentum=0.9), **options)


# Copies.

COPIERS: dict[str, Callable[[bp.Network], bp.Network]] = {
    "pickle": lambda net: pickle.loads(pickle.dumps(net)),
    "oldest pickle": lambda net: pickle.loads(pickle.dumps(net, protocol=2)),
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
}
copiers = pytest.mark.parametrize("copier", COPIERS)


@copiers
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_copy_is_the_same_and_stands_alone(copier: str, dtype: str):
    net = network(dtype=dtype)
    net.preprocessing = {"mean": [0.5], "classes": ["ä", "日本", "🙂"], "nothing": None}
    train(net)
    before = bits(net)
    other = COPIERS[copier](net)
    assert bits(other) == before
    assert other.description == net.description
    assert other.preprocessing == net.preprocessing
    assert (other.dtype, other.input_shape, other.output_shape) == (net.dtype, (20,), (5,))
    assert np.array_equal(other.predict(X), net.predict(X))
    train(other)
    assert bits(net) == before != bits(other)
    train(net, restart=True)
    assert bits(net) == bits(other), (
        "a copy has no run to go on with: both begin a new one from the same weights"
    )


@copiers
@pytest.mark.parametrize("case", CASES, ids=repr)
def test_every_layer_can_be_copied(copier: str, case: Case):
    shape = case.input_shape(4)
    net = bp.Network(shape, [case.make(4)], seed=7)
    other = COPIERS[copier](net)
    x = np.random.default_rng(1).normal(size=(3, *shape))
    assert bits(other) == bits(net)
    for training in (False, True):
        assert np.array_equal(other.forward(x, training), net.forward(x, training))


@copiers
@pytest.mark.parametrize("backend", bp.backends())
def test_a_copy_computes_on_the_same_backend(copier: str, backend: str):
    net = network(backend=backend)
    other = COPIERS[copier](net)
    assert other.backend == backend
    assert np.array_equal(other.predict(X[:50]), net.predict(X[:50]))


def test_descriptions_can_be_pickled():
    for thing in (
        bp.Linear(3, init=bp.HeNormal(gain=2)),
        bp.Adam(schedule=bp.LinearWarmup(5, after=bp.StepLR(2))),
        bp.CrossEntropy(label_smoothing=0.1, class_weight=[1, 2]),
        bp.History({"loss": [1.0]}),
    ):
        assert repr(pickle.loads(pickle.dumps(thing))) == repr(thing)


def test_callbacks_can_be_pickled():
    """Before a fit, as a description of one: options and what they have seen."""
    stopping = bp.EarlyStopping("loss", patience=3, min_delta=0.5, restore_best=False)
    stopping.load_state({"best": 1.5, "waited": 1, "best_epoch": 7})
    again = pickle.loads(pickle.dumps(stopping))
    assert again.state() == stopping.state() == {"best": 1.5, "waited": 1, "best_epoch": 7}
    assert (again.patience, again.restore_best) == (3, False)
    stops = [again.on_epoch_end(None, epoch, {"loss": 1.25}) for epoch in (8, 9)]
    assert stops == [False, True], "1.25 is no improvement by 0.5, and the third such epoch is the last"
    checkpoint = pickle.loads(
        pickle.dumps(bp.Checkpoint("run", every=2, save_best_only=True, monitor="loss"))
    )
    assert (checkpoint.path, checkpoint.every, checkpoint.save_best_only) == ("run", 2, True)


@pytest.mark.parametrize("name", ["FileFormatError", "NumericError", "DeviceError"])
def test_errors_can_be_pickled(name: str):
    error = pickle.loads(pickle.dumps(getattr(bp, name)("load: no")))
    assert isinstance(error, getattr(bp, name)) and str(error) == "load: no"


# Processes.

FORKED = """
import os, pickle, sys
import numpy as np
import bpnet as bp
sys.path.insert(0, sys.argv[2])
import test_copies_and_threads as t

bp.set_num_threads(2)
if sys.argv[1] != "fresh":
    warm = t.network()
    t.train(warm, 1)
    warm.predict(t.X)

def work():
    net = t.network()
    before = net.predict(t.X)
    t.train(net)
    return [before, net.predict(t.X), t.bits(net)]

def equal(a, b):
    return all(np.array_equal(u, v) for u, v in zip(a, b))

if sys.argv[1] == "pool":
    import multiprocessing
    with multiprocessing.get_context("fork").Pool(2) as pool:
        results = pool.starmap(work, [()] * 4)
    print(all(equal(result, work()) for result in results))
else:
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        with os.fdopen(w, "wb") as file:
            pickle.dump(work(), file)
        os._exit(0)
    os.close(w)
    here = work()  # while the child is at work
    with os.fdopen(r, "rb") as file:
        there = pickle.load(file)
    print(equal(here, there), os.waitpid(pid, 0)[1] == 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize("layer", ["auto", *LAYERS])
@pytest.mark.parametrize("kind", ["fresh", "warm", "pool"])
def test_a_fork_trains_without_hanging(kind: str, layer: str):
    """Threads do not survive fork(): a child that waits for them would wait for ever."""
    here = os.path.dirname(__file__)
    command = [sys.executable, "-W", "ignore", "-c", FORKED, kind, here]
    environment = os.environ | {"BPNET_THREADING": layer}
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True"] * (1 if kind == "pool" else 2)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_in_a_callback():
    """As a data loader's workers are made, during a training."""
    code = """
import os, sys
sys.path.insert(0, sys.argv[1])
import bpnet as bp
import test_copies_and_threads as t
bp.set_num_threads(2)
codes = []

def fork(epoch, metrics):
    pid = os.fork()
    if pid == 0:
        net = t.network()
        t.train(net, 1)
        os._exit(7 if t.np.isfinite(net.predict(t.X)).all() else 8)
    codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

t.network().fit(t.X, t.LABELS, optimizer="sgd", epochs=3, verbose=0, callbacks=[fork])
print(codes)
"""
    command = [sys.executable, "-W", "ignore", "-c", code, os.path.dirname(__file__)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG)
    assert done.stdout.strip() == "[7, 7, 7]", done.stderr


# Threads.


def together(*jobs: Callable[[], Any], seconds: float = HANG) -> list[Any]:
    """The jobs' results, each run in a thread of its own, all begun at once."""
    results: list[Any] = [None] * len(jobs)
    gate = threading.Barrier(len(jobs))

    def run(index: int) -> None:
        gate.wait()
        try:
            results[index] = jobs[index]()
        except BaseException as error:
            results[index] = error

    threads = [threading.Thread(target=run, args=(i,), daemon=True) for i in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds)
        assert not thread.is_alive(), "a thread hangs"
    return results


threads = pytest.mark.parametrize("layer, threads", [(LAYERS[0], 1), *((layer, 2) for layer in LAYERS)])


@threads
def test_threads_predict_on_one_network(layer: str, threads: int):
    use(layer)
    bp.set_num_threads(threads)
    net = network()
    wanted = [net.predict(X[: 700 * n]) for n in (1, 2, 3, 4)]
    jobs = [lambda n=n: [net.predict(X[: 700 * n]) for _ in range(20)] for n in (1, 2, 3, 4)]
    for right, found in zip(wanted, together(*jobs)):
        assert isinstance(found, list), found
        assert all(np.array_equal(right, each) for each in found)


@threads
def test_threads_train_networks_of_their_own(layer: str, threads: int):
    use(layer)
    bp.set_num_threads(threads)

    def job(seed: int) -> bytes:
        net = network(seed)
        train(net)
        return bits(net)

    wanted = [job(seed) for seed in range(4)]
    assert together(*[lambda seed=seed: job(seed) for seed in range(4)]) == wanted


def test_threads_that_look_do_not_disturb_a_training():
    """Predictions, gradients' checks, saves and summaries of a network in training."""
    straight, net = network(), network()
    train(straight, 6)
    done = threading.Event()

    def fit() -> None:
        try:
            train(net, 6)
        finally:
            done.set()

    def look() -> int:
        count = 0
        while count == 0 or not done.is_set():
            out = net.predict(X[:500])
            assert np.isfinite(out).all()
            net.evaluate(X[:500], LABELS[:500], "cross_entropy")
            net.state_dict()["0.weight"].sum()
            pickle.dumps(net)
            count += 1
        return count

    results = together(fit, look, look)
    assert results[0] is None and all(isinstance(each, int) for each in results[1:]), results
    assert min(results[1:]) >= 1
    assert bits(net) == bits(straight)


@pytest.mark.parametrize("same_trainer", [True, False])
def test_a_second_fit_of_one_network_is_refused(same_trainer: bool):
    """The first is at an epoch's end when the second comes, which changes nothing."""
    net, straight = network(), network()
    optimizer = bp.SGD(lr=0.01, momentum=0.5)
    other = optimizer if same_trainer else bp.Adam()
    first_is_there, second_is_done = threading.Event(), threading.Event()

    def wait(epoch: int, metrics: Any) -> None:
        first_is_there.set()
        assert second_is_done.wait(HANG)

    def second() -> None:
        assert first_is_there.wait(HANG)
        try:
            with pytest.raises(RuntimeError, match="^fit: this network is being trained by another fit"):
                net.fit(X, LABELS, optimizer=other, verbose=0)
        finally:
            second_is_done.set()

    options: dict[str, Any] = {"epochs": 2, "batch_size": 50, "verbose": 0}
    results = together(lambda: net.fit(X, LABELS, optimizer=optimizer, callbacks=[wait], **options), second)
    assert results[1] is None, results
    assert results[0]["epoch"] == [1, 2]
    straight.fit(X, LABELS, optimizer=bp.SGD(lr=0.01, momentum=0.5), **options)
    assert bits(net) == bits(straight)
    net.fit(X, LABELS, optimizer=optimizer, **options)  # after it there is nothing to refuse


def test_a_fit_within_a_fit_of_the_same_network_is_refused():
    net = network()

    def nested(epoch: int, metrics: Any) -> None:
        net.fit(X, LABELS, verbose=0)

    before = bits(net)
    with pytest.raises(RuntimeError, match="^fit: this network is being trained by another fit"):
        net.fit(X, LABELS, verbose=0, callbacks=[nested])
    assert bits(net) != before, "the epoch before the callback is kept"


def test_threads_step_one_trainer():
    net = network()
    trainer = bp.Trainer(net, "cross_entropy", "adam")
    losses = together(*[lambda: [trainer.step(X[:64], LABELS[:64]) for _ in range(50)]] * 3)
    assert trainer.steps == 150
    assert all(np.isfinite(each).all() for each in losses)


def test_callbacks_may_use_the_network():
    net, straight = network(), network()
    seen: list[np.ndarray] = []

    def look(epoch: int, metrics: Any) -> None:
        seen.append(net.predict(X[:10]))
        net.forward(X[:3], training=True)
        net.backward(np.ones((3, 5)))
        network().fit(X[:100], LABELS[:100], verbose=0)

    options: dict[str, Any] = {"optimizer": bp.Adam(), "epochs": 3, "verbose": 0}
    net.fit(X, LABELS, callbacks=[look], **options)
    straight.fit(X, LABELS, **(options | {"optimizer": bp.Adam()}))
    assert bits(net) == bits(straight)
    assert len(seen) == 3 and np.array_equal(seen[-1], net.predict(X[:10]))
