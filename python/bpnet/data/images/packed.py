"""Photographs decoded once into one file that is mapped into memory.

A safetensors file: ``images`` (N, size, size, 3) U8 first, then ``labels`` (N,) I64, ``checksums`` (N,) U32, the
CRC-32 of each image, ``mean`` (size, size, 3) F32, ``eigenvalues`` (3,) and ``eigenvectors`` (3, 3) F64, and
``names``, a JSON text of classes, files and what was passed over. The checksum in the header covers all but the
images. Files of format 1 have no ``checksums``; their images are taken as they are.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import zlib
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

from bpnet import _core
from bpnet.console import escaped
from bpnet.data.images.folder import ImageFolder, ImageProblem, check_on_error, fingerprint
from bpnet.data.images.statistics import ImageStatistics, StatisticsSum
from bpnet.output_files import check_not_read, replacing
from bpnet.progress_bar import new_bar

_FORMAT = "2"
_HEADER = 4096  # bytes before the images: the length and the header, padded with spaces
_DTYPES = {"U8": "u1", "I64": "<i8", "U32": "<u4", "F32": "<f4", "F64": "<f8"}
_TENSORS = {
    "images": "U8",
    "labels": "I64",
    "checksums": "U32",
    "mean": "F32",
    "eigenvalues": "F64",
    "eigenvectors": "F64",
    "names": "U8",
}
_NO_CHECKSUM = "crc32:00000000"


class PackedImages:
    """The photographs of a file that :func:`pack_images` wrote, read through a memory map. Each is checked
    against its checksum when :meth:`gather` first meets it.

    Args:
        path: the file.
        on_error: ``"skip"`` passes damaged photographs over and lists them in ``problems``; ``"raise"`` makes
            the first an error.

    Attributes:
        path, size, classes, files, labels: as :class:`ImageFolder` has them.
        problems: what was passed over when it was packed, and since.
        images: (N, size, size, 3) uint8, a read-only memory map, unchecked.

    Raises:
        OSError: the file cannot be read.
        FileFormatError: it is not a whole file of this kind.
    """

    def __init__(self, path: str | os.PathLike[str], on_error: str = "skip") -> None:
        check_on_error(on_error)
        self.path = os.fspath(path)
        self.on_error = on_error
        try:
            with open(self.path, "rb") as file:
                tensors = _read_header(file)
                arrays = {name: _read_array(file, *tensors[name]) for name in list(tensors)[1:]}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
            if isinstance(error, _core.FileFormatError):
                raise _core.FileFormatError(f"{self.path}: {error}") from None
            raise _core.FileFormatError(f"{self.path}: its header is not that of packed images") from None
        _, shape, _ = tensors["images"]
        self.size = shape[1]
        self.labels = arrays["labels"].astype(np.int64)
        self._checksums = arrays.get("checksums")
        self._statistics = ImageStatistics(arrays["mean"], arrays["eigenvalues"], arrays["eigenvectors"])
        self.classes, self.files, self.problems = _read_names(self.path, arrays["names"])
        self._check(shape)
        self.images = np.memmap(self.path, dtype=np.uint8, mode="r", offset=_HEADER, shape=shape)
        self._checked = np.full(shape[0], self._checksums is None)
        self._damaged = np.zeros(shape[0], dtype=bool)

    def _check(self, shape: tuple[int, ...]) -> None:
        sound = (
            (self._checksums is None or self._checksums.shape == (shape[0],))
            and len(self.files) == len(self.labels) == shape[0]
            and self._statistics.mean.shape == shape[1:]
            and self._statistics.eigenvalues.shape == (3,)
            and self._statistics.eigenvectors.shape == (3, 3)
            and ((self.labels >= 0) & (self.labels < len(self.classes))).all()
        )
        if not sound:
            raise _core.FileFormatError(f"{self.path}: images, labels and names do not fit together")

    def __len__(self) -> int:
        return len(self.files)

    def fingerprint(self) -> str:
        """A checksum of classes, files and labels, that of the folder it was packed from."""
        return fingerprint(self.classes, self.files, self.labels)

    def gather(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(images, rows, samples): images[rows[i]] is photograph number samples[i]. The damaged ones among
        ``indices`` are left out."""
        for index in indices[~self._checked[indices]]:
            self._verify(int(index))
        sound = indices[~self._damaged[indices]]
        return self.images, sound, sound

    def _verify(self, index: int) -> None:
        assert self._checksums is not None
        if zlib.crc32(self.images[index].reshape(-1)) != self._checksums[index]:
            problem = ImageProblem(
                f"{self.path}: {self.files[index]}",
                "its pixels do not fit their checksum; pack the folder anew",
            )
            if self.on_error == "raise":
                raise ValueError(str(problem))
            self.problems.append(problem)
            self._damaged[index] = True
        self._checked[index] = True

    def statistics(self) -> ImageStatistics:
        """The set's statistics, as they were measured when it was packed."""
        return self._statistics


