"""Data in whatever form: ``digits``, a CSV, an .npz, an IDX file or a folder of them, rows in memory."""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from bpnet.data.csv_file import read_csv
from bpnet.data.frames import to_rows, to_target
from bpnet.data.idx import find_idx, labels_beside, no_labels, read_idx, read_idx_pair
from bpnet.data.npz import check_same_dtype, check_samples, check_targets, read_npz_parts
from bpnet.data.table import Table
from bpnet.options import option

# What bytes of images are divided by, and the digits' grey levels.
_BYTES, _DIGITS = 255, 16


class Source:
    """Raw data: a table, or arrays with features in rows.

    Attributes:
        table: or None.
        X: (N, features) or None.
        y: labels or targets beside the table or X, or None.
        X_val, y_val: a validation part of its own, or None.
        scale: what X is divided by, where the format says it (bytes: 255).
        has_classes: y holds class numbers, whatever the loss.
        path: of the file, for messages; "" for rows in memory.
        validation: what the validation part is called, for messages.
        notes: what train reports of the data.
        no_y: why there is no y, where there is none.
        decimal, thousands: how the user says that numbers of a table are written, or None.
    """

    def __init__(
        self,
        table: Table | None = None,
        X: np.ndarray | None = None,
        y: np.ndarray | None = None,
        X_val: np.ndarray | None = None,
        y_val: np.ndarray | None = None,
        scale: float | None = None,
        has_classes: bool = False,
        path: str = "",
        validation: str = "",
        notes: Sequence[str] = (),
        no_y: str = "",
    ) -> None:
        self.table = table
        self.X = None if X is None else X.reshape(len(X), -1)
        self.y = y
        self.X_val = None if X_val is None else X_val.reshape(len(X_val), -1)
        self.y_val = y_val
        self.scale = scale
        self.has_classes = has_classes
        self.path = path
        self.validation = validation
        self.notes = list(notes)
        self.no_y = no_y or f"{self}: there are no targets"
        self.decimal: str | None = None
        self.thousands: str | None = None

    def __len__(self) -> int:
        if self.table is not None:
            return len(self.table)
        assert self.X is not None
        return len(self.X)

    def __str__(self) -> str:
        return self.path or "the data"

    def where(self, row: int) -> str:
        """Where a row is, for messages."""
        if self.table is not None:
            return self.table.where(row)
        return f"{self.path}, row {row}" if self.path else f"row {row}"

    def validation_part(self) -> Source | None:
        """The data's own validation part, or None."""
        if self.X_val is None or self.y_val is None:
            return None
        where = f"{self.path}, {self.validation}" if self.validation else self.path
        return Source(X=self.X_val, y=self.y_val, has_classes=self.has_classes, path=where)

    def fingerprint(self) -> str:
        """A checksum of all the data, so that a resumed run is given what it was begun with."""
        crc = 0
        if self.table is not None:
            columns = [each if isinstance(each, list) else each.tolist() for each in self.table.columns]
            rows = [list(row) for row in zip(*columns)]
            crc = zlib.crc32(repr((self.table.header, rows)).encode())
        for array in (self.X, self.y, self.X_val, self.y_val):
            if array is not None:
                crc = zlib.crc32(np.ascontiguousarray(array).view(np.uint8).reshape(-1), crc)
        return f"{crc:08x}"


def open_source(
    data: Any,
    labels: Any = None,
    *,
    encoding: str | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
    thousands: str | None = None,
    need_y: bool = True,
) -> Source:
    """Read what the path names (the format is recognised by its name, or by its first bytes), or take rows.

    Args:
        data: a path, or rows: a DataFrame, a list of dicts, a dict of columns, an array, a pair (X, y).
        labels: the file of labels of an IDX file.
        encoding, delimiter: of a CSV file.
        decimal, thousands: how the numbers of a table are written, where it cannot be recognised from them.
        need_y: False where targets are not needed; a file of labels is then not read.

    Raises:
        OSError: a file cannot be read.
        ValueError: the data cannot be used, or an option has no effect with it.
    """
    if isinstance(data, Source):
        return data
    source = _open(data, labels, encoding, delimiter, need_y)
    if source.table is None:
        for name, value in (("decimal", decimal), ("thousands", thousands)):
            if value is not None:
                raise ValueError(f"{source}: {option(name)} is for tables, the data is arrays")
    source.decimal, source.thousands = decimal, thousands
    return source


