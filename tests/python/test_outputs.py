"""What commands write: no input, no other output and nothing but a plain file is ever replaced; UTF-8 whatever the
console; a reader that leaves ends what prints, not what trains."""

from __future__ import annotations

import csv
import io
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bpnet as bp
from bpnet.console import escaped
from ctrl_c import HANG
from photographs import write_folder
from test_command_line import CLASSES, POSIX, Run, bpnet, good, process, write_table  # noqa: F401
from test_data_files import idx
from test_image_recipe import network

Good = Callable[..., list[str]]
Make = Callable[[Path], tuple[Any, ...]]


@pytest.fixture
def folder(tmp_path: Path, good: Good) -> Path:  # noqa: F811
    """A folder with a table, two models of it, photographs, a model of them and what is no plain file."""
    pytest.importorskip("PIL")
    data = write_table(tmp_path / "data.csv", rows=20)
    for name in ("model", "other"):
        good("train", data, *CLASSES, "--epochs", 1, "--save", tmp_path / name)
    write_folder(tmp_path / "photos", 2)
    network().save(tmp_path / "tiny")
    options = ("--network", tmp_path / "tiny", "--size", 16, "--batch-size", 3, "--epochs", 1, "--quiet")
    good("alexnet", "train", tmp_path / "photos", *options, "--save", tmp_path / "alex")
    (tmp_path / "i-images-idx3-ubyte").write_bytes(idx(np.arange(80).reshape(20, 2, 2)))
    (tmp_path / "i-labels-idx1-ubyte").write_bytes(idx(np.arange(20) % 2))
    (tmp_path / "folder").mkdir()
    bp.data.pack_images(tmp_path / "photos", tmp_path / "packed", 16, verbose=0)
    if os.name == "posix":
        os.mkfifo(tmp_path / "fifo")
        (tmp_path / "link to the data").symlink_to("data.csv")
        (tmp_path / "hard link to the data").hardlink_to(data)
    return tmp_path


def train(*more: str) -> Make:
    return lambda folder: ("train", folder / "data.csv", *CLASSES, "--epochs", 1, *_below(folder, more))


def alexnet(*more: str) -> Make:
    options = ("--network", "@tiny", "--size", "16", "--batch-size", "3", "--epochs", "1", "--quiet")
    return lambda folder: ("alexnet", "train", folder / "photos", *_below(folder, (*options, *more)))


def command(*arguments: str) -> Make:
    return lambda folder: _below(folder, arguments)


def _below(folder: Path, arguments: tuple[str, ...]) -> tuple[Any, ...]:
    """Arguments that begin with @ are names in the folder."""
    return tuple(f"{folder}/{each[1:]}" if each.startswith("@") else each for each in arguments)


