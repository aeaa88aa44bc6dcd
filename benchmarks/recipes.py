"""How low-bit nets are trained best: recipes compared in pairs, as integers. Writes docs/recipes.md and benchmarks/recipes.json.

    export RESCOMP_BENCHMARK_DATA=FOLDER                             (holds uci_har.npz; or --data-folder FOLDER)
    python benchmarks/recipes.py --work FOLDER [--jobs PATTERN]      trains; a finished model is skipped, an interrupted one goes on
    python benchmarks/recipes.py --work FOLDER --table               the page and the raw figures of what is done so far

HAR-2, three folds of the training subjects and two seeds in each: a net is trained on two thirds of the subjects and judged, as integers,
on the others. Nothing reads the test set. Variants that share a float net share it. `--set train.epochs=1` tries other settings in
directories of their own.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatch
from hashlib import sha256
from itertools import product
from pathlib import Path

from har2_jobs import BASE, INT4, LINEAR, SEEDS, VALIDATIONS, convert, data_file
from har2_table import Record
from net_stages import Progress, fine_tune, train_float
from page_options import page_parser
from results_log import append_result, locked, read_results, versions_line

from rescomp import stages
from rescomp.model_directory import ModelDirectory
from rescomp.recipe import STREAMS, Recipe, load_recipe, revise

BESIDE = Path(__file__).with_suffix(".json")
OUTPUT = Path(__file__).parent.parent / "docs" / "recipes.md"
TASK, DRAWS = "har2", 2
EPOCHS = ("train.epochs=30", "quantize.epochs=30")
_SHIFTS = 'scale="power_of_two"'
_TERNARY = f'kind="ternary",{_SHIFTS},per="tensor"'
_HYBRID_INT4 = f'{{kind="quantize",bits=4,{_SHIFTS},matrices=["W","classifier"]}}'
GAINS, TURNED = '{kind="input_gains"}', '{kind="rotate_factors"}'
_HYBRID = (f"{{{_TERNARY}}}", _HYBRID_INT4, GAINS)
_SPARSE = 'kind="sparse",density=0.3'
_ANGLES = ("train.rotation=[0.3,0.1,0.1]",)
"""About x, along which a phone at the waist feels gravity, and about the others; else 0.1 about each."""
_PAPER_RANKS = ("model.rank_w=5", "model.rank_u=40")
"""Of FastGRNN's authors' HAR-2 net (har2_jobs.PAPER_SHAPE)."""
TEACHERS, TEACHER_SIZE = 5, 96
"""Float nets of that hidden size on each fold, of other seeds, that the training of a taught net learns from."""


@dataclass(frozen=True)
class Variant:
    """hidden_size: of a FastGRNN that reads four readings a step. compress: entries, beside piecewise linear activations. beside: the
    variant that it is compared with. settings: further ones, of the float training too. taught: whether TEACHERS teach both trainings.
    """

    hidden_size: int
    compress: tuple[str, ...]
    beside: str | None = None
    settings: tuple[str, ...] = ()
    taught: bool = False


VARIANTS: Mapping[str, Variant] = {
    "ternary, Arenas": Variant(48, (f"{{{_TERNARY},arenas=true}}",)),
    "ternary": Variant(48, (f"{{{_TERNARY}}}",), "ternary, Arenas"),
    "ternary, gains": Variant(48, (f"{{{_TERNARY}}}", GAINS), "ternary"),
    "ternary, multipliers": Variant(48, ('{kind="ternary",per="tensor"}',)),
    "ternary, learned multipliers": Variant(48, ('{kind="ternary",per="tensor",learned=true}',), "ternary, multipliers"),
    "int4": Variant(24, (INT4,)),
    "int4, gains": Variant(24, (INT4, GAINS), "int4"),
    "W and classifier int4, U ternary, gains": Variant(32, _HYBRID, "int4"),
    "int4, gains, three angles": Variant(24, (INT4, GAINS), "int4, gains", _ANGLES),
    "int4, gains, three angles, warp": Variant(24, (INT4, GAINS), "int4, gains", (*_ANGLES, "train.time_warp=0.1")),
    "int4, gains, teachers": Variant(24, (INT4, GAINS), "int4, gains", taught=True),
    "hybrid as above, three angles, warp": Variant(
        32, _HYBRID, "W and classifier int4, U ternary, gains", (*_ANGLES, "train.time_warp=0.1")
    ),
    "hybrid as above, teachers": Variant(32, _HYBRID, "W and classifier int4, U ternary, gains", taught=True),
    "ternary, rank 24": Variant(64, (f"{{{_TERNARY}}}",), settings=("model.rank_u=24",)),
    "ternary, rank 24, turned": Variant(64, (f"{{{_TERNARY}}}", TURNED), "ternary, rank 24", ("model.rank_u=24",)),
    "ternary, ranks 5 and 40": Variant(80, (f"{{{_TERNARY}}}",), settings=_PAPER_RANKS),
    "ternary, ranks 5 and 40, turned": Variant(80, (f"{{{_TERNARY}}}", TURNED), "ternary, ranks 5 and 40", _PAPER_RANKS),
    "int4, density 0.3": Variant(40, (f"{{{_SPARSE}}}", INT4)),
    "int4, density 0.3, regrow": Variant(40, (f"{{{_SPARSE},regrow=0.5}}", INT4), "int4, density 0.3"),
}


def recipe_of(variant: Variant, source: Path, seed: int, settings: Sequence[str] = (), more: Sequence[str] = ()) -> Recipe:
    """All of a training. more: entries of [[compress]] beside the variant's."""
    streams = [f"train.{key}={value}" for key, value in STREAMS.items()]
    model = [f"model.name={TASK}", "model.readings=4", f"model.hidden_size={variant.hidden_size}"]
    compress = f"compress=[{','.join((*variant.compress, LINEAR, *more))}]"
    chosen = [f"data.source={source}", f"train.seed={seed}", compress, *variant.settings, *settings]
    return load_recipe(None, [*BASE, *streams, *model, *EPOCHS, *chosen])


