"""A process that is killed during a save, at each of its system calls and within its bytes: the file is the old one
or the new one, and the next save succeeds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ctrl_c import HANG

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="ptrace, and Linux's limits")

# A child of a fork saves; who forks has no threads.
SAVER = """
import ctypes, os, resource, signal, sys
from pathlib import Path
import numpy as np
import bpnet as bp

PTRACE_TRACEME, PTRACE_SYSCALL = 0, 24
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]

bp.set_num_threads(1)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
x = np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32)
y = np.arange(200) % 3
net = bp.Network(8, [bp.Linear(16), bp.Tanh(), bp.Linear(3)], seed=3)
trainer = bp.Trainer(net, "cross_entropy", bp.SGD(lr=0.05, momentum=0.9))
path = Path(sys.argv[1])
save = {"run": trainer.save, "model": net.save}[sys.argv[2]]
trainer.fit(x, y, verbose=0)
save(path)
old = path.read_bytes()
trainer.fit(x, y, verbose=0)
save(path)
new = path.read_bytes()
assert old != new

def child(prepare):
    "The process id of a child that saves."
    path.write_bytes(old)
    pid = os.fork()
    if pid == 0:
        try:
            prepare()
            save(path)
            os._exit(0)
        finally:
            os._exit(1)
    return pid

def check(moment):
    "Whether the file is the new one; it must be that or the old one."
    found = path.read_bytes()
    assert found in (old, new), moment
    save(path)
    assert path.read_bytes() == new, moment
    for each in path.parent.iterdir():
        if each != path:
            each.unlink()
    return found == new
"""

AT_SYSTEM_CALLS = """
def traced():
    if libc.ptrace(PTRACE_TRACEME, 0, None, None) != 0:
        os._exit(77)
    os.kill(os.getpid(), signal.SIGSTOP)

stops = 0  # two for each system call: when it begins and when it ends
replaced = []
while True:
    stops += 1
    pid = child(traced)
    _, status = os.waitpid(pid, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 77:
        print("refused")
        raise SystemExit
    for _ in range(stops):
        assert os.WIFSTOPPED(status), status
        assert libc.ptrace(PTRACE_SYSCALL, pid, None, None) == 0
        _, status = os.waitpid(pid, 0)
        if not os.WIFSTOPPED(status):
            break
    if os.WIFEXITED(status):
        assert os.WEXITSTATUS(status) == 0
        break
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    replaced.append(check(stops))
assert check("the end")
print("killed", stops, "times,", sum(replaced), "of them after it was replaced")
assert replaced == sorted(replaced), "old, then new"
assert any(replaced) and not all(replaced)
"""

WITHIN_BYTES = """
def limited():
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

for most in sorted({*range(16), *range(16, len(new), 101), len(new) - 1}):
    _, status = os.waitpid(child(limited), 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXFSZ, (most, status)
    assert not check(most)
print("killed")
"""


def run(body: str, folder: Path, kind: str) -> str:
    (folder / "saved").mkdir()
    command = [sys.executable, "-c", SAVER + body, str(folder / "saved" / "file"), kind]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("kind", ["run", "model"])
def test_at_each_system_call(kind: str, tmp_path: Path):
    out = run(AT_SYSTEM_CALLS, tmp_path, kind)
    if out == "refused\n":
        pytest.skip("a process may not trace its child here")
    assert out.startswith("killed")


@pytest.mark.parametrize("kind", ["run", "model"])
def test_within_the_bytes(kind: str, tmp_path: Path):
    assert run(WITHIN_BYTES, tmp_path, kind) == "killed\n"
