"""A run on photographs: epochs over augmented batches, a checkpoint after each, and the ten-view test."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping
from contextlib import closing

import numpy as np

from bpnet import _core
from bpnet.data.images.augmentation import ImageAugmenter
from bpnet.data.images.batches import ImageBatches, ImageSource
from bpnet.data.images.folder import ImageProblem
from bpnet.exclusive import alone
from bpnet.network import Network
from bpnet.photographs import log_softmax, ten_view_test
from bpnet.training import Callback, Checkpoint, History, Trainer
from bpnet.training.callbacks import as_callback
from bpnet.training.loop import Loop
from bpnet.training.sources import SLICE_SECONDS, Progressed, Source

# Photographs that are looked at together outside training: few, so that Ctrl-C is handled soon.
_TEST_BATCH = 32

# What is drawn in a run's folder of plots.
PICTURES = CURVES, FILTERS = "curves.png", "filters.png"


class PhotographSource(Source):
    """Augmented batches of photographs, each made while the network works on the one before."""

    unit = " images"

    def __init__(self, trainer: Trainer, batches: ImageBatches) -> None:
        self._core = trainer._core
        self._batches = batches
        self.samples = len(batches.source)
        self.position = self._core.state["position"]

    def train(self, epoch: int) -> Generator[Progressed, None, None]:
        """A batch at a time, or on a device a few, from the trainer's position in the epoch."""
        core = self._core
        position = core.state["position"]
        if position == 0:
            core.begin_epoch()
        order = _core.epoch_order(core.seed, epoch - 1, True, len(self._batches.source))
        with closing(self._batches.training(order[position:], core.seed, epoch - 1)) as batches:
            ended = False
            while not ended:
                ended = core.run_batches(batches, SLICE_SECONDS)
                before, position = position, core.state["position"]
                if position > before:
                    yield Progressed(position - before, -(-position // self._batches.batch_size))
        if core.epoch_sums[1] == 0:
            raise ValueError(f"training: no photograph of {self._batches.source.path} could be read")

    def counted(self) -> int:
        """Those that could be read: each has weight 1."""
        return round(self._core.epoch_sums[1])


class _Drawing(Callback):
    """Draws curves and filters after each epoch."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = folder

    def on_epoch_end(self, trainer: Trainer, epoch: int, metrics: Mapping[str, float]) -> None:
        from bpnet.plots import plot_filters

        trainer.history.plot(os.path.join(self.folder, CURVES))
        filters = next(iter(trainer.network.state_dict().values()))
        if filters.ndim == 4 and filters.shape[1] == 3:
            plot_filters(filters, path=os.path.join(self.folder, FILTERS))


class ImageRun:
    """Trains on photographs. The state after every step is that of the trainer: its position in the epoch,
    and all numbers drawn, follow from seed, epoch and position, so that a saved run continues bit-exactly.

    Args:
        trainer: of a float32 network for (3, crop, crop), with a cross-entropy.
        batches: of the training photographs.
        test: of the photographs that are measured after each epoch, or None.
        path: the run file that is written after each epoch, and when the run is stopped; or None.
        plot: a folder for ``curves.png`` and ``filters.png``, drawn after each epoch; or None.
        on_epoch_end: called with (epoch, metrics) once the epoch is saved; True ends the training.

    Attributes:
        trainer, network: what is trained.
        results: of the ten-view test once there was one, else None.
    """

    def __init__(
        self,
        trainer: Trainer,
        batches: ImageBatches,
        test: ImageBatches | None = None,
        path: str | os.PathLike[str] | None = None,
        plot: str | os.PathLike[str] | None = None,
        verbose: int = 1,
        on_epoch_end: Callable[[int, dict[str, float]], bool | None] | None = None,
    ) -> None:
        _check_network(trainer.network, batches.augmenter, len(batches.source.classes))
        trainer._core.check_batches(len(batches.source), batches.batch_size)
        self.trainer = trainer
        self.network = trainer.network
        self.batches = batches
        self.test = test
        self.path = path
        self.plot = plot
        self.verbose = verbose
        self.on_epoch_end = on_epoch_end
        self.results: dict[str, float] | None = None

    @property
    def history(self) -> History:
        """The metrics of every epoch, those before a resume too."""
        return self.trainer.history

    @property
    def problems(self) -> list[ImageProblem]:
        """Files that were passed over."""
        sources = [self.batches.source, *([self.test.source] if self.test else [])]
        return [problem for source in sources for problem in source.problems]

    def train(self, epochs: int) -> History:
        """Train until there are ``epochs`` epochs in all.

        Raises:
            KeyboardInterrupt: after Ctrl-C, with the run saved within the epoch.
            NumericError: the loss or the weights are not finite; the file keeps the last epoch's end.
        """
        return alone("training", self.network._claims, lambda: self._train(epochs))

    def _train(self, epochs: int) -> History:
        source = PhotographSource(self.trainer, self.batches)
        loop = Loop(
            self.trainer, source, epochs, self._measures(), self._callbacks(), self.verbose, restores=False
        )
        try:
            loop.run()
        except KeyboardInterrupt:
            if self.path is not None:
                self.trainer.save(self.path)
            raise KeyboardInterrupt(self._stopped()) from None
        except _core.NumericError as error:
            raise _core.NumericError(f"{error}; {self._kept()}") from None
        return self.history

    def _measures(self) -> list[Callable[[], Mapping[str, float]]]:
        test = self.test
        return [] if test is None else [lambda: _measure(self.network, test)]

    def _callbacks(self) -> list[Callback]:
        """In the order in which they are called after an epoch."""
        callbacks: list[Callback] = [] if self.path is None else [Checkpoint(self.path)]
        if self.plot is not None:
            callbacks.append(_Drawing(self.plot))
        if self.on_epoch_end is not None:
            callbacks.append(as_callback(self.on_epoch_end))
        return callbacks

    def _stopped(self) -> str:
        state = self.trainer._core.state
        where = f"stopped in epoch {state['epoch'] + 1} after {state['position']:,} photographs"
        if self.path is None:
            return f"{where}: no file was given, the run is gone"
        return f"{where}: {os.fspath(self.path)} holds the run, resume it from there"

    def _kept(self) -> str:
        if self.path is None or self.trainer.epochs == 0:
            return "nothing was saved"
        return f"{os.fspath(self.path)} holds the run as it stood after epoch {self.trainer.epochs}"

    def ten_view_test(self) -> dict[str, float]:
        """The results on the test photographs; see :func:`ten_view_test`."""
        if self.test is None:
            raise ValueError("test: there are no test photographs")
        source, augmenter = self.test.source, self.test.augmenter
        self.results = ten_view_test(self.network, source, augmenter, self.test.labels, self.verbose)
        return self.results


def _check_network(network: Network, augmenter: ImageAugmenter, classes: int) -> None:
    wanted = (3, augmenter.crop, augmenter.crop)
    if network.input_shape != wanted:
        raise ValueError(f"training: the network takes {network.input_shape}, the photographs are {wanted}")
    if network.dtype != np.float32:
        raise ValueError(f"training: the network is of {network.dtype}, photographs are float32")
    outputs = int(np.prod(network.output_shape))
    if outputs != classes:
        raise ValueError(
            f"training: the network has {outputs} outputs, the photographs {classes} classes; give its last "
            "layer one output for each class"
        )


def _measure(network: Network, test: ImageBatches) -> Mapping[str, float]:
    """Mean loss and accuracy on the middle of each photograph."""
    loss, right, count = 0.0, 0, 0
    for batch in test.centre():
        if len(batch.labels) == 0:
            continue
        scores = log_softmax(network.forward(batch.x))
        loss -= float(scores[np.arange(len(scores)), batch.labels].sum())
        right += int((scores.argmax(axis=1) == batch.labels).sum())
        count += len(scores)
    if count == 0:
        raise ValueError(f"test: no photograph of {test.source.path} could be read")
    return {"val_loss": loss / count, "val_accuracy": right / count}


def measuring_batches(
    source: ImageSource, augmenter: ImageAugmenter, labels: np.ndarray | None = None
) -> ImageBatches:
    """Batches of a size that suits measuring."""
    return ImageBatches(source, augmenter, _TEST_BATCH, labels)
