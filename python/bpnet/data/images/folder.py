"""A folder of class folders of photographs."""

from __future__ import annotations

import os
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from bpnet import _core, checks
from bpnet.console import escaped
from bpnet.data.images.decode import BadImage, decode, require_pillow
from bpnet.data.images.statistics import ImageStatistics, StatisticsSum

# Photographs that are decoded ahead of the one that is waited for, per thread.
_AHEAD = 4


class ImageProblem(NamedTuple):
    """A file or folder that was passed over, and why."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def summary(problems: Sequence[ImageProblem], most: int = 10) -> str:
    """``2 files were passed over: a/b.jpg: it is truncated; …``, or nothing where there is nothing to tell."""
    if not problems:
        return ""
    count = "1 was passed over" if len(problems) == 1 else f"{len(problems)} were passed over"
    shown = "; ".join(str(problem) for problem in problems[:most])
    return f"{count}: {shown}" + ("; …" if len(problems) > most else "")


class ImageFolder:
    """Photographs in class folders: ``FOLDER/class/photograph.jpg``, below which further folders are
    looked into. Names that begin with a dot are left out.

    JPEG, PNG, TIFF, BMP, WebP, GIF and PPM files are read, recognised by their contents whatever they are called;
    of several frames or pages the first. Anything else there is a bad file.

    Args:
        path: the folder.
        size: each photograph is resized to this shortest side, and its middle square kept.
        threads: that decode; those of :func:`bpnet.num_threads` by default.
        on_error: ``"skip"`` passes bad files over and lists them in ``problems``; ``"raise"`` makes the
            first an error.

    Attributes:
        classes: the class folders' names, sorted: class k is the k-th. Bytes that are not UTF-8 are escaped.
        files: paths below the folder, with ``/``, sorted within each class.
        labels: (N,) int64.
        problems: what was passed over so far.

    Raises:
        OSError: the folder cannot be read.
        ValueError: there is no class folder, or no file in any of them.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        size: int = 256,
        threads: int | None = None,
        on_error: str = "skip",
    ) -> None:
        require_pillow()
        check_on_error(on_error)
        self.path = os.fspath(path)
        self.size = checks.whole("images", "size", size)
        self.threads = None if threads is None else checks.whole("images", "threads", threads)
        self.on_error = on_error
        self.problems: list[ImageProblem] = []
        self._pool: ThreadPoolExecutor | None = None
        self.classes: list[str] = []
        self.files: list[str] = []
        labels: list[int] = []
        for name in _class_folders(self.path):
            found = [
                f"{name}/{below}" for below in files_below(os.path.join(self.path, name), self._unreadable)
            ]
            if not found:
                self._report(name, "the class folder holds no files")
            labels += [len(self.classes)] * len(found)
            self.classes.append(escaped(name))
            self.files += found
        self.labels = np.array(labels, dtype=np.int64)
        if not self.classes:
            raise ValueError(f"{self.path}: there are no class folders in it (FOLDER/class/photograph.jpg)")
        if not self.files:
            raise ValueError(f"{self.path}: its class folders hold no files")

    def __len__(self) -> int:
        return len(self.files)

    def fingerprint(self) -> str:
        """A checksum of classes, files and labels, the same for a file that this folder was packed into."""
        return fingerprint(self.classes, self.files, self.labels)

    def leave_out(self, files: Sequence[str]) -> None:
        """Forget these files."""
        away = set(files)
        kept = [index for index, file in enumerate(self.files) if file not in away]
        self.files = [self.files[index] for index in kept]
        self.labels = self.labels[kept]
        if not self.files:
            raise ValueError(f"{self.path}: none of its files is a photograph; {summary(self.problems)}")

    def _report(self, file: str, reason: str) -> None:
        problem = ImageProblem(os.path.join(self.path, file), reason)
        if self.on_error == "raise":
            raise ValueError(str(problem))
        if problem not in self.problems:
            self.problems.append(problem)

    def _unreadable(self, error: OSError) -> None:
        self._report(os.path.relpath(error.filename, self.path), error.strerror or str(error))

    def _decode(self, file: str) -> np.ndarray | BadImage:
        try:
            return decode(os.path.join(self.path, file), self.size)
        except BadImage as bad:
            return bad

    def each(
        self, of_each: Callable[[np.ndarray], Any] = lambda image: None
    ) -> Iterator[tuple[int, Any, Any]]:
        """(index, image, of_each(image)) of every photograph in order, decoded by threads; for a bad one
        the image is None."""

        def work(file: str) -> tuple[np.ndarray | BadImage, Any]:
            image = self._decode(file)
            return image, None if isinstance(image, BadImage) else of_each(image)

        pool = self._new_pool()
        try:
            ahead = _AHEAD * (self.threads or _core.num_threads())
            waiting = deque(pool.submit(work, file) for file in self.files[:ahead])
            for index, file in enumerate(self.files):
                image: np.ndarray | BadImage | None
                image, more = waiting.popleft().result()
                if index + ahead < len(self.files):
                    waiting.append(pool.submit(work, self.files[index + ahead]))
                if isinstance(image, BadImage):
                    self._report(file, str(image))
                    image = None
                yield index, image, more
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def gather(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(images, rows, samples): images[rows[i]] is photograph number samples[i], (size, size, 3) uint8.
        The bad ones among ``indices`` are left out."""
        if self._pool is None:
            self._pool = self._new_pool()
        decoded = list(self._pool.map(self._decode, [self.files[index] for index in indices]))
        sound = []
        for index, image in zip(indices, decoded):
            if isinstance(image, BadImage):
                self._report(self.files[index], str(image))
            else:
                sound.append((index, image))
        images = np.empty((len(sound), self.size, self.size, 3), dtype=np.uint8)
        for row, (_, image) in enumerate(sound):
            images[row] = image
        samples = np.array([index for index, _ in sound], dtype=np.uint64)
        return images, np.arange(len(sound), dtype=np.uint64), samples

    def _new_pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.threads or _core.num_threads(), thread_name_prefix="bpnet-decode")

    def statistics(self, advance: Callable[[int], Any] = lambda count: None) -> ImageStatistics:
        """Decode every photograph once: the set's statistics. Bad files are left out from then on.
        ``advance(1)`` is called after each file."""
        total = StatisticsSum(self.size)
        bad = []
        for index, image, products in self.each(StatisticsSum.products):
            if image is None:
                bad.append(self.files[index])
            else:
                total.add(image, products)
            advance(1)
        self.leave_out(bad)
        return total.result()


def check_on_error(on_error: str) -> None:
    """A ValueError unless it is one of the two words."""
    if on_error not in ("skip", "raise"):
        raise ValueError(f"images: on_error is {on_error!r}, 'skip' or 'raise' is needed")


def fingerprint(classes: Sequence[str], files: Sequence[str], labels: np.ndarray) -> str:
    """A checksum of eight hexadecimal digits."""
    crc = zlib.crc32(repr((list(classes), list(files))).encode("utf-8", "surrogatepass"))
    return f"{zlib.crc32(labels.astype('<i8').tobytes(), crc):08x}"


def _class_folders(folder: str) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))


def files_below(folder: str, unreadable: Callable[[OSError], None] | None = None) -> list[str]:
    """Sorted paths below the folder, with ``/``. A link to a folder is not followed: it may lead round."""
    found = []
    for where, folders, names in os.walk(folder, onerror=unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        below = os.path.relpath(where, folder).replace(os.sep, "/")
        prefix = "" if below == "." else below + "/"
        found += [prefix + name for name in names if not name.startswith(".")]
    return sorted(found)
