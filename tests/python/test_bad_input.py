"""Bad data is refused by every call that takes it: the documented error, its message begins with the
operation and shows both sides, and the network's weights keep their bits."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import bpnet as bp
from bpnet.evaluation import rows_at_once

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 4)).astype(np.float32)
LABELS = np.arange(12) % 3
TARGETS = RNG.normal(size=(12, 3)).astype(np.float32)
THIRDS = np.full((12, 3), 1 / 3)


def network(dtype: str = "float32") -> bp.Network:
    return bp.Network(4, [bp.Linear(5), bp.Tanh(), bp.Linear(3)], seed=1, dtype=dtype)


def bits(net: bp.Network) -> bytes:
    return b"".join(array.tobytes() for array in net.state_dict().values())


def check_message(error: BaseException, *fragments: str) -> None:
    text = str(error)
    assert not isinstance(error, bp.FileFormatError), text
    assert re.match(r"[a-z][a-z0-9_ -]*( \([^)]*\))?: ", text), f"begins with no operation: {text}"
    assert "\n" not in text, text
    for fragment in fragments:
        assert fragment in text, f"no {fragment!r} in: {text}"


def refused(call: Callable[[bp.Network], Any], kind: type, *fragments: str) -> None:
    net = network()
    before = bits(net)
    with pytest.raises(kind) as caught:
        call(net)
    assert bits(net) == before
    check_message(caught.value, *fragments)


def trainer(net: bp.Network, loss: str = "cross_entropy") -> bp.Trainer:
    return bp.Trainer(net, loss, bp.SGD(lr=0.1))


# Each call that takes samples, with X and y of its own choice.
TAKES_X: dict[str, Callable[[bp.Network, Any], Any]] = {
    "fit": lambda net, x: net.fit(x, LABELS, verbose=0),
    "online": lambda net, x: net.fit(x, LABELS, batch_size=1, verbose=0),
    "trainer fit": lambda net, x: trainer(net).fit(x, LABELS, verbose=0),
    "validation": lambda net, x: net.fit(X, LABELS, validation_data=(x, LABELS), verbose=0),
    "batches": lambda net, x: net.fit([(x, LABELS)], verbose=0),
    "step": lambda net, x: trainer(net).step(x, LABELS),
    "evaluate": lambda net, x: net.evaluate(x, LABELS, "cross_entropy"),
    "check_gradients": lambda net, x: bp.check_gradients(net, x, LABELS, "cross_entropy"),
    "predict": lambda net, x: net.predict(x),
    "forward": lambda net, x: net.forward(x),
    "forward in training": lambda net, x: net.forward(x, training=True),
}
CHECKS_VALUES = [name for name in TAKES_X if not name.startswith("forward")]  # forward lets NaN through

BAD_SHAPES: dict[str, tuple[Any, type, tuple[str, ...]]] = {
    "objects": (np.full((12, 4), object()), TypeError, ("X holds", "object", "real numbers")),
    "text": (X.astype(str), TypeError, ("X", "<U", "real numbers")),
    "bytes": (X.astype("S8"), TypeError, ("X", "S8")),
    "complex": (X.astype(np.complex64), TypeError, ("X", "complex64")),
    "dates": (X.astype("int64").astype("datetime64[s]"), TypeError, ("X", "datetime64")),
    "records": (np.zeros(12, [("a", "f4"), ("b", "f4")]), TypeError, ("X",)),
    "None": (None, TypeError, ("X is None",)),
    "ragged": ([[1.0, 2.0], [3.0]] * 6, ValueError, ("X",)),
    "too few features": (X[:, :3], ValueError, ("3 features", "expects 4")),
    "too many features": (np.ones((12, 5)), ValueError, ("5 features", "expects 4")),
    "no features": (np.ones((12, 0)), ValueError, ("0 features", "expects 4")),
    "a number": (np.float32(1), ValueError, ("()", "(N, 4)")),
    "one sample": (X[0], ValueError, ("(4,)", "(N, 4)", "X[None]")),
    "one axis": (np.ones(12), ValueError, ("(12,)", "(N, 4)")),
    "three axes": (X[:, :, None], ValueError, ("(12, 4, 1)", "(N, 4)")),
    "no samples": (X[:0], ValueError, ("0 samples", "1")),
}


@pytest.mark.parametrize("name", BAD_SHAPES)
@pytest.mark.parametrize("call", TAKES_X)
def test_x_of_a_wrong_kind_or_shape(call: str, name: str):
    x, kind, fragments = BAD_SHAPES[name]
    refused(lambda net: TAKES_X[call](net, x), kind, *fragments)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300], ids=str)
@pytest.mark.parametrize("call", CHECKS_VALUES)
def test_x_that_is_not_finite(call: str, value: float):
    """Named by its row; 1e300 is finite in float64 and infinite in the network's float32."""
    if value == 1e300 and call == "check_gradients":
        pytest.skip("computes in float64, where 1e300 is finite")
    bad = X.astype(np.float64)
    bad[7, 2] = value
    refused(lambda net: TAKES_X[call](net, bad), bp.NumericError, "row 7")


