"""Sequential, Residual and names: dotted parameter names, files, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bpnet as bp
from test_bad_input import bits, check_message
from test_files import opened, refused, write

X = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
LABELS = np.arange(20) % 3


def block(width: int, shortcut: bool) -> bp.Residual:
    body = [bp.Linear(width, bias=False).named("fc1"), bp.Tanh(), bp.Linear(width).named("fc2")]
    return bp.Residual(body, [bp.Linear(width)] if shortcut else [])


def nested() -> bp.Network:
    layers = [
        bp.Linear(5).named("stem"),
        bp.ReLU(),
        bp.Sequential([block(6, True), bp.ReLU(), block(6, False), bp.ReLU()]).named("layer1"),
        bp.Dropout(0.2),
        bp.Linear(3).named("fc"),
    ]
    return bp.Network(4, layers, seed=7)


NAMES = [
    "stem.weight",
    "stem.bias",
    "layer1.0.fc1.weight",
    "layer1.0.fc2.weight",
    "layer1.0.fc2.bias",
    "layer1.0.downsample.0.weight",
    "layer1.0.downsample.0.bias",
    "layer1.2.fc1.weight",
    "layer1.2.fc2.weight",
    "layer1.2.fc2.bias",
    "fc.weight",
    "fc.bias",
]


def test_dotted_names():
    net = nested()
    assert list(net.state_dict()) == NAMES
    assert list(net.gradients()) == NAMES
    assert net.state_dict()["layer1.0.downsample.0.weight"].shape == (6, 5)


def test_a_named_layer_takes_its_indexs_place():
    net = bp.Network(2, [bp.Linear(2), bp.Linear(2).named("mid"), bp.Linear(1)])
    assert [name for name in net.state_dict() if "weight" in name] == ["0.weight", "mid.weight", "2.weight"]


def test_nesting_changes_no_number():
    """A Sequential is its layers: the same initial weights, masks and training."""
    flat = [bp.Linear(8), bp.Tanh(), bp.Dropout(0.3), bp.Linear(5), bp.ReLU(), bp.Linear(3)]
    one = bp.Network(4, flat, seed=2)
    other = bp.Network(4, [bp.Sequential(flat[:3]), bp.Sequential([bp.Sequential(flat[3:])])], seed=2)
    for net in (one, other):
        net.fit(X, LABELS, epochs=3, batch_size=6, verbose=0)
    assert bits(one) == bits(other)


def test_named_gives_a_copy():
    layer = bp.Linear(3)
    assert layer.named("fc").name == "fc" and layer.name is None
    assert layer.named("fc") != layer and layer.named("fc") == bp.Linear(3).named("fc")
    assert repr(layer.named("fc")) == "Linear(3).named('fc')"


def test_summary(capsys: pytest.CaptureFixture[str]):
    nested().summary()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["layer", "output", "shape", "parameters"]
    assert any(re.fullmatch(r" {6}layer1\.0\.downsample\.0 Linear +\(6,\) +36", line) for line in lines), (
        lines
    )
    assert any(re.fullmatch(r"  layer1\.0 Residual +\(6,\) +", line) for line in lines), lines
    assert "Residual" in repr(nested())


def branches() -> bp.Network:
    inner = bp.Parallel([bp.Linear(4), [bp.Linear(4).named("fc"), bp.Tanh()]])
    block = bp.Parallel([[], bp.Sequential([inner]).named("deep"), bp.Tanh()], merge="concat").named("block")
    return bp.Network(3, [block, bp.Linear(2)], seed=8)


def test_names_of_branches():
    net = branches()
    assert [name for name in net.state_dict() if "weight" in name] == [
        "block.deep.0.0.weight",
        "block.deep.0.1.fc.weight",
        "1.weight",
    ]
    assert net.output_shape == (2,) and net.state_dict()["1.weight"].shape == (2, 10)


def test_summary_of_branches(capsys: pytest.CaptureFixture[str]):
    net = branches()
    net.summary()
    lines = [tuple(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert ("block", "Parallel", "(10,)") in lines and ("block.0", "identity") in lines
    assert ("block.deep.0.1.fc", "Linear", "(4,)", "16") in lines
    assert (
        repr(net).count("Parallel[identity | Sequential[Parallel[Linear + Sequential[Linear, Tanh]]] | Tanh]")
        == 1
    )


def test_branches_are_saved(tmp_path: Path):
    net = branches()
    net.save(tmp_path / "net")
    again = bp.load(tmp_path / "net")
    x = np.random.default_rng(0).normal(size=(5, 3))
    assert again.description == net.description and np.array_equal(again.predict(x), net.predict(x))


def test_a_parallel_with_a_shortcut_is_the_residual():
    """Residual is a sum of two branches: the same bits through training."""
    body = [bp.Linear(4), bp.Tanh(), bp.Linear(4)]
    one = bp.Network(4, [bp.Linear(4), bp.Residual(body), bp.ReLU(), bp.Linear(3)], seed=3)
    other = bp.Network(4, [bp.Linear(4), bp.Parallel([body, []]), bp.ReLU(), bp.Linear(3)], seed=3)
    for net in (one, other):
        net.fit(X, LABELS, epochs=3, batch_size=6, verbose=0)
    assert [value.tobytes() for value in one.state_dict().values()] == [
        value.tobytes() for value in other.state_dict().values()
    ]


def test_description_comes_back():
    net = nested()
    description = net.description
    assert description["layers"][2]["name"] == "layer1"
    assert [layer["type"] for layer in description["layers"][2]["layers"]] == [
        "Residual",
        "ReLU",
        "Residual",
        "ReLU",
    ]
    assert "shortcut" not in description["layers"][2]["layers"][2]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_save_and_load(tmp_path: Path, dtype: str):
    layers = [bp.Sequential([block(5, True)]).named("a"), bp.Residual([bp.Linear(5)]), bp.Linear(3)]
    net = bp.Network(4, layers, seed=3, dtype=dtype)
    net.fit(X, LABELS, verbose=0)
    net.save(tmp_path / "net")
    again = bp.load(tmp_path / "net")
    assert again.description == net.description
    assert bits(again) == bits(net) and list(again.state_dict()) == list(net.state_dict())
    assert np.array_equal(again.predict(X), net.predict(X))


def test_a_run_goes_on(tmp_path: Path):
    def trainer() -> bp.Trainer:
        return bp.Trainer(nested(), "cross_entropy", bp.SGD(0.05, momentum=0.9))

    straight, first = trainer(), trainer()
    straight.fit(X, LABELS, epochs=4, batch_size=7, verbose=0)
    first.fit(X, LABELS, epochs=2, batch_size=7, verbose=0)
    first.save(tmp_path / "run")
    second = bp.Trainer.load(tmp_path / "run")
    second.fit(X, LABELS, epochs=2, batch_size=7, verbose=0)
    assert bits(second.network) == bits(straight.network)


def test_a_sequential_of_linear_layers_is_the_lectures_chain():
    flat = [bp.Linear(5), bp.Tanh(), bp.Linear(3), bp.Tanh()]
    one = bp.Network(4, flat, seed=1, dtype="float64")
    other = bp.Network(
        4, [bp.Sequential(flat[:2]).named("a"), bp.Sequential(flat[2:])], seed=1, dtype="float64"
    )
    t, u = (net.trace(X[0], [0.0, 0.5, 1.0]) for net in (one, other))
    assert all(np.array_equal(a, b) for a, b in zip(t.x, u.x))
    for net in (one, other):  # batch_size 1 and plain SGD: the online kernel
        net.fit(
            X, np.eye(3)[LABELS], loss="half_squared_error", optimizer=bp.SGD(0.1), batch_size=1, verbose=0
        )
    assert bits(one) == bits(other)


def test_a_residual_is_no_chain():
    net = bp.Network(4, [bp.Linear(3), bp.Residual([bp.Linear(3)]).named("block")])
    with pytest.raises(ValueError, match="^trace: the lecture knows Linear layers.*layer block is Residual"):
        net.trace(X[0], [0, 0, 0])
    net.fit(X, LABELS, optimizer=bp.SGD(0.1), batch_size=1, verbose=0)  # by batches of one


def test_a_softmax_is_found_inside():
    net = bp.Network(4, [bp.Sequential([bp.Linear(3), bp.Sequential([bp.Softmax()])]), bp.Dropout(0.1)])
    with pytest.raises(ValueError, match="ends in Softmax"):
        bp.Trainer(net, "cross_entropy", "sgd")


WRONG: dict[str, tuple[Any, tuple[str, ...]]] = {
    "shapes that do not agree": (
        lambda: bp.Network(4, [bp.Residual([bp.Linear(3)])]),
        ("residual", "(3,)", "(4,)"),
    ),
    "shapes of two ways": (
        lambda: bp.Network(4, [bp.Sequential([bp.Residual([bp.Linear(3)], [bp.Linear(5)])]).named("a")]),
        ("residual", "(3,)", "(5,)", "'a.0'"),
    ),
    "a shape deep inside": (
        lambda: bp.Network((2, 3), [bp.Sequential([bp.Linear(3)]).named("a")]),
        ("linear", "(2, 3)", "'a.0'"),
    ),
    "no layers in a Sequential": (lambda: bp.Network(4, [bp.Sequential([])]), ("sequential: no layers",)),
    "no layers in a Residual": (lambda: bp.Network(4, [bp.Residual([])]), ("residual: no layers",)),
    "no layers but a shortcut": (
        lambda: bp.Network(4, [bp.Residual([], [bp.Tanh()])]),
        ("residual: no layers",),
    ),
    "one layer": (lambda: bp.Sequential(bp.Tanh()), ("sequential", "layers", "Tanh")),  # type: ignore[arg-type]
    "no layer": (lambda: bp.Sequential([bp.Tanh(), 3]), ("sequential", "layers[1]", "int")),  # type: ignore[list-item]
    "no layer in a shortcut": (
        lambda: bp.Residual([bp.Tanh()], ["tanh"]),  # type: ignore[list-item]
        ("residual", "shortcut[0] is 'tanh'"),
    ),
    "no branches": (lambda: bp.Network(4, [bp.Parallel([])]), ("parallel: no branches",)),
    "branches of a string": (lambda: bp.Parallel("ab"), ("parallel", "branches", "'ab'")),
    "a branch of numbers": (lambda: bp.Parallel([[3]]), ("parallel", "branches[0][0]", "int")),  # type: ignore[list-item]
    "a number for a branch": (
        lambda: bp.Parallel([3]),
        ("parallel", "branches[0] is 3", "a layer or a list"),
    ),  # type: ignore[list-item]
    "another merge": (lambda: bp.Parallel([[]], merge="mean"), ('parallel: merge is "mean"', "'concat'")),
    "branches that are added and differ": (
        lambda: bp.Network(4, [bp.Parallel([[], bp.Linear(3).named("fc")]).named("a")]),
        ("parallel", "branch '0' gives (4,)", "branch 'fc' gives (3,)", "added", "'a'"),
    ),
    "branches that are concatenated and differ": (
        lambda: bp.Network((3, 4, 5), [bp.Parallel([[], bp.Conv2d(2, 3)], merge="concat")]),
        ("parallel", "(3, 4, 5)", "(2, 2, 3)", "concatenated"),
    ),
    "branches of other ranks": (
        lambda: bp.Network((3, 4, 5), [bp.Parallel([[], bp.Flatten()], merge="concat")]),
        ("parallel", "(3, 4, 5)", "(60,)", "concatenated"),
    ),
    "a name twice among branches": (
        lambda: bp.Network(4, [bp.Parallel([bp.Tanh().named("a"), bp.Tanh().named("a")])]),
        ("network", "'a'"),
    ),
    "an empty Sequential in a branch": (
        lambda: bp.Network(4, [bp.Parallel([[bp.Sequential([])]])]),
        ("sequential: no layers",),
    ),
    "an empty name": (lambda: bp.Tanh().named(""), ("layer: name is ''",)),
    "a name with a dot": (lambda: bp.Tanh().named("a.b"), ("layer: name is 'a.b'",)),
    "a name that is no text": (lambda: bp.Tanh().named(3), ("layer: name is 3",)),  # type: ignore[arg-type]
    "a name twice": (
        lambda: bp.Network(4, [bp.Linear(3).named("a"), bp.Linear(3).named("a")]),
        ("network", "'a'"),
    ),
    "a name that is an index": (
        lambda: bp.Network(4, [bp.Linear(3).named("1"), bp.Linear(3)]),
        ("network", "'1'"),
    ),
    "a name twice inside": (
        lambda: bp.Network(4, [bp.Sequential([bp.Tanh().named("a"), bp.Tanh().named("a")])]),
        ("network", "'a'"),
    ),
    "the shortcut's name": (
        lambda: bp.Network(4, [bp.Residual([bp.Linear(4).named("downsample")], [bp.Linear(4)])]),
        ("residual", "'downsample'"),
    ),
    "the optimizer's name": (
        lambda: bp.Network(4, [bp.Linear(4).named("optimizer")]),
        ("network", "'optimizer'"),
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_refused(case: str):
    call, fragments = WRONG[case]
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    check_message(caught.value, *fragments)


def test_names_may_repeat_where_paths_differ():
    layers = [bp.Sequential([bp.Linear(4).named("a")]).named("a"), bp.Residual([bp.Linear(4).named("a")])]
    net = bp.Network(4, [*layers, bp.Linear(4).named("downsample")])
    assert [name for name in net.state_dict() if "weight" in name] == [
        "a.a.weight",
        "1.a.weight",
        "downsample.weight",
    ]


def deep(levels: int) -> bp.layers.Layer:
    layer: bp.layers.Layer = bp.Linear(4)
    for level in range(levels):
        kinds = (bp.Sequential, bp.Residual, bp.Parallel)
        layer = kinds[level % 3]([layer])
    return layer


def test_how_deep_layers_nest(tmp_path: Path):
    net = bp.Network(4, [deep(16)])
    net.save(tmp_path / "net")
    assert bits(bp.load(tmp_path / "net")) == bits(net)
    with pytest.raises(ValueError, match="nested more than 16 deep"):
        deep(17)


def in_file(levels: int) -> list[Any]:
    layers: list[Any] = [{"type": "Linear", "out_features": 4}]
    for _ in range(levels):
        layers = [{"type": "Sequential", "layers": layers}]
    return layers


LINEAR = {"type": "Linear", "out_features": 4}
TANH = {"type": "Tanh"}
MALFORMED: dict[str, Any] = {
    "nested 17 deep": in_file(17),
    "nested 200 deep": in_file(200),
    "a Sequential of nothing": [{"type": "Sequential"}],
    "a Sequential of an empty list": [{"type": "Sequential", "layers": []}],
    "a Sequential of null": [{"type": "Sequential", "layers": None}],
    "a Sequential of a layer": [{"type": "Sequential", "layers": LINEAR}],
    "a Sequential of text": [{"type": "Sequential", "layers": ["Linear"]}],
    "a Sequential with an option": [{"type": "Sequential", "layers": [LINEAR], "hook": 1}],
    "a Sequential with a shortcut": [{"type": "Sequential", "layers": [LINEAR], "shortcut": [TANH]}],
    "a Residual of nothing": [{"type": "Residual"}],
    "a Residual of a shortcut": [{"type": "Residual", "shortcut": [TANH]}],
    "a Residual whose ways differ": [
        {"type": "Residual", "layers": [LINEAR | {"out_features": 5}], "shortcut": [LINEAR]}
    ],
    "a Residual with a number": [{"type": "Residual", "layers": [LINEAR], "shortcut": 5}],
    "a Parallel of nothing": [{"type": "Parallel", "merge": "sum"}],
    "a Parallel of an empty list": [{"type": "Parallel", "merge": "sum", "layers": []}],
    "a Parallel without a merge": [{"type": "Parallel", "layers": [LINEAR]}],
    "a Parallel with another merge": [{"type": "Parallel", "merge": "mean", "layers": [LINEAR]}],
    "a Parallel with a number": [{"type": "Parallel", "merge": "sum", "layers": 5}],
    "a Parallel with a shortcut": [
        {"type": "Parallel", "merge": "sum", "layers": [LINEAR], "shortcut": [TANH]}
    ],
    "a Parallel whose branches differ": [
        {"type": "Parallel", "merge": "sum", "layers": [LINEAR, TANH, LINEAR | {"out_features": 5}]}
    ],
    "a Parallel that overflows": [
        {"type": "Parallel", "merge": "concat", "layers": [LINEAR | {"out_features": 2**63}] * 3}
    ],
    "a Linear of layers": [LINEAR | {"layers": [TANH]}],
    "a Linear with a shortcut": [LINEAR | {"shortcut": [TANH]}],
    "a name of a number": [LINEAR | {"name": 5}],
    "a name of null": [LINEAR | {"name": None}],
    "an empty name": [LINEAR | {"name": ""}],
    "a name with dots": [LINEAR | {"name": "0.weight"}],
    "a name twice": [LINEAR | {"name": "a"}, LINEAR | {"name": "a"}],
    "another name": [LINEAR | {"name": "a"}],
    "the optimizer's name": [LINEAR | {"name": "optimizer"}],
    "the same tensor by another way": [{"type": "Sequential", "layers": [LINEAR]}],
    "many layers": [{"type": "Residual", "layers": [TANH] * 20_000}] * 3 + [LINEAR | {"out_features": 2**50}],
    "doubled and doubled": [{"type": "Residual", "layers": [{"type": "Flatten"}]}] * 1000 + [LINEAR, LINEAR],
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_malformed_files(tmp_path: Path, kind: str):
    bp.Network(4, [bp.Linear(4)]).save(tmp_path / "net")
    head, data = opened(tmp_path / "net")
    about = json.loads(head["__metadata__"]["bpnet.network"])
    head["__metadata__"]["bpnet.network"] = json.dumps(about | {"layers": MALFORMED[kind]})
    write(tmp_path / "net", head, data)
    refused(tmp_path / "net")


def test_damaged_files(tmp_path: Path):
    """Any bit of a nested network's file."""
    nested().save(tmp_path / "net")
    raw = (tmp_path / "net").read_bytes()
    for at in np.random.default_rng(0).integers(0, len(raw), 200):
        damaged = bytearray(raw)
        damaged[at] ^= 1 << int(at % 8)
        (tmp_path / "net").write_bytes(bytes(damaged))
        refused(tmp_path / "net")


