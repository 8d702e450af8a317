"""Photographs: folders of them, packed files, augmentation. Decoding needs Pillow, the extra ``images``."""

from bpnet.data.images.augmentation import Augmentation, ImageAugmenter
from bpnet.data.images.folder import ImageFolder, ImageProblem
from bpnet.data.images.packed import PackedImages, pack_images
from bpnet.data.images.statistics import ImageStatistics

__all__ = [
    "Augmentation",
    "ImageAugmenter",
    "ImageFolder",
    "ImageProblem",
    "ImageStatistics",
    "PackedImages",
    "pack_images",
]
