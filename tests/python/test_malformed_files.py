"""Model and run files whose checksum is right and whose content is not. Each is refused as a FileFormatError;
nothing is allocated because a file says so, and nothing crashes."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import bpnet as bp
from ctrl_c import HANG
from test_bad_input import bits
from test_files import ZEROS, a_run, opened, refused, seal, tiny, write

Head = dict[str, Any]
Change = Callable[[Head, bytes], Any]  # changes the header; may return other data, or a whole header


@pytest.fixture
def model(tmp_path: Path) -> Path:
    tiny().save(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    a_run().save(tmp_path / "run")
    return tmp_path / "run"


def rewrite(path: Path, change: Change) -> None:
    """Write the file anew, changed."""
    head, data = opened(path)
    result = change(head, data)
    write(
        path,
        result if isinstance(result, (dict, list)) else head,
        result if isinstance(result, bytes) else data,
    )


def test_the_writer_of_these_tests_is_understood(model: Path, run: Path):
    for path in (model, run):
        rewrite(path, lambda head, data: None)
    rewrite(run, of_callback())
    assert bits(bp.load(model)) == bits(tiny())
    assert bits(bp.Trainer.load(run).network) == bits(a_run().network)


def tensor(name: str, **changes: Any) -> Change:
    return lambda head, data: head[name].update(changes)


def without(name: str, *keys: str) -> Change:
    def change(head: Head, data: bytes) -> None:
        where = head[name] if keys else head
        del where[keys[0] if keys else name]

    return change


def metadata(key: str, value: Any) -> Change:
    return lambda head, data: head["__metadata__"].update({key: value})


def network(**changes: Any) -> Change:
    """A change of the architecture."""

    def change(head: Head, data: bytes) -> None:
        about = json.loads(head["__metadata__"]["bpnet.network"])
        head["__metadata__"]["bpnet.network"] = json.dumps(about | changes)

    return change


def hole(head: Head, data: bytes) -> bytes:
    """4 bytes that belong to nobody, before the last tensor."""
    begin, end = head["2.bias"]["data_offsets"]
    head["2.bias"]["data_offsets"] = [begin + 4, end + 4]
    return data[:begin] + b"\0" * 4 + data[begin:]


def hole_at_the_start(head: Head, data: bytes) -> bytes:
    for name, entry in head.items():
        if name != "__metadata__":
            entry["data_offsets"] = [at + 8 for at in entry["data_offsets"]]
    return b"\0" * 8 + data


def swap_shapes(head: Head, data: bytes) -> None:
    head["0.weight"]["shape"] = [2, 3]


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


BIG = 2**40
MALFORMED: dict[str, Change] = {
    "overlap": tensor("2.bias", data_offsets=[0, 8]),
    "overlap by one": lambda h, d: h["0.bias"].update(data_offsets=[20, 32]),
    "hole": hole,
    "hole at the start": hole_at_the_start,
    "tail": lambda h, d: d + b"\0" * 4,
    "data cut off": lambda h, d: d[:-4],
    "no data": lambda h, d: b"",
    "offsets reversed": tensor("0.bias", data_offsets=[36, 24]),
    "offsets beyond": tensor("0.bias", data_offsets=[24, BIG]),
    "offsets negative": tensor("0.bias", data_offsets=[-12, 0]),
    "offsets halves": tensor("0.bias", data_offsets=[24.0, 36.5]),
    "one offset": tensor("0.bias", data_offsets=[24]),
    "three offsets": tensor("0.bias", data_offsets=[24, 36, 48]),
    "offsets as text": tensor("0.bias", data_offsets=["24", "36"]),
    "offsets null": tensor("0.bias", data_offsets=None),
    "offsets missing": without("0.bias", "data_offsets"),
    "offsets of 64 bits": tensor("0.bias", data_offsets=[2**64 - 12, 2**64]),
    "shape too large": tensor("0.bias", shape=[4]),
    "shape too small": tensor("0.bias", shape=[2]),
    "shape of other rank": tensor("0.bias", shape=[3, 1]),
    "shape transposed": swap_shapes,
    "shape negative": tensor("0.bias", shape=[-3]),
    "shape twice negative": tensor("0.weight", shape=[-3, -2]),
    "shape a half": tensor("0.bias", shape=[3.0]),
    "shape as text": tensor("0.bias", shape=["3"]),
    "shape a number": tensor("0.bias", shape=3),
    "shape missing": without("0.bias", "shape"),
    "shape overflows": tensor("0.bias", shape=[2**32, 2**32, 3]),
    "shape overflows to 3": tensor("0.bias", shape=[2**62 + 3, 4]),
    "shape of 64 bits": tensor("0.bias", shape=[2**64 + 3]),
    "bytes overflow": tensor("0.bias", shape=[2**62 + 3]),
    "shape of zero and huge": tensor("0.bias", shape=[0, 2**62, 2**62]),
    "many axes": tensor("0.bias", shape=[3] + [1] * 20),
    "dtype unknown": tensor("0.bias", dtype="F128"),
    "dtype of the same size": tensor("0.bias", dtype="I32"),
    "dtype of another size": tensor("0.bias", dtype="F64", shape=[1], data_offsets=[24, 32]),
    "dtype a number": tensor("0.bias", dtype=4),
    "dtype missing": without("0.bias", "dtype"),
    "tensor a list": lambda h, d: h.update({"0.bias": [1, 2, 3]}),
    "tensor null": lambda h, d: h.update({"0.bias": None}),
    "tensor renamed": lambda h, d: h.update({"0.Bias": h.pop("0.bias")}),
    "no metadata": lambda h, d: (
        {"x": {"bpnet.checksum": ZEROS}} | {k: v for k, v in h.items() if k[0] != "_"}
    ),
    "metadata of numbers": metadata("other", 5),
    "no format": without("__metadata__", "bpnet.format"),
    "format of the future": metadata("bpnet.format", "2"),
    "format a number": metadata("bpnet.format", 1),
    "a list": lambda h, d: [h],
    "no architecture": without("__metadata__", "bpnet.network"),
    "architecture no JSON": metadata("bpnet.network", "Linear(3)"),
    "architecture empty": metadata("bpnet.network", ""),
    "architecture a list": metadata("bpnet.network", "[]"),
    "architecture cut off": metadata("bpnet.network", '{"layers": ['),
    "architecture with a tail": lambda h, d: metadata(
        "bpnet.network", h["__metadata__"]["bpnet.network"] + "}"
    )(h, d),
    "architecture nested": metadata("bpnet.network", nested(100_000)),
    "architecture half nested": metadata("bpnet.network", "[" * 100_000),
    "no layers": network(layers=[]),
    "layers null": network(layers=None),
    "layers of text": network(layers=["Linear"]),
    "unknown layer": network(layers=[{"type": "Teleport"}]),
    "layer without type": network(layers=[{"out_features": 3}]),
    "unknown option": network(layers=[{"type": "Linear", "out_features": 3, "hook": "os.system"}]),
    "option of another kind": network(layers=[{"type": "Linear", "out_features": "3"}]),
    "option out of range": network(layers=[{"type": "Dropout", "p": 7}]),
    "init unknown": network(layers=[{"type": "Linear", "out_features": 3, "init": {"kind": "psychic"}}]),
    "init of text": network(layers=[{"type": "Linear", "out_features": 3, "init": "psychic"}]),
    "other layers": network(layers=[{"type": "Linear", "out_features": 4}]),
    "more layers": network(layers=[{"type": "Linear", "out_features": 3}] * 5),
    "a huge layer": network(layers=[{"type": "Linear", "out_features": BIG}]),
    "a huge input": network(input_shape=[BIG]),
    "an input that overflows": network(input_shape=[BIG, BIG]),
    "an input of 64 bits": network(input_shape=[2**64]),
    "a negative input": network(input_shape=[-2]),
    "an empty input": network(input_shape=[0]),
    "no input": network(input_shape=[]),
    "input null": network(input_shape=None),
    "another input": network(input_shape=[3]),
    "many axes of input": network(input_shape=[1] * 100),
    "another dtype": network(dtype="float64"),
    "no such dtype": network(dtype="int8"),
    "dtype null": network(dtype=None),
    "seed no number": network(seed="tomorrow"),
    "seed a number": network(seed=5),
    "seed beyond 64 bits": network(seed="99999999999999999999999"),
    "preprocessing no JSON": metadata("bpnet.preprocessing", "standardise"),
    "preprocessing nested": metadata("bpnet.preprocessing", nested(100_000)),
}


@pytest.mark.parametrize("change", MALFORMED)
def test_malformed_files_are_refused(model: Path, change: str):
    rewrite(model, MALFORMED[change])
    refused(model)
    refused(model, bp.Trainer.load)


def test_missing_tensors(model: Path):
    """Each in turn, with its bytes taken out."""
    for name in tiny().state_dict():
        tiny().save(model)

        def change(head: Head, data: bytes, name: str = name) -> bytes:
            begin, end = head.pop(name)["data_offsets"]
            for key, entry in head.items():
                if key != "__metadata__" and entry["data_offsets"][0] >= end:
                    entry["data_offsets"] = [at - (end - begin) for at in entry["data_offsets"]]
            return data[:begin] + data[end:]

        rewrite(model, change)
        refused(model)


def test_tensors_nobody_asked_for(model: Path):
    """Refused, or left alone; the others are read as they are."""

    def change(head: Head, data: bytes) -> bytes:
        head["9.weight"] = {"dtype": "I8", "shape": [5], "data_offsets": [len(data), len(data) + 5]}
        return data + b"extra"

    rewrite(model, change)
    with contextlib.suppress(bp.FileFormatError):
        assert bits(bp.load(model)) == bits(tiny())


def raw_header(model: Path, change: Callable[[str], str | bytes]) -> None:
    """Write the file with a header changed as text."""
    head, data = opened(model)
    changed = change(json.dumps(head, separators=(",", ":")))
    model.write_bytes(seal(changed if isinstance(changed, bytes) else changed.encode(), data))


HEADERS: dict[str, Callable[[str], str | bytes]] = {
    "a name twice": lambda t: t[:-1] + ',"0.bias":' + json.dumps(json.loads(t)["0.bias"]) + "}",
    "metadata twice": lambda t: t[:-1] + ',"__metadata__":{}}',
    "nested": lambda t: t[:-1] + ',"x":' + nested(100_000) + "}",
    "half nested": lambda t: t[:-1] + ',"x":' + '{"y":' * 100_000,
    "cut off": lambda t: t[:-1],
    "with a tail": lambda t: t + "}",
    "with a comma": lambda t: t[:-1] + ",}",
    "in single quotes": lambda t: t[:-1] + ",'x':{}}",
    "with NaN": lambda t: t.replace("[0,24]", "[NaN,24]"),
    "with a long number": lambda t: t.replace("[0,24]", "[0," + "9" * 100_000 + "]"),
    "with a plus": lambda t: t.replace("[0,24]", "[+0,24]"),
    "with an exponent": lambda t: t.replace("[0,24]", "[0,24e0]"),
    "with a bad escape": lambda t: t.replace("0.bias", "0.\\bias\\"),
    "with half a surrogate": lambda t: t.replace("0.bias", "\\ud800"),
    "with a zero": lambda t: t.replace("0.bias", "0.bias\0"),
    "with a comment": lambda t: t + "// fine",
    "no UTF-8 in a name": lambda t: t.encode().replace(b"0.bias", b"0.b\xffas"),
    "no UTF-8 in a type": lambda t: t.encode().replace(b"Tanh", b"T\xffnh"),
    "no UTF-8 in the format": lambda t: t.encode().replace(b'format":"1"', b'format":"\xe9"'),
    "no UTF-8 in the dtype": lambda t: t.encode().replace(b"F32", b"F\xe32"),
    "no UTF-8 in preprocessing": lambda t: t.encode().replace(
        b'"format":"pt"', b'"format":"pt","bpnet.preprocessing":"\\"\xff\\""'
    ),
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers_that_are_no_json(model: Path, name: str):
    before = model.read_bytes()
    raw_header(model, HEADERS[name])
    assert model.read_bytes() != before
    refused(model)


def of_run(**changes: Any) -> Change:
    def change(head: Head, data: bytes) -> None:
        about = json.loads(head["__metadata__"]["bpnet.trainer"])
        head["__metadata__"]["bpnet.trainer"] = json.dumps(about | changes)

    return change


def of_state(**changes: Any) -> Change:
    def change(head: Head, data: bytes) -> None:
        about = json.loads(head["__metadata__"]["bpnet.trainer"])
        of_run(state=about["state"] | changes)(head, data)

    return change


def of_notes(**changes: Any) -> Change:
    """A change of history, callbacks and notes."""

    def change(head: Head, data: bytes) -> None:
        kept = json.loads(head["__metadata__"]["bpnet.notes"])
        head["__metadata__"]["bpnet.notes"] = json.dumps(kept | changes)

    return change


EARLY_STOPPING = {"best": 0.5, "waited": 0, "best_epoch": 1}


def of_callback(**changes: Any) -> Change:
    return of_notes(callbacks=[{"type": "EarlyStopping", "state": EARLY_STOPPING} | changes])


def of_early_stopping(**changes: Any) -> Change:
    return of_callback(state=EARLY_STOPPING | changes)


MALFORMED_RUNS: dict[str, Change] = {
    "no run": without("__metadata__", "bpnet.trainer"),
    "run no JSON": metadata("bpnet.trainer", "fine"),
    "run a list": metadata("bpnet.trainer", "[]"),
    "no notes": without("__metadata__", "bpnet.notes"),
    "notes no JSON": metadata("bpnet.notes", "{history"),
    "notes a list": metadata("bpnet.notes", "[1]"),
    "notes a number": metadata("bpnet.notes", "7"),
    "notes nested": metadata("bpnet.notes", nested(100_000)),
    "history a number": metadata("bpnet.notes", '{"history": 5}'),
    "history of numbers": metadata("bpnet.notes", '{"history": {"loss": 5}}'),
    "the user's notes a list": metadata("bpnet.notes", '{"notes": [1]}'),
    "history of strings": of_notes(history={"epoch": [1, 2], "loss": ["low", "lower"]}),
    "history of booleans": of_notes(history={"epoch": [1, 2], "loss": [True, False]}),
    "history of null": of_notes(history={"epoch": [1, 2], "loss": [0.5, None]}),
    "history longer than its epochs": of_notes(history={"epoch": [1, 2], "loss": [0.5, 0.4, 0.3]}),
    "history without epochs": of_notes(history={"loss": [0.5]}),
    "epochs downwards": of_notes(history={"epoch": [2, 1], "loss": [0.5, 0.4]}),
    "epochs from 0": of_notes(history={"epoch": [0, 1], "loss": [0.5, 0.4]}),
    "epochs of halves": of_notes(history={"epoch": [1, 1.5], "loss": [0.5, 0.4]}),
    "callback without a state": of_callback(state=None),
    "callback whose type is a number": of_callback(type=5),
    "callback whose module is a number": of_callback(module=5),
    "callback's best a string": of_early_stopping(best="low"),
    "callback's best null": of_early_stopping(best=None),
    "callback that waited a half": of_early_stopping(waited=0.5),
    "callback that waited less than nothing": of_early_stopping(waited=-1),
    "callback's best epoch a string": of_early_stopping(best_epoch="1"),
    "callback's best epoch 0": of_early_stopping(best_epoch=0),
    "callback's state empty": of_callback(state={}),
    "checkpoint's best a list": of_callback(type="Checkpoint", state={"best": [1]}),
    "callbacks a number": metadata("bpnet.notes", '{"callbacks": 5}'),
    "callbacks a dictionary": metadata("bpnet.notes", '{"callbacks": {}}'),
    "callbacks of numbers": metadata("bpnet.notes", '{"callbacks": [5]}'),
    "momentum renamed": lambda h, d: h.update({"x": h.pop("optimizer.momentum.0.bias")}),
    "momentum transposed": tensor("optimizer.momentum.0.weight", shape=[2, 3]),
    "best renamed": lambda h, d: h.update({"x": h.pop("best.parameters")}),
    "best flat no more": lambda h, d: h["best.slots"].update(shape=[1, *h["best.slots"]["shape"]]),
    "another optimizer": of_run(
        optimizer={"name": "adam", "lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0}
    ),
    "unknown optimizer": of_run(optimizer={"name": "newton"}),
    "optimizer null": of_run(optimizer=None),
    "optimizer out of range": of_run(
        optimizer={"name": "sgd", "lr": -1, "momentum": 0.9, "weight_decay": 0, "nesterov": False}
    ),
    "unknown loss": of_run(loss={"name": "hinge"}),
    "loss that does not fit": of_run(
        loss={"name": "cross_entropy", "label_smoothing": 0, "class_weight": [1] * 9}
    ),
    "unknown schedule": of_run(schedule={"name": "lunar", "warmup_steps": 0, "warmup_start": 0}),
    "schedule out of range": of_run(
        schedule={"name": "step", "step_size": 0, "gamma": 0.5, "warmup_steps": 0, "warmup_start": 0}
    ),
    "seed no number": of_run(seed="tomorrow"),
    "seed a number": of_run(seed=1),
    "no state": of_run(state=None),
    "step negative": of_state(step=-1),
    "step a half": of_state(step=1.5),
    "step as text": of_state(step="1"),
    "schedule's state missing": of_state(schedule={}),
    "best of nothing": of_run(best={}),
}


@pytest.mark.parametrize("change", MALFORMED_RUNS)
def test_malformed_runs_are_refused(run: Path, change: str):
    rewrite(run, MALFORMED_RUNS[change])
    refused(run, bp.Trainer.load)


FUZZ = """
import sys
from collections import Counter
sys.path.insert(0, sys.argv[1])
import bpnet as bp
import numpy as np
import test_files as t
import json

