"""What the witnesses share: choosing variants, reading artefacts, laying states side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from ..errors import InputError
from ..graph.evaluate import Trajectory
from ..graph.fixed_point import IntArray
from ..graph.ir import IntegerModel
from ..model_directory import ModelDirectory
from ..store import read_file
from .witness import Job


def choose(witness: str, variants: Iterable[str], argument: str) -> list[str]:
    """The variants to run: all, or the one that the argument names. Raises InputError for an unknown one."""
    known = list(variants)
    if argument and argument not in known:
        raise InputError(f"{witness} has no variant {argument!r}: choose among {', '.join(known)}")
    return [argument] if argument else known


def refuse_argument(witness: str, argument: str) -> None:
    """Raise InputError when something stands behind the colon."""
    if argument:
        raise InputError(f"the witness {witness!r} takes no argument, not {argument!r}")


_PROSE: Sequence[str] = ("README.md", "LICENSE")
"""Files of a C export that no compiler reads."""


def compiled_files(directory: ModelDirectory, model: IntegerModel, folder: str) -> Sequence[str]:
    """Names of the files of a C export that a compiler reads, the model's own among them whether it is there or not."""
    present = [name for name in directory.files(folder) if PurePosixPath(name).name not in _PROSE]
    return sorted({f"{folder}/{model.name}.c", *present})


MOST_ARTEFACT_BYTES = 64 << 20
"""Of an exported file: the largest model that a graph may hold takes less."""


def read_artefact(path: Path) -> bytes:
    """The bytes of an exported file. Raises InputError when it cannot be read, or is larger than any that rescomp writes."""
    try:
        return read_file(path, MOST_ARTEFACT_BYTES)
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror}): write it with `rescomp export`") from error


def with_features(trajectory: Trajectory, heard: Job) -> Trajectory:
    """Of a job that was heard by a witness's own front-end (Job.heard_by): the features beside what came of them."""
    return trajectory if heard.sound is None else replace(trajectory, features=heard.x)


def beside(states: Sequence[IntArray], axes: int) -> IntArray:
    """States with `axes` leading axes in common, flattened behind them and side by side, as Trajectory.states has them."""
    return np.concatenate([state.reshape(*state.shape[:axes], -1) for state in states], axis=axes)
