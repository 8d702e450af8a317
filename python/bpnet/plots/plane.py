"""A plane of two features through samples, the others held at one value each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bpnet import _core, arrays, checks

_MARGIN = 0.05  # of the samples' range, on each side


class Plane:
    """A grid over the range of two features of samples.

    Args:
        operation: what errors begin with.
        X: (N, features), or a DataFrame.
        features: the two, as column indices of an array or names of a DataFrame; None where there are only two.
        others: ``"mean"`` or ``"median"`` of each other feature.
        fixed: values of other features, in place of those.
        resolution: points along each of the two.

    Attributes:
        columns: the names of all features, indices where X is an array.
        features: the two.
        samples: (N, 2), the two features of X.
        across: (resolution,), the first feature's values.
        upward: (resolution,), the second's.
    """

    def __init__(
        self,
        operation: str,
        X: Any,
        features: Sequence[Any] | None,
        others: str,
        fixed: Mapping[Any, Any],
        resolution: int,
    ) -> None:
        self._operation = operation
        self._frame = type(X) if hasattr(X, "columns") else None
        self._X = X if self._frame else arrays.numeric(operation, "X", X)
        if self._frame is None and self._X.ndim != 2:
            raise ValueError(f"{operation}: X has shape {self._X.shape}, (N, features) is needed")
        if not len(self._X):
            raise ValueError(f"{operation}: X has 0 samples, at least 1 is needed")
        self.columns = list(X.columns if self._frame else range(self._X.shape[1]))
        self.features = self._two(features)
        self._rest = self._others(others, fixed)
        self.samples = np.stack([self._numbers(name) for name in self.features], axis=1)
        resolution = checks.whole(operation, "resolution", resolution, least=2)
        self.across, self.upward = (_range(column, resolution) for column in self.samples.T)

    def rows(self, second: float) -> Any:
        """One line of the grid, of the kind of X: every value of the first feature, beside one of the second."""
        count = len(self.across)
        line = {name: np.full(count, value) for name, value in self._rest.items()}
        line |= {self.features[0]: self.across, self.features[1]: np.full(count, second)}
        if self._frame is not None:
            return self._frame({name: line[name] for name in self.columns})
        dtype = self._X.dtype if self._X.dtype.kind == "f" else np.float64
        return np.stack([line[name] for name in self.columns], axis=1).astype(dtype)

    def labels(self) -> list[str]:
        """What the two axes are called."""
        return [str(name) if self._frame else f"feature {name}" for name in self.features]

    def _two(self, features: Sequence[Any] | None) -> tuple[Any, Any]:
        if features is None:
            if len(self.columns) != 2:
                raise ValueError(
                    f"{self._operation}: X has {len(self.columns)} features, name the two to draw: "
                    f"features={tuple(self.columns[:2])!r}"
                )
            features = self.columns
        two = checks.items(self._operation, "features", features)
        if len(two) != 2 or two[0] == two[1]:
            raise ValueError(f"{self._operation}: features is {features!r}, two different ones are needed")
        for name in two:
            self._check_known("features", name)
        return two[0], two[1]

    def _check_known(self, option: str, name: Any) -> None:
        if isinstance(name, bool) or name not in self.columns:
            shown = ", ".join(map(repr, self.columns[:10])) + (", …" if len(self.columns) > 10 else "")
            raise ValueError(f"{self._operation}: {option} has {name!r}, the features of X are {shown}")

    def _others(self, others: str, fixed: Mapping[Any, Any]) -> dict[Any, Any]:
        if others not in ("mean", "median"):
            raise ValueError(f"{self._operation}: others is {others!r}, 'mean' or 'median' is needed")
        for name in fixed:
            self._check_known("fixed", name)
            if name in self.features:
                raise ValueError(
                    f"{self._operation}: fixed has {name!r}, which is one of the two that are drawn"
                )
        middle = np.mean if others == "mean" else np.median
        rest = [name for name in self.columns if name not in self.features]
        return {name: fixed[name] if name in fixed else middle(self._numbers(name)) for name in rest}

    def _numbers(self, name: Any) -> np.ndarray:
        """(N,), a feature as finite numbers."""
        what = f"feature {name!r} of X"
        hint = "" if name in self.features else f"; give it one value: fixed={{{name!r}: …}}"
        try:
            column = self._X[name] if self._frame else self._X[:, name]
            numbers = arrays.numeric(self._operation, what, column).astype(np.float64)
        except TypeError as error:
            raise TypeError(f"{error}{hint}") from None
        finite = np.isfinite(numbers)
        if not finite.all():
            row = int(np.argmin(finite))
            raise _core.NumericError(f"{self._operation}: {what} has NaN or infinity in row {row}{hint}")
        return numbers


def _range(column: np.ndarray, resolution: int) -> np.ndarray:
    least, most = column.min(), column.max()
    margin = _MARGIN * (most - least) or 0.5
    return np.linspace(least - margin, most + margin, resolution)
