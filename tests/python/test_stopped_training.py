"""Whatever stops a training, the network holds the last epoch's end, the run continues from there as if
nothing had happened, and a file on the disk is the old one or the new one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bpnet as bp
from backend_names import FAST
from bpnet._bridge import finite_dataset
from ctrl_c import HANG
from test_bad_input import bits

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 4)).astype(np.float32)
LABELS = RNG.integers(0, 3, 40)
POSIX = pytest.mark.skipif(os.name != "posix", reason="POSIX signals and limits")


def network(dtype: str = "float32", dropout: bool = True) -> bp.Network:
    masks = [bp.Dropout(0.2)] if dropout else []
    return bp.Network(4, [bp.Linear(6), bp.Tanh(), *masks, bp.Linear(3)], seed=2, dtype=dtype)


class Way:
    """One way to train: by batches, by single samples, from the user's batches."""

    def __init__(self, dtype: str, optimizer: Callable[[], Any], batch_size: int | None, dropout: bool):
        self.net = network(dtype, dropout)
        self.optimizer = optimizer()
        self.batch_size = batch_size
        self.x = X.copy()

    def fit(self, epochs: int, **options: Any) -> bp.History:
        options = {"optimizer": self.optimizer, "epochs": epochs, "verbose": 0} | options
        if self.batch_size is None:
            return self.net.fit(Batches(self.x), **options)
        return self.net.fit(self.x, LABELS, batch_size=self.batch_size, **options)


class Batches:
    def __init__(self, x: np.ndarray) -> None:
        self.x = x

    def __iter__(self) -> Iterator[Any]:
        return ((self.x[i : i + 8], LABELS[i : i + 8]) for i in range(0, 40, 8))


def momentum() -> bp.SGD:
    return bp.SGD(lr=0.1, momentum=0.9, schedule=bp.StepLR(2, 0.5))


WAYS: dict[str, Callable[[], Way]] = {
    "batches": lambda: Way("float32", momentum, 8, True),
    "batches, Adam, float64": lambda: Way("float64", lambda: bp.Adam(1e-2), 7, True),
    "online": lambda: Way("float32", lambda: bp.SGD(lr=0.1), 1, False),
    "online, float64": lambda: Way("float64", lambda: bp.SGD(lr=0.1), 1, False),
    "the user's batches": lambda: Way("float32", momentum, None, True),
}
ways = pytest.mark.parametrize("way", WAYS)


def spoil_after(way: Way, epoch: int, row: int = 21) -> Callable[..., None]:
    """A callback that writes NaN into the data, so that the loss becomes NaN during the next epoch."""

    def spoil(at: int, metrics: Any) -> None:
        if at == epoch:
            way.x[row] = np.nan

    return spoil


@ways
def test_a_loss_that_becomes_nan_takes_back_the_epoch(way: str):
    tried, straight = WAYS[way](), WAYS[way]()
    straight.fit(3)
    with pytest.raises(bp.NumericError, match=r"(step|row) \d+"):
        tried.fit(5, callbacks=[spoil_after(tried, 3)])
    assert bits(tried.net) == bits(straight.net)
    tried.x[:] = X
    tried.fit(2)
    straight.fit(2)
    assert bits(tried.net) == bits(straight.net), "momentum, masks, order and schedule went on too"


