"""The losses: values, derivatives, weights, and what they refuse."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import bpnet as bp
import plain_reference as plain

BACKENDS = pytest.mark.parametrize("backend", bp.backends())
WEIGHTS = [0.5, 2.0, 1.0, 0.25]
LOGITS = [
    [0.3, -1.2, 0.8, 2.0],
    [-0.5, 0.1, 0.4, -2.0],
    [1.5, 1.4, -0.3, 0.2],
    [0.1, 0.7, -0.9, 0.6],
    [3.0, -3.0, 0.25, 0.1],
]
TARGETS = [[0.1, 0.2, 0.3, 0.4], [0.7, 0.0, 0.2, 0.1], [0.25] * 4, [1.0, 0.0, 0.0, 0.0], [0.0, 0.5, 0.5, 0.0]]
LABELS = [3, 0, 1, 2, 2]
SAMPLE_WEIGHT = [1.0, 0.0, 2.5, 0.3, 1.0]


def entropy(smoothing: float = 0.0, weight: list[float] | None = None) -> tuple[bp.CrossEntropy, plain.Loss]:
    return bp.CrossEntropy(label_smoothing=smoothing, class_weight=weight), plain.Loss(
        plain.cross_entropy(smoothing, weight), weight
    )


# name: (the library's loss, the reference's, y)
CASES = {
    "half_squared_error": (bp.HalfSquaredError(), plain.Loss(plain.half_squared_error), TARGETS),
    "squared_error": (bp.SquaredError(), plain.Loss(plain.squared_error), TARGETS),
    "mse": (bp.MSE(), plain.Loss(plain.mse), TARGETS),
    "mae": (bp.MAE(), plain.Loss(plain.mae), TARGETS),
    "huber": (bp.Huber(), plain.Loss(plain.huber(1.0)), TARGETS),
    "huber 0.3": (bp.Huber(delta=0.3), plain.Loss(plain.huber(0.3)), TARGETS),
    "binary_cross_entropy_with_logits": (
        bp.BinaryCrossEntropyWithLogits(),
        plain.Loss(plain.binary_cross_entropy_with_logits),
        TARGETS,
    ),
    "binary_cross_entropy_with_logits, summed": (
        bp.BinaryCrossEntropyWithLogits(outputs="sum"),
        plain.Loss(plain.binary_cross_entropy_sum),
        TARGETS,
    ),
    "probabilities": (*entropy(), TARGETS),
    "probabilities, smoothed and weighted": (*entropy(0.2, WEIGHTS), TARGETS),
    "labels": (*entropy(), LABELS),
    "labels, smoothed": (*entropy(0.1), LABELS),
    "labels, weighted": (*entropy(0.0, WEIGHTS), LABELS),
    "labels, smoothed and weighted": (*entropy(0.1, WEIGHTS), LABELS),
    "labels, a class of weight 0": (*entropy(0.0, [1.0, 0.0, 2.0, 3.0]), LABELS),
}
cases = pytest.mark.parametrize("case", CASES)


def giving(logits, dtype: str = "float64", backend: str | None = None) -> tuple[bp.Network, np.ndarray]:
    """A network whose outputs for X = 1 are these logits, and X: then dloss/dW is the delta, transposed."""
    logits = np.asarray(logits)
    net = bp.Network(len(logits), [bp.Linear(logits.shape[1], bias=False)], dtype=dtype, backend=backend)
    net.load_state_dict({"0.weight": logits.T})
    return net, np.eye(len(logits))


def loss_and_delta(
    loss, logits, y, sample_weight=None, dtype: str = "float64", backend: str | None = None
) -> tuple[float, np.ndarray]:
    net, x = giving(logits, dtype, backend)
    value = bp.Trainer(net, loss, bp.SGD(lr=0.0)).step(x, y, sample_weight)
    return value, net.gradients()["0.weight"].T.copy()


def plain_loss(reference: plain.Loss, logits, y, sample_weight=None) -> float:
    """Through a layer that returns its input."""
    width = len(logits[0])
    w = [None, [[0.0] * width, *(plain.one_hot(i, width) for i in range(width))]]
    return plain.batch(w, [None, plain.identity], reference, logits, y, sample_weight).e


@cases
@BACKENDS
@pytest.mark.parametrize("sample_weight", [None, SAMPLE_WEIGHT], ids=["plain", "sample_weight"])
def test_value_and_derivative(case: str, backend: str, sample_weight: list[float] | None):
    loss, reference, y = CASES[case]
    value, delta = loss_and_delta(loss, LOGITS, y, sample_weight, backend=backend)
    assert value == pytest.approx(plain_loss(reference, LOGITS, y, sample_weight), rel=1e-13)
    step = 6e-6
    difference = np.empty_like(delta)
    for r, c in np.ndindex(delta.shape):
        above, below = ([list(row) for row in LOGITS] for _ in range(2))
        above[r][c] += step
        below[r][c] -= step
        ends = [plain_loss(reference, logits, y, sample_weight) for logits in (above, below)]
        difference[r, c] = (ends[0] - ends[1]) / (above[r][c] - below[r][c])
    assert abs(delta - difference).max() <= 1e-8 * abs(difference).max()


@cases
def test_check_gradients(case: str):
    loss, _, y = CASES[case]
    net = bp.Network(3, [bp.Linear(6), bp.Tanh(), bp.Linear(4)], seed=2)
    x = np.random.default_rng(0).uniform(-1, 1, (5, 3))
    errors = bp.check_gradients(net, x, y, loss)
    assert list(errors) == list(net.state_dict())
    assert max(errors.values()) <= 1e-7


@cases
@BACKENDS
def test_evaluate_is_the_loss_of_the_whole(case: str, backend: str):
    loss, reference, y = CASES[case]
    net, x = giving(LOGITS, backend=backend)
    result = net.evaluate(x, y, loss, sample_weight=SAMPLE_WEIGHT)
    assert result["loss"] == pytest.approx(plain_loss(reference, LOGITS, y, SAMPLE_WEIGHT), rel=1e-13)


@BACKENDS
def test_evaluate_and_fit_agree_over_many_pieces(backend: str):
    """More samples than evaluate takes at once; fit's loss is before each update, so the rate is 0."""
    numbers = np.random.default_rng(0)
    x, y, weight = numbers.normal(size=(1000, 5)), numbers.integers(0, 4, 1000), numbers.uniform(0, 2, 1000)
    net = bp.Network(5, [bp.Linear(4)], dtype="float64", backend=backend)
    loss, reference = entropy(0.1, WEIGHTS)
    wanted = plain_loss(reference, net.predict(x).tolist(), y.tolist(), weight.tolist())
    assert net.evaluate(x, y, loss, sample_weight=weight)["loss"] == pytest.approx(wanted, rel=1e-12)
    for batch_size in (1, 64):
        history = net.fit(
            x, y, loss=loss, optimizer=bp.SGD(lr=0.0), batch_size=batch_size, sample_weight=weight, verbose=0
        )
        assert history["loss"][0] == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@BACKENDS
