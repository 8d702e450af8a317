"""Which arguments a constructor takes, and errors that say what to write instead."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import FunctionType
from typing import Any, ParamSpec, TypeVar, cast

from bpnet.hints import did_you_mean, elsewhere, remark_on

_P = ParamSpec("_P")
_R = TypeVar("_R")


def by_position(hint: str = "") -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """A decorator of functions and methods: arguments that do not fit the signature are a TypeError that
    names those taken by position and says ``hint``. The signature stays visible.

    Args:
        hint: what to write instead, with an example.
    """

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        signature = _Signature(cast(FunctionType, function), hint)

        @functools.wraps(function)
        def checked(*args: _P.args, **options: _P.kwargs) -> _R:
            signature.check(args, options)
            return function(*args, **options)

        return checked

    return decorate


class _Signature:
    """The names that a function takes."""

    def __init__(self, function: FunctionType, hint: str) -> None:
        code = function.__code__
        self.is_method = code.co_varnames[:1] == ("self",)
        self.operation = "" if function.__name__ == "__init__" else function.__name__
        self.hint = hint
        self.positional = code.co_varnames[: code.co_argcount]
        self.by_name = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
        self.required = self.positional[: code.co_argcount - len(function.__defaults__ or ())]

    def check(self, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        given = self.positional[: len(args)]
        if len(args) > len(self.positional) or any(name in options for name in given):
            raise TypeError(f"{self._operation(args)}: {self._takes()}{self._instead()}")
        for name in options:
            if name not in self.positional and name not in self.by_name:
                raise TypeError(f"{self._operation(args)}: {self._no_option(name)}")
        for name in self.required:
            if name not in given and name not in options:
                raise TypeError(f"{self._operation(args)}: {name} is missing{self._instead()}")

    def _operation(self, args: tuple[Any, ...]) -> str:
        return self.operation or args[0].operation

    def _names(self) -> list[str]:
        return list(self.positional[self.is_method :])

    def _takes(self) -> str:
        names = self._names()
        if not names:
            return "takes no argument by position"
        if len(names) == 1:
            return f"takes {names[0]} alone by position"
        return f"takes {', '.join(names[:-1])} and {names[-1]} by position"

    def _instead(self) -> str:
        if self.hint:
            return f", {self.hint}"
        return f", the others by name: {', '.join(self.by_name)}" if self.by_name else ""

    def _no_option(self, name: str) -> str:
        names = [*self._names(), *self.by_name]
        there_are = f"there are {', '.join(names)}" if names else "it takes none"
        known = elsewhere(name, names, "option") is not None
        instead = did_you_mean(name, names, "option")
        if not known and (remark := remark_on(name) or self.hint):
            instead = f"; {remark}"
        return f"there is no option {name!r}, {there_are}{instead}"
