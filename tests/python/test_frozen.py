"""Frozen layers: their parameters keep their bits, the others learn as if the frozen ones were a given function."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bpnet as bp
from bpnet import _core
from bpnet._bridge import finite_dataset
from ctrl_c import opportunities

BACKENDS = pytest.mark.parametrize("backend", bp.backends())
NUMBERS = np.random.default_rng(0)
X, Y = NUMBERS.normal(size=(12, 2, 6, 6)), NUMBERS.normal(size=(12, 3))
FLAT_X = NUMBERS.normal(size=(20, 7))
FLAT_Y = NUMBERS.normal(size=(20, 3))

# Which layers are frozen: by index, or all the first four in a container.
FROZEN = [(), (0,), (0, 1), (1,), (3,), (3, 5), (7,), (0, 1, 3, 5), "container"]
frozen_layers = pytest.mark.parametrize("frozen", FROZEN, ids=str)


def image_layers(frozen: Any) -> list[bp.layers.Layer]:
    def kept(index: int) -> dict[str, bool]:
        return {"trainable": frozen == "container" or index not in frozen}

    layers = [
        bp.Conv2d(4, 3, **kept(0)),
        bp.BatchNorm2d(**kept(1)),
        bp.ReLU(),
        bp.Residual([bp.Conv2d(4, 3, padding=1), bp.BatchNorm2d()], **kept(3)),
        bp.Flatten(),
        bp.Linear(5, **kept(5)),
        bp.Tanh(),
        bp.Linear(3, **kept(7)),
    ]
    return [bp.Sequential(layers[:4], trainable=False), *layers[4:]] if frozen == "container" else layers


def images(frozen: Any, backend: str | None = None) -> bp.Network:
    """With statistics that are not those of the data, and biases that are not 0."""
    net = bp.Network((2, 6, 6), image_layers(frozen), seed=3, dtype="float64", backend=backend)
    numbers = np.random.default_rng(5)
    state = {name: w + 0.1 * numbers.normal(size=w.shape) for name, w in net.state_dict().items() if w.ndim}
    net.load_state_dict(
        net.state_dict() | {name: abs(w) if "var" in name else w for name, w in state.items()}
    )
    return net


def is_frozen(name: str, frozen: Any) -> bool:
    first, *_ = name.split(".")
    return first == "0" if frozen == "container" else int(first) in frozen


def chain(frozen: tuple[int, ...], backend: str | None = None, dtype: str = "float64") -> bp.Network:
    layers = [bp.Linear(9, trainable=0 not in frozen), bp.Tanh(), bp.Linear(5, trainable=2 not in frozen)]
    layers += [bp.Tanh(), bp.Linear(3, trainable=4 not in frozen)]
    return bp.Network(7, layers, seed=2, dtype=dtype, backend=backend)


def copies(net: bp.Network) -> dict[str, np.ndarray]:
    return {name: w.copy() for name, w in net.state_dict().items()}


@frozen_layers
@pytest.mark.parametrize(
    "optimizer",
    [bp.SGD(0.05, momentum=0.9, weight_decay=0.1), bp.AdamW(0.01, weight_decay=0.1), bp.RMSprop(0.01)],
    ids=repr,
)
def test_frozen_parameters_keep_their_bits(frozen: Any, optimizer: bp.optimizers.Optimizer):
    net = images(frozen)
    before = copies(net)
    net.fit(X, Y, loss="mse", optimizer=optimizer, epochs=3, batch_size=4, verbose=0)
    for name, w in net.state_dict().items():
        assert (w.tobytes() == before[name].tobytes()) == is_frozen(name, frozen), name
    assert list(net.gradients()) == [
        name for name in before if not is_frozen(name, frozen) and name.endswith(("weight", "bias"))
    ]


@frozen_layers
def test_gradients_of_the_others(frozen: Any):
    net = images(frozen)
    errors = bp.check_gradients(net, X, Y, "mse")
    assert list(errors) == list(net.gradients())
    # The bias before a BatchNorm that learns has gradient 0: it is divided by a thousandth of the largest.
    assert max(errors.values()) <= 1e-6


@frozen_layers
@BACKENDS
@pytest.mark.parity
def test_five_steps_are_pytorchs(backend: str, frozen: Any):
    torch = pytest.importorskip("torch", reason="PyTorch comes with the parity extra")
    nn = torch.nn

    class Residual(nn.Sequential):
        def forward(self, x):
            return super().forward(x) + x

    net = images(frozen, backend)
    first = [nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU()]
    first.append(Residual(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4)))
    rest = [nn.Flatten(), nn.Linear(64, 5), nn.Tanh(), nn.Linear(5, 3)]
    model = nn.Sequential(*([nn.Sequential(*first)] if frozen == "container" else first), *rest).double()
    model.load_state_dict({name: torch.tensor(w) for name, w in net.state_dict().items()})
    for index in (0,) if frozen == "container" else frozen:
        model[index].eval().requires_grad_(False)
    trained = [p for p in model.parameters() if p.requires_grad]
    theirs = torch.optim.SGD(trained, lr=0.05, momentum=0.9, weight_decay=0.1)
    trainer = bp.Trainer(net, "mse", bp.SGD(0.05, momentum=0.9, weight_decay=0.1))
    for _ in range(5):
        loss = nn.functional.mse_loss(model(torch.tensor(X)), torch.tensor(Y))
        assert trainer.step(X, Y) == pytest.approx(loss.item(), rel=1e-12)
        theirs.zero_grad()
        loss.backward()
        theirs.step()
    for name, w in model.state_dict().items():
        assert abs(net.state_dict()[name] - w.numpy()).max() <= 1e-12 * abs(w.numpy()).max(), name


@pytest.mark.parametrize("frozen", [(0,), (2,), (4,), (0, 2), (0, 4)], ids=str)
@pytest.mark.parametrize("batch_size", [1, 4, 20])
@BACKENDS
def test_a_chain_goes_layer_by_layer(backend: str, batch_size: int, frozen: tuple[int, ...]):
    """The kernels of a whole chain make all gradients: the trained layers' are the same, but for roundings."""
    nets = [chain(which, backend) for which in (frozen, ())]
    before = copies(nets[0])
    trainers = [bp.Trainer(net, "mse", bp.SGD(0.1)) for net in nets]
    for begin in range(0, 20, batch_size):
        batch = slice(begin, begin + batch_size)
        nets[1].load_state_dict(nets[0].state_dict())
        for trainer in trainers:
            trainer.step(FLAT_X[batch], FLAT_Y[batch])
        for name, g in nets[0].gradients().items():
            assert abs(g - nets[1].gradients()[name]).max() <= 1e-12 * abs(g).max(), name
    fitted = chain(frozen, backend)
    fitted.fit(
        FLAT_X, FLAT_Y, loss="mse", optimizer=bp.SGD(0.1), batch_size=batch_size, shuffle=False, verbose=0
    )
    for name, w in nets[0].state_dict().items():
        assert w.tobytes() == fitted.state_dict()[name].tobytes()
        assert (w.tobytes() == before[name].tobytes()) == is_frozen(name, frozen)


