"""The same numbers as PyTorch, whose names and meanings the library takes over, in float64 to 1e-12."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import bpnet as bp

torch = pytest.importorskip("torch", reason="PyTorch comes with the parity extra")

pytestmark = pytest.mark.parity
nn, functional = torch.nn, torch.nn.functional

BACKENDS = pytest.mark.parametrize("backend", bp.backends())

# (layer, PyTorch's module)
ACTIVATIONS = [
    (bp.Tanh(), lambda: nn.Tanh()),
    (bp.ReLU(), lambda: nn.ReLU()),
    (bp.LeakyReLU(), lambda: nn.LeakyReLU()),
    (bp.LeakyReLU(0.3), lambda: nn.LeakyReLU(0.3)),
    (bp.Sigmoid(), lambda: nn.Sigmoid()),
    # PyTorch goes over to the straight line at beta x = 20, 2e-9 off it; at 60 there is no difference.
    (bp.Softplus(), lambda: nn.Softplus(threshold=60)),
    (bp.Softplus(beta=3.0), lambda: nn.Softplus(beta=3.0, threshold=60)),
    (bp.GELU(), lambda: nn.GELU()),
    (bp.GELU(approximate="tanh"), lambda: nn.GELU(approximate="tanh")),
    (bp.SiLU(), lambda: nn.SiLU()),
    (bp.Softmax(), lambda: nn.Softmax(dim=-1)),
]
activations = pytest.mark.parametrize(
    "layer, module", ACTIVATIONS, ids=[repr(layer) for layer, _ in ACTIVATIONS]
)

CLASS_WEIGHT = [0.5, 2.0, 1.0, 0.25]


def tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.array(array))


def assert_near(actual, wanted, what: str = "") -> None:
    a, b = np.asarray(actual), wanted.detach().numpy() if isinstance(wanted, torch.Tensor) else wanted
    assert a.shape == b.shape, what
    assert abs(a - b).max() <= 1e-12 * max(abs(b).max(), 1e-3), what


def pair(layer=None, module=None, backend: str | None = None, dtype: str = "float64") -> tuple:
    """A network, and a Sequential that has taken its weights by name: strict, so no name is off."""
    layer, module = layer or bp.Tanh(), module or nn.Tanh
    layers = [
        bp.Flatten(),
        bp.Linear(17),
        layer,
        bp.Linear(9, bias=False),
        layer,
        bp.Dropout(0.5),
        bp.Linear(4),
    ]
    net = bp.Network((2, 5), layers, seed=6, dtype=dtype, backend=backend)
    modules = [
        nn.Flatten(),
        nn.Linear(10, 17),
        module(),
        nn.Linear(17, 9, bias=False),
        module(),
        nn.Dropout(0.5),
    ]
    model = nn.Sequential(*modules, nn.Linear(9, 4)).to(getattr(torch, dtype)).eval()
    model.load_state_dict({name: tensor(w) for name, w in net.state_dict().items()}, strict=True)
    return net, model


def plain_pair(backend: str) -> tuple:
    """Without dropout, whose masks are each library's own."""
    net = bp.Network(5, [bp.Linear(17), bp.Tanh(), bp.Linear(4)], seed=6, dtype="float64", backend=backend)
    model = nn.Sequential(nn.Linear(5, 17), nn.Tanh(), nn.Linear(17, 4)).double()
    model.load_state_dict({name: tensor(w) for name, w in net.state_dict().items()}, strict=True)
    return net, model


