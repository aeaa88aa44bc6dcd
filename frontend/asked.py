"""What a recipe asks for as a front-end: presets and defaults fill what it leaves unset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from ..errors import InputError, UnsupportedError, counted
from .description import PRESETS, TRANSFORMS, FrontEnd

COEFFICIENTS = 10
"""Of an mfcc that leaves it unset, where it has as many bands."""


def asked_front_end(asked: Mapping[str, Any], sample_rate: int, channels: int) -> FrontEnd:
    """The front-end of a recipe's section for data of that rate and so many channels. asked: its keys that are set, a preset among them.

    Raises InputError, naming the key.
    """
    given, preset = {key: value for key, value in asked.items() if key != "preset"}, asked.get("preset")
    for key, own in (("sample_rate", sample_rate), ("channels", channels)):
        if given.get(key, own) != own:
            said = counted(own, "channel") if key == "channels" else f"{own} samples a second"
            raise InputError(f"the data have {said}, and frontend.{key} is {given[key]}: set it to {own}, or leave it out")
    base = FrontEnd() if preset is None else PRESETS[preset]
    if preset is not None and "sample_rate" not in given and base.sample_rate != sample_rate:
        raise InputError(
            f"frontend.preset = {preset} is for {base.sample_rate} samples a second, and the data have {sample_rate}: resample "
            f"them, or set frontend.sample_rate = {sample_rate} and the keys that depend on it"
        )
    try:
        return replace(base, **{**_unset(base, given, sample_rate), **given, "sample_rate": sample_rate, "channels": channels})
    except UnsupportedError as error:
        raise InputError(str(error)) from error


def _unset(base: FrontEnd, given: Mapping[str, Any], sample_rate: int) -> dict[str, Any]:
    """What follows from other keys."""
    found: dict[str, Any] = {"high_hz": min(base.high_hz, sample_rate / 2)}
    if "length" in given:
        found["size"] = next((size for size in TRANSFORMS if size >= given["length"]), base.size)
    if given.get("kind", base.kind) == "mfcc":
        found["coefficients"] = base.coefficients or min(COEFFICIENTS, given.get("bands", base.bands))
    else:
        found["coefficients"] = 0
    return found


def asked_for(front_end: FrontEnd, preset: str | None) -> dict[str, Any]:
    """All keys of the section that asks for that front-end."""
    known = {**asdict(front_end), **({} if preset is None else {"preset": preset})}
    return known if front_end.kind == "mfcc" else {key: value for key, value in known.items() if key != "coefficients"}
