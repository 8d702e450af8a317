"""The network: layers made once into a plan, with weights, forward, backward and training."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bpnet import _core, arrays, checks
from bpnet._bridge import (
    NETWORKS,
    CoreNetwork,
    check_finite_inputs,
    dtype_name,
    dtype_of,
    finite_dataset,
    inputs,
    to_json,
)
from bpnet.evaluation import evaluate, rows_at_once
from bpnet.exclusive import Claim
from bpnet.layers import Layer, as_layer
from bpnet.losses import Loss, as_loss
from bpnet.provenance import trained_on, warn_of_encoded_rows
from bpnet.summary import summary_text, types_text
from bpnet.trace import Trace, trace_sample

if TYPE_CHECKING:
    from bpnet.optimizers import Optimizer
    from bpnet.training import Callback, History, Trainer

# Finds or makes the trainer of a fit. bpnet.training, which is above this module, sets it.
_find_trainer: Callable[..., Trainer]


def set_trainer_finder(find: Callable[..., Trainer]) -> None:
    """Let :meth:`Network.fit` take its trainers from ``find``, as bpnet.training does when it is imported."""
    global _find_trainer
    _find_trainer = find


class Network:
    """A sequence of layers with its weights.

    Args:
        input_shape: shape of one sample, ``(features,)`` or ``(channels, height, width)``.
        layers: the layers in order; each one's input size is inferred.
        seed: of the initial weights, masks and data order, 0 to 2⁶⁴ − 1. The same seed gives the same
            bits for every number of threads.
        dtype: ``"float32"`` or ``"float64"``, for weights and all arithmetic.
        device: ``"cpu"``.
        backend: one of :func:`bpnet.backends`; ``None`` is the best this processor runs, or what the
            environment variable BPNET_BACKEND names.

    Raises:
        ValueError: layers that do not fit together; the message names the layer and both sizes.
        DeviceError: a device or backend that is not here.
    """

    def __init__(
        self,
        input_shape: int | Sequence[int],
        layers: Iterable[Layer],
        seed: int = 0,
        dtype: str = "float32",
        device: str = "cpu",
        backend: str | None = None,
    ) -> None:
        if device != "cpu":
            raise _core.DeviceError(f"network: device {device!r} is not here; there is 'cpu'")
        one = isinstance(input_shape, (int, float, np.number))
        sizes = [input_shape] if one else checks.items("network", "input_shape", input_shape)
        layers = [
            as_layer("network", f"layer {index}", layer)
            for index, layer in enumerate(checks.items("network", "layers", layers))
        ]
        name = dtype_name(dtype)
        description = {
            "input_shape": [checks.whole("network", "input_shape", size) for size in sizes],
            "seed": str(checks.seed("network", seed)),
            "layers": [layer.describe() for layer in layers],
        }
        self._set_core(NETWORKS[name](to_json(description), checks.backend("network", backend)))

    def _set_core(self, core: CoreNetwork) -> None:
        self._core = core
        self._trainer: Trainer | None = None
        self._claims: dict[Claim, None] = {}
        self._training_calls = 0
        self.input_shape: tuple[int, ...] = core.input_shape
        self.output_shape: tuple[int, ...] = core.output_shape
        self.dtype = dtype_of(core)
        self._rows_at_once = rows_at_once(core)

    @classmethod
    def _from_core(cls, core: CoreNetwork) -> Network:
        network = cls.__new__(cls)
        network._set_core(core)
        return network

    # What the network is.

    @property
    def backend(self) -> str:
        """The backend that computes: "avx512", "avx2", "baseline" or "reference"."""
        return self._core.backend

    @property
    def parameter_count(self) -> int:
        """How many numbers are trained."""
        return self._core.parameter_count

    def training_memory(self, batch_size: int) -> int:
        """Bytes that training on batches of this size takes: weights, gradients, activations and scratch.

        On top come the optimizer's slots (for momentum as much as the weights), and while :meth:`fit` runs
        its copy of weights and slots, to which it goes back when a loss is not finite.
        """
        return self._core.training_bytes(checks.whole("training_memory", "batch_size", batch_size))

    @property
    def description(self) -> dict[str, Any]:
        """input_shape, dtype, seed and layers, as the model file stores them."""
        return json.loads(self._core.describe())

    @property
    def preprocessing(self) -> dict[str, Any] | None:
        """How raw data becomes this network's input, kept in the model file; see bpnet.data.

        JSON: dictionaries with string keys, lists, strings, finite numbers (integers of 64 bits), booleans and
        None, in up to 64 levels. A ValueError refuses what a file would not give back as it is.
        """
        return json.loads(self._core.preprocessing)

    @preprocessing.setter
    def preprocessing(self, value: dict[str, Any] | None) -> None:
        checks.plain("preprocessing", value)
        self._core.preprocessing = to_json(value)

    def __repr__(self) -> str:
        types = types_text(self.description["layers"])
        origin = trained_on(self.preprocessing)
        origin = f", trained on {origin}" if origin else ""
        return f"Network(input_shape={self.input_shape}, layers=[{types}], dtype={self.dtype.name!r}{origin})"

    def summary(self) -> None:
        """Print a table of the layers with their output shapes and parameters; what nests is indented, under
        the line of the layer that holds it. Below it, what the network was trained on, where its file says so."""
        print(summary_text(self._core))
        origin = trained_on(self.preprocessing)
        if origin:
            print(f"trained on {origin}, by encoded rows; bpnet.load_model takes the rows as they are")

    # Its numbers.

    def state_dict(self) -> dict[str, np.ndarray]:
        """Read-only views of weights and buffers under PyTorch's names, in layer order, weight before
        bias. They follow the weights as these change; copy one to keep it."""
        return self._core.state()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Overwrite the weights and buffers: the names must be those of state_dict(), the shapes too,
        the values finite. Nothing is changed unless all fit."""
        if not isinstance(state, Mapping):
            raise TypeError(f"load_state_dict: state is {state!r}, a mapping of names to arrays is needed")
        own = self.state_dict()
        missing = [name for name in own if name not in state]
        unknown = [name for name in state if name not in own]
        if missing or unknown:
            raise ValueError(f"load_state_dict: missing {missing}, unknown {unknown}")
        converted = {}
        for name, value in state.items():
            array = arrays.dense(arrays.numeric("load_state_dict", repr(name), value), self.dtype)
            if array.shape != own[name].shape:
                raise ValueError(
                    f"load_state_dict: {name!r} has shape {array.shape}, the network's has {own[name].shape}"
                )
            if not np.isfinite(array).all():
                raise _core.NumericError(f"load_state_dict: {name!r} has NaN or infinity")
            converted[name] = array
        for name, array in converted.items():
            self._core.set_state(name, array)

    def gradients(self) -> dict[str, np.ndarray]:
        """Read-only views of the gradients of the last backward, under the parameters' names."""
        return self._core.gradients()

    # Forward and backward.

    def forward(self, X: Any, training: bool = False) -> np.ndarray:
        """The outputs (N, *output_shape) for X (N, *input_shape).

        With ``training`` dropout is on and what :meth:`backward` needs is kept. NaN goes through, as in
        NumPy; :meth:`predict` reports it.
        """
        x = inputs("forward", self._core, X)
        if not training:
            return self._in_pieces(x, lambda piece, _: self._core.forward(piece))
        out = self._core.forward_training(x, self._training_calls)
        self._training_calls += 1
        return out

    def backward(self, grad_out: Any, accumulate: bool = False) -> np.ndarray:
        """Go back through the last ``forward(X, training=True)``.

        Args:
            grad_out: (N, *output_shape), the gradient of a loss by the outputs.
            accumulate: add to :meth:`gradients` instead of overwriting them.

        Returns:
            The gradient by X, (N, *input_shape).
        """
        gradient = arrays.dense(arrays.numeric("backward", "grad_out", grad_out), self.dtype)
        if gradient.ndim == 0 or gradient.shape[1:] != self.output_shape:
            raise ValueError(
                f"backward: grad_out has shape {gradient.shape}, the output has {arrays.batch_text(self.output_shape)}"
            )
        return self._core.backward(gradient, accumulate)

    def predict(self, X: Any) -> np.ndarray:
        """Raw outputs (N, *output_shape) in evaluation mode, in the network's dtype.

        Raises:
            ValueError: a wrong shape, or no samples.
            NumericError: NaN or infinity in X, with its row.
        """
        if type(X) is np.ndarray and X.ndim and len(X) <= self._rows_at_once:
            out = self._core.predict(X)
            if out is not None:
                return out
        X = arrays.numeric("predict", "X", X)
        return self._in_pieces(X, self._predict_piece)

    def _in_pieces(self, X: np.ndarray, apply: Callable[[np.ndarray, int], np.ndarray]) -> np.ndarray:
        """apply(rows, number of the first) over pieces of X, so that Ctrl-C is handled between them."""
        rows = self._rows_at_once
        if X.ndim == 0 or len(X) <= rows:
            return apply(X, 0)
        return np.concatenate([apply(X[i : i + rows], i) for i in range(0, len(X), rows)])

    def _predict_piece(self, X: np.ndarray, first: int) -> np.ndarray:
        x = inputs("predict", self._core, X)
        check_finite_inputs("predict", x, first)
        return self._core.forward(x)

    def evaluate(self, X: Any, y: Any, loss: Loss | str, sample_weight: Any = None) -> dict[str, float]:
        """``{"loss": …}``, with ``"accuracy"`` (0 to 1) for the cross-entropies, in evaluation mode."""
        loss = as_loss("evaluate", loss)
        data = finite_dataset("evaluate", self._core, X, y, loss, sample_weight)
        return evaluate(self._core, data, loss)

    def trace(self, x: Any, y: Any, loss: Loss | str = "half_squared_error") -> Trace:
        """Every s, x, δ and gradient of the lecture's derivation for one sample; see bpnet.Trace."""
        return trace_sample(self._core, x, y, loss)

    # Training.

    def fit(
        self,
        X: Any,
        y: Any = None,
        loss: Loss | str = "cross_entropy",
        optimizer: Optimizer | str = "sgd",
        epochs: int = 1,
        batch_size: int = 32,
        shuffle: bool = True,
        validation_data: tuple[Any, ...] | None = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        callbacks: Sequence[Callback | Any] = (),
        verbose: int = 1,
        seed: int | None = None,
        online_block: int | None = None,
    ) -> History:
        """Train for ``epochs`` more epochs.

        Args:
            X: (N, *input_shape), an array or memory map; or, with y ``None``, an iterable of batches
                (X, y) or (X, y, sample_weight), iterated anew each epoch.
            y: class indices (N,) or targets (N, outputs); see :mod:`bpnet.losses`.
            loss: a name or a loss object.
            optimizer: a name or an optimizer object. The network keeps its trainer: calling again with
                the same object goes on (momentum, epoch count); a new object starts afresh.
            batch_size: samples per update. 1 on linear layers and activations runs in one kernel; with plain
                SGD it is the lecture's algorithm.
            shuffle: visit the samples in a new order each epoch, drawn from seed and epoch alone.
            validation_data: (X, y) or (X, y, sample_weight), evaluated after each epoch.
            sample_weight: (N,), multiplies each sample's loss; a batch's sum is divided by its weights'.
            class_weight: for cross_entropy: {class: weight}, one weight per class, or "balanced".
            callbacks: bpnet callbacks, or functions called with (epoch, metrics) after each epoch.
            verbose: 0 nothing, 1 a progress bar and a line per epoch, 2 lines only.
            seed: of masks and data order; the network's own by default.
            online_block: with batch_size 1 and plain SGD, how many updates of the large layers are made
                together by matrix products: the same in real arithmetic and much faster. 1 makes them one
                by one, 1024 is the most; None lets bpnet choose. In blocks the loss becomes infinite where
                inputs or gradients are so large that their squares are (some 1e19 in float32).

        Returns:
            The metrics of each epoch.

        Raises:
            NumericError: NaN or infinity in the data (with the row), or a loss that became so (with the
                step). The network then holds the weights of the last epoch's end, as after Ctrl-C.
        """
        trainer = _find_trainer(self, X, y, loss, optimizer, class_weight, seed)
        return trainer.fit(
            X,
            y,
            epochs=epochs,
            batch_size=batch_size,
            shuffle=shuffle,
            validation_data=validation_data,
            sample_weight=sample_weight,
            callbacks=callbacks,
            verbose=verbose,
            online_block=online_block,
        )

    # Files.

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write weights, architecture and preprocessing to a safetensors file, whole or not at all."""
        self._core.save(checks.path("save", path))

    def __getstate__(self) -> dict[str, Any]:
        return {
            "description": self.description,
            "backend": self.backend,
            "preprocessing": self.preprocessing,
            "state": {name: array.copy() for name, array in self.state_dict().items()},
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        description = state["description"]
        here = state["backend"] in _core.backends()  # the other machine's may be missing
        self._set_core(NETWORKS[description["dtype"]](to_json(description), state["backend"] if here else ""))
        self.preprocessing = state["preprocessing"]
        self.load_state_dict(state["state"])


def load(path: str | os.PathLike[str], backend: str | None = None) -> Network:
    """The network of a model file or a run file, in the dtype it was saved in.

    It takes encoded rows. Of a file that keeps the preprocessing of raw data, which a UserWarning says once per
    process, :func:`bpnet.load_model` takes the raw rows and gives answers.

    Raises:
        OSError: the file is not there or cannot be read.
        FileFormatError: it is not a whole bpnet file; nothing in it is executed or taken as a path.
    """
    network = load_network(path, backend)
    warn_of_encoded_rows(os.fsdecode(path), network.preprocessing)
    return network


def load_network(path: str | os.PathLike[str], backend: str | None = None) -> Network:
    """:func:`load` for those who know what the network takes."""
    name, backend = checks.path("load", path), checks.backend("load", backend)
    dtype, _ = _core.inspect(name)
    core_class = NETWORKS.get(dtype)
    if core_class is None:
        raise _core.FileFormatError(f"load: the file has dtype {dtype!r}, float32 or float64 is needed")
    return Network._from_core(core_class.load(name, backend))
