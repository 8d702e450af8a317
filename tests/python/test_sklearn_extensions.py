"""What bpnet's estimators do beyond scikit-learn's."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bpnet as bp
from bpnet import provenance
from bpnet.__main__ import main

sklearn = pytest.importorskip("sklearn", minversion="1.6", reason="scikit-learn 1.6 is not installed")

from scipy import sparse  # noqa: E402
from sklearn.datasets import load_diabetes, load_iris  # noqa: E402

from bpnet.sklearn import MLPClassifier, MLPRegressor  # noqa: E402
from estimator_data import iris, unconverged  # noqa: E402, F401

pytestmark = pytest.mark.usefixtures("unconverged")

QUICK: dict[str, Any] = {
    "hidden_layer_sizes": (8,),
    "max_iter": 40,
    "random_state": 0,
    "learning_rate_init": 0.02,
}


def classifier(**options: Any) -> MLPClassifier:
    return MLPClassifier(**QUICK | options)


def test_dropout_is_on_in_training_alone() -> None:
    X, y = iris()
    plain, dropped = classifier().fit(X, y), classifier(dropout=0.4).fit(X, y)
    assert not np.array_equal(plain.coefs_[0], dropped.coefs_[0])
    np.testing.assert_array_equal(dropped.predict_proba(X), dropped.predict_proba(X))
    np.testing.assert_array_equal(dropped.coefs_[0], classifier(dropout=0.4).fit(X, y).coefs_[0])
    assert dropped.score(X, y) > 0.85


def test_each_layer_may_have_its_activation() -> None:
    X, y = iris()
    given = ["gelu", bp.LeakyReLU(0.2), "silu"]
    model = classifier(hidden_layer_sizes=(8, 7, 6), activation=given).fit(X, y)
    assert [type(layer).__name__ for layer in model._weights.network.layers] == [
        *("Linear", "GELU", "Linear", "LeakyReLU", "Linear", "SiLU", "Linear")
    ]
    assert model.score(X, y) > 0.9
    with pytest.raises(
        ValueError, match="activation has 1 entries, hidden_layer_sizes has 2; give one for each"
    ):
        classifier(hidden_layer_sizes=(3, 3), activation=["tanh"]).fit(X, y)
    with pytest.raises(ValueError, match="activation holds 'cube'; bpnet layers and"):
        classifier(activation=["cube"]).fit(X, y)


@pytest.mark.parametrize("name", ["leaky_relu", "softplus", "gelu", "silu"])
def test_bpnets_activations_are_taken_by_name(name: str) -> None:
    X, y = iris()
    assert classifier(activation=name, solver="lbfgs").fit(X, y).score(X, y) > 0.9


@pytest.mark.parametrize("loss", ["absolute_error", "huber", bp.Huber(delta=0.3)])
def test_a_regressor_learns_robust_losses(loss: Any) -> None:
    X, y = load_diabetes(return_X_y=True)
    y = (y - y.mean()) / y.std()
    spoiled = y.copy()
    spoiled[::10] += 30
    squared, robust = (
        MLPRegressor(each, **QUICK | {"max_iter": 150}).fit(X * 20, spoiled)
        for each in ("squared_error", loss)
    )
    kept = np.arange(len(y)) % 10 != 0
    errors = [np.abs(model.predict(X * 20) - y)[kept].mean() for model in (squared, robust)]
    assert errors[1] < errors[0] / 2


@pytest.mark.parametrize(
    "optimizer",
    [
        bp.RMSprop(5e-3),
        bp.AdamW(5e-3, weight_decay=0.1, bias_decay=False),
        "adam",
        bp.SGD(0.1, schedule=bp.StepLR(5)),
    ],
)
def test_any_optimizer_and_schedule_trains(optimizer: Any) -> None:
    X, y = iris()
    rates: list[float] = []
    model = classifier(
        optimizer=optimizer, callbacks=[lambda epoch, metrics: rates.append(metrics["lr"])], batch_size=20
    )
    assert model.fit(X, y).score(X, y) > 0.8
    scheduled = isinstance(optimizer, bp.SGD)
    assert (rates[-1] < rates[0]) == scheduled
    assert len(rates) == model.n_iter_


def test_an_optimizer_trains_as_in_networks_fit() -> None:
    X, y = iris()
    X = X.astype(np.float32)
    model = classifier(optimizer=bp.SGD(0.1, momentum=0.5), shuffle=False, batch_size=30, max_iter=3).fit(
        X, y
    )
    start = classifier(max_iter=1, learning_rate_init=1e-30, solver="sgd").fit(X, y)
    net = start._current_weights().network
    net.fit(
        X,
        y,
        loss="cross_entropy",
        optimizer=bp.SGD(0.1, momentum=0.5),
        epochs=3,
        batch_size=30,
        shuffle=False,
        verbose=0,
    )
    np.testing.assert_allclose(start.coefs_[0], model.coefs_[0], rtol=1e-5)


def test_functions_are_called_after_each_epoch_and_may_stop() -> None:
    X, y = iris()
    called: list[tuple[int, dict[str, float]]] = []

    def stop_at_four(epoch: int, metrics: dict[str, float]) -> bool:
        called.append((epoch, dict(metrics)))
        return epoch == 4

    model = classifier(callbacks=[stop_at_four], early_stopping=True).fit(X, y)
    assert model.n_iter_ == 4
    assert [epoch for epoch, _ in called] == [1, 2, 3, 4]
    assert set(called[0][1]) == {"epoch", "loss", "lr", "val_score", "val_loss"}
    assert [metrics["loss"] for _, metrics in called] == model.loss_curve_
    assert [metrics["val_loss"] for _, metrics in called] == model.validation_loss_curve_
    assert (
        classifier(callbacks=[bp.EarlyStopping(monitor="loss", patience=1, min_delta=10.0)]).fit(X, y).n_iter_
        < 5
    )


def test_the_validation_loss_is_that_of_the_held_out_rows() -> None:
    X, y = iris()
    model = classifier(max_iter=1)
    model.partial_fit(X[:100], y[:100], classes=[0, 1, 2], validation_data=(X[100:], y[100:]))
    probabilities = model.predict_proba(X[100:])
    expected = -np.log(probabilities[np.arange(50), y[100:]]).mean()
    assert model.validation_loss_curve_ == [pytest.approx(expected)]
    assert model.validation_scores_ == [model.score(X[100:], y[100:])]


def test_partial_fit_stops_early_and_restores_the_best() -> None:
    X, y = iris()
    held_out = (X[::3], y[::3])
    model = classifier(n_iter_no_change=3, learning_rate_init=0.05)
    calls = 0
    while calls < 200 and not getattr(model, "should_stop_", False):
        model.partial_fit(X[1::3], y[1::3], classes=[0, 1, 2], validation_data=held_out)
        calls += 1
    assert model.should_stop_
    assert len(model.validation_scores_) == calls
    assert (
        model.restore_best().score(*held_out) == model.best_validation_score_ == max(model.validation_scores_)
    )
    with pytest.raises(ValueError, match="validation_data has 1 items; "):
        model.partial_fit(X, y, validation_data=(X,))
    with pytest.raises(ValueError, match="restore_best: there are none; fit with early_stopping"):
        classifier().partial_fit(X, y, classes=[0, 1, 2]).restore_best()


def test_class_weights_multiply_sample_weights() -> None:
    X, y = iris()
    by_class = classifier(class_weight={0: 1.0, 1: 5.0, 2: 0.5}).fit(X, y)
    by_sample = classifier().fit(X, y, sample_weight=np.array([1.0, 5.0, 0.5])[y])
    np.testing.assert_array_equal(by_class.coefs_[0], by_sample.coefs_[0])
    few = np.r_[0:50, 50:55]
    rare = [
        (classifier(class_weight=each, max_iter=8).fit(X[few], y[few]).predict(X[50:100]) == 1).mean()
        for each in (None, "balanced")
    ]
    assert rare[1] > rare[0]
    with pytest.raises(ValueError, match="class_weight 'balanced' is not supported for partial_fit"):
        classifier(class_weight="balanced").partial_fit(X, y, classes=[0, 1, 2])


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_standardize_is_a_scaler_before_the_network(form: Any, solver: str) -> None:
    X, y = load_iris(return_X_y=True)
    X = np.column_stack([X * [1, 10, 100, 1000], np.ones(len(X))])
    scaled = (X - X.mean(axis=0)) / np.where(X.std(axis=0) > 0, X.std(axis=0), 1)
    inside = classifier(standardize=True, solver=solver).fit(form(X), y)
    outside = classifier(solver=solver).fit(scaled, y)
    np.testing.assert_allclose(inside.predict_proba(form(X)), outside.predict_proba(scaled), atol=1e-6)
    assert inside.score(form(X), y) > 0.9


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
def test_a_constant_column_keeps_its_scale(form: Any, dtype: Any) -> None:
    X, y = iris()
    constant, other = (form(np.c_[X, np.full(len(X), each)].astype(dtype)) for each in (0.1, 0.11))
    model = classifier(standardize=True).fit(constant, y)
    assert model._standardisation.scale[-1] == 1
    assert model._standardisation.scale[:-1] == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(model.predict_proba(other), model.predict_proba(constant), atol=0.02)


def test_a_loaded_standardisation_is_the_same_in_float32(tmp_path: Path) -> None:
    X, y = load_iris(return_X_y=True)
    X = X.astype(np.float32)
    model = classifier(standardize=True).fit(X, y)
    model.save(tmp_path / "model.bpnet")
    np.testing.assert_array_equal(
        MLPClassifier.load(tmp_path / "model.bpnet").predict_proba(X), model.predict_proba(X)
    )


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_bar_is_shown_when_asked_for(solver: str, capsys: pytest.CaptureFixture[str]) -> None:
    X, y = iris()
    classifier(verbose="bar", max_iter=3, solver=solver).fit(X, y)
    captured = capsys.readouterr()
    assert "/3.00" in captured.err and ("epochs/s" if solver == "adam" else "iterations/s") in captured.err
    assert captured.out == ""


def test_partial_fit_shows_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    X, y = iris()
    classifier(verbose="bar").partial_fit(X, y, classes=[0, 1, 2]).partial_fit(X, y)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


class Recorder(bp.Callback):
    """What is called, with the number of the epoch or batch."""

    def __init__(self, ends_at_begin: bool = False) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.losses: list[float] = []
        self._ends_at_begin = ends_at_begin

    def on_train_begin(self, trainer: bp.Trainer) -> bool:
        self.calls.append(("begin",))
        return self._ends_at_begin

    def on_epoch_begin(self, trainer: bp.Trainer, epoch: int) -> None:
        self.calls.append(("epoch begin", epoch))

    def on_batch_end(self, trainer: bp.Trainer, batch: int, metrics: Any) -> None:
        self.calls.append(("batch", batch))
        self.losses.append(metrics["loss"])

    def on_epoch_end(self, trainer: bp.Trainer, epoch: int, metrics: Any) -> None:
        self.calls.append(("epoch", epoch))

    def on_train_end(self, trainer: bp.Trainer) -> None:
        self.calls.append(("end",))


def test_callbacks_are_called_at_every_event() -> None:
    X, y = iris()
    recorder = Recorder()
    model = classifier(callbacks=[recorder], max_iter=2, batch_size=60).fit(X, y)
    epochs = [
        [("epoch begin", epoch), ("batch", 1), ("batch", 2), ("batch", 3), ("epoch", epoch)]
        for epoch in (1, 2)
    ]
    assert recorder.calls == [("begin",), *epochs[0], *epochs[1], ("end",)]
    assert recorder.losses[2::3] == model.loss_curve_
    np.testing.assert_array_equal(model.coefs_[0], classifier(max_iter=2, batch_size=60).fit(X, y).coefs_[0])


def test_lbfgs_calls_callbacks_for_each_iteration() -> None:
    X, y = iris()
    recorder, losses = Recorder(), list[float]()
    options = {"solver": "lbfgs", "max_iter": 5}
    model = classifier(callbacks=[recorder, lambda _, metrics: losses.append(metrics["loss"])], **options)
    model.fit(X, y)
    epochs = [[("epoch begin", epoch), ("epoch", epoch)] for epoch in range(1, 6)]
    assert recorder.calls == [("begin",), *sum(epochs, []), ("end",)]
    assert losses == sorted(losses, reverse=True) and losses[-1] == model.loss_
    np.testing.assert_array_equal(model.coefs_[0], classifier(**options).fit(X, y).coefs_[0])


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_callbacks_may_end_the_training_before_its_first_epoch(solver: str) -> None:
    X, y = iris()
    recorder = Recorder(ends_at_begin=True)
    assert classifier(callbacks=[recorder], solver=solver).fit(X, y).n_iter_ == 0
    assert recorder.calls == [("begin",), ("end",)]


def test_a_callback_stops_lbfgs_without_a_warning() -> None:
    X, y = iris()
    after_three: list[np.ndarray] = []
    model = classifier(solver="lbfgs", max_iter=100)

    def stop(epoch: int, metrics: dict[str, float]) -> bool:
        if epoch == 3:
            after_three.append(model.coefs_[0].copy())
        return epoch == 3

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.set_params(callbacks=[stop]).fit(X, y)
    assert model.n_iter_ == 3
    np.testing.assert_array_equal(model.coefs_[0], after_three[0])


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_callback_that_raises_ends_the_training_as_in_networks_fit(solver: str) -> None:
    X, y = iris()
    recorder = Recorder()
    with pytest.raises(ZeroDivisionError):
        classifier(callbacks=[recorder, lambda *_: 1 / 0], solver=solver).fit(X, y)
    assert ("epoch", 1) in recorder.calls and ("end",) not in recorder.calls


@pytest.mark.parametrize(
    "options",
    [
        {"dropout": 0.5},
        {"activation": bp.Dropout(0.5)},
        {"activation": bp.Sequential([bp.Tanh(), bp.Dropout()])},
    ],
    ids=["dropout", "layer", "nested layer"],
)
def test_lbfgs_refuses_dropout(options: Any) -> None:
    X, y = iris()
    with pytest.raises(ValueError, match="solver is 'lbfgs' and the network has dropout.*'adam' or 'sgd'"):
        classifier(solver="lbfgs", **options).fit(X, y)


@pytest.mark.parametrize("layer", [bp.Linear(8), bp.BatchNorm1d(), bp.BatchNorm1d(affine=False)])
@pytest.mark.parametrize("in_list", [False, True])
def test_an_activation_with_parameters_is_refused(layer: bp.Layer, in_list: bool) -> None:
    X, y = iris()
    with pytest.raises(ValueError, match="activation holds .*, which has parameters; give a layer without"):
        classifier(activation=[layer] if in_list else layer).fit(X, y)


def test_an_activation_that_changes_the_shape_is_refused() -> None:
    X, y = iris()
    doubled = bp.Parallel([[], []], merge="concat")
    with pytest.raises(ValueError, match=r"activation holds .*, which gives \(16,\) for \(8,\)"):
        classifier(activation=doubled).fit(X, y)
    with pytest.raises(ValueError, match=r"activation holds \['tanh'\]; bpnet layers and "):
        classifier(activation=[["tanh"]]).fit(X, y)


@pytest.mark.parametrize("form", [lambda each: each, lambda each: [each]], ids=["one", "list"])
def test_a_layer_starts_as_the_activation_of_its_name(form: Any) -> None:
    X, y = iris()
    named, layer = (
        classifier(activation=form(each), max_iter=2).fit(X, y) for each in ("logistic", bp.Sigmoid())
    )
    np.testing.assert_array_equal(layer.coefs_[0], named.coefs_[0])


@pytest.mark.parametrize("loss", [bp.CrossEntropy(), bp.BinaryCrossEntropyWithLogits()])
def test_a_regressor_refuses_losses_of_classes(loss: bp.Loss) -> None:
    X, y = iris()
    with pytest.raises(ValueError, match="The 'loss' parameter of MLPRegressor must be .*Huber"):
        MLPRegressor(loss, **QUICK).fit(X, y.astype(float))


@pytest.mark.parametrize("loss", [bp.MSE(), bp.MAE(), bp.SquaredError(), bp.HalfSquaredError()])
def test_a_regressor_takes_losses_of_numbers(loss: bp.Loss) -> None:
    X, y = iris()
    assert MLPRegressor(loss, **QUICK).fit(X, y.astype(float)).score(X, y) > 0.5


def test_a_device_that_is_not_there_is_refused() -> None:
    X, y = iris()
    with pytest.raises((bp.DeviceError, ValueError), match="abacus"):
        classifier(device="abacus").fit(X, y)


FILES: dict[str, Any] = {
    "plain": {},
    "layers": {"hidden_layer_sizes": [5, 4], "activation": [bp.LeakyReLU(0.2), "tanh"], "dropout": 0.1},
    "optimizer": {"optimizer": bp.SGD(0.1, schedule=bp.CosineAnnealingLR(5)), "n_iter_no_change": np.inf},
    "early": {"early_stopping": True, "class_weight": {0: 1.0, 1: 2.0, 2: 1.0}, "standardize": True},
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_gives_the_estimator_back(name: str, tmp_path: Path) -> None:
    X, y = iris()
    model = classifier(**FILES[name]).fit(X, y)
    model.save(tmp_path / "model.bpnet")
    assert b"sklearn." not in (tmp_path / "model.bpnet").read_bytes()
    loaded = MLPClassifier.load(tmp_path / "model.bpnet")
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert loaded.get_params() == model.get_params()
    assert loaded.loss_curve_ == model.loss_curve_
    assert (
        loaded.partial_fit
        if name != "early"
        else loaded.best_validation_score_ == model.best_validation_score_
    )
    with pytest.raises(
        ValueError, match="load: the file holds a MLPClassifier, MLPRegressor.load was called"
    ):
        MLPRegressor.load(tmp_path / "model.bpnet")


@pytest.mark.parametrize(
    "classes", [["a", "b", "c"], np.array(["x", "y", "z"], dtype=object), [1.0, 2.0, 4.0]]
)
def test_a_file_keeps_classes_and_names(classes: Any, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    X, y = iris()
    table = pandas.DataFrame(X, columns=list("abcd"))
    model = classifier().fit(table, np.asarray(classes)[y])
    model.save(tmp_path / "model.bpnet")
    loaded = MLPClassifier.load(tmp_path / "model.bpnet")
    predicted = loaded.predict(table)
    np.testing.assert_array_equal(predicted, model.predict(table))
    assert predicted.dtype == model.predict(table).dtype
    assert list(loaded.feature_names_in_) == list("abcd")


def test_a_file_of_labels_and_of_a_regressor(tmp_path: Path) -> None:
    X, y = iris()
    labels = np.stack([y == 0, y > 0], axis=1).astype(int)
    for model, target in ((classifier(), labels), (MLPRegressor(**QUICK), y.astype(float))):
        model.fit(X, target).save(tmp_path / "model.bpnet")
        np.testing.assert_array_equal(type(model).load(tmp_path / "model.bpnet").predict(X), model.predict(X))


def test_a_file_keeps_sizes_that_are_an_array(tmp_path: Path) -> None:
    X, y = iris()
    classifier(hidden_layer_sizes=np.array([4, 3])).fit(X, y).save(tmp_path / "model.bpnet")
    sizes = MLPClassifier.load(tmp_path / "model.bpnet").hidden_layer_sizes
    assert isinstance(sizes, np.ndarray) and sizes.tolist() == [4, 3]


def test_saving_leaves_the_network_as_it_was(tmp_path: Path) -> None:
    X, y = iris()
    model = classifier().fit(X, y)
    model.save(tmp_path / "model.bpnet")
    assert model._weights.network.preprocessing is None


def test_the_file_of_an_estimator_names_the_class_that_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    X, y = iris()
    path = tmp_path / "model.bpnet"
    classifier().fit(X, y).save(path)
    expected = r"load: .*a bpnet\.sklearn\.MLPClassifier; bpnet\.sklearn\.MLPClassifier\.load reads it"
    with pytest.raises(bp.FileFormatError, match=expected):
        bp.load_model(path)
    assert main(["info", str(path)]) != 0
    assert "bpnet.sklearn.MLPClassifier.load reads it" in capsys.readouterr().err
    monkeypatch.setattr(provenance, "_warned", False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bp.load(path)
    classifier(standardize=True).fit(X, y).save(path)
    with pytest.warns(UserWarning, match=r"standardised columns.*bpnet\.sklearn\.MLPClassifier\.load"):
        bp.load(path)


def test_what_a_file_cannot_hold_is_named(tmp_path: Path) -> None:
    X, y = iris()
    with pytest.raises(ValueError, match="save: this MLPClassifier is not fitted yet; call fit before"):
        classifier().save(tmp_path / "a")
    with pytest.raises(ValueError, match="save: random_state is RandomState"):
        classifier(random_state=np.random.RandomState(0)).fit(X, y).save(tmp_path / "a")
    bp.Network(2, [bp.Linear(1)]).save(tmp_path / "b")
    with pytest.raises(bp.FileFormatError, match="load: the file holds no scikit-learn estimator"):
        MLPClassifier.load(tmp_path / "b")
