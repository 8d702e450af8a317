"""Nothing writes or reads beyond an arena: tests/cpp/guard_pages, built with pages around each arena that nobody
may touch. AddressSanitizer's red zones are narrower than what a kernel's scratch once lacked."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

import builds

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="pages are protected by POSIX's mprotect"),
]


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with builds.core(tmp_path_factory, BPNET_GUARD_PAGES="ON") as build:
        return Path(shutil.copy(build / "guard_pages" / "sweep", tmp_path_factory.mktemp("guard_pages")))


@pytest.mark.parametrize("beyond", [1, 64, 200_000, 60_000_000])
def test_the_pages_are_there(sweep: Path, beyond: int):
    done = subprocess.run([sweep, "overrun", str(beyond)], capture_output=True, check=False)
    assert done.returncode in (-signal.SIGSEGV, -signal.SIGBUS)


@pytest.mark.parametrize("what, extent", [("workspaces", "whole"), ("layers", "short"), ("chains", "short")])
def test_nothing_goes_beyond(sweep: Path, what: str, extent: str):
    done = subprocess.run([sweep, what, extent], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ended with {done.returncode}: {done.stdout}{done.stderr}"
    assert int(done.stdout) >= 50
