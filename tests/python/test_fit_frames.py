"""DataFrames, Series, arrays of objects and other things that hold numbers; and what is refused, by row and column."""

from __future__ import annotations

import copy
import decimal
import json
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bpnet as bp
from test_bad_input import bits, check_message

RNG = np.random.default_rng(0)
# Small integers are exact in every type.
COLUMNS: dict[str, np.ndarray] = {
    "age": RNG.integers(18, 80, 40),
    "income": RNG.integers(0, 8, 40) / 4,
    "member": RNG.integers(0, 2, 40).astype(bool),
}
NAMES = tuple(COLUMNS)
X = np.stack(list(COLUMNS.values()), axis=1).astype(np.float64)
LABELS = RNG.integers(0, 3, 40)
VALUES = RNG.integers(0, 9, 40) / 4
WEIGHTS = RNG.integers(1, 4, 40).astype(np.float64)


def network(outputs: int = 3) -> bp.Network:
    return bp.Network(3, [bp.Linear(5), bp.Tanh(), bp.Linear(outputs)], seed=1, dtype="float64")


class Frame:
    """What other libraries' tables have in common: names in column_names, and columns that give arrays."""

    def __init__(self, columns: dict[str, Any]) -> None:
        self._columns = columns

    @property
    def column_names(self) -> list[str]:
        return list(self._columns)

    def __len__(self) -> int:
        return len(next(iter(self._columns.values())))

    def __getitem__(self, name: str) -> Any:
        return self._columns[name]


def pandas(columns: dict[str, Any]) -> Any:
    return pytest.importorskip("pandas", reason="pandas is not installed").DataFrame(columns)


def polars(columns: dict[str, Any]) -> Any:
    return pytest.importorskip("polars", reason="polars is not installed").DataFrame(columns)


def nullable(columns: dict[str, Any]) -> Any:
    return pandas(columns).convert_dtypes()


def objects(columns: dict[str, Any]) -> Any:
    return pandas(columns).astype(object)


LIBRARIES = {
    "pandas": pandas,
    "pandas nullable": nullable,
    "pandas objects": objects,
    "polars": polars,
    "other": Frame,
}
libraries = pytest.mark.parametrize("library", LIBRARIES)


@libraries
def test_a_frame_is_its_array(library: str):
    """fit, evaluate, predict and forward: to the same bits, weights and targets as columns too."""
    make = LIBRARIES[library]
    frame = make(COLUMNS)
    table = make({"labels": LABELS, "weights": WEIGHTS})
    plain, framed = network(), network()
    options: dict[str, Any] = {"epochs": 2, "batch_size": 7, "verbose": 0}
    plain.fit(X, LABELS, sample_weight=WEIGHTS, validation_data=(X, LABELS), **options)
    framed.fit(
        frame,
        table["labels"],
        sample_weight=table["weights"],
        validation_data=(frame, table["labels"], None),
        **options,
    )
    assert bits(framed) == bits(plain)
    assert framed.predict(frame).tobytes() == plain.predict(X).tobytes()
    assert framed(frame).tobytes() == framed.forward(frame).tobytes() == plain(X).tobytes()
    assert framed.evaluate(frame, table["labels"]) == plain.evaluate(X, LABELS)
    assert framed.trainer is not None
    assert framed.trainer.step(frame, table["labels"]) == plain.trainer.step(X, LABELS)


@libraries
def test_targets_may_be_a_frame(library: str):
    """One column is a Series, several are the outputs."""
    make = LIBRARIES[library]
    plain, framed = network(2), network(2)
    plain.fit(X, np.stack([VALUES, WEIGHTS], axis=1), loss="mse", verbose=0)
    framed.fit(X, make({"first": VALUES, "second": WEIGHTS}), loss="mse", verbose=0)
    assert bits(framed) == bits(plain)
    options: dict[str, Any] = {"validation_split": 0.2, "verbose": 0}
    for loss, y, outputs, metric in (
        ("mse", VALUES, 1, "mae"),
        ("cross_entropy", LABELS, 3, "top2_accuracy"),
    ):
        plain, framed = network(outputs), network(outputs)
        one = plain.fit(X, y, loss=loss, metrics=[metric], **options)
        two = framed.fit(X, make({"answer": y}), loss=loss, metrics=[metric], **options)
        assert bits(framed) == bits(plain)
        assert one[metric] == two[metric] and one["val_" + metric] == two["val_" + metric]


