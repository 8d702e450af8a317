"""The examples of the documentation, line by line, and what they promise."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bpnet as bp
from test_bad_input import bits

RNG = np.random.default_rng(0)
CENTRES = RNG.normal(size=(10, 784))
Y = np.arange(300) % 10
X = (CENTRES[Y] + RNG.normal(size=(300, 784))).astype(np.float32) / 2
YV = np.arange(60) % 10
XV = (CENTRES[YV] + RNG.normal(size=(60, 784))).astype(np.float32) / 2


def digits_net(seed: int = 0) -> bp.Network:
    return bp.Network(input_shape=(784,), layers=[bp.Linear(128), bp.Tanh(), bp.Linear(10)], seed=seed)


def small(seed: int = 0, **options: Any) -> bp.Network:
    """The lecture's kind, for SMALL_X and SMALL_Y."""
    layers = [bp.Linear(4), bp.Tanh(), bp.Linear(2), bp.Tanh()]
    return bp.Network(input_shape=3, layers=layers, seed=seed, dtype="float64", **options)


SMALL_X = RNG.normal(size=(30, 3))
SMALL_Y = np.tanh(SMALL_X[:, :2])


# A classifier, as in the first example.


def test_fit_as_documented():
    net = digits_net()
    history = net.fit(
        X,
        Y,
        loss="cross_entropy",
        optimizer=bp.SGD(lr=0.1, momentum=0.9),
        epochs=5,
        batch_size=64,
        validation_data=(XV, YV),
        verbose=0,
    )
    assert isinstance(history, bp.History) and isinstance(history, dict)
    assert set(history) == {"epoch", "loss", "accuracy", "val_loss", "val_accuracy", "lr", "seconds"}
    assert history["epoch"] == [1, 2, 3, 4, 5]
    assert all(len(values) == 5 and all(np.isfinite(values)) for values in history.values())
    assert history["lr"] == [0.1] * 5 and min(history["seconds"]) >= 0
    assert history["loss"][-1] < history["loss"][0] and history["val_accuracy"][-1] > 0.9
    found = net.evaluate(XV, YV, loss="cross_entropy")
    assert set(found) == {"loss", "accuracy"}
    assert found["accuracy"] == history["val_accuracy"][-1] == (net.predict(XV).argmax(axis=1) == YV).mean()
    assert found["loss"] == history["val_loss"][-1]
    out = net.predict(X)
    assert out.shape == (300, 10) and out.dtype == np.float32 and out.flags.writeable


def test_history_without_classes_or_validation():
    history = small().fit(SMALL_X, SMALL_Y, loss="half_squared_error", epochs=2, batch_size=1, verbose=0)
    assert set(history) == {"epoch", "loss", "lr", "seconds"}
    history = small().fit(SMALL_X, SMALL_Y, loss="mse", validation_data=(SMALL_X, SMALL_Y), verbose=0)
    assert set(history) == {"epoch", "loss", "val_loss", "lr", "seconds"}
    assert small().fit(SMALL_X, SMALL_Y, loss="mse", epochs=0, verbose=0) == {}


def test_the_online_kernel_is_the_lectures_update():
    """One pass in order, by hand in NumPy."""
    net = small()
    w1, b1, w2, b2 = (array.copy() for array in net.state_dict().values())
    net.fit(
        SMALL_X,
        SMALL_Y,
        loss="half_squared_error",
        optimizer=bp.SGD(lr=0.05),
        batch_size=1,
        shuffle=False,
        verbose=0,
    )
    for x, y in zip(SMALL_X, SMALL_Y):
        h = np.tanh(w1 @ x + b1)
        out = np.tanh(w2 @ h + b2)
        d2 = (1 - out**2) * (out - y)
        d1 = (1 - h**2) * (w2.T @ d2)
        w2, b2 = w2 - 0.05 * np.outer(d2, h), b2 - 0.05 * d2
        w1, b1 = w1 - 0.05 * np.outer(d1, x), b1 - 0.05 * d1
    for found, wanted in zip(net.state_dict().values(), (w1, b1, w2, b2)):
        assert abs(found - wanted).max() < 1e-12


ADAMS: dict[str, tuple[Any, Any]] = {
    "objects": (bp.Adam(1e-2), bp.Adam(1e-2)),
    "numbers of NumPy": (bp.Adam(1e-2), bp.Adam(np.float64(1e-2), betas=[0.9, 0.999])),
    "a name and an object": ("adam", bp.Adam()),
    "names": ("adam", "adam"),
    "schedules": (bp.Adam(schedule=bp.StepLR(1)), bp.Adam(schedule=bp.StepLR(1, 0.1))),
}


