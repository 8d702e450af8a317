"""Conversion by skl2onnx, whose converters of scikit-learn's own classes fit."""

from __future__ import annotations

from typing import Any


def register_onnx_converters() -> None:
    """Have skl2onnx convert :class:`MLPClassifier` and :class:`MLPRegressor`, in pipelines too.

    Activations are scikit-learn's four; a loss 'poisson', ``standardize=True`` and others are refused when a model is converted.

    Raises:
        ImportError: skl2onnx is not installed.
    """
    from skl2onnx import update_registered_converter
    from skl2onnx.common.shape_calculator import (
        calculate_linear_classifier_output_shapes,
        calculate_linear_regressor_output_shapes,
    )
    from skl2onnx.operator_converters.multilayer_perceptron import (
        convert_sklearn_mlp_classifier,
        convert_sklearn_mlp_regressor,
    )

    from bpnet.sklearn.classifier import MLPClassifier
    from bpnet.sklearn.regressor import MLPRegressor

    update_registered_converter(
        MLPClassifier,
        "BpnetMLPClassifier",
        calculate_linear_classifier_output_shapes,
        _checked(convert_sklearn_mlp_classifier),
        options={
            "zipmap": [True, False, "columns"],
            "output_class_labels": [False, True],
            "nocl": [True, False],
        },
    )
    update_registered_converter(
        MLPRegressor,
        "BpnetMLPRegressor",
        calculate_linear_regressor_output_shapes,
        _checked(convert_sklearn_mlp_regressor),
    )


def _checked(convert: Any) -> Any:
    def checked(scope: Any, operator: Any, container: Any) -> None:
        model = operator.raw_operator
        if model.standardize:
            raise ValueError(
                "onnx: the model standardises its inputs, which skl2onnx's converter does not know; "
                "use a StandardScaler in a Pipeline"
            )
        known = ("identity", "logistic", "tanh", "relu")
        if not isinstance(model.activation, str) or model.activation not in known:
            raise ValueError(f"onnx: activation is {model.activation!r}, skl2onnx knows {', '.join(known)}")
        if model.out_activation_ == "exp":
            raise ValueError("onnx: skl2onnx does not know the exponential function of loss 'poisson'")
        convert(scope, operator, container)

    return checked
