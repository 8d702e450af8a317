"""How training runs on a GPU, where its runtime is emulated and counts what it is asked for: steps are recorded
and run again, data that fits is sent once, the host waits once a slice."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import bpnet as bp
from bpnet._bridge import finite_dataset
from ctrl_c import interrupted

BACKEND = "cuda-on-cpu"
ROWS, BATCH, FEATURES, CLASSES = 44, 4, 6, 3  # 11 steps an epoch
SENDS, READS = "cudaMemcpyAsync", "cudaStreamSynchronize"


class Counted:
    """How often functions of the runtime have been called since."""

    def __init__(self, library: Any) -> None:
        self._calls = library.cuda_on_cpu_calls
        self._calls.restype = ctypes.c_ulonglong
        self._before: dict[str, int] = {}
        self.names: tuple[str, ...] = (
            *(
                "cudaMalloc",
                "cudaHostAlloc",
                "cudaGraphLaunch",
                "cudaGraphInstantiate",
                "cudaStreamBeginCapture",
            ),
            *(SENDS, READS, "cudaLaunchKernelEx"),
        )
        self.reset()

    def reset(self) -> None:
        self._before = {name: self._calls(name.encode()) for name in self.names}

    def __call__(self, name: str) -> int:
        return int(self._calls(name.encode()) - self._before[name])


@pytest.fixture(scope="module")
def library() -> Any:
    return ctypes.CDLL(os.environ["BPNET_CUDA_LIBRARY"])


@pytest.fixture
def counted(library: Any) -> Counted:
    return Counted(library)


@pytest.fixture
def fail(library: Any) -> Iterator[Callable[[bytes | None], None]]:
    library.cuda_on_cpu_fail.argtypes = [ctypes.c_char_p]
    yield library.cuda_on_cpu_fail
    library.cuda_on_cpu_fail(None)


def numbers(dtype: str = "float32") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """X, labels and weights."""
    draw = np.random.default_rng(1)
    x = draw.normal(size=(ROWS, FEATURES)) * 10
    return x.astype(dtype), draw.integers(0, CLASSES, ROWS), draw.integers(1, 4, ROWS).astype(float)


def layers() -> list[bp.layers.Layer]:
    return [bp.Linear(9), bp.Tanh(), bp.Dropout(0.2), bp.Linear(CLASSES)]


def trainer(optimizer: Any = None, **options: Any) -> bp.Trainer:
    net = bp.Network(FEATURES, layers(), seed=5, backend=BACKEND)
    return bp.Trainer(net, "cross_entropy", optimizer or bp.Adam(0.01), **options)


def held(of: bp.Trainer, x: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None) -> Any:
    return finite_dataset("fit", of.network._core, x, y, of.loss, weight)


def epoch(of: bp.Trainer, data: Any, batch_size: int = BATCH, seconds: float = 1e30) -> tuple[float, float]:
    """Run it and end it; its sums."""
    while not of._core.run(data, batch_size, True, seconds):
        pass
    sums: tuple[float, float] = of._core.epoch_sums
    of._core.end_epoch(0.0)
    return sums


def weights(of: bp.Trainer) -> bytes:
    return b"".join(np.ascontiguousarray(value).tobytes() for value in of.network.state_dict().values())


def one_by_one(**options: Any) -> bp.Trainer:
    """A trainer whose steps are not recorded: somebody on the host takes part, who changes nothing."""
    return trainer(reducer=lambda name, values: None, **options)


def test_a_step_is_one_launch_of_a_graph(counted: Counted):
    """From the third step of a kind on, beside the kernels that send its numbers and gather its samples; the sums
    are read once for all steps of a slice, nothing is allocated, and of the data only the order is sent."""
    made = trainer()
    data = held(made, *numbers())
    epoch(made, data)
    assert counted("cudaGraphInstantiate") == 1
    assert counted("cudaGraphLaunch") == ROWS // BATCH - 1
    counted.reset()
    epoch(made, data)
    assert counted("cudaGraphLaunch") == ROWS // BATCH
    assert counted("cudaLaunchKernelEx") == 1 + 2 * (ROWS // BATCH)  # the sums are sent at the slice's start
    assert counted("cudaMalloc") == counted("cudaHostAlloc") == counted("cudaGraphInstantiate") == 0
    assert counted(SENDS) == 2, "the order's, and that of the sums, which come back"
    assert counted(READS) == 1


@pytest.mark.parametrize("optimizer", [bp.SGD(0.1), bp.Adam(0.01), bp.SGD(0.1, momentum=0.9, clip_norm=0.5)])
def test_recorded_steps_have_the_same_bits(optimizer: bp.optimizers.Optimizer, counted: Counted):
    """Also where the last batch is smaller, and steps outside an epoch come between."""
    x, y, weight = numbers()
    ends = []
    for make in (trainer, one_by_one):
        counted.reset()
        made = make(optimizer=optimizer)
        data, batch = held(made, x, y, weight), held(made, x[:7], y[:7])
        losses = [epoch(made, data, 6) for _ in range(3)]
        losses += [made._core.step(batch) for _ in range(4)]
        losses += [epoch(made, data, 6, seconds=0.0)]
        ends.append((losses, weights(made), counted("cudaGraphLaunch") > 0))
    recorded, alone = ends
    assert recorded[:2] == alone[:2]
    assert (recorded[2], alone[2]) == (True, False)


@pytest.mark.parametrize(
    "rule",
    [
        b"cudaStreamBeginCapture:1:cudaErrorNotSupported",
        b"cudaLaunchKernelEx:6:cudaErrorNotSupported",  # during the step that is recorded
        b"cudaLaunchKernelEx:6:cudaErrorMemoryAllocation",
        b"cudaGraphInstantiate:1:cudaErrorMemoryAllocation",
    ],
)
def test_what_cannot_be_recorded_is_run(rule: bytes, fail: Callable[[bytes | None], None], counted: Counted):
    x, y, weight = numbers()
    whole, refused = trainer(), trainer()
    epoch(whole, held(whole, x, y, weight))
    counted.reset()
    data = held(refused, x, y, weight)
    refused._core.run(data, BATCH, True, 0.0)  # the first step
    fail(rule)
    epoch(refused, data)
    fail(None)
    assert counted("cudaGraphLaunch") == 0
    assert counted("cudaStreamBeginCapture") == 1, "it is tried once"
    assert weights(refused) == weights(whole)


def test_few_kinds_are_kept(counted: Counted):
    """More sizes of batches than recordings are kept, again and again; and the network's memory moves between."""
    x, y, weight = numbers()
    recorded, alone = trainer(), one_by_one()
    for number, size in enumerate((4, 5, 6, 7, 8, 9, 4, 5, 44, 4, 4)):
        for made in (recorded, alone):
            epoch(made, held(made, x, y, weight), size)
            made.network.predict(np.zeros((1000 * number + 9, FEATURES), np.float32))
    assert weights(recorded) == weights(alone)


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_data_in_its_own_type(dtype: str, counted: Counted):
    """Sent once as it is, and converted as on the host."""
    x, y, weight = numbers(dtype)
    own, converted = trainer(), trainer()
    sums = epoch(own, held(own, x, y, weight))
    assert sums == epoch(converted, held(converted, x.astype(np.float32), y, weight))
    assert weights(own) == weights(converted)
    data = held(own, x, y, weight)
    epoch(own, data)
    counted.reset()
    epoch(own, data)
    assert counted(SENDS) == 2


