"""What all layers are."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

from bpnet import _core, checks
from bpnet.described import Described, plain

_L = TypeVar("_L", bound="Layer")

# The options that are one number, or (height, width).
_EXTENTS = ("kernel_size", "stride", "padding", "dilation", "output_size")

#: Height and width: one number, or (height, width).
Extent = int | tuple[int, int]


class Layer(Described):
    """A layer's description. It holds options and no numbers; the network holds those.

    Layers with parameters, BatchNorm's and those that hold others take ``trainable=False``, which freezes them with
    all layers within: their parameters stay as they are, neither updated nor decayed, and have no gradient;
    backward ends at the first layer that is not frozen. A frozen BatchNorm normalises by its running statistics
    in training too, and these stay, as Keras's; dropout stays on. It is a part of the architecture in the model file.
    """

    name: str | None = None
    _check = staticmethod(_core.check_layer)
    # What a description leaves out, by option.
    _left_out: ClassVar[Mapping[str, Any]] = {
        "init": None,
        "bias_init": None,
        "shortcut": [],
        "trainable": True,
    }

    def _set(self, **options: Any) -> None:
        super()._set(**{name: _one_form(self.operation, name, value) for name, value in options.items()})

    def named(self: _L, name: str) -> _L:
        """The same layer with a name, which replaces its index in the names of its parameters.

        >>> bp.Network(2, [bp.Linear(1).named("fc")]).state_dict().keys()
        dict_keys(['fc.weight', 'fc.bias'])

        Raises:
            ValueError: an empty name, or one with a dot. That no two layers side by side share a name is
                the network's to check.
        """
        if not isinstance(name, str):
            raise TypeError(f"layer: name is {name!r}, a string is needed")
        if not name or "." in name:
            raise ValueError(f"layer: name is {name!r}, a string without dots is needed")
        named = copy.copy(self)
        named.__dict__["name"] = name
        return named

    def frozen(self: _L) -> _L:
        """The same layer with ``trainable=False``; one that has nothing to freeze, as Tanh, as it is.

        What a trained network has learned, under a new last layer:

        >>> net = bp.Network(2, [bp.Linear(8), bp.Tanh(), bp.Linear(1)])
        >>> other = bp.Network(2, [*(layer.frozen() for layer in net.layers[:-1]), bp.Linear(3)])
        >>> taken = {name: w for name, w in net.state_dict().items() if not name.startswith("2.")}
        >>> other.load_state_dict(taken, strict=False).missing_keys
        ['2.weight', '2.bias']
        """
        if "trainable" not in self._options:
            return self
        frozen = type(self)(**self._options | {"trainable": False})
        return frozen if self.name is None else frozen.named(self.name)

    def describe(self) -> dict[str, Any]:
        """The layer as a model file stores it."""
        name = {} if self.name is None else {"name": self.name}
        options = super().describe()
        left_out = self._left_out
        kept = {key: value for key, value in options.items() if key not in left_out or value != left_out[key]}
        return {"type": type(self).__name__} | name | kept

    @classmethod
    def _from(cls: type[_L], options: Mapping[str, Any]) -> _L:
        others = dict(options)
        name = others.pop("name", None)
        layer = super()._from(others)
        return layer if name is None else layer.named(name)

    def __repr__(self) -> str:
        return super().__repr__() + ("" if self.name is None else f".named({self.name!r})")

    def _value(self) -> tuple[Any, ...]:
        return (*super()._value(), self.name)


def _one_form(operation: str, name: str, value: Any) -> Any:
    """One number for two, and two for four, that mean the same, so that layers which compute the same are equal."""
    value = plain(operation, name, value)
    if name not in _EXTENTS or not isinstance(value, tuple) or any(type(each) is not int for each in value):
        return value
    if len(value) == 4 and operation == "conv2d":  # (top, bottom, left, right)
        top, bottom, left, right = value
        value = (top, left) if (top, left) == (bottom, right) else value
    return value[0] if len(value) == 2 and value[0] == value[1] else value


def trainable_option(operation: str, trainable: bool) -> dict[str, bool]:
    """The option of that name, checked."""
    return {"trainable": checks.flag(operation, "trainable", trainable)}
