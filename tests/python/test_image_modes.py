"""The same picture in any bit depth, mode and lossless container gives the same pixels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import pytest
from PIL import Image, features

from bpnet.data.images.decode import BadImage, decode
from image_files import write_png, write_tiff

SIZE = 24
Write = Callable[[Path], object]

reads_premultiplied_grey = pytest.mark.skipif(
    int(PIL.__version__.split(".")[0]) < 13, reason="this Pillow does not read premultiplied grey"
)
needs_webp = pytest.mark.skipif(not features.check("webp"), reason="this Pillow is built without WebP")


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (SIZE, SIZE, *shape), dtype=np.uint8)


def few_colours(seed: int, colours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(index of each pixel, its colour), every colour somewhere."""
    indices = np.random.default_rng(seed).permutation(SIZE * SIZE).reshape(SIZE, SIZE) % len(colours)
    return indices.astype(np.uint8), colours[indices]


def saved(picture: np.ndarray | Image.Image, kind: str, mode: str | None = None, **options: object) -> Write:
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image = image if mode is None else image.convert(mode)
    return lambda path: image.save(path, kind, **options)


def webp(picture: np.ndarray) -> object:
    return pytest.param(saved(picture, "WEBP", lossless=True), marks=needs_webp)


def png(samples: np.ndarray, kind: str, bits: int = 8, **options: object) -> Write:
    stacked = samples if samples.ndim == 3 else samples[..., None]
    return lambda path: write_png(path, stacked, kind, bits, **options)


def tiff(samples: np.ndarray, photometric: int, bits: int = 8, **options: object) -> Write:
    stacked = samples if samples.ndim == 3 else samples[..., None]
    return lambda path: write_tiff(path, stacked, photometric, bits, **options)


def text(contents: bytes) -> Write:
    return lambda path: path.write_bytes(contents)


def netpbm(magic: str, samples: np.ndarray, most: int | None) -> Write:
    """Portable bitmaps, in numerals (P1 to P3) or in bytes (P4 to P6)."""
    header = f"{magic} {SIZE} {SIZE}{'' if most is None else f' {most}'}\n".encode()
    if magic in ("P1", "P2", "P3"):
        return text(header + "\n".join(map(str, samples.ravel().tolist())).encode())
    if magic == "P4":
        return text(header + np.packbits(samples, axis=1).tobytes())
    return text(header + samples.astype(np.uint8 if most < 256 else ">u2").tobytes())


def wide(samples: np.ndarray) -> np.ndarray:
    """8 bits as 16: v becomes 257 v, so that 255 is still white."""
    return samples.astype(np.uint16) * 257


def palette_image(indices: np.ndarray, colours: np.ndarray) -> Image.Image:
    image = Image.frombytes("P", (SIZE, SIZE), indices.tobytes())
    image.putpalette(colours.astype(np.uint8).tobytes())
    return image


