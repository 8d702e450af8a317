"""Model files and run files: what is saved comes back bit for bit, and a damaged file is refused."""

from __future__ import annotations

import json
import os
import re
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bpnet as bp
from bpnet._bridge import finite_dataset
from ctrl_c import HANG
from layer_cases import CASES, Case
from test_bad_input import bits

X = np.random.default_rng(0).normal(size=(10, 2)).astype(np.float32)
LABELS = np.arange(10) % 2
ZEROS = "crc32:00000000"


def tiny(dtype: str = "float32") -> bp.Network:
    return bp.Network(2, [bp.Linear(3), bp.Tanh(), bp.Linear(2)], seed=5, dtype=dtype)


def a_run() -> bp.Trainer:
    trainer = bp.Trainer(tiny(), "cross_entropy", bp.SGD(lr=0.1, momentum=0.9))
    trainer.fit(X, LABELS, epochs=2, verbose=0, callbacks=[bp.EarlyStopping("loss", patience=5)])
    return trainer


# An independent reader and writer of the format.


def read(path: Path) -> tuple[dict[str, Any], bytes]:
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    return json.loads(raw[8 : 8 + length]), raw[8 + length :]


def tensors(path: Path) -> dict[str, np.ndarray]:
    head, data = read(path)
    result = {}
    for name, entry in head.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            dtype = {"F32": "<f4", "F64": "<f8"}[entry["dtype"]]
            result[name] = np.frombuffer(data[begin:end], dtype).reshape(entry["shape"])
    return result


def seal(header: bytes, data: bytes) -> bytes:
    """A file whose checksum is right, whatever else is wrong with it."""
    raw = struct.pack("<Q", len(header)) + header + data
    return raw.replace(ZEROS.encode(), f"crc32:{zlib.crc32(raw):08x}".encode(), 1)


def write(path: Path, head: Any, data: bytes) -> None:
    path.write_bytes(seal(json.dumps(head, separators=(",", ":")).encode(), data))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files") / "model.safetensors"
    tiny().save(path)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files") / "run.safetensors"
    a_run().save(path)
    return path


def opened(path: Path) -> tuple[dict[str, Any], bytes]:
    """The parts of a file, ready to be changed and sealed anew."""
    head, data = read(path)
    head["__metadata__"]["bpnet.checksum"] = ZEROS
    return head, data


def refused(path: Path, load: Callable[[Path], Any] = bp.load) -> str:
    with pytest.raises(bp.FileFormatError) as caught:
        load(path)
    return str(caught.value)


# Round trips.


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=repr)
def test_every_layer_comes_back(tmp_path: Path, case: Case, dtype: str):
    shape = case.input_shape(4)
    net = bp.Network(shape, [case.make(4), bp.Flatten(), bp.Linear(3)], seed=2**64 - 1, dtype=dtype)
    net.save(tmp_path / "net")
    other = bp.load(tmp_path / "net")
    assert (other.dtype, other.description, bits(other)) == (net.dtype, net.description, bits(net))
    x = np.random.default_rng(1).normal(size=(3, *shape))
    for training in (False, True):
        assert np.array_equal(other.forward(x, training), net.forward(x, training))


