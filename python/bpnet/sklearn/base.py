"""What the classifier and the regressor share: fit, the network behind ``coefs_``, outputs, and pickling."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, validate_data

from bpnet._core import NumericError
from bpnet.evaluation import outputs
from bpnet.network import Network
from bpnet.sklearn.lbfgs import fit_lbfgs
from bpnet.sklearn.losses import TrainingLoss
from bpnet.sklearn.networks import Weights, glorot_arrays, has_dropout, hidden_sizes, make_network
from bpnet.sklearn.optimizers import BaseSolver
from bpnet.sklearn.parameters import STOCHASTIC_SOLVERS
from bpnet.sklearn.rows import DENSE_ROWS, Standardisation, TrainingRows, dense_rows
from bpnet.sklearn.stochastic import Epochs, batch_size_of, count_training_loss, fit_stochastic, shuffled


class BaseMLP(BaseEstimator):
    """Base of :class:`MLPClassifier` and :class:`MLPRegressor`.

    ``coefs_`` and ``intercepts_`` are the parameters of a network in their scikit-learn form. Where an estimator has
    other arrays there, put by its user or by a pickle, the next call takes their numbers into a network.
    """

    coefs_: list[np.ndarray]
    intercepts_: list[np.ndarray]
    _standardisation: Standardisation | None = None
    _seed_of_masks = 0  # the dropout's
    _best_parameters: tuple[list[np.ndarray], list[np.ndarray]] | None = None

    # What the two subclasses define.

    def _out_activation(self) -> str:
        raise NotImplementedError

    def _training_loss(self) -> TrainingLoss:
        raise NotImplementedError

    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, np.ndarray]:
        raise NotImplementedError

    def _validation_score(self, logits: np.ndarray, y: np.ndarray, sample_weight: Any) -> float:
        raise NotImplementedError

    def _weights_of_classes(self, y: Any, sample_weight: Any, incremental: bool) -> Any:
        return sample_weight

    # Training.

    def _fit(self, X: Any, y: Any, sample_weight: Any = None, incremental: bool = False) -> Any:
        hidden = hidden_sizes(self.hidden_layer_sizes)
        first_pass = not hasattr(self, "coefs_") or (not self.warm_start and not incremental)
        self._check_together(first_pass)
        given_y = y
        X, y = self._validate_input(X, y, incremental, reset=first_pass)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X)
        sample_weight = self._weights_of_classes(given_y, sample_weight, incremental)
        if y.ndim == 1:
            y = y.reshape((-1, 1))
        self.n_outputs_ = y.shape[1]
        self._random_state = check_random_state(self.random_state)
        dtype = np.dtype(X.dtype if self._is_stochastic else np.float64)
        if first_pass:
            self._initialize(X, [X.shape[1], *hidden, self.n_outputs_], dtype)
        elif not self._is_stochastic:
            self._weights_in(dtype)
        weights, loss = self._current_weights(), self._training_loss()
        if self._is_stochastic:
            fit_stochastic(self, weights, X, y, sample_weight, loss, incremental)
        else:
            rows = TrainingRows(X, y, sample_weight, loss, weights.network.dtype, self._standardisation)
            fit_lbfgs(self, weights, rows, loss)
        if not weights.on_host:
            weights.refresh()
            self._show(weights)
        _check_finite(weights)
        return self

    def _check_together(self, first_pass: bool) -> None:
        """A ValueError where parameters contradict each other, or the weights that there are."""
        if not self._is_stochastic and (self.dropout or has_dropout(self.activation)):
            raise ValueError(
                f"solver is {self.solver!r} and the network has dropout, which makes the loss random; give solver "
                "'adam' or 'sgd'"
            )
        if not first_pass and bool(self.standardize) != (self._standardisation is not None):
            raise ValueError(
                f"standardize is {self.standardize}, the weights were trained with {not self.standardize}; call fit "
                "with warm_start=False"
            )

    def _initialize(self, X: Any, sizes: list[int], dtype: np.dtype) -> None:
        self.n_iter_ = 0
        self.t_ = 0
        self.n_layers_ = len(sizes)
        self.out_activation_ = self._out_activation()
        self._standardisation = Standardisation.of(X) if self.standardize else None
        arrays = glorot_arrays(sizes, self.activation, dtype, self._random_state)
        self._seed_of_masks = int(self._random_state.randint(2**31)) if self.dropout else 0
        weights = Weights(self._made_network(sizes, dtype), self._network_options())
        weights.write(*arrays)
        self._show(weights)
        self._best_parameters = weights.copies() if self.early_stopping else None
        if self._is_stochastic:
            self.loss_curve_: list[float] = []
            self._no_improvement_count = 0
            early = self.early_stopping
            self.validation_scores_: list[float] | None = [] if early else None
            self.validation_loss_curve_: list[float] | None = [] if early else None
            self.best_validation_score_ = -np.inf if early else None
            self.best_loss_ = None if early else np.inf

    # The network.

    def _network_options(self) -> tuple[Any, ...]:
        """The parameters that a network is made with; a list as it is now."""
        activation = self.activation
        return list(activation) if type(activation) is list else activation, self.dropout, self.device

    def _made_network(self, sizes: list[int], dtype: Any) -> Network:
        return make_network(sizes, self.activation, dtype, self.dropout, self.device, self._seed_of_masks)

    def _is_current(self, weights: Weights) -> bool:
        """Whether these are the estimator's arrays, in a network that its parameters ask for."""
        return weights.options == self._network_options() and weights.are(self.coefs_, self.intercepts_)

    def _show(self, weights: Weights) -> None:
        self._weights = weights
        self.coefs_ = list(weights.coefs)
        self.intercepts_ = list(weights.intercepts)

    def _current_weights(self) -> Weights:
        """The network's parameters, which are those in ``coefs_`` and ``intercepts_``."""
        weights = self.__dict__.get("_weights")
        if weights is not None and self._is_current(weights):
            return weights
        return self._weights_in(np.asarray(self.coefs_[0]).dtype)

    def _weights_in(self, dtype: Any) -> Weights:
        """Parameters of this dtype with the numbers of ``coefs_`` and ``intercepts_``, in the network that there is
        where it has their sizes and the activations, dropout and device that the parameters ask for."""
        coefs = [np.asarray(coef) for coef in self.coefs_]
        sizes = [coefs[0].shape[0], *(coef.shape[1] for coef in coefs)]
        weights: Weights | None = self.__dict__.get("_weights")
        options = self._network_options()
        if weights is None or weights.options != options or not weights.fit(coefs, dtype):
            weights = Weights(self._made_network(sizes, dtype), options)
        weights.write(coefs, [np.asarray(each) for each in self.intercepts_])
        self._show(weights)
        return weights

    # Outputs.

    def _logits(self, X: Any) -> np.ndarray:
        """The network's outputs (n, outputs) of rows that were checked."""
        core = self._current_weights().network._core
        dtype = self._weights.network.dtype
        if not sparse.issparse(X) and self._standardisation is None:
            return outputs("predict", core, np.ascontiguousarray(X, dtype=dtype))
        parts = [
            core.forward(dense_rows(X, slice(i, i + DENSE_ROWS), dtype, self._standardisation))
            for i in range(0, X.shape[0], DENSE_ROWS)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _checked_logits(self, X: Any) -> np.ndarray:
        """The same of what a user gave: checked by the core where it is such an array as the network takes, else as
        scikit-learn does."""
        logits = self._logits_at_once(X)
        if logits is not None:
            return logits
        X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        logits = self._logits(X)
        return logits.astype(np.result_type(X.dtype, logits.dtype), copy=False) if _is_float(X) else logits

    def _logits_at_once(self, X: Any) -> np.ndarray | None:
        network = self._plain_network(X)
        if network is None or len(X) > network._rows_at_once:
            return None
        try:
            return network._core.predict(X)  # None where X needs conversion
        except NumericError:
            return None

    def _plain_network(self, X: Any) -> Network | None:
        """The network if X can be passed to it as it is, as far as its type tells; None else."""
        state = self.__dict__
        weights = state.get("_weights")
        if type(X) is not np.ndarray or weights is None or "feature_names_in_" in state:
            return None
        if self.standardize or self._standardisation is not None or not self._is_current(weights):
            return None
        return weights.network

    # partial_fit.

    @property
    def _is_stochastic(self) -> bool:
        """Whether the training takes steps by batches: with an optimizer, whatever the solver is."""
        return self.optimizer is not None or self.solver in STOCHASTIC_SOLVERS

    def _check_partial_fit(self) -> bool:
        """True, or an AttributeError where there is no partial_fit."""
        if not self._is_stochastic:
            raise AttributeError(
                f"partial_fit is only available for stochastic optimizers. {self.solver} is not stochastic."
            )
        return True

    def _epoch_at_once(self, X: Any, y: np.ndarray | None) -> bool:
        """partial_fit on arrays that need no conversion, with y (n, outputs); False where that is not so, with
        nothing done."""
        network = self._plain_network(X)
        solver = self.__dict__.get("_optimizer")
        if (
            network is None
            or network.device != "cpu"
            or y is None
            or not isinstance(solver, BaseSolver)
            or self.early_stopping
        ):
            return False
        plain = X.dtype == network.dtype and X.ndim == 2 and X.flags.c_contiguous and X.flags.aligned
        if not plain or X.shape[1] != self.n_features_in_ or len(X) == 0 or len(X) != len(y):
            return False
        if self.callbacks or self.verbose or not np.isfinite(X.sum()):
            return False
        loss = self._training_loss()
        rows = TrainingRows(X, y, None, loss, network.dtype, None)
        order = np.arange(len(X), dtype=np.uint64)
        if len(X) > 1:
            self._random_state = check_random_state(self.random_state)
            order = shuffled(order, self._random_state) if self.shuffle else order
        self.loss_ = Epochs(self, self._weights, solver, rows, loss).run(order, batch_size_of(self, len(X)))
        self.n_iter_ = 1
        self.t_ += len(X)
        self.loss_curve_.append(self.loss_)
        count_training_loss(self)
        solver.end_epoch(self.t_, self.loss_)
        if self._no_improvement_count > self.n_iter_no_change:
            self._no_improvement_count *= not solver.continues("", False)
        if not np.isfinite(self.loss_):
            _check_finite(self._weights)
        return True

    def restore_best(self) -> Any:
        """Go back to the weights of ``best_validation_score_``."""
        if self._best_parameters is None:
            raise ValueError("restore_best: there are none; fit with early_stopping, or give validation_data")
        self._current_weights().write(*self._best_parameters)
        if not self._weights.on_host:
            self._show(self._weights)
        return self

    # Copies and files.

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        if "_weights" not in state:
            return state
        state = dict(state)
        weights = state.pop("_weights")
        if weights.are(state["coefs_"], state["intercepts_"]):
            state["coefs_"], state["intercepts_"] = weights.copies()
        return state

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted estimator to a bpnet file, which holds no pickle; ``load`` of its class reads it.

        Raises:
            ValueError: a parameter, or a class of y, that such a file cannot hold: other than numbers, strings, lists
                and None.
        """
        from bpnet.sklearn.files import save

        save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, device: str = "cpu") -> Any:
        """The estimator that ``save`` wrote, fitted; its optimizer begins without averages."""
        from bpnet.sklearn.files import load

        return load(cls, path, device)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _check_finite(weights: Weights) -> None:
    if not weights.all_finite():
        raise ValueError(
            "Solver produced non-finite parameter weights. The input data may contain large values and need "
            "to be preprocessed."
        )


def _is_float(X: Any) -> bool:
    return X.dtype in (np.float32, np.float64)
