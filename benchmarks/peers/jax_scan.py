"""JAX: the whole repeat is one ``lax.scan`` over steps under ``jit``, the state donated, weights (in, out)."""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_enable_fast_math=true")

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.cases import Case, Data
from benchmarks.peers import Runner

# Weights (out, in), multiplied by their transpose, were never faster and up to five times slower.
TRAIN = {
    f"{gradient}, unrolled by {unroll}": (gradient == "by hand", unroll)
    for gradient in ("jax.grad", "by hand")
    for unroll in (1, 2, 4, 8)
}
PREDICT = ["NumPy slices", "slices on the device"]


def forms(case: Case) -> list[str]:
    if case.predict:
        return PREDICT
    most = 8 if case.batch == 1 else 2
    return [form for form, (hand, unroll) in TRAIN.items() if unroll <= most and not (hand and case.dropout)]


def activate(case: Case, index: int, layers: int) -> bool:
    return case.last or index + 1 < layers


def forward(case: Case, weights: list[Any], x: Any, key: Any = None) -> list[Any]:
    """The input of every layer, then the output; with a key the activations are dropped."""
    activation = jnp.tanh if case.activation == "tanh" else jax.nn.relu
    values = [x]
    for index, (weight, bias) in enumerate(weights):
        x = x @ weight + bias
        if activate(case, index, len(weights)):
            x = activation(x)
            if key is not None:
                keep = jax.random.bernoulli(jax.random.fold_in(key, index), 1 - case.dropout, x.shape)
                x = jnp.where(keep, x / (1 - case.dropout), 0)
        values.append(x)
    return values


def loss_of(case: Case, out: Any, y: Any) -> Any:
    if case.loss == "half_squared_error":
        return 0.5 * ((out - y) ** 2).sum()
    if case.loss == "mse":
        return ((out - y) ** 2).mean()
    return -jnp.take_along_axis(jax.nn.log_softmax(out), y[..., None], axis=-1).mean()


def by_grad(case: Case, weights: list[Any], x: Any, y: Any, step: Any) -> list[Any]:
    key = jax.random.fold_in(jax.random.key(0, impl="rbg"), step) if case.dropout else None
    return jax.grad(lambda weights: loss_of(case, forward(case, weights, x, key)[-1], y))(weights)


def by_hand(case: Case, weights: list[Any], x: Any, y: Any, step: Any) -> list[Any]:
    values = forward(case, weights, x)
    out = values[-1]
    if case.loss == "half_squared_error":
        delta = out - y
    elif case.loss == "mse":
        delta = (out - y) * (2 / out.size)
    else:
        delta = (jax.nn.softmax(out) - jax.nn.one_hot(y, out.shape[-1])) / case.batch
    gradients: list[Any] = []
    for index in range(len(weights) - 1, -1, -1):
        h, before = values[index + 1], values[index]
        if activate(case, index, len(weights)):
            delta = delta * (1 - h * h) if case.activation == "tanh" else jnp.where(h > 0, delta, 0)
        one = delta.ndim == 1
        gradients.append(
            (jnp.outer(before, delta) if one else before.T @ delta, delta if one else delta.sum(0))
        )
        delta = delta @ weights[index][0].T
    return gradients[::-1]


def update(case: Case, state: Any, gradient: Any) -> Any:
    """PyTorch's rules; the state is (weights, first moments, second moments, steps)."""
    weights, first, second, steps = state
    if case.adam:
        steps += 1
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradient)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradient)
        rate, correction = case.lr / (1 - 0.9**steps), 1 - 0.999**steps
        change = jax.tree.map(lambda m, v: rate * m / (jnp.sqrt(v / correction) + 1e-8), first, second)
    else:
        if case.momentum:
            first = gradient = jax.tree.map(lambda v, g: case.momentum * v + g, first, gradient)
        change = jax.tree.map(lambda g: case.lr * g, gradient)
    return jax.tree.map(jnp.subtract, weights, change), first, second, steps


def make(case: Case, data: Data, weights: list[Any], threads: int, form: str) -> Runner:
    weights = [(np.ascontiguousarray(weight.T), bias) for weight, bias in weights]
    apply = jax.jit(lambda weights, x: forward(case, weights, x)[-1])
    zeros = jax.tree.map(np.zeros_like, weights)
    held = [jax.tree.map(jnp.array, (weights, zeros, zeros, np.float32(0)))]
    if case.predict:
        return predictor(case, data, held[0][0], apply, form)
    gradient, unroll = (by_hand if TRAIN[form][0] else by_grad), TRAIN[form][1]

    def step(state: Any, batch: Any) -> Any:
        return update(case, state, gradient(case, state[0], *batch)), None

    steps = case.samples // case.batch
    shape = (steps,) if case.batch == 1 else (steps, case.batch)
    xs = jnp.asarray(data.x[: steps * case.batch].reshape(*shape, -1))
    ys = jnp.asarray(data.y[: steps * case.batch].reshape(*shape, *data.y.shape[1:]))
    numbers = jnp.arange(steps)

    def repeat(state: Any, xs: Any, ys: Any) -> Any:
        if steps == 1:  # the same batch again and again
            again = jax.lax.scan(lambda s, _: step(s, (xs[0], ys[0], 0)), state, length=case.epochs)
            return again[0]
        for _ in range(case.epochs):
            state = jax.lax.scan(step, state, (xs, ys, numbers), unroll=unroll)[0]
        return state

    jitted = jax.jit(repeat, donate_argnums=0)

    def train() -> int:
        held[0] = jax.block_until_ready(jitted(held[0], xs, ys))
        return steps * case.batch * case.epochs

    def state() -> list[Any]:
        return [(np.array(w).T, np.array(b)) for w, b in held[0][0]]

    return Runner(train, state, lambda x: np.asarray(apply(held[0][0], x)))


def predictor(case: Case, data: Data, weights: list[Any], apply: Any, form: str) -> Runner:
    parts = [data.x[first : first + case.batch] for first in range(0, case.samples, case.batch)]
    if form != PREDICT[0]:
        parts = jax.block_until_ready([jnp.asarray(part) for part in parts])

    def predict() -> None:
        for part in parts:
            apply(weights, part).block_until_ready()

    return Runner(predict, outputs=lambda x: np.asarray(apply(weights, x)))
