"""Nested networks in NumPy, layer by layer and without a plan: what the graph's steps, fusions, conversions and
shared memory must come to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import bpnet as bp

Back = Callable[[np.ndarray], np.ndarray]  # from the gradient by y to the gradient by x


class PlainGraph:
    """Forward and backward of layers, with the weights of a network's state_dict."""

    def __init__(self, layers: list[bp.layers.Layer], state: Mapping[str, np.ndarray]) -> None:
        self.layers = layers
        self.state = state
        self.gradients: dict[str, np.ndarray] = {}

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, Back]:
        return self._row(self.layers, "", x)

    def _row(self, layers: list[Any], prefix: str, x: np.ndarray) -> tuple[np.ndarray, Back]:
        backs: list[Back] = []
        for index, layer in enumerate(layers):
            path = prefix + (layer.name or str(index))
            x, back = getattr(self, "_" + type(layer).__name__.lower())(layer, path, x)
            backs.append(back)

        def all_back(grad: np.ndarray) -> np.ndarray:
            for back in reversed(backs):
                grad = back(grad)
            return grad

        return x, all_back

    def _sequential(self, layer: Any, path: str, x: np.ndarray) -> tuple[np.ndarray, Back]:
        return self._row(layer.options["layers"], path + ".", x)

    def _residual(self, layer: Any, path: str, x: np.ndarray) -> tuple[np.ndarray, Back]:
        y, back = self._row(layer.options["layers"], path + ".", x)
        other, other_back = self._row(layer.options["shortcut"], path + ".downsample.", x)
        return y + other, lambda grad: back(grad) + other_back(grad)

    def _parallel(self, layer: Any, path: str, x: np.ndarray) -> tuple[np.ndarray, Back]:
        branches = layer.options["branches"]
        ways = [
            self._sequential(branch, f"{path}.{branch.name or index}", x)
            if isinstance(branch, bp.Sequential)
            else self._row([branch.named(branch.name or str(index))], path + ".", x)
            for index, branch in enumerate(branches)
        ]
        if layer.options["merge"] == "sum":
            return sum(y for y, _ in ways), lambda grad: sum(back(grad) for _, back in ways)
        ends = np.cumsum([y.shape[1] for y, _ in ways])

        def cut(grad: np.ndarray) -> np.ndarray:
            return sum(back(part) for (_, back), part in zip(ways, np.split(grad, ends[:-1], axis=1)))

        return np.concatenate([y for y, _ in ways], axis=1), cut

    def _linear(self, layer: Any, path: str, x: np.ndarray) -> tuple[np.ndarray, Back]:
        w, b = self.state[path + ".weight"], self.state.get(path + ".bias")

        def back(grad: np.ndarray) -> np.ndarray:
            self.gradients[path + ".weight"] = grad.T @ x
            if b is not None:
                self.gradients[path + ".bias"] = grad.sum(axis=0)
            return grad @ w

        return x @ w.T + (0 if b is None else b), back

    def _conv2d(self, layer: Any, path: str, x: np.ndarray) -> tuple[np.ndarray, Back]:
        """3 × 3 with one zero around the map, which keeps its size."""
        w, b = self.state[path + ".weight"], self.state[path + ".bias"]
        height, width = x.shape[2:]

        def moved(maps: np.ndarray, row: int, column: int) -> np.ndarray:
            return np.pad(maps, ((0, 0), (0, 0), (1, 1), (1, 1)))[
                :, :, row : row + height, column : column + width
            ]

        taps = [(row, column) for row in range(3) for column in range(3)]
        y = sum(np.einsum("nihw,oi->nohw", moved(x, r, c), w[:, :, r, c]) for r, c in taps)

        def back(grad: np.ndarray) -> np.ndarray:
            by_w = np.empty_like(w)
            for r, c in taps:
                by_w[:, :, r, c] = np.einsum("nihw,nohw->oi", moved(x, r, c), grad)
            self.gradients[path + ".weight"] = by_w
            self.gradients[path + ".bias"] = grad.sum(axis=(0, 2, 3))
            return sum(np.einsum("nohw,oi->nihw", moved(grad, 2 - r, 2 - c), w[:, :, r, c]) for r, c in taps)

        return y + b[:, None, None], back

    def _adaptiveavgpool2d(self, layer: Any, path: str, x: np.ndarray) -> tuple[np.ndarray, Back]:
        assert layer.options["output_size"] == 1
        positions = x.shape[2] * x.shape[3]
        y = x.mean(axis=(2, 3), keepdims=True)
        return y, lambda grad: np.broadcast_to(grad / positions, x.shape)

    def _flatten(self, layer: Any, path: str, x: np.ndarray) -> tuple[np.ndarray, Back]:
        return x.reshape(len(x), -1), lambda grad: grad.reshape(x.shape)

    def _softmax(self, layer: Any, path: str, x: np.ndarray) -> tuple[np.ndarray, Back]:
        y = np.exp(x - x.max(axis=1, keepdims=True))
        y /= y.sum(axis=1, keepdims=True)
        return y, lambda grad: y * (grad - (grad * y).sum(axis=1, keepdims=True))

    def _tanh(self, layer: Any, path: str, x: np.ndarray) -> tuple[np.ndarray, Back]:
        y = np.tanh(x)
        return y, lambda grad: grad * (1 - y * y)

    def _relu(self, layer: Any, path: str, x: np.ndarray) -> tuple[np.ndarray, Back]:
        return np.maximum(x, 0), lambda grad: grad * (x > 0)

    def _silu(self, layer: Any, path: str, x: np.ndarray) -> tuple[np.ndarray, Back]:
        g = 1 / (1 + np.exp(-x))
        return x * g, lambda grad: grad * (g + x * g * (1 - g))

    def _dropout(self, layer: Any, path: str, x: np.ndarray) -> tuple[np.ndarray, Back]:
        assert layer.options["p"] == 0
        return x, lambda grad: grad


