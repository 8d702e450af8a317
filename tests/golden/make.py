"""How the golden files were made: ``python tests/golden/make.py FOLDER`` with the bpnet of the format to keep.

A folder of golden files is made once, when its format is new, and never again: bpnet must read it for ever
(tests/python/test_golden_files.py). A new format gets a new folder beside the old ones.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import bpnet as bp
from bpnet.__main__ import main as command
from bpnet._bridge import finite_dataset
from bpnet.data import pack_images

CLASSES = ["ä", "日本", "🙂"]


def numbers(*shape: int) -> np.ndarray:
    """Exact in float32 and the same for ever, unlike a random generator's."""
    count = int(np.prod(shape))
    return (((np.arange(count) * 37 + 11) % 64 - 32) / 32).reshape(shape).astype(np.float32)


def table() -> dict[str, Any]:
    return {
        "columns": [
            {"name": "length", "categories": []},
            {"name": "colour", "categories": ["blue", "red, dark", 'a "quoted" one']},
        ],
        "mean": [0.1, 0.0, 0.0, 0.0],
        "scale": [1 / 3, 1.0, 1.0, 1.0],
        "target": "species",
        "output": "logits",
        "classes": CLASSES,
        "target_mean": 5e-324,
        "target_scale": 1.7976931348623157e308,
    }


def photographs() -> dict[str, Any]:
    from base64 import b64encode

    mean = (numbers(8, 8, 3) * 100 + 120).astype("<f4")
    return {
        "columns": [],
        "mean": [],
        "scale": [],
        "target": "",
        "output": "logits",
        "classes": CLASSES,
        "target_mean": 0.0,
        "target_scale": 1.0,
        "image": {
            "size": 8,
            "crop": 6,
            "centre_mean": True,
            "mean": b64encode(mean.tobytes()).decode(),
            "eigenvalues": [0.25, 0.02, 0.001],
            "eigenvectors": [1.0, 0.0, 0.0, 0.0, 0.6, 0.8, 0.0, -0.8, 0.6],
        },
    }


def dense(dtype: str) -> bp.Network:
    """Every layer of vectors."""
    layers: list[bp.layers.Layer] = [bp.Linear(5, init=bp.HeNormal(gain=0.5)), bp.BatchNorm1d(), bp.Tanh()]
    for activation in (
        bp.ReLU(),
        bp.LeakyReLU(0.1),
        bp.Sigmoid(),
        bp.Softplus(2.0),
        bp.GELU(),
        bp.GELU("tanh"),
        bp.SiLU(),
        bp.Softmax(),
    ):
        layers += [bp.Linear(4), activation]
    layers += [bp.Dropout(0.25, scale_at="test"), bp.Linear(3, bias=False).named("last")]
    net = bp.Network(4, layers, seed=2**64 - 1, dtype=dtype)
    net.preprocessing = table()
    return net


def image(dtype: str) -> bp.Network:
    """Every layer of images, nested."""
    block = [
        bp.Conv2d(8, 3, padding=1, groups=2).named("conv1"),
        bp.ReLU(),
        bp.BatchNorm2d(momentum=None).named("bn1"),
    ]
    layers = [
        bp.Sequential([bp.Conv2d(4, 3, padding=1), bp.ReLU(), bp.LocalResponseNorm(5, groups=2)]).named(
            "stem"
        ),
        bp.Residual(block, [bp.Conv2d(8, 1, bias=False)]).named("block"),
        bp.LocalResponseNorm(3, within_map=True),
        bp.MaxPool2d(2, stride=1, dilation=2),
        bp.AvgPool2d(2, stride=1, padding=1),
        bp.AdaptiveAvgPool2d(2),
        bp.Flatten(),
        bp.Dropout(0.5),
        bp.Linear(3),
    ]
    net = bp.Network((3, 6, 6), layers, seed=7, dtype=dtype)
    net.preprocessing = photographs()
    return net


OPTIMIZERS = {
    "sgd": lambda: bp.SGD(0.05, momentum=0.9, nesterov=True, schedule=bp.StepLR(2, 0.5)),
    "sgd2012": lambda: bp.SGD(
        0.05, momentum=0.9, weight_decay=5e-4, lr_in_velocity=True, bias_lr=0.02, bias_decay=False
    ),
    "adam": lambda: bp.Adam(0.01, schedule=bp.LinearWarmup(5, after=bp.CosineAnnealingLR(8))),
    "adamw": lambda: bp.AdamW(0.01, schedule=bp.ReduceLROnPlateau(factor=0.5, patience=1)),
    "rmsprop": lambda: bp.RMSprop(0.01, momentum=0.5, schedule=bp.MultiStepLR([1, 3])),
    "online": lambda: bp.SGD(0.05, schedule=bp.ExponentialLR(0.9)),
}


