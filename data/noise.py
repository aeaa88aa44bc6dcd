"""Noise to add to clips: pieces of recorded files, or made of random bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, get_args

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..recipe import DataSection
from .clips import Clips
from .resampling import resample, resampler
from .turned_clips import TurnedClips
from .wav import WavFile, read_header
from .wav_clips import WavClips
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
    """A channel of some files, brought to a rate; all channels of a clip get the same. channel: as of WavClips.

    ends: by its path, of a file that is not taken whole how many samples are, >= 1.
    """

    files: Sequence[WavFile]
    sample_rate: int
    channel: int | None = None
    ends: Mapping[Path, int] = field(default_factory=dict)

    def piece(self, samples: int, channels: int, bits: np.random.PCG64) -> Signal:
        """From a place that is drawn; a file that is shorter is repeated."""
        which, where = (int(each) for each in bits.random_raw(2))
        wav = self.files[which % len(self.files)]
        end = self.ends.get(wav.path, wav.samples)
        needed = min(end, -(-samples * wav.sample_rate // self.sample_rate))
        begin = where % (end - needed + 1)
        read = wav.read(begin, begin + needed)[:, min(self.channel or 0, wav.channels - 1), None]
        found = resample(read, wav.sample_rate, self.sample_rate).astype(np.float64)
        repeated = np.resize(found, (samples, 1))
        return np.repeat(repeated, channels, axis=1)


def noise_of(asked: str | None, data: DataSection, sample_rate: int, held_out: Sequence[Clips] = ()) -> Noise:
    """What augment.noise asks for (None: the folder of noise beside the classes, or pink noise without).

    held_out: clips that nothing is trained on. Of a file that they are cut out of, as silence is, what lies before the first of them is
    taken alone. Raises InputError where nothing does.
    """
    if asked in get_args(NoiseColour):
        return MadeNoise("white" if asked == "white" else "pink")
    source = Path(data.source.strip())
    if asked is None and not (source / NOISE_FOLDER).is_dir():
        return MadeNoise("pink")
    files = [read_header(file) for file in noise_files(source, asked, "augment.noise")]
    for rate in sorted({file.sample_rate for file in files} - {sample_rate}):
        resampler(asked or source / NOISE_FOLDER, rate, sample_rate)
    ends = _ends(files, held_out)
    kept = [file for file in files if ends.get(file.path) != 0]
    if not kept:
        raise InputError(f"all noise in {asked or source / NOISE_FOLDER} is of validation or test clips: name other noise in augment.noise")
    return RecordedNoise(kept, sample_rate, data.channel, ends)


def _ends(files: Sequence[WavFile], held_out: Sequence[Clips]) -> dict[Path, int]:
    """Of files that held-out clips are cut out of: the first sample that is theirs."""
    first: dict[Path, int] = {}
    plain = [each.clips if isinstance(each, TurnedClips) else each for each in held_out]
    for clips in [each for each in plain if isinstance(each, WavClips)]:
        for number, begin in clips.places[:, :2].tolist():
            path = clips.files[number].path.resolve()
            first[path] = min(begin, first.get(path, begin))
    return {file.path: first[file.path.resolve()] for file in files if file.path.resolve() in first}
