"""The library against the lecture in plain Python: one step, and the loop over single samples, to 1e-12."""

from __future__ import annotations

import random
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import bpnet as bp
import plain_reference as plain

# Neither an example's time nor that of drawing it decides.
PROFILE = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=40, derandomize=True
)

# Each θ as the library's layer and as the reference's.
ACTIVATIONS = {
    "identity": (None, plain.identity),
    "tanh": (bp.Tanh(), plain.tanh),
    "relu": (bp.ReLU(), plain.relu),
    "leaky_relu": (bp.LeakyReLU(0.1), plain.leaky_relu(0.1)),
    "sigmoid": (bp.Sigmoid(), plain.logistic),
    "softplus": (bp.Softplus(beta=2.0), plain.softplus(2.0)),
    "gelu": (bp.GELU(), plain.gelu),
    "gelu_tanh": (bp.GELU(approximate="tanh"), plain.gelu_tanh),
    "silu": (bp.SiLU(), plain.silu),
}
LOGIT_LOSSES = ("cross_entropy", "labels", "binary_cross_entropy_with_logits")
LOSSES = ("half_squared_error", "squared_error", "mse", "mae", "huber", *LOGIT_LOSSES)
HUBER_DELTA = 0.7


class Problem(NamedTuple):
    widths: list[int]
    names: list[str]  # of the activations, one per weighted layer
    kind: str  # one of LOSSES
    loss: bp.losses.Loss
    plain_loss: plain.Loss
    xs: list[list[float]]
    ys: list
    sample_weight: list[float] | None
    seed: int

    @property
    def thetas(self) -> list:
        return [None, *(ACTIVATIONS[name][1] for name in self.names)]

    def network(self, backend: str) -> bp.Network:
        layers: list = []
        for width, name in zip(self.widths[1:], self.names):
            layers += [bp.Linear(width)] + [layer for layer in ACTIVATIONS[name][:1] if layer]
        return bp.Network(self.widths[0], layers, seed=self.seed, dtype="float64", backend=backend)


def make_loss(kind: str, classes: int, draw: random.Random) -> tuple[bp.losses.Loss, plain.Loss]:
    if kind in ("cross_entropy", "labels"):
        smoothing = draw.choice([0.0, 0.1])
        weight = draw.choice([None, [draw.uniform(0.2, 2) for _ in range(classes)]])
        return (
            bp.CrossEntropy(label_smoothing=smoothing, class_weight=weight),
            plain.Loss(plain.cross_entropy(smoothing, weight), weight),
        )
    if kind == "huber":
        return bp.Huber(delta=HUBER_DELTA), plain.Loss(plain.huber(HUBER_DELTA))
    return bp.losses.as_loss("test", kind), plain.Loss(getattr(plain, kind))


def make_targets(kind: str, rows: int, outputs: int, draw: random.Random) -> list:
    if kind == "labels":
        return [draw.randrange(outputs) for _ in range(rows)]
    if kind == "cross_entropy":
        return [plain.softmax([draw.uniform(-1, 1) for _ in range(outputs)]) for _ in range(rows)]
    low = 0 if kind == "binary_cross_entropy_with_logits" else -1
    return [[draw.uniform(low, 1) for _ in range(outputs)] for _ in range(rows)]


@st.composite
def problems(draw, kind: str, max_width: int = 64, max_batch: int = 8) -> Problem:
    """Hypothesis picks the shape of the problem; the numbers come from a seed, so that none is special."""
    numbers = random.Random(draw(st.integers(0, 2**32)))
    widths = draw(st.lists(st.integers(1, max_width), min_size=2, max_size=5))
    if kind in ("cross_entropy", "labels"):
        widths[-1] = max(2, widths[-1])  # an output per class
    names = draw(
        st.lists(st.sampled_from(list(ACTIVATIONS)), min_size=len(widths) - 1, max_size=len(widths) - 1)
    )
    if kind in LOGIT_LOSSES and names[-1] == "sigmoid":
        names[-1] = "identity"  # that pair is refused
    rows = draw(st.integers(1, max_batch))
    loss, plain_loss = make_loss(kind, widths[-1], numbers)
    xs = [[numbers.uniform(-1, 1) for _ in range(widths[0])] for _ in range(rows)]
    ys = make_targets(kind, rows, widths[-1], numbers)
    weighted = draw(st.booleans())
    weight = [numbers.uniform(0.1, 3) for _ in range(rows)] if weighted else None
    return Problem(widths, names, kind, loss, plain_loss, xs, ys, weight, draw(st.integers(0, 2**63)))