def test_numbers_and_texts_come_back_exactly(tmp_path: Path):
    layers = [
        bp.Linear(3, init=bp.Uniform(-1 / 3, 0.1)),
        bp.LeakyReLU(1 / 7),
        bp.Dropout(0.1),
        bp.Softplus(1e-6),
    ]
    net = bp.Network(2, layers)
    net.preprocessing = {
        "mean": [0.1, 1e-300, 1.7976931348623157e308, 5e-324, -0.0, 1 / 3],
        "counts": [0, -1, 2**53 + 1, 2**63 - 1],
        "classes": ["", 'quote " and \\', "tab\t\nline\x00\x1f", "ä日本🙂", "/"],
        "flags": [True, False, None, [], {}],
        "": "an empty key",
    }
    net.save(tmp_path / "net")
    other = bp.load(tmp_path / "net")
    assert repr(other.preprocessing) == repr(net.preprocessing)
    assert (
        repr(net.preprocessing["mean"])
        == "[0.1, 1e-300, 1.7976931348623157e+308, 5e-324, -0.0, 0.3333333333333333]"
    )
    assert net.preprocessing["counts"] == [0, -1, 2**53 + 1, 2**63 - 1]
    assert net.preprocessing["classes"] == ["", 'quote " and \\', "tab\t\nline\x00\x1f", "ä日本🙂", "/"]
    assert other.description == net.description
    assert other.description["layers"][1]["negative_slope"] == 1 / 7


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_another_reader_finds(tmp_path: Path, dtype: str):
    path = tmp_path / "net.safetensors"
    net = tiny(dtype)
    net.save(path)
    found = tensors(path)
    assert list(found) == list(net.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    for name, array in net.state_dict().items():
        assert found[name].dtype == array.dtype and np.array_equal(found[name], array)
    head, data = read(path)
    assert head["__metadata__"]["format"] == "pt"
    assert all(isinstance(value, str) for value in head["__metadata__"].values())
    raw = path.read_bytes()
    assert (len(raw) - len(data)) % 8 == 0, "the numbers are aligned"
    digits = head["__metadata__"]["bpnet.checksum"].encode()
    assert digits == f"crc32:{zlib.crc32(raw.replace(digits, ZEROS.encode())):08x}".encode()


@pytest.mark.parametrize(
    "optimizer",
    [bp.SGD(0.1), bp.SGD(0.1, 0.9, nesterov=True), bp.Adam(), bp.AdamW(), bp.RMSprop(momentum=0.5)],
)
@pytest.mark.parametrize(
    "schedule",
    [None, bp.ReduceLROnPlateau(factor=0.5, patience=0), bp.LinearWarmup(7, after=bp.CosineAnnealingLR(5))],
)
def test_a_run_goes_on_exactly(tmp_path: Path, optimizer: Any, schedule: Any):
    optimizer = type(optimizer)(**optimizer.options | {"schedule": schedule})
    loss = bp.CrossEntropy(label_smoothing=0.1, class_weight=[1, 2])
    trainers = [bp.Trainer(tiny(), loss, optimizer, seed=9) for _ in range(2)]
    trainers[0].fit(X, LABELS, epochs=6, batch_size=3, verbose=0)
    trainers[1].fit(X, LABELS, epochs=2, batch_size=3, verbose=0)
    trainers[1].notes["mine"] = {"ä": [1, None]}
    trainers[1].save(tmp_path / "run")
    again = bp.Trainer.load(tmp_path / "run")
    assert (again.steps, again.epochs, again.seed, again.lr) == (
        trainers[1].steps,
        2,
        9,
        trainers[1].lr,
    )
    assert again.notes == {"mine": {"ä": [1, None]}} and again.history == trainers[1].history
    assert again.optimizer == optimizer and again.loss == loss
    again.fit(X, LABELS, epochs=4, batch_size=3, verbose=0)
    assert bits(again.network) == bits(trainers[0].network)
    assert again.history["loss"] == trainers[0].history["loss"]
    assert again.history["lr"] == trainers[0].history["lr"]
    assert bits(bp.load(tmp_path / "run")) == bits(trainers[1].network), "a run file is a model file too"


def test_fit_goes_on_with_a_loaded_run(tmp_path: Path):
    trainer = a_run()
    trainer.save(tmp_path / "run")
    trainer.fit(X, LABELS, epochs=2, verbose=0, callbacks=[bp.EarlyStopping("loss", patience=5)])
    again = bp.Trainer.load(tmp_path / "run")
    net = again.network
    history = net.fit(X, LABELS, optimizer=again.optimizer, epochs=2, verbose=0)
    assert history["epoch"] == [3, 4]
    assert bits(net) == bits(trainer.network)


def test_a_run_may_go_on_with_other_callbacks(run: Path):
    """State of callbacks that are not there any more is nobody's."""
    found = set()
    for callbacks in (
        [],
        [print],
        [lambda *_: None, bp.EarlyStopping("loss", patience=3)],
        [bp.Checkpoint(run.parent / "c")],
    ):
        trainer = bp.Trainer.load(run)
        trainer.fit(X, LABELS, verbose=0, callbacks=callbacks)
        found.add(bits(trainer.network))
        assert trainer.epochs == 3
    assert len(found) == 1, "callbacks that only look change nothing"
    other = bp.Trainer(tiny(), "cross_entropy", "sgd")
    other.fit(X, LABELS, verbose=0, callbacks=[lambda *_: None])
    other.save(run.parent / "other")
    again = bp.Trainer.load(run.parent / "other")
    again.fit(X, LABELS, verbose=0, callbacks=[bp.EarlyStopping("loss", patience=3)])
    assert again.epochs == 2


# Damage.


@pytest.mark.parametrize("kind", ["model", "run"])
def test_every_truncation_and_every_flipped_bit(request: pytest.FixtureRequest, tmp_path: Path, kind: str):
    """Of the run file one bit a byte, for it is larger. Collected, so that a failure shows them all."""
    raw = request.getfixturevalue(kind).read_bytes()
    load = bp.load if kind == "model" else bp.Trainer.load
    assert len(raw) < 1500 if kind == "model" else len(raw) < 5000
    path = tmp_path / "damaged"
    wrong: list[str] = []

    def check(damage: str) -> None:
        try:
            load(path)
            wrong.append(f"{damage}: loaded")
        except bp.FileFormatError:
            pass
        except Exception as error:
            wrong.append(f"{damage}: {error!r}")

    for more in (b"\0", b" ", b"\0" * 8, raw):
        path.write_bytes(raw + more)
        check(f"{len(more)} bytes more")
    path.write_bytes(raw)
    with open(path, "r+b", buffering=0) as file:  # in place: to write files anew takes much longer
        for at in range(len(raw)):
            for bit in range(8) if kind == "model" else [at % 8]:
                file.seek(at)
                file.write(bytes([raw[at] ^ 1 << bit]))
                check(f"byte {at}, bit {bit}")
            file.seek(at)
            file.write(raw[at : at + 1])
        for length in reversed(range(len(raw))):
            file.truncate(length)
            check(f"length {length}")
    assert not wrong, f"{len(wrong)} wrong: {wrong[:10]}"


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 7, b"\0" * 8, b"\xff" * 8, b"\xff" * 4000, b"\0" * 4000, b"{}", b"PK\3\4" * 99]
)
def test_files_of_another_kind(tmp_path: Path, content: bytes):
    (tmp_path / "x").write_bytes(content)
    message = refused(tmp_path / "x")
    assert message.startswith("load: ") and str(tmp_path / "x") in message
    refused(tmp_path / "x", bp.Trainer.load)