@pytest.mark.parametrize("pair", ADAMS)
def test_the_same_loss_and_optimizer_go_on(pair: str):
    """By value: order, masks, averages, schedule and epoch count go on as if fit had not returned."""
    first, second = ADAMS[pair]
    layers = [bp.Linear(8), bp.Tanh(), bp.Dropout(0.3), bp.Linear(2)]
    straight, twice = (bp.Network(3, layers, seed=1) for _ in range(2))
    options: dict[str, Any] = {"batch_size": 7, "verbose": 0}
    whole = straight.fit(SMALL_X, SMALL_Y, loss="mse", optimizer=first, epochs=4, **options)
    one = twice.fit(SMALL_X, SMALL_Y, loss="mse", optimizer=first, epochs=1, **options)
    two = twice.fit(SMALL_X, SMALL_Y, loss=bp.MSE(), optimizer=second, epochs=3, **options)
    assert bits(twice) == bits(straight)
    assert (one["epoch"], two["epoch"]) == ([1], [2, 3, 4])
    assert one["loss"] + two["loss"] == whole["loss"]
    assert twice.trainer is not None and twice.trainer.history["loss"] == whole["loss"]


NEW_RUNS: dict[str, tuple[dict[str, Any], str]] = {
    "another optimizer": (
        {"optimizer": bp.SGD(0.1)},
        r"the optimizer is SGD\(lr=0\.1.*, it was Adam\(",
    ),
    "another rate": ({"optimizer": bp.Adam(0.5)}, r"the optimizer is Adam\(lr=0\.5.*, it was Adam\("),
    "another schedule": (
        {"optimizer": bp.Adam(1e-2, schedule=bp.ExponentialLR(0.9))},
        r"the optimizer is Adam\(.*, it was Adam\(",
    ),
    "another loss": ({"loss": "mae"}, r"the loss is MAE\(\), it was MSE\(\)"),
    "another seed": ({"seed": 5}, "the seed is 5, it was 0"),
    "two things": ({"loss": "mae", "seed": 5}, r"the loss is MAE\(\), it was MSE\(\) and the seed is 5"),
}


@pytest.mark.parametrize("what", NEW_RUNS)
def test_another_loss_optimizer_or_seed_begins_a_new_run_and_says_so(
    what: str, capsys: pytest.CaptureFixture[str]
):
    changed, said = NEW_RUNS[what]
    net = small()
    options: dict[str, Any] = {"loss": "mse", "optimizer": bp.Adam(1e-2)}
    net.fit(SMALL_X, SMALL_Y, **options, epochs=2, verbose=0)
    other = copy.deepcopy(net)
    history = net.fit(SMALL_X, SMALL_Y, **options | changed, epochs=2, verbose=2)
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(f"fit: a new run on the weights as they are: {said}.*", lines[0]), lines[0]
    assert len(lines) == 3 and history["epoch"] == [1, 2]
    other.fit(SMALL_X, SMALL_Y, **options | changed, epochs=2, verbose=2)
    assert bits(net) == bits(other), "as a network without a run"
    assert len(capsys.readouterr().out.splitlines()) == 2, "there is nothing to say of a first run"


def test_restart_begins_a_new_run_of_the_same():
    net = small()
    options: dict[str, Any] = {"loss": "mse", "optimizer": "adam", "verbose": 0}
    net.fit(SMALL_X, SMALL_Y, **options)
    before, other = net.trainer, copy.deepcopy(net)
    assert net.fit(SMALL_X, SMALL_Y, **options, restart=True)["epoch"] == [1]
    assert net.trainer is not before
    other.fit(SMALL_X, SMALL_Y, **options)
    assert bits(net) == bits(other)


def test_a_fit_that_is_refused_leaves_the_run_alone():
    net = small()
    net.fit(SMALL_X, SMALL_Y, loss="mse", verbose=0)
    before = net.trainer
    with pytest.raises(ValueError, match="batch_size is 0"):
        net.fit(SMALL_X, SMALL_Y, loss="mae", batch_size=0, verbose=0)
    assert net.trainer is before


