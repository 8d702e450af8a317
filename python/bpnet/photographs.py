"""Photographs before a network: its augmenter and classes, ten views of each, and their test."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing

import numpy as np

from bpnet.data.images import ImageAugmenter, ImageFolder, ImageStatistics, PackedImages
from bpnet.data.images.augmentation import Augmentation
from bpnet.data.images.batches import ImageBatches, ImageSource
from bpnet.data.images.decode import BadImage, decode
from bpnet.network import Network
from bpnet.progress_bar import new_bar
from bpnet.scores import in_top

# Photographs that are looked at together: few, so that Ctrl-C is handled soon.
_TEN_VIEW_BATCH = 8

PathLike = str | os.PathLike[str]


def augmenter_of(network: Network, augmentation: Augmentation | None = None) -> ImageAugmenter:
    """The augmenter that a model's preprocessing describes."""
    image = (network.preprocessing or {}).get("image")
    if image is None:
        raise ValueError("alexnet: the model was not trained on photographs; it keeps no mean image")
    return ImageAugmenter(
        ImageStatistics.from_description(image), image["crop"], augmentation, image["centre_mean"]
    )


def classes_of(network: Network) -> list[str]:
    """The names of the model's classes.

    Raises:
        ValueError: the model has none, or was not trained on photographs.
    """
    augmenter_of(network)
    classes = list((network.preprocessing or {}).get("classes", []))
    outputs = network.output_shape[0]
    if len(classes) != outputs:
        raise ValueError(
            f"classify: the model has {outputs} outputs and the names of {len(classes)} classes; train it with "
            "bpnet.recipes.alexnet, which keeps them"
        )
    return classes


def ranked(row: np.ndarray, top: int) -> list[int]:
    """The indices of the ``top`` largest, the first of equals first."""
    return [int(k) for k in np.argsort(-row, kind="stable")[:top]]


def probabilities(network: Network, paths: Iterable[PathLike]) -> Iterator[np.ndarray | BadImage]:
    """Of each file in turn (classes,) float64, or why it is no photograph."""
    augmenter = augmenter_of(network)
    for path in paths:
        try:
            image = decode(path, augmenter.size)
        except BadImage as bad:
            yield bad
            continue
        yield ten_view_outputs(network, augmenter.ten_views(image[None])[0])[0]


def open_images(
    source: ImageSource | str | os.PathLike[str],
    size: int,
    threads: int | None = None,
    on_error: str = "skip",
) -> ImageSource:
    """The source itself, a folder, or a packed file."""
    if isinstance(source, (ImageFolder, PackedImages)):
        return source
    if os.path.isdir(source):
        return ImageFolder(source, size, threads, on_error)
    return PackedImages(source, on_error)


def labels_by_name(source: ImageSource, classes: list[str]) -> np.ndarray:
    """The source's labels as indices of ``classes``."""
    known = {name: index for index, name in enumerate(classes)}
    present = set(source.labels.tolist())
    unknown = [name for index, name in enumerate(source.classes) if name not in known and index in present]
    if unknown:
        raise ValueError(
            f"test: the class {unknown[0]!r} of {source.path} is not one of the model's, {', '.join(classes)}"
        )
    table = np.array([known.get(name, -1) for name in source.classes], dtype=np.int64)
    return table[source.labels]


def log_softmax(outputs: np.ndarray) -> np.ndarray:
    """log softmax(x) of each row, (N, classes) float64."""
    x = outputs.reshape(len(outputs), -1).astype(np.float64)
    x = x - x.max(axis=1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


def ten_view_outputs(network: Network, views: np.ndarray) -> np.ndarray:
    """(N, classes), the mean of the softmax outputs of views (N · 10, 3, crop, crop)."""
    outputs = np.exp(log_softmax(network.forward(views)))
    return outputs.reshape(len(views) // 10, 10, -1).mean(axis=1)


def ten_view_answers(
    network: Network,
    source: ImageSource,
    augmenter: ImageAugmenter,
    labels: np.ndarray | None = None,
    verbose: int = 1,
) -> Generator[tuple[np.ndarray, np.ndarray], None, None]:
    """Batches of (N, classes) probabilities by ten views of each photograph that can be read, and of labels (N,).

    Raises:
        ValueError: none of them can be read.
    """
    count = 0
    batches = ImageBatches(source, augmenter, _TEN_VIEW_BATCH, labels)
    bar = new_bar(verbose, len(source), " images", "testing")
    try:
        for batch in batches.ten_views():
            bar.update(batch.visited)
            if len(batch.labels):
                count += len(batch.labels)
                yield ten_view_outputs(network, batch.x), batch.labels
    finally:
        bar.close()
    if count == 0:
        raise ValueError(f"test: no photograph of {source.path} could be read")


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
    with closing(ten_view_answers(network, source, augmenter, labels, verbose)) as batches:
        for mean, own_class in batches:
            own = mean[np.arange(len(mean)), own_class]
            loss -= float(np.log(np.maximum(own, 1e-300)).sum())
            first += int(in_top(mean, own_class, 1).sum())
            five += int(in_top(mean, own_class, 5).sum())
            count += len(mean)
    return {"top1": first / count, "top5": five / count, "loss": loss / count, "count": count}
