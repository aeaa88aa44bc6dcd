"""What uses.c of firmware_templates/platforms reads and writes: the header's numbers, run and classify, and two states in turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ..errors import BudgetError, DeviceError
from ..export.c import translate
from ..export.c_source import Source
from ..graph.alignment import align_of
from ..graph.evaluate import evaluate, evaluate_graph, scores_of_every_step, split_state, walk_decisions
from ..graph.fixed_point import IntArray
from ..graph.ir import IntegerModel
from ..targets.kernel_choice import PREFERENCES, Target
from .alignment_calls import AlignmentCalls
from .c_program import USES_PREFIX
from .c_vectors import check_length, decision_values, record_dtype, stored_dtype
from .called import Calls
from .listener_calls import LEAST_BLOCK, LISTENERS, ListenerCalls, StreamListenerCalls, block_samples
from .stream_uses import expected_of_stream
from .use_lengths import MOST_WALK, Lengths
from .witness import Job, UsesAnswer

USED_SEQUENCES, USED_STEPS = 8, 5
"""How many are taken of a job, at most."""
SMALL = f"{USES_PREFIX}SMALL"
MISSING = -(1 << 31)
"""USES_MISSING of the program: a number that the header does not have, of a layer that a core's kernels join with the next."""
NO_STACK = "the stack ran into"
"""What libsimavr's host says of a program that links and needs more memory."""


class Room(NamedTuple):
    """small: without a second state, class names and streams. heard: with what is pushed samples, of a model that reads them."""

    small: bool
    heard: bool


ROOMS = (Room(small=False, heard=True), Room(small=False, heard=False), Room(small=True, heard=False))


