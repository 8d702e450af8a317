"""Whole trainings, from raw data to a tested model; each of their pieces is an argument."""

from bpnet.photographs import ten_view_test
from bpnet.recipes.alexnet import alexnet
from bpnet.recipes.classify import classify
from bpnet.recipes.images import ImageRun
from bpnet.recipes.tabular import train_model

__all__ = ["ImageRun", "alexnet", "classify", "ten_view_test", "train_model"]