def small(dtype: str = "float32", dropout: bool = True) -> bp.Network:
    masks = [bp.Dropout(0.2)] if dropout else []
    return bp.Network(4, [bp.Linear(6), bp.Tanh(), *masks, bp.Linear(3)], seed=2, dtype=dtype)


def run_of(name: str) -> tuple[bp.Trainer, dict[str, Any]]:
    """A trainer at the end of its second epoch, and how its data is given."""
    dtype = "float64" if name in ("adam", "rmsprop") else "float32"
    net = small(dtype, dropout=name != "online")
    loss = bp.CrossEntropy(label_smoothing=0.1, class_weight=[1, 2, 3]) if name == "sgd" else "cross_entropy"
    trainer = bp.Trainer(net, loss, OPTIMIZERS[name](), seed=9)
    options = {"batch_size": 1 if name == "online" else 7, "verbose": 0}
    trainer.notes["mine"] = {"ünïcode": [1, 2.5, None, True]}
    callbacks = [bp.EarlyStopping("loss", patience=5)] if name == "sgd" else []
    trainer.fit(numbers(40, 4), np.arange(40) % 3, epochs=2, callbacks=callbacks, **options)
    return trainer, options


def later(trainer: bp.Trainer, options: dict[str, Any]) -> list[np.ndarray]:
    """Its weights two epochs on."""
    callbacks = [bp.EarlyStopping("loss", patience=5)] if trainer._callback_states else []
    trainer.fit(numbers(40, 4), np.arange(40) % 3, epochs=2, callbacks=callbacks, **options)
    return [array.copy() for array in trainer.network.state_dict().values()]


def rows(net: bp.Network) -> np.ndarray:
    return numbers(5, *net.input_shape)


def make(folder: Path) -> None:
    if list(folder.glob("*.safetensors")):
        raise SystemExit(f"{folder} holds golden files, which are never made again")
    expected: dict[str, np.ndarray] = {}
    for kind, build in (("dense", dense), ("image", image)):
        for dtype in ("float32", "float64"):
            net = build(dtype)
            for step in range(3):  # so that running statistics are not what they begin with
                net.forward(numbers(16, *net.input_shape) * (step + 1), training=True)
            name = f"{kind}_{dtype}"
            net.save(folder / f"{name}.safetensors")
            expected[name] = net.predict(rows(net))
    for name in OPTIMIZERS:
        trainer, options = run_of(name)
        if name == "sgd":  # during an epoch
            data = finite_dataset(
                "golden", trainer.network._core, numbers(40, 4), np.arange(40) % 3, trainer.loss
            )
            assert not trainer._core.run(data, 7, True, 0.0)
        trainer.save(folder / f"run_{name}.safetensors")
        again = bp.Trainer.load(folder / f"run_{name}.safetensors")
        for index, array in enumerate(later(again, options)):
            expected[f"run_{name}.{index}"] = array
    trainer, _ = run_of("adam")
    trainer._core.save(str(folder / "run_of_cpp.safetensors"), "")  # as a C++ program writes it
    names = ["length", "width", "species"]
    lines = [",".join(names)]
    lines += [f"{a},{b},{'xyz'[i % 3]}" for i, (a, b) in enumerate(numbers(30, 2).tolist())]
    (folder / "flowers.csv").write_text("\n".join(lines) + "\n")
    assert not command(
        [
            "train",
            str(folder / "flowers.csv"),
            "--target",
            "species",
            "--layers",
            "4",
            "--epochs",
            "2",
            "--quiet",
        ]
        + ["--save", str(folder / "run_of_command.safetensors")]
    )
    pictures = folder / "pictures"
    for label, kind in enumerate(("cat", "dog")):
        (pictures / kind).mkdir(parents=True)
        for n in range(2):
            pixels = (numbers(8, 8, 3) * 40 + 60 + 80 * label + 10 * n).astype(np.uint8)
            Image.fromarray(pixels).save(pictures / kind / f"{n}.png")
    packed = pack_images(pictures, folder / "packed.safetensors", 8, verbose=0)
    expected["packed.images"] = np.array(packed.images)
    for path in sorted(pictures.rglob("*.png")):
        path.unlink()
    for path in [*pictures.iterdir(), pictures]:
        path.rmdir()
    np.savez_compressed(folder / "expected.npz", **expected)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
