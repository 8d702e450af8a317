"""Which classes photographs show, by a model that was trained on photographs."""

from __future__ import annotations

import os
from collections.abc import Iterable

from bpnet import checks
from bpnet.data.images.decode import BadImage
from bpnet.model import Model
from bpnet.network import Network
from bpnet.photographs import PathLike, classes_of, probabilities, ranked


def classify(
    model: Model | Network, photographs: PathLike | Iterable[PathLike], top: int = 5
) -> list[list[tuple[str, float]]]:
    """The likeliest classes of photographs, by the mean softmax output of ten views of each.

    >>> bp.recipes.classify(bp.load_model("alexnet.safetensors"), "cat.jpg")
    [[('tabby', 0.71), ('tiger cat', 0.22), ('Egyptian cat', 0.05), ('lynx', 0.01), ('Persian cat', 0.0)]]

    Args:
        model: of a model file that :func:`alexnet` wrote, or its network.
        photographs: a file's path, or several.
        top: how many classes of each, the likeliest first.

    Returns:
        For each photograph (class, probability), ``top`` times, fewer where there are fewer classes.

    Raises:
        ImportError: Pillow, the extra ``images``, is not installed.
        ValueError: a file that is no photograph, or a model that was not trained on photographs.
    """
    top = checks.whole("classify", "top", top)
    network = model.network if isinstance(model, Model) else model
    paths = [photographs] if isinstance(photographs, (str, os.PathLike)) else list(photographs)
    classes = classes_of(network)
    answers = []
    for path, row in zip(paths, probabilities(network, paths)):
        if isinstance(row, BadImage):
            raise ValueError(f"classify: {os.fspath(path)}: {row}")
        answers.append([(classes[k], float(row[k])) for k in ranked(row, top)])
    return answers
