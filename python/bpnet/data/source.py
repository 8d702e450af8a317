"""Data from a path, whatever its format: ``digits``, a CSV, an .npz, an IDX file or a folder of them."""

from __future__ import annotations

import os
import zlib
from typing import Any

import numpy as np

from bpnet.data.files import digits, read_idx, read_idx_pair, read_npz
from bpnet.data.table import Table, read_csv


class Source:
    """Raw data: a table, or arrays with features in rows.

    Attributes:
        table: or None.
        X: (N, features) or None.
        y: labels or targets of X, or None.
        X_val, y_val: a validation part of its own, or None.
        scale: what X is divided by, where the format says it (bytes: 255).
        has_classes: y holds class numbers, whatever the loss.
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
    ) -> None:
        self.table = table
        self.X = None if X is None else X.reshape(len(X), -1)
        self.y = y
        self.X_val = None if X_val is None else X_val.reshape(len(X_val), -1)
        self.y_val = y_val
        self.scale = scale
        self.has_classes = has_classes

    def __len__(self) -> int:
        if self.table is not None:
            return len(self.table)
        assert self.X is not None
        return len(self.X)

    def where(self, row: int) -> str:
        """The place of a row, for messages."""
        return f"row {row}" if self.table is None else self.table.where(row)

    def fingerprint(self) -> str:
        """A checksum of all the data, so that a resumed run is given what it was begun with."""
        crc = 0
        if self.table is not None:
            rows = [list(row) for row in zip(*self.table.columns)]
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
    """Read what the path names (the format is told by its name, or by its first bytes), or take rows.

    Args:
        data: a path, or rows: a DataFrame, a list of dicts, a dict of columns, an array, a pair (X, y).
        labels: the file of labels of an IDX file.
        encoding, delimiter: of a CSV file.
        decimal, thousands: how the numbers of a table are written, where it cannot be told from them.
        need_y: False where targets are not needed; a file of labels is then not read.
    """
    if isinstance(data, Source):
        return data
    if not isinstance(data, (str, os.PathLike)):
        return Source(X=np.asarray(data))
    data = os.fspath(data)
    if data == "digits" and not os.path.exists(data):
        X, y = digits()
        return Source(X=X, y=y, scale=16, has_classes=True)
    if os.path.isdir(data):
        return _idx_folder(data)
    name = data.lower()
    if name.endswith((".csv", ".tsv")):
        return Source(table=read_csv(data))
    if name.endswith(".npz"):
        return _npz(data)
    with open(data, "rb") as file:
        head = file.read(2)
    if "idx" in name or "ubyte" in name or head == b"\0\0":
        return _idx(data, labels)
    raise ValueError(f"{data}: its name ends in none of .csv, .tsv, .npz, and it is no IDX file")


def _idx(images: str, labels: str | None) -> Source:
    if labels is None:
        try:
            X, y = read_idx_pair(images)
        except ValueError as error:
            if "no labels file" not in str(error):
                raise
            return Source(X=_samples(images, read_idx(images)), scale=255)  # enough to predict
    else:
        X, y = read_idx_pair(images, labels)
    return Source(X=_samples(images, X), y=y, scale=255, has_classes=True)


def _samples(path: str, X: np.ndarray) -> np.ndarray:
    if X.ndim < 2 or X.size == 0:
        raise ValueError(f"{path}: the array has shape {X.shape}, samples in rows are needed")
    return X


def _idx_folder(folder: str) -> Source:
    """A folder as MNIST and Fashion-MNIST are published: train-… and t10k-…"""

    def find(start: str) -> str | None:
        for name in sorted(os.listdir(folder)):
            if name.startswith(start) and "images" in name and "idx3" in name:
                return os.path.join(folder, name)
        return None

    images = find("train-")
    if images is None:
        raise ValueError(f"{folder}: no train-images-idx3-ubyte or train-images-idx3-ubyte.gz in this folder")
    source = _idx(images, None)
    test = find("t10k-")
    if test is not None:
        X_val, y_val = read_idx_pair(test)
        source.X_val, source.y_val = X_val.reshape(len(X_val), -1), y_val
    return source


def _npz(path: str) -> Source:
    held = read_npz(path)
    by_name = {name.lower(): array for name, array in held.items()}

    def take(*names: str) -> np.ndarray | None:
        return next((by_name[name] for name in names if name in by_name), None)

    X, y = take("x", "x_train"), take("y", "y_train")
    if X is None:
        raise ValueError(f"{path}: no array named X or x_train, there are {', '.join(held) or 'none'}")
    X_val, y_val = take("x_val", "x_test"), take("y_val", "y_test")
    for name, array in (("X", X), ("x_val", X_val)):
        if array is not None and (array.ndim < 2 or array.size == 0):
            raise ValueError(f"{path}: {name} has shape {array.shape}, samples in rows are needed")
        if array is not None and array.dtype.kind not in "fiub":
            raise ValueError(f"{path}: {name} has dtype {array.dtype}, real numbers are needed")
    for first, second in ((X, y), (X_val, y_val)):
        if first is not None and second is not None and len(first) != (len(second) if second.ndim else 0):
            raise ValueError(f"{path}: X has {len(first)} samples, y has shape {second.shape}")
    if y_val is None:
        X_val = None
    if y is not None and y.ndim == 2 and y.shape[1] == 1:
        y, y_val = y[:, 0], None if y_val is None else y_val.reshape(len(y_val))
    scale: Any = 255 if X.dtype == np.uint8 else None
    return Source(X=X, y=y, X_val=X_val, y_val=y_val, scale=scale)
