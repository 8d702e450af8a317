"""What a name that bpnet does not know may have meant."""

from __future__ import annotations

from collections.abc import Iterable

# Names of other libraries, without case, blanks, "_" and "-", and what bpnet calls the same thing.
_ELSEWHERE = {
    "loss": {
        "categoricalcrossentropy": "cross_entropy",
        "sparsecategoricalcrossentropy": "cross_entropy",
        "crossentropyloss": "cross_entropy",
        "softmaxcrossentropy": "cross_entropy",
        "logloss": "cross_entropy",
        "nll": "cross_entropy",
        "nllloss": "cross_entropy",
        "bce": "binary_cross_entropy_with_logits",
        "bceloss": "binary_cross_entropy_with_logits",
        "bcewithlogits": "binary_cross_entropy_with_logits",
        "bcewithlogitsloss": "binary_cross_entropy_with_logits",
        "binarycrossentropy": "binary_cross_entropy_with_logits",
        "meansquarederror": "mse",
        "mseloss": "mse",
        "l2": "mse",
        "l2loss": "mse",
        "meanabsoluteerror": "mae",
        "absoluteerror": "mae",
        "maeloss": "mae",
        "l1": "mae",
        "l1loss": "mae",
        "huberloss": "huber",
        "smoothl1": "huber",
        "smoothl1loss": "huber",
    },
    "optimizer": {
        "gd": "sgd",
        "gradientdescent": "sgd",
        "stochasticgradientdescent": "sgd",
        "momentum": "sgd",
        "nesterov": "sgd",
    },
    "activation": {
        "logistic": "sigmoid",
        "lrelu": "leaky_relu",
        "rectifier": "relu",
        "swish": "silu",
    },
    "initializer": {
        "glorotnormal": "xavier_normal",
        "glorotuniform": "xavier_uniform",
        "kaimingnormal": "he_normal",
        "kaiminguniform": "he_uniform",
        "zeros": "constant",
        "ones": "constant",
    },
    "option": {
        "allowtf32": "precision",
        "alpha": "negative_slope",
        "beta1": "betas",
        "decay": "weight_decay",
        "dilationrate": "dilation",
        "epsilon": "eps",
        "eta": "lr",
        "etamin": "min_factor",
        "filters": "out_channels",
        "kernelinitializer": "init",
        "learningrate": "lr",
        "lrate": "lr",
        "globalclipnorm": "clip_norm",
        "maplocation": "device",
        "maxnorm": "clip_norm",
        "minlr": "min_factor",
        "nclasses": "num_classes",
        "poolsize": "kernel_size",
        "probability": "p",
        "randomseed": "seed",
        "randomstate": "seed",
        "rate": "p",
        "restorebestweights": "restore_best",
        "rho": "alpha",
        "strides": "stride",
        "units": "out_features",
        "usebias": "bias",
        "weight": "class_weight",
    },
    "device": {
        "nvidia": "cuda",
        "host": "cpu",
        "processor": "cpu",
    },
    "precision": {
        "bf16": "bfloat16",
        "float16": "bfloat16",
        "fp16": "bfloat16",
        "half": "bfloat16",
        "mixed": "bfloat16",
        "mixedbfloat16": "bfloat16",
        "float32": "full",
        "fp32": "full",
        "high": "tf32",
        "highest": "full",
        "ieee": "full",
        "single": "full",
        "tensorfloat32": "tf32",
    },
    "schedule": {
        "cosineannealing": "cosine",
        "reducelronplateau": "plateau",
    },
}
# What is not an option here, and where it is.
_REMARKS = {
    "activation": "an activation is a layer of its own, such as Tanh()",
    "learningrate": "a rate is the optimizer's: optimizer=SGD(lr=0.1)",
    "lr": "a rate is the optimizer's: optimizer=SGD(lr=0.1)",
}
_LOGITS = {
    "cross_entropy": "takes logits, so the network ends without a Softmax",
    "binary_cross_entropy_with_logits": "takes logits, so the network ends without a Sigmoid",
}


def _letters(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter not in " _-")


def elsewhere(given: str, names: Iterable[str], family: str) -> str | None:
    """The one of ``names`` that other libraries call ``given``, or write so."""
    letters = _letters(given)
    name = _ELSEWHERE.get(family, {}).get(letters)
    alike = (each for each in names if _letters(each) == letters)
    return name if name is not None and name in names else next(alike, None)


def remark_on(given: str) -> str:
    """Where to say what the option ``given``, which bpnet does not have, says; or nothing."""
    return _REMARKS.get(_letters(given), "")


def meant(given: str, names: Iterable[str], family: str = "") -> str | None:
    """The one of ``names`` that ``given`` may have meant: another library's name for it, or a misspelling."""
    names = list(names)
    letters = _letters(given)
    name = elsewhere(given, names, family)
    if name is not None:
        return name
    import difflib

    alike = {_letters(name): name for name in names}
    close = difflib.get_close_matches(letters, alike, n=1, cutoff=0.65)
    return alike[close[0]] if close else None


def did_you_mean(given: str, names: Iterable[str], family: str = "") -> str:
    """``; did you mean 'mse'?``, or nothing where no name is like it."""
    name = meant(given, names, family)
    if name is None:
        return ""
    remark = f" It {_LOGITS[name]}." if family == "loss" and name in _LOGITS else ""
    return f"; did you mean {name!r}?{remark}"
