"""scikit-learn's checks of every estimator, all of them, without an exception."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

sklearn = pytest.importorskip("sklearn", minversion="1.6", reason="scikit-learn 1.6 is not installed")

from sklearn.utils.estimator_checks import estimator_checks_generator  # noqa: E402

from bpnet.sklearn import MLPClassifier, MLPRegressor  # noqa: E402

#: How many checks scikit-learn 1.9 has for each: as many as for its own, and that of class_weight.
CHECKS_OF_1_9 = {MLPClassifier: 67 + 1, MLPRegressor: 60}


def estimator(kind: type) -> Any:
    """Quick enough; scikit-learn's own lists have the same for its classes."""
    return kind(max_iter=100)


def name_of(check: Any) -> str:
    return getattr(check, "func", check).__name__


def checks_of(kind: type) -> list[tuple[Any, Any]]:
    return list(estimator_checks_generator(estimator(kind), legacy=True))


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind, index",
    [
        pytest.param(kind, index, id=f"{kind.__name__}-{name_of(check)}-{index}")
        for kind in (MLPClassifier, MLPRegressor)
        for index, (_, check) in enumerate(checks_of(kind))
    ],
)
def test_check_of_scikit_learn(kind: type, index: int) -> None:
    made, check = checks_of(kind)[index]
    if "weight" in name_of(check) and "equivalence" in name_of(check):
        # As scikit-learn tests its own: an optimum that does not depend on the batches.
        made.set_params(**exact_optimum(kind))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(made)


def exact_optimum(kind: type) -> dict[str, Any]:
    if kind is MLPClassifier:
        return {"solver": "lbfgs"}
    return {"solver": "sgd", "tol": 1e-2, "random_state": 42}


def test_no_check_is_missing() -> None:
    if not sklearn.__version__.startswith("1.9."):
        pytest.skip("the counts are those of scikit-learn 1.9")
    counts = {kind: len(checks_of(kind)) for kind in CHECKS_OF_1_9}
    assert counts == CHECKS_OF_1_9
