"""What a training set of photographs measures: its mean image and the covariance of its colours."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np

_WHITE = 255.0


class ImageStatistics:
    """
    Attributes:
        size: rows, and columns, of every photograph.
        mean: (size, size, 3) float32, the mean image, of values from 0 to 255.
        eigenvalues: (3,) of the covariance of RGB values from 0 to 1 over all pixels, largest first.
        eigenvectors: (3, 3), one in each row.
    """

    def __init__(self, mean: np.ndarray, eigenvalues: np.ndarray, eigenvectors: np.ndarray) -> None:
        self.size = len(mean)
        self.mean = np.ascontiguousarray(mean, dtype=np.float32)
        self.eigenvalues = np.asarray(eigenvalues, dtype=np.float64)
        self.eigenvectors = np.asarray(eigenvectors, dtype=np.float64)

    def describe(self) -> dict[str, Any]:
        """As a model's preprocessing keeps it; the mean image's floats, little-endian, are base64."""
        return {
            "size": self.size,
            "mean": base64.b64encode(self.mean.astype("<f4").tobytes()).decode("ascii"),
            "eigenvalues": self.eigenvalues.tolist(),
            "eigenvectors": self.eigenvectors.ravel().tolist(),
        }

    @classmethod
    def from_description(cls, description: Mapping[str, Any]) -> ImageStatistics:
        """What describe() gave."""
        size = int(description["size"])
        mean = np.frombuffer(base64.b64decode(description["mean"]), "<f4").reshape(size, size, 3)
        vectors = np.array(description["eigenvectors"], dtype=np.float64).reshape(3, 3)
        return cls(mean, np.array(description["eigenvalues"]), vectors)


class StatisticsSum:
    """Adds photographs up, in integers: their order does not matter."""

    def __init__(self, size: int) -> None:
        self.count = 0
        self._image = np.zeros((size, size, 3), dtype=np.int64)
        self._products = np.zeros((3, 3), dtype=np.int64)

    @staticmethod
    def products(image: np.ndarray) -> np.ndarray:
        """Σ rgbᵀ rgb over the pixels (3, 3): exact, for sums of integers below 2⁵³ are."""
        pixels = image.reshape(-1, 3).astype(np.float64)
        return (pixels.T @ pixels).astype(np.int64)

    def add(self, image: np.ndarray, products: np.ndarray) -> None:
        """Count one photograph (size, size, 3) in, with its products()."""
        self.count += 1
        self._image += image
        self._products += products

    def result(self) -> ImageStatistics:
        """The statistics of what was added, at least one photograph."""
        mean = self._image / self.count
        pixels = self.count * self._image.shape[0] * self._image.shape[1]
        colour = self._image.sum(axis=(0, 1)) / pixels
        covariance = (self._products / pixels - np.outer(colour, colour)) / _WHITE**2
        values, vectors = np.linalg.eigh(covariance)
        vectors = vectors.T[::-1]  # largest first, in rows
        # An eigenvector's sign is free: its largest component is made positive.
        largest = np.take_along_axis(vectors, abs(vectors).argmax(axis=1)[:, None], axis=1)
        return ImageStatistics(mean, np.maximum(values[::-1], 0), vectors * np.sign(largest))
