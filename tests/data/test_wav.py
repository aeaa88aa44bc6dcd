"""WAV files of every coding, and what is none."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rescomp.data.wav import MOST_CHUNKS, read_header
from rescomp.errors import InputError
from rescomp.tests.data.wav_files import chunk, coded, format_chunk, riff, wav


@pytest.fixture
def file(tmp_path: Path) -> Any:
    def write(content: bytes) -> Path:
        path = tmp_path / "clip.wav"
        path.write_bytes(content)
        return path

    return write


CODINGS = {
    "8": (np.array([0, 127, 128, 255], np.uint8).tobytes(), 1, 8, [-32768, -256, 0, 32512]),
    "16": (np.array([-32768, -1, 0, 32767], "<i2").tobytes(), 1, 16, [-32768, -1, 0, 32767]),
    "24": (bytes.fromhex("000080 7fffff 80ffff 7f0000 800000 ffff7f"), 1, 24, [-32768, -1, 0, 0, 1, 32767]),
    "32": (np.array([-(1 << 31), -32769, -32768, 32767, 32768, (1 << 31) - 1], "<i4").tobytes(), 1, 32, [-32768, -1, 0, 0, 1, 32767]),
    "float": (np.array([-2, -1, -1.5 / 32768, 0.5 / 32768, 1], "<f4").tobytes(), 3, 32, [-32768, -32768, -1, 1, 32767]),
    "double": (np.array([-0.25, 0.49999999 / 32768, 0.9999999], "<f8").tobytes(), 3, 64, [-8192, 0, 32767]),
    "12 in 16": (np.array([16, -16], "<i2").tobytes(), 1, 12, [16, -16]),
}


@pytest.mark.parametrize("extensible", [False, True])
@pytest.mark.parametrize("name", CODINGS)
def test_every_coding_comes_as_int16_rounded_half_up_and_saturated(file: Any, name: str, extensible: bool) -> None:
    data, code, bits, wanted = CODINGS[name]
    samples = read_header(file(coded(data, code, bits, extensible=extensible))).read()
    assert (samples.dtype, samples.tolist()) == (np.int16, [[value] for value in wanted])


def test_a_header_says_rate_channels_and_samples(file: Any) -> None:
    header = read_header(file(wav([[1, 2], [3, 4], [5, 6]], rate=44100)))
    assert (header.sample_rate, header.channels, header.samples) == (44100, 2, 3)
    assert (header.read(1).tolist(), header.read(0, 2).tolist()) == ([[3, 4], [5, 6]], [[1, 2], [3, 4]])


def test_other_chunks_are_passed_over_those_of_odd_length_with_their_padding(file: Any) -> None:
    data = np.array([7, 8], "<i2").tobytes()
    content = riff(chunk(b"LIST", b"abc"), format_chunk(), chunk(b"fact", b"12345"), chunk(b"data", data), chunk(b"id3 ", b"x"))
    assert read_header(file(content)).read().ravel().tolist() == [7, 8]


@pytest.mark.parametrize("file_length", [b"\0" * 4, b"\xff" * 4, struct.pack("<I", 36)], ids=["0", "all ones", "up to the samples"])
@pytest.mark.parametrize("length", [b"\0" * 4, b"\xff" * 4], ids=["0", "all ones"])
def test_what_was_written_to_a_pipe_is_read_to_the_end_of_the_file(file: Any, file_length: bytes, length: bytes) -> None:
    whole = wav([[1, 2], [3, 4], [5, 6]])
    piped = whole[:4] + file_length + whole[8:40] + length + whole[44:]
    assert read_header(file(piped)).read().tolist() == [[1, 2], [3, 4], [5, 6]]
    assert read_header(file(piped[:-1])).read().tolist() == [[1, 2], [3, 4]]


def test_a_data_chunk_of_no_bytes_before_others_holds_no_samples(file: Any) -> None:
    with pytest.raises(InputError, match="has no samples"):
        read_header(file(riff(format_chunk(), chunk(b"data", b""), chunk(b"LIST", b"abcd"))))


WHOLE = wav([1, 2, 3])
FAULTY = {
    "nothing": (b"", "is no WAV file"),
    "text": (b"not a sound at all", "is no WAV file"),
    "another RIFF": (WHOLE.replace(b"WAVE", b"AVI "), "is no WAV file"),
    "big-endian": (WHOLE.replace(b"RIFF", b"RIFX"), "is a RIFX file"),
    "64 bits": (WHOLE.replace(b"RIFF", b"RF64"), "is a RF64 file"),
    "header alone": (WHOLE[:12], "no data chunk"),
    "half a chunk's name": (WHOLE[:40], "no data chunk"),
    "truncated": (WHOLE[:-1], "says that it has 6 bytes of samples and has 5: it is truncated"),
    "of a pipe, by who guessed a length": (WHOLE.replace(struct.pack("<I", 6), struct.pack("<I", 0x7FFFF000)), "or was written to a pipe"),
    "of a pipe, without a sample": (WHOLE[:40] + b"\xff" * 4 + b"\1", "has no samples"),
    "no samples": (wav([]), "has no samples"),
    "half a sample": (coded(b"abc"), "3 bytes of samples, no whole number of 2"),
    "less than a sample of all channels": (coded(b"ab", channels=2), "2 bytes of samples, no whole number of 4"),
    "no format": (riff(chunk(b"data", b"ab")), "has its samples before their format"),
    "a short format": (riff(chunk(b"fmt ", b"\1\0" * 7), chunk(b"data", b"ab")), "tells its format in 14 bytes"),
    "mu-law": (coded(b"ab", 7, 8), "is coded as mu-law"),
    "another code": (coded(b"ab", 0x1234, 16), "is coded as format 0x1234"),
    "an extensible format of its own": (
        coded(b"ab", extensible=True).replace(bytes.fromhex("00aa00389b71"), b"abcdef"),
        "is coded as format 0xfffe",
    ),
    "64-bit integers": (coded(b"12345678", 1, 64), "is coded as PCM of 64 bits"),
    "16-bit floats": (coded(b"ab", 3, 16), "is coded as floating-point numbers of 16 bits"),
    "no channel": (coded(b"ab", channels=0), "has a format that contradicts itself"),
    "too many channels": (coded(b"ab" * 65, channels=65), "has 65 channels, and rescomp reads WAV files of at most 64"),
    "no rate": (coded(b"ab", rate=0), "has a format that contradicts itself"),
    "bits of another width": (
        riff(chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 8000, 0, 4, 16)), chunk(b"data", b"abcd")),
        "contradicts itself",
    ),
    "not a number": (coded(np.array([0, np.nan], "<f4").tobytes(), 3, 32), "holds nan at sample 1, channel 0"),
    "infinity": (coded(np.array([0, 0, -np.inf, 0], "<f4").tobytes(), 3, 32, channels=2), "holds -inf at sample 1, channel 0"),
    "chunks without an end": (riff(*[chunk(b"junk", b"")] * (MOST_CHUNKS + 1)), "more than 1,024 chunks"),
}


@pytest.mark.parametrize("name", FAULTY)
def test_what_is_no_whole_wav_file_is_refused_by_name(file: Any, name: str) -> None:
    content, message = FAULTY[name]
    path = file(content)
    with pytest.raises(InputError, match=message) as caught:
        read_header(path).read()
    assert str(caught.value).startswith(str(path))


def test_a_file_that_shrinks_or_goes_while_it_is_read_is_refused(file: Any) -> None:
    path = file(wav([1, 2, 3]))
    header = read_header(path)
    path.write_bytes(wav([1, 2]))
    with pytest.raises(InputError, match="became shorter while it was read"):
        header.read()
    path.unlink()
    with pytest.raises(InputError, match="cannot read"):
        header.read()
    with pytest.raises(InputError, match="cannot read"):
        read_header(path)


def test_no_byte_changed_makes_anything_but_samples_or_a_refusal(file: Any) -> None:
    whole = bytearray(wav(np.arange(6).reshape(3, 2)))
    for place in range(44):
        for value in (0, 1, 2, 3, 0x7F, 0x80, 0xFF):
            changed = bytes(whole[:place]) + bytes([value]) + bytes(whole[place + 1 :])
            with contextlib.suppress(InputError):
                assert read_header(file(changed)).read().dtype == np.int16
