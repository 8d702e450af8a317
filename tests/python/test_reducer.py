"""A step that several trainers make together, each on its part of the batch."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import bpnet as bp
from bpnet._bridge import finite_dataset

NUMBERS = ("weight_sum", "loss")
LAYERS = [bp.Linear(9), bp.Tanh(), bp.Linear(7).named("middle"), bp.ReLU(), bp.Linear(3)]
IMAGE_LAYERS = [
    bp.Conv2d(5, 3, padding=1),
    bp.ReLU(),
    bp.LocalResponseNorm(3),
    bp.MaxPool2d(2),
    bp.Parallel([[], bp.Conv2d(2, 1)], merge="concat"),
    bp.Flatten(),
    bp.Dropout(0.4),
    bp.Linear(3),
]
rng = np.random.default_rng(3)
X, LABELS, WEIGHTS = rng.normal(size=(24, 6)), rng.integers(0, 3, 24), rng.random(24)
IMAGES = rng.normal(size=(24, 2, 6, 6))


def network(layers=LAYERS, shape=6, dtype="float64", backend=None) -> bp.Network:
    return bp.Network(shape, layers, seed=2, dtype=dtype, backend=backend)


def bits(net: bp.Network) -> list[bytes]:
    return [value.tobytes() for value in net.state_dict().values()]


def nothing(name: str, values: np.ndarray) -> None:
    pass


@pytest.mark.parametrize("backend", bp.backends())
def test_what_is_called_and_when(backend: str):
    """Each layer's gradient as soon as it is there: at the first call those of the layers before are untouched."""
    log: list[tuple[str, int, np.dtype]] = []
    early: dict[str, np.ndarray] = {}
    net = network(backend=backend)

    def reducer(name: str, values: np.ndarray) -> None:
        if name not in NUMBERS:
            early[name] = net.gradients()["0.weight"].copy()
        assert values.flags.writeable and values.flags.c_contiguous and values.ndim == 1
        log.append((name, len(values), values.dtype))

    trainer = bp.Trainer(net, "cross_entropy", "sgd", reducer=reducer)
    before = net.gradients()["0.weight"].copy()
    trainer.step(X, LABELS)
    assert [name for name, _, _ in log] == ["weight_sum", "loss", "4", "middle", "0"]
    assert [dtype for _, _, dtype in log] == [np.float64] * 5
    assert [size for _, size, _ in log[:2]] == [1, 1]
    for (name, size, _), (out, inputs) in zip(log[2:], [(3, 7), (7, 9), (9, 6)]):
        assert size >= out * (inputs + 1), name
    assert np.array_equal(early["4"], before) and np.array_equal(early["middle"], before)
    assert not np.array_equal(early["0"], before)


def test_the_arrays_are_the_gradients():
    seen: dict[str, np.ndarray] = {}
    net = network()

    def reducer(name: str, values: np.ndarray) -> None:
        seen[name] = values.copy()

    bp.Trainer(net, "cross_entropy", "sgd", reducer=reducer).step(X, LABELS)
    weight, bias = net.gradients()["middle.weight"], net.gradients()["middle.bias"]
    assert np.array_equal(seen["middle"][: weight.size], weight.ravel())
    at = next(i for i in range(weight.size, len(seen["middle"])) if seen["middle"][i] == bias[0])
    assert np.array_equal(seen["middle"][at : at + bias.size], bias)
    assert seen["weight_sum"] == [24]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("backend", bp.backends())
def test_one_that_scales(backend: str, dtype: str):
    """Gradients times 4 at a quarter of the rate are the same steps: both factors are exact."""

    def quadruple(name: str, values: np.ndarray) -> None:
        if name not in NUMBERS:
            values *= 4

    one = network(IMAGE_LAYERS, (2, 6, 6), dtype, backend)
    other = network(IMAGE_LAYERS, (2, 6, 6), dtype, backend)
    plain = bp.Trainer(one, "cross_entropy", bp.SGD(0.5))
    scaled = bp.Trainer(other, "cross_entropy", bp.SGD(0.125), reducer=quadruple)
    for _ in range(5):
        assert plain.step(IMAGES, LABELS) == scaled.step(IMAGES, LABELS)
    assert bits(one) == bits(other)


