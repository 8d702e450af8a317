"""Saving puts a whole file where a file belongs, and nowhere else."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import numpy as np
import pytest

import bpnet as bp

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
def test_a_private_file_stays_private(tmp_path: Path):
    path = tmp_path / "model"
    network().save(path)
    path.chmod(0o600)
    network(1).save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


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
