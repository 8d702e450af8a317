"""A file that another process saves anew while it is loaded, at each of the load's system calls in turn: what was
loaded is the old file or the new one. (Of a run: a later epoch's, as a checkpoint is.)"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ctrl_c import HANG

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="ptrace is Linux's")

# A child of a fork loads; its parent stops it and replaces the file.
LOADER = """
import ctypes, os, signal, sys
from pathlib import Path
import bpnet as bp

PTRACE_TRACEME, PTRACE_SYSCALL, PTRACE_CONT = 0, 24, 7
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]

bp.set_num_threads(1)
path, kind, way = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
files = []
for epoch in (1, 2):  # of one run, whose notes grow; or of two models
    net = bp.Network(400 if kind == "model" and epoch == 2 else 4, [bp.Linear(3)])
    trainer = bp.Trainer(net, "mse", bp.SGD(momentum=0.9))
    trainer.step([[1.0] * net.input_shape[0]], [[epoch] * 3])
    trainer.notes = {"long": "text" * 1000 * epoch}
    {"run": trainer, "model": net}[kind].save(path)
    files.append(path.read_bytes())
assert len(files[0]) + 1000 < len(files[1])
before, after = files if way == "longer" else files[::-1]

def load():
    loaded = bp.Trainer.load(path) if kind == "run" else bp.load(path)
    loaded.save(path.parent / "again")
    if (path.parent / "again").read_bytes() not in files:
        raise AssertionError("a file that nobody saved")

def child():
    "The process id of a child that loads."
    path.write_bytes(before)
    pid = os.fork()
    if pid == 0:
        try:
            if libc.ptrace(PTRACE_TRACEME, 0, None, None) != 0:
                os._exit(77)
            os.kill(os.getpid(), signal.SIGSTOP)
            load()
            os._exit(0)
        except BaseException as error:
            print(repr(error), flush=True)
        finally:
            os._exit(1)
    return pid

stops = 0  # two for each system call: when it begins and when it ends
ended = False
while not ended:
    stops += 1
    pid = child()
    _, status = os.waitpid(pid, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 77:
        print("refused")
        raise SystemExit
    for _ in range(stops):
        assert os.WIFSTOPPED(status), status
        assert libc.ptrace(PTRACE_SYSCALL, pid, None, None) == 0
        _, status = os.waitpid(pid, 0)
        ended = not os.WIFSTOPPED(status)
        if ended:
            break
    if not ended:
        (path.parent / "new").write_bytes(after)
        os.replace(path.parent / "new", path)
        assert libc.ptrace(PTRACE_CONT, pid, None, None) == 0
        _, status = os.waitpid(pid, 0)
    assert os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0, (stops, status)
print("replaced", stops, "times")
assert stops > 10
"""


@pytest.mark.parametrize("way", ["longer", "shorter"])
@pytest.mark.parametrize("kind", ["run", "model"])
def test_at_each_system_call_of_a_load(kind: str, way: str, tmp_path: Path):
    command = [sys.executable, "-W", "ignore", "-c", LOADER, str(tmp_path / "file"), kind, way]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG, check=False)
    if done.stdout == "refused\n":
        pytest.skip("a process may not trace its child here")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("replaced")
