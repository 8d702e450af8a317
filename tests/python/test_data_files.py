"""IDX, npz and CSV files: read as published, and refused with their name (and line) when they are broken."""

from __future__ import annotations

import contextlib
import gzip
import io
import itertools
import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bpnet as bp
from bpnet.data import Table, read_csv, read_idx, read_idx_pair, read_npz

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
IMAGES = np.random.default_rng(0).integers(0, 256, (5, 3, 4)).astype(np.uint8)
DIGITS = np.array([7, 2, 1, 0, 4], np.uint8)


def idx(array: np.ndarray, code: int = 0x08) -> bytes:
    sizes = b"".join(struct.pack(">I", size) for size in array.shape)
    return bytes([0, 0, code, array.ndim]) + sizes + array.astype(TYPES[code]).tobytes()


def refused(path: Path, read: Callable[[Path], Any], kind: type = bp.FileFormatError) -> str:
    with pytest.raises(kind) as caught:
        read(path)
    text = str(caught.value)
    assert str(path) in text and "\n" not in text, text
    return text


# IDX.


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("shape", [(6,), (2, 3), (2, 3, 4), (1, 2, 3, 4, 1, 1, 1, 2)])
@pytest.mark.parametrize("code", TYPES)
def test_idx_of_every_type(tmp_path: Path, code: int, shape: tuple[int, ...], packed: bool):
    array = (np.arange(np.prod(shape)).reshape(shape) * 5 - (0 if code == 0x08 else 7)).astype(TYPES[code])
    raw = idx(array, code)
    (tmp_path / "x").write_bytes(gzip.compress(raw) if packed else raw)
    found = read_idx(tmp_path / "x")
    assert found.dtype == array.dtype.newbyteorder("=") and found.dtype.isnative
    assert np.array_equal(found, array)
    assert np.array_equal(read_idx(str(tmp_path / "x")), array)


@pytest.mark.parametrize("images", ["train-images-idx3-ubyte", "train-images-idx3-ubyte.gz"])
@pytest.mark.parametrize("labels", ["train-labels-idx1-ubyte", "train-labels-idx1-ubyte.gz"])
def test_idx_as_published(tmp_path: Path, images: str, labels: str):
    for name, array in ((images, IMAGES), (labels, DIGITS)):
        raw = idx(array)
        (tmp_path / name).write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    X, y = read_idx_pair(tmp_path / images)
    assert np.array_equal(X, IMAGES) and X.dtype == np.uint8
    assert np.array_equal(y, DIGITS) and y.dtype == np.int64
    net = bp.Network((3, 4), [bp.Flatten(), bp.Linear(10)])
    net.fit(X, y, verbose=0)


def test_idx_pairs_that_do_not_fit(tmp_path: Path):
    images, labels = tmp_path / "a-images-idx3-ubyte", tmp_path / "a-labels-idx1-ubyte"
    images.write_bytes(idx(IMAGES))
    assert "a-labels-idx1-ubyte" in refused(images, read_idx_pair, ValueError)
    labels.write_bytes(idx(DIGITS[:4]))
    assert "5 images" in refused(images, read_idx_pair, ValueError)
    labels.write_bytes(idx(DIGITS[:, None]))
    refused(images, read_idx_pair, ValueError)
    (tmp_path / "other").write_bytes(idx(IMAGES))
    refused(tmp_path / "other", read_idx_pair, ValueError)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_idx_pair(images, tmp_path / "nowhere")


@pytest.mark.parametrize("packed", [False, True])
def test_idx_cut_off_anywhere(tmp_path: Path, packed: bool):
    raw = gzip.compress(idx(IMAGES)) if packed else idx(IMAGES)
    path = tmp_path / "x"
    for length in range(len(raw)):
        path.write_bytes(raw[:length])
        refused(path, read_idx)
    for more in (b"\0", b"x" * 9):
        path.write_bytes(raw + more)
        if not (packed and more == b"\0"):  # gzip allows zeros behind
            refused(path, read_idx)


def test_idx_with_a_flipped_bit_in_its_header(tmp_path: Path):
    raw = idx(IMAGES)
    for at, bit in itertools.product(range(16), range(8)):
        (tmp_path / "x").write_bytes(raw[:at] + bytes([raw[at] ^ 1 << bit]) + raw[at + 1 :])
        try:
            found = read_idx(tmp_path / "x")
        except bp.FileFormatError:
            continue
        assert raw[at] ^ 1 << bit == 0x09 and at == 2, "bytes may be signed; nothing else fits"
        assert found.dtype == np.int8


