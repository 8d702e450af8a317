"""partial_fit beyond its quick path, and early stopping over its calls."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.utils.validation import _check_sample_weight

from bpnet.sklearn.rows import TrainingRows
from bpnet.sklearn.stochastic import Validation, count_validation_score


def partial_fit(estimator: Any, X: Any, y: Any, sample_weight: Any, validation_data: Any) -> Any:
    """One epoch on these rows, with the checks of scikit-learn's partial_fit; then the score of validation_data."""
    if not hasattr(estimator, "coefs_") and not get_config()["skip_parameter_validation"]:
        estimator._validate_params()
    before = _improvement(estimator)
    estimator._fit(X, y, sample_weight=sample_weight, incremental=True)
    if validation_data is not None:
        _validate(estimator, validation_data, before)
    return estimator


def _improvement(estimator: Any) -> int:
    return getattr(estimator, "_no_improvement_count", 0)


def _validate(estimator: Any, validation_data: Any, before: int) -> None:
    e = estimator
    if len(validation_data) not in (2, 3):
        raise ValueError(
            f"validation_data has {len(validation_data)} items; (X, y) or (X, y, sample_weight) is needed"
        )
    X, y = e._validate_input(validation_data[0], validation_data[1], incremental=True, reset=False)
    weight = _check_sample_weight(validation_data[2], X) if len(validation_data) == 3 else None
    y = y.reshape(len(y), -1)
    if e.validation_scores_ is None:
        e.validation_scores_, e.validation_loss_curve_ = [], []
        e.best_validation_score_, before = -np.inf, 0
    e._no_improvement_count = before
    rows = TrainingRows(X, y, weight, e._training_loss(), e._weights.network.dtype, e._standardisation)
    count_validation_score(e, Validation(X, y, weight, rows))
    e.should_stop_ = e._no_improvement_count > e.n_iter_no_change
