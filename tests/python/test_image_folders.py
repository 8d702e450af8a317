"""Folders of photographs: what becomes of every kind of file, good or bad."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import bpnet as bp
from bpnet.data import ImageFolder
from bpnet.data.images.decode import BadImage, decode
from photographs import CLASSES, add_bad_files, picture, write_folder

SIZE = 16


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "photographs")


def save(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def everything(source: ImageFolder) -> dict[str, np.ndarray]:
    images, rows, samples = source.gather(np.arange(len(source), dtype=np.uint64))
    return {source.files[int(sample)]: images[int(row)] for row, sample in zip(rows, samples)}


def test_classes_files_and_labels(folder: Path):
    (folder / "red" / "more").mkdir()
    (folder / "red" / "more" / "deep.png").write_bytes((folder / "red" / "001.png").read_bytes())
    (folder / ".hidden").mkdir()
    (folder / "red" / ".thumbnail.png").write_bytes(b"")
    (folder / "readme.txt").write_text("of no class")
    source = ImageFolder(folder, SIZE)
    assert source.classes == list(CLASSES)
    assert source.files[:3] == ["blue/000.jpg", "blue/001.png", "blue/002.jpg"]
    assert source.files[-1] == "red/more/deep.png" and len(source) == 25
    assert source.labels.tolist() == [0] * 8 + [1] * 8 + [2] * 9
    assert source.problems == []


def test_pixels(folder: Path):
    """A square photograph of the right size is what it is; others are resized by the shortest side."""
    pixels = picture(0, 0, (SIZE, SIZE))
    same = decode(save(folder / "same.png", Image.fromarray(pixels)), SIZE)
    assert same.dtype == np.uint8 and same.tobytes() == pixels.tobytes()
    wide = np.concatenate([np.full_like(pixels, 7), pixels, np.full_like(pixels, 9)], axis=1)
    assert decode(save(folder / "wide.png", Image.fromarray(wide)), SIZE).tobytes() == pixels.tobytes()
    tall = wide.transpose(1, 0, 2)
    assert (
        decode(save(folder / "tall.png", Image.fromarray(tall)), SIZE).tobytes()
        == pixels.transpose(1, 0, 2).tobytes()
    )
    flat = Image.new("RGB", (9, 12), (10, 200, 30))
    for size in (8, 100):  # a smaller one is enlarged
        assert (decode(save(folder / "flat.png", flat), size) == (10, 200, 30)).all()
    strip = Image.new("RGB", (30_000, 8), (10, 200, 30))  # at 256 rows this would be 0.7 GB
    assert decode(save(folder / "strip.png", strip), 256).shape == (256, 256, 3)


GREY = (90, 90, 90)
MODES = {
    "grey": (Image.new("L", (20, 20), 90), "png", GREY),
    "grey JPEG": (Image.new("L", (20, 20), 90), "jpg", GREY),
    "black and white": (Image.new("1", (20, 20), 1), "png", (255, 255, 255)),
    "16 bits": (Image.fromarray(np.full((20, 20), 90 * 256 + 200, np.uint16)), "png", GREY),
    "palette": (Image.new("RGB", (20, 20), (10, 200, 30)).quantize(4), "png", (10, 200, 30)),
    "CMYK": (Image.new("CMYK", (20, 20), (0, 255, 255, 0)), "jpg", (255, 0, 0)),
    "opaque": (Image.new("RGBA", (20, 20), (10, 200, 30, 255)), "png", (10, 200, 30)),
    "transparent": (Image.new("RGBA", (20, 20), (10, 200, 30, 0)), "png", (255, 255, 255)),
    "transparent grey": (Image.new("LA", (20, 20), (90, 0)), "png", (255, 255, 255)),
}


@pytest.mark.parametrize("image, kind, colour", MODES.values(), ids=MODES)
def test_every_mode_becomes_rgb(tmp_path: Path, image: Image.Image, kind: str, colour: tuple[int, int, int]):
    got = decode(save(tmp_path / f"image.{kind}", image), SIZE).astype(int)
    assert got.shape == (SIZE, SIZE, 3)
    assert abs(got - colour).max() <= (2 if kind == "jpg" else 0)  # JPEG rounds


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_a_picture_upright(tmp_path: Path, orientation: int):
    """What ImageOps.exif_transpose makes of it."""
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / "rotated.png", Image.fromarray(picture(0, 0, (SIZE, SIZE))), exif=exif)
    with Image.open(path) as image:
        wanted = np.asarray(ImageOps.exif_transpose(image))
    assert decode(path, SIZE).tobytes() == wanted.tobytes()


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_spoils_no_picture(tmp_path: Path):
    pixels = picture(0, 0, (SIZE, SIZE))
    path = save(
        tmp_path / "odd.jpg", Image.fromarray(pixels), exif=b"Exif\0\0II*\0\xff\xff\xff\xff", quality=95
    )
    assert decode(path, SIZE).shape == (SIZE, SIZE, 3)


def test_bad_files_are_named_and_passed_over(folder: Path):
    reasons = add_bad_files(folder)
    (folder / "violet").mkdir()
    source = ImageFolder(folder, SIZE)
    assert [str(problem) for problem in source.problems] == [
        f"{folder}/violet: the class folder holds no files"
    ]
    assert source.classes == [*CLASSES, "violet"]
    good = everything(source)
    assert len(good) == 24 and not set(good) & set(reasons)
    said = {os.path.relpath(problem.path, folder): problem.reason for problem in source.problems[1:]}
    assert set(said) == set(reasons)
    for name, reason in reasons.items():
        assert re.search(reason, said[name], re.IGNORECASE), f"{name}: {said[name]}"
    before = len(source.problems)
    everything(source)
    assert len(source.problems) == before  # each is reported once
    source.statistics()
    assert len(source) == 24 and sorted(everything(source)) == sorted(good)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root reads everything")
def test_files_that_may_not_be_read(folder: Path):
    (folder / "red" / "000.jpg").chmod(0)
    (folder / "red" / "closed").mkdir(mode=0)
    source = ImageFolder(folder, SIZE)
    everything(source)
    assert {Path(problem.path).name: problem.reason for problem in source.problems} == {
        "closed": "Permission denied",
        "000.jpg": "Permission denied",
    }


def test_a_file_that_the_system_refuses(folder: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(path: str, mode: str):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("bpnet.data.images.decode.open", refuse, raising=False)
    with pytest.raises(BadImage, match="^Permission denied$"):
        decode(folder / "red" / "000.jpg", SIZE)


def test_a_pipe_is_not_waited_for(folder: Path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("no pipes here")
    os.mkfifo(folder / "red" / "pipe.jpg")
    source = ImageFolder(folder, SIZE)
    assert len(everything(source)) == 24
    assert "not a readable file" in source.problems[0].reason


def test_pillows_limit_is_respected(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 24 * 20 - 1)
    with pytest.raises(BadImage, match="more than 479 pixels"):
        decode(folder / "red" / "000.jpg", SIZE)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    decode(folder / "red" / "000.jpg", SIZE)


@pytest.mark.parametrize("name", ["truncated.jpg", "notes.txt", "dot.png"])
def test_the_first_bad_file_raises_if_asked(folder: Path, name: str):
    reasons = add_bad_files(folder)
    for other in reasons:
        if not other.endswith(name):
            (folder / other).unlink()
    source = ImageFolder(folder, SIZE, on_error="raise")
    with pytest.raises(ValueError, match=name):
        everything(source)
    with pytest.raises(ValueError, match=name):
        source.statistics()
    (folder / "violet").mkdir()
    with pytest.raises(ValueError, match="violet: the class folder holds no files"):
        ImageFolder(folder, on_error="raise")


def test_folders_without_photographs_are_errors(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        ImageFolder(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="there are no class folders in it"):
        ImageFolder(tmp_path)
    Image.new("RGB", (20, 20)).save(tmp_path / "of no class.png")
    with pytest.raises(ValueError, match="there are no class folders in it"):
        ImageFolder(tmp_path)
    (tmp_path / "red").mkdir()
    with pytest.raises(ValueError, match="its class folders hold no files"):
        ImageFolder(tmp_path)
    (tmp_path / "red" / "notes.txt").write_text("no image")
    with pytest.raises(ValueError, match="none of its files is a photograph; 1 was passed over: .*notes.txt"):
        ImageFolder(tmp_path).statistics()
    with pytest.raises(ValueError, match="on_error is 'ignore'"):
        ImageFolder(tmp_path, on_error="ignore")
    with pytest.raises(ValueError, match="size is 0"):
        ImageFolder(tmp_path, size=0)


@pytest.mark.parametrize("threads", [1, 3])
def test_statistics_are_numpys(folder: Path, threads: int):
    source = ImageFolder(folder, SIZE, threads)
    got = source.statistics()
    images = np.stack(list(everything(source).values())).astype(np.float64)
    mean = images.mean(axis=0)
    assert abs(got.mean - mean).max() <= np.finfo(np.float32).eps * mean.max()
    covariance = np.cov(images.reshape(-1, 3).T / 255, bias=True)
    again = got.eigenvectors.T @ np.diag(got.eigenvalues) @ got.eigenvectors
    assert abs(again - covariance).max() <= 1e-12 * abs(covariance).max()
    assert (np.diff(got.eigenvalues) <= 0).all()
    assert abs(got.eigenvectors @ got.eigenvectors.T - np.eye(3)).max() <= 1e-12
    assert ImageFolder(folder, SIZE, 2).statistics().describe() == got.describe()


def test_no_thread_is_left_behind(folder: Path):
    before = set(threading.enumerate())
    ImageFolder(folder, SIZE, threads=2).statistics()
    assert not set(threading.enumerate()) - before


def test_without_pillow_the_extra_is_named(folder: Path):
    code = "import sys; sys.modules['PIL'] = None; import bpnet; bpnet.data.ImageFolder(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(bp.__file__).parents[1])},
    )
    assert "ImportError: photographs need Pillow: pip install 'backpropnet[images]'" in done.stderr
