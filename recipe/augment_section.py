"""[augment], which may be missing: what becomes of the samples of training clips, anew in every epoch."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from .section import GivenPath, RecipeSection

Decibels = Annotated[float, Field(ge=-60, le=100)]


class AugmentSection(RecipeSection):
    """How much training clips are changed before the front-end, in this order; without this section they stay as they are.

    speed: by which share a clip is faster or slower at most, about its middle; its length stays. shift: milliseconds by which it is moved
    at most; silence moves in. snr: decibels, the least and the most, by which a clip's power is above that of the noise added to it, in
    noise_share of the clips. noise: a WAV file, a folder of them, or `white` or `pink` (unset: the folder _background_noise_ of the data,
    or pink noise where there is none). gain: decibels by which the sum is louder or softer at most.
    """

    speed: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    shift: Annotated[float, Field(ge=0, le=60000)] = 0.0
    snr: Annotated[tuple[Decibels, Decibels], Field(strict=False)] | None = None
    noise_share: Annotated[float, Field(gt=0, le=1)] = 0.8
    noise: GivenPath | None = None
    gain: Annotated[float, Field(ge=0, le=60)] = 0.0

    @field_validator("snr", mode="before")
    @classmethod
    def _one_for_both(cls, value: Any) -> Any:
        """A number for [number, number]."""
        return (value, value) if isinstance(value, int | float) and not isinstance(value, bool) else value

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self.snr is None and self.noise is not None:
            raise ValueError("augment.noise is what is added at augment.snr, which is unset: set both, or neither")
        if self.snr is None and self.has_own("noise_share"):
            raise ValueError("augment.noise_share is of clips that noise is added to, and augment.snr is unset: set both, or neither")
        if self.snr is None and not (self.speed or self.shift or self.gain):
            raise ValueError("[augment] changes nothing: set speed, shift, snr or gain, or leave it out")
        if self.snr is not None and self.snr[0] > self.snr[1]:
            raise ValueError(f"augment.snr runs from {self.snr[0]:g} to {self.snr[1]:g} dB: give the least first")
        return self
