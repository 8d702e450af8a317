"""Bad sizes, options and arguments are refused: a ValueError or TypeError (never the error of a broken
file), whose message begins with the operation and shows what was given."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import bpnet as bp
from ctrl_c import HANG
from test_bad_input import LABELS, TARGETS, THIRDS, X, bits, check_message, network, refused

NAN = float("nan")
INF = float("inf")
HUGE = 2**70
REFUSED = (ValueError, TypeError)

# An expression that makes layers for 4 features, and what the message must show.
LAYERS: dict[str, tuple[Callable[[], Any], tuple[str, ...]]] = {
    "none": (lambda: [], ("at least one",)),
    "None": (lambda: None, ("layers", "None")),
    "not a list": (lambda: bp.Linear(3), ("layers", "Linear")),
    "a number": (lambda: [3], ("layer 0", "int")),
    "a class": (lambda: [bp.Linear(3), bp.Tanh], ("layer 1 is the class Tanh, give an object: Tanh()",)),
    "zero outputs": (lambda: [bp.Linear(0)], ("linear", "0", "at least 1")),
    "negative outputs": (lambda: [bp.Linear(-5)], ("linear", "-5", "at least 1")),
    "half an output": (lambda: [bp.Linear(2.5)], ("linear", "2.5", "integer")),
    "outputs as text": (lambda: [bp.Linear("64")], ("linear", "64", "integer")),
    "outputs of True": (lambda: [bp.Linear(True)], ("linear", "true", "integer")),
    "outputs of None": (lambda: [bp.Linear(None)], ("linear", "out_features")),
    "outputs of NaN": (lambda: [bp.Linear(NAN)], ("linear", "out_features", "nan")),
    "outputs of a list": (lambda: [bp.Linear([3, 4])], ("linear", "[3,4]")),
    "outputs beyond memory": (lambda: [bp.Linear(2**62)], ("4611686018427387904", "memory")),
    "outputs beyond 64 bits": (lambda: [bp.Linear(HUGE)], ("linear", "out_features")),
    "bias as text": (lambda: [bp.Linear(3, bias="yes")], ("linear", "bias", "yes")),
    "init by name": (lambda: [bp.Linear(3, init="xavier")], ("init", "xavier")),
    "init as a class": (lambda: [bp.Linear(3, init=bp.HeNormal)], ("HeNormal",)),
    "init a number": (lambda: [bp.Linear(3, init=0.5)], ("init", "0.5")),
    "std negative": (lambda: [bp.Linear(3, init=bp.Normal(std=-1))], ("init", "std", "-1")),
    "std NaN": (lambda: [bp.Linear(3, init=bp.Normal(std=NAN))], ("init", "nan")),
    "low above high": (lambda: [bp.Linear(3, init=bp.Uniform(2, 1))], ("init", "2", "1")),
    "gain infinite": (lambda: [bp.Linear(3, init=bp.HeUniform(gain=INF))], ("init", "inf")),
    "weights beyond float32": (lambda: [bp.Linear(3, init=bp.Constant(1e39))], ("init", "1e+39")),
    "p negative": (lambda: [bp.Dropout(-0.1)], ("dropout", "-0.1", "0 to 1")),
    "p above 1": (lambda: [bp.Dropout(1.5)], ("dropout", "1.5", "0 to 1")),
    "p NaN": (lambda: [bp.Dropout(NAN)], ("dropout", "nan", "0 to 1")),
    "p as text": (lambda: [bp.Dropout("half")], ("dropout", "half")),
    "slope negative": (lambda: [bp.LeakyReLU(-0.1)], ("leaky_relu", "-0.1")),
    "slope infinite": (lambda: [bp.LeakyReLU(INF)], ("leaky_relu", "inf")),
    "beta zero": (lambda: [bp.Softplus(0)], ("softplus", "beta", "0")),
    "GELU otherwise": (lambda: [bp.GELU("erf")], ("gelu", "erf", "tanh")),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_that_cannot_be(name: str):
    layers, fragments = LAYERS[name]
    with pytest.raises(REFUSED) as caught:
        bp.Network(4, layers())
    check_message(caught.value, *fragments)


MAP = (3, 5, 6)
# An expression that makes a layer for MAP, and what the message must show.
MAP_LAYERS: dict[str, tuple[Callable[[], Any], tuple[str, ...]]] = {
    "no output channels": (lambda: bp.Conv2d(0, 3), ("conv2d", "out_channels is 0", "at least 1")),
    "kernel of 0": (lambda: bp.Conv2d(4, 0), ("conv2d", "kernel_size is 0", "at least 1")),
    "kernel of None": (lambda: bp.Conv2d(4, None), ("conv2d", "kernel_size is None, a value is needed")),
    "kernel of half": (lambda: bp.Conv2d(4, (3, 2.5)), ("conv2d", "2.5", "integer")),
    "kernel of three": (lambda: bp.Conv2d(4, (3, 3, 3)), ("conv2d", "[3,3,3]", "(height, width)")),
    "kernel of none": (lambda: bp.Conv2d(4, ()), ("conv2d", "kernel_size is []")),
    "kernel as text": (lambda: bp.Conv2d(4, "3"), ("conv2d", "kernel_size", "3")),
    "kernel too high": (lambda: bp.Conv2d(4, 6), ("conv2d", "5 high", "kernel 6", "larger")),
    "kernel too wide": (lambda: bp.Conv2d(4, (1, 9), padding=(0, 1)), ("conv2d", "6 wide", "8", "kernel 9")),
    "kernel too dilated": (lambda: bp.Conv2d(4, 3, dilation=3), ("conv2d", "5 high", "kernel 7", "dilation")),
    "stride of 0": (lambda: bp.Conv2d(4, 3, stride=0), ("conv2d", "stride is 0", "at least 1")),
    "dilation of 0": (lambda: bp.Conv2d(4, 3, dilation=(1, 0)), ("conv2d", "dilation is [1,0]")),
    "padding negative": (lambda: bp.Conv2d(4, 3, padding=-1), ("conv2d", "padding is -1", "at least 0")),
    "padding of three": (lambda: bp.Conv2d(4, 3, padding=(1, 2, 3)), ("conv2d", "[1,2,3]", "bottom")),
    "padding as a word": (lambda: bp.Conv2d(4, 3, padding="same"), ("conv2d", "padding", "same")),
    "groups of 0": (lambda: bp.Conv2d(4, 3, groups=0), ("conv2d", "groups is 0")),
    "groups and inputs": (
        lambda: bp.Conv2d(4, 3, groups=2),
        ("conv2d: input has 3 channels, groups is 2: channels must be divisible by groups",),
    ),
    "groups and outputs": (lambda: bp.Conv2d(4, 3, groups=3), ("conv2d", "out_channels is 4", "groups is 3")),
    "init a number": (lambda: bp.Conv2d(4, 3, init=0.1), ("conv2d", "init is 0.1")),
    "outputs beyond memory": (lambda: bp.Conv2d(2**62, 3), (str(2**62), "memory")),
    "padding beyond memory": (lambda: bp.Conv2d(4, 3, padding=2**62), ("conv2d", str(2**62), "memory")),
    "map beyond memory": (lambda: bp.Conv2d(4, 1, padding=2**31), ("memory",)),
    "dilation beyond memory": (lambda: bp.Conv2d(4, 3, dilation=2**62), ("conv2d", str(2**62), "memory")),
    "kernel beyond memory": (lambda: bp.Conv2d(4, 2**40, padding=2**40), ("memory",)),
    "pool padding": (
        lambda: bp.MaxPool2d(3, padding=2),
        ("max_pool2d: padding is 2, the kernel 3 high: padding must be at most half the kernel",),
    ),
    "pool padding across": (lambda: bp.AvgPool2d((4, 2), padding=2), ("avg_pool2d", "2 wide", "half")),
    "pool padding of four": (lambda: bp.MaxPool2d(3, padding=(1, 1, 1, 1)), ("max_pool2d", "[1,1,1,1]")),
    "pool too large": (lambda: bp.MaxPool2d(7), ("max_pool2d", "5 high", "kernel 7")),
    "pool of 0": (lambda: bp.AvgPool2d(0), ("avg_pool2d", "kernel_size is 0")),
    "pool stride of 0": (lambda: bp.MaxPool2d(2, stride=0), ("max_pool2d", "stride is 0")),
    "ceil as a number": (lambda: bp.MaxPool2d(2, ceil_mode=1), ("max_pool2d", "ceil_mode is 1")),
    "adaptive of 0": (lambda: bp.AdaptiveAvgPool2d(0), ("adaptive_avg_pool2d", "output_size is 0")),
    "adaptive beyond memory": (lambda: bp.AdaptiveAvgPool2d(2**61), ("memory",)),
    "LRN of 0": (lambda: bp.LocalResponseNorm(0), ("local_response_norm", "size is 0", "at least 1")),
    "LRN alpha": (lambda: bp.LocalResponseNorm(5, alpha=-1.0), ("local_response_norm", "alpha is -1")),
    "LRN beta": (lambda: bp.LocalResponseNorm(5, beta=NAN), ("local_response_norm", "beta", "nan")),
    "LRN k": (lambda: bp.LocalResponseNorm(5, k=INF), ("local_response_norm", "k", "inf")),
    "LRN groups": (lambda: bp.LocalResponseNorm(5, groups=2), ("local_response_norm", "3 channels", "2")),
    "LRN both": (
        lambda: bp.LocalResponseNorm(5, groups=3, within_map=True),
        ("local_response_norm", "within"),
    ),
    "norm eps": (lambda: bp.BatchNorm2d(eps=-1.0), ("batch_norm2d", "eps is -1")),
    "norm momentum": (lambda: bp.BatchNorm2d(momentum=1.5), ("batch_norm2d", "momentum is 1.5", "0 to 1")),
    "norm of maps": (lambda: bp.BatchNorm1d(), ("batch_norm1d", "(3, 5, 6)", "(features,)")),
    "scale_at": (lambda: bp.Dropout(0.5, scale_at="evaluation"), ("dropout", "scale_at", "training", "test")),
}


@pytest.mark.parametrize("name", MAP_LAYERS)
def test_layers_of_maps_that_cannot_be(name: str):
    layer, fragments = MAP_LAYERS[name]
    with pytest.raises(REFUSED) as caught:
        bp.Network(MAP, [layer()])
    check_message(caught.value, *fragments)


FLAT = [bp.Conv2d(4, 3), bp.MaxPool2d(2), bp.AvgPool2d(2), bp.AdaptiveAvgPool2d(2), bp.LocalResponseNorm(5)]


@pytest.mark.parametrize("layer", [*FLAT, bp.BatchNorm2d()], ids=repr)
@pytest.mark.parametrize("shape", [(4,), (4, 5)], ids=str)
def test_layers_of_maps_need_maps(layer: Any, shape: tuple[int, ...]):
    with pytest.raises(ValueError, match=r"\(channels, height, width\)") as caught:
        bp.Network(shape, [layer])
    check_message(caught.value, str(shape))


NETWORKS: dict[str, tuple[Callable[[], Any], tuple[str, ...]]] = {
    "no input": (lambda: bp.Network((), [bp.Tanh()]), ("input_shape",)),
    "zero input": (lambda: bp.Network(0, [bp.Linear(3)]), ("input_shape", "0", "at least 1")),
    "zero axis": (lambda: bp.Network((3, 0), [bp.Flatten()]), ("input_shape", "0", "at least 1")),
    "negative input": (lambda: bp.Network(-4, [bp.Linear(3)]), ("input_shape", "-4")),
    "half an input": (lambda: bp.Network(2.5, [bp.Linear(3)]), ("input_shape", "2.5")),
    "half an axis": (lambda: bp.Network((2.5,), [bp.Linear(3)]), ("input_shape", "2.5")),
    "input of None": (lambda: bp.Network(None, [bp.Linear(3)]), ("input_shape", "None")),
    "input as text": (lambda: bp.Network("784", [bp.Linear(3)]), ("input_shape", "7")),
    "input of True": (lambda: bp.Network(True, [bp.Linear(3)]), ("input_shape", "True")),
    "input beyond 64 bits": (lambda: bp.Network(HUGE, [bp.Tanh()]), (str(HUGE),)),
    "input beyond 63 bits": (lambda: bp.Network(2**63, [bp.Tanh()]), (str(2**63),)),
    "input that overflows": (lambda: bp.Network((2**40, 2**40), [bp.Tanh()]), (f"{2**40} x {2**40}",)),
    "too many axes": (lambda: bp.Network((1,) * 9, [bp.Flatten()]), ("9 axes", "at most 8")),
    "not flat": (lambda: bp.Network((3, 4), [bp.Linear(3)]), ("linear", "(3, 4)", "Flatten")),
    "softmax not flat": (lambda: bp.Network((3, 4), [bp.Softmax()]), ("softmax", "(3, 4)")),
    "negative seed": (lambda: network_of(seed=-1), ("seed", "-1")),
    "large seed": (lambda: network_of(seed=2**64), ("seed", str(2**64))),
    "seed as text": (lambda: network_of(seed="0"), ("seed", "'0'")),
    "seed of half": (lambda: network_of(seed=0.5), ("seed", "0.5")),
    "seed of None": (lambda: network_of(seed=None), ("seed", "None")),
    "dtype int8": (lambda: network_of(dtype="int8"), ("int8", "float32", "float64")),
    "dtype float16": (lambda: network_of(dtype=np.float16), ("float16", "float32", "float64")),
    "dtype unknown": (lambda: network_of(dtype="wide"), ("wide", "float32")),
    "dtype of None": (lambda: network_of(dtype=None), ("None", "float32")),
    "backend a number": (lambda: network_of(backend=3), ("backend", "3")),
}


def network_of(**options: Any) -> bp.Network:
    return bp.Network(4, [bp.Linear(3)], **options)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_that_cannot_be(name: str):
    make, fragments = NETWORKS[name]
    with pytest.raises(REFUSED) as caught:
        make()
    check_message(caught.value, *fragments)


def test_devices_that_are_not_here():
    with pytest.raises(bp.DeviceError, match=r"^backend: 'abacus' .* reference"):
        network_of(backend="abacus")


SIZES_THAT_WRAP = """
import sys, bpnet as bp
width = 2**57 if sys.argv[2] == "float32" else 2**56
layers = [bp.Linear(width, bias=False), bp.Linear(1, bias=False)]
try:
    bp.Network(1, layers * int(sys.argv[1]), dtype=sys.argv[2])
