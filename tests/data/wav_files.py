"""WAV files for tests, written byte by byte."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

GUID_END = bytes.fromhex("000000001000800000aa00389b71")


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def format_chunk(code: int = 1, channels: int = 1, rate: int = 16000, bits: int = 16, extensible: bool = False) -> bytes:
    width = (bits + 7) // 8
    form = struct.pack("<HHIIHH", 0xFFFE if extensible else code, channels, rate, rate * channels * width, channels * width, bits)
    return chunk(b"fmt ", form + (struct.pack("<HHIH", 22, bits, 0, code) + GUID_END if extensible else b""))


def riff(*chunks: bytes) -> bytes:
    content = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(content)) + content


def coded(data: bytes, code: int = 1, bits: int = 16, **keys: Any) -> bytes:
    """A file whose samples are these bytes."""
    return riff(format_chunk(code, bits=bits, **keys), chunk(b"data", data))


def wav(samples: Any, rate: int = 16000) -> bytes:
    """A file of int16 [samples] or [samples, channels]."""
    samples = np.asarray(samples, "<i2")
    return coded(samples.tobytes(), channels=1 if samples.ndim == 1 else samples.shape[1], rate=rate)


def tone(count: int, start: int = 0) -> Any:
    """Samples that tell where they are from: start, start + 1, ..."""
    return np.arange(start, start + count, dtype=np.int16)


def write_wav(path: Path, samples: Any, rate: int = 16000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(wav(samples, rate))
    return path
