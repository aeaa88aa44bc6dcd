"""How many bytes a model may take: what `run --fit` is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import InputError
from ..text_files import byte_count

if TYPE_CHECKING:
    from .pricing import Size


@dataclass(frozen=True)
class Budget:
    """At most so many bytes; None: no limit."""

    const: int | None = None
    state: int | None = None

    def holds(self, size: Size) -> bool:
        """Whether a model of that size fits."""
        return (self.const is None or size.const <= self.const) and (self.state is None or size.state <= self.state)

    def __str__(self) -> str:
        parts = {"const": self.const, "state": self.state}
        return ", ".join(f"{name} {value} B" for name, value in parts.items() if value is not None)


def parse_budget(text: str) -> Budget:
    """`const=2KB,state=512B` (either may be left out; KB = 1024 bytes). Raises InputError."""
    limits: dict[str, int] = {}
    for item in text.split(","):
        name, _, size = item.partition("=")
        limit = byte_count(size)
        if name.strip() not in ("const", "state") or limit is None or name.strip() in limits:
            raise InputError(f"--fit takes const=2KB,state=512B (const data, and state + scratch; B or KB), not {text!r}")
        limits[name.strip()] = limit
    return Budget(**limits)
