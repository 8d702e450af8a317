"""bpnet's estimators in scikit-learn's tools: searches, pipelines, ensembles, joblib, pickles, ONNX."""

from __future__ import annotations

import copy
import inspect
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bpnet as bp

sklearn = pytest.importorskip("sklearn", minversion="1.6", reason="scikit-learn 1.6 is not installed")

import joblib  # noqa: E402
from sklearn import config_context, neural_network  # noqa: E402
from sklearn.base import clone, is_classifier, is_regressor  # noqa: E402
from sklearn.calibration import CalibratedClassifierCV  # noqa: E402
from sklearn.compose import TransformedTargetRegressor  # noqa: E402
from sklearn.datasets import load_digits, load_iris  # noqa: E402
from sklearn.ensemble import VotingClassifier  # noqa: E402
from sklearn.exceptions import NotFittedError  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.model_selection import GridSearchCV, cross_val_score  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from threadpoolctl import threadpool_info  # noqa: E402

from bpnet.sklearn import MLPClassifier, MLPRegressor, register_onnx_converters  # noqa: E402
from estimator_data import iris, unconverged  # noqa: E402, F401

pytestmark = pytest.mark.usefixtures("unconverged")

QUICK: dict[str, Any] = {
    "hidden_layer_sizes": (8,),
    "max_iter": 30,
    "random_state": 0,
    "learning_rate_init": 0.05,
}


def fitted(**options: Any) -> MLPClassifier:
    return MLPClassifier(**QUICK | options).fit(*iris())


@pytest.mark.parametrize(
    "ours, theirs, count",
    [(MLPClassifier, neural_network.MLPClassifier, 23), (MLPRegressor, neural_network.MLPRegressor, 24)],
)
def test_the_first_parameters_are_scikit_learns(ours: type, theirs: type, count: int) -> None:
    mine, yours = (inspect.signature(each).parameters for each in (ours, theirs))
    if "loss" in mine and "loss" not in yours:
        pytest.skip("scikit-learn's regressor has its parameter loss from 1.7 on")
    assert len(yours) == count
    assert list(mine)[:count] == list(yours)
    for name, parameter in yours.items():
        assert mine[name].default == parameter.default
        assert mine[name].kind == parameter.kind


def test_attributes_are_scikit_learns() -> None:
    X, y = iris()
    for options in ({}, {"early_stopping": True}, {"solver": "lbfgs"}):
        theirs = neural_network.MLPClassifier(**QUICK | options).fit(X, y)
        public = {name for name in vars(theirs) if name.endswith("_") and not name.startswith("_")}
        assert public <= set(vars(fitted(**options)))


def test_grid_search_and_cross_validation() -> None:
    X, y = iris()
    search = GridSearchCV(
        MLPClassifier(**QUICK), {"alpha": [1e-4, 1e-2], "dropout": [0.0, 0.1]}, cv=3, n_jobs=2
    )
    search.fit(X, y)
    assert search.best_score_ > 0.9
    assert set(search.best_params_) == {"alpha", "dropout"}
    ours, theirs = (
        cross_val_score(made(**QUICK), X, y, cv=3) for made in (MLPClassifier, neural_network.MLPClassifier)
    )
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_joblib_fits_at_the_same_time(backend: str) -> None:
    X, y = iris()
    alone = fitted()
    with joblib.parallel_config(backend=backend, n_jobs=2):
        models = joblib.Parallel()(joblib.delayed(MLPClassifier(**QUICK).fit)(X, y) for _ in range(4))
    for model in models:
        np.testing.assert_array_equal(model.coefs_[0], alone.coefs_[0])


def test_pipelines_ensembles_and_calibration() -> None:
    X, y = load_iris(return_X_y=True)
    assert make_pipeline(StandardScaler(), MLPClassifier(**QUICK)).fit(X, y).score(X, y) > 0.9
    voting = VotingClassifier(
        [("mlp", MLPClassifier(**QUICK)), ("linear", LogisticRegression(max_iter=500))], voting="soft"
    )
    assert voting.fit(X, y).score(X, y) > 0.9
    calibrated = CalibratedClassifierCV(MLPClassifier(**QUICK), cv=3).fit(X, y)
    np.testing.assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1)
    target = TransformedTargetRegressor(
        MLPRegressor(**QUICK | {"max_iter": 200, "solver": "lbfgs"}), func=np.log1p, inverse_func=np.expm1
    )
    assert target.fit(X[:, :3], X[:, 3]).score(X[:, :3], X[:, 3]) > 0.8


