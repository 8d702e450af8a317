"""The arrays of an .npz file: samples, their targets, and a validation part."""

from __future__ import annotations

import os
import zipfile
import zlib
from typing import NamedTuple

import numpy as np

from bpnet import _core
from bpnet.data.frames import to_column

__all__ = ["NpzParts", "check_same_dtype", "check_samples", "check_targets", "read_npz", "read_npz_parts"]


class NpzParts(NamedTuple):
    """What train needs of an .npz file.

    Attributes:
        X, y: the samples and their targets; y may be None.
        X_val, y_val: a validation part, or None.
        validation: the names of its arrays.
        notes: what is not used, in words.
    """

    X: np.ndarray
    y: np.ndarray | None
    X_val: np.ndarray | None
    y_val: np.ndarray | None
    validation: tuple[str, str]
    notes: list[str]


def read_npz(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The arrays of an .npz file. Nothing in it is executed: pickled objects are refused.

    Raises:
        OSError: the file cannot be read.
        FileFormatError: it is not a whole .npz of plain arrays.
    """
    name = os.fspath(path)
    try:
        with open(path, "rb") as file:
            held = np.load(file, allow_pickle=False)
            if not isinstance(held, np.lib.npyio.NpzFile):
                raise ValueError("a single array, an .npz with X and y is needed")
            with held:
                arrays = {key: held[key] for key in held.files}
        for key, array in arrays.items():
            if not isinstance(array, np.ndarray):
                raise ValueError(f"{key} is no array")
        return arrays
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, RuntimeError) as error:
        raise _core.FileFormatError(f"{name}: not a readable .npz of plain arrays: {error}") from None


def read_npz_parts(path: str, need_y: bool = True) -> NpzParts:
    """The arrays named X and y, or x_train and y_train; x_val and y_val, or x_test and y_test.

    Upper and lower case are the same. Without ``need_y`` only the samples are looked at.

    Raises:
        ValueError: there are no samples, arrays do not fit each other or have a dtype that cannot be used.
    """
    held = read_npz(path)
    by_name: dict[str, str] = {}
    for key in held:
        other = by_name.setdefault(key.lower(), key)
        if other != key:
            raise ValueError(f"{path}: there are arrays {other} and {key}, and case does not count")

    def find(*names: str) -> str:
        return next((by_name[name] for name in names if name in by_name), "")

    x, y = find("x", "x_train"), find("y", "y_train")
    if not x:
        raise ValueError(f"{path}: no array named X or x_train, there are {', '.join(held) or 'none'}")
    X = check_samples(path, x, held[x])
    if not need_y:
        return NpzParts(X, None, None, None, ("", ""), [])
    targets = check_targets(path, y, held[y], (x, X)) if y else None
    notes, validation = [], ("", "")
    for part in (("x_val", "y_val"), ("x_test", "y_test")):
        there = [by_name[name] for name in part if name in by_name]
        if len(there) == 2 and not validation[0]:
            validation = (there[0], there[1])
        elif there:
            why = (
                "the validation part is " + validation[0]
                if len(there) == 2
                else f"without {_other(part, there)}"
            )
            notes.append(f"{there[0]} is not used, {why}")
    if not validation[0]:
        return NpzParts(X, targets, None, None, validation, notes)
    X_val = check_samples(path, validation[0], held[validation[0]])
    y_val = check_targets(path, validation[1], held[validation[1]], (validation[0], X_val))
    if X.shape[1:] != X_val.shape[1:]:
        raise ValueError(
            f"{path}: {x} has samples of shape {X.shape[1:]}, {validation[0]} of {X_val.shape[1:]}"
        )
    check_same_dtype(path, (x, X), (validation[0], X_val))
    return NpzParts(X, targets, X_val, y_val, validation, notes)


def check_same_dtype(where: str, one: tuple[str, np.ndarray], other: tuple[str, np.ndarray]) -> None:
    """Bytes, which are divided by 255, beside other numbers are refused."""
    if (one[1].dtype == np.uint8) != (other[1].dtype == np.uint8):
        raise ValueError(
            f"{where}: {one[0]} has dtype {one[1].dtype}, {other[0]} has {other[1].dtype}; give both as bytes, or neither"
        )


def _other(part: tuple[str, str], there: list[str]) -> str:
    return part[1] if there[0].lower() == part[0] else part[0]


def check_samples(where: str, name: str, X: np.ndarray) -> np.ndarray:
    """X as it is; it must be real numbers, samples in rows."""
    if X.ndim < 2 or X.size == 0:
        raise ValueError(f"{where}: {name} has shape {X.shape}, samples in rows are needed")
    if X.dtype.kind not in "fiub":
        raise ValueError(f"{where}: {name} has dtype {X.dtype}, real numbers are needed")
    return X


def check_targets(where: str, name: str, y: np.ndarray, samples: tuple[str, np.ndarray]) -> np.ndarray:
    """y (N,) or (N, outputs): numbers, or strings; bytes are read as UTF-8, booleans as False and True."""
    x, X = samples
    if y.ndim not in (1, 2) or len(y) != len(X) or y.size == 0:
        raise ValueError(f"{where}: {x} has {len(X)} samples, {name} has shape {y.shape}")
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.dtype.kind == "S":
        try:
            y = np.char.decode(y, "utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{where}: {name} holds bytes that are not valid UTF-8: {error}") from None
    if y.dtype.kind == "b" and y.ndim == 1:
        y = np.array(to_column(name, y))
    if y.dtype.kind not in "fiubU":
        raise ValueError(
            f"{where}: {name} has dtype {y.dtype}, numbers or strings are needed"
            + ("; give dates as numbers, days since the first say" if y.dtype.kind in "mM" else "")
        )
    if y.dtype.kind == "U" and y.ndim == 2:
        raise ValueError(f"{where}: {name} has shape {y.shape}, one class per sample is needed")
    return y