def test_an_array_that_changed_between_two_fits_is_sent_again():
    x, y, _ = numbers()
    once, again = trainer(), trainer()
    for made, first in ((once, x.copy()), (again, x)):
        made.fit(first, y, epochs=1, batch_size=BATCH, verbose=0)
    x *= 2
    once.fit(x.copy(), y, epochs=1, batch_size=BATCH, verbose=0)
    again.fit(x, y, epochs=1, batch_size=BATCH, verbose=0)
    assert weights(once) == weights(again)


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_data_that_does_not_fit(dtype: str, fail: Callable[[bytes | None], None], counted: Counted):
    """A batch at a time, beside the computation: the host does not wait for the GPU to have read it."""
    x, y, weight = numbers(dtype)
    resident, fed = trainer(), trainer()
    for made in (resident, fed):
        made._core.step(held(made, x[:BATCH].astype(np.float32), y[:BATCH], weight[:BATCH]))
    data = held(fed, x, y, weight)
    fail(b"cudaHostAlloc:1:cudaErrorMemoryAllocation")  # on the data's way to the GPU's memory
    fed._core.run(data, BATCH, True, 0.0)
    fail(None)
    counted.reset()
    assert epoch(fed, data) == epoch(resident, held(fed, x, y, weight))
    assert counted(SENDS) > ROWS // BATCH
    counted.reset()
    epoch(fed, data)
    assert counted(SENDS) == ROWS // BATCH + 1, "a batch in one piece, and the sums"
    assert counted(READS) == 1
    assert weights(fed) != weights(resident)
    epoch(resident, held(resident, x, y, weight))
    assert weights(fed) == weights(resident)


