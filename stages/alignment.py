"""A recipe's alignment: what turns the recordings of the training, and the axes and the reference that a model keeps of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..data.clips import Clips
from ..data.dataset import Dataset, load_dataset
from ..data.input_format import OF_EACH, WantedBits, channel_bits, choose_fraction_bits, one_format, to_device_integers, to_real
from ..data.split import Int64Array, Split
from ..errors import InputError, counted, nearest
from ..graph.alignment import alignment_of, calibration_sums, direction, unit
from ..graph.fixed_point import IntArray
from ..graph.formats import Format, FractionBits, common_bits
from ..graph.ops import Align
from ..manifest import Alignment
from ..recipe import FrontendSection, Recipe
from .listener import Listener

AXES_OF_A_SENSOR = 3


@dataclass(frozen=True, eq=False, kw_only=True)
class WornDataset(Dataset):
    """Recordings of worn devices. train: turned by the calibration of each one's group; test: as it is. digest: of the data as they are.

    fraction_bits: of the integers that are turned, which are the device's: the same for the three axes of a sensor.
    """

    alignment: Alignment
    fraction_bits: FractionBits


def load_worn(recipe: Recipe, section: FrontendSection, classes: Sequence[str], known: Alignment | None, listener: Listener) -> WornDataset:
    """The data of a recipe with an alignment. known: what a net was trained with, which goes on; None: found in the training recordings.

    Raises InputError for data that do not say whose a recording is, and for axes and classes that they do not have.
    """
    dataset = load_dataset(recipe.data, classes, grouped=True)
    train = dataset.train
    if train.x.ndim != 3 or train.groups is None:
        raise InputError(
            f"{recipe.data.source} does not say whose a recording is, and frontend.kind = align turns those of each person or device "
            "alike: give group_train and group_test in the .npz, or logs with data.group; or leave [frontend] out"
        )
    axes = asked_axes(section, train.channels, dataset.channels)
    bits = in_sensors(choose_fraction_bits(train, recipe.data.fraction_bits), axes, train.channels, recipe.data.fraction_bits)
    sums = dict(_sums(to_device_integers(train.x, bits), train, axes, calibrating(section, train, dataset.classes)))
    alignment = Alignment(axes=axes, reference=reference_of(sums, section) if known is None else known.reference)
    refuse_other_axes(known, axes)
    found = {group: alignment_of(each, alignment.reference) for group, each in sums.items()}
    tell_unturned(found, train.groups, listener)
    turned = _turned(train, found, align_op(alignment, train.channels, bits), bits)
    names = (dataset.name, turned, dataset.test, dataset.classes, dataset.digest)
    return WornDataset(*names, dataset.channels, dataset.facts, dataset.notes, dataset.unit, alignment=alignment, fraction_bits=bits)


def in_sensors(bits: FractionBits, axes: Sequence[int], channels: int, wanted: WantedBits) -> FractionBits:
    """Fraction bits with which the three axes of each sensor are in one format, the coarsest of theirs. Raises InputError for a list in
    which they are not.
    """
    chosen = list(channel_bits(bits, channels))
    for sensor in zip(*[iter(axes)] * AXES_OF_A_SENSOR, strict=True):
        own = {chosen[axis] for axis in sensor}
        if len(own) > 1 and wanted not in (None, OF_EACH):
            raise InputError(
                f"an alignment turns the channels {list(sensor)} into each other, and data.fraction_bits gives them "
                f"{[chosen[axis] for axis in sensor]}: give the three axes of a sensor the same"
            )
        for axis in sensor:
            chosen[axis] = min(own)
    return one_format(chosen)


def align_op(alignment: Alignment, channels: int, fraction_bits: FractionBits) -> Align:
    """What turns the device's readings of so many channels."""
    return Align(channels, alignment.axes, Format(common_bits(fraction_bits)), alignment.reference)


def refuse_other_axes(known: Alignment | None, axes: Sequence[int]) -> None:
    """Raise InputError where a net that goes on was trained with others."""
    if known is not None and known.axes != axes:
        raise InputError(f"the net was trained with the axes {list(known.axes)}, and frontend.axes are {list(axes)}: give the same")


