"""A loss of the user's own: a Python function trains, evaluates and resumes as bpnet's losses do."""

from __future__ import annotations

import functools
import gc
import json
import re
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bpnet as bp

BACKENDS = pytest.mark.parametrize("backend", bp.backends())
NUMBERS = np.random.default_rng(0)
X, Y = NUMBERS.normal(size=(40, 5)), NUMBERS.normal(size=(40, 3))
LABELS = NUMBERS.integers(0, 3, 40)
WEIGHTS = NUMBERS.uniform(0.1, 2, 40)
WEIGHTS[8:16] = 0  # a batch of 8, in order


def chain(backend: str | None = None, dtype: str = "float64") -> bp.Network:
    return bp.Network(5, [bp.Linear(7), bp.Tanh(), bp.Linear(3)], seed=1, dtype=dtype, backend=backend)


def graph(backend: str | None = None, dtype: str = "float64") -> bp.Network:
    layers = [
        bp.Linear(7),
        bp.BatchNorm1d(),
        bp.ReLU(),
        bp.Dropout(0.3),
        bp.Residual([bp.Linear(7)]),
        bp.Linear(3),
    ]
    return bp.Network(5, layers, seed=1, dtype=dtype, backend=backend)


def squares(outputs, targets, sample_weight=None):
    weight = np.ones(len(outputs)) if sample_weight is None else sample_weight
    share = (weight / weight.sum())[:, None] / outputs.shape[1]
    difference = outputs - targets
    return (share * difference**2).sum(), 2 * share * difference


def entropy(outputs, labels, sample_weight=None):
    assert labels.dtype == np.int64 and labels.shape == (len(outputs),)
    weight = np.ones(len(outputs)) if sample_weight is None else sample_weight
    share = (weight / weight.sum())[:, None]
    p = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    one_hot = np.eye(outputs.shape[1])[labels]
    return -(share * one_hot * np.log(p)).sum(), share * (p - one_hot)


PAIRS = [(squares, "mse", Y), (entropy, "cross_entropy", LABELS)]
pairs = pytest.mark.parametrize("custom, own, y", PAIRS, ids=[own for _, own, _ in PAIRS])


def bits(trainer: bp.Trainer) -> dict[str, Any]:
    net = trainer.network
    return {name: w.tobytes() for name, w in net.state_dict().items()} | {"steps": trainer.steps}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("batch_size", [1, 8, 40])
@pairs
@BACKENDS
def test_it_trains_as_the_same_loss_of_bpnets(
    backend: str, custom, own: str, y, batch_size: int, weighted: bool
):
    runs = []
    for loss in (custom, own):
        net = chain(backend)
        history = net.fit(
            X,
            y,
            loss=loss,
            optimizer=bp.Adam(0.01),
            epochs=3,
            batch_size=batch_size,
            shuffle=False,
            sample_weight=WEIGHTS if weighted else None,
            validation_data=(X[:20], y[:20], WEIGHTS[:20]) if weighted else (X[:20], y[:20]),
            verbose=0,
        )
        runs.append((net, history))
    for name, w in runs[0][0].state_dict().items():
        assert abs(w - runs[1][0].state_dict()[name]).max() <= 1e-10 * abs(w).max(), name
    for column in ("loss", "val_loss"):
        assert runs[0][1][column] == pytest.approx(runs[1][1][column], rel=1e-12)


@pairs
@BACKENDS
def test_with_masks_and_statistics_of_the_batch(backend: str, custom, own: str, y):
    nets = [graph(backend) for _ in range(2)]
    for net, loss in zip(nets, (custom, own)):
        net.fit(X, y, loss=loss, optimizer=bp.SGD(0.1, momentum=0.9), epochs=3, batch_size=8, verbose=0)
    for name, w in nets[0].state_dict().items():
        assert abs(w - nets[1].state_dict()[name]).max() <= 1e-10 * abs(w).max(), name


