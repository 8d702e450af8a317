"""Data from files: tables, arrays, IDX, digits; and the preprocessing that a model file remembers."""

from bpnet.data.files import digits, read_idx, read_idx_pair, read_npz
from bpnet.data.preprocessing import Preprocessing
from bpnet.data.table import Table, read_csv

__all__ = ["Preprocessing", "Table", "digits", "read_csv", "read_idx", "read_idx_pair", "read_npz"]
