"""rescomp: from labelled sensor data to a kilobyte-sized integer model on a microcontroller, every bit predicted on the desk.

`rescomp.run` makes a model, `rescomp.load` opens one: see rescomp.interface.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .interface import Model, load, run

__version__ = "0.1.0"
DISTRIBUTION = "rescomp-mcu"
"""What pip calls this package: `rescomp` on PyPI is somebody else's reservoir computing."""

__all__ = ["DISTRIBUTION", "Model", "__version__", "load", "run"]
_LAZY = ("Model", "load", "run")
"""From rescomp.interface, which brings numpy and pydantic: imported when it is asked for."""


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(".interface", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
