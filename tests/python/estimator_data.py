"""What tests of bpnet.sklearn's estimators share: data, and fits that end early without a warning."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning


@pytest.fixture
def unconverged() -> Iterator[None]:
    """No warning that a fit has not converged."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def iris() -> tuple[np.ndarray, np.ndarray]:
    """The irises, standardised, and their classes."""
    X, y = load_iris(return_X_y=True)
    return (X - X.mean(axis=0)) / X.std(axis=0), y