def test_the_lectures_loop_leaves_frozen_layers():
    net = chain((0,))
    before = copies(net)
    trainer = bp.Trainer(net, "mse", bp.SGD(0.1, weight_decay=0.1))
    data = finite_dataset("test", net._core, FLAT_X, FLAT_Y, trainer.loss)
    trainer._core.run_draws(data, 30, 1e30)
    assert trainer.steps == 30
    for name, w in net.state_dict().items():
        assert (w.tobytes() == before[name].tobytes()) == name.startswith("0."), name


@BACKENDS
def test_a_frozen_batch_norm_takes_its_running_statistics(backend: str):
    """Its outputs in training are those in evaluation, of a batch of one sample too."""
    net = images((1, 3), backend)
    before = copies(net)
    for rows in (12, 1):
        assert np.array_equal(net.forward(X[:rows], training=True), net.forward(X[:rows]))
    for name, w in net.state_dict().items():
        assert w.tobytes() == before[name].tobytes(), name
    net.fit(X[:3], Y[:3], loss="mse", batch_size=1, verbose=0)


def test_a_frozen_batch_norm_mixes_no_samples():
    layers = [bp.Linear(5), bp.BatchNorm1d(trainable=False), bp.Linear(3)]
    calls = []
    net = bp.Network(7, layers)
    bp.Trainer(net, "mse", "sgd", reducer=lambda name, values: calls.append(name)).step(FLAT_X, FLAT_Y)
    assert calls == ["weight_sum", "loss", "2", "0"]


@pytest.mark.parametrize("affine", [True, False])
@BACKENDS
def test_the_gradient_by_x_goes_through(backend: str, affine: bool):
    layers = [bp.Linear(6), bp.BatchNorm1d(affine=affine), bp.Tanh(), bp.Linear(3)]
    nets = [
        bp.Network(
            7, [bp.Sequential(layers, trainable=trained), bp.Linear(2)], dtype="float64", backend=backend
        )
        for trained in (False, True)
    ]
    numbers = np.random.default_rng(1)
    state = {name: abs(numbers.normal(size=w.shape)) + 0.5 for name, w in nets[0].state_dict().items()}
    for net in nets:
        net.load_state_dict(state)
    grad_out = numbers.normal(size=(4, 2))
    nets[0].forward(FLAT_X[:4], training=True)
    found = nets[0].backward(grad_out)
    step = 1e-6
    for r, c in [(0, 0), (1, 3), (3, 6)]:
        x = FLAT_X[:4].copy()
        ends = []
        for sign in (1, -1):
            x[r, c] = FLAT_X[r, c] + sign * step
            ends.append((nets[1].forward(x) * grad_out).sum())
        assert found[r, c] == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-6)


