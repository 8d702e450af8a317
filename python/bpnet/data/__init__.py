"""Data from files: tables, arrays, IDX, digits, photographs; and the preprocessing that a model file remembers.

A number in a table is digits 0 to 9 with an optional sign, decimal mark and exponent, blanks around it do not
count: ``12``, ``-1.5``, ``+3e-2``, ``.5``. A whole column may have decimal commas, or separators between groups of
three digits. There are no hexadecimal numbers, underscores, percent signs, or words for infinity.

A value is missing where a field is empty or one of NA, N/A, #N/A, #NA, NaN, -NaN, null, none, nil, <NA>, ?, -, --
and . (case does not count), in numbers, categories and classes alike; ``missing_values`` adds words. A column that
``categorical`` names has its fields as they are: only the empty one and the added words are missing there.
"""

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
