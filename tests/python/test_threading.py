"""The threading layers: how one is chosen, whose number of threads counts, when ``auto`` leaves OpenMP, and OpenMP
beside forks and other libraries. That every layer gives the same bits is tested where numbers of threads are
walked (threading_layers.py); what C++ programs see is in tests/cpp/threads."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import bpnet as bp
import builds
from bpnet import _core
from builds import ROOT, Build, find, run
from ctrl_c import HANG
from test_bad_input import bits
from threading_layers import LAYERS, use

openmp = pytest.mark.skipif("openmp" not in LAYERS, reason="this bpnet is built without OpenMP")
threaded = pytest.mark.skipif(LAYERS == ["serial"], reason="this bpnet is built without threads")

X = np.random.default_rng(0).normal(size=(600, 200)).astype(np.float32)
LABELS = np.arange(600) % 10


def train(epochs: int = 1) -> bytes:
    """Wide enough that the work is shared out."""
    net = bp.Network(200, [bp.Linear(300), bp.Tanh(), bp.Linear(10)], seed=1)
    net.fit(X, LABELS, optimizer=bp.SGD(0.05, momentum=0.9), epochs=epochs, batch_size=100, verbose=0)
    return bits(net)


def output(code: str, **environment: str) -> str:
    cleared = {"BPNET_THREADING": "", "BPNET_NUM_THREADS": "", "OMP_NUM_THREADS": ""}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        timeout=HANG,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **cleared, **environment},
        check=False,
    )
    assert done.returncode == 0, f"ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout.strip()


# The choice.


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_is_chosen(layer: str):
    use(layer)
    assert bp.threading() == layer
    assert output("import bpnet; print(bpnet.threading())", BPNET_THREADING=layer) == layer


@pytest.mark.parametrize("asked", ["", "auto"])
def test_the_first_of_the_build_is_the_default(asked: str):
    assert output("import bpnet; print(bpnet.threading())", BPNET_THREADING=asked) == LAYERS[0]


def test_an_unknown_layer():
    before = bp.threading()
    with pytest.raises(ValueError, match="^set_threading: 'abacus' .* auto, openmp, pool or serial$"):
        bp.set_threading("abacus")
    with pytest.raises(TypeError, match="^set_threading: name is 3, expected 'auto', 'openmp', 'pool' or"):
        bp.set_threading(3)  # type: ignore[arg-type]
    assert bp.threading() == before


def test_an_unknown_layer_in_the_environment():
    code = """
import bpnet as bp
for use in (bp.threading, lambda: bp.Network(2, [bp.Linear(1)])):
    try:
        use()
    except ValueError as error:
        print(error)
bp.set_threading("serial")
print(bp.threading(), bp.Network(2, [bp.Linear(1)]).parameter_count)
"""
    message = "BPNET_THREADING: 'abacus' is not a threading layer, expected auto, openmp, pool or serial"
    assert output(code, BPNET_THREADING="abacus").splitlines() == [message, message, "serial 3"]


# The number of threads.

COUNTS = """
import bpnet as bp
from threadpoolctl import threadpool_limits
print(bp.num_threads())
with threadpool_limits(3):
    print(bp.num_threads())
print(bp.num_threads())
bp.set_num_threads(2)
with threadpool_limits(3):
    print(bp.num_threads())
"""


@openmp
@pytest.mark.parametrize("layer", LAYERS)
def test_whose_number_of_threads_counts(layer: str):
    """set_num_threads, BPNET_NUM_THREADS, OpenMP's own number, OMP_NUM_THREADS; whichever layer is in use."""
    pytest.importorskip(
        "threadpoolctl", reason="threadpoolctl, which comes with scikit-learn, is not installed"
    )
    assert output(COUNTS, BPNET_THREADING=layer, OMP_NUM_THREADS="5").split() == ["5", "3", "5", "2"]
    found = output(COUNTS, BPNET_THREADING=layer, OMP_NUM_THREADS="5", BPNET_NUM_THREADS="4")
    assert found.split() == ["4", "4", "4", "2"]
    allowed = output("import bpnet; print(bpnet.num_threads())")
    assert output(COUNTS, BPNET_THREADING=layer).split() == [allowed, "3", allowed, "2"]


# Leaving OpenMP.


@pytest.fixture
def auto() -> Iterator[None]:
    use("auto")
    bp.set_num_threads(3)
    yield
    _core.restore_waits()


