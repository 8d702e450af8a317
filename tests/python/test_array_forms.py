"""Any array of numbers works, whatever its layout in memory, and gives the same bits as the plain one; it is
never written to."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bpnet as bp
from ctrl_c import HANG
from test_bad_input import bits

# Small integers are exact in every type.
RNG = np.random.default_rng(0)
X = RNG.integers(0, 8, (40, 4)).astype(np.float32)
TARGETS = RNG.integers(-3, 4, (40, 3)).astype(np.float32)
LABELS = RNG.integers(0, 3, 40)
WEIGHTS = RNG.integers(0, 4, 40).astype(np.float32)


def misaligned(a: np.ndarray) -> np.ndarray:
    memory = np.zeros(a.nbytes + 1, np.uint8)
    result = memory[1:].view(a.dtype).reshape(a.shape)
    result[...] = a
    assert not result.flags.aligned or a.itemsize == 1
    return result


def read_only(a: np.ndarray) -> np.ndarray:
    result = a.copy()
    result.flags.writeable = False
    return result


class Wrapped:
    """Not an array, but it gives one."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.array if dtype is None else self.array.astype(dtype)


LAYOUTS: dict[str, Callable[[np.ndarray], Any]] = {
    "fortran": np.asfortranarray,
    "read-only": read_only,
    "byte-swapped": lambda a: a.astype(a.dtype.newbyteorder("S")),
    "misaligned": misaligned,
    "reversed": lambda a: a[::-1].copy()[::-1],
    "every other row": lambda a: np.repeat(a, 2, axis=0)[::2],
    "every other column": lambda a: np.repeat(a, 2, axis=-1)[..., ::2] if a.ndim > 1 else a,
    "transposed": lambda a: a.T.copy().T,
    "a window": lambda a: np.pad(a, 1)[(slice(1, -1),) * a.ndim],
    "nested lists": lambda a: a.tolist(),
    "tuples": lambda a: tuple(map(tuple, a.tolist())) if a.ndim > 1 else tuple(a.tolist()),
    "rows in a list": list,
    "its own class": Wrapped,
    "a subclass": lambda a: a.view(np.recarray),
}
FLOATS = ["float64", "float16", "longdouble"]
INTEGERS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
TYPES: dict[str, Callable[[np.ndarray], Any]] = {
    name: lambda a, name=name: a.astype(name) for name in FLOATS + INTEGERS
}
STATE = {
    name: np.arange(array.size).reshape(array.shape).astype(np.float32) / 8
    for name, array in bp.Network(4, [bp.Linear(5), bp.Tanh(), bp.Linear(3)]).state_dict().items()
}
Form = Callable[[np.ndarray], Any]


def network(dtype: str = "float32") -> bp.Network:
    return bp.Network(4, [bp.Linear(5), bp.Tanh(), bp.Linear(3)], seed=1, dtype=dtype)


def fitted(form: Form, **options: Any) -> bytes:
    net = network()
    net.fit(form(X), LABELS, optimizer=bp.SGD(lr=0.01), epochs=2, batch_size=7, verbose=0, **options)
    return bits(net)


def stepped(form: Form) -> bytes:
    net = network()
    bp.Trainer(net, "cross_entropy", bp.SGD(lr=0.01)).step(form(X), LABELS)
    return bits(net)


def batched(form: Form) -> bytes:
    net = network()
    net.fit([(form(X), LABELS)], optimizer=bp.SGD(lr=0.01), verbose=0)
    return bits(net)


def online(form: Form) -> bytes:
    net = network()
    net.fit(form(X), LABELS, optimizer=bp.SGD(lr=0.01), batch_size=1, verbose=0)
    return bits(net)


def trained_on_targets(form: Form) -> bytes:
    net = network()
    net.fit(X, form(TARGETS), loss="mse", optimizer=bp.SGD(lr=0.01), batch_size=7, verbose=0)
    return bits(net)


def trained_on_labels(form: Form) -> bytes:
    net = network()
    net.fit(X, form(LABELS), optimizer=bp.SGD(lr=0.01), batch_size=7, verbose=0)
    return bits(net)


def trained_with_weights(form: Form) -> bytes:
    net = network()
    net.fit(X, LABELS, sample_weight=form(WEIGHTS), optimizer=bp.SGD(lr=0.01), batch_size=7, verbose=0)
    return bits(net)