REFUSED: dict[str, tuple[Make, str]] = {
    "save over the data": (train("--save", "@data.csv"), "--save"),
    "save over the data by a link": (train("--save", "@link to the data"), "this is the data"),
    "save over the data by a hard link": (train("--save", "@hard link to the data"), "this is the data"),
    "save over the data, overwriting": (train("--save", "@data.csv", "--overwrite"), "this is the data"),
    "save to a folder": (train("--save", "@folder"), "this is a folder"),
    "save to a FIFO": (train("--save", "@fifo"), "this is a FIFO"),
    "save to a FIFO, overwriting": (train("--save", "@fifo", "--overwrite"), "this is a FIFO"),
    "save to nothing": (train("--save", ""), "--save: the file's name is empty"),
    "save nowhere": (train("--save", "@no/m"), "there is no folder"),
    "save over what is no run": (train("--save", "@tiny"), "--overwrite replaces it"),
    "save and plot in one": (train("--save", "@p.png", "--plot", "@p.png"), "--save writes this file too"),
    "plot over the data": (train("--plot", "@data.csv"), "this is the data"),
    "plot to a folder": (train("--plot", "@folder"), "this is a folder"),
    "plot to a FIFO": (train("--plot", "@fifo"), "this is a FIFO"),
    "plot of no format": (train("--plot", "@p"), "a picture's name ends in one of"),
    "plot of an unknown format": (train("--plot", "@p.doc"), "a picture's name ends in one of"),
    "plot over the run": (
        command("train", "@data.csv", "--resume", "@model", "--epochs", "2", "--plot", "@model"),
        "--resume writes this file too",
    ),
    "save over the labels": (
        command("train", "@data.csv", "--labels", "@other", "--save", "@other"),
        "this is --labels",
    ),
    "save over the labels beside": (
        command(
            "train", "@i-images-idx3-ubyte", "--epochs", "1", "--save", "@i-labels-idx1-ubyte", "--overwrite"
        ),
        "this is the file of labels",
    ),
    "resume to a FIFO": (
        command("train", "@data.csv", "--resume", "@model", "--epochs", "2", "--save", "@fifo"),
        "this is a FIFO",
    ),
    "predict over the model": (
        command("predict", "@model", "@data.csv", "--output", "@model"),
        "this is the model",
    ),
    "predict over the data": (
        command("predict", "@model", "@data.csv", "--output", "@data.csv"),
        "this is the data",
    ),
    "predict over another model": (
        command("predict", "@model", "@data.csv", "--output", "@other"),
        "holds a model",
    ),
    "predict to a FIFO": (command("predict", "@model", "@data.csv", "--output", "@fifo"), "this is a FIFO"),
    "predict to nothing": (command("predict", "@model", "@data.csv", "--output", ""), "name is empty"),
    "predict over a photograph": (
        command("predict", "@alex", "@photos", "--output", "@photos/red/000.jpg"),
        "the data, which is read",
    ),
    "pack over a photograph": (
        command("alexnet", "pack", "@photos", "@photos/red/000.jpg", "--size", "16"),
        "the folder, which is read",
    ),
    "pack over the folder": (command("alexnet", "pack", "@photos", "@photos"), "this is a folder"),
    "pack to a FIFO": (command("alexnet", "pack", "@photos", "@fifo", "--size", "16"), "this is a FIFO"),
    "pack over a model": (command("alexnet", "pack", "@photos", "@model", "--size", "16"), "holds a model"),
    "alexnet to a FIFO": (alexnet("--save", "@fifo"), "this is a FIFO"),
    "alexnet over its network": (alexnet("--save", "@tiny"), "this is --network"),
    "alexnet over its network, overwriting": (alexnet("--save", "@tiny", "--overwrite"), "this is --network"),
    "alexnet over a run": (alexnet("--save", "@alex"), "--resume"),
    "alexnet packing over its run": (
        alexnet("--save", "@a", "--packed", "@a"),
        "--save writes this file too",
    ),
    "alexnet packing to a FIFO": (alexnet("--save", "@a", "--packed", "@fifo"), "fifo"),
    "alexnet packing what is packed": (
        command("alexnet", "train", "@packed", "--packed", "@new", "--save", "@a", "--size", "16"),
        "--packed has no effect",
    ),
    "alexnet plotting into a file": (alexnet("--save", "@a", "--plot", "@data.csv"), "is no folder"),
    "alexnet's run where a picture is": (
        alexnet("--save", "@folder/curves.png", "--plot", "@folder"),
        "--save writes this file too",
    ),
}


def state(folder: Path) -> dict[str, Any]:
    """Everything in the folder: kinds, and the contents of files."""
    found = {}
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        found[str(path)] = (mode, path.read_bytes() if stat.S_ISREG(mode) else None)
    return found


@POSIX
def test_what_is_refused_touches_nothing(folder: Path, bpnet: Run):  # noqa: F811
    """One folder for all cases: it is made once, and every case leaves it as it was."""
    before = state(folder)
    for name, (make, text) in REFUSED.items():
        status, out, err = bpnet(*make(folder))
        assert status == 2 and err.count("\n") == 1 and text in err, (name, out, err)
        assert state(folder) == before, name


def test_an_output_may_be_replaced_that_is_one(folder: Path, good: Good):  # noqa: F811
    """A CSV, a picture, a packed file, as often as one likes."""
    pytest.importorskip("matplotlib")
    for _ in range(2):
        good("predict", folder / "model", folder / "data.csv", "--output", folder / "out.csv")
        good("predict", folder / "alex", folder / "photos", "--output", folder / "out.csv")
        good("train", folder / "data.csv", *CLASSES, "--epochs", 1, "--plot", folder / "p.png")
        good("alexnet", "pack", folder / "photos", folder / "packed", "--size", 16, "--quiet")


# Words that no console has.

WORDS = ["größe", "猫"]


