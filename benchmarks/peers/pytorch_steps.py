"""Back-propagation by PyTorch's operations without its autograd, for ``pytorch.py``.

Weights are [(weight, bias), …], the weight (in, out), or (out, in) where ``transposed``. ``in_place`` updates
them by ``addmm_``; ``compiled_steps`` gives several steps to torch.compile at once, so that a call from Python
is paid once for all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from benchmarks.cases import Case

Pairs = list[tuple[torch.Tensor, torch.Tensor]]


def drop(case: Case, h: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
    if not case.dropout:
        return h, None
    mask = (torch.rand_like(h) >= case.dropout) * (1 / (1 - case.dropout))
    return h * mask, mask


def forward(case: Case, weights: Pairs, x: torch.Tensor, transposed: bool) -> tuple[list[Any], list[Any]]:
    """Every layer's input, with the output at the end, and for every layer the output of its activation with
    the mask, or None."""
    activation = torch.tanh if case.activation == "tanh" else torch.relu
    inputs, activated = [x], []
    for index, (weight, bias) in enumerate(weights):
        h = torch.addmm(bias, inputs[-1], weight.t() if transposed else weight)
        if case.last or index + 1 < len(weights):
            h = activation(h)
            dropped, mask = drop(case, h)
            activated.append((h, mask))
            inputs.append(dropped)
        else:
            activated.append(None)
            inputs.append(h)
    return inputs, activated


def delta_of_loss(case: Case, out: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The gradient of the batch's loss with respect to the outputs."""
    if case.loss == "half_squared_error":
        return (out - y) / len(y)
    if case.loss == "mse":
        return (out - y) * (2 / out.numel())
    one_hot = torch.nn.functional.one_hot(y, out.shape[1]).to(out.dtype)
    return (torch.softmax(out, 1) - one_hot) / len(y)


def through_activation(case: Case, delta: torch.Tensor, activated: Any) -> torch.Tensor:
    if activated is None:
        return delta
    h, mask = activated
    if mask is not None:
        delta = delta * mask
    return delta * (1 - h * h) if case.activation == "tanh" else torch.where(h > 0, delta, 0)


def backward(case: Case, weights: Pairs, x: Any, y: Any, transposed: bool, use: Callable[..., None]) -> None:
    """Calls ``use(layer, left, right, delta)`` for each layer from the last: its gradient is left @ right, that
    of its bias the sum of delta over the samples. A layer may be changed in it."""
    inputs, activated = forward(case, weights, x, transposed)
    delta = delta_of_loss(case, inputs[-1], y)
    for layer in range(len(weights) - 1, -1, -1):
        delta = through_activation(case, delta, activated[layer])
        weight = weights[layer][0]
        before = (delta @ (weight if transposed else weight.t())) if layer else None
        left, right = (delta, inputs[layer]) if transposed else (inputs[layer], delta)
        use(layer, left.t(), right, delta)
        delta = before


def in_place(case: Case, weights: Pairs, first: Pairs, x: Any, y: Any, transposed: bool) -> None:
    """A step of SGD."""

    def update(layer: int, left: torch.Tensor, right: torch.Tensor, delta: torch.Tensor) -> None:
        (weight, bias), (v, v_bias) = weights[layer], first[layer]
        bias_gradient = delta[0] if len(delta) == 1 else delta.sum(0)
        if not case.momentum:
            weight.addmm_(left, right, alpha=-case.lr)
            bias.add_(bias_gradient, alpha=-case.lr)
            return
        v.addmm_(left, right, beta=case.momentum)
        weight.add_(v, alpha=-case.lr)
        v_bias.mul_(case.momentum).add_(bias_gradient)
        bias.add_(v_bias, alpha=-case.lr)

    backward(case, weights, x, y, transposed, update)


def after_step(case: Case, state: Any, x: Any, y: Any, transposed: bool) -> Any:
    """(weights, first moments, second moments, steps) after a step of SGD or Adam, none of them changed."""
    weights, first, second, steps = state
    steps = steps + 1
    made = [list(part) for part in (weights, first, second)]

    def changed(w: Any, m: Any, v: Any, gradient: Any) -> tuple[Any, Any, Any]:
        if case.adam:
            m = 0.9 * m + 0.1 * gradient
            v = 0.999 * v + 0.001 * gradient * gradient
            return w - case.lr / (1 - 0.9**steps) * m / (torch.sqrt(v / (1 - 0.999**steps)) + 1e-8), m, v
        if case.momentum:
            m = gradient = case.momentum * m + gradient
        return w - case.lr * gradient, m, v

    def update(layer: int, left: torch.Tensor, right: torch.Tensor, delta: torch.Tensor) -> None:
        # A product of one column and one row is an outer product, which the compiler puts into the update.
        product = left * right if len(delta) == 1 else left @ right
        parts = [
            changed(weights[layer][i], first[layer][i], second[layer][i], gradient)
            for i, gradient in enumerate((product, delta.sum(0)))
        ]
        for k, part in enumerate(made):
            part[layer] = tuple(p[k] for p in parts)

    backward(case, weights, x, y, transposed, update)
    return (*made, steps)


def compiled_steps(case: Case, count: int, transposed: bool) -> Callable[[Any, Any, Any], None]:
    """A function of (state, x, y) that does so many steps at once and leaves what follows in the state; x and
    y have the batches side by side."""

    def steps(state: Any, x: torch.Tensor, y: torch.Tensor) -> None:
        after = state
        for batch in zip(x.split(case.batch), y.split(case.batch)):
            after = after_step(case, after, *batch, transposed)
        for part, new in zip(state[:3], after[:3]):
            for pair, new_pair in zip(part, new):
                for tensor, value in zip(pair, new_pair):
                    if value is not tensor:
                        tensor.copy_(value)
        state[3].copy_(after[3])

    return torch.compile(steps, dynamic=False)