def test_metadata_routing_passes_sample_weights() -> None:
    X, y = iris()
    weight = np.where(y == 2, 0.0, 1.0)
    with config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(
            StandardScaler().set_fit_request(sample_weight=False),
            MLPClassifier(**QUICK).set_fit_request(sample_weight=True),
        )
        assert 2 not in pipeline.fit(X, y, sample_weight=weight).predict(X)


def test_tags_describe_the_inputs() -> None:
    assert is_classifier(MLPClassifier()) and is_regressor(MLPRegressor())
    tags = MLPClassifier().__sklearn_tags__()
    assert tags.input_tags.sparse and tags.classifier_tags.multi_label
    assert MLPRegressor().__sklearn_tags__().input_tags.sparse


def test_the_names_of_a_data_frames_columns_are_kept_and_compared() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    X, y = iris()
    table = pandas.DataFrame(X, columns=["a", "b", "c", "d"])
    model = MLPClassifier(**QUICK).fit(table, y)
    assert list(model.feature_names_in_) == ["a", "b", "c", "d"]
    np.testing.assert_array_equal(model.predict(table), fitted().predict(X))
    with pytest.warns(UserWarning, match="X does not have valid feature names, but MLPClassifier was fitted"):
        model.predict(X)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(table[["b", "a", "c", "d"]])


def test_a_clone_has_the_parameters_and_is_not_fitted() -> None:
    given = {"dropout": 0.25, "optimizer": bp.SGD(0.1), "activation": [bp.LeakyReLU(0.3)]}
    model = clone(fitted(**given))
    assert {name: getattr(model, name) for name in given} == given
    with pytest.raises(NotFittedError, match="This MLPClassifier instance is not fitted yet"):
        model.predict(iris()[0])


CONTINUED: dict[str, dict[str, Any]] = {
    "sgd": {"solver": "sgd"},
    "sgd with a falling rate": {"solver": "sgd", "learning_rate": "invscaling"},
    "adam": {"solver": "adam"},
    "adam, dropout": {"solver": "adam", "dropout": 0.3},
    "SGD": {"optimizer": bp.SGD(0.05, momentum=0.9, nesterov=True)},
    "Adam": {"optimizer": bp.Adam(0.02)},
    "AdamW, dropout": {"optimizer": bp.AdamW(0.02), "dropout": 0.3},
    "RMSprop": {"optimizer": bp.RMSprop(0.01, momentum=0.5)},
    "StepLR": {"optimizer": bp.SGD(0.1, momentum=0.9, schedule=bp.StepLR(3, gamma=0.5))},
    "ReduceLROnPlateau": {"optimizer": bp.Adam(0.3, schedule=bp.ReduceLROnPlateau(factor=0.5, patience=0))},
    "LinearWarmup": {"optimizer": bp.Adam(0.1, schedule=bp.LinearWarmup(100))},
}


@pytest.mark.parametrize(
    "copied", [lambda m: pickle.loads(pickle.dumps(m)), copy.deepcopy], ids=["pickle", "copy"]
)
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("name", CONTINUED)
def test_a_copy_continues_to_the_same_bits(name: str, kind: type, copied: Any) -> None:
    X, y = iris()
    model = kind(**QUICK | {"max_iter": 4, "batch_size": 20} | CONTINUED[name]).fit(X, y)
    model.partial_fit(X[:40], y[:40])
    other = copied(copied(model))
    np.testing.assert_array_equal(other.predict(X), model.predict(X))
    assert other._optimizer.learning_rate == model._optimizer.learning_rate
    for rows in (slice(30, 90), slice(0, 50), slice(80, 150)):
        for each in (model, other):
            each.partial_fit(X[rows], y[rows])
        other = copied(other)
        for mine, yours in zip(model.coefs_ + model.intercepts_, other.coefs_ + other.intercepts_):
            np.testing.assert_array_equal(mine, yours)
        assert other._optimizer.learning_rate == model._optimizer.learning_rate
        assert other.loss_curve_ == model.loss_curve_