def normalised() -> bp.Trainer:
    layers = [bp.Linear(9), bp.BatchNorm1d(), bp.Tanh(), bp.Linear(CLASSES)]
    return bp.Trainer(bp.Network(FEATURES, layers, seed=5, backend=BACKEND), "cross_entropy", "sgd")


def test_statistics_are_those_before_the_step_that_stops():
    """Where that was run again from a recording, as were those after it."""
    x, y, _ = numbers()
    made, before = normalised(), normalised()
    data = held(before, x, y)
    spoilt = x.copy()
    other = held(made, spoilt, y)
    spoilt[5 * BATCH] = np.inf  # after the data was checked
    with pytest.raises(bp.NumericError, match="at step 6 "):
        made._core.run(other, BATCH, False, 1e30)
    for _ in range(5):
        before._core.run(data, BATCH, False, 0.0)
    assert made._core.state == before._core.state
    assert weights(made) == weights(before)


def test_a_loss_that_is_not_finite_stops_before_its_step():
    """Within a slice: the run stops where steps that are read one by one stop."""
    x, y, _ = numbers()
    x[13] = np.inf
    ends = []
    for make in (trainer, one_by_one):
        made = make(optimizer=bp.SGD(0.1))
        spoilt = x.copy()
        spoilt[13] = 0
        data = held(made, spoilt, y)
        spoilt[13] = np.inf  # after the data was checked
        with pytest.raises(bp.NumericError, match="at step"):
            made._core.run(data, BATCH, True, 1e30)
        ends.append((made._core.state, weights(made)))
    assert ends[0] == ends[1]


def test_ctrl_c_between_recorded_steps():
    """A run that was interrupted continues to the bits of one that was not."""
    x, y, weight = numbers()
    whole, stopped = trainer(), trainer()
    data = held(whole, x, y, weight)
    for made in (whole, stopped):
        epoch(made, data)
    assert interrupted(lambda: stopped._core.run(data, BATCH, True, 1e30), 4)
    assert 0 < stopped._core.state["position"] < ROWS
    for made in (whole, stopped):
        epoch(made, data)
    assert weights(whole) == weights(stopped)


def batches(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """Some samples are bad, all of the second batch, and each batch overwrites the one before."""
    buffer = np.empty((BATCH, FEATURES), np.float32)
    for first in range(0, ROWS, BATCH):
        count = 0 if first == BATCH else BATCH - (first == 3 * BATCH)
        buffer[:count] = x[first : first + count]
        yield buffer[:count], y[first : first + count], BATCH


def test_batches_of_the_callers(counted: Counted):
    """Their sums are read once a slice, and they have the bits of steps that are read one by one."""
    x, y, _ = numbers()
    alone, together = trainer(), trainer()
    for _ in range(2):
        for batch in batches(x, y):
            alone._core.step_in_epoch(*batch)
        counted.reset()
        assert together._core.run_batches(batches(x, y), 1e30)
        assert counted(READS) == 1 + counted("cudaHostAlloc") // 2, (
            "a slice's, and one before memory is taken"
        )
        ends = [(made._core.state, made._core.epoch_sums, weights(made)) for made in (alone, together)]
        assert ends[0] == ends[1]
        for made in (alone, together):
            made._core.end_epoch(0.0)