rng = np.random.default_rng(int(sys.argv[3]))
head, data = t.opened(t.Path(sys.argv[2]))
text = json.dumps(head, separators=(",", ":")).encode()
path = t.Path(sys.argv[2] + ".fuzz")
path.write_bytes(b"")
interesting = b'0123456789-+.eE[]{}",:\\\\\\0\\xff\\x80 ntfu'
with open(path, "r+b", buffering=0) as file:
    for trial in range(2500):
        changed = bytearray(text)
        for _ in range(rng.integers(1, 4)):
            at = int(rng.integers(len(changed)))
            kind = rng.integers(4)
            if kind == 0:
                changed[at] = interesting[rng.integers(len(interesting))]
            elif kind == 1:
                del changed[at : at + int(rng.integers(1, 8))]
            elif kind == 2:
                changed[at:at] = bytes([interesting[rng.integers(len(interesting))]]) * int(rng.integers(1, 20))
            else:
                other = int(rng.integers(len(changed)))
                changed[at:at] = changed[other : other + 12]
        raw = t.seal(bytes(changed), data)
        file.seek(0)
        file.write(raw)
        file.truncate(len(raw))
        for load in (bp.load, bp.Trainer.load):
            try:
                load(path)
            except bp.FileFormatError:
                pass
            except BaseException as error:
                print(type(error).__name__, str(error)[:60], bytes(changed))
"""


@pytest.mark.parametrize("kind", ["model", "run"])
def test_headers_changed_at_random(request: pytest.FixtureRequest, kind: str):
    """Whatever a header says, the worst that happens is a FileFormatError."""
    path = request.getfixturevalue(kind)
    command = [sys.executable, "-c", FUZZ, str(Path(__file__).parent), str(path), "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = done.stdout.splitlines()
    assert not lines, f"{len(lines)} otherwise: " + "\n".join(line[:100] for line in lines[:10])