@libraries
def test_batches_of_frames(library: str):
    make = LIBRARIES[library]
    frame, (plain, framed) = make(COLUMNS), (network(), network())
    halves = [(X[:20], LABELS[:20]), (X[20:], LABELS[20:])]
    plain.fit(halves, epochs=2, verbose=0)
    parts = [
        make({name: values[rows] for name, values in COLUMNS.items()}) for rows in (slice(20), slice(20, 40))
    ]
    framed.fit(list(zip(parts, (LABELS[:20], LABELS[20:]))), epochs=2, verbose=0)
    assert bits(framed) == bits(plain)
    framed.input_names = ("age", "income", "membre")
    with pytest.raises(ValueError, match=r"^fit \(batch 0\): X has no column 'membre'"):
        framed.fit([(frame, LABELS)], verbose=0)


# Names.

SAVED = {
    "itself": lambda net, path: net,
    "copied": lambda net, path: copy.deepcopy(net),
    "pickled": lambda net, path: pickle.loads(pickle.dumps(net)),
    "saved": lambda net, path: (net.save(path), bp.load(path))[1],
    "the run saved": lambda net, path: (net.trainer.save(path), bp.Trainer.load(path).network)[1],
}


@pytest.mark.parametrize("how", SAVED)
@pytest.mark.parametrize("preprocessing", [None, {"mean": [1.5]}])
def test_the_names_are_remembered(how: str, preprocessing: Any, tmp_path: Path):
    net = network()
    assert net.input_names is None
    net.preprocessing = preprocessing
    net.fit(Frame(COLUMNS), LABELS, verbose=0)
    again = SAVED[how](net, tmp_path / "model")
    assert again.input_names == NAMES and again.preprocessing == preprocessing
    with pytest.raises(
        ValueError, match="^predict: X has no column 'member'; the network was fitted on 'age', "
    ):
        again.predict(Frame({name: COLUMNS[name] for name in NAMES[:2]}))
    again.preprocessing = {"other": 1}
    assert again.input_names == NAMES and again.preprocessing == {"other": 1}
    again.input_names = None
    assert again.input_names is None and again.preprocessing == {"other": 1}


def test_the_names_are_no_preprocessing_to_cpp():
    """A C++ program loads the file of such a network as a model."""
    net = network()
    net.fit(Frame(COLUMNS), LABELS, verbose=0)
    assert json.loads(net._core.preprocessing) == {"input_names": list(NAMES)}
    bp._core.check_preprocessing(net._core.preprocessing)
    with pytest.raises(bp.FileFormatError):
        bp._core.check_preprocessing('{"input_names": 3}')


def renamed(**names: str) -> dict[str, np.ndarray]:
    return {names.get(name, name): values for name, values in COLUMNS.items()}


OTHER_COLUMNS: dict[str, tuple[dict[str, np.ndarray], str]] = {
    "another order": (
        {name: COLUMNS[name] for name in reversed(NAMES)},
        "X has its columns in another order, 'member', 'income', 'age'; "
        "the network was fitted on 'age', 'income', 'member'; give X[['age', 'income', 'member']]",
    ),
    "one missing": ({name: COLUMNS[name] for name in NAMES[:2]}, "X has no column 'member'"),
    "two missing": ({"age": COLUMNS["age"]}, "X has no columns 'income', 'member'"),
    "another name": (renamed(income="wage"), "X has no column 'income'"),
    "one more": (COLUMNS | {"id": COLUMNS["age"]}, "X has the column 'id' besides"),
}


