"""The checks that every data set passes, whatever file it came from. Each failure names file, split, sequence, step and channel."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError, counted
from ..model_names import label_fault
from .labels import NO_CLASS, class_numbers, no_class
from .raw import RawDataset, RawSplit
from .split import Int64Array, Split, ValueArray, valid_steps

_INT32, _INT64 = np.iinfo(np.int32), np.iinfo(np.int64)


def check_splits(raw: RawDataset, known: tuple[str, ...] = ()) -> tuple[Split, Split, tuple[str, ...]]:
    """(train, test, class names), or InputError with the first thing that is wrong. known: as of load_dataset."""
    (x_train, lengths_train), (x_test, lengths_test) = checked_values(raw.train), checked_values(raw.test)
    _check_agreement(raw, x_train, x_test)
    classes, y_train, y_test = _classes(raw, known)
    train = Split(x_train, y_train, lengths_train, checked_groups(raw.train), raw.train.spans)
    return train, Split(x_test, y_test, lengths_test, checked_groups(raw.test), raw.test.spans), classes


def checked_values(raw: RawSplit) -> tuple[ValueArray, Int64Array]:
    """(x as a Split has it, lengths). Raises InputError naming the place."""
    x = _shaped(raw)
    lengths = _checked_lengths(raw, x.shape[1])
    x = x[:, : lengths.max()]
    valid = valid_steps(lengths, x.shape[1])
    return (_integers if x.dtype.kind in "iu" else _floats)(raw, x, valid), lengths


def _shaped(raw: RawSplit) -> npt.NDArray[Any]:
    if raw.x.dtype.kind not in "iuf":
        raise InputError(f"{raw.where} holds values of type {raw.x.dtype}: store floating-point numbers or integers")
    if raw.x.ndim not in (2, 3, 4):
        raise InputError(
            f"{raw.where} has x of shape {shape_of(raw.x)}: reshape it to [sequences, time, channels], [sequences, time] for one channel, "
            "or [samples, height, width, channels] for images"
        )
    x = raw.x if raw.x.ndim > 2 else raw.x[:, :, None]
    if 0 in x.shape:
        raise InputError(f"{raw.where} is empty (x has shape {shape_of(raw.x)}): it needs a {raw.one}, a time step and a channel at least")
    return x


def _checked_lengths(raw: RawSplit, time_steps: int) -> Int64Array:
    count = len(raw.x)
    if raw.lengths is None:
        return np.full(count, time_steps, np.int64)
    if raw.lengths.shape != (count,) or raw.lengths.dtype.kind not in "iu":
        raise InputError(
            f"{raw.where} has lengths of shape {shape_of(raw.lengths)} and type {raw.lengths.dtype} for {count} {raw.one}s: "
            f"store one integer a {raw.one}"
        )
    wrong = np.flatnonzero((raw.lengths <= 0) | (raw.lengths > time_steps))
    if wrong.size:
        raise InputError(
            f"{raw.where} has length {raw.lengths[wrong[0]]} at {raw.one} {wrong[0]}, outside 1..{time_steps}: "
            f"correct it or drop the {raw.one}"
        )
    return raw.lengths.astype(np.int64)


def _floats(raw: RawSplit, x: npt.NDArray[Any], valid: npt.NDArray[np.bool_]) -> ValueArray:
    with np.errstate(over="ignore"):
        single = x.astype(np.float32)
    kept = _like(valid, x)
    _refuse(raw, x, kept & ~np.isfinite(single), f"which is not a finite number: repair it or drop the {raw.one}")
    # Adding 0 turns -0 into 0, so that equal values have equal digests.
    result: ValueArray = np.where(kept, single, np.float32(0)) + np.float32(0)
    return result


def _integers(raw: RawSplit, x: npt.NDArray[Any], valid: npt.NDArray[np.bool_]) -> ValueArray:
    kept = _like(valid, x)
    outside = (x < _INT32.min) | (x > _INT32.max)
    _refuse(raw, x, kept & outside, "which is beyond 32 bits: scale it, or store floating-point numbers")
    small = x.ndim == 4 and np.iinfo(np.int16).min <= x.min() and x.max() <= np.iinfo(np.int16).max
    filled = np.where(kept, x, x.dtype.type(0))
    return filled.astype(np.int16) if small else filled.astype(np.int32)


def _like(valid: npt.NDArray[np.bool_], x: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """`valid` [sequences, time] with as many axes as x."""
    return valid.reshape(*valid.shape, *(1,) * (x.ndim - 2))


def _refuse(raw: RawSplit, x: npt.NDArray[Any], wrong: npt.NDArray[np.bool_], reason: str) -> None:
    if wrong.any():
        place = tuple(int(index) for index in np.argwhere(wrong)[0])
        names = (raw.one, "step", "channel") if x.ndim == 3 else ("sample", "row", "column", "channel")
        where = ", ".join(f"{name} {index}" for name, index in zip(names, place, strict=True))
        raise InputError(f"{raw.where} holds {x[place]} at {where} (counting from 0), {reason}")


def _check_agreement(raw: RawDataset, train: ValueArray, test: ValueArray) -> None:
    if train.ndim != test.ndim or (train.ndim == 4 and train.shape[1:] != test.shape[1:]):
        raise InputError(
            f"{raw.test.where} has samples of shape {list(test.shape[1:])} and the train split {list(train.shape[1:])}: store both alike"
        )
    if train.shape[2] != test.shape[2]:
        raise InputError(
            f"{raw.test.where} has {counted(test.shape[2], 'channel')} and the train split has {train.shape[2]}: "
            "store the same channels in both"
        )
    if train.dtype.kind != test.dtype.kind:
        raise InputError(
            f"{raw.test.where} holds {raw.test.x.dtype} and the train split {raw.train.x.dtype}: store integers in both or neither"
        )


def _classes(raw: RawDataset, known: tuple[str, ...]) -> tuple[tuple[str, ...], Int64Array, Int64Array]:
    train, test = _labels(raw.train), _labels(raw.test)
    if train.dtype.kind != test.dtype.kind:
        raise InputError(f"{raw.test.where} has labels of another type than the train split: store integers or strings in both")
    if train.dtype.kind != "U" and raw.classes:
        names = np.array(raw.classes)
        train, test = names[_in_range(raw.train, train, raw.classes)], names[_in_range(raw.test, test, raw.classes)]
    if train.dtype.kind == "U":
        classes = _as_known(raw.classes or tuple(sorted({str(label) for label in (*train, *test)})), known)
        y_train, y_test = _members(raw.train, train, classes), _members(raw.test, test, classes)
    elif known:
        anew = "correct it; for other classes train anew"
        classes, y_train, y_test = known, _members(raw.train, train, known, anew), _members(raw.test, test, known, anew)
    else:
        classes = _numbered_classes(raw, train)
        y_train, y_test = _in_range(raw.train, train, classes), _in_range(raw.test, test, classes, from_training=True)
    _check_presence(raw, classes, y_train, y_test)
    return classes, y_train, y_test


def _as_known(classes: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    """In the known order where the known ones are the same."""
    return known if sorted(classes) == sorted(known) else classes


def labels_among(raw: RawSplit, named: tuple[str, ...] | None, classes: tuple[str, ...]) -> Int64Array:
    """The class of each sequence by its number among `classes`, int64 [sequences].

    named: the classes that the file itself numbers from 0, if it does; else integers mean what labels.class_numbers says. Raises
    InputError for a label that is none of them.
    """
    labels = _labels(raw)
    if labels.dtype.kind != "U" and named is not None:
        labels = np.array(named)[_in_range(raw, labels, named)]
    return _members(raw, labels, classes, "correct it or drop the sequence")


def _labels(raw: RawSplit) -> npt.NDArray[Any]:
    labels = raw.labels.astype(np.int64) if raw.labels.dtype.kind == "b" else raw.labels
    if labels.dtype.kind not in "iuU":
        raise InputError(f"{raw.where} has labels of type {labels.dtype}: store integers 0..classes-1 or strings")
    if labels.shape != (len(raw.x),):
        raise InputError(f"{raw.where} has labels of shape {shape_of(labels)} for {len(raw.x)} sequences: store one label a sequence")
    if labels.dtype.kind == "u" and labels.max(initial=0) > _INT64.max:
        raise InputError(f"{raw.where} has label {labels.max()} at sequence {labels.argmax()}: labels are 0..classes-1")
    return labels if labels.dtype.kind == "U" else labels.astype(np.int64)


def checked_groups(raw: RawSplit) -> Int64Array | None:
    """The number of each one's group, if there are groups. Raises InputError."""
    if raw.groups is None:
        return None
    if raw.groups.shape != (len(raw.x),) or raw.groups.dtype.kind not in "iuU":
        raise InputError(
            f"{raw.where} has groups of shape {shape_of(raw.groups)} and type {raw.groups.dtype} for {len(raw.x)} {raw.one}s: "
            f"store one integer or string a {raw.one}"
        )
    member: Int64Array = np.unique(raw.groups, return_inverse=True)[1].astype(np.int64)
    return member


