"""What commands share: types of options, and the parser that speaks in one line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from bpnet import _core, machine
from bpnet.data.csv_file import names_from_csv

READING = ("encoding", "delimiter", "decimal", "thousands")


class Parser(argparse.ArgumentParser):
    """One whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """End the process with the message and status 2."""
        self.exit(2, f"bpnet: {message} ({self.prog} --help lists the options)\n")


class Print(argparse.Action):
    """Prints its text as it is, unlike argparse's "version", which folds long paths."""

    def __init__(self, option_strings: Sequence[str], dest: str, const: str, help: str) -> None:
        super().__init__(option_strings, dest=argparse.SUPPRESS, nargs=0, const=const, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        print(self.const, flush=True)
        parser.exit(0)


def names(text: str) -> list[str]:
    """Names as fields of a CSV line."""
    try:
        return names_from_csv(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def widths(text: str) -> list[int]:
    """``64,64``; nothing for none."""
    try:
        found = [int(width) for width in text.split(",")] if text else []
    except ValueError:
        found = [0]
    if any(width < 1 for width in found):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of widths like 64,64")
    return found


def integer(text: str) -> int:
    """An integer; its range is checked where it is used."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer") from None


def number(text: str) -> float:
    """A number; its range is checked where it is used."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def at_least_one(text: str) -> int:
    """An integer from 1."""
    value = integer(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer of at least 1")
    return value


def add_reading(parser: argparse.ArgumentParser) -> None:
    """How tables are read."""
    parser.add_argument("--encoding", metavar="NAME", help="of a CSV file (UTF-8)")
    parser.add_argument("--delimiter", metavar="CHARACTER", help="of a CSV's fields (recognised)")
    decimal = "the decimal mark of a table's numbers (recognised in training, and kept)"
    parser.add_argument("--decimal", metavar="CHARACTER", help=decimal)
    parser.add_argument("--thousands", metavar="CHARACTER", help="their thousands separator (as well)")


def add_labels(parser: argparse.ArgumentParser) -> None:
    """Where the answers to images are."""
    parser.add_argument("--labels", metavar="FILE", help="the IDX labels, if not beside the images")


def reading(options: argparse.Namespace) -> dict[str, Any]:
    """The options of add_reading as open_source takes them."""
    return {name: getattr(options, name) for name in READING}


def add_threads(parser: argparse.ArgumentParser) -> None:
    """How many threads the processor computes with."""
    parser.add_argument("--threads", type=at_least_one, metavar="N", help="the result does not depend on it")


def _device(text: str) -> str:
    problem = machine.device_problem(text)
    if problem:
        raise argparse.ArgumentTypeError(problem)
    return text


def add_machine(parser: argparse.ArgumentParser) -> None:
    """What computes."""
    add_threads(parser)
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--device",
        type=_device,
        metavar="NAME",
        default="cpu",
        help="cpu, or cuda or cuda:1, NVIDIA GPUs (cpu)",
    )
    group.add_argument(
        "--backend",
        choices=_core.backends() + _core.backends("bfloat16"),
        help="of the processor (the best that runs here)",
    )
    parser.add_argument(
        "--precision",
        choices=machine.PRECISIONS,
        help="of products; bfloat16: by the processor's matrix instructions, factors rounded to 7 bits; tf32: by a "
        "GPU's matrix units, to 10 bits (full; of a file, as it was saved)",
    )
    parser.add_argument(
        "--winograd",
        action=argparse.BooleanOptionalAction,
        help="3x3 convolutions by Winograd's minimal filtering, on the processor: faster, with an error of up to "
        "1e-4 (no; of a file, as it was saved)",
    )


def where(options: argparse.Namespace) -> dict[str, Any]:
    """The options of add_machine as networks take them."""
    return {name: getattr(options, name) for name in ("device", "backend", "precision", "winograd")}


Commands = Any  # argparse's own type of sub-parsers is private
