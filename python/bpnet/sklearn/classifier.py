"""The classifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.metrics import accuracy_score
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels
from sklearn.utils.validation import check_is_fitted, validate_data

from bpnet.sklearn.base import BaseMLP
from bpnet.sklearn.incremental import partial_fit
from bpnet.sklearn.losses import TrainingLoss, classifier_loss
from bpnet.sklearn.networks import activate_outputs
from bpnet.sklearn.parameters import CLASSIFIER_CONSTRAINTS, EXTENSIONS


class MLPClassifier(ClassifierMixin, BaseMLP):
    __doc__ = f"""scikit-learn's ``MLPClassifier``: a multi-layer perceptron that minimises the log-loss.

    Its parameters, attributes and methods are those of ``sklearn.neural_network.MLPClassifier``, in their order and
    with their defaults; see its documentation. Targets are classes (n,), or indicators of several labels (n, labels).
    {EXTENSIONS}
    class_weight : dict, 'balanced' or None, default=None
        {{class: weight}}, which multiply the samples' weights; 'balanced' for n / (classes · count of the class).

    Attributes
    ----------
    validation_loss_curve_ : list, with early stopping, of the loss of the held-out rows after each epoch.
    """

    _parameter_constraints: dict[str, list[Any]] = CLASSIFIER_CONSTRAINTS

    def __init__(
        self,
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
        class_weight: Any = None,
    ) -> None:
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
        self.class_weight = class_weight

    # scikit-learn's name of the loss.
    loss = "log_loss"

    def _out_activation(self) -> str:
        return "softmax" if self._label_binarizer.y_type_ == "multiclass" else "logistic"

    def _training_loss(self) -> TrainingLoss:
        return classifier_loss(self.out_activation_)

    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, np.ndarray]:
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse=["csr", "csc"],
            multi_output=True,
            dtype=(np.float64, np.float32),
            reset=reset,
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if not hasattr(self, "classes_") or (not self.warm_start and not incremental):
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
        else:
            self._check_classes(unique_labels(y))
        return X, self._label_binarizer.transform(y).astype(bool)

    def _check_classes(self, classes: np.ndarray) -> None:
        if self.warm_start:
            if set(classes) != set(self.classes_):
                raise ValueError(
                    "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                    f"Previously got {self.classes_}, `y` has {classes}"
                )
        elif len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' has {classes}."
            )

    def _weights_of_classes(self, y: Any, sample_weight: Any, incremental: bool) -> Any:
        if self.class_weight is None:
            return sample_weight
        if incremental and isinstance(self.class_weight, str):
            raise ValueError(
                "class_weight 'balanced' is not supported for partial_fit, which sees a part of y. Give a dict "
                "{class: weight}."
            )
        of_classes = compute_sample_weight(self.class_weight, y)
        return of_classes if sample_weight is None else of_classes * sample_weight

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPClassifier:
        """Fit to X (n, features), an array or a CSR or CSC matrix, and y (n,) or (n, labels).

        Args:
            sample_weight: (n,), multiplies each sample's loss; a batch's sum is divided by its weights'. A batch whose
                weights are all 0 has the loss 0, where scikit-learn raises a ZeroDivisionError.
        """
        return self._fit(X, y, sample_weight)

    @available_if(lambda self: self._check_partial_fit())
    def partial_fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        classes: Any = None,
        validation_data: Any = None,
    ) -> MLPClassifier:
        """One epoch on these rows, which continues the training so far.

        Args:
            classes: all classes that y will ever have; needed in the first call.
            validation_data: (X, y) or (X, y, sample_weight), scored after the epoch: ``validation_scores_``,
                ``validation_loss_curve_``, ``best_validation_score_``, and ``should_stop_``, whether the score has
                not improved in more than ``n_iter_no_change`` calls. ``restore_best`` goes back to the best.
        """
        if (
            sample_weight is None
            and classes is None
            and validation_data is None
            and self.class_weight is None
        ) and self._epoch_at_once(X, self._indicators_at_once(y)):
            return self
        if not hasattr(self, "classes_") or classes is not None:
            self._begin_classes(y, classes)
        return partial_fit(self, X, y, sample_weight, validation_data)

    def _begin_classes(self, y: Any, classes: Any) -> None:
        if not _check_partial_fit_first_call(self, classes):
            return
        self._label_binarizer = LabelBinarizer()
        self._label_binarizer.fit(y if type_of_target(y).startswith("multilabel") else classes)

    def _indicators_at_once(self, y: Any) -> np.ndarray | None:
        """y (n, outputs) if y is an array of known classes; None where that takes longer to tell."""
        classes = self.__dict__.get("classes_")
        if classes is None or type(y) is not np.ndarray or y.ndim != 1 or self.warm_start:
            return None
        if y.dtype != classes.dtype or y.dtype.kind not in "iubU":
            return None
        index = np.minimum(np.searchsorted(classes, y), len(classes) - 1)
        if (classes[index] != y).any():
            return None
        if self.n_outputs_ == 1:
            return index.reshape(-1, 1) if len(classes) == 2 else None
        if self.out_activation_ != "softmax":
            return None
        indicators = np.zeros((len(y), len(classes)), dtype=bool)
        indicators[np.arange(len(y)), index] = True
        return indicators

    def predict(self, X: Any) -> np.ndarray:
        """The classes (n,), or label indicators (n, labels), of X (n, features)."""
        check_is_fitted(self, "coefs_")
        return self._classes_of(self._checked_logits(X))

    def _classes_of(self, logits: np.ndarray) -> np.ndarray:
        if self.out_activation_ == "softmax":
            return self.classes_[logits.argmax(axis=1)]
        if self.n_outputs_ == 1 and len(self.classes_) == 2:
            return self.classes_[(logits.ravel() > 0).astype(np.intp)]
        probabilities = activate_outputs(self.out_activation_, logits)
        return self._label_binarizer.inverse_transform(
            probabilities.ravel() if self.n_outputs_ == 1 else probabilities
        )

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities (n, classes) in the order of ``classes_``, or of each label, (n, labels)."""
        check_is_fitted(self, "coefs_")
        probabilities = activate_outputs(self.out_activation_, self._checked_logits(X))
        if self.n_outputs_ == 1:
            return np.hstack([1 - probabilities, probabilities])
        return probabilities

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """log(predict_proba(X))."""
        probabilities = self.predict_proba(X)
        return np.log(probabilities, out=probabilities)

    def _validation_score(self, logits: np.ndarray, y: np.ndarray, sample_weight: Any) -> float:
        if not np.isfinite(logits).all() and self.out_activation_ == "logistic":
            logits = np.where(np.isnan(logits), -1, logits)  # compared with 0.5, NaN is the smaller
        y_true = self._label_binarizer.inverse_transform(y)
        return accuracy_score(y_true, self._classes_of(logits), sample_weight=sample_weight)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