PARAMETERS: dict[str, Any] = {
    "activation": {"activation": "tanh"},
    "layer": {"activation": [bp.LeakyReLU(0.5)]},
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_an_activation_that_is_set_after_fit_is_applied(name: str) -> None:
    X, y = iris()
    model = fitted()
    before = model.predict_proba(X)
    model.predict(X[:1])  # the network is there
    model.set_params(**PARAMETERS[name])
    after = model.predict_proba(X)
    assert not np.array_equal(after, before)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict_proba(X), after)
    if name == "activation":
        theirs = neural_network.MLPClassifier(**QUICK).fit(X, y).set_params(activation="tanh")
        np.testing.assert_allclose(after, theirs.predict_proba(X), atol=1e-9)
        for each in (model, theirs):
            each.partial_fit(X[:90], y[:90]).partial_fit(X[60:], y[60:])
        np.testing.assert_allclose(model.coefs_[0], theirs.coefs_[0], atol=1e-9)
    np.testing.assert_array_equal(model.set_params(activation="relu").coefs_[0], model.coefs_[0])


def test_parameters_that_are_set_after_fit_are_checked() -> None:
    X, _ = iris()
    model = fitted()
    before = model.predict_proba(X)
    with pytest.raises(ValueError, match="activation holds 'cube'; bpnet layers and "):
        model.set_params(activation="cube").predict(X)
    with pytest.raises((bp.DeviceError, ValueError), match="abacus"):
        model.set_params(activation="relu", device="abacus").predict(X)
    np.testing.assert_array_equal(model.set_params(device="cpu").predict_proba(X), before)


def test_a_list_of_activations_that_is_changed_in_place_is_applied() -> None:
    X, _ = iris()
    given: list[Any] = ["relu"]
    model = fitted(activation=given)
    given[0] = "tanh"
    np.testing.assert_array_equal(model.predict_proba(X), pickle.loads(pickle.dumps(model)).predict_proba(X))


def test_parameters_of_the_network_are_applied_by_a_warm_start() -> None:
    X, y = iris()
    ours, theirs = (
        made(**QUICK | {"warm_start": True, "max_iter": 3})
        for made in (MLPClassifier, neural_network.MLPClassifier)
    )
    for each in (ours, theirs):
        each.fit(X, y).set_params(activation="logistic").fit(X, y)
    np.testing.assert_allclose(ours.coefs_[0], theirs.coefs_[0], atol=1e-9)
    ours.set_params(dropout=0.5).fit(X, y)
    layers = [type(layer).__name__ for layer in ours._weights.network.layers]
    assert layers == ["Linear", "Sigmoid", "Dropout", "Linear"]


@pytest.mark.parametrize("call", ["fit", "partial_fit"])
@pytest.mark.parametrize("now", [True, False])
def test_weights_are_not_trained_on_with_another_standardisation(now: bool, call: str) -> None:
    X, y = iris()
    model = fitted(standardize=not now, warm_start=True)
    before = model.predict_proba(X)
    model.set_params(standardize=now)
    np.testing.assert_array_equal(model.predict_proba(X), before)
    with pytest.raises(ValueError, match=f"standardize is {now}, the weights were trained with {not now}"):
        getattr(model, call)(X, y)
    assert model.set_params(warm_start=False).fit(X, y)._standardisation is not None or not now


def test_a_loss_that_is_set_after_fit_is_trained_on() -> None:
    X, y = iris()
    target = y / 2.0
    ours = MLPRegressor(**QUICK).partial_fit(X, target)
    other = copy.deepcopy(ours).set_params(loss="absolute_error")
    ours.set_params(loss="absolute_error").partial_fit(X, target)
    other.partial_fit(X, target)
    np.testing.assert_allclose(ours.coefs_[0], other.coefs_[0], rtol=1e-12)
    with pytest.raises(
        ValueError, match="loss is 'poisson', whose outputs are 'exp'; the fitted ones are 'identity'"
    ):
        ours.set_params(loss="poisson").partial_fit(X, target)


