"""How a header spells texts, and the numbers of channels and sensors."""

from __future__ import annotations

import re

from ..graph.formats import FractionBits
from ..graph.ir import Sensor


def fraction_bits(prefix: str, bits: FractionBits) -> dict[str, int]:
    """The macro for fraction bits, or those of each channel."""
    if isinstance(bits, int):
        return {f"{prefix}_FRACTION_BITS": bits}
    return {f"{prefix}_FRACTION_BITS_{channel}": each for channel, each in enumerate(bits)}


def sensor_numbers(prefix: str, sensor: Sensor | None) -> dict[str, int]:
    """The macros for what is told of a sensor in numbers."""
    if sensor is None:
        return {}
    rate = {f"{prefix}_MILLIHERTZ": sensor.millihertz} if sensor.millihertz else {}
    return {**rate, **{f"{prefix}_FULL_SCALE_{channel}": each for channel, each in enumerate(sensor.full_scale)}}


def quoted(label: str) -> str:
    """A C string literal: three-digit octal escapes for all but harmless ASCII."""
    plain = re.compile(r"[A-Za-z0-9 _.,:;+\-()\[\]#=<>]")
    body = "".join(chr(byte) if plain.match(chr(byte)) and byte < 128 else f"\\{byte:03o}" for byte in label.encode())
    return f'"{body}"'