def loaded(form: Form) -> bytes:
    net = network()
    net.load_state_dict({name: form(array) for name, array in STATE.items()})
    return bits(net)


def backward(form: Form) -> bytes:
    net = network()
    out = net.forward(form(X), training=True)
    grad = net.backward(form(TARGETS))
    return out.tobytes() + grad.tobytes() + b"".join(g.tobytes() for g in net.gradients().values())


def validated(form: Form) -> bytes:
    history = network().fit(X, LABELS, validation_data=(form(X), LABELS), verbose=0)
    return repr(history["val_loss"] + history["val_accuracy"]).encode()


USES: dict[str, Callable[[Form], bytes]] = {
    "predict": lambda form: network().predict(form(X)).tobytes(),
    "forward": lambda form: network().forward(form(X)).tobytes(),
    "evaluate": lambda form: repr(network().evaluate(form(X), LABELS, "cross_entropy")).encode(),
    "fit": fitted,
    "online": online,
    "step": stepped,
    "batches": batched,
    "targets": trained_on_targets,
    "weights": trained_with_weights,
    "backward": backward,
    "load_state_dict": loaded,
    "validation": validated,
}
FORMS = LAYOUTS | TYPES


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_the_same_bits(name: str, use: str):
    form = FORMS[name]
    if name.startswith("uint") and use in ("targets", "backward"):
        pytest.skip("the targets have negative numbers")
    if name in INTEGERS and use == "load_state_dict":
        pytest.skip("the weights are fractions")
    before = X.tobytes() + LABELS.tobytes() + TARGETS.tobytes() + WEIGHTS.tobytes()
    assert USES[use](form) == USES[use](lambda a: a)
    assert X.tobytes() + LABELS.tobytes() + TARGETS.tobytes() + WEIGHTS.tobytes() == before


@pytest.mark.parametrize("name", [*LAYOUTS, *INTEGERS])
def test_labels_of_every_form(name: str):
    assert trained_on_labels(FORMS[name]) == trained_on_labels(lambda a: a)


def test_booleans():
    x, y = X > 3, LABELS > 0
    one, other = network(), network()
    one.fit(x, y, optimizer=bp.SGD(lr=0.1), verbose=0)
    other.fit(x.astype(np.float32), y.astype(np.int64), optimizer=bp.SGD(lr=0.1), verbose=0)
    assert bits(one) == bits(other)


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_memory_maps(tmp_path: Path, dtype: str):
    maps = []
    for name, array in (("x", X.astype(dtype)), ("y", LABELS), ("w", WEIGHTS)):
        np.save(tmp_path / f"{name}.npy", array)
        maps.append(np.load(tmp_path / f"{name}.npy", mmap_mode="r"))
    x, y, weight = maps
    assert isinstance(x, np.memmap)
    net = network()
    history = net.fit(
        x, y, sample_weight=weight, validation_data=(x, y), optimizer=bp.SGD(lr=0.01), batch_size=7, verbose=0
    )
    assert bits(net) == trained_with_weights(lambda a: a)
    assert history["val_loss"][0] == net.evaluate(X, LABELS, "cross_entropy")["loss"]
    assert np.array_equal(net.predict(x), net.predict(X))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_row_repeated_without_memory_of_its_own(dtype: str):
    x = np.broadcast_to(X[0].astype(dtype), (40, 4))
    assert np.array_equal(network().predict(x), network().predict(x.copy()))


def test_a_number_per_sample_is_enough_for_one_output():
    net, other = (bp.Network(4, [bp.Linear(1)], seed=1) for _ in range(2))
    net.fit(X, TARGETS[:, 0], loss="mse", optimizer=bp.SGD(0.01), verbose=0)
    other.fit(X, TARGETS[:, :1], loss="mse", optimizer=bp.SGD(0.01), verbose=0)
    assert bits(net) == bits(other)


@pytest.mark.parametrize("batch_size", [1, 7, 40, 10**6, 2**62])
def test_batches_larger_than_the_data(batch_size: int):
    net = network()
    net.fit(X, LABELS, optimizer=bp.SGD(lr=0.01, momentum=0.5), batch_size=batch_size, verbose=0)
    if batch_size >= 40:
        other = network()
        bp.Trainer(other, "cross_entropy", bp.SGD(lr=0.01, momentum=0.5)).fit(
            X, LABELS, batch_size=40, verbose=0
        )
        assert bits(net) == bits(other)


