"""Network.fit: a run that continues, or a new one, and why."""

from __future__ import annotations

from typing import Any

import numpy as np

from bpnet import arrays, checks
from bpnet.losses import Loss, LossFunction, as_loss, with_class_weight
from bpnet.network import Network
from bpnet.optimizers import Optimizer, as_optimizer
from bpnet.training.history import History
from bpnet.training.trainer import Trainer


def fit_network(
    network: Network,
    X: Any,
    y: Any,
    *,
    loss: Loss | str | LossFunction,
    optimizer: Optimizer | str,
    class_weight: Any,
    seed: int | None,
    restart: bool,
    verbose: int,
    **options: Any,
) -> History:
    """:meth:`bpnet.Network.fit`."""
    loss = as_loss("fit", loss)
    if class_weight is not None:
        labels = None if y is None else arrays.answers("fit", y)
        labels = labels if labels is not None and labels.ndim == 1 else None
        loss = with_class_weight("fit", loss, class_weight, labels, int(np.prod(network.output_shape)))
    optimizer = as_optimizer("fit", optimizer)
    checks.flag("fit", "restart", restart)
    kept = network.trainer
    changes = [] if kept is None else _changes(kept, loss, optimizer, seed)
    if kept is not None and not changes and not restart:
        trainer = kept
    else:
        trainer = Trainer(network, loss, optimizer, seed)
        if kept is not None and kept.steps and changes:
            trainer._opening = f"fit: a new run on the weights as they are: {' and '.join(changes)}"
    return trainer.fit(X, y, verbose=verbose, **options)


def _changes(kept: Trainer, loss: Loss, optimizer: Optimizer, seed: int | None) -> list[str]:
    """What makes it another run than the one before."""
    pairs = [("loss", loss, kept.loss), ("optimizer", optimizer, kept.optimizer)]
    changes = [
        f"the {name} is {new}, it was {'another of this name' if repr(new) == repr(old) else old}"
        for name, new, old in pairs
        if new != old
    ]
    if seed is not None and seed != kept.seed:
        changes.append(f"the seed is {seed}, it was {kept.seed}")
    return changes