def _numbered_classes(raw: RawDataset, labels: Int64Array) -> tuple[str, ...]:
    present = np.unique(labels)
    if present[0] < 0:
        sequence = int(np.flatnonzero(labels < 0)[0])
        raise InputError(f"{raw.train.where} has label {labels[sequence]} at sequence {sequence}: labels are 0..classes-1")
    gaps = np.flatnonzero(present != np.arange(len(present)))
    if gaps.size:
        raise InputError(
            f"{raw.train.where} has labels {present[0]}..{present[-1]} and no sequence of class {gaps[0]}: "
            "number the classes from 0 without gaps"
        )
    return tuple(str(label) for label in present)


def _members(raw: RawSplit, labels: npt.NDArray[Any], classes: tuple[str, ...], cure: str = "correct it or add the class") -> Int64Array:
    numbers = class_numbers(labels, classes)
    for sequence in np.flatnonzero(numbers == NO_CLASS)[:1]:
        label = labels[sequence].item()
        raise InputError(f"{raw.where} has label {label!r} at sequence {sequence}, {no_class(label, classes, cure)}")
    return numbers


def _in_range(raw: RawSplit, labels: Int64Array, classes: tuple[str, ...], from_training: bool = False) -> Int64Array:
    wrong = np.flatnonzero((labels < 0) | (labels >= len(classes)))
    if wrong.size:
        label, sequence = labels[wrong[0]], wrong[0]
        if from_training and label >= 0:
            raise InputError(_never_seen(raw, str(label), int(sequence)))
        raise InputError(f"{raw.where} has label {label} at sequence {sequence}, outside 0..{len(classes) - 1}: correct it")
    return labels


