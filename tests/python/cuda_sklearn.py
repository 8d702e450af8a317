"""scikit-learn's estimators on a GPU, or on one that is emulated: run in a process with the library."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import bpnet as bp

sklearn = pytest.importorskip("sklearn", minversion="1.6", reason="scikit-learn 1.6 is not installed")

from bpnet.sklearn import MLPClassifier, MLPRegressor  # noqa: E402
from estimator_data import iris, unconverged  # noqa: E402, F401

pytestmark = [
    pytest.mark.skipif("cuda:0" not in bp.devices(), reason="there is no GPU"),
    pytest.mark.usefixtures("unconverged"),
]


def float32_iris() -> tuple[np.ndarray, np.ndarray]:
    X, y = iris()
    return X.astype(np.float32), y


OPTIONS: dict[str, dict[str, Any]] = {
    "adam": {},
    "sgd": {"solver": "sgd"},
    "early stopping": {"early_stopping": True, "n_iter_no_change": 3},
    "own": {"optimizer": bp.SGD(0.1, momentum=0.9, schedule=bp.StepLR(2))},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_a_gpu_gives_the_processors_weights(name: str) -> None:
    X, y = float32_iris()
    options = {"hidden_layer_sizes": (8,), "max_iter": 5, "random_state": 0, "batch_size": 40} | OPTIONS[name]
    here, there = (MLPClassifier(device=device, **options).fit(X, y) for device in ("cpu", "cuda"))
    assert there._weights.network.device == "cuda:0"
    for mine, yours in zip(there.coefs_ + there.intercepts_, here.coefs_ + here.intercepts_):
        np.testing.assert_allclose(mine, yours, atol=1e-5)
    np.testing.assert_allclose(there.loss_curve_, here.loss_curve_, rtol=1e-5)
    np.testing.assert_allclose(there.predict_proba(X), here.predict_proba(X), atol=1e-5)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(there)).coefs_[0], there.coefs_[0])


def test_partial_fit_shows_the_weights_after_it() -> None:
    X, y = float32_iris()
    models = [
        MLPRegressor(hidden_layer_sizes=(5,), random_state=0, device=device) for device in ("cpu", "cuda")
    ]
    for first in range(0, 150, 30):
        for model in models:
            model.partial_fit(X[first : first + 30], y[first : first + 30].astype(np.float32))
        np.testing.assert_allclose(models[1].coefs_[1], models[0].coefs_[1], atol=1e-5)
    models[1].coefs_ = [each * 0 for each in models[1].coefs_]
    assert np.ptp(models[1].predict(X)) == 0


def test_what_a_gpu_has_not_is_said() -> None:
    X, y = float32_iris()
    with pytest.raises(ValueError, match="lbfgs is for device='cpu', give 'adam' or 'sgd'"):
        MLPClassifier(solver="lbfgs", device="cuda").fit(X, y)
    with pytest.raises(
        ValueError, match="learning_rate is 'adaptive' with momentum, which device='cpu' has alone"
    ):
        MLPClassifier(solver="sgd", learning_rate="adaptive", device="cuda").fit(X, y)
