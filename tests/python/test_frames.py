"""Rows in memory: DataFrames of pandas, polars and others, lists of dicts, dicts of columns, arrays, pairs."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bpnet.data import Table
from bpnet.data.columns import describe_columns
from bpnet.data.frames import to_rows
from bpnet.data.source import Source, open_source

PEOPLE: dict[str, list[Any]] = {
    "age": [39, 50, None, 28],
    "weight": [70.5, None, 81.25, 64.0],
    "colour": ["red", None, " blue", "red"],
    "member": [True, False, True, True],
}
COLUMNS: dict[str, Any] = {
    "age": [39, 50, np.nan, 28],
    "weight": [70.5, np.nan, 81.25, 64],
    "colour": ["red", "", "blue", "red"],
    "member": ["True", "False", "True", "True"],
}


def pandas(columns: dict[str, Any]) -> Any:
    return pytest.importorskip("pandas").DataFrame(columns)


def pandas_of_nullable_dtypes(columns: dict[str, Any]) -> Any:
    return pandas(columns).convert_dtypes()


def pandas_of_objects(columns: dict[str, Any]) -> Any:
    return pandas(columns).astype(object)


def polars(columns: dict[str, Any]) -> Any:
    return pytest.importorskip("polars").DataFrame(columns, strict=False)


class Frame:
    """What any library's DataFrame has: names, and columns that become arrays."""

    def __init__(self, columns: dict[str, Any]) -> None:
        self._columns = columns
        self.column_names = list(columns)

    @property
    def columns(self) -> list[Any]:  # pyarrow's are not the names
        return list(self._columns.values())

    def __getitem__(self, name: str) -> Any:
        return np.array(self._columns[name], dtype=object)


def list_of_dicts(columns: dict[str, Any]) -> Any:
    return [dict(zip(columns, row)) for row in zip(*columns.values())]


def list_of_dicts_without_gaps(columns: dict[str, Any]) -> Any:
    rows = list_of_dicts(columns)
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


def dict_of_columns(columns: dict[str, Any]) -> Any:
    return columns


def dict_of_object_arrays(columns: dict[str, Any]) -> Any:
    return {name: np.array(column, dtype=object) for name, column in columns.items()}


FORMS: list[Callable[[dict[str, Any]], Any]] = [
    pandas,
    pandas_of_nullable_dtypes,
    pandas_of_objects,
    polars,
    Frame,
    list_of_dicts,
    list_of_dicts_without_gaps,
    dict_of_columns,
    dict_of_object_arrays,
]
by_form = pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)


def table_of(rows: Any) -> Table:
    found = to_rows(rows)
    assert isinstance(found, Table)
    return found


def same(found: Any, wanted: Any) -> bool:
    if isinstance(found, list):
        return bool(found == list(wanted))
    return bool(found.dtype == np.float64 and np.array_equal(found, wanted, equal_nan=True))


@by_form
def test_every_form_gives_the_same_table(form: Callable[[dict[str, Any]], Any]):
    table = table_of(form(PEOPLE))
    assert table.header == list(PEOPLE) and len(table) == 4
    for name, wanted in COLUMNS.items():
        assert same(table.column(name), wanted), (name, table.column(name))
    assert table.where(2) == "row 2" and str(table) == "the table"


@by_form
def test_what_is_trained_on_is_the_same_too(form: Callable[[dict[str, Any]], Any]):
    found = {each.name: each for each in describe_columns(table_of(form(PEOPLE)), {})}
    kinds = {"age": "number", "weight": "number", "colour": "categories", "member": "categories"}
    assert {name: each.kind for name, each in found.items()} == kinds
    assert [found[name].missing.nonzero()[0].tolist() for name in PEOPLE] == [[2], [1], [1], []]


VALUES: dict[str, tuple[Any, Any]] = {
    "float32": (np.array([0.5, 1], np.float32), [0.5, 1]),
    "uint8": (np.array([1, 255], np.uint8), [1, 255]),
    "numpy scalars": ([np.float32(0.5), np.int64(3)], [0.5, 3]),
    "decimals": ([decimal.Decimal("1.5"), None], [1.5, np.nan]),
    "decimal NaN": ([decimal.Decimal("NaN"), decimal.Decimal(2)], [np.nan, 2]),
    "large integers": ([2**53, 2**53 + 1], [str(2**53), str(2**53 + 1)]),
    "large integers and gaps": ([2**60, None], [str(2**60), ""]),
    "an int64 array": (np.array([2**60, -1]), [str(2**60), "-1"]),
    "numbers among strings": (["x", 3.0, 0.5, 2, True], ["x", "3", "0.5", "2", "True"]),
    "bytes": (np.array([b"caf\xc3\xa9", b"x"]), ["café", "x"]),
    "bytes and gaps": ([b"a", None], ["a", ""]),
    "booleans": (np.array([True, False]), ["True", "False"]),
    "booleans and gaps": ([np.True_, None], ["True", ""]),
    "nothing at all": ([None, None], ["", ""]),
    "masked": (np.ma.array([1.0, 2.0], mask=[False, True]), [1, np.nan]),
    "blanks": ([" a ", "b\n"], ["a", "b"]),
    "days": ([datetime.date(2024, 1, 31), None], ["2024-01-31", ""]),
    "NaT": ([np.datetime64("NaT"), "x"], ["", "x"]),
}


