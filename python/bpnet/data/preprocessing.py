"""How raw data becomes a network's input and its output an answer; kept in the model file."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from bpnet import _core
from bpnet.data.table import Table

__all__ = ["Preprocessing"]

# A column of text that is mostly numbers is a column of numbers with mistakes in it.
_MOSTLY = 0.9
_MOST_CATEGORIES = 1000
# How tables say that there is no number.
_ABSENT = ("na", "n/a", "null", "none", "?", "-")


class Preprocessing:
    """x' = (x − mean) / scale on numbers, one feature per category on text, and what the outputs mean.

    Attributes:
        columns: of a table, each {"name", "categories"}; a column without categories is a number.
        mean, scale: one per feature, or one for all.
        target: the target column's name.
        output: what the network gives: "values", "logits" (one per class), or "logit" (of the second of
            two classes).
        classes: the classes' names.
        target_mean, target_scale: of a regression, y = output · target_scale + target_mean.
        image: of a network that takes photographs, what bpnet.data.images keeps of them, or None.
    """

    def __init__(
        self,
        columns: Sequence[Mapping[str, Any]] = (),
        mean: Sequence[float] = (),
        scale: Sequence[float] = (),
        target: str = "",
        output: str = "values",
        classes: Sequence[str] = (),
        target_mean: float = 0.0,
        target_scale: float = 1.0,
        image: Mapping[str, Any] | None = None,
    ) -> None:
        self.columns = [dict(column) for column in columns]
        self.mean = [float(value) for value in mean]
        self.scale = [float(value) for value in scale]
        self.target = target
        self.output = output
        self.classes = list(classes)
        self.target_mean = float(target_mean)
        self.target_scale = float(target_scale)
        self.image = None if image is None else dict(image)

    def describe(self) -> dict[str, Any]:
        """As ``network.preprocessing`` and the model file keep it."""
        return {name: value for name, value in vars(self).items() if name != "image" or value is not None}

    @classmethod
    def from_description(cls, description: Mapping[str, Any] | None) -> Preprocessing:
        """What describe() said, read back; None is a network without any."""
        return cls(**(description or {}))

    # Inputs.

    def fit_table(self, table: Table, features: Sequence[str], categorical: Sequence[str]) -> None:
        """Decide which columns are numbers and which are categories. Every row counts, so that no
        category is first met after training."""
        self.columns = [
            {"name": name, "categories": _categories(table, name, name in categorical)} for name in features
        ]

    def fit_scale(self, X: np.ndarray) -> None:
        """mean and scale from the training rows (N, features); categories stay 0 and 1, a constant
        column keeps scale 1."""
        mean, scale = X.mean(axis=0), X.std(axis=0)
        keep = np.concatenate(
            [np.full(max(1, len(c["categories"])), bool(c["categories"])) for c in self.columns]
            or [np.zeros(X.shape[1], bool)]
        )
        self.mean = np.where(keep, 0.0, mean).tolist()
        self.scale = np.where(keep | (scale <= 1e-12 * np.abs(mean)), 1.0, scale).tolist()

    def encode(self, table: Table) -> np.ndarray:
        """The table as numbers (N, features), standardised if mean and scale are known."""
        rows = [list(row) for row in zip(*(table.column(column["name"]) for column in self.columns))]
        try:
            return _core.encode_table(self._json(), rows)
        except ValueError as error:
            head, _, rest = str(error).partition(": ")
            row = int(head.removeprefix("row ")) if head.startswith("row ") else None
            raise ValueError(f"{table.where(row)}: {rest}" if row is not None else str(error)) from None

    def standardise(self, X: np.ndarray) -> np.ndarray:
        """(X − mean) / scale for X (N, …), in float64."""
        flat = np.ascontiguousarray(X, dtype=np.float64).reshape(len(X), -1)
        return _core.standardise(self._json(), flat).reshape(X.shape)

    def _json(self) -> str:
        return json.dumps(self.describe())

    # Targets and answers.

    def labels(
        self, values: Sequence[str] | np.ndarray, where: Callable[[int], str] = "row {}".format
    ) -> np.ndarray:
        """Class indices (N,) of class names; ``where`` tells an error's place from its row."""
        index = {name: place for place, name in enumerate(self.classes)}
        found = []
        for row, value in enumerate(values):
            if str(value) not in index:
                raise ValueError(
                    f"{where(row)}: the class {str(value)!r} is not one of {', '.join(self.classes)}"
                )
            found.append(index[str(value)])
        return np.array(found, dtype=np.int64)

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """(N, classes) from the raw outputs of a classifier."""
        x = outputs.astype(np.float64)
        if self.output == "logit":
            second = 1 / (1 + np.exp(-np.clip(x[:, 0], -700, 700)))
            return np.stack([1 - second, second], axis=1)
        exponentials = np.exp(x - x.max(axis=1, keepdims=True))
        return exponentials / exponentials.sum(axis=1, keepdims=True)

    def decide(self, outputs: np.ndarray) -> np.ndarray:
        """Class indices (N,) from the raw outputs of a classifier."""
        return (outputs[:, 0] > 0).astype(np.int64) if self.output == "logit" else outputs.argmax(axis=1)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def holds_numbers(table: Table, name: str) -> bool:
    """True for a column of finite numbers, False for one of text. A hole, a number that is not finite,
    and a text among numbers are errors, with their line."""
    fields = table.column(name)
    numbers = [_number(field) for field in fields]
    wrong = [row for row, number in enumerate(numbers) if number is None]
    absent = [row for row in wrong if fields[row].lower() in _ABSENT]
    if absent and len(absent) == len(wrong) < len(fields):
        raise ValueError(
            f"{table.where(absent[0])}: column {name!r} is {fields[absent[0]]!r}, a number is missing; "
            f"fill it in or leave the row out, or say --categorical {name}"
        )
    for row, field in enumerate(fields):
        if field == "":
            raise ValueError(f"{table.where(row)}: column {name!r} is empty; fill it in or leave the row out")
    if len(wrong) > (1 - _MOSTLY) * len(fields):
        return False
    if wrong:
        raise ValueError(
            f"{table.where(wrong[0])}: column {name!r} is {fields[wrong[0]]!r}, but nearly all others are "
            f"numbers; mend it, or say --categorical {name}"
        )
    for row, number in enumerate(numbers):
        if number is not None and not math.isfinite(number):
            raise ValueError(
                f"{table.where(row)}: column {name!r} is {fields[row]!r}, a finite number is needed"
            )
    return True


def _categories(table: Table, name: str, categorical: bool) -> list[str]:
    """The sorted categories of a column of text, or [] for a column of numbers."""
    if not categorical and holds_numbers(table, name):
        return []
    fields = table.column(name)
    categories = sorted(set(fields))
    if len(categories) > _MOST_CATEGORIES:
        raise ValueError(
            f"{table.path}: column {name!r} has {len(categories)} different texts, at most {_MOST_CATEGORIES} "
            f"categories are possible; leave it out with --drop {name}"
        )
    return categories
