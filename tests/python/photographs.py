"""Small photographs made for the tests, good ones and bad ones."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from image_files import png_chunk

CLASSES = ("blue", "green", "red")


def picture(label: int, seed: int, size: tuple[int, int] = (24, 20)) -> np.ndarray:
    """(rows, columns, 3): noise in which colour ``label`` is strong."""
    numbers = np.random.default_rng(1000 * label + seed)
    pixels = numbers.integers(0, 120, (size[1], size[0], 3), dtype=np.uint8)
    pixels[..., 2 - label] += 120
    return pixels


def write_folder(folder: Path, each: int = 8, classes: tuple[str, ...] = CLASSES, first: int = 0) -> Path:
    """``each`` photographs in each class folder, PNG and JPEG in turn."""
    for label, name in enumerate(classes):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for n in range(each):
            kind = "png" if n % 2 else "jpg"
            Image.fromarray(picture(label, first + n)).save(folder / name / f"{n:03}.{kind}", quality=95)
    return folder


def png_that_declares(width: int, height: int) -> bytes:
    """A PNG whose header claims this size, with no pixels behind it."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + png_chunk(b"IDAT", zlib.compress(b""))
        + png_chunk(b"IEND", b"")
    )


def add_bad_files(folder: Path) -> dict[str, str]:
    """Every kind of bad file in the first class folder: the path below ``folder``, and what is said of it."""
    first = folder / CLASSES[0]
    whole = (first / "000.jpg").read_bytes()
    (first / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (first / "truncated.png").write_bytes((first / "001.png").read_bytes()[:200])
    (first / "huge.png").write_bytes(png_that_declares(20_000, 20_000))
    (first / "large.png").write_bytes(png_that_declares(10_000, 10_000))
    Image.new("RGB", (1, 1)).save(first / "dot.png")
    (first / "notes.txt").write_text("no image")
    (first / "empty.jpg").write_bytes(b"")
    (first / "dangling.jpg").symlink_to(first / "nowhere.jpg")
    (first / "gif.jpg").write_bytes(b"GIF89a" + bytes(20))
    reasons = {
        "truncated.jpg": "truncated",
        "truncated.png": "truncated|damaged",
        "huge.png": "declares more than .* pixels",
        "large.png": "declares more than .* pixels",
        "dot.png": "has 1 x 1 pixels, at least 8 x 8",
        "notes.txt": "no JPEG, PNG, ",
        "empty.jpg": "no JPEG, PNG, ",
        "dangling.jpg": "not a readable file",
        "gif.jpg": "no JPEG, PNG, ",
    }
    return {f"{CLASSES[0]}/{name}": reason for name, reason in reasons.items()}
