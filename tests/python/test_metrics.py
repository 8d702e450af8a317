"""Metrics by name and as functions, in fit's history and evaluate's answer; the part that is held out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import bpnet as bp
from bpnet import _core
from bpnet.metrics import NAMES, as_metrics
from test_bad_input import bits, check_message

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
LABELS = np.arange(60) % 6
VALUES = X @ RNG.normal(size=(4, 2)) + 0.1 * RNG.normal(size=(60, 2))
EPS = np.finfo(np.float64).eps


def network(outputs: int = 2) -> bp.Network:
    return bp.Network(4, [bp.Linear(5), bp.Tanh(), bp.Linear(outputs)], seed=1, dtype="float64")


def bias(y: np.ndarray, outputs: np.ndarray) -> float:
    """A user's."""
    assert y.shape == outputs.shape
    return float((outputs - y).mean())


@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize("name", ["mae", "mse", "rmse", "r2"])
def test_metrics_of_numbers_are_scikit_learns(name: str, columns: int):
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    theirs = {
        "mae": metrics.mean_absolute_error,
        "mse": metrics.mean_squared_error,
        "rmse": lambda y, x: np.sqrt(metrics.mean_squared_error(y, x)),
        "r2": metrics.r2_score,
    }
    net, y = network(columns), VALUES[:, :columns]
    found = net.evaluate(X, y, "mse", metrics=[name])[name]
    assert found == pytest.approx(theirs[name](y, net.predict(X)), rel=64 * EPS)
    if columns == 1:
        assert net.evaluate(X, y[:, 0], "mse", metrics=[name])[name] == found


def test_r2_of_a_constant():
    """As scikit-learn's: 1 where every prediction is right, else 0."""
    (metric,) = as_metrics("test", ["r2"], bp.MSE(), 1)
    constant = np.full((5, 1), 2.0)
    assert metric[1](constant, constant) == 1
    assert metric[1](constant, constant + 1) == 0
    both = np.hstack([constant, np.arange(5.0)[:, None]])
    assert metric[1](both, both + [1, 0]) == 0.5


@pytest.mark.parametrize("k", range(1, 7))
def test_top_k_accuracy(k: int):
    net = network(6)
    outputs = net.predict(X)
    ranks = np.argsort(-outputs, axis=1)[:, :k]
    wanted = np.mean([label in row for label, row in zip(LABELS, ranks)])
    found = net.evaluate(X, LABELS, "cross_entropy", metrics=[f"top{k}_accuracy"])
    assert found[f"top{k}_accuracy"] == wanted
    assert net.evaluate(X, np.eye(6)[LABELS], "cross_entropy", metrics=[f"top{k}_accuracy"]) == found
    if k == 1:
        assert found["accuracy"] == wanted


def test_metrics_in_the_history():
    """After the epoch, in evaluation mode: what evaluate says of the network then. Training is the same without."""
    layers = [bp.Linear(5), bp.Tanh(), bp.Dropout(0.5), bp.Linear(2)]
    net, straight = (bp.Network(4, layers, seed=1) for _ in range(2))
    options: dict[str, Any] = {
        "loss": "mse",
        "epochs": 3,
        "validation_data": (X[:20], VALUES[:20]),
        "verbose": 0,
    }
    history = net.fit(X[20:], VALUES[20:], metrics=["r2", bias], **options)
    plain = straight.fit(X[20:], VALUES[20:], **options)
    assert bits(net) == bits(straight)
    assert [name for name in history if name not in plain] == ["r2", "bias", "val_r2", "val_bias"]
    assert all(history[name] == plain[name] for name in plain if name != "seconds")
    assert {len(column) for column in history.values()} == {3}
    for prefix, rows in (("", slice(20, 60)), ("val_", slice(20))):
        found = net.evaluate(X[rows], VALUES[rows], metrics=[bias])
        assert history[prefix + "bias"][-1] == found["bias"]
        found = net.evaluate(X[rows], VALUES[rows], metrics=("r2",))
        assert history[prefix + "r2"][-1] == found["r2"]


def test_metrics_of_batches_are_of_the_validation_data():
    batches = [(X[:30], VALUES[:30]), (X[30:], VALUES[30:])]
    net = network()
    history = net.fit(batches, loss="mse", metrics=["mae"], validation_data=(X, VALUES), verbose=0)
    assert history["val_mae"] == [net.evaluate(X, VALUES, metrics=["mae"])["mae"]] and "mae" not in history
    with pytest.raises(
        ValueError, match="^fit: X gives batches, and metrics are of the validation data alone"
    ):
        net.fit(batches, loss="mse", metrics=["mae"], verbose=0)


