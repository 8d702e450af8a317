"""``python -m bpnet train DATA``"""

from __future__ import annotations

import argparse
import os

from bpnet import plots
from bpnet.recipes.tabular import DEFAULTS, TabularRun
from bpnet.training.progress import metrics_text


def run(options: argparse.Namespace) -> int:
    """Train, or go on with a run; the exit status."""
    if options.plot:
        plots.require_matplotlib()
    path = options.save or options.resume
    for written in (path, options.plot):
        check_writable(written, options.data)
    said = {name: getattr(options, name) for name in DEFAULTS if getattr(options, name) is not None}
    if options.resume:
        training = TabularRun.resume(options.data, options.resume, said, options.backend)
    else:
        training = TabularRun.begin(options.data, said, options.backend)
        if not options.quiet:
            training.announce()
    try:
        training.train(path, verbose=0 if options.quiet else 1)
    except KeyboardInterrupt as stop:
        print(stop if stop.args else "stopped before the training began")
        return 130
    if path:
        print(f"saved {path}")
    if options.plot:
        training.trainer.history.plot(options.plot)
        print(f"plotted {options.plot}")
    print(_result(training))
    return 0


def check_writable(path: str | None, data: str) -> None:
    """Before the work, not after it."""
    if not path:
        return
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise ValueError(f"{path}: there is no folder {folder!r} to write to")
    if os.path.isdir(path):
        raise ValueError(f"{path}: this is a folder, a file's name is needed")
    if os.path.exists(path) and os.path.exists(data) and os.path.samefile(path, data):
        raise ValueError(f"{path}: this is the data; give another name to write to")
    if not os.access(folder, os.W_OK):
        raise ValueError(f"{path}: the folder {folder!r} cannot be written to")


def _result(training: TabularRun) -> str:
    """The last line: how good the model is that was kept."""
    trainer, prepared = training.trainer, training.prepared
    if prepared.X_val is None or prepared.y_val is None:
        last = {name: values[-1] for name, values in trainer.history.items()}
        return f"training: {metrics_text(last)}"
    metrics = training.model.measure(prepared.X_val, prepared.y_val, trainer.loss)
    text = f"validation: {metrics_text(metrics)}"
    if "rmse" not in metrics:
        return text
    return f"{text} (of the standardised target), root mean square error {metrics['rmse']:.6g}"