def test_a_model_is_no_run(model: Path):
    assert "no run" in refused(model, bp.Trainer.load)


def test_paths_that_cannot_be(tmp_path: Path, model: Path):
    net = tiny()
    for load in (bp.load, bp.Trainer.load):
        with pytest.raises(FileNotFoundError, match="missing"):
            load(tmp_path / "missing")
        with pytest.raises(IsADirectoryError, match=f"load: .*{re.escape(str(tmp_path))}"):
            load(tmp_path)
        with pytest.raises(NotADirectoryError, match="load: .*below"):
            load(model / "below")
    for save in (net.save, a_run().save):
        with pytest.raises(FileNotFoundError, match="save: .*nowhere"):
            save(tmp_path / "nowhere" / "net")
        with pytest.raises(NotADirectoryError, match="save: .*below"):
            save(model / "below")
        with pytest.raises(IsADirectoryError, match=f"save: .*{re.escape(str(tmp_path))}"):
            save(tmp_path)
        with pytest.raises(FileNotFoundError, match="save: .*''"):
            save("")
    assert os.listdir(tmp_path) == []
    for path in (5, None, 2.5):
        with pytest.raises(TypeError, match="a string or a path is needed"):
            bp.load(path)  # type: ignore[arg-type]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="permissions do not bind the superuser")
def test_paths_that_may_not_be(tmp_path: Path, model: Path):
    path = tmp_path / "secret"
    path.write_bytes(model.read_bytes())
    path.chmod(0)
    with pytest.raises(PermissionError, match="load: .*secret"):
        bp.load(path)
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="save: .*new"):
        tiny().save(tmp_path / "new")
    tmp_path.chmod(0o700)


