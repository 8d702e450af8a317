"""Online learning for river: multi-layer perceptrons that learn from one dict at a time.

>>> from river import preprocessing
>>> from bpnet.river import MLPClassifier
>>> model = preprocessing.StandardScaler() | MLPClassifier(hidden_layer_sizes=(32,))
>>> model.learn_one({"length": 3.1, "width": 0.4}, "thin")
>>> model.predict_one({"length": 3.0, "height": 9.0})  # "height" was not there before
'thin'
"""

from __future__ import annotations

try:
    import river as _river  # noqa: F401
except ImportError as _error:
    raise ImportError("bpnet.river: river is not installed; pip install 'backpropnet[river]'") from _error

from bpnet.river.estimators import MLPClassifier, MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
