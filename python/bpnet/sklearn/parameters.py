"""What the estimators' parameters may be, in the form of scikit-learn's parameter validation."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval, Options, StrOptions

from bpnet.layers import Layer
from bpnet.layers.elementwise import SCIKIT_LEARN_ACTIVATIONS
from bpnet.losses import LOSSES_OF_NUMBERS
from bpnet.optimizers import FAMILY, Optimizer
from bpnet.sklearn.losses import REGRESSION_LOSSES

#: The solvers that go by mini-batches.
STOCHASTIC_SOLVERS = ("sgd", "adam")

CONSTRAINTS: dict[str, list[Any]] = {
    "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
    "activation": [StrOptions(set(SCIKIT_LEARN_ACTIVATIONS)), list, tuple, Layer],
    "solver": [StrOptions({"lbfgs", *STOCHASTIC_SOLVERS})],
    "alpha": [Interval(Real, 0, None, closed="left")],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
    "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
    "power_t": [Interval(Real, 0, None, closed="left")],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [Interval(Real, 0, None, closed="left")],
    "verbose": ["verbose", StrOptions({"bar"})],
    "warm_start": ["boolean"],
    "momentum": [Interval(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="left")],
    "beta_1": [Interval(Real, 0, 1, closed="left")],
    "beta_2": [Interval(Real, 0, 1, closed="left")],
    "epsilon": [Interval(Real, 0, None, closed="neither")],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
    "max_fun": [Interval(Integral, 1, None, closed="left")],
    "dropout": [Interval(Real, 0, 1, closed="left")],
    "optimizer": [StrOptions(set(FAMILY.classes)), Optimizer, None],
    "callbacks": [list, tuple],
    "standardize": ["boolean"],
    "device": [str],
}

CLASSIFIER_CONSTRAINTS: dict[str, list[Any]] = {
    **CONSTRAINTS,
    "class_weight": [StrOptions({"balanced"}), dict, None],
}

REGRESSOR_CONSTRAINTS: dict[str, list[Any]] = {
    **CONSTRAINTS,
    "loss": [StrOptions(set(REGRESSION_LOSSES)), *LOSSES_OF_NUMBERS],
}

#: A part of both classes' docstrings.
EXTENSIONS = """
    Beyond scikit-learn:

    Parameters
    ----------
    activation : also 'leaky_relu', 'softplus', 'gelu', 'silu', a bpnet layer without parameters such as
        ``bpnet.LeakyReLU(0.1)``, or a list of these with one for each hidden layer.
    verbose : also 'bar', a progress bar of epochs, or of iterations of 'lbfgs', which partial_fit does not show.
    dropout : float, default=0.0
        Probability with which an output of a hidden layer is 0 in training; those that are left are divided by
        1 − dropout. Solver 'lbfgs' refuses it.
    optimizer : bpnet optimizer or its name, default=None
        Trains in place of the solver's, with its own learning rate, schedule and weight_decay; `alpha`, `momentum`,
        `learning_rate` and the other parameters of solvers are not used.
    callbacks : list, default=()
        bpnet callbacks, or functions called with (epoch, metrics) after each epoch, which end the training by
        returning True. Metrics are 'epoch', 'loss', 'lr', and with early stopping 'val_score' and 'val_loss'. An
        iteration of 'lbfgs' is an epoch without batches, of metrics 'epoch' and 'loss'.
    standardize : bool, default=False
        Subtract each column's mean and divide by its standard deviation, those of the first fit or partial_fit;
        `coefs_` are of the standardised columns. A constant column's deviation counts as 1.
    device : str, default='cpu'
        'cuda' or 'cuda:1' trains on a GPU; `coefs_` and `intercepts_` are copies then.
"""