@dataclass(frozen=True)
class FoldJob:
    """A variant on a fold, with a seed of its own."""

    variant: str
    fold: int
    draw: int
    settings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What --jobs selects."""
        return f"{self.variant}/fold{self.fold}/s{self.draw}"

    @property
    def key(self) -> str:
        """Tells apart jobs of one name with other settings."""
        return " ".join((self.name, *self.settings))


class Job(FoldJob):
    """One of VARIANTS."""

    def recipe(self, work: Path) -> Recipe:
        """All of it. Recordings follow each other in the training, as by default."""
        variant, more = VARIANTS[self.variant], []
        if variant.taught:
            teachers = ",".join(f'"{self.teacher(work, number)}"' for number in range(TEACHERS))
            more.append(f'{{kind="distill",share=1.0,temperature=2.0,teachers=[{teachers}]}}')
        source, seed = data_file(work, TASK, VALIDATIONS[self.fold]), self.fold * DRAWS + self.draw
        return recipe_of(variant, source, seed, self.settings, more)

    def teacher(self, work: Path, number: int) -> Path:
        """Where a teacher of this fold lies."""
        return work / f"teacher{number}.fold{self.fold}{self._digest(self.settings)}"

    def teacher_recipe(self, work: Path, number: int) -> Recipe:
        """Of its float training: as that of the taught net, which no teacher teaches."""
        alone = replace(self, variant="int4")
        settings = (*_ANGLES, f"model.hidden_size={TEACHER_SIZE}", f"train.seed={100 + number}")
        return revise(alone.recipe(work), settings)

    def places(self, work: Path) -> tuple[Path, Path]:
        """Of the float net, which jobs of one shape share, and of the fine-tuned one."""
        variant = VARIANTS[self.variant]
        unlike = self._digest((*variant.settings, *["taught"] * variant.taught))
        shared = f"float{variant.hidden_size}{unlike}.fold{self.fold}.s{self.draw}{self._digest(self.settings)}"
        own = f"{self._digest((*VARIANTS[self.variant].compress, self.variant))}.fold{self.fold}.s{self.draw}{self._digest(self.settings)}"
        return work / shared, work / own.lstrip(".")

    @staticmethod
    def _digest(texts: Sequence[str]) -> str:
        return f".{sha256(repr(texts).encode()).hexdigest()[:10]}" if texts else ""


@dataclass(frozen=True)
class Paired:
    """variant less the one beside it, in points: the mean of the pairs, its standard error, and in how many it is the better one."""

    pairs: int
    mean: float
    error: float
    better: int


def main() -> None:
    options = parse()
    draws = product(range(DRAWS), range(SEEDS), VARIANTS)
    every = [Job(variant, fold, draw, tuple(options.settings)) for draw, fold, variant in draws]
    jobs = [job for job in every if fnmatch(job.name, options.jobs)]
    if not options.table:
        convert(options.data_folder, options.work)
        work_off(jobs, options.work)
    write(jobs, options)


def parse() -> argparse.Namespace:
    parser = page_parser(__doc__)
    parser.add_argument("--jobs", default="*", help="pattern of names, with * ? []")
    parser.add_argument("--table", action="store_true", help="write the page from what is done, train nothing")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="SECTION.KEY=VALUE")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="the page (default: %(default)s)")
    parser.add_argument("--raw", type=Path, default=BESIDE, help="the figures (default: %(default)s)")
    return parser.parse_args()


def work_off(jobs: Sequence[Job], work: Path) -> None:
    """Every job that is not done and that no other process is working on."""
    for number, job in enumerate(jobs, start=1):
        print(f"[{number}/{len(jobs)}] {job.name}", flush=True)
        with locked(job.places(work)[1], wait=False) as free:
            if free and job.key not in recorded(work):
                append_result(work, carry_out(job, work))


def recorded(work: Path) -> dict[str, Record]:
    """What is done, by key."""
    return {str(record["key"]): record for record in read_results(work)}


def carry_out(job: Job, work: Path) -> Record:
    for number in range(TEACHERS if VARIANTS[job.variant].taught else 0):
        with locked(job.teacher(work, number), wait=True):
            train_float(job.teacher_recipe(work, number), job.teacher(work, number))
    recipe, (float_place, place) = job.recipe(work), job.places(work)
    with locked(float_place, wait=True):
        train_float(recipe, float_place)
    own = Progress(place)
    fine_tune(recipe, float_place, place, own)
    found, nbytes = ModelDirectory.open(place).manifest().accuracy, stages.inspect(place).bytes["model"]
    print(f"  float {found.float_:.2%}  integer {found.integer:.2%}  {nbytes} bytes", flush=True)
    figures = {"float": found.float_, "integer": found.integer, "bytes": nbytes, "seconds": round(own.seconds)}
    return {"key": job.key, **asdict(job), **figures}


def write(jobs: Sequence[Job], options: argparse.Namespace) -> None:
    """The figures of the jobs that are done, in their order, and the page of them."""
    done = recorded(options.work)
    records = [done[job.key] for job in jobs if job.key in done]
    if not records:
        raise SystemExit(f"nothing is done in {options.work}: train first, without --table")
    document = {"settings": options.settings, "versions": versions_line(), "records": records}
    options.raw.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    options.output.write_text(page(records, document), encoding="utf-8")
    print(options.output)


def page(records: Sequence[Record], document: Record) -> str:
    """docs/recipes.md."""
    settings = " ".join(map(str, document["settings"]))
    return "\n".join(
        [
            "# Recipes for low-bit nets, compared",
            "",
            "Written by `python benchmarks/recipes.py`; do not edit by hand.",
            "",
            "HAR-2, FastGRNN with four readings a step and piecewise linear activations, powers of two as scales. Three folds of the "
            f"training subjects, {DRAWS} seeds in each: trained on two thirds of the subjects, judged on the others as the integer model, "
            "with `train.carry`. The test set is not read. Folds differ by several points, so that differences are taken in pairs, of one "
            "fold and seed; in brackets their standard error. Bytes are all const data of the generated C.",
            "",
            "| recipe | H | bytes | float | integer | less | difference, points | better in |",
            "| --- | ---: | ---: | ---: | ---: | --- | ---: | ---: |",
            *(row(name, variant, records) for name, variant in VARIANTS.items() if of(name, records)),
            "",
            f"Fine-tuning: the integer model's accuracy after {' and '.join(EPOCHS)}{f', {settings}' if settings else ''}.",
            f"Versions: {document['versions']}. Raw figures: `benchmarks/recipes.json`.",
            "",
        ]
    )


def row(name: str, variant: Variant, records: Sequence[Record]) -> str:
    own = of(name, records)
    nbytes = sorted({record["bytes"] for record in own.values()})
    means = [f"{statistics.mean(record[key] for record in own.values()):.2%}" for key in ("float", "integer")]
    size = f"{nbytes[0]}" if len(nbytes) == 1 else f"{nbytes[0]}-{nbytes[-1]}"
    found = paired(own, of(variant.beside, records)) if variant.beside else None
    compared = [variant.beside, f"{found.mean:+.2f} ({found.error:.2f})", f"{found.better} of {found.pairs}"] if found else [""] * 3
    return f"| {' | '.join(map(str, (name, variant.hidden_size, size, *means, *compared)))} |"


def of(name: str, records: Sequence[Record]) -> dict[tuple[int, int], Record]:
    """The records of a variant, by fold and seed."""
    return {(record["fold"], record["draw"]): record for record in records if record["variant"] == name}


def paired(own: Mapping[tuple[int, int], Record], beside: Mapping[tuple[int, int], Record], judge: str = "integer") -> Paired | None:
    """None without two pairs, which have no standard error. judge: which of a record's accuracies counts."""
    common = [key for key in own if key in beside]
    differences = [100 * (own[key][judge] - beside[key][judge]) for key in common]
    if len(differences) < 2:
        return None
    error = statistics.stdev(differences) / len(differences) ** 0.5
    return Paired(len(differences), statistics.mean(differences), error, sum(difference > 0 for difference in differences))


if __name__ == "__main__":
    main()