def test_summary_and_repr_show_what_nests(capsys: pytest.CaptureFixture[str]):
    body = [bp.Linear(4).named("fc1"), bp.Tanh(), bp.Linear(4).named("fc2")]
    block = bp.Residual(body, [bp.Linear(4, bias=False)])
    stage = bp.Sequential([block, bp.Sequential([bp.ReLU(), bp.Linear(5)])]).named("stage")
    net = bp.Network(3, [stage, bp.Linear(2)])
    assert repr(net) == (
        "Network(input_shape=(3,), layers=[Sequential[Residual[Linear, Tanh, Linear + Linear], "
        "Sequential[ReLU, Linear]], Linear], dtype='float32')"
    )
    net.summary()
    lines = capsys.readouterr().out.splitlines()[2:]
    wanted = [
        ("input", "(3,)", ""),
        ("stage Sequential", "(5,)", ""),
        ("  stage.0 Residual", "(4,)", ""),
        ("    stage.0.fc1 Linear", "(4,)", "16"),
        ("    stage.0.1 Tanh", "(4,)", ""),
        ("    stage.0.fc2 Linear", "(4,)", "20"),
        ("    stage.0.downsample shortcut", "(4,)", ""),
        ("      stage.0.downsample.0 Linear", "(4,)", "12"),
        ("  stage.1 Sequential", "(5,)", ""),
        ("    stage.1.0 ReLU", "(4,)", ""),
        ("    stage.1.1 Linear", "(5,)", "25"),
        ("1 Linear", "(2,)", "12"),
    ]
    for line, (name, shape, count) in zip(lines, wanted, strict=False):
        assert line.startswith(f"{name}  ") and line.split(shape)[1].strip() == count, line
    assert lines[len(wanted)].strip("-") == "" and lines[-1].split() == ["total", "85"]
