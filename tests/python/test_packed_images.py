"""Photographs packed into one file: whole or not at all, and read only as what they are."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bpnet as bp
from bpnet.data import ImageFolder, PackedImages, pack_images
from bpnet.data.images import folder as folder_module
from bpnet.data.images import packed as module
from ctrl_c import heeded
from photographs import CLASSES, add_bad_files, write_folder

SIZE = 16
HEADER = 4096


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "photographs")


@pytest.fixture
def packed(folder: Path, tmp_path: Path) -> Path:
    pack_images(folder, tmp_path / "packed", SIZE, verbose=0)
    return tmp_path / "packed"


def test_it_holds_what_the_folder_holds(folder: Path, tmp_path: Path):
    reasons = add_bad_files(folder)
    source = ImageFolder(folder, SIZE)
    statistics = source.statistics()
    got = pack_images(folder, tmp_path / "packed", SIZE, threads=3, verbose=0)
    assert got.classes == list(CLASSES) and got.files == source.files and len(got) == len(source) == 24
    assert got.labels.tolist() == source.labels.tolist()
    assert got.statistics().describe() == statistics.describe()
    assert got.fingerprint() == source.fingerprint()
    assert sorted(problem.path for problem in got.problems) == sorted(str(folder / name) for name in reasons)
    images, rows, _ = source.gather(np.arange(24, dtype=np.uint64))
    assert got.images.shape == (24, SIZE, SIZE, 3) and not got.images.flags.writeable
    assert got.images.tobytes() == images[rows].tobytes()


@pytest.mark.parity
def test_other_programs_can_read_it(packed: Path):
    """It is a safetensors file."""
    data = packed.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    begin, end = header["images"]["data_offsets"]
    images = np.frombuffer(data[8 + length :][begin:end], np.uint8).reshape(header["images"]["shape"])
    assert images.tobytes() == PackedImages(packed).images.tobytes()
    safetensors = pytest.importorskip("safetensors.numpy")
    assert safetensors.load_file(packed)["images"].tobytes() == images.tobytes()


def test_the_same_folder_gives_the_same_bytes(folder: Path, packed: Path, tmp_path: Path):
    pack_images(folder, tmp_path / "again", SIZE, threads=3, verbose=0)
    assert (tmp_path / "again").read_bytes() == packed.read_bytes()


@pytest.mark.parametrize("length", [0, 7, 8, 100, HEADER, HEADER + 50, -1, "one more"])
def test_a_file_cut_short_is_refused(packed: Path, length: int | str):
    data = packed.read_bytes()
    packed.write_bytes(data + b"\0" if length == "one more" else data[: int(length)])
    with pytest.raises(bp.FileFormatError, match=str(packed)):
        PackedImages(packed)


def test_every_flipped_byte_but_a_pixel_is_found(packed: Path):
    data = packed.read_bytes()
    pixels = range(HEADER, HEADER + 24 * SIZE * SIZE * 3)
    text_end = len(data[:HEADER].rstrip())
    offsets = [*range(0, text_end, 3), *range(pixels.stop, len(data), 97)]
    for offset in offsets:
        packed.write_bytes(data[:offset] + bytes([data[offset] ^ 1]) + data[offset + 1 :])
        with pytest.raises(bp.FileFormatError, match=re.escape(str(packed))):
            PackedImages(packed)


def flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 4
    path.write_bytes(data)


@pytest.mark.parametrize("index", [0, 5, 23])
def test_a_flipped_bit_of_a_pixel_is_found(packed: Path, index: int):
    flip(packed, HEADER + index * SIZE * SIZE * 3 + 100)
    everything = np.arange(24, dtype=np.uint64)
    got = PackedImages(packed)
    for _ in range(2):
        images, rows, samples = got.gather(everything[::-1])
        assert rows.tolist() == samples.tolist() == [n for n in range(23, -1, -1) if n != index]
    reason = "its pixels do not fit their checksum; pack the folder anew"
    assert [str(problem) for problem in got.problems] == [f"{packed}: {got.files[index]}: {reason}"]
    with pytest.raises(ValueError, match=f"{got.files[index]}: its pixels do not fit"):
        PackedImages(packed, on_error="raise").gather(everything)
    assert len(PackedImages(packed, on_error="raise").gather(np.delete(everything, index))[2]) == 23
    with pytest.raises(ValueError, match="images: on_error is 'stop'"):
        PackedImages(packed, on_error="stop")


def as_format_1(path: Path) -> None:
    """The file as it was before photographs had checksums."""
    data = path.read_bytes()
    header = json.loads(data[8:HEADER])
    begin, end = header.pop("checksums")["data_offsets"]
    for name, entry in header.items():
        if name != "__metadata__" and entry["data_offsets"][0] >= end:
            entry["data_offsets"] = [offset - (end - begin) for offset in entry["data_offsets"]]
    header["__metadata__"]["bpnet.images"] = "1"
    text = json.dumps(header).ljust(HEADER - 8).encode()
    path.write_bytes(data[:8] + text + data[HEADER : HEADER + begin] + data[HEADER + end :])
    rewrite(path, lambda header: None)


def test_a_file_without_checksums_is_read_as_it_is(packed: Path):
    whole = PackedImages(packed)
    as_format_1(packed)
    got = PackedImages(packed)
    everything = np.arange(24, dtype=np.uint64)
    assert got.gather(everything)[2].tolist() == everything.tolist()
    assert got.images.tobytes() == whole.images.tobytes() and got.fingerprint() == whole.fingerprint()


def rewrite(path: Path, change: Callable[[dict], None]) -> None:
    """Change the header, with a checksum that is right."""
    data = path.read_bytes()
    header = json.loads(data[8:HEADER])
    change(header)
    header["__metadata__"]["bpnet.checksum"] = module._NO_CHECKSUM
    text = json.dumps(header).ljust(HEADER - 8).encode()
    first = HEADER + header["images"]["data_offsets"][1]
    crc = module.zlib.crc32(data[first:], module.zlib.crc32(text))
    text = text.replace(module._NO_CHECKSUM.encode(), f"crc32:{crc:08x}".encode())
    path.write_bytes(data[:8] + text + data[HEADER:])


WRONG_HEADERS: dict[str, Callable[[dict], None]] = {
    "more images": lambda h: h["images"].update(shape=[25, SIZE, SIZE, 3]),
    "a huge number of images": lambda h: h["images"].update(shape=[2**62, SIZE, SIZE, 3]),
    "negative sizes": lambda h: h["images"].update(shape=[-24, -SIZE, SIZE, 3]),
    "sizes that are no numbers": lambda h: h["images"].update(shape=["24", SIZE, SIZE, 3]),
    "another shape": lambda h: h["images"].update(shape=[24, 3, SIZE, SIZE]),
    "a list of lists": lambda h: h["images"].update(shape=[[24], SIZE, SIZE, 3]),
    "no shape": lambda h: h["images"].pop("shape"),
    "an unknown type": lambda h: h["labels"].update(dtype="U128"),
    "a type that is a list": lambda h: h["labels"].update(dtype=[]),
    "another type": lambda h: h["labels"].update(dtype="F64"),
    "offsets of another": lambda h: h["mean"].update(data_offsets=[0, 3072]),
    "another format": lambda h: h["__metadata__"].update({"bpnet.images": "3"}),
    "no format": lambda h: h["__metadata__"].pop("bpnet.images"),
    "labels and mean swapped": lambda h: h.update(labels=h["mean"], mean=h["labels"]),
    "no checksums": lambda h: h.pop("checksums"),
    "the old format": lambda h: h["__metadata__"].update({"bpnet.images": "1"}),
    "no names": lambda h: h.pop("names"),
}


@pytest.mark.parametrize("change", WRONG_HEADERS.values(), ids=WRONG_HEADERS)
def test_wrong_headers_are_refused(packed: Path, change: Callable[[dict], None]):
    rewrite(packed, change)
    with pytest.raises(bp.FileFormatError, match=str(packed)):
        PackedImages(packed)


def test_the_truth_told_anew_is_taken(packed: Path):
    """So that the test above fails for what it says."""
    rewrite(packed, lambda header: None)
    assert len(PackedImages(packed)) == 24


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff" * 5000, b"\0" * 5000, b"PK\3\4" * 2000])
def test_other_files_are_refused(tmp_path: Path, content: bytes):
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(bp.FileFormatError, match="other: this is no file of packed images"):
        PackedImages(tmp_path / "other")


def test_what_cannot_be_written_or_read(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        PackedImages(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        pack_images(folder, tmp_path / "nowhere" / "packed", SIZE, verbose=0)
    with pytest.raises(IsADirectoryError, match=re.escape(str(tmp_path))):
        pack_images(folder, tmp_path, SIZE, verbose=0)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: type("usage", (), {"free": 1000}))
    with pytest.raises(OSError, match="the packed images need 18,432 bytes, 1,000 are free") as caught:
        pack_images(folder, tmp_path / "packed", SIZE, verbose=0)
    assert caught.value.filename == str(tmp_path / "packed")
    assert sorted(os.listdir(tmp_path)) == ["photographs"]


def test_a_photograph_is_not_packed_over(folder: Path):
    photograph = folder / "red" / "000.jpg"
    before = photograph.read_bytes()
    with pytest.raises(ValueError, match="this file is below .*, the folder, which is read"):
        pack_images(folder, photograph, SIZE, verbose=0)
    assert photograph.read_bytes() == before


def test_an_error_on_the_way_leaves_the_old_file(folder: Path, packed: Path):
    before = packed.read_bytes()
    (folder / "red" / "bad.jpg").write_bytes(b"no image")
    with pytest.raises(ValueError, match="bad.jpg"):
        pack_images(folder, packed, SIZE, on_error="raise", verbose=0)
    assert packed.read_bytes() == before
    assert sorted(os.listdir(packed.parent)) == ["packed", "photographs"]


def test_a_folder_of_bad_files_only(tmp_path: Path):
    (tmp_path / "red").mkdir()
    (tmp_path / "red" / "bad.jpg").write_bytes(b"no image")
    with pytest.raises(ValueError, match="none of its files is a photograph; 1 was passed over"):
        pack_images(tmp_path, tmp_path / "packed", verbose=0)
    assert sorted(os.listdir(tmp_path)) == ["red"]


@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
@pytest.mark.parametrize("at", [1, 2, 50, 120])
def test_ctrl_c_leaves_nothing_and_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int):
    """At the first photographs and at the last; those that wait are not decoded any more."""
    threads, count = 2, itertools.count(1)
    large = write_folder(tmp_path / "photographs", each=40)
    begun: list[int] = []

    def decode(*arguments: Any) -> Any:
        begun.append(next(count))
        if begun[-1] == at:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        return folder_module.decode_before(*arguments)

    monkeypatch.setattr(folder_module, "decode_before", folder_module.decode, raising=False)
    monkeypatch.setattr(folder_module, "decode", decode)
    with heeded(), pytest.raises(KeyboardInterrupt):
        pack_images(large, tmp_path / "packed", SIZE, threads=threads, verbose=0)
    assert sorted(os.listdir(tmp_path)) == ["photographs"]
    assert at <= len(begun) <= at + (folder_module._AHEAD + 2) * threads