@pytest.mark.parametrize("batch_size", [1, 8])
def test_the_error_names_the_step(batch_size: int):
    """In the third epoch, at the sample or batch that holds row 21."""
    way = Way("float32", lambda: bp.SGD(lr=0.01), batch_size, False)
    step = 2 * (40 // batch_size) + 21 // batch_size + 1
    with pytest.raises(bp.NumericError, match=rf"^training: the loss is nan at step {step} \(epoch 3\)"):
        way.fit(5, shuffle=False, callbacks=[spoil_after(way, 2)])
    assert way.net._trainer.steps == 2 * (40 // batch_size)


@pytest.mark.parametrize("lr", [1e10, 1e30])
@pytest.mark.parametrize("batch_size", [1, 8, 40])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_huge_learning_rate(lr: float, batch_size: int, momentum: float):
    net, straight = network(dropout=False), network(dropout=False)
    x, y = X * 1e3, np.ones((40, 3))
    options: dict[str, Any] = {"loss": "squared_error", "batch_size": batch_size, "verbose": 0}
    with pytest.raises(bp.NumericError, match=r"^training: .* step \d+ \(epoch \d+\).*learning rate"):
        net.fit(x, y, optimizer=bp.SGD(lr=lr, momentum=momentum), epochs=20, **options)
    epochs = net._trainer.epochs
    assert epochs <= (2 if batch_size == 40 else 0), "its few steps come to finite losses"
    straight.fit(x, y, optimizer=bp.SGD(lr=lr, momentum=momentum), epochs=epochs, **options)
    assert bits(net) == bits(straight)
    assert all(np.isfinite(array).all() for array in net.state_dict().values())


@pytest.mark.parametrize("backend", bp.backends())
@pytest.mark.parametrize("optimizer", [bp.SGD(0.1), bp.SGD(0.1, momentum=0.9)], ids=["plain", "momentum"])
@pytest.mark.parametrize("width", [4, 300])
def test_a_sample_whose_loss_is_not_finite_is_not_counted(
    width: int, optimizer: bp.optimizers.Optimizer, backend: str
):
    """The online loop has then counted the samples before it, and counts it once when the data are mended."""
    results = []
    for spoilt in (False, True):
        net = bp.Network(4, [bp.Linear(width), bp.Tanh(), bp.Linear(3)], seed=2, backend=backend)
        trainer = bp.Trainer(net, "cross_entropy", optimizer)
        x = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
        good = x.copy()
        data = finite_dataset("fit", net._core, x, np.zeros(40, int), trainer.loss)
        if spoilt:
            x[21] = np.nan
            with pytest.raises(bp.NumericError, match="at step 22 "):
                trainer._core.run(data, 1, False, 1e30, 1)
            assert trainer.steps == trainer._core.state["position"] == 21
            x[:] = good
        assert trainer._core.run(data, 1, False, 1e30, 1)
        results.append(trainer._core.epoch_result(40)[1])
    assert results[0] == results[1]


def test_step_updates_nothing_when_the_loss_is_not_finite(tmp_path: Path):
    net = network()
    trainer = bp.Trainer(net, "squared_error", bp.Adam(0.1))
    trainer.step(X, np.ones((40, 3)))
    trainer.save(tmp_path / "before")
    refused = [(X * np.float32(np.nan), np.ones((40, 3))), (X, np.full((40, 3), np.inf))]
    if net.backend in FAST:
        refused.append(
            (X, np.full((40, 3), 3e38))
        )  # its square is not finite, but in the double of plain loops
    for x, y in refused:
        with pytest.raises(bp.NumericError, match="^(step|training): "):
            trainer.step(x, y)
        trainer.save(tmp_path / "after")
        assert (tmp_path / "after").read_bytes() == (tmp_path / "before").read_bytes()


class OddError(Exception):
    pass


@pytest.mark.parametrize("error", [OddError, KeyboardInterrupt, SystemExit, MemoryError])
@ways
def test_callbacks_that_raise(way: str, error: type[BaseException]):
    tried, straight = WAYS[way](), WAYS[way]()
    straight.fit(2)

    def raising(epoch: int, metrics: Any) -> None:
        if epoch == 2:
            raise error("from the callback")

    with pytest.raises(error, match="from the callback"):
        tried.fit(5, callbacks=[raising])
    assert bits(tried.net) == bits(straight.net)
    assert tried.net._trainer.history["epoch"] == [1, 2]
    tried.fit(2)
    straight.fit(2)
    assert bits(tried.net) == bits(straight.net)


@pytest.mark.parametrize("error", [OddError, KeyboardInterrupt])
@pytest.mark.parametrize("at", [0, 7, 10, 13])
def test_batch_iterators_that_raise(error: type[BaseException], at: int):
    """Batch number ``at`` of five an epoch never comes."""
    left = [at]

    class Failing(Batches):
        def __iter__(self) -> Iterator[Any]:
            for batch in super().__iter__():
                if left[0] == 0:
                    raise error("from the iterator")
                left[0] -= 1
                yield batch

    net, straight = network(), network()
    optimizer, other = momentum(), momentum()
    with pytest.raises(error, match="from the iterator"):
        net.fit(Failing(X), optimizer=optimizer, epochs=4, verbose=0)
    straight.fit(Batches(X), optimizer=other, epochs=at // 5, verbose=0)
    assert bits(net) == bits(straight)
    net.fit(Batches(X), optimizer=optimizer, verbose=0)
    straight.fit(Batches(X), optimizer=other, verbose=0)
    assert bits(net) == bits(straight)


PRELUDE = """
import os, signal, sys
import numpy as np
import bpnet as bp
bp.set_num_threads(1)
rng = np.random.default_rng(0)
X = rng.normal(size=(2000, 8)).astype(np.float32)
y = rng.integers(0, 3, 2000)

def make():
    net = bp.Network(8, [bp.Linear(32), bp.Tanh(), bp.Dropout(0.1), bp.Linear(3)], seed=3)
    return bp.Trainer(net, "cross_entropy", bp.SGD(lr=0.05, momentum=0.9))

def same(a, b):
    return all(np.array_equal(v, b.state_dict()[k]) for k, v in a.state_dict().items())
"""


def child(body: str, *arguments: str) -> subprocess.Popen[str]:
    code = PRELUDE + textwrap.dedent(body)
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


STOPPED = {
    "fit": "make().fit(X, y, epochs=10**9, verbose=0, callbacks=[ready])",
    "single samples": "make().fit(X, y, epochs=10**9, batch_size=1, verbose=0, callbacks=[ready])",
    "batches of the user's": "make().fit([(X, y)] * 5, epochs=10**9, verbose=0, callbacks=[ready])",
    "backprop": "ready(1), bp.backprop(X[:, :2], y, layers=(2, 64, 64, 1), steps=10**12)",
    "predict": "net = make().network; ready(1); [net.predict(X) for _ in iter(int, 1)]",
}


@POSIX
@pytest.mark.parametrize("name", STOPPED)
def test_ctrl_c_from_another_process(name: str):
    """What would take for ever ends, whenever the signal comes; test_interrupts.py has the moments one by one."""
    process = child(f"""
        def ready(epoch, metrics=None):
            if epoch == 1:
                print("ready", flush=True)

        signal.signal(signal.SIGINT, signal.default_int_handler)
        {STOPPED[name]}
        """)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=HANG)
    assert "KeyboardInterrupt" in err.splitlines()[-1]


@POSIX
def test_kill_leaves_a_run_that_goes_on(tmp_path: Path):
    """A checkpoint is a run's last epoch; test_killed.py kills a process during a save."""
    path = tmp_path / "run.safetensors"
    process = child(
        """
        def end(epoch, metrics):  # before the checkpoint
            if epoch == 4:
                os.kill(os.getpid(), signal.SIGKILL)

        make().fit(X, y, epochs=9, verbose=0, callbacks=[end, bp.Checkpoint(sys.argv[1])])
        """,
        str(path),
    )
    process.communicate(timeout=HANG)
    assert process.returncode == -signal.SIGKILL
    scope: dict[str, Any] = {}
    exec(PRELUDE, scope)
    trainer = bp.Trainer.load(path)
    assert trainer.epochs == 3
    trainer.fit(scope["X"], scope["y"], epochs=2, verbose=0)
    straight = scope["make"]()
    straight.fit(scope["X"], scope["y"], epochs=5, verbose=0)
    assert bits(trainer.network) == bits(straight.network)
    for name in ("loss", "accuracy", "epoch", "lr"):
        assert trainer.history[name] == straight.history[name]


@POSIX
def test_a_disk_that_is_full_leaves_the_old_file(tmp_path: Path):
    path = tmp_path / "run.safetensors"
    process = child(
        """
        import resource
        trainer = make()
        trainer.fit(X, y, verbose=0)
        trainer.save(sys.argv[1])
        old = open(sys.argv[1], "rb").read()
        resource.setrlimit(resource.RLIMIT_FSIZE, (200, resource.RLIM_INFINITY))
        straight = make()
        straight.fit(X, y, epochs=2, verbose=0)
        for save in (
            lambda: trainer.fit(X, y, epochs=3, verbose=0, callbacks=[bp.Checkpoint(sys.argv[1])]),
            lambda: trainer.save(sys.argv[1]),
            lambda: trainer.network.save(sys.argv[2]),
        ):
            try:
                save()
                print("saved?")
            except OSError as error:
                print(error)
        print(open(sys.argv[1], "rb").read() == old, same(trainer.network, straight.network))
        """,
        str(path),
        str(tmp_path / "other"),
    )
    out, err = process.communicate(timeout=HANG)
    lines = out.splitlines()
    assert lines[-1:] == ["True True"], out + err
    assert all("save: " in line and "too large" in line for line in lines[:3]), lines
    assert os.listdir(tmp_path) == ["run.safetensors"], "nothing half written stays behind"


def test_a_checkpoint_that_cannot_be_written_stops_the_fit_at_an_epochs_end(tmp_path: Path):
    (tmp_path / "file").write_text("not a folder")
    for path in (tmp_path / "file" / "run", tmp_path / "nowhere" / "run", tmp_path):
        way, straight = WAYS["batches"](), WAYS["batches"]()
        straight.fit(1)
        with pytest.raises(OSError) as caught:
            way.fit(3, callbacks=[bp.Checkpoint(path)])
        assert str(path) in str(caught.value)
        assert bits(way.net) == bits(straight.net)
    assert sorted(os.listdir(tmp_path)) == ["file"]


def test_a_run_saved_amid_an_epoch_finishes_it(tmp_path: Path):
    path = tmp_path / "run.safetensors"
    straight = bp.Trainer(network(), "cross_entropy", momentum())
    straight.fit(X, LABELS, epochs=3, batch_size=8, verbose=0)
    trainer = bp.Trainer(network(), "cross_entropy", momentum())
    trainer.fit(X, LABELS, batch_size=8, verbose=0)
    data = finite_dataset("test", trainer.network._core, X, LABELS, trainer.loss)
    assert not trainer._core.run(data, 8, True, 0.0), "one batch only"
    trainer.save(path)
    again = bp.Trainer.load(path)
    assert again._core.state["position"] == 8
    with pytest.raises(ValueError, match="^fit: .* 8 samples .* 5"):
        again.fit(X[:5], LABELS[:5], verbose=0)
    again.fit(X, LABELS, epochs=2, batch_size=8, verbose=0)
    assert bits(again.network) == bits(straight.network)
    assert again.history["loss"] == straight.history["loss"]
    assert again.history["accuracy"] == straight.history["accuracy"]