def test_a_batch_that_stops_a_run():
    """The run is before it, also where others were passed over, with the statistics of before."""
    x, y, _ = numbers()
    x[4 * BATCH] = np.inf
    made, before = normalised(), normalised()
    with pytest.raises(bp.NumericError, match="the loss is nan at step 4 "):
        made._core.run_batches(batches(x, y), 1e30)
    for number, batch in enumerate(batches(x, y)):
        if number < 4:
            before._core.step_in_epoch(*batch)
    assert made._core.state == before._core.state
    assert weights(made) == weights(before)


def test_what_a_batch_throws_comes_out():
    """The steps before it have been made."""
    x, y, _ = numbers()

    def three() -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
        for number, batch in enumerate(batches(x, y)):
            if number == 3:
                raise OSError("the disk")
            yield batch

    made = trainer()
    with pytest.raises(OSError, match="the disk"):
        made._core.run_batches(three(), 1e30)
    assert made._core.state == {"step": 2, "epoch": 0, "position": 3 * BATCH}


def test_a_narrow_chain_is_recorded(fail: Callable[[bytes | None], None], counted: Counted):
    """Its batch in one kernel, to the bits of what the host starts itself."""
    x, y, weight = numbers()
    recorded, refused = chain(), chain()
    data = held(refused, x, y, weight)
    refused._core.run(data, 11, True, 0.0)
    fail(b"cudaStreamBeginCapture:1:cudaErrorNotSupported")
    epoch(refused, data, 11)
    epoch(refused, data, 11)
    fail(None)
    assert counted("cudaGraphLaunch") == 0
    for _ in range(2):
        epoch(recorded, held(recorded, x, y, weight), 11)
    assert counted("cudaGraphLaunch") == 7
    assert weights(recorded) == weights(refused)


def chain() -> bp.Trainer:
    net = bp.Network(FEATURES, [bp.Linear(9), bp.Tanh(), bp.Linear(CLASSES)], seed=5, backend=BACKEND)
    return bp.Trainer(net, "cross_entropy", bp.SGD(0.1))


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_one_sample_at_a_time(dtype: str, counted: Counted):
    """Samples are taken where they are, or gathered and converted there; the order is sent, the sums come back."""
    x, y, weight = numbers(dtype)
    made = chain()
    data = held(made, x, y, weight)
    epoch(made, data, 1)
    counted.reset()
    epoch(made, data, 1)
    assert (counted(SENDS), counted(READS), counted("cudaMalloc")) == (2, 1, 0)
    made._core.run_draws(data, 100, 1e30)
    counted.reset()
    made._core.run_draws(data, 100, 1e30)
    assert (counted(SENDS), counted(READS), counted("cudaMalloc")) == (2, 1, 0)
    assert made._core.state["step"] == 2 * ROWS + 200


def test_steps_on_arrays_of_the_callers(counted: Counted):
    """A batch is sent in one piece and then one launch; its loss comes back."""
    x, y, weight = numbers()
    made = trainer()
    batch = held(made, x[:BATCH], y[:BATCH], weight[:BATCH])
    for _ in range(2):
        made._core.step(batch)
    counted.reset()
    for _ in range(3):
        made._core.step(batch)
    assert (counted("cudaGraphLaunch"), counted(SENDS), counted(READS)) == (3, 6, 3)
    assert counted("cudaMalloc") == counted("cudaHostAlloc") == 0


def test_threads_that_record_at_the_same_time():
    """What one of them begins is no part of what another records."""
    x, y, weight = numbers()
    alone, *together = (trainer() for _ in range(4))
    epoch(alone, held(alone, x, y, weight), 7)
    with ThreadPoolExecutor(len(together)) as threads:
        list(threads.map(lambda made: epoch(made, held(made, x, y, weight), 7), together))
    assert [weights(made) for made in together] == [weights(alone)] * len(together)
