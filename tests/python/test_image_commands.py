"""python -m bpnet alexnet: pack, train, stop, go on, test."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bpnet as bp
from bpnet.data import PackedImages
from bpnet.recipes.alexnet import augmenter_of
from bpnet.training.progress import Progress
from ctrl_c import interrupted, press
from photographs import add_bad_files, write_folder
from test_command_line import POSIX, Run, bpnet, good  # noqa: F401
from test_image_recipe import bits, network

SIZE = 16


@pytest.fixture
def train(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "train", 6)


@pytest.fixture
def test(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "test", 3, first=1000)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    network().save(tmp_path / "tiny.safetensors")
    return tmp_path / "tiny.safetensors"


def options(model: Path) -> list[str]:
    return f"--network {model} --size {SIZE} --batch-size 5 --lr 1e-5 --epochs 3".split()


def test_from_the_folder_to_a_tested_model(good, train: Path, test: Path, model: Path, tmp_path: Path):  # noqa: F811
    add_bad_files(train)
    lines = good(
        *("alexnet", "train", train, "--test", test, *options(model), "--packed", tmp_path / "packed"),
        *("--save", tmp_path / "run", "--plot", tmp_path / "plots"),
    )
    assert lines[0].startswith("training on 18 photographs of 3 classes, testing on 9; 8,179 parameters")
    assert [line.split(":")[0] for line in lines[1:4]] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert sum(line.startswith(f"passed over {train}/blue/") for line in lines) == 9
    assert "9 files or folders were passed over" in lines
    assert f"saved {tmp_path / 'run'}" in lines
    pattern = r"ten-view test of 9 photographs: top-1 \d+\.\d %, top-5 100\.0 %, loss \d+\.\d{4}"
    assert re.fullmatch(pattern, lines[-1])
    assert (tmp_path / "plots" / "curves.png").exists()
    assert good("alexnet", "test", tmp_path / "run", test, "--quiet") == [lines[-1]]
    info = good("info", tmp_path / "run")
    assert "classes: blue, green, red" in info
    assert "input: photographs of 16 x 16 pixels, windows of 13 x 13, less their mean image" in info


def test_a_run_is_kept_where_no_file_was_named(
    good,  # noqa: F811
    bpnet: Run,  # noqa: F811
    train: Path,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.chdir(tmp_path)
    begin = ("alexnet", "train", train, *options(model), "--quiet")
    assert good(*begin) == ["saved alexnet.safetensors"]
    kept = (tmp_path / "alexnet.safetensors").read_bytes()
    status, _, err = bpnet(*begin)
    assert (
        status == 2
        and "alexnet.safetensors is there already; --resume alexnet.safetensors continues it" in err
    )
    assert (tmp_path / "alexnet.safetensors").read_bytes() == kept
    good("alexnet", "train", train, "--resume", "alexnet.safetensors", "--epochs", 4, "--quiet")
    assert bp.Trainer.load("alexnet.safetensors").epochs == 4
    assert good(*begin, "--save", "alexnet.safetensors", "--overwrite") == ["saved alexnet.safetensors"]
    assert bp.Trainer.load("alexnet.safetensors").epochs == 3


def test_a_log_has_the_result_on_a_line_of_its_own(good, train: Path, model: Path, tmp_path: Path):  # noqa: F811
    good("alexnet", "train", train, *options(model), "--save", tmp_path / "run", "--quiet")
    environment = {**os.environ, "PYTHONPATH": str(Path(bp.__file__).parents[1])}
    for action in (
        ["train", train, "--resume", tmp_path / "run", "--epochs", 5],
        ["test", tmp_path / "run", train],
    ):
        command = [sys.executable, "-m", "bpnet", "alexnet", *map(str, action)]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, check=True
        )
        lines = done.stdout.decode().splitlines()
        assert b"\r" not in done.stdout
        bars = [line for line in lines if "images/s" in line]
        assert bars and all(line.endswith("images/s]") for line in bars)
        assert any(line.startswith(("ten-view test", "epoch 5/5: loss")) for line in lines)


def test_photographs_are_classified(good, bpnet: Run, train: Path, test: Path, model: Path, tmp_path: Path):  # noqa: F811
    path = tmp_path / "run"
    good("alexnet", "train", train, *options(model), "--save", path, "--quiet")
    photograph = test / "green" / "001.png"
    header, line = good("predict", path, photograph)
    assert header == "photograph,prediction1,p1,prediction2,p2,prediction3,p3"
    name, *answers = line.split(",")
    net = bp.load_model(path).network
    (wanted,) = bp.recipes.classify(net, photograph)
    assert name == str(photograph)
    assert answers == [text for label, p in wanted for text in (label, f"{p:.6f}")]
    assert sorted(label for label, _ in wanted) == ["blue", "green", "red"]
    assert abs(sum(p for _, p in wanted) - 1) <= 1e-6
    assert [p for _, p in wanted] == sorted((p for _, p in wanted), reverse=True)
    folder = good("predict", path, test, "--probabilities")
    assert folder[0] == "photograph,prediction,p(blue),p(green),p(red)" and len(folder) == 10
    by_name = dict(zip(("blue", "green", "red"), folder[5].split(",")[2:]))
    assert folder[5].startswith(f"{photograph},{wanted[0][0]},")
    assert by_name == {label: f"{p:.6f}" for label, p in wanted}
    source = bp.data.ImageFolder(test, SIZE)
    right = [
        bp.recipes.classify(net, test / file, top=1)[0][0][0] == file.split("/")[0] for file in source.files
    ]
    measured = bp.recipes.ten_view_test(net, source, augmenter_of(net), verbose=0)
    assert np.mean(right) == measured["top1"]
    (test / "green" / "bad.png").write_bytes(b"")
    status, out, err = bpnet("predict", path, test)
    assert status == 0 and len(out.splitlines()) == 10 and "passed over" in err and "bad.png" in err
    status, _, err = bpnet("predict", path, test / "green" / "bad.png")
    assert status == 2 and "bad.png: it is no JPEG, PNG, " in err
    status, _, err = bpnet("evaluate", path, test)
    assert status == 2 and f"was trained on photographs; python -m bpnet alexnet test {path} {test}" in err
    with pytest.raises(ValueError, match="classify: .*bad.png: it is no JPEG, PNG, "):
        bp.recipes.classify(net, [photograph, test / "green" / "bad.png"])
    with pytest.raises(ValueError, match="keeps no mean image"):
        bp.recipes.classify(bp.load(model), photograph)
    bad = tmp_path / "bad"
    bad.mkdir()
    status, _, err = bpnet("predict", path, bad)
    assert status == 2 and f"predict: there is no file in the folder {bad}" in err
    (bad / "1.png").write_bytes(b"")
    status, _, err = bpnet("predict", path, bad)
    assert status == 2 and f"predict: none of the 1 files in the folder {bad} is a photograph" in err
    net.preprocessing = {**net.preprocessing, "classes": ["blue"]}
    with pytest.raises(ValueError, match="3 outputs and the names of 1 classes"):
        bp.recipes.classify(net, photograph)


def test_pack(good, train: Path, tmp_path: Path):  # noqa: F811
    add_bad_files(train)
    lines = good("alexnet", "pack", train, tmp_path / "packed", "--size", SIZE)
    assert len([line for line in lines if line.startswith("passed over")]) == 9
    size = os.path.getsize(tmp_path / "packed")
    assert lines[-1] == f"packed 18 photographs of 3 classes, {size:,} bytes: {tmp_path / 'packed'}"
    assert len(PackedImages(tmp_path / "packed")) == 18


def test_errors_are_one_line(bpnet: Run, train: Path, test: Path, model: Path, tmp_path: Path):  # noqa: F811
    def error(*arguments: object) -> str:
        status, _, err = bpnet("alexnet", *arguments)
        assert status == 2 and err.startswith("bpnet: ") and err.count("\n") == 1, err
        return err

    assert "No such file or directory" in error("train", tmp_path / "nowhere", *options(model))
    (tmp_path / "nothing").mkdir()
    assert "there are no class folders in it" in error("train", tmp_path / "nothing", *options(model))
    assert "there are no class folders in it" in error("pack", tmp_path / "nothing", tmp_path / "packed")
    assert "there is no folder" in error("pack", train, tmp_path / "nowhere" / "packed")
    assert "there is no folder" in error(
        "train", train, *options(model), "--save", tmp_path / "nowhere" / "run"
    )
    assert "keeps no mean image" in error("test", model, test)
    assert "not a whole bpnet file" in error("test", train / "red" / "000.jpg", test)
    (train / "red" / "bad.jpg").write_bytes(b"no image")
    assert "red/bad.jpg: it is no JPEG, PNG, " in error(
        "train", train, *options(model), "--on-error", "raise", "--quiet"
    )
    assert "--batch-size is 7 but the run was begun with 5" in (
        bpnet("alexnet", "train", train, *options(model), "--save", tmp_path / "run", "--quiet")[1]
        + error("train", train, "--resume", tmp_path / "run", "--batch-size", 7)
    )
    assert "invalid choice" in error("train", train, "--variant", "resnet")
    assert "choose from 'as-weights', 'krizhevsky', 'caffe'" in error("train", train, "--biases", "none")


def test_the_rule_of_the_biases_needs_no_quotes(good, train: Path, model: Path, tmp_path: Path):  # noqa: F811
    for number, name in enumerate(("as-weights", "as weights")):
        path = tmp_path / f"run{number}"
        good("alexnet", "train", train, *options(model), "--biases", name, "--save", path, "--quiet")
        assert bp.Trainer.load(path).notes["alexnet"]["biases"] == "as-weights"


@POSIX
@pytest.mark.parametrize(
    "moment", ["first batch", "within a batch", "between batches", "an epoch's last batch"]
)
def test_ctrl_c_during_an_epoch(
    bpnet: Run,  # noqa: F811
    good,  # noqa: F811
    train: Path,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
):
    """Four batches an epoch; stopped in the third of three epochs, resumed to the bits of a whole run."""
    good("alexnet", "train", train, *options(model), "--save", tmp_path / "whole", "--quiet")
    batch = (
        8 + {"first batch": 1, "within a batch": 2, "between batches": 3, "an epoch's last batch": 4}[moment]
    )
    calls, show = itertools.count(1), Progress.show
    run = bp._core.TrainerF32.run_batches

    def shown(self: Progress, text: str) -> None:
        """Between a batch's step and what follows."""
        show(self, text)
        if next(calls) == batch and moment != "within a batch":
            press()

    def stepped(*arguments: Any) -> bool:
        """A call for each batch, and one for each end of an epoch."""
        if next(calls) != batch + 2:
            return run(*arguments)
        assert interrupted(lambda: run(*arguments), 5)
        raise KeyboardInterrupt

    if moment == "within a batch":
        monkeypatch.setattr(bp._core.TrainerF32, "run_batches", stepped)
    else:
        monkeypatch.setattr(Progress, "show", shown)
    status, out, _ = bpnet("alexnet", "train", train, *options(model), "--save", tmp_path / "run", "--quiet")
    assert status == 130
    done = batch - 8 - (moment == "within a batch")
    photographs = min(5 * done, 18)
    assert out.splitlines()[-1] == (
        f"stopped in epoch 3 after {photographs} photographs: {tmp_path / 'run'} holds the run, resume it from there"
    )
    stopped = bp.Trainer.load(tmp_path / "run")
    assert (stopped.epochs, stopped.steps) == (2, 8 + done)
    monkeypatch.undo()
    good("alexnet", "train", train, "--resume", tmp_path / "run", "--quiet")
    assert bits(bp.Trainer.load(tmp_path / "run")) == bits(bp.Trainer.load(tmp_path / "whole"))
