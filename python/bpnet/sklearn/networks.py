"""How sizes and activations become a bpnet network, and its parameters scikit-learn's arrays."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.special import expit

from bpnet.evaluation import softmax
from bpnet.layers import Dropout, Layer, Linear, Sigmoid
from bpnet.layers.elementwise import SCIKIT_LEARN_ACTIVATIONS
from bpnet.network import Network

# Numbers in one product of NumPy's: of longer ones BLAS makes parts in threads that go on spinning beside bpnet's.
_PIECE = 8192


def hidden_sizes(hidden_layer_sizes: Any) -> list[int]:
    """The parameter as a list, each of at least 1; ValueError otherwise."""
    sizes = hidden_layer_sizes if hasattr(hidden_layer_sizes, "__iter__") else [hidden_layer_sizes]
    sizes = list(sizes)
    if np.any(np.array(sizes) <= 0):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
    return sizes


def activations_of(activation: Any, hidden: int) -> list[Layer | None]:
    """The layer after each hidden one, None for the identity; ValueError where the parameter is none."""
    if not isinstance(activation, (list, tuple)):
        return [_layer_of(activation)] * hidden
    if len(activation) != hidden:
        raise ValueError(
            f"activation has {len(activation)} entries, hidden_layer_sizes has {hidden}; give one for each"
        )
    return [_layer_of(each) for each in activation]


def _layer_of(activation: Any) -> Layer | None:
    if isinstance(activation, Layer):
        return activation
    if not isinstance(activation, str) or activation not in SCIKIT_LEARN_ACTIVATIONS:
        known = sorted(SCIKIT_LEARN_ACTIVATIONS)
        raise ValueError(f"activation holds {activation!r}; bpnet layers and {known} are known")
    kind = SCIKIT_LEARN_ACTIVATIONS[activation]
    return None if kind is None else kind()


def _check_activation(layer: Layer, size: int) -> None:
    """A ValueError where the layer has parameters, which coefs_ cannot hold, or changes the shape."""
    alone = Network((size,), [layer])
    if alone.state_dict():
        raise ValueError(
            f"activation holds {layer!r}, which has parameters; give a layer without, such as LeakyReLU(0.1)"
        )
    if alone.output_shape != (size,):
        raise ValueError(
            f"activation holds {layer!r}, which gives {alone.output_shape} for {(size,)}; give a layer that keeps "
            "the shape"
        )


def has_dropout(value: Any) -> bool:
    """Whether this is Dropout, or a layer or a list that holds it."""
    if isinstance(value, Dropout):
        return True
    inner = tuple(value.options.values()) if isinstance(value, Layer) else value
    return isinstance(inner, (list, tuple)) and any(map(has_dropout, inner))


def make_network(
    sizes: Sequence[int], activation: Any, dtype: Any, dropout: float, device: str, seed: int
) -> Network:
    """Linear layers of these sizes, inputs first, with activations between them; the outputs are logits."""
    hidden = len(sizes) - 2
    stack: list[Layer] = []
    for size, layer in zip(sizes[1:-1], activations_of(activation, hidden)):
        stack.append(Linear(int(size)))
        if layer is not None:
            _check_activation(layer, int(size))
            stack.append(layer)
        if dropout:
            stack.append(Dropout(dropout))
    stack.append(Linear(int(sizes[-1])))
    return Network((int(sizes[0]),), stack, seed=seed, dtype=np.dtype(dtype).name, device=device)


def glorot_arrays(
    sizes: Sequence[int], activation: Any, dtype: Any, random: np.random.RandomState
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Weights (in, out) and biases (out,) from U(−r, r), r = √(f / (in + out)), f = 2 for the logistic function and
    6 otherwise (Glorot and Bengio 2010); drawn in scikit-learn's order."""
    hidden = activations_of(activation, len(sizes) - 2)
    if not hidden and not isinstance(activation, (list, tuple)):
        hidden = activations_of(
            activation, 1
        )  # scikit-learn's factor of the output layer is the activation's
    coefs, intercepts = [], []
    for (fan_in, fan_out), layer in zip(pairwise(sizes), [*hidden, *hidden[-1:], None]):
        bound = np.sqrt((2.0 if isinstance(layer, Sigmoid) else 6.0) / (fan_in + fan_out))
        coefs.append(random.uniform(-bound, bound, (fan_in, fan_out)).astype(dtype, copy=False))
        intercepts.append(random.uniform(-bound, bound, fan_out).astype(dtype, copy=False))
    return coefs, intercepts


