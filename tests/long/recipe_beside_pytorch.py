"""The first steps of AlexNet's recipe, here and in PyTorch: same weights, batches, masks of dropout and update.

    python tests/long/recipe_beside_pytorch.py bpnet PHOTOGRAPHS OUT [--steps 300]
    python tests/long/recipe_beside_pytorch.py pytorch PHOTOGRAPHS OUT [--steps 300]
    python tests/long/recipe_beside_pytorch.py compare OUT

PHOTOGRAPHS is a folder of class folders or a packed file. Each of the first two takes hours and writes its losses
to OUT/NAME.txt; stopped and started again, it continues. The last prints by how much the smoothed losses differ.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import bpnet as bp
from bpnet import _core
from bpnet.data.images.batches import ImageBatch, ImageBatches
from bpnet.recipes.alexnet import DEFAULTS, open_images

sys.path.insert(0, str(Path(__file__).parents[1] / "python"))

BATCH, SEED, SMOOTHED = 128, 0, 25  # a running mean over so many steps
SAVE_EVERY = 10


def network(classes: int) -> bp.Network:
    return bp.models.alexnet(classes, "paper", seed=SEED)


def batches(photographs: str, first: int, steps: int) -> Iterator[tuple[int, ImageBatch]]:
    """The recipe's batches first … steps − 1."""
    source = open_images(photographs, DEFAULTS["size"])
    augmenter = bp.data.ImageAugmenter(source.statistics(), 227)
    per_epoch = -(-len(source) // BATCH)
    for epoch in itertools.count():
        begin = max(0, first - epoch * per_epoch)
        if epoch * per_epoch >= steps:
            return
        if begin >= per_epoch:
            continue
        order = _core.epoch_order(SEED, epoch, True, len(source))[begin * BATCH :]
        for index, batch in enumerate(ImageBatches(source, augmenter, BATCH).training(order, SEED, epoch)):
            step = epoch * per_epoch + begin + index
            if step >= steps:
                break
            yield step, batch


def classes_of(photographs: str) -> int:
    return len(open_images(photographs, DEFAULTS["size"]).classes)


class Losses:
    """One loss a line, cut back to what a saved state has seen."""

    def __init__(self, path: Path, count: int) -> None:
        kept = path.read_text().split()[:count] if count else []
        self.file = path.open("w")
        for loss in kept:
            self.add(float(loss))

    def add(self, loss: float) -> None:
        print(repr(loss), file=self.file, flush=True)


def run_bpnet(photographs: str, out: Path, steps: int) -> None:
    state = out / "bpnet.safetensors"
    if state.exists():
        trainer = bp.Trainer.load(state)
    else:
        rates = {name: DEFAULTS[name] for name in ("lr", "momentum", "weight_decay")}
        optimizer = bp.SGD(**rates, lr_in_velocity=True)
        trainer = bp.Trainer(network(classes_of(photographs)), "cross_entropy", optimizer, SEED)
    losses = Losses(out / "bpnet.txt", trainer.steps)
    for step, batch in batches(photographs, trainer.steps, steps):
        losses.add(float(trainer._core.step_in_epoch(batch.x, batch.labels, batch.visited)))
        if (step + 1) % SAVE_EVERY == 0:
            trainer.save(state)


def philox(seed: int, purpose: int, step: int, rows: int, blocks: int) -> np.ndarray:
    """The words (rows, 4 · blocks) of Philox4x32-10 for counters (block, row, step, purpose)."""
    word = np.uint64(0xFFFFFFFF)
    c = [
        np.broadcast_to(np.arange(blocks, dtype=np.uint64), (rows, blocks)),
        np.broadcast_to(np.arange(rows, dtype=np.uint64)[:, None], (rows, blocks)),
        np.full((rows, blocks), step, dtype=np.uint64),
        np.full((rows, blocks), purpose, dtype=np.uint64),
    ]
    k0, k1 = seed & 0xFFFFFFFF, seed >> 32
    half = np.uint64(32)
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [
            (p1 >> half) ^ c[1] ^ np.uint64(k0),
            p1 & word,
            (p0 >> half) ^ c[3] ^ np.uint64(k1),
            p0 & word,
        ]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack(c, axis=-1).reshape(rows, 4 * blocks)


def run_pytorch(photographs: str, out: Path, steps: int) -> None:
    import torch
    from torch import nn

    import test_pytorch_models as pairs

    class SameMask(nn.Module):
        """Dropout of 1/2 with the mask that bpnet draws for this layer at this step."""

        def __init__(self, number: int) -> None:
            super().__init__()
            self.purpose, self.step = 4 | number << 8, 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            words = philox(SEED, self.purpose, self.step, len(x), x.shape[1] // 4)
            self.step += 1
            return x * torch.from_numpy(np.where(words < 1 << 31, 2, 0).astype(np.float32))

    classes = classes_of(photographs)
    model = pairs.ALEXNETS["paper"].theirs(classes, lambda width: width, 0.5)
    pairs.take_over(model, network(classes))
    masks = [SameMask(number) for number, layer in enumerate(model) if isinstance(layer, nn.Dropout)]
    model.drop6, model.drop7 = masks
    velocity = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    state, done = out / "pytorch.pt", 0
    if state.exists():
        saved = torch.load(state)
        done = saved["steps"]
        model.load_state_dict(saved["model"])
        velocity = saved["velocity"]
    for mask in masks:
        mask.step = done
    rate, momentum, decay = (DEFAULTS[name] for name in ("lr", "momentum", "weight_decay"))
    losses = Losses(out / "pytorch.txt", done)
    for step, batch in batches(photographs, done, steps):
        model.zero_grad()
        scores = model(torch.from_numpy(batch.x))
        loss = nn.functional.cross_entropy(scores, torch.from_numpy(batch.labels))
        loss.backward()
        with torch.no_grad():
            for name, p in model.named_parameters():  # v ← 0.9 v − ε (g + 0.0005 w); w ← w + v
                velocity[name].mul_(momentum).sub_(p.grad + decay * p, alpha=rate)
                p.add_(velocity[name])
        losses.add(loss.item())
        if (step + 1) % SAVE_EVERY == 0:
            torch.save({"steps": step + 1, "model": model.state_dict(), "velocity": velocity}, f"{state}.new")
            os.replace(f"{state}.new", state)


def compare(out: Path) -> None:
    ours, theirs = (np.loadtxt(out / f"{name}.txt") for name in ("bpnet", "pytorch"))
    steps = min(len(ours), len(theirs))
    smooth = [np.convolve(x[:steps], np.ones(SMOOTHED) / SMOOTHED, "valid") for x in (ours, theirs)]
    for step in range(0, len(smooth[0]), SMOOTHED):
        a, b = smooth[0][step], smooth[1][step]
        print(f"steps {step + 1:3} to {step + SMOOTHED:3}: bpnet {a:.4f}, PyTorch {b:.4f}, {a / b - 1:+.3%}")
    difference = abs(smooth[0] / smooth[1] - 1).max()
    single = abs(ours[:steps] / theirs[:steps] - 1).max()
    print(
        f"{steps} steps: smoothed over {SMOOTHED} at most {difference:.3%} apart, single losses {single:.3%}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["bpnet", "pytorch", "compare"])
    parser.add_argument("paths", nargs="+", metavar="PHOTOGRAPHS OUT")
    parser.add_argument("--steps", type=int, default=300)
    arguments = parser.parse_args()
    out = Path(arguments.paths[-1])
    out.mkdir(parents=True, exist_ok=True)
    if arguments.what == "compare":
        compare(out)
    else:
        run = run_bpnet if arguments.what == "bpnet" else run_pytorch
        run(arguments.paths[0], out, arguments.steps)


if __name__ == "__main__":
    main()
