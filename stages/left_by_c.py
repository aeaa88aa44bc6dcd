"""What one verify of generated C leaves: evidence of all of its variants, of every set that goes with another, of its header and files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ..validate.host_c import VARIANTS, HostC
from ..validate.registry import find_witness
from ..validate.witness import CompilingWitness
from .compared_sets import FILES, HEADER, STREAM, TEST, Set, serves_both
from .evidence import Evidence
from .questions import STRESS, is_noted, title_of
from .report import Report

_WHOLE_RUNS: Sequence[Set] = (TEST, "stress", "stress full", STREAM)


def missing_of_c(evidence: Sequence[Evidence], report: Report, runs: Iterable[tuple[str, str]], *, recurrent: bool) -> Iterator[str]:
    """A sentence for everything that is not there of the C on this machine and on cores, beside what is, where nobody recorded what was
    asked. recurrent: whether the model is.

    evidence: that on the files at hand. runs: witnesses with their builds. What a run was told to leave out (--stress off, --samples) and
    what could not be asked may be away.
    """
    tested = {(each.witness, each.build) for each in evidence if each.set == TEST and _is_c(each.witness)}
    for witness, build in (run for run in runs if run in tested):
        found = [each for each in evidence if each.witness == witness and (serves_both(each.set, each.build, build))]
        if any(each.failures for each in found):
            continue
        notes = report.coverage.not_seen.get(witness, ())
        there = {each.set for each in found}
        for name in _due(found, stream=recurrent and find_witness(witness)[0].long_run == "far"):
            if name not in there and not is_noted(name, notes):
                yield f"{witness} left no evidence on {title_of(name)}, which its run leaves: run verify again"
        yield from _missing_variants(found, [each.name for each in VARIANTS] if (witness, build) == (HostC.name, "") else ())


def _is_c(witness: str) -> bool:
    return isinstance(find_witness(witness)[0], CompilingWitness)


def _due(found: Sequence[Evidence], *, stream: bool) -> Iterator[Set]:
    """The sets that the others imply."""
    yield from (HEADER, FILES)
    whole, there = {each.set for each in found if each.sampled is None}, {each.set for each in found}
    for pair in STRESS.values():
        if there & set(pair):
            yield from pair
        if stream and set(pair) <= whole:
            yield STREAM


def _missing_variants(found: Sequence[Evidence], wanted: Sequence[str]) -> Iterator[str]:
    """Of each set, where others of a run's variants are there."""
    runs = dict.fromkeys((each.set, each.sampled, each.steps) for each in found if each.set in _WHOLE_RUNS)
    for run in runs:
        there = {each.variant for each in found if (each.set, each.sampled, each.steps) == run}
        for name in wanted:
            if name not in there:
                yield f"c ({name}) left no evidence on the {run[0]} set, where another of its variants did: run verify again"
