"""Value objects: a layer, loss, optimizer, schedule or initializer is its options, and holds nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import numpy as np

from bpnet.arguments import by_position
from bpnet.hints import did_you_mean, meant

if TYPE_CHECKING:
    from inspect import Parameter

_D = TypeVar("_D", bound="Described")


class Described:
    """Base of the descriptions: equal where their options are, never changed, their repr the call that makes them.

    Options can be read as attributes: ``bp.Dropout(0.5).p``.
    """

    #: What its errors begin with.
    operation: ClassVar[str] = ""
    # Options that a file has under another name than the constructor.
    _stored: ClassVar[Mapping[str, str]] = {}

    @by_position()
    def __init__(self) -> None:
        self._set()

    def _set(self, **options: Any) -> None:
        """Keep the options, in the order and under the names of the constructor, if the core takes them; None where
        the constructor's annotation has it, as the core takes it for an option that was left out."""
        annotations = type(self).__init__.__annotations__
        for name, value in options.items():
            if value is None and "None" not in str(annotations.get(name)):
                raise TypeError(f"{self.operation}: {name} is None, a value is needed")
        kept = {name: plain(self.operation, name, value) for name, value in options.items()}
        self.__dict__["_options"] = kept
        self._check(json.dumps(self.describe()))

    @staticmethod
    def _check(description: str) -> None:
        """The core's error for options that cannot be; the description is JSON."""

    @property
    def options(self) -> dict[str, Any]:
        """The arguments that make it, a copy."""
        return dict(self._options)

    def __getattr__(self, name: str) -> Any:
        options = self.__dict__.get("_options", {})
        if name in options:
            return options[name]
        raise AttributeError(f"{self.operation}: there is no option {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{self.operation}: {name} cannot be changed; make a new {type(self).__name__}")

    def describe(self) -> dict[str, Any]:
        """The options as a file stores them."""
        return {self._stored.get(name, name): _describe(value) for name, value in self._options.items()}

    @classmethod
    def _from(cls: type[_D], options: Mapping[str, Any]) -> _D:
        """The object whose options a file stores so."""
        names = {stored: name for name, stored in cls._stored.items()}
        return cls(**{names.get(key, key): value for key, value in options.items()})

    def __repr__(self) -> str:
        parameters = _parameters(type(self))
        given = [(each, self._options[each.name]) for each in parameters]
        shown = [
            _shown(value) if each.default is each.empty else f"{each.name}={_shown(value)}"
            for each, value in given
            if each.default is each.empty or value != each.default or type(value) is not type(each.default)
        ]
        return f"{type(self).__name__}({', '.join(shown)})"

    def _value(self) -> tuple[Any, ...]:
        return (type(self), *self._options.items())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Described) and self._value() == other._value()

    def __hash__(self) -> int:
        return hash(self._value())


def _parameters(cls: type[Described]) -> list[Parameter]:
    """Those of the constructor."""
    import inspect  # slow to import, and needed to show an object only

    return list(inspect.signature(cls).parameters.values())


def plain(operation: str, name: str, value: Any) -> Any:
    """value as None, a bool, int, float, string or description, or a tuple of them."""
    if value is None or isinstance(value, (bool, Described)):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    for kinds, kind in (((int, np.integer), int), ((float, np.floating), float), (str, str)):
        if isinstance(value, kinds):  # type: ignore[arg-type]
            return kind(value)
    if isinstance(value, np.ndarray) and value.ndim:
        value = list(value)
    if isinstance(value, (list, tuple)):
        return tuple(plain(operation, name, item) for item in value)
    raise TypeError(f"{operation}: {name} is {value!r}, which is not an option's value")


def _describe(value: Any) -> Any:
    if isinstance(value, Described):
        return value.describe()
    return [_describe(item) for item in value] if isinstance(value, tuple) else value


def _one_line(value: Any) -> str:
    """What another library's object shows of itself, which may be long."""
    return f"{' '.join(repr(value).split()):.80}"


def _shown(value: Any) -> str:
    """As a user writes it: layers in a list, numbers in a tuple."""
    if isinstance(value, tuple) and all(isinstance(each, Described) for each in value):
        return repr(list(value))
    return repr(value)


class Family(Generic[_D]):
    """All classes of one kind, under the names that files have them by.

    Args:
        word: what errors call one of them.
        base: their base class.
        classes: by name.
        by_name: whether users may give a name in place of an object.
    """

    def __init__(self, word: str, base: type[_D], classes: Mapping[str, type[_D]], by_name: bool) -> None:
        self.word = word
        self.base = base
        self.classes = dict(classes)
        self.by_name = by_name

    def given(self, operation: str, value: Any, what: str = "") -> _D:
        """What a user gave as ``what``: an object itself, or a new one of the name where names are taken."""
        what = what or self.word
        if isinstance(value, self.base):
            return value
        if isinstance(value, str):
            return self.named(operation, value, what)
        if isinstance(value, type) and issubclass(value, self.base):
            raise TypeError(
                f"{operation}: {what} is the class {value.__name__}, give an object: {example(value)}"
            )
        wanted = f"a name or a bpnet {self.word}" if self.by_name else f"a bpnet {self.word}"
        raise TypeError(
            f"{operation}: {what} is {_one_line(value)} of type {type(value).__name__}, {wanted} is needed"
        )

    def named(self, operation: str, name: str, what: str = "") -> _D:
        """A new one of this name with its defaults; an error that says what the name may have meant."""
        if not self.by_name:
            known = meant(name, self.classes, self.word)
            instead = f"give an object: {example(self.classes[known])}" if known else ""
            wanted = instead or f"an object is needed, such as {example(next(iter(self.classes.values())))}"
            raise TypeError(f"{operation}: {what} is {name!r}, {wanted}")
        if name in self.classes:
            return self.classes[name]()
        known_names = ", ".join(self.classes)
        raise ValueError(
            f"{operation}: {what or self.word} {name!r} is not one of {known_names}"
            f"{did_you_mean(name, self.classes, self.word)}"
        )

    def from_description(self, name: str, options: Mapping[str, Any]) -> _D:
        """The object of the class that a file calls ``name``."""
        if name not in self.classes:
            raise ValueError(f"load: there is no {self.word} {name!r}, there are {', '.join(self.classes)}")
        return self.classes[name]._from(options)


def example(cls: type[Described]) -> str:
    """How an object of the class is made: ``Linear(out_features)``, ``SGD(lr=0.01)``, ``MSE()``."""
    parameters = _parameters(cls)
    shown = [each.name for each in parameters if each.default is each.empty]
    first = parameters[0] if parameters and not shown else None
    if first is not None and first.kind is first.POSITIONAL_OR_KEYWORD:
        shown = [f"{first.name}={first.default!r}"]
    return f"{cls.__name__}({', '.join(shown)})"
