"""Pictures of what was measured: the numbers in them, what they refuse, and that a notebook shows them."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bpnet as bp

pytest.importorskip("matplotlib", reason="plots need matplotlib")
from matplotlib.figure import Figure
from PIL import Image

from bpnet import plots
from bpnet.plots.figure import written

HISTORY = bp.History(
    epoch=[1, 2, 3],
    loss=[0.5, 0.4, 0.3],
    val_loss=[0.6, float("nan"), 0.5],
    accuracy=[0.1, 0.2, 0.3],
    mae=[3.0, 2.0, 1.0],
    lr=[0.1, 0.1, 0.1],
    seconds=[1.0, 1.0, 1.0],
)


def texts(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.texts]


def small() -> bp.Network:
    return bp.Network(2, [bp.Linear(3), bp.Tanh(), bp.Linear(1)], seed=1, dtype="float64")


def weights(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


X, Y = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), np.array([-1.0, 1, 1, -1])

# One call of each plot, to which a path is added.
EVERY: dict[str, tuple[Callable[[], tuple], dict[str, Any]]] = {
    "plot_confusion_matrix": (lambda: ([0, 1], [1, 1]), {}),
    "plot_decision_boundary": (lambda: (small(), X, Y), {"outputs": "values", "resolution": 5}),
    "plot_filters": (lambda: (weights(2, 3, 2, 2),), {}),
    "plot_gradient_norms": (lambda: ({"a": [1.0, 0.1]},), {}),
    "plot_history": (lambda: (HISTORY,), {}),
    "plot_loss_surface": (lambda: (small(), X, Y, "mse"), {"resolution": 3}),
    "plot_network": (lambda: (small(),), {}),
    "plot_trace": (lambda: (small().trace(X[0], Y[0]),), {}),
}


def draw(name: str, path: Path | None = None) -> Figure:
    arguments, options = EVERY[name]
    return getattr(plots, name)(*arguments(), path=path, **options)


# What all have in common.


def test_none_is_forgotten():
    assert list(EVERY) == sorted(name for name in plots.__all__ if name.startswith("plot_"))


@pytest.mark.parametrize("name", EVERY)
def test_a_notebook_shows_it(name: str):
    """A notebook asks what a cell returned for ``_repr_png_``."""
    figure = draw(name)
    assert isinstance(figure, Figure)
    with Image.open(io.BytesIO(figure._repr_png_())) as picture:
        assert picture.format == "PNG" and min(picture.size) >= 100
        assert len(picture.convert("RGB").getcolors(1 << 24)) > 5


def test_a_notebook_shows_it_in_one_form():
    """A notebook shows each form that it is given; matplotlib's own figure offers HTML."""
    figure = draw("plot_history")
    forms = [name for name in dir(figure) if name.startswith(("_repr_", "_ipython_display_"))]
    assert [name for name in forms if getattr(figure, name)() is not None] == ["_repr_png_"]


@pytest.mark.parametrize("name", EVERY)
def test_it_is_written(tmp_path: Path, name: str):
    assert isinstance(draw(name, tmp_path / "picture.svg"), Figure)
    assert (tmp_path / "picture.svg").read_bytes().startswith(b"<?xml")


def test_a_history_draws_itself(tmp_path: Path):
    assert HISTORY.plot(tmp_path / "curve.png")._repr_png_().startswith(b"\x89PNG")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["curve", "curve.abc", "curve.txt", ".png"])
def test_a_path_of_no_known_format_is_refused_before_drawing(tmp_path: Path, name: str):
    with pytest.raises(
        ValueError, match=f"^plot_history: path .*{name}: a picture's name ends in one of .*[.]png"
    ):
        HISTORY.plot(tmp_path / name)
    with pytest.raises(ValueError, match="^plot_filters: path "):
        plots.plot_filters("no weight", path=tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_only_a_plain_file_is_replaced(tmp_path: Path):
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ValueError, match="^plot_history: path .*folder.png: .* a folder"):
        HISTORY.plot(tmp_path / "folder.png")
    with pytest.raises(ValueError, match="^plot_history: path .*nowhere"):
        HISTORY.plot(tmp_path / "nowhere" / "curve.png")
    (tmp_path / "old.png").write_bytes(b"as it was")

    class Unwritable(Figure):
        def savefig(self, *args: Any, **kwargs: Any) -> None:
            args[0].write(b"half")
            raise RuntimeError("no font")

    with pytest.raises(RuntimeError, match="no font"):
        written(Unwritable(), "plot", tmp_path / "old.png")
    assert (tmp_path / "old.png").read_bytes() == b"as it was"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.png", "old.png"]


