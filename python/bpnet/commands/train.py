"""``python -m bpnet train DATA``"""

from __future__ import annotations

import argparse
from typing import Any

from bpnet import _core
from bpnet.commands.arguments import (
    Commands,
    add_labels,
    add_machine,
    add_reading,
    integer,
    names,
    number,
    where,
    widths,
)
from bpnet.console import say
from bpnet.recipes.tabular import TabularRun
from bpnet.settings import ACTIVATIONS, DEFAULTS, DTYPES, MISSING, OPTIMIZERS, TASKS, UNKNOWN

_LIST = {"type": names, "metavar": "NAME,NAME"}
_SCHEDULES = (
    "constant, step:EPOCHS[:FACTOR], multi_step:E,E[:FACTOR], exponential:FACTOR, cosine, "
    "plateau[:FACTOR[:PATIENCE]]"
)

# argparse's arguments of each setting; the default follows the help.
_OPTIONS: dict[str, dict[str, Any]] = {
    "target": {"metavar": "NAME", "help": "the table's column to learn"},
    "task": {"choices": TASKS, "help": "guessed from the target unless said"},
    "drop": {**_LIST, "help": "columns to leave out"},
    "numeric": {**_LIST, "help": "columns that are numbers"},
    "categorical": {**_LIST, "help": "columns whose values are categories"},
    "missing": {"choices": MISSING, "help": "what a missing value is"},
    "missing_values": {**_LIST, "help": "more fields that say that there is no value"},
    "unknown": {"choices": UNKNOWN, "help": "what a category is that training did not have"},
    "layers": {"type": widths, "metavar": "W,W", "help": "hidden widths, '' for none"},
    "activation": {"choices": ACTIVATIONS, "help": "after each hidden layer"},
    "dropout": {"type": number, "metavar": "P", "help": "after each activation"},
    "loss": {"choices": _core.loss_names(), "help": "cross_entropy for classes, mse for numbers"},
    "label_smoothing": {"type": number, "metavar": "E", "help": "for cross_entropy"},
    "huber_delta": {"type": number, "metavar": "D", "help": "for huber"},
    "class_weight": {
        "choices": ("balanced",),
        "help": "for cross_entropy, so that rare classes count as much",
    },
    "optimizer": {"choices": OPTIMIZERS, "help": ""},
    "lr": {"type": number, "metavar": "RATE", "help": "the optimizer's own default"},
    "momentum": {"type": number, "metavar": "M", "help": "for sgd and rmsprop (0)"},
    "weight_decay": {"type": number, "metavar": "L", "help": "the optimizer's own default"},
    "schedule": {"metavar": "NAME[:…]", "help": _SCHEDULES},
    "warmup": {"type": integer, "metavar": "STEPS", "help": "let the rate rise over this many steps"},
    "epochs": {"type": integer, "metavar": "N", "help": "in all, those before a resume too"},
    "batch_size": {"type": integer, "metavar": "N", "help": "samples per update"},
    "validation": {"type": number, "metavar": "FRACTION", "help": "of the rows, held out"},
    "patience": {
        "type": integer,
        "metavar": "N",
        "help": "stop after N epochs without improvement, keep the best",
    },
    "seed": {"type": integer, "metavar": "N", "help": "of weights, masks, order and split"},
    "dtype": {"choices": DTYPES, "help": ""},
}


def add_parser(commands: Commands) -> None:
    """The command's options."""
    train = commands.add_parser(
        "train", help="train a network", description="Train a fully connected network."
    )
    data = "digits, a .csv with a header, an .npz with X and y, an IDX images file or a folder of them"
    train.add_argument("data", metavar="DATA", help=data)
    add_labels(train)
    add_reading(train)
    for name, arguments in _OPTIONS.items():
        train.add_argument(
            "--" + name.replace("_", "-"), **{**arguments, "help": _help(name, arguments["help"])}
        )
    train.add_argument(
        "--no-standardise",
        dest="standardise",
        action="store_false",
        default=None,
        help="take numbers as they are",
    )
    train.add_argument("--save", metavar="FILE", help="the model and its run, saved after every epoch")
    train.add_argument("--resume", metavar="FILE", help="go on with a saved run, bit-exactly")
    train.add_argument("--overwrite", action="store_true", help="let --save replace any other run or file")
    train.add_argument("--plot", metavar="PNG", help="draw the curves")
    train.add_argument("--quiet", action="store_true", help="print the result only")
    add_machine(train)


def _help(name: str, text: str) -> str:
    """The help with the default, where that is a word or a number."""
    default = DEFAULTS[name]
    if default is None or default == []:
        return text
    shown = (
        ",".join(map(str, default))
        if isinstance(default, list)
        else f"{default:g}"
        if default != str(default)
        else default
    )
    return f"{text} ({shown})".strip()


def run(options: argparse.Namespace) -> int:
    """Train, or go on with a run; the exit status."""
    said = {name: getattr(options, name) for name in DEFAULTS if getattr(options, name) is not None}
    training = TabularRun.open(
        options.data,
        said,
        options.save,
        options.resume,
        options.overwrite,
        options.plot,
        where=where(options),
    )
    try:
        training.train(verbose=0 if options.quiet else 1)
    except KeyboardInterrupt as stop:
        say(str(stop) if stop.args else "stopped before the training began")
        return 130
    for line in training.outcome():
        say(line)
    return 0
