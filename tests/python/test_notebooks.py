"""The notebooks in examples/: they are stored without outputs, their cells run in order, and what their text says of the
results is so."""

from __future__ import annotations

import ast
import json
import os
import re
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import bpnet as bp

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOKS = ("filters", "lecture", "tabular")
WITH_A_BAR = ("filters", "tabular")  # they train with verbose=1


def read(name: str) -> dict[str, Any]:
    return json.loads((EXAMPLES / f"{name}.ipynb").read_text(encoding="utf-8"))


def code_cells(name: str) -> list[str]:
    return ["".join(cell["source"]) for cell in read(name)["cells"] if cell["cell_type"] == "code"]


def test_all_are_tested():
    assert tuple(sorted(path.stem for path in EXAMPLES.glob("*.ipynb"))) == NOTEBOOKS


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_they_are_stored_without_outputs(name: str):
    notebook = read(name)
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert notebook["metadata"] == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in notebook["cells"]:
        kept = {"outputs": [], "execution_count": None} if cell["cell_type"] == "code" else {}
        assert {key: value for key, value in cell.items() if key not in ("id", "source")} == {
            "cell_type": cell["cell_type"],
            "metadata": {},
        } | kept
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)


class Executed(SimpleNamespace):
    """A notebook whose cells were executed.

    Attributes:
        names: its variables.
        shown: what each cell ends with, if that is a value.
    """


@pytest.fixture
def execute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Executes a notebook's cells in a new namespace and an empty folder, and shows values as a notebook does."""
    pytest.importorskip("matplotlib", reason="the notebooks draw with matplotlib")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def run(name: str) -> Executed:
        done = Executed(names={"__name__": "__main__"}, shown=[])
        for cell in code_cells(name):
            body = ast.parse(cell).body
            last = body.pop() if isinstance(body[-1], ast.Expr) else None
            exec(compile(ast.Module(body, []), name, "exec"), done.names)
            value = eval(compile(ast.Expression(last.value), name, "eval"), done.names) if last else None
            if value is not None:
                done.shown.append(value)
                pictures = [getattr(value, form, lambda: None)() for form in ("_repr_html_", "_repr_png_")]
                assert any(pictures), f"a notebook would show {value!r} as plain text"
        return done

    return run


def kinds(shown: list[Any]) -> list[str]:
    return [type(value).__name__ for value in shown]


def test_lecture(execute: Any, capsys: pytest.CaptureFixture[str]):
    done = execute("lecture")
    t, names = done.names["t"], done.names
    np.testing.assert_allclose(names["delta2"], t.delta[2], rtol=1e-12)
    np.testing.assert_allclose(names["delta1"], t.delta[1], rtol=1e-12)
    np.testing.assert_allclose(names["gradient1"], t.grad[1], rtol=1e-12)
    assert max(names["errors"].values()) < 1e-7
    np.testing.assert_allclose(names["answers"][:, 0], names["y"], atol=0.05)
    np.testing.assert_allclose(names["net"].predict(names["X"]), names["answers"], rtol=1e-12)
    assert names["history"]["loss"][-1] < 0.01 < names["history"]["loss"][0]
    sizes = names["norms"]
    assert sizes["tanh, saturated"][0] < 1e-3 * sizes["tanh, saturated"][-1]
    for name in ("tanh, no biases", "ReLU, no biases", "ReLU, the same biases"):
        assert 0.1 < sizes[name][0] / sizes[name][-1] < 10
    figure = "NotebookFigure"
    assert kinds(done.shown) == ["Network", "Trace", figure, figure, "History", figure]
    assert "[1. 1.] → -0.9" in capsys.readouterr().out


def test_tabular(execute: Any, capsys: pytest.CaptureFixture[str]):
    done = execute("tabular")
    names, out = done.names, capsys.readouterr().out
    assert "bill (mm): number, " in out and "decimal mark ','" in out and "missing: the median" in out
    assert "island: categories, 3 distinct values" in out
    assert names["held_out"]["count"] == 120 and names["held_out"]["accuracy"] > 0.85
    right = np.mean([row["kind"] == answer for row, answer in zip(names["others"], names["answers"])])
    assert len(names["others"]) == 300 and right > 0.8
    assert re.search(r"'51,5'.*→ gull \(gull 9\d%", out) and re.search(r"'37,0'.*→ puffin", out)
    assert names["refusal"].startswith("row 0: column 'island': 'east' was not among the categories")
    assert out.endswith("the same answers: True\n")
    assert kinds(done.shown) == ["Model", "NotebookFigure", "NotebookFigure"]


