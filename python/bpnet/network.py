"""The network: layers made once into a plan, with weights, forward, backward and training."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bpnet import _core, arrays, checks
from bpnet.exclusive import Claim
from bpnet.layers import Layer, as_layer
from bpnet.losses import Loss, as_loss

if TYPE_CHECKING:
    from bpnet.lecture import Trace
    from bpnet.optimizers import Optimizer
    from bpnet.training import Callback, History, Trainer

_CORES: dict[str, Any] = {"float32": _core.NetworkF32, "float64": _core.NetworkF64}
_DATASETS: dict[str, Any] = {"float32": _core.DatasetF32, "float64": _core.DatasetF64}

# predict and evaluate go back to the interpreter, which hears Ctrl-C, after about this many multiply-adds of
# linear layers, a tenth of a second on a slow machine; of image layers, which use a weight many times, within a
# step too.
_PIECE = 1 << 30


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
        name = _dtype_name(dtype)
        description = {
            "input_shape": [checks.whole("network", "input_shape", size) for size in sizes],
            "seed": str(checks.seed("network", seed)),
            "layers": [layer.describe() for layer in layers],
        }
        self._set_core(_CORES[name](_to_json(description), checks.backend("network", backend)))

    def _set_core(self, core: _core.NetworkF32 | _core.NetworkF64) -> None:
        self._core = core
        self._trainer: Trainer | None = None
        self._claims: dict[Claim, None] = {}
        self._training_calls = 0
        self.input_shape: tuple[int, ...] = core.input_shape
        self.output_shape: tuple[int, ...] = core.output_shape
        self.dtype = np.dtype(np.float32 if isinstance(core, _core.NetworkF32) else np.float64)
        self._dataset = _DATASETS[self.dtype.name]
        least = 16 if len(self.input_shape) == 3 else 256
        self._rows_at_once = max(least, _PIECE // max(1, core.parameter_count))

    @classmethod
    def _from_core(cls, core: _core.NetworkF32 | _core.NetworkF64) -> Network:
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
        self._core.preprocessing = _to_json(value)

    def __repr__(self) -> str:
        types = _types(self.description["layers"])
        return f"Network(input_shape={self.input_shape}, layers=[{types}], dtype={self.dtype.name!r})"

    def summary(self) -> None:
        """Print a table of the layers with their output shapes and parameters; what nests is indented, under
        the line of the layer that holds it."""
        print(self._summary_text())

    def _summary_text(self) -> str:
        rows = [("layer", "output shape", "parameters"), ("input", str(self.input_shape), "")]
        found = {path: (shape, count) for path, _, shape, count in self._core.summary_rows()}
        rows += _nested_rows(self.description["layers"], "", found)
        rows.append(("total", "", f"{self.parameter_count:,}"))
        wide = [max(len(row[column]) for row in rows) for column in range(3)]
        lines = [f"{a:<{wide[0]}}  {b:<{wide[1]}}  {c:>{wide[2]}}" for a, b, c in rows]
        rule = "-" * len(lines[0])
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])

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

    def _input(self, operation: str, X: Any) -> np.ndarray:
        if type(X) is np.ndarray and X.dtype == self.dtype and X.shape[1:] == self.input_shape and len(X):
            return arrays.dense(X, self.dtype)
        return arrays.samples(operation, X, self.input_shape, self.dtype, convert=True)

    def forward(self, X: Any, training: bool = False) -> np.ndarray:
        """The outputs (N, *output_shape) for X (N, *input_shape).

        With ``training`` dropout is on and what :meth:`backward` needs is kept. NaN goes through, as in
        NumPy; :meth:`predict` reports it.
        """
        x = self._input("forward", X)
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
        """apply(rows, number of the first) over pieces of X, so that Ctrl-C is heard between them."""
        rows = self._rows_at_once
        if X.ndim == 0 or len(X) <= rows:
            return apply(X, 0)
        return np.concatenate([apply(X[i : i + rows], i) for i in range(0, len(X), rows)])

    def _predict_piece(self, X: np.ndarray, first: int) -> np.ndarray:
        x = self._input("predict", X)
        check_finite("predict", self._dataset(x, 1), first)
        return self._core.forward(x)

    def evaluate(self, X: Any, y: Any, loss: Loss | str, sample_weight: Any = None) -> dict[str, float]:
        """``{"loss": …}``, with ``"accuracy"`` (0 to 1) for the cross-entropies, in evaluation mode."""
        loss = as_loss("evaluate", loss)
        data, labels = self._data("evaluate", X, y, loss, sample_weight)
        return self._evaluate(data, loss)

    def _data(
        self, operation: str, X: Any, y: Any, loss: Loss, sample_weight: Any
    ) -> tuple[_core.DatasetF32 | _core.DatasetF64, np.ndarray | None]:
        """X, y and weights checked and held for the core, and the class indices if y is that."""
        x = arrays.samples(operation, X, self.input_shape, self.dtype)
        outputs = int(np.prod(self.output_shape))
        dense_targets, labels = arrays.targets(operation, y, loss, len(x), outputs, self.dtype)
        weight = arrays.weights(operation, sample_weight, len(x), self.dtype)
        data = self._dataset(x, outputs, dense_targets, labels, weight)
        check_finite(operation, data)
        return data, labels

    def _evaluate(self, data: _core.DatasetF32 | _core.DatasetF64, loss: Loss) -> dict[str, float]:
        loss_sum = weight_sum = 0.0
        correct = 0
        rows = self._rows_at_once
        description = _to_json(loss.describe())
        for begin in range(0, len(data), rows):
            piece = self._core.evaluate(description, data, begin, min(begin + rows, len(data)))
            loss_sum += piece[0]
            weight_sum += piece[1]
            correct += piece[2]
        result = {"loss": loss_sum / weight_sum if weight_sum else 0.0}
        if loss.name in ("cross_entropy", "binary_cross_entropy_with_logits"):
            result["accuracy"] = correct / len(data)
        return result

    def trace(self, x: Any, y: Any, loss: Loss | str = "half_squared_error") -> Trace:
        """Every s, x, δ and gradient of the lecture's derivation for one sample; see bpnet.Trace."""
        from bpnet.lecture import trace

        return trace(self, x, y, loss)

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
        from bpnet.training import trainer_for

        trainer = trainer_for(self, X, y, loss, optimizer, class_weight, seed)
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
        self._set_core(_CORES[description["dtype"]](_to_json(description), state["backend"] if here else ""))
        self.preprocessing = state["preprocessing"]
        self.load_state_dict(state["state"])


