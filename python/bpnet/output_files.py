"""The files that a command or a recipe writes: checked before work begins, written whole or not at all."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import BinaryIO, TextIO

from bpnet import _core, checks
from bpnet.console import ESCAPED

Path = str | os.PathLike[str]

# A file of a model says so within its first bytes.
_HEAD = 4096

_KINDS = (
    (stat.S_ISDIR, "a folder, a file's name is needed"),
    (stat.S_ISFIFO, "a FIFO, only a plain file is replaced"),
    (stat.S_ISSOCK, "a socket, only a plain file is replaced"),
    (stat.S_ISCHR, "a device, only a plain file is replaced"),
    (stat.S_ISBLK, "a device, only a plain file is replaced"),
)


def check_outputs(
    outputs: Mapping[str, Path | None], inputs: Mapping[str, Path | None], model: str = ""
) -> None:
    """Raise a ValueError unless each output can be written without loss.

    That is: its folder is there and can be written to; what is there under its name is a plain file, or a link to
    one or to nothing; and it is none of the inputs, no file in a folder that is an input, no other output, under
    whatever name, and no model unless it is the option ``model`` that writes it.

    Args:
        outputs: paths by the option that gave them, for the messages; None is left out.
        inputs: the same; a name that is no file is left out.
        model: the option of a file that a model is written to.
    """
    written: dict[str, str] = {}
    for option, path in outputs.items():
        if path is None:
            continue
        name = _plain_file(option, path)
        check_not_read(option, path, inputs)
        for other, earlier in written.items():
            if _same(name, earlier):
                raise ValueError(f"{option} {path}: {other} writes this file too; give two names")
        if option != model and holds_model(name):
            raise ValueError(f"{option} {path}: this file holds a model; give another name, or remove it")
        written[option] = name


def check_not_read(option: str, path: Path, inputs: Mapping[str, Path | None]) -> None:
    """Raise a ValueError if the path is one of the inputs, or a file in a folder that is one."""
    name = os.path.realpath(_name(option, path))
    for other, source in inputs.items():
        if source is not None:
            _check_input(option, path, name, other, os.fspath(source))


def check_folder(option: str, path: Path) -> None:
    """Raise a ValueError unless the path is a folder that can be written to, or one that can be made."""
    there = os.path.realpath(_name(option, path))
    while not os.path.lexists(there):
        there = os.path.dirname(there)
    if not os.path.isdir(there):
        raise ValueError(f"{option} {path}: {there} is no folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(f"{option} {path}: the folder {there} cannot be written to")


def holds_model(path: Path) -> bool:
    """Whether this is a file of ``network.save``, ``trainer.save`` or ``model.save``, by how it begins."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        head = file.read(_HEAD)
    return b'{"__metadata__"' in head and b'"bpnet.network"' in head


@contextmanager
def replacing(operation: str, path: Path) -> Iterator[BinaryIO]:
    """A file that takes the path's place when the block ends, unless an error ends it.

    Raises:
        OSError: the file cannot be written; an old one stays as it was.
    """
    replacement = _core.Replacement(operation, checks.path(operation, path))
    try:
        with open(replacement.temporary, "r+b") as file:
            yield file
        replacement.commit()
    except OSError as error:  # of the temporary file; others name another file, or have no number
        if error.errno is None or error.filename not in (None, replacement.temporary):
            raise
        raise OSError(error.errno, f"{operation}: {error.strerror}", os.fspath(path)) from None
    finally:
        replacement.discard()


@contextmanager
def replacing_text(operation: str, path: Path) -> Iterator[TextIO]:
    """:func:`replacing` as text: UTF-8, lines as they are written, bytes of names that are not UTF-8 escaped."""
    with replacing(operation, path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", errors=ESCAPED, newline="")
        yield text
        text.flush()
        text.detach()


def _name(option: str, path: Path) -> str:
    name = os.fspath(path)
    if isinstance(name, bytes):
        raise TypeError(f"{option} {name!r}: a string or a pathlib.Path is needed")
    if not name:
        raise ValueError(f"{option}: the file's name is empty")
    checks.path(option, name)
    return name


def _plain_file(option: str, path: Path) -> str:
    """Where the file is really put, with links followed; an error unless a plain file can be put there."""
    given = _name(option, path)
    shown = f"{option} {path}"
    try:
        mode = os.stat(given).st_mode
    except FileNotFoundError:  # or a link to what is not there
        mode = None
    except OSError as error:
        raise ValueError(f"{shown}: {error.strerror}") from None
    if mode is None and given.endswith(("/", os.sep)):
        raise ValueError(f"{shown}: this is the name of a folder, a file's name is needed")
    name = os.path.realpath(given)
    if mode is not None and not stat.S_ISREG(mode):
        kind = next((text for is_kind, text in _KINDS if is_kind(mode)), "no plain file")
        raise ValueError(f"{shown}: this is {kind}")
    _check_parent(option, path, name)
    return name


def _check_parent(option: str, path: Path, name: str) -> None:
    folder = os.path.dirname(name)
    shown = f"{option} {path}"
    if not os.path.isdir(folder):
        raise ValueError(f"{shown}: there is no folder {folder} to write to")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ValueError(f"{shown}: the folder {folder} cannot be written to")


def _check_input(option: str, path: Path, name: str, other: str, source: str) -> None:
    shown = f"{option} {path}"
    if not os.path.exists(source):
        return
    if _same(name, os.path.realpath(source)):
        raise ValueError(f"{shown}: this is {other}, which is read; give another name to write to")
    within = os.path.isdir(source) and _is_below(name, os.path.realpath(source))
    if within and os.path.exists(name) and not holds_model(name):
        raise ValueError(
            f"{shown}: this file is below {source}, {other}, which is read; give another name to write to"
        )


def _same(name: str, other: str) -> bool:
    """Whether two paths without links are one file, by its name or by a hard link."""
    if os.path.normcase(name) == os.path.normcase(other):
        return True
    return os.path.exists(name) and os.path.exists(other) and os.path.samefile(name, other)


def _is_below(name: str, folder: str) -> bool:
    try:
        return os.path.commonpath([name, folder]) == folder
    except ValueError:  # on two drives
        return False