@pytest.fixture
def words(tmp_path: Path, good: Good) -> tuple[Path, Path]:  # noqa: F811
    rows = "".join(f"{row},{WORDS[row > 19]}\n" for row in range(40))
    (tmp_path / "w.csv").write_text("x,kind\n" + rows, encoding="utf-8")
    options = ("--target", "kind", "--epochs", 60, "--lr", 0.05, "--quiet")
    good("train", tmp_path / "w.csv", *options, "--save", tmp_path / "w")
    return tmp_path / "w", tmp_path / "w.csv"


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "latin-1", "utf-8", "utf-16"])
def test_predict_writes_utf_8(words: tuple[Path, Path], tmp_path: Path, encoding: str):
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    for more in ((), ("--output", tmp_path / "out.csv")):
        running = process("predict", *words, *more, env=environment, text=False)
        out, err = running.communicate(timeout=HANG)
        assert running.returncode == 0, err
        raw = (tmp_path / "out.csv").read_bytes() if more else out
        assert b"\r" not in raw or os.name == "nt"
        read = list(csv.reader(io.StringIO(raw.decode("utf-8"), newline="")))
        assert len(read) == 41 and {row[0] for row in read[1:]} == set(WORDS)


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
@pytest.mark.parametrize("name", ["info", "evaluate", "train"])
def test_other_commands_escape_what_the_console_has_not(words: tuple[Path, Path], name: str, encoding: str):
    model, data = words
    arguments = {
        "info": (model,),
        "evaluate": (model, data),
        "train": (data, "--target", "kind", "--epochs", 1, "--layers", 4),
    }[name]
    running = process(name, *arguments, env={**os.environ, "PYTHONIOENCODING": encoding}, text=False)
    out, err = running.communicate(timeout=HANG)
    assert running.returncode == 0 and b"Traceback" not in err
    assert rb"\u732b" in out
    assert ("gr\\xf6" if encoding == "ascii" else "größe").encode(encoding) in out


def test_python_prints_on_any_console(words: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch):
    console = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", console)
    bp.train_model(words[1], "kind", layers=(4,), epochs=1, verbose=2)
    console.flush()
    assert rb"\u732b" in console.buffer.getvalue()  # type: ignore[attr-defined]


# Names that are not UTF-8.


def test_bytes_are_escaped():
    assert escaped(os.fsdecode(b"caf\xe9")) == r"caf\xe9" if os.name == "posix" else True
    assert escaped("größe 猫") == "größe 猫"
    assert escaped("\ud800") == r"\ud800"


@POSIX
def test_names_that_are_not_utf_8(folder: Path, tmp_path: Path):
    """Of class folders, of photographs, of files that are none, and of everything that is written."""
    for source, target in (("red", b"r\xe9d"), ("green/000.jpg", b"green/th\xe9.jpg")):
        try:
            os.rename(folder / "photos" / source, os.fsencode(folder / "photos") + b"/" + target)
        except OSError:
            pytest.skip("this file system has names of UTF-8 only")
    (folder / "photos" / "green" / os.fsdecode(b"broken\xe9.png")).write_bytes(b"x")
    run, packed, output = (folder / os.fsdecode(name) for name in (b"run\xe9", b"packed\xe9", b"out\xe9.csv"))
    options = ("--network", folder / "tiny", "--size", 16, "--batch-size", 3, "--epochs", 1)
    commands: list[tuple[Any, ...]] = [
        ("alexnet", "train", folder / "photos", *options, "--save", run),
        ("alexnet", "train", folder / "photos", "--resume", run, "--epochs", 2),
        ("alexnet", "test", run, folder / "photos"),
        ("alexnet", "pack", folder / "photos", packed, "--size", 16),
        ("alexnet", "train", packed, "--resume", run, "--epochs", 3, "--test", folder / "photos"),
        ("info", run),
        ("predict", run, folder / "photos"),
        ("predict", run, folder / "photos", "--output", output),
    ]
    outputs = {}
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    for arguments in commands:
        running = process(*arguments, env=environment)
        out, err = running.communicate(timeout=HANG)
        assert running.returncode == 0, (arguments, err)
        outputs[arguments[:2]] = out + err
        if arguments[-1] == folder / "photos" and arguments[0] == "predict":
            printed = out
    assert r"broken\xe9.png" in outputs["alexnet", "train"] + outputs["alexnet", "pack"]
    assert rf"saved {folder}/run\xe9" in outputs["alexnet", "train"]
    assert "classes: blue, green, r\\xe9d" in outputs["info", run]
    lines = output.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 7 and any(r"th\xe9.jpg" in line for line in lines)
    assert printed.splitlines() == lines
    model = bp.load_model(run)
    assert model.classes is not None and model.classes.tolist() == ["blue", "green", r"r\xe9d"]


# Readers that leave.