def test_overlapping_lbfgs_fits_leave_the_threads_of_blas() -> None:
    X, y = iris()
    before = blas_threads()
    if max(before) == 1:
        pytest.skip("BLAS has one thread, which no limit changes")
    began, first_ended = threading.Event(), threading.Event()

    def wait(epoch: int, metrics: Any) -> None:
        began.set()
        first_ended.wait()

    options = QUICK | {"solver": "lbfgs", "max_iter": 3}

    def fit_second() -> None:
        try:
            MLPClassifier(**options, callbacks=[wait]).fit(X, y)
        finally:
            began.set()

    second = threading.Thread(target=fit_second)

    def begin_second(epoch: int, metrics: Any) -> None:
        if epoch == 1:
            second.start()
            began.wait()

    try:
        MLPClassifier(**options, callbacks=[begin_second]).fit(X, y)
    finally:
        first_ended.set()
        second.join()
    assert blas_threads() == before


def blas_threads() -> list[int]:
    return [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]


def test_weights_are_views_that_write_into_the_network() -> None:
    X, _ = iris()
    model = fitted()
    before = model.predict_proba(X)
    model.coefs_[1][...] *= 0
    model.intercepts_[1][...] = [5, 0, 0]
    assert (model.predict(X) == 0).all()
    assert not np.array_equal(model.predict_proba(X), before)


def test_weights_may_be_replaced_by_other_arrays() -> None:
    X, _ = iris()
    model, other = fitted(), fitted(random_state=1)
    model.coefs_ = [each.copy() for each in other.coefs_]
    model.intercepts_[0] = other.intercepts_[0].copy()
    model.intercepts_[1] = other.intercepts_[1].copy()
    np.testing.assert_array_equal(model.predict_proba(X), other.predict_proba(X))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused_as_scikit_learn_does(bad: float) -> None:
    X, y = iris()
    model = fitted()
    model.partial_fit(X[:5], y[:5])
    X[2, 1] = bad
    for call in (model.predict, model.predict_proba, lambda x: model.partial_fit(x, y)):
        with pytest.raises(ValueError, match="Input X contains"):
            call(X)
    with pytest.raises(
        ValueError, match="X has 3 features, but MLPClassifier is expecting 4 features as input"
    ):
        model.predict(iris()[0][:, :3])


def test_importing_bpnet_does_not_import_scikit_learn() -> None:
    code = "import sys, bpnet; assert 'sklearn' not in sys.modules; bpnet.sklearn; assert 'sklearn' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_scikit_learn_the_extra_is_named(tmp_path: Path) -> None:
    code = "import sys; sys.modules['sklearn'] = None\nimport bpnet.sklearn"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip install 'backpropnet[sklearn]'" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
def test_skl2onnx_converts_them(activation: str) -> None:
    skl2onnx = pytest.importorskip("skl2onnx", reason="skl2onnx is not installed")
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    register_onnx_converters()
    X, y = (each[:600] for each in load_digits(return_X_y=True))
    X = X.astype(np.float32) / 16

    def run(model: Any) -> list[Any]:
        made = skl2onnx.to_onnx(
            model, X[:1], options={id(model): {"zipmap": False}} if is_classifier(model) else None
        )
        session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
        return session.run(None, {session.get_inputs()[0].name: X})

    for target in (y, y > 4):
        model = MLPClassifier(**QUICK | {"activation": activation}).fit(X, target)
        labels, probabilities = run(model)
        np.testing.assert_array_equal(labels, model.predict(X))
        np.testing.assert_allclose(probabilities, model.predict_proba(X), atol=1e-5)
    regressor = MLPRegressor(**QUICK | {"activation": activation}).fit(X, y.astype(np.float32))
    np.testing.assert_allclose(run(regressor)[0].ravel(), regressor.predict(X), atol=1e-4)
    with pytest.raises(ValueError, match="onnx: the model standardises its inputs"):
        run(MLPClassifier(**QUICK | {"standardize": True}).fit(X, y))
