"""What an interpreter is asked: the tensors of a file, which of them are fed, carried and read, and the sequences of one run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BufferedReader
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Tensor:
    """A boundary tensor [rows, *shape] of a model; with `time_first` [steps, rows, *shape], whole sequences of one length."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    time_first: bool = False


@dataclass(frozen=True)
class Task:
    """What to run. package: the interpreter's; resolver: which kernels (an OpResolverType, for onnxruntime a GraphOptimizationLevel),
    empty for tflite-micro.

    inputs, outputs: all of the model, in its order. carried: inputs that after a step take the value of an output; the others are
    fed. answers: outputs that are read after the last step. recorded: outputs that are kept of every step, those carried among them.
    rows: how many sequences one run takes.
    """

    package: str
    resolver: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    carried: Mapping[str, str]
    answers: tuple[str, ...]
    recorded: tuple[str, ...] = ()
    rows: int = 1

    @property
    def whole_sequences(self) -> bool:
        """Whether one run takes all steps."""
        return any(tensor.time_first for tensor in self.inputs)

    @property
    def fed(self) -> tuple[Tensor, ...]:
        """Inputs that are not carried."""
        return tuple(tensor for tensor in self.inputs if tensor.name not in self.carried)

    @property
    def first(self) -> tuple[Tensor, ...]:
        """Inputs that are carried."""
        return tuple(tensor for tensor in self.inputs if tensor.name in self.carried)

    def output(self, name: str) -> Tensor:
        """The output of that name."""
        return next(tensor for tensor in self.outputs if tensor.name == name)


def blocks(task: Task, lengths: Array) -> Iterator[tuple[Any, int]]:
    """Which sequences are run together, an index of rows, and the longest; where one run takes all steps, they are of one length."""
    if task.whole_sequences:
        for length in np.unique(lengths):
            together = np.flatnonzero(lengths == length)
            yield from ((together[start : start + task.rows], int(length)) for start in range(0, len(together), task.rows))
        return
    for start in range(0, len(lengths), task.rows):
        rows = slice(start, start + task.rows)
        yield rows, int(lengths[start] if task.rows == 1 else lengths[rows].max())


def read_task(header: Mapping[str, Any]) -> Task:
    """The task of a request's header."""
    parts: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in header["task"].items()}
    for side in ("inputs", "outputs"):
        parts[side] = tuple(Tensor(**{**entry, "shape": tuple(entry["shape"])}) for entry in parts[side])
    return Task(**parts)


def read_array(stream: BufferedReader, dtype: str, shape: Sequence[int]) -> Array:
    """The next array. Raises EOFError when the stream ends within it."""
    array = np.empty(tuple(shape), dtype)
    if stream.readinto(array.reshape(-1).view(np.uint8).data) != array.nbytes:
        raise EOFError
    return array