class Weights:
    """A network's parameters as scikit-learn has them. On the processor they are views: who writes into them writes
    into the network.

    Args:
        options: the estimator's parameters that the network was made with.
    """

    def __init__(self, network: Network, options: tuple[Any, ...]) -> None:
        self.network, self.options = network, options
        self.on_host = network.device == "cpu"
        self.refresh()

    def refresh(self) -> None:
        """Take the arrays again, as a GPU's have to be after a training."""
        parameters = self._now()
        self._names = list(parameters)
        arrays = list(parameters.values())
        self.coefs = [array.T for array in arrays[::2]]  # (in, out)
        self.intercepts = arrays[1::2]  # (out,)
        self._flat = [array.reshape(-1) for array in arrays[::2]]
        self._pieces = [
            flat[first : first + _PIECE] for flat in self._flat for first in range(0, flat.size, _PIECE)
        ]

    def are(self, coefs: Sequence[Any], intercepts: Sequence[Any]) -> bool:
        """Whether the estimator still has these very arrays."""
        return (
            len(coefs) == len(self.coefs)
            and len(intercepts) == len(self.intercepts)
            and all(mine is yours for mine, yours in zip(self.coefs, coefs))
            and all(mine is yours for mine, yours in zip(self.intercepts, intercepts))
        )

    def fit(self, coefs: Sequence[np.ndarray], dtype: Any) -> bool:
        """Whether numbers of these shapes can be written into the network, which has this dtype."""
        shapes = [coef.shape for coef in coefs]
        return self.network.dtype == dtype and shapes == [coef.shape for coef in self.coefs]

    def write(self, coefs: Sequence[np.ndarray], intercepts: Sequence[np.ndarray]) -> None:
        """Copy numbers into the network."""
        if self.on_host:
            for view, values in zip(self.coefs + self.intercepts, [*coefs, *intercepts]):
                view[...] = values
            return
        arrays = [array for pair in zip((np.asarray(c).T for c in coefs), intercepts) for array in pair]
        for name, array in zip(self._names, arrays):
            self.network._core.set_state(name, np.ascontiguousarray(array, dtype=self.network.dtype))
        self.refresh()

    def fill(self, value: float) -> None:
        """Make every parameter this number.

        Raises:
            ValueError: the network is on a GPU, whose parameters are always finite there.
        """
        if not self.on_host:
            raise ValueError(
                f"training: the loss is not finite on device {self.network.device!r}; lower learning_rate_init"
            )
        for view in self.coefs + self.intercepts:
            view[...] = value

    def copies(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Arrays of the numbers now that stay as they are, C-contiguous."""
        arrays = list(self._now().values())
        return [np.array(each.T, order="C") for each in arrays[::2]], [each.copy() for each in arrays[1::2]]

    def squared_norm(self) -> float:
        """Σ w² of all weights, without the biases."""
        pieces = self._pieces if self.on_host else [each.reshape(-1) for each in [*self._now().values()][::2]]
        return float(sum([np.dot(piece, piece) for piece in pieces]))

    def _now(self) -> dict[str, np.ndarray]:
        return self.network._core.writable_parameters()

    def all_finite(self) -> bool:
        """Whether no number is NaN or infinite."""
        return all(np.isfinite(each).all() for each in [*self._flat, *self.intercepts])


def activate_outputs(name: str, outputs: np.ndarray) -> np.ndarray:
    """The output activation of logits (n, outputs), written into them."""
    if name == "softmax":
        return softmax(outputs)
    if name == "logistic":
        return expit(outputs, out=outputs)
    if name == "exp":
        return np.exp(outputs, out=outputs)
    return outputs
