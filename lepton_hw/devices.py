"""Whether torch has a device here: the CPU, or a CUDA card by its number. Computes on none."""

from lepton_hw.errors import InputError, MissingTool


def require_device(device: str) -> None:
    """Raises `InputError` for a name that is none, `MissingTool` where such a device is not there.

    Args:
        device: "cpu", "cuda" or "cuda:1" …
    """
    kind, _, number = device.partition(":")
    if device != "cpu" and (kind != "cuda" or (device != "cuda" and not number.isdecimal())):
        raise InputError(
            f"device is '{device}'", "cpu, cuda, or a card by its number as in cuda:1", "correct it"
        )
    if device != "cpu" and int(number or 0) >= cards():
        raise MissingTool(
            f"device '{device}' is not there", "cpu, or cuda with a card", "use device cpu"
        )


def cards() -> int:
    """How many CUDA cards torch can use."""
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0