def test_pyplot_is_not_touched():
    """It would open windows, and keep every figure in memory."""
    code = """
import sys
import bpnet as bp
bp.plots.plot_filters(bp.Network((1, 4, 4), [bp.Conv2d(2, 3)]))._repr_png_()
print("matplotlib.pyplot" in sys.modules)
import matplotlib
matplotlib.use("agg")
from matplotlib import pyplot
mine = pyplot.figure()
bp.plots.plot_filters(bp.Network((1, 4, 4), [bp.Conv2d(2, 3)]))._repr_png_()
print(pyplot.get_fignums(), pyplot.gcf() is mine)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["False", "[1] True"]


def test_matplotlib_is_imported_by_the_first_picture():
    code = """
import sys
import bpnet as bp
print(bp.plots.plot_history.__name__, "matplotlib" in sys.modules)
sys.modules["matplotlib"] = sys.modules["matplotlib.figure"] = None
try:
    bp.plots.plot_history({"epoch": [1], "loss": [1.0]})
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, error = done.stdout.strip().split("\n")
    assert first == "plot_history False"
    assert error == "plots need matplotlib: pip install 'backpropnet[plots]', or '.[plots]' in a checkout"


# Histories and gradients.


def test_history():
    loss, accuracy, mae = HISTORY.plot().axes
    assert [axes.get_ylabel() for axes in (loss, accuracy, mae)] == ["loss", "accuracy", "mae"]
    training, validation = loss.lines
    assert training.get_xydata().tolist() == [[1, 0.5], [2, 0.4], [3, 0.3]]
    np.testing.assert_array_equal(validation.get_ydata(), HISTORY["val_loss"])
    assert [line.get_label() for line in loss.lines] == ["training", "validation"]
    assert [len(axes.lines) for axes in (accuracy, mae)] == [1, 1]


@pytest.mark.parametrize(
    "history, message",
    [
        ({}, "the history holds no epochs"),
        ({"epoch": []}, "the history holds no epochs"),
        ({"epoch": [1], "lr": [0.1]}, "the history holds epoch, lr, and no metric"),
        ({"epoch": [1, 2], "loss": [0.1]}, "'loss' holds 1 numbers, 'epoch' holds 2"),
    ],
)
def test_histories_that_are_refused(history: dict, message: str):
    with pytest.raises(ValueError, match=f"^plot_history: {message}"):
        plots.plot_history(history)


def test_gradient_norms():
    (axes,) = plots.plot_gradient_norms({"tanh": [1e-3, 1e-2], "ReLU": [0.1]}).axes
    assert axes.get_yscale() == "log"
    assert [line.get_xydata().tolist() for line in axes.lines] == [[[1, 1e-3], [2, 1e-2]], [[1, 0.1]]]
    with pytest.raises(ValueError, match="^plot_gradient_norms: norms is empty"):
        plots.plot_gradient_norms({})


# Filters.


def tiles(figure: Figure, rows: int, columns: int) -> np.ndarray:
    """The sheet cut into its pictures, in reading order."""
    sheet = np.ma.filled(figure.axes[0].images[0].get_array().astype(float), np.nan)
    down, across = (sheet.shape[0] - 1) // (rows + 1), (sheet.shape[1] - 1) // (columns + 1)
    return np.array(
        [
            sheet[i * (rows + 1) + 1 :, j * (columns + 1) + 1 :][:rows, :columns]
            for i in range(down)
            for j in range(across)
        ]
    )


def test_colour_filters():
    w = weights(10, 3, 5, 4)
    w[3] = 0
    found = tiles(plots.plot_filters(w), 5, 4)
    wanted = 0.5 + 0.5 * w.transpose(0, 2, 3, 1) / abs(w).max()
    np.testing.assert_allclose(found[:10], wanted, atol=1e-6)
    assert (found[3] == 0.5).all() and (found[10:] == 1).all()


def test_filters_of_other_channels_are_maps_with_0_in_the_middle():
    w = weights(4, 5, 3, 2)
    figure = plots.plot_filters(w)
    image = figure.axes[0].images[0]
    assert tiles(figure, 3, 2).tolist() == w.reshape(20, 3, 2).tolist()  # a row of five for each filter
    assert image.get_clim() == (-abs(w).max(), abs(w).max())
    assert len(figure.axes) == 2, "a scale of colours"
    grey = plots.plot_filters(w[:, :1])
    assert tiles(grey, 3, 2)[:4].tolist() == w[:, 0].tolist()
    three = plots.plot_filters(weights(2, 3, 3, 3), rgb=False)
    assert tiles(three, 3, 3).shape == (6, 3, 3)


