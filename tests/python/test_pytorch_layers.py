"""The image layers give PyTorch's numbers: outputs, gradients and buffers, in float64 to 1e-9, under PyTorch's names."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import bpnet as bp

torch = pytest.importorskip("torch", reason="PyTorch comes with the parity extra")

pytestmark = pytest.mark.parity
nn = torch.nn

# (layer, PyTorch's module, the shape of a sample)
LAYERS: list[tuple[bp.layers.Layer, Callable, tuple[int, ...]]] = [
    (bp.Conv2d(6, 3), lambda: nn.Conv2d(4, 6, 3), (4, 7, 8)),
    (bp.Conv2d(10, 1, bias=False), lambda: nn.Conv2d(5, 10, 1, bias=False), (5, 4, 6)),
    (bp.Conv2d(8, 5, padding=2, groups=4), lambda: nn.Conv2d(8, 8, 5, padding=2, groups=4), (8, 6, 5)),
    (bp.Conv2d(7, 11, stride=4), lambda: nn.Conv2d(3, 7, 11, 4), (3, 31, 34)),
    (
        bp.Conv2d(6, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2),
        lambda: nn.Conv2d(4, 6, (3, 2), (2, 1), (1, 2), (1, 2), 2),
        (4, 9, 8),
    ),
    (
        bp.Conv2d(4, 3, padding=(0, 3, 1, 2)),
        lambda: nn.Sequential(nn.ZeroPad2d((1, 2, 0, 3)), nn.Conv2d(2, 4, 3)),
        (2, 5, 6),
    ),
    *(
        (
            bp.MaxPool2d(kernel, stride, padding, ceil_mode=ceil),
            lambda k=kernel, s=stride, p=padding, c=ceil: nn.MaxPool2d(k, s, p, ceil_mode=c),
            (11, 8, 10),
        )
        for kernel, stride, padding in [
            (3, 2, 0),
            (3, 2, 1),
            (2, None, 0),
            ((3, 2), (2, 3), (1, 1)),
            (5, 1, 2),
        ]
        for ceil in (False, True)
    ),
    *(
        (
            bp.MaxPool2d(kernel, stride, padding, dilation, ceil_mode=ceil),
            lambda k=kernel, s=stride, p=padding, d=dilation, c=ceil: nn.MaxPool2d(k, s, p, d, ceil_mode=c),
            (11, 9, 11),
        )
        for kernel, stride, padding, dilation in [
            (2, 1, 0, 2),
            (3, 2, 1, 3),
            ((3, 2), (2, 3), (1, 1), (2, 4)),
            ((1, 4), (3, 1), (0, 2), (5, 2)),
        ]
        for ceil in (False, True)
    ),
    *(
        (
            bp.AvgPool2d(kernel, stride, padding, ceil, include),
            lambda k=kernel, s=stride, p=padding, c=ceil, i=include: nn.AvgPool2d(k, s, p, c, i),
            (11, 8, 10),
        )
        for kernel, stride, padding in [(3, 2, 1), (2, None, 0), ((3, 2), (2, 3), (1, 1))]
        for ceil in (False, True)
        for include in (False, True)
    ),
    *(
        (bp.AdaptiveAvgPool2d(size), lambda s=size: nn.AdaptiveAvgPool2d(s), (5, 8, 10))
        for size in (1, 6, (3, 5), (9, 12))
    ),
    *(
        (
            bp.LocalResponseNorm(size, alpha, beta, k),
            lambda n=size, a=alpha, b=beta, c=k: nn.LocalResponseNorm(n, a, b, c),
            (17, 3, 4),
        )
        for size in (1, 2, 4, 5, 9, 40)
        for alpha, beta, k in ((1e-4, 0.75, 1.0), (0.5, 0.75, 2.0), (0.5, 1.3, 1.5))
    ),
    (bp.BatchNorm2d(), lambda: nn.BatchNorm2d(7), (7, 5, 6)),
    (
        bp.BatchNorm2d(eps=1e-3, momentum=0.3, affine=False),
        lambda: nn.BatchNorm2d(7, 1e-3, 0.3, affine=False),
        (7, 5, 6),
    ),
    (bp.BatchNorm1d(), lambda: nn.BatchNorm1d(7), (7,)),
    (bp.BatchNorm1d(eps=1e-3, momentum=1.0), lambda: nn.BatchNorm1d(7, 1e-3, 1.0), (7,)),
    (bp.BatchNorm1d(), lambda: nn.BatchNorm1d(7), (7, 5)),
    (
        bp.BatchNorm1d(eps=1e-3, momentum=None, affine=False),
        lambda: nn.BatchNorm1d(7, 1e-3, None, affine=False),
        (7, 5),
    ),
    (bp.BatchNorm1d(momentum=None), lambda: nn.BatchNorm1d(7, momentum=None), (7,)),
    (bp.BatchNorm2d(momentum=None), lambda: nn.BatchNorm2d(7, momentum=None), (7, 5, 6)),
]


def assert_near(actual: np.ndarray, wanted: torch.Tensor, what: str) -> None:
    b = wanted.detach().numpy()
    assert actual.shape == b.shape, what
    assert abs(actual - b).max() <= 1e-9 * max(abs(b).max(), 1e-3), what


@pytest.mark.parametrize("layer, module, shape", LAYERS, ids=[repr(layer) for layer, _, _ in LAYERS])
@pytest.mark.parametrize("backend", bp.backends())
def test_layer(layer: bp.layers.Layer, module: Callable, shape: tuple[int, ...], backend: str):
    net = bp.Network(shape, [layer], seed=1, dtype="float64", backend=backend)
    model = module().double()
    prefix = "1." if isinstance(model, nn.Sequential) else ""  # after the layer of zeros
    state = {prefix + name[2:]: torch.from_numpy(np.array(w)) for name, w in net.state_dict().items()}
    model.load_state_dict(state, strict=True)
    rng = np.random.default_rng(0)
    for _ in range(2):
        x = rng.normal(0.5, 1, (4, *shape))
        theirs = torch.from_numpy(x).requires_grad_()
        out = model(theirs)
        grad_out = rng.normal(size=out.shape)
        model.zero_grad()
        out.backward(torch.from_numpy(grad_out))
        assert_near(net.forward(x, training=True), out, "out")
        assert_near(net.backward(grad_out), theirs.grad, "x")
        for name, parameter in model.named_parameters():
            assert_near(net.gradients()[f"0.{name.removeprefix(prefix)}"], parameter.grad, name)
    for name, values in model.state_dict().items():  # running statistics too
        assert_near(np.asarray(net.state_dict()[f"0.{name.removeprefix(prefix)}"]), values, name)
    model.eval()
    assert_near(net.predict(x), model(torch.from_numpy(x)), "evaluation")


@pytest.mark.parametrize("backend", bp.backends())
def test_layers_one_after_another(backend: str):
    """A small network of all of them, whose activations are joined to convolutions."""
    layers = [
        bp.Conv2d(8, 5, stride=2),
        bp.ReLU(),
        bp.LocalResponseNorm(5, alpha=0.1, k=2.0),
        bp.MaxPool2d(3, stride=2),
        bp.Conv2d(12, 3, padding=1, groups=2, bias=False),
        bp.BatchNorm2d(),
        bp.Tanh(),
        bp.AvgPool2d(2, stride=1),
        bp.AdaptiveAvgPool2d(2),
        bp.Flatten(),
        bp.Linear(5, bias=False),
        bp.BatchNorm1d(),
    ]
    modules = [
        nn.Conv2d(3, 8, 5, 2),
        nn.ReLU(),
        nn.LocalResponseNorm(5, 0.1, k=2.0),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(8, 12, 3, padding=1, groups=2, bias=False),
        nn.BatchNorm2d(12),
        nn.Tanh(),
        nn.AvgPool2d(2, 1),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(48, 5, bias=False),
        nn.BatchNorm1d(5),
    ]
    net = bp.Network((3, 27, 25), layers, seed=2, dtype="float64", backend=backend)
    model = nn.Sequential(*modules).double()
    model.load_state_dict(
        {k: torch.from_numpy(np.array(w)) for k, w in net.state_dict().items()}, strict=True
    )
    rng = np.random.default_rng(0)
    x, grad_out = rng.normal(size=(6, 3, 27, 25)), rng.normal(size=(6, 5))
    theirs = torch.from_numpy(x).requires_grad_()
    out = model(theirs)
    out.backward(torch.from_numpy(grad_out))
    assert_near(net.forward(x, training=True), out, "out")
    assert_near(net.backward(grad_out), theirs.grad, "x")
    for name, parameter in model.named_parameters():
        assert_near(net.gradients()[name], parameter.grad, name)
