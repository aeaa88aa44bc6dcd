"""The first layer that differs, as report.json has it."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from ..strict_documents import Count, Part, Positive
from ..validate.fault import Fault


class FaultSummary(Part):
    """The first layer that differs (validate.fault.Fault): sequence, step, channel, expected and got are of the first value that does."""

    graph: str
    layer: str
    kernel: str
    channels: Positive
    of_channels: Positive
    steps: Positive
    first_step: Count
    last_step: Count
    sequence: Count
    step: Count | None
    channel: Count
    expected: int
    got: int

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.channels > self.of_channels or self.steps > self.last_step - self.first_step + 1:
            raise ValueError("more channels or steps differ than there are")
        return self

    @classmethod
    def of(cls, fault: Fault) -> Self:
        """As the document has it."""
        value = {name: getattr(fault.value, name) for name in ("sequence", "step", "channel", "expected", "got")}
        own = {name: getattr(fault, name) for name in cls.model_fields if name not in value}
        return cls(**own, **value)
