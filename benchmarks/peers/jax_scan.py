"""JAX at its best: the whole repeat is one ``lax.scan`` over steps under ``jit``."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.cases import Case, Data
from benchmarks.peers import Runner


def forward(case: Case, weights: list[Any], x: Any) -> Any:
    activation = jnp.tanh if case.activation == "tanh" else jax.nn.relu
    for index, (weight, bias) in enumerate(weights):
        x = x @ weight.T + bias
        if case.last or index + 1 < len(weights):
            x = activation(x)
    return x


def loss_of(case: Case, out: Any, y: Any) -> Any:
    if case.loss == "half_squared_error":
        return 0.5 * ((out - y) ** 2).sum()
    if case.loss == "mse":
        return ((out - y) ** 2).mean()
    return -jnp.take_along_axis(jax.nn.log_softmax(out), y[..., None], axis=-1).mean()


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


def make(case: Case, data: Data, weights: list[Any], threads: int) -> Runner | None:
    if case.dropout:
        return None

    def loss(weights: list[Any], x: Any, y: Any) -> Any:
        return loss_of(case, forward(case, weights, x), y)

    def step(state: Any, batch: Any) -> Any:
        return update(case, state, jax.grad(loss)(state[0], *batch)), None

    # Measured: four steps a turn gain up to a fifth there, and lose up to nine tenths in the other cases.
    unroll = 4 if case.online and max(case.widths) > 2 else 1
    steps = case.samples // case.batch
    shape = (steps,) if case.batch == 1 else (steps, case.batch)
    xs = jnp.asarray(data.x[: steps * case.batch].reshape(*shape, -1))
    ys = jnp.asarray(data.y[: steps * case.batch].reshape(*shape, *data.y.shape[1:]))

    def repeat(state: Any, xs: Any, ys: Any) -> Any:
        if steps == 1:  # the same batch again and again
            return jax.lax.scan(lambda s, _: step(s, (xs[0], ys[0])), state, length=case.epochs)[0]
        for _ in range(case.epochs):
            state = jax.lax.scan(step, state, (xs, ys), unroll=unroll)[0]
        return state

    jitted = jax.jit(repeat, donate_argnums=0)
    apply = jax.jit(lambda weights, x: forward(case, weights, x))
    zeros = jax.tree.map(np.zeros_like, weights)
    held = [jax.tree.map(jnp.array, (weights, zeros, zeros, np.float32(0)))]

    def train() -> None:
        held[0] = jax.block_until_ready(jitted(held[0], xs, ys))

    def predict() -> None:
        for first in range(0, case.samples, case.batch):
            apply(held[0][0], data.x[first : first + case.batch]).block_until_ready()

    def state() -> list[Any]:
        return [(np.array(w), np.array(b)) for w, b in held[0][0]]

    return Runner(predict if case.predict else train, state, lambda x: np.asarray(apply(held[0][0], x)))
