"""spectrum: the magnitudes of a frame's frequencies, by a Fourier transform in integers with two block exponents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from ..draws import Draws
from ..events import Events
from ..fixed_point import LARGEST_TRANSFORM, Q15_ONE, IntArray, leading_zeros, round_half_up_shift, saturate, sine_table
from ..formats import Format, TensorType
from ..ranges import Range
from ..stress import random_values
from .base import Analysed, CBuilder, CValue, OnnxBuilder, TfliteBuilder, TfliteTensor, require
from .onnx_arithmetic import OnnxBlocks
from .spectrum_spelling import spell
from .tflite_arithmetic import TfliteBlocks, narrow, widen
from .transform import largest_magnitude, magnitudes, middle, scale_in_the_middle, split, stage_count, transform_stage

SMALLEST_TRANSFORM = 16
MOST_CHANNELS = 64
MOST_SHIFT = 14
"""Of a pre-emphasis."""
MOST_DOUBLINGS = 25
"""13 before the transform, 12 in it."""
SPECTRUM_EXPONENTS = 14
"""Places of the block exponent before the transform: 0 to 13 doublings."""
_RANDOM, _LOUDEST = 24, 8
"""Stress frames at random, of falling loudness; and of those in which one sample decides on the block exponent."""


@dataclass(frozen=True, eq=False)
class Spectrum(Analysed):
    """int16 [length, channels] -> (magnitudes int32 [channels, size / 2], doublings int16 [channels]): docs/contract.md, "A spectrum".

    size: points of the transform, a power of two; frames are filled with zeros up to it. window: int16 [length // 2 + 1] in Q15, the
    first half of a window with window[length - i] = window[i]. pre_emphasis: s of x[i] - x[i-1] + shift(x[i-1], s), which reads one
    sample more, the one before the frame; 0: none. A frequency's magnitude is the entry times 2^-doublings; the entry of frequency 0 is 0.
    """

    name: ClassVar[str] = "spectrum"
    takes_int32: ClassVar[bool] = True
    in_place: ClassVar[tuple[int, ...]] = ()
    view: ClassVar[int | None] = None

    size: int
    length: int
    window: IntArray
    pre_emphasis: int = 0

    @property
    def kernel(self) -> str:
        return "spectrum_int16"

    @property
    def span(self) -> int:
        """Samples read."""
        return self.length + (self.pre_emphasis > 0)

    @property
    def weights(self) -> IntArray:
        """The whole window: int64 [length]."""
        place = np.arange(self.length)
        weights: IntArray = self.window.astype(np.int64)[np.minimum(place, self.length - place)]
        return weights

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        (x,) = inputs
        good = SMALLEST_TRANSFORM <= self.size <= LARGEST_TRANSFORM and self.size.bit_count() == 1
        require(good, f"a spectrum is of a power of two from {SMALLEST_TRANSFORM} to {LARGEST_TRANSFORM} points, not of {self.size}")
        require(2 <= self.length <= self.size, f"a frame of {self.length} samples does not fit a spectrum of {self.size} points")
        require(0 <= self.pre_emphasis <= MOST_SHIFT, f"a pre-emphasis by 2^-{self.pre_emphasis} is outside 2^-1 to 2^-{MOST_SHIFT}")
        good = self.window.dtype == np.int16 and self.window.shape == (self.length // 2 + 1,) and self.window.min() >= 0
        require(good, f"the window of {self.length} samples is {self.length // 2 + 1} int16 from 0 on")
        require(x.format.dtype == "int16", f"a spectrum reads int16 samples, not {x.format}")
        good = len(x.shape) == 2 and x.shape[0] == self.span and x.shape[1] <= MOST_CHANNELS
        require(good, f"a spectrum reads {self.span} samples of 1 to {MOST_CHANNELS} channels, not {x}")
        channels = x.shape[1]
        bins = Format(0, "int32", largest_magnitude(self.size), nonnegative=True)
        return TensorType((channels, self.size // 2), bins), TensorType((channels,), Format(0, bound=MOST_DOUBLINGS, nonnegative=True))

    def evaluate(self, *inputs: IntArray) -> tuple[IntArray, ...]:
        (x,) = inputs
        batch, channels = len(x), x.shape[2]
        weighted = saturate(self.emphasised(x), -Q15_ONE, Q15_ONE - 1) * self.weights
        doublings = self.block_doublings(weighted)
        points = np.zeros((batch * channels, self.size), np.int64)
        points[:, : self.length] = round_half_up_shift(weighted, 16 - doublings[..., None]).reshape(batch * channels, -1)
        re: IntArray = points[:, None, 0::2]
        im: IntArray = points[:, None, 1::2]
        more: IntArray = np.zeros(batch * channels, np.int64)
        for stage in range(stage_count(self.size)):
            if stage == middle(self.size):
                re, im, more = scale_in_the_middle(re, im)
            re, im = transform_stage(re, im, self.size)
        bins = magnitudes(*split(re[:, :, 0], im[:, :, 0], self.size))
        result = np.concatenate([np.zeros((batch * channels, 1), np.int64), bins], axis=1)
        return result.reshape(batch, channels, -1), doublings + more.reshape(batch, channels)

    def emphasised(self, x: IntArray) -> IntArray:
        """The frame [..., channels, length] of samples [..., span, channels], before it is saturated."""
        samples = np.moveaxis(x, -2, -1)
        if not self.pre_emphasis:
            return samples
        before, now = samples[..., :-1], samples[..., 1:]
        return now - before + round_half_up_shift(before, self.pre_emphasis)

    def block_doublings(self, weighted: IntArray) -> IntArray:
        """The block exponent of weighted samples [..., length], 0 to 13."""
        largest = np.abs(round_half_up_shift(weighted, 15)).max(axis=-1)
        return leading_zeros(np.maximum(largest, 2), 15)

    def multiply_accumulates(self, *inputs: TensorType) -> int:
        """Of the window, of the butterflies whose factor is neither 1 nor -j, and of the split, four of which serve two frequencies."""
        half = self.size // 2
        turned = sum(half // (2 * m) * (m - 2) for m in (1 << stage for stage in range(2, stage_count(self.size))))
        return inputs[0].shape[1] * (self.length + 4 * turned + 4 * (half // 2 - 1))

    def onnx(self, b: OnnxBuilder, *inputs: str) -> tuple[str, ...]:
        (x,) = inputs
        a, channels = OnnxBlocks(b), b.type(x).shape[1]
        bins, doublings = spell(a, a.rows_of_channels(x, self.span, channels), self)
        return a.vectors(bins, (channels, self.size // 2)), a.vectors(doublings, (channels,))

    def tflite(self, b: TfliteBuilder, *inputs: TfliteTensor) -> tuple[TfliteTensor, ...]:
        (x,) = inputs
        a, channels = TfliteBlocks(b), x.shape[3]
        bins, doublings = spell(a, a.rows_of_channels(widen(b, x), self.span, channels), self)
        counted = narrow(b, a.vectors(doublings, (channels,)), Format(0, bound=MOST_DOUBLINGS, nonnegative=True))
        return a.vectors(bins, (channels, self.size // 2)), counted

    def c_call(self, b: CBuilder, inputs: tuple[CValue, ...], outputs: tuple[CValue, ...]) -> None:
        (x,), (bins, doublings) = inputs, outputs
        window = b.constant("window", self.window, "tables", f"the first half of the window of {self.length} samples, Q15")
        sine = b.shared_constant(f"sine_{self.size}", sine_table(self.size), "tables", f"a quarter of a sine of {self.size} points, Q15")
        frame = f"rescomp_frame_of({self.size}, {self.length}, {self.pre_emphasis}, {window}, {sine})"
        b.call(self.kernel, x.expression, bins.expression, doublings.expression, str(x.type.shape[1]), frame)

    def reached(self, *inputs: IntArray) -> Events:
        frames = self.emphasised(inputs[0])
        doublings = self.block_doublings(saturate(frames, -Q15_ONE, Q15_ONE - 1) * self.weights)
        events = {"exponent": np.isin(np.arange(SPECTRUM_EXPONENTS), doublings)}
        if not self.pre_emphasis:
            return events
        low, high = (frames < -Q15_ONE).any(axis=(0, 2)), (frames >= Q15_ONE).any(axis=(0, 2))
        return {**events, "saturation_low": low, "saturation_high": high}

    def reachable(self, *inputs: Range) -> Events:
        low, high = self._emphasised_ends(inputs[0])
        loudest = np.maximum(np.abs(low), np.abs(high)).clip(max=Q15_ONE) * self.weights
        least = int(self.block_doublings(loudest[None]).min())
        events = {"exponent": np.arange(SPECTRUM_EXPONENTS) >= least}
        if not self.pre_emphasis:
            return events
        return {**events, "saturation_low": (low < -Q15_ONE).any(axis=1), "saturation_high": (high >= Q15_ONE).any(axis=1)}

    def _emphasised_ends(self, x: Range) -> tuple[IntArray, IntArray]:
        """Between which integers the entries of `emphasised` lie, [channels, length]: it rises with a sample, falls with the one before."""
        if not self.pre_emphasis:
            return x.low.T, x.high.T
        fallen = [round_half_up_shift(before, self.pre_emphasis) - before for before in (x.high.T[:, :-1], x.low.T[:, :-1])]
        return x.low.T[:, 1:] + fallen[0], x.high.T[:, 1:] + fallen[1]

    def stress(self, draws: Draws, *inputs: TensorType) -> tuple[IntArray, ...]:
        """Steps and clicks of every height where the window is largest, full-scale tones and squares, an offset, silence, noise."""
        (x,) = inputs
        steps, tones = self._steps(x.format), self._tones(draws, x.format)
        steps = np.concatenate([steps, self._loudest(draws, x.format)])
        noise = random_values(draws, x, _RANDOM) >> (np.arange(_RANDOM) * 15 // _RANDOM)[:, None, None]
        flips = np.where(draws.integers(0, 1, (8, *x.shape)), x.format.low, x.format.high)
        mono = np.concatenate([steps, tones])[:, :, None]
        return (saturate(np.concatenate([np.broadcast_to(mono, (len(mono), *x.shape)), flips, noise]), x.format.low, x.format.high),)

    def _steps(self, format: Format) -> IntArray:
        """[frames, span]: constant up to the window's largest place and another constant from there on, or from there a click."""
        place = int(np.argmax(self.weights)) + (self.pre_emphasis > 0)
        heights = [format.low, format.high, 0, 1, -1, *(sign << j for j in range(15) for sign in (1, -1)), *self._heights()]
        pairs = [(0, height) for height in heights] + [(format.low, format.high), (format.high, format.low)]
        levels = saturate(np.array([*pairs, *((height, height) for height in heights[:2])]), format.low, format.high)
        after = np.arange(self.span) >= place
        steps = np.where(after, levels[:, 1:], levels[:, :1])
        clicks = np.where(np.arange(self.span) == place, levels[:, 1:], 0)
        return np.concatenate([steps, clicks])

    def _loudest(self, draws: Draws, format: Format) -> IntArray:
        """[frames, span]: noise, and one sample that a pre-emphasis takes past the lowest integer where the window is a half.

        There alone the block exponent tells -2^15 from its neighbours. Behind it the samples rise again without being heard.
        """
        halves = np.flatnonzero(self.weights == Q15_ONE // 2)
        if not self.pre_emphasis or not len(halves):
            return np.zeros((0, self.span), np.int64)
        places = np.resize(halves, _LOUDEST)[:, None] + 1
        noise = draws.integers(-Q15_ONE // 4, Q15_ONE // 4 - 1, (_LOUDEST, self.span)) >> np.arange(_LOUDEST)[:, None]
        frames = np.where(np.arange(self.span) == places - 1, np.abs(noise), noise)
        for now in range(1, self.span):
            before = frames[:, now - 1 : now]
            unheard = before - round_half_up_shift(before, self.pre_emphasis)
            column = frames[:, now : now + 1]
            frames[:, now : now + 1] = np.where(places == now, -Q15_ONE, np.where(places < now, unheard + column // 2, column))
        return saturate(frames, format.low, format.high)

    def _heights(self) -> list[int]:
        """Samples at which the largest place of the window reaches each power of two."""
        largest = int(self.weights.max())
        return [-(-((1 << j) * Q15_ONE - Q15_ONE // 2) // largest) for j in range(15)] if largest else []

    def _tones(self, draws: Draws, format: Format) -> IntArray:
        """[frames, span]: sines and squares at full scale, of every frequency in its turn."""
        quarter = np.concatenate([sine_table(self.size), [Q15_ONE - 1]]).astype(np.int64)
        half = np.concatenate([quarter[:-1], quarter[:0:-1]])
        turn = np.concatenate([half, -half])
        frequency = np.arange(1, self.size // 2, max(1, self.size // 32))[:, None]
        sines = (
            turn[(np.arange(self.span) * frequency + draws.integers(0, self.size - 1, frequency.shape)) % self.size]
            * format.high
            // Q15_ONE
        )
        return np.concatenate([sines, np.where(sines < 0, format.low, format.high)])

    def ranges(self, *inputs: Range) -> tuple[Range, ...]:
        """What the types say, but for frequency 0."""
        bins, doublings = super().ranges(*inputs)
        bins.high[:, 0] = 0
        return bins, doublings

    @classmethod
    def random(cls, rng: np.random.Generator) -> tuple[Self, tuple[TensorType, ...]]:
        size = SMALLEST_TRANSFORM << int(rng.choice([0, 0, 0, 1, 2]))
        length = int(rng.choice([2, 3, size - 1, size, rng.integers(2, size + 1)]))
        window = rng.integers(0, 1 << 15, length // 2 + 1).astype(np.int16) >> int(rng.choice([0, 0, 3, 12]))
        op = cls(size, length, window, int(rng.choice([0, 5, 1, MOST_SHIFT])))
        format = Format(int(rng.integers(0, 16)), bound=int(rng.choice([1 << 15, 10922, 20000])))
        return op, (TensorType((op.span, int(rng.integers(1, 4))), format),)