@pytest.mark.parametrize("what", OTHER_COLUMNS)
@pytest.mark.parametrize(
    "call", ["fit", "evaluate", "predict", "forward", "step", "validation", "trace", "check_gradients"]
)
def test_other_columns_are_refused(call: str, what: str):
    columns, said = OTHER_COLUMNS[what]
    net, frame = network(), Frame(columns)
    net.fit(Frame(COLUMNS), LABELS, verbose=0)
    assert net.trainer is not None
    before = bits(net)
    calls: dict[str, Any] = {
        "fit": lambda: net.fit(frame, LABELS, verbose=0),
        "evaluate": lambda: net.evaluate(frame, LABELS),
        "predict": lambda: net.predict(frame),
        "forward": lambda: net.forward(frame),
        "step": lambda: net.trainer.step(frame, LABELS),
        "validation": lambda: net.fit(X, LABELS, validation_data=(frame, LABELS), verbose=0),
        "trace": lambda: net.trace(frame, [0, 1, 0]),
        "check_gradients": lambda: bp.check_gradients(net, frame, LABELS, "cross_entropy"),
    }
    with pytest.raises(ValueError) as caught:
        calls[call]()
    check_message(caught.value, said, "the network was fitted on 'age', 'income', 'member'")
    assert bits(net) == before


@libraries
@pytest.mark.parametrize("where", ["validation", "a later batch", "validation of batches"])
def test_the_frames_of_a_first_fit_have_the_same_columns(library: str, where: str):
    make, net = LIBRARIES[library], network()
    frame, other = make(COLUMNS), make({name: COLUMNS[name] for name in reversed(NAMES)})
    before = bits(net)
    data: dict[str, Any] = {
        "validation": {"X": frame, "y": LABELS, "validation_data": (other, LABELS)},
        "a later batch": {"X": [(frame, LABELS), (other, LABELS)]},
        "validation of batches": {"X": [(frame, LABELS)], "validation_data": (other, LABELS)},
    }
    with pytest.raises(ValueError, match=r"^fit \(.*\): X has its columns in another order, '"):
        net.fit(**data[where], verbose=0)
    assert bits(net) == before


def test_batches_and_steps_are_remembered_too():
    net = network()
    net.fit([(Frame(COLUMNS), LABELS)], verbose=0)
    assert net.input_names == NAMES
    net = network()
    bp.Trainer(net, "cross_entropy", "sgd").step(Frame(COLUMNS), LABELS)
    assert net.input_names == NAMES


@pytest.mark.parametrize("what", ["y", "sample_weight"])
def test_rows_in_another_order_are_refused(what: str):
    """By the index of pandas: the same labels in another order are a mistake, other labels are none."""
    frame, pd = pandas(COLUMNS), pytest.importorskip("pandas", reason="pandas is not installed")
    rows = {"y": pd.Series(LABELS), "sample_weight": pd.Series(WEIGHTS)}
    plain, indexed = network(), network()
    plain.fit(X, LABELS, sample_weight=WEIGHTS, verbose=0)
    mixed = rows | {what: rows[what].sample(frac=1, random_state=0)}
    for call in (
        lambda: indexed.fit(frame, **mixed, verbose=0),
        lambda: indexed.evaluate(frame, **mixed, loss="cross_entropy"),
        lambda: bp.Trainer(indexed, "cross_entropy", "sgd").step(frame, **mixed),
    ):
        with pytest.raises(ValueError, match=rf"the rows of {what} are in another order than X's, .*; give "):
            call()
    others = rows | {what: rows[what].set_axis(range(100, 140))}
    indexed.fit(frame, **others, verbose=0)
    assert bits(indexed) == bits(plain)


def test_a_row_of_a_frame_is_traced_by_its_labels():
    frame, net = pandas({name: values.astype(float) for name, values in COLUMNS.items()}), network()
    net.fit(frame, LABELS, verbose=0)
    assert net.trace(frame.iloc[3], [0, 1, 0]).e == net.trace(X[3], [0, 1, 0]).e
    with pytest.raises(
        ValueError, match="^trace: X has its columns in another order, 'member', 'income', 'age'; "
    ):
        net.trace(frame[list(reversed(NAMES))].iloc[3], [0, 1, 0])


