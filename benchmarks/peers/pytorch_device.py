"""A device of PyTorch's: a GPU, or the processor, on which the tests run what a GPU would."""

from __future__ import annotations

import torch


def open_device(name: str) -> torch.device:
    """
    Raises:
        ImportError: a GPU that PyTorch does not see.
    """
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        built = f"is built for CUDA {torch.version.cuda}" if torch.version.cuda else "is built without CUDA"
        raise ImportError(f"PyTorch {torch.__version__} {built} and sees no GPU")
    return device


def name_of(device: torch.device) -> str:
    if device.type != "cuda":
        return device.type
    cudnn = torch.backends.cudnn.version()
    return f"{torch.cuda.get_device_name(device)} (PyTorch's CUDA {torch.version.cuda}, cuDNN {cudnn})"


def set_precision(precision: str) -> None:
    """Products and convolutions of float32 with TF32 or without; convolutions by the algorithm that cuDNN finds
    fastest by trying, be it deterministic or not."""
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.benchmark = True


def free_memory(device: torch.device) -> None:
    """What PyTorch keeps of networks that are gone."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


def synchronize(device: torch.device) -> None:
    """Waits until the card has done its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
