"""Pictures of models: decision boundaries, loss surfaces and drawn networks, and the numbers in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import bpnet as bp

pytest.importorskip("matplotlib", reason="plots need matplotlib")
from matplotlib.collections import LineCollection, PathCollection, QuadMesh
from matplotlib.contour import QuadContourSet
from matplotlib.figure import Figure

from bpnet import plots

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 2.0]])
Y = np.array([0, 1, 1, 0])


def of_kind(figure: Figure, kind: type) -> list[Any]:
    return [each for each in figure.axes[0].collections if isinstance(each, kind)]


def mesh(figure: Figure) -> np.ndarray:
    return np.asarray(of_kind(figure, QuadMesh)[0].get_array())


def samples(figure: Figure) -> list[list[list[float]]]:
    return [points.get_offsets().tolist() for points in of_kind(figure, PathCollection)]


def grid(resolution: int) -> tuple[np.ndarray, np.ndarray]:
    """The range of X, with a margin of a twentieth."""
    return np.meshgrid(np.linspace(-0.05, 1.05, resolution), np.linspace(-0.1, 2.1, resolution))


def sigmoid(s: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-s))


def tilted(x: np.ndarray) -> np.ndarray:
    """A logit that is 0 where both features are equal."""
    return 5 * (x[:, 1] - x[:, 0])


# Decision boundaries: what is computed.

TWO_CLASSES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str]] = {
    "a logit": (tilted, "logits"),
    "a logit in a column": (lambda x: tilted(x)[:, None], "logits"),
    "two logits": (lambda x: np.stack([np.full(len(x), 3.0), 3 + tilted(x)], axis=1), "logits"),
    "a probability": (lambda x: sigmoid(tilted(x)), "probabilities"),
    "two probabilities": (
        lambda x: np.stack([1 - sigmoid(tilted(x)), sigmoid(tilted(x))], 1),
        "probabilities",
    ),
}


@pytest.mark.parametrize("function, outputs", TWO_CLASSES.values(), ids=TWO_CLASSES)
def test_the_probability_of_two_classes(function: Callable, outputs: str):
    figure = plots.plot_decision_boundary(
        function, X, Y, outputs=outputs, classes=["no", "yes"], resolution=40
    )
    first, second = grid(40)
    np.testing.assert_allclose(mesh(figure), sigmoid(5 * (second - first)), atol=1e-12)
    lines = of_kind(figure, QuadContourSet)[0]
    assert lines.levels.tolist() == [0.25, 0.5, 0.75]
    half = lines.get_paths()[1].vertices
    assert len(half) > 10 and abs(half[:, 0] - half[:, 1]).max() < 0.01
    assert samples(figure) == [X[Y == 0].tolist(), X[Y == 1].tolist()]
    legend = figure.axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["no", "yes"]
    assert figure.axes[1].get_ylabel() == "probability of yes"


def test_the_likeliest_of_several_classes():
    def three(x: np.ndarray) -> np.ndarray:
        return np.stack([x[:, 0], x[:, 1], 1 - x[:, 0]], axis=1)

    for outputs in ("logits", None):
        model = three if outputs else Classifier(three)
        figure = plots.plot_decision_boundary(
            model, X, ["a", "c", "b", "b"], outputs=outputs, classes=["a", "b", "c"], resolution=7
        )
        first, second = grid(7)
        assert mesh(figure).tolist() == np.argmax([first, second, 1 - first], axis=0).tolist()
        assert samples(figure) == [[[0, 0]], [[1, 0], [1, 2]], [[0, 1]]]
        colours = of_kind(figure, QuadMesh)[0].cmap(np.arange(3))
        for points, colour in zip(of_kind(figure, PathCollection), colours):
            assert points.get_facecolor()[0][:3].tolist() == colour[:3].tolist()  # of its region


class Classifier:
    """A model by its methods alone."""

    classes_ = np.array(["a", "b", "c"])

    def __init__(self, function: Callable[[np.ndarray], np.ndarray]) -> None:
        self.function = function

    def predict_proba(self, x: Any) -> np.ndarray:
        powers = np.exp(self.function(np.asarray(x)))
        return powers / powers.sum(axis=1, keepdims=True)


def test_the_values_of_a_regression():
    targets = np.array([0.0, 3.0, 2.0, 1.0])
    figure = plots.plot_decision_boundary(
        lambda x: x[:, 0] + x[:, 1], X, targets, outputs="values", resolution=9
    )
    (filled,) = of_kind(figure, QuadContourSet)
    assert filled.levels[0] == pytest.approx(-0.15) and filled.levels[-1] == pytest.approx(3.15)
    (points,) = of_kind(figure, PathCollection)
    assert points.get_array().tolist() == targets.tolist()
    assert points.get_clim() == pytest.approx((-0.15, 3.15))


def test_two_targets_have_a_line_halfway():
    figure = plots.plot_decision_boundary(tilted, X, [-1.0, 1, 1, -1], outputs="values", resolution=9)
    _, line = of_kind(figure, QuadContourSet)
    assert line.levels.tolist() == [0]
    vertices = line.get_paths()[0].vertices
    assert abs(vertices[:, 0] - vertices[:, 1]).max() < 1e-9


def test_what_a_networks_outputs_are_is_known_by_its_loss():
    for loss, targets, layers in (
        ("cross_entropy", Y, [bp.Linear(2)]),
        ("binary_cross_entropy_with_logits", Y.astype(float), [bp.Linear(1)]),
    ):
        net = bp.Network(2, layers, seed=0, dtype="float64")
        net.fit(X, targets, loss=loss, verbose=0)
        before = {name: array.copy() for name, array in net.state_dict().items()}
        figure = plots.plot_decision_boundary(net, X, Y, resolution=5)
        first, second = grid(5)
        s = net.predict(np.stack([first.ravel(), second.ravel()], axis=1))
        s = s[:, 0] if s.shape[1] == 1 else s[:, 1] - s[:, 0]
        np.testing.assert_allclose(mesh(figure).ravel(), sigmoid(s), atol=1e-12)
        for name, array in net.state_dict().items():
            assert array.tobytes() == before[name].tobytes()
    net = bp.Network(2, [bp.Linear(1)], seed=0)
    with pytest.raises(ValueError, match="the network was not trained here.*give outputs='logits'"):
        plots.plot_decision_boundary(net, X, Y)
    net.fit(X, Y, loss="mse", verbose=0)
    assert len(of_kind(plots.plot_decision_boundary(net, X, Y, resolution=5), QuadMesh)) == 0


def test_an_object_without_classes_is_a_regression():
    class Regression:
        classes = None

        def predict(self, x: np.ndarray) -> np.ndarray:
            return x[:, 0]

        def predict_proba(self, x: np.ndarray) -> np.ndarray:
            raise AssertionError

    figure = plots.plot_decision_boundary(Regression(), X, [0.0, 1, 2, 3], resolution=5)
    assert len(of_kind(figure, QuadContourSet)) == 1


# Decision boundaries: the features.

WIDE = np.array([[0.0, 7, 0, 1], [0, 8, 1, 1], [1, 9, 0, 1], [1, 100, 2, 5]])


class Seen:
    """A function that keeps what it was called with."""

    def __init__(self) -> None:
        self.rows: list[Any] = []

    def __call__(self, x: Any) -> np.ndarray:
        self.rows.append(x)
        return np.zeros(len(x))


@pytest.mark.parametrize(
    "options, rest",
    [({}, (31.0, 2.0)), ({"others": "median"}, (8.5, 1.0)), ({"fixed": {3: 4}}, (31.0, 4.0))],
    ids=str,
)
def test_other_features_are_held(options: dict, rest: tuple[float, float]):
    seen = Seen()
    figure = plots.plot_decision_boundary(
        seen, WIDE, Y, features=(2, 0), outputs="logits", resolution=3, **options
    )
    x = np.concatenate(seen.rows)
    assert x.shape == (9, 4) and (x[:, [1, 3]] == rest).all()
    np.testing.assert_allclose(x[:, 2].reshape(3, 3), np.tile([-0.1, 1, 2.1], (3, 1)))
    np.testing.assert_allclose(x[:, 0].reshape(3, 3).T, np.tile([-0.05, 0.5, 1.05], (3, 1)))
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("feature 2", "feature 0")
    assert samples(figure)[0] == WIDE[Y == 0][:, [2, 0]].tolist()


class Frame:
    """What a DataFrame of pandas or polars is for this: columns by name, made from a dict of them."""

    def __init__(self, columns: dict[str, Any]) -> None:
        self._columns = columns
        self.columns = list(columns)

    def __len__(self) -> int:
        return len(next(iter(self._columns.values())))

    def __getitem__(self, name: str) -> np.ndarray:
        return np.asarray(self._columns[name])


def test_columns_of_a_frame():
    """The model is given a frame of the same columns, in their order."""
    seen = Seen()
    frame = Frame({"b": X[:, 1], "colour": ["red", "red", "blue", "red"], "a": X[:, 0], "c": [1.0, 2, 3, 6]})
    options = {"features": ("a", "b"), "outputs": "logits", "resolution": 3}
    figure = plots.plot_decision_boundary(seen, frame, Y, fixed={"colour": "blue"}, **options)
    assert all(type(rows) is Frame and rows.columns == ["b", "colour", "a", "c"] for rows in seen.rows)
    assert seen.rows[0]["colour"].tolist() == ["blue"] * 3 and seen.rows[0]["c"].tolist() == [3.0] * 3
    assert [rows["b"].tolist() for rows in seen.rows] == [pytest.approx([b] * 3) for b in (-0.1, 1, 2.1)]
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("a", "b")
    with pytest.raises(
        TypeError, match="feature 'colour' of X has dtype .*; give it one value: fixed={'colour': …}"
    ):
        plots.plot_decision_boundary(seen, frame, Y, **options)
    with pytest.raises(ValueError, match="X has 0 samples"):
        plots.plot_decision_boundary(seen, Frame({"a": [], "b": []}), [], outputs="logits")
    with pytest.raises(ValueError, match="features has 'd', the features of X are 'b', 'colour', 'a', 'c'"):
        plots.plot_decision_boundary(seen, frame, Y, features=("a", "d"), outputs="logits")


def test_a_feature_that_does_not_vary():
    seen = Seen()
    plots.plot_decision_boundary(seen, np.ones((4, 2)), Y, outputs="logits", resolution=2)
    assert np.concatenate(seen.rows).tolist() == [[0.5, 0.5], [1.5, 0.5], [0.5, 1.5], [1.5, 1.5]]


NAN = np.array([[np.nan, 0], [1, 1]])


@pytest.mark.parametrize(
    "model, x, y, options, error, message",
    [
        (3, X, Y, {}, TypeError, "model is a int, a network, an object with predict_proba or a function is needed"),
        (tilted, X, Y, {}, ValueError, "outputs of a function are to be named"),
        (tilted, X, Y, {"outputs": "classes"}, ValueError, "outputs is 'classes', 'logits', 'probabilities'"),
        (Classifier(tilted), X, Y, {"outputs": "logits"}, ValueError, "outputs is 'logits', those of this model are"),
        (tilted, X, Y[:3], {"outputs": "logits"}, ValueError, "X has 4 samples, y has 3"),
        (tilted, X, 1, {"outputs": "logits"}, ValueError, "X has 4 samples, y has 1"),
        (tilted, X[:0], Y[:0], {"outputs": "logits"}, ValueError, "X has 0 samples, at least 1 is needed"),
        (tilted, X, [0, 1, 2, 0], {"outputs": "logits"}, ValueError, "y is 2 in row 2, the classes are 0, 1"),
        (tilted, X, Y, {"outputs": "logits", "classes": "abc"}, ValueError, "there are 3 classes, the model has outputs of 2"),
        (tilted, X, Y, {"outputs": "probabilities"}, ValueError, "the outputs range from -.* probabilities that sum to 1"),
        (lambda x: np.zeros((len(x), 2)), X, Y, {"outputs": "probabilities"}, ValueError, "the outputs range from 0 to 0"),
        (lambda x: np.zeros((len(x), 21)), X, Y, {"outputs": "logits"}, ValueError, "there are 21 classes, at most 20"),
        (lambda x: np.zeros((len(x), 2)), X, Y, {"outputs": "values"}, ValueError, "the model has 2 outputs and y has shape"),
        (lambda x: np.zeros(3), X, Y, {"outputs": "values"}, ValueError, r"of X of shape \(200, 2\) the model made outputs of"),
        (lambda x: np.full(len(x), np.inf), X, Y, {"outputs": "logits"}, bp.NumericError, "outputs have NaN or infinity"),
        (tilted, X, [0, 1, np.nan, 0], {"outputs": "values"}, bp.NumericError, "y has NaN or infinity in row 2"),
        (tilted, X, [0, 1, np.nan, 0], {"outputs": "logits"}, ValueError, "y is NaN in row 2"),
        (tilted, NAN, [0, 1], {"outputs": "logits"}, bp.NumericError, "feature 0 of X has NaN or infinity in row 0$"),
        (tilted, X[:, 0], Y, {"outputs": "logits"}, ValueError, r"X has shape \(4,\), \(N, features\) is needed"),
        (tilted, WIDE, Y, {"outputs": "logits"}, ValueError, r"X has 4 features, name the two to draw: features=\(0, 1\)"),
        (tilted, X, Y, {"outputs": "logits", "features": (0, 0)}, ValueError, r"features is \(0, 0\), two different ones"),
        (tilted, X, Y, {"outputs": "logits", "features": (0, 2)}, ValueError, "features has 2, the features of X are 0, 1"),
        (tilted, X, Y, {"outputs": "logits", "others": "mode"}, ValueError, "others is 'mode', 'mean' or 'median'"),
        (tilted, X, Y, {"outputs": "logits", "fixed": {1: 0}}, ValueError, "fixed has 1, which is one of the two"),
        (tilted, X, Y, {"outputs": "logits", "resolution": 1}, ValueError, "resolution is 1, at least 2 is needed"),
    ],
)  # fmt: skip
def test_boundaries_that_are_refused(model: Any, x: Any, y: Any, options: dict, error: type, message: str):
    with pytest.raises(error, match=f"^plot_decision_boundary: .*{message}"):
        plots.plot_decision_boundary(model, x, y, **options)


# Loss surfaces.


def trained() -> bp.Network:
    layers = [bp.Conv2d(3, 3), bp.BatchNorm2d(), bp.ReLU(), bp.Flatten(), bp.Linear(2)]
    net = bp.Network((2, 5, 5), layers, seed=0, dtype="float64")
    net.fit(IMAGES, LABELS, epochs=2, verbose=0)
    return net


IMAGES = np.random.default_rng(0).normal(size=(12, 2, 5, 5))
LABELS = np.arange(12) % 2


def test_loss_surface():
    """In the middle the loss of the weights, elsewhere that of weights moved by filters' lengths; and the network is
    as it was, to the bit."""
    net = trained()
    before = {name: array.copy() for name, array in net.state_dict().items()}
    surface = plots.loss_surface(net, IMAGES, LABELS, "cross_entropy", extent=0.5, resolution=3, seed=7)
    assert surface.a.tolist() == surface.b.tolist() == [-0.5, 0, 0.5]
    assert surface.loss[1, 1] == net.evaluate(IMAGES, LABELS, "cross_entropy")["loss"]
    assert {name: array.tobytes() for name, array in net.state_dict().items()} == {
        name: array.tobytes() for name, array in before.items()
    }
    numbers = np.random.default_rng(7)
    directions = []
    for _ in range(2):
        moved = {}
        for name, w in before.items():
            moved[name] = np.zeros_like(w)
            if w.ndim < 2:  # biases and batch normalisation
                continue
            drawn = numbers.standard_normal(w.shape)
            for j, (filter_, own) in enumerate(zip(drawn, w)):
                moved[name][j] = filter_ / np.linalg.norm(filter_) * np.linalg.norm(own)
        directions.append(moved)
    other = trained()
    first, second = directions
    other.load_state_dict({name: w + 0.5 * first[name] - 0.5 * second[name] for name, w in before.items()})
    assert surface.loss[0, 2] == pytest.approx(
        other.evaluate(IMAGES, LABELS, "cross_entropy")["loss"], rel=1e-12
    )


def test_loss_surface_is_of_the_fitted_loss():
    net = bp.Network(2, [bp.Linear(3)])
    x, y = np.random.default_rng(0).normal(size=(9, 2)), np.arange(9) % 3
    with pytest.raises(
        ValueError, match="^loss_surface: the network has not been fitted here; give the loss$"
    ):
        plots.loss_surface(net, x, y)
    net.fit(x, y, loss=bp.CrossEntropy(label_smoothing=0.1), verbose=0)
    assert plots.loss_surface(net, x, y, resolution=3).loss[1, 1] == net.evaluate(x, y)["loss"]


def test_loss_surface_is_the_seeds():
    net = trained()
    one, same, other = (
        plots.loss_surface(net, IMAGES, LABELS, "cross_entropy", resolution=3, seed=seed).loss.tobytes()
        for seed in (1, 1, 2)
    )
    assert one == same != other


def test_loss_surface_does_not_depend_on_the_weights_scale():
    """The reason for normalising by filter: ReLU networks whose layers are scaled by c and 1/c are the same."""
    layers = [bp.Linear(4, bias=False), bp.ReLU(), bp.Linear(2, bias=False)]
    net = bp.Network(3, layers, seed=0, dtype="float64")
    scaled = bp.Network(3, layers, seed=0, dtype="float64")
    state = net.state_dict()
    scaled.load_state_dict({"0.weight": state["0.weight"] * 8, "2.weight": state["2.weight"] / 8})
    x = np.random.default_rng(1).normal(size=(10, 3))
    surfaces = [
        plots.loss_surface(each, x, np.arange(10) % 2, "cross_entropy", resolution=5).loss
        for each in (net, scaled)
    ]
    np.testing.assert_allclose(surfaces[0], surfaces[1], rtol=1e-12)


def test_loss_surface_is_drawn():
    net = trained()
    options = {"extent": 1, "resolution": 5, "seed": 3}
    surface = plots.loss_surface(net, IMAGES, LABELS, "cross_entropy", **options)
    figure = plots.plot_loss_surface(net, IMAGES, LABELS, "cross_entropy", **options)
    filled, _ = of_kind(figure, QuadContourSet)
    assert filled.levels[0] == pytest.approx(surface.loss.min())
    assert filled.levels[-1] == pytest.approx(surface.loss.max())
    (cross,) = figure.axes[0].lines
    assert cross.get_xydata().tolist() == [[0, 0]]
    assert f"loss {surface.loss[2, 2]:.4g}" in cross.get_label()


def test_loss_surface_of_a_flat_or_a_wide_range():
    net = bp.Network(1, [bp.Linear(1, bias=False)], dtype="float64")
    net.load_state_dict({"0.weight": np.zeros((1, 1))})  # a direction of length 0
    flat = plots.plot_loss_surface(net, [[1.0]], [[2.0]], "mse", resolution=3)
    assert len(of_kind(flat, QuadContourSet)[0].levels) == 2
    net.load_state_dict({"0.weight": np.ones((1, 1))})
    wide = plots.plot_loss_surface(net, [[1.0]], [[1.2]], "mse", resolution=5)
    levels = of_kind(wide, QuadContourSet)[0].levels
    np.testing.assert_allclose(levels[1:] / levels[:-1], levels[1] / levels[0])


def test_loss_surface_of_a_loss_that_is_not_finite():
    """Where it is, it is drawn."""
    net = bp.Network(1, [bp.Linear(1, bias=False)], dtype="float32")
    net.load_state_dict({"0.weight": np.ones((1, 1))})
    x, y = np.array([[1e19]]), np.array([[0.0]])  # its square is finite, four times that is not
    surface = plots.loss_surface(net, x, y, "mse", extent=3, resolution=5)
    assert np.isfinite(surface.loss).sum() in range(5, 24)
    (filled, _) = of_kind(plots.plot_loss_surface(net, x, y, "mse", extent=3, resolution=5), QuadContourSet)
    assert filled.zmax == surface.loss[np.isfinite(surface.loss)].max()
    net.load_state_dict({"0.weight": np.full((1, 1), 1e30)})
    with pytest.raises(ValueError, match="^plot_loss_surface: the loss is finite nowhere around the weights"):
        plots.plot_loss_surface(net, x, y, "mse", extent=0.25, resolution=3)


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"extent": 0}, ValueError, "extent is 0.0, a positive number is needed"),
        ({"extent": np.inf}, ValueError, "extent is inf, a positive number is needed"),
        ({"resolution": 4}, ValueError, "resolution is 4, an odd number is needed"),
        ({"resolution": 1}, ValueError, "resolution is 1, at least 3 is needed"),
        ({"seed": -1}, ValueError, "seed is -1"),
    ],
)
def test_surfaces_that_are_refused(options: dict, error: type, message: str):
    net = bp.Network(1, [bp.Linear(1)])
    for operation in ("loss_surface", "plot_loss_surface"):
        with pytest.raises(error, match=f"^{operation}: {message}"):
            getattr(plots, operation)(net, [[1.0]], [[1.0]], "mse", **options)
    with pytest.raises(TypeError, match="^loss_surface: network is a int, a bpnet.Network is needed"):
        plots.loss_surface(3, [[1.0]], [[1.0]], "mse")


# Networks.


def words(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_the_lectures_network():
    net = bp.Network(2, [bp.Linear(2), bp.Tanh(), bp.Linear(1), bp.Tanh()], seed=1)
    state = net.state_dict()
    figure = plots.plot_network(net)
    edges = of_kind(figure, LineCollection)
    matrices = [np.vstack([state[f"{n}.bias"], state[f"{n}.weight"].T]).astype(float) for n in (0, 2)]
    most = max(abs(matrix).max() for matrix in matrices)
    for collection, matrix in zip(edges, matrices):
        widths = collection.get_linewidths()
        np.testing.assert_allclose(widths, 4 * abs(matrix.ravel()) / most, rtol=1e-6)
        reddish = collection.get_colors()[:, 0] > collection.get_colors()[:, 2]
        assert reddish.tolist() == (matrix.ravel() > 0).tolist()
        for weight in matrix.ravel():
            assert f"{weight:.2f}" in words(figure)
    circles = figure.axes[0].patches
    assert len(circles) == 3 + 3 + 1  # with two constant units
    assert words(figure).count("1") == 2
    for name in ("input", "layer 1\nθ = tanh", "layer 2\nθ = tanh", "$x_{2}$", "$x_{1}^{(2)}$"):
        assert name in words(figure)


def test_an_edge_runs_between_the_units_that_its_weight_joins():
    net = bp.Network(2, [bp.Linear(3)], dtype="float64")
    weight = np.arange(1.0, 7).reshape(3, 2)
    net.load_state_dict({"0.weight": weight, "0.bias": np.zeros(3)})
    figure = plots.plot_network(net)
    (edges,) = of_kind(figure, LineCollection)
    width = {
        tuple(map(tuple, np.round(segment, 9).tolist())): w
        for segment, w in zip(edges.get_segments(), edges.get_linewidths())
    }
    inputs, outputs = [(0.0, 1.0), (0.0, 0.0), (0.0, -1.0)], [(3.0, 1.0), (3.0, 0.0), (3.0, -1.0)]
    assert [tuple(circle.center) for circle in figure.axes[0].patches] == [*inputs, *outputs]
    for i, start in enumerate(inputs):
        for j, end in enumerate(outputs):
            assert width[(start, end)] == pytest.approx(4 * (0 if i == 0 else weight[j, i - 1]) / 6)


def test_a_network_without_biases_has_no_constant_units():
    net = bp.Network(
        2, [bp.Sequential([bp.Linear(2, bias=False), bp.ReLU()]), bp.Linear(1, bias=False)], seed=0
    )
    figure = plots.plot_network(net)
    assert len(figure.axes[0].patches) == 5 and "1" not in words(figure)
    assert "layer 1\nθ = ReLU" in words(figure) and "layer 2\nθ = none" in words(figure)


def test_a_larger_network_has_no_numbers():
    figure = plots.plot_network(
        bp.Network(64, [bp.Linear(64), bp.Sigmoid(), bp.Linear(3), bp.Softmax()], seed=0)
    )
    assert len(figure.axes[0].patches) == 65 + 65 + 3
    assert [len(edges.get_linewidths()) for edges in of_kind(figure, LineCollection)] == [65 * 64, 65 * 3]
    assert sorted(words(figure)) == sorted(
        [
            "input",
            "layer 1\nθ = sigmoid",
            "layer 2\nθ = softmax",
            "1",
            "1",
            *(f"$x_{{{n}}}^{{(2)}}$" for n in (1, 2, 3)),
        ]
    )


def test_weights_of_0():
    net = bp.Network(1, [bp.Linear(1)])
    net.load_state_dict({"0.weight": np.zeros((1, 1)), "0.bias": np.zeros(1)})
    (edges,) = of_kind(plots.plot_network(net), LineCollection)
    assert list(edges.get_linewidths()) == [0, 0]


@pytest.mark.parametrize(
    "layers, shape, message",
    [
        ([bp.Linear(65)], 2, "layer 1 has 65 units, at most 64 are drawn"),
        ([bp.Linear(2)], 784, "the input has 784 units, at most 64 are drawn"),
        (
            [bp.Linear(2), bp.Dropout(0.5)],
            2,
            "layer 1 is a Dropout, linear layers with one activation after each",
        ),
        ([bp.Linear(2), bp.Tanh(), bp.ReLU()], 2, "layer 2 is a ReLU, linear layers"),
        ([bp.Tanh(), bp.Linear(2)], 2, "layer 0 is a Tanh, linear layers"),
        (
            [bp.Sequential([bp.Residual([bp.Linear(2)])]).named("a")],
            2,
            "layer a.0 is a Residual, linear layers",
        ),
        ([bp.Conv2d(1, 3)], (1, 4, 4), "layer 0 is a Conv2d, linear layers"),
        ([bp.Linear(1)] * 17, 2, "the network has 17 layers, at most 16 are drawn"),
    ],
)
def test_networks_that_are_refused(layers: list, shape: Any, message: str):
    with pytest.raises(ValueError, match=f"^plot_network: {message}"):
        plots.plot_network(bp.Network(shape, layers))


def test_what_is_no_network_is_refused():
    with pytest.raises(TypeError, match="^plot_network: network is a list, a bpnet.Network is needed"):
        plots.plot_network([bp.Linear(2)])
