"""Batches of photographs, each made while the network works on the one before."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeAlias

import numpy as np

from bpnet.data.images.augmentation import ImageAugmenter
from bpnet.data.images.folder import ImageFolder
from bpnet.data.images.packed import PackedImages

ImageSource: TypeAlias = ImageFolder | PackedImages


class ImageBatch(NamedTuple):
    """
    Attributes:
        x: (M, 3, crop, crop) float32, or (M · 10, …) of ten views; overwritten after the next batch.
        labels: (M,) int64.
        visited: how many samples were to be in it; M is less where some are found to be bad.
    """

    x: np.ndarray
    labels: np.ndarray
    visited: int


class ImageBatches:
    """Cuts batches out of a source, one ahead, in a thread of its own.

    That thread works alone: the threads of the core are the network's.

    Args:
        labels: (N,), the source's own by default.
    """

    def __init__(
        self,
        source: ImageSource,
        augmenter: ImageAugmenter,
        batch_size: int,
        labels: np.ndarray | None = None,
    ) -> None:
        if source.size != augmenter.size:
            raise ValueError(
                f"images: those of {source.path} have {source.size} rows, the mean image has {augmenter.size}"
            )
        self.source = source
        self.labels = source.labels if labels is None else labels
        self.augmenter = augmenter
        self.batch_size = batch_size
        self._buffers: list[np.ndarray] = []

    def training(self, order: np.ndarray, seed: int, epoch: int) -> Generator[ImageBatch, None, None]:
        """The samples of ``order``, augmented."""

        def cut(images: np.ndarray, rows: np.ndarray, samples: np.ndarray, out: np.ndarray) -> None:
            self.augmenter._core.training_batch(images, rows, samples, seed, epoch, out, False)

        return self._ahead(order, 1, cut)

    def centre(self) -> Generator[ImageBatch, None, None]:
        """All samples in their order, the middle of each."""

        def cut(images: np.ndarray, rows: np.ndarray, samples: np.ndarray, out: np.ndarray) -> None:
            self.augmenter._core.centre_batch(images, rows, out, False)

        return self._ahead(self._all(), 1, cut)

    def ten_views(self) -> Generator[ImageBatch, None, None]:
        """All samples in their order, ten views of each, side by side."""

        def cut(images: np.ndarray, rows: np.ndarray, samples: np.ndarray, out: np.ndarray) -> None:
            self.augmenter._core.ten_view_batch(images, rows, out, False)

        return self._ahead(self._all(), 10, cut)

    def _all(self) -> np.ndarray:
        return np.arange(len(self.source), dtype=np.uint64)

    def _ahead(
        self, order: np.ndarray, views: int, cut: Callable[..., None]
    ) -> Generator[ImageBatch, None, None]:
        windows = min(self.batch_size, len(self.source)) * views
        if not self._buffers or len(self._buffers[0]) < windows:
            self._buffers = [self.augmenter.new_windows(windows) for _ in range(2)]

        def make(first: int) -> ImageBatch:
            indices = order[first : first + self.batch_size]
            images, rows, samples = self.source.gather(indices)
            x = self._buffers[first // self.batch_size % 2][: len(rows) * views]
            if len(rows):
                cut(images, rows, samples, x)
            return ImageBatch(x, self.labels[samples.astype(np.int64)], len(indices))

        with ThreadPoolExecutor(1, thread_name_prefix="bpnet-batches") as worker:
            following = worker.submit(make, 0)
            for first in range(self.batch_size, len(order), self.batch_size):
                batch = following.result()
                following = worker.submit(make, first)
                yield batch
            if len(order):
                yield following.result()