def test_accuracy_is_there_already():
    net = network(6)
    with_name = net.fit(X, LABELS, metrics=["accuracy"], verbose=0)
    without = network(6).fit(X, LABELS, verbose=0)
    assert with_name["accuracy"] == without["accuracy"] and list(with_name) == list(without)


def test_early_stopping_may_watch_a_metric():
    stop = bp.EarlyStopping("val_r2", patience=2)
    history = network().fit(
        X,
        VALUES,
        loss="mse",
        optimizer=bp.SGD(0.3),
        epochs=60,
        metrics=["r2"],
        validation_data=(X[:9], -VALUES[:9]),
        callbacks=[stop],
        verbose=0,
    )
    undone = [] if history.undone is None else history.undone["val_r2"]
    every = history["val_r2"] + undone
    assert stop.best_epoch == int(np.argmax(every)) + 1 and len(undone) == 2


def test_functions_get_outputs_in_the_targets_shape():
    shapes: list[tuple[Any, Any]] = []

    def noted(y: np.ndarray, outputs: np.ndarray) -> float:
        shapes.append((y.shape, outputs.shape))
        return np.float32(1)

    network(1).evaluate(X, VALUES[:, 0], "mse", metrics=[noted])
    network(1).evaluate(X, VALUES[:, :1], "mse", metrics=[noted])
    network(6).evaluate(X, LABELS, "cross_entropy", metrics=[noted])
    network(6).evaluate(X, np.eye(6)[LABELS], "cross_entropy", metrics=[noted])
    assert shapes == [((60,), (60,)), ((60, 1), (60, 1)), ((60,), (60, 6)), ((60, 6), (60, 6))]


def loss(y: np.ndarray, outputs: np.ndarray) -> float:
    return 0.0


BAD_METRICS: dict[str, tuple[Any, type, tuple[str, ...]]] = {
    "unknown": (["mean_error"], ValueError, ("'mean_error' is not one of", *NAMES)),
    "a name alone": ("mae", TypeError, ("metrics is 'mae'", "list")),
    "a number": ([3], TypeError, ("3 is neither one of",)),
    "a class": ([bp.MSE], TypeError, ("MSE", "neither one of")),
    "a lambda": ([lambda y, x: 0.0], ValueError, ("has no name; give metrics={'name': function}",)),
    "twice": (["mae", "mae"], ValueError, ("'mae' twice",)),
    "a reserved name": ([loss], ValueError, ("cannot be called 'loss'",)),
    "a name of validation": ({"val_x": bias}, ValueError, ("cannot be called 'val_x'",)),
    "accuracy of numbers": (
        ["accuracy"],
        ValueError,
        ("accuracy needs the loss cross_entropy or", "it is mse"),
    ),
    "top of numbers": (
        ["top5_accuracy"],
        ValueError,
        ("top5_accuracy needs the loss cross_entropy, it is mse",),
    ),
    "no number": ({"pair": lambda y, x: [1, 2]}, TypeError, ("the metric 'pair' gave", "a number is needed")),
    "text": ({"text": lambda y, x: "good"}, TypeError, ("the metric 'text' gave", "a number is needed")),
}


@pytest.mark.parametrize("what", BAD_METRICS)
@pytest.mark.parametrize("call", ["fit", "evaluate"])
def test_metrics_that_cannot_be(call: str, what: str):
    metrics, kind, fragments = BAD_METRICS[what]
    net = network()
    before = bits(net)
    with pytest.raises(kind) as caught:
        if call == "fit":
            net.fit(X, VALUES, loss="mse", metrics=metrics, verbose=0)
        else:
            net.evaluate(X, VALUES, "mse", metrics=metrics)
    check_message(caught.value, *fragments)
    assert bits(net) == before


@pytest.mark.parametrize("name", ["mae", "r2", "top7_accuracy", "top0_accuracy"])
def test_metrics_that_classes_have_not(name: str):
    with pytest.raises(ValueError, match=f"^evaluate: {name}"):
        network(6).evaluate(X, LABELS, "cross_entropy", metrics=[name])


# evaluate's loss.


