"""[data]: where the recordings come from, and how logs are cut into them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, cast

from pydantic import BeforeValidator, Field, ValidationError, field_validator

from ..errors import InputError
from .messages import explain
from .section import GivenPath, RecipeSection, split_names

_MOST_BITS = 15
_MOST = 1e9


def _read_bits(value: Any) -> int | tuple[int, ...] | Literal["auto"] | None:
    """`13,13,4`, as on a command line, for [13, 13, 4]."""
    listed = [int(part) if part.strip().isdecimal() else part for part in value.split(",")] if isinstance(value, str) else value
    numbers = list(listed) if isinstance(listed, list | tuple) else [listed]
    if value is None or value == "auto":
        return cast(Literal["auto"] | None, value)
    if not numbers or not all(type(each) is int and 0 <= each <= _MOST_BITS for each in numbers):
        raise ValueError(f'a whole number from 0 to {_MOST_BITS} is wanted, a list of them, one for each channel, or "auto"')
    return tuple(numbers) if isinstance(value, list | tuple | str) else value


def _amounts(value: Any) -> float | tuple[float, ...] | None:
    """One number above 0, or a list of them, one for each channel."""
    given = list(value) if isinstance(value, list | tuple) else [value]
    known = all(isinstance(each, int | float) and not isinstance(each, bool) and 0 < each <= _MOST for each in given)
    if value is not None and not (given and known):
        raise ValueError(f"a number above 0 and up to {_MOST:g} is wanted, or a list of them, one for each channel")
    amounts = None if value is None else tuple(map(float, given))
    return amounts if amounts is None or isinstance(value, list | tuple) else amounts[0]


class DataSection(RecipeSection):
    """Where the recordings come from.

    source: a bundled set's name, a .npz file, `TRAIN.ts,TEST.ts`, a .csv file, or a folder of them with one sub-folder a class.
    fraction_bits: the device reads integers in this Q format: one for all channels, a list of one for each, or `auto`, the finest for each
    that holds twice its largest training value in int16. Unset it is the finest for all of them, and as `auto` where some channel would
    vary by a few steps of that alone; integers stay as they are. unit: of the readings, free text, recorded beside the input format.
    sample_rate: readings a second (behind a front-end: frontend.sample_rate). full_scale: the largest reading that the sensor gives, one
    for all channels or one for each. What a source says of these itself need not be set; manifest, graph and C headers keep them.

    The rest is for CSV logs. label, group, time: columns (label unset: the folder's name, or the column `label`; group unset: the file;
    time unset: the column `timestamp` or `time`, if there is one). channels: columns to read (unset: all others that hold numbers).
    window, stride: readings of a sequence, and from one's start to the next one's (unset: the whole recording; the window). gap: a step
    in time of more than this many median steps ends a recording. split: `group` keeps each group on one side; `time` gives the end of
    each class's readings to test. test_fraction, split_seed: of that split. A .npz with x and y, not split yet, reads these three too.

    Of folders of WAV files, whose readings are samples: label is the column of label tracks (CSV files beside the WAV files), group a
    regular expression whose first parenthesis is the group in a file's name (unset: the speaker of `<speaker>_nohash_<n>.wav`, or the
    file), and split may be `lists` (testing_list.txt and validation_list.txt beside the classes) or `hash` (of the speaker, as Speech
    Commands does it: test_fraction goes to test, as much to validation). channel: which one is read, from 0 (unset: all, side by
    side). rest: the class of what no line of a label track covers (unset: such samples are left out). words: the classes to
    keep, all others being `unknown`. unknown, silence: recordings of these two classes, as a fraction of those of the words (unset:
    none); silence is cut out of noise: a WAV file or a folder of them (unset: the folder _background_noise_ beside the classes).
    """

    source: GivenPath = "japanese_vowels"
    fraction_bits: int | tuple[int, ...] | Literal["auto"] | None = None
    unit: str = ""
    sample_rate: Annotated[float, Field(ge=1e-3, le=2e6)] | None = None
    full_scale: Annotated[float | tuple[float, ...] | None, BeforeValidator(_amounts)] = None
    label: str | None = None
    group: str | None = None
    time: str | None = None
    channels: Annotated[tuple[str, ...], Field(min_length=1, strict=False)] | None = None
    window: Annotated[int, Field(ge=1)] | None = None
    stride: Annotated[int, Field(ge=1)] | None = None
    gap: Annotated[float, Field(gt=1)] = 3.0
    split: Literal["group", "time", "lists", "hash"] = "group"
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.25
    split_seed: Annotated[int, Field(ge=0)] = 0
    channel: Annotated[int, Field(ge=0)] | None = None
    rest: str | None = None
    words: Annotated[tuple[str, ...], Field(min_length=1, strict=False)] | None = None
    unknown: Annotated[float, Field(gt=0, le=10)] | None = None
    silence: Annotated[float, Field(gt=0, le=10)] | None = None
    noise: GivenPath | None = None

    @classmethod
    def of(cls, source: str, **keys: Any) -> Self:
        """The section of a source, the rest unset but for some keys. Raises InputError for a source that names nothing."""
        try:
            return cls(source=source, **keys)
        except ValidationError as error:
            raise InputError(explain(error, cls, "data")) from error

    @property
    def draws_no_clips(self) -> bool:
        """Whether neither other words nor silence are drawn."""
        return self.unknown is None and self.silence is None

    _read_bits = field_validator("fraction_bits", mode="before")(_read_bits)
    _split_names = field_validator("channels", "words", mode="before")(split_names)