@dataclass(frozen=True, eq=False)
class Uses:
    """The sequences, each of so many steps, and what numpy expects of them.

    x: int16 [sequences, steps, *input shape]; or [sequences, *input shape] for a net without state. stream: how long that of a
    model with a policy is.
    """

    model: IntegerModel
    x: IntArray
    steps: int
    stream: Lengths

    @classmethod
    def of(cls, job: Job, stream: Lengths) -> Uses:
        """Taken from a job's sequences, the longest first."""
        if not job.model.is_recurrent:
            return cls(job.model, job.x[:USED_SEQUENCES], 1, stream)
        rows = np.argsort(-job.lengths, kind="stable")[:USED_SEQUENCES]
        steps = min(USED_STEPS, int(job.lengths[rows].min()))
        return cls(job.model, job.x[rows, :steps], steps, stream)

    @property
    def rooms(self) -> Sequence[Room]:
        """What is tried, until the core has memory for it."""
        return ROOMS if self.model.reads_samples else ROOMS[1:]

    def calls(self, room: Room) -> list[Calls]:
        """What the program is told to call beside all this, in order."""
        found: list[Calls] = [AlignmentCalls(self.model, self.x[-1], small=room.small)] if align_of(self.model) else []
        if room.heard:
            found.append(ListenerCalls(self.model, self.stream.pushes))
        if room.heard and self.model.policy is not None:
            found.append(StreamListenerCalls(self.model, self.stream.pushes, self.stream.listeners))
        return found

    def encode(self, calls: Sequence[Calls]) -> bytes:
        """As the program reads it."""
        sequences = np.array([len(self.x)], "<u4").tobytes() + self.x.astype(stored_dtype(self.model.input.type)).tobytes()
        return sequences + b"".join(each.encode() for each in calls)

    def flags(self, room: Room) -> list[str]:
        """For the compiler."""
        numbers = {"STEPS": self.steps, "WALK": self.stream.walk, "OUTAGE": self.stream.outage}
        if self.model.reads_samples:
            heard = (self.stream.listeners, block_samples(self.model)) if room.heard else (1, LEAST_BLOCK)
            numbers |= dict(zip(("STREAM_LISTENERS", "BLOCK"), heard, strict=True)) | ({"LISTENERS": LISTENERS} if room.heard else {})
        return [*(f"{USES_PREFIX}{name}={number}" for name, number in numbers.items()), *([SMALL] if room.small else [])]

    def expected(self, *, small: bool) -> Iterator[tuple[str, Any]]:
        """(what it is, array) for all that the program writes behind the header."""
        forth, classes = evaluate(self.model, self.x), self.model.output.type.size
        score, answer = stored_dtype(self.model.output.type), np.dtype("<u2")
        for i in range(classes + 1):
            yield "the answer of classify to equal scores", np.array(max(i - 1, 0), answer)
        if not self.model.is_recurrent:
            for row in forth.scores:
                yield "the scores of run", row.astype(score)
                yield "the answer of classify", np.array(row.reshape(-1).argmax(), answer)
            return
        back = evaluate(self.model, self.x[:, ::-1])
        trajectories = [("a state", forth)] if small else [("a state", forth), ("a second state in turns with the first", back)]
        every = [(who, trajectory.states, scores_of_every_step(self.model, trajectory.states)) for who, trajectory in trajectories]
        decided = [list(self._decided(scores)) for _, _, scores in every] if self.model.decides else []
        for i in range(len(self.x)):
            yield "the scores of run", forth.scores[i].astype(score)
            yield "the answer of classify", np.array(forth.scores[i].reshape(-1).argmax(), answer)
            yield "the state that init gives", self._stored(np.zeros_like(forth.states[i, 0]))
            if decided:
                yield "the decision's state that init gives", np.zeros((), record_dtype(self.model.graphs["decide"].state_inputs))
            for t in range(self.steps):
                for k, (who, states, scores) in enumerate(every):
                    yield f"{who} after step {t}", self._stored(states[i, t])
                    yield f"the scores of {who} after step {t}", scores[i, t].astype(score)
                    if decided:
                        yield f"the decision of {who} after step {t}, and its state", decided[k][t][i]
        for record in self._decided_on_any_bits() if decided else ():
            yield "the decision on any bits, and its state", record
        if self.model.policy is not None and not small:
            for number, record in enumerate(expected_of_stream(self.model, self.x[-1], self.stream)):
                yield f"a stream after reading {number}, lost ones counted", record

    def _decided(self, scores: IntArray) -> Iterator[Any]:
        """For every step the decision of each sequence and the states behind it, as the program writes them: records [sequences]."""
        graph = self.model.graphs["decide"]
        written = [*decision_values(self.model), *graph.state_inputs]
        for values in walk_decisions(self.model, scores):
            records = np.zeros(len(scores), record_dtype(written))
            for value in written:
                records[value.name] = values[graph.state.get(value.name, value.name)]
            yield records

    def _decided_on_any_bits(self) -> Iterator[Any]:
        """Records as of _decided. An average outside its format counts as the end of it, the contract says."""
        graph, scores = self.model.graphs["decide"], self.model.output.type
        (read,) = graph.data_inputs
        written = [*decision_values(self.model), *graph.state_inputs]
        for bits, score in ((b"\x7f", scores.format.low), (b"\x80", scores.format.high)):
            inputs = {read.name: np.full((1, *scores.shape), score)}
            for value in graph.state_inputs:
                any_bits = int(np.frombuffer(bits * 8, stored_dtype(value.type))[0])
                inputs[value.name] = np.full((1, *value.type.shape), min(max(any_bits, value.type.format.low), value.type.format.high))
            values, record = evaluate_graph(graph, inputs), np.zeros((), record_dtype(written))
            for value in written:
                record[value.name] = values[graph.state.get(value.name, value.name)][0]
            yield record

    def _stored(self, row: IntArray) -> Any:
        """A row of states as the program writes it: a record."""
        values = self.model.graphs["step"].state_inputs
        record = np.zeros((), record_dtype(values))
        for name, array in split_state(self.model, row[None]).items():
            record[name] = array[0]
        return record


