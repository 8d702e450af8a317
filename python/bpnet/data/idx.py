"""IDX files, as MNIST and Fashion-MNIST are published: images in one file, their labels in another."""

from __future__ import annotations

import gzip
import os
import re
import zlib

import numpy as np

from bpnet import _core
from bpnet.options import option

__all__ = ["find_idx", "labels_beside", "no_labels", "read_idx", "read_idx_pair"]

# train-images-idx3-ubyte.gz; some write a dot for the second dash. A copy, "… (1).gz", is named otherwise.
_NAME = re.compile(r"(?P<start>.*?)(?P<kind>images|labels)[-._]idx\d?(?:[-._]\w+)?(?:\.gz)?")


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

    Labels that are integers are int64, others keep their dtype. Without ``labels`` the file beside the images
    is taken, as published: ``train-images-idx3-ubyte.gz`` belongs to ``train-labels-idx1-ubyte.gz`` (either may
    be gzipped or not).
    """
    if labels is None:
        labels = labels_beside(os.fspath(images))
        if labels is None:
            raise ValueError(no_labels(os.fspath(images)))
    X, y = read_idx(images), read_idx(labels)
    if y.ndim != 1 or len(X) != len(y):
        raise ValueError(
            f"{os.fspath(images)} holds {len(X)} images, {os.fspath(labels)} labels of shape {y.shape}"
        )
    return X, y.astype(np.int64) if y.dtype.kind in "iu" else y


def labels_beside(images: str) -> str | None:
    """The labels file that belongs to an images file, or None where there is none."""
    folder, name = os.path.split(images)
    parts = _NAME.fullmatch(name)
    if parts is None or parts["kind"] != "images":
        return None
    folders = [folder]
    if os.path.basename(folder) == name:  # in a folder of its own name, and so are the labels
        folders.append(os.path.dirname(folder))
    found = (find_idx(each, parts["start"], "labels") for each in folders)
    return next((path for path in found if path is not None), None)


def no_labels(images: str) -> str:
    """What is said of an images file that has no labels file."""
    parts = _NAME.fullmatch(os.path.basename(images))
    wanted = f"{parts['start']}labels-idx1-ubyte" if parts else "a name with labels in place of images"
    return f"{images}: no labels file beside it; looked for {wanted}, gzipped or not; {option('labels')} names another"


def find_idx(folder: str, start: str, kind: str) -> str | None:
    """The file of a folder that holds "images" or "labels", its name beginning with ``start``; None where there
    is none.

    It may be in a folder of its own name, as some archives are unpacked. Several with the same content are one
    file, unpacked beside its archive, say.

    Raises:
        ValueError: several files are meant and their contents differ.
    """
    found: list[str] = []
    for name in sorted(os.listdir(folder or ".")):
        parts = _NAME.fullmatch(name)
        if parts is None or (parts["start"], parts["kind"]) != (start, kind):
            continue
        path = os.path.join(folder, name)
        if os.path.isdir(path):
            path = os.path.join(path, name)
        if os.path.isfile(path):
            found.append(path)
    for other in found[1:]:
        one, two = read_idx(found[0]), read_idx(other)
        if one.dtype != two.dtype or not np.array_equal(one, two):
            raise ValueError(
                f"{folder}: {found[0]} and {other} are both possible and differ; leave one of them there"
            )
    return found[0] if found else None