def test_the_batch_is_named_too():
    bad = X.copy()
    bad[5, 0] = np.nan
    refused(lambda net: net.fit([(bad, LABELS)], verbose=0), bp.NumericError, "batch 0", "row 5")
    refused(
        lambda net: net.fit([(X, LABELS), (X, LABELS + 1)], optimizer=bp.SGD(lr=0), verbose=0),
        ValueError,
        "batch 1",
        "row 2",
    )


def test_rows_are_counted_over_the_pieces_that_predict_takes():
    net = bp.Network(2048, [bp.Linear(2200)])
    x = np.zeros((600, 2048), np.float32)
    x[523, 1] = np.inf
    assert rows_at_once(net._core) < 523
    with pytest.raises(bp.NumericError, match="row 523"):
        net.predict(x)


TAKES_Y: dict[str, Callable[[bp.Network, Any, str], Any]] = {
    "fit": lambda net, y, loss: net.fit(X, y, loss=loss, verbose=0),
    "online": lambda net, y, loss: net.fit(X, y, loss=loss, batch_size=1, verbose=0),
    "validation": lambda net, y, loss: net.fit(
        X, LABELS if loss == "cross_entropy" else THIRDS, loss=loss, validation_data=(X, y), verbose=0
    ),
    "batches": lambda net, y, loss: net.fit([(X, y)], loss=loss, verbose=0),
    "step": lambda net, y, loss: trainer(net, loss).step(X, y),
    "evaluate": lambda net, y, loss: net.evaluate(X, y, loss),
    "check_gradients": lambda net, y, loss: bp.check_gradients(net, X, y, loss),
}


def changed(array: np.ndarray, row: int, value: float) -> np.ndarray:
    result = array.copy()
    result[row] = value
    return result


BAD_Y: dict[str, tuple[Any, str, type, tuple[str, ...]]] = {
    "too few labels": (LABELS[:11], "cross_entropy", ValueError, ("12 samples", "y has 11")),
    "one label": (1, "cross_entropy", ValueError, ("12 samples", "y has 1")),
    "no labels": (LABELS[:0], "cross_entropy", ValueError, ("12 samples", "y has 0")),
    "label too large": (changed(LABELS, 5, 3), "cross_entropy", ValueError, ("row 5", "is 3", "0 to 2")),
    "label negative": (changed(LABELS, 5, -1), "cross_entropy", ValueError, ("row 5", "is -1", "0 to 2")),
    "label huge": (changed(LABELS, 11, 2**62), "cross_entropy", ValueError, ("row 11", str(2**62))),
    "label beyond int64": (
        changed(LABELS.astype(np.uint64), 5, 2**63 + 1),
        "cross_entropy",
        ValueError,
        ("row 5",),
    ),
    "float labels": (LABELS.astype(float), "cross_entropy", TypeError, ("float64", "class indices")),
    "text": (LABELS.astype(str), "cross_entropy", TypeError, ("y has dtype <U",)),
    "objects": (np.full(12, object()), "cross_entropy", TypeError, ("y holds", "object")),
    "complex": (TARGETS.astype(complex), "mse", TypeError, ("y has dtype complex128",)),
    "ragged": ([[1.0], [1.0, 2.0]] * 6, "mse", ValueError, ("y is not an array",)),
    "labels as a column": (LABELS[:, None], "cross_entropy", ValueError, ("(12, 1)", "(12, 3)")),
    "not probabilities": (changed(THIRDS, 4, 0.5), "cross_entropy", ValueError, ("row 4", "0.5", "sum to 1")),
    "negative probability": (
        changed(THIRDS, 4, -1 / 3),
        "cross_entropy",
        ValueError,
        ("row 4", "probabilities"),
    ),
    "no probability": (
        changed(THIRDS, 4, 1.5),
        "binary_cross_entropy_with_logits",
        ValueError,
        ("row 4", "1.5", "from 0 to 1"),
    ),
    "NaN probability": (changed(THIRDS, 4, np.nan), "cross_entropy", bp.NumericError, ("row 4",)),
    "targets too narrow": (TARGETS[:, :2], "mse", ValueError, ("(12, 2)", "(12, 3)")),
    "targets of one axis": (TARGETS[:, 0], "mse", ValueError, ("(12,)", "(12, 3)")),
    "targets of three axes": (TARGETS[:, :, None], "mse", ValueError, ("(12, 3, 1)", "(12, 3)")),
    "labels for mse": (LABELS, "mse", ValueError, ("(12,)", "(12, 3)")),
    "NaN target": (changed(TARGETS, 9, np.nan), "mse", bp.NumericError, ("row 9",)),
    "infinite target": (changed(TARGETS, 9, -np.inf), "huber", bp.NumericError, ("row 9",)),
    "target beyond float32": (changed(TARGETS.astype(float), 9, 1e300), "mae", bp.NumericError, ("row 9",)),
}


