"""PNG and TIFF files of layouts that Pillow does not write: 16 bits of colour, few bits, colour keys, interlaced."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

#: A PNG's colour type by what its samples are.
PNG_TYPES = {"grey": 0, "RGB": 2, "palette": 3, "grey and alpha": 4, "RGB and alpha": 6}

# First row, first column, and steps, of the seven passes of an interlaced PNG (Adam7).
_PASSES = (
    (0, 0, 8, 8),
    (0, 4, 8, 8),
    (4, 0, 8, 4),
    (0, 2, 4, 4),
    (2, 0, 4, 2),
    (0, 1, 2, 2),
    (1, 0, 2, 1),
)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """Length, kind, data and checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _packed_rows(samples: np.ndarray, bits: int, order: str) -> list[bytes]:
    """Each row of (rows, columns, channels) as bytes, the first sample in the upper bits."""
    if bits == 16:
        return [row.astype(f"{order}u2").tobytes() for row in samples]
    if bits == 8:
        return [row.astype(np.uint8).tobytes() for row in samples]
    masks = 1 << np.arange(bits)[::-1]
    return [np.packbits((row.reshape(-1, 1) & masks) != 0).tobytes() for row in samples]


def write_png(
    path: Path,
    samples: np.ndarray,
    kind: str,
    bits: int = 8,
    interlaced: bool = False,
    key: tuple[int, ...] = (),
    palette: np.ndarray | None = None,
    alphas: bytes = b"",
) -> Path:
    """A PNG of samples (rows, columns, channels) as they are.

    Args:
        kind: one of PNG_TYPES.
        key: the samples of the colour that is transparent (tRNS).
        palette: (colours, 3).
        alphas: of the first colours of the palette (tRNS).
    """
    rows, columns = samples.shape[:2]
    header = struct.pack(">IIBBBBB", columns, rows, bits, PNG_TYPES[kind], 0, 0, int(interlaced))
    parts = [samples[r::down, c::right] for r, c, down, right in _PASSES] if interlaced else [samples]
    data = b"".join(b"\0" + row for part in parts for row in _packed_rows(part, bits, ">"))
    chunks = [png_chunk(b"IHDR", header)]
    if palette is not None:
        chunks.append(png_chunk(b"PLTE", palette.astype(np.uint8).tobytes()))
    if key or alphas:
        chunks.append(png_chunk(b"tRNS", alphas or struct.pack(f">{len(key)}H", *key)))
    chunks += [png_chunk(b"IDAT", zlib.compress(data)), png_chunk(b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    return path


def write_tiff(
    path: Path,
    samples: np.ndarray,
    photometric: int,
    bits: int = 8,
    extra: int | None = None,
    sample_format: int = 1,
    order: str = "<",
) -> Path:
    """An uncompressed TIFF of samples (rows, columns, channels) as they are.

    Args:
        photometric: 0 white is 0, 1 black is 0, 2 RGB, 5 CMYK, 6 YCbCr, 8 Lab.
        extra: of a last channel: 0 unspecified, 1 premultiplied alpha, 2 alpha.
        sample_format: 1 unsigned, 2 signed, 3 floating-point numbers.
        order: ``"<"`` little-endian, ``">"`` big-endian.
    """
    rows, columns, channels = samples.shape
    if sample_format == 1:
        data = b"".join(_packed_rows(samples, bits, order))
    else:
        data = samples.astype(f"{order}{'if'[sample_format - 2]}{bits // 8}").tobytes()
    tags: list[tuple[int, Any]] = [
        (256, columns),
        (257, rows),
        (258, (bits,) * channels),
        (259, 1),
        (262, photometric),
        (273, 8),  # where the only strip begins
        (277, channels),
        (278, rows),
        (279, len(data)),
        (284, 1),
        *([] if extra is None else [(338, extra)]),
        (339, (sample_format,) * channels),
    ]
    start = 8 + len(data) + len(data) % 2
    after = start + 2 + 12 * len(tags) + 4
    entries, behind = b"", b""
    for tag, value in tags:
        values = value if isinstance(value, tuple) else (value,)
        kind, code = (4, "I") if tag in (273, 279) else (3, "H")
        packed = struct.pack(f"{order}{len(values)}{code}", *values)
        if len(packed) > 4:
            packed, behind = struct.pack(f"{order}I", after + len(behind)), behind + packed
        entries += struct.pack(f"{order}HHI", tag, kind, len(values)) + packed.ljust(4, b"\0")
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, start)
    directory = struct.pack(f"{order}H", len(tags)) + entries + struct.pack(f"{order}I", 0)
    path.write_bytes(head + data + bytes(len(data) % 2) + directory + behind)
    return path