def batch(shape: tuple[int, ...] = (5,), rows: int = 11) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, targets, labels."""
    numbers = np.random.default_rng(0)
    return numbers.normal(size=(rows, *shape)), numbers.normal(size=(rows, 4)), numbers.integers(0, 4, rows)


@activations
@BACKENDS
def test_forward(layer: bp.layers.Layer, module: Callable, backend: str):
    net, model = pair(layer, module, backend)
    x, _, _ = batch((2, 5))
    assert_near(net.forward(x), model(tensor(x)))


@activations
@BACKENDS
def test_activation_and_its_gradient_far_out(layer: bp.layers.Layer, module: Callable, backend: str):
    """Where tanh and its like are flat, and exp would overflow."""
    ends = np.array([0.0, 1e-8, 0.1, 1, 5, 20, 40, 300, 800])
    x = np.concatenate([-ends[::-1], ends])[None]
    net = bp.Network(x.shape[1], [layer], dtype="float64", backend=backend)
    theirs = tensor(x).requires_grad_()
    out = module()(theirs)
    grad = np.random.default_rng(0).normal(size=x.shape)
    out.backward(tensor(grad))
    assert_near(net.forward(x, training=True), out)
    assert_near(net.backward(grad), theirs.grad)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_model_file_is_a_state_dict(dtype: str, tmp_path: Path):
    safetensors = pytest.importorskip("safetensors.torch", reason="safetensors comes with the parity extra")
    net, _ = pair(dtype=dtype)
    _, model = pair(dtype=dtype)
    net.save(tmp_path / "net.safetensors")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    model.load_state_dict(safetensors.load_file(tmp_path / "net.safetensors"), strict=True)
    for name, w in net.state_dict().items():
        assert w.tobytes() == model.state_dict()[name].numpy().tobytes()
    x = batch((2, 5))[0].astype(dtype)
    assert np.allclose(net.predict(x), model(tensor(x)).detach(), rtol=0, atol=50 * np.finfo(dtype).eps)


def test_weights_come_back():
    net, model = pair()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1)
    net.load_state_dict({name: w.numpy() for name, w in model.state_dict().items()})
    x, _, _ = batch((2, 5))
    assert_near(net.forward(x), model(tensor(x)))


# (the library's loss, PyTorch's of (x, y), the kind of y)
LOSSES = [
    ("half_squared_error", lambda x, y: 0.5 * functional.mse_loss(x, y, reduction="sum") / len(x), "targets"),
    ("squared_error", lambda x, y: functional.mse_loss(x, y, reduction="sum") / len(x), "targets"),
    ("mse", functional.mse_loss, "targets"),
    ("mae", functional.l1_loss, "targets"),
    ("huber", functional.huber_loss, "targets"),
    (bp.Huber(delta=0.4), lambda x, y: functional.huber_loss(x, y, delta=0.4), "targets"),
    (
        bp.BinaryCrossEntropyWithLogits(outputs="sum"),
        lambda x, y: functional.binary_cross_entropy_with_logits(x, y, reduction="sum") / len(x),
        "shares",
    ),
    ("binary_cross_entropy_with_logits", functional.binary_cross_entropy_with_logits, "shares"),
    *(
        (
            bp.CrossEntropy(label_smoothing=smoothing, class_weight=weight),
            lambda x, y, s=smoothing, w=weight: functional.cross_entropy(
                x, y, label_smoothing=s, weight=None if w is None else torch.tensor(w, dtype=x.dtype)
            ),
            kind,
        )
        for kind in ("labels", "shares")
        for smoothing in (0.0, 0.1)
        for weight in (None, CLASS_WEIGHT)
    ),
]
losses = pytest.mark.parametrize(
    "loss, theirs, kind", LOSSES, ids=[f"{loss!r}-{kind}" for loss, _, kind in LOSSES]
)


@losses
@BACKENDS
def test_losses_and_gradients(loss, theirs: Callable, kind: str, backend: str):
    net, model = plain_pair(backend)
    x, targets, labels = batch()
    shares = np.exp(targets) / np.exp(targets).sum(axis=1, keepdims=True)
    y = {"targets": targets, "labels": labels, "shares": shares}[kind]
    value = theirs(model(tensor(x)), tensor(y))
    value.backward()
    assert_near(net.evaluate(x, y, loss)["loss"], value, "evaluate")
    assert_near(bp.Trainer(net, loss, bp.SGD(lr=0.0)).step(x, y), value, "step")
    for name, parameter in model.named_parameters():
        assert_near(net.gradients()[name], parameter.grad, name)


@activations
@BACKENDS
def test_backward(layer: bp.layers.Layer, module: Callable, backend: str):
    net = bp.Network(5, [bp.Linear(17), layer, bp.Linear(4), layer], seed=6, dtype="float64", backend=backend)
    model = nn.Sequential(nn.Linear(5, 17), module(), nn.Linear(17, 4), module()).double()
    model.load_state_dict({name: tensor(w) for name, w in net.state_dict().items()}, strict=True)
    x, grad_out, _ = batch()
    theirs = tensor(x).requires_grad_()
    model(theirs).backward(tensor(grad_out))
    net.forward(x, training=True)
    assert_near(net.backward(grad_out), theirs.grad, "x")
    for name, parameter in model.named_parameters():
        assert_near(net.gradients()[name], parameter.grad, name)


OPTIMIZERS = [
    (bp.SGD(0.1), lambda p: torch.optim.SGD(p, 0.1)),
    (bp.SGD(0.1, weight_decay=0.01), lambda p: torch.optim.SGD(p, 0.1, weight_decay=0.01)),
    (bp.SGD(0.05, 0.9, weight_decay=0.01), lambda p: torch.optim.SGD(p, 0.05, 0.9, weight_decay=0.01)),
    (
        bp.SGD(0.05, 0.9, weight_decay=0.01, nesterov=True),
        lambda p: torch.optim.SGD(p, 0.05, 0.9, weight_decay=0.01, nesterov=True),
    ),
    (bp.Adam(), lambda p: torch.optim.Adam(p)),
    (
        bp.Adam(0.02, (0.8, 0.95), 1e-6, 0.01),
        lambda p: torch.optim.Adam(p, 0.02, (0.8, 0.95), 1e-6, weight_decay=0.01),
    ),
    (bp.AdamW(), lambda p: torch.optim.AdamW(p)),
    (
        bp.AdamW(0.02, (0.8, 0.95), 1e-6, 0.1),
        lambda p: torch.optim.AdamW(p, 0.02, (0.8, 0.95), 1e-6, weight_decay=0.1),
    ),
    (bp.RMSprop(), lambda p: torch.optim.RMSprop(p)),
    (
        bp.RMSprop(0.01, 0.9, 1e-6, 0.01, momentum=0.5),
        lambda p: torch.optim.RMSprop(p, 0.01, 0.9, 1e-6, weight_decay=0.01, momentum=0.5),
    ),
]


@pytest.mark.parametrize(
    "optimizer, theirs", OPTIMIZERS, ids=[repr(optimizer) for optimizer, _ in OPTIMIZERS]
)
@BACKENDS
def test_twenty_steps(optimizer: bp.optimizers.Optimizer, theirs: Callable, backend: str):
    net, model = plain_pair(backend)
    x, _, labels = batch(rows=60)
    trainer, torch_optimizer = bp.Trainer(net, "cross_entropy", optimizer), theirs(model.parameters())
    for step in range(20):
        rows = slice(3 * step, 3 * step + 3)
        value = functional.cross_entropy(model(tensor(x[rows])), tensor(labels[rows]))
        assert_near(trainer.step(x[rows], labels[rows]), value, f"step {step}")
        torch_optimizer.zero_grad()
        value.backward()
        torch_optimizer.step()
    for name, parameter in model.named_parameters():
        assert_near(net.state_dict()[name], parameter, name)


SCHEDULES = [
    (bp.StepLR(3, 0.5), lambda o: torch.optim.lr_scheduler.StepLR(o, 3, 0.5)),
    (bp.MultiStepLR([2, 5], 0.1), lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [2, 5], 0.1)),
    (bp.ExponentialLR(0.8), lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.8)),
    (bp.CosineAnnealingLR(12), lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 12)),
    (
        bp.CosineAnnealingLR(12, min_factor=0.1),
        lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 12, eta_min=0.1 * 0.3),
    ),
    (
        bp.ReduceLROnPlateau(factor=0.5, patience=1, threshold=0.01, min_factor=0.1),
        lambda o: torch.optim.lr_scheduler.ReduceLROnPlateau(o, "min", 0.5, 1, 0.01, min_lr=0.1 * 0.3, eps=0),
    ),
]


@pytest.mark.parametrize("schedule, theirs", SCHEDULES, ids=[repr(schedule) for schedule, _ in SCHEDULES])
def test_schedules(schedule: bp.schedules.Schedule, theirs: Callable):
    x, _, labels = batch()
    net = bp.Network(5, [bp.Linear(4)], dtype="float64")
    trainer = bp.Trainer(net, "cross_entropy", bp.SGD(lr=0.3, schedule=schedule))
    torch_optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.3)
    scheduler = theirs(torch_optimizer)
    numbers = np.random.default_rng(2)
    for _ in range(12):
        assert trainer.lr == pytest.approx(torch_optimizer.param_groups[0]["lr"], rel=1e-12)
        rows = numbers.integers(0, 11, 4)  # other data each epoch, so that the loss goes up and down
        history = trainer.fit(x[rows], labels[rows], verbose=0)
        torch_optimizer.step()
        plateau = isinstance(schedule, bp.ReduceLROnPlateau)
        scheduler.step(history["loss"][0]) if plateau else scheduler.step()
