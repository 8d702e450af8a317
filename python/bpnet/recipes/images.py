"""A run on photographs: epochs over augmented batches, a checkpoint after each, and the ten-view test."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import closing

import numpy as np

from bpnet import _core
from bpnet.data.images.augmentation import ImageAugmenter
from bpnet.data.images.batches import ImageBatches, ImageSource
from bpnet.data.images.folder import ImageProblem
from bpnet.exclusive import Claim
from bpnet.network import Network
from bpnet.progress_bar import new_bar
from bpnet.training import History, Trainer
from bpnet.training.progress import Progress

# Photographs that are looked at together outside training: few, so that Ctrl-C is heard soon.
_TEST_BATCH = 32
_TEN_VIEW_BATCH = 8


class ImageRun:
    """Trains on photographs. The state after every step is that of the trainer: where it stands in the epoch,
    and all numbers drawn, follow from seed, epoch and place, so that a saved run goes on bit-exactly.

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
            KeyboardInterrupt: after Ctrl-C, with the run saved as it stands amid the epoch.
            NumericError: the loss or the weights are not finite; the file keeps the last epoch's end.
        """
        claims, claim = self.network._claims, Claim()
        try:
            claims[claim] = None
            claim.check("training", claims)
            return self._train(epochs)
        finally:
            claims.pop(claim, None)

    def _train(self, epochs: int) -> History:
        state = self.trainer._core.state
        samples = len(self.batches.source)
        progress = Progress(
            self.verbose,
            epochs,
            epochs * samples,
            unit=" images",
            initial=state["epoch"] * samples + state["position"],
        )
        try:
            while self.trainer.epochs < epochs:
                metrics = self._epoch(progress)
                if self.path is not None:
                    self.trainer.save(self.path)
                self._draw()
                if self.on_epoch_end and self.on_epoch_end(self.trainer.epochs, metrics):
                    break
        except KeyboardInterrupt:
            progress.close()
            self.history.truncate(self.trainer.epochs)
            if self.path is not None:
                self.trainer.save(self.path)
            raise KeyboardInterrupt(self._stopped()) from None
        except _core.NumericError as error:
            raise _core.NumericError(f"{error}; {self._kept()}") from None
        finally:
            progress.close()
        return self.history

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

    def _epoch(self, progress: Progress) -> dict[str, float]:
        """What is left of the epoch that the trainer is in."""
        core = self.trainer._core
        start = time.perf_counter()
        state = core.state
        epoch, place = state["epoch"], state["position"]
        progress.begin_epoch(epoch + 1)
        if place == 0:
            core.begin_epoch()
        order = _core.epoch_order(core.seed, epoch, True, len(self.batches.source))
        with closing(self.batches.training(order[place:], core.seed, epoch)) as batches:
            for batch in batches:
                core.step_in_epoch(batch.x, batch.labels, batch.visited)
                loss_sum, count = core.epoch_sums
                progress.show(f"loss {loss_sum / max(count, 1):.4f}")
                progress.advance(batch.visited)
        if core.epoch_sums[1] == 0:
            raise ValueError(f"training: no photograph of {self.batches.source.path} could be read")
        if not core.weights_are_finite():
            raise _core.NumericError(
                f"training: the weights are not finite after step {self.trainer.steps} (epoch {epoch + 1}); "
                "lower the learning rate"
            )
        return self._end_epoch(epoch + 1, start, progress)

    def _end_epoch(self, epoch: int, start: float, progress: Progress) -> dict[str, float]:
        core = self.trainer._core
        loss, accuracy = core.epoch_result(round(core.epoch_sums[1]))
        metrics = {"epoch": epoch, "loss": loss, "accuracy": accuracy}
        if self.test is not None:
            metrics["val_loss"], metrics["val_accuracy"] = _measure(self.network, self.test)
        metrics["lr"] = core.learning_rate
        metrics["seconds"] = time.perf_counter() - start
        self.history.add(metrics)  # first: an interrupt between the two is put right by truncate
        core.end_epoch(metrics.get("val_loss", loss))
        progress.end_epoch(epoch, metrics)
        return metrics

    def _draw(self) -> None:
        if self.plot is None:
            return
        from bpnet.plots import plot_filters

        self.history.plot(os.path.join(self.plot, "curves.png"))
        filters = next(iter(self.network.state_dict().values()))
        if filters.ndim == 4 and filters.shape[1] == 3:
            plot_filters(filters, os.path.join(self.plot, "filters.png"))

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


def _log_softmax(outputs: np.ndarray) -> np.ndarray:
    x = outputs.reshape(len(outputs), -1).astype(np.float64)
    x = x - x.max(axis=1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


def _measure(network: Network, test: ImageBatches) -> tuple[float, float]:
    """Mean loss and accuracy on the middle of each photograph."""
    loss, right, count = 0.0, 0, 0
    for batch in test.centre():
        if len(batch.labels) == 0:
            continue
        scores = _log_softmax(network.forward(batch.x))
        loss -= float(scores[np.arange(len(scores)), batch.labels].sum())
        right += int((scores.argmax(axis=1) == batch.labels).sum())
        count += len(scores)
    if count == 0:
        raise ValueError(f"test: no photograph of {test.source.path} could be read")
    return loss / count, right / count


def measuring_batches(
    source: ImageSource, augmenter: ImageAugmenter, labels: np.ndarray | None = None
) -> ImageBatches:
    """Batches of a size that suits measuring."""
    return ImageBatches(source, augmenter, _TEST_BATCH, labels)


def ten_view_outputs(network: Network, views: np.ndarray) -> np.ndarray:
    """(N, classes), the mean of the softmax outputs of views (N · 10, 3, crop, crop)."""
    outputs = np.exp(_log_softmax(network.forward(views)))
    return outputs.reshape(len(views) // 10, 10, -1).mean(axis=1)


def ten_view_test(
    network: Network,
    source: ImageSource,
    augmenter: ImageAugmenter,
    labels: np.ndarray | None = None,
    verbose: int = 1,
) -> dict[str, float]:
    """The test of Krizhevsky, Sutskever and Hinton 2012, section 4.1: the softmax outputs of ten views of each
    photograph (four corners and the middle, and their mirror images) are averaged.

    Returns:
        ``top1`` and ``top5``, the fractions of photographs whose class is the likeliest, and among the five
        likeliest; ``loss``, the mean −log of the averaged probability; ``count``, the photographs.
    """
    loss, first, five, count = 0.0, 0, 0, 0
    batches = ImageBatches(source, augmenter, _TEN_VIEW_BATCH, labels)
    bar = new_bar(verbose, len(source), " images", "testing")
    try:
        for batch in batches.ten_views():
            bar.update(batch.visited)
            if len(batch.labels) == 0:
                continue
            mean = ten_view_outputs(network, batch.x)
            own = mean[np.arange(len(mean)), batch.labels]
            better = (mean > own[:, None]).sum(axis=1)
            loss -= float(np.log(np.maximum(own, 1e-300)).sum())
            first += int((better < 1).sum())
            five += int((better < 5).sum())
            count += len(mean)
    finally:
        bar.close()
    if count == 0:
        raise ValueError(f"test: no photograph of {source.path} could be read")
    return {"top1": first / count, "top5": five / count, "loss": loss / count, "count": count}
