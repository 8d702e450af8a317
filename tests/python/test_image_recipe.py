"""The recipe on photographs: runs that are stopped and go on, data that is bad, and what the tests measure."""

from __future__ import annotations

import itertools
import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bpnet as bp
from bpnet.data import Augmentation, ImageFolder, PackedImages, pack_images
from bpnet.data.images.batches import ImageBatches
from bpnet.recipes import ten_view_test
from bpnet.recipes.alexnet import augmenter_of
from ctrl_c import HANG
from photographs import CLASSES, add_bad_files, write_folder
from threading_layers import walk

SIZE, CROP, EPOCHS, BATCH = 16, 13, 3, 5


@pytest.fixture
def train(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "train", 6)  # 18 photographs: the last batch is smaller


@pytest.fixture
def test(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "test", 3, first=1000)


def network(outputs: int = 3, seed: int = 0) -> bp.Network:
    layers = [bp.Flatten(), bp.Linear(16), bp.ReLU(), bp.Dropout(0.2), bp.Linear(outputs)]
    return bp.Network((3, CROP, CROP), layers, seed=seed)


def recipe(train: Any, test: Any = None, **options: Any) -> bp.recipes.ImageRun:
    if "resume" not in options:
        options = {"network": network(), "batch_size": BATCH, "lr": 1e-5, "biases": "krizhevsky"} | options
        options.setdefault("size", SIZE if not isinstance(train, PackedImages) else None)
    return bp.recipes.alexnet(train, test, **({"epochs": EPOCHS, "verbose": 0} | options))


def bits(run: bp.recipes.ImageRun) -> dict[str, bytes]:
    """Weights and momenta."""
    slots = {name: array.tobytes() for name, array in run.network.state_dict().items()}
    return slots | {"history": json.dumps({k: v for k, v in run.history.items() if k != "seconds"}).encode()}


