"""What a run file keeps beside what the core writes: history, callbacks' states and the user's notes, as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bpnet import _core, checks
from bpnet._bridge import to_json
from bpnet.training.callbacks import check_state
from bpnet.training.history import History


def check_notes(operation: str, notes: Any) -> None:
    """Raise a TypeError or ValueError unless a file gives the notes back as they are."""
    if not isinstance(notes, dict):
        raise TypeError(f"{operation}: notes is {notes!r}, a dictionary is needed")
    checks.plain(operation, notes, "notes")


def write_notes(history: Any, states: list[dict[str, Any]], notes: dict[str, Any]) -> str:
    """The text; a ValueError for what read_notes would refuse."""
    check_notes("save", notes)
    if isinstance(history, History):
        history = history.columns()
    try:
        text = to_json({"history": history, "callbacks": states, "notes": notes})
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"save: history and callbacks' states must be JSON: {error}") from None
    problem = _problem(json.loads(text))
    if problem:
        raise ValueError(f"save: {problem}")
    return text


def read_notes(text: str) -> tuple[History, dict[str, Any], list[dict[str, Any]]]:
    """History, notes and callbacks' states; C++ leaves the text empty."""
    try:
        kept = json.loads(text or "{}")
        problem = _problem(kept)
    except (ValueError, RecursionError):
        problem = "this is no JSON"
    if problem:
        raise _core.FileFormatError(
            f"load: the run's history and notes are not as Trainer.save writes them: {problem}; bpnet.load "
            "reads the network of the file"
        )
    return History(kept.get("history", {})), kept.get("notes", {}), kept.get("callbacks", [])


def _problem(kept: Any) -> str:
    """What a run must not have, or nothing."""
    if not isinstance(kept, dict):
        return f"a dictionary is needed, not {kept!r}"
    notes, states = kept.get("notes", {}), kept.get("callbacks", [])
    if not isinstance(notes, dict):
        return f"notes is {notes!r}, a dictionary is needed"
    if not isinstance(states, list):
        return f"the callbacks' states are {states!r}, a list is needed"
    try:
        for each in states:
            check_state(each)
    except KeyError as error:
        return f"a callback's state has no {error}"
    except (ValueError, TypeError, AttributeError) as error:
        return str(error)
    return _history_problem(kept.get("history", {}))


def _history_problem(history: Any) -> str:
    """One list of numbers per metric; epochs are numbered from 1, upwards."""
    if not isinstance(history, dict):
        return f"the history is {history!r}, a dictionary is needed"
    for name, column in history.items():
        if type(column) is not list:
            return f"the history's {name!r} is {column!r}, a list is needed"
        for value in column:
            if type(value) not in (int, float):
                return f"the history's {name!r} holds {value!r}, numbers are needed"
    return _epochs_problem(history)


def _epochs_problem(history: Mapping[str, list[float]]) -> str:
    epochs = history.get("epoch", [])
    for before, epoch in zip([0, *epochs], epochs):
        if type(epoch) is not int or epoch <= before:
            return f"the history's epoch {epoch} comes after {before}, integers from 1 upwards are needed"
    for name, column in history.items():
        if len(column) > len(epochs):
            return f"the history's {name!r} has {len(column)} numbers for {len(epochs)} epochs"
    return ""
