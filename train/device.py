"""Where a net trains: on the processor, or on a GPU where there is one."""

from __future__ import annotations

import torch

from ..errors import InputError
from ..models import Net
from ..recipe import Device

CHANGE_IT = 'set it to "auto" or "cpu"'
"""What to do about a GPU that is not there, before anything was begun on one."""


def refuse_absent(wanted: Device, cure: str = CHANGE_IT) -> None:
    """Raise InputError when a GPU is wanted and there is none. cure: what to do about it."""
    if wanted == "cuda" and not torch.cuda.is_available():
        raise InputError(f'train.device = "cuda", and torch finds no GPU here: {cure}')


def choose_device(net: Net, wanted: Device) -> torch.device:
    """`cpu`, `cuda`, or for `auto` the GPU if there is one and the net is no loop over time, which the processor runs faster.

    A GPU that is wanted is there: see refuse_absent.
    """
    fast = not net.cells and torch.cuda.is_available()
    return torch.device("cuda" if wanted == "cuda" or (wanted == "auto" and fast) else "cpu")


def device_name(device: torch.device) -> str:
    """For the manifest: weights depend on it."""
    return f"cuda: {torch.cuda.get_device_name(device)}" if device.type == "cuda" else device.type


def device_of(net: torch.nn.Module) -> torch.device:
    """Where a net's parameters are."""
    return next(net.parameters()).device
