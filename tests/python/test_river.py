"""bpnet's estimators for river: its own checks of estimators, features and classes that appear, batches, copies."""

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
pd = pytest.importorskip("pandas", reason="pandas is not installed")

from river import base, checks, datasets, linear_model, metrics, preprocessing  # noqa: E402

from bpnet.river import MLPClassifier, MLPRegressor  # noqa: E402


def checks_of(kind: type) -> list[Any]:
    return [each for each in checks.yield_checks(kind()) if each.__name__ not in kind()._unit_test_skips()]


# Of mini-batches; river before 0.26 has not all of them.
MANY = {
    MLPClassifier: {
        "check_predict_many_matches_predict_one",
        "check_learn_many_matches_learn_one",
        "check_predict_proba_many_matches_predict_proba_one",
    },
    MLPRegressor: {"check_predict_many_matches_predict_one", "check_learn_many_matches_learn_one"},
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_every_check_of_river(kind: type) -> None:
    ran = []
    for check in checks_of(kind):
        check(kind().clone())
        ran.append(check.__name__)
    assert len(ran) > 20
    assert {name for name in MANY[kind] if hasattr(checks.common, name)} <= set(ran)


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


OPTIMIZERS = [bp.SGD(0.005, momentum=0.9), bp.Adam(0.02), bp.AdamW(0.02), bp.RMSprop(0.01, momentum=0.5)]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda each: type(each).__name__)
def test_a_feature_that_appears_learns_as_one_that_was_0_before(optimizer: Any) -> None:
    """With the first weights that it gets when it appears, for which those of the other model are set then."""
    names = [f"x{i:02}" for i in range(20)]
    late, early = (MLPRegressor((6,), optimizer=optimizer) for _ in range(2))
    late._network._learn_names(names[:3])
    early._network._learn_names(names)
    copy_weights(late, early)
    rng = np.random.default_rng(1)
    for step in range(60):
        if step == 30:
            late._network._learn_names(names)
            copy_weights(late, early)
        values = rng.normal(size=20)
        values[3:] *= step >= 30
        x, target = dict(zip(names, values)), values[0] - values[15]
        early.learn_one(x, target)
        late.learn_one(x if step >= 30 else {name: x[name] for name in names[:3]}, target)
    assert late._network._trainer.steps == early._network._trainer.steps == 60
    assert late.predict_one(x) == pytest.approx(early.predict_one(x), rel=1e-4)


def copy_weights(source: Any, into: Any) -> None:
    """Those of a growing network into another with as many inputs or more."""
    state = into._network._network._core.writable_parameters()
    for name, values in source._network._network.state_dict().items():
        state[name][tuple(slice(0, size) for size in values.shape)] = values


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda each: type(each).__name__)
def test_growing_keeps_the_averages_and_those_of_new_weights_are_0(optimizer: Any) -> None:
    model = MLPClassifier((5,), optimizer=optimizer)
    for step in range(20):
        model.learn_one({"a": step / 10, "b": 1.0}, step % 2)
    before = {name: values.copy() for name, values in model._network._trainer._core.slots().items()}
    assert all(values.any() for values in before.values())
    model._network._learn_names([f"new {i}" for i in range(30)])
    model._network.add_output()
    assert model._network._trainer.steps == 20
    for name, values in model._network._trainer._core.slots().items():
        kept = tuple(slice(0, size) for size in before[name].shape)
        if name.endswith(".0.weight"):
            kept = (slice(None), slice(0, 2))  # the other inputs belonged to no feature
        np.testing.assert_array_equal(values[kept], before[name][kept])
        values = values.copy()
        values[kept] = 0
        assert not values.any()


def test_the_first_weights_of_a_feature_depend_on_its_name_alone() -> None:
    models = [MLPRegressor((5,)) for _ in range(2)]
    names = [f"x{i:02}" for i in range(12)]
    models[0]._network._learn_names(names)
    for known in (names[6:], names):  # within the first inputs, and across their number
        models[1]._network._learn_names(known)
    first, second = (each._network._network.state_dict()["0.weight"] for each in models)
    for name in names:
        columns = (each._network._columns[name] for each in models)
        np.testing.assert_array_equal(first[:, next(columns)], second[:, next(columns)])


