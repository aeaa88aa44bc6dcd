"""Which kinds of sources read a key of [data], and the refusal of keys that the one at hand does not read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from ..errors import InputError
from ..recipe import DataSection

SourceKind = Literal["CSV logs", "WAV files", "folders of images", "arrays", "arrays without a split"]
_LOGS_AND_SOUND: tuple[SourceKind, ...] = ("CSV logs", "WAV files")
SOURCE_KEYS: Mapping[str, tuple[SourceKind, ...]] = {
    **dict.fromkeys(("time", "channels", "gap"), ("CSV logs",)),
    **dict.fromkeys(("label", "group", "window", "stride"), _LOGS_AND_SOUND),
    "split": (*_LOGS_AND_SOUND, "arrays without a split"),
    **dict.fromkeys(("test_fraction", "split_seed"), (*_LOGS_AND_SOUND, "folders of images", "arrays without a split")),
    "sample_rate": ("CSV logs", "arrays", "arrays without a split"),
    "full_scale": ("CSV logs", "WAV files", "arrays", "arrays without a split"),
    **dict.fromkeys(("channel", "rest", "words", "unknown", "silence", "noise"), ("WAV files",)),
}
"""Keys that not every source reads."""
_OF_SOUND = ("lists", "hash")


def refuse_unread_keys(data: DataSection, kind: SourceKind) -> None:
    """Raise InputError for a key that asks for something, and that sources of this kind do not read."""
    for key in sorted(SOURCE_KEYS):
        kinds = SOURCE_KEYS[key]
        if kind not in kinds and data.has_own(key):
            raise InputError(f"data.{key} is for {' and '.join(kinds)}, and {data.source!r} is none: leave it out")
    if kind != "WAV files" and data.split in _OF_SOUND:
        raise InputError(f"data.split = {data.split!r} is for WAV files, and {data.source!r} is none: leave it out")
    if kind == "WAV files" and data.fraction_bits:
        raise InputError(f"data.fraction_bits is for numbers that are no integers, and {data.source!r} holds int16: leave it out")
    if kind == "WAV files":
        for fault in _unread_of_sound(data):
            raise InputError(fault)


def _unread_of_sound(data: DataSection) -> Iterator[str]:
    """A sentence for each key of WAV files that another key leaves without a meaning."""
    if data.noise is not None and data.silence is None:
        yield "data.noise is what data.silence is cut out of, which is unset: set both, or neither"
    if data.split in _OF_SOUND and data.draws_no_clips and data.has_own("split_seed"):
        yield f"data.split_seed draws groups, and data.split = {data.split!r} draws none: leave it out"
    if data.split == "lists" and data.silence is None and data.has_own("test_fraction"):
        yield "data.test_fraction says how much goes to test, and data.split = 'lists' names it: leave it out"


def refuse_without_tracks(data: DataSection) -> None:
    """Raise InputError for what is read of label tracks, where there are none."""
    for key in ("label", "rest"):
        if getattr(data, key) is not None:
            raise InputError(f"data.{key} is for label tracks beside WAV files, and {data.source!r} has none: leave it out")