def stop_after(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """Ctrl-C after this many batches of the process."""
    original = ImageBatches.training
    count = itertools.count()

    def training(self: ImageBatches, *arguments: Any) -> Any:
        for batch in original(self, *arguments):
            if next(count) == steps:
                raise KeyboardInterrupt
            yield batch

    monkeypatch.setattr(ImageBatches, "training", training)


def test_it_learns(train: Path, test: Path):
    run = recipe(train, test, epochs=12)
    assert run.history["epoch"] == list(range(1, 13))
    assert run.history["loss"][-1] < 0.5 * run.history["loss"][0]
    assert run.results is not None and run.results["count"] == 9
    assert run.results["top1"] >= 0.8 and run.results["top5"] == 1.0
    assert run.problems == []


def test_folder_and_packed_file_are_the_same_run(train: Path, test: Path, tmp_path: Path):
    add_bad_files(train)
    by_folder = recipe(train, test)
    by_option = recipe(train, test, packed=tmp_path / "packed")
    by_file = recipe(tmp_path / "packed", test, size=None)
    again = recipe(train, test, packed=tmp_path / "packed")
    by_source = recipe(PackedImages(tmp_path / "packed"), pack_images(test, tmp_path / "t", SIZE, verbose=0))
    for other in (by_option, by_file, again, by_source):
        assert bits(other) == bits(by_folder) and other.results == by_folder.results
    assert len(by_folder.problems) == len(by_file.problems) == 9


def test_the_bits_do_not_depend_on_the_threads(train: Path, test: Path):
    seen = [bits(recipe(train, test)) for _ in walk()]
    assert all(each == seen[0] for each in seen)


@pytest.mark.parametrize("steps", [0, 1, 3, 4, 6, 11])
@pytest.mark.parametrize("packed", [False, True])
def test_a_stopped_run_goes_on_to_the_same_bits(
    train: Path, test: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int, packed: bool
):
    """Four batches an epoch: stopped at an epoch's beginning, within it, before its last batch."""
    add_bad_files(train)
    whole = recipe(train, test)
    path = tmp_path / "run.safetensors"
    options: dict[str, Any] = {"packed": tmp_path / "packed"} if packed else {}
    stop_after(monkeypatch, steps)
    with pytest.raises(KeyboardInterrupt, match=f"stopped in epoch {steps // 4 + 1} .*{path} holds the run"):
        recipe(train, test, save=path, **options)
    monkeypatch.undo()
    trainer = bp.Trainer.load(path)
    assert trainer.steps == steps and trainer.epochs == steps // 4
    resumed = recipe(train, test, resume=path, **options)
    assert bits(resumed) == bits(whole) and resumed.results == whole.results
    assert bp.Trainer.load(path).epochs == EPOCHS


def test_a_run_stopped_while_it_measures(
    train: Path, test: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    whole = recipe(train, test)

    def centre(self: ImageBatches) -> Any:
        raise KeyboardInterrupt

    path = tmp_path / "run.safetensors"
    monkeypatch.setattr(ImageBatches, "centre", centre)
    with pytest.raises(KeyboardInterrupt):
        recipe(train, test, save=path)
    monkeypatch.undo()
    assert bp.Trainer.load(path).epochs == 0
    assert bits(recipe(train, test, resume=path)) == bits(whole)


def test_more_epochs_than_it_was_begun_with(train: Path, tmp_path: Path):
    recipe(train, epochs=1, save=tmp_path / "run")
    longer = recipe(train, epochs=3, resume=tmp_path / "run", save=tmp_path / "longer")
    assert bits(longer) == bits(recipe(train, epochs=3))
    assert bp.Trainer.load(tmp_path / "run").epochs == 1 and bp.Trainer.load(tmp_path / "longer").epochs == 3


def test_a_function_may_end_it(train: Path, tmp_path: Path):
    seen = []

    def enough(epoch: int, metrics: dict[str, float]) -> bool:
        seen.append((epoch, metrics["loss"]))
        return epoch == 2

    run = recipe(train, epochs=5, save=tmp_path / "run", on_epoch_end=enough)
    assert seen == list(zip([1, 2], run.history["loss"]))
    assert bp.Trainer.load(tmp_path / "run").epochs == 2


def test_a_run_of_the_older_spelling_goes_on(train: Path, tmp_path: Path):
    run = recipe(train, epochs=1, biases="as-weights")
    run.trainer.notes["alexnet"]["biases"] = "as weights"
    run.trainer.save(tmp_path / "run")
    for number, name in enumerate(("as weights", "as-weights", None)):
        goes_on = {"resume": tmp_path / "run", "save": tmp_path / f"on{number}", "biases": name}
        assert recipe(train, epochs=2, **goes_on).trainer.epochs == 2


def test_a_run_goes_on_as_it_was_begun(train: Path, test: Path, tmp_path: Path):
    path = tmp_path / "run"
    recipe(train, epochs=1, save=path)
    with pytest.raises(ValueError, match="lr is 0.1 but the run was begun with 1e-05"):
        recipe(train, resume=path, lr=0.1)
    with pytest.raises(ValueError, match="augmentation is .* but the run was begun with"):
        recipe(train, resume=path, augmentation=Augmentation.off())
    with pytest.raises(ValueError, match="does not hold the photographs that the run"):
        recipe(test, resume=path)
    with pytest.raises(ValueError, match="give neither"):
        recipe(train, resume=path, network=network())
    network().save(path)
    with pytest.raises(bp.FileFormatError, match="holds a model but no run"):
        recipe(train, resume=path)
    bp.Trainer(network(), "cross_entropy", "sgd").save(path)
    with pytest.raises(ValueError, match="holds no run of this recipe"):
        recipe(train, resume=path)


def normalised() -> bp.Network:
    return bp.Network((3, CROP, CROP), [bp.Flatten(), bp.Linear(4), bp.BatchNorm1d(), bp.Linear(3)])


def test_a_last_batch_that_a_layer_cannot_learn_from(train: Path, tmp_path: Path):
    with pytest.raises(
        ValueError, match="18 samples in batches of 17 leave 1 .* layer '2' .BatchNorm1d. needs 2"
    ):
        recipe(train, network=normalised(), batch_size=17, save=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    recipe(train, network=normalised(), batch_size=16)


def test_a_batch_of_which_bad_files_leave_one_is_passed_over(train: Path, monkeypatch: pytest.MonkeyPatch):
    """The file breaks after the set was measured; it shares the last batch with one that is whole."""
    original = ImageFolder.gather

    def gather(self: ImageFolder, indices: np.ndarray) -> Any:
        return original(self, indices[:1] if len(indices) == 2 else indices)

    monkeypatch.setattr(ImageFolder, "gather", gather)
    run = recipe(train, network=normalised(), batch_size=8, epochs=2)
    assert run.trainer.steps == 4 and run.trainer.epochs == 2


def test_a_file_that_breaks_on_the_way_ends_nothing(
    train: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """It is whole while the set is measured and cut short after."""
    original = ImageFolder.statistics

    def statistics(self: ImageFolder, *arguments: Any) -> Any:
        result = original(self, *arguments)
        (train / "red" / "000.jpg").write_bytes(b"")
        return result

    monkeypatch.setattr(ImageFolder, "statistics", statistics)
    run = recipe(train, epochs=2)
    assert [Path(problem.path).name for problem in run.problems] == ["000.jpg"]
    assert run.trainer.steps == 8 and run.trainer._core.state["epoch"] == 2
    for name in CLASSES:
        for path in (train / name).iterdir():
            path.write_bytes(b"")
    monkeypatch.undo()
    with pytest.raises(ValueError, match="none of its files is a photograph"):
        recipe(train)


def test_a_damaged_photograph_of_a_packed_file_is_passed_over(train: Path, tmp_path: Path):
    pack_images(train, tmp_path / "packed", SIZE, verbose=0)
    data = bytearray((tmp_path / "packed").read_bytes())
    data[4096 + 7 * SIZE * SIZE * 3] ^= 1
    (tmp_path / "packed").write_bytes(data)
    run = recipe(tmp_path / "packed", tmp_path / "packed", size=None)
    assert [problem.path.split(": ")[1] for problem in run.problems] == 2 * [run.batches.source.files[7]]
    assert run.results is not None and run.results["count"] == 17
    with pytest.raises(ValueError, match="its pixels do not fit their checksum"):
        recipe(tmp_path / "packed", size=None, on_error="raise")


def test_bad_files_raise_if_asked(train: Path):
    (train / "red" / "bad.jpg").write_bytes(b"no image")
    with pytest.raises(ValueError, match="red/bad.jpg: it is no JPEG, PNG, "):
        recipe(train, on_error="raise")


def test_a_loss_that_is_not_finite_keeps_the_last_good_file(train: Path, tmp_path: Path):
    path = tmp_path / "run"
    with pytest.raises(bp.NumericError, match="nothing was saved"):
        recipe(train, lr=1e30, save=path)
    assert not path.exists()
    recipe(train, epochs=1, save=path)
    before = path.read_bytes()
    optimizer = bp.SGD(1e-5, schedule=bp.schedules.Schedule())
    rising = recipe(train, epochs=1, lr=None, biases=None, optimizer=optimizer, save=tmp_path / "other")
    rising.network.load_state_dict(
        {name: np.full_like(array, 1e30) for name, array in rising.network.state_dict().items()}
    )
    with pytest.raises(bp.NumericError, match="the loss is .* holds the run as it stood after epoch 1"):
        rising.train(3)
    assert path.read_bytes() == before
    assert bp.Trainer.load(tmp_path / "other").epochs == 1


def test_the_ten_view_test_is_numpys(train: Path, test: Path):
    run = recipe(train, epochs=1)
    net, source, augmenter = network(7), ImageFolder(test, SIZE), augmenter_of(run.network)
    labels = np.array([0, 1, 2, 3, 4, 5, 6, 0, 1])
    results = ten_view_test(net, source, augmenter, labels, verbose=0)
    images, _, _ = source.gather(np.arange(9))
    views = augmenter.ten_views(images)
    outputs = np.stack([net.forward(each) for each in views]).astype(np.float64)
    p = np.exp(outputs) / np.exp(outputs).sum(axis=-1, keepdims=True)
    ranked = np.argsort(-p.mean(axis=1), axis=1)
    assert results["top1"] == np.mean(ranked[:, 0] == labels)
    assert results["top5"] == np.mean([label in row[:5] for label, row in zip(labels, ranked)])
    assert abs(results["loss"] + np.log(p.mean(axis=1)[np.arange(9), labels]).mean()) <= 1e-6
    assert run.results is None


def test_validation_is_the_middle_of_each_photograph(train: Path, test: Path):
    run = recipe(train, test, epochs=1)
    source = ImageFolder(test, SIZE)
    x = augmenter_of(run.network).centre(source.gather(np.arange(9))[0])
    wanted = run.network.evaluate(x, source.labels, "cross_entropy")
    assert run.history["val_accuracy"] == [wanted["accuracy"]]
    assert abs(run.history["val_loss"][0] - wanted["loss"]) <= 1e-6 * max(1, wanted["loss"])


def test_test_classes_go_by_name(train: Path, tmp_path: Path):
    part = write_folder(tmp_path / "part", 3, classes=("green",))
    (part / "empty").mkdir()
    run = recipe(train, part, epochs=1)
    assert run.test is not None and run.test.labels.tolist() == [1, 1, 1]
    other = write_folder(tmp_path / "other", 3, classes=("violet",))
    with pytest.raises(
        ValueError, match="the class 'violet' of .* is not one of the model's, blue, green, red"
    ):
        recipe(train, other)


def test_the_model_file_keeps_names_and_mean(train: Path, tmp_path: Path):
    run = recipe(train, epochs=1, save=tmp_path / "run")
    net = bp.load_model(tmp_path / "run").network
    assert net.preprocessing is not None and net.preprocessing["classes"] == list(CLASSES)
    mean = ImageFolder(train, SIZE).statistics().mean
    assert augmenter_of(net)._core.mean.tobytes() == mean.tobytes()
    run.network.save(tmp_path / "model")
    assert bp.load_model(tmp_path / "model").network.preprocessing == net.preprocessing
    with pytest.raises(ValueError, match="keeps no mean image"):
        augmenter_of(network())


def test_the_rate_falls_on_a_plateau(train: Path):
    run = recipe(train, lr=0.0, patience=0, epochs=3, augmentation=Augmentation.off())
    assert run.trainer.optimizer.schedule.describe()["name"] == "plateau"
    frozen = recipe(train, lr=1e-30, patience=1, epochs=5, augmentation=Augmentation.off(), biases="caffe")
    assert np.allclose(np.array(frozen.history["lr"]) / 1e-30, [1, 1, 1, 0.1, 0.1], rtol=1e-12)


def test_the_recipes_own_settings(train: Path):
    run = recipe(train, epochs=1, lr=None, batch_size=None, biases=None)
    options = run.trainer.optimizer.options
    assert (options["lr"], options["momentum"], options["weight_decay"]) == (0.01, 0.9, 0.0005)
    assert options["lr_in_velocity"] and run.batches.batch_size == 128
    assert run.batches.augmenter.augmentation.describe() == Augmentation().describe()
    assert recipe(train, epochs=1).trainer.optimizer.options["bias_lr"] == 0.02
    for name in ("as weights", "as-weights"):
        alike = recipe(train, epochs=1, biases=name)
        assert alike.trainer.notes["alexnet"]["biases"] == "as-weights"
        assert not alike.trainer.optimizer.options.get("bias_lr")
    caffe = recipe(train, epochs=1, biases="caffe").trainer.optimizer.options
    assert caffe["bias_lr_multiplier"] == 2 and not caffe["bias_decay"]


@pytest.mark.parametrize(
    "options, message",
    [
        (
            {"network": bp.Network(5, [bp.Linear(3)])},
            r"the network takes \(5,\), \(3, crop, crop\) is needed",
        ),
        (
            {"network": network(2)},
            "the network has 2 outputs, the photographs 3 classes; give its last layer",
        ),
        (
            {"network": network(7)},
            "the network has 7 outputs, the photographs 3 classes; give its last layer",
        ),
        ({"network": bp.Network((3, 9, 9), [bp.Flatten(), bp.Linear(3)], dtype="float64")}, "of float64"),
        ({"network": bp.Network((1, 9, 9), [bp.Flatten(), bp.Linear(3)])}, r"takes \(1, 9, 9\)"),
        ({"network": bp.Network((3, 17, 17), [bp.Flatten(), bp.Linear(3)])}, "the crop is 17 pixels"),
        ({"biases": "none"}, "biases is 'none'"),
        ({"optimizer": bp.SGD(0.1)}, "an optimizer is given and lr too"),
        ({"variant": "paper"}, "a network is given and variant too"),
        ({"epochs": 0}, "epochs is 0"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"patience": -1}, "patience is -1"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_does_not_fit_is_refused(train: Path, options: dict, message: str):
    with pytest.raises(ValueError, match=message):
        recipe(train, **options)


def test_sets_that_do_not_fit_are_refused(train: Path, tmp_path: Path):
    with pytest.raises(ValueError, match="has one class only, 'red'"):
        recipe(write_folder(tmp_path / "one", 2, classes=("red",)))
    pack_images(train, tmp_path / "packed", 20, verbose=0)
    with pytest.raises(ValueError, match="have 20 rows, size is 16"):
        recipe(train, packed=tmp_path / "packed")
    with pytest.raises(ValueError, match="have 20 rows, the mean image has 16"):
        recipe(train, tmp_path / "packed")
    (train / "red" / "new.png").write_bytes((train / "red" / "001.png").read_bytes())
    with pytest.raises(ValueError, match="was not packed from .* as it is now"):
        recipe(train, packed=tmp_path / "packed")


def test_pictures(train: Path, test: Path, tmp_path: Path):
    pytest.importorskip("matplotlib")
    recipe(train, test, epochs=2, plot=tmp_path)
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert not (tmp_path / "filters.png").exists()  # of a network without convolutions
    layers = [bp.Conv2d(4, 5), bp.ReLU(), bp.Flatten(), bp.Linear(3)]
    recipe(train, epochs=1, plot=tmp_path, network=bp.Network((3, CROP, CROP), layers))
    assert (tmp_path / "filters.png").read_bytes().startswith(b"\x89PNG")


def test_the_next_batch_is_made_while_one_is_used(train: Path):
    source = ImageFolder(train, SIZE)
    batches = ImageBatches(source, bp.data.ImageAugmenter(source.statistics(), CROP), BATCH)
    made: list[int] = []
    second = threading.Event()
    gather = source.gather

    def noted(indices: np.ndarray) -> Any:
        made.append(len(indices))
        if len(made) == 2:
            second.set()
        return gather(indices)

    source.gather = noted  # type: ignore[method-assign]
    each = batches.training(np.arange(18, dtype=np.uint64), 0, 0)
    first = next(each)
    kept = first.x.copy()
    assert second.wait(HANG)
    assert made == [5, 5] and first.x.tobytes() == kept.tobytes()
    assert [batch.visited for batch in each] == [5, 5, 3]