def pack_images(
    folder: ImageFolder | str | os.PathLike[str],
    path: str | os.PathLike[str],
    size: int = 256,
    threads: int | None = None,
    on_error: str = "skip",
    verbose: int = 1,
) -> PackedImages:
    """Decode a folder's photographs into one file, whole or not at all: it is written beside ``path`` under
    another name and renamed when it is complete. A photograph takes size · size · 3 bytes, 192 KiB at 256.

    Args:
        folder: an :class:`ImageFolder`, or the path of one with these ``size``, ``threads`` and ``on_error``.
        verbose: 1 shows a progress bar.

    Raises:
        OSError: the folder cannot be read, or the file not be written.
        ValueError: the folder holds no photograph; or ``path`` is one of its files.
    """
    if not isinstance(folder, ImageFolder):
        folder = ImageFolder(folder, size, threads, on_error)
    check_not_read("pack", path, {"the folder": folder.path})
    with replacing("pack", path) as file:
        _check_space(file.name, len(folder) * folder.size**2 * 3)
        _write(file, folder, verbose)
    return PackedImages(path, folder.on_error)


def _check_space(target: str, needed: int) -> None:
    free = shutil.disk_usage(os.path.dirname(target) or ".").free
    if needed > free:
        raise OSError(28, f"the packed images need {needed:,} bytes, {free:,} are free", target)


def _write(file: BinaryIO, folder: ImageFolder, verbose: int) -> None:
    file.write(bytes(_HEADER))
    total = StatisticsSum(folder.size)
    bad = []
    checksums = []
    bar = new_bar(verbose, len(folder), " images", "packing")
    try:
        for index, image, products in folder.each(StatisticsSum.products):
            if image is None:
                bad.append(folder.files[index])
            else:
                file.write(image.tobytes())
                checksums.append(zlib.crc32(image.tobytes()))
                total.add(image, products)
            bar.update(1)
    finally:
        bar.close()
    folder.leave_out(bad)
    statistics = total.result()
    names = {
        "classes": folder.classes,
        "files": folder.files,
        "problems": [[problem.path, problem.reason] for problem in folder.problems],
    }
    values: dict[str, np.ndarray] = {
        "labels": folder.labels,
        "checksums": np.array(checksums),
        "mean": statistics.mean,
        "eigenvalues": statistics.eigenvalues,
        "eigenvectors": statistics.eigenvectors,
        "names": np.frombuffer(json.dumps(names).encode(), dtype=np.uint8),
    }
    arrays = {name: value.astype(_DTYPES[_TENSORS[name]]) for name, value in values.items()}
    for array in arrays.values():
        file.write(array.tobytes())
    file.seek(0)
    file.write(_header((len(folder), folder.size, folder.size, 3), arrays))


