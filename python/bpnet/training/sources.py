"""Where the samples of an epoch come from: arrays, or an iterable of batches."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from bpnet._bridge import Dataset, finite_dataset
from bpnet.losses import Loss

if TYPE_CHECKING:
    from bpnet.network import Network

# How long the core works before it returns to handle Ctrl-C and move the progress bar.
SLICE_SECONDS = 0.1


class Progressed(NamedTuple):
    """How many samples were visited since the last time, and the number of the last batch, counted from 1."""

    samples: int
    batch: int


class Source:
    """Where an epoch's samples come from; each kind is a subclass.

    Attributes:
        samples: how many samples an epoch has; None where that shows at its end only.
        position: how many samples of the current epoch were visited before this run.
        unit: what a sample is called behind the progress bar.
    """

    samples: int | None = None
    position = 0
    unit = " samples"

    def train(self, epoch: int) -> Generator[Progressed, None, None]:
        """Train through what is left of epoch number ``epoch``, counted from 1; between updates yields where it is."""
        raise NotImplementedError

    def counted(self) -> int:
        """How many samples of the epoch were trained on so far, of which accuracy is a fraction."""
        raise NotImplementedError


class ArraySource(Source):
    """A data set that is held for the core, which cuts its batches itself.

    Args:
        core: the core's trainer.
        by_batch: come back after each batch, not after each slice of the work; to the same bits.
    """

    def __init__(
        self,
        core: Any,
        data: Dataset,
        batch_size: int,
        shuffle: bool,
        online_block: int,
        by_batch: bool = False,
    ) -> None:
        if by_batch and batch_size == 1:
            raise ValueError(
                "fit: on_batch_end is called after each batch, and at batch_size 1 one kernel makes many updates; "
                "choose a batch_size of at least 2, or use on_epoch_end"
            )
        self._core = core
        self._data = data
        self._batch_size = batch_size
        self._shuffle = shuffle
        self._online_block = online_block
        self._seconds = 0.0 if by_batch else None
        self.samples = len(data)
        self.position = core.state["position"]
        if self.position > len(data):
            raise ValueError(
                f"fit: the run stopped after {self.position} samples of an epoch, the data has {len(data)}; "
                "give the data it was begun with"
            )
        core.check_batches(len(data), batch_size)

    def train(self, epoch: int) -> Generator[Progressed, None, None]:
        """A batch, or a slice of some batches, at a time."""
        seconds = SLICE_SECONDS if self._seconds is None else self._seconds
        visited, ended = self._core.state["position"], False
        while visited < len(self._data) and not ended:
            ended = self._core.run(self._data, self._batch_size, self._shuffle, seconds, self._online_block)
            before, visited = visited, self._core.state["position"]
            yield Progressed(visited - before, -(-visited // self._batch_size))

    def counted(self) -> int:
        """All up to the run's position."""
        return self._core.state["position"]


class BatchSource(Source):
    """An iterable of batches (X, y) or (X, y, sample_weight), iterated anew each epoch.

    Args:
        core: the core's trainer.
        names: of the columns that the batches' DataFrames must have; None where the first one says it.
    """

    def __init__(
        self,
        core: Any,
        network: Network,
        loss: Loss,
        batches: Iterable[Any],
        names: Sequence[str] | None,
    ) -> None:
        self._core = core
        self._network = network
        self._loss = loss
        self._batches = batches
        self._names = names
        self._counted = 0

    def train(self, epoch: int) -> Generator[Progressed, None, None]:
        """A batch at a time."""
        self._core.begin_epoch()
        self._counted = 0
        for index, batch in enumerate(self._batches):
            held = self._held(f"fit (batch {index})", index, batch)
            self._core.step(held)
            self._counted += len(held)
            yield Progressed(len(held), index + 1)
            self._network._keep_columns(batch[0])
        if self._counted == 0:
            raise ValueError(
                f"fit: X gave no batches in epoch {epoch}; give something that can be iterated anew each "
                "epoch, such as a list"
            )

    def _held(self, operation: str, index: int, batch: Any) -> Dataset:
        if not isinstance(batch, (tuple, list)) or len(batch) not in (2, 3):
            raise ValueError(f"fit: batch {index} is no (X, y) or (X, y, sample_weight)")
        x, y, *rest = batch
        weight = rest[0] if rest else None
        self._network._check_columns(operation, x, self._names)
        try:
            return finite_dataset(operation, self._network._core, x, y, self._loss, weight, convert=True)
        except ValueError as error:  # the core's own checks do not know which batch it is
            if str(error).startswith(operation):
                raise
            raise ValueError(f"{operation}: {error}") from None

    def counted(self) -> int:
        """Those of the batches so far."""
        return self._counted
