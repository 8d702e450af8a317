"""The core's steps on rows in an order of the caller's, with rates that change between them; and runs that resume."""

from __future__ import annotations

import numpy as np
import pytest

import bpnet as bp
from bpnet._bridge import DATASETS

DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


def problem(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    numbers = np.random.default_rng(0)
    return numbers.normal(size=(30, 6)).astype(dtype), numbers.normal(size=(30, 3)).astype(dtype)


def trainer_of(dtype: str, optimizer: bp.optimizers.Optimizer, backend: str | None = None) -> bp.Trainer:
    net = bp.Network(6, [bp.Linear(9), bp.Tanh(), bp.Linear(3)], seed=1, dtype=dtype, backend=backend)
    return bp.Trainer(net, "mse", optimizer)


def weights(trainer: bp.Trainer) -> bytes:
    return b"".join(w.tobytes() for w in trainer.network.state_dict().values())


@DTYPES
@pytest.mark.parametrize("backend", bp.backends())
def test_a_step_on_rows_is_a_step_on_their_batch(dtype: str, backend: str) -> None:
    x, y = problem(dtype)
    weight = np.linspace(0.5, 2, 30).astype(dtype)
    order = np.random.default_rng(1).permutation(30).astype(np.uint64)
    rows, batches = (trainer_of(dtype, bp.Adam(0.01), backend) for _ in range(2))
    data = DATASETS[dtype](x, 3, y, None, weight)
    for first, count in ((0, 8), (8, 8), (16, 14), (3, 1)):
        mine = rows._core.step_rows(data, order, first, count)
        taken = order[first : first + count].astype(int)
        assert mine == pytest.approx(batches.step(x[taken], y[taken], weight[taken]), rel=1e-6)
        assert weights(rows) == weights(batches)


def test_the_update_is_made_whatever_the_loss() -> None:
    x, y = problem("float32")
    x[4, 2] = np.nan
    trainer = trainer_of("float32", bp.SGD(0.1))
    data = DATASETS["float32"](x, 3, y, None, None)
    loss = trainer._core.step_rows(data, np.arange(30, dtype=np.uint64), 0, 10)
    assert not np.isfinite(loss)
    assert trainer.steps == 1
    assert not trainer._core.weights_are_finite()


def test_rows_that_are_not_there_are_refused() -> None:
    x, y = problem("float32")
    trainer = trainer_of("float32", bp.SGD(0.1))
    data = DATASETS["float32"](x, 3, y, None, None)
    before = weights(trainer)
    with pytest.raises(ValueError, match="step: row 30 of data with 30 rows"):
        trainer._core.step_rows(data, np.array([3, 30], dtype=np.uint64), 0, 2)
    with pytest.raises(ValueError, match="step: rows 1 to 4 of an order of 3"):
        trainer._core.step_rows(data, np.arange(3, dtype=np.uint64), 1, 3)
    with pytest.raises(ValueError, match="step: the batch has 0 samples"):
        trainer._core.step_rows(data, np.arange(3, dtype=np.uint64), 1, 0)
    with pytest.raises(TypeError, match="step: a C-contiguous, aligned array"):
        trainer._core.step_rows(data, np.arange(3), 0, 3)
    assert weights(trainer) == before and trainer.steps == 0


@pytest.mark.parametrize(
    "make",
    [
        lambda lr, decay, eps: bp.SGD(lr, momentum=0.9, weight_decay=decay),
        lambda lr, decay, eps: bp.Adam(lr, eps=eps, weight_decay=decay, bias_decay=False),
        lambda lr, decay, eps: bp.AdamW(lr, eps=eps, weight_decay=decay),
        lambda lr, decay, eps: bp.RMSprop(lr, eps=eps, weight_decay=decay, momentum=0.3),
    ],
)
def test_rates_that_were_set_are_those_of_the_next_steps(make) -> None:
    """A trainer that begins with other rates and one that has them from the start make the same steps."""
    x, y = problem("float64")
    other = trainer_of("float64", make(0.5, 0.0, 1.0))
    other._core.set_rates(0.02, 0.3, 1e-4)
    same = trainer_of("float64", make(0.02, 0.3, 1e-4))
    assert other.lr == same.lr == 0.02
    for _ in range(3):
        other.step(x, y)
        same.step(x, y)
        assert weights(other) == weights(same)
    for trainer in (other, same):
        trainer.fit(x, y, epochs=2, batch_size=1, verbose=0)
    assert weights(other) == weights(same)


def test_rates_out_of_range_are_refused_and_change_nothing() -> None:
    trainer = trainer_of("float32", bp.Adam(0.01))
    with pytest.raises(ValueError, match="adam: weight_decay is -1"):
        trainer._core.set_rates(0.1, -1.0, 1e-8)
    assert trainer.lr == pytest.approx(0.01)


def test_parameters_and_averages_can_be_written() -> None:
    x, y = problem("float64")
    trainer = trainer_of("float64", bp.SGD(0.1, momentum=0.9))
    trainer.step(x, y)
    for view in trainer.network._core.writable_parameters().values():
        view[...] = 0.25
    assert all((w == 0.25).all() for w in trainer.network.state_dict().values())
    slots = trainer._core.writable_slots()
    assert set(slots) == {f"momentum.{name}" for name in trainer.network.state_dict()}
    for view in slots.values():
        view[...] = 0.0
    fresh = trainer_of("float64", bp.SGD(0.1, momentum=0.9))
    fresh.network.load_state_dict(trainer.network.state_dict())
    trainer.step(x, y)
    fresh.step(x, y)
    assert weights(trainer) == weights(fresh)


@DTYPES
def test_a_trainer_resumes_where_another_was(dtype: str) -> None:
    x, y = problem(dtype)
    optimizer = bp.Adam(0.05, schedule=bp.LinearWarmup(10))
    one, other = (trainer_of(dtype, optimizer) for _ in range(2))
    for _ in range(4):
        one.step(x, y)
    other.network.load_state_dict(one.network.state_dict())
    slots = {name: values.copy() for name, values in one._core.slots().items()}
    other._core.resume(one._core.described_state, slots)
    assert other.steps == one.steps == 4 and other.lr == one.lr
    for _ in range(3):
        one.step(x, y)
        other.step(x, y)
        assert weights(other) == weights(one)


def test_what_cannot_be_resumed_is_refused_and_changes_nothing() -> None:
    x, y = problem("float64")
    one, other = (trainer_of("float64", bp.SGD(0.1, momentum=0.9)) for _ in range(2))
    one.step(x, y)
    state = one._core.described_state
    slots = {name: values.copy() for name, values in one._core.slots().items()}
    some = dict(list(slots.items())[:-1])
    with pytest.raises(ValueError, match="resume: 3 arrays were given, the optimizer has 4"):
        other._core.resume(state, some)
    with pytest.raises(ValueError, match="resume: the optimizer's 'momentum.2.bias' is missing"):
        other._core.resume(state, {**some, "other": slots["momentum.2.bias"]})
    with pytest.raises(
        ValueError, match=r"resume: 'momentum.2.bias' has shape \(2,\), the optimizer's has \(3,\)"
    ):
        other._core.resume(state, {**slots, "momentum.2.bias": slots["momentum.2.bias"][:2]})
    weight = slots["momentum.0.weight"]
    with pytest.raises(ValueError, match="resume: 'momentum.0.weight' has shape "):
        other._core.resume(state, {**slots, "momentum.0.weight": weight.T.copy()})
    with pytest.raises(bp.FileFormatError):
        other._core.resume("{}", slots)
    assert other.steps == 0
    assert not any(values.any() for values in other._core.slots().values())
    with pytest.raises(ValueError, match="read-only"):
        next(iter(one._core.slots().values()))[...] = 0
