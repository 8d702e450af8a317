"""Data from files: tables, arrays, IDX, digits, photographs; and the preprocessing that a model file remembers."""

from bpnet.data.files import digits, read_idx, read_idx_pair, read_npz
from bpnet.data.images import (
    Augmentation,
    ImageAugmenter,
    ImageFolder,
    ImageProblem,
    ImageStatistics,
    PackedImages,
    pack_images,
)
from bpnet.data.preprocessing import Preprocessing
from bpnet.data.table import Table, read_csv

__all__ = [
    "Augmentation",
    "ImageAugmenter",
    "ImageFolder",
    "ImageProblem",
    "ImageStatistics",
    "PackedImages",
    "Preprocessing",
    "Table",
    "digits",
    "pack_images",
    "read_csv",
    "read_idx",
    "read_idx_pair",
    "read_npz",
]
