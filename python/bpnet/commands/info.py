"""``python -m bpnet info MODEL``"""

from __future__ import annotations

import argparse
import os

from bpnet.commands.arguments import Commands
from bpnet.model import load_model


def add_parser(commands: Commands) -> None:
    """The command's options."""
    info = commands.add_parser("info", help="show what a model file holds")
    info.add_argument("model", metavar="MODEL")


def run(options: argparse.Namespace) -> int:
    """Print what a model file holds."""
    model = load_model(options.model)
    kind = "a run" if model.trainer else "a model"
    size = os.path.getsize(options.model)
    print(f"{options.model}: {kind}, {size:,} bytes, {model.network.dtype.name}")
    model.summary()
    return 0