def test_labels_are_one_hot_probabilities(backend: str, smoothing: float, dtype: str):
    loss = bp.CrossEntropy(label_smoothing=smoothing)
    one_hot = np.eye(4)[LABELS]
    by_label = loss_and_delta(loss, LOGITS, LABELS, SAMPLE_WEIGHT, dtype, backend)
    by_share = loss_and_delta(loss, LOGITS, one_hot, SAMPLE_WEIGHT, dtype, backend)
    eps = float(np.finfo(dtype).eps)
    assert by_label[0] == pytest.approx(by_share[0], rel=4 * eps)
    assert abs(by_label[1] - by_share[1]).max() <= 4 * eps


@BACKENDS
def test_mae_has_derivative_0_at_0(backend: str):
    _, delta = loss_and_delta("mae", [[1.0, 2.0]], [[1.0, 0.0]], backend=backend)
    assert delta.tolist() == [[0.0, 0.5]]


@BACKENDS
def test_huber_between_square_and_line(backend: str):
    value, delta = loss_and_delta(bp.Huber(delta=2.0), [[2.0, -3.0]], [[0.0, 0.0]], backend=backend)
    assert value == (0.5 * 2**2 + 2 * (3 - 1)) / 2
    assert delta.tolist() == [[1.0, -1.0]]