@pytest.mark.parametrize("name", VALUES)
def test_values(name: str):
    values, wanted = VALUES[name]
    assert same(table_of({"a": values}).column("a"), wanted)


def test_integers_that_are_categories_have_no_point():
    table = table_of(pandas({"a": [1.0, 2.0, None] * 8}))
    found = describe_columns(table, {"categorical": ["a"]})[0]
    assert (found.kind, found.distinct, found.missing.sum()) == ("categories", 2, 8)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_categorical_columns_are_categories_of_strings(library: str):
    frames = pytest.importorskip(library)
    if library == "pandas":
        frame = frames.DataFrame(
            {"a": frames.Categorical([3, 1, 3, None]), "b": frames.Categorical(list("xyxy"))}
        )
    else:
        frame = frames.DataFrame({"a": ["3", "1", "3", None], "b": list("xyxy")})
        frame = frame.with_columns(
            a=frame["a"].cast(frames.Categorical), b=frame["b"].cast(frames.Enum(["x", "y"]))
        )
    table = table_of(frame)
    assert table.column("a") == ["3", "1", "3", ""] and table.column("b") == list("xyxy")
    assert [found.kind for found in describe_columns(table, {})] == ["categories", "categories"]
    assert describe_columns(table, {"numeric": ["a"]})[0].kind == "number"


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_dates_are_refused_by_name(library: str):
    frames = pytest.importorskip(library)
    day = datetime.datetime(2024, 1, 31)
    frame = frames.DataFrame({"when": [day, day], "b": [1, 2]})
    with pytest.raises(ValueError, match="column 'when' holds dates"):
        describe_columns(table_of(frame), {})
    assert describe_columns(table_of(frame), {"drop": ["when"]})[0].kind == "left out"


def test_dates_of_a_time_zone_are_refused_by_name():
    frames = pytest.importorskip("pandas")
    frame = frames.DataFrame({"when": frames.to_datetime(["2024-01-31", "2023-05-06"] * 9, utc=True)})
    with pytest.raises(ValueError, match="column 'when' is '2024-01-31 00:00:00.*dates"):
        describe_columns(table_of(frame), {})


REFUSED: dict[str, tuple[Any, str]] = {
    "a dict of values": ({"a": 1, "b": 2}, "a list of one dict"),
    "a dict of strings": ({"a": "red"}, "a list of values"),
    "lengths": ({"a": [1, 2], "b": [1]}, "'a' has 2 values, column 'b' has 1"),
    "no columns": ({}, "no columns"),
    "no rows": ({"a": []}, "no rows"),
    "lists in a column": ({"a": [[1], [2]]}, "type list"),
    "matrices": ({"a": np.ones((2, 2))}, r"'a' has shape \(2, 2\)"),
    "bytes that are no text": ({"a": [b"\xff", b"a"]}, "UTF-8"),
    "a name twice": ([{"a": 1, " a": 2}], "blanks"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_table(name: str):
    rows, words = REFUSED[name]
    with pytest.raises(ValueError, match=words):
        describe_columns(table_of(rows), {})


def test_a_frame_with_a_name_twice():
    frame = pandas({"a": [1, 2], "b": [3, 4]})
    frame.columns = ["a", "a"]
    with pytest.raises(ValueError, match="'a' twice"):
        to_rows(frame)


def test_a_frame_whose_names_are_numbers():
    assert table_of(pandas({0: [1, 2], 1: [3, 4]})).header == ["0", "1"]


def test_structured_arrays_are_tables():
    rows = np.array([(1, "x", True), (2, "y", False)], dtype=[("a", "i4"), ("b", "U3"), ("c", "?")])
    table = table_of(rows)
    assert table.header == ["a", "b", "c"]
    assert same(table.column("a"), [1, 2]) and table.column("b") == ["x", "y"]


# Arrays, and pairs.


def arrays_of(data: Any) -> Source:
    found = open_source(data)
    assert found.table is None and found.X is not None
    return found


@pytest.mark.parametrize(
    "rows",
    [np.ones((2, 3)), np.ones((2, 3), np.uint16), [[1, 2, 3], [4, 5, 6]], np.ones((2, 3)).astype(object)],
)
def test_arrays_of_numbers(rows: Any):
    source = arrays_of(rows)
    assert source.X is not None and source.X.shape == (2, 3) and source.X.dtype.kind in "fiu"
    assert len(source) == 2 and source.scale is None


def test_bytes_are_divided_as_those_of_a_file_are(tmp_path: Path):
    X = np.ones((2, 3), np.uint8)
    np.savez(tmp_path / "d.npz", X=X, y=[0, 1])
    assert arrays_of(X).scale == open_source(tmp_path / "d.npz").scale == 255


def test_an_array_with_strings_is_a_table_of_numbered_columns():
    table = open_source(np.array([[1, "x"], [2.5, "y"]], dtype=object)).table
    assert table is not None and table.header == ["0", "1"]
    assert same(table.column("0"), [1, 2.5]) and table.column("1") == ["x", "y"]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (np.ones(3), r"shape \(3,\)"),
        (np.ones((0, 3)), r"shape \(0, 3\)"),
        (np.ones((2, 2)) * 1j, "complex128"),
        (np.ma.array(np.ones((2, 2)), mask=np.eye(2)), "masked"),
        ([], "shape"),
        ("nowhere.csv", "nowhere.csv"),
    ],
)
def test_what_is_no_array(rows: Any, words: str):
    with pytest.raises((ValueError, FileNotFoundError), match=words):
        open_source(rows)


