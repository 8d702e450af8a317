"""Draws every picture of the documentation into docs/pictures. Needs the extra ``docs``:

python docs/pictures.py [NAME…]
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

DOCS = Path(__file__).resolve().parent
FOLDER = DOCS / "pictures"
sys.path[:0] = [str(DOCS.parent), str(DOCS.parent / "examples")]

from vanishing_gradient import norms_by_network  # noqa: E402

import bpnet as bp  # noqa: E402
from benchmarks import imagenette as tables  # noqa: E402
from benchmarks.imagenette.__main__ import curves  # noqa: E402
from bpnet import plots  # noqa: E402

XOR = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=float), np.array([-1, 1, 1, -1], dtype=float)
# Of docs/performance.md, as the picture of speed shows them.
PEERS = ("JAX", "PyTorch", "genann", "FANN")
CASES = ("8-32-32-1", "64-128-10", "784-128-10", "784-512-512-10")


def ratios(page: str, case: str) -> dict[str, float]:
    """bpnet's speed over each peer's, from the row of the case in a page of docs/performance.md's form."""
    row = re.search(rf"^\| {re.escape(case)} \|.*$", page, re.M)
    if row is None:
        raise ValueError(f"performance.md has no row {case!r}")
    found = re.findall(r"([A-Za-z][\w-]*) \((?:[^()]|\([^()]*\))*\) \*\*([\d.]+)\*\*", row[0])
    return {peer: float(ratio) for peer, ratio in found}


def speed() -> Figure:
    """Samples a second of training one by one: bpnet, and each peer's part of it."""
    page = (DOCS / "performance.md").read_text(encoding="utf-8")
    figure = Figure(figsize=(7, 3), layout="constrained")
    axes = figure.subplots()
    axes.bar(np.arange(len(CASES)) - 0.4, 1, 0.16, label="bpnet")
    for index, peer in enumerate(PEERS, start=1):
        parts = [1 / ratios(page, f"online {case}")[peer] for case in CASES]
        bars = axes.bar(np.arange(len(CASES)) - 0.4 + 0.19 * index, parts, 0.16, label=peer)
        axes.bar_label(bars, [f"1/{1 / part:.3g}" for part in parts], fontsize=7)
    axes.set_xticks(range(len(CASES)), CASES)
    axes.set_ylabel("speed, bpnet = 1")
    axes.set_title("Training one sample at a time, one thread", fontsize=10)
    axes.legend(ncols=5, fontsize=8, loc="upper right", bbox_to_anchor=(1, 1.0))
    axes.set_ylim(0, 1.25)
    return figure


def lecture_network() -> Figure:
    """The 2-2-1 network of the tutorial."""
    return plots.plot_network(_lecture())


def lecture_trace() -> Figure:
    """Its sample."""
    X, y = XOR
    return plots.plot_trace(_lecture().trace(X[1], y[1]))


def lecture_xor() -> Figure:
    """XOR, learned."""
    X, y = XOR
    net = _lecture()
    rate = bp.SGD(lr=0.1)
    net.fit(X, y, loss="half_squared_error", optimizer=rate, batch_size=1, epochs=2000, verbose=0)
    return plots.plot_decision_boundary(net, X, y, outputs="values", resolution=60)


def _lecture() -> bp.Network:
    return bp.Network((2,), [bp.Linear(2), bp.Tanh(), bp.Linear(1), bp.Tanh()], seed=1, dtype="float64")


def vanishing_gradient() -> Figure:
    """examples/vanishing_gradient.py"""
    return plots.plot_gradient_norms(norms_by_network())


def table_history() -> Figure:
    """The irises of the tutorial."""
    from sklearn.datasets import load_iris

    iris = load_iris(as_frame=True)
    frame = iris.data.assign(species=iris.target_names[iris.target])
    model = bp.train_model(frame, target="species", layers=(16,), lr=0.01, epochs=50, verbose=0)
    assert model.trainer is not None
    return plots.plot_history(model.trainer.history)


def online_stream() -> Figure:
    """The stream of the tutorial, whose target changes its sign halfway."""
    rng = np.random.default_rng(1)
    net = bp.Network(3, [bp.Linear(32), bp.Tanh(), bp.Linear(1)], seed=0)
    trainer = bp.Trainer(net, loss="half_squared_error", optimizer=bp.SGD(lr=0.1))
    losses = []
    for i in range(4000):
        x = rng.uniform(-1, 1, (1, 3)).astype(np.float32)
        target = np.sin(2 * x[:, 0] + x[:, 1])
        losses.append(trainer.step(x, target if i < 2000 else -target))
    figure = Figure(figsize=(7, 3), layout="constrained")
    axes = figure.subplots()
    means = np.array(losses).reshape(-1, 50).mean(axis=1)
    axes.plot(np.arange(len(means)) * 50 + 25, means)
    axes.axvline(2000, linestyle=":", color="grey")
    axes.set_xlabel("samples")
    axes.set_ylabel("loss before the update, means of 50")
    axes.grid(alpha=0.3)
    return figure


def digit_filters() -> Figure:
    """The first layer of a network that learned the digits."""
    X, y = bp.data.digits()
    layers = [bp.Conv2d(12, 5), bp.ReLU(), bp.Flatten(), bp.Linear(10)]
    net = bp.Network((1, 8, 8), layers, seed=0)
    net.fit(
        X.reshape(-1, 1, 8, 8) / 16, y, optimizer=bp.AdamW(lr=1e-2, weight_decay=0.1), epochs=20, verbose=0
    )
    return plots.plot_filters(net)


def imagenette() -> Figure:
    """Held-out accuracy of AlexNet in its long runs."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    by_epoch, by_hour = figure.subplots(1, 2, sharey=True)
    for name, curve in curves(Path(tables.__file__).parent).items():
        by_epoch.plot(curve.epochs, curve.top1, label=name)
        by_hour.plot(curve.hours, curve.top1, label=name)
    by_epoch.set_xlabel("epoch")
    by_hour.set_xlabel("hours of training")
    by_epoch.set_ylabel("top-1 of 3,925 photographs, %")
    by_hour.legend(loc="lower right")
    for axes in (by_epoch, by_hour):
        axes.grid(alpha=0.3)
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
    return figure


PICTURES: dict[str, Callable[[], Figure]] = {
    "digit-filters": digit_filters,
    "imagenette": imagenette,
    "lecture-network": lecture_network,
    "lecture-trace": lecture_trace,
    "lecture-xor": lecture_xor,
    "online-stream": online_stream,
    "speed": speed,
    "table-history": table_history,
    "vanishing-gradient": vanishing_gradient,
}


def draw(name: str, folder: Path = FOLDER) -> Path:
    """Write one picture as SVG: without a date, with text as text and ids that do not change; its path."""
    path = folder / f"{name}.svg"
    with matplotlib.rc_context({"svg.hashsalt": "bpnet", "svg.fonttype": "none"}):
        PICTURES[name]().savefig(path, metadata={"Date": None, "Creator": None})
    text = path.read_text(encoding="utf-8")
    path.write_text("".join(line.rstrip() + "\n" for line in text.splitlines()), encoding="utf-8")
    return path


def main(names: list[str]) -> None:
    for name in names or PICTURES:
        print(draw(name))


if __name__ == "__main__":
    main(sys.argv[1:])