def _header(shape: tuple[int, ...], arrays: Mapping[str, np.ndarray]) -> bytes:
    end = math.prod(shape)
    entries: dict[str, Any] = {"images": {"dtype": "U8", "shape": list(shape), "data_offsets": [0, end]}}
    for name, array in arrays.items():
        offsets = [end, end + array.nbytes]
        entries[name] = {"dtype": _TENSORS[name], "shape": list(array.shape), "data_offsets": offsets}
        end = offsets[1]
    metadata = {"bpnet.images": _FORMAT, "bpnet.checksum": _NO_CHECKSUM}
    text = json.dumps({"__metadata__": metadata, **entries}).ljust(_HEADER - 8).encode()
    crc = zlib.crc32(text)
    for array in arrays.values():
        crc = zlib.crc32(array.tobytes(), crc)
    return (_HEADER - 8).to_bytes(8, "little") + text.replace(
        _NO_CHECKSUM.encode(), f"crc32:{crc:08x}".encode()
    )


def _read_header(file: BinaryIO) -> dict[str, tuple[str, tuple[int, ...], int]]:
    """(dtype, shape, offset in the file) of each tensor, with all sizes checked against the file's length,
    and the checksum."""
    length = os.fstat(file.fileno()).st_size
    head = file.read(_HEADER)
    if len(head) < _HEADER or int.from_bytes(head[:8], "little") != _HEADER - 8:
        raise _core.FileFormatError("this is no file of packed images, or its packing was cut short")
    text = head[8:]
    entries = json.loads(text)
    metadata = entries.pop("__metadata__")
    version = metadata.get("bpnet.images")
    if version not in ("1", _FORMAT):
        raise _core.FileFormatError(
            f"the packed images have format {version!r}, this bpnet reads formats 1 and {_FORMAT}"
        )
    tensors = {}
    offset = _HEADER
    for name, entry in entries.items():
        shape = tuple(entry["shape"])
        if not all(type(size) is int and size >= 0 for size in shape):
            raise _core.FileFormatError(f"{name!r} has shape {shape}")
        tensors[name] = (entry["dtype"], shape, offset)
        end = offset + math.prod(shape) * np.dtype(_DTYPES[entry["dtype"]]).itemsize
        if entry["data_offsets"] != [offset - _HEADER, end - _HEADER]:
            raise _core.FileFormatError(f"{name!r} of shape {shape} does not span {entry['data_offsets']}")
        offset = end
    if offset != length:
        raise _core.FileFormatError(f"the file has {length:,} bytes, its header claims {offset:,}")
    held = {name: dtype for name, (dtype, _, _) in tensors.items()}
    wanted = {name: dtype for name, dtype in _TENSORS.items() if version != "1" or name != "checksums"}
    if list(held.items()) != list(wanted.items()):
        raise _core.FileFormatError(f"the file holds {held}, {wanted} are needed")
    shape = tensors["images"][1]
    if len(shape) != 4 or shape[1] != shape[2] or shape[3] != 3 or 0 in shape:
        raise _core.FileFormatError(f"the images have shape {shape}")
    _check_checksum(file, text, metadata["bpnet.checksum"], tensors["labels"][2])
    return tensors


def _check_checksum(file: BinaryIO, text: bytes, stored: str, first: int) -> None:
    file.seek(first)
    crc = zlib.crc32(text.replace(stored.encode(), _NO_CHECKSUM.encode()))
    computed = f"crc32:{zlib.crc32(file.read(), crc):08x}"
    if stored != computed:
        raise _core.FileFormatError(f"the checksum is {computed}, not {stored} as in the header")


def _read_array(file: BinaryIO, dtype: str, shape: tuple[int, ...], offset: int) -> np.ndarray:
    file.seek(offset)
    kind = np.dtype(_DTYPES[dtype])
    return np.frombuffer(file.read(math.prod(shape) * kind.itemsize), kind).reshape(shape)


def _read_names(path: str, text: np.ndarray) -> tuple[list[str], list[str], list[ImageProblem]]:
    try:
        names = json.loads(text.tobytes())
        classes, files = names["classes"], names["files"]
        problems = [ImageProblem(*problem) for problem in names["problems"]]
        sound = all(isinstance(each, str) for each in [*classes, *files])
    except (ValueError, KeyError, TypeError, RecursionError):
        sound = False
    if not sound:
        raise _core.FileFormatError(f"{path}: the names of its images are damaged")
    return [escaped(name) for name in classes], files, problems