class Exchange:
    """Sums of what the threads of `count` trainers bring, in the order of their numbers."""

    def __init__(self, count: int) -> None:
        self.barrier = threading.Barrier(count)
        self.brought: list[tuple[str, np.ndarray]] = [("", np.zeros(0))] * count

    def reducer(self, number: int) -> Callable[[str, np.ndarray], None]:
        def reduce(name: str, values: np.ndarray) -> None:
            self.brought[number] = (name, values.copy())
            self.barrier.wait()
            assert {each for each, _ in self.brought} == {name}
            values[:] = sum(array for _, array in self.brought)
            self.barrier.wait()

        return reduce


def in_threads(work: list[Callable[[], None]], exchange: Exchange) -> None:
    problems: list[BaseException] = []

    def guarded(each: Callable[[], None]) -> None:
        try:
            each()
        except BaseException as problem:
            problems.append(problem)
            exchange.barrier.abort()

    threads = [threading.Thread(target=guarded, args=(each,)) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems, problems


OPTIMIZERS = [bp.SGD(0.1), bp.SGD(0.05, momentum=0.9, weight_decay=1e-3), bp.Adam(1e-2)]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
@pytest.mark.parametrize("cut", [12, 5])
@pytest.mark.parametrize("weighted", [False, True])
def test_two_halves_take_the_steps_of_the_whole(optimizer: bp.SGD, cut: int, weighted: bool):
    """With masks: they depend on a row's index in the whole batch."""
    loss = bp.CrossEntropy(class_weight=[1.0, 2.0, 0.5]) if weighted else bp.CrossEntropy()
    whole = network(IMAGE_LAYERS, (2, 6, 6))
    trainer = bp.Trainer(whole, loss, optimizer)
    exchange = Exchange(2)
    parts = [slice(0, cut), slice(cut, 24)]
    halves = [network(IMAGE_LAYERS, (2, 6, 6)) for _ in parts]
    trainers = [
        bp.Trainer(half, loss, optimizer, reducer=exchange.reducer(i), first_row=part.start)
        for i, (half, part) in enumerate(zip(halves, parts))
    ]
    weights = WEIGHTS if weighted else None
    losses: list[list[float]] = [[], []]

    def steps(i: int) -> None:
        for _ in range(6):
            part = parts[i]
            losses[i].append(
                trainers[i].step(IMAGES[part], LABELS[part], None if weights is None else weights[part])
            )

    wanted = [trainer.step(IMAGES, LABELS, weights) for _ in range(6)]
    in_threads([lambda: steps(0), lambda: steps(1)], exchange)
    assert losses[0] == losses[1]
    # Sums of some hundred terms in another order, carried through six steps.
    assert losses[0] == pytest.approx(wanted, rel=1e-12)
    assert bits(halves[0]) == bits(halves[1])
    for name, value in whole.state_dict().items():
        scale = max(1e-2, abs(value).max())
        assert abs(halves[0].state_dict()[name] - value).max() <= 1e-12 * scale, name


def test_fits_of_two_halves():
    """A whole fit, without shuffling, in which batch k of the whole is the k-th batches of both halves; the last of an
    epoch is smaller. With masks."""
    layers = [*LAYERS[:2], bp.Dropout(0.5), *LAYERS[2:]]
    whole = network(layers)
    bp.Trainer(whole, "cross_entropy", bp.SGD(0.1)).fit(
        X[:20], LABELS[:20], epochs=3, batch_size=8, shuffle=False, verbose=0
    )
    exchange = Exchange(2)
    halves = [network(layers), network(layers)]
    rows = [np.array([0, 1, 2, 3, 8, 9, 10, 11, 16, 17]), np.array([4, 5, 6, 7, 12, 13, 14, 15, 18, 19])]

    def fit(i: int) -> None:
        trainer = bp.Trainer(
            halves[i], "cross_entropy", bp.SGD(0.1), reducer=exchange.reducer(i), first_row=lambda n: i * n
        )
        trainer.fit(X[rows[i]], LABELS[rows[i]], epochs=3, batch_size=4, shuffle=False, verbose=0)

    in_threads([lambda: fit(0), lambda: fit(1)], exchange)
    for name, value in whole.state_dict().items():
        assert abs(halves[0].state_dict()[name] - value).max() <= 1e-13 * max(1e-2, abs(value).max()), name


@pytest.mark.parametrize("at", ["weight_sum", "loss", "4", "0"])
def test_what_it_raises_ends_the_step(at: str):
    net = network()

    def reducer(name: str, values: np.ndarray) -> None:
        if name == at and trouble:
            raise LookupError("no connection")

    trainer = bp.Trainer(net, "cross_entropy", bp.SGD(0.1, momentum=0.9), reducer=reducer)
    other = network()
    straight = bp.Trainer(other, "cross_entropy", bp.SGD(0.1, momentum=0.9), reducer=nothing)
    trouble = False
    trainer.step(X, LABELS)
    straight.step(X, LABELS)
    trouble = True
    before = bits(net)
    with pytest.raises(LookupError, match="^no connection$"):
        trainer.step(X, LABELS)
    assert bits(net) == before and trainer.steps == 1
    trouble = False
    assert trainer.step(X, LABELS) == straight.step(X, LABELS)
    assert bits(net) == bits(other)


def test_a_loss_that_one_of_them_cannot_have_stops_all():
    exchange = Exchange(2)
    nets = [network(), network()]
    trainers = [bp.Trainer(n, "mse", "sgd", reducer=exchange.reducer(i)) for i, n in enumerate(nets)]
    targets = [np.zeros((12, 3)), np.full((12, 3), 1e200)]
    before = bits(nets[0])

    def step(i: int) -> None:
        with pytest.raises(bp.NumericError, match="the loss is inf at step 1"):
            trainers[i].step(X[:12], targets[i])

    in_threads([lambda: step(0), lambda: step(1)], exchange)
    assert bits(nets[0]) == before and bits(nets[1]) == before


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -1.0])
def test_a_sum_of_weights_that_is_none(wrong: float):
    def reducer(name: str, values: np.ndarray) -> None:
        if name == "weight_sum":
            values[:] = wrong

    net = network()
    trainer = bp.Trainer(net, "cross_entropy", bp.SGD(0.1, momentum=0.9, weight_decay=0.1), reducer=reducer)
    before = bits(net)
    with pytest.raises(bp.NumericError, match=f"^reducer: weight_sum is {str(wrong).split('.')[0]}"):
        trainer.step(X, LABELS)
    assert bits(net) == before and trainer.steps == 0


