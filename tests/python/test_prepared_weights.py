"""The weights that inference in bfloat16 keeps as its products read them: the same bits, and never those of other weights."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

import bpnet as bp
from bpnet import _core
from ctrl_c import interrupted
from test_bfloat16 import (
    CONVOLUTIONS,
    FEW,
    LINEAR,
    convnet,
    convolution,
    drawn,
    mlp,
    network,
    photographs,
    points,
)

BACKENDS = bp.backends(precision="bfloat16")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("batch", "inputs", "outputs"), LINEAR)
def test_a_linear_layer(backend: str, batch: int, inputs: int, outputs: int):
    net = network(inputs, [bp.Linear(outputs), bp.Tanh()], backend=backend)
    assert_kept_weights_give_the_same_bits(net, drawn((batch, inputs)))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_a_convolution(backend: str, name: str):
    net, x, _ = convolution(name, backend=backend)
    assert_kept_weights_give_the_same_bits(net, x)


def assert_kept_weights_give_the_same_bits(net: bp.Network, x: np.ndarray) -> None:
    """The first inference and training read the weights, and the second makes what later ones read."""
    outputs = [net.predict(x), net.forward(x, training=True)]
    before = _core.arena_allocations()
    outputs.append(net.predict(x))
    assert _core.arena_allocations() == before + 1
    outputs += [net.predict(x), net.predict(x[:1])]
    assert _core.arena_allocations() == before + 1
    bits = {y.tobytes() for y in outputs[:-1]}
    assert len(bits) == 1 and outputs[-1].tobytes() == outputs[0][:1].tobytes()


@pytest.mark.parametrize("name", FEW)
def test_convolutions_in_float32_keep_nothing(name: str):
    net, x, _ = convolution(name)
    net.predict(x)
    before = _core.arena_allocations()
    net.predict(x)
    assert _core.arena_allocations() == before


def test_a_large_batch_prepares_its_own_weights():
    """It is inferred in pieces, of which the second sees the same weights."""
    net = network((16, 60, 60), [bp.Conv2d(300, 3, padding=1), bp.MaxPool2d(60), bp.Flatten(), bp.Linear(3)])
    x = drawn((17, 16, 60, 60))
    net.predict(x[:16])
    first = net.forward(x, training=True)
    before = _core.arena_allocations()
    assert net.predict(x).tobytes() == first.tobytes()
    assert _core.arena_allocations() == before + 1


def step(net: bp.Network) -> None:
    x, y = points(20)
    bp.Trainer(net, "cross_entropy", bp.SGD(lr=0.1)).step(x, y)


def one_by_one(net: bp.Network) -> None:
    net.fit(*points(20), loss="cross_entropy", optimizer=bp.SGD(lr=0.1), epochs=1, batch_size=1, verbose=0)


def load(net: bp.Network) -> None:
    net.load_state_dict({name: array * np.float32(1.5) for name, array in net.state_dict().items()})


def load_one(net: bp.Network) -> None:
    net._core.set_state("2.weight", net.state_dict()["2.weight"] * np.float32(1.5))


def restore(net: bp.Network) -> None:
    """A fit that stops with a loss that is not finite ends with the weights of the last epoch before."""
    trainer = bp.Trainer(net, "cross_entropy", bp.SGD(lr=0.1))
    x, y = points(20)
    snapshot = trainer._core.snapshot()
    trainer.step(x, y)
    net.predict(x), net.predict(x)
    trainer._core.restore(snapshot)


def write(net: bp.Network) -> None:
    net._core.writable_parameters()["2.weight"][...] *= 1.5


CHANGES: list[Callable[[bp.Network], None]] = [step, one_by_one, load, load_one, restore, write]


@pytest.mark.parametrize("change", CHANGES)
def test_changed_weights_are_used(change: Callable[[bp.Network], None]):
    net, (x, _) = mlp(), points()
    for _ in range(3):
        net.predict(x)
    change(net)
    other = mlp()
    other.load_state_dict(net.state_dict())
    expected = other.predict(x).tobytes()
    assert [net.predict(x).tobytes() for _ in range(3)] == [expected] * 3


def test_a_view_that_writes_ends_it():
    """It may write at any time, so from then on every inference reads the weights."""
    net, (x, _) = mlp(), points()
    for _ in range(3):
        net.predict(x)
    weight = net._core.writable_parameters()["2.weight"]
    for factor in (1, 2, 0.5):
        weight *= np.float32(factor)
        other = mlp()
        other.load_state_dict(net.state_dict())
        expected = other.predict(x).tobytes()
        taken = _core.arena_allocations()
        assert [net.predict(x).tobytes() for _ in range(3)] == [expected] * 3
        assert _core.arena_allocations() == taken


def test_views_that_read_cannot_be_made_to_write():
    view = mlp().state_dict()["2.weight"]
    with pytest.raises(ValueError, match="WRITEABLE"):
        view.setflags(write=True)


@pytest.mark.parametrize("precision", ["full", "bfloat16"])
def test_only_bfloat16_has_them(precision: str):
    net, (x, _) = mlp(precision=precision), points()
    net.predict(x)
    before = _core.arena_allocations()
    net.predict(x)
    assert _core.arena_allocations() - before == (precision == "bfloat16")


def test_training_between_inferences_makes_none():
    net, (x, _) = convnet(), photographs()
    net.predict(x)
    trainer = bp.Trainer(net, "cross_entropy", bp.SGD(lr=0.01))
    trainer.step(*photographs())
    net.predict(x)
    before = _core.arena_allocations()
    for _ in range(3):
        trainer.step(*photographs())
        net.predict(x)
    assert _core.arena_allocations() == before


def test_an_interrupted_preparation_leaves_none():
    def wide() -> bp.Network:
        return network(300, [bp.Linear(400), bp.Tanh(), bp.Linear(300), bp.ReLU(), bp.Linear(3)])

    x = drawn((20, 300))
    expected = wide().predict(x).tobytes()
    for at in itertools.count(1):
        net = wide()
        net.predict(x)
        done = not interrupted(partial(net.predict, x), at)
        assert [net.predict(x).tobytes() for _ in range(3)] == [expected] * 3
        if done:
            break
    assert at > 5
