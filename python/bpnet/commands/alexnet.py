"""``python -m bpnet alexnet train|test|pack``"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence

from bpnet.commands.train import check_writable
from bpnet.data.images import Augmentation, ImageFolder, ImageProblem, pack_images
from bpnet.network import load
from bpnet.recipes import alexnet, ten_view_test
from bpnet.recipes.alexnet import augmenter_of, labels_by_name, open_images

_MOST_PROBLEMS = 20

# Where a run is kept that was given no file: its hours of work are not to be lost.
DEFAULT_FILE = "alexnet.safetensors"


def run(options: argparse.Namespace) -> int:
    """Train, test or pack; the exit status."""
    return {"train": _train, "test": _test, "pack": _pack}[options.action](options)


def _train(options: argparse.Namespace) -> int:
    path = options.save or options.resume or _new_file()
    for written in (path, options.packed):
        check_writable(written, options.folder)
    if options.plot:
        os.makedirs(options.plot, exist_ok=True)
    try:
        done = alexnet(
            options.folder,
            options.test,
            packed=options.packed,
            network=load(options.network, options.backend) if options.network else None,
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
            plot=options.plot,
            on_error=options.on_error,
            threads=options.threads,
            backend=options.backend,
            verbose=0 if options.quiet else 1,
        )
    except KeyboardInterrupt as stop:
        print(stop if stop.args else "stopped before the training began")
        return 130
    _report(done.problems)
    print(f"saved {path}")
    if options.plot:
        print(f"plotted {options.plot}")
    if done.results is not None:
        print(_result_text(done.results))
    return 0


def _new_file() -> str:
    if os.path.exists(DEFAULT_FILE):
        raise ValueError(
            f"alexnet: {DEFAULT_FILE} is there already; --resume {DEFAULT_FILE} goes on with it, --save FILE "
            "begins anew and writes FILE"
        )
    return DEFAULT_FILE


def _test(options: argparse.Namespace) -> int:
    network = load(options.model, options.backend)
    augmenter = augmenter_of(network)
    source = open_images(options.folder, augmenter.size, options.threads, options.on_error)
    labels = labels_by_name(source, (network.preprocessing or {}).get("classes", []))
    results = ten_view_test(network, source, augmenter, labels, 0 if options.quiet else 1)
    _report(source.problems)
    print(_result_text(results))
    return 0


def _pack(options: argparse.Namespace) -> int:
    check_writable(options.file, options.folder)
    folder = ImageFolder(options.folder, options.size, options.threads, options.on_error)
    packed = pack_images(folder, options.file, verbose=0 if options.quiet else 1)
    _report(packed.problems)
    size = os.path.getsize(options.file)
    print(
        f"packed {len(packed):,} photographs of {len(packed.classes)} classes, {size:,} bytes: {options.file}"
    )
    return 0


def _report(problems: Sequence[ImageProblem]) -> None:
    for problem in problems[:_MOST_PROBLEMS]:
        print(f"passed over {problem}")
    if len(problems) > _MOST_PROBLEMS:
        print(f"… and {len(problems) - _MOST_PROBLEMS:,} more")
    if problems:
        print(f"{len(problems):,} files or folders were passed over")


def _result_text(results: Mapping[str, float]) -> str:
    """``ten-view test of 3,925 photographs: top-1 62.1 %, top-5 95.0 %, loss 1.1034``"""
    return (
        f"ten-view test of {results['count']:,} photographs: top-1 {100 * results['top1']:.1f} %, "
        f"top-5 {100 * results['top5']:.1f} %, loss {results['loss']:.4f}"
    )