def test_filters(execute: Any):
    done = execute("filters")
    names = done.names
    assert kinds(done.shown) == ["Network", *["NotebookFigure"] * 2, "History", *["NotebookFigure"] * 2]
    assert names["history"]["val_accuracy"][-1] > 0.95
    assert names["alexnet"].layers[0].name == names["net"].layers[0].name == "conv1"
    assert names["responses"].shape == (16, 10, 10)
    after = names["net"].state_dict()["conv1.weight"]
    assert smoothness(names["before"]) < 0.1, "noise"
    assert smoothness(after) > 0.3, "gratings"
    assert (names["by_class"].max(axis=0) > 1.4 * names["by_class"].mean(axis=0)).all()


def smoothness(filters: np.ndarray) -> float:
    """The correlation of a filter's pixels with those beside them, from −1 to 1, on average."""
    pixels = filters - filters.mean(axis=(2, 3), keepdims=True)
    beside = (pixels[..., 1:] * pixels[..., :-1]).mean(), (pixels[:, :, 1:] * pixels[:, :, :-1]).mean()
    return float(max(beside) / (pixels**2).mean())


def test_filters_of_photographs(execute: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The code for readers who have photographs, with a small network for one epoch."""
    pytest.importorskip("PIL", reason="photographs need Pillow")
    from photographs import CLASSES, write_folder

    for part in ("train", "test"):
        write_folder(tmp_path / "photographs" / part, each=1)
    recipe = bp.recipes.alexnet

    def small(*folders: str, **options: Any) -> Any:
        network = bp.models.alexnet(len(CLASSES), width=0.05)
        return recipe(*folders, **options, network=network, epochs=1, batch_size=4, verbose=0)

    monkeypatch.setattr(bp.recipes, "alexnet", small)
    (code,) = re.findall(r"```python\n(.*?)```", "".join(read("filters")["cells"][-1]["source"]), re.S)
    names: dict[str, Any] = {"bp": bp, "np": np, "plots": bp.plots}
    exec(code, names)
    assert names["x"].shape == (1, 3, 227, 227) and names["responses"].shape == (4, 55, 55)
    assert (tmp_path / "alexnet.safetensors").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "has_widgets"), [("filters", True), *((name, False) for name in NOTEBOOKS)])
def test_they_run_in_a_kernel(name: str, has_widgets: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As Jupyter reads, runs and shows them, with ipywidgets for the progress bar and without; no cell warns."""
    nbformat = pytest.importorskip("nbformat", reason="a kernel needs Jupyter, of the extra docs")
    nbclient = pytest.importorskip("nbclient", reason="a kernel needs Jupyter, of the extra docs")
    pytest.importorskip("ipykernel", reason="a kernel needs Jupyter, of the extra docs")
    if has_widgets:
        pytest.importorskip("ipywidgets", reason="the bar of Jupyter needs the extra notebook")
    else:
        (tmp_path / "ipywidgets.py").write_text("raise ImportError('not installed')\n", encoding="utf-8")
    import_first(monkeypatch, tmp_path)
    nbformat.validate(read(name))
    notebook = nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)
    nbclient.NotebookClient(
        notebook, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    forms = [
        set(output.data) - {"text/plain"} for output in outputs if output.output_type == "execute_result"
    ]
    assert forms and all(form in ({"text/html"}, {"image/png"}) for form in forms)
    assert not [output for output in outputs if output.get("name") == "stderr"]
    shown = [form for output in outputs if output.output_type == "display_data" for form in output.data]
    written = "".join(output.text for output in outputs if output.output_type == "stream")
    bar_is_shown = name in WITH_A_BAR
    assert ("application/vnd.jupyter.widget-view+json" in shown) == (bar_is_shown and has_widgets)
    assert ("samples/s" in written) == (bar_is_shown and not has_widgets)


def import_first(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Processes started from here import from the folder before all else, wherever they run."""
    others = [
        str(Path(each).resolve()) for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each
    ]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *others]))