def ask_uses(
    job: Job, variant: str, version: str, run: Callable[[Sequence[str], bytes], bytes], stream: Lengths, target: Target | None = None
) -> UsesAnswer:
    """Build, run and compare. run(flags, input) gives what the program wrote; raises BudgetError where it does not fit.

    stream: of a model with a policy; as many readings are drawn as the job's long run has, if those are more. target: the core for which
    the C was exported, for whatever preference.
    """
    uses = Uses.of(job, replace(stream, walk=max(stream.walk, min(job.stream_steps, MOST_WALK))))
    room, calls, output = _run_in_room(uses, run)
    sources = [translate(job.model)] if target is None else [translate(job.model, Target(target.core, prefer)) for prefer in PREFERENCES]
    answers = (_compare(uses, calls, source, output, variant, version, room) for source in sources)
    return min(answers, key=lambda answer: answer.mismatches)


def _run_in_room(uses: Uses, run: Callable[[Sequence[str], bytes], bytes]) -> tuple[Room, Sequence[Calls], bytes]:
    """What fits, what it was told to call, and what it wrote."""
    for room in uses.rooms[:-1]:
        calls = uses.calls(room)
        try:
            return room, calls, run(uses.flags(room), uses.encode(calls))
        except BudgetError:
            continue
        except DeviceError as error:
            if NO_STACK not in str(error):
                raise
    calls = uses.calls(uses.rooms[-1])
    return uses.rooms[-1], calls, run(uses.flags(uses.rooms[-1]), uses.encode(calls))


def _compare(uses: Uses, calls: Sequence[Calls], source: Source, output: bytes, variant: str, version: str, room: Room) -> UsesAnswer:
    numbers, plain = source.header_numbers, translate(uses.model).header_numbers
    parts: list[tuple[str, Any]] = [(name, np.array(numbers.get(name, MISSING), "<i4")) for name in plain]
    if uses.model.channel_bits:
        read = "SAMPLE" if uses.model.reads_samples else "INPUT"
        parts.append((f"{source.macro}_{read}_FRACTION_BITS_OF_CHANNELS", np.array(uses.model.channel_bits, "<i4")))
    parts.append((f"sizeof({source.name}_state)", np.array(source.state_bytes + source.scratch_bytes, "<i4")))
    parts.append((f"{source.macro}_GRAPH_SHA256", np.frombuffer(source.sha256.encode(), "u1")))
    for i, label in enumerate(() if room.small else source.model.classes):
        text = label.encode()
        parts.append((f"{source.name}_class_names[{i}]", np.frombuffer(len(text).to_bytes(2, "little") + text, "u1")))
    parts += uses.expected(small=room.small)
    parts += [part for each in calls for part in each.expected]
    check_length(output, sum(array.nbytes for _, array in parts))
    compared = compare_parts(parts, output)
    return UsesAnswer(variant, version, *compared, room.small, unheard=uses.model.reads_samples and not room.heard)


def compare_parts(parts: Sequence[tuple[str, Any]], output: bytes) -> tuple[int, int, str]:
    """How many things a program wrote, how many of them are something else, and the first of these in words."""
    mismatches, first, start = 0, "", 0
    for name, array in parts:
        found = np.frombuffer(output, array.dtype, array.size, start).reshape(array.shape)
        start += array.nbytes
        if found.tobytes() != array.tobytes():
            mismatches += 1
            first = first or _difference(name, found, array)
    return len(parts), mismatches, first


def _difference(name: str, found: Any, wanted: Any) -> str:
    """What is something else; of a record the first entry that is."""
    for field in wanted.dtype.names or ():
        ours, theirs = wanted[field].reshape(-1), found[field].reshape(-1)
        for place in np.flatnonzero(ours != theirs)[:1]:
            return f"{name}, {field}[{place}], is {theirs[place]} instead of {ours[place]}"
    return f"{name} is {_shown(found)} instead of {_shown(wanted)}"


def _shown(array: Any) -> str:
    """In characters that a report may hold."""
    return repr(bytes(array).decode(errors="replace")) if array.dtype == np.uint8 else str(array.tolist())
