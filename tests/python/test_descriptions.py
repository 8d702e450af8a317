"""Layers, losses, optimizers, schedules and initializers are values: what they describe makes them again, their repr
is the call that makes them, and they are equal where their options are."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import bpnet as bp
from bpnet import initializers, losses, optimizers, schedules
from bpnet.described import Described, Family
from bpnet.layers import nested

FAMILIES: list[Family[Any]] = [
    module.FAMILY for module in (nested, losses, optimizers, schedules, initializers)
]

# For each class two values of every option: the first makes the object, the second one that differs by it alone.
TWO: dict[type[Described], dict[str, tuple[Any, Any]]] = {
    bp.Sequential: {
        "layers": ([bp.Linear(3), bp.Tanh()], [bp.Linear(3), bp.Tanh().named("t")]),
        "trainable": (False, True),
    },
    bp.Residual: {
        "layers": ([bp.Linear(3, init=bp.HeNormal())], [bp.Linear(3)]),
        "shortcut": ([], [bp.Linear(3)]),
        "trainable": (True, False),
    },
    bp.Parallel: {
        "branches": ([[], bp.Linear(3), [bp.Linear(3), bp.ReLU()]], [[], bp.Linear(3)]),
        "merge": ("sum", "concat"),
        "trainable": (True, False),
    },
    bp.Linear: {
        "out_features": (3, 4),
        "bias": (True, False),
        "init": (None, bp.HeNormal()),
        "bias_init": (bp.Constant(0.5), bp.Constant(0.25)),
        "trainable": (False, True),
    },
    bp.Conv2d: {
        "out_channels": (4, 8),
        "kernel_size": (3, (3, 2)),
        "stride": (1, 2),
        "padding": ((0, 1, 2, 3), (1, 2)),
        "dilation": (1, (1, 2)),
        "groups": (1, 2),
        "bias": (False, True),
        "init": (bp.Normal(std=0.1), bp.Normal(std=0.2)),
        "bias_init": (None, bp.Constant()),
        "trainable": (True, False),
    },
    bp.MaxPool2d: {
        "kernel_size": (3, (3, 2)),
        "stride": (None, 2),
        "padding": (0, 1),
        "dilation": (1, 2),
        "ceil_mode": (False, True),
    },
    bp.AvgPool2d: {
        "kernel_size": ((3, 4), 3),
        "stride": ((1, 2), None),
        "padding": (0, 1),
        "ceil_mode": (True, False),
        "count_include_pad": (True, False),
    },
    bp.AdaptiveAvgPool2d: {"output_size": (2, (2, 3))},
    bp.LocalResponseNorm: {
        "size": (5, 3),
        "alpha": (1e-4, 1 / 3),
        "beta": (0.75, 0.5),
        "k": (1.0, 2.0),
        "groups": (1, 2),
        "within_map": (False, True),
    },
    bp.BatchNorm1d: {
        "eps": (1e-5, 1e-3),
        "momentum": (0.1, None),
        "affine": (True, False),
        "trainable": (True, False),
    },
    bp.BatchNorm2d: {
        "eps": (1e-3, 1e-5),
        "momentum": (None, 0.1),
        "affine": (False, True),
        "trainable": (False, True),
    },
    **{cls: {} for cls in (bp.Tanh, bp.ReLU, bp.Sigmoid, bp.SiLU, bp.Softmax, bp.Flatten)},
    bp.LeakyReLU: {"negative_slope": (0.01, 0.1)},
    bp.Softplus: {"beta": (2.0, 1.0)},
    bp.GELU: {"approximate": ("none", "tanh")},
    bp.Dropout: {"p": (0.5, 0.1), "scale_at": ("test", "training")},
    **{cls: {} for cls in (bp.HalfSquaredError, bp.SquaredError, bp.MSE, bp.MAE)},
    bp.BinaryCrossEntropyWithLogits: {"outputs": ("mean", "sum")},
    bp.Huber: {"delta": (0.1, 1.0)},
    bp.CrossEntropy: {"label_smoothing": (0.1, 0.0), "class_weight": (None, [1, 2.5])},
    bp.SGD: {
        "lr": (0.1, 0.2),
        "momentum": (0.9, 0.0),
        "weight_decay": (0.0, 1e-4),
        "nesterov": (False, True),
        "schedule": (bp.LinearWarmup(5, after=bp.StepLR(3)), None),
        "lr_in_velocity": (False, True),
        "bias_lr": (None, 0.02),
        "bias_lr_multiplier": (1.0, 2.0),
        "bias_decay": (True, False),
        "clip_norm": (1.0, 2.0),
        "clip_value": (None, 0.5),
    },
    **{
        cls: {
            "lr": (1e-3, 1e-2),
            "betas": ((0.9, 0.99), (0.9, 0.999)),
            "eps": (1e-8, 1e-7),
            "weight_decay": (0.25, 0.5),
            "schedule": (None, bp.ExponentialLR(0.5)),
            "bias_decay": (True, False),
            "clip_norm": (None, 2.0),
            "clip_value": (0.5, 1.0),
        }
        for cls in (bp.Adam, bp.AdamW)
    },
    bp.RMSprop: {
        "lr": (0.01, 0.1),
        "alpha": (0.9, 0.99),
        "eps": (1e-8, 1e-7),
        "weight_decay": (0.0, 0.5),
        "momentum": (0.5, 0.0),
        "schedule": (bp.MultiStepLR([1, 2]), bp.MultiStepLR([1, 3])),
        "bias_decay": (True, False),
        "clip_norm": (1.0, None),
        "clip_value": (None, 0.5),
    },
    bp.Schedule: {},
    bp.StepLR: {"step_size": (3, 4), "gamma": (0.1, 0.5)},
    bp.MultiStepLR: {"milestones": ([3, 4], []), "gamma": (0.5, 0.1)},
    bp.ExponentialLR: {"gamma": (0.5, 0.1)},
    bp.CosineAnnealingLR: {"T_max": (9, 10), "min_factor": (0.0, 0.1)},
    bp.ReduceLROnPlateau: {
        "factor": (0.1, 0.5),
        "patience": (3, 10),
        "threshold": (1e-4, 0.0),
        "min_factor": (0.0, 0.1),
    },
    bp.LinearWarmup: {"steps": (5, 6), "start_factor": (0.0, 0.1), "after": (None, bp.StepLR(3))},
    bp.Normal: {"mean": (0.0, 1 / 3), "std": (0.01, 0.1)},
    bp.Uniform: {"low": (-0.1, -1 / 3), "high": (0.1, 0.2)},
    bp.Constant: {"value": (1e-300, 0.0)},
    **{cls: {"gain": (1.0, 1 / 3)} for cls in (bp.FanIn, bp.XavierNormal, bp.XavierUniform)},
    **{cls: {"gain": (2**0.5, 2.0)} for cls in (bp.HeNormal, bp.HeUniform)},
}


def made(cls: type[Described], **changed: Any) -> Described:
    return cls(**{name: values[0] for name, values in TWO[cls].items()} | changed)


def others(cls: type[Described]) -> list[Described]:
    """Objects that differ from made(cls) by one option."""
    return [made(cls, **{name: values[1]}) for name, values in TWO[cls].items()]


OBJECTS = [each for cls in TWO for each in [made(cls), *others(cls)]]
OBJECTS += [bp.Linear(3).named("fc"), bp.Residual([bp.Tanh().named("a")]).named("block")]
every_object = pytest.mark.parametrize("thing", OBJECTS, ids=repr)
every_class = pytest.mark.parametrize("cls", TWO, ids=lambda cls: cls.__name__)


def again(thing: Described) -> Described:
    """What a file that holds its description gives back."""
    held = json.loads(json.dumps(thing.describe()))
    if isinstance(thing, bp.layers.Layer):
        return nested.layer_from(held)
    if isinstance(thing, losses.Loss):
        return losses.loss_from(held)
    if isinstance(thing, schedules.Schedule):
        return schedules.schedule_from(held)
    if isinstance(thing, initializers.Initializer):
        return initializers.initializer_from(held)
    assert isinstance(thing, optimizers.Optimizer)
    return optimizers.optimizer_from(held, json.loads(json.dumps(thing.schedule.describe())))


def test_every_class_is_here_with_all_its_options():
    known = {cls for family in FAMILIES for cls in family.classes.values()}
    assert known | {bp.LinearWarmup} == set(TWO), "a warm-up is described with the schedule after it"
    for cls, options in TWO.items():
        assert list(options) == list(inspect.signature(cls).parameters), cls


def test_the_core_knows_the_same_names():
    assert set(nested.FAMILY.classes) == set(bp._core.layer_types())
    assert list(losses.FAMILY.classes) == bp._core.loss_names()


@every_object
def test_a_description_makes_it_again(thing: Described):
    assert again(thing) == thing
    assert again(thing).describe() == thing.describe()
    assert type(again(thing)) is type(thing)


@every_object
def test_the_repr_is_the_call(thing: Described):
    read = eval(repr(thing), dict(vars(bp)))
    assert read == thing and repr(read) == repr(thing)


@every_object
@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))]
)
def test_copies_are_equal(thing: Described, copied: Callable[[Described], Described]):
    other = copied(thing)
    assert other == thing and hash(other) == hash(thing) and repr(other) == repr(thing)


@every_class
def test_equal_where_all_options_are(cls: type[Described]):
    assert made(cls) == made(cls) and hash(made(cls)) == hash(made(cls)) and made(cls) is not made(cls)
    different = [made(cls), *others(cls)]
    for index, one in enumerate(different):
        assert [one == other for other in different] == [index == at for at in range(len(different))]
    assert made(cls) != object() and made(cls) is not None


def test_classes_with_the_same_options_differ():
    assert bp.BatchNorm1d() != bp.BatchNorm2d()
    assert bp.Adam(weight_decay=0.1) != bp.AdamW(weight_decay=0.1)
    assert bp.MSE() != bp.MAE() and bp.Tanh() != bp.ReLU()
    assert bp.HeNormal() != bp.HeUniform()
    assert len({bp.Tanh(), bp.Tanh(), bp.ReLU(), bp.SGD(0.1), bp.SGD(0.1)}) == 3


def test_a_name_is_part_of_a_layer():
    assert bp.Tanh().named("a") == bp.Tanh().named("a")
    assert bp.Tanh().named("a") != bp.Tanh() != bp.Tanh().named("b")


def test_what_is_written_otherwise_is_equal():
    assert bp.SGD(1, 0) == bp.SGD(np.float32(1.0)) == bp.SGD(lr=np.int64(1))
    assert bp.Conv2d(np.int64(4), [3, 2]) == bp.Conv2d(4, np.array([3, 2]))
    assert bp.CrossEntropy(class_weight=np.array([1, 2])) == bp.CrossEntropy(class_weight=(1.0, 2.0))
    assert bp.CrossEntropy(class_weight=[]) == bp.CrossEntropy()
    assert bp.SGD(schedule=bp.Schedule()) == bp.SGD()
    assert bp.LinearWarmup(3, after=bp.Schedule()) == bp.LinearWarmup(3)


def test_numpys_numbers_are_kept_as_pythons():
    linear = bp.Linear(np.int32(3), bias=np.bool_(True))
    assert repr(linear) == "Linear(3)"
    assert type(linear.out_features) is int and type(linear.bias) is bool
    assert type(bp.Dropout(np.float32(0.5)).p) is float


@every_class
def test_it_cannot_be_changed(cls: type[Described]):
    thing = made(cls)
    for name in [*TWO[cls], "anything"]:
        with pytest.raises(AttributeError, match=name):
            setattr(thing, name, 1)
    assert thing == made(cls)


@every_class
def test_options_are_attributes(cls: type[Described]):
    thing = made(cls)
    assert list(thing.options) == list(TWO[cls])
    thing.options.clear()
    for name, value in thing.options.items():
        assert getattr(thing, name) == (value if name != "schedule" else value or bp.Schedule())
    with pytest.raises(AttributeError, match="there is no option 'colour'"):
        _ = thing.colour


@pytest.mark.parametrize(
    "thing, text",
    [
        (bp.Conv2d(64, 3, padding=1), "Conv2d(64, 3, padding=1)"),
        (bp.MaxPool2d(3, 2), "MaxPool2d(3, stride=2)"),
        (bp.Linear(10).named("fc"), "Linear(10).named('fc')"),
        (bp.Linear(10, init=bp.HeNormal(gain=1.0)), "Linear(10, init=HeNormal(gain=1.0))"),
        (bp.Residual([bp.Tanh()], [bp.Linear(3)]), "Residual([Tanh()], shortcut=[Linear(3)])"),
        (bp.Parallel([[], bp.ReLU()]), "Parallel([Sequential([]), ReLU()])"),
        (bp.SGD(0.1, 0.9), "SGD(lr=0.1, momentum=0.9)"),
        (bp.Adam(betas=[0.5, 0.9]), "Adam(betas=(0.5, 0.9))"),
        (
            bp.SGD(schedule=bp.LinearWarmup(9, after=bp.StepLR(30))),
            "SGD(schedule=LinearWarmup(9, after=StepLR(30)))",
        ),
        (bp.MultiStepLR([3, 6]), "MultiStepLR((3, 6))"),
        (bp.BatchNorm2d(momentum=None), "BatchNorm2d(momentum=None)"),
        (bp.MSE(), "MSE()"),
    ],
    ids=repr,
)
def test_reprs(thing: Described, text: str):
    assert repr(thing) == text


def test_a_networks_description_gives_its_layers_back():
    chain = [bp.Conv2d(4, 3).named("c"), bp.Parallel([[], bp.Tanh()]), bp.Flatten(), bp.Linear(2)]
    net = bp.Network((3, 5, 5), chain)
    assert [nested.layer_from(each) for each in net.description["layers"]] == chain


def test_what_a_file_cannot_say_is_refused():
    with pytest.raises(ValueError, match="load: there is no layer 'Linaer', there are Sequential, "):
        nested.layer_from({"type": "Linaer"})
    with pytest.raises(ValueError, match="load: there is no loss 'hinge'"):
        losses.loss_from({"name": "hinge"})
    with pytest.raises(TypeError, match="sgd: there is no option 'speed', there are lr, momentum, "):
        optimizers.optimizer_from({"name": "sgd", "speed": 1}, bp.Schedule().describe())
    with pytest.raises(TypeError, match="linear: out_features is missing"):
        nested.layer_from({"type": "Linear"})


def test_one_warm_up_alone():
    with pytest.raises(ValueError, match="warm-up: after is a LinearWarmup"):
        bp.LinearWarmup(5, after=bp.LinearWarmup(3))


# Each is an error when it is made, which begins so.
WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "half a width": (
        lambda: bp.Linear(2.5),
        "linear: out_features is 2.5, an integer of at least 1 is needed",
    ),
    "a float for a width": (lambda: bp.Linear(3.0), "linear: out_features is 3.0, an integer"),
    "a string for a width": (lambda: bp.Linear("3"), 'linear: out_features is "3", an integer'),
    "True for a width": (lambda: bp.Linear(True), "linear: out_features is true, an integer"),
    "no width": (lambda: bp.Linear(0), "linear: out_features is 0, an integer of at least 1 is needed"),
    "1 for a flag": (lambda: bp.Linear(3, bias=1), "linear: bias is 1, true or false is needed"),
    "an object": (lambda: bp.Linear(object()), "linear: out_features is <object"),
    "None for a flag": (lambda: bp.Linear(3, bias=None), "linear: bias is None, a value is needed"),
    "None for a width": (lambda: bp.Linear(None), "linear: out_features is None, a value is needed"),
    "None for p": (lambda: bp.Dropout(None), "dropout: p is None, a value is needed"),
    "None for a stride": (lambda: bp.Conv2d(4, 3, stride=None), "conv2d: stride is None, a value is needed"),
    "three sides": (
        lambda: bp.Conv2d(4, (3, 3, 3)),
        "conv2d: kernel_size is [3,3,3], an integer or (height, width)",
    ),
    "True in a pair": (lambda: bp.Conv2d(4, (True, True)), "conv2d: kernel_size is [true,true]"),
    "True beside 1": (lambda: bp.Conv2d(4, (1, True)), "conv2d: kernel_size is [1,true]"),
    "no step": (lambda: bp.Conv2d(4, 3, stride=0), "conv2d: stride is 0"),
    "negative padding": (lambda: bp.Conv2d(4, 3, padding=(1, -1)), "conv2d: padding is [1,-1]"),
    "padding by name": (lambda: bp.Conv2d(4, 3, padding="same"), 'conv2d: padding is "same"'),
    "groups": (lambda: bp.Conv2d(4, 3, groups=3), "conv2d: out_channels is 4, groups is 3"),
    "padding of a pool": (lambda: bp.MaxPool2d(3, padding=2), "max_pool2d: padding is 2, the kernel 3 high"),
    "four edges of a pool": (
        lambda: bp.AvgPool2d(3, padding=(1, 1, 1, 1)),
        "avg_pool2d: padding is [1,1,1,1]",
    ),
    "p": (lambda: bp.Dropout(1.5), "dropout: p is 1.5, a number from 0 to 1 is needed"),
    "p of NaN": (lambda: bp.Dropout(float("nan")), "dropout: p is"),
    "momentum": (lambda: bp.BatchNorm1d(momentum=2), "batch_norm1d: momentum is 2"),
    "eps": (lambda: bp.BatchNorm2d(eps=-1), "batch_norm2d: eps is -1"),
    "slope": (lambda: bp.LeakyReLU(-1.0), "leaky_relu: negative_slope is -1"),
    "beta": (lambda: bp.Softplus(0), "softplus: beta is 0"),
    "approximate": (lambda: bp.GELU("erf"), "gelu: approximate is \"erf\", one of 'none', 'tanh' is needed"),
    "within a map": (
        lambda: bp.LocalResponseNorm(5, groups=2, within_map=True),
        "local_response_norm: groups is 2 and within_map true",
    ),
    "an empty Residual": (lambda: bp.Residual([]), "residual: no layers given, at least one is needed"),
    "an array for a word": (
        lambda: bp.BinaryCrossEntropyWithLogits(outputs=np.ones(2)),
        "binary_cross_entropy_with_logits: outputs is array([1., 1.]), 'mean' or 'sum' is needed",
    ),
    "merge": (lambda: bp.Parallel([[]], merge="mean"), "parallel: merge is \"mean\", one of 'sum', 'concat'"),
    "std": (lambda: bp.Normal(std=-1), "init: normal with std -1"),
    "low and high": (lambda: bp.Uniform(2, 1), "init: uniform from 2 to 1"),
    "gain": (lambda: bp.HeNormal(gain=float("inf")), "init: he_normal with inf"),
    "True for a gain": (lambda: bp.HeNormal(gain=True), "init: gain is True, a number is needed"),
    "delta": (lambda: bp.Huber(delta=0), "huber: delta is 0"),
    "smoothing": (lambda: bp.CrossEntropy(label_smoothing=-1), "cross_entropy: label_smoothing is -1"),
    "class weight": (lambda: bp.CrossEntropy(class_weight=[1, -1]), "cross_entropy: class_weight holds -1"),
    "class weight by class": (
        lambda: bp.CrossEntropy(class_weight={1: 2.0, 0: 1.0}),
        "cross_entropy: class_weight is {1: 2.0, 0: 1.0}, a list is needed",
    ),
    "a set of layers": (lambda: bp.Sequential({bp.Linear(3)}), "sequential: layers is {Linear(3)}, a list"),
    "lr": (lambda: bp.SGD(-0.1), "sgd: lr is -0.1"),
    "True for lr": (lambda: bp.SGD(True), "sgd: lr is True, a number is needed"),
    "1 for nesterov": (lambda: bp.SGD(0.1, 0.9, nesterov=1), "sgd: nesterov is 1, True or False is needed"),
    "nesterov alone": (lambda: bp.SGD(nesterov=True), "sgd: nesterov is on but momentum is 0"),
    "betas": (lambda: bp.Adam(betas=(0.9, 1)), "adam: beta2 is 1"),
    "step_size": (lambda: bp.StepLR(0), "step schedule: step_size is 0"),
    "gamma": (lambda: bp.ExponentialLR(2), "exponential schedule: gamma is 2"),
    "T_max": (lambda: bp.CosineAnnealingLR(0), "cosine schedule: 0 epochs"),
    "factor": (lambda: bp.ReduceLROnPlateau(factor=0), "plateau schedule: factor is 0"),
    "start": (lambda: bp.LinearWarmup(5, start_factor=-1), "warm-up: start is -1"),
}


@pytest.mark.parametrize("case", WRONG)
def test_options_are_checked_when_it_is_made(case: str):
    make, text = WRONG[case]
    with pytest.raises((TypeError, ValueError)) as caught:
        make()
    assert str(caught.value).startswith(text)


def test_none_where_it_means_something():
    assert bp.BatchNorm1d(momentum=None).momentum is None
    assert bp.MaxPool2d(3, None) == bp.MaxPool2d(3) and bp.Linear(3, init=None) == bp.Linear(3)
    assert bp.SGD(schedule=None, clip_norm=None) == bp.SGD()


def test_pairs_that_mean_one_number():
    assert bp.Conv2d(4, (3, 3), padding=(1, 1, 1, 1)) == bp.Conv2d(4, 3, padding=1)
    assert bp.Conv2d(4, 3, padding=(1, 1, 2, 2)) == bp.Conv2d(4, 3, padding=(1, 2))
    assert bp.Conv2d(4, 3, padding=(1, 0, 1, 0)) != bp.Conv2d(4, 3, padding=(1, 0))
    assert bp.MaxPool2d((2, 2), [2, 2]) == bp.MaxPool2d(2, 2)
