"""What the arguments of fit say: where its samples come from, and what is measured after each epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bpnet import _core, arrays, checks, frames
from bpnet._bridge import finite_dataset
from bpnet.evaluation import evaluate, outputs
from bpnet.metrics import Function, Metric, as_metrics, measure
from bpnet.training.callbacks import Callback, wants_batches
from bpnet.training.loop import Measure
from bpnet.training.sources import ArraySource, BatchSource, Source

if TYPE_CHECKING:
    from bpnet.training.trainer import Trainer


class FitOptions(NamedTuple):
    """The arguments of fit that are no data."""

    epochs: int
    batch_size: int
    shuffle: bool
    validation_split: float
    metrics: Mapping[str, Function] | Sequence[str | Function]
    verbose: int
    online_block: int | None


class _Samples(NamedTuple):
    """X, y and their weights, as the user gave them or as arrays."""

    X: Any
    y: Any
    sample_weight: Any = None


def source_of(
    trainer: Trainer,
    X: Any,
    y: Any,
    sample_weight: Any,
    validation_data: tuple[Any, ...] | None,
    callbacks: Sequence[Callback],
    options: FitOptions,
) -> tuple[Source, list[Measure]]:
    """The source of the samples, and what is measured after each epoch."""
    batch_size = checks.whole("fit", "batch_size", options.batch_size)
    checks.flag("fit", "shuffle", options.shuffle)
    if options.verbose not in (0, 1, 2):
        raise ValueError(f"fit: verbose is {options.verbose!r}, 0, 1 or 2 is needed")
    if options.online_block is not None:
        checks.whole("fit", "online_block", options.online_block, most=_core.most_online_block)
    network, core = trainer.network, trainer.network._core
    metrics = as_metrics("fit", options.metrics, trainer.loss, int(np.prod(network.output_shape)))
    held_out = None if validation_data is None else _validation_samples(validation_data)
    if y is None and _is_iterable_of_batches(X):
        _check_batches(sample_weight, options.validation_split, metrics, held_out)
        known = None if held_out is None else frames.text_names(held_out.X)
        batches = BatchSource(trainer._core, network, trainer.loss, X, known)
        return batches, _validation(trainer, held_out, metrics)
    data = finite_dataset("fit", core, X, y, trainer.loss, sample_weight)
    samples = _Samples(X, y, sample_weight)
    if options.validation_split:
        if held_out is not None:
            raise ValueError("fit: validation_data and validation_split are given, give one of them")
        samples, held_out = _split(samples, options.validation_split, trainer.seed)
        data = finite_dataset("fit", core, samples.X, samples.y, trainer.loss, samples.sample_weight)
    by_batch = any(map(wants_batches, callbacks))
    source = ArraySource(
        trainer._core, data, batch_size, options.shuffle, options.online_block or 0, by_batch
    )
    own = [_metrics_of(trainer, "fit", samples, metrics)] if metrics else []
    return source, [*own, *_validation(trainer, held_out, metrics, frames.text_names(X))]


def _is_iterable_of_batches(X: Any) -> bool:
    return hasattr(X, "__iter__") and not hasattr(X, "__array__") and frames.column_names(X) is None


def _check_batches(
    sample_weight: Any, split: float, metrics: Sequence[Metric], held_out: _Samples | None
) -> None:
    """What cannot be said beside batches."""
    if sample_weight is not None:
        raise ValueError("fit: X gives batches; give weights as each batch's third item, not sample_weight")
    if split:
        raise ValueError("fit: X gives batches, which validation_split cannot split; give validation_data")
    if metrics and held_out is None:
        raise ValueError(
            "fit: X gives batches, and metrics are of the validation data alone then; give validation_data"
        )


def _split(samples: _Samples, fraction: float, seed: int) -> tuple[_Samples, _Samples]:
    """The rows that are trained on, and those that are held out."""
    fraction = checks.number("fit", "validation_split", fraction)
    if not 0 < fraction < 1:
        raise ValueError(f"fit: validation_split is {fraction}, a fraction from 0 to below 1 is needed")
    X = arrays.numeric("fit", "X", samples.X, objects=True)
    if len(X) < 2:
        raise ValueError(f"fit: X has {len(X)} sample, validation_split needs at least 2")
    parts = [X, arrays.answers("fit", samples.y)]
    if samples.sample_weight is not None:
        parts.append(arrays.numeric("fit", "sample_weight", samples.sample_weight, objects=True))
    first, second = arrays.split_rows(len(X), fraction, seed)
    return _Samples(*(part[first] for part in parts)), _Samples(*(part[second] for part in parts))


def _validation_samples(data: tuple[Any, ...]) -> _Samples:
    if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
        raise ValueError("fit: validation_data must be (X, y) or (X, y, sample_weight)")
    return _Samples(*data)


def _validation(
    trainer: Trainer,
    samples: _Samples | None,
    metrics: Sequence[Metric],
    names: Sequence[str] | None = None,
) -> list[Measure]:
    """Loss, accuracy and metrics of what is held out, as ``val_…``; ``names`` are those of the columns of X."""
    if samples is None:
        return []
    operation = "fit (validation_data)"
    network, loss = trainer.network, trainer.loss
    network._check_columns(operation, samples.X, names)
    held = finite_dataset(operation, network._core, samples.X, samples.y, loss, samples.sample_weight)
    others = _metrics_of(trainer, operation, samples, metrics) if metrics else dict[str, float]

    def validate() -> dict[str, float]:
        result = {**evaluate(network._core, held, loss), **others()}
        return {"val_" + name: value for name, value in result.items()}

    return [validate]


def _metrics_of(
    trainer: Trainer, operation: str, samples: _Samples, metrics: Sequence[Metric]
) -> Callable[[], dict[str, float]]:
    core = trainer.network._core
    X = arrays.numeric(operation, "X", samples.X, objects=True)
    y = arrays.answers(operation, samples.y)
    return lambda: measure(operation, metrics, y, outputs(operation, core, X))