def test_an_optimizer_object_may_serve_many_networks():
    shared = bp.SGD(lr=0.1, momentum=0.9)
    nets = [small(seed) for seed in (1, 2)]
    alone = [small(seed) for seed in (1, 2)]
    for _ in range(2):
        for net in nets:
            net.fit(SMALL_X, SMALL_Y, loss="mse", optimizer=shared, verbose=0)
    for net in alone:
        net.fit(SMALL_X, SMALL_Y, loss="mse", optimizer=bp.SGD(lr=0.1, momentum=0.9), epochs=2, verbose=0)
    assert [bits(net) for net in nets] == [bits(net) for net in alone]


def test_batches_of_ones_own_are_the_same_training():
    order = [(SMALL_X[i : i + 10], SMALL_Y[i : i + 10]) for i in range(0, 30, 10)]
    net, other = small(), small()
    one = net.fit(order, loss="mse", optimizer=bp.Adam(), epochs=3, verbose=0)
    two = other.fit(
        SMALL_X, SMALL_Y, loss="mse", optimizer=bp.Adam(), epochs=3, batch_size=10, shuffle=False, verbose=0
    )
    assert bits(net) == bits(other)
    assert one["loss"] == pytest.approx(two["loss"], rel=1e-12)


def test_seeds():
    def fitted(net_seed: int, fit_seed: int | None) -> bytes:
        net = small(net_seed)
        net.fit(SMALL_X, SMALL_Y, loss="mse", optimizer="sgd", batch_size=7, seed=fit_seed, verbose=0)
        return bits(net)

    assert bits(small(1)) == bits(small(1)) != bits(small(2))
    assert fitted(1, None) == fitted(1, 1) == fitted(1, None)
    assert fitted(1, 5) == fitted(1, 5) != fitted(1, 6)


# Weights and gradients.


def test_state_dict_is_a_view_to_read():
    net = small()
    state = net.state_dict()
    assert list(state) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert [array.shape for array in state.values()] == [(4, 3), (4,), (2, 4), (2,)]
    for array in (*state.values(), *net.gradients().values()):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
        with pytest.raises(ValueError, match="cannot set WRITEABLE"):
            array.flags.writeable = True
    before = state["0.weight"].copy()
    net.fit(SMALL_X, SMALL_Y, loss="mse", verbose=0)
    assert not np.array_equal(state["0.weight"], before), "it follows the weights"
    view = state["2.bias"]
    del net, state
    assert np.isfinite(view).all(), "it keeps what it looks at alive"
    net = small()
    net.load_state_dict({name: np.full(array.shape, 0.5) for name, array in net.state_dict().items()})
    assert all((array == 0.5).all() for array in net.state_dict().values())


def test_a_loop_of_ones_own_is_the_trainers_step():
    net, other = small(), small()
    trainer = bp.Trainer(other, loss="half_squared_error", optimizer=bp.SGD(lr=0.1))
    for _ in range(5):
        out = net.forward(SMALL_X, training=True)
        loss = 0.5 * ((out - SMALL_Y) ** 2).sum() / len(out)
        grad_x = net.backward((out - SMALL_Y) / len(out))
        assert grad_x.shape == SMALL_X.shape
        gradients = net.gradients()
        assert list(gradients) == list(net.state_dict())
        net.load_state_dict({name: w - 0.1 * gradients[name] for name, w in net.state_dict().items()})
        assert trainer.step(SMALL_X, SMALL_Y) == pytest.approx(loss, rel=1e-12), "the loss before the update"
    for name, array in net.state_dict().items():
        assert abs(array - other.state_dict()[name]).max() < 1e-14
    assert trainer.steps == 5


def test_gradients_accumulate_on_request():
    net = small()
    out = net.forward(SMALL_X, training=True)
    net.backward(out)
    once = {name: array.copy() for name, array in net.gradients().items()}
    net.backward(out, accumulate=True)
    for name, array in net.gradients().items():
        assert np.allclose(array, 2 * once[name], rtol=1e-14)
    net.backward(out)
    assert all(np.array_equal(array, once[name]) for name, array in net.gradients().items())


def test_steps_and_fits_mix():
    net, other = small(), small()
    one, two = (bp.Trainer(each, "mse", bp.Adam(1e-3)) for each in (net, other))
    for i in range(0, 30, 10):
        one.step(SMALL_X[i : i + 10], SMALL_Y[i : i + 10])
    two.fit(SMALL_X, SMALL_Y, batch_size=10, shuffle=False, verbose=0)
    assert bits(net) == bits(other)
    assert (one.steps, two.steps, one.epochs, two.epochs) == (3, 3, 0, 1)