def _types(layers: Sequence[Mapping[str, Any]]) -> str:
    """``Linear, Residual[Linear, Tanh + Linear]``, where ``+`` begins the shortcut; the branches of a Parallel
    stand between ``+`` where they are added and ``|`` where they are concatenated."""

    def one(layer: Mapping[str, Any]) -> str:
        if layer["type"] == "Parallel":
            between = " + " if layer["merge"] == "sum" else " | "
            branches = [_types([branch]) if _computes(branch) else "identity" for branch in layer["layers"]]
            return f"Parallel[{between.join(branches)}]"
        ways = [_types(layer[way]) for way in ("layers", "shortcut") if way in layer]
        return f"{layer['type']}[{' + '.join(ways)}]" if ways else layer["type"]

    return ", ".join(map(one, layers))


def _computes(branch: Mapping[str, Any]) -> bool:
    """False for the empty Sequential, which is a Parallel's identity."""
    return branch["type"] != "Sequential" or bool(branch.get("layers"))


def _nested_rows(
    layers: Sequence[Mapping[str, Any]], prefix: str, found: Mapping[str, tuple[tuple[int, ...], int]]
) -> list[tuple[str, str, str]]:
    """A summary's lines, from the output shape and parameters of each layer that computes."""
    rows = []
    for index, layer in enumerate(layers):
        path = prefix + layer.get("name", str(index))
        if not _computes(layer):
            rows.append((f"{path} identity", "", ""))
            continue
        shape, count = found.get(path) or (_output(layer, path, found), 0)
        rows.append((f"{path} {layer['type']}", str(shape), f"{count:,}" if count else ""))
        below = _nested_rows(layer.get("layers", ()), f"{path}.", found)
        if "shortcut" in layer:
            below.append((f"{path}.downsample shortcut", str(shape), ""))
            below += _indented(_nested_rows(layer["shortcut"], f"{path}.downsample.", found))
        rows += _indented(below)
    return rows


def _output(
    layer: Mapping[str, Any], path: str, found: Mapping[str, tuple[tuple[int, ...], int]]
) -> tuple[int, ...]:
    """The output shape of a Sequential: that of its last layer."""
    while path not in found:
        inner = layer["layers"]
        layer = inner[-1]
        path = f"{path}.{layer.get('name', len(inner) - 1)}"
    return found[path][0]


def _indented(rows: Iterable[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    return [("  " + name, shape, count) for name, shape, count in rows]


def check_finite(operation: str, data: _core.DatasetF32 | _core.DatasetF64, first: int = 0) -> None:
    """Raise a NumericError that names the first row of X or y that holds NaN or infinity."""
    for name, row in zip("Xy", data.bad_rows()):
        if row is not None:
            raise _core.NumericError(f"{operation}: {name} has NaN or infinity in row {first + row}")


def load(path: str | os.PathLike[str], backend: str | None = None) -> Network:
    """The network of a model file or a run file, in the dtype it was saved in.

    Raises:
        OSError: the file is not there or cannot be read.
        FileFormatError: it is not a whole bpnet file; nothing in it is executed or taken as a path.
    """
    name, backend = checks.path("load", path), checks.backend("load", backend)
    dtype, _ = _core.inspect(name)
    core_class = _CORES.get(dtype)
    if core_class is None:
        raise _core.FileFormatError(f"load: the file has dtype {dtype!r}, float32 or float64 is needed")
    return Network._from_core(core_class.load(name, backend))


def _dtype_name(dtype: Any) -> str:
    try:
        name = "None" if dtype is None else np.dtype(dtype).name
    except TypeError:
        name = str(dtype)
    if name not in _CORES:
        raise ValueError(f"network: dtype is {name!r}, 'float32' or 'float64' is needed")
    return name


def _to_json(value: Any) -> str:
    return json.dumps(value, default=_plain)


def _plain(value: Any) -> Any:
    item = value.item() if isinstance(value, np.generic) else value
    if isinstance(item, (bool, int, float)):
        return item
    raise TypeError(f"network: {value!r} is a {type(value).__name__}, a plain number is needed")
