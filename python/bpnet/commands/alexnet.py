"""``python -m bpnet alexnet train|test|pack``"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence

from bpnet.commands.arguments import Commands, add_machine, add_threads, integer, number, where
from bpnet.console import say
from bpnet.data.images import Augmentation, ImageFolder, ImageProblem, pack_images
from bpnet.network import load_network
from bpnet.output_files import check_outputs
from bpnet.photographs import augmenter_of, labels_by_name, open_images, ten_view_test
from bpnet.recipes.alexnet import BIASES, DEFAULTS, VARIANTS, alexnet

_MOST_PROBLEMS = 20

# Where a run is kept that was given no file: its hours of work are not to be lost.
DEFAULT_FILE = "alexnet.safetensors"


def add_parser(commands: Commands) -> None:
    """The command's actions and their options."""
    parser = commands.add_parser(
        "alexnet",
        help="train AlexNet on photographs",
        description="AlexNet and its recipe of 2012, on folders of class folders of photographs.",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="train|test|pack")
    train = actions.add_parser("train", help="train, or continue a run")
    train.add_argument("folder", metavar="FOLDER", help="of class folders, or a packed file")
    _add_training(train)
    test = actions.add_parser("test", help="top-1 and top-5 on ten views of each photograph")
    test.add_argument("model", metavar="MODEL")
    test.add_argument("folder", metavar="FOLDER", help="of class folders, or a packed file")
    pack = actions.add_parser("pack", help="decode a folder into one file")
    pack.add_argument("folder", metavar="FOLDER")
    pack.add_argument("file", metavar="FILE")
    pack.add_argument(
        "--size", type=integer, metavar="N", default=DEFAULTS["size"], help=f"({DEFAULTS['size']})"
    )
    for action in (train, test, pack):
        action.add_argument(
            "--on-error", choices=("skip", "raise"), default="skip", help="what to do at a bad file (skip)"
        )
        action.add_argument("--quiet", action="store_true", help="print the result only")
        (add_threads if action is pack else add_machine)(action)


def _add_training(train: argparse.ArgumentParser) -> None:
    def add(name: str, text: str, **arguments: object) -> None:
        default = DEFAULTS.get(name.replace("-", "_"))
        shown = "" if default is None else f" ({default})"
        train.add_argument(f"--{name}", help=f"{text}{shown}".strip(), **arguments)  # type: ignore[arg-type]

    add("test", "measured after each epoch, and on ten views at the end", metavar="FOLDER")
    add("packed", "decode FOLDER into this file once, and read it from there", metavar="FILE")
    add("variant", "", choices=VARIANTS)
    add("network", "begin with this model file's network and weights", metavar="MODEL")
    add("epochs", "in all, those before a resume too", type=integer, metavar="N")
    add("batch-size", "", type=integer, metavar="N")
    add("lr", "", type=number, metavar="RATE")
    add("momentum", "", type=number, metavar="M")
    add("weight-decay", "", type=number, metavar="L")
    add(
        "biases",
        "their rate and decay (the variant's own)",
        type=lambda name: name.replace(" ", "-"),
        choices=tuple(BIASES),
    )
    add(
        "patience",
        "divide the rate by 10 after more than N epochs without progress",
        type=integer,
        metavar="N",
    )
    train.add_argument("--no-augment", action="store_true", help="the middle of each photograph as it is")
    add("size", "resize the shortest side to this", type=integer, metavar="N")
    add("seed", "", type=integer, metavar="N")
    add(
        "save",
        f"the model and its run, saved after every epoch and on Ctrl-C ({DEFAULT_FILE})",
        metavar="FILE",
    )
    add("resume", "go on with a saved run, bit-exactly, within an epoch too", metavar="FILE")
    train.add_argument("--overwrite", action="store_true", help="let the file be replaced if it is there")
    add("plot", "draw curves.png and filters.png there", metavar="FOLDER")


def run(options: argparse.Namespace) -> int:
    """Train, test or pack; the exit status."""
    return {"train": _train, "test": _test, "pack": _pack}[options.action](options)


def _train(options: argparse.Namespace) -> int:
    path = options.save
    if path is None and options.resume is None:
        path = DEFAULT_FILE
    check_outputs({"--save": path}, {"--network": options.network}, model="--save")
    try:
        done = alexnet(
            options.folder,
            options.test,
            packed=options.packed,
            network=load_network(options.network, **where(options)) if options.network else None,
            variant=options.variant,
            epochs=options.epochs,
            batch_size=options.batch_size,
            lr=options.lr,
            momentum=options.momentum,
            weight_decay=options.weight_decay,
            biases=options.biases,
            patience=options.patience,
            augmentation=Augmentation.off() if options.no_augment else None,
            size=options.size,
            seed=options.seed,
            save=path,
            resume=options.resume,
            overwrite=options.overwrite,
            plot=options.plot,
            on_error=options.on_error,
            threads=options.threads,
            **({} if options.network else where(options)),
            verbose=0 if options.quiet else 1,
        )
    except KeyboardInterrupt as stop:
        say(str(stop) if stop.args else "stopped before the training began")
        return 130
    lines = [*_report(done.problems), f"saved {path if path is not None else options.resume}"]
    if options.plot is not None:
        lines.append(f"plotted {options.plot}")
    if done.results is not None:
        lines.append(_result_text(done.results))
    for line in lines:
        say(line)
    return 0


def _test(options: argparse.Namespace) -> int:
    network = load_network(options.model, **where(options))
    augmenter = augmenter_of(network)
    source = open_images(options.folder, augmenter.size, options.threads, options.on_error)
    labels = labels_by_name(source, (network.preprocessing or {}).get("classes", []))
    results = ten_view_test(network, source, augmenter, labels, 0 if options.quiet else 1)
    print("\n".join([*_report(source.problems), _result_text(results)]))
    return 0


def _pack(options: argparse.Namespace) -> int:
    check_outputs({"FILE": options.file}, {"the folder": options.folder})
    folder = ImageFolder(options.folder, options.size, options.threads, options.on_error)
    packed = pack_images(folder, options.file, verbose=0 if options.quiet else 1)
    size = os.path.getsize(options.file)
    done = (
        f"packed {len(packed):,} photographs of {len(packed.classes)} classes, {size:,} bytes: {options.file}"
    )
    print("\n".join([*_report(packed.problems), done]))
    return 0


def _report(problems: Sequence[ImageProblem]) -> list[str]:
    lines = [f"passed over {problem}" for problem in problems[:_MOST_PROBLEMS]]
    if len(problems) > _MOST_PROBLEMS:
        lines.append(f"… and {len(problems) - _MOST_PROBLEMS:,} more")
    if problems:
        lines.append(f"{len(problems):,} files or folders were passed over")
    return lines


def _result_text(results: Mapping[str, float]) -> str:
    """``ten-view test of 3,925 photographs: top-1 62.1 %, top-5 95.0 %, loss 1.1034``"""
    return (
        f"ten-view test of {results['count']:,} photographs: top-1 {100 * results['top1']:.1f} %, "
        f"top-5 {100 * results['top5']:.1f} %, loss {results['loss']:.4f}"
    )
