"""What a recipe asks for as a front-end: presets and defaults fill what it leaves unset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import InputError, UnsupportedError, counted
from .description import KEYS, OWN_FLOOR, PRESETS, TRANSFORMS, FrontEnd, FrontEndKind, most_channels

COEFFICIENTS = 10
"""Of an mfcc that leaves it unset, where it has as many bands."""


def asked_front_end(asked: Mapping[str, Any], sample_rate: int, channels: int) -> FrontEnd:
    """The front-end of a recipe's section for data of that rate and so many channels. asked: its keys that are set, a preset among them.

    Raises InputError, naming the key.
    """
    given, preset = {key: value for key, value in asked.items() if key != "preset"}, asked.get("preset")
    for key, found in (("sample_rate", sample_rate), ("channels", channels)):
        if given.get(key, found) != found:
            said = counted(found, "channel") if key == "channels" else f"{found} samples a second"
            raise InputError(f"the data have {said}, and frontend.{key} is {given[key]}: set it to {found}, or leave it out")
    base = FrontEnd() if preset is None else PRESETS[preset]
    kind: FrontEndKind = given.get("kind", base.kind)
    if channels > most_channels(kind):
        raise InputError(
            f"the data have {channels} channels, and a front-end of frontend.kind = {kind} reads at most {most_channels(kind)}: choose "
            "some in data.channel (WAV files) or data.channels (logs)"
        )
    for key in given.keys() - KEYS[kind]:
        readers = ", ".join(name for name, keys in KEYS.items() if key in keys)
        raise InputError(f"frontend.kind = {kind} does not read frontend.{key}, which is for {readers}: leave it out")
    if preset is not None and "sample_rate" not in given and base.sample_rate != sample_rate:
        raise InputError(
            f"frontend.preset = {preset} is for {base.sample_rate} samples a second, and the data have {sample_rate}: resample "
            f"them, or set frontend.sample_rate = {sample_rate} and the keys that depend on it"
        )
    filled = {key: getattr(base, key) for key in KEYS[kind] & KEYS[base.kind]}
    own = {"kind": kind, "sample_rate": sample_rate, "channels": channels}
    try:
        return FrontEnd(**{**filled, **_unset(base, kind, given, sample_rate), **given, **own})
    except UnsupportedError as error:
        raise InputError(str(error)) from error


def _unset(base: FrontEnd, kind: FrontEndKind, given: Mapping[str, Any], sample_rate: int) -> dict[str, Any]:
    """What follows from other keys."""
    found: dict[str, Any] = {}
    if "high_hz" in KEYS[kind]:
        found["high_hz"] = min(base.high_hz, sample_rate / 2)
    if "size" in KEYS[kind] and "length" in given:
        found["size"] = next((size for size in TRANSFORMS if size >= given["length"]), max(TRANSFORMS))
    if kind == "mfcc":
        found["coefficients"] = base.coefficients or min(COEFFICIENTS, given.get("bands", base.bands))
    if kind != base.kind and "floor" not in given:
        found["floor"] = OWN_FLOOR
    return found


def asked_for(front_end: FrontEnd, preset: str | None) -> dict[str, Any]:
    """All keys of the section that asks for that front-end."""
    known = {key: getattr(front_end, key) for key in sorted(KEYS[front_end.kind])}
    return known if preset is None else {"preset": preset, **known}