def near_kink(problem: Problem, w: list) -> bool:
    """Whether a sum or a difference is so near a kink that rounding may choose the side."""
    for x0, y in zip(problem.xs, problem.ys):
        s, x = plain.forward(w, problem.thetas, x0)
        for theta, sums in zip(problem.thetas[1:], s[1:]):
            if theta.kinks and min(map(abs, sums)) < 1e-9:
                return True
        if problem.kind in ("mae", "huber"):
            bend = HUBER_DELTA if problem.kind == "huber" else 0.0
            if min(abs(abs(a - b) - bend) for a, b in zip(x[-1], y)) < 1e-9:
                return True
    return False


def weights_of(net: bp.Network) -> list:
    """The lecture's w: from unit i to unit j, the biases in row 0."""
    values = list(net.state_dict().values())
    return [None] + [np.vstack([b, w.T]).tolist() for w, b in zip(values[::2], values[1::2])]


def gradients_of(net: bp.Network) -> list:
    values = list(net.gradients().values())
    return [None] + [np.vstack([b, w.T]).tolist() for w, b in zip(values[::2], values[1::2])]


def assert_near(actual, wanted, what: str) -> None:
    """max |a − b| ≤ 1e-12 max |b|, where a tensor below 1e-3 counts as one of 1e-3: what is left of larger
    numbers that cancelled has lost digits in both."""
    a, b = np.asarray(actual, np.float64), np.asarray(wanted, np.float64)
    assert a.shape == b.shape, what
    error = abs(a - b).max() / max(abs(b).max(), 1e-3)
    assert error <= 1e-12, f"{what}: relative error {error:.3g}"


def assert_layers_near(actual: list, wanted: list, what: str) -> None:
    assert len(actual) == len(wanted)
    assert (actual[0] is None) == (wanted[0] is None)
    for layer in range(wanted[0] is None, len(wanted)):
        assert_near(actual[layer], wanted[layer], f"{what}[{layer}]")


@pytest.mark.parametrize("kind", LOSSES)
@PROFILE
@given(data=st.data(), eta=st.sampled_from([0.01, 0.5]), decay=st.sampled_from([0.0, 0.1]))
def test_one_step(kind: str, data: st.DataObject, eta: float, decay: float):
    problem = data.draw(problems(kind))
    w = weights_of(problem.network("reference"))
    assume(not near_kink(problem, w))
    wanted = plain.batch(w, problem.thetas, problem.plain_loss, problem.xs, problem.ys, problem.sample_weight)
    after = plain.update(w, wanted.grad, eta, decay)
    for backend in bp.backends():
        net = problem.network(backend)
        assert weights_of(net) == w, "the same seed gives the same weights in every backend"
        assert_near(net.forward(problem.xs), wanted.outputs, "forward")
        assert_near(net.forward(problem.xs, training=True), wanted.outputs, "forward(training=True)")
        trainer = bp.Trainer(net, problem.loss, bp.SGD(lr=eta, weight_decay=decay))
        assert_near(trainer.step(problem.xs, problem.ys, problem.sample_weight), wanted.e, "loss")
        assert_layers_near(gradients_of(net), wanted.grad, "gradient")
        assert_layers_near(weights_of(net), after, "updated weights")