@pytest.mark.parametrize("name", ["with space", "ä日本🙂.safetensors", "-", "a" * 200, "\udcff"])
def test_odd_names(tmp_path: Path, name: str):
    """The last is a name that is no UTF-8, which Linux allows."""
    if name == "\udcff" and sys.platform != "linux":
        pytest.skip("a name that only Linux has")
    tiny().save(tmp_path / name)
    assert os.listdir(tmp_path) == [name]
    assert bits(bp.load(str(tmp_path / name))) == bits(tiny())
    a_run().save(tmp_path / name)
    assert bp.Trainer.load(str(tmp_path / name)).epochs == 2
    with pytest.raises(FileNotFoundError, match="load: "):
        bp.load(str(tmp_path / name) + "x")


def test_a_name_with_a_nul_is_no_name(tmp_path: Path):
    """As Python's open has it; it must not be cut off and written to."""
    for call in (tiny().save, bp.load, a_run().save, bp.Trainer.load):
        with pytest.raises(ValueError, match=r"short\\x00more' holds a null byte"):
            call(str(tmp_path / "short") + "\0more")
    assert os.listdir(tmp_path) == []


def test_saving_keeps_nothing_of_the_file_before(tmp_path: Path):
    path = tmp_path / "net"
    path.write_bytes(b"x" * 100_000)
    tiny().save(path)
    first = path.read_bytes()
    tiny().save(path)
    assert path.read_bytes() == first and len(first) < 2000
    assert os.listdir(tmp_path) == ["net"]


CRASHER = """
import sys, bpnet as bp
try:
    bp.load(sys.argv[1])
except bp.FileFormatError:
    print("refused")
"""


@pytest.mark.parametrize("pairs, width", [(16, 2**57), (32, 2**56), (64, 2**57), (10**4, 2**57)])
def test_an_architecture_whose_size_overflows(tmp_path: Path, model: Path, pairs: int, width: int):
    """Sums of sizes come round to 0 in 64 bits; nothing may be allocated, nor written beyond it."""
    head, data = opened(model)
    net = json.loads(head["__metadata__"]["bpnet.network"])
    pair = [{"type": "Linear", "out_features": size, "bias": False} for size in (width, 1)]
    head["__metadata__"]["bpnet.network"] = json.dumps(net | {"input_shape": [1], "layers": pair * pairs})
    write(tmp_path / "malformed", head, data)
    command = [sys.executable, "-c", CRASHER, str(tmp_path / "malformed")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG)
    assert (done.returncode, done.stdout.strip()) == (0, "refused"), done.stderr


# What a file would not give back is refused when it is set.

WITHIN_ITSELF: list[Any] = [1, {}]
WITHIN_ITSELF[1]["again"] = WITHIN_ITSELF


