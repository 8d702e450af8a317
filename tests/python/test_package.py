"""The package as a whole: what importing it costs and loads, its version, backends, threads, its namesake."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest

import bpnet as bp

ROOT = Path(__file__).parents[2]
# All that `import bpnet` loads of its own.
IMPORTED = {
    "bpnet",
    "bpnet._bridge",
    "bpnet._core",
    "bpnet.arguments",
    "bpnet.arrays",
    "bpnet.checks",
    "bpnet.console",
    "bpnet.described",
    "bpnet.evaluation",
    "bpnet.exclusive",
    "bpnet.frames",
    "bpnet.hints",
    "bpnet.initializers",
    "bpnet.layers",
    "bpnet.layers.base",
    "bpnet.layers.elementwise",
    "bpnet.layers.nested",
    "bpnet.layers.normalization",
    "bpnet.layers.pooling",
    "bpnet.layers.weighted",
    "bpnet.lecture",
    "bpnet.losses",
    "bpnet.machine",
    "bpnet.metrics",
    "bpnet.network",
    "bpnet.optimizers",
    "bpnet.progress_bar",
    "bpnet.provenance",
    "bpnet.schedules",
    "bpnet.scores",
    "bpnet.summary",
    "bpnet.trace",
    "bpnet.training",
    "bpnet.training.callbacks",
    "bpnet.training.fit_data",
    "bpnet.training.fitting",
    "bpnet.training.history",
    "bpnet.training.loop",
    "bpnet.training.notes",
    "bpnet.training.progress",
    "bpnet.training.sources",
    "bpnet.training.trainer",
}
# Modules of Python's library that take long to load and are not needed before they are used.
HEAVY = {"argparse", "asyncio", "concurrent", "csv", "gzip", "http", "importlib.metadata", "multiprocessing"}


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
    )


def output(code: str, **environment: str) -> str:
    done = python(code, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_wheel_is_small():
    """A wheel is a zip of what is installed: at most 5 MB."""
    folder = Path(bp.__file__).parent
    if not (folder / "lib").is_dir():
        pytest.skip("bpnet is run from its sources, not installed")
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    size = sum(len(zlib.compress(path.read_bytes(), 6)) for path in files)
    assert 100_000 < size <= 5_000_000


def test_import_loads_nothing_that_may_not_be_used():
    """What keeps the import quick; `python -m benchmarks --only import` measures its time."""
    code = """
import sys, numpy
before = set(sys.modules)
import bpnet
print("\\n".join(set(sys.modules) - before))
"""
    loaded = set(output(code).split())
    assert {name for name in loaded if name.split(".")[0] == "bpnet"} == IMPORTED
    others = {name for name in loaded - IMPORTED if name.split(".")[0] != "numpy"}
    assert {name.split(".")[0] for name in others} <= sys.stdlib_module_names
    assert not others & HEAVY
    assert len(others) <= 20, "8 with Python 3.11 and NumPy 2"


def test_lazy_modules_are_there():
    assert (
        output("import bpnet; print(bpnet.data.__name__, bpnet.plots.__name__)") == "bpnet.data bpnet.plots"
    )
    with pytest.raises(AttributeError, match="module 'bpnet' has no attribute 'abacus'"):
        _ = bp.abacus


def test_public_names_are_there():
    assert sorted(set(bp.__all__)) == sorted(bp.__all__)
    for name in bp.__all__:
        assert hasattr(bp, name), name


def test_version():
    header = ROOT / "cpp" / "bpnet" / "version.h"
    written = re.search(r'BPNET_VERSION "([0-9.]+)"', header.read_text(encoding="utf-8"))
    assert written and bp.__version__ == written[1]


@pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this CPython needs its lock")
def test_a_python_without_the_lock_stays_without():
    assert output("import sys, bpnet; print(sys._is_gil_enabled())", PYTHON_GIL="") == "False"


# Backends.

BACKEND_OF_A_NETWORK = "import bpnet as bp; print(bp.Network(2, [bp.Linear(1)]).backend)"


def test_best_backend_is_the_default():
    assert bp.backends()[-2:] == ["baseline", "reference"]
    assert output(BACKEND_OF_A_NETWORK, BPNET_BACKEND="") == bp.backends()[0]


@pytest.mark.parametrize("backend", bp.backends())
def test_backend_from_the_environment(backend):
    assert output(BACKEND_OF_A_NETWORK, BPNET_BACKEND=backend) == backend


def test_backend_of_a_network_outdoes_the_environment():
    code = "import bpnet as bp; print(bp.Network(2, [bp.Linear(1)], backend='reference').backend)"
    assert output(code, BPNET_BACKEND="baseline") == "reference"


def test_unknown_backend_from_the_environment():
    code = f"""
