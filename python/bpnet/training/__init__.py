"""Training: the trainer, its loop over epochs, the history it gives back and the callbacks it calls."""

from bpnet.network import set_fit
from bpnet.training.callbacks import Callback, Checkpoint, EarlyStopping
from bpnet.training.fitting import fit_network
from bpnet.training.history import History
from bpnet.training.trainer import Trainer

__all__ = ["Callback", "Checkpoint", "EarlyStopping", "History", "Trainer"]

set_fit(fit_network)
