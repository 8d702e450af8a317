"""The bar on a terminal, of which nothing is left, and beside it lines that are whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bpnet.progress_bar import new_bar
from ctrl_c import heeded
from terminal import COLUMNS, Terminal, screen
from test_command_line import CLASSES, POSIX, write_table

BAR = ("samples/s", "|", "it/s", "\x1b", "%|")


def test_the_screen():
    assert screen("ab\rc\r\nd") == ["cb", "d"]
    assert screen("a" * 5 + "b", 5) == ["a" * 5, "b"]
    assert screen("a" * 5 + "\r" + " " * 5 + "\rc", 5) == ["c"]
    assert screen("one\r\ntwo\x1b[A\r\x1b[K") == ["", "two"]


def drawn(output: str) -> bool:
    return "%|" in output


@POSIX
def test_a_training_leaves_its_lines_alone(tmp_path: Path):
    data = write_table(tmp_path / "d.csv")
    terminal = Terminal("-m", "bpnet", "train", data, *CLASSES[:-1], "--epochs", 40, "--save", tmp_path / "m")
    assert terminal.end() == 0
    assert drawn(terminal.output)
    lines = screen(terminal.output)
    left = [line for line in lines if any(part in line for part in BAR)]
    assert not left
    epochs = [line for line in lines if line.startswith("epoch ")]
    assert len(epochs) == 40 and all(": loss " in line for line in epochs)
    assert lines.index(f"saved {tmp_path / 'm'}"[:COLUMNS]) > lines.index(epochs[-1])


@POSIX
def test_ctrl_c_leaves_no_bar(tmp_path: Path):
    """The terminal itself writes ^C behind the bar."""
    data = write_table(tmp_path / "d.csv")
    with heeded():
        terminal = Terminal(
            "-m", "bpnet", "train", data, *CLASSES[:-1], "--epochs", 10**9, "--save", tmp_path / "m"
        )
    terminal.read_until(lambda output: "epoch 3/" in output and output.count("%|") > 2)
    terminal.type(b"\x03")
    assert terminal.end() == 130
    lines = screen(terminal.output)
    assert not [line for line in lines if any(part in line for part in BAR)]
    assert [line for line in lines if "^C" in line] in ([], ["^C"])
    assert any(line.startswith("stopped after epoch ") for line in lines)


ERROR = """
import sys
import numpy as np
import bpnet as bp
X = np.ones((64, 3), np.float32)
def fails(epoch, metrics):
    if epoch == 3:
        raise ValueError("in the callback")
net = bp.Network(3, [bp.Linear(2)])
try:
    net.fit(X, np.zeros(64, int), epochs=5, callbacks=[fails])
except ValueError as error:
    print(error)
"""


@POSIX
def test_an_error_leaves_no_bar(tmp_path: Path):
    terminal = Terminal("-c", ERROR)
    assert terminal.end() == 0
    assert drawn(terminal.output)
    lines = [line for line in screen(terminal.output) if line]
    assert [line.split(":")[0] for line in lines] == [
        "epoch 1/5",
        "epoch 2/5",
        "epoch 3/5",
        "in the callback",
    ]


BARS = """
from bpnet.progress_bar import new_bar
bar = new_bar(1, 10, " images", "packing")
bar.update(3)
bar.say("a line above")
bar.note("loss 0.5")
bar.update(7)
bar.close()
print("done")
"""


@POSIX
def test_lines_above_a_bar():
    terminal = Terminal("-c", BARS)
    assert terminal.end() == 0
    assert drawn(terminal.output)
    assert [line for line in screen(terminal.output) if line] == ["a line above", "done"]
    widest = max(len(part) for part in terminal.output.replace("\n", "\r").split("\r"))
    assert widest < COLUMNS, "a full line would make the terminal begin another"


OUTER = """
from tqdm import tqdm
from bpnet.progress_bar import new_bar
with tqdm(total=2, desc="outer", leave=False, ncols=40) as outer:
    for run in range(2):
        bar = new_bar(1, 10, " samples")
        bar.update(10)
        bar.say(f"line {run}")
        bar.close()
        outer.update(1)