F = 0xFFFFFFFF
SIZES = [
    *[(n,) for n in (0, 1, 61, F)],
    *[(F, F), (2**31, 2**31), (F, 2**29), (2**30, 2**30), (2**16, 2**16, 2**16, 2**16), (2**32 // 5, 5)],
    *[(0, F, F), (F, 0, F), (F, F, 0), (0, 0), (F,) * 8, (2**8,) * 8, (2**31, 2, 2**31, 2), (F, 1, 1, 1)],
]


@pytest.mark.parametrize("code", TYPES)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_idx_with_lying_sizes(tmp_path: Path, sizes: tuple[int, ...], code: int):
    """60 bytes of data, whatever the header says."""
    header = bytes([0, 0, code, len(sizes)]) + b"".join(struct.pack(">I", size) for size in sizes)
    (tmp_path / "x").write_bytes(header + bytes(60))
    refused(tmp_path / "x", read_idx)
    if 0 in sizes:  # an empty array may be read, or refused
        (tmp_path / "x").write_bytes(header)
        with contextlib.suppress(bp.FileFormatError):
            assert read_idx(tmp_path / "x").size == 0


@pytest.mark.parametrize(
    "head", [b"\0\0\x08\0", b"\0\0\x08\x09", b"\0\0\x08\xff", b"\0\0\x0a\1", b"\0\0\0\1", b"\1\0\x08\1"]
)
def test_idx_with_a_bad_magic_number(tmp_path: Path, head: bytes):
    (tmp_path / "x").write_bytes(head + bytes(2000))
    refused(tmp_path / "x", read_idx)


def test_idx_in_broken_gzip(tmp_path: Path):
    raw = gzip.compress(idx(IMAGES), mtime=0)
    wrong = []
    for at, bit in itertools.product(range(len(raw)), range(8)):
        (tmp_path / "x").write_bytes(raw[:at] + bytes([raw[at] ^ 1 << bit]) + raw[at + 1 :])
        try:
            assert np.array_equal(read_idx(tmp_path / "x"), IMAGES)  # the time, the system: nobody asks
        except bp.FileFormatError:
            pass
        except Exception as error:
            wrong.append(f"byte {at}, bit {bit}: {error!r}")
    assert not wrong, wrong[:5]


def test_files_that_are_not_there(tmp_path: Path):
    for read in (read_idx, read_npz, read_csv, read_idx_pair):
        with pytest.raises((FileNotFoundError, ValueError), match="nowhere"):
            read(tmp_path / "nowhere")
        with pytest.raises((IsADirectoryError, ValueError), match=re.escape(str(tmp_path))):
            read(tmp_path)


# npz.


class Trap:
    """Unpickled, it would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return open, (str(self.path), "w")


def test_npz_comes_back(tmp_path: Path):
    arrays = {"X": np.eye(3, dtype=np.float32), "y": np.arange(3), "names": np.array(["ä", "b", "c"])}
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "x.npz", **arrays)
        found = read_npz(tmp_path / "x.npz")
        assert list(found) == list(arrays)
        assert all(np.array_equal(found[name], array) for name, array in arrays.items())


@pytest.mark.parametrize("name", ["X", "y"])
def test_npz_with_pickled_objects_is_refused_and_not_run(tmp_path: Path, name: str):
    arrays: dict[str, Any] = {"X": np.eye(3), "y": np.arange(3)}
    arrays[name] = np.array([Trap(tmp_path / "sprung")] * 3, dtype=object)
    np.savez(tmp_path / "x.npz", **arrays)
    refused(tmp_path / "x.npz", read_npz)
    assert not (tmp_path / "sprung").exists()


def test_npz_of_another_kind(tmp_path: Path):
    path = tmp_path / "x.npz"
    with open(path, "wb") as file:
        np.save(file, np.eye(3))
    assert "single array" in refused(path, read_npz)
    for content in (b"", b"PK", b"hello, world", b"\x80\x04N.", bytes(100)):
        path.write_bytes(content)
        refused(path, read_npz)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(
            "X.npy", b"\x93NUMPY\1\0v\0{'descr': '<f8', 'fortran_order': False, 'shape': (9999999999,)}"
        )
    refused(path, read_npz)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("readme.txt", "no array")
    refused(path, read_npz)


def test_npz_cut_off_or_changed(tmp_path: Path):
    memory = io.BytesIO()
    np.savez_compressed(memory, X=np.eye(4), y=np.arange(4))
    raw = memory.getvalue()
    path = tmp_path / "x.npz"
    wrong = []
    damaged = [raw[:length] for length in range(0, len(raw), 5)]
    damaged += [raw[:at] + bytes([raw[at] ^ 1 << at % 8]) + raw[at + 1 :] for at in range(len(raw))]
    for content in damaged:
        path.write_bytes(content)
        try:
            read_npz(path)
        except (bp.FileFormatError, OSError):
            pass
        except Exception as error:
            wrong.append(repr(error))
    assert not wrong, f"{len(wrong)} wrong: {wrong[:5]}"


# CSV.


def table(tmp_path: Path, text: str | bytes) -> Table:
    (tmp_path / "t.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_csv(tmp_path / "t.csv")


GOOD: dict[str, tuple[str | bytes, list[str], list[list[str]]]] = {
    "plain": ("a,b\n1,2\n3,4\n", ["a", "b"], [["1", "2"], ["3", "4"]]),
    "without a last newline": ("a,b\n1,2", ["a", "b"], [["1", "2"]]),
    "Windows": ("a,b\r\n1,2\r\n", ["a", "b"], [["1", "2"]]),
    "old Macintosh": ("a,b\r1,2\r", ["a", "b"], [["1", "2"]]),
    "BOM": (b"\xef\xbb\xbfa,b\n1,2\n", ["a", "b"], [["1", "2"]]),
    "semicolons": ("a;b\n1,5;2\n", ["a", "b"], [["1,5", "2"]]),
    "tabs": ("a\tb\n1\t2, 3\n", ["a", "b"], [["1", "2, 3"]]),
    "spaces": (" a , b\n 1 ,2 \n", ["a", "b"], [["1", "2"]]),
    "blank lines": ("a,b\n\n1,2\n\n\n3,4\n\n", ["a", "b"], [["1", "2"], ["3", "4"]]),
    "quoted": ('a,"b, c"\n"1, 2","say ""hi"""\n', ["a", "b, c"], [["1, 2", 'say "hi"']]),
    "newlines in quotes": ('a,b\n"1\n2",3\n', ["a", "b"], [["1\n2", "3"]]),
    "newlines in the header": ('"a\nb",c\n1,2\n', ["a\nb", "c"], [["1", "2"]]),
    "one column": ("a\n1\n2\n", ["a"], [["1"], ["2"]]),
    "empty cells": ("a,b\n,\n1,\n", ["a", "b"], [["", ""], ["1", ""]]),
    "Unicode": ("größe,日本\n1,🙂\n", ["größe", "日本"], [["1", "🙂"]]),
}


def rows_of(table: Table) -> list[list[str]]:
    return [list(row) for row in zip(*table.columns)]


@pytest.mark.parametrize("name", GOOD)
def test_csv_is_read(tmp_path: Path, name: str):
    text, header, rows = GOOD[name]
    found = table(tmp_path, text)
    assert (found.header, rows_of(found), len(found)) == (header, rows, len(rows))


BAD: dict[str, tuple[str | bytes, tuple[str, ...]]] = {
    "empty": ("", ("empty",)),
    "only newlines": ("\n\n\n", ("empty",)),
    "only a BOM": (b"\xef\xbb\xbf", ("empty",)),
    "only commas": (",,\n1,2,3\n", ("header",)),
    "only a header": ("a,b\n", ("no rows",)),
    "a header and blank lines": ("a,b\n\n\n", ("no rows",)),
    "a short row": ("a,b\n1,2\n3\n", ("line 3", "1 field", "2")),
    "a long row": ("a,b\n1,2\n3,4,5\n", ("line 3", "3 fields", "2")),
    "a long row after newlines": ('a,b\n"1\n\n",2\n3,4,5\n', ("line 5", "3 fields")),
    "a long row after blank lines": ("a,b\n\n\n3,4,5\n", ("line 4",)),
    "two columns of a name": ("a,b,a\n1,2,3\n", ("line 1", "'a' twice")),
    "an open quote": ('a,b\n1,"2\n3,4\n', ("line",)),
    "text behind a quote": ('a,b\n"1"2,3\n', ("line 2",)),
    "Latin-1": (
        "größe,b\n1,2\n".encode("latin-1"),
        ("line 1", "UTF-8", "byte 2", "0xf6", "encoding='latin-1'"),
    ),
    "UTF-16 without a mark": ("a,b\n1,2\n".encode("utf-16-le"), ("line 1", "NUL", "encoding='utf-16'")),
    "a bad byte far down": (
        b"a,b\n" + b"1,2\n" * 9999 + b"3,\xff\n",
        ("line 10001", "UTF-8", "byte 40002", "0xff"),
    ),
    "binary": (bytes(range(256)), ("",)),
    "a huge field": ("a,b\n1," + "x" * 200_000 + "\n", ("line 2",)),
}


@pytest.mark.parametrize("name", BAD)
def test_csv_is_refused(tmp_path: Path, name: str):
    text, fragments = BAD[name]
    (tmp_path / "t.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    message = refused(tmp_path / "t.csv", read_csv, ValueError)
    for fragment in fragments:
        assert fragment in message


def test_csv_with_zeros(tmp_path: Path):
    """Old Pythons refuse them; either way nothing is cut off."""
    try:
        assert rows_of(table(tmp_path, b"a,b\n1,x\0y\n")) == [["1", "x\0y"]]
    except ValueError as error:
        assert "line 2" in str(error)


def test_lines_are_those_of_the_file(tmp_path: Path):
    found = table(tmp_path, 'a,b\n\n"x\ny",1\n2,3\n')
    assert [found.where(row).rpartition(", ")[2] for row in range(2)] == ["line 4", "line 5"]


def test_random_bytes_crash_no_reader(tmp_path: Path):
    rng = np.random.default_rng(3)
    seeds = [b"a,b\n1,2\n", idx(IMAGES), gzip.compress(idx(IMAGES)), b"PK\3\4" + bytes(40)]
    for trial in range(300):
        raw = bytearray(seeds[trial % 4])
        for _ in range(rng.integers(1, 6)):
            raw[rng.integers(len(raw))] = rng.integers(256)
        (tmp_path / "x").write_bytes(raw)
        for read in (read_csv, read_idx, read_npz):
            try:
                read(tmp_path / "x")
            except (ValueError, OSError) as error:
                assert "\n" not in str(error)