def test_a_lazy_frame_is_collected_by_its_owner():
    frame = polars({name: values.astype(float) for name, values in COLUMNS.items()})
    with pytest.raises(TypeError, match=r"^predict: X is a LazyFrame; give X\.collect\(\)$"):
        network().predict(frame.lazy())


def test_arrays_have_no_names():
    """And neither has a frame whose columns are numbered."""
    net = network()
    net.fit(pandas({i: values for i, values in enumerate(COLUMNS.values())}), LABELS, verbose=0)
    assert net.input_names is None
    net.fit(Frame(COLUMNS), LABELS, verbose=0)
    net.fit(X, LABELS, verbose=0)
    assert net.input_names == NAMES
    net.predict(X)


def test_a_fit_that_is_refused_remembers_no_names():
    net = network()
    with pytest.raises(ValueError):
        net.fit(Frame(COLUMNS), LABELS[:5], verbose=0)
    assert net.input_names is None


def test_names_may_be_set():
    net = network()
    net.input_names = ["a", "b", "c"]
    assert net.input_names == ("a", "b", "c")
    for wrong in (["a", "b"], ["a", "b", 3], [1, 2, 3]):
        with pytest.raises(ValueError, match="^input_names: .* was given, 3 strings are needed"):
            net.input_names = wrong
    with pytest.raises(ValueError, match="'input_names' is the network's own"):
        net.preprocessing = {"input_names": ["a"]}
    image = bp.Network((1, 2, 2), [bp.Flatten(), bp.Linear(2)])
    with pytest.raises(ValueError, match=r"the inputs have shape \(1, 2, 2\) and no columns"):
        image.input_names = ["a", "b"]
    assert net.input_names == ("a", "b", "c")


def test_many_names_are_not_all_listed():
    net = bp.Network(30, [bp.Linear(1)])
    net.input_names = [f"c{i}" for i in range(30)]
    with pytest.raises(ValueError, match=r"'c0', .*'c9', … \(30 in all\)"):
        net.predict(Frame({f"c{i}": np.zeros(2) for i in range(29)}))


# What is no number.


def changed(**columns: Any) -> dict[str, Any]:
    return COLUMNS | columns


def with_value(value: Any, row: int = 3, name: str = "income") -> dict[str, Any]:
    column = COLUMNS[name].astype(object)
    column[row] = value
    return COLUMNS | {name: column}


TEXT = "bpnet.train_model and bpnet.Model take text"
NOT_NUMBERS: dict[str, tuple[Any, type, tuple[str, ...]]] = {
    "pandas.NA": (lambda: nullable(with_value(None, 7, "age")), bp.NumericError, ("X", "row 7", "'age'")),
    "pandas.NA among booleans": (
        lambda: nullable(with_value(None, 5, "member")),
        bp.NumericError,
        ("column 'member' of X holds <NA> in row 5", "fill it in or leave the row out"),
    ),
    "None": (lambda: Frame(with_value(None)), bp.NumericError, ("column 'income' of X holds None in row 3",)),
    "NaN": (
        lambda: pandas(with_value(np.nan)),
        bp.NumericError,
        ("X has NaN or infinity in row 3, column 'income'",),
    ),
    "infinity": (lambda: Frame(with_value(np.inf)), bp.NumericError, ("infinity in row 3, column 'income'",)),
    "polars' null": (
        lambda: polars(changed(age=[None if i == 4 else 1 for i in range(40)])),
        bp.NumericError,
        ("row 4", "'age'"),
    ),
    "words": (
        lambda: pandas(changed(income=["rich"] * 40)),
        TypeError,
        ("column 'income' of X holds 'rich' in row 0", TEXT, "np.unique("),
    ),
    "polars' words": (
        lambda: polars(changed(income=["rich"] * 40)),
        TypeError,
        ("column 'income' of X", TEXT),
    ),
    "one word": (
        lambda: Frame(with_value("rich")),
        TypeError,
        ("column 'income' of X holds 'rich' in row 3", TEXT),
    ),
    "numbers as text": (lambda: Frame(with_value("3.5")), TypeError, ("column 'income' of X holds '3.5'",)),
    "categories": (
        lambda: pandas(COLUMNS).assign(income=pandas({"a": ["rich", "poor"] * 20})["a"].astype("category")),
        TypeError,
        ("column 'income' of X holds 'rich'", TEXT),
    ),
    "dates": (
        lambda: Frame(changed(income=np.arange(40).astype("datetime64[D]"))),
        TypeError,
        ("column 'income' of X has dtype datetime64[D]", "real numbers are needed"),
    ),
    "complex": (lambda: Frame(with_value(2j)), TypeError, ("column 'income' of X holds 2j in row 3",)),
    "a column twice": (
        lambda: pandas(COLUMNS).set_axis(["age", "age", "member"], axis=1).astype({"member": float}),
        ValueError,
        ("X has the column 'age' twice",),
    ),
}


