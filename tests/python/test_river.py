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
    assert model.predict_one({"x0": 1.0, "nobody knows": 9.0}) == model.predict_one({"x0": 1.0})


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


def test_it_learns_rivers_phishing_better_than_a_line() -> None:
    accuracies = []
    for model in (MLPClassifier((32,), optimizer=bp.Adam(0.01)), linear_model.LogisticRegression()):
        pipeline = preprocessing.StandardScaler() | model
        accuracy = metrics.Accuracy()
        for x, y in datasets.Phishing():
            accuracy.update(y, pipeline.predict_one(x))
            pipeline.learn_one(x, y)
        accuracies.append(accuracy.get())
    assert accuracies[0] > 0.87
    assert accuracies[0] > accuracies[1] - 0.01


@pytest.mark.parametrize(
    "copied", [lambda m: pickle.loads(pickle.dumps(m)), copy.deepcopy], ids=["pickle", "copy"]
)
def test_a_copy_answers_alike_and_learns_on_its_own(copied: Any) -> None:
    model = MLPRegressor((6,), optimizer="sgd")
    for step in range(20):
        model.learn_one({"a": step / 20, "b": 1.0}, step / 10)
    other = copied(model)
    x = {"a": 0.5, "b": 1.0}
    assert other.predict_one(x) == model.predict_one(x)
    before = model.predict_one(x)
    other.learn_one(x, 50.0)
    assert model.predict_one(x) == before != other.predict_one(x)


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(ValueError, match="bpnet.river: activation is 'cube', one of identity, relu, "):
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
