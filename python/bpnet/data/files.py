"""Arrays from files: NumPy's .npz, the IDX files of MNIST, scikit-learn's digits."""

from __future__ import annotations

import gzip
import os
import zipfile
import zlib

import numpy as np

from bpnet import _core

__all__ = ["digits", "read_idx", "read_idx_pair", "read_npz"]


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


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """The array of an IDX file, gzipped or not, in its own dtype.

    Raises:
        OSError: the file cannot be read.
        FileFormatError: a bad magic number, or sizes that are not the file's.
    """
    with open(path, "rb") as file:
        data = file.read()
    try:
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        return _core.parse_idx(data)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _core.FileFormatError(f"{os.fspath(path)}: broken gzip data: {error}") from None
    except _core.FileFormatError as error:
        raise _core.FileFormatError(f"{os.fspath(path)}: {error}") from None


def read_idx_pair(
    images: str | os.PathLike[str], labels: str | os.PathLike[str] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """X (N, rows, columns) and y (N,) of an images file and its labels file.

    Without ``labels`` the file beside it is taken, as published: ``train-images-idx3-ubyte.gz`` goes
    with ``train-labels-idx1-ubyte.gz`` (either may be gzipped or not).
    """
    if labels is None:
        labels = _labels_beside(os.fspath(images))
    X, y = read_idx(images), read_idx(labels)
    if y.ndim != 1 or len(X) != len(y):
        raise ValueError(
            f"{os.fspath(images)} holds {len(X)} images, {os.fspath(labels)} labels of shape {y.shape}"
        )
    return X, y.astype(np.int64)


def _labels_beside(images: str) -> str:
    folder, name = os.path.split(images)
    stem = name.removesuffix(".gz")
    renamed = stem.replace("images", "labels").replace("idx3", "idx1")
    for candidate in (renamed, renamed + ".gz"):
        path = os.path.join(folder, candidate)
        if renamed != stem and os.path.exists(path):
            return path
    raise ValueError(f"{images}: no labels file beside it; looked for {renamed} and {renamed}.gz")


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
