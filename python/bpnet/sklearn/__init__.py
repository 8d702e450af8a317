"""scikit-learn's multi-layer perceptrons, trained by bpnet: the same parameters, attributes, methods and messages.

>>> from bpnet.sklearn import MLPClassifier  # in place of: from sklearn.neural_network import MLPClassifier
>>> MLPClassifier(hidden_layer_sizes=(100,), random_state=0).fit(X, y).score(X_test, y_test)

What they can do beyond scikit-learn's are keyword parameters after those; see :class:`MLPClassifier`.
"""

from __future__ import annotations

try:
    import sklearn as _sklearn
except ImportError as _error:
    raise ImportError(
        "bpnet.sklearn: scikit-learn is not installed; pip install 'backpropnet[sklearn]'"
    ) from _error

from sklearn.utils.fixes import parse_version as _parse_version

if _parse_version(_sklearn.__version__) < _parse_version("1.6"):
    raise ImportError(
        f"bpnet.sklearn: scikit-learn is {_sklearn.__version__}, 1.6 or newer is needed; "
        "pip install 'backpropnet[sklearn]'"
    )

from bpnet.sklearn.classifier import MLPClassifier
from bpnet.sklearn.onnx_converters import register_onnx_converters
from bpnet.sklearn.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor", "register_onnx_converters"]
