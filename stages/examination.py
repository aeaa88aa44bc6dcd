"""Asking the witnesses one after the other, on every set, and what each did not see."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from ..errors import MissingToolError, UnsupportedError, counted
from ..graph.evaluate import Trajectory
from ..graph.ir import Graph, IntegerModel
from ..model_directory import ModelDirectory
from ..text_files import escaped
from ..validate.compare import Comparison, compare, compare_layers
from ..validate.fault import Fault, first_wrong_layer, locate
from ..validate.replay import BOARD_STEPS, REPLAYED_STEPS
from ..validate.serial_port import SerialPort, describe_estimate
from ..validate.witness import Answer, CalledWitness, HeaderWitness, Job, LayerAnswer, UsesAnswer, Witness
from .compared_sets import FILES, HEADER, TEST, Set
from .evidence import Evidence
from .fault_summary import FaultSummary
from .fresh_files import compare_with_fresh
from .listener import Listener
from .questions import Question, VerifyRequest
from .stream_proof import LongRunSet
from .vector_sets import LayerSet, SequenceSet
from .witness_files import files_read

FRESH, USES, CALLS = "fresh export", "header, run and classify", "the calls of its alignment"
"""Variants of what is compared without vectors: bytes, and all that a header offers beside step and scores."""


@dataclass
class Examination:
    """Collects evidence. golden: all of the recordings' vectors, of which `sets` may have some; those who use a header take a few of these.

    not_seen: by witness, what of the sets it cannot be asked, and why.
    """

    directory: ModelDirectory
    model: IntegerModel
    golden: SequenceSet
    sets: Sequence[SequenceSet | LayerSet | LongRunSet]
    request: VerifyRequest
    listener: Listener
    found: list[Evidence] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    not_seen: dict[str, list[str]] = field(default_factory=dict)

    def question(self, witness: Witness, argument: str) -> None:
        """Ask one witness everything. Raises what it raises on the golden vectors."""
        name = f"{witness.name}:{argument}" if argument else witness.name
        jobs = {each.name: self._job(each, argument) for each in self._sequences}
        streams = [(each, steps) for each in self.sets if isinstance(each, LongRunSet) and (steps := each.steps(witness))]
        runs = [*jobs.values(), *(self._stream_job(each, argument, steps) for each, steps in streams)]
        self.listener.stage(f"verify against {name}{describe_estimate(runs) if isinstance(witness, SerialPort) else ''}")
        asked = _Asked(witness, name, files_read(self.directory, self.model, name, self.request.firmware), str(self.request.build))
        begin = len(self.found)
        for each in self.sets:
            if isinstance(each, LongRunSet):
                if steps := each.steps(witness):
                    self._try(asked, "the stream", partial(self._compare_stream, asked, each, self._stream_job(each, argument, steps)))
            elif isinstance(each, LayerSet):
                self._try(asked, "single layers", partial(self._compare_layers, asked, each, next(iter(jobs.values()))))
            elif each.name == TEST:
                self.found += self._compare_sequences(asked, each, jobs[each.name])
            else:
                self._try(asked, f"the {each.name} set", partial(self._compare_sequences, asked, each, jobs[each.name]))
        if isinstance(witness, HeaderWitness):
            job = replace(self._job(self.golden, argument), stream_steps=sum(steps for _, steps in streams))
            self._try(asked, "its header", lambda: self._compare_uses(asked, witness.run_uses(job), USES))
        if isinstance(witness, CalledWitness):
            job = self._job(self.golden, argument)
            self._try(asked, CALLS, lambda: self._compare_uses(asked, witness.run_calls(job), CALLS))
        if self.request.compare_files:
            self._try(asked, "its files", lambda: self._compare_files(asked))
        self.questions.append(self._asked(asked, self.found[begin:], next((steps for _, steps in streams), None)))

    def _asked(self, asked: _Asked, found: Sequence[Evidence], steps: int | None) -> Question:
        """What a witness was asked, and who answered. steps: of the stream."""
        answered: dict[Set, tuple[str, ...]] = {}
        for entry in found:
            answered[entry.set] = (*answered.get(entry.set, ()), entry.variant)
        return Question(
            witness=asked.name,
            files=asked.files,
            stress=self.request.stress or "off",
            compare_files=self.request.compare_files,
            answered=answered,
            samples=self.request.samples,
            stream_steps=steps,
            build=asked.build,
        )

    @property
    def _sequences(self) -> list[SequenceSet]:
        return [each for each in self.sets if isinstance(each, SequenceSet)]

    def _job(self, each: SequenceSet, argument: str) -> Job:
        return replace(each.job(self.model, self.directory.path, argument, self.listener.progress), build=self.request.build)

    def _stream_job(self, each: LongRunSet, argument: str, steps: int) -> Job:
        return replace(each.job(self.directory.path, argument, steps, self.listener.progress), build=self.request.build)

    def _try(self, asked: _Asked, what: str, ask: Callable[[], Iterator[Evidence]]) -> None:
        """Ask something that not every witness can be asked."""
        try:
            self.found += ask()
        except (UnsupportedError, MissingToolError) as error:
            self._note(asked, f"{what}: {error}")

    def _note(self, asked: _Asked, text: str) -> None:
        notes, text = self.not_seen.setdefault(asked.name, []), escaped(text)
        if text not in notes:
            notes.append(text)

    def _compare_files(self, asked: _Asked) -> Iterator[Evidence]:
        result = compare_with_fresh(self.directory, self.model, asked.name)
        if result is None:
            return
        if result.other:
            self._note(asked, f"its files: {result.other}")
            return
        count = len(result.differing)
        more = f" (and {counted(count - 1, 'more file differs', 'more files differ')})" if count > 1 else ""
        failure = escaped(f"{result.differing[0]}{more}") if count else None
        compared = max(result.compared, count)
        yield Evidence(
            witness=asked.name,
            variant=FRESH,
            version="",
            set=FILES,
            compared=compared,
            mismatches=count,
            failure=failure,
            files=asked.files,
        )

    def _compare_uses(self, asked: _Asked, answers: Iterator[UsesAnswer], what: str) -> Iterator[Evidence]:
        for answer in answers:
            if answer.small:
                of_streams = ", nor for its streams" if self.model.policy else ""
                self._note(asked, f"its header ({answer.variant}): there is no memory for two states at once and class names{of_streams}")
            if answer.unheard:
                self._note(asked, f"its header ({answer.variant}): there is no memory for two listeners in turns")
            who = f"{asked.name} ({answer.variant}), used as its header says,"
            yield Evidence(
                witness=asked.name,
                variant=f"{answer.variant}, {what}",
                version=escaped(answer.version),
                set=HEADER,
                compared=answer.compared,
                mismatches=answer.mismatches,
                failure=f"{who} differs in {answer.mismatches} things; the first: {answer.first}" if answer.mismatches else None,
                files=asked.files,
                build=asked.build,
            )

    def _compare_sequences(self, asked: _Asked, vectors: SequenceSet, job: Job) -> Iterator[Evidence]:
        for answer in asked.witness.answers(job):
            if answer.from_zero and vectors.initial is not None:
                self._note(asked, f"initial states ({answer.variant}): every sequence begins with zeros there")
            if self.model.decides and answer.trajectory.decisions is None:
                self._note(asked, f"decisions ({answer.variant}): it ends with the scores")
            reference = vectors.reference(self.model, from_zero=answer.from_zero)
            comparison = compare(job, reference, answer.trajectory)
            yield asked.evidence(answer, vectors, comparison, _locate(asked, job, answer, reference, comparison))

    def _compare_stream(self, asked: _Asked, stream: LongRunSet, job: Job) -> Iterator[Evidence]:
        for answer in asked.witness.answers(job):
            reference = stream.reference(answer.trajectory.states[0])
            steps = reference.states.shape[1]
            run = replace(job, x=job.x[:, :steps], lengths=np.array([steps], np.int64))
            comparison = compare(run, reference, answer.trajectory.first_steps(steps))
            yield asked.evidence(answer, stream, comparison, _locate(asked, run, answer, reference, comparison), steps)

    def _compare_layers(self, asked: _Asked, vectors: LayerSet, job: Job) -> Iterator[Evidence]:
        for answer in asked.witness.run_layers(job, vectors.reference.forced):
            if left := self.model.graphs.keys() - answer.graphs.keys():
                self._note(
                    asked, f"single layers ({answer.variant}): those of {', '.join(sorted(left))}, which stands in another file or in none"
                )
            graphs = {role: self.model.graphs[role] for role in answer.graphs}
            hidden = _defined(graphs.values()) - _defined(answer.graphs.values())
            if hidden:
                self._note(asked, f"single layers ({answer.variant}): {', '.join(sorted(hidden))}, computed in one pass with the next")
            fault = first_wrong_layer(job, asked.witness, vectors.reference, answer)
            found = fault, f"; the layer is {fault}" if fault else ""
            yield asked.evidence(answer, vectors, compare_layers(vectors.reference, answer), found)


@dataclass(frozen=True)
class _Asked:
    """A witness, its name with its argument, the digests of the files that it reads, and a product's own compiler and flags."""

    witness: Witness
    name: str
    files: Mapping[str, str]
    build: str

    def evidence(
        self,
        answer: Answer | LayerAnswer,
        vectors: SequenceSet | LayerSet | LongRunSet,
        comparison: Comparison,
        located: tuple[Fault | None, str],
        steps: int | None = None,
    ) -> Evidence:
        """located: where it differs, and what more a failure tells. steps: of a stream."""
        fault, said = located
        on = "" if vectors.name == TEST else f" on the {vectors.name} set"
        counts = f"{comparison.mismatches} of {counted(comparison.compared, 'value')}; the first is {comparison.first}"
        return Evidence(
            witness=self.name,
            variant=answer.variant,
            version=escaped(answer.version),
            set=vectors.name,
            compared=comparison.compared,
            mismatches=comparison.mismatches,
            sampled=vectors.sampled,
            steps=steps,
            failure=f"{self.name} ({answer.variant}) differs{on} in {counts}{said}" if comparison.first else None,
            fault=FaultSummary.of(fault) if fault else None,
            files=self.files,
            build=self.build,
        )


def _locate(asked: _Asked, job: Job, answer: Answer, reference: Trajectory, comparison: Comparison) -> tuple[Fault | None, str]:
    """Where it differs, and that as the end of a sentence."""
    if comparison.first is None:
        return None, ""
    on_board = isinstance(asked.witness, SerialPort)
    run = job.from_zero() if answer.from_zero else job
    finding = locate(run, asked.witness, answer, reference, comparison.first, BOARD_STEPS if on_board else REPLAYED_STEPS)
    if finding is None:
        return None, ""
    if finding.fault is None and on_board:
        return None, "; asked for single steps, the board computes every layer right: its loop over time or its memory is at fault"
    if finding.fault is None and finding.of_files:
        return None, "; asked by itself, every layer in the file is right: what lies between them is at fault, memory or the loop over time"
    if finding.fault is None:
        return None, "; every layer agrees when it is exported afresh, so the exported file or its loop over time is at fault"
    if not finding.fault.computed:
        return finding.fault, f"; no layer of it can be asked by itself: what differs is {finding.fault}"
    return finding.fault, f"; the first layer that differs there is {finding.fault}"


def _defined(graphs: Iterable[Graph]) -> set[str]:
    return {name for graph in graphs for node in graph.nodes for name in node.outputs}
