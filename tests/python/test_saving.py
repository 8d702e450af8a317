"""Saving puts a whole file where a file belongs, and nowhere else."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import bpnet as bp
from bpnet.data import pack_images
from ctrl_c import HANG
from photographs import write_folder
from test_copies_and_threads import together

POSIX = pytest.mark.skipif(os.name != "posix", reason="links, modes and pipes are POSIX's")


def network(seed: int = 0) -> bp.Network:
    return bp.Network(30, [bp.Linear(40), bp.Tanh(), bp.Linear(3)], seed=seed)


@POSIX
def test_a_link_stays_a_link(tmp_path: Path):
    (tmp_path / "far").mkdir()
    target, link = tmp_path / "far" / "model", tmp_path / "link"
    network(1).save(target)
    link.symlink_to(target)
    network(2).save(link)
    assert link.is_symlink()
    expected = network(2).state_dict()["0.weight"]
    assert np.array_equal(bp.load(target).state_dict()["0.weight"], expected)
    assert os.listdir(tmp_path / "far") == ["model"]


@POSIX
@pytest.mark.parametrize("link", ["absolute", "relative", "of a link"])
def test_a_link_whose_target_is_not_there_yet_is_written_through(tmp_path: Path, link: str):
    (tmp_path / "far").mkdir()
    target, path = tmp_path / "far" / "model", tmp_path / "link"
    path.symlink_to(target if link == "absolute" else Path("far") / "model")
    if link == "of a link":
        path = tmp_path / "second"
        path.symlink_to("link")
    network(2).save(path)
    assert path.is_symlink() and target.is_file() and not target.is_symlink()
    assert np.array_equal(bp.load(path).state_dict()["0.weight"], network(2).state_dict()["0.weight"])
    assert os.listdir(tmp_path / "far") == ["model"]


@POSIX
def test_a_ring_of_links_is_refused(tmp_path: Path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="save.*symbolic links") as caught:
        network().save(tmp_path / "a")
    assert caught.value.filename == str(tmp_path / "a")


ABANDONED = "model.tmp-0123456789abcdef"
OTHERS = [
    "model.tmp-0123456789abcde",
    "model.tmp-0123456789abcdef0",
    "other.tmp-0123456789abcdef",
    "model.tmp1-0",
    "model.tmp-important-backup",
    "model.tmp-0123456789ABCDEF",
    "model.tmp-0123456789abcdeg",
    "model.tmp-0123456789abcd.f",
]


def save_pack_or_checkpoint(tmp_path: Path, path: Path) -> dict[str, Callable[[], object]]:
    trainer = bp.Trainer(network(), "cross_entropy", "sgd")
    pictures = write_folder(tmp_path / "pictures", 2)
    return {
        "net.save": lambda: network().save(path),
        "trainer.save": lambda: trainer.save(path),
        "pack_images": lambda: pack_images(pictures, path, 16, verbose=0),
    }


WAYS = ["net.save", "trainer.save", "pack_images"]


@pytest.mark.parametrize("way", WAYS)
def test_what_a_killed_save_left_is_removed_by_the_next(tmp_path: Path, way: str):
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in [ABANDONED, *OTHERS]:
        (folder / name).write_bytes(b"half a file")
    save_pack_or_checkpoint(tmp_path, folder / "model")[way]()
    assert sorted(os.listdir(folder)) == sorted([*OTHERS, "model"]), "nothing but its own is removed"


@POSIX
@pytest.mark.parametrize("way", WAYS)
def test_what_another_process_is_writing_stays(tmp_path: Path, way: str):
    import fcntl

    folder = tmp_path / "folder"
    folder.mkdir()
    with open(folder / ABANDONED, "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        save_pack_or_checkpoint(tmp_path, folder / "model")[way]()
        assert sorted(os.listdir(folder)) == ["model", ABANDONED]
    save_pack_or_checkpoint(tmp_path, folder / "model")[way]()
    assert os.listdir(folder) == ["model"]


@POSIX
@pytest.mark.parametrize("way", WAYS)
def test_a_save_that_fails_leaves_nothing_behind(tmp_path: Path, way: str):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "model").write_bytes(b"the old file")
    save = save_pack_or_checkpoint(tmp_path, folder / "model")[way]
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, before[1]))
    try:
        with pytest.raises(OSError, match="too large") as caught:
            save()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.filename == str(folder / "model")
    assert os.listdir(folder) == ["model"]
    assert (folder / "model").read_bytes() == b"the old file"


def test_the_longest_names_can_be_saved(tmp_path: Path):
    """The temporary file's name is no longer than the target's may be."""
    for name in ("n" * 255, "ä" * 127, "日" * 85):
        if len(os.fsencode(name)) > 255:
            continue
        network().save(tmp_path / name)
        network(1).save(tmp_path / name)
        bp.load(tmp_path / name)
    assert len(os.listdir(tmp_path)) == 3


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="permissions do not bind the superuser")
def test_a_folder_that_may_not_be_written_to(tmp_path: Path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="save: no temporary file can be made beside it") as caught:
        network().save(tmp_path / "model")
    assert caught.value.filename == str(tmp_path / "model")


def test_a_folder_that_is_not_there(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="save") as caught:
        network().save(tmp_path / "nowhere" / "model")
    assert caught.value.filename == str(tmp_path / "nowhere" / "model")


@POSIX
def test_what_is_no_file_is_not_read(tmp_path: Path):
    """A device may have no end; a pipe would wait for whoever writes to it."""
    os.mkfifo(tmp_path / "pipe")
    for path in (Path("/dev/zero"), tmp_path / "pipe"):
        for load in (bp.load, bp.Trainer.load):
            with pytest.raises(OSError, match="load: Invalid argument") as caught:
                load(path)
            assert caught.value.filename == str(path)


def test_two_packings_of_one_path_both_succeed(tmp_path: Path):
    pictures = write_folder(tmp_path / "pictures", 4)
    target = tmp_path / "folder" / "packed"
    target.parent.mkdir()
    results = together(*[lambda: pack_images(pictures, target, 16, verbose=0) for _ in range(3)])
    assert [len(packed) for packed in results] == [12, 12, 12]
    assert os.listdir(target.parent) == ["packed"]


@POSIX
def test_a_private_file_stays_private(tmp_path: Path):
    path = tmp_path / "model"
    network().save(path)
    path.chmod(0o600)
    network(1).save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


MODES = """
import os, resource, signal, stat, sys
from pathlib import Path
import bpnet as bp
from bpnet import _core

