"""What is printed: names that no encoding has are escaped, and a reader that has left ends no training."""

from __future__ import annotations

import codecs
import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

#: The name of the error handler that writes bytes of a file's name that are not UTF-8 as ``\xe9``, and other
#: characters that the encoding has not as ``backslashreplace`` does.
ESCAPED = "bpnet_escaped"


def _escape(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    return "".join(map(_escape_one, characters)), error.end


def _escape_one(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that os.fsdecode could not decode
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("ascii", "backslashreplace").decode("ascii")


codecs.register_error(ESCAPED, _escape)


def escaped(text: str) -> str:
    """The text with the bytes that are not UTF-8 escaped, as it is printed and as a model file can keep it."""
    return text.encode("utf-8", ESCAPED).decode("utf-8")


def reader_has_left(error: OSError) -> bool:
    """Whether a write failed because nobody reads any more, as after ``| head``."""
    return isinstance(error, BrokenPipeError) or (os.name == "nt" and error.errno == errno.EINVAL)


def say(text: str, file: Any = None) -> None:
    """Print a line of a training, which continues when nobody reads it."""
    file = sys.stdout if file is None else file
    try:
        try:
            print(text, file=file, flush=True)
        except UnicodeEncodeError:
            encoding = file.encoding
            print(text.encode(encoding, ESCAPED).decode(encoding), file=file, flush=True)
    except OSError as error:
        if not reader_has_left(error):
            raise


@contextmanager
def escaping_streams(encoding: str | None = None) -> Iterator[None]:
    """Within it standard output and standard error escape what they cannot encode.

    Args:
        encoding: of standard output, in place of the console's own.
    """
    before = [(stream, stream.encoding, stream.errors) for stream in _own_streams()]
    try:
        for stream, own, _ in before:
            chosen = encoding if encoding and stream is sys.stdout else own
            stream.reconfigure(encoding=chosen, errors=ESCAPED)
        yield
    finally:
        for stream, own, errors in before:
            if not stream.closed:
                stream.reconfigure(encoding=own, errors=errors)


def _own_streams() -> list[Any]:
    """Standard output and error, where they are files whose encoding can be set."""
    return [stream for stream in (sys.stdout, sys.stderr) if hasattr(stream, "reconfigure")]


def give_up(stream: Any) -> None:
    """Send what a stream still holds nowhere: its reader has left, and Python would try again as it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
