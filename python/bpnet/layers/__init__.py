"""The layers. Sizes of inputs are inferred by the network."""

from bpnet.layers.base import Layer
from bpnet.layers.elementwise import (
    GELU,
    Dropout,
    Flatten,
    LeakyReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from bpnet.layers.nested import Parallel, Residual, Sequential
from bpnet.layers.normalization import BatchNorm1d, BatchNorm2d, LocalResponseNorm
from bpnet.layers.pooling import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d
from bpnet.layers.weighted import Conv2d, Linear

__all__ = [
    "AdaptiveAvgPool2d",
    "AvgPool2d",
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv2d",
    "Dropout",
    "Flatten",
    "GELU",
    "Layer",
    "LeakyReLU",
    "Linear",
    "LocalResponseNorm",
    "MaxPool2d",
    "Parallel",
    "ReLU",
    "Residual",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
]