@pytest.mark.parametrize("kind", LOSSES)
@PROFILE
@given(data=st.data())
def test_trace(kind: str, data: st.DataObject):
    problem = data.draw(problems(kind, max_batch=1))
    w = weights_of(problem.network("reference"))
    assume(not near_kink(problem, w))
    s, x = plain.forward(w, problem.thetas, problem.xs[0])
    step = plain.batch(w, problem.thetas, problem.plain_loss, problem.xs, problem.ys)
    y = problem.ys[0]
    target = plain.one_hot(y, len(x[-1])) if isinstance(y, int) else y
    _, slopes = problem.plain_loss.error(x[-1], target)
    if isinstance(y, int) and problem.plain_loss.class_weight:  # a batch of one: its weight is divided out
        slopes = [slope / problem.plain_loss.class_weight[y] for slope in slopes]
    delta = plain.backward(w, problem.thetas, s, slopes)
    for backend in bp.backends():
        net = problem.network(backend)
        trace = net.trace(problem.xs[0], y, loss=problem.loss)
        assert_layers_near(trace.s, s, "s")
        assert_layers_near(trace.x, x, "x")
        assert_layers_near(trace.delta, delta, "delta")
        assert_layers_near(trace.grad, step.grad, "grad")
        assert_near(trace.e, step.e, "e")
        assert weights_of(net) == w, "trace changes no weight"


@pytest.mark.parametrize("kind", LOSSES)
@PROFILE
@given(data=st.data(), decay=st.sampled_from([0.0, 0.05]))
def test_online_loop(kind: str, data: st.DataObject, decay: float):
    problem = data.draw(problems(kind, max_width=40, max_batch=6))
    w = weights_of(problem.network("reference"))
    eta = 0.02  # small, so that a rounding error does not grow over the steps
    last = w
    for x0, y in zip(problem.xs, problem.ys):
        assume(not near_kink(problem._replace(xs=[x0], ys=[y]), last))
        last, _ = plain.online(last, problem.thetas, problem.plain_loss, [x0], [y], eta, decay)
    _, errors = plain.online(w, problem.thetas, problem.plain_loss, problem.xs, problem.ys, eta, decay)
    weight = problem.sample_weight or [1.0] * len(errors)
    if problem.kind == "labels" and problem.plain_loss.class_weight:
        weight = [a * problem.plain_loss.class_weight[y] for a, y in zip(weight, problem.ys)]
    for backend in bp.backends():
        net = problem.network(backend)
        history = net.fit(
            problem.xs,
            problem.ys,
            loss=problem.loss,
            optimizer=bp.SGD(lr=eta, weight_decay=decay),
            batch_size=1,
            shuffle=False,
            sample_weight=problem.sample_weight,
            verbose=0,
        )
        assert_layers_near(weights_of(net), last, "weights")
        mean = sum(a * e for a, e in zip(weight, errors)) / sum(weight)
        assert_near(history["loss"], [mean], "loss")


@pytest.mark.parametrize("backend", bp.backends())
@pytest.mark.parametrize("bias", [True, False])
def test_online_kernel_is_stepping_one_by_one(backend: str, bias: bool):
    """Chains the reference leaves out: activations with no Linear before them, a Flatten, no biases."""
    layers = [bp.Flatten(), bp.SiLU(), bp.Linear(9, bias=bias), bp.Tanh(), bp.GELU(), bp.Linear(3, bias=bias)]
    numbers = np.random.default_rng(0)
    x, y = numbers.uniform(-1, 1, (20, 2, 3)), numbers.uniform(-1, 1, (20, 3))
    nets = [bp.Network((2, 3), layers, seed=1, dtype="float64", backend=backend) for _ in range(2)]
    optimizer = bp.SGD(lr=0.1, weight_decay=0.01)
    nets[0].fit(x, y, loss="mse", optimizer=optimizer, batch_size=1, shuffle=False, verbose=0)
    trainer = bp.Trainer(nets[1], "mse", optimizer)
    for row in range(20):
        trainer.step(x[row : row + 1], y[row : row + 1])
    for name, wanted in nets[1].state_dict().items():
        assert_near(nets[0].state_dict()[name], wanted, name)
