"""AlexNet and its recipe (Krizhevsky, Sutskever and Hinton: "ImageNet Classification with Deep Convolutional
Neural Networks", 2012), from a folder of photographs to a tested model."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from bpnet import checks
from bpnet.console import escaped, say
from bpnet.data.images import (
    Augmentation,
    ImageAugmenter,
    ImageFolder,
    PackedImages,
    pack_images,
)
from bpnet.data.images.batches import ImageBatches, ImageSource
from bpnet.network import Network
from bpnet.optimizers import SGD, Optimizer
from bpnet.options import option
from bpnet.output_files import check_folder, check_outputs, holds_model
from bpnet.photographs import augmenter_of, labels_by_name, open_images
from bpnet.progress_bar import new_bar
from bpnet.recipes.images import PICTURES, ImageRun, measuring_batches
from bpnet.schedules import ReduceLROnPlateau
from bpnet.training import Trainer

# What a run is begun with, where nothing else is said.
DEFAULTS: dict[str, Any] = {
    "variant": "paper",
    "epochs": 90,
    "batch_size": 128,
    "lr": 0.01,
    "momentum": 0.9,
    "weight_decay": 0.0005,
    "biases": None,
    "patience": 5,
    "augmentation": None,
    "seed": 0,
    "size": 256,
}

# The networks that models.alexnet makes.
VARIANTS = ("paper", "krizhevsky", "caffe", "caffenet", "torchvision")

# How the biases are updated, as options of SGD.
BIASES: dict[str, dict[str, Any]] = {
    "as-weights": {},
    "krizhevsky": {"bias_lr": 0.02, "bias_decay": False},
    "caffe": {"bias_lr_multiplier": 2.0, "bias_decay": False},
}
_BIASES_OF = {"krizhevsky": "krizhevsky", "caffe": "caffe", "caffenet": "caffe"}


def alexnet(
    train: ImageSource | str | os.PathLike[str],
    test: ImageSource | str | os.PathLike[str] | None = None,
    *,
    packed: str | os.PathLike[str] | None = None,
    network: Network | None = None,
    optimizer: Optimizer | None = None,
    variant: str | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    momentum: float | None = None,
    weight_decay: float | None = None,
    biases: str | None = None,
    patience: int | None = None,
    augmentation: Augmentation | None = None,
    size: int | None = None,
    seed: int | None = None,
    save: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    plot: str | os.PathLike[str] | None = None,
    on_error: str = "skip",
    threads: int | None = None,
    device: str = "cpu",
    backend: str | None = None,
    precision: str | None = None,
    winograd: bool | None = None,
    verbose: int = 1,
    on_epoch_end: Callable[[int, dict[str, float]], bool | None] | None = None,
) -> ImageRun:
    """Train on photographs by the recipe of 2012, and test on ten views of each test photograph.

    The update is v ← 0.9 v − 0.0005 ε w − ε g; w ← w + v, with ε = 0.01 divided by 10 when the loss that is
    watched (the test photographs' if there are some) has stood still for ``patience`` epochs, on batches of 128
    windows of photographs whose shortest side is 256.

    Args:
        train, test: a folder of class folders, a file that :func:`bpnet.data.pack_images` wrote, or an open one.
        packed: pack the training folder into this file first, unless it is there already.
        network: your own, float32, for inputs (3, crop, crop); else
            ``bpnet.models.alexnet(classes, variant)``.
        optimizer: your own, instead of lr, momentum, weight_decay, biases and patience.
        variant: of the network; ``"krizhevsky"`` also subtracts the mean and draws the light as his code does.
        epochs: in all, those before a resume too (90).
        biases: ``"as-weights"`` (or ``"as weights"``), ``"krizhevsky"`` (a constant rate of 0.02, no decay) or
            ``"caffe"`` (twice the rate, no decay); by default what the variant's authors did, and "as-weights"
            for the others.
        augmentation: random windows, flips and light by default; ``Augmentation.off()`` for none.
        size: photographs are resized to this shortest side (256).
        save: the run's file, written after each epoch and on Ctrl-C.
        resume: a run's file to go on with, bit-exactly, within an epoch too; it is ``save`` as well unless
            that is given. The run continues as it was begun; only ``epochs`` may change.
        overwrite: let ``save`` replace a file that is there, with its hours of work.
        plot: a folder for ``curves.png`` and ``filters.png`` (matplotlib, the extra ``plots``).
        on_error: ``"raise"`` makes the first bad file an error; else they are passed over, and listed by the
            sources' ``problems``.
        device, backend, precision, winograd: as :class:`bpnet.Network` takes them, and :func:`bpnet.load` where a
            run continues; your own network has its own.
        on_epoch_end: called with (epoch, metrics) after each epoch; True ends the training.

    Returns:
        The run: its network, history, and ten-view ``results`` where there is a test set.

    Raises:
        OSError, ValueError: data that is not there, or does not fit.
        NumericError: a loss that is not finite; the file keeps the last epoch's end.
        KeyboardInterrupt: after Ctrl-C; the file then holds the run, within an epoch too.
    """
    said = {
        "variant": variant,
        "epochs": epochs,
        "batch_size": batch_size,
        "lr": lr,
        "momentum": momentum,
        "weight_decay": weight_decay,
        "biases": _dashed(biases),
        "patience": patience,
        "augmentation": None if augmentation is None else augmentation.describe(),
        "seed": seed,
        "size": size,
    }
    said = {name: value for name, value in said.items() if value is not None}
    where: dict[str, Any] = {
        "device": device,
        "backend": backend,
        "precision": precision,
        "winograd": winograd,
    }
    path = save if save is not None else resume
    _check_company(said, network, optimizer, resume, where)
    _check_files(train, test, packed, path, resume, overwrite, plot)
    if resume is not None:
        trainer = Trainer.load(resume, **where)
        settings = _known_settings(resume, trainer, said)
    else:
        settings = DEFAULTS | said
    _check(settings)
    source = _open_training(train, packed, settings["size"], threads, on_error, verbose)
    if isinstance(source, PackedImages) and "size" not in said:
        settings["size"] = source.size
    _check_source(source, settings["size"])
    measured = None if test is None else open_images(test, settings["size"], threads, on_error)
    if resume is not None:
        _same_photographs(resume, source, settings)
        augmenter = augmenter_of(trainer.network, Augmentation(**settings["augmentation"]))
    else:
        trainer, augmenter = _begin(source, settings, network, optimizer, where, verbose)
    labels = None if measured is None else labels_by_name(measured, source.classes)
    if plot is not None:
        os.makedirs(plot, exist_ok=True)
    run = ImageRun(
        trainer,
        ImageBatches(source, augmenter, settings["batch_size"]),
        None if measured is None else measuring_batches(measured, augmenter, labels),
        path,
        plot,
        verbose,
        on_epoch_end,
    )
    if verbose:
        _announce(run, source, measured)
    run.train(settings["epochs"])
    if measured is not None:
        run.ten_view_test()
    return run


def _check_files(
    train: Any, test: Any, packed: Any, path: Any, resume: Any, overwrite: bool, plot: Any
) -> None:
    """Every file that is written, before work begins."""
    in_place = resume is not None and os.path.realpath(path) == os.path.realpath(resume)
    inputs = {"the training photographs": train, "the test photographs": test}
    inputs = {name: value for name, value in inputs.items() if isinstance(value, (str, os.PathLike))}
    if not in_place:
        inputs[option("resume")] = resume
    written = option("resume") if in_place else option("save")
    outputs = {written: path}
    if packed is not None and os.path.isfile(packed):
        inputs[option("packed")] = packed
    else:
        outputs[option("packed")] = packed
    if plot is not None:
        from bpnet.plots import require_matplotlib

        require_matplotlib()
        check_folder(option("plot"), plot)
        if os.path.isdir(plot):
            outputs |= {f"{name} of {option('plot')}": os.path.join(plot, name) for name in PICTURES}
    check_outputs(outputs, inputs, model=written)
    if overwrite and (path is None or in_place):
        raise ValueError(
            f"alexnet: {option('overwrite')} is for {option('save')}, which replaces no other file"
        )
    if path is not None and os.path.exists(path) and not in_place and not overwrite:
        goes_on = f"{option('resume', os.fspath(path))} continues it, " if holds_model(path) else ""
        raise ValueError(
            f"alexnet: {os.fspath(path)} is there already; {goes_on}{option('overwrite', True)} replaces it"
        )


def _announce(run: ImageRun, source: ImageSource, measured: ImageSource | None) -> None:
    test = "" if measured is None else f", testing on {len(measured):,}"
    say(
        f"training on {len(source):,} photographs of {len(source.classes)} classes{test}; "
        f"{run.network.parameter_count:,} parameters, batches of {run.batches.batch_size}, "
        f"rate {run.trainer.lr:g}"
    )


def _check_company(
    said: Mapping[str, Any], network: Any, optimizer: Any, resume: Any, where: Mapping[str, Any]
) -> None:
    """Arguments of which one would silently not count."""
    if resume is not None and (network is not None or optimizer is not None):
        raise ValueError("alexnet: the run to resume has its network and optimizer; give neither")
    in_optimizer = [name for name in ("lr", "momentum", "weight_decay", "biases", "patience") if name in said]
    if optimizer is not None and in_optimizer:
        raise ValueError(
            f"alexnet: an optimizer is given and {in_optimizer[0]} too; give it to the optimizer"
        )
    if network is not None and "variant" in said:
        raise ValueError("alexnet: a network is given and variant too; leave one out")
    elsewhere = [name for name, value in where.items() if value not in ("cpu", None)]
    if network is not None and elsewhere:
        raise ValueError(f"alexnet: a network is given and {elsewhere[0]} too; give it to the network")


def _check(settings: dict[str, Any]) -> None:
    for name in ("epochs", "batch_size", "size"):
        settings[name] = checks.whole("alexnet", option(name), settings[name])
    settings["seed"] = checks.seed("alexnet", settings["seed"])
    settings["patience"] = checks.whole("alexnet", option("patience"), settings["patience"], least=0)
    if settings["biases"] is None:
        settings["biases"] = _BIASES_OF.get(settings["variant"], "as-weights")
    if settings["biases"] not in BIASES:
        raise ValueError(f"alexnet: biases is {settings['biases']!r}, one of {', '.join(BIASES)} is needed")
    if settings["augmentation"] is None:
        by = "deviations" if settings["variant"] == "krizhevsky" else "eigenvalues"
        settings["augmentation"] = Augmentation(lighting_by=by).describe()


def _dashed(name: Any) -> Any:
    """``"as weights"`` as ``"as-weights"``, which a shell takes without quotes."""
    return name.replace(" ", "-") if isinstance(name, str) else name


def _known_settings(path: Any, trainer: Trainer, said: Mapping[str, Any]) -> dict[str, Any]:
    settings = trainer.notes.get("alexnet")
    if settings is None:
        raise ValueError(f"alexnet: {os.fspath(path)} holds no run of this recipe")
    settings["biases"] = _dashed(settings["biases"])
    for name, value in said.items():
        if name == "epochs":
            settings[name] = value
        elif value != settings[name]:
            raise ValueError(
                f"alexnet: {option(name)} is {value} but the run was begun with {settings[name]}; a run continues as it was"
            )
    return settings


def _open_training(
    train: Any, packed: Any, size: int, threads: int | None, on_error: str, verbose: int
) -> ImageSource:
    source = open_images(train, size, threads, on_error)
    if packed is None:
        return source
    if not isinstance(source, ImageFolder):
        raise ValueError(f"alexnet: {option('packed')} has no effect, {source.path} is packed already")
    if os.path.exists(packed):
        return _packed_before(source, PackedImages(packed, on_error))
    return pack_images(source, packed, verbose=verbose)


def _check_source(source: ImageSource, size: int) -> None:
    if source.size != size:
        raise ValueError(f"alexnet: the photographs of {source.path} have {source.size} rows, size is {size}")
    if len(source.classes) < 2:
        raise ValueError(f"alexnet: {source.path} has one class only, {source.classes[0]!r}")


def _packed_before(folder: ImageFolder, packed: PackedImages) -> PackedImages:
    """The packed file, if it holds this folder's photographs: all that were good."""
    bad = [problem.path.replace(os.sep, "/") for problem in packed.problems]
    missing = set(folder.files) - set(packed.files)
    explained = all(any(path.endswith("/" + file) for path in bad) for file in missing)
    if packed.classes != folder.classes or not explained or not set(packed.files) <= set(folder.files):
        raise ValueError(
            f"alexnet: {packed.path} was not packed from {folder.path} as it is now; remove it or give another name"
        )
    return packed


def _same_photographs(path: Any, source: ImageSource, settings: Mapping[str, Any]) -> None:
    if isinstance(source, ImageFolder):
        left_out = set(settings["left_out"])
        source.leave_out([file for file in source.files if escaped(file) in left_out])
    if source.fingerprint() != settings["fingerprint"]:
        raise ValueError(
            f"alexnet: {source.path} does not hold the photographs that the run in {os.fspath(path)} was begun with"
        )


def _begin(
    source: ImageSource,
    settings: dict[str, Any],
    network: Network | None,
    optimizer: Optimizer | None,
    where: Mapping[str, Any],
    verbose: int,
) -> tuple[Trainer, ImageAugmenter]:
    before = list(source.files)
    bar = new_bar(verbose if isinstance(source, ImageFolder) else 0, len(source), " images", "measuring")
    try:
        statistics = source.statistics(bar.update) if isinstance(source, ImageFolder) else source.statistics()
    finally:
        bar.close()
    if network is None:
        network = _network(len(source.classes), settings, where)
    if len(network.input_shape) != 3:
        raise ValueError(f"alexnet: the network takes {network.input_shape}, (3, crop, crop) is needed")
    augmenter = ImageAugmenter(
        statistics,
        network.input_shape[-1],
        Augmentation(**settings["augmentation"]),
        centre_mean=settings["variant"] == "krizhevsky",
    )
    network.preprocessing = augmenter.preprocessing(source.classes)
    trainer = Trainer(network, "cross_entropy", optimizer or _optimizer(settings), settings["seed"])
    kept = set(source.files)
    settings["left_out"] = [escaped(file) for file in before if file not in kept]
    settings["fingerprint"] = source.fingerprint()
    trainer.notes["alexnet"] = settings
    return trainer, augmenter


def _network(classes: int, settings: Mapping[str, Any], where: Mapping[str, Any]) -> Network:
    from bpnet import models

    return models.alexnet(classes, settings["variant"], seed=settings["seed"], **where)


def _optimizer(settings: Mapping[str, Any]) -> SGD:
    return SGD(
        settings["lr"],
        settings["momentum"],
        weight_decay=settings["weight_decay"],
        schedule=ReduceLROnPlateau(factor=0.1, patience=settings["patience"]),
        lr_in_velocity=True,
        **BIASES[settings["biases"]],
    )
