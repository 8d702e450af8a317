"""Windows of photographs against a plain NumPy oracle that is given the same drawn numbers."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import bpnet as bp
from bpnet import _core
from bpnet.data import Augmentation, ImageAugmenter, ImageStatistics, Preprocessing
from threading_layers import LAYERS, use

SIZE, CROP = 20, 13
VARIANTS = {
    "paper": (Augmentation(), False),
    "code of 2012": (Augmentation(lighting_by="deviations"), True),
    "windows only": (Augmentation(flip=False, lighting=0.0), False),
    "flips only": (Augmentation(random_crop=False, lighting=0.0), True),
    "light only": (Augmentation(random_crop=False, flip=False, lighting=0.5), False),
    "off": (Augmentation.off(), False),
}
variants = pytest.mark.parametrize("augmentation, centre_mean", VARIANTS.values(), ids=VARIANTS)


def photographs(count: int = 40) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)


def statistics() -> ImageStatistics:
    numbers = np.random.default_rng(1)
    vectors = np.linalg.qr(numbers.normal(size=(3, 3)))[0]
    return ImageStatistics(numbers.uniform(0, 255, (SIZE, SIZE, 3)), np.array([0.2, 0.02, 0.005]), vectors)


def augmenter(
    augmentation: Augmentation | None = None, centre_mean: bool = False, crop: int = CROP
) -> ImageAugmenter:
    return ImageAugmenter(statistics(), crop, augmentation, centre_mean)


def window(image: np.ndarray, view: dict, centre_mean: bool) -> np.ndarray:
    """(3, crop, crop) of one image, as the paper (or its code) makes it."""

    def cut(array: np.ndarray, top: int, left: int) -> np.ndarray:
        return array[top : top + CROP, left : left + CROP].astype(np.float32)

    pixels, mean = cut(image, view["top"], view["left"]), statistics().mean
    if centre_mean:
        middle = (SIZE - CROP) // 2
        pixels = (pixels[:, ::-1] if view["flip"] else pixels) - cut(mean, middle, middle)
    else:
        pixels = pixels - cut(mean, view["top"], view["left"])
        pixels = pixels[:, ::-1] if view["flip"] else pixels
    light = (pixels + np.array(view["shift"], np.float32)) * np.float32(view["scale"])
    return light.transpose(2, 0, 1)


@variants
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_training_windows_are_the_oracles_bits(
    augmentation: Augmentation, centre_mean: bool, threads: int, layer: str
):
    use(layer)
    bp.set_num_threads(threads)
    made, images = augmenter(augmentation, centre_mean), photographs()
    samples = np.random.default_rng(2).permutation(1000)[: len(images)]
    got = made.training(images, samples, seed=7, epoch=3)
    wanted = np.stack(
        [window(image, made.drawn_view(7, 3, int(s)), centre_mean) for image, s in zip(images, samples)]
    )
    assert got.dtype == np.float32 and got.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("centre_mean", [False, True])
def test_the_ten_views(centre_mean: bool):
    images = photographs(3)
    got = augmenter(centre_mean=centre_mean).ten_views(images)
    far, middle = SIZE - CROP, (SIZE - CROP) // 2
    places = [(0, 0), (0, far), (far, 0), (far, far), (middle, middle)]
    for n, image in enumerate(images):
        for v, (top, left) in enumerate(places * 2):
            view = dict(top=top, left=left, flip=v >= 5, shift=(0, 0, 0), scale=1)
            assert got[n, v].tobytes() == window(image, view, centre_mean).tobytes()
    assert augmenter(centre_mean=centre_mean).centre(images).tobytes() == got[:, 4].tobytes()


def test_without_augmentation_training_sees_the_middle():
    images = photographs()
    made = augmenter(Augmentation.off())
    assert made.training(images, range(len(images))).tobytes() == made.centre(images).tobytes()


def test_one_row_of_many_and_a_crop_of_the_whole():
    images = photographs()
    whole = ImageAugmenter(statistics(), SIZE, Augmentation(flip=False, lighting=0))
    wanted = (images.astype(np.float32) - statistics().mean).transpose(0, 3, 1, 2)
    assert whole.training(images, range(len(images))).tobytes() == wanted.tobytes()
    out = whole.new_windows(2)
    rows = np.array([31, 4], dtype=np.uint64)
    whole._core.training_batch(images, rows, rows, 0, 0, out, False)
    assert out.tobytes() == wanted[[31, 4]].tobytes()


def test_draws_depend_on_seed_epoch_and_sample_alone():
    made = augmenter()
    views = {
        (seed, epoch, sample): tuple(made.drawn_view(seed, epoch, sample).values())
        for seed in (0, 1, 2**63)
        for epoch in (0, 1, 90)
        for sample in (0, 1, 4_000_000_000)
    }
    assert len(set(views.values())) == len(views)
    for key, view in views.items():
        assert tuple(augmenter().drawn_view(*key).values()) == view


def test_draws_have_their_distributions():
    """Within four standard deviations of what 4,000 draws give."""
    made, count = augmenter(Augmentation(lighting=0.1)), 4000
    views = [made.drawn_view(0, 0, sample) for sample in range(count)]
    places = SIZE - CROP + 1
    for name in ("top", "left"):
        counts = np.bincount([view[name] for view in views], minlength=places)
        assert len(counts) == places
        assert abs(counts - count / places).max() <= 4 * math.sqrt(count / places)
    flips = sum(view["flip"] for view in views)
    assert abs(flips - count / 2) <= 4 * math.sqrt(count) / 2
    # Back along the eigenvectors, and over 255 and the eigenvalues, the shifts are the α ~ N(0, 0.1).
    shifts = np.array([view["shift"] for view in views])
    alphas = shifts @ statistics().eigenvectors.T / (255 * statistics().eigenvalues)
    assert abs(alphas.mean(axis=0)).max() <= 4 * 0.1 / math.sqrt(count)
    assert abs(alphas.std(axis=0) - 0.1).max() <= 4 * 0.1 / math.sqrt(2 * count)
    assert abs(np.corrcoef(alphas.T) - np.eye(3)).max() <= 4 / math.sqrt(count)
    assert abs(np.corrcoef([v["top"] for v in views], [v["left"] for v in views])[0, 1]) <= 4 / math.sqrt(
        count
    )


def test_light_as_the_code_has_it():
    """√λ in place of λ, and all divided by 1 + σ."""
    paper = augmenter(Augmentation(lighting=0.1)).drawn_view(0, 0, 5)
    code = augmenter(Augmentation(lighting=0.1, lighting_by="deviations")).drawn_view(0, 0, 5)
    values, vectors = statistics().eigenvalues, statistics().eigenvectors
    along = np.array(paper["shift"]) @ vectors.T / np.sqrt(values)
    assert np.allclose(along @ vectors, code["shift"], rtol=0, atol=1e-5)
    assert code["scale"] == np.float32(1 / 1.1) and paper["scale"] == 1


def test_what_a_model_file_keeps_makes_the_same_windows():
    """The mean image crosses as base64, read by the core."""
    made = augmenter(centre_mean=True)
    kept = Preprocessing.from_description(json.loads(json.dumps(made.preprocessing(["a", "b"]))))
    assert kept.classes == ["a", "b"] and kept.image is not None
    again = ImageAugmenter(
        ImageStatistics.from_description(kept.image), kept.image["crop"], None, kept.image["centre_mean"]
    )
    assert again._core.mean.tobytes() == statistics().mean.tobytes()
    assert again.ten_views(photographs()).tobytes() == made.ten_views(photographs()).tobytes()
    assert "image" not in Preprocessing().describe()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"crop": SIZE + 1}, "the crop is 21 pixels wide, the images are 20"),
        ({"crop": 0}, "the crop is 0"),
        ({"size": SIZE - 1}, "the mean image has 1200 numbers, 19 x 19 x 3"),
        ({"mean": "AAA"}, "base64: the text has 3 characters"),
        ({"mean": "?" * 6400}, "base64: character 0"),
        ({"eigenvalues": [1.0, 2.0]}, "eigenvalues has 2 numbers"),
        ({"eigenvalues": [1.0, 2.0, -3.0]}, "an eigenvalue is -3"),
        ({"eigenvectors": [2.0] * 9}, "an eigenvector holds 2"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_wrong_description_is_refused(change: dict, message: str):
    image = {**augmenter().image, **change}
    with pytest.raises(ValueError, match=message):
        _core.ImageAugmenter(
            json.dumps(Preprocessing(image=image).describe()), json.dumps(Augmentation().describe())
        )


def test_arrays_that_do_not_fit_are_refused():
    made = augmenter()
    with pytest.raises(ValueError, match=r"images of shape \(N, 20, 20, 3\)"):
        made.training(np.zeros((2, 20, 21, 3), np.uint8), [0, 1])
    with pytest.raises(ValueError, match="rows and samples differ"):
        made.training(photographs(2), [0])
    rows = np.array([2], np.uint64)
    with pytest.raises(ValueError, match="row 2 was asked for, there are 2"):
        made._core.training_batch(photographs(2), rows, rows, 0, 0, made.new_windows(1), True)
    with pytest.raises(ValueError, match="the output has"):
        made._core.ten_view_batch(photographs(2), rows - 1, made.new_windows(9), True)
    with pytest.raises(TypeError, match="uint8"):
        made.training(np.zeros((2, 20, 20, 3), np.float32), [0, 1])
    with pytest.raises(ValueError, match="lighting is -1"):
        augmenter(Augmentation(lighting=-1))
    with pytest.raises(ValueError, match="lighting_by is 'brightness'"):
        augmenter(Augmentation(lighting_by="brightness"))