import bpnet as bp
try:
    {BACKEND_OF_A_NETWORK.split("; ")[1]}
except bp.DeviceError as error:
    print(error)
"""
    message = output(code, BPNET_BACKEND="abacus")
    assert "'abacus'" in message
    assert ", ".join(bp.backends()) in message
    assert "BPNET_BACKEND" in message


def test_unknown_backend_of_a_network():
    with pytest.raises(bp.DeviceError, match=re.escape(", ".join(bp.backends()))) as caught:
        bp.Network(2, [bp.Linear(1)], backend="abacus")
    assert "BPNET_BACKEND" not in str(caught.value)


def test_the_guarded_backend_is_built_for_tests_only():
    with pytest.raises(bp.DeviceError, match="'guarded' is not one of those that run"):
        bp.Network(2, [bp.Linear(1)], backend="guarded")


def test_unknown_device():
    with pytest.raises(ValueError, match="^device: 'abacus' is unknown; give 'cpu'"):
        bp.Network(2, [bp.Linear(1)], device="abacus")


# Threads.


def test_set_num_threads():
    bp.set_num_threads(3)
    assert bp.num_threads() == (3 if bp._core.has_threads() else 1)
    bp.set_num_threads(np.int64(2))
    assert bp.num_threads() == (2 if bp._core.has_threads() else 1)


@pytest.mark.parametrize("count", [0, -1])
def test_too_few_threads(count):
    before = bp.num_threads()
    with pytest.raises(ValueError, match=rf"set_num_threads: .*{count}.*at least 1"):
        bp.set_num_threads(count)
    assert bp.num_threads() == before


@pytest.mark.parametrize("count", [1.5, "2", None])
def test_threads_are_a_whole_number(count):
    with pytest.raises((TypeError, ValueError), match="set_num_threads: "):
        bp.set_num_threads(count)


@pytest.mark.parametrize("variable", ["BPNET_NUM_THREADS", "OMP_NUM_THREADS"])
def test_threads_from_the_environment(variable):
    environment = {"BPNET_NUM_THREADS": "", "OMP_NUM_THREADS": ""} | {variable: "3"}
    printed = output("import bpnet; print(bpnet.num_threads())", **environment)
    assert printed == ("3" if bp._core.has_threads() else "1")


# The other package whose import name is bpnet.


@pytest.mark.parametrize("entry", ["bpnet-0.0.23.dist-info", "BPNet-1.0.egg-info"])
def test_namesake_is_named(monkeypatch, entry):
    monkeypatch.setattr(os, "listdir", lambda folder: ["numpy", entry])
    with pytest.warns(UserWarning, match=f"{re.escape(entry)}.*virtual environment"):
        bp._warn_of_namesake()


def test_neighbours_are_not_namesakes(monkeypatch):
    neighbours = ["bpnet", "backpropnet-0.1.0.dist-info", "bpnet_lite-0.9.dist-info", "bpnet-notes.txt"]
    monkeypatch.setattr(os, "listdir", lambda folder: neighbours)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bp._warn_of_namesake()