def _open(data: Any, labels: Any, encoding: str | None, delimiter: str | None, need_y: bool) -> Source:
    is_path = isinstance(data, (str, bytes, os.PathLike))
    name = os.fsdecode(data) if is_path else ""
    kind = _kind(name) if is_path else "rows"
    if labels is not None and kind != "idx":
        raise ValueError(f"{name or 'the rows'}: {option('labels')} is for IDX images")
    for given, value in (("encoding", encoding), ("delimiter", delimiter)):
        if value is not None and kind != "csv":
            raise ValueError(f"{name or 'the rows'}: {option(given)} is for CSV files")
    if kind == "rows":
        return _rows(data)
    if kind == "csv":
        return Source(table=read_csv(name, encoding, delimiter), path=name)
    if kind == "npz":
        return _npz(name, need_y)
    if kind == "digits":
        X, y = digits()
        return Source(X=X, y=y, scale=_DIGITS, has_classes=True)
    labels = None if labels is None else os.fsdecode(labels)
    return _idx_folder(name, labels, need_y) if os.path.isdir(name) else _idx(name, labels, need_y)


def _kind(path: str) -> str:
    name = os.path.basename(path).lower()
    if path == "digits" and not os.path.exists(path):
        return "digits"
    if os.path.isdir(path):
        return "idx"
    if name.removesuffix(".gz").endswith((".csv", ".tsv")):
        return "csv"
    if name.endswith(".npz"):
        return "npz"
    with open(path, "rb") as file:
        head = file.read(2)
    if "idx" in name or "ubyte" in name or head == b"\0\0":
        return "idx"
    raise ValueError(
        f"{path}: its name ends in none of .csv, .tsv, .csv.gz, .tsv.gz, .npz, and it is no IDX file"
    )


def digits() -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's 1,797 handwritten digits: X (1797, 64) from 0 to 16, y (1797,) from 0 to 9."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise ImportError(
            "the digits come with scikit-learn: pip install 'backpropnet[digits]', or '.[digits]' in a checkout"
        ) from None
    X, y = load_digits(return_X_y=True)
    return X, y.astype(np.int64)


def _rows(data: Any) -> Source:
    y = None
    if isinstance(data, tuple) and len(data) == 2:
        data, y = data[0], to_target(data[1])
    rows = to_rows(data)
    if isinstance(rows, Table):
        if y is not None:
            y = check_targets("the data", "y", y, ("X", np.empty((len(rows), 1))))
        return Source(table=rows, y=y)
    X = check_samples("the data", "X", rows)
    return Source(
        X=X,
        y=None if y is None else check_targets("the data", "y", y, ("X", X)),
        scale=_BYTES if X.dtype == np.uint8 else None,
    )


def _npz(path: str, need_y: bool) -> Source:
    parts = read_npz_parts(path, need_y)
    notes = parts.notes + ([f"{parts.validation[0]} is the validation part"] if parts.validation[0] else [])
    return Source(
        X=parts.X,
        y=parts.y,
        X_val=parts.X_val,
        y_val=parts.y_val,
        scale=_BYTES if parts.X.dtype == np.uint8 else None,
        path=path,
        validation=parts.validation[1],
        notes=notes,
        no_y=f"{path}: there are no targets, an array y or y_train is needed",
    )


def _idx(images: str, labels: str | None, need_y: bool) -> Source:
    """Without a labels file the images alone, enough to predict."""
    labels = labels or (labels_beside(images) if need_y else None)
    if need_y and labels is not None:
        X, y = read_idx_pair(images, labels)
    else:
        X, y = read_idx(images), None
    return Source(
        X=check_samples(images, "the array", X),
        y=y,
        scale=_BYTES if X.dtype == np.uint8 else None,
        has_classes=y is not None and y.dtype.kind in "iu",
        path=images,
        no_y="" if labels else no_labels(images),
    )


def _idx_folder(folder: str, labels: str | None, need_y: bool) -> Source:
    """A folder as MNIST and Fashion-MNIST are published: train-… and t10k-…"""
    images = find_idx(folder, "train-", "images")
    if images is None:
        raise ValueError(
            f"{folder}: no train-images-idx3-ubyte or train-images-idx3-ubyte.gz in this folder; python -m bpnet alexnet "
            "trains on folders of photographs"
        )
    source = _idx(images, labels or (find_idx(folder, "train-", "labels") if need_y else None), need_y)
    test = find_idx(folder, "t10k-", "images") if need_y else None
    if test is not None:
        held_out = _idx(test, find_idx(folder, "t10k-", "labels"), True)
        if held_out.y is None:
            source.notes.append(f"{test} is not used, its labels are not there")
        else:
            assert source.X is not None and held_out.X is not None
            check_same_dtype(folder, (images, source.X), (test, held_out.X))
            source.X_val, source.y_val = held_out.X, held_out.y
            source.validation = test
            source.notes.append(f"{test} is the validation part")
    return source
