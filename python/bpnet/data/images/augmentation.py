"""From photographs to a network's input, by the core: mean image, windows, flips, coloured light."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from bpnet import _core, checks
from bpnet.data.images.statistics import ImageStatistics


class Augmentation:
    """How training photographs are varied (Krizhevsky, Sutskever and Hinton 2012, section 4.1). What is
    drawn depends on the run's seed, the epoch and the sample's number alone.

    Args:
        random_crop: a window anywhere; False takes the middle.
        flip: mirrored with probability ½.
        lighting: σ of the colour noise: each photograph has Σ_i p_i α_i λ_i added to all its pixels, where
            p_i and λ_i are eigenvectors and eigenvalues of the covariance of the training set's RGB values
            from 0 to 1, and α_i ~ N(0, σ). 0 for none.
        lighting_by: ``"eigenvalues"`` as the paper has it, or ``"deviations"`` as its code: √λ_i instead of
            λ_i, and the result divided by 1 + σ.
    """

    def __init__(
        self,
        random_crop: bool = True,
        flip: bool = True,
        lighting: float = 0.1,
        lighting_by: str = "eigenvalues",
    ) -> None:
        self.random_crop = bool(random_crop)
        self.flip = bool(flip)
        self.lighting = checks.number("augmentation", "lighting", lighting)
        self.lighting_by = lighting_by

    @classmethod
    def off(cls) -> Augmentation:
        """The middle of each photograph as it is."""
        return cls(random_crop=False, flip=False, lighting=0.0)

    def describe(self) -> dict[str, Any]:
        """The arguments that make it."""
        return dict(vars(self))

    def __repr__(self) -> str:
        return f"Augmentation({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


class ImageAugmenter:
    """Cuts a network's input out of photographs: (pixel − mean + light) · scale, float32, channels first.

    Args:
        statistics: of the training set.
        crop: rows, and columns, of the windows.
        augmentation: how training windows are drawn.
        centre_mean: subtract the mean image's middle wherever the window is, not flipped, as the code of
            2012 does; else what is under the window.
    """

    def __init__(
        self,
        statistics: ImageStatistics,
        crop: int = 227,
        augmentation: Augmentation | None = None,
        centre_mean: bool = False,
    ) -> None:
        self.statistics = statistics
        self.augmentation = augmentation or Augmentation()
        self.crop = checks.whole("augmentation", "crop", crop)
        self.size = statistics.size
        self.image = {**statistics.describe(), "crop": self.crop, "centre_mean": bool(centre_mean)}
        self._core = _core.ImageAugmenter(
            json.dumps(self.preprocessing(())), json.dumps(self.augmentation.describe())
        )

    def preprocessing(self, classes: Sequence[str]) -> dict[str, Any]:
        """What a model file keeps of this, beside the classes' names."""
        from bpnet.data.preprocessing import Preprocessing

        return Preprocessing(output="logits", classes=classes, image=self.image).describe()

    def drawn_view(self, seed: int, epoch: int, sample: int) -> dict[str, Any]:
        """What training draws for a sample: top and left of the window, flip, shift (of R, G and B), scale."""
        names = ("top", "left", "flip", "shift", "scale")
        return dict(zip(names, self._core.drawn_view(seed, epoch, sample)))

    def training(
        self, images: np.ndarray, samples: Sequence[int], seed: int = 0, epoch: int = 0
    ) -> np.ndarray:
        """(N, 3, crop, crop) of images (N, size, size, 3) uint8, the training set's numbers ``samples``."""
        out = self.new_windows(len(images))
        rows = np.arange(len(images), dtype=np.uint64)
        numbers = np.asarray(samples, dtype=np.uint64)
        self._core.training_batch(images, rows, numbers, seed, epoch, out, True)
        return out

    def centre(self, images: np.ndarray) -> np.ndarray:
        """(N, 3, crop, crop), the middle of images (N, size, size, 3) uint8."""
        out = self.new_windows(len(images))
        self._core.centre_batch(images, np.arange(len(images), dtype=np.uint64), out, True)
        return out

    def ten_views(self, images: np.ndarray) -> np.ndarray:
        """(N, 10, 3, crop, crop): the four corners and the middle of each image, then the same mirrored."""
        out = self.new_windows(len(images) * 10)
        self._core.ten_view_batch(images, np.arange(len(images), dtype=np.uint64), out, True)
        return out.reshape(len(images), 10, 3, self.crop, self.crop)

    def new_windows(self, count: int) -> np.ndarray:
        """(count, 3, crop, crop) float32, not initialised."""
        return np.empty((count, 3, self.crop, self.crop), dtype=np.float32)
