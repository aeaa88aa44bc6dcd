"""[frontend], which may be missing: what is made of a sensor's samples before the net."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from .section import RecipeSection, split_names

Whole = Annotated[int, Field(ge=0)]
Hertz = Annotated[float, Field(ge=0)]
ALIGN_KEYS = ("axes", "calibration", "calibration_readings")
"""What kind `align` reads, and other kinds beside `align`."""


class FrontendSection(RecipeSection):
    """From samples to the features of a frame, which the net reads as readings; without this section it reads what the data hold.

    preset: fills what is unset: mlperf_tiny_kws and microwakeword for words, vibration for machines. kind: `log_mel`, logarithms of bands
    even in mel; `mfcc`, a cosine transform of those; `spectrum`, logarithms of bands even in hertz; `statistics`, of each channel.
    sample_rate: samples a second, where the data do not say it. length, hop: samples of a frame, and from one to the next. size: points
    of the transform (unset: the fewest that hold a frame). bands, low_hz, high_hz: how many, and the outer edges of the first and the
    last one. pre_emphasis: s of x[i] - x[i-1] + x[i-1] / 2^s (0: none). floor: the least logarithm, base 2. coefficients: of mfcc. norm
    `area`: each band over its width. channels: of the data, which say it themselves. statistics: which, of kind `statistics`.

    kind `align` makes no features: it turns the readings of a device that is worn at an angle, and reads three keys. align: whether the
    samples of such a device are turned so before features are made of them, by the same keys. axes: names or numbers
    of the channels to turn, x, y, z of the accelerometer and then of further sensors (unset: all channels, in threes). calibration: the
    classes whose readings say how a device is worn, walking for instance (unset: all). calibration_readings: how many of them calibrate
    each group of the test recordings (unset: 400).
    """

    preset: Literal["mlperf_tiny_kws", "microwakeword", "vibration"] | None = None
    kind: Literal["log_mel", "mfcc", "spectrum", "statistics", "align"] | None = None
    sample_rate: Whole | None = None
    length: Whole | None = None
    hop: Whole | None = None
    size: Whole | None = None
    bands: Whole | None = None
    low_hz: Hertz | None = None
    high_hz: Hertz | None = None
    window_function: Literal["hann", "hamming", "rectangular"] | None = None
    pre_emphasis: Whole | None = None
    floor: Annotated[int, Field(ge=-32, le=31)] | None = None
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
    align: bool | None = None
    axes: Annotated[tuple[Whole | str, ...], Field(min_length=3, strict=False)] | None = None
    calibration: Annotated[tuple[str, ...], Field(min_length=1, strict=False)] | None = None
    calibration_readings: Annotated[int, Field(ge=1, le=1 << 15)] | None = None

    _split_names = field_validator("statistics", "axes", "calibration", mode="before")(split_names)

    @model_validator(mode="after")
    def _reads_what_is_set(self) -> Self:
        """Of `align` here; what the others read, asked_front_end says."""
        asked = [key for key in type(self).model_fields if getattr(self, key) is not None and key != "kind"]
        for key in asked:
            if self.kind == "align" and key not in ALIGN_KEYS:
                raise ValueError(
                    f"frontend.kind = align turns readings and makes no frames, so that it does not read frontend.{key}: leave it out"
                )
            if self.kind != "align" and not self.align and key in ALIGN_KEYS:
                raise ValueError(f"frontend.{key} is for an alignment: set frontend.align = true before this front-end, or leave it out")
        return self

    @property
    def of_a_front_end(self) -> dict[str, Any]:
        """The keys that are set, but for those of an alignment."""
        return self.model_dump(exclude_none=True, exclude={"align", *ALIGN_KEYS})

    @property
    def of_an_alignment(self) -> dict[str, Any]:
        """Those of an alignment that are set."""
        return self.model_dump(exclude_none=True, include={"align", *ALIGN_KEYS})
