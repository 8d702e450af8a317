"""The command line: ``python -m bpnet train digits --save digits.safetensors``.

Errors are one line on standard error and exit status 2; Ctrl-C is 130. BPNET_TRACEBACK=1 shows where an
error arose.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import bpnet
from bpnet import _core

ALEXNETS = ("paper", "krizhevsky", "caffe", "caffenet", "torchvision")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"bpnet: {message} ({self.prog} --help lists the options)\n")


class _Print(argparse.Action):
    """Prints its text as it is, unlike argparse's "version", which folds long paths."""

    def __init__(self, option_strings: Sequence[str], dest: str, const: str, help: str) -> None:
        super().__init__(option_strings, dest=argparse.SUPPRESS, nargs=0, const=const, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        print(self.const, flush=True)
        parser.exit(0)


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def _widths(text: str) -> list[int]:
    try:
        widths = [int(width) for width in _names(text)]
    except ValueError:
        widths = [0]
    if any(width < 1 for width in widths):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of widths like 64,64")
    return widths


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 0")
    return int(text)


def _at_least_one(text: str) -> int:
    value = _count(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return value


def _fraction(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a fraction from 0 to below 1")
    return value


def build_parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    parser = _Parser(prog="python -m bpnet", description="Train neural networks by back-propagation.")
    for option, text, purpose in (
        ("--version", f"bpnet {bpnet.__version__}", "print the version"),
        ("--cmakedir", bpnet.get_cmake_dir(), "print the folder for find_package"),
        ("--includedir", bpnet.get_include(), "print the headers' folder"),
    ):
        parser.add_argument(option, action=_Print, const=text, help=purpose)
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="train|predict|evaluate|info|alexnet"
    )

    train = commands.add_parser(
        "train", help="train a network", description="Train a fully connected network."
    )
    _add_data(train)
    _add_training(train)

    predict = commands.add_parser("predict", help="apply a model to data")
    predict.add_argument("model", metavar="MODEL")
    predict.add_argument(
        "data",
        metavar="DATA",
        help="as for train; a photograph or a folder of them for a model of photographs",
    )
    predict.add_argument("--probabilities", action="store_true", help="a column per class")
    predict.add_argument("--output", metavar="FILE", help="write a CSV here instead of printing it")

    evaluate = commands.add_parser("evaluate", help="measure a model on data with known answers")
    evaluate.add_argument("model", metavar="MODEL")
    evaluate.add_argument("data", metavar="DATA")
    evaluate.add_argument(
        "--target", metavar="NAME", help="the CSV's target column, if it is named otherwise"
    )
    evaluate.add_argument("--labels", metavar="FILE", help="the IDX labels, if not beside the images")
    evaluate.add_argument("--loss", choices=_core.loss_names(), help="for a file that holds no run")
    evaluate.add_argument("--part", choices=("all", "validation"), default="all", help="which rows (all)")

    info = commands.add_parser("info", help="show what a model file holds")
    info.add_argument("model", metavar="MODEL")

    for command in (train, predict, evaluate, *_add_alexnet(commands)):
        command.add_argument(
            "--threads", type=_at_least_one, metavar="N", help="the result does not depend on it"
        )
        command.add_argument("--backend", choices=_core.backends(), help="the best this processor runs")
    return parser


def _add_data(train: argparse.ArgumentParser) -> None:
    train.add_argument(
        "data",
        metavar="DATA",
        help="digits, a .csv with a header, an .npz with X and y, an IDX images file or a folder of them",
    )
    train.add_argument("--target", metavar="NAME", help="the CSV's column to learn")
    train.add_argument("--labels", metavar="FILE", help="the IDX labels, if not beside the images")
    train.add_argument("--drop", type=_names, metavar="NAME,NAME", help="columns to leave out")
    train.add_argument(
        "--categorical", type=_names, metavar="NAME,NAME", help="columns of numbers that are categories"
    )
    train.add_argument(
        "--no-standardise",
        dest="standardise",
        action="store_false",
        default=None,
        help="take numbers as they are",
    )
    train.add_argument("--validation", type=_fraction, metavar="FRACTION", help="of the rows, held out (0.2)")


def _add_training(train: argparse.ArgumentParser) -> None:
    from bpnet.layers import ACTIVATIONS
    from bpnet.recipes.tabular import OPTIMIZERS

    train.add_argument("--layers", type=_widths, metavar="W,W", help="hidden widths (64,64); '' for none")
    train.add_argument("--activation", choices=ACTIVATIONS.classes, help="after each hidden layer (tanh)")
    train.add_argument("--dropout", type=_fraction, metavar="P", help="after each activation (0)")
    train.add_argument(
        "--loss", choices=_core.loss_names(), help="cross_entropy for classes, mse for numbers"
    )
    train.add_argument("--label-smoothing", type=_fraction, metavar="E", help="for cross_entropy (0)")
    train.add_argument("--huber-delta", type=float, metavar="D", help="for huber (1)")
    train.add_argument("--optimizer", choices=OPTIMIZERS, help="(adam)")
    train.add_argument("--lr", type=float, metavar="RATE", help="the optimizer's own default")
    train.add_argument("--momentum", type=float, metavar="M", help="for sgd and rmsprop (0)")
    train.add_argument("--weight-decay", type=float, metavar="L", help="the optimizer's own default")
    train.add_argument(
        "--schedule",
        metavar="NAME[:…]",
        help="constant, step:EPOCHS[:FACTOR], multi_step:E,E[:FACTOR], exponential:FACTOR, cosine, plateau[:FACTOR[:PATIENCE]]",
    )
    train.add_argument(
        "--warmup", type=_count, metavar="STEPS", help="let the rate rise over this many steps (0)"
    )
    train.add_argument(
        "--epochs", type=_at_least_one, metavar="N", help="in all, those before a resume too (30)"
    )
    train.add_argument("--batch-size", type=_at_least_one, metavar="N", help="(32)")
    train.add_argument(
        "--patience",
        type=_count,
        metavar="N",
        help="stop after more than N epochs without improvement and keep the best",
    )
    train.add_argument("--seed", type=_count, metavar="N", help="(0)")
    train.add_argument("--dtype", choices=("float32", "float64"), help="(float32)")
    train.add_argument("--save", metavar="FILE", help="the model and its run, saved after every epoch")
    train.add_argument("--resume", metavar="FILE", help="go on with a saved run, bit-exactly")
    train.add_argument("--plot", metavar="PNG", help="draw the curves")
    train.add_argument("--quiet", action="store_true", help="print the result only")


def _add_alexnet(
    commands: argparse._SubParsersAction[_Parser],
) -> list[_Parser]:
    alexnet = commands.add_parser(
        "alexnet",
        help="train AlexNet on photographs",
        description="AlexNet and its recipe of 2012, on folders of class folders of photographs.",
    )
    actions = alexnet.add_subparsers(dest="action", required=True, metavar="train|test|pack")
    train = actions.add_parser("train", help="train, or go on with a run")
    train.add_argument("folder", metavar="FOLDER", help="of class folders, or a packed file")
    train.add_argument(
        "--test", metavar="FOLDER", help="measured after each epoch, and on ten views at the end"
    )
    train.add_argument(
        "--packed", metavar="FILE", help="decode FOLDER into this file once, and read it from there"
    )
    train.add_argument("--variant", choices=ALEXNETS, help="(paper)")
    train.add_argument("--network", metavar="MODEL", help="begin with this model file's network and weights")
    train.add_argument(
        "--epochs", type=_at_least_one, metavar="N", help="in all, those before a resume too (90)"
    )
    train.add_argument("--batch-size", type=_at_least_one, metavar="N", help="(128)")
    train.add_argument("--lr", type=float, metavar="RATE", help="(0.01)")
    train.add_argument("--momentum", type=float, metavar="M", help="(0.9)")
    train.add_argument("--weight-decay", type=float, metavar="L", help="(0.0005)")
    train.add_argument(
        "--biases",
        type=lambda name: name.replace(" ", "-"),
        choices=("as-weights", "krizhevsky", "caffe"),
        help="their rate and decay (the variant's own)",
    )
    train.add_argument(
        "--patience",
        type=_count,
        metavar="N",
        help="divide the rate by 10 after more than N epochs without progress (5)",
    )
    train.add_argument("--no-augment", action="store_true", help="the middle of each photograph as it is")
    train.add_argument(
        "--size", type=_at_least_one, metavar="N", help="resize the shortest side to this (256)"
    )
    train.add_argument("--seed", type=_count, metavar="N", help="(0)")
    train.add_argument(
        "--save",
        metavar="FILE",
        help="the model and its run, saved after every epoch and on Ctrl-C (alexnet.safetensors, unless it is there)",
    )
    train.add_argument(
        "--resume", metavar="FILE", help="go on with a saved run, bit-exactly, amid an epoch too"
    )
    train.add_argument("--plot", metavar="FOLDER", help="draw curves.png and filters.png there")

    test = actions.add_parser("test", help="top-1 and top-5 on ten views of each photograph")
    test.add_argument("model", metavar="MODEL")
    test.add_argument("folder", metavar="FOLDER", help="of class folders, or a packed file")

    pack = actions.add_parser("pack", help="decode a folder into one file")
    pack.add_argument("folder", metavar="FOLDER")
    pack.add_argument("file", metavar="FILE")
    pack.add_argument("--size", type=_at_least_one, metavar="N", default=256, help="(256)")
    for action in (train, test, pack):
        action.add_argument(
            "--on-error", choices=("skip", "raise"), default="skip", help="what to do at a bad file (skip)"
        )
        action.add_argument("--quiet", action="store_true", help="print the result only")
    return [train, test, pack]


def _one_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    elif isinstance(error, MemoryError):
        text = f"not enough memory {error}".strip()
    elif isinstance(error, (ValueError, TypeError, ImportError, RuntimeError)):
        text = str(error)
    else:
        text = f"{type(error).__name__}: {error}"
    return " ".join(text.split())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    parser = build_parser()
    try:
        try:
            options = parser.parse_args(arguments)
        finally:
            sys.stdout.flush()  # the help, while a reader that has gone is still heard of here
        if getattr(options, "threads", None):
            bpnet.set_num_threads(options.threads)
        command = importlib.import_module(f"bpnet.commands.{options.command}")
        status = command.run(options)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader, head(1) say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("BPNET_TRACEBACK"):
            raise
        print(f"bpnet: {_one_line(error)}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