def _check_presence(raw: RawDataset, classes: tuple[str, ...], y_train: Int64Array, y_test: Int64Array) -> None:
    if len(classes) < 2:
        raise InputError(f"{raw.train.where} has one class only ({classes[0]}): a classifier needs two")
    for label in classes:
        if fault := label_fault(label):
            raise InputError(f"{raw.train.where} has the class {label[:80]!r}, whose name {fault}: rename it")
    if len(set(classes)) < len(classes):
        raise InputError(f"{raw.train.file}: the class names repeat ({', '.join(classes)}): give each class its own name")
    absent = np.flatnonzero(np.bincount(y_train, minlength=len(classes)) == 0)
    for missing in absent:
        sequences = np.flatnonzero(y_test == missing)
        if sequences.size:
            raise InputError(_never_seen(raw.test, classes[missing], int(sequences[0])))
    if absent.size:
        raise InputError(f"{raw.train.where} has no sequence of class {classes[absent[0]]!r}: add some or remove the class")


def _never_seen(raw: RawSplit, label: str, sequence: int) -> str:
    return f"{raw.where} has class {label!r} at sequence {sequence}, which is never seen in training: add it there or drop it here"


def shape_of(array: npt.NDArray[Any]) -> str:
    """As messages write it."""
    return str(list(array.shape))