@BACKENDS
def test_a_class_of_weight_0_counts_for_nothing(backend: str):
    """Alone in a batch too, where the weights' sum is 0: no error, no gradient, and no NaN."""
    loss = bp.CrossEntropy(class_weight=[0.0, 1.0, 1.0, 1.0])
    value, delta = loss_and_delta(loss, LOGITS[:1], [0], backend=backend)
    assert value == 0 and not delta.any()
    net, x = giving(LOGITS[:1], backend=backend)
    assert net.evaluate(x, [0], loss)["loss"] == 0
    trace = net.trace(x[0], 0, loss=loss)
    assert trace.e == 0 and not trace.delta[1].any() and not trace.grad[1].any()


# Logits of ±1e4 in float32, where exp overflows: (loss, logits, y, value, delta)
EXTREME = [
    ("cross_entropy", [[1e4, -1e4, 0.0]], [0], 0.0, [[0, 0, 0]]),
    ("cross_entropy", [[1e4, -1e4, 0.0]], [1], 2e4, [[1, -1, 0]]),
    ("cross_entropy", [[1e4, -1e4]], [[0.5, 0.5]], 1e4, [[0.5, -0.5]]),
    (bp.CrossEntropy(label_smoothing=0.5), [[1e4, -1e4]], [0], 0.25 * 2e4, [[0.25, -0.25]]),
    ("cross_entropy", [[1e4, 1e4]], [1], math.log(2), [[0.5, -0.5]]),
    ("cross_entropy", [[-1e4, -1e4]], [1], math.log(2), [[0.5, -0.5]]),
    ("binary_cross_entropy_with_logits", [[1e4, -1e4]], [[1.0, 0.0]], 0.0, [[0, 0]]),
    ("binary_cross_entropy_with_logits", [[1e4, -1e4]], [[0.0, 1.0]], 1e4, [[0.5, -0.5]]),
    ("huber", [[1e4, -1e4]], [[0.0, 0.0]], 1e4 - 0.5, [[0.5, -0.5]]),
]


@pytest.mark.parametrize("loss, logits, y, value, delta", EXTREME)
@BACKENDS
def test_extreme_logits(loss, logits, y, value, delta, backend: str):
    actual, slopes = loss_and_delta(loss, logits, y, dtype="float32", backend=backend)
    assert actual == pytest.approx(value, rel=1e-6)
    assert np.allclose(slopes, delta, rtol=1e-6, atol=0)
    net, x = giving(logits, "float32", backend)
    assert net.evaluate(x, y, loss)["loss"] == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize("class_weight", [{0: 0.5, 1: 2.0, 3: 0.25}, WEIGHTS, np.array(WEIGHTS)], ids=str)
def test_fit_takes_class_weights(class_weight):
    _, reference = entropy(0.0, WEIGHTS)
    net, x = giving(LOGITS)
    history = net.fit(x, LABELS, optimizer=bp.SGD(lr=0.0), class_weight=class_weight, verbose=0)
    assert history["loss"][0] == pytest.approx(plain_loss(reference, LOGITS, LABELS), rel=1e-13)


def test_balanced_makes_every_class_count_alike():
    labels = [3, 0, 3, 3, 2]  # class 1 does not occur
    weight = [5 / (4 * labels.count(c)) if c in labels else 1.0 for c in range(4)]
    _, reference = entropy(0.0, weight)
    net, x = giving(LOGITS)
    history = net.fit(x, labels, optimizer=bp.SGD(lr=0.0), class_weight="balanced", verbose=0)
    assert history["loss"][0] == pytest.approx(plain_loss(reference, LOGITS, labels), rel=1e-13)


@pytest.mark.parametrize("last", [bp.Softmax(), bp.Sigmoid()], ids=repr)
@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy_with_logits"])
def test_softmax_or_sigmoid_before_logits_is_refused(last: bp.layers.Layer, loss: str):
    net = bp.Network(3, [bp.Linear(2), last])
    x, y = np.ones((4, 3)), np.full((4, 2), 0.5)
    name = type(last).__name__
    uses = [
        lambda: net.fit(x, y, loss=loss, verbose=0),
        lambda: net.evaluate(x, y, loss=loss),
        lambda: bp.Trainer(net, loss, "sgd"),
        lambda: net.trace(x[0], y[0], loss=loss),
        lambda: bp.check_gradients(net, x, y, loss),
    ]
    for use in uses[: 3 if name == "Softmax" else 5]:
        with pytest.raises(ValueError, match=f"{loss}: the network ends in {name}.* takes logits"):
            use()
    net.fit(x, y, loss="mse", verbose=0)  # other losses are at home there