def test_filters_of_a_network():
    layers = [bp.Sequential([bp.Conv2d(3, 5), bp.ReLU()]).named("features"), bp.Conv2d(2, 3), bp.Flatten()]
    net = bp.Network((3, 12, 12), [*layers, bp.Linear(2)])
    state = net.state_dict()
    first = 0.5 + 0.5 * state["features.0.weight"] / abs(state["features.0.weight"]).max()
    for figure in (plots.plot_filters(net), plots.plot_filters(net, "features.0")):
        np.testing.assert_allclose(tiles(figure, 5, 5)[:3], first.transpose(0, 2, 3, 1), atol=1e-6)
    second = tiles(plots.plot_filters(net, "1"), 3, 3)  # three channels that are no colours
    assert second.tolist() == state["1.weight"].reshape(6, 3, 3).tolist()


def test_more_filters_than_can_be_seen():
    (axes,) = plots.plot_filters(weights(20, 3, 2, 2), most=6).axes
    assert axes.get_title() == "the first 6 of 20 filters"
    figure = plots.plot_filters(weights(20, 8, 2, 2), most=6)
    assert figure.axes[0].get_title() == "the first 6 of 20 filters, the first 6 of 8 channels"
    assert tiles(figure, 2, 2).tolist() == weights(20, 8, 2, 2)[:6, :6].reshape(36, 2, 2).tolist()
    assert plots.plot_filters(weights(6, 3, 2, 2), most=6).axes[0].get_title() == ""


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ((weights(2, 3),), ValueError, r"the weight has shape \(2, 3\), \(out, channels, rows, columns\) is needed"),
        ((weights(0, 3, 2, 2),), ValueError, "the weight has shape"),
        ((weights(1, 1, 2, 2) * np.nan,), bp.NumericError, "the weight has NaN or infinity"),
        (("features",), TypeError, "weight has dtype <U8"),
        ((weights(1, 1, 2, 2), "0"), ValueError, "layer is '0', which needs a network"),
        ((bp.Network(2, [bp.Linear(1)]),), ValueError, "the network has no convolution"),
        ((bp.Network((1, 4, 4), [bp.Conv2d(1, 3), bp.Flatten(), bp.Linear(1)]), "2"), ValueError,
         "layer is '2', the network's convolutions are 0"),
    ],
)  # fmt: skip
def test_filters_that_are_refused(arguments: tuple, error: type[Exception], message: str):
    with pytest.raises(error, match=f"^plot_filters: {message}"):
        plots.plot_filters(*arguments)


def test_filters_of_two_channels_are_no_colours():
    with pytest.raises(ValueError, match="^plot_filters: rgb is True, and the filters have 2 channels"):
        plots.plot_filters(weights(1, 2, 2, 2), rgb=True)


# Traces.


def test_trace():
    trace = small().trace([0.5, -1.0], 1.0)
    figure = plots.plot_trace(trace)
    grid = np.array(figure.axes[:9]).reshape(3, 3)  # s, x, delta by layer
    for row, quantity in zip(grid, (trace.s, trace.x, trace.delta)):
        scale = max(abs(values).max() for values in quantity if values is not None)
        for axes, values in zip(row, quantity):
            if values is None:
                assert not axes.images and not axes.axison
                continue
            assert axes.images[0].get_array()[:, 0].tolist() == values.tolist()
            assert axes.images[0].get_clim() == (-scale, scale)
            assert texts(axes) == [f"{value:.3g}" for value in values]
    assert [axes.get_title() for axes in grid[0]] == ["input", "layer 1", "layer 2"]
    assert figure.get_suptitle() == f"e = {trace.e:.6g}"


def test_trace_of_wide_layers_has_colours_alone():
    net = bp.Network(100, [bp.Linear(50), bp.ReLU(), bp.Linear(2)], seed=0)
    grid = np.array(plots.plot_trace(net.trace(np.ones(100), [0.0, 1.0])).axes[:9]).reshape(3, 3)
    assert [len(axes.texts) for axes in grid[1]] == [0, 0, 2]
    assert grid[1, 0].images[0].get_array().shape == (100, 1)


def test_trace_shows_what_is_not_finite():
    trace = small().trace([0.5, -1.0], 1.0)
    trace.delta[1] = np.array([np.inf, np.nan, 1.0])
    axes = plots.plot_trace(trace).axes[7]
    assert texts(axes) == ["inf", "nan", "1"]
    assert axes.images[0].get_clim()[1] == max(1.0, abs(trace.delta[2]).max())


def test_what_is_no_trace_is_refused():
    with pytest.raises(TypeError, match="^plot_trace: trace is a Network, a bpnet.Trace is needed"):
        plots.plot_trace(small())


