"""Learning curves of scikit-learn's perceptrons and bpnet's on ten data sets, over five seeds each: both end alike."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn", minversion="1.6", reason="scikit-learn 1.6 is not installed")

from sklearn import datasets, neural_network  # noqa: E402
from sklearn.exceptions import ConvergenceWarning  # noqa: E402
from sklearn.model_selection import train_test_split  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

from bpnet.sklearn import MLPClassifier, MLPRegressor  # noqa: E402

SEEDS = range(5)
EPOCHS = 40

Made = tuple[np.ndarray, np.ndarray]


def spirals() -> Made:
    rng = np.random.default_rng(0)
    turn = np.sqrt(rng.random(600)) * 3 * np.pi
    side = rng.integers(0, 2, 600)
    X = turn[:, None] * np.stack([np.cos(turn + side * np.pi), np.sin(turn + side * np.pi)], axis=1)
    return X + rng.normal(scale=0.4, size=X.shape), side


def waves() -> Made:
    rng = np.random.default_rng(1)
    X = rng.uniform(-3, 3, (600, 2))
    return X, np.sin(X[:, 0]) * X[:, 1] + rng.normal(scale=0.1, size=600)


CLASSES: dict[str, Callable[[], Made]] = {
    "iris": lambda: datasets.load_iris(return_X_y=True),
    "wine": lambda: datasets.load_wine(return_X_y=True),
    "breast cancer": lambda: datasets.load_breast_cancer(return_X_y=True),
    "digits": lambda: datasets.load_digits(return_X_y=True),
    "moons": lambda: datasets.make_moons(600, noise=0.25, random_state=0),
    "spirals": spirals,
}
NUMBERS: dict[str, Callable[[], Made]] = {
    "diabetes": lambda: datasets.load_diabetes(return_X_y=True),
    "linnerud": lambda: datasets.load_linnerud(return_X_y=True),
    "friedman": lambda: datasets.make_friedman1(600, noise=0.5, random_state=0),
    "waves": waves,
}


def parts(make: Callable[[], Made], numbers: bool) -> list[np.ndarray]:
    X, y = make()
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    scaler = StandardScaler().fit(X_train)
    if numbers:
        mean, scale = y_train.mean(axis=0), y_train.std(axis=0)
        y_train, y_test = (y_train - mean) / scale, (y_test - mean) / scale
    return [scaler.transform(X_train), scaler.transform(X_test), y_train, y_test]


def curve(model: Any, data: list[np.ndarray]) -> tuple[list[float], float]:
    X_train, X_test, y_train, y_test = data
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X_train, y_train)
    return model.loss_curve_, model.score(X_test, y_test)


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("name", [*CLASSES, *NUMBERS])
def test_both_end_alike(name: str, solver: str) -> None:
    numbers = name in NUMBERS
    data = parts((NUMBERS if numbers else CLASSES)[name], numbers)
    kinds = (
        (neural_network.MLPRegressor, MLPRegressor)
        if numbers
        else (neural_network.MLPClassifier, MLPClassifier)
    )
    options = {"max_iter": EPOCHS, "solver": solver, "learning_rate_init": 0.01, "hidden_layer_sizes": (32,)}
    scores: list[list[float]] = [[], []]
    for seed in SEEDS:
        theirs, ours = (curve(kind(random_state=seed, **options), data) for kind in kinds)
        scores[0].append(theirs[1])
        scores[1].append(ours[1])
        # The same seed draws the same weights and batches, so that even single curves agree, but for rounding that
        # training has made larger.
        assert len(theirs[0]) == len(ours[0])
        np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-3)
    noise = max(np.std(scores[0]), 1 / len(data[3]))
    assert abs(np.mean(scores[0]) - np.mean(scores[1])) <= noise


def test_there_are_ten_data_sets() -> None:
    assert len(CLASSES) + len(NUMBERS) == 10
