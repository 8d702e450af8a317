"""The regressor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin, _fit_context
from sklearn.metrics import r2_score
from sklearn.utils import column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from bpnet.sklearn.base import BaseMLP
from bpnet.sklearn.incremental import partial_fit
from bpnet.sklearn.losses import TrainingLoss, regressor_loss
from bpnet.sklearn.networks import activate_outputs
from bpnet.sklearn.parameters import EXTENSIONS, REGRESSOR_CONSTRAINTS


class MLPRegressor(RegressorMixin, BaseMLP):
    __doc__ = f"""scikit-learn's ``MLPRegressor``: a multi-layer perceptron that minimises the squared error, or another loss.

    Its parameters, attributes and methods are those of ``sklearn.neural_network.MLPRegressor``, in their order and
    with their defaults; see its documentation. Targets are numbers (n,) or (n, outputs).
    {EXTENSIONS}
    loss : also 'absolute_error', 'huber', or a bpnet loss of numbers such as ``bpnet.Huber(delta=2.0)``.

    Attributes
    ----------
    validation_loss_curve_ : list, with early stopping, of the loss of the held-out rows after each epoch.
    """

    _parameter_constraints: dict[str, list[Any]] = REGRESSOR_CONSTRAINTS

    def __init__(
        self,
        loss: Any = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: Any = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        dropout: float = 0.0,
        optimizer: Any = None,
        callbacks: Sequence[Any] = (),
        standardize: bool = False,
        device: str = "cpu",
    ) -> None:
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.dropout = dropout
        self.optimizer = optimizer
        self.callbacks = callbacks
        self.standardize = standardize
        self.device = device

    def _out_activation(self) -> str:
        return "exp" if isinstance(self.loss, str) and self.loss == "poisson" else "identity"

    def _training_loss(self) -> TrainingLoss:
        if self._out_activation() != self.out_activation_:
            raise ValueError(
                f"loss is {self.loss!r}, whose outputs are {self._out_activation()!r}; the fitted ones are "
                f"{self.out_activation_!r}; call fit with warm_start=False"
            )
        return regressor_loss(self.loss, self.n_outputs_)

    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, np.ndarray]:
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse=["csr", "csc"],
            multi_output=True,
            y_numeric=True,
            dtype=(np.float64, np.float32),
            reset=reset,
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return X, y

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPRegressor:
        """Fit to X (n, features), an array or a CSR or CSC matrix, and y (n,) or (n, outputs).

        Args:
            sample_weight: (n,), multiplies each sample's loss; a batch's sum is divided by its weights'. A batch whose
                weights are all 0 has the loss 0, where scikit-learn raises a ZeroDivisionError.
        """
        return self._fit(X, y, sample_weight)

    @available_if(lambda self: self._check_partial_fit())
    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, validation_data: Any = None
    ) -> MLPRegressor:
        """One epoch on these rows, which continues the training so far.

        Args:
            validation_data: (X, y) or (X, y, sample_weight), scored after the epoch: ``validation_scores_``,
                ``validation_loss_curve_``, ``best_validation_score_``, and ``should_stop_``, whether the score has
                not improved in more than ``n_iter_no_change`` calls. ``restore_best`` goes back to the best.
        """
        if (
            sample_weight is None
            and validation_data is None
            and self._epoch_at_once(X, self._targets_at_once(y))
        ):
            return self
        return partial_fit(self, X, y, sample_weight, validation_data)

    def _targets_at_once(self, y: Any) -> np.ndarray | None:
        """y (n, outputs) if y is an array of finite numbers; None else."""
        if type(y) is not np.ndarray or y.dtype.kind != "f" or "n_outputs_" not in self.__dict__:
            return None
        if y.ndim == 1 and self.n_outputs_ == 1:
            y = y.reshape(-1, 1)
        if y.ndim != 2 or y.shape[1] != self.n_outputs_ or not np.isfinite(y.sum()):
            return None
        return y

    def predict(self, X: Any) -> np.ndarray:
        """The answers (n,), or (n, outputs), for X (n, features)."""
        check_is_fitted(self, "coefs_")
        return self._answers_of(self._checked_logits(X))

    def _answers_of(self, logits: np.ndarray) -> np.ndarray:
        answers = activate_outputs(self.out_activation_, logits)
        return answers.ravel() if answers.shape[1] == 1 else answers

    def _validation_score(self, logits: np.ndarray, y: np.ndarray, sample_weight: Any) -> float:
        answers = self._answers_of(logits)
        if not np.isfinite(answers).all():
            return float("nan")
        return r2_score(y, answers, sample_weight=sample_weight)