def test_elements_of_no_parameter_do_not_matter():
    """A division by what is 0 there makes NaN between the parameters, which no update sees."""

    def normalise(name: str, values: np.ndarray) -> None:
        if name not in NUMBERS:
            with np.errstate(all="ignore"):
                values /= np.abs(values)

    net = network()
    trainer = bp.Trainer(net, "cross_entropy", bp.SGD(0.01), reducer=normalise)
    trainer.fit(X, LABELS, epochs=2, batch_size=8, verbose=0)
    assert all(np.isfinite(value).all() for value in net.state_dict().values())


def test_an_array_that_is_kept_cannot_be_written():
    kept: list[np.ndarray] = []
    trainer = bp.Trainer(network(), "cross_entropy", "sgd", reducer=lambda name, values: kept.append(values))
    trainer.step(X, LABELS)
    assert len(kept) == 5 and not any(array.flags.writeable for array in kept if array.size > 1)


@pytest.mark.parametrize("rows", [-1, 0.5, None])
def test_a_first_row_that_is_none(rows: object):
    net = network(IMAGE_LAYERS, (2, 6, 6))
    trainer = bp.Trainer(net, "cross_entropy", "sgd", reducer=nothing, first_row=lambda n: rows)
    before = bits(net)
    with pytest.raises((TypeError, ValueError), match="^trainer: first_row is "):
        trainer.step(IMAGES, LABELS)
    assert bits(net) == before


