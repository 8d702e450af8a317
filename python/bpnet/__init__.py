"""Neural networks by back-propagation, in C++, for NumPy.

>>> import bpnet as bp
>>> net = bp.Network(input_shape=(784,), layers=[bp.Linear(128), bp.Tanh(), bp.Linear(10)], seed=0)
>>> history = net.fit(X, y, loss="cross_entropy", optimizer=bp.SGD(lr=0.1, momentum=0.9), epochs=5)
"""

from __future__ import annotations

import os as _os
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from bpnet import _core
from bpnet._core import DeviceError, FileFormatError, NumericError
from bpnet.checks import whole as _whole
from bpnet.initializers import (
    Constant,
    FanIn,
    HeNormal,
    HeUniform,
    Normal,
    Uniform,
    XavierNormal,
    XavierUniform,
)
from bpnet.layers import (
    GELU,
    AdaptiveAvgPool2d,
    AvgPool2d,
    BatchNorm1d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    LeakyReLU,
    Linear,
    LocalResponseNorm,
    MaxPool2d,
    Parallel,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from bpnet.lecture import backprop, check_gradients
from bpnet.losses import (
    MAE,
    MSE,
    BinaryCrossEntropyWithLogits,
    CrossEntropy,
    CustomLoss,
    HalfSquaredError,
    Huber,
    SquaredError,
)
from bpnet.machine import backends, devices
from bpnet.network import Network, load
from bpnet.optimizers import SGD, Adam, AdamW, RMSprop
from bpnet.schedules import (
    CosineAnnealingLR,
    ExponentialLR,
    LinearWarmup,
    MultiStepLR,
    ReduceLROnPlateau,
    Schedule,
    StepLR,
)
from bpnet.trace import Trace
from bpnet.training import Callback, Checkpoint, EarlyStopping, History, Trainer

if _TYPE_CHECKING:
    from bpnet import data, models, plots, recipes, river, sklearn
    from bpnet.model import Model, load_model
    from bpnet.recipes import train_model

__version__: str = _core.__version__

__all__ = [
    "Adam",
    "AdamW",
    "AdaptiveAvgPool2d",
    "AvgPool2d",
    "BatchNorm1d",
    "BatchNorm2d",
    "BinaryCrossEntropyWithLogits",
    "Callback",
    "Checkpoint",
    "Constant",
    "Conv2d",
    "CosineAnnealingLR",
    "CrossEntropy",
    "CustomLoss",
    "DeviceError",
    "Dropout",
    "EarlyStopping",
    "ExponentialLR",
    "FanIn",
    "FileFormatError",
    "Flatten",
    "GELU",
    "HalfSquaredError",
    "HeNormal",
    "HeUniform",
    "History",
    "Huber",
    "LeakyReLU",
    "Linear",
    "LinearWarmup",
    "LocalResponseNorm",
    "MAE",
    "MSE",
    "MaxPool2d",
    "Model",
    "MultiStepLR",
    "Network",
    "Normal",
    "NumericError",
    "Parallel",
    "RMSprop",
    "ReLU",
    "ReduceLROnPlateau",
    "Residual",
    "SGD",
    "Schedule",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "SquaredError",
    "StepLR",
    "Tanh",
    "Trace",
    "Trainer",
    "Uniform",
    "XavierNormal",
    "XavierUniform",
    "backends",
    "backprop",
    "check_gradients",
    "data",
    "devices",
    "get_cmake_dir",
    "get_include",
    "load",
    "load_model",
    "models",
    "num_threads",
    "plots",
    "recipes",
    "river",
    "set_num_threads",
    "set_threading",
    "sklearn",
    "threading",
    "train_model",
]


def num_threads() -> int:
    """The number of threads that bpnet uses: in this order what :func:`set_num_threads`, the variable
    ``BPNET_NUM_THREADS``, OpenMP's ``omp_set_num_threads`` (which ``threadpoolctl.threadpool_limits`` calls; for
    the calling thread, where bpnet was built with OpenMP), the variable ``OMP_NUM_THREADS``, and at last the
    process's processor affinity and cgroup say."""
    return _core.num_threads()


def set_num_threads(count: int) -> None:
    """Use ``count`` threads, at least 1, even above the number of processors. Results do not depend on it."""
    _core.set_num_threads(_whole("set_num_threads", "count", count, most=65_536))


def threading() -> str:
    """The threading layer in use: ``"openmp"``, ``"pool"`` or ``"serial"``, under ``"auto"`` too."""
    return _core.threading()


def set_threading(name: str) -> None:
    """Choose what runs bpnet's threads. Results do not depend on it.

    The variable ``BPNET_THREADING`` chooses for a whole process; an invalid value of it is an error when the first
    network is made. The child of a ``fork()`` uses the pool instead of OpenMP, which may wait for ever there.

    Args:
        name: ``"openmp"``, the threads of OpenMP, which an application shares with its own parallel regions;
            ``"pool"``, threads of bpnet's own, which wait for each other less where other processes are busy;
            ``"serial"``, the calling thread alone; ``"auto"``, the default: OpenMP where bpnet was built with it,
            and the pool from then on, until ``set_threading`` is called again, once too much time has passed in
            waiting for OpenMP's threads.

    Raises:
        TypeError: ``name`` is not a string.
        ValueError: there is no such layer.
        DeviceError: this bpnet was built without it; ``"openmp"`` in the child of a ``fork()``.
    """
    if not isinstance(name, str):
        raise TypeError(f"set_threading: name is {name!r}, expected 'auto', 'openmp', 'pool' or 'serial'")
    _core.set_threading(name)


def get_include() -> str:
    """The folder of the C++ headers: ``#include <bpnet/bpnet.h>``."""
    return _os.path.join(_os.path.dirname(__file__), "include")


def get_cmake_dir() -> str:
    """The folder that ``find_package(bpnet CONFIG)`` looks for, as ``-Dbpnet_DIR=…``."""
    return _os.path.join(_os.path.dirname(__file__), "lib", "cmake", "bpnet")


# What reads files, and so imports csv and gzip, is imported where it is used.
_LAZY = {"Model": "bpnet.model", "load_model": "bpnet.model", "train_model": "bpnet.recipes.tabular"}


def __getattr__(name: str) -> _Any:
    import importlib

    # What imports csv, gzip, matplotlib, scikit-learn or river, only where it is used.
    if name in ("data", "models", "plots", "recipes", "river", "sklearn"):
        return importlib.import_module(f"bpnet.{name}")
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'bpnet' has no attribute {name!r}")


def _warn_of_namesake() -> None:
    """The genomics package of the same import name would overwrite our files, or we its."""
    site = _os.path.dirname(_os.path.dirname(__file__))
    for entry in _os.listdir(site):
        if entry.lower().startswith("bpnet-") and entry.endswith((".dist-info", ".egg-info")):
            import warnings

            warnings.warn(
                f"another package named bpnet ({entry}) is installed in {site}; it and backpropnet overwrite "
                "each other's files. Install one of them into its own virtual environment.",
                stacklevel=3,
            )
            return


_warn_of_namesake()
