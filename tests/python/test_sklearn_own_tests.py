"""scikit-learn's own tests of its multi-layer perceptrons, from the installed package, with bpnet's classes in place of
its own."""

from __future__ import annotations

import inspect
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sklearn = pytest.importorskip("sklearn", minversion="1.6", reason="scikit-learn 1.6 is not installed")

IMPORT = "from sklearn.neural_network import MLPClassifier, MLPRegressor"

#: Cases that are not run, with the reason of each.
LEFT_OUT = {
    "test_gradient": "calls _loss_grad_lbfgs with scikit-learn's own work arrays; bpnet's gradients are checked "
    "against finite differences by test_sklearn_numbers.py",
}

#: Cases of scikit-learn 1.9, those that are left out too.
CASES_OF_1_9 = 59


def module() -> types.ModuleType:
    import sklearn.neural_network

    path = Path(sklearn.neural_network.__file__).parent / "tests" / "test_mlp.py"
    if not path.exists():
        pytest.skip("scikit-learn was installed without its tests", allow_module_level=True)
    source = path.read_text()
    assert source.count(IMPORT) == 1, f"{path} imports its classes in another way"
    made = types.ModuleType("scikit_learns_test_mlp")
    made.__file__ = str(path)
    replaced = source.replace(IMPORT, IMPORT.replace("sklearn.neural_network", "bpnet.sklearn"))
    exec(compile(replaced, str(path), "exec"), made.__dict__)
    return made


def cases(function: Callable[..., Any]) -> Iterator[dict[str, Any]]:
    """The arguments of each case: every combination of what the function's parametrize marks say."""
    combined: list[dict[str, Any]] = [{}]
    for mark in getattr(function, "pytestmark", []):
        if mark.name != "parametrize":
            continue
        names = [name.strip() for name in mark.args[0].split(",")]
        values = [value if len(names) > 1 else (value,) for value in mark.args[1]]
        combined = [{**old, **dict(zip(names, value))} for old in combined for value in values]
    return iter(combined)


MODULE = module()
ALL = [
    (name, function, arguments)
    for name, function in vars(MODULE).items()
    if name.startswith("test_") and inspect.isfunction(function)
    for arguments in cases(function)
]
RUN = [case for case in ALL if case[0] not in LEFT_OUT]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, function, arguments", RUN, ids=[f"{name}-{index}" for index, (name, *_) in enumerate(RUN)]
)
def test_scikit_learns_case(
    name: str,
    function: Callable[..., None],
    arguments: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    fixtures = {"capsys": capsys, "tmp_path": tmp_path, "global_random_seed": 42}
    wanted = inspect.signature(function).parameters
    assert set(wanted) <= set(arguments) | set(fixtures)
    filled = {**arguments, **{key: value for key, value in fixtures.items() if key in wanted}}
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # as scikit-learn runs them
        function(**filled)


def test_all_cases_of_scikit_learn_are_counted() -> None:
    assert {name for name, *_ in ALL} >= set(LEFT_OUT)
    if sklearn.__version__.startswith("1.9."):
        assert len(ALL) == CASES_OF_1_9
        assert len(RUN) == CASES_OF_1_9 - len(LEFT_OUT)
