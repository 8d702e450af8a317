"""bpnet's estimators for river: its own checks of estimators, features and classes that appear, copies."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import bpnet as bp

river = pytest.importorskip("river", minversion="0.20", reason="river is not installed")

from river import base, checks, datasets, linear_model, metrics, preprocessing  # noqa: E402

from bpnet.river import MLPClassifier, MLPRegressor  # noqa: E402


def checks_of(kind: type) -> list[Any]:
    return [each for each in checks.yield_checks(kind()) if each.__name__ not in kind()._unit_test_skips()]


@pytest.mark.slow
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_every_check_of_river(kind: type) -> None:
    ran = 0
    for check in checks_of(kind):
        check(kind().clone())
        ran += 1
    assert ran > 20


def test_none_of_rivers_checks_is_left_out() -> None:
    for kind in (MLPClassifier, MLPRegressor):
        assert kind._unit_test_skips is base.Estimator._unit_test_skips


def test_features_that_appear_join_the_others() -> None:
    model = MLPRegressor((16,), optimizer=bp.Adam(0.02))
    rng = np.random.default_rng(0)
    for step in range(1500):
        values = rng.normal(size=20)
        known = 3 if step < 300 else 20  # beyond the inputs that the first network has
        x = {f"x{i}": values[i] for i in range(known)}
        model.learn_one(x, values[0] - (values[15] if known == 20 else 0.0))
    assert model.predict_one({"x0": 1.0, "x15": -1.0}) == pytest.approx(2.0, abs=0.5)
    assert model.predict_one({}) == pytest.approx(0.0, abs=0.3)
    assert model.predict_one({"x0": 1.0, "unknown": 9.0}) == model.predict_one({"x0": 1.0})


def test_a_new_feature_or_class_changes_no_answer_that_it_has_no_part_in() -> None:
    model = MLPClassifier((5,))
    for step in range(40):
        model.learn_one({i: float(step % (i + 2)) for i in range(6)}, step % 2)
    x = {0: 1.0, 3: 2.0}
    before = copy.deepcopy(model._network).outputs_of(x)
    model._network._learn_names({name: 1.0 for name in range(30)})
    np.testing.assert_allclose(model._network.outputs_of(x), before, rtol=1e-6)
    model._network.add_output()
    np.testing.assert_allclose(model._network.outputs_of(x)[:2], before, rtol=1e-6)


def test_classes_may_appear() -> None:
    model = MLPClassifier((16,), optimizer=bp.Adam(0.05))
    assert model.predict_one({"a": 1.0}) is None and model.predict_proba_one({"a": 1.0}) == {}
    for name in ("a", "b", "c"):
        for _ in range(30):
            model.learn_one({name: 1.0}, name.upper())
    for _ in range(50):
        for name in ("a", "b", "c"):
            model.learn_one({name: 1.0}, name.upper())
    assert [model.predict_one({name: 1.0}) for name in "abc"] == ["A", "B", "C"]
    assert sum(model.predict_proba_one({"a": 1.0}).values()) == pytest.approx(1.0)


def accuracy_of(model: Any, stream: Any) -> float:
    pipeline = preprocessing.StandardScaler() | model
    accuracy = metrics.Accuracy()
    for x, y in stream:
        accuracy.update(y, pipeline.predict_one(x))
        pipeline.learn_one(x, y)
    return accuracy.get()


def test_the_defaults_learn_in_a_stream() -> None:
    assert accuracy_of(MLPClassifier(), datasets.Phishing()) > 0.87
    network, line = (
        accuracy_of(model, datasets.Bananas().take(2000))
        for model in (MLPClassifier(), linear_model.LogisticRegression())
    )
    assert network > line + 0.1  # its classes are not linearly separable


def trained(kind: type, optimizer: Any) -> Any:
    model = kind((6,), optimizer=optimizer)
    for step in range(20):
        x = {"a": step / 20, "b": 1.0}
        model.learn_one(x, "high" if kind is MLPClassifier and step > 9 else step / 10)
    return model


@pytest.mark.parametrize(
    "copied", [lambda m: pickle.loads(pickle.dumps(m)), copy.deepcopy], ids=["pickle", "copy"]
)
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("optimizer", [bp.SGD(0.01, momentum=0.9), bp.Adam(0.01), bp.RMSprop(1e-3)])
def test_a_copy_learns_to_the_same_bits_and_on_its_own(kind: type, optimizer: Any, copied: Any) -> None:
    model = trained(kind, optimizer)
    other = copied(model)
    x = {"a": 0.5, "b": 1.0}
    answer = (lambda m: m.predict_proba_one(x)) if kind is MLPClassifier else (lambda m: m.predict_one(x))
    y = "high" if kind is MLPClassifier else 0.5
    for _ in range(5):
        assert answer(other) == answer(model)
        for each in (model, other):
            each.learn_one(x, y)
    before = answer(model)
    other.learn_one(x, y)
    assert answer(model) == before != answer(other)


@pytest.mark.parametrize("copied", [lambda m: pickle.loads(pickle.dumps(m)), copy.deepcopy])
def test_a_copy_keeps_a_custom_loss(copied: Any) -> None:
    model = MLPRegressor((4,), loss=absolute)
    for _ in range(3):
        model.learn_one({"a": 1.0}, 2.0)
    other = copied(model)
    for each in (model, other):
        each.learn_one({"a": 0.5}, 1.0)
    assert model.predict_one({"a": 1.0}) == other.predict_one({"a": 1.0})


def absolute(outputs: np.ndarray, targets: np.ndarray) -> tuple[float, np.ndarray]:
    return float(np.abs(outputs - targets).mean()), np.sign(outputs - targets) / outputs.size


@pytest.mark.parametrize(
    "bad, error",
    [(float("nan"), bp.NumericError), (1e300, bp.NumericError), ("x", TypeError), (None, TypeError)],
)
def test_a_row_that_is_refused_changes_nothing(bad: Any, error: type[Exception]) -> None:
    x = {"a": 0.5, "b": 1.0}
    model, untouched = (trained(MLPClassifier, bp.Adam(0.01)) for _ in range(2))
    names = {f"new {i}": 1.0 for i in range(20)}
    with pytest.raises(error, match="learn_one: feature 'bad' is "):
        model.learn_one({**x, **names, "bad": bad}, "a new class")
    assert model.predict_proba_one(x) == untouched.predict_proba_one(x)
    assert model._network.inputs == untouched._network.inputs
    for each in (model, untouched):
        each.learn_one(x, "high")
    assert model.predict_proba_one(x) == untouched.predict_proba_one(x)


@pytest.mark.parametrize("bad, error", [(float("inf"), bp.NumericError), ("2", TypeError)])
def test_a_target_that_is_refused_changes_nothing(bad: Any, error: type[Exception]) -> None:
    model = trained(MLPRegressor, bp.Adam(0.01))
    with pytest.raises(error, match="learn_one: the target is "):
        model.learn_one({f"new {i}": 1.0 for i in range(20)}, bad)
    assert model._network.inputs == trained(MLPRegressor, bp.Adam(0.01))._network.inputs


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_a_schedule_is_refused(kind: type) -> None:
    with pytest.raises(
        ValueError, match="bpnet.river: optimizer has the schedule StepLR.*a stream has no epochs"
    ):
        kind(optimizer=bp.SGD(0.1, schedule=bp.StepLR(5)))


@pytest.mark.parametrize("loss", [bp.CrossEntropy(), "cross_entropy", bp.BinaryCrossEntropyWithLogits()])
def test_a_regressor_refuses_losses_of_classes(loss: Any) -> None:
    with pytest.raises(ValueError, match="bpnet.river: loss is .*, which is of classes"):
        MLPRegressor(loss=loss)


def test_a_loss_may_be_a_name_and_sizes_a_number() -> None:
    named, given = (MLPRegressor(5, loss=loss) for loss in ("huber", bp.Huber()))
    for each in (named, given):
        each.learn_one({"a": 1.0}, 3.0)
    assert named.predict_one({"a": 1.0}) == given.predict_one({"a": 1.0})


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="bpnet.river: activation is 'cube', one of identity, tanh, "):
        MLPClassifier(activation="cube")
    with pytest.raises(bp.NumericError):
        MLPRegressor().learn_one({"a": float("nan")}, 1.0)


def test_importing_bpnet_does_not_import_river() -> None:
    code = "import sys, bpnet; assert 'river' not in sys.modules; bpnet.river; assert 'river' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_river_the_extra_is_named() -> None:
    code = "import sys; sys.modules['river'] = None\nimport bpnet.river"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip install 'backpropnet[river]'" in done.stderr.splitlines()[-1]
