"""Data from files: tables, arrays, IDX, digits, photographs; and the preprocessing that a model file remembers."""

from bpnet.data.csv_file import names_from_csv, read_csv
from bpnet.data.idx import read_idx, read_idx_pair
from bpnet.data.images import (
    Augmentation,
    ImageAugmenter,
    ImageFolder,
    ImageProblem,
    ImageStatistics,
    PackedImages,
    pack_images,
)
from bpnet.data.npz import read_npz
from bpnet.data.preprocessing import Preprocessing
from bpnet.data.source import digits
from bpnet.data.table import Table

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
    "names_from_csv",
    "pack_images",
    "read_csv",
    "read_idx",
    "read_idx_pair",
    "read_npz",
]