@pytest.mark.parametrize("what", NOT_NUMBERS)
@pytest.mark.parametrize("call", ["fit", "predict", "evaluate", "batches"])
def test_what_is_no_number_is_refused_by_row_and_column(call: str, what: str):
    make, kind, fragments = NOT_NUMBERS[what]
    net, frame = network(), make()
    before = bits(net)
    calls: dict[str, Any] = {
        "fit": lambda: net.fit(frame, LABELS, verbose=0),
        "predict": lambda: net.predict(frame),
        "evaluate": lambda: net.evaluate(frame, LABELS, "cross_entropy"),
        "batches": lambda: net.fit([(frame, LABELS)], verbose=0),
    }
    with pytest.raises(kind) as caught:
        calls[call]()
    check_message(caught.value, *fragments)
    assert bits(net) == before and net.input_names is None


def test_forward_lets_nan_through():
    """As in arrays; what is missing is no NaN."""
    out = network().forward(Frame(with_value(np.nan)))
    assert np.isnan(out[3]).all() and not np.isnan(out[2]).any()
    with pytest.raises(bp.NumericError, match="^forward: column 'income' of X holds None in row 3"):
        network().forward(Frame(with_value(None)))


LABEL_ERRORS: dict[str, tuple[Any, type, tuple[str, ...]]] = {
    "words": (np.array(["a", "b"] * 20), TypeError, ("y has dtype <U1", TEXT, "np.unique(")),
    "objects": (np.array(["a", "b"] * 20, object), TypeError, ("y holds 'a' in row 0", TEXT)),
    "a missing label": (
        np.where(np.arange(40) == 6, np.nan, LABELS),
        bp.NumericError,
        ("y has NaN in row 6",),
    ),
    "None": (np.where(np.arange(40) == 6, None, LABELS), bp.NumericError, ("y holds None in row 6",)),
    "halves": (LABELS / 2, TypeError, ("y has dtype float64, cross_entropy needs class indices",)),
}


@pytest.mark.parametrize("what", LABEL_ERRORS)
def test_labels_that_are_none(what: str):
    y, kind, fragments = LABEL_ERRORS[what]
    with pytest.raises(kind) as caught:
        network().fit(X, y, verbose=0)
    check_message(caught.value, *fragments)


# Arrays of objects, and other things.

NUMBERS: dict[str, Any] = {
    "integers": lambda column: [int(value) for value in column],
    "booleans": lambda column: [bool(value) for value in column],
    "NumPy's": lambda column: list(column),
    "decimals": lambda column: [decimal.Decimal(str(value)) for value in column],
    "of each kind": lambda column: [int(column[0]), float(column[1]), np.float32(column[2]), *column[3:]],
}


@pytest.mark.parametrize("what", NUMBERS)
def test_objects_that_are_numbers(what: str):
    values = np.array(NUMBERS[what](COLUMNS["age"] % 2 if what == "booleans" else COLUMNS["age"]), object)
    wanted = values.astype(np.float64)
    net = network()
    table = np.stack([values] * 3, axis=1)
    assert table.dtype == object
    assert net.predict(table).tobytes() == net.predict(np.stack([wanted] * 3, axis=1)).tobytes()


def test_integers_that_are_large_stay_what_they_are():
    net = bp.Network(1, [bp.Linear(1)], dtype="float64")
    for value in (2**62 + 2**40, 2**64, -(2**70)):
        assert net.predict(np.array([[value]], object)) == net.predict(np.array([[float(value)]]))


