"""WAV files: what their header says, and their samples as int16. The parser is bounded by what the file holds."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import numpy.typing as npt

from ..errors import InputError, counted
from ..graph.fixed_point import round_half_up_shift, to_fixed
from ..store import open_file
from .clips import Int16Array
from .input_format import INT16_HIGH, INT16_LOW

MOST_CHUNKS = 1024
"""That may stand before the samples."""
MOST_WAV_CHANNELS = 64
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_GUID_END = bytes.fromhex("000000001000800000aa00389b71")
"""Of the sub-formats of WAVE_FORMAT_EXTENSIBLE that are a code of two bytes and this."""
_UNKNOWN = 0xFFFFFFFF
"""A length, of who wrote to a pipe and could not go back to tell it; others leave 0."""
_OTHER_CODES: Mapping[int, str] = {2: "ADPCM", 6: "A-law", 7: "mu-law", 0x11: "ADPCM", 0x50: "MPEG", 0x55: "MP3"}
_MOST_FORMAT = 1024


@dataclass(frozen=True)
class WavFile:
    """Where a file's samples lie. begin: byte of the first; width: bytes of one sample of one channel; samples: of each channel, >= 1."""

    path: Path
    sample_rate: int
    channels: int
    coding: Literal["integer", "float"]
    width: int
    begin: int
    samples: int

    def read(self, begin: int = 0, end: int | None = None) -> Int16Array:
        """The samples from `begin` up to `end` (None: all), int16 [samples, channels]; nothing else of the file is read.

        Wider integers are rounded half up and saturated, as are floating-point numbers, whose 1 is 32768. Raises InputError when the
        file cannot be read or holds what is no finite number.
        """
        count = (self.samples if end is None else end) - begin
        size = self.width * self.channels
        try:
            with open_file(self.path) as file:
                file.seek(self.begin + begin * size)
                data = file.read(count * size)
        except OSError as error:
            raise _unreadable(self.path, error) from error
        if len(data) != count * size:
            raise InputError(f"{self.path} became shorter while it was read: leave the data alone until the command ends")
        return _CONVERSIONS[self.coding, self.width](self, begin, data).reshape(count, self.channels)


def read_header(path: Path) -> WavFile:
    """What the header of a WAV file says. Raises InputError for what is none, is truncated, has no sample or is coded in another way."""
    try:
        with open_file(path) as file:
            return _parse(path, file, os.fstat(file.fileno()).st_size)
    except OSError as error:
        raise _unreadable(path, error) from error


def _parse(path: Path, file: BinaryIO, size: int) -> WavFile:
    top = file.read(12)
    if top[:4] in (b"RF64", b"RIFX", b"BW64"):
        raise InputError(f"{path} is a {top[:4].decode()} file, which rescomp does not read: store it as RIFF WAV, in pieces below 4 GB")
    if top[:4] != b"RIFF" or top[8:] != b"WAVE":
        raise InputError(f"{path} is no WAV file (it does not begin with RIFF and WAVE): store it as WAV, or move it away")
    form: bytes | None = None
    for name, begin, length in _chunks(path, file, size):
        if name == b"fmt ":
            form = file.read(min(length, _MOST_FORMAT))
        elif name == b"data":
            if form is None:
                raise InputError(f"{path} has its samples before their format: it is damaged, write it again")
            unfinished = length == _UNKNOWN or (length == 0 and _has_unknown_length(top, begin))
            return _described(path, form, begin, None if unfinished else length, size)
    raise InputError(f"{path} holds no samples (no data chunk): it is truncated, write or copy it again")


def _chunks(path: Path, file: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int]]:
    """(name, byte of its content, length) of each chunk, the file standing at its content."""
    place = 12
    for _ in range(MOST_CHUNKS):
        if place + 8 > size:
            return
        file.seek(place)
        name, length = struct.unpack("<4sI", file.read(8))
        yield name, place + 8, length
        place += 8 + length + length % 2
    raise InputError(f"{path} has more than {MOST_CHUNKS:,} chunks before its samples: it is damaged, write it again")


def _has_unknown_length(top: bytes, begin: int) -> bool:
    """Whether the first twelve bytes say nothing of the file's length, or that it ends where its samples begin."""
    length = int(struct.unpack("<I", top[4:8])[0])
    return length in (0, _UNKNOWN) or length + 8 == begin