# Confusion matrices.

TRUE = ["cat", "dog", "dog", "cow", "cat", "dog"]
TAKEN = ["cat", "dog", "cat", "cow", "cow", "dog"]


def matrix(figure: Figure) -> list:
    return figure.axes[0].images[0].get_array().tolist()


def test_confusion_matrix():
    figure = plots.plot_confusion_matrix(TRUE, TAKEN)
    (axes,) = figure.axes
    assert matrix(figure) == [[1, 1, 0], [0, 1, 0], [1, 0, 2]]  # of cat, cow and dog
    assert texts(axes) == ["1", "1", "0", "0", "1", "0", "1", "0", "2"]
    (right,) = axes.child_axes
    assert [label.get_text() for label in right.get_yticklabels()] == ["50.0%", "100.0%", "66.7%"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cat", "cow", "dog"]
    assert axes.get_title() == "accuracy 66.67% of 6 samples"


def test_confusion_matrix_of_shares():
    assert matrix(plots.plot_confusion_matrix(TRUE, TAKEN, normalize="true"))[0] == [0.5, 0.5, 0]
    assert matrix(plots.plot_confusion_matrix(TRUE, TAKEN, normalize="pred"))[2] == [0.5, 0, 1]
    assert np.sum(matrix(plots.plot_confusion_matrix(TRUE, TAKEN, normalize="all"))) == pytest.approx(1)


def test_confusion_matrix_of_named_classes():
    """A class without samples has no recall; integer labels are indices of names."""
    figure = plots.plot_confusion_matrix(
        np.array([0, 2, 2]), np.array([0, 2, 0]), classes=["cat", "cow", "dog"]
    )
    assert matrix(figure) == [[1, 0, 0], [0, 0, 0], [1, 0, 1]]
    (right,) = figure.axes[0].child_axes
    assert [label.get_text() for label in right.get_yticklabels()] == ["100.0%", "–", "50.0%"]
    reverse = plots.plot_confusion_matrix(TRUE, TAKEN, classes=["dog", "cow", "cat"])
    assert matrix(reverse) == [[2, 0, 1], [0, 1, 0], [0, 1, 1]]
    numbers = plots.plot_confusion_matrix([1, 2], [1.0, 1.0], classes=[2, 1])
    assert matrix(numbers) == [[0, 1], [0, 1]]


def test_confusion_matrix_of_many_classes():
    figure = plots.plot_confusion_matrix(np.arange(100), np.arange(100))
    assert matrix(figure) == np.eye(100).tolist() and not figure.axes[0].texts
    assert len(figure.axes) == 2, "a scale of colours in place of numbers"


@pytest.mark.parametrize(
    "true, predicted, options, error, message",
    [
        ([0, 1], [0], {}, ValueError, "y_true has 2 labels, y_pred has 1"),
        ([0, 1], np.eye(2), {}, ValueError, r"y_pred has shape \(2, 2\), labels .* argmax\(axis=1\) gives them"),
        ([], [], {}, ValueError, r"y_true has shape \(0,\)"),
        ([0.0, np.nan], [0, 1], {}, ValueError, "y_true is NaN in row 1"),
        ([0, None], [0, 1], {}, TypeError, "y_true is None in row 1"),
        (["a"], [1], {}, TypeError, "some labels are strings and some are numbers"),
        (["a"], ["b"], {"classes": ["a"]}, ValueError, "y_pred is 'b' in row 0, the classes are 'a'"),
        ([2], [0], {"classes": ["a", "b"]}, ValueError, "y_true is 2 in row 0, the classes are 'a', 'b'"),
        ([1], [1], {"classes": ["1", "2"]}, ValueError, "y_true holds integers and the classes are strings such as '1'"),
        ([1], [1], {"classes": ["a", "a"]}, ValueError, "classes holds a class twice: a, a"),
        ([1], [1], {"normalize": True}, ValueError, "normalize is True, 'true', 'pred', 'all' or None is needed"),
        (range(2000), range(2000), {}, ValueError, "there are 2,000 classes, at most 1,000 are drawn"),
    ],
)  # fmt: skip
def test_confusions_that_are_refused(true: Any, predicted: Any, options: dict, error: type, message: str):
    with pytest.raises(error, match=f"^plot_confusion_matrix: {message}"):
        plots.plot_confusion_matrix(true, predicted, **options)


def test_a_network_is_no_history():
    with pytest.raises(
        TypeError, match="^plot_history: history is a Network, a bpnet.History is needed, as fit"
    ):
        plots.plot_history(bp.Network(3, [bp.Linear(2)]))  # type: ignore[arg-type]
