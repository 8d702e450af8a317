"""Pixels of any mode as RGB, with what is transparent on white.

What a file's samples mean is asked before Pillow decodes them: it drops bits silently, and forgets how many there were.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np


class BadImage(Exception):
    """Why a file is no photograph to learn from."""


# A grey value, or red, green and blue, in the units of decoded pixels.
Colour: TypeAlias = int | tuple[int, ...]

# By what the samples of a PNG with fewer than 8 bits are multiplied in decoding, by Pillow's name of their layout.
_PNG_SCALES = {"1": 255, "L;2": 85, "L;4": 17}

# Of a TIFF: tag numbers, and the kinds of samples whose black and white are known.
_BITS, _WHITE_IS_ZERO, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 0, 262, 339
_UNSIGNED = 1
_TIFF_BITS = (1, 2, 4, 8, 16)


def check_samples(image: Any) -> None:
    """Before ``image.load()``: a BadImage for samples of which black and white are not known, or of which Pillow
    keeps too little."""
    check = _CHECKS.get(str(image.format))
    if check is not None:
        check(image)
    _conversion(image)


def transparent_colour(image: Any) -> Colour | None:
    """Before ``image.load()``: the one colour whose pixels are transparent; None where there is none, or where it
    belongs to a palette, to which Pillow applies it."""
    colour = image.info.get("transparency")
    if colour is None or image.mode in ("P", "PA"):
        return None
    layout = image.tile[0][3] if image.format == "PNG" and image.tile else ""
    if layout == "RGB;16B":
        raise BadImage("one colour of 16 bits is transparent, and Pillow decodes 8 bits of each colour")
    scale = _PNG_SCALES.get(layout)
    return colour * scale if scale is not None and colour <= 255 // scale else colour


def to_rgb(image: Any, transparent: Colour | None, Image: Any) -> Any:
    """The decoded image in mode RGB.

    Grey is repeated, 16 bits become the upper 8, palettes and CMYK (red = 255 − cyan − black, and so on) are
    converted, and α c + (1 − α) 255 is taken of each value c with opacity α from 0 to 1.

    Raises:
        BadImage: a mode of which black and white are not known.
    """
    converted = _conversion(image)(image, Image)
    if transparent is None:
        return converted
    pixels = np.array(converted)
    pixels[_has_colour(image, transparent)] = 255
    return Image.fromarray(pixels)


def _opaque(image: Any, Image: Any) -> Any:
    return image.convert("RGB")


def _deep_grey(image: Any, Image: Any) -> Any:
    upper = np.asarray(image).astype(np.int64) >> 8
    return Image.fromarray(np.clip(upper, 0, 255).astype(np.uint8)).convert("RGB")


def _on_white(image: Any, Image: Any) -> Any:
    layer = image.convert("RGBA")
    white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, layer).convert("RGB")


def _premultiplied_grey(image: Any, Image: Any) -> Any:
    return _on_white(image.convert("LA"), Image)


# How each mode becomes RGB. Pillow has further ones, such as F, LAB, YCbCr and HSV.
_CONVERSIONS: dict[str, Callable[[Any, Any], Any]] = {
    **dict.fromkeys(("1", "L", "RGB", "CMYK"), _opaque),
    **dict.fromkeys(("I;16", "I;16B", "I"), _deep_grey),
    **dict.fromkeys(("P", "PA", "LA", "RGBA"), _on_white),
    "La": _premultiplied_grey,
}


def _conversion(image: Any) -> Callable[[Any, Any], Any]:
    conversion = _CONVERSIONS.get(image.mode)
    if conversion is None:
        raise BadImage(
            f"its pixels have Pillow's mode {image.mode!r}, of which black and white are not known"
        )
    return conversion


def _has_colour(image: Any, colour: Colour) -> np.ndarray:
    """(rows, columns), bool."""
    pixels = np.asarray(image)
    if image.mode == "RGB":
        return (pixels == np.array(colour)).all(axis=2)
    return (pixels * 255 if image.mode == "1" else pixels) == colour


def _check_tiff(image: Any) -> None:
    tags = image.tag_v2
    if set(tags.get(_SAMPLE_FORMAT, (_UNSIGNED,))) != {_UNSIGNED}:
        raise BadImage(
            "its samples are signed or floating-point numbers, of which black and white are not known"
        )
    bits = max(tags.get(_BITS, (1,)))
    if bits not in _TIFF_BITS:
        raise BadImage(f"its samples have {bits} bits, of a TIFF {', '.join(map(str, _TIFF_BITS))} are read")
    if bits > 8 and tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        raise BadImage("its samples have 16 bits and 0 for white, which Pillow does not decode")


def _check_ppm(image: Any) -> None:
    decoder, _, _, layout = image.tile[0]
    most = layout[-1] if decoder in ("ppm", "ppm_plain") and isinstance(layout, tuple) else None
    if most is not None and most > 255 and (image.mode != "I" or most != 65_535):
        raise BadImage(f"its samples range to {most}; to 255, and of grey to 65535, are read")


def _check_gif(image: Any) -> None:
    covered = image.tile[0][1] if image.tile else None
    if covered != (0, 0, *image.size) and "transparency" not in image.info:
        raise BadImage("its first frame does not cover the picture, and no colour is transparent")


_CHECKS: dict[str, Callable[[Any], None]] = {"TIFF": _check_tiff, "PPM": _check_ppm, "GIF": _check_gif}
