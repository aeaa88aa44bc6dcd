"""init: a recipe for data at hand, with what they hold and what could be set as comments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..data.clip_sources import load_clips
from ..data.clips import ClipsDataset
from ..data.dataset import Dataset, load_dataset
from ..data.streams import is_log
from ..data.wav_folders import holds_sound
from ..errors import InputError, counted
from ..model_directory import refuse_in_a_model
from ..recipe import Recipe, load_recipe
from ..store import refuse_target, write_atomically
from .defaults import with_defaults
from .listener import Listener, Silent

FOR_IMAGES, FOR_SOUND = "model.kind=resnet2d", "frontend.kind=log_mel"
"""What a recipe needs for such data, where nobody has asked for something else."""
_COLUMN = 30
_DATA: Mapping[str, tuple[Any, str]] = {
    "source": (None, ""),
    "unit": ("m/s2", "of the readings: kept in the manifest"),
    "fraction_bits": ("auto", "format of the 16-bit input: a number, a list of one a channel, or auto"),
}
_LOGS: Mapping[str, tuple[Any, str]] = {
    "label": ("label", "column of the class (unset: the folder's name)"),
    "group": ("person", "column of whom or what a recording is of: kept on one side of the split"),
    "time": ("timestamp", "column of the time"),
    "channels": (["ax", "ay", "az"], "columns to read (unset: all others that hold numbers)"),
    "window": (64, "readings that make one sequence (unset: a whole recording)"),
    "split": ("group", "or time: the end of each class's readings goes to test"),
    "test_fraction": (0.25, "of each class"),
}
_MODEL: Mapping[str, tuple[Any, str]] = {
    "kind": (None, "fastrnn, gru, lstm, mgu, resnet1d, dscnn1d, ...: docs/nets.md"),
    "hidden_size": (None, "or leave it to `rescomp run --fit const=2KB`"),
    "readings": (None, "that one step of the net reads side by side"),
    "nonlinearity": (None, "or piecewise_linear: no table"),
    "normalization": (None, "or robust, none"),
}
_TRAIN: Mapping[str, tuple[Any, str]] = {
    "epochs": (None, ""),
    "batch_size": (None, ""),
    "learning_rate": (None, ""),
    "input_noise": (None, "in units of each channel's spread"),
    "validation_fraction": (None, "of the training recordings"),
    "rotation": (0.1, "radians: turn each recording a little, as a sensor worn askew would"),
    "balance": ("weights", "classes of few recordings count as much as others; or batches"),
    "seed": (None, ""),
}
_COMPRESS = """
# [[compress]]                  # in order: also low_rank, sparse, learned, distill, ...: docs/recipes.md
# kind = "ternary"              # or kind = "quantize" with bits = 8, 6 or 4
# scale = "multiplier"          # or power_of_two: shifts alone"""
_DECIDE = """
# [decide]                      # a decision a step in the model itself: docs/streaming.md
# smoothing = 2
# hold = 3"""
_SEARCH = """
# [search]                      # read by `rescomp search` alone: docs/search.md
# const = "2KB\""""


@dataclass(frozen=True)
class Initial:
    """What `rescomp init` wrote. found: the data in sentences."""

    path: Path
    source: str
    found: tuple[str, ...]
    warnings: tuple[str, ...]
    text: str

    def as_json(self) -> dict[str, Any]:
        """The document of `rescomp init --json`."""
        return {"schema": 1, "recipe": str(self.path), "source": self.source, "found": list(self.found), "warnings": list(self.warnings)}


def init(source: str, path: Path, *, overrides: Sequence[str] = (), force: bool = False, listener: Listener | None = None) -> Initial:
    """Read the data `source` and write a recipe for them to the file `path`: what is asked in `overrides` is set, all else a comment.

    It trains as no recipe does: lines that are comments show what is in force. Raises InputError for data that cannot be read so,
    and for a file that is there, unless `force`.
    """
    listener = listener or Silent()
    listener.stage(f"read {source}")
    refuse_target(path)
    refuse_in_a_model(path)
    if path.exists() and not force:
        raise InputError(f"{path} is there already: name another file with -o, or replace it with --force")
    recipe = load_recipe(None, [*_needed(source, overrides), *overrides], keys={"data.source": source})
    dataset = load_clips(recipe.data, recipe.of_samples.sample_rate) if recipe.of_samples is not None else load_dataset(recipe.data)
    if isinstance(dataset, Dataset) and dataset.train.x.ndim == 4 and "kind" not in recipe.model.model_fields_set:
        recipe = load_recipe(None, [FOR_IMAGES, *overrides], keys={"data.source": source})
    found = tuple(_facts(dataset))
    for note in (warnings := dataset.notes if isinstance(dataset, Dataset) else (*dataset.notes, *dataset.remarks)):
        listener.warning(note)
    text = "\n".join([*_head(path, found), *_sections(recipe, dataset), ""])
    write_atomically(path, text.encode())
    return Initial(path, source, found, tuple(warnings), text)