def test_evaluate_uses_the_fitted_loss():
    net = network(6)
    with pytest.raises(ValueError, match="^evaluate: the network has not been fitted here; give the loss"):
        net.evaluate(X, LABELS)
    smooth = bp.CrossEntropy(label_smoothing=0.1)
    net.fit(X, LABELS, loss=smooth, verbose=0)
    assert (
        net.evaluate(X, LABELS) == net.evaluate(X, LABELS, smooth) != net.evaluate(X, LABELS, "cross_entropy")
    )
    bp.Trainer(net, "mse", "sgd").fit(X, np.eye(6)[LABELS], verbose=0)
    assert set(net.evaluate(X, np.eye(6)[LABELS])) == {"loss"}


# What is held out.


@pytest.mark.parametrize("seed", [None, 3])
@pytest.mark.parametrize("weighted", [True, False])
def test_validation_split_is_the_command_lines(seed: int | None, weighted: bool):
    """Drawn from the seed alone; the same as giving the two parts."""
    order = _core.split_order(1 if seed is None else seed, 60).astype(np.int64)
    first, held_out = np.sort(order[12:]), np.sort(order[:12])
    weight = RNG.uniform(1, 2, 60)
    split, parts = network(), network()
    options: dict[str, Any] = {"loss": "mse", "epochs": 2, "seed": seed, "verbose": 0, "metrics": ["mae"]}
    of: Any = lambda rows: {"sample_weight": weight[rows]} if weighted else {}  # noqa: E731
    one = split.fit(X, VALUES, validation_split=0.2, **of(slice(None)), **options)
    data = (X[held_out], VALUES[held_out], *of(held_out).values())
    two = parts.fit(X[first], VALUES[first], validation_data=data, **of(first), **options)
    assert bits(split) == bits(parts)
    del one["seconds"], two["seconds"]
    assert one == two and "val_loss" in one and "val_mae" in one


def test_a_fit_that_goes_on_holds_out_the_same():
    straight, twice = network(6), network(6)
    options: dict[str, Any] = {"validation_split": 0.3, "verbose": 0}
    straight.fit(X, LABELS, epochs=3, **options)
    for epochs in (1, 2):
        twice.fit(X, LABELS, epochs=epochs, **options)
    assert bits(straight) == bits(twice)


@pytest.mark.parametrize(
    "rows, fraction, held_out", [(60, 0.01, 1), (60, 0.999, 59), (2, 0.5, 1), (3, 0.5, 2)]
)
def test_each_part_has_a_row(rows: int, fraction: float, held_out: int):
    seen: list[int] = []
    net = network()

    def count(y: np.ndarray, outputs: np.ndarray) -> float:
        seen.append(len(y))
        return 0.0

    net.fit(X[:rows], VALUES[:rows], loss="mse", validation_split=fraction, metrics=[count], verbose=0)
    assert seen == [rows - held_out, held_out]


BAD_SPLITS: dict[str, tuple[dict[str, Any], type, str]] = {
    "negative": ({"validation_split": -0.1}, ValueError, "validation_split is -0.1"),
    "all": ({"validation_split": 1.0}, ValueError, "validation_split is 1.0, a fraction from 0 to below 1"),
    "NaN": ({"validation_split": float("nan")}, ValueError, "validation_split is nan"),
    "text": ({"validation_split": "20%"}, TypeError, "validation_split is '20%'"),
    "beside data": (
        {"validation_split": 0.2, "validation_data": (X, VALUES)},
        ValueError,
        "give one of them",
    ),
    "weights of another number": (
        {"validation_split": 0.2, "sample_weight": np.ones(5)},
        ValueError,
        "X has 60 samples, sample_weight has shape (5,)",
    ),
}


@pytest.mark.parametrize("what", BAD_SPLITS)
def test_splits_that_cannot_be(what: str):
    options, kind, said = BAD_SPLITS[what]
    with pytest.raises(kind) as caught:
        network().fit(X, VALUES, loss="mse", verbose=0, **options)
    check_message(caught.value, said)


def test_rows_that_are_not_finite_are_named_as_they_were_given():
    bad = X.copy()
    bad[41, 2] = np.nan
    with pytest.raises(bp.NumericError, match="^fit: X has NaN or infinity in row 41$"):
        network().fit(bad, VALUES, loss="mse", validation_split=0.5, verbose=0)


def test_a_single_sample_and_batches_cannot_be_split():
    with pytest.raises(ValueError, match="^fit: X has 1 sample, validation_split needs at least 2"):
        network().fit(X[:1], VALUES[:1], loss="mse", validation_split=0.5, verbose=0)
    with pytest.raises(ValueError, match="^fit: X gives batches, which validation_split cannot split"):
        network().fit([(X, VALUES)], loss="mse", validation_split=0.5, verbose=0)
