"""A model of photographs answers paths, lists of paths and folders."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest

import bpnet as bp
from bpnet.photographs import augmenter_of
from photographs import CLASSES, write_folder
from test_image_recipe import network


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs to train on and to test on, and a run."""
    folder = tmp_path_factory.mktemp("photographs")
    write_folder(folder / "train", 6)
    write_folder(folder / "test", 3, first=1000)
    bp.recipes.alexnet(
        folder / "train",
        network=network(),
        size=16,
        batch_size=5,
        lr=1e-5,
        epochs=2,
        save=folder / "run",
        verbose=0,
    )
    return folder


@pytest.fixture
def model(folder: Path) -> bp.Model:
    return bp.load_model(folder / "run")


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_path_a_list_and_a_folder(folder: Path, model: bp.Model):
    paths = files(folder / "test")
    likeliest = bp.recipes.classify(model, paths)
    assert likeliest == bp.recipes.classify(model.network, [str(path) for path in paths])
    names = [answers[0][0] for answers in likeliest]
    assert model.predict(paths).tolist() == model.predict(tuple(map(str, paths))).tolist() == names
    assert model.predict(folder / "test").tolist() == names
    assert model.predict(str(paths[4])).tolist() == [names[4]]
    p = model.predict_proba(paths)
    assert p.shape == (9, 3) and abs(p.sum(axis=1) - 1).max() <= 1e-6
    assert model.classes is not None and model.classes.tolist() == list(CLASSES)
    for row, answers in zip(p, likeliest):
        assert dict(zip(CLASSES, row.tolist())) == dict(answers)
    assert model.predict_proba(folder / "test").tolist() == p.tolist()
    assert copy.deepcopy(model).predict_proba(paths).tolist() == p.tolist()


def test_what_is_no_photograph(folder: Path, model: bp.Model, tmp_path: Path):
    paths = files(write_folder(tmp_path / "photos", 1))
    bad = tmp_path / "photos" / "blue" / "a.png"
    bad.write_bytes(b"x")
    for given in (bad, [paths[0], bad]):
        with pytest.raises(ValueError, match=f"predict: {bad}: it is no "):
            model.predict(given)
    answers = model.predict(tmp_path / "photos")
    index = files(tmp_path / "photos").index(bad)
    assert len(answers) == 4 and [row for row, each in enumerate(answers) if each is None] == [index]
    assert np.isnan(model.predict_proba(tmp_path / "photos")[index]).all()
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="there is no file in the folder"):
        model.predict(tmp_path / "empty")
    frame = pytest.importorskip("pandas").DataFrame({"a": [1]})
    for wrong in (np.ones((2, 3, 16, 16)), [1, 2], {"a": [1]}, frame, 3):
        with pytest.raises(TypeError, match="give a path, a list of paths or a folder"):
            model.predict(wrong)
    assert model.predict([]).shape == (0,)


def test_evaluate(folder: Path, model: bp.Model):
    found = model.evaluate(folder / "test")
    source = bp.data.ImageFolder(folder / "test", 16)
    answers = model.predict([folder / "test" / file for file in source.files])
    right = np.array(CLASSES)[source.labels]
    assert found["count"] == 9 and found["accuracy"] == (answers == right).mean()
    pairs = list(zip(right, answers))
    assert found["confusion"].tolist() == [
        [pairs.count((one, other)) for other in CLASSES] for one in CLASSES
    ]
    assert found["top5"] == 1.0
    measured = bp.recipes.ten_view_test(model.network, source, augmenter_of(model.network), verbose=0)
    assert found["loss"] == pytest.approx(measured["loss"], rel=1e-12)
    assert measured["top1"] == found["accuracy"]
    bp.data.pack_images(folder / "test", folder / "packed", 16, verbose=0)
    assert model.evaluate(folder / "packed")["loss"] == pytest.approx(found["loss"], rel=1e-12)


def test_what_it_says_of_itself(model: bp.Model, capsys: pytest.CaptureFixture[str]):
    assert repr(model) == "<Model of photographs for 3 classes: classes blue, green, red, 2 epochs>"
    model.summary()
    printed = capsys.readouterr().out
    assert "input: photographs of 16 x 16 pixels, windows of 13 x 13, less their mean image" in printed
    assert "classes: blue, green, red" in printed and "2 epochs" in printed
    assert "trained on photographs for 3 classes" in repr(model.network)
