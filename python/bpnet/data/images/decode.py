"""One photograph: a file becomes (size, size, 3) bytes of RGB. By Pillow, the extra ``images``."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from bpnet.data.images.rgb import BadImage, check_samples, to_rgb, transparent_colour

# The containers that are read, by Pillow's names, recognised by their contents.
FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "WEBP", "GIF", "PPM")

# A photograph narrower than this holds no picture.
LEAST_SIDE = 8

# JPEG files are decoded at a half, a quarter or an eighth of their size where that leaves this many times
# what is wanted: libjpeg then does most of the shrinking, in a fraction of the time.
_SPARE = 2

# What turns a picture upright, by EXIF's orientation; 1 is upright already.
_UPRIGHT = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
_ORIENTATION = 0x0112


def require_pillow() -> Any:
    """PIL.Image; an ImportError that names the extra."""
    try:
        from PIL import Image
    except ImportError:
        raise ImportError(
            "photographs need Pillow: pip install 'backpropnet[images]', or '.[images]' in a checkout"
        ) from None
    return Image


def decode(path: str | os.PathLike[str], size: int = 256) -> np.ndarray:
    """The photograph as (size, size, 3) uint8: rotated upright as EXIF says, its shortest side resized
    to ``size`` (a smaller one is enlarged), the middle square kept.

    JPEG, PNG, TIFF, BMP, WebP, GIF and PPM (PBM, PGM), recognised by their contents, whatever the file is called.
    The same picture gives the same pixels in every lossless one of them, in any bit depth and mode: grey is repeated,
    palettes and CMYK are converted, 16 bits become the upper 8, and what is transparent is white, for α c + (1 − α) 255
    is taken of each value c with opacity α. Colour profiles and gamma are ignored. Of several frames or pages the first
    is taken.

    Raises:
        BadImage: with the reason: unreadable, none of these, truncated, below 8 pixels, more pixels than
            Pillow's limit (``PIL.Image.MAX_IMAGE_PIXELS``), or samples of which black and white are not known:
            floating-point, signed, of 12 or 32 bits, LAB, YCbCr outside JPEG.
    """
    Image = require_pillow()
    if not os.path.isfile(path):  # a pipe would be waited for
        raise BadImage("it is not a readable file")
    try:
        with open(path, "rb") as file, Image.open(file, formats=FORMATS) as image:
            _check_pixels(image, Image.MAX_IMAGE_PIXELS)
            _check_sides(image)
            image.draft(None, (_SPARE * size, _SPARE * size))
            check_samples(image)
            transparent = transparent_colour(image)
            image.load()
            upright = _upright(to_rgb(image, transparent, Image), _orientation(image), Image)
            return _middle_square(upright, size, Image)
    except BadImage:
        raise
    except Image.UnidentifiedImageError:
        names = f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
        raise BadImage(f"it is no {names} image that Pillow can read") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BadImage(_too_large(Image.MAX_IMAGE_PIXELS)) from None
    except OSError as error:
        raise BadImage(error.strerror or str(error)) from None
    except MemoryError:
        raise BadImage("there is not enough memory to decode it") from None
    except Exception as error:  # a damaged file makes Pillow's decoders raise nearly anything
        raise BadImage(f"it is damaged: {error or type(error).__name__}") from None


def _too_large(limit: int) -> str:
    return f"it declares more than {limit:,} pixels, the limit of PIL.Image.MAX_IMAGE_PIXELS"


def _check_pixels(image: Any, limit: int | None) -> None:
    # Pillow itself only warns up to twice its limit.
    if limit is not None and image.width * image.height > limit:
        raise BadImage(_too_large(limit))


def _check_sides(image: Any) -> None:
    if min(image.size) < LEAST_SIDE:
        raise BadImage(
            f"it has {image.width} x {image.height} pixels, at least {LEAST_SIDE} x {LEAST_SIDE} are needed"
        )


def _orientation(image: Any) -> Any:
    """EXIF's number from 1 to 8, or whatever is there instead."""
    if image.format == "TIFF":  # Pillow applies it when it loads the pixels
        return 1
    try:
        return image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged EXIF data spoil no picture
        return 1


def _upright(image: Any, orientation: Any, Image: Any) -> Any:
    method = _UPRIGHT.get(orientation)
    return image if method is None else image.transpose(getattr(Image.Transpose, method))


def _middle_square(image: Any, size: int, Image: Any) -> np.ndarray:
    # The square is cut before it is resized, so that a long strip takes no more memory than a square.
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    box = (left, top, left + side, top + side)
    return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC, box=box))
