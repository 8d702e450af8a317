"""npz and IDX files as train, predict and evaluate take them: targets of every kind, validation parts, folders."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bpnet.data.idx import find_idx
from bpnet.data.prepare import Prepared, check_options, examples, features, prepare
from bpnet.data.source import Source, open_source
from bpnet.options import of_command_line
from test_data_files import idx

CONFIG = {"validation": 0.25, "seed": 0, "dtype": "float32"}
X = np.random.default_rng(0).normal(size=(40, 3))
LABELS = np.arange(40) % 4


def saved(folder: Path, **arrays: Any) -> Source:
    np.savez(folder / "d.npz", **arrays)
    return open_source(folder / "d.npz")


def prepared(folder: Path, arrays: dict[str, Any], **config: Any) -> Prepared:
    return prepare(saved(folder, **arrays), CONFIG | config)


def refused(folder: Path, arrays: dict[str, Any], *fragments: str, **config: Any) -> None:
    with of_command_line(), pytest.raises(ValueError) as caught:
        prepared(folder, arrays, **config)
    message = str(caught.value)
    assert "\n" not in message
    for fragment in fragments:
        assert fragment in message, message


# Targets.

CLASSES: dict[str, tuple[Any, list[str]]] = {
    "integers": (LABELS, ["0", "1", "2", "3"]),
    "integers of a byte": (LABELS.astype(np.uint8) + 250, ["250", "251", "252", "253"]),
    "negative integers": (LABELS - 2, ["-2", "-1", "0", "1"]),
    "integers that no double has": (LABELS + 2**53, [str(2**53 + k) for k in range(4)]),
    "unsigned integers": (LABELS.astype(np.uint64) + 2**63, [str(2**63 + k) for k in range(4)]),
    "floats": (LABELS.astype(np.float32), ["0", "1", "2", "3"]),
    "booleans": (LABELS > 1, ["False", "True"]),
    "strings": (np.array(["ä", "b", "c d", "e"])[LABELS], ["b", "c d", "e", "ä"]),
    "bytes": (np.array([b"cat", b"dog", b"cat", "é".encode()])[LABELS], ["cat", "dog", "é"]),
    "a column": (LABELS[:, None], ["0", "1", "2", "3"]),
    "one-hot": (np.eye(4)[LABELS], ["0", "1", "2", "3"]),
    "one-hot integers": (np.eye(4, dtype=int)[LABELS], ["0", "1", "2", "3"]),
    "one-hot, a class that is never met": (np.eye(5)[LABELS], ["0", "1", "2", "3", "4"]),
    "numbers as strings": (np.array(["10", "9", "1e1", "2.5"])[LABELS], ["2.5", "9", "10", "1e1"]),
}


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("loss", [None, "cross_entropy"])
def test_classes(tmp_path: Path, name: str, loss: str | None):
    y, classes = CLASSES[name]
    found = prepared(tmp_path, {"X": X, "y": y}, loss=loss)
    assert (found.preprocessing.classes, found.loss, found.outputs) == (
        classes,
        "cross_entropy",
        len(classes),
    )
    assert found.y.dtype == np.int64 and found.y_val is not None
    X_all, labels = examples(open_source(tmp_path / "d.npz"), found.preprocessing, "cross_entropy")
    assert X_all.shape == (40, 3)
    texts = y.argmax(axis=1) if y.ndim == 2 and y.shape[1] > 1 else y.ravel()
    texts = [text.decode() if isinstance(text, bytes) else text for text in texts.tolist()]
    if not isinstance(texts[0], str):
        texts = [str(text if y.dtype == bool else int(text)) for text in texts]
    assert [classes[label] for label in labels] == texts


def test_two_classes_of_one_output(tmp_path: Path):
    for y in (LABELS % 2, np.eye(2)[LABELS % 2], np.array(["no", "yes"])[LABELS % 2]):
        found = prepared(tmp_path, {"X": X, "y": y}, loss="binary_cross_entropy_with_logits")
        assert (found.preprocessing.output, found.outputs, set(found.y.tolist())) == ("logit", 1, {0.0, 1.0})
    refused(tmp_path, {"X": X, "y": LABELS}, "two classes", loss="binary_cross_entropy_with_logits")


def test_classes_by_the_squared_error(tmp_path: Path):
    found = prepared(tmp_path, {"X": X, "y": np.array(["a", "b", "c", "d"])[LABELS]}, loss="mse")
    assert found.preprocessing.classes == ["a", "b", "c", "d"] and found.y.shape == (30, 4)
    assert set(found.y.sum(axis=1)) == {1.0}


def test_probabilities_stay_as_they_are(tmp_path: Path):
    p = np.random.default_rng(1).dirichlet([1, 1, 1], 40)
    found = prepared(tmp_path, {"X": X, "y": p}, loss="cross_entropy")
    assert found.preprocessing.classes == ["0", "1", "2"] and found.outputs == 3
    assert np.array_equal(
        examples(open_source(tmp_path / "d.npz"), found.preprocessing, "cross_entropy")[1], p
    )
    refused(tmp_path, {"X": X, "y": p * 2}, "row 0", "sum to 1", loss="cross_entropy")
    refused(tmp_path, {"X": X, "y": p - 1}, "row 0", loss="cross_entropy")
    assert prepared(tmp_path, {"X": X, "y": p}).loss == "mse", "without a loss they are numbers"


def test_several_labels_at_once_are_said_to_be_unsupported(tmp_path: Path):
    several = (X > 0).astype(int)
    for loss in (None, "binary_cross_entropy_with_logits"):
        refused(tmp_path, {"X": X, "y": several}, "3 columns", "several labels at once", loss=loss)
    assert prepared(tmp_path, {"X": X, "y": several}, task="regression").outputs == 3
    refused(tmp_path, {"X": X, "y": several}, "one-hot", task="classification")


NUMBERS: dict[str, Any] = {
    "floats": X[:, 0],
    "many integers": np.arange(40) * 7,
    "a column": X[:, :1],
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_are_standardised(tmp_path: Path, name: str):
    y = NUMBERS[name].ravel()
    found = prepared(tmp_path, {"X": X, "y": NUMBERS[name]})
    p = found.preprocessing
    assert (found.loss, p.classes, found.outputs) == ("mse", [], 1)
    assert abs(found.y.mean()) < 1e-12 and abs(found.y.std() - 1) < 1e-12
    assert np.allclose(
        examples(open_source(tmp_path / "d.npz"), p, "mse")[1] * p.target_scale + p.target_mean, y
    )


def test_several_numbers(tmp_path: Path):
    found = prepared(tmp_path, {"X": X, "y": X[:, :2]})
    assert (found.loss, found.outputs, found.y.shape) == ("mse", 2, (30, 2))
    assert prepared(tmp_path, {"X": X, "y": np.eye(4)[LABELS]}, loss="mse").preprocessing.classes == []


def test_the_task_decides(tmp_path: Path):
    arrays = {"X": X, "y": LABELS}
    assert prepared(tmp_path, arrays, task="regression").loss == "mse"
    assert prepared(tmp_path, {"X": X, "y": LABELS / 2}).loss == "mse"
    assert prepared(tmp_path, {"X": X, "y": LABELS / 2}, task="classification").preprocessing.classes == [
        "0",
        "0.5",
        "1",
        "1.5",
    ]
    refused(tmp_path, {"X": X, "y": LABELS / 2}, "row 1", "0.5", "--loss mse", "--task", loss="cross_entropy")
    refused(tmp_path, arrays, "--task regression", "cross_entropy", task="regression", loss="cross_entropy")
    refused(tmp_path, {"X": X, "y": np.array(["a", "b"])[LABELS % 2]}, "'a'", task="regression")


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (LABELS * 1j, "complex128"),
        (np.arange(40).astype("M8[D]"), "datetime64[D]"),
        (np.arange(40).astype("m8[s]"), "timedelta64[s]"),
        (np.array([(label,) for label in LABELS], dtype=[("k", "i4")]), "'k'"),
        (np.array([b"\xff", b"a"])[LABELS % 2], "UTF-8"),
        (np.array([["a", "b"]] * 40), "(40, 2)"),
        (np.ones((40, 2, 2)), "(40, 2, 2)"),
        (LABELS[:39], "(39,)"),
        (np.array(3), "()"),
        (np.ones((40, 0)), "(40, 0)"),
    ],
)
def test_what_is_no_target(tmp_path: Path, y: Any, words: str):
    refused(tmp_path, {"X": X, "y": y}, "d.npz", "y", words)


def test_strings_that_are_no_classes(tmp_path: Path):
    for names, words in (
        (np.arange(40).astype("M8[D]").astype(str), "dates"),
        (np.array([f"u{i}" for i in range(40)]), "40"),
    ):
        refused(tmp_path, {"X": X, "y": names}, "row 0", words, "--task classification")
        assert (
            len(prepared(tmp_path, {"X": X, "y": names}, task="classification").preprocessing.classes) == 40
        )


def test_missing_targets(tmp_path: Path):
    y = X[:, 0].copy()
    y[[5, 9]] = np.nan
    refused(tmp_path, {"X": X, "y": y}, "d.npz, row 5", "missing", "or leave the row out")
    y[5] = np.inf
    refused(tmp_path, {"X": X, "y": y}, "d.npz, row 5", "inf")


# The report.


def test_the_report(tmp_path: Path):
    def lines(arrays: dict[str, Any], **config: Any) -> list[str]:
        with of_command_line():
            return prepared(tmp_path, arrays, **config).report

    assert lines({"X": X, "y": LABELS}) == [
        "X: 3 numbers in each of 40 rows, standardised",
        "target: 4 classes, 0, 1, 2, 3: classification; guessed, for these are few integers; --task regression takes "
        "them as numbers",
    ]
    assert lines({"X": X, "y": LABELS}, loss="cross_entropy")[1].endswith("0, 1, 2, 3: classification")
    assert lines({"X": X, "y": X[:, 0]}, standardise=False) == [
        "X: 3 numbers in each of 40 rows, taken as they are",
        "target: number, 40 distinct values: regression; --task classification takes each as a class",
    ]
    grey = np.arange(120).reshape(40, 3).astype(np.uint8)
    assert lines({"X": grey, "y": np.eye(4)[LABELS]}, task="classification") == [
        "X: 3 numbers in each of 40 rows, divided by 255",
        "target: one-hot, 4 classes, 0 to 3",
    ]
    same = np.array(["1", "01", "2", "3"])[LABELS]
    assert "'01' and '1' are the same number" in lines({"X": X, "y": same})[2]


# Validation parts.


def test_a_part_of_its_own_validates(tmp_path: Path):
    for names in (("x_val", "y_val"), ("x_test", "y_test"), ("X_VAL", "Y_val")):
        arrays = {"x_train": X, "y_train": LABELS, names[0]: X[:10] + 1, names[1]: LABELS[:10]}
        found = prepared(tmp_path, arrays)
        assert len(found.X) == 40 and found.X_val is not None and len(found.X_val) == 10
        assert f"{names[0]} is the validation part" in found.report
        source, p = open_source(tmp_path / "d.npz"), found.preprocessing
        assert len(examples(source, p, "cross_entropy")[0]) == 50, "all of them"
        X_val, y_val = examples(source, p, "cross_entropy", part="validation")
        assert np.array_equal(X_val.astype(np.float32), found.X_val.astype(np.float32))
        assert y_val.tolist() == LABELS[:10].tolist()
        with of_command_line(), pytest.raises(ValueError, match=f"--validation.*{names[1]}"):
            check_options(source, {"validation": 0.5})


def test_parts_that_are_not_used_are_reported(tmp_path: Path):
    train = {"x_train": X, "y_train": LABELS}
    both = {"x_val": X, "y_val": LABELS, "x_test": X[:5], "y_test": LABELS[:5]}
    report = prepared(tmp_path, train | both).report
    assert "x_val is the validation part" in report
    assert "x_test is not used, the validation part is x_val" in report
    assert "x_test is not used, without y_test" in prepared(tmp_path, train | {"x_test": X}).report


def test_errors_in_a_validation_part_name_it(tmp_path: Path):
    train = {"x_train": X, "y_train": LABELS}
    wrong = np.array([0, 1, 7])
    refused(tmp_path, train | {"x_val": X[:3], "y_val": wrong}, "d.npz, y_val, row 2", "'7'", "0, 1, 2, 3")
    refused(tmp_path, train | {"x_val": X[:3, :2], "y_val": LABELS[:3]}, "(3,)", "(2,)", "x_train", "x_val")
    refused(tmp_path, train | {"x_val": X[:3], "y_val": LABELS[:2]}, "x_val", "3 samples", "y_val", "(2,)")


def test_a_class_that_only_held_out_rows_have_is_trained_on(tmp_path: Path):
    moved = 0
    for row in range(40):  # some of them are drawn to be held out
        labels = LABELS % 2
        labels[row] = 2
        found = prepared(tmp_path, {"X": X, "y": labels})
        assert 2 in found.y and found.y_val is not None and 2 not in found.y_val
        assert len(found.y) in (30, 31) and len(found.y) + len(found.y_val) == 40
        said = any("no other row has their category or class: 1 of 40 rows" in line for line in found.report)
        assert said == (len(found.y) == 31)
        moved += said
    assert moved == 10


# Arrays that do not fit.


def test_samples(tmp_path: Path):
    refused(tmp_path, {"X": np.array(["a"] * 40)[:, None], "y": LABELS}, "X has dtype <U1")
    refused(tmp_path, {"X": X, "x": X, "y": LABELS}, "arrays X and x")
    refused(tmp_path, {"data": X}, "no array named X or x_train", "data")
    refused(tmp_path, {"X": X}, "d.npz", "no targets", "y_train")


def test_another_width_is_told_from_the_models(tmp_path: Path):
    model = prepared(tmp_path, {"X": X, "y": LABELS}).preprocessing
    other = open_source(np.ones((5, 4)))
    with pytest.raises(ValueError, match="X has 4 features, the model was trained on 3"):
        features(other, model)


@pytest.mark.parametrize(("value", "row"), [(1e300, 17), (-1e308, 39)])
def test_numbers_that_overflow_are_named_with_their_row(tmp_path: Path, value: float, row: int):
    large = X.copy()
    large[row, 1] = value
    refused(tmp_path, {"X": large, "y": LABELS}, f"d.npz, row {row}", validation=0.0)
    refused(tmp_path, {"X": large, "y": LABELS}, f"d.npz, row {row}", standardise=False)
    model = prepared(tmp_path, {"X": X, "y": LABELS}).preprocessing
    with pytest.raises(ValueError, match=f"row {row}"):
        features(open_source(large), model, "float32")
    assert features(open_source(large), model, "float64")[0].shape == (40, 3)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_named_with_their_row(tmp_path: Path, value: float):
    wrong = X.copy()
    wrong[7, 2] = value
    for standardise in (True, False):
        refused(tmp_path, {"X": wrong, "y": LABELS}, "d.npz, row 7", standardise=standardise)


def test_targets_that_overflow(tmp_path: Path):
    refused(tmp_path, {"X": X, "y": X[:, 0] * 1e307}, "target", "too large")


def test_options_for_tables_are_refused(tmp_path: Path):
    source = saved(tmp_path, X=X, y=LABELS)
    for name in ("target", "drop", "numeric", "categorical", "missing", "missing_values", "unknown"):
        with of_command_line(), pytest.raises(ValueError, match=f"--{name.replace('_', '-')} is for tables"):
            check_options(source, {name: ["age"]})
    check_options(source, {"drop": [], "target": None, "validation": 0.5})
    for name in ("encoding", "delimiter", "decimal", "thousands", "labels"):
        with of_command_line(), pytest.raises(ValueError, match=f"d.npz: --{name} is for"):
            open_source(tmp_path / "d.npz", **{name: ","})


def test_pixels_that_were_divided_before_are_refused(tmp_path: Path):
    grey = np.random.default_rng(2).integers(0, 256, (40, 5)).astype(np.uint8)
    model = prepared(tmp_path, {"X": grey, "y": LABELS}).preprocessing
    wanted = grey / 255.0
    for form in (grey, grey.astype(float), grey.astype(int)):
        assert np.array_equal(features(open_source(form), model)[0], wanted)
    with pytest.raises(ValueError, match="X has numbers from 0 to 1, the model was trained on 0 to 255"):
        features(open_source(wanted), model)
    assert not features(open_source(np.zeros((1, 5))), model)[0].any()
    refused(
        tmp_path,
        {"x_train": grey, "y_train": LABELS, "x_val": wanted, "y_val": LABELS},
        "x_train has dtype uint8, x_val has float64",
    )


# IDX.

GREY = np.random.default_rng(2).integers(0, 256, (40, 2, 2))


def write(path: Path, array: np.ndarray, code: int = 0x08) -> Path:
    raw = idx(array, code)
    path.write_bytes(gzip.compress(raw) if path.name.endswith(".gz") else raw)
    return path


def test_only_bytes_are_divided_by_255(tmp_path: Path):
    labels = write(tmp_path / "a-labels-idx1-ubyte", LABELS)
    scales = []
    for name, code in (("bytes", 0x08), ("short", 0x0B), ("int", 0x0C), ("float", 0x0D), ("double", 0x0E)):
        images = write(tmp_path / f"{name}-images-idx3-x", GREY, code)
        found = prepare(open_source(images, labels), CONFIG)
        scales.append(found.preprocessing.scale)
        assert found.preprocessing.classes == ["0", "1", "2", "3"]
    assert scales[0] == [255] and all(len(scale) == 4 for scale in scales[1:])


def test_labels_that_are_no_integers(tmp_path: Path):
    images = write(tmp_path / "a-images-idx3-ubyte", GREY)
    write(tmp_path / "a-labels-idx1-float", LABELS + 0.75, 0x0D)
    source = open_source(images)
    assert source.y is not None and source.y.tolist() == (LABELS + 0.75).tolist()
    for loss in (None, "mse"):
        found = prepare(source, CONFIG | {"loss": loss})
        assert (found.loss, found.preprocessing.classes, found.outputs) == ("mse", [], 1)
    with pytest.raises(ValueError, match=r"a-images-idx3-ubyte, row 0: the target is 0\.75"):
        prepare(source, CONFIG | {"loss": "cross_entropy"})


@pytest.mark.parametrize("dash", ["-", "."])
def test_labels_beside_the_images(tmp_path: Path, dash: str):
    images = write(tmp_path / f"a-images{dash}idx3-ubyte", GREY)
    source = open_source(images)
    assert source.y is None
    with pytest.raises(ValueError, match="a-labels-idx1-ubyte.*labels names another"):
        prepare(source, CONFIG)
    write(tmp_path / "b-labels-idx1-ubyte", LABELS)
    write(tmp_path / "a-labels-idx1-ubyte (1).gz", LABELS)
    assert open_source(images).y is None
    write(tmp_path / f"a-labels{dash}idx1-ubyte.gz", LABELS)
    found = open_source(images)
    assert found.y is not None and found.y.tolist() == LABELS.tolist() and found.has_classes


def test_labels_are_not_needed_to_predict(tmp_path: Path):
    images = write(tmp_path / "a-images-idx3-ubyte", GREY)
    (tmp_path / "a-labels-idx1-ubyte").write_bytes(b"oops")
    with pytest.raises(ValueError, match="a-labels-idx1-ubyte"):
        open_source(images)
    assert open_source(images, need_y=False).y is None
    folder = tmp_path / "folder"
    folder.mkdir()
    write(folder / "train-images-idx3-ubyte", GREY)
    (folder / "t10k-images-idx3-ubyte").write_bytes(b"oops")
    assert len(open_source(folder, need_y=False)) == 40
    np.savez(tmp_path / "x.npz", X=X, y=LABELS * 1j)
    assert len(open_source(tmp_path / "x.npz", need_y=False)) == 40


def test_folders_of_the_files_names(tmp_path: Path):
    """As some archives are unpacked, beside the files or without them."""
    for kind, code, array in (("images", "idx3", GREY), ("labels", "idx1", LABELS)):
        for part in ("train", "t10k"):
            name = f"{part}-{kind}-{code}-ubyte"
            (tmp_path / name).mkdir()
            write(tmp_path / name / name, array)
    source = open_source(tmp_path)
    assert len(source) == 40 and source.y is not None and source.y.tolist() == LABELS.tolist()
    assert source.X_val is not None and any("t10k" in note for note in source.notes)
    images = tmp_path / "train-images-idx3-ubyte" / "train-images-idx3-ubyte"
    assert open_source(images).y is not None
    write(tmp_path / "train-images.idx3-ubyte", GREY)
    write(tmp_path / "train-labels.idx1-ubyte.gz", LABELS)
    assert len(open_source(tmp_path)) == 40


def test_copies_are_never_taken_for_the_file(tmp_path: Path):
    name = "train-images-idx3-ubyte"
    for copy in (f"{name} (1).gz", f"{name}(1)", f"copy of {name}", f"{name}.gz.part", f"{name}.gz~"):
        write(tmp_path / copy, GREY[:1])
    with pytest.raises(ValueError, match="no train-images-idx3-ubyte"):
        open_source(tmp_path)
    write(tmp_path / f"{name}.gz", GREY)
    assert len(open_source(tmp_path)) == 40


def test_two_files_that_may_be_meant(tmp_path: Path):
    name = "train-images-idx3-ubyte"
    write(tmp_path / name, GREY)
    write(tmp_path / f"{name}.gz", GREY)
    assert len(open_source(tmp_path)) == 40, "unpacked beside its archive"
    write(tmp_path / f"{name}.gz", GREY + 1)
    with pytest.raises(ValueError) as caught:
        open_source(tmp_path)
    assert name in str(caught.value) and f"{name}.gz" in str(caught.value)
    assert find_idx(str(tmp_path), "t10k-", "images") is None


def test_a_test_part_without_labels_is_reported(tmp_path: Path):
    write(tmp_path / "train-images-idx3-ubyte", GREY)
    write(tmp_path / "train-labels-idx1-ubyte", LABELS)
    write(tmp_path / "t10k-images-idx3-ubyte", GREY)
    source = open_source(tmp_path)
    assert source.X_val is None and "is not used, its labels are not there" in source.notes[0]