except (ValueError, MemoryError) as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("count", [1, 16, 64])
def test_sizes_whose_sum_overflows(count: int, dtype: str):
    """Each tensor alone passes, but together their bytes come to 2⁶⁴, which is 0 in 64 bits."""
    command = [sys.executable, "-c", SIZES_THAT_WRAP, str(count), dtype]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG)
    assert (done.returncode, done.stdout.strip()) in ((0, "ValueError"), (0, "MemoryError")), done.stderr


# Losses, optimizers and schedules, used to fit.
LOSSES: dict[str, tuple[Callable[[], Any], tuple[str, ...]]] = {
    "unknown": (lambda: "hinge", ("hinge", "cross_entropy")),
    "a number": (lambda: 3, ("loss", "int")),
    "a class": (lambda: bp.MSE, ("loss is the class MSE, give an object: MSE()",)),
    "huber zero": (lambda: bp.Huber(delta=0), ("huber", "delta", "0")),
    "huber negative": (lambda: bp.Huber(delta=-1), ("huber", "delta", "-1")),
    "huber NaN": (lambda: bp.Huber(delta=NAN), ("huber", "delta", "nan")),
    "huber text": (lambda: bp.Huber(delta="wide"), ("huber", "delta", "wide")),
    "smoothing above 1": (
        lambda: bp.CrossEntropy(label_smoothing=1.1),
        ("cross_entropy", "label_smoothing", "1.1"),
    ),
    "smoothing negative": (
        lambda: bp.CrossEntropy(label_smoothing=-0.1),
        ("cross_entropy", "label_smoothing", "-0.1"),
    ),
    "smoothing NaN": (
        lambda: bp.CrossEntropy(label_smoothing=NAN),
        ("cross_entropy", "label_smoothing", "nan"),
    ),
    "class weights": (lambda: bp.CrossEntropy(class_weight=[1, 2]), ("class_weight", "2 numbers", "3")),
    "class weight": (lambda: bp.CrossEntropy(class_weight=3), ("cross_entropy", "class_weight", "3")),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses_that_cannot_be(name: str):
    make, fragments = LOSSES[name]
    refused(lambda net: net.fit(X, THIRDS, loss=make(), verbose=0), REFUSED, *fragments)
    refused(lambda net: net.evaluate(X, THIRDS, make()), REFUSED, *fragments)
    refused(lambda net: bp.check_gradients(net, X, THIRDS, make()), REFUSED, *fragments)


OPTIMIZERS: dict[str, tuple[Callable[[], Any], tuple[str, ...]]] = {
    "unknown": (lambda: "newton", ("newton", "sgd")),
    "a number": (lambda: 0.1, ("optimizer", "float")),
    "a class": (lambda: bp.SGD, ("optimizer is the class SGD, give an object: SGD(lr=0.01)",)),
    "lr negative": (lambda: bp.SGD(lr=-0.1), ("sgd", "lr", "-0.1")),
    "lr NaN": (lambda: bp.SGD(lr=NAN), ("sgd", "lr", "nan")),
    "lr infinite": (lambda: bp.Adam(lr=INF), ("adam", "lr", "inf")),
    "lr text": (lambda: bp.SGD(lr="fast"), ("sgd", "lr", "fast")),
    "lr None": (lambda: bp.Adam(lr=None), ("adam", "lr", "None")),
    "momentum 1": (lambda: bp.SGD(momentum=1), ("sgd", "momentum", "1")),
    "momentum negative": (lambda: bp.RMSprop(momentum=-0.1), ("rmsprop", "momentum", "-0.1")),
    "decay negative": (lambda: bp.AdamW(weight_decay=-1), ("adamw", "weight_decay", "-1")),
    "nesterov alone": (lambda: bp.SGD(nesterov=True), ("sgd", "nesterov", "momentum")),
    "beta 1": (lambda: bp.Adam(betas=(0.9, 1.0)), ("adam", "beta2", "1")),
    "one beta": (lambda: bp.Adam(betas=(0.9,)), ("adam", "betas", "0.9")),
    "a beta": (lambda: bp.AdamW(betas=0.9), ("adamw", "betas", "0.9")),
    "three betas": (lambda: bp.Adam(betas=(0.9, 0.99, 0.999)), ("adam", "betas", "0.999")),
    "alpha above 1": (lambda: bp.RMSprop(alpha=1.5), ("rmsprop", "alpha", "1.5")),
    "eps negative": (lambda: bp.Adam(eps=-1e-8), ("adam", "eps", "-1e-08")),
    "schedule by name": (
        lambda: bp.SGD(schedule="cosine"),
        ("sgd", "schedule is 'cosine', give an object: CosineAnnealingLR(T_max)"),
    ),
    "step 0": (lambda: bp.SGD(schedule=bp.StepLR(0)), ("step", "0", "at least 1")),
    "step negative": (lambda: bp.SGD(schedule=bp.StepLR(-2)), ("step", "-2")),
    "step 2.7": (lambda: bp.SGD(schedule=bp.StepLR(2.7)), ("step", "2.7")),
    "gamma 0": (lambda: bp.SGD(schedule=bp.StepLR(1, 0)), ("step", "gamma", "0")),
    "gamma above 1": (lambda: bp.SGD(schedule=bp.ExponentialLR(1.1)), ("exponential", "gamma", "1.1")),
    "gamma NaN": (lambda: bp.SGD(schedule=bp.ExponentialLR(NAN)), ("exponential", "gamma", "nan")),
    "milestone negative": (lambda: bp.SGD(schedule=bp.MultiStepLR([3, -1])), ("multi", "milestone", "-1")),
    "milestone a number": (lambda: bp.SGD(schedule=bp.MultiStepLR(3)), ("multi", "milestones", "3")),
    "T_max 0": (lambda: bp.SGD(schedule=bp.CosineAnnealingLR(0)), ("cosine", "0", "at least 1")),
    "T_max negative": (lambda: bp.SGD(schedule=bp.CosineAnnealingLR(-9)), ("cosine", "-9")),
    "factor 2": (lambda: bp.SGD(schedule=bp.ReduceLROnPlateau(factor=2)), ("plateau", "factor", "2")),
    "patience negative": (
        lambda: bp.SGD(schedule=bp.ReduceLROnPlateau(patience=-1)),
        ("plateau", "patience", "-1"),
    ),
    "warm-up negative": (lambda: bp.SGD(schedule=bp.LinearWarmup(-5)), ("warm", "-5")),
    "warm-up start": (lambda: bp.SGD(schedule=bp.LinearWarmup(5, start_factor=2)), ("warm", "start", "2")),
    "warm-up after": (lambda: bp.SGD(schedule=bp.LinearWarmup(5, after="cosine")), ("warm", "after")),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_that_cannot_be(name: str):
    make, fragments = OPTIMIZERS[name]
    refused(lambda net: net.fit(X, LABELS, optimizer=make(), verbose=0), REFUSED, *fragments)


FITS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "epochs negative": ({"epochs": -1}, ("epochs", "-1")),
    "epochs half": ({"epochs": 1.5}, ("epochs", "1.5", "integer")),
    "epochs True": ({"epochs": True}, ("epochs", "True")),
    "epochs None": ({"epochs": None}, ("epochs", "None")),
    "batch 0": ({"batch_size": 0}, ("batch_size", "0", "at least 1")),
    "batch negative": ({"batch_size": -8}, ("batch_size", "-8")),
    "batch half": ({"batch_size": 8.0}, ("batch_size", "8.0")),
    "batch beyond 64 bits": ({"batch_size": HUGE}, ("batch_size", str(HUGE))),
    "seed negative": ({"seed": -1}, ("seed", "-1")),
    "seed large": ({"seed": 2**64}, ("seed", str(2**64))),
    "seed text": ({"seed": "x"}, ("seed", "x")),
    "callback a number": ({"callbacks": [5]}, ("callback", "5")),
    "callbacks a callback": ({"callbacks": bp.EarlyStopping()}, ("callbacks", "EarlyStopping")),
    "callbacks None": ({"callbacks": None}, ("callbacks", "None")),
    "callback a class": ({"callbacks": [bp.EarlyStopping]}, ("callback", "EarlyStopping")),
    "no such metric": (
        {"callbacks": [bp.EarlyStopping(monitor="val_loss")]},
        ("val_loss", "validation_data"),
    ),
}


@pytest.mark.parametrize("name", FITS)
def test_fits_that_cannot_be(name: str):
    options, fragments = FITS[name]
    refused(lambda net: net.fit(X, LABELS, optimizer=bp.SGD(lr=0), verbose=0, **options), REFUSED, *fragments)


CALLS: dict[str, tuple[Callable[[bp.Network], Any], tuple[str, ...]]] = {
    "state missing": (lambda n: n.load_state_dict({"0.weight": np.zeros((5, 4))}), ("missing", "0.bias")),
    "state unknown": (
        lambda n: n.load_state_dict({**n.state_dict(), "9.bias": [0]}),
        ("unexpected", "9.bias"),
    ),
    "state None": (lambda n: n.load_state_dict(None), ("load_state_dict", "None")),
    "state shape": (lambda n: load(n, "2.bias", np.zeros(4)), ("2.bias", "(4,)", "(3,)")),
    "state scalar": (lambda n: load(n, "2.bias", 0.0), ("2.bias", "()", "(3,)")),
    "state objects": (lambda n: load(n, "2.bias", np.zeros(3, object)), ("2.bias", "object")),
    "state NaN": (lambda n: load(n, "2.bias", [0, NAN, 0]), ("2.bias", "NaN")),
    "state 1e300": (lambda n: load(n, "2.bias", [0, 1e300, 0]), ("2.bias", "infinity")),
    "backward alone": (lambda n: n.backward(THIRDS), ("backward", "forward(training=True)")),
    "backward after predict": (lambda n: (forward(n), n.predict(X), n.backward(THIRDS)), ("backward",)),
    "backward rows": (lambda n: (forward(n), n.backward(THIRDS[:5])), ("backward", "5 rows", "12")),
    "backward columns": (lambda n: (forward(n), n.backward(X)), ("backward", "(12, 4)", "(N, 3)")),
    "backward one axis": (lambda n: (forward(n), n.backward(THIRDS[0])), ("backward", "(3,)", "(N, 3)")),
    "backward scalar": (lambda n: (forward(n), n.backward(1.0)), ("backward", "()", "(N, 3)")),
    "backward objects": (lambda n: (forward(n), n.backward(THIRDS.astype(object))), ("backward", "object")),
    "trace features": (lambda n: n.trace(X[0, :3], THIRDS[0]), ("trace", "3 features", "4")),
    "trace samples": (lambda n: n.trace(X[:2], THIRDS[0]), ("trace", "expects 4")),
    "trace axes": (lambda n: n.trace(X[0].reshape(2, 2), THIRDS[0]), ("trace", "(2, 2)", "(4,)")),
    "trace outputs": (lambda n: n.trace(X[0], [1, 2]), ("trace", "2 numbers", "3 outputs")),
    "trace label": (lambda n: n.trace(X[0], 3, loss="cross_entropy"), ("trace", "3", "0 to 2")),
    "trace text": (lambda n: n.trace(["a"] * 4, THIRDS[0]), ("trace", "x has dtype <U1")),
    "trace loss": (lambda n: n.trace(X[0], THIRDS[0], loss="hinge"), ("trace", "hinge")),
    "backprop widths": (lambda n: bp.backprop(X, LABELS, layers=(4,)), ("backprop", "1 widths", "2")),
    "backprop no widths": (lambda n: bp.backprop(X, LABELS, layers=None), ("backprop", "layers", "None")),
    "backprop width": (lambda n: bp.backprop(X, LABELS, layers=(4, 0)), ("0", "at least 1")),
    "backprop features": (lambda n: bp.backprop(X, LABELS, layers=(2, 1)), ("backprop", "4 features", "2")),
    "backprop samples": (lambda n: bp.backprop(X, LABELS[:5], layers=(4, 1)), ("backprop", "12", "5")),
    "backprop theta": (lambda n: bp.backprop(X, LABELS, (4, 1), "step"), ("backprop", "step", "tanh")),
    "backprop steps": (lambda n: bp.backprop(X, LABELS, (4, 1), steps=2.5), ("backprop", "steps", "2.5")),
    "backprop eta": (lambda n: bp.backprop(X, LABELS, (4, 1), eta=-1), ("-1",)),
    "backprop NaN": (lambda n: bp.backprop(X * NAN, LABELS, (4, 1)), ("backprop", "row 0")),
    "no network": (lambda n: bp.check_gradients(None, X, LABELS, "mse"), ("check_gradients", "None")),
    "no trainee": (lambda n: bp.Trainer(None, "mse", "sgd"), ("trainer", "None")),
    "trainer seed": (lambda n: bp.Trainer(n, "mse", "sgd", seed=2**64), ("trainer", "seed", str(2**64))),
    "no threads": (lambda n: bp.set_num_threads(0), ("set_num_threads", "0", "at least 1")),
    "negative threads": (lambda n: bp.set_num_threads(-2), ("set_num_threads", "-2")),
    "half a thread": (lambda n: bp.set_num_threads(1.5), ("set_num_threads", "1.5")),
    "threads as text": (lambda n: bp.set_num_threads("2"), ("set_num_threads", "'2'")),
    "huge threads": (lambda n: bp.set_num_threads(2**31), ("set_num_threads", str(2**31))),
    "preprocessing": (lambda n: setattr(n, "preprocessing", {"x": {1, 2}}), ("set",)),
    "patience": (lambda n: bp.EarlyStopping(patience=-1), ("patience", "-1")),
    "patience half": (lambda n: bp.EarlyStopping(patience=2.5), ("patience", "2.5")),
    "checkpoint every": (lambda n: bp.Checkpoint("x", every=0), ("every", "0")),
}


def load(net: bp.Network, name: str, value: Any) -> None:
    """All tensors but one are good; that must not change them."""
    net.load_state_dict({key: array + 1 for key, array in net.state_dict().items()} | {name: value})


def forward(net: bp.Network) -> None:
    net.forward(X, training=True)


@pytest.mark.parametrize("name", CALLS)
def test_calls_that_cannot_be(name: str):
    call, fragments = CALLS[name]
    refused(call, REFUSED, *fragments)


def test_losses_need_a_flat_output():
    net = bp.Network((2, 2), [bp.Tanh()])
    with pytest.raises(ValueError) as caught:
        net.fit(np.ones((3, 2, 2)), np.ones((3, 4)), loss="mse", verbose=0)
    check_message(caught.value, "mse", "(2, 2)", "Flatten")


def test_a_width_that_no_machine_holds():
    with pytest.raises((MemoryError, ValueError)):
        bp.Network(1, [bp.Linear(2**46)])


def test_environment_with_an_unknown_backend():
    code = "import bpnet as bp; bp.Network(1, [bp.Linear(1)])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "BPNET_BACKEND": "abacus"},
        capture_output=True,
        text=True,
        timeout=HANG,
    )
    assert done.returncode == 1
    assert "DeviceError: " in done.stderr.splitlines()[-1] and "abacus" in done.stderr


def test_targets_for_another_loss_leave_the_run_alone():
    """A call that is refused does not make the network forget the run that it is in."""
    nets, optimizers = [network(), network()], [bp.SGD(0.1, momentum=0.9), bp.SGD(0.1, momentum=0.9)]
    for net, optimizer in zip(nets, optimizers):
        net.fit(X, TARGETS, loss="mse", optimizer=optimizer, epochs=2, verbose=0)
    with pytest.raises(ValueError, match="X has 2 features, the network expects 4"):
        nets[1].fit(X[:, :2], TARGETS, loss="mse", optimizer=bp.Adam(), verbose=0)
    for net, optimizer in zip(nets, optimizers):
        net.fit(X, TARGETS, loss="mse", optimizer=optimizer, epochs=2, verbose=0)
    assert bits(nets[0]) == bits(nets[1])
