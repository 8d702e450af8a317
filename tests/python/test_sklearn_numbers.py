"""The same numbers as scikit-learn's multi-layer perceptrons from the same seed, and the same stops and messages."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn", minversion="1.6", reason="scikit-learn 1.6 is not installed")

from scipy import sparse  # noqa: E402
from sklearn import neural_network  # noqa: E402
from sklearn.datasets import load_diabetes, load_digits  # noqa: E402
from sklearn.exceptions import ConvergenceWarning  # noqa: E402

from bpnet.sklearn import MLPClassifier, MLPRegressor  # noqa: E402
from bpnet.sklearn.lbfgs import Objective  # noqa: E402
from bpnet.sklearn.rows import TrainingRows  # noqa: E402

PAIRS = {
    "classifier": (neural_network.MLPClassifier, MLPClassifier),
    "regressor": (neural_network.MLPRegressor, MLPRegressor),
}
HAS_1_7 = tuple(int(part) for part in sklearn.__version__.split(".")[:2]) >= (1, 7)


def digits(classes: int = 10) -> tuple[np.ndarray, np.ndarray]:
    X, y = load_digits(return_X_y=True)
    chosen = y < classes
    return X[chosen][:330] / 16, y[chosen][:330]


def diabetes(outputs: int = 1) -> tuple[np.ndarray, np.ndarray]:
    X, y = load_diabetes(return_X_y=True)
    y = y / 100
    return X * 20, y if outputs == 1 else np.stack([y, 2 - y / 3], axis=1)


def both(kind: str, X: Any, y: Any, options: dict[str, Any], **fit: Any) -> tuple[Any, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        theirs, ours = (made(random_state=3, **options).fit(X, y, **fit) for made in PAIRS[kind])
    return theirs, ours


def assert_same(theirs: Any, ours: Any, tolerance: float) -> None:
    assert ours.n_iter_ == theirs.n_iter_
    assert ours.t_ == theirs.t_
    assert ours.n_layers_ == theirs.n_layers_
    assert ours.out_activation_ == theirs.out_activation_
    for mine, yours in zip(ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_):
        assert mine.dtype == yours.dtype
        np.testing.assert_allclose(mine, yours, rtol=0, atol=tolerance * max(1.0, np.abs(yours).max()))
    np.testing.assert_allclose(ours.loss_, theirs.loss_, rtol=tolerance * 10)


OPTIONS: dict[str, dict[str, Any]] = {
    "adam": {},
    "adam without penalty": {"alpha": 0.0},
    "adam, large epsilon": {"epsilon": 1e-2, "beta_2": 0.9},
    "sgd": {"solver": "sgd", "learning_rate_init": 0.01},
    "sgd, plain momentum": {"solver": "sgd", "nesterovs_momentum": False, "learning_rate_init": 0.01},
    "sgd, none": {"solver": "sgd", "momentum": 0.0, "learning_rate_init": 0.05},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.1, "power_t": 0.2},
    "adaptive": {
        "solver": "sgd",
        "learning_rate": "adaptive",
        "tol": 1e-1,
        "n_iter_no_change": 1,
        "learning_rate_init": 0.02,
    },
    "two layers, tanh": {"hidden_layer_sizes": (13, 7), "activation": "tanh"},
    "logistic": {"activation": "logistic"},
    "identity": {"activation": "identity"},
    "in order": {"shuffle": False},
    "early stopping": {"early_stopping": True, "n_iter_no_change": 2},
    "large penalty": {"alpha": 3.0},
}


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("classes", [2, 10])
def test_a_classifier_has_scikit_learns_weights(name: str, classes: int) -> None:
    options = {"max_iter": 8, "batch_size": 64, "hidden_layer_sizes": (17,)} | OPTIONS[name]
    X, y = digits(classes)
    assert_same(*both("classifier", X, y, options), tolerance=1e-9)


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("outputs", [1, 2])
def test_a_regressor_has_scikit_learns_weights(name: str, outputs: int) -> None:
    options = {"max_iter": 8, "batch_size": 64, "hidden_layer_sizes": (17,)} | OPTIONS[name]
    options["learning_rate_init"] = min(options.get("learning_rate_init", 1e-3), 1e-3)
    X, y = diabetes(outputs)
    assert_same(*both("regressor", X, y, options), tolerance=1e-9)


def test_float32_trains_in_float32() -> None:
    X, y = digits()
    theirs, ours = both("classifier", X.astype(np.float32), y, {"max_iter": 4})
    assert_same(theirs, ours, tolerance=1e-4)
    assert ours.predict_proba(X.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize("kind", PAIRS)
def test_lbfgs_goes_scikit_learns_way(kind: str) -> None:
    X, y = digits() if kind == "classifier" else diabetes()
    theirs, ours = both(
        kind, X, y, {"solver": "lbfgs", "max_iter": 6, "activation": "tanh", "hidden_layer_sizes": 9}
    )
    assert_same(theirs, ours, tolerance=1e-7)
    assert not hasattr(ours, "loss_curve_")


@pytest.mark.skipif(not HAS_1_7, reason="scikit-learn has sample weights and the Poisson loss from 1.7 on")
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("kind", PAIRS)
def test_sample_weights_are_scikit_learns(kind: str, solver: str) -> None:
    X, y = digits() if kind == "classifier" else diabetes()
    weight = np.random.default_rng(0).integers(0, 4, len(y)).astype(float)
    options = {"solver": solver, "max_iter": 5, "activation": "tanh", "hidden_layer_sizes": 9}
    assert_same(*both(kind, X, y, options, sample_weight=weight), tolerance=1e-7)


@pytest.mark.skipif(not HAS_1_7, reason="scikit-learn has sample weights and the Poisson loss from 1.7 on")
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_the_poisson_loss_is_scikit_learns(solver: str) -> None:
    X, y = diabetes()
    counts = np.floor(y * 3)
    options = {"loss": "poisson", "solver": solver, "max_iter": 5, "hidden_layer_sizes": 9}
    theirs, ours = both("regressor", X, counts, options)
    assert_same(theirs, ours, tolerance=1e-8)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-7)


def test_multilabel_targets_are_scikit_learns() -> None:
    X, y = digits()
    indicators = np.stack([y % 2 == 0, y > 4, y == 3], axis=1).astype(int)
    theirs, ours = both("classifier", X, indicators, {"max_iter": 5})
    assert_same(theirs, ours, tolerance=1e-9)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-9)


@pytest.mark.parametrize("dtype", [object, str])
def test_classes_may_be_strings(dtype: Any) -> None:
    X, y = digits()
    names = np.array([f"digit {label}" for label in y], dtype=dtype)
    theirs, ours = both("classifier", X, names, {"max_iter": 5})
    assert_same(theirs, ours, tolerance=1e-9)
    predicted = ours.predict(X)
    np.testing.assert_array_equal(predicted, theirs.predict(X))
    assert predicted.dtype == theirs.predict(X).dtype


@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_sparse_matrix_gives_the_weights_of_a_dense_one(form: Any, solver: str) -> None:
    X, y = digits()
    options = {"max_iter": 4, "solver": solver, "random_state": 0, "hidden_layer_sizes": 9}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        dense, thin = (MLPClassifier(**options).fit(each, y) for each in (X, form(X)))
    for mine, yours in zip(thin.coefs_, dense.coefs_):
        np.testing.assert_array_equal(mine, yours)
    np.testing.assert_array_equal(thin.predict_proba(form(X)), dense.predict_proba(X))


def test_a_sparse_matrix_is_never_dense_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[int] = []
    to_dense = sparse.csr_matrix.toarray

    def counted(self: sparse.csr_matrix, *rest: object) -> np.ndarray:
        if self.shape[1] == 30:
            rows.append(self.shape[0])
        return to_dense(self, *rest)

    monkeypatch.setattr(sparse.csr_matrix, "toarray", counted)
    X = sparse.random(9000, 30, density=0.05, format="csr", random_state=0)
    y = np.arange(9000) % 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for solver in ("adam", "lbfgs"):
            MLPClassifier(4, solver=solver, max_iter=1, random_state=0).fit(X, y).predict(X)
    assert sum(rows) >= 4 * 9000
    assert max(rows) < 5000


def test_partial_fit_and_warm_start_go_on_as_scikit_learns() -> None:
    X, y = digits()
    for options in ({"solver": "sgd", "learning_rate": "invscaling"}, {"solver": "adam"}):
        theirs, ours = (made(5, random_state=1, **options) for made in PAIRS["classifier"])
        for model in (theirs, ours):
            model.partial_fit(X[:50], y[:50], classes=np.arange(10))
            for first in range(0, 300, 37):
                model.partial_fit(X[first : first + 37], y[first : first + 37])
            model.partial_fit(X[:1], y[:1])
        assert_same(theirs, ours, tolerance=1e-9)
        assert len(ours.loss_curve_) == len(theirs.loss_curve_)
        np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-9)
        assert ours._optimizer.learning_rate == pytest.approx(theirs._optimizer.learning_rate)
    theirs, ours = (made(5, random_state=1, warm_start=True, max_iter=3) for made in PAIRS["classifier"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for _ in range(2):
            theirs.fit(X, y)
            ours.fit(X, y)
    assert_same(theirs, ours, tolerance=1e-9)


@pytest.mark.parametrize("alpha", [0.0, 0.7])
def test_the_gradient_of_lbfgs_is_that_of_its_loss(alpha: float) -> None:
    X, y = digits()
    model = MLPClassifier((6, 5), activation="tanh", solver="lbfgs", max_iter=3, random_state=0, alpha=alpha)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    indicators = model._label_binarizer.transform(y).astype(bool)
    weight = np.random.default_rng(0).random(len(y))
    loss = model._training_loss()
    rows = TrainingRows(X, indicators, weight, loss, np.dtype(np.float64), None)
    objective = Objective(model._current_weights(), rows, loss, alpha)
    start = objective.start()
    _, gradient = objective(start)
    step = 1e-6
    for index in range(0, len(start), 29):
        moved = [start.copy(), start.copy()]
        moved[0][index] += step
        moved[1][index] -= step
        difference = (objective(moved[0])[0] - objective(moved[1])[0]) / (2 * step)
        assert gradient[index] == pytest.approx(difference, abs=1e-8)


MESSAGES = {
    "hidden sizes": ({"hidden_layer_sizes": (3, 0)}, ValueError),
    "alpha": ({"alpha": -1}, ValueError),
    "momentum": ({"momentum": 1.5}, ValueError),
    "batch size": ({"batch_size": 5000}, UserWarning),
    "iterations": ({"max_iter": 1}, ConvergenceWarning),
    "lbfgs": ({"solver": "lbfgs", "max_iter": 1}, ConvergenceWarning),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_messages_are_scikit_learns(name: str) -> None:
    options, kind = MESSAGES[name]
    X, y = digits(2)
    messages = []
    for made in PAIRS["classifier"]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                made(**options).fit(X, y)
            except kind as error:
                messages.append([(type(error), str(error))])
            else:
                messages.append(
                    [(each.category, str(each.message)) for each in caught if each.category is kind]
                )
    assert messages[0] == messages[1]
    assert messages[0]


def test_what_is_printed_is_scikit_learns(capsys: pytest.CaptureFixture[str]) -> None:
    X, y = digits()
    printed = []
    for options in (
        {"early_stopping": True, "max_iter": 40, "tol": 1e-2, "n_iter_no_change": 3},
        {"solver": "sgd", "learning_rate": "adaptive", "tol": 10.0, "n_iter_no_change": 1},
    ):
        for made in PAIRS["classifier"]:
            made(random_state=0, verbose=True, hidden_layer_sizes=5, **options).fit(X, y)
            printed.append(capsys.readouterr().out)
        assert printed[-1] == printed[-2]
        assert printed[-1].count("Iteration") > 3
