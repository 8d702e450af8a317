"""The network: layers made once into a plan, with weights, forward, backward and training."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bpnet import _core, arrays, checks, frames, machine
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
from bpnet.arguments import by_position
from bpnet.evaluation import evaluate, in_pieces, outputs, rows_at_once
from bpnet.exclusive import Claim
from bpnet.layers import Layer
from bpnet.layers.nested import as_layer, layer_from
from bpnet.losses import Loss, LossFunction, as_loss
from bpnet.metrics import Function, as_metrics, measure
from bpnet.provenance import trained_on, warn_of_encoded_rows
from bpnet.summary import summary_text, types_text
from bpnet.trace import Trace, trace_sample

if TYPE_CHECKING:
    from bpnet.optimizers import Optimizer
    from bpnet.training import Callback, History, Trainer

# Trains a network; bpnet.training, which is above this module, sets it.
_fit: Callable[..., History]

# Where a model file keeps the names of the columns: in the preprocessing, whose other keys are the user's.
_NAMES_KEY = "input_names"


def set_fit(fit: Callable[..., History]) -> None:
    """Let :meth:`Network.fit` call ``fit(network, X, y, **options)``, as bpnet.training does when it is imported."""
    global _fit
    _fit = fit


class StateDictKeys(NamedTuple):
    """The names that :meth:`Network.load_state_dict` missed in the state, and those that the network has not."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Network:
    """A sequence of layers with its weights.

    Args:
        input_shape: shape of one sample, ``(features,)`` or ``(channels, height, width)``.
        layers: the layers in order; each one's input size is inferred.
        seed: of the initial weights, masks and data order, 0 to 2⁶⁴ − 1. The same seed gives the same
            bits for every number of threads.
        dtype: ``"float32"`` or ``"float64"``, for weights and all arithmetic.
        device: ``"cpu"``; ``"cuda"``, the first NVIDIA GPU, or ``"cuda:1"``, the second. See
            :func:`bpnet.devices`.
        backend: of the processor, one of :func:`bpnet.backends` for the precision; ``None`` is the best that runs
            here, or what the environment variable BPNET_BACKEND names.
        precision: of float32's products and convolutions, whose sums are float32 in each: ``"full"`` (None);
            ``"bfloat16"``, on the processor, rounds their factors to 7 bits of mantissa, for its matrix
            instructions; ``"tf32"``, on a GPU, to 10 bits, for its matrix units. Weights, all else, and training
            sample by sample (``batch_size=1``) stay float32. So do, with ``"bfloat16"``, convolutions that are
            faster in float32: depthwise ones, and those without groups that have fewer than 16 input channels and
            fewer than 2,560 weights.
        winograd: True makes 3×3 convolutions of stride 1 by Winograd's minimal filtering (Lavin and Gray 2016,
            F(4×4, 3×3)), where that is faster: a quarter of the multiplications, and in float32 an error of up to
            1e-4 of the largest output or gradient (1e-5 is usual), where the direct way has some 1e-6. On the
            processor in full precision, by its backends "avx512", "avx2" and "baseline". False (None): directly.

    Raises:
        ValueError: layers that do not fit together; the message names the layer and both sizes. A backend beside
            a GPU, ``"tf32"`` without one, ``"bfloat16"`` with one, or either with float64; ``winograd``
            with another backend than it is for.
        DeviceError: a device or backend that is not available.
        MemoryError: the network does not fit the memory.
    """

    operation = "network"

    @by_position("such as Network((784,), [Linear(128), Tanh(), Linear(10)])")
    def __init__(
        self,
        input_shape: int | Sequence[int],
        layers: Iterable[Layer],
        seed: int = 0,
        dtype: str = "float32",
        device: str = "cpu",
        backend: str | None = None,
        precision: str | None = None,
        winograd: bool | None = None,
    ) -> None:
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
        where = machine.asked("network", device, backend, precision, winograd)
        self._set_core(NETWORKS[name](to_json(description), **where))

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
        """The backend that computes: "avx512", "avx2", "baseline" or "reference"; in bfloat16 "amx" or
        "avx512_bf16", or "amx_model" or "avx512_bf16_model", which need no such instruction and are slow; "cuda"
        on a GPU."""
        return self._core.backend

    @property
    def device(self) -> str:
        """Where weights and batches are: "cpu", or a GPU with its number, "cuda:0" for ``device="cuda"``."""
        return self._core.device

    @property
    def precision(self) -> str:
        """What float32's products and convolutions are made with: "full", "bfloat16" or "tf32"."""
        return self._core.precision

    @property
    def winograd(self) -> bool:
        """Whether 3×3 convolutions are made by Winograd's minimal filtering; a file keeps it."""
        return self._core.winograd

    @property
    def parameter_count(self) -> int:
        """How many numbers the parameters hold, those of frozen layers too."""
        return self._core.parameter_count

    @property
    def layers(self) -> list[Layer]:
        """The layers, in order, as they were given, with their names. They hold no weights: see state_dict()."""
        return [layer_from(layer) for layer in self.description["layers"]]

    @property
    def trainer(self) -> Trainer | None:
        """The trainer of the last :meth:`fit`, with its epochs, history and rate; None before there was one."""
        return self._trainer

    def training_memory(self, batch_size: int) -> int:
        """Bytes that training on batches of this size takes: weights, gradients, activations and scratch.

        On top come the optimizer's slots (for momentum as much as the weights), and while :meth:`fit` runs
        its copy of weights and slots, which it restores when a loss is not finite.
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
        value = json.loads(self._core.preprocessing)
        if isinstance(value, dict) and value.pop(_NAMES_KEY, None) is not None:
            return value or None
        return value

    @preprocessing.setter
    def preprocessing(self, value: dict[str, Any] | None) -> None:
        checks.plain("preprocessing", value)
        if isinstance(value, dict) and _NAMES_KEY in value:
            raise ValueError(f"preprocessing: {_NAMES_KEY!r} is the network's own, set network.{_NAMES_KEY}")
        self._keep(value, self.input_names)

    @property
    def input_names(self) -> tuple[str, ...] | None:
        """The names of X's columns, if the network was fitted on a DataFrame; None otherwise.

        Each DataFrame must have these columns in this order; arrays have no names and are taken as they are. They
        are kept in the model file, in copies too. Set them, or set None to fit the network on other columns.
        """
        value = json.loads(self._core.preprocessing)
        names = value.get(_NAMES_KEY) if isinstance(value, dict) else None
        return None if names is None else tuple(names)

    @input_names.setter
    def input_names(self, names: Sequence[str] | None) -> None:
        if names is not None:
            names = checks.items("input_names", "the value", names)
            if self.input_shape != (len(names),) or not all(isinstance(name, str) for name in names):
                raise ValueError(
                    f"input_names: {frames.listed(names)} was given, {self.input_shape[0]} strings are needed"
                    if len(self.input_shape) == 1
                    else f"input_names: the inputs have shape {self.input_shape} and no columns"
                )
        self._keep(self.preprocessing, names)

    def _keep(self, preprocessing: dict[str, Any] | None, names: Sequence[str] | None) -> None:
        if names is not None:
            preprocessing = (preprocessing or {}) | {_NAMES_KEY: list(names)}
        self._core.preprocessing = to_json(preprocessing)

    def _check_columns(self, operation: str, X: Any, known: Sequence[str] | None = None) -> list[Any] | None:
        """The names of X's columns if it is a DataFrame; a ValueError unless they are those of the fit, or ``known``
        where that is the first."""
        if type(X) is np.ndarray:
            return None
        names = frames.text_names(X)
        known = self.input_names or known
        if names is not None and known is not None:
            frames.check_names(operation, names, known)
        return frames.column_names(X)

    def _keep_columns(self, X: Any) -> None:
        """Remember the names of X's columns if it is a DataFrame that has some: the network learned from it."""
        names = None if type(X) is np.ndarray else frames.text_names(X)
        if names is not None and names != self.input_names:
            self.input_names = names

    def __repr__(self) -> str:
        types = types_text(self.description["layers"])
        origin = trained_on(self.preprocessing)
        origin = f", trained on {origin}" if origin else ""
        device = "" if self.device == "cpu" else f", device={self.device!r}"
        return f"Network(input_shape={self.input_shape}, layers=[{types}], dtype={self.dtype.name!r}{device}{origin})"

    def _repr_html_(self) -> str:
        """What a notebook shows: the network drawn, and a table of its layers."""
        from bpnet.html.network import network_html

        return network_html(self._core, self.preprocessing)

    def summary(self) -> None:
        """Print a table of the layers with their output shapes and parameters, and which are frozen; what nests is
        indented, under the line of the layer that holds it. Below it, what the network was trained on, where its
        file says so; and the device, where that is a GPU, or how products and convolutions are made, if not
        directly and in full precision."""
        print(summary_text(self._core))
        origin = trained_on(self.preprocessing)
        if origin:
            print(f"trained on {origin}, by encoded rows; bpnet.load_model takes the rows as they are")

    # Its numbers.

    def state_dict(self) -> dict[str, np.ndarray]:
        """Read-only views of weights and buffers under PyTorch's names, in layer order, weight before
        bias. They follow the weights as these change; copy one to keep it. Of a network on a GPU they are copies,
        read-only too, which stay as they are."""
        return self._core.state()

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> StateDictKeys:
        """Overwrite the weights and buffers. Nothing is changed unless all fit.

        Args:
            state: arrays under the names of state_dict(), of its shapes, finite.
            strict: the names must be all those of state_dict(). Otherwise those that both have are loaded.

        Returns:
            ``missing_keys`` and ``unexpected_keys``, which are empty with ``strict``.

        Raises:
            ValueError: other names (with ``strict``), or a wrong shape.
            NumericError: NaN or infinity.
        """
        if not isinstance(state, Mapping):
            raise TypeError(f"load_state_dict: state is {state!r}, a mapping of names to arrays is needed")
        own = self.state_dict()
        missing = [name for name in own if name not in state]
        unexpected = [name for name in state if name not in own]
        if strict and (missing or unexpected):
            raise ValueError(f"load_state_dict: missing {missing}, unexpected {unexpected}")
        converted = {}
        for name in (name for name in own if name in state):
            array = arrays.dense(arrays.numeric("load_state_dict", repr(name), state[name]), self.dtype)
            if array.shape != own[name].shape:
                raise ValueError(
                    f"load_state_dict: {name!r} has shape {array.shape}, the network's has {own[name].shape}"
                )
            if not np.isfinite(array).all():
                raise _core.NumericError(f"load_state_dict: {name!r} has NaN or infinity")
            converted[name] = array
        for name, array in converted.items():
            self._core.set_state(name, array)
        return StateDictKeys(missing, unexpected)

    def gradients(self) -> dict[str, np.ndarray]:
        """Read-only views of the gradients of the last backward or step, under the parameters' names. After a step
        they are as the optimizer has clipped them. Those of frozen layers are left out: nobody makes them. Of a
        network on a GPU they are copies."""
        return self._core.gradients()

    # Forward and backward.

    def forward(self, X: Any, training: bool = False, *, upto: str | None = None) -> np.ndarray:
        """The outputs (N, *output_shape) for X (N, *input_shape). NaN is propagated, as in NumPy;
        :meth:`predict` reports it.

        Args:
            training: dropout is on, and what :meth:`backward` needs is kept.
            upto: the name of a layer, as it begins the names of its parameters: "fc1", "features.3",
                "layer1.0.conv1". Its output, in evaluation mode, is returned instead, (N, *its shape): that of a
                network which ends there. ``upto="0"`` of a Linear before a Tanh is s, ``upto="1"`` tanh(s).

        Raises:
            ValueError: no layer has the name ``upto``; the message lists them. Or it is given with ``training``.

        >>> net = bp.Network(2, [bp.Linear(3).named("fc1"), bp.Tanh(), bp.Linear(1)])
        >>> net.forward(np.zeros((5, 2)), upto="fc1").shape
        (5, 3)
        """
        self._check_columns("forward", X)
        x = inputs("forward", self._core, X)
        if upto is not None:
            if not isinstance(upto, str):
                raise TypeError(f"forward: upto is {upto!r}, the name of a layer is needed, such as '0'")
            if training:
                raise ValueError("forward: upto is for evaluation; leave training out")
            name = upto
            return in_pieces(self._core, x, lambda piece, _: self._core.forward_upto(piece, name))
        if not training:
            return outputs("forward", self._core, x)
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
        """Raw outputs (N, *output_shape) in evaluation mode, in the network's dtype; ``net(X)`` is the same.

        Args:
            X: (N, *input_shape), an array, or a DataFrame whose columns are those of the fit.

        Raises:
            ValueError: a wrong shape, no samples, or other columns than those of the fit.
            NumericError: NaN, infinity or a missing value in X, with its row, and its column in a DataFrame.
        """
        if type(X) is np.ndarray and X.ndim and len(X) <= self._rows_at_once:
            out = self._core.predict(X)
            if out is not None:
                return out
        names = self._check_columns("predict", X)

        def predict_piece(piece: np.ndarray, first: int) -> np.ndarray:
            x = inputs("predict", self._core, piece)
            check_finite_inputs("predict", x, first, names)
            return self._core.forward(x)

        return in_pieces(self._core, arrays.numeric("predict", "X", X, objects=True), predict_piece)

    def __call__(self, X: Any) -> np.ndarray:
        """:meth:`predict`: evaluation mode, without what :meth:`backward` needs, which ``forward(X, training=True)``
        keeps."""
        return self.predict(X)

    def evaluate(
        self,
        X: Any,
        y: Any,
        loss: Loss | str | LossFunction | None = None,
        sample_weight: Any = None,
        metrics: Mapping[str, Function] | Sequence[str | Function] = (),
    ) -> dict[str, float]:
        """The network's loss on data, in evaluation mode.

        Args:
            X, y, sample_weight: as in :meth:`fit`.
            loss: a name or a loss object; the one that the network was fitted with by default.
            metrics: what is measured besides, as in :meth:`fit`.

        Returns:
            ``{"loss": …}``, with ``"accuracy"`` (0 to 1) for the cross-entropies, and the metrics.

        Raises:
            ValueError: data that does not fit, or no loss for a network that was not fitted.
            NumericError: NaN or infinity in X or y, with its row.
        """
        loss = self._loss_or_fitted("evaluate", loss)
        chosen = as_metrics("evaluate", metrics, loss, int(np.prod(self.output_shape)))
        self._check_columns("evaluate", X)
        data = finite_dataset("evaluate", self._core, X, y, loss, sample_weight)
        result = evaluate(self._core, data, loss)
        if chosen:
            predicted = outputs("evaluate", self._core, arrays.numeric("evaluate", "X", X, objects=True))
            result |= measure("evaluate", chosen, arrays.answers("evaluate", y), predicted)
        return result

    def _loss_or_fitted(self, operation: str, loss: Loss | str | LossFunction | None) -> Loss:
        if loss is not None:
            return as_loss(operation, loss)
        if self._trainer is None:
            raise ValueError(f"{operation}: the network has not been fitted here; give the loss")
        return self._trainer.loss

    def trace(self, x: Any, y: Any, loss: Loss | str | LossFunction = "half_squared_error") -> Trace:
        """Every s, x, δ and gradient of the lecture's derivation for one sample; see bpnet.Trace."""
        self._check_columns("trace", x)
        return trace_sample(self._core, x, y, loss)

    # Training.

    @by_position("the others by name: fit(X, y, epochs=10, batch_size=64)")
    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        loss: Loss | str | LossFunction = "cross_entropy",
        optimizer: Optimizer | str = "sgd",
        epochs: int = 1,
        batch_size: int = 32,
        shuffle: bool = True,
        validation_data: tuple[Any, ...] | None = None,
        validation_split: float = 0.0,
        sample_weight: Any = None,
        class_weight: Any = None,
        metrics: Mapping[str, Function] | Sequence[str | Function] = (),
        callbacks: Sequence[Callback | Any] = (),
        verbose: int = 1,
        seed: int | None = None,
        restart: bool = False,
        online_block: int | None = None,
    ) -> History:
        """Train for ``epochs`` more epochs.

        The network keeps its trainer. Called again with the same loss and optimizer, by value, fit continues: with the
        optimizer's running averages, the next epoch's order and the masks after it, as if it had not returned. With
        another loss, optimizer or seed, and with ``restart``, a new run begins with epoch 1 on the weights as they
        are, and a line says so unless verbose is 0.

        Args:
            X: (N, *input_shape), an array, memory map or DataFrame, whose columns :attr:`input_names` keeps; or, with
                y ``None``, an iterable of batches (X, y) or (X, y, sample_weight), iterated anew each epoch.
            y: class indices (N,) or targets (N, outputs), an array, Series or DataFrame; see :mod:`bpnet.losses`.
            loss: a name, a loss object, or a function for :class:`bpnet.CustomLoss`.
            optimizer: a name or an optimizer object.
            epochs: how many more, beside those of earlier calls.
            batch_size: samples per update. 1 on linear layers and activations runs in one kernel; with plain
                SGD it is the lecture's algorithm.
            shuffle: visit the samples in a new order each epoch, drawn from seed and epoch alone.
            validation_data: (X, y) or (X, y, sample_weight), evaluated after each epoch.
            validation_split: the fraction of the samples, drawn from the seed alone, that are held out and
                evaluated after each epoch in place of validation_data: 0.2 holds out a fifth.
            sample_weight: (N,), multiplies each sample's loss; a batch's sum is divided by its weights'.
            class_weight: for cross_entropy: {class: weight}, one weight per class, or "balanced" (by all of y,
                what validation_split holds out too).
            metrics: what the history has besides, of the training data and, as ``val_…``, of the validation data:
                names among ``"accuracy"``, ``"top5_accuracy"`` (or another number), ``"mae"``, ``"mse"``,
                ``"rmse"`` and ``"r2"``, and functions f(y_true, y_pred), where y_pred are the raw outputs, in
                y_true's shape where that has as many numbers; or a mapping of names to functions. They are measured
                after the epoch, in evaluation mode, without weights: of the training data in a pass of their own.
            callbacks: bpnet callbacks, or functions called with (epoch, metrics) after each epoch.
            verbose: 0 nothing, 1 a progress bar and a line per epoch, 2 lines only.
            seed: of masks, data order and validation_split; the network's own by default.
            restart: begin a new run, with the same loss and optimizer too.
            online_block: with batch_size 1 and plain SGD, how many updates of the large layers are made
                together by matrix products: the same in real arithmetic and much faster. 1 makes them one
                by one, 1024 is the most; None lets bpnet choose. In blocks the loss becomes infinite where
                inputs or gradients are so large that their squares are (some 1e19 in float32).

        Returns:
            The metrics of each epoch of this call; ``network.trainer.history`` has those of the whole run.

        Raises:
            NumericError: NaN or infinity in the data (with the row), or a loss that became so (with the
                step). The network then holds the weights of the last epoch's end, as after Ctrl-C.
        """
        return _fit(
            self,
            X,
            y,
            loss=loss,
            optimizer=optimizer,
            class_weight=class_weight,
            seed=seed,
            restart=restart,
            epochs=epochs,
            batch_size=batch_size,
            shuffle=shuffle,
            validation_data=validation_data,
            validation_split=validation_split,
            sample_weight=sample_weight,
            metrics=metrics,
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
            "machine": machine.of_core(self._core),
            "preprocessing": self.preprocessing,
            "input_names": self.input_names,
            "state": {name: array.copy() for name, array in self.state_dict().items()},
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        description = state["description"]
        where = machine.restored(state["machine"])
        self._set_core(NETWORKS[description["dtype"]](to_json(description), **where))
        self._keep(state["preprocessing"], state.get("input_names"))
        self.load_state_dict(state["state"])


@by_position()
def load(
    path: str | os.PathLike[str],
    *,
    device: str = "cpu",
    backend: str | None = None,
    precision: str | None = None,
    winograd: bool | None = None,
) -> Network:
    """The network of a model file or a run file, in the dtype it was saved in, on whatever device.

    It takes encoded rows. Of a file that keeps the preprocessing of raw data, which a UserWarning says once per
    process, :func:`bpnet.load_model` takes the raw rows and gives answers.

    Args:
        device, backend: as :class:`bpnet.Network` takes them; the file does not say where its network was.
        precision: ``None`` is ``"bfloat16"`` for a network that was saved in it, else ``"full"``.
        winograd: ``None`` is as the network was saved.

    Raises:
        OSError: the file is not there or cannot be read.
        FileFormatError: it is not a whole bpnet file; nothing in it is executed or taken as a path.
    """
    network = load_network(path, device=device, backend=backend, precision=precision, winograd=winograd)
    warn_of_encoded_rows(os.fsdecode(path), network.preprocessing)
    return network


def load_network(
    path: str | os.PathLike[str],
    *,
    device: str = "cpu",
    backend: str | None = None,
    precision: str | None = None,
    winograd: bool | None = None,
) -> Network:
    """:func:`load` for those who know what the network takes."""
    name, where = checks.path("load", path), machine.asked("load", device, backend, precision, winograd)
    dtype, _ = _core.inspect(name)
    core_class = NETWORKS.get(dtype)
    if core_class is None:
        raise _core.FileFormatError(f"load: the file has dtype {dtype!r}, float32 or float64 is needed")
    return Network._from_core(core_class.load(name, **where))
