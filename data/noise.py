"""Noise to add to clips: pieces of recorded files, or made of random bits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, get_args

import numpy as np
import numpy.typing as npt

from ..recipe import DataSection
from .resampling import resample, resampler
from .wav import WavFile, read_header
from .wav_folders import NOISE_FOLDER, noise_files

Signal = npt.NDArray[np.float64]
"""float64 [samples, channels]."""
NoiseColour = Literal["white", "pink"]
_PARTS = 4
"""Of 16 bits each in 64 random bits, whose sum is nearly normal."""


class Noise(Protocol):
    """Who gives noise, of whatever loudness."""

    def piece(self, samples: int, channels: int, bits: np.random.PCG64) -> Signal:
        """Another piece for other bits."""
        ...


@dataclass(frozen=True)
class MadeNoise:
    """white: each sample by itself; pink: power falls by half an octave, above a few hertz. Every channel has its own."""

    colour: NoiseColour

    def piece(self, samples: int, channels: int, bits: np.random.PCG64) -> Signal:
        """See Noise."""
        parts = bits.random_raw(samples * channels).view(np.uint16).reshape(samples, channels, _PARTS)
        white: Signal = parts.astype(np.float64).sum(axis=2) - _PARTS * 32767.5
        if self.colour == "white":
            return white
        spectrum = np.fft.rfft(white, axis=0)
        spectrum /= np.sqrt(np.maximum(1, np.arange(len(spectrum))))[:, None]
        return np.fft.irfft(spectrum, samples, axis=0)


@dataclass(frozen=True, eq=False)
class RecordedNoise:
    """A channel of some files, brought to a rate; all channels of a clip get the same. channel: as of WavClips."""

    files: Sequence[WavFile]
    sample_rate: int
    channel: int | None = None

    def piece(self, samples: int, channels: int, bits: np.random.PCG64) -> Signal:
        """From a place that is drawn; a file that is shorter is repeated."""
        which, where = (int(each) for each in bits.random_raw(2))
        wav = self.files[which % len(self.files)]
        needed = min(wav.samples, -(-samples * wav.sample_rate // self.sample_rate))
        begin = where % (wav.samples - needed + 1)
        read = wav.read(begin, begin + needed)[:, min(self.channel or 0, wav.channels - 1), None]
        found = resample(read, wav.sample_rate, self.sample_rate).astype(np.float64)
        repeated = np.resize(found, (samples, 1))
        return np.repeat(repeated, channels, axis=1)


def noise_of(asked: str | None, data: DataSection, sample_rate: int) -> Noise:
    """What augment.noise asks for (None: the folder of noise beside the classes, or pink noise without). Raises InputError."""
    if asked in get_args(NoiseColour):
        return MadeNoise("white" if asked == "white" else "pink")
    source = Path(data.source.strip())
    if asked is None and not (source / NOISE_FOLDER).is_dir():
        return MadeNoise("pink")
    files = [read_header(file) for file in noise_files(source, asked)]
    for rate in sorted({file.sample_rate for file in files} - {sample_rate}):
        resampler(asked or source / NOISE_FOLDER, rate, sample_rate)
    return RecordedNoise(files, sample_rate, data.channel)
