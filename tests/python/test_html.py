"""What notebooks show of networks, models, histories and traces: safe markup, and the facts in it."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import bpnet as bp
from bpnet.html.markup import element, escaped

SVG = "{http://www.w3.org/2000/svg}"
ELEMENTS = {"div", "span", "b", "table", "tr", "th", "td", "ul", "li", "details", "summary"}
DRAWN = {"svg", "g", "title", "text", "rect", "path", "circle"}
ATTRIBUTES = {
    *("style", "open", "role", "aria-label", "width", "height", "viewBox", "font-family", "font-size"),
    *("font-weight", "fill", "fill-opacity", "stroke", "stroke-opacity", "stroke-dasharray", "stroke-width"),
    *("stroke-linecap", "stroke-linejoin", "opacity", "x", "y", "cx", "cy", "r", "rx", "d", "transform"),
    "text-anchor",
}  # fmt: skip
NASTY = "<b onclick='x'>&amp;\"</b>"


def tree(thing: Any) -> ElementTree.Element:
    """What a notebook is given, parsed; only elements and attributes that can load and run nothing are in it."""
    markup = thing._repr_html_()
    root = ElementTree.fromstring(markup)
    for each in root.iter():
        name = each.tag.removeprefix(SVG)
        assert name in (DRAWN if each.tag.startswith(SVG) else ELEMENTS), name
        assert set(each.attrib) <= ATTRIBUTES, each.attrib
    assert not re.search(r"url\(|@import|script|https?:(?!//www\.w3\.org/2000/svg\")", markup)
    assert not re.search(r"(?:fill|stroke|color)[\"=: ]+(?:black|white|#000|#fff)", markup), (
        "unseen in a theme"
    )
    return root


def texts(root: ElementTree.Element, name: str = "text") -> list[str]:
    return ["".join(each.itertext()) for each in root.iter(SVG + name)]


def rows(root: ElementTree.Element) -> list[list[str]]:
    return [["".join(cell.itertext()) for cell in row] for row in root.iter("tr")]


def heading(root: ElementTree.Element) -> str:
    return "".join(root[0].itertext())


def nested() -> bp.Network:
    mix = bp.Parallel(
        [[], bp.Conv2d(3, 1), [bp.Conv2d(2, 1), bp.ReLU(), bp.Conv2d(5, 3, padding=1).named("last")]],
        merge="concat",
    ).named("mix")
    way = [bp.Conv2d(4, 3, padding=1).frozen(), bp.BatchNorm2d()]
    return bp.Network(
        (4, 8, 8),
        [
            bp.Residual(way),
            bp.Sequential([mix]).named("stage"),
            bp.Residual([bp.Conv2d(6, 1)], [bp.Conv2d(6, 1)]),
        ],
    )


def chain(**options: Any) -> bp.Network:
    return bp.Network(2, [bp.Linear(3), bp.Tanh(), bp.Linear(1)], seed=1, **options)


# Markup.


def test_text_is_escaped():
    assert element("a", NASTY, stroke_width=1.5, b=NASTY, c=None) == (
        '<a stroke-width="1.5" b="&lt;b onclick=&#x27;x&#x27;&gt;&amp;amp;&quot;&lt;/b&gt;">'
        "&lt;b onclick=&#x27;x&#x27;&gt;&amp;amp;&quot;&lt;/b&gt;</a>"
    )
    assert element("a", element("b")) == "<a><b/></a>"
    assert escaped("a\x00\x1b\ud800\uffffz\t→𝕏") == "a\ufffd\ufffd\ufffd\ufffdz\t→𝕏"


# Networks.


def test_a_network():
    root = tree(chain(dtype="float64"))
    assert heading(root) == "Network 2 → 1, float64, 13 parameters"
    assert rows(root) == [
        ["layer", "output shape", "parameters"],
        ["input", "2", ""],
        ["0 Linear", "3", "9"],
        ["1 Tanh", "3", ""],
        ["2 Linear", "1", "4"],
        ["total", "", "13"],
    ]
    assert texts(root) == ["input · 2", "0 Linear", "3 · 9", "1 Tanh · 3", "2 Linear", "1 · 4"]
    assert root.find("details").get("open") is not None


def test_the_table_is_that_of_the_summary(capsys: pytest.CaptureFixture[str]):
    for net in (nested(), chain(), bp.models.resnet18(width=0.05)):
        net.summary()
        printed = [line.split() for line in capsys.readouterr().out.splitlines() if not line.startswith("-")]
        table = [[cell.replace(" × ", ",") for cell in row] for row in rows(tree(net))]
        wanted = [re.sub(r"\((?=\d)|(?<=\d),?\)", "", " ".join(line)).replace(", ", ",") for line in printed]
        assert [" ".join(filter(None, row)) for row in table] == wanted


def test_what_nests_is_drawn_in_frames():
    root = tree(nested())
    drawn = texts(root)
    for title in ("0 Residual", "stage Sequential", "mix Parallel", "2 Sequential", "downsample shortcut"):
        assert drawn.count(title) == 1
    assert drawn.count("+") == 2 and drawn.count("‖") == 1
    assert "last Conv2d" in drawn and "stage.mix.2.last Conv2d" in texts(root, "title")
    boxes = [each for each in root.iter(SVG + "rect") if each.get("fill") != "none"]
    assert len(boxes) == 9, "the input, and each layer that computes"
    for outer, inner in overlapping(root):
        assert outer[0] <= inner[0] and inner[1] <= outer[1] and outer[2] <= inner[2] and inner[3] <= outer[3]
    drawing = root.find(f".//{SVG}svg")
    width, height = float(drawing.get("width")), float(drawing.get("height"))
    assert all(
        each[0] >= 0 and each[1] <= width and each[2] >= 0 and each[3] <= height for each in extents(root)
    )


def extents(root: ElementTree.Element) -> Iterator[tuple[float, float, float, float]]:
    """left, right, top and bottom of each rectangle, the outer ones before the inner ones."""

    def of(node: ElementTree.Element, x: float, y: float) -> Iterator[tuple[float, float, float, float]]:
        moved = re.fullmatch(r"translate\((\S+) (\S+)\)", node.get("transform", ""))
        if moved:
            x, y = x + float(moved[1]), y + float(moved[2])
        if node.tag == SVG + "rect":
            left, top = x + float(node.get("x")), y + float(node.get("y"))
            yield left, left + float(node.get("width")), top, top + float(node.get("height"))
        for child in node:
            yield from of(child, x, y)

    yield from of(root, 0, 0)


def overlapping(root: ElementTree.Element) -> Iterator[tuple[Any, Any]]:
    found = list(extents(root))
    for index, a in enumerate(found):
        for b in found[index + 1 :]:
            if a[0] < b[1] and b[0] < a[1] and a[2] < b[3] and b[2] < a[3]:
                yield a, b


def test_frozen_layers_are_dashed():
    net = bp.Network(2, [bp.Linear(3).frozen(), bp.Sequential([bp.Linear(1)], trainable=False), bp.Linear(1)])
    root = tree(net)
    dashed = [each.get("stroke-dasharray") is not None for each in root.iter(SVG + "rect")]
    assert dashed == [False, True, True, False, False], "the second is a frame"
    assert "0 Linear (frozen)" in texts(root) and heading(root).endswith("15 parameters (2 trained)")


def test_names_of_layers_are_escaped_and_cut():
    long = bp.Sequential([bp.Tanh().named("n" * 500)]).named("m" * 500)
    root = tree(bp.Network(2, [bp.Linear(3).named(NASTY), long]))
    assert f"{NASTY} Linear" in texts(root, "title") and f"{NASTY} Linear" in texts(root)
    assert f"{'n' * 27}… Tanh · 3" in texts(root) and f"{'m' * 27}… Sequential" in texts(root)
    assert float(root.find(f".//{SVG}svg").get("width")) < 500


def test_how_it_computes():
    net = bp.Network((1, 8, 8), [bp.Conv2d(2, 3)], winograd=True, backend="baseline")
    assert heading(tree(net)).endswith(", 3×3 convolutions by Winograd's minimal filtering")


def test_what_it_was_trained_on():
    model = bp.train_model(table(), "kind", epochs=1, verbose=0)
    assert heading(tree(model.network)).endswith("trained on height, colour for kind, by encoded rows")


def test_networks_of_photographs_are_short():
    def unused(*_: Any) -> None:
        raise AssertionError("no forward is needed")

    for net, most in ((bp.models.alexnet(width=0.05), 20_000), (bp.models.resnet18(width=0.05), 60_000)):
        net.forward = net.predict = unused  # type: ignore[method-assign, assignment]
        tree(net)
        assert len(net._repr_html_()) < most
        assert tree(net).find("details").get("open") is None


def test_very_deep_networks_are_listed_and_not_drawn():
    root = tree(bp.Network(2, [bp.Sequential([bp.Tanh() for _ in range(201)])]))
    assert root.find(f".//{SVG}svg") is None and len(rows(root)) == 1 + 1 + 202 + 1
    assert "201 layers, of which no picture is drawn" in "".join(root.itertext())


def test_a_network_without_parameters():
    assert heading(tree(bp.Network(2, [bp.Tanh()]))) == "Network 2 → 2, float32, 0 parameters"


# Histories.


def history(**columns: list[float]) -> bp.History:
    epochs = len(next(iter(columns.values())))
    return bp.History(epoch=list(range(1, epochs + 1)), **columns)


def paths(root: ElementTree.Element, colour: str) -> list[ElementTree.Element]:
    return [
        path
        for group in root.iter(SVG + "g")
        if group.get("stroke") == colour
        for path in group.iter(SVG + "path")
    ]


TRAINING, VALIDATION = "#3987c8", "#e8710a"


def points(path: ElementTree.Element) -> list[tuple[float, float]]:
    written = re.split("[ML]", path.get("d", "").replace("h0", ""))
    return [(float(x), float(y)) for x, y in (each.split() for each in written if each)]


def test_a_history():
    root = tree(
        history(
            loss=[4.0, 2.0, 1.0],
            val_loss=[4.0, 1.0, 3.0],
            accuracy=[0.25, 0.5, 0.912],
            seconds=[1.0, 1.0, 0.5],
        )
    )
    assert heading(root) == "History epochs 1 to 3, 2.5 s, least val_loss in epoch 2"
    assert len(root.findall(SVG + "svg")) == 2
    shown = texts(root)
    for text in ("loss", "training 1.0000", "validation 3.0000", "accuracy", "training 91.2 %", "best 2"):
        assert text in shown
    loss, accuracy = paths(root, TRAINING)
    (left, top), (_, middle), (right, bottom) = points(loss)
    assert left < right and math.isclose((bottom - middle) * 2, middle - top, rel_tol=0.01)
    assert len(points(accuracy)) == 3 and len(paths(root, VALIDATION)) == 1


def test_early_stopping_marks_its_best_epoch():
    best = history(loss=[3.0, 2.0], val_accuracy=[0.5, 0.75])
    best.best_epoch = 2
    best.undone = bp.History(epoch=[3, 4], loss=[1.5, 1.0], val_accuracy=[0.5, 0.25])
    root = tree(best)
    assert heading(root) == "History epochs 1 to 2, best epoch 2, 2 more were run and undone"
    assert texts(root).count("best 2") == 2
    faint = [each for each in root.iter(SVG + "g") if each.get("opacity") == "0.35"]
    assert [len(points(path)) for group in faint for path in group] == [3, 3], (
        "from the last epoch that is left"
    )


def test_nothing_to_draw():
    assert heading(tree(bp.History())) == "History no epochs"
    assert heading(tree(bp.History(epoch=[], loss=[]))) == "History no epochs"
    root = tree(history(lr=[0.1], seconds=[float("nan")]))
    assert heading(root) == "History epoch 1" and root.find(SVG + "svg") is None
    root = tree(history(mae=[float("nan"), float("inf")]))
    assert "no finite number" in texts(root) and "training inf" in texts(root)
    assert not list(root.iter(SVG + "path"))


def test_numbers_that_are_missing_are_gaps():
    nan = float("nan")
    root = tree(
        history(
            loss=[1.0, 2.0, nan, 4.0, float("inf"), 1.0, 1.5], val_loss=[nan, nan, 2.0, nan, nan, nan, nan]
        )
    )
    line, dot = paths(root, TRAINING)
    assert line.get("d").count("M") == 2 and len(points(line)) == 4 and len(points(dot)) == 1
    (only,) = paths(root, VALIDATION)
    assert len(points(only)) == 1 and only.get("stroke-linecap") == "round", "it is seen: a dot"
    assert "nan" not in "".join(path.get("d") for path in root.iter(SVG + "path"))


@pytest.mark.parametrize(
    "values",
    [
        [0.5],
        [0.0],
        [2.0, 2.0, 2.0],
        [1.0, 1.0 + 1e-15],
        [0.0, 5e-324],
        [-1e300, 1e300],
        [1e308, 1.0],
        [1e-300, 3e-300],
        [-3.0, -2.5],
    ],
)
def test_any_numbers_stay_within_the_axes(values: list[float]):
    root = tree(history(loss=values))
    for path in paths(root, TRAINING):
        assert all(58 <= x <= 318 and 46 <= y <= 182 for x, y in points(path))
    ticks = [text for text in texts(root) if re.fullmatch(r"-?[\d.]+(e[+-]\d+)?", text)]
    assert 1 <= len(ticks) <= 16


def test_ten_thousand_epochs_are_thinned_and_keep_their_peaks():
    values = [1.0] * 10_000
    values[4321] = 9.0
    root = tree(history(loss=values))
    (line,) = paths(root, TRAINING)
    found = points(line)
    assert len(found) <= 410 and min(y for _, y in found) == 46.0 and found[-1][0] == 318.0
    assert [x for x, _ in found] == sorted(x for x, _ in found)
    assert len(root.findall(SVG + "svg")) == 1


def test_names_of_metrics_are_escaped():
    root = tree(history(**{NASTY: [1.0, 2.0], "loss": [1.0, 1.0]}))
    assert NASTY in texts(root)


# Traces.


def test_a_trace():
    net = chain(dtype="float64")
    t = net.trace([0.5, -1.0], [1.0])
    root = tree(t)
    assert heading(root) == f"Trace layers 2-3-1, e = {t.e:.6g}"
    tables = [
        [["".join(cell.itertext()) for cell in row] for row in each.iter("tr")] for each in root.iter("table")
    ]
    assert tables[0] == [["", "x"], ["1", "0.5"], ["2", "-1"]]
    for layer, found in enumerate(tables[1:], 1):
        columns = (t.s[layer], t.x[layer], t.delta[layer])
        assert found[0] == ["", "s", "x", "δ"]
        assert found[1:] == [[str(i + 1), *(f"{c[i]:.4g}" for c in columns)] for i in range(len(t.x[layer]))]


def shades(root: ElementTree.Element) -> list[tuple[str, float]]:
    found = [re.search(r"rgba\((\d+),\d+,\d+,([\d.]+)\)", cell.get("style", "")) for cell in root.iter("td")]
    return [("red" if each[1] == "214" else "blue", float(each[2])) for each in found if each]


def test_shades_follow_the_values():
    x = [np.array([4.0, -2.0, 0.0, np.nan, np.inf])]
    root = tree(bp.Trace([None], x, [None], [None], 0.0))
    assert shades(root) == [("red", 0.55), ("blue", 0.28)], "0 and what is not finite have none"
    assert [row[1] for row in rows(root)[1:]] == ["4", "-2", "0", "nan", "inf"]
    assert shades(tree(bp.Trace([None], [np.zeros(3)], [None], [None], 0.0))) == []


def test_wide_and_deep_traces_are_abbreviated():
    wide = bp.Network(300, [bp.Linear(13), bp.Tanh(), bp.Linear(1)]).trace(np.ones(300), [1.0])
    root = tree(wide)
    assert [text for text in root.itertext() if text.startswith("and ")] == ["and 288 more", "and 1 more"]
    assert [len(list(each.iter("tr"))) for each in root.iter("table")] == [13, 13, 2]
    deep = bp.Network(1, [layer for _ in range(40) for layer in (bp.Linear(1), bp.Tanh())]).trace(
        [1.0], [1.0]
    )
    root = tree(deep)
    assert len(list(root.iter("table"))) == 12 and "the first and the last 6 of 41 layers" in heading(root)
    assert len(deep._repr_html_()) < 20_000


# Models.


def table() -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    height, colour = rng.normal(size=60), rng.choice(["red", "blue"], 60)
    return [
        {"height": float(h), "colour": c, "kind": NASTY if h > 0 else "other"} for h, c in zip(height, colour)
    ]


def test_a_model():
    model = bp.train_model(table(), "kind", epochs=3, verbose=0)
    root = tree(model)
    listed = ["".join(each.itertext()) for each in root.iter("li")]
    assert listed == [*model.data_lines(), *model.run_lines()]
    assert any(NASTY in line for line in listed), "the class's name is text"
    assert heading(root) == f"Model of height, colour for kind: classes {NASTY}, other, 3 epochs"
    assert {"loss", "accuracy"} <= set(texts(root)) and "0 Linear" in texts(root)
    assert "height" in "".join(root.itertext()) and rows(root)[0][0] == "layer"


def test_a_model_without_a_run(tmp_path: Any):
    bp.train_model(table(), "kind", epochs=1, verbose=0).network.save(tmp_path / "net")
    root = tree(bp.load_model(tmp_path / "net"))
    assert "its run" not in "".join(root.itertext()) and len(list(root.iter(SVG + "svg"))) == 1