@pytest.mark.parametrize("scale", [2.0**-140, 2.0**-100, 2.0**100, 2.0**124])
def test_only_the_ratios_of_sample_weights_count(scale: float):
    """A batch's sum is divided by its weights' sum, so a common factor is nothing."""
    losses, nets = [], []
    for factor in (1.0, scale):
        net = network()
        history = net.fit(X, LABELS, sample_weight=WEIGHTS * factor, optimizer=bp.SGD(lr=0.01), verbose=0)
        losses.append(history["loss"][0])
        losses.append(net.evaluate(X, LABELS, "cross_entropy", sample_weight=WEIGHTS * factor)["loss"])
        nets.append(net.predict(X))
    assert np.allclose(losses[:2], losses[2:], rtol=1e-6)
    assert np.allclose(*nets, rtol=1e-5, atol=1e-6)


def test_samples_of_weight_zero_are_as_if_they_were_not_there():
    weight = np.r_[np.ones(10), np.zeros(30)]
    net, other = network("float64"), network("float64")
    net.fit(X, LABELS, sample_weight=weight, optimizer=bp.SGD(0.1), batch_size=40, shuffle=False, verbose=0)
    other.fit(X[:10], LABELS[:10], optimizer=bp.SGD(0.1), batch_size=10, shuffle=False, verbose=0)
    for name, array in net.state_dict().items():
        assert np.allclose(array, other.state_dict()[name], rtol=1e-12)


def test_a_batch_of_weight_zero_teaches_nothing():
    net = network()
    trainer = bp.Trainer(net, "cross_entropy", bp.SGD(lr=0.1))
    weight = np.r_[np.zeros(20), np.ones(20)]
    history = trainer.fit(X, LABELS, batch_size=20, shuffle=False, sample_weight=weight, verbose=0)
    other = network()
    loss = bp.Trainer(other, "cross_entropy", bp.SGD(lr=0.1)).step(X[20:], LABELS[20:])
    assert bits(net) == bits(other)
    assert history["loss"][0] == pytest.approx(loss)


CLASS_WEIGHTS: dict[str, Any] = {
    "a list": [1.0, 2.0, 4.0],
    "an array": np.array([1, 2, 4], np.float32),
    "a mapping": {1: 2, 2: 4},
    "NumPy keys": {np.int64(0): np.float32(1), np.int64(1): 2, np.int64(2): 4},
}


@pytest.mark.parametrize("name", CLASS_WEIGHTS)
def test_forms_of_class_weight(name: str):
    net, other = network(), network()
    optimizer = bp.SGD(0.01)
    net.fit(X, LABELS, class_weight=CLASS_WEIGHTS[name], optimizer=optimizer, verbose=0)
    other.fit(X, LABELS, loss=bp.CrossEntropy(class_weight=[1, 2, 4]), optimizer=optimizer, verbose=0)
    assert bits(net) == bits(other)


def test_balanced_class_weight_is_what_scikit_learn_says():
    labels = np.repeat([0, 1, 2], [4, 12, 24])
    weight = len(labels) / (3 * np.bincount(labels))
    net, other = network(), network()
    net.fit(X, labels, class_weight="balanced", optimizer=bp.SGD(0.01), verbose=0)
    other.fit(X, labels, class_weight=weight, optimizer=bp.SGD(0.01), verbose=0)
    assert bits(net) == bits(other)


CHANGED_LABELS = """
import sys
import numpy as np
import bpnet as bp
X = np.ones((200, 4), np.float32)
y, yv = np.arange(200) % 3, np.arange(200) % 3
net = bp.Network(4, [bp.Linear(5), bp.Tanh(), bp.Linear(3)])

def spoil(epoch, metrics):
    (y if sys.argv[1] == "y" else yv)[:] = 10**12

try:
    net.fit(X, y, epochs=3, batch_size=int(sys.argv[2]), class_weight=[1, 2, 3], validation_data=(X, yv),
            callbacks=[spoil], verbose=0)
except ValueError:
    pass
print("alive")
"""


@pytest.mark.parametrize("batch_size", [1, 32])
@pytest.mark.parametrize("which", ["y", "validation"])
def test_labels_that_change_during_fit_never_crash(which: str, batch_size: int):
    """They were checked once; a callback or another thread may write to the same memory later."""
    command = [sys.executable, "-c", CHANGED_LABELS, which, str(batch_size)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG)
    assert (done.returncode, done.stdout.strip()) == (0, "alive"), done.stderr
