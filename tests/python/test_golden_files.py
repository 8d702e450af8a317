"""Files of every format there has been are read as the bpnet that wrote them read them. tests/golden/make.py
says how they were made; a golden file is never made again."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import bpnet as bp
from bpnet.__main__ import main as command
from bpnet.data import PackedImages

GOLDEN = Path(__file__).parents[1] / "golden"
FORMAT1 = GOLDEN / "format1"


def made_by() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_golden_files", GOLDEN / "make.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MAKE = made_by()
EXPECTED = dict(np.load(FORMAT1 / "expected.npz"))


def close(found: np.ndarray, expected: np.ndarray, operations: int) -> bool:
    """Backends round differently: epsilon times the magnitude times the operations on the way."""
    tolerance = np.finfo(found.dtype).eps * max(1.0, float(np.abs(expected).max())) * operations
    return found.dtype == expected.dtype and float(np.abs(found - expected).max()) <= tolerance


@pytest.mark.filterwarnings("ignore:load. the network in:UserWarning")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["dense", "image"])
def test_a_model(kind: str, dtype: str, tmp_path: Path):
    name = f"{kind}_{dtype}"
    net = bp.load(FORMAT1 / f"{name}.safetensors")
    fresh = getattr(MAKE, kind)(dtype)
    assert net.dtype == np.dtype(dtype)
    assert net.description == fresh.description
    assert net.preprocessing == fresh.preprocessing
    assert close(net.predict(MAKE.rows(net)), EXPECTED[name], 1000)
    net.save(tmp_path / "again")
    again = bp.load(tmp_path / "again")
    assert all(np.array_equal(again.state_dict()[n], a) for n, a in net.state_dict().items())
    assert again.preprocessing == net.preprocessing


@pytest.mark.parametrize("name", MAKE.OPTIMIZERS)
def test_a_run_goes_on(name: str):
    trainer = bp.Trainer.load(FORMAT1 / f"run_{name}.safetensors")
    _, options = MAKE.run_of(name)
    assert trainer.seed == 9 and trainer.epochs == 2
    assert trainer.steps == {"online": 80, "sgd": 13}.get(name, 12)
    assert trainer.history["epoch"] == [1, 2] and len(trainer.history["loss"]) == 2
    assert trainer.notes == {"mine": {"ünïcode": [1, 2.5, None, True]}}
    for index, array in enumerate(MAKE.later(trainer, options)):
        assert close(array, EXPECTED[f"run_{name}.{index}"], 3000), index


def test_a_run_that_cpp_wrote():
    trainer = bp.Trainer.load(FORMAT1 / "run_of_cpp.safetensors")
    assert (trainer.epochs, trainer.history, trainer.notes) == (2, {}, {})


def test_a_run_of_the_command_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for name in ("flowers.csv", "run_of_command.safetensors"):
        shutil.copy(FORMAT1 / name, tmp_path / name)
    run = str(tmp_path / "run_of_command.safetensors")
    assert command(["train", str(tmp_path / "flowers.csv"), "--resume", run, "--epochs", "4", "--quiet"]) == 0
    assert bp.Trainer.load(run).history["epoch"] == [1, 2, 3, 4]
    capsys.readouterr()
    assert command(["predict", run, str(tmp_path / "flowers.csv")]) == 0
    assert set(capsys.readouterr().out.split()) <= {"species", "x", "y", "z"}


@pytest.mark.parametrize("name", ["packed", "packed_without_checksums"])
def test_packed_photographs(name: str):
    packed = PackedImages(FORMAT1 / f"{name}.safetensors", on_error="raise")
    images, rows, _ = packed.gather(np.arange(4, dtype=np.uint64))
    assert np.array_equal(images[rows], EXPECTED["packed.images"])
    assert packed.classes == ["cat", "dog"]
    assert packed.files == ["cat/0.png", "cat/1.png", "dog/0.png", "dog/1.png"]
    assert packed.labels.tolist() == [0, 0, 1, 1]
    assert packed.problems == []
    assert packed.statistics().mean.shape == (8, 8, 3)
