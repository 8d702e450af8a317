"""Which rows are trained on, and which are held out to validate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from bpnet.arrays import split_rows

__all__ = ["Split", "split_rows"]


class Split:
    """The rows of a training.

    Attributes:
        train: the indices of the rows that are trained on, in their order.
        validation: those of the rows held out.
        moved: how many were to be held out, but are the only ones with a category or class.
    """

    def __init__(
        self, kept: np.ndarray, fraction: float, seed: int, names: Iterable[Sequence[str | None]] = ()
    ) -> None:
        """Draw the rows, from the seed.

        Args:
            kept: (N,) bool, the rows that are used at all.
            fraction: of the rows, to hold out.
            seed: of the run.
            names: of each column of categories and of the classes, the name in each row, or None. Each name is
                trained on: rows that are held out move where no row that is trained on has it.
        """
        train, held_out = split_rows(len(kept), fraction, seed)
        validation = [row for row in held_out.tolist() if kept[row]]
        training = [row for row in train.tolist() if kept[row]]
        self.moved = 0
        for column in names:
            seen = {None, *(column[row] for row in training)}
            new = [row for row in validation if column[row] not in seen]
            if new:
                training += new
                validation = [row for row in validation if column[row] in seen]
                self.moved += len(new)
        self.train = np.array(sorted(training), np.int64)
        self.validation = np.array(validation, np.int64)