print("done")
"""


@POSIX
def test_a_bar_below_that_of_other_code():
    terminal = Terminal("-c", OUTER)
    assert terminal.end() == 0
    assert drawn(terminal.output)
    assert [line for line in screen(terminal.output) if line] == ["line 0", "line 1", "done"]


class Closed:
    """Standard error of which nobody reads the other end."""

    encoding = "utf-8"

    def write(self, text: str = "") -> int:
        raise BrokenPipeError(32, "Broken pipe")

    flush = write

    def isatty(self) -> bool:
        return False


@pytest.mark.parametrize("stream", [None, Closed()])
def test_a_standard_error_that_nobody_reads(monkeypatch: pytest.MonkeyPatch, stream: Any):
    monkeypatch.setattr(sys, "stderr", stream)
    bar = new_bar(1, 3, " samples")
    bar.update(3)
    bar.close()


def test_no_bar_where_none_is_wanted(capsys: pytest.CaptureFixture[str]):
    for verbose in (0, 2):
        bar = new_bar(verbose, 3, " samples")
        bar.describe("epoch 1")
        bar.note("loss")
        bar.update(3)
        bar.say("a line")
        bar.close()
    out, err = capsys.readouterr()
    assert (out, err) == ("a line\na line\n", "")


def test_a_log_has_whole_lines(capsys: pytest.CaptureFixture[str]):
    bar = new_bar(1, 3, " samples", "testing")
    bar.update(3)
    bar.say("a line")
    bar.close()
    out, err = capsys.readouterr()
    assert out == "a line\n"
    assert "\r" not in err and err.endswith(f"]{os.linesep}") and err.startswith("testing: ")


# A kernel of notebooks as tqdm and bpnet recognise it, and as much of ipywidgets as tqdm uses.
KERNEL = """
import sys
import warnings
from types import ModuleType, SimpleNamespace
shell = SimpleNamespace(config={"IPKernelApp": {}})
shown = []
def module(name, **members):
    sys.modules[name] = found = ModuleType(name)
    vars(found).update(members)
module("IPython", get_ipython=lambda: shell)
module("IPython.display", display=shown.append)
module("ipykernel.zmqshell")
class Widget:
    def __init__(self, **options):
        self.layout, self.style, self.bar_style, self.is_closed = SimpleNamespace(), SimpleNamespace(), "", False
        vars(self).update(options)
    def close(self):
        self.is_closed = True
"""
WITH_WIDGETS = KERNEL + 'module("ipywidgets", HTML=Widget, FloatProgress=Widget, HBox=Widget)\n'
WITHOUT_WIDGETS = KERNEL + 'sys.modules["ipywidgets"] = None\n'
A_NOTEBOOKS_BAR = """
from bpnet.progress_bar import new_bar
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    bar = new_bar(1, 10, " samples", "epoch 1")
    bar.update(3)
    bar.note("loss 0.5")
    bar.say("a line")
    bar.close()
print([str(warning.message) for warning in caught])
print([(widget.is_closed, widget.children[1].value, widget.children[1].bar_style) for widget in shown])
"""


def in_a_kernel(code: str) -> tuple[str, str]:
    """What the code writes on standard output and standard error."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().replace(os.linesep, "\n"), done.stderr.decode()


def test_a_notebook_has_a_widget_which_is_taken_away():
    out, err = in_a_kernel(WITH_WIDGETS + A_NOTEBOOKS_BAR)
    assert out == "a line\n[]\n[(True, 3, '')]\n", "closed at 3 of 10, which tqdm would leave, in red"
    assert err == ""


def test_a_notebook_without_ipywidgets_has_a_bar_of_letters_and_no_warning():
    out, err = in_a_kernel(WITHOUT_WIDGETS + A_NOTEBOOKS_BAR)
    assert drawn(out) and "samples/s" in out
    assert [line for line in screen(out.replace("\n", "\r\n"), 200) if line] == ["a line", "[]", "[]"]
    assert err == ""


@pytest.mark.parametrize("shell", ["None", "SimpleNamespace(config={})"])
def test_other_shells_have_the_plain_bar(shell: str):
    """IPython on a terminal, or imported by a script. What the widget needs is not even imported."""
    code = KERNEL + f"shell = {shell}\n" + A_NOTEBOOKS_BAR + "print('tqdm.auto' in sys.modules)\n"
    out, err = in_a_kernel(code)
    assert out == "a line\n[]\n[]\nFalse\n" and err.startswith("epoch 1:   0%|")