def asked_axes(section: FrontendSection, count: int, names: Sequence[str]) -> tuple[int, ...]:
    """frontend.axes as numbers of channels; where it is unset all of them. names: of the `count` channels, or none. Raises InputError."""
    if section.axes is None:
        if count % AXES_OF_A_SENSOR:
            raise InputError(
                f"an alignment turns channels in threes (x, y, z of one sensor), and there are {count}: name those to turn in frontend.axes"
            )
        return tuple(range(count))
    axes = tuple(_channel(each, count, names) for each in section.axes)
    if len(axes) % AXES_OF_A_SENSOR or len(set(axes)) < len(axes):
        raise InputError(f"frontend.axes names x, y, z of each sensor, three channels each and none twice, not {list(section.axes)}")
    return axes


def _channel(asked: int | str, count: int, names: Sequence[str]) -> int:
    """The number of a channel by its name or its number."""
    if asked in names:
        return names.index(str(asked))
    if str(asked).isdecimal() and int(asked) < count:
        return int(asked)
    near = f"the nearest one is {nearest(str(asked), names)!r}, or " if names else ""
    raise InputError(f"frontend.axes: the data have no channel {asked!r}; {near}give a number from 0 to {count - 1}")


def calibrating(section: FrontendSection, split: Split | Clips, classes: Sequence[str]) -> Int64Array:
    """Which recordings are of the classes in frontend.calibration, int64 rows; where it is unset all of them. Raises InputError."""
    if section.calibration is None:
        return np.arange(len(split))
    for name in section.calibration:
        if name not in classes:
            raise InputError(f"frontend.calibration: the data have no class {name!r}; the nearest one is {nearest(name, classes)!r}")
    return np.flatnonzero(np.isin(split.y, [classes.index(name) for name in section.calibration]))


def _sums(x: IntArray, split: Split, axes: Sequence[int], rows: Int64Array) -> Iterator[tuple[int, IntArray]]:
    """(group, sums of the accelerometer int64 [3]) of the first readings in some recordings of each group, those without any left out."""
    assert split.groups is not None
    for group in np.unique(split.groups[rows]).tolist():
        own = rows[split.groups[rows] == group]
        yield group, calibration_sums(np.asarray(replace(split.take(own), x=x[own]).steps, np.int64), axes)


def reference_of(sums: Mapping[int, IntArray], section: FrontendSection) -> tuple[int, int, int]:
    """The mean of the groups' directions, as a direction in Q14."""
    found = [each for each in map(unit, sums.values()) if each is not None]
    total = np.sum(found, axis=0) if found else np.zeros(3)
    if not total.any():
        of = "recording" if section.calibration is None else f"recording of {', '.join(section.calibration)}"
        raise InputError(
            f"no {of} has a direction to turn to: frontend.axes names the accelerometer first, gravity included (or leave [frontend] out)"
        )
    return direction(total.astype(np.float64))


def tell_unturned(found: Mapping[int, IntArray | None], groups: Int64Array, listener: Listener) -> None:
    """Say of how many groups the recordings stay as they are. found: the alignments of groups that have readings to calibrate by."""
    every = set(groups.tolist())
    left = sum(found.get(group) is None for group in every)
    if left:
        listener.warning(
            f"{counted(left, 'group')} of {len(every)} in the training recordings {'is' if left == 1 else 'are'} not turned: without "
            "readings of frontend.calibration, or 120 degrees or more from the others"
        )


def _turned(split: Split, found: Mapping[int, IntArray | None], op: Align, bits: FractionBits) -> Split:
    """The recordings of each group turned as the device would, in the numbers that they are in."""
    assert split.groups is not None
    x = split.x.copy()
    for group, alignment in found.items():
        rows = split.groups == group
        if alignment is not None:
            read = to_device_integers(split.x[rows], bits).astype(np.int64)
            turned = op.evaluate(read.reshape(len(read), -1), np.broadcast_to(alignment, (len(read), 9)))[0].reshape(read.shape)
            x[rows] = turned if split.is_integer else to_real(turned, bits)
    return replace(split, x=x)
