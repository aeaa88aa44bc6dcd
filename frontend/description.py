"""What a front-end is asked for: typed and frozen, checked once, and the presets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from ..errors import UnsupportedError
from ..graph.ops.deviations import FEWEST_SAMPLES, MOST_SAMPLES, MOST_SENSOR_CHANNELS
from ..graph.ops.spectrum import MOST_CHANNELS, MOST_SHIFT
from ..graph.verify import MOST_RATE

FrontEndKind = Literal["log_mel", "mfcc", "spectrum", "statistics"]
WindowFunction = Literal["hann", "hamming", "rectangular"]
BandNorm = Literal["peak", "area"]
Statistic = Literal["mean", "deviation", "minimum", "maximum", "zero_crossings", "log_deviation", "log_energy"]
"""Of the samples of a channel in a frame; docs/contract.md, "Statistics of a frame"."""
TRANSFORMS = (256, 512, 1024)
MOST_BANDS_OF_A_FRAME = 128
_COMMON = frozenset({"kind", "sample_rate", "length", "hop", "channels", "floor"})
_OF_SPECTRA = _COMMON | {"size", "bands", "low_hz", "high_hz", "window_function", "pre_emphasis", "norm"}
KEYS: Mapping[FrontEndKind, frozenset[str]] = {
    "log_mel": _OF_SPECTRA,
    "mfcc": _OF_SPECTRA | {"coefficients"},
    "spectrum": _OF_SPECTRA,
    "statistics": _COMMON | {"statistics"},
}
"""What each kind reads of a description; what it does not is nothing to it."""
OWN_FLOOR = -33
"""Below all floors: that of the kind holds."""


def _one_of(key: str, value: object, known: tuple[object, ...]) -> None:
    if value not in known:
        raise UnsupportedError(f"frontend.{key} = {value!r} is none of {', '.join(map(str, known))}: set one of them")


def _between(key: str, value: int, low: int, high: int, why: str = "") -> None:
    if not low <= value <= high:
        raise UnsupportedError(f"frontend.{key} = {value} is outside {low}..{high}{why}; set one within")


@dataclass(frozen=True)
class FrontEnd:
    """From frames of samples to features. KEYS: which of these a kind reads.

    kind: logarithms of bands even in mel, a cosine transform of those, logarithms of bands even in hertz, or statistics. length, hop:
    samples of a frame, and from one to the next. size: points of the transform. low_hz, high_hz: the outer edges of the bands' triangles.
    pre_emphasis: s of x[i] - x[i-1] + x[i-1] / 2^s; 0: none. floor: the least logarithm (base 2). coefficients: of an mfcc.
    norm: triangles of height 1, or their sums taken back. channels: samples side by side, each with features of its own. statistics: which,
    in any order; features are in that of `Statistic`.
    """

    kind: FrontEndKind = "log_mel"
    sample_rate: int = 16000
    length: int = 512
    hop: int = 320
    size: int = 512
    bands: int = 32
    low_hz: float = 100.0
    high_hz: float = 7600.0
    window_function: WindowFunction = "hann"
    pre_emphasis: int = 5
    floor: int = OWN_FLOOR  # 0 of statistics, 5 of spectra
    coefficients: int = 0
    norm: BandNorm = "peak"
    channels: int = 1
    statistics: tuple[Statistic, ...] = ()

    def __post_init__(self) -> None:
        """Raises UnsupportedError, naming the key, for what no front-end can be."""
        _one_of("kind", self.kind, get_args(FrontEndKind))
        if self.floor == OWN_FLOOR:
            object.__setattr__(self, "floor", 5 if self.takes_spectra else 0)
        _between("sample_rate", self.sample_rate, 1, MOST_RATE)
        _between("hop", self.hop, 1, MOST_RATE)
        _between("floor", self.floor, -32, 31)
        _between("channels", self.channels, 1, most_channels(self.kind))
        if self.takes_spectra:
            self._check_spectra()
        if self.kind == "mfcc":
            _between("coefficients", self.coefficients, 1, self.bands)
        elif self.coefficients:
            raise UnsupportedError(f"frontend.coefficients is for kind = mfcc: leave it out of a {self.kind}")
        if self.kind == "statistics":
            self._check_statistics()
        elif self.statistics:
            raise UnsupportedError(f"frontend.statistics is for kind = statistics: leave it out of a {self.kind}")

    def _check_spectra(self) -> None:
        _one_of("window_function", self.window_function, get_args(WindowFunction))
        _one_of("norm", self.norm, get_args(BandNorm))
        _one_of("size", self.size, TRANSFORMS)
        _between("length", self.length, 2, self.size, f": a transform has {', '.join(map(str, TRANSFORMS))} points (frontend.size)")
        _between("bands", self.bands, 1, min(MOST_BANDS_OF_A_FRAME, self.size // 2 - 1), f" at a frontend.size of {self.size}")
        _between("pre_emphasis", self.pre_emphasis, 0, MOST_SHIFT)
        if not 0 <= self.low_hz < self.high_hz <= self.sample_rate / 2:
            raise UnsupportedError(
                f"frontend.low_hz = {self.low_hz:g} and high_hz = {self.high_hz:g} do not lie in order between 0 and half the sample_rate, "
                f"{self.sample_rate / 2:g}"
            )

    def _check_statistics(self) -> None:
        _between("length", self.length, FEWEST_SAMPLES, MOST_SAMPLES)
        if not self.statistics or len(set(self.statistics)) < len(self.statistics):
            raise UnsupportedError(
                f"frontend.statistics lists which of {', '.join(get_args(Statistic))} are features, at least one and none twice: set it"
            )
        for name in self.statistics:
            _one_of("statistics", name, get_args(Statistic))

    @property
    def takes_spectra(self) -> bool:
        """Whether features are made of a frame's frequencies."""
        return self.kind != "statistics"

    @property
    def span(self) -> int:
        """Samples of each channel that a frame reads: with a pre-emphasis also the one before it."""
        return self.length + (self.takes_spectra and self.pre_emphasis > 0)

    @property
    def features(self) -> int:
        """Of a frame."""
        of_a_channel = self.coefficients or self.bands if self.takes_spectra else len(self.statistics)
        return of_a_channel * self.channels

    def frames(self, samples: int) -> int:
        """How many whole frames a recording of so many samples has."""
        return max(0, (samples - self.span) // self.hop + 1)


def most_channels(kind: FrontEndKind) -> int:
    """That a front-end of a kind reads."""
    return MOST_SENSOR_CHANNELS if kind == "statistics" else MOST_CHANNELS


PRESETS: Mapping[str, FrontEnd] = {
    "mlperf_tiny_kws": FrontEnd("mfcc", length=480, bands=40, low_hz=20.0, high_hz=4000.0, pre_emphasis=0, coefficients=10),
    "microwakeword": FrontEnd("log_mel", length=480, hop=160, bands=40, low_hz=125.0, high_hz=7500.0, pre_emphasis=0),
    "vibration": FrontEnd("spectrum", 12000, 512, 256, 512, 32, 50.0, 6000.0),
}
"""Geometries that others use: mlperf_tiny_kws and microwakeword have their frames and bands, not their bits."""
