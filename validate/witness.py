"""What a witness is: somebody other than numpy who runs the same integer model and must give the same integers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Literal, Protocol, runtime_checkable

import numpy as np

from ..graph.evaluate import Trajectory, initial_state
from ..graph.events import BoolArray
from ..graph.fixed_point import IntArray
from ..graph.ir import Graph, IntegerModel
from ..graph.sound import Features, Pcm, hear
from ..model_directory import ModelDirectory
from .build import RESCOMP_S_OWN, Build


@dataclass(frozen=True)
class Progress:
    """How far a slow witness is: done of total, in units of `unit`, after so many seconds. note: what else happens."""

    done: int
    total: int
    unit: str
    seconds: float
    note: str = ""


def tell_nobody(progress: Progress) -> None:
    """What a job does with progress unless somebody wants to know."""


@dataclass(frozen=True, eq=False)
class Job:
    """A model, the directory of its exports, and the integer sequences to run.

    x: int16 [sequences, longest, *input shape] (samples first and no time axis for a net without state); lengths: int64
    [sequences]. argument: what stands behind the colon in `name:argument`. progress: told now and then by a slow witness.
    initial: int [sequences, state entries], the states before the first step, rows as Trajectory.states; None: zeros.
    build: how generated C is compiled. every_score: the job is one long run: of its only sequence scores are asked after each step.
    stream_steps: of the long run beside this job, for what a header offers of streams. sound: the samples of which numpy's front-end made
    x; a witness reads these, and hands over the features.
    """

    model: IntegerModel
    directory: Path
    x: IntArray
    lengths: IntArray
    argument: str = ""
    progress: Callable[[Progress], None] = tell_nobody
    initial: IntArray | None = None
    build: Build = RESCOMP_S_OWN
    every_score: bool = False
    stream_steps: int = 0
    sound: Pcm | None = None

    def from_zero(self) -> Job:
        """The same, every sequence beginning with zeros."""
        return replace(self, initial=None)

    def heard_by(self, features: Features) -> Job:
        """The same, its sequences of samples being what a witness's own front-end makes of them."""
        return self if self.sound is None else replace(self, x=hear(self.model, self.sound, self.x, features, self.initial))

    @property
    def heard(self) -> BoolArray:
        """Which sequences are samples: bool [sequences]."""
        return np.zeros(len(self.x), np.bool_) if self.sound is None else self.sound.heard

    def states(self) -> Mapping[str, IntArray]:
        """Every state before the first step, [sequences, *shape] of its own dtype, by name."""
        states = initial_state(self.model, len(self.x), self.initial)
        return {value.name: states[value.name].astype(value.type.format.numpy_dtype) for value in self.model.graphs["step"].state_inputs}


@dataclass(frozen=True, eq=False)
class Answer:
    """What one variant of a witness (a resolver, a set of compiler flags, ...) computed. version names the software behind it.

    trajectory: where the job asks for every score, its scores are [1, steps, *shape].
    from_zero: every sequence began with zeros, whatever the job's initial states: this variant takes none.
    """

    variant: str
    version: str
    trajectory: Trajectory
    from_zero: bool = False


Forced = Mapping[str, Mapping[str, IntArray]]
"""For each graph by name the values forced on its layers (graph.evaluate.evaluate_forced), int [batch, *shape] by name."""


@dataclass(frozen=True, eq=False)
class LayerAnswer:
    """What one variant made of the values forced on each layer of the files at hand, the layers being run apart from each other.

    graphs: by name those whose nodes it ran; layers that it computes in one pass are one node. values: for each of them what its nodes
    made, int64 [batch, *shape] by name. delivered: likewise what each graph's call left in its caller's buffers, next states by the
    name of the state; nothing where there are none.
    """

    variant: str
    version: str
    graphs: Mapping[str, Graph]
    values: Forced
    delivered: Forced = field(default_factory=dict)


@dataclass(frozen=True)
class UsesAnswer:
    """What came of using an export as its header says: how many things were compared, how many differ, and the first as a clause.

    small: without two states at once and class names, for which the core has no memory; unheard: without listeners that are pushed samples.
    """

    variant: str
    version: str
    compared: int
    mismatches: int
    first: str
    small: bool
    unheard: bool = False


RunLength = Literal["far", "as budgeted", "not"]
"""By what a step takes: the C on this machine goes far, and what takes long not at all."""


@runtime_checkable
class ExcusedWitness(Protocol):
    """A witness that those may go without who did not name it."""

    def excuse(self, directory: ModelDirectory) -> str | None:
        """Why it does not run here; None where it does."""
        ...


@runtime_checkable
class HeaderWitness(Protocol):
    """A witness of exports with a header."""

    def run_uses(self, job: Job) -> Iterator[UsesAnswer]:
        """Compare the header's numbers and names with the graph, run whole sequences and classify, and step two states in turns."""
        ...


@runtime_checkable
class CalledWitness(Protocol):
    """A witness that is told call by call what to do, beside steps and scores."""

    def run_calls(self, job: Job) -> Iterator[UsesAnswer]:
        """Make the calls of the model's alignment and compare what each leaves; of a model without one nothing."""
        ...


@runtime_checkable
class CompilingWitness(Protocol):
    """A witness that compiles generated C."""

    def folder(self, argument: str, directory: Path) -> str:
        """Name of the folder in a model directory whose C it compiles."""
        ...


def op_names(job: Job, role: str) -> Mapping[str, str]:
    """Witness.kernels where no C runs."""
    return {name: node.op.name for node in job.model.graphs[role].nodes for name in node.outputs}


class Witness(Protocol):
    """One way to run the exported model. Missing software raises MissingToolError with the package that brings it.

    Its module can be imported without any of that.
    """

    name: ClassVar[str]
    default_argument: ClassVar[str]
    """What stands behind the colon where nothing was given: evidence and limits call the witness by the longer name."""
    is_board: ClassVar[bool]
    """Whether it is a board: asked for the graph that it runs, no file, and at a port that is another one on every machine."""
    long_run: ClassVar[RunLength]
    """How far it goes without a reset where no number of steps is asked for."""

    def reads(self, directory: ModelDirectory, model: IntegerModel, argument: str) -> Sequence[str]:
        """Names of the files of a model directory that it reads: those there must be, and those there are of a folder."""
        ...

    def takes_decisions(self, variant: str) -> bool:
        """Whether that variant takes the decisions of a model that decides: the others end with the scores."""
        ...

    def check(self, argument: str) -> None:
        """Raise InputError for an argument that means nothing, MissingToolError when the witness cannot run on this machine."""
        ...

    def answers(self, job: Job) -> Iterator[Answer]:
        """Run the exports in job.directory on every sequence, once a variant."""
        ...

    def run_layers(self, job: Job, forced: Forced) -> Iterator[LayerAnswer]:
        """Run every layer of the exports in job.directory on the values forced on it, once a variant. The job's sequences are not run.

        Raises UnsupportedError for a witness that cannot.
        """
        ...

    def run_graph(self, graph: Graph, inputs: Mapping[str, IntArray]) -> dict[str, IntArray]:
        """Every value that a node of `graph` defines, int64 [batch, *shape], from a fresh export of this one graph.

        inputs: int [batch, *shape] by name, state inputs included. Serves op tests and finding the first layer that differs.
        """
        ...

    def kernels(self, job: Job, role: str) -> Mapping[str, str]:
        """What computes each value that a node of the model's graph `role` defines: a C function, or several; the op where no C runs."""
        ...
