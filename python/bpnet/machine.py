"""What a network computes on: the processor, by one of its backends, or a GPU."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bpnet import _core, checks
from bpnet._bridge import CoreNetwork
from bpnet.arguments import by_position
from bpnet.hints import did_you_mean

#: How float32's products and convolutions are made: as they are, on a GPU, on the processor.
PRECISIONS = ("full", "tf32", "bfloat16")

_DEVICE = re.compile(r"cpu|cuda(:\d{1,3})?")


def devices() -> list[str]:
    """``["cpu"]``, and ``"cuda:0"``, ``"cuda:1"`` and so on for each NVIDIA GPU that can be used here.

    >>> bp.devices()[0]
    'cpu'
    >>> net = bp.Network(784, [bp.Linear(10)], device="cuda" if "cuda:0" in bp.devices() else "cpu")
    """
    return _core.devices()


@by_position()
def backends(*, precision: str = "full") -> list[str]:
    """The backends that run here, best first; in full precision "reference", plain loops, is the last.

    Args:
        precision: ``"full"``; or ``"bfloat16"``: "amx" and "avx512_bf16" are called after the instructions that
            their products are made of, and differ in rounding. They are here where the processor has the
            instruction and the system permits it. "amx_model" and "avx512_bf16_model" compute the same bits
            everywhere by a model of the instruction, slowly, and are the best where there is no other.

    >>> "reference" in bp.backends()
    True
    >>> bp.Network(784, [bp.Linear(10)], precision="bfloat16").backend == bp.backends(precision="bfloat16")[0]
    True
    """
    if precision not in ("full", "bfloat16"):
        raise ValueError(f"backends: precision is {precision!r}, 'full' or 'bfloat16' is needed")
    return _core.backends(precision)


def asked(operation: str, device: Any, backend: Any, precision: Any, winograd: Any) -> dict[str, Any]:
    """What a user asks for, as the core takes it: names that are None are empty strings."""
    return {
        "device": _checked_device(operation, device),
        "backend": _checked_backend(operation, backend),
        "precision": _checked_precision(operation, precision),
        "winograd": None if winograd is None else checks.flag(operation, "winograd", winograd),
    }


def device_problem(device: str) -> str:
    """What is wrong with a device's name; empty where it is one, be the device here or not."""
    if _DEVICE.fullmatch(device):
        return ""
    number = re.search(r"(?<!\d)\d{1,3}$", device)
    names = ["cpu", "cuda", *([f"cuda:{number[0]}"] if number else [])]
    instead = did_you_mean(device.lower().replace("gpu", "cuda"), names, "device")
    return f"{device!r} is unknown; give 'cpu', 'cuda', or 'cuda:1' for the second GPU{instead}"


def of_core(core: CoreNetwork) -> dict[str, str]:
    """What the network computes on, for :func:`restored`."""
    return {"device": core.device, "backend": core.backend, "precision": core.precision}


def restored(machine: Mapping[str, str]) -> dict[str, Any]:
    """That of :func:`of_core` as a network is made on it; nothing, which is the processor's default, where it is not
    here: a copy may come to another machine."""
    if machine["device"] != "cpu":
        chosen = {"device": machine["device"], "precision": machine["precision"]}
        return chosen if machine["device"] in devices() else {}
    return (
        {"backend": machine["backend"]} if machine["backend"] in _core.backends(machine["precision"]) else {}
    )


def _checked_device(operation: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{operation}: device is {value!r}, a string such as 'cpu' or 'cuda' is needed")
    problem = device_problem(value)
    if problem:
        raise ValueError(f"device: {problem}")
    return value


def _checked_backend(operation: str, value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(f"{operation}: backend is {value!r}, a name or None is needed")
    names = _core.backends() + _core.backends("bfloat16")
    if value in names or f"{value}_model" in names:  # the core names the model of a missing instruction
        return value
    if not device_problem(value):
        raise ValueError(f"backend: {value!r} is a device; give device={value!r}")
    misspelt = did_you_mean(value, names)
    if misspelt:
        raise _core.DeviceError(
            f"backend: {value!r} is not one of those that run here: {', '.join(names)}{misspelt}"
        )
    return value


def _checked_precision(operation: str, value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(f"{operation}: precision is {value!r}, 'full', 'tf32', 'bfloat16' or None is needed")
    if value not in PRECISIONS:
        instead = did_you_mean(value, PRECISIONS, "precision")
        raise ValueError(f"precision: {value!r} is unknown; give 'full', 'tf32' or 'bfloat16'{instead}")
    return value