def blended(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """On white: α c + (1 − α) 255, to the nearest integer."""
    share = alpha[..., None] / 255
    return np.floor(share * colour + (1 - share) * 255 + 0.5).astype(np.uint8)


COLOUR = noise(1, 3)
COLOUR_ALPHA = np.dstack([COLOUR, np.full((SIZE, SIZE), 255, np.uint8)])
COLOURS = {
    "PNG": saved(COLOUR, "PNG"),
    "PNG with alpha": saved(COLOUR_ALPHA, "PNG"),
    "PNG interlaced": png(COLOUR, "RGB", interlaced=True),
    "PNG of 16 bits": png(wide(COLOUR), "RGB", 16),
    "PNG of 16 bits, interlaced": png(wide(COLOUR), "RGB", 16, interlaced=True),
    "PNG of 16 bits with alpha": png(wide(COLOUR_ALPHA), "RGB and alpha", 16),
    "TIFF": saved(COLOUR, "TIFF"),
    "TIFF, LZW": saved(COLOUR, "TIFF", compression="tiff_lzw"),
    "TIFF, deflated": saved(COLOUR, "TIFF", compression="tiff_adobe_deflate"),
    "TIFF big-endian": tiff(COLOUR, 2, order=">"),
    "TIFF of 16 bits": tiff(wide(COLOUR), 2, 16),
    "TIFF of 16 bits, big-endian": tiff(wide(COLOUR), 2, 16, order=">"),
    "TIFF with a fourth channel": tiff(np.dstack([COLOUR, noise(2)]), 2, extra=0),
    "TIFF with alpha": tiff(COLOUR_ALPHA, 2, extra=2),
    "TIFF with premultiplied alpha": tiff(COLOUR_ALPHA, 2, extra=1),
    "TIFF, CMYK": tiff(np.dstack([255 - COLOUR, np.zeros((SIZE, SIZE), np.uint8)]), 5),
    "BMP": saved(COLOUR, "BMP"),
    "WebP": webp(COLOUR),
    "WebP with alpha": webp(COLOUR_ALPHA),
    "PPM": saved(COLOUR, "PPM"),
    "PPM in numerals": netpbm("P3", COLOUR, 255),
}  # fmt: skip

GREY = noise(3)
GREY_ALPHA = np.dstack([GREY, np.full((SIZE, SIZE), 255, np.uint8)])
GREYS = {
    "PNG": saved(GREY, "PNG"),
    "PNG, RGB": saved(GREY, "PNG", "RGB"),
    "PNG with alpha": saved(GREY, "PNG", "LA"),
    "PNG, palette": saved(GREY, "PNG", "P"),
    "PNG interlaced": png(GREY, "grey", interlaced=True),
    "PNG of 16 bits": png(wide(GREY), "grey", 16),
    "PNG of 16 bits, RGB": png(wide(np.dstack([GREY] * 3)), "RGB", 16),
    "PNG of 16 bits with alpha": png(wide(GREY_ALPHA), "grey and alpha", 16),
    "TIFF": saved(GREY, "TIFF"),
    "TIFF, LZW": saved(GREY, "TIFF", compression="tiff_lzw"),
    "TIFF, white is 0": tiff(255 - GREY, 0),
    "TIFF with alpha": tiff(GREY_ALPHA, 1, extra=2),
    "TIFF with premultiplied alpha": pytest.param(tiff(GREY_ALPHA, 1, extra=1), marks=reads_premultiplied_grey),
    "TIFF of 16 bits": tiff(wide(GREY), 1, 16),
    "TIFF of 16 bits, big-endian": tiff(wide(GREY), 1, 16, order=">"),
    "TIFF of 16 bits, LZW": saved(wide(GREY), "TIFF", compression="tiff_lzw"),
    "BMP": saved(GREY, "BMP"),
    "GIF": saved(GREY, "GIF"),
    "WebP": webp(np.dstack([GREY] * 3)),
    "PGM": saved(GREY, "PPM"),
    "PGM in numerals": netpbm("P2", GREY, 255),
    "PGM of 16 bits": netpbm("P5", wide(GREY), 65_535),
    "PGM of 16 bits in numerals": netpbm("P2", wide(GREY), 65_535),
}  # fmt: skip

FOUR_BITS, _ = few_colours(4, np.arange(16))
FEW_GREYS = {
    "PNG": saved(FOUR_BITS * 17, "PNG"),
    "PNG of 4 bits": png(FOUR_BITS, "grey", 4),
    "PNG of 4 bits, interlaced": png(FOUR_BITS, "grey", 4, interlaced=True),
    "TIFF of 4 bits": tiff(FOUR_BITS, 1, 4),
    "TIFF of 4 bits, white is 0": tiff(15 - FOUR_BITS, 0, 4),
    "PGM up to 15": netpbm("P5", FOUR_BITS, 15),
}

TWO_BITS, _ = few_colours(5, np.arange(4))
FEWER_GREYS = {
    "PNG": saved(TWO_BITS * 85, "PNG"),
    "PNG of 2 bits": png(TWO_BITS, "grey", 2),
    "TIFF of 2 bits": tiff(TWO_BITS, 1, 2),
}

BITS, _ = few_colours(6, np.arange(2))
BILEVEL = BITS * 255
BLACK_AND_WHITE = {
    "PNG": saved(BILEVEL, "PNG", "1"),
    "PNG, grey": saved(BILEVEL, "PNG"),
    "PNG interlaced": png(BITS, "grey", 1, interlaced=True),
    "TIFF": saved(BILEVEL, "TIFF", "1"),
    "TIFF of fax": saved(BILEVEL, "TIFF", "1", compression="group4"),
    "TIFF, white is 0": tiff(1 - BITS, 0, 1),
    "BMP": saved(BILEVEL, "BMP", "1"),
    "GIF": saved(BILEVEL, "GIF", "1"),
    "PBM": netpbm("P4", 1 - BITS, None),
    "PBM in numerals": netpbm("P1", 1 - BITS, None),
}

PALETTE = np.random.default_rng(7).integers(0, 256, (16, 3), dtype=np.uint8)
INDICES, FEW_COLOUR = few_colours(8, PALETTE)
PALETTES = {
    "PNG, RGB": saved(FEW_COLOUR, "PNG"),
    "PNG": saved(palette_image(INDICES, PALETTE), "PNG"),
    "PNG of 4 bits": png(INDICES, "palette", 4, palette=PALETTE),
    "TIFF": saved(palette_image(INDICES, PALETTE), "TIFF"),
    "TIFF, LZW": saved(palette_image(INDICES, PALETTE), "TIFF", compression="tiff_lzw"),
    "BMP": saved(palette_image(INDICES, PALETTE), "BMP"),
    "GIF": saved(palette_image(INDICES, PALETTE), "GIF"),
    "GIF interlaced": saved(palette_image(INDICES, PALETTE), "GIF", interlace=1),
    "WebP": webp(FEW_COLOUR),
}

# Colour 3 is transparent, whatever its red, green and blue are.
CUT_OUT = np.dstack([FEW_COLOUR, np.where(INDICES == 3, 0, 255).astype(np.uint8)])
KEY = tuple(PALETTE[3].tolist())
TRANSPARENT = {
    "PNG": saved(CUT_OUT, "PNG"),
    "PNG interlaced": png(CUT_OUT, "RGB and alpha", interlaced=True),
    "PNG of 16 bits": png(wide(CUT_OUT), "RGB and alpha", 16),
    "PNG, colour key": png(FEW_COLOUR, "RGB", key=KEY),
    "PNG, palette": saved(palette_image(INDICES, PALETTE), "PNG", transparency=3),
    "PNG, palette of 4 bits": png(INDICES, "palette", 4, palette=PALETTE, alphas=b"\xff\xff\xff\0"),
    "PNG, palette with alphas": png(INDICES, "palette", palette=PALETTE, alphas=bytes([255] * 3 + [0] + [255] * 12)),
    "TIFF": saved(CUT_OUT, "TIFF"),
    "TIFF, LZW": saved(CUT_OUT, "TIFF", compression="tiff_lzw"),
    "TIFF with premultiplied alpha": tiff(CUT_OUT * (CUT_OUT[..., 3:] == 255), 2, extra=1),
    "TIFF of 16 bits": tiff(wide(CUT_OUT), 2, 16, extra=2),
    "GIF": saved(palette_image(INDICES, PALETTE), "GIF", transparency=3),
    "WebP": webp(CUT_OUT),
}  # fmt: skip

GREY_CUT_OUT = np.dstack([FOUR_BITS * 17, np.where(FOUR_BITS == 5, 0, 255).astype(np.uint8)])
TRANSPARENT_GREY = {
    "PNG": saved(GREY_CUT_OUT, "PNG"),
    "PNG, RGB": saved(GREY_CUT_OUT, "PNG", "RGBA"),
    "PNG of 16 bits": png(wide(GREY_CUT_OUT), "grey and alpha", 16),
    "PNG, grey key": png(FOUR_BITS * 17, "grey", key=(5 * 17,)),
    "PNG of 4 bits, grey key": png(FOUR_BITS, "grey", 4, key=(5,)),
    "PNG of 16 bits, grey key": png(wide(FOUR_BITS * 17), "grey", 16, key=(5 * 17 * 257,)),
    "TIFF": tiff(GREY_CUT_OUT, 1, extra=2),
    "TIFF with premultiplied alpha": pytest.param(
        tiff(GREY_CUT_OUT * (GREY_CUT_OUT[..., 1:] == 255), 1, extra=1), marks=reads_premultiplied_grey
    ),
    "GIF": saved(FOUR_BITS * 17, "GIF", transparency=5 * 17),
}

BLACK_CUT_OUT = np.dstack([BILEVEL, BILEVEL])
TRANSPARENT_BLACK = {
    "PNG": saved(BLACK_CUT_OUT, "PNG"),
    "PNG of 1 bit": png(BITS, "grey", 1, key=(0,)),
    "PNG of 2 bits": png(BITS * 3, "grey", 2, key=(0,)),
}
TRANSPARENT_WHITE = {
    "PNG": saved(np.dstack([BILEVEL, 255 - BILEVEL]), "PNG"),
    "PNG of 1 bit": png(BITS, "grey", 1, key=(1,)),
    "PNG of 2 bits": png(BITS * 3, "grey", 2, key=(3,)),
}

ALPHAS = np.random.default_rng(9).integers(0, 256, 16).astype(np.uint8)
PARTLY = np.dstack([FEW_COLOUR, ALPHAS[INDICES]])
PARTLY_TRANSPARENT = {
    "PNG": saved(PARTLY, "PNG"),
    "PNG of 16 bits": png(wide(PARTLY), "RGB and alpha", 16),
    "PNG, palette": png(INDICES, "palette", palette=PALETTE, alphas=ALPHAS.tobytes()),
    "PNG, palette of 4 bits": png(INDICES, "palette", 4, palette=PALETTE, alphas=ALPHAS.tobytes()),
    "TIFF": saved(PARTLY, "TIFF"),
    "TIFF of 16 bits": tiff(wide(PARTLY), 2, 16, extra=2),
    "WebP": webp(PARTLY),
}

PARTLY_GREY = np.dstack([FOUR_BITS * 17, ALPHAS[FOUR_BITS]])
PARTLY_TRANSPARENT_GREY = {
    "PNG": saved(PARTLY_GREY, "PNG"),
    "PNG, RGB": saved(PARTLY_GREY, "PNG", "RGBA"),
    "PNG of 16 bits": png(wide(PARTLY_GREY), "grey and alpha", 16),
    "TIFF": tiff(PARTLY_GREY, 1, extra=2),
}


def rgb(grey: np.ndarray) -> np.ndarray:
    return np.dstack([grey] * 3)


# Each picture's pixels, and the ways to write it.
PICTURES: dict[str, tuple[np.ndarray, dict[str, Any]]] = {
    "colour": (COLOUR, COLOURS),
    "grey": (rgb(GREY), GREYS),
    "16 greys": (rgb(FOUR_BITS * 17), FEW_GREYS),
    "4 greys": (rgb(TWO_BITS * 85), FEWER_GREYS),
    "black and white": (rgb(BILEVEL), BLACK_AND_WHITE),
    "16 colours": (FEW_COLOUR, PALETTES),
    "transparent": (np.where(INDICES[..., None] == 3, 255, FEW_COLOUR), TRANSPARENT),
    "transparent grey": (rgb(np.where(FOUR_BITS == 5, 255, FOUR_BITS * 17)), TRANSPARENT_GREY),
    "transparent black": (np.full_like(COLOUR, 255), TRANSPARENT_BLACK),
    "transparent white": (rgb(BILEVEL), TRANSPARENT_WHITE),
    "partly transparent": (blended(PARTLY[..., :3], PARTLY[..., 3]), PARTLY_TRANSPARENT),
    "partly transparent grey": (blended(rgb(PARTLY_GREY[..., 0]), PARTLY_GREY[..., 1]), PARTLY_TRANSPARENT_GREY),
}  # fmt: skip


def every_way() -> list[Any]:
    found = []
    for picture, (pixels, ways) in PICTURES.items():
        for way, write in ways.items():
            marks = write.marks if hasattr(write, "marks") else ()
            write = write.values[0] if hasattr(write, "values") else write
            found.append(pytest.param(write, pixels, marks=marks, id=f"{picture}: {way}"))
    return found


@pytest.mark.parametrize("write, pixels", every_way())
def test_the_same_picture_gives_the_same_pixels(tmp_path: Path, write: Write, pixels: np.ndarray):
    write(tmp_path / "picture")
    assert decode(tmp_path / "picture", SIZE).tolist() == pixels.tolist()


def test_16_bits_become_the_upper_8(tmp_path: Path):
    """In grey and colour alike."""
    deep = np.random.default_rng(10).integers(0, 65_536, (SIZE, SIZE), dtype=np.uint16)
    files = {
        "grey": png(deep, "grey", 16),
        "grey and alpha": png(np.dstack([deep, np.full_like(deep, 65_535)]), "grey and alpha", 16),
        "colour": png(rgb(deep), "RGB", 16),
        "TIFF": tiff(deep, 1, 16),
        "TIFF of colour": tiff(rgb(deep), 2, 16, order=">"),
        "PGM": netpbm("P5", deep, 65_535),
    }
    for name, write in files.items():
        write(tmp_path / name)
        assert decode(tmp_path / name, SIZE).tolist() == rgb(deep >> 8).tolist(), name


def test_a_transparent_grey_of_16_bits_is_that_grey_alone(tmp_path: Path):
    deep = np.full((SIZE, SIZE), 1000, np.uint16)
    deep[0] = 1001  # of the same upper 8 bits
    write_png(tmp_path / "picture", deep[..., None], "grey", 16, key=(1000,))
    pixels = decode(tmp_path / "picture", SIZE)
    assert (pixels[0] == 1000 >> 8).all() and (pixels[1:] == 255).all()


SIGNED = noise(11).astype(int) - 128
REFUSED: dict[str, tuple[Write, str]] = {
    "one transparent colour of 16 bits": (png(wide(COLOUR), "RGB", 16, key=(1, 2, 3)), "one colour of 16 bits"),
    "floats": (tiff(GREY / 255, 1, 32, sample_format=3), "signed or floating-point"),
    "signed 8 bits": (tiff(SIGNED, 1, 8, sample_format=2), "signed or floating-point|no JPEG"),
    "signed 16 bits": (tiff(SIGNED, 1, 16, sample_format=2), "signed or floating-point"),
    "32 bits": (saved(Image.fromarray(GREY.astype(np.int32)), "TIFF"), "signed or floating-point"),
    "12 bits": (tiff(np.zeros((SIZE, SIZE), int), 1, 12), "have 12 bits, of a TIFF 1, 2, 4, 8, 16 are read"),
    "16 bits, white is 0": (tiff(wide(GREY), 0, 16), "16 bits and 0 for white"),
    "YCbCr": (tiff(COLOUR, 6), "mode 'YCbCr'|truncated"),
    "LAB": (tiff(COLOUR, 8), "mode 'LAB'"),
    "PFM": (text(f"Pf {SIZE} {SIZE} -1.0\n".encode() + (GREY / 255).astype("<f4").tobytes()), "mode 'F'|no JPEG"),
    "PPM of 16 bits": (netpbm("P6", wide(COLOUR), 65_535), "range to 65535; to 255, and of grey to 65535, are read"),
    "PGM of 10 bits": (netpbm("P5", wide(GREY) // 64, 1023), "range to 1023"),
    "PGM of 10 bits in numerals": (netpbm("P2", wide(GREY) // 64, 1023), "range to 1023"),
}  # fmt: skip


@pytest.mark.parametrize("write, reason", REFUSED.values(), ids=REFUSED)
def test_samples_of_no_known_black_and_white_are_refused(tmp_path: Path, write: Write, reason: str):
    write(tmp_path / "picture")
    with pytest.raises(BadImage, match=reason):
        decode(tmp_path / "picture", SIZE)


# Orientation.

EXIF_CONTAINERS = {
    "PNG": ("PNG", {}),
    "TIFF": ("TIFF", {}),
    "TIFF, LZW": ("TIFF", {"compression": "tiff_lzw"}),
    "WebP": ("WEBP", {"lossless": True}),
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind, options", EXIF_CONTAINERS.values(), ids=EXIF_CONTAINERS)
def test_every_container_is_shown_upright(
    tmp_path: Path, kind: str, options: dict[str, Any], orientation: int
):
    """By the table of the EXIF standard: which side of the picture is the first row, which the first column."""
    if kind == "WEBP" and not features.check("webp"):
        pytest.skip("this Pillow is built without WebP")
    stored = {
        1: CUT_OUT,
        2: CUT_OUT[:, ::-1],
        3: CUT_OUT[::-1, ::-1],
        4: CUT_OUT[::-1],
        5: CUT_OUT.transpose(1, 0, 2),
        6: CUT_OUT.transpose(1, 0, 2)[::-1],
        7: CUT_OUT.transpose(1, 0, 2)[::-1, ::-1],
        8: CUT_OUT.transpose(1, 0, 2)[:, ::-1],
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "picture", kind, exif=exif, **options)
    assert decode(tmp_path / "picture", SIZE).tolist() == PICTURES["transparent"][0].tolist()


def test_a_palette_is_shown_upright(tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 3
    half_turn = palette_image(np.ascontiguousarray(INDICES[::-1, ::-1]), PALETTE)
    half_turn.save(tmp_path / "picture", "PNG", transparency=3, exif=exif)
    assert decode(tmp_path / "picture", SIZE).tolist() == PICTURES["transparent"][0].tolist()


# Several frames.


@pytest.mark.parametrize("kind", ["PNG", "GIF", "TIFF", "WEBP"])
def test_the_first_of_several_frames_is_taken(tmp_path: Path, kind: str):
    if kind == "WEBP" and not features.check("webp"):
        pytest.skip("this Pillow is built without WebP")
    options = {"lossless": True} if kind == "WEBP" else {}
    mode = "P" if kind == "GIF" else "RGB"
    frames = [palette_image(each, PALETTE).convert(mode) for each in (INDICES, 15 - INDICES)]
    frames[0].save(tmp_path / "film", kind, save_all=True, append_images=frames[1:], **options)
    with Image.open(tmp_path / "film") as film:
        assert film.n_frames == 2
    assert decode(tmp_path / "film", SIZE).tolist() == FEW_COLOUR.tolist()


def test_the_first_of_a_cameras_several_jpegs_is_taken(tmp_path: Path):
    photograph, preview = Image.fromarray(COLOUR), Image.fromarray(255 - COLOUR)
    photograph.save(tmp_path / "one.jpg")
    photograph.save(tmp_path / "two.jpg", "MPO", save_all=True, append_images=[preview])
    assert decode(tmp_path / "two.jpg", SIZE).tolist() == decode(tmp_path / "one.jpg", SIZE).tolist()


def gif_of_a_part(path: Path, transparent: bool) -> Path:
    """A first frame of SIZE x SIZE on a screen of twice that."""
    options = {"transparency": 3} if transparent else {}
    palette_image(INDICES, PALETTE).save(path, "GIF", **options)
    contents = bytearray(path.read_bytes())
    contents[6:10] = (2 * SIZE).to_bytes(2, "little") * 2
    path.write_bytes(contents)
    return path


def test_a_gif_whose_first_frame_is_a_part(tmp_path: Path):
    """What it leaves uncovered is transparent where a colour is, and unknown elsewhere."""
    pixels = decode(gif_of_a_part(tmp_path / "clear", transparent=True), 2 * SIZE)
    assert pixels[:SIZE, :SIZE].tolist() == PICTURES["transparent"][0].tolist()
    assert (pixels[SIZE:] == 255).all() and (pixels[:, SIZE:] == 255).all()
    with pytest.raises(BadImage, match="first frame does not cover"):
        decode(gif_of_a_part(tmp_path / "unclear", transparent=False), 2 * SIZE)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "GIF", "PPM", "WEBP"])
def test_a_file_cut_short_gives_its_pixels_or_is_refused(tmp_path: Path, kind: str):
    if kind == "WEBP" and not features.check("webp"):
        pytest.skip("this Pillow is built without WebP")
    options = {"lossless": True} if kind == "WEBP" else {}
    palette_image(INDICES, PALETTE).convert("P" if kind == "GIF" else "RGB").save(
        tmp_path / "picture", kind, **options
    )
    whole = (tmp_path / "picture").read_bytes()
    refused = 0
    for length in range(0, len(whole), max(1, len(whole) // 60)):
        (tmp_path / "picture").write_bytes(whole[:length])
        try:
            pixels = decode(tmp_path / "picture", SIZE)
        except BadImage:
            refused += 1
        else:  # all that is missing is behind the pixels
            assert length > len(whole) / 2 and pixels.tolist() == FEW_COLOUR.tolist()
    assert refused > 30