def test_a_part_without_samples_is_refused():
    """Where a network without a reducer passes over a batch of which no photograph could be read."""
    trainer = bp.Trainer(network(dtype="float32"), "cross_entropy", "sgd")
    empty = (np.zeros((0, 6), np.float32), np.zeros(0, np.int64), 16)
    assert trainer._core.step_in_epoch(*empty) == 0 and trainer._core.state["position"] == 16
    other = bp.Trainer(network(dtype="float32"), "cross_entropy", "sgd", reducer=nothing)
    with pytest.raises(ValueError, match="^step: this trainer's part of the batch has 0 samples"):
        other._core.step_in_epoch(*empty)


def test_it_may_not_use_its_network():
    net = network()
    trainer = bp.Trainer(net, "cross_entropy", "sgd", reducer=lambda name, values: net.predict(X))
    with pytest.raises(RuntimeError, match="used from within one of its own steps"):
        trainer.step(X, LABELS)
    assert net.predict(X).shape == (24, 3)


def test_without_one_the_chain_kernel_runs_and_the_numbers_agree():
    one, other = network(dtype="float32"), network(dtype="float32")
    plain = bp.Trainer(one, "cross_entropy", "sgd")
    reduced = bp.Trainer(other, "cross_entropy", "sgd", reducer=nothing)
    for _ in range(3):
        assert plain.step(X, LABELS) == pytest.approx(reduced.step(X, LABELS), rel=1e-5)


@pytest.mark.parametrize("layer", [bp.BatchNorm1d().named("norm"), bp.Sequential([bp.BatchNorm1d()])])
def test_batch_norm_is_refused(layer: bp.layers.Layer):
    net = bp.Network(6, [bp.Linear(4), layer, bp.Linear(3)])
    with pytest.raises(
        ValueError, match=r"^reducer: layer '(norm|1\.0)' \(BatchNorm1d\) normalises by its batch"
    ):
        bp.Trainer(net, "cross_entropy", "sgd", reducer=nothing)


def test_the_online_loop_is_refused():
    trainer = bp.Trainer(network(), "cross_entropy", "sgd", reducer=nothing)
    before = bits(trainer.network)
    with pytest.raises(ValueError, match="^training: batch_size 1 runs the online loop.*reducer"):
        trainer.fit(X, LABELS, batch_size=1, verbose=0)
    with pytest.raises(ValueError, match="^run_draws: the online loop has no gradient to reduce"):
        data = finite_dataset("fit", trainer.network._core, X, LABELS, trainer.loss)
        trainer._core.run_draws(data, 5, 1.0)
    assert bits(trainer.network) == before


@pytest.mark.parametrize("reducer, first_row", [(3, 0), ("sum", 0), (nothing, -1), (nothing, 0.5)])
def test_what_is_no_reducer(reducer, first_row):
    with pytest.raises((TypeError, ValueError), match="^trainer: (reducer|first_row) is "):
        bp.Trainer(network(), "cross_entropy", "sgd", reducer=reducer, first_row=first_row)


def test_a_run_goes_on_with_its_reducer(tmp_path: Path):
    def halve(name: str, values: np.ndarray) -> None:
        if name not in NUMBERS:
            values /= 2

    def trainer() -> bp.Trainer:
        return bp.Trainer(
            network(IMAGE_LAYERS, (2, 6, 6)), "cross_entropy", bp.Adam(1e-2), reducer=halve, first_row=9
        )

    straight, first = trainer(), trainer()
    straight.fit(IMAGES, LABELS, epochs=4, batch_size=7, verbose=0)
    first.fit(IMAGES, LABELS, epochs=2, batch_size=7, verbose=0)
    first.save(tmp_path / "run")
    second = bp.Trainer.load(tmp_path / "run", reducer=halve, first_row=9)
    second.fit(IMAGES, LABELS, epochs=2, batch_size=7, verbose=0)
    assert bits(second.network) == bits(straight.network)


def test_the_collector_takes_a_trainer_that_its_reducer_knows():
    def made() -> weakref.ref[bp.Trainer]:
        known: list[bp.Trainer] = []
        known.append(bp.Trainer(network(), "cross_entropy", "sgd", reducer=lambda name, values: len(known)))
        known[0].step(X, LABELS)
        return weakref.ref(known[0])

    gone = made()
    gc.collect()
    assert gone() is None
