"""JAX at its best: the whole repeat is one ``lax.scan`` over steps under ``jit``."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.cases import Case, Data
from benchmarks.peers import Runner


def forward(weights: list[Any], x: Any, online: bool) -> Any:
    for index, (weight, bias) in enumerate(weights):
        x = x @ weight.T + bias
        if online:
            x = jnp.tanh(x)
        elif index + 1 < len(weights):
            x = jax.nn.relu(x)
    return x


def make(case: Case, data: Data, weights: list[Any], threads: int) -> Runner:
    online = case.kind == "online"

    def loss(weights: list[Any], x: Any, y: Any) -> Any:
        out = forward(weights, x, online)
        if online:
            return 0.5 * ((out - y) ** 2).sum()
        return -jnp.take_along_axis(jax.nn.log_softmax(out), y[:, None], axis=1).mean()

    def step(state: Any, batch: Any) -> Any:
        weights, velocity = state
        gradient = jax.grad(loss)(weights, *batch)
        if not online:
            velocity = jax.tree.map(lambda v, g: 0.9 * v + g, velocity, gradient)
            gradient = velocity
        return (jax.tree.map(lambda w, g: w - case.lr * g, weights, gradient), velocity), None

    steps = case.samples // case.batch
    y = data.targets if online else data.labels
    shape = (steps,) if online else (steps, case.batch)
    xs = jnp.asarray(data.x[: steps * case.batch].reshape(*shape, -1))
    ys = jnp.asarray(y[: steps * case.batch].reshape(*shape, *y.shape[1:]))
    epoch = jax.jit(lambda state: jax.lax.scan(step, state, (xs, ys))[0], donate_argnums=0)
    apply = jax.jit(lambda weights, x: forward(weights, x, False))
    held = [jax.tree.map(jnp.array, (weights, jax.tree.map(np.zeros_like, weights)))]

    def train() -> None:
        held[0] = jax.block_until_ready(epoch(held[0]))

    def predict() -> None:
        for first in range(0, case.samples, case.batch):
            apply(held[0][0], data.x[first : first + case.batch]).block_until_ready()

    def state() -> list[Any]:
        return [(np.array(w), np.array(b)) for w, b in held[0][0]]

    return Runner(predict if case.kind == "predict" else train, state)
