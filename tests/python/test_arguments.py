"""What other libraries' users write by habit is an error that says what to write here."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

import bpnet as bp
from bpnet import models
from test_descriptions import TWO

# How many arguments are taken by position: as many as mean the same in PyTorch (EarlyStopping, Checkpoint: in Keras),
# without the optimizer that PyTorch's schedules begin with and the parameters that its optimizers begin with.
BY_POSITION: dict[Any, int] = {
    **{cls: 0 for cls, options in TWO.items() if not options},
    bp.Sequential: 1,
    bp.Residual: 2,
    bp.Parallel: 2,
    bp.Linear: 1,
    bp.Conv2d: 2,
    bp.MaxPool2d: 4,
    bp.AvgPool2d: 5,
    bp.AdaptiveAvgPool2d: 1,
    bp.LocalResponseNorm: 4,
    bp.BatchNorm1d: 0,
    bp.BatchNorm2d: 0,
    bp.LeakyReLU: 1,
    bp.Softplus: 1,
    bp.GELU: 1,
    bp.Dropout: 1,
    bp.Huber: 0,
    bp.CrossEntropy: 0,
    bp.BinaryCrossEntropyWithLogits: 0,
    bp.SGD: 2,
    bp.Adam: 4,
    bp.AdamW: 4,
    bp.RMSprop: 5,
    bp.StepLR: 2,
    bp.MultiStepLR: 2,
    bp.ExponentialLR: 1,
    bp.CosineAnnealingLR: 1,
    bp.ReduceLROnPlateau: 0,
    bp.LinearWarmup: 1,
    bp.FanIn: 1,
    bp.Normal: 2,
    bp.Uniform: 2,
    bp.XavierNormal: 1,
    bp.XavierUniform: 1,
    bp.HeNormal: 0,
    bp.HeUniform: 0,
    bp.Constant: 1,
    bp.EarlyStopping: 1,
    bp.Checkpoint: 1,
    models.alexnet: 2,
    models.lenet5: 1,
    models.vgg11: 1,
    models.resnet18: 1,
}
every_callable = pytest.mark.parametrize("made", BY_POSITION, ids=lambda made: made.__name__)


def test_every_class_is_here():
    assert set(TWO) <= set(BY_POSITION)
    assert {getattr(models, name) for name in models.__all__} <= set(BY_POSITION)


@every_callable
def test_the_signature_is_seen(made: Any):
    kinds = [each.kind for each in inspect.signature(made).parameters.values()]
    positional = [kind for kind in kinds if kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    assert len(positional) == BY_POSITION[made]
    assert set(kinds) <= {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}


@every_callable
def test_one_argument_too_many(made: Any):
    operation = getattr(made, "operation", made.__name__)
    with pytest.raises(TypeError, match=f"^{operation}: takes .* by position"):
        made(*range(1, BY_POSITION[made] + 2))


@every_callable
def test_an_option_that_there_is_not(made: Any):
    operation = getattr(made, "operation", made.__name__)
    with pytest.raises(TypeError, match=f"^{operation}: there is no option 'colour', "):
        made(colour="red")


# As PyTorch, torchvision or Keras take it, and the message, where … are further options.
HABITS: dict[str, tuple[Callable[[], Any], str]] = {
    "Linear": (
        lambda: bp.Linear(784, 128),
        "linear: takes out_features alone by position, the input's size is inferred: Linear(128), "
        "not Linear(784, 128)",
    ),
    "Conv2d": (
        lambda: bp.Conv2d(3, 16, 3),
        "conv2d: takes out_channels and kernel_size by position, the input's channels are inferred: "
        "Conv2d(16, 3), not Conv2d(3, 16, 3)",
    ),
    "BatchNorm2d": (
        lambda: bp.BatchNorm2d(64),
        "batch_norm2d: takes no argument by position, the number of channels is inferred: BatchNorm2d(), "
        "not BatchNorm2d(64)",
    ),
    "in_features": (
        lambda: bp.Linear(in_features=784, out_features=128),
        "linear: there is no option 'in_features', there are out_features, bias, …; "
        "the input's size is inferred: Linear(128), not Linear(784, 128)",
    ),
    "no width": (
        lambda: bp.Linear(),
        "linear: out_features is missing, the input's size is inferred: Linear(128), not Linear(784, 128)",
    ),
    "layers one by one": (
        lambda: bp.Sequential(bp.Linear(8), bp.Tanh()),
        "sequential: takes layers alone by position, one list: Sequential([Linear(8), Tanh()])",
    ),
    "inplace": (lambda: bp.ReLU(inplace=True), "relu: there is no option 'inplace', it takes none"),
    "dim": (lambda: bp.Softmax(1), "softmax: takes no argument by position"),
    "dropout in place": (
        lambda: bp.Dropout(0.5, True),
        "dropout: takes p alone by position, the others by name: scale_at",
    ),
    "dropout's rate": (
        lambda: bp.Dropout(rate=0.5),
        "dropout: there is no option 'rate', there are p, scale_at; did you mean 'p'?",
    ),
    "the parameters": (
        lambda: bp.SGD([1.0], lr=0.1),
        "sgd: takes lr and momentum by position, the parameters are the network's: "
        "SGD(0.1, momentum=0.9, weight_decay=1e-4)",
    ),
    "learning_rate": (
        lambda: bp.Adam(learning_rate=0.1),
        "adam: there is no option 'learning_rate', there are lr, betas, …; did you mean 'lr'?",
    ),
    "dampening": (
        lambda: bp.SGD(0.1, 0.9, 0.0),
        "sgd: takes lr and momentum by position, the parameters are the network's: "
        "SGD(0.1, momentum=0.9, weight_decay=1e-4)",
    ),
    "the mode": (
        lambda: bp.ReduceLROnPlateau("min"),
        "plateau schedule: takes no argument by position, it watches the loss, which has to fall: "
        "ReduceLROnPlateau(factor=0.5, patience=5)",
    ),
    "eta_min": (
        lambda: bp.CosineAnnealingLR(50, 1e-4),
        "cosine schedule: takes T_max alone by position, the least rate is min_factor · lr and not an eta_min: "
        "CosineAnnealingLR(50, min_factor=0.01)",
    ),
    "the classes' weights": (
        lambda: bp.CrossEntropy([1.0, 2.0]),
        "cross_entropy: takes no argument by position, the classes' weights are given by name: "
        "CrossEntropy(class_weight=[1, 2, 1])",
    ),
    "patience first": (
        lambda: bp.EarlyStopping(5),
        "early stopping: monitor is 5, a metric's name is needed, such as 'val_loss'; give the other options by name",
    ),
    "restore_best_weights": (
        lambda: bp.EarlyStopping(restore_best_weights=True),
        "early stopping: there is no option 'restore_best_weights', there are monitor, patience, …; "
        "did you mean 'restore_best'?",
    ),
    "pretrained": (
        lambda: models.resnet18(pretrained=True),
        "resnet18: there is no option 'pretrained', there are num_classes, width, image_size, seed, dtype, "
        "device, backend, precision, winograd",
    ),
    "a class for a schedule": (
        lambda: bp.SGD(schedule=bp.StepLR),
        "sgd: schedule is the class StepLR, give an object: StepLR(step_size)",
    ),
    "a class for an initializer": (
        lambda: bp.Linear(3, init=bp.HeNormal),
        "linear: init is the class HeNormal, give an object: HeNormal()",
    ),
    "an initializer's name": (
        lambda: bp.Linear(3, init="kaiming_normal"),
        "linear: init is 'kaiming_normal', give an object: HeNormal()",
    ),
    "a schedule's name": (
        lambda: bp.Adam(schedule="cosine"),
        "adam: schedule is 'cosine', give an object: CosineAnnealingLR(T_max)",
    ),
    "a class in a list": (
        lambda: bp.Residual([bp.Linear(3), bp.Tanh]),
        "residual: layers[1] is the class Tanh, give an object: Tanh()",
    ),
    "a class as a branch": (
        lambda: bp.Parallel([bp.Tanh]),
        "parallel: branches[0] is the class Tanh, give an object: Tanh()",
    ),
    "a layer's name": (
        lambda: bp.Network(3, [bp.Linear(2), "tanh"]),
        "network: layer 1 is 'tanh', give an object: Tanh()",
    ),
    "a class for a layer": (
        lambda: bp.Network(3, [bp.Linear]),
        "network: layer 0 is the class Linear, give an object: Linear(out_features)",
    ),
    "clipnorm": (
        lambda: bp.SGD(0.1, clipnorm=1.0),
        "sgd: there is no option 'clipnorm', there are lr, momentum, …; did you mean 'clip_norm'?",
    ),
    "an activation of a layer": (
        lambda: bp.Linear(3, activation="relu"),
        "linear: there is no option 'activation', …; an activation is a layer of its own, such as Tanh()",
    ),
    "layers alone": (
        lambda: bp.Network([bp.Linear(3)]),  # type: ignore[call-arg]
        "network: layers is missing, such as Network((784,), [Linear(128), Tanh(), Linear(10)])",
    ),
    "random_state": (
        lambda: bp.Network(3, [bp.Linear(3)], random_state=0),  # type: ignore[call-arg]
        "network: there is no option 'random_state', …; did you mean 'seed'?",
    ),
    "Keras's fit": (
        lambda: bp.Network(3, [bp.Linear(2)]).fit([[1, 2, 3]], [0], 32, 10),  # type: ignore[call-arg, arg-type]
        "fit: takes X and y by position, the others by name: fit(X, y, epochs=10, batch_size=64)",
    ),
    "batchsize": (
        lambda: bp.Network(3, [bp.Linear(2)]).fit([[1, 2, 3]], [0], batchsize=32),  # type: ignore[call-arg]
        "fit: there is no option 'batchsize', …; did you mean 'batch_size'?",
    ),
    "a rate for fit": (
        lambda: bp.Network(3, [bp.Linear(2)]).fit([[1, 2, 3]], [0], lr=0.1),  # type: ignore[call-arg]
        "fit: there is no option 'lr', …; a rate is the optimizer's: optimizer=SGD(lr=0.1)",
    ),
    "a trainer's options": (
        lambda: bp.Trainer(bp.Network(3, [bp.Linear(2)]), "mse", "sgd", epochs=3),  # type: ignore[call-arg]
        "trainer: there is no option 'epochs', …; fit takes those of the training: "
        "Trainer(network, 'mse', SGD(lr=0.1)).fit(X, y, epochs=10)",
    ),
    "a trainer's fit": (
        lambda: bp.Trainer(bp.Network(3, [bp.Linear(2)]), "mse", "sgd").fit(
            [[1, 2, 3]], [0], optimizer="sgd"
        ),
        "fit: there is no option 'optimizer', …; the loss and the optimizer are the trainer's: "
        "trainer.fit(X, y, epochs=10)",
    ),
    "an activation": (
        lambda: bp.backprop([[0.0]], [0.0], activation="swish"),
        "backprop: activation 'swish' is not one of tanh, relu, leaky_relu, sigmoid, softplus, gelu, silu; "
        "did you mean 'silu'?",
    ),
}


@pytest.mark.parametrize("habit", HABITS)
def test_habits(habit: str):
    make, message = HABITS[habit]
    with pytest.raises(TypeError if "is not one of" not in message else ValueError) as caught:
        make()
    start, *ends = message.split("…")
    text = str(caught.value)
    assert text.startswith(start) and text.endswith(ends[0]) if ends else text == message


LOSSES = {
    "half_squared_error": [],
    "squared_error": ["squared-error"],
    "mse": ["MSE", "MSELoss", "mean_squared_error", "l2"],
    "mae": ["l1", "L1Loss", "mean_absolute_error"],
    "huber": ["Huber", "smooth_l1", "huber_loss"],
    "cross_entropy": [
        *("categorical_crossentropy", "sparse_categorical_crossentropy", "crossentropy", "CrossEntropyLoss"),
        *("nll", "NLLLoss", "log_loss", "cross-entropy", "CrossEntropy", "cros_entropy"),
    ],
    "binary_cross_entropy_with_logits": ["bce", "BCELoss", "BCEWithLogitsLoss", "binary_crossentropy"],
}
OPTIMIZERS = {
    "sgd": ["SGD", "gd", "sdg"],
    "adam": ["Adam", "ADAM", "adm"],
    "adamw": ["AdamW", "adam_w"],
    "rmsprop": ["RMSprop", "rms_prop", "RMSProp"],
}


def trainer(loss: Any, optimizer: Any) -> bp.Trainer:
    return bp.Trainer(bp.Network(3, [bp.Linear(2)]), loss, optimizer)


def pairs(names: dict[str, list[str]]) -> Any:
    return pytest.mark.parametrize(
        "name, given", [(name, given) for name, each in names.items() for given in each]
    )


@pairs(LOSSES)
def test_names_of_losses(name: str, given: str):
    with pytest.raises(
        ValueError, match=rf"^trainer: loss '{given}' is not one of .*did you mean '{name}'\?"
    ):
        trainer(given, "sgd")


@pairs(OPTIMIZERS)
def test_names_of_optimizers(name: str, given: str):
    with pytest.raises(
        ValueError, match=rf"^trainer: optimizer '{given}' is not one of .*; did you mean '{name}'\?$"
    ):
        trainer("mse", given)


def test_losses_of_logits_say_so():
    with pytest.raises(ValueError, match="It takes logits, so the network ends without a Sigmoid"):
        trainer("bce", "sgd")


@pytest.mark.parametrize("name", ["hinge", "", "ctc", "kl_div", "poisson"])
def test_nothing_is_guessed(name: str):
    with pytest.raises(ValueError) as caught:
        trainer(name, "sgd")
    assert str(caught.value).endswith("cross_entropy, binary_cross_entropy_with_logits")


@pytest.mark.parametrize("make", [bp.Network, lambda n, layers, backend: models.lenet5(backend=backend)])
def test_a_misspelt_backend(make: Any):
    with pytest.raises(bp.DeviceError, match=r"^backend: 'refrence' .*; did you mean 'reference'\?"):
        make(3, [bp.Tanh()], backend="refrence")


def test_a_misspelt_backend_in_load(tmp_path: Any):
    bp.Network(3, [bp.Tanh()]).save(tmp_path / "net")
    with pytest.raises(bp.DeviceError, match=r"; did you mean 'reference'\?"):
        bp.load(tmp_path / "net", backend="Reference")


def test_another_librarys_object_is_shown_in_one_line():
    class Foreign:
        def __repr__(self) -> str:
            return "SGD (\n    lr: 0.1\n" + "    more: 0\n" * 40 + ")"

    with pytest.raises(TypeError) as caught:
        bp.Trainer(bp.Network(3, [bp.Linear(2)]), "mse", Foreign())  # type: ignore[arg-type]
    text = str(caught.value)
    assert text.startswith("trainer: optimizer is SGD ( lr: 0.1 more: 0 ") and "\n" not in text
    assert text.endswith(" of type Foreign, a name or a bpnet optimizer is needed") and len(text) < 200
