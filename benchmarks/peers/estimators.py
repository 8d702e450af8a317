"""Estimators of bpnet, scikit-learn, river and deep-river; ``peer(name)`` is one library's."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.estimators import EstimatorCase
from benchmarks.peers import Runner


class Peer:
    """A library, by the name that benchmarks/estimators.py gives it."""

    def __init__(self, name: str) -> None:
        self.name = name
        warnings.simplefilter("ignore")
        if name == "bpnet":
            import bpnet.sklearn  # noqa: F401
        elif name == "deep-river":
            import deep_river.classification  # noqa: F401
        elif "river" in name:
            import river  # noqa: F401
        else:
            import sklearn.neural_network  # noqa: F401

    def read_case(self, fields: dict[str, Any]) -> EstimatorCase:
        return EstimatorCase(**fields)

    def forms(self, case: EstimatorCase) -> list[str]:
        return ["BLAS on one thread", "BLAS on all threads"]

    def make(self, case: EstimatorCase, threads: int, form: str) -> Runner:
        if self.name != "bpnet":
            import threadpoolctl

            threadpoolctl.threadpool_limits(1 if "one" in form else threads)
        if self.name == "deep-river":
            import torch

            torch.set_num_threads(1 if "one" in form else threads)
        made = MAKERS[case.kind](self, case)

        def run() -> None:  # a fit gives its estimator, a Runner a number of samples or None
            made()

        return Runner(run)

    def classifier(self, **options: Any) -> Any:
        if self.name == "bpnet":
            from bpnet.sklearn import MLPClassifier
        else:
            from sklearn.neural_network import MLPClassifier
        return MLPClassifier(random_state=0, **options)

    def online(self, features: int) -> Any:
        """A classifier of two classes for river's streams; the perceptrons have 32 hidden units, ReLU and Adam(3e-3)."""
        if self.name == "bpnet":
            from bpnet.river import MLPClassifier

            return MLPClassifier((32,))
        if self.name == "deep-river":
            from deep_river.classification import Classifier
            from torch import nn

            module = nn.Sequential(nn.Linear(features, 32), nn.ReLU(), nn.Linear(32, 2))
            return Classifier(module, loss_fn="cross_entropy", optimizer_fn="adam", lr=3e-3)
        from river import compat, linear_model, tree

        if self.name == "river, a line":
            return linear_model.LogisticRegression()
        if self.name == "river, a tree":
            return tree.HoeffdingTreeClassifier()
        from sklearn.neural_network import MLPClassifier as Theirs

        theirs = Theirs((32,), learning_rate_init=3e-3, random_state=0)
        return compat.SKL2RiverClassifier(theirs, classes=[False, True])


peer = Peer


def digits() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return X / 16, y


def fit(of: Peer, case: EstimatorCase) -> Callable[[], None]:
    """scikit-learn's defaults but for the number of epochs."""
    rng = np.random.default_rng(0)
    X, y = rng.random((60_000, 784), dtype=case.dtype), rng.integers(0, 10, 60_000)
    epochs = case.batch // len(X)
    return lambda: of.classifier(max_iter=epochs).fit(X, y)


def lbfgs(of: Peer, case: EstimatorCase) -> Callable[[], None]:
    X, y = digits()
    return lambda: of.classifier(solver="lbfgs", max_iter=case.batch).fit(X, y)


def grid(of: Peer, case: EstimatorCase) -> Callable[[], None]:
    from sklearn.model_selection import GridSearchCV

    X, y = digits()
    options = {"alpha": [1e-4, 1e-3, 1e-2], "hidden_layer_sizes": [(50,), (100,)]}
    return lambda: GridSearchCV(of.classifier(max_iter=20), options, cv=3, n_jobs=2, refit=False).fit(X, y)


def one_by_one(method: str) -> Callable[[Peer, EstimatorCase], Callable[[], None]]:
    def make(of: Peer, case: EstimatorCase) -> Callable[[], None]:
        X, y = digits()
        model = of.classifier(max_iter=3).fit(X, y)
        call = getattr(model, method)
        rows = [(X[i : i + 1], y[i : i + 1]) for i in range(case.batch)]

        def run() -> None:
            for x, label in rows:
                call(x, label) if method == "partial_fit" else call(x)

        return run

    return make


def scaled_samples(count: int) -> list[tuple[dict[str, float], bool]]:
    from river import datasets, preprocessing

    samples = list(itertools.islice(datasets.Phishing(), count))
    scaler = preprocessing.StandardScaler()
    for x, _ in samples:
        scaler.learn_one(x)
    return [(scaler.transform_one(x), y) for x, y in samples]


def stream(of: Peer, case: EstimatorCase) -> Callable[[], None]:
    samples = scaled_samples(case.batch)
    model = of.online(len(samples[0][0]))
    model.learn_one(*samples[0])  # deep-river answers nothing before

    def run() -> None:
        for x, y in samples:
            model.predict_one(x)
            model.learn_one(x, y)

    return run


def tables(of: Peer, case: EstimatorCase) -> Callable[[], None]:
    import pandas as pd

    samples = scaled_samples(case.batch)
    X, y = pd.DataFrame([x for x, _ in samples]), pd.Series([y for _, y in samples])
    parts = [(X.iloc[first : first + 50], y.iloc[first : first + 50]) for first in range(0, len(X), 50)]
    model = of.online(X.shape[1])
    model.learn_many(*parts[0])

    def run() -> None:
        for rows, targets in parts:
            model.predict_many(rows)
            model.learn_many(rows, targets)

    return run


MAKERS: dict[str, Callable[[Peer, EstimatorCase], Callable[[], None]]] = {
    "fit": fit,
    "lbfgs": lbfgs,
    "grid": grid,
    "partial_fit": one_by_one("partial_fit"),
    "predict": one_by_one("predict"),
    "predict_proba": one_by_one("predict_proba"),
    "stream": stream,
    "tables": tables,
}