def test_sparse_matrices_are_refused_with_a_way_on():
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(ValueError, match=r"toarray\(\)"):
        open_source(sparse.eye(3).tocsr())


TARGETS: dict[str, tuple[Any, Any]] = {
    "a list of integers": ([0, 1, 0], [0, 1, 0]),
    "a list of strings": (["a", "b", "a"], ["a", "b", "a"]),
    "an array of strings": (np.array(["a", "b", "a"]), ["a", "b", "a"]),
    "bytes": (np.array([b"a", b"b", b"a"]), ["a", "b", "a"]),
    "objects": (np.array(["a", "b", None], dtype=object), ["a", "b", ""]),
    "objects of numbers": (np.array([1, 2.5, None], dtype=object), [1, 2.5, np.nan]),
    "masked": (np.ma.array([1, 2, 3], mask=[False, True, False]), [1, np.nan, 3]),
    "a column": (np.array([[0], [1], [0]]), [0, 1, 0]),
    "one-hot": (np.eye(3), np.eye(3)),
}


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("tabular", [True, False])
def test_pairs(name: str, tabular: bool):
    y, wanted = TARGETS[name]
    X = {"a": [1, 2, 3]} if tabular else np.ones((3, 2))
    source = open_source((X, y))
    assert (source.table is not None) == tabular and source.y is not None
    if source.y.dtype.kind == "U":
        assert source.y.tolist() == wanted
    else:
        assert np.array_equal(source.y, np.array(wanted), equal_nan=True)


@pytest.mark.parametrize("library", [pandas, polars])
def test_pairs_of_frames(library: Callable[[dict[str, Any]], Any]):
    frame = library({"a": [1, 2, 3], "y": ["u", "v", None], "flag": [True, False, True]})
    for y in (frame["y"], frame[["y"]]):
        source = open_source((frame[["a"]], y))
        assert source.table is not None and source.table.header == ["a"]
        assert source.y is not None and source.y.tolist() == ["u", "v", ""]
    flags = open_source((frame[["a"]], frame["flag"])).y
    assert flags is not None and flags.tolist() == ["True", "False", "True"], "as in a column of the table"


def test_a_one_hot_frame_names_its_classes():
    frames = (
        pandas({"b": [True, False, False], "a": [False, True, True]}),
        polars({"a": [0, 1, 1], "b": [1, 0, 0]}),
    )
    for y in frames:
        found = open_source((np.ones((3, 2)), y)).y
        assert found is not None and found.tolist() == ["b", "a", "a"]
    with pytest.raises(ValueError, match=r"y has the columns b, a, .* y\.to_numpy\(\)"):
        open_source((np.ones((3, 2)), pandas({"b": [1, 0, 1], "a": [0, 1, 1]})))


def test_lazy_frames_are_collected_first():
    with pytest.raises(ValueError, match=r"rows\.collect\(\)"):
        open_source(pytest.importorskip("polars").LazyFrame({"a": [1]}))


def test_pairs_that_do_not_fit():
    for X in (np.ones((3, 2)), {"a": [1, 2, 3]}):
        with pytest.raises(ValueError, match=r"3 samples.*\(2,\)"):
            open_source((X, [0, 1]))
    with pytest.raises(ValueError, match="datetime64"):
        open_source((np.ones((3, 2)), np.arange(3).astype("M8[D]")))


def test_a_source_is_taken_as_it_is():
    source = open_source(np.ones((2, 2)))
    assert open_source(source) is source