def _needed(source: str, overrides: Sequence[str]) -> list[str]:
    asked = any(override.strip().startswith("frontend.") for override in overrides)
    return [FOR_SOUND] if holds_sound(source) and not asked else []


def _facts(dataset: Dataset | ClipsDataset) -> Iterator[str]:
    """A sentence each on how many recordings there are, of which classes, how long and of what."""
    train, test = dataset.train, dataset.test
    what = "clip" if isinstance(dataset, ClipsDataset) else "image" if dataset.train.x.ndim == 4 else "recording"
    yield f"{counted(len(train) + len(test), what)}: {len(train):,} to train on, {len(test):,} to test"
    counts = np.bincount(np.concatenate([train.y, test.y]), minlength=len(dataset.classes)).tolist()
    yield f"{counted(len(counts), 'class')}: {', '.join(f'{name} {count:,}' for name, count in zip(dataset.classes, counts, strict=True))}"
    if what == "image":
        yield f"of {' x '.join(map(str, dataset.train.x.shape[1:]))}" if isinstance(dataset, Dataset) else ""
        return
    names = f" ({', '.join(dataset.channels)})" if dataset.channels else ""
    yield f"{counted(train.channels, 'channel')}{names}" + (f" in {dataset.unit}" if dataset.unit else "")
    lengths = np.concatenate([train.lengths, test.lengths])
    low, high = int(lengths.min()), int(lengths.max())
    rate = f", {dataset.train.sample_rate:,} a second" if isinstance(dataset, ClipsDataset) else ""
    yield (f"{counted(low, 'reading')} each" if low == high else f"{low:,} to {high:,} readings each") + rate
    yield (
        "no groups are named: one person or device may stand on both sides of the split"
        if train.groups is None
        else (f"{counted(len(np.unique(train.groups)), 'group')} to train on")
    )


def _head(path: Path, found: Sequence[str]) -> Iterator[str]:
    yield f"# Train it with: rescomp run --recipe {path.name} -o my_model"
    yield "#"
    yield from (f"# {sentence}" for sentence in found)
    yield "#"
    yield "# Lines that begin with # change nothing: they show what is in force, or what could be."


def _sections(recipe: Recipe, dataset: Dataset | ClipsDataset) -> Iterator[str]:
    in_force = with_defaults(recipe, dataset) if isinstance(dataset, Dataset) else recipe
    log = _LOGS if is_log(recipe.data.source) or (isinstance(dataset, ClipsDataset) and holds_sound(recipe.data.source)) else {}
    yield from _section("data", recipe.data, in_force.data, {**_DATA, **log})
    if recipe.frontend is not None:
        yield from _section("frontend", recipe.frontend, recipe.frontend, {})
    recurrent = recipe.model.is_recurrent
    model = _MODEL if recurrent else {key: entry for key, entry in _MODEL.items() if key in ("kind", "normalization")}
    yield from _section("model", recipe.model, in_force.model, model)
    yield from _section("train", recipe.train, in_force.train, _TRAIN)
    yield _COMPRESS
    yield from _section("quantize", recipe.quantize, in_force.quantize, {"epochs": (None, "of the fine-tuning under the constraints")})
    yield from (_DECIDE,) if recurrent else ()
    yield _SEARCH


def _section(name: str, asked: Any, in_force: Any, keys: Mapping[str, tuple[Any, str]]) -> Iterator[str]:
    """A section's lines: keys that are asked for as they are, the others as comments with the value in force, or an example of one."""
    given = {key: getattr(asked, key) for key in asked.model_fields_set}
    yield f"\n[{name}]"
    for key in (*keys, *(key for key in given if key not in keys)):
        example, what = keys.get(key, (None, ""))
        value = given.get(key, getattr(in_force, key) if example is None else example)
        line = ("" if key in given else "# ") + _toml(key, value)
        yield line.ljust(_COLUMN) + f"  # {what}" if what else line


def _toml(key: str, value: Any) -> str:
    import tomli_w

    return " ".join(tomli_w.dumps({key: list(value) if isinstance(value, tuple) else value}).split("\n")).strip()