def test_a_feature_within_spare_inputs_begins_with_averages_of_0() -> None:
    model = MLPRegressor(
        (5,), optimizer=bp.Adam(0.01, weight_decay=0.1)
    )  # it moves spare inputs' averages too
    for _ in range(5):
        model.learn_one({"a": 1.0}, 1.0)
    slots = model._network._trainer._core.slots()
    assert slots["mean.0.weight"][:, 1].any()
    model._network._learn_names(["b"])
    for name in ("mean.0.weight", "square.0.weight"):
        assert slots[name][:, 0].all() and not slots[name][:, 1].any()


def table_and_targets(kind: type, rows: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(2)
    X = pd.DataFrame(rng.normal(size=(rows, 3)), columns=["a", "b", "c"], index=range(100, 100 + rows))
    y = pd.Series(X["a"].to_numpy() - 2 * X["b"].to_numpy(), index=X.index)
    return X, (y > 0).map({True: "high", False: "low"}) if kind is MLPClassifier else y


def one_by_one(model: Any, X: Any, y: Any) -> None:
    for x, target in zip(X.to_dict("records"), y):
        model.learn_one(x, target)


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("optimizer", [bp.SGD(0.02), *OPTIMIZERS], ids=lambda each: repr(each)[:12])
def test_rows_at_once_are_learned_as_one_by_one(kind: type, optimizer: Any) -> None:
    X, y = table_and_targets(kind, 90)
    one, many = (kind((8,), optimizer=optimizer) for _ in range(2))
    for rows, columns in (
        (slice(0, 30), ["a", "b"]),
        (slice(30, 31), ["c"]),
        (slice(31, 90), ["a", "b", "c"]),
    ):
        one_by_one(one, X.iloc[rows][columns], y.iloc[rows])
        many.learn_many(X.iloc[rows][columns], y.iloc[rows])
    many.learn_many(X.iloc[:0], y.iloc[:0])
    answers = many.predict_many(X)
    assert list(answers.index) == list(X.index)
    if kind is MLPClassifier:
        probabilities = many.predict_proba_many(X)
        assert list(probabilities.columns) == list(one._classes)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
        for x, row in zip(X.to_dict("records"), probabilities.to_dict("records")):
            assert row == many.predict_proba_one(x)
            assert row == pytest.approx(one.predict_proba_one(x), abs=1e-4)
        assert list(answers) == [many.predict_one(x) for x in X.to_dict("records")]
    else:
        assert list(answers) == [many.predict_one(x) for x in X.to_dict("records")]
        wanted = [one.predict_one(x) for x in X.to_dict("records")]
        np.testing.assert_allclose(answers, wanted, rtol=1e-3, atol=1e-4)
    assert one._network._trainer.steps == many._network._trainer.steps == 90


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_rows_before_anything_was_learned(kind: type) -> None:
    X, _ = table_and_targets(kind, 4)
    model = kind()
    nothing = None if kind is MLPClassifier else 0.0
    assert list(model.predict_many(X)) == [nothing] * 4
    if kind is MLPClassifier:
        assert model.predict_proba_many(X).shape == (4, 0)


def test_rows_in_a_pipeline_keep_the_kind_of_classes() -> None:
    samples = list(datasets.Phishing().take(300))
    X, y = pd.DataFrame([x for x, _ in samples]), pd.Series([y for _, y in samples])
    model = preprocessing.StandardScaler() | MLPClassifier()
    for first in range(0, 300, 50):
        model.learn_many(X.iloc[first : first + 50], y.iloc[first : first + 50])
    answers = model.predict_many(X)
    assert answers.dtype == bool and (answers == y).mean() > 0.85
    assert model.predict_many(X.iloc[:0]).empty


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize(
    "change, error, message",
    [
        (lambda X, y: (X.assign(b=np.nan), y), bp.NumericError, "feature 'b' in row 0 is .*nan"),
        (lambda X, y: (X.assign(b=1e300), y), bp.NumericError, "feature 'b' in row 0 is "),
        (lambda X, y: (X.assign(b="x"), y), TypeError, "feature 'b' in row 0 is 'x', a number is needed"),
        (lambda X, y: (X.to_numpy(), y), TypeError, "X is a ndarray, a pandas.DataFrame is needed"),
        (lambda X, y: (X, y.iloc[:3]), ValueError, "X has 30 rows, y has 3; give a target for each row"),
        (
            lambda X, y: (X.set_axis(["a", "a", "b"], axis=1), y),
            ValueError,
            "several columns of X have the name 'a'",
        ),
        (lambda X, y: (X, y.where(y.index != 105)), ValueError, "(class|target) in row 5 is "),
    ],
)
def test_rows_that_are_refused_change_nothing(kind: type, change: Any, error: type, message: str) -> None:
    X, y = table_and_targets(kind, 30)
    model, untouched = (kind((4,)) for _ in range(2))
    for each in (model, untouched):
        each.learn_many(X.iloc[:5, :2], y.iloc[:5])
    if "row 5" in message and kind is MLPRegressor:
        error = bp.NumericError
    with pytest.raises(error, match=f"learn_many: .*{message}"):
        model.learn_many(*change(X.assign(new=1.0), y) if "name" not in message else change(X, y))
    assert model._network._columns == untouched._network._columns
    assert list(model.predict_many(X)) == list(untouched.predict_many(X))


def test_the_rows_before_a_loss_that_is_not_finite_are_learned() -> None:
    X, y = table_and_targets(MLPRegressor, 20)
    one, many = (MLPRegressor((4,), optimizer=bp.SGD(0.01)) for _ in range(2))
    far = X.copy()
    far.iloc[12] = 3e38
    one_by_one(one, X.iloc[:12], y.iloc[:12])
    with pytest.raises(bp.NumericError, match="training: the loss is "):
        many.learn_many(far, y)
    for rows in (slice(0, 20), slice(5, 9)):
        one_by_one(one, X.iloc[rows], y.iloc[rows])
        many.learn_many(X.iloc[rows], y.iloc[rows])
    np.testing.assert_allclose(
        many.predict_many(X), [one.predict_one(x) for x in X.to_dict("records")], rtol=1e-3
    )


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


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize(
    "x",
    [
        {"a": [1, 2], "b": [3, 4]},
        {"a": [1, 2], "b": 3},
        {"a": [1.0]},
        {"a": np.array([1.0, 2.0])},
        {"a": 1j},
        {"a": np.complex128(1)},
        {"a": np.timedelta64(1, "ns")},
    ],
)
def test_a_value_that_is_no_number_changes_nothing(kind: type, x: dict[str, Any]) -> None:
    model = kind((4,))
    model.learn_one({"a": 1.0}, 1)
    with pytest.raises(TypeError, match="learn_one: feature 'a' is .*, a number is needed"):
        model.learn_one({**x, "new": 1.0}, 2)
    assert list(model._network._columns) == ["a"]
    if kind is MLPClassifier:
        assert list(model.predict_proba_one({"a": 1.0})) == [1]


@pytest.mark.parametrize("column", [[1j, 2.0], pd.to_timedelta([1, 2])])
def test_columns_that_are_no_numbers_are_refused(column: Any) -> None:
    with pytest.raises(TypeError, match="learn_many: feature 'a' in row 0 is "):
        MLPRegressor((4,)).learn_many(pd.DataFrame({"a": column}), pd.Series([1.0, 2.0]))


@pytest.mark.parametrize("y", [None, float("nan"), np.nan, pd.NA])
def test_a_missing_class_is_no_class(y: Any) -> None:
    model = MLPClassifier((4,))
    with pytest.raises(ValueError, match="learn_one: the class is .*; leave such samples out"):
        model.learn_one({"a": 1.0}, y)
    assert model.predict_proba_one({"a": 1.0}) == {}


@pytest.mark.parametrize("method", ["predict_many", "predict_proba_many"])
def test_only_a_frame_is_predicted(method: str) -> None:
    with pytest.raises(TypeError, match=f"{method}: X is a ndarray, a pandas.DataFrame is needed"):
        getattr(MLPClassifier((4,)), method)(np.ones((2, 2)))


def test_answers_of_classes_of_several_types_are_objects() -> None:
    model = MLPClassifier((4,))
    X = pd.DataFrame({"a": [-1.0, 1.0] * 20})
    model.learn_many(X, pd.Series([1, "a"] * 20))
    for rows in (X, X.iloc[1:2]):
        assert model.predict_many(rows).dtype == object