@pairs
@BACKENDS
def test_evaluate_over_many_pieces(backend: str, custom, own: str, y):
    """More samples than evaluate takes at once: the mean of the pieces by their weights."""
    rows = np.arange(1000) % 40
    net = chain(backend)
    for weight in (None, WEIGHTS[rows]):
        found, wanted = (
            net.evaluate(X[rows], y[rows], loss, sample_weight=weight)["loss"] for loss in (custom, own)
        )
        assert found == pytest.approx(wanted, rel=1e-12)


@pairs
def test_check_gradients(custom, own: str, y):
    errors = bp.check_gradients(graph(), X, y, custom)
    assert list(errors) == list(graph().gradients()) and max(errors.values()) < 1e-6

    def wrong(outputs, targets):
        loss, gradient = custom(outputs, targets)
        return loss, 1.01 * gradient

    errors = bp.check_gradients(chain(), X, y, wrong)
    assert min(errors.values()) == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@BACKENDS
def test_what_the_function_is_given(backend: str, dtype: str):
    """Arrays of its own: it may write on them, and keep them."""
    seen: list[tuple[np.ndarray, ...]] = []

    def scribble(*arrays):
        seen.append(tuple(array.copy() for array in arrays))
        loss, gradient = squares(*arrays)
        for array in arrays:
            array[...] = 77
        return loss, gradient

    net = chain(backend, dtype)
    wanted = net.forward(X)
    trainer = bp.Trainer(net, scribble, bp.SGD(0.0))
    x, y, weight = X.astype(dtype), Y.astype(dtype), WEIGHTS.astype(dtype)
    trainer.step(x, y, weight)
    trainer.step(x, y)
    assert [len(arrays) for arrays in seen] == [3, 2]
    for arrays in seen:
        for array, like in zip(arrays, (wanted, y, weight)):
            assert array.dtype == np.dtype(dtype) and array.shape == like.shape
            assert np.allclose(array, like, rtol=4 * np.finfo(dtype).eps, atol=4 * np.finfo(dtype).eps)
    assert not (x == 77).any() and not (y == 77).any() and not (weight == 77).any()


@BACKENDS
def test_outputs_that_are_maps(backend: str):
    """A network whose output is not flat; targets come as they are given, (n, outputs)."""
    net = bp.Network((2, 5, 4), [bp.Conv2d(3, 2)], dtype="float64", backend=backend)
    x = NUMBERS.normal(size=(6, 2, 5, 4))
    y = NUMBERS.normal(size=(6, 3 * 4 * 3))
    shapes = []

    def loss(outputs, targets):
        shapes.append((outputs.shape, targets.shape))
        value, gradient = squares(outputs.reshape(targets.shape), targets)
        return value, gradient.reshape(outputs.shape)

    flat = bp.Network((2, 5, 4), [bp.Conv2d(3, 2), bp.Flatten()], dtype="float64", backend=backend)
    flat.load_state_dict(net.state_dict())
    for each, of in ((net, loss), (flat, "mse")):
        bp.Trainer(each, of, bp.SGD(0.1)).step(x, y)
    assert shapes == [((6, 3, 4, 3), (6, 36))]
    for name, w in flat.state_dict().items():
        assert abs(w - net.state_dict()[name]).max() <= 1e-14, name


def test_targets_of_one_output_are_numbers():
    """Integers too: class indices need more than one output."""
    seen = []

    def loss(outputs, targets):
        seen.append(targets)
        return squares(outputs, targets)

    bp.Trainer(bp.Network(5, [bp.Linear(1)]), loss, "sgd").step(X, np.arange(40))
    assert seen[0].dtype == np.float32 and seen[0].shape == (40, 1)


@BACKENDS
def test_a_batch_without_weight_is_not_shown(backend: str):
    seen = []

    def loss(outputs, targets, sample_weight):
        seen.append(sample_weight.sum())
        return squares(outputs, targets, sample_weight)

    net = chain(backend)
    net.fit(X, Y, loss=loss, batch_size=8, shuffle=False, sample_weight=WEIGHTS, verbose=0)
    assert len(seen) == 4 and min(seen) > 0
    trainer = net.trainer
    assert trainer is not None and trainer.steps == 5