def nested_lists(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


UNKEPT = {
    "a tuple": ({"mean": (1, 2)}, "'mean'"),
    "a set": ({"classes": {1, 2}}, "'classes'"),
    "an array": ({"mean": np.zeros(3)}, "'mean'"),
    "NaN": ({"mean": [1.0, float("nan")]}, "'mean'][1]"),
    "infinity": ({"scale": [float("inf")]}, "'scale'][0]"),
    "a key that is a number": ({"classes": {1: "a"}}, "key 1"),
    "a key that is None": ({None: 1}, "key None"),
    "too large an integer": ({"n": 2**63}, "64 bits"),
    "too small an integer": ({"n": -(2**63) - 1}, "64 bits"),
    "half a surrogate pair": ({"classes": ["\ud800"]}, "surrogate"),
    "half a surrogate pair as a key": ({"\udfff": 1}, "surrogate"),
    "a complex number": ({"n": 1j}, "complex"),
    "bytes": ({"n": b"x"}, "bytes"),
    "a long double": ({"n": np.longdouble(1) / 3}, np.longdouble.__name__),
    "a list within itself": ({"n": WITHIN_ITSELF}, "nests deeper than 64 levels, or holds itself"),
    "a dictionary within itself": (WITHIN_ITSELF[1], "nests deeper than 64 levels, or holds itself"),
    "too many levels": ({"n": nested_lists(64)}, "nests deeper than 64 levels, or holds itself"),
    "deep within": ({"a": [{"b": [[(1,)]]}]}, "['a'][0]['b'][0][0]"),
}


@pytest.mark.parametrize("what", UNKEPT)
def test_preprocessing_that_a_file_would_change_is_refused(what: str):
    value, said = UNKEPT[what]
    net = tiny()
    net.preprocessing = {"mean": [0.5]}
    with pytest.raises(ValueError, match="^preprocessing: ") as caught:
        net.preprocessing = value
    assert said in str(caught.value)
    assert net.preprocessing == {"mean": [0.5]}


def test_preprocessing_may_have_64_levels(tmp_path: Path):
    net = tiny()
    net.preprocessing = {"n": nested_lists(63)}
    net.save(tmp_path / "net")
    assert bp.load(tmp_path / "net").preprocessing == {"n": nested_lists(63)}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(value=st.dictionaries(st.text(), JSON, max_size=4))
@settings(deadline=None, max_examples=200)
def test_preprocessing_comes_back_as_it_was_given(value: dict[str, Any]):
    net = tiny()
    net.preprocessing = value
    assert repr(net.preprocessing) == repr(value)


NUMBERS = [
    "0",
    "-0.0",
    "5e-324",
    "2.2250738585072014e-308",
    "1.7976931348623157e308",
    "0.1",
    "1e22",
    "123456789.125",
]


@pytest.mark.parametrize("number", [*NUMBERS, "1e-400", "-1e-400", "0." + "0" * 400 + "1", "1" + "0" * 300])
def test_numbers_are_read_as_python_reads_them(number: str):
    """Also those below the smallest, which are 0."""
    net = tiny()
    net._core.preprocessing = f'{{"mean": [{number}]}}'
    assert repr(float(net.preprocessing["mean"][0])) == repr(float(number))


@pytest.mark.parametrize(
    "number", ["1e400", "-1e400", "1" + "0" * 400, "1.5.2", "1e", "--1", "1e+-3", ".", "0x10"]
)
def test_what_is_no_number_is_refused(number: str):
    net = tiny()
    with pytest.raises(bp.FileFormatError, match="^json: .* expected at byte"):
        net._core.preprocessing = f'{{"mean": [{number}]}}'


def test_a_run_that_a_cpp_program_went_on_with(tmp_path: Path):
    """It keeps history, notes and callbacks, and knows its epochs."""
    trainer = a_run()
    trainer.notes["mine"] = "kept"
    trainer.save(tmp_path / "run")
    network = bp.load(tmp_path / "run")
    core, notes = bp._core.TrainerF32.load(network._core, os.fsencode(tmp_path / "run"))
    core.run(finite_dataset("test", network._core, X, LABELS, trainer.loss), 32, True, 1e9)
    core.end_epoch(0.5)
    core.save(
        os.fsencode(tmp_path / "run"), notes
    )  # what C++'s save does: it writes the notes that load read
    again = bp.Trainer.load(tmp_path / "run")
    assert again.epochs == 3 and again.history["epoch"] == [1, 2] and again.notes == {"mine": "kept"}
    again.fit(X, LABELS, verbose=0, callbacks=[bp.EarlyStopping("loss", patience=5)])
    assert again.history["epoch"] == [1, 2, 4]


def test_a_run_saved_at_an_epochs_end_before_it_was_ended(tmp_path: Path):
    """As a C++ program may leave it: the fit ends that epoch first."""
    straight, trainer = a_run(), a_run()
    data = finite_dataset("test", trainer.network._core, X, LABELS, trainer.loss)
    assert trainer._core.run(data, 32, True, 1e9)
    trainer.save(tmp_path / "run")
    again = bp.Trainer.load(tmp_path / "run")
    again.fit(X, LABELS, verbose=0)
    straight.fit(X, LABELS, verbose=0)
    assert again.epochs == straight.epochs == 3
    assert bits(again.network) == bits(straight.network)
    assert again.history["loss"] == straight.history["loss"]