@pytest.mark.skipif(not hasattr(_core, "count_opportunities"), reason="the core counts no opportunities")
def test_backward_ends_at_the_first_layer_that_learns():
    """An opportunity to interrupt comes with each layer that is gone back through."""

    def count(frozen: tuple[int, ...]) -> int:
        trainer = bp.Trainer(chain(frozen), "mse", "sgd")
        trainer.step(FLAT_X[:4], FLAT_Y[:4])
        return opportunities(lambda: trainer.step(FLAT_X[:4], FLAT_Y[:4]))

    assert count(()) == count((2,)) == count((4,))
    assert count((0, 2)) < count((0,)) < count(())


def test_the_architecture_in_the_file_says_so(tmp_path: Path):
    net = images("container")
    assert net.description["layers"][0]["trainable"] is False
    assert all("trainable" not in layer for layer in net.description["layers"][0]["layers"])
    trainer = bp.Trainer(net, "mse", bp.Adam(0.01))
    trainer.fit(X, Y, epochs=2, batch_size=4, verbose=0)
    trainer.save(tmp_path / "run")
    resumed = bp.Trainer.load(tmp_path / "run")
    assert resumed.network.description == net.description
    for each in (trainer, resumed):
        each.fit(X, Y, epochs=2, batch_size=4, verbose=0)
    for name, w in net.state_dict().items():
        assert w.tobytes() == resumed.network.state_dict()[name].tobytes()
    assert "trainable" not in json.dumps(images(()).description), (
        "as in files before there was such an option"
    )


def test_trained_weights_can_be_taken_over():
    """A network made again with its first layers frozen has the same names."""
    net = chain(())
    again = chain((0, 2))
    again.load_state_dict(net.state_dict())
    assert np.array_equal(again.predict(FLAT_X), net.predict(FLAT_X))


def test_layers_of_a_network_frozen():
    net = images(())
    layers = [layer.frozen() for layer in net.layers]
    assert layers[2:3] == [bp.ReLU()] and layers[0] == bp.Conv2d(4, 3, trainable=False)
    assert bp.Linear(3).named("fc").frozen() == bp.Linear(3, trainable=False).named("fc")
    again = bp.Network((2, 6, 6), [*layers[:-1], net.layers[-1]], dtype="float64")
    again.load_state_dict(net.state_dict())
    assert list(again.gradients()) == ["7.weight", "7.bias"]
    assert again.layers == [*layers[:-1], net.layers[-1]]


def test_summary_and_counts(capsys: pytest.CaptureFixture[str]):
    net = chain((0, 4))
    net.summary()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines if "frozen" in line] == [
        ["0", "Linear", "(frozen)"],
        ["4", "Linear", "(frozen)"],
    ]
    assert [line.split() for line in lines[-2:]] == [["total", "140"], ["trained", "50"]]
    assert net.parameter_count == 140
    chain(()).summary()
    assert "trained" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "use, message",
    [
        (lambda: bp.Trainer(chain((0, 2, 4)), "mse", "sgd"), "trainer: all layers of the network are frozen"),
        (
            lambda: chain((0, 2, 4)).fit(FLAT_X, FLAT_Y, loss="mse"),
            "trainer: all layers of the network are frozen",
        ),
        (lambda: bp.Linear(3, trainable=1), "linear: trainable is 1"),
        (lambda: bp.Tanh(trainable=False), "tanh: there is no option 'trainable'"),
    ],
)
def test_what_makes_no_sense_is_refused(use: Callable[[], Any], message: str):
    with pytest.raises((ValueError, TypeError), match=message):
        use()


def test_a_file_that_freezes_nothing_is_refused():
    description = {"input_shape": [7], "seed": "0", "layers": [{"type": "Tanh", "trainable": False}]}
    with pytest.raises(ValueError, match=r"network: '0' \(Tanh\) has no parameters; leave trainable out"):
        _core.NetworkF32(json.dumps(description), "")
    description["layers"] = [{"type": "Linear", "out_features": 3, "trainable": "no"}]
    with pytest.raises(ValueError, match="a boolean"):
        _core.NetworkF32(json.dumps(description), "")