def random_image_layers(numbers: np.random.Generator, channels: int, out: int, depth: int = 3) -> list[Any]:
    """Layers of maps, which keep their size, from `channels` to `out` of them."""
    layers: list[Any] = []
    for _ in range(numbers.integers(0, 4)):
        choice = int(numbers.integers(0, 7 if depth else 2))
        inner = int(numbers.integers(1, 5))
        if choice == 0:
            layers.append([bp.Tanh, bp.ReLU, bp.SiLU, lambda: bp.Dropout(0.0)][numbers.integers(4)]())
        elif choice == 1:
            layers.append(bp.Conv2d(inner, 3, padding=1))
            channels = inner
        elif choice == 2:
            layers.append(bp.Sequential(random_image_layers(numbers, channels, inner, depth - 1)))
            channels = inner
        elif choice == 3:
            layers.append(bp.Residual(random_image_layers(numbers, channels, channels, depth - 1)))
        elif choice == 5:
            branches = [random_image_layers(numbers, channels, inner, depth - 1) for _ in range(2)]
            layers.append(bp.Parallel([*branches, bp.Conv2d(inner, 3, padding=1)]))
            channels = inner
        elif choice == 6:
            branches = [[], random_image_layers(numbers, channels, inner, depth - 1)]
            layers.append(bp.Parallel(branches[:: numbers.choice([-1, 1])], merge="concat"))
            channels += inner
        else:
            ways = (random_image_layers(numbers, channels, inner, depth - 1) for _ in range(2))
            layers.append(bp.Residual(*ways))
            channels = inner
    if channels != out or not layers:
        layers.append(bp.Conv2d(out, 3, padding=1))
    return layers


def random_layers(numbers: np.random.Generator, width: int, out: int, depth: int = 3) -> list[Any]:
    """Layers from a flat input of `width` to one of `out`, nested up to `depth` deep."""
    kinds = [bp.Tanh, bp.ReLU, bp.SiLU, bp.Flatten, bp.Softmax, lambda: bp.Dropout(0.0)]
    layers: list[Any] = []
    for _ in range(numbers.integers(0, 4)):
        choice = int(numbers.integers(0, 8 if depth else 3))
        if choice < 2:
            layers.append(kinds[numbers.integers(len(kinds))]())
        elif choice == 2:
            width = int(numbers.integers(1, 9))
            layers.append(bp.Linear(width, bias=bool(numbers.integers(2))))
        elif choice == 3:
            inner = int(numbers.integers(1, 9))
            layers.append(bp.Sequential(random_layers(numbers, width, inner, depth - 1)))
            width = inner
        elif choice == 4:
            layers.append(bp.Residual(random_layers(numbers, width, width, depth - 1)))
        elif choice == 6:
            branches = [
                random_layers(numbers, width, width, depth - 1) for _ in range(numbers.integers(0, 3))
            ]
            layers.append(bp.Parallel([[], *branches, []]))
        elif choice == 7:
            inner = int(numbers.integers(1, 9))
            branches = [random_layers(numbers, width, inner, depth - 1), [], bp.Tanh()]
            layers.append(bp.Parallel(branches[: numbers.integers(1, 4)], merge="concat"))
            width = inner + width * (len(layers[-1].options["branches"]) - 1)
        else:
            inner = int(numbers.integers(1, 9))
            ways = (random_layers(numbers, width, inner, depth - 1) for _ in range(2))
            layers.append(bp.Residual(*ways))
            width = inner
        if numbers.integers(4) == 0:
            layers[-1] = layers[-1].named(f"layer{len(layers)}")
    if width != out or not layers:
        layers.append(bp.Linear(out))
    return layers
