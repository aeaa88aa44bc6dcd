"""[frontend], which may be missing: what is made of a sensor's samples before the net."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from .section import RecipeSection

Whole = Annotated[int, Field(ge=0)]
Hertz = Annotated[float, Field(ge=0)]


class FrontendSection(RecipeSection):
    """From samples to the features of a frame, which the net reads as readings; without this section it reads what the data hold.

    preset: fills what is unset: mlperf_tiny_kws and microwakeword for words, vibration for machines. kind: `log_mel`, logarithms of bands
    even in mel; `mfcc`, a cosine transform of those; `spectrum`, logarithms of bands even in hertz; `statistics`, of each channel.
    sample_rate: samples a second, where the data do not say it. length, hop: samples of a frame, and from one to the next. size: points
    of the transform (unset: the fewest that hold a frame). bands, low_hz, high_hz: how many, and the outer edges of the first and the
    last one. pre_emphasis: s of x[i] - x[i-1] + x[i-1] / 2^s (0: none). floor: the least logarithm, base 2. coefficients: of mfcc. norm
    `area`: each band over its width. channels: of the data, which say it themselves. statistics: which, of kind `statistics`.
    """

    preset: Literal["mlperf_tiny_kws", "microwakeword", "vibration"] | None = None
    kind: Literal["log_mel", "mfcc", "spectrum", "statistics"] | None = None
    sample_rate: Whole | None = None
    length: Whole | None = None
    hop: Whole | None = None
    size: Whole | None = None
    bands: Whole | None = None
    low_hz: Hertz | None = None
    high_hz: Hertz | None = None
    window_function: Literal["hann", "hamming", "rectangular"] | None = None
    pre_emphasis: Whole | None = None
    floor: int | None = None
    coefficients: Whole | None = None
    norm: Literal["peak", "area"] | None = None
    channels: Whole | None = None
    statistics: (
        Annotated[
            tuple[Literal["mean", "deviation", "minimum", "maximum", "zero_crossings", "log_deviation", "log_energy"], ...],
            Field(min_length=1, strict=False),
        ]
        | None
    ) = None

    @field_validator("statistics", mode="before")
    @classmethod
    def _split_names(cls, value: Any) -> Any:
        """`mean,maximum`, as on a command line, for ["mean", "maximum"]."""
        return tuple(name.strip() for name in value.split(",")) if isinstance(value, str) else value