@POSIX
@pytest.mark.parametrize("streams", ["stdout", "both"])
@pytest.mark.parametrize(
    "name", ["train", "alexnet train", "alexnet pack", "alexnet test", "predict", "evaluate", "info"]
)
def test_a_reader_that_left(folder: Path, name: str, streams: str):
    """Training continues and saves; what prints ends, without a word."""
    alexnet_options = ("--network", folder / "tiny", "--size", 16, "--batch-size", 3, "--epochs", 2)
    arguments: dict[str, tuple[Any, ...]] = {
        "train": (folder / "data.csv", *CLASSES[:-1], "--epochs", 3, "--save", folder / "new"),
        "alexnet train": (folder / "photos", *alexnet_options, "--save", folder / "new"),
        "alexnet pack": (folder / "photos", folder / "new", "--size", 16),
        "alexnet test": (folder / "alex", folder / "photos"),
        "predict": (folder / "model", folder / "data.csv"),
        "evaluate": (folder / "model", folder / "data.csv"),
        "info": (folder / "model",),
    }
    read, write = os.pipe()
    os.close(read)
    options = {"stdout": write} | ({"stderr": write} if streams == "both" else {})
    running = process(*name.split(), *arguments[name], **options)
    os.close(write)
    _, err = running.communicate(timeout=HANG)
    assert running.returncode == 0
    assert not err or (
        "Traceback" not in err and "Exception ignored" not in err and "Broken pipe" not in err
    ), err
    if name in ("train", "alexnet train"):
        assert bp.Trainer.load(folder / "new").epochs == (3 if name == "train" else 2)
    if name == "alexnet pack":
        assert len(bp.data.PackedImages(folder / "new")) == 6


@POSIX
def test_an_error_that_nobody_reads(folder: Path):
    read, write = os.pipe()
    os.close(read)
    running = process("predict", folder / "model", folder / "nowhere.csv", stdout=write, stderr=write)
    os.close(write)
    running.communicate(timeout=HANG)
    assert running.returncode == 2


@pytest.mark.parametrize("fails", ["in the middle", "at the end"])
def test_predictions_are_written_whole_or_not_at_all(
    folder: Path,
    bpnet: Run,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    fails: str,
):
    output = folder / "out.csv"
    command = ("predict", folder / "model", folder / "data.csv", "--output", output)
    assert bpnet(*command)[0] == 0
    before = output.read_bytes()
    wanted = before if fails == "at the end" else None

    def write(file: Any, header: list[str], rows: list[list[Any]]) -> None:
        file.write("half")
        raise OSError(28, "No space left on device")

    import bpnet.commands.predict as predicting

    monkeypatch.setattr(predicting, "_write", write)
    if wanted is None:
        output.unlink()
    status, out, err = bpnet(*command)
    assert status == 2 and "No space left" in err and str(output) in err and "wrote" not in out
    assert (output.read_bytes() if output.exists() else None) == wanted
    assert not [path for path in folder.iterdir() if ".tmp-" in path.name]


# Columns that are kept.


def test_keep(folder: Path, good: Good, bpnet: Run):  # noqa: F811
    rows = list(csv.DictReader(io.StringIO((folder / "data.csv").read_text())))
    names = [name for name in rows[0]]
    renamed = folder / "renamed.csv"
    with open(renamed, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*names, "id, of the shop"])
        writer.writerows([[*row.values(), f"n{index}"] for index, row in enumerate(rows)])
    plain = good("predict", folder / "model", renamed)
    kept = good("predict", folder / "model", renamed, "--keep", 'colour,"id, of the shop"')
    table = list(csv.reader(kept))
    assert table[0] == ["colour", "id, of the shop", "kind"]
    assert [row[:2] for row in table[1:]] == [[row["colour"], f"n{index}"] for index, row in enumerate(rows)]
    assert [row[2] for row in table] == [next(csv.reader([line]))[0] for line in plain]
    with_p = list(
        csv.reader(good("predict", folder / "model", renamed, "--keep", "colour", "--probabilities"))
    )
    assert with_p[0][:2] == ["colour", "kind"] and len(with_p[0]) == 5
    status, _, err = bpnet("predict", folder / "model", renamed, "--keep", "age")
    assert status == 2 and "'age'" in err
    status, _, err = bpnet("predict", folder / "alex", folder / "photos", "--keep", "id")
    assert status == 2 and "--keep is for tables" in err
    X = np.ones((4, 3))
    np.savez(folder / "a.npz", X=X, y=[0, 1, 0, 1])
    good("train", folder / "a.npz", "--epochs", 1, "--quiet", "--save", folder / "a")
    status, _, err = bpnet("predict", folder / "a", folder / "a.npz", "--keep", "id")
    assert status == 2 and "--keep is for tables" in err
