"""Where output may be written: never over an input, another output or what is no plain file, whole or not at all."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

import bpnet as bp
from bpnet.output_files import check_folder, check_outputs, holds_model, replacing, replacing_text
from test_command_line import POSIX


def refused(path: object, *fragments: str, **inputs: object) -> None:
    with pytest.raises(ValueError, match="^--save") as caught:
        check_outputs({"--save": path}, {name.replace("_", " "): each for name, each in inputs.items()})  # type: ignore[arg-type, misc]
    for fragment in (str(path), *fragments):
        assert fragment in str(caught.value)


def accepted(path: object, **inputs: object) -> None:
    check_outputs({"--save": path}, inputs)  # type: ignore[arg-type]


def special_file(path: Path, kind: str) -> None:
    if kind == "FIFO":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as end:
            end.bind(str(path))
    else:
        try:
            os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
        except OSError:
            pytest.skip("only the superuser makes device nodes")


@POSIX
@pytest.mark.parametrize("kind", ["FIFO", "socket", "device"])
@pytest.mark.parametrize("by_link", [False, True])
def test_what_is_no_plain_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, by_link: bool):
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    path = Path("it")
    special_file(path, kind)
    if by_link:
        Path("link").symlink_to(path)
    before = path.stat().st_mode
    refused("link" if by_link else "it", kind, "only a plain file is replaced")
    with pytest.raises(OSError), replacing("plot", "link" if by_link else "it") as file:
        file.write(b"1")
    assert path.stat().st_mode == before


def test_names_and_folders(tmp_path: Path):
    (tmp_path / "data").write_text("1")
    (tmp_path / "folder").mkdir()
    refused("", "empty")
    refused(tmp_path, "folder, a file's name is needed")
    refused(f"{tmp_path}/new/", "name of a folder")
    refused(tmp_path / "nowhere" / "m", f"there is no folder {tmp_path / 'nowhere'}")
    refused(tmp_path / "data" / "m")
    refused(tmp_path / ("n" * 300))
    with pytest.raises(ValueError, match="null byte"):
        accepted("a\0b")
    with pytest.raises(TypeError, match="string"):
        accepted(b"m")
    for path in (tmp_path / "new", str(tmp_path / "new"), tmp_path / "folder" / "new", None, "new"):
        accepted(path)


@POSIX
def test_a_folder_that_cannot_be_written_to(tmp_path: Path):
    if os.geteuid() == 0:
        pytest.skip("permissions do not bind the superuser")
    tmp_path.chmod(0o500)
    refused(tmp_path / "m", "cannot be written to")
    with pytest.raises(ValueError, match="cannot be written to"):
        check_folder("--plot", tmp_path)
    tmp_path.chmod(0o700)


def ways_to(file: Path) -> dict[str, Path]:
    """Other names of one file."""
    folder = file.parent
    (folder / "hard").hardlink_to(file)
    (folder / "soft").symlink_to(file.name)
    (folder / "soft to soft").symlink_to("soft")
    (folder / "inner").mkdir()
    (folder / "other folder").symlink_to(folder)
    return {
        "itself": file,
        "a hard link": folder / "hard",
        "a link": folder / "soft",
        "a link to a link": folder / "soft to soft",
        "a path with ..": folder / "inner" / ".." / file.name,
        "a folder's link": folder / "other folder" / file.name,
    }


@POSIX
@pytest.mark.parametrize(
    "name", ["itself", "a hard link", "a link", "a link to a link", "a path with ..", "a folder's link"]
)
def test_an_input_under_any_name(tmp_path: Path, name: str):
    (tmp_path / "data.csv").write_text("a,b")
    path = ways_to(tmp_path / "data.csv")[name]
    refused(path, "the data, which is read", the_data=tmp_path / "data.csv")
    refused(tmp_path / "data.csv", "the data", the_data=path)
    accepted(path)


def test_a_relative_name_of_an_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "data.csv").write_text("a,b")
    monkeypatch.chdir(tmp_path)
    refused("data.csv", "the data", the_data=tmp_path / "data.csv")
    accepted("data.csv", data="digits", labels=None)


def test_a_file_in_a_folder_that_is_read(tmp_path: Path):
    (tmp_path / "cat").mkdir()
    photograph = tmp_path / "cat" / "1.jpg"
    photograph.write_bytes(b"picture")
    refused(photograph, "FOLDER, which is read", FOLDER=tmp_path)
    accepted(tmp_path / "cat" / "new", FOLDER=tmp_path)
    bp.Network(2, [bp.Linear(1)]).save(tmp_path / "model")
    assert holds_model(tmp_path / "model") and not holds_model(photograph) and not holds_model(tmp_path)
    check_outputs({"--save": tmp_path / "model"}, {"FOLDER": tmp_path}, model="--save")
    refused(tmp_path / "model", "holds a model")


@POSIX
def test_two_outputs(tmp_path: Path):
    (tmp_path / "link").symlink_to("new")
    for path, other in (("new", "new"), ("new", "link"), ("./new", "new")):
        with pytest.raises(ValueError, match="--save writes this file too"):
            check_outputs({"--save": f"{tmp_path}/{path}", "--plot": f"{tmp_path}/{other}"}, {})
    check_outputs({"--save": tmp_path / "a", "--plot": tmp_path / "b", "--packed": None}, {})


@POSIX
def test_links(tmp_path: Path):
    """A link stays a link, one to nothing is written through, one to itself is refused."""
    (tmp_path / "old").write_text("old")
    (tmp_path / "link").symlink_to("old")
    (tmp_path / "dangling").symlink_to("new")
    (tmp_path / "loop").symlink_to("loop")
    for name, target in (("link", "old"), ("dangling", "new")):
        accepted(tmp_path / name)
        with replacing_text("predict", tmp_path / name) as file:
            file.write("ö\n")
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / target).read_bytes() == "ö\n".encode()
    refused(tmp_path / "loop")
    (tmp_path / "to nowhere").symlink_to("nowhere/m")
    refused(tmp_path / "to nowhere", "there is no folder")


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError(28, "No space left on device")])
def test_whole_or_not_at_all(tmp_path: Path, error: BaseException | type[BaseException]):
    path = tmp_path / "out.csv"
    for old in (None, "old"):
        if old is not None:
            path.write_text(old)
        before = sorted(tmp_path.iterdir())
        with (
            pytest.raises(type(error) if isinstance(error, OSError) else error),
            replacing_text("predict", path) as file,
        ):  # type: ignore[arg-type]
            file.write("half")
            file.flush()
            raise error
        assert sorted(tmp_path.iterdir()) == before
        assert old is None or path.read_text() == old


def test_errors_name_the_file_and_the_operation(tmp_path: Path):
    with (
        pytest.raises(OSError, match="predict: No space left") as caught,
        replacing("predict", tmp_path / "out"),
    ):
        raise OSError(28, os.strerror(28))
    assert caught.value.filename == str(tmp_path / "out")
    with (
        pytest.raises(FileNotFoundError, match="^.Errno 2. plot: ") as missing,
        replacing("plot", tmp_path / "no" / "p"),
    ):
        pass
    assert missing.value.filename == str(tmp_path / "no" / "p")
    with pytest.raises(FileNotFoundError) as other, replacing("plot", tmp_path / "p"):
        (tmp_path / "another").read_bytes()
    assert other.value.filename == str(tmp_path / "another")


def test_a_folder_for_plots(tmp_path: Path):
    (tmp_path / "file").write_text("1")
    check_folder("--plot", tmp_path)
    check_folder("--plot", tmp_path / "new")
    check_folder("--plot", tmp_path / "new" / "newer")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ValueError, match="--plot .*file is no folder"):
            check_folder("--plot", path)


WRITERS: dict[str, Callable[[Path], object]] = {
    "history": lambda path: bp.History(epoch=[1, 2], loss=[2.0, 1.0]).plot(path),
    "filters": lambda path: bp.plots.plot_filters(
        bp.Network((3, 8, 8), [bp.Conv2d(2, 3)]).state_dict()["0.weight"], path=path
    ),
}


@pytest.mark.parametrize("name", WRITERS)
def test_pictures(tmp_path: Path, name: str):
    pytest.importorskip("matplotlib")
    for ending, start in (("png", b"\x89PNG"), ("SVG", b"<?xml"), ("pdf", b"%PDF")):
        WRITERS[name](tmp_path / f"p.{ending}")
        assert (tmp_path / f"p.{ending}").read_bytes().startswith(start)
    before = sorted(tmp_path.iterdir())
    for wrong in ("p", "p.xyz", "p.png.old"):
        with pytest.raises(ValueError, match=r"a picture's name ends in one of .*\.png"):
            WRITERS[name](tmp_path / wrong)
    assert sorted(tmp_path.iterdir()) == before


def test_a_picture_that_fails_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    figure = pytest.importorskip("matplotlib.figure")
    path = tmp_path / "p.png"
    WRITERS["history"](path)
    old = path.read_bytes()

    def fails(self: object, file: object, **options: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise RuntimeError("drawing")

    monkeypatch.setattr(figure.Figure, "savefig", fails)
    with pytest.raises(RuntimeError, match="drawing"):
        WRITERS["history"](path)
    assert path.read_bytes() == old and list(tmp_path.iterdir()) == [path]
