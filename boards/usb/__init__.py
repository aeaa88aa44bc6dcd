"""What USB numbers and the names of drives tell: of the boards here, and of adapters and vendors in adapters.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from .. import list_boards
from ..description import Daplink, Uf2


def name_device(vendor: int, product: int) -> str:
    """Whose serial port has these numbers, as far as they tell: empty, a board, or several that share them."""
    key = f"{vendor:04x}:{product:04x}"
    known = _adapters()
    names = [board.title for board in list_boards() if key in board.console.usb]
    names += [known["products"][key]] if key in known["products"] else []
    return _either(names) or known["vendors"].get(f"{vendor:04x}", "")


def name_drive(label: str) -> str:
    """Which board shows up as a drive of this name; empty where it is none's."""
    names = []
    for board in list_boards():
        for method in board.flash:
            if isinstance(method, Daplink | Uf2) and label.upper().startswith(method.label):
                names.append(f"{board.title}, waiting for a UF2 file" if isinstance(method, Uf2) else board.title)
    drives = _adapters()["drives"]
    return _either(names) or next((text for beginning, text in drives.items() if label.upper().startswith(beginning)), "")


def _either(names: list[str]) -> str:
    return ", ".join(names[:-1]) + (" or " if len(names) > 1 else "") + names[-1] if names else ""


@cache
def _adapters() -> Mapping[str, Mapping[str, str]]:
    return tomllib.loads((files(__package__) / "adapters.toml").read_text(encoding="utf-8"))
