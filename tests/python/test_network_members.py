"""What a network shows of itself, and what it loads of another's weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bpnet as bp
from test_bad_input import LABELS, X, bits, network


def test_calling_a_network_predicts():
    """In evaluation mode: dropout is off, and NaN is reported."""
    net = bp.Network(4, [bp.Linear(5), bp.BatchNorm1d(), bp.Dropout(0.5), bp.Linear(3)], seed=1)
    assert net(X).tobytes() == net.predict(X).tobytes() == net.forward(X).tobytes()
    assert net(X.tolist()).tobytes() == net(X).tobytes()
    with pytest.raises(bp.NumericError, match="^predict: X has NaN or infinity in row 0"):
        net(X * np.nan)
    with pytest.raises(ValueError, match="there is no forward"):
        net(X)
        net.backward(np.ones((12, 3)))


LAYERS = [
    bp.Conv2d(4, 3, padding=(1, 2), init=bp.HeNormal(), bias=False).named("first"),
    bp.BatchNorm2d(momentum=None),
    bp.Residual([bp.Conv2d(4, 1), bp.Tanh()], [bp.Conv2d(4, 1)]),
    bp.Parallel([[bp.Conv2d(2, 1), bp.ReLU()], bp.MaxPool2d(1), bp.Sequential([])], merge="concat"),
    bp.Flatten(),
    bp.Sequential([bp.Linear(5, bias_init=bp.Constant(0.5)), bp.GELU("tanh")]).named("head"),
    bp.Dropout(0.3),
    bp.Linear(3),
]


def test_layers_are_those_that_were_given(tmp_path: Path):
    """By value, from the file too; another network of them has the same initial weights."""
    net = bp.Network((2, 6, 6), LAYERS, seed=1)
    assert net.layers == LAYERS and repr(net.layers) == repr(LAYERS)
    net.save(tmp_path / "model")
    assert bp.load(tmp_path / "model").layers == LAYERS
    assert bits(bp.Network(net.input_shape, net.layers, seed=1)) == bits(net)
    net.layers.clear()
    assert len(net.layers) == len(LAYERS), "a list of your own"


def test_the_trainer_is_the_last_fits():
    net = network()
    assert net.trainer is None
    net.fit(X, LABELS, epochs=2, verbose=0)
    assert isinstance(net.trainer, bp.Trainer)
    assert net.trainer.network is net and net.trainer.epochs == 2
    other = bp.Trainer(net, "cross_entropy", bp.Adam())
    other.step(X, LABELS)
    assert net.trainer is not other, "a loop of your own is no fit"
    other.fit(X, LABELS, verbose=0)
    assert net.trainer is other


def test_part_of_a_state_is_loaded():
    """As PyTorch does, with the names that were not."""
    net, other = network(), bp.Network(4, [bp.Linear(5), bp.Tanh(), bp.Linear(2)], seed=9)
    state = {"0.weight": other.state_dict()["0.weight"], "9.weight": np.zeros(3), "0.bias": np.ones(5)}
    kept = {name: net.state_dict()[name].copy() for name in ("2.weight", "2.bias")}
    answer = net.load_state_dict(state, strict=False)
    assert answer.missing_keys == ["2.weight", "2.bias"] and answer.unexpected_keys == ["9.weight"]
    assert tuple(answer) == (["2.weight", "2.bias"], ["9.weight"])
    assert np.array_equal(net.state_dict()["0.weight"], state["0.weight"])
    assert (net.state_dict()["0.bias"] == 1).all()
    assert all(np.array_equal(net.state_dict()[name], array) for name, array in kept.items())
    assert network().load_state_dict(net.state_dict()) == ([], [])


PARTS: dict[str, tuple[dict[str, Any], type, str]] = {
    "another shape": (
        {"0.weight": np.zeros((2, 4))},
        ValueError,
        r"'0.weight' has shape \(2, 4\), the network's has",
    ),
    "NaN": ({"0.bias": np.ones(5), "2.bias": [np.nan, 0, 0]}, bp.NumericError, "'2.bias' has NaN"),
}


@pytest.mark.parametrize("what", PARTS)
def test_a_part_that_does_not_fit_changes_nothing(what: str):
    state, kind, said = PARTS[what]
    net = network()
    before = bits(net)
    with pytest.raises(kind, match=f"^load_state_dict: {said}"):
        net.load_state_dict(state, strict=False)
    with pytest.raises(ValueError, match=r"^load_state_dict: missing \['.*unexpected \[\]"):
        net.load_state_dict(state)
    assert bits(net) == before


def test_arguments_of_fit_go_by_name():
    """Keras's fourth is a batch size, ours would be an optimizer."""
    for call in (network().fit, bp.Trainer(network(), "cross_entropy", "sgd").fit):
        with pytest.raises(TypeError):
            call(X, LABELS, 32)  # type: ignore[misc]