def test_summary(capsys: pytest.CaptureFixture[str]):
    digits_net().summary()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["layer", "output", "shape", "parameters"]
    assert [line.split()[0] for line in lines[2:-2]] == ["input", "0", "1", "2"]
    assert "(784,)" in lines[2] and "100,480" in lines[3] and "1,290" in lines[5]
    assert lines[-1].split() == ["total", "101,770"] and len({len(line) for line in lines}) == 1
    assert digits_net().parameter_count == 101_770
    assert repr(small()) == "Network(input_shape=(3,), layers=[Linear, Tanh, Linear, Tanh], dtype='float64')"


# The lecture.


@pytest.mark.parametrize("backend", bp.backends())
def test_trace_is_the_lectures_derivation(backend: str):
    net = small(seed=4, backend=backend)
    x, y = SMALL_X[0], SMALL_Y[0]
    before = bits(net)
    t = net.trace(x, y)
    assert bits(net) == before
    assert t.s[0] is None and t.delta[0] is None and t.grad[0] is None
    assert [len(each) for each in (t.s, t.x, t.delta, t.grad)] == [3] * 4
    w = [None] + [
        np.vstack([net.state_dict()[f"{i}.bias"], net.state_dict()[f"{i}.weight"].T]) for i in (0, 2)
    ]
    assert np.array_equal(t.x[0], x)
    for layer in (1, 2):
        assert np.allclose(t.s[layer], np.r_[1, t.x[layer - 1]] @ w[layer], rtol=1e-14)
        assert np.allclose(t.x[layer], np.tanh(t.s[layer]), rtol=1e-13)
        assert np.array_equal(t.grad[layer], np.outer(np.r_[1, t.x[layer - 1]], t.delta[layer])), (
            "x_i δ_j, exactly"
        )
    assert np.array_equal(t.delta[2], (1 - t.x[2] ** 2) * (t.x[2] - y)), "(1 − x²)(x − y), exactly"
    assert np.allclose(t.delta[1], (1 - t.x[1] ** 2) * (w[2][1:] @ t.delta[2]), rtol=1e-13)
    assert t.e == pytest.approx(0.5 * ((t.x[2] - y) ** 2).sum(), rel=1e-14)
    assert np.array_equal(net.predict(x[None])[0], t.x[2])
    assert repr(t).startswith("Trace(layers=3-4-2, e=")
    doubled = net.trace(x[None], y, loss="squared_error")
    assert np.allclose(doubled.delta[2], 2 * t.delta[2]) and doubled.e == pytest.approx(2 * t.e)


def test_trace_agrees_with_backward():
    net = small(seed=2)
    out = net.forward(SMALL_X[:1], training=True)
    net.backward(out - SMALL_Y[:1])
    t = net.trace(SMALL_X[0], SMALL_Y[0])
    for layer, name in ((1, "0"), (2, "2")):
        assert np.allclose(t.grad[layer][1:].T, net.gradients()[f"{name}.weight"], rtol=1e-13)
        assert np.allclose(t.grad[layer][0], net.gradients()[f"{name}.bias"], rtol=1e-13)


def test_trace_of_a_classifier():
    net = bp.Network(3, [bp.Linear(4), bp.ReLU(), bp.Linear(5)], dtype="float64")
    t = net.trace(SMALL_X[0], 2, loss="cross_entropy")
    chance = np.exp(t.x[2]) / np.exp(t.x[2]).sum()
    assert np.array_equal(t.s[2], t.x[2]), "no activation: the identity"
    assert np.allclose(t.delta[2], chance - np.eye(5)[2], rtol=1e-12)
    assert t.e == pytest.approx(-np.log(chance[2]), rel=1e-12)


@pytest.mark.parametrize(
    "layers",
    [
        [bp.Linear(3), bp.Dropout(0.5)],
        [bp.Linear(3), bp.Softmax()],
        [bp.Tanh(), bp.Linear(3)],
        [bp.Linear(3), bp.Tanh(), bp.ReLU()],
        [bp.Flatten(), bp.Linear(3)],
    ],
    ids=repr,
)
def test_trace_knows_the_lectures_layers_only(layers: list[Any]):
    with pytest.raises(ValueError, match="^trace: the lecture knows Linear layers"):
        bp.Network(3, layers).trace(SMALL_X[0], [0, 0, 0])


