"""What does a network look like from the inside? A small one learns which of two rings a point belongs to, and every
picture of bpnet.plots is drawn of it. Needs the extra ``plots``:

    python examples/pictures.py [FOLDER]

In a notebook no file is needed: each function returns a figure, which the notebook shows.
"""

import os
import sys

import numpy as np

import bpnet as bp
from bpnet import plots


def rings(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Points around circles of radius 1, class 0, and 2, class 1."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, count)
    angle = rng.uniform(0, 2 * np.pi, count)
    circle = (1 + y)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return circle + rng.normal(0, 0.2, (count, 2)), y


def main(folder: str) -> None:
    os.makedirs(folder, exist_ok=True)
    X, y = rings(400, seed=0)
    test = rings(400, seed=1)
    net = bp.Network((2,), [bp.Linear(5), bp.Tanh(), bp.Linear(2)], seed=0)
    options = {"optimizer": bp.Adam(lr=0.02), "epochs": 60, "verbose": 0}
    history = net.fit(X, y, validation_data=test, **options)

    predicted = net.predict(test[0]).argmax(axis=1)
    classes = ["inner", "outer"]
    history.plot(f"{folder}/history.png")
    plots.plot_network(net, path=f"{folder}/network.png")
    plots.plot_decision_boundary(net, *test, classes=classes, path=f"{folder}/boundary.png")
    plots.plot_confusion_matrix(test[1], predicted, classes=classes, path=f"{folder}/confusion.png")
    plots.plot_trace(net.trace(X[0], int(y[0]), "cross_entropy"), path=f"{folder}/trace.png")
    plots.plot_loss_surface(net, X, y, "cross_entropy", path=f"{folder}/surface.png")

    edges = bp.Network((1, 8, 8), [bp.Conv2d(6, 5), bp.ReLU(), bp.Flatten(), bp.Linear(2)], seed=0)
    images = np.random.default_rng(0).normal(size=(200, 1, 8, 8))
    brighter_above = images[:, 0, :4].sum(axis=(1, 2)) > images[:, 0, 4:].sum(axis=(1, 2))
    edges.fit(images, brighter_above.astype(int), **options)
    plots.plot_filters(edges, path=f"{folder}/filters.png")
    print(
        f"accuracy on points that were not trained on {np.mean(predicted == test[1]):.1%}, drawn in {folder}"
    )


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "pictures")