@pytest.mark.parametrize("name", BAD_Y)
@pytest.mark.parametrize("call", TAKES_Y)
def test_y_that_does_not_fit(call: str, name: str):
    y, loss, kind, fragments = BAD_Y[name]
    if call == "check_gradients" and name == "target beyond float32":
        pytest.skip("computes in float64, where 1e300 is finite")
    refused(lambda net: TAKES_Y[call](net, y, loss), kind, *fragments)


@pytest.mark.parametrize("call", [name for name in TAKES_Y if name != "batches"])
def test_y_that_is_missing(call: str):
    refused(lambda net: TAKES_Y[call](net, None, "mse"), ValueError, "y is None")


TAKES_WEIGHT: dict[str, Callable[[bp.Network, Any], Any]] = {
    "fit": lambda net, w: net.fit(X, LABELS, sample_weight=w, verbose=0),
    "online": lambda net, w: net.fit(X, LABELS, sample_weight=w, batch_size=1, verbose=0),
    "validation": lambda net, w: net.fit(X, LABELS, validation_data=(X, LABELS, w), verbose=0),
    "batches": lambda net, w: net.fit([(X, LABELS, w)], verbose=0),
    "step": lambda net, w: trainer(net).step(X, LABELS, w),
    "evaluate": lambda net, w: net.evaluate(X, LABELS, "cross_entropy", sample_weight=w),
}
ONES = np.ones(12)
BAD_WEIGHTS: dict[str, tuple[Any, type, tuple[str, ...]]] = {
    "negative": (changed(ONES, 3, -0.5), ValueError, ("-0.5", "row 3", "at least 0")),
    "NaN": (changed(ONES, 3, np.nan), ValueError, ("nan", "row 3")),
    "infinite": (changed(ONES, 3, np.inf), ValueError, ("inf", "row 3")),
    "beyond float32": (changed(ONES, 3, 1e300), ValueError, ("row 3",)),
    "too few": (ONES[:11], ValueError, ("12 samples", "(11,)")),
    "a column": (ONES[:, None], ValueError, ("12 samples", "(12, 1)")),
    "a number": (1.0, ValueError, ("12 samples", "()")),
    "all zero": (0 * ONES, ValueError, ("0 everywhere",)),
    "text": (ONES.astype(str), TypeError, ("sample_weight has dtype <U",)),
    "objects": (np.full(12, object()), TypeError, ("sample_weight holds", "object")),
    "complex": (ONES.astype(complex), TypeError, ("sample_weight has dtype complex128",)),
}


@pytest.mark.parametrize("name", BAD_WEIGHTS)
@pytest.mark.parametrize("call", TAKES_WEIGHT)
def test_sample_weight_that_does_not_fit(call: str, name: str):
    weight, kind, fragments = BAD_WEIGHTS[name]
    refused(lambda net: TAKES_WEIGHT[call](net, weight), kind, *fragments)