def _described(path: Path, form: bytes, begin: int, length: int | None, size: int) -> WavFile:
    """length: bytes of samples; None: nobody knew, and they go on to the end of the file, as far as they are whole."""
    if len(form) < 16:
        raise InputError(f"{path} tells its format in {len(form)} bytes, fewer than 16: it is damaged, write it again")
    code, channels, rate, _, frame, bits = struct.unpack("<HHIIHH", form[:16])
    if code == _EXTENSIBLE:
        code = struct.unpack("<H", form[24:26])[0] if len(form) >= 40 and form[26:40] == _GUID_END else code
    coding: Literal["integer", "float"] = "float" if code == _FLOAT else "integer"
    width, rest = divmod(frame, channels) if channels else (0, 1)
    if code not in (_PCM, _FLOAT) or (rest == 0 and width == (bits + 7) // 8 and (coding, width) not in _CONVERSIONS):
        raise InputError(f"{path} is coded as {_named(code, bits)}: store it as PCM of 8, 16, 24 or 32 bits, or as floating-point WAV")
    if channels > MOST_WAV_CHANNELS and rest == 0 and width == (bits + 7) // 8:
        raise InputError(
            f"{path} has {channels:,} channels, and rescomp reads WAV files of at most {MOST_WAV_CHANNELS}: store those that the device has"
        )
    if not 1 <= channels <= MOST_WAV_CHANNELS or rest or width != (bits + 7) // 8 or not rate:
        said = f"{counted(channels, 'channel')}, {bits} bits, {frame} bytes a sample, {rate} samples a second"
        raise InputError(f"{path} has a format that contradicts itself ({said}): it is damaged, write it again")
    length = (size - begin) // frame * frame if length is None else length
    if length > size - begin:
        raise InputError(
            f"{path} says that it has {length:,} bytes of samples and has {size - begin:,}: it is truncated, or was written to a pipe: "
            "copy it again, or write it to a file"
        )
    if length < frame or length % frame:
        what = f"{length:,} bytes of samples, no whole number of {frame}" if length else "no samples"
        raise InputError(f"{path} has {what}: record it again, or move it away")
    return WavFile(path, rate, channels, coding, width, begin, length // frame)


def _named(code: int, bits: int) -> str:
    if code in (_PCM, _FLOAT):
        return f"{'PCM' if code == _PCM else 'floating-point numbers'} of {bits} bits"
    return _OTHER_CODES.get(code, f"format {code:#06x}")


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError(f"cannot read {path} ({error.strerror or error}): check the path")


def _from_8_bits(_: WavFile, begin: int, data: bytes) -> Int16Array:  # noqa: ARG001
    return ((np.frombuffer(data, np.uint8).astype(np.int16) - 128) << 8).astype(np.int16)


def _from_16_bits(_: WavFile, begin: int, data: bytes) -> Int16Array:  # noqa: ARG001
    return np.frombuffer(data, "<i2").astype(np.int16)


def _from_24_bits(_: WavFile, begin: int, data: bytes) -> Int16Array:  # noqa: ARG001
    parts = np.frombuffer(data, np.uint8).reshape(-1, 3)
    return _narrowed(parts[:, 2].astype(np.int8).astype(np.int64) << 16 | parts[:, 1].astype(np.int64) << 8 | parts[:, 0], 8)


def _from_32_bits(_: WavFile, begin: int, data: bytes) -> Int16Array:  # noqa: ARG001
    return _narrowed(np.frombuffer(data, "<i4").astype(np.int64), 16)


def _narrowed(values: npt.NDArray[np.int64], shift: int) -> Int16Array:
    return np.minimum(round_half_up_shift(values, shift), INT16_HIGH).astype(np.int16)


def _from_float(wav: WavFile, begin: int, data: bytes) -> Int16Array:
    values = np.frombuffer(data, f"<f{wav.width}").astype(np.float64)
    for wrong in np.flatnonzero(~np.isfinite(values))[:1]:
        sample, channel = divmod(int(wrong), wav.channels)
        raise InputError(f"{wav.path} holds {values[wrong]} at sample {begin + sample:,}, channel {channel}: record or write it again")
    return to_int16(values * 32768)


def to_int16(values: npt.NDArray[np.floating[Any]]) -> Int16Array:
    """Rounded half up and saturated, of any shape."""
    return to_fixed(values, 0, INT16_LOW, INT16_HIGH).astype(np.int16)


_CONVERSIONS: Mapping[tuple[str, int], Callable[[WavFile, int, bytes], Int16Array]] = {
    ("integer", 1): _from_8_bits,
    ("integer", 2): _from_16_bits,
    ("integer", 3): _from_24_bits,
    ("integer", 4): _from_32_bits,
    ("float", 4): _from_float,
    ("float", 8): _from_float,
}
