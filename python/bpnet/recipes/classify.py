"""Which classes photographs show, by a model that was trained on photographs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

import numpy as np

from bpnet import checks
from bpnet.data.images.decode import BadImage, decode
from bpnet.network import Network
from bpnet.recipes.alexnet import augmenter_of
from bpnet.recipes.images import ten_view_outputs

PathLike = str | os.PathLike[str]


def classify(
    network: Network, photographs: PathLike | Iterable[PathLike], top: int = 5
) -> list[list[tuple[str, float]]]:
    """The likeliest classes of photographs, by the mean softmax output of ten views of each.

    >>> bp.recipes.classify(bp.load("alexnet.safetensors"), "cat.jpg")
    [[('tabby', 0.71), ('tiger cat', 0.22), ('Egyptian cat', 0.05), ('lynx', 0.01), ('Persian cat', 0.0)]]

    Args:
        network: of a model file that :func:`alexnet` wrote.
        photographs: a file's path, or several.
        top: how many classes of each, the likeliest first.

    Returns:
        For each photograph (class, probability), ``top`` times, fewer where there are fewer classes.

    Raises:
        ImportError: Pillow, the extra ``images``, is not installed.
        ValueError: a file that is no photograph, or a model that was not trained on photographs.
    """
    top = checks.whole("classify", "top", top)
    paths = [photographs] if isinstance(photographs, (str, os.PathLike)) else list(photographs)
    classes = classes_of(network)
    answers = []
    for path, row in zip(paths, probabilities(network, paths)):
        if isinstance(row, BadImage):
            raise ValueError(f"classify: {os.fspath(path)}: {row}")
        answers.append([(classes[k], float(row[k])) for k in ranked(row, top)])
    return answers


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
    """The places of the ``top`` largest, the first of equals first."""
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