@BACKENDS
def test_with_a_reducer(backend: str):
    """Two trainers with the same part each: the sum over both is twice what one has."""

    def double(name: str, values: np.ndarray) -> None:
        values *= 2

    trainers = [bp.Trainer(chain(backend), squares, bp.SGD(0.1, clip_norm=0.1))]
    trainers.append(bp.Trainer(chain(backend), squares, bp.SGD(0.1, clip_norm=0.1), reducer=double))
    for _ in range(3):
        assert trainers[0].step(X, Y, WEIGHTS) == trainers[1].step(X, Y, WEIGHTS)
    assert bits(trainers[0]) == bits(trainers[1])


# What a function does in its third call, and how that ends.
class Own(Exception):
    """The user's."""


def raises(outputs, targets):
    raise Own("mine")


def interrupts(outputs, targets):
    raise KeyboardInterrupt


FAULTS: dict[str, tuple[Callable[..., Any], type[BaseException], str]] = {
    "an error": (raises, Own, "^mine$"),
    "Ctrl-C": (interrupts, KeyboardInterrupt, "^$"),
    "no tuple": (
        lambda x, y: 1.0,
        TypeError,
        r"custom loss 'faulty': the function gave 1.0, a tuple \(loss, gradient\)",
    ),
    "three": (lambda x, y: (1.0, x, x), TypeError, r"a tuple \(loss, gradient\) is needed"),
    "another shape": (
        lambda x, y: (1.0, x[:, :1]),
        ValueError,
        r"gave a gradient of shape \(8, 1\), the outputs have \(8, 3\)",
    ),
    "flat": (lambda x, y: (1.0, x.ravel()), ValueError, r"gave a gradient of shape \(24,\)"),
    "complex": (lambda x, y: (1.0, x + 1j), TypeError, "gave a gradient of dtype complex128, real numbers"),
    "text": (lambda x, y: ("low", x), TypeError, "gave the loss 'low', a number is needed"),
    "a loss per sample": (
        lambda x, y: (x.mean(axis=1), x),
        TypeError,
        "gave the loss array",
    ),
    "NaN": (lambda x, y: (float("nan"), x), bp.NumericError, r"the loss is nan at step \d"),
    "NaN with a sign": (lambda x, y: (-float("nan"), x), bp.NumericError, r"the loss is nan at step \d"),
    "infinite": (lambda x, y: (float("inf"), x), bp.NumericError, r"the loss is inf at step \d"),
    "an infinite gradient": (
        lambda x, y: (1.0, np.where(np.arange(8)[:, None] == 5, np.inf, x)),
        bp.NumericError,
        "custom loss 'faulty': its gradient has NaN or infinity in row 5",
    ),
}
faults = pytest.mark.parametrize("fault, error, message", FAULTS.values(), ids=FAULTS)


def faulty(fault: Callable[..., Any], at: int) -> bp.CustomLoss:
    calls = iter(range(1, 1000))
    return bp.CustomLoss(lambda x, y: fault(x, y) if next(calls) == at else squares(x, y), name="faulty")


@faults
@BACKENDS
def test_a_step_that_fails_changes_nothing(backend: str, fault, error: type[BaseException], message: str):
    trainer = bp.Trainer(graph(backend), faulty(fault, 3), bp.SGD(0.1, momentum=0.9))
    other = bp.Trainer(graph(backend), squares, bp.SGD(0.1, momentum=0.9))
    for _ in range(2):
        trainer.step(X[:8], Y[:8])
        other.step(X[:8], Y[:8])
    with pytest.raises(error, match=message):
        trainer.step(X[:8], Y[:8])
    assert bits(trainer) == bits(other)
    for each in (trainer, other):
        each.step(X[:8], Y[:8])
    assert bits(trainer) == bits(other)


@faults
@BACKENDS
def test_a_fit_that_fails_goes_back_to_the_last_epoch(
    backend: str, fault, error: type[BaseException], message: str
):
    loss = faulty(fault, 8)
    trainer = bp.Trainer(graph(backend), loss, bp.SGD(0.1, momentum=0.9))
    trainer.fit(X, Y, batch_size=8, verbose=0)
    before = bits(trainer)
    with pytest.raises(error, match=message):
        trainer.fit(X, Y, batch_size=8, verbose=0)
    assert bits(trainer) == before and trainer.epochs == 1 and trainer.history["epoch"] == [1]