WORK, SHORT, LONG = 100e-6, 20e-6, 8e-3  # seconds


@openmp
def test_auto_leaves_openmp_where_the_waits_are_long(auto: None):
    wanted = train()
    use("auto")
    _core.replace_waits(WORK, LONG)
    assert train() == wanted, "the bits of a training in which the layer changes"
    assert bp.threading() == "pool"
    assert _core.restore_waits() == 5, "a lone long wait is none of a busy machine; after several it leaves"


@openmp
def test_auto_stays_with_openmp_where_the_waits_are_short(auto: None):
    _core.replace_waits(WORK, SHORT)
    train(epochs=20)
    assert _core.restore_waits() > 500
    assert bp.threading() == "openmp"


@openmp
def test_auto_stays_with_the_pool_until_it_is_set_again(auto: None):
    _core.replace_waits(WORK, LONG)
    train()
    _core.replace_waits(WORK, SHORT)
    train(epochs=3)
    assert (bp.threading(), _core.restore_waits()) == ("pool", 0)
    _core.replace_waits(WORK, SHORT)
    bp.set_threading("auto")
    train()
    assert bp.threading() == "openmp" and _core.restore_waits() > 0


@openmp
@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_that_was_chosen_is_kept(auto: None, layer: str):
    use(layer)
    _core.replace_waits(WORK, LONG)
    train()
    assert (bp.threading(), _core.restore_waits()) == (layer, 0)


# Forks, and other libraries.

FORKS = """
import os, sys
import bpnet as bp
import test_threading as t

bp.set_num_threads(2)
wanted = t.train()
assert bp.threading() == "openmp"

def child():
    if t.train() != wanted or bp.threading() != "pool":
        return 3
    try:
        bp.set_threading("openmp")
    except bp.DeviceError as error:
        return 7 if str(error).startswith("set_threading: 'openmp' cannot be used in the child of a fork()") else 4
    return 5

for _ in range(int(os.environ["FORKS"])):
    pid = os.fork()
    if pid == 0:
        os._exit(child())
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
assert t.train() == wanted and bp.threading() == "openmp"
print("ok")
"""


FORK_BEFORE_IMPORT = """
import os
pid = os.fork()
if pid:
    os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
import bpnet as bp
print(bp.threading())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc whether the process was forked")
def test_a_child_that_was_forked_before_bpnet_was_loaded_uses_the_pool():
    """Its parent may have run a team of its own: GCC's runtime would wait for it for ever."""
    assert output(FORK_BEFORE_IMPORT, BPNET_THREADING="auto") == "pool"


@openmp
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize("forks", ["20", pytest.param("500", marks=pytest.mark.slow)])
def test_children_of_a_process_whose_team_has_run_use_the_pool(forks: str):
    assert output(FORKS, BPNET_THREADING="openmp", FORKS=forks) == "ok"


@openmp
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_of_a_process_that_never_used_bpnet():
    """The parent's own regions may have run: the child cannot know."""
    code = """
import os
import bpnet as bp
pid = os.fork()
if pid == 0:
    os._exit(7 if bp.threading() == "pool" else 8)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), bp.threading())
"""
    assert output(code) == "7 openmp"


SKLEARN = """
from sklearn.ensemble import HistGradientBoostingClassifier
def other():
    HistGradientBoostingClassifier(max_iter=3).fit(t.X[:, :20], t.LABELS)
"""
TORCH = """
import torch
torch.set_num_threads(2)
def other():
    layer = torch.nn.Linear(500, 500)
    layer(torch.ones(500, 500)).sum().backward()
"""


@threaded
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("first", ["bpnet", "the other"])
@pytest.mark.parametrize("library, code", [("sklearn", SKLEARN), ("torch", TORCH)], ids=["sklearn", "torch"])
@pytest.mark.parity
def test_beside_another_library_with_openmp(library: str, code: str, first: str, layer: str):
    pytest.importorskip(library, reason=f"{library} is not installed")
    ours = "import bpnet as bp\nimport test_threading as t\nbp.set_num_threads(2)\n"
    work = (
        "found = {t.train(), other() or t.train(), other() or t.train()}\nprint(len(found), bp.threading())"
    )
    parts = [ours, code] if first == "bpnet" else [code, ours]
    assert output("\n".join([*parts, work]), BPNET_THREADING=layer) == f"1 {layer}"


# Builds.