def test_object_labels_are_class_indices():
    one, two = network(), network()
    one.fit(X, LABELS, verbose=0)
    two.fit(X, LABELS.astype(object), verbose=0)
    assert bits(one) == bits(two)


def test_sparse_matrices_are_refused():
    sparse = pytest.importorskip("scipy.sparse", reason="SciPy is not installed")
    for make in (sparse.csr_matrix, sparse.coo_array):
        for call in (network().predict, lambda x: network().fit(x, LABELS, verbose=0)):
            with pytest.raises(TypeError, match=r"^(predict|fit): X is sparse; give X\.toarray\(\)$"):
                call(make(X))
    with pytest.raises(TypeError, match=r"^fit: y is sparse; give y\.toarray\(\)$"):
        network().fit(X, sparse.csr_matrix(np.eye(3)[LABELS]), verbose=0)


def test_masked_arrays():
    """Without masked entries they are arrays; NumPy itself would take what is below the mask."""
    mask = np.zeros(X.shape, bool)
    net = network()
    assert net.predict(np.ma.array(X, mask=mask)).tobytes() == net.predict(X).tobytes()
    mask[4, 1] = True
    masked = np.ma.array(X, mask=mask)
    y = np.ma.array(LABELS, mask=np.arange(40) == 9)
    said = r"{}: {} has masked entries, the first in row {}; fill them with {}\.filled\(value\) or leave"
    with pytest.raises(ValueError, match="^" + said.format("predict", "X", 4, "X")):
        net.predict(masked)
    with pytest.raises(ValueError, match="^" + said.format("predict", "X", 4, "X")):
        net.predict(list(masked))
    with pytest.raises(ValueError, match="^" + said.format("fit", "X", 4, "X")):
        net.fit(masked, LABELS, verbose=0)
    with pytest.raises(ValueError, match="^" + said.format("fit", "y", 9, "y")):
        net.fit(X, y, verbose=0)
    with pytest.raises(ValueError, match="^" + said.format("fit", "sample_weight", 9, "sample_weight")):
        net.fit(X, LABELS, sample_weight=np.ma.array(WEIGHTS, mask=y.mask), verbose=0)


class Tensor:
    """As PyTorch's: an array, unless it has gradients or is elsewhere."""

    def __init__(self, array: np.ndarray, error: Exception | None = None) -> None:
        self.array = array
        self.error = error
        self.requires_grad = error is not None

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if self.error is not None:
            raise self.error
        return self.array


def test_tensors():
    net = network()
    assert net.predict(Tensor(X)).tobytes() == net.predict(X).tobytes()
    for error in (
        RuntimeError("Can't call numpy() on Tensor that requires grad."),
        TypeError("can't convert cuda:0 device type tensor to numpy."),
    ):
        with pytest.raises(TypeError) as caught:
            net.predict(Tensor(X, error))
        check_message(caught.value, "predict: X is not an array", str(error), "give X.detach().cpu().numpy()")


def test_dictionaries_are_models_rows():
    with pytest.raises(TypeError, match="^predict: X is a dict, .*; bpnet.Model takes columns by name"):
        network().predict(COLUMNS)


def test_the_real_thing():
    """Not a stand-in, where the libraries are installed: what SQL and CSV readers give."""
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pd.DataFrame(COLUMNS)
    frame["income"] = [decimal.Decimal(str(value)) for value in COLUMNS["income"]]
    net = network()
    assert net.predict(frame).tobytes() == net.predict(X).tobytes()
    assert net.predict(frame.to_numpy()).tobytes() == net.predict(X).tobytes()
    assert net.predict(frame[5:9]).tobytes() == net.predict(X[5:9]).tobytes(), "rows are counted, not named"
    with pytest.raises(bp.NumericError, match="in row 1, column 'age'"):
        net.predict(frame[5:9].assign(age=[1, np.nan, 2, 3]))
    with pytest.raises(ValueError, match=re.escape("X has shape (40,), the network expects (N, 3)")):
        net.predict(frame["age"])