def test_a_run_that_does_not_say_goes_on_with_the_sum(tmp_path: Path):
    """As the files say nothing that were written before there was a mean."""
    loss = bp.BinaryCrossEntropyWithLogits(outputs="sum")
    nets = [bp.Network(4, [bp.Linear(6), bp.Tanh(), bp.Linear(4)], seed=1) for _ in range(2)]
    x, y = np.random.default_rng(0).normal(size=(30, 4)), np.random.default_rng(1).random((30, 4))
    trainers = [bp.Trainer(net, loss, "sgd") for net in nets]
    for trainer in trainers:
        trainer.fit(x, y, epochs=2, verbose=0)
    trainers[0].save(tmp_path / "run")
    assert json.loads(trainers[0]._core.loss) == {"name": loss.name}
    resumed = bp.Trainer.load(tmp_path / "run")
    assert resumed.loss == loss
    for trainer in (resumed, trainers[1]):
        trainer.fit(x, y, epochs=2, verbose=0)
    for name, w in nets[1].state_dict().items():
        assert w.tobytes() == resumed.network.state_dict()[name].tobytes()


@BACKENDS
def test_one_output_has_the_same_bits_summed_and_averaged(backend: str):
    x, y = np.random.default_rng(0).normal(size=(40, 5)), np.random.default_rng(1).integers(0, 2, 40)
    for batch_size in (1, 16):
        weights = []
        for outputs in ("sum", "mean"):
            net = bp.Network(5, [bp.Linear(8), bp.Tanh(), bp.Linear(1)], seed=1, backend=backend)
            loss = bp.BinaryCrossEntropyWithLogits(outputs=outputs)
            net.fit(x, y, loss=loss, epochs=2, batch_size=batch_size, verbose=0)
            weights.append([w.tobytes() for w in net.state_dict().values()])
        assert weights[0] == weights[1]


def test_outputs_are_averaged_or_summed():
    with pytest.raises(ValueError, match="outputs is 'none', 'mean' or 'sum' is needed"):
        bp.BinaryCrossEntropyWithLogits(outputs="none")


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: bp.Huber(delta=0.0), "huber: delta is 0"),
        (lambda: bp.Huber(delta=math.inf), "huber: delta"),
        (lambda: bp.CrossEntropy(label_smoothing=1.5), "cross_entropy: label_smoothing is 1.5"),
        (lambda: bp.CrossEntropy(class_weight=[1.0, -2.0, 1.0, 1.0]), "cross_entropy: class_weight holds -2"),
        (lambda: bp.CrossEntropy(class_weight=[0, 0]), "cross_entropy: class_weight is 0 for every class"),
    ],
)
def test_options_that_make_no_sense_are_refused(make: Callable[[], bp.losses.Loss], message: str):
    with pytest.raises(ValueError, match=message):
        make()


def test_class_weights_of_another_number_of_classes():
    loss = bp.CrossEntropy(class_weight=[1.0, 2.0])
    with pytest.raises(ValueError, match="cross_entropy: class_weight has 2 numbers.*4 outputs"):
        bp.Trainer(giving(LOGITS)[0], loss, "sgd")


def test_class_weights_of_a_series_are_by_its_index():
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    x = np.zeros((4, 2))
    by_class, series = (bp.Network(2, [bp.Linear(3)]) for _ in range(2))
    by_class.fit(x, [0, 1, 1, 2], class_weight={0: 3.0, 1: 1.0, 2: 2.0}, verbose=0)
    series.fit(x, [0, 1, 1, 2], class_weight=pd.Series({1: 1.0, 2: 2.0, 0: 3.0}), verbose=0)
    assert series.trainer is not None and by_class.trainer is not None
    assert series.trainer.loss == by_class.trainer.loss


def test_cross_entropy_says_what_labels_and_outputs_it_needs():
    x, y = np.zeros((4, 2)), np.array([0, 1, 1, 0])
    with pytest.raises(
        ValueError, match=r"^fit: y has shape \(4, 1\), .*; class indices have .*: y\.ravel\(\)$"
    ):
        bp.Network(2, [bp.Linear(2)]).fit(x, y[:, None], verbose=0)
    with pytest.raises(
        ValueError, match="^fit: cross_entropy needs an output per class, the network has 1; .*binary"
    ):
        bp.Network(2, [bp.Linear(1)]).fit(x, y, verbose=0)
