"""How raw data becomes a network's input and its output an answer; kept in the model file."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from bpnet import _core

__all__ = ["Preprocessing"]

# A column's options that are not asked for; a model file leaves them out.
_COLUMN: dict[str, Any] = {
    "categories": [],
    "decimal": ".",
    "thousands": "",
    "missing": "error",
    "fill": None,
    "unknown": "error",
}
# As well as those of a Preprocessing.
_OPTIONAL: dict[str, Any] = {
    "missing_words": None,
    "target_decimal": ".",
    "target_thousands": "",
    "image": None,
}


class Preprocessing:
    """x' = (x − mean) / scale on numbers, one feature per category on text, and what the outputs mean.

    A column is a dict:

    - ``name``.
    - ``categories``: one feature for each, 0 or 1; none for a column of numbers, one feature.
    - ``decimal``, ``thousands``: of numbers, the decimal mark ("." or ",") and the thousands separator ("",
      ",", ".", " " or "'").
    - ``missing``: what a missing value becomes: ``"error"``; ``"fill"``, the column's ``fill``, a number or
      one of the categories; ``"drop"``, the row gets no answer; ``"category"``, the category "", and of a
      number its ``fill`` beside one more feature that is 1, else 0.
    - ``unknown``: what a value that is none of the categories becomes: ``"error"``, or ``"ignore"``, all
      features 0.

    Attributes:
        columns: of a table, with all their options.
        mean, scale: one per feature, or one for all.
        target: the target column's name.
        output: what the network gives: "values", "logits" (one per class), or "logit" (of the second of
            two classes).
        classes: the classes' names.
        target_mean, target_scale: of a regression, y = output · target_scale + target_mean.
        image: of a network that takes photographs, what bpnet.data.images keeps of them, or None.
        missing_words: the fields that mean "no value", or None for bpnet's list.
        target_decimal, target_thousands: how a regression's target is written.
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
        missing_words: Sequence[str] | None = None,
        target_decimal: str = ".",
        target_thousands: str = "",
    ) -> None:
        self.columns: list[dict[str, Any]] = [
            {**_COLUMN, **column, "categories": list(column.get("categories", ()))} for column in columns
        ]
        self.mean = [float(value) for value in mean]
        self.scale = [float(value) for value in scale]
        self.target = target
        self.output = output
        self.classes = list(classes)
        self.target_mean = float(target_mean)
        self.target_scale = float(target_scale)
        self.image = None if image is None else dict(image)
        self.missing_words = None if missing_words is None else list(missing_words)
        self.target_decimal = target_decimal
        self.target_thousands = target_thousands

    def describe(self) -> dict[str, Any]:
        """As ``network.preprocessing`` and the model file keep it, without options that are not used."""
        described = _without(vars(self), _OPTIONAL)
        described["columns"] = [
            {"name": column["name"], "categories": column["categories"], **_without(column, _COLUMN)}
            for column in self.columns
        ]
        return described

    @classmethod
    def from_description(cls, description: Mapping[str, Any] | None) -> Preprocessing:
        """What describe() said, read back; None is a network without any.

        Raises:
            ValueError: an option that there is not, or parts that contradict each other.
        """
        if description:
            _core.check_preprocessing(json.dumps(description))
        return cls(**(description or {}))

    def check_network(self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> None:
        """A ValueError where the columns, the photographs or the classes are not a network's of these shapes."""
        _core.check_preprocessing(self._json(), input_shape, output_shape)

    # Inputs.

    def fit_scale(self, X: np.ndarray) -> None:
        """mean and scale from the training rows (N, features); features that say 0 or 1 stay, a constant
        one keeps scale 1.

        Raises:
            ValueError: a feature's numbers are so large that their deviation is infinite.
        """
        with np.errstate(over="ignore"):
            mean, scale = X.mean(axis=0), X.std(axis=0)
        finite = np.isfinite(mean) & np.isfinite(scale)
        if not finite.all():
            raise ValueError(
                f"{self._feature_name(int(np.argmin(finite)))} has numbers too large to standardise"
            )
        keep = _core.features(self._json())[1] if self.columns else np.zeros(X.shape[1], bool)
        self.mean = np.where(keep, 0.0, mean).tolist()
        self.scale = np.where(keep | (scale <= 1e-12 * np.abs(mean)), 1.0, scale).tolist()

    def encode(
        self,
        columns: Sequence[Sequence[str] | np.ndarray],
        dtype: str | np.dtype[Any] = "float64",
        where: Callable[[int], str] = "row {}".format,
    ) -> tuple[np.ndarray, np.ndarray]:
        """A table as numbers, standardised if mean and scale are known.

        Args:
            columns: for each of ``self.columns`` its N fields: strings as a file writes them, or an array of
                numbers (NaN: missing; in a column of categories 3.0 is the category "3").
            dtype: the network's, in which every number must be finite.
            where: gives an error's location from its row.

        Returns:
            (N, features) float64, and (N,) bool: False for a row that gets no answer, because a value is
            missing and its column's ``missing`` is "drop".

        Raises:
            ValueError: with the row's location and the column's name.
        """
        with _rows_named(where):
            return _core.encode_columns(self._json(), columns, np.dtype(dtype).name)

    def standardise(
        self,
        X: np.ndarray,
        dtype: str | np.dtype[Any] = "float64",
        where: Callable[[int], str] = "row {}".format,
    ) -> np.ndarray:
        """(X − mean) / scale for X (N, …), in float64.

        Raises:
            ValueError: a number is not finite in the network's dtype; with the row's location.
        """
        with _rows_named(where):
            return _core.standardise(self._json(), _rows(X), np.dtype(dtype).name).reshape(X.shape)

    def _json(self) -> str:
        return json.dumps(self.describe())

    def _feature_name(self, feature: int) -> str:
        if not self.columns:
            return f"feature {feature}"
        column_of, _ = _core.features(self._json())
        return f"column {self.columns[column_of[feature]]['name']!r}"

    # Targets and answers.

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """(N, classes) float64 from the raw outputs (N, outputs) of a classifier.

        Raises:
            ValueError: it was not trained with a cross-entropy, or an output is not finite.
        """
        return _core.probabilities(self.output, _rows(outputs))

    def decide(self, outputs: np.ndarray) -> np.ndarray:
        """Class indices (N,) int64 from the raw outputs (N, outputs) of a classifier."""
        return _core.decide(self.output, _rows(outputs))

    def values(self, outputs: np.ndarray) -> np.ndarray:
        """(N, outputs) float64 in the target's unit from the raw outputs (N, outputs) of a regression."""
        return _core.rescale(self.target_mean, self.target_scale, _rows(outputs))


def _without(options: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    """The options that differ from the usual ones."""
    return {name: value for name, value in options.items() if name not in usual or value != usual[name]}


def _rows(array: np.ndarray) -> np.ndarray:
    """(N, …) as (N, numbers) float64."""
    return np.ascontiguousarray(array, dtype=np.float64).reshape(len(array), math.prod(array.shape[1:]))


@contextlib.contextmanager
def _rows_named(where: Callable[[int], str]) -> Iterator[None]:
    """An error of the core that begins with "row N: " begins with the row's location instead."""
    try:
        yield
    except ValueError as error:
        head, _, rest = str(error).partition(": ")
        if not head.startswith("row "):
            raise
        raise type(error)(f"{where(int(head.removeprefix('row ')))}: {rest}") from None