def test_the_very_exception_comes_out():
    mine = Own("mine")

    def loss(outputs, targets):
        raise mine

    for use in (
        lambda: bp.Trainer(chain(), loss, "sgd").step(X, Y),
        lambda: chain().fit(X, Y, loss=loss, verbose=0),
        lambda: chain().evaluate(X, Y, loss),
        lambda: bp.check_gradients(chain(), X, Y, loss),
        lambda: chain().trace(X[0], Y[0], loss),
    ):
        with pytest.raises(Own) as raised:
            use()
        assert raised.value is mine


def test_it_may_not_use_the_network():
    net = chain()

    def loss(outputs, targets):
        net.predict(X)
        return squares(outputs, targets)

    with pytest.raises(RuntimeError, match="from within one of its own steps, by a reducer, a custom loss"):
        bp.Trainer(net, loss, "sgd").step(X, Y)
    assert np.isfinite(net.predict(X)).all()


@pytest.mark.parametrize("network", [chain, graph])
def test_a_resumed_run_goes_on_with_the_same_bits(network: Callable[[], bp.Network], tmp_path: Path):
    trainers = [bp.Trainer(network(), squares, bp.Adam(0.01)) for _ in range(2)]
    for trainer in trainers:
        trainer.fit(X, Y, epochs=2, batch_size=8, verbose=0)
    trainers[0].save(tmp_path / "run")
    assert json.loads(trainers[0]._core.loss) == {"name": "custom", "function": "squares"}
    resumed = bp.Trainer.load(tmp_path / "run", loss=squares)
    assert resumed.loss == bp.CustomLoss(squares) == trainers[0].loss
    for trainer in (resumed, trainers[1]):
        trainer.fit(X, Y, epochs=2, batch_size=8, verbose=0)
    assert bits(resumed) == bits(trainers[1])
    assert bp.load(tmp_path / "run").predict(X).tobytes() == trainers[0].network.predict(X).tobytes()


def test_a_run_is_not_resumed_with_another_loss(tmp_path: Path):
    bp.Trainer(chain(), squares, "sgd").save(tmp_path / "run")
    bp.Trainer(chain(), "mse", "sgd").save(tmp_path / "own")
    trained = "load: the run was trained with the custom loss 'squares', whose function no file holds; "
    wrong: list[tuple[str, Any, str]] = [
        ("run", None, trained + "pass it as loss"),
        ("run", entropy, trained + "'entropy' was passed"),
        ("run", "mse", "load: loss is MSE(), which the run's file holds; it is for a custom loss alone"),
        (
            "own",
            squares,
            "load: the run was trained with mse, the custom loss 'squares' was passed; leave it out",
        ),
    ]
    for name, loss, message in wrong:
        with pytest.raises(ValueError, match="^" + re.escape(message)):
            bp.Trainer.load(tmp_path / name, loss=loss)
    renamed = bp.Trainer.load(tmp_path / "run", loss=bp.CustomLoss(entropy, name="squares"))
    assert renamed.loss == bp.CustomLoss(entropy, name="squares")


def test_fit_goes_on_with_the_same_function(capsys: pytest.CaptureFixture[str]):
    net = chain()
    for _ in range(2):
        net.fit(X, Y, loss=squares, verbose=2)
    assert net.trainer is not None and net.trainer.epochs == 2
    net.fit(X, Y, loss=lambda_named("other"), verbose=2)
    assert net.trainer.epochs == 1
    assert (
        "the loss is CustomLoss(<lambda>, name='other'), it was CustomLoss(squares)"
        in capsys.readouterr().out
    )


def lambda_named(name: str) -> bp.CustomLoss:
    return bp.CustomLoss(lambda x, y: squares(x, y), name=name)


