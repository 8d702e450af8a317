"""Training: the trainer, its loop over epochs, the history it gives back and the callbacks it calls."""

from bpnet.network import set_trainer_finder
from bpnet.training.callbacks import Callback, Checkpoint, EarlyStopping
from bpnet.training.history import History
from bpnet.training.trainer import Trainer, trainer_for

__all__ = ["Callback", "Checkpoint", "EarlyStopping", "History", "Trainer", "trainer_for"]

set_trainer_finder(trainer_for)
