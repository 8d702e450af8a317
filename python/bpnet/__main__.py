"""The command line: ``python -m bpnet train digits --save digits.safetensors``.

Errors are one line on standard error and exit status 2; Ctrl-C is 130. BPNET_TRACEBACK=1 shows where an
error arose.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import bpnet
from bpnet.commands import alexnet, evaluate, info, predict, train
from bpnet.commands.arguments import Parser, Print
from bpnet.console import escaping_streams, give_up, reader_has_left, say
from bpnet.options import of_command_line

_COMMANDS = {"train": train, "predict": predict, "evaluate": evaluate, "info": info, "alexnet": alexnet}


def build_parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    parser = Parser(prog="python -m bpnet", description="Train neural networks by back-propagation.")
    for option, text, purpose in (
        ("--version", f"bpnet {bpnet.__version__}", "print the version"),
        ("--cmakedir", bpnet.get_cmake_dir(), "print the folder for find_package"),
        ("--includedir", bpnet.get_include(), "print the headers' folder"),
    ):
        parser.add_argument(option, action=Print, const=text, help=purpose)
    commands = parser.add_subparsers(dest="command", required=True, metavar="|".join(_COMMANDS))
    for command in _COMMANDS.values():
        command.add_parser(commands)
    return parser


def _one_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    elif isinstance(error, MemoryError):
        text = f"not enough memory: {error}" if str(error) else "not enough memory"
    elif isinstance(error, (ValueError, TypeError, ImportError, RuntimeError)):
        text = str(error)
    else:
        text = f"{type(error).__name__}: {error}"
    return " ".join(text.split())


def _run(arguments: Sequence[str] | None) -> int:
    options = build_parser().parse_args(arguments)
    if getattr(options, "threads", None):
        bpnet.set_num_threads(options.threads)
    return _COMMANDS[options.command].run(options)


def _status(arguments: Sequence[str] | None) -> int:
    """Run one command, with its errors printed."""
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        say("stopped", sys.stderr)
        return 130
    except Exception as error:
        if isinstance(error, OSError) and reader_has_left(error):  # head(1) say: it has seen enough
            return 0
        if os.environ.get("BPNET_TRACEBACK"):
            raise
        say(f"bpnet: {_one_line(error)}", sys.stderr)
        return 2


def _flushed(status: int) -> int:
    """The status once all is written; what nobody reads any more is dropped."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError as error:
            give_up(stream)
            if not reader_has_left(error) and status != 2:  # it was reported already
                say(f"bpnet: {_one_line(error)}", sys.stderr)
                status = 2
    return status


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    with of_command_line(), escaping_streams():
        try:
            return _flushed(_status(arguments))
        except SystemExit as stop:  # of the parser, after --help or an error
            stop.code = _flushed(stop.code if isinstance(stop.code, int) else 1)
            raise


if __name__ == "__main__":
    sys.exit(main())
