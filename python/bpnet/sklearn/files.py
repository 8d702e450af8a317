"""Estimators in bpnet's model files: the network with its weights, and beside it, as JSON, what else fit has made."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.preprocessing import LabelBinarizer

from bpnet import provenance
from bpnet._core import FileFormatError
from bpnet.layers import Layer
from bpnet.layers.nested import layer_from
from bpnet.losses import CustomLoss, Loss, loss_from
from bpnet.network import load_network
from bpnet.optimizers import Optimizer, optimizer_from
from bpnet.sklearn.networks import Weights
from bpnet.sklearn.rows import Standardisation

# Attributes beside the network that are plain, where an estimator has them.
_PLAIN = (
    "n_iter_",
    "t_",
    "loss_",
    "loss_curve_",
    "best_loss_",
    "validation_scores_",
    "validation_loss_curve_",
    "best_validation_score_",
    "should_stop_",
    "n_features_in_",
    "n_outputs_",
    "n_layers_",
    "out_activation_",
    "_no_improvement_count",
)


def save(estimator: Any, path: str | os.PathLike[str]) -> None:
    """Write a fitted estimator."""
    e = estimator
    if not hasattr(e, "coefs_"):
        raise ValueError(f"save: this {type(e).__name__} is not fitted yet; call fit before")
    state = e.__dict__
    network = e._current_weights().network
    names = state.get("feature_names_in_")
    standardisation = e._standardisation
    content = {
        "class": type(e).__name__,
        "parameters": {key: _encoded(key, value) for key, value in e.get_params(deep=False).items()},
        "attributes": {key: _encoded(key, state[key]) for key in _PLAIN if key in state},
        "feature_names": None if names is None else [str(name) for name in names],
        "standardisation": None
        if standardisation is None
        else [standardisation.mean.tolist(), standardisation.scale.tolist()],
    }
    if hasattr(e, "classes_"):
        content["classes"] = _classes(e)
    before = network.preprocessing
    network.preprocessing = {provenance.ESTIMATOR: content}
    try:
        network.save(path)
    finally:
        network.preprocessing = before


def _classes(estimator: Any) -> dict[str, Any]:
    classes = estimator.classes_
    if classes.dtype.kind not in "biufU" and not all(isinstance(each, str) for each in classes):
        raise ValueError(
            f"save: the classes are {classes!r:.80} of dtype {classes.dtype}; numbers or strings can be saved"
        )
    kind = "object" if classes.dtype.kind == "O" else classes.dtype.str
    return {"values": classes.tolist(), "dtype": kind, "type": estimator._label_binarizer.y_type_}


def _encoded(name: str, value: Any) -> Any:
    """JSON of a parameter or attribute, from which :func:`_decoded` makes it again."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float) and not np.isfinite(value):
        return {"float": str(value)}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return {"array": value.tolist(), "dtype": value.dtype.str}
    if isinstance(value, list):
        return [_encoded(name, each) for each in value]
    if isinstance(value, tuple):
        return {"tuple": [_encoded(name, each) for each in value]}
    if isinstance(value, Mapping):
        return {"items": [[_encoded(name, key), _encoded(name, each)] for key, each in value.items()]}
    if isinstance(value, Layer):
        return {"layer": value.describe()}
    if isinstance(value, Loss) and not isinstance(value, CustomLoss):
        return {"loss": value.describe()}
    if isinstance(value, Optimizer):
        return {"optimizer": value.describe(), "schedule": value.schedule.describe()}
    raise ValueError(
        f"save: {name} is {value!r:.80}, which a model file cannot hold; set it to None or to a plain value before"
    )


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return [_decoded(each) for each in value]
    if not isinstance(value, dict):
        return value
    if "float" in value:
        return float(value["float"])
    if "array" in value:
        return np.array(value["array"], dtype=value["dtype"])
    if "tuple" in value:
        return tuple(_decoded(each) for each in value["tuple"])
    if "items" in value:
        return {_decoded(key): _decoded(each) for key, each in value["items"]}
    if "layer" in value:
        return layer_from(value["layer"])
    if "loss" in value:
        return loss_from(value["loss"])
    return optimizer_from(value["optimizer"], value["schedule"])


def load(kind: type, path: str | os.PathLike[str], device: str) -> Any:
    """The estimator of a file."""
    network = load_network(path, device=device)
    content = (network.preprocessing or {}).get(provenance.ESTIMATOR)
    if not isinstance(content, dict):
        raise FileFormatError("load: the file holds no scikit-learn estimator; bpnet.load reads its network")
    if content.get("class") != kind.__name__:
        raise ValueError(f"load: the file holds a {content.get('class')}, {kind.__name__}.load was called")
    try:
        estimator = kind(**_decoded({"items": list(content["parameters"].items())}))
        estimator.set_params(device=device)
        estimator._validate_params()
        for key in _PLAIN:
            if key in content["attributes"]:
                setattr(estimator, key, _decoded(content["attributes"][key]))
        _load_attributes(estimator, content)
    except (KeyError, TypeError, AttributeError) as error:
        raise FileFormatError(f"load: the file's estimator is not whole: {error!r}") from error
    network.preprocessing = None
    estimator._seed_of_masks = int(network.description["seed"])
    estimator._show(Weights(network, estimator._network_options()))
    return estimator


def _load_attributes(estimator: Any, content: Mapping[str, Any]) -> None:
    if content["feature_names"] is not None:
        estimator.feature_names_in_ = np.array(content["feature_names"], dtype=object)
    if content["standardisation"] is not None:
        estimator._standardisation = Standardisation(*map(np.array, content["standardisation"]))
    if "classes" not in content:
        return
    stored = content["classes"]
    classes = np.array(stored["values"], dtype=stored["dtype"])
    multilabel = str(stored["type"]).startswith("multilabel")
    targets = np.eye(len(classes), dtype=int) if multilabel else classes
    estimator._label_binarizer = LabelBinarizer().fit(targets)
    estimator.classes_ = classes