BAD_CLASS_WEIGHTS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "negative": ([1, -1, 1], ("class_weight", "-1")),
    "NaN": ([1, float("nan"), 1], ("class_weight", "nan")),
    "infinite": ([1, float("inf"), 1], ("class_weight", "inf")),
    "too few": ([1, 2], ("class_weight", "2 numbers", "3 outputs")),
    "an unknown class": ({3: 1.0}, ("class 3", "0 to 2")),
    "a negative class": ({-1: 1.0}, ("class -1", "0 to 2")),
    "a named class": ({"cat": 1.0}, ("class_weight", "cat")),
    "a string weight": ({1: "much"}, ("class_weight", "much")),
    "a number": (5, ("class_weight", "5")),
    "another word": ("unbalanced", ("class_weight", "unbalanced", "balanced")),
}


@pytest.mark.parametrize("name", BAD_CLASS_WEIGHTS)
def test_class_weight_that_does_not_fit(name: str):
    weight, fragments = BAD_CLASS_WEIGHTS[name]
    refused(
        lambda net: net.fit(X, LABELS, class_weight=weight, verbose=0), (ValueError, TypeError), *fragments
    )


def test_class_weight_needs_classes():
    refused(lambda net: net.fit(X, TARGETS, loss="mse", class_weight="balanced"), ValueError, "mse")
    refused(lambda net: net.fit(X, THIRDS, class_weight="balanced"), ValueError, "class indices")
    refused(lambda net: net.fit([(X, LABELS)], class_weight="balanced"), ValueError, "class indices")
    ragged = [[1], [1, 2]] * 6
    refused(lambda net: net.fit(X, ragged, class_weight="balanced"), ValueError, "y is not an array")


def test_batches_that_are_none():
    refused(lambda net: net.fit([X], verbose=0), ValueError, "batch 0", "(X, y)")
    refused(lambda net: net.fit([(X, LABELS), None], optimizer=bp.SGD(lr=0)), ValueError, "batch 1", "(X, y)")
    refused(lambda net: net.fit([(X,)], verbose=0), ValueError, "batch 0", "(X, y)")
    refused(lambda net: net.fit([(X, LABELS, ONES, 4)], verbose=0), ValueError, "batch 0", "(X, y)")
    refused(lambda net: net.fit("text", verbose=0), ValueError, "batch 0", "(X, y)")
    refused(lambda net: net.fit([], verbose=0), ValueError, "no batches", "epoch 1")
    refused(lambda net: net.fit([(X, LABELS)], sample_weight=ONES), ValueError, "third item", "sample_weight")
    refused(lambda net: net.fit(7, verbose=0), (TypeError, ValueError), "X")


def test_a_generator_that_is_used_up():
    net = network()
    once = ((X, LABELS) for _ in range(3))
    with pytest.raises(ValueError, match="epoch 2") as caught:
        net.fit(once, optimizer=bp.SGD(lr=0.1), epochs=3, verbose=0)
    check_message(caught.value, "no batches", "anew")
    other = network()
    other.fit([(X, LABELS)] * 3, optimizer=bp.SGD(lr=0.1), verbose=0)
    assert bits(net) == bits(other), "the epoch that was whole is kept"


@pytest.mark.parametrize("value", ["ab", (X,), (X, LABELS, ONES, 4), 5, X], ids=repr)
def test_validation_data_that_is_none(value: Any):
    refused(lambda net: net.fit(X, LABELS, validation_data=value, verbose=0), ValueError, "validation_data")


@pytest.mark.parametrize("layer", [bp.Softmax, bp.Sigmoid])
@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy_with_logits"])
def test_losses_on_logits_refuse_probabilities(loss: str, layer: type):
    net = bp.Network(4, [bp.Linear(3), layer()])
    before = bits(net)
    for call in (
        lambda: net.fit(X, THIRDS, loss=loss, verbose=0),
        lambda: net.evaluate(X, THIRDS, loss),
        lambda: trainer(net, loss),
        lambda: bp.check_gradients(net, X, THIRDS, loss),
    ):
        with pytest.raises(ValueError) as caught:
            call()
        check_message(caught.value, loss, layer.__name__, "logits")
    assert bits(net) == before