@pytest.fixture(scope="module")
def build() -> Build:
    if not (ROOT / "CMakeLists.txt").exists():
        pytest.skip("the tests are not run from a checkout")
    return Build()


THREADS = ROOT / "tests" / "cpp" / "threads"


def programs(folder: Path) -> list[Path]:
    names = ("with_openmp", "without_openmp", "without_threads")
    return [path for name in names if (path := folder / name).exists()]


@pytest.mark.skipif(
    os.name != "posix", reason="looks for programs as a single-configuration generator names them"
)
def test_every_build_of_the_layers(build: Build, tmp_path: Path):
    build(THREADS, tmp_path)
    found = programs(tmp_path)
    assert len(found) >= 2
    for program in found:
        assert run(program, env=os.environ | {"BPNET_THREADING": ""}) == "ok\n"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks for libarcher as Linux has it")
def test_no_data_race_in_any_layer(build: Build, tmp_path: Path):
    """With Clang, whose OpenMP reports its barriers to the sanitizer by libarcher."""
    clang = find("clang++")
    if not clang:
        pytest.skip("there is no clang++ here")
    build(THREADS, tmp_path, f"-DCMAKE_CXX_COMPILER={clang}", "-DBPNET_SANITIZE=thread")
    resources = run(clang, "-print-resource-dir").strip()  # LIB/clang/VERSION
    archer = Path(resources).parents[1] / "libarcher.so"
    for program in programs(tmp_path):
        if program.name == "with_openmp" and not archer.exists():
            pytest.skip("libarcher, of LLVM's OpenMP, is not installed")
        environment = {"TSAN_OPTIONS": "ignore_noninstrumented_modules=1", "OMP_TOOL_LIBRARIES": str(archer)}
        assert run(program, env=os.environ | {"BPNET_THREADING": ""} | environment) == "ok\n"


def configured(build: Build, folder: Path, *definitions: str) -> subprocess.CompletedProcess[str]:
    command = [build.cmake, "-S", str(ROOT), "-B", str(folder), *build.options, *definitions]
    return subprocess.run(command, capture_output=True, text=True, check=False)


MISSING = "-DCMAKE_DISABLE_FIND_PACKAGE_OpenMP=ON"


def test_a_compiler_without_openmp(build: Build, tmp_path: Path):
    done = configured(build, tmp_path, MISSING)
    assert done.returncode == 0, done.stderr
    assert "bpnet: threads by the pool alone" in done.stdout


def test_openmp_that_was_asked_for_and_is_missing(build: Build, tmp_path: Path):
    done = configured(build, tmp_path, MISSING, "-DBPNET_OPENMP=ON")
    assert done.returncode != 0 and "bpnet: BPNET_OPENMP=ON, but" in done.stderr


def test_openmp_without_threads(build: Build, tmp_path: Path):
    done = configured(build, tmp_path, "-DBPNET_OPENMP=ON", "-DBPNET_THREADS=OFF")
    assert done.returncode != 0 and "BPNET_THREADS is OFF" in done.stderr


@pytest.mark.slow
def test_a_module_without_openmp(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory):
    """And without threads: what Python users see."""
    expected = {
        "BPNET_OPENMP": ("pool", "openmp", "-DBPNET_OPENMP=ON"),
        "BPNET_THREADS": ("serial", "pool", "-DBPNET_THREADS=ON"),
    }
    code = """
import os
import bpnet as bp
asked = os.environ["BPNET_THREADING"]
try:
    bp.Network(2, [bp.Linear(1)])
except bp.DeviceError as error:
    print(error)
try:
    bp.set_threading(asked)
except bp.DeviceError as error:
    print(error)
bp.set_threading("auto")
print(bp.threading())
os.environ["BPNET_THREADING"] = "auto"  # as the tests' own modules read it
import test_threading as t
t.train()
"""
    for option, (layer, missing, cure) in expected.items():
        package = tmp_path / option
        with builds.core(tmp_path_factory, BPNET_PYTHON="ON", **{option: "OFF"}) as built:
            builds.make_package(built, package)
        path = os.pathsep.join([str(package), str(Path(__file__).parent)])
        lines = output(code, BPNET_THREADING=missing, PYTHONPATH=path).splitlines()
        assert len(lines) == 3 and lines[2] == layer, lines
        for line, operation in zip(lines, ("BPNET_THREADING", "set_threading")):
            assert line.startswith(f"{operation}: this bpnet was built without '{missing}'") and cure in line