path, way = Path(sys.argv[1]), sys.argv[2]
net = bp.Network(30, [bp.Linear(400)])
trainer = bp.Trainer(net, "cross_entropy", "sgd")
os.umask(0o027)

def pack():
    replacement = _core.Replacement("pack", os.fsencode(path))
    with open(replacement.temporary, "r+b") as file:
        file.write(bytes(10_000))

def killed():
    "The mode of what a save leaves that is killed within its bytes."
    pid = os.fork()
    if pid == 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
        {"net.save": lambda: net.save(path), "trainer.save": lambda: trainer.save(path), "pack": pack}[way]()
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXFSZ, status
    left = [each for each in path.parent.iterdir() if each != path]
    assert len(left) == 1, left
    mode = stat.S_IMODE(left[0].stat().st_mode)
    left[0].unlink()
    return mode

modes = [killed()]
path.write_bytes(b"")
for mode in (0o600, 0o664):
    path.chmod(mode)
    modes.append(killed())
net.save(path)
print([oct(mode) for mode in [*modes, stat.S_IMODE(path.stat().st_mode)]])
"""


@POSIX
@pytest.mark.parametrize("way", ["net.save", "trainer.save", "pack"])
def test_a_private_file_is_private_while_it_is_written(tmp_path: Path, way: str):
    """Only a file that is not there yet is as open as the umask has it; another's mode comes with the last byte."""
    command = [sys.executable, "-W", "ignore", "-c", MODES, str(tmp_path / "model"), way]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG, check=False)
    assert (done.returncode, done.stdout) == (0, "['0o640', '0o600', '0o600', '0o664']\n"), done.stderr


@POSIX
def test_what_is_no_file_is_not_replaced(tmp_path: Path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="save"):
        network().save(pipe)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    with pytest.raises(IsADirectoryError, match="save: "):
        network().save(tmp_path)


def test_threads_may_save_to_one_path(tmp_path: Path):
    path = tmp_path / "model"
    problems: list[BaseException] = []

    def save_often(seed: int) -> None:
        try:
            net = network(seed)
            for _ in range(20):
                net.save(path)
                bp.load(path)
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=save_often, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert os.listdir(tmp_path) == ["model"]