def test_a_function_defined_anew_is_another_loss(capsys: pytest.CaptureFixture[str]):
    """As by running a notebook's cell again; what it computes is not known."""

    def made() -> Any:
        def distance(outputs: np.ndarray, targets: np.ndarray) -> tuple[float, np.ndarray]:
            return float(((outputs - targets) ** 2).mean()), 2 * (outputs - targets) / outputs.size

        return distance

    net = bp.Network(2, [bp.Linear(1)])
    for _ in range(2):
        net.fit(np.ones((4, 2)), np.ones(4), loss=made(), verbose=2)
    assert "the loss is CustomLoss(distance), it was another of this name" in capsys.readouterr().out


def test_a_function_that_knows_its_trainer_keeps_nothing_alive():
    """The core, of which the collector sees nothing, does not hold the trainer."""

    class Kept:
        trainer: bp.Trainer | None = None

        def loss(self, outputs, targets):
            assert self.trainer is not None and self.trainer.loss is not None
            return squares(outputs, targets)

    kept = Kept()
    kept.trainer = bp.Trainer(chain(), kept.loss, "sgd")
    kept.trainer.step(X, Y)
    alive = weakref.ref(kept.trainer.network)
    del kept
    gc.collect()
    assert alive() is None


def test_values_and_their_repr():
    loss = bp.CustomLoss(squares)
    assert loss == bp.CustomLoss(squares) and hash(loss) == hash(bp.CustomLoss(squares))
    assert loss != bp.CustomLoss(squares, name="other") and loss != bp.CustomLoss(entropy, name="squares")
    assert repr(loss) == "CustomLoss(squares)"
    assert repr(bp.CustomLoss(squares, name="other")) == "CustomLoss(squares, name='other')"
    assert loss.name == "squares"


@pytest.mark.parametrize(
    "make, error, message",
    [
        (
            lambda: bp.CustomLoss(lambda x, y: (0, x)),
            ValueError,
            "^custom loss: .* has no name; give CustomLoss",
        ),
        (lambda: bp.CustomLoss(functools.partial(squares)), ValueError, "has no name; give CustomLoss"),
        (lambda: bp.CustomLoss("mse"), TypeError, "'mse' is no function"),
        (lambda: bp.CustomLoss(bp.MSE), TypeError, "is no function"),
        (lambda: bp.CustomLoss(squares, name="mse"), ValueError, "custom loss: 'mse' is a loss of bpnet's"),
        (lambda: bp.CustomLoss(squares, name=""), ValueError, "custom loss: its name is empty"),
        (lambda: bp.CustomLoss(squares, name=3), TypeError, "name is 3, a string is needed"),
        (lambda: chain().fit(X, Y, loss=bp.MSE, verbose=0), TypeError, "loss is the class MSE"),
        (
            lambda: chain().fit(X, LABELS, loss=entropy, class_weight="balanced", verbose=0),
            ValueError,
            "class_weight needs the loss cross_entropy, it is entropy",
        ),
        (
            lambda: bp.Trainer(chain(), entropy, "sgd").step(X, LABELS + 1),
            ValueError,
            "the network has classes 0 to 2",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(make: Callable[[], Any], error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        make()


def test_trace():
    traces = [chain().trace(X[0], Y[0], loss) for loss in (squares, "mse")]
    assert traces[0].e == pytest.approx(traces[1].e, rel=1e-14)
    for a, b in zip(traces[0].grad[1:], traces[1].grad[1:]):
        assert np.allclose(a, b, rtol=1e-13, atol=1e-15)


@BACKENDS
def test_frozen_layers_and_clipping(backend: str):
    layers = [bp.Linear(7, trainable=False), bp.Tanh(), bp.Linear(3)]
    nets = [bp.Network(5, layers, seed=1, dtype="float64", backend=backend) for _ in range(2)]
    for net, loss in zip(nets, (squares, "mse")):
        net.fit(X, Y, loss=loss, optimizer=bp.SGD(0.1, clip_value=0.01), epochs=2, batch_size=8, verbose=0)
    for name, w in nets[0].state_dict().items():
        assert abs(w - nets[1].state_dict()[name]).max() <= 1e-13 * abs(w).max(), name