def test_backprop_is_the_lectures_box():
    corners, targets = [[0, 0], [0, 1], [1, 0], [1, 1]], [-1, 1, 1, -1]
    w = bp.backprop(corners, targets, layers=(2, 2, 1), activation="tanh", eta=0.1, steps=20_000, seed=0)
    assert isinstance(w, list) and w[0] is None and [a.shape for a in w[1:]] == [(3, 2), (3, 1)]
    assert all(a.dtype == np.float64 for a in w[1:])
    w = bp.backprop(corners, targets, (2, 4, 1), steps=20_000, seed=1)
    x = np.array(corners, float)
    for layer in w[1:]:
        x = np.tanh(np.c_[np.ones(4), x] @ layer)
    assert np.array_equal(np.sign(x[:, 0]), targets)


def test_check_gradients_as_documented():
    found = bp.check_gradients(small(), SMALL_X, SMALL_Y, "half_squared_error")
    assert list(found) == list(small().state_dict()) and max(found.values()) < 1e-7
    net = digits_net()
    before = bits(net)
    tiny = bp.Network(4, [bp.Linear(3), bp.Dropout(0.3), bp.GELU(), bp.Linear(2)])
    assert (
        max(bp.check_gradients(tiny, RNG.normal(size=(5, 4)), [0, 1, 1, 0, 1], "cross_entropy").values())
        < 1e-6
    )
    assert bits(net) == before


def test_the_rest_of_the_page(tmp_path: Path):
    net = digits_net()
    net.save(tmp_path / "digits.safetensors")
    assert bits(bp.load(tmp_path / "digits.safetensors")) == bits(net)
    trainer = bp.Trainer(net, loss="cross_entropy", optimizer=bp.Adam(1e-3))
    first = trainer.step(X[:64], Y[:64])
    assert first == pytest.approx(
        bp.load(tmp_path / "digits.safetensors").evaluate(X[:64], Y[:64], "cross_entropy")["loss"], rel=1e-5
    )
    trainer.save(str(tmp_path / "run.safetensors"))
    again = bp.Trainer.load(str(tmp_path / "run.safetensors"))
    assert again.step(X[:64], Y[:64]) == trainer.step(X[:64], Y[:64])
    assert bits(again.network) == bits(net)
    bp.set_num_threads(2)
    assert bp.num_threads() == 2
    assert bp.backends()[-1] == "reference" and net.backend in bp.backends()
    assert Path(bp.get_cmake_dir()).parts[-3:] == ("lib", "cmake", "bpnet")


def test_backward_goes_through_forward_only():
    """A training step keeps nothing of its batch: the caller's array may be gone."""
    net = bp.Network(4, [bp.Linear(3)])
    x, y = np.ones((8, 4), np.float32), np.zeros(8, int)
    net.forward(x, training=True)
    bp.Trainer(net, "cross_entropy", "sgd").step(x, y)
    with pytest.raises(ValueError, match="backward"):
        net.backward(np.ones((8, 3)))
    net.fit(x, y, verbose=0)
    with pytest.raises(ValueError, match="backward"):
        net.backward(np.ones((8, 3)))


@pytest.mark.parametrize("name", ["loss", "optimizer", "network"])
def test_what_a_run_is_made_of_does_not_change(name: str):
    """The core has its own, which another object here would not reach."""
    trainer = bp.Trainer(small(), "mse", "sgd")
    with pytest.raises(AttributeError, match=f"^trainer: {name} cannot be changed; make a new Trainer$"):
        setattr(trainer, name, getattr(trainer, name))
    assert trainer.loss == bp.MSE() and trainer.optimizer == bp.SGD()


def test_an_optimizer_does_not_change():
    optimizer = bp.SGD(0.1)
    with pytest.raises(AttributeError, match="lr"):
        optimizer.lr = 5  # type: ignore[attr-defined]
    optimizer.options["lr"] = 5
    assert optimizer.options["lr"] == 0.1


@pytest.mark.parametrize("hidden", [[bp.Flatten()], [bp.Dropout(0.1)], [bp.Dropout(0.1), bp.Flatten()]])
def test_a_softmax_is_found_behind_what_follows_it(hidden: list):
    net = bp.Network(4, [bp.Linear(3), bp.Softmax(), *hidden])
    with pytest.raises(ValueError, match="ends in Softmax"):
        bp.Trainer(net, "cross_entropy", "sgd")
