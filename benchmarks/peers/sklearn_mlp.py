"""scikit-learn's MLPClassifier or MLPRegressor, by partial_fit, from the same weights; it has no online case
with these losses."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import set_config
from sklearn.neural_network import MLPClassifier, MLPRegressor
from threadpoolctl import threadpool_limits

from benchmarks.cases import Case, Data
from benchmarks.peers import Runner

# Without the checks: a method of its own, which a user would not call.
PREDICT = ["predict_proba", "predict_proba, finite numbers assumed", "forward pass without checks"]


def forms(case: Case) -> list[str]:
    if case.predict:
        return PREDICT
    return [] if case.online or case.dropout else ["partial_fit"]


def make(case: Case, data: Data, weights: list[Any], threads: int, form: str) -> Runner:
    threadpool_limits(threads)
    set_config(assume_finite=form == PREDICT[1])
    kind = MLPClassifier if case.classes else MLPRegressor
    first = min(200, case.samples)
    model = kind(
        hidden_layer_sizes=case.widths[1:-1],
        activation=case.activation,
        solver="adam" if case.adam else "sgd",
        learning_rate_init=case.lr,
        momentum=case.momentum,
        nesterovs_momentum=False,
        alpha=0.0,
        batch_size=min(case.batch, first),
        shuffle=False,
    )
    more = {"classes": np.arange(case.widths[-1])} if case.classes else {}
    model.partial_fit(data.x[:first], data.y[:first], **more)  # makes the weights
    model.batch_size = case.batch
    # That step left its traces in the optimizer.
    for attribute in ("velocities", "ms", "vs"):
        for array in getattr(model._optimizer, attribute, []):
            array[...] = 0
    model._optimizer.t = 0
    for (weight, bias), coefficients, intercepts in zip(weights, model.coefs_, model.intercepts_):
        if coefficients.shape == weight.T.shape:  # two classes are one output here
            coefficients[...] = weight.T
            intercepts[...] = bias

    def train() -> None:
        for _ in range(case.epochs):
            model.partial_fit(data.x, data.y)

    outputs = model.predict_proba if case.classes else model.predict
    if form == PREDICT[2]:

        def outputs(x: np.ndarray) -> np.ndarray:
            return model._forward_pass_fast(x, check_input=False)

    def predict() -> None:
        for begin in range(0, case.samples, case.batch):
            outputs(data.x[begin : begin + case.batch])

    def state() -> list[Any]:
        return [(w.T.copy(), b.copy()) for w, b in zip(model.coefs_, model.intercepts_)]

    # Two classes are one output here, the mean squared error is the half of ours, and Adam's ε is added before
    # the bias correction, so that weights of next to no gradient move by another step.
    known = case.classes and case.widths[-1] > 2 and not (case.predict or case.adam)
    return Runner(predict if case.predict else train, state if known else None, outputs)
