"""docs/papers.md and benchmarks/papers.json from the records of papers.py. The same records give the same text."""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from har2_table import Record
from recipes import Paired, of, paired
from results_log import versions_line

MARGIN, ERRORS = 0.5, 2
"""In points, and in standard errors of the difference: what is less pays for no op, no kind and no key."""
OUTPUT = Path(__file__).parent.parent / "docs" / "papers.md"
BESIDE = Path(__file__).with_name("papers.json")
JUDGES = {"integer": "integer model", "weights": "weights int4, values in float"}


@dataclass(frozen=True)
class Compared:
    """idea: of which section. beside: the variant that it is compared with; None of the house's own. judge: one of JUDGES."""

    idea: str
    beside: str | None = None
    judge: str = "integer"


Variants = Mapping[str, Compared]
NOTES = (
    "**Learning rate** (Defazio et al. 2023, arXiv 2310.07831): linear decay after the house's warm-up, and the schedule refined from "
    "the gradients of that run (their algorithm for Adam, tau 0.1), which costs a training more; in float training and fine-tuning "
    "both.",
    "**Random parameter sharing** (Desai and Shrivastava 2024, arXiv 2310.11611, STABLE-RPS): all matrices are read from one bank of "
    "int4 numbers, each part of it in order from a drawn offset, with drawn signs and one factor a matrix. Bytes are those of the C "
    "of this net with the bank in the place of its weights; the integers are what it would compute.",
    "**Lattice-based pruning** (Sengupta 2025, arXiv 2502.16525): 24 units of a float net of 32 are fine-tuned, the meet-irreducible "
    "ones of the order that weights of U above twice the mean magnitude make (that limit is ours); or, beside it, those of the "
    "largest weights. The float accuracy is that of the net of 32. Units whole, since single weights that are zero need places.",
    "**Diagonal linear recurrence** (the taxonomy of Bouhadjar et al. 2026, arXiv 2601.12598): s' = a s + (1 - a) tanh(W x + b), with "
    "a trained decay a channel, with pairs of channels that turn (complex decays), or gated, a = sigmoid(W_a x + b_a); the classifier "
    "reads relu(V s + c).",
    "**Legendre memory unit** (the streaming half of LMUFormer; Chilkuri and Eliasmith 2021, arXiv 2102.11417): six channels, order "
    "six, over the 128 readings of a recording; A and B count no byte here. Both kinds of cells are judged at a bound in their "
    "favour, beside the house's net at the same bound.",
    "**Parallel shallow blocks** (Bermeitinger et al. 2023, arXiv 2309.08414), six classes: three residual blocks that all read the "
    "stem's value, beside the same three one behind the other, and a wider one applied three times (SCORE). Side by side they are one "
    "block with a middle three times as wide, which `model.kind` needs nothing new for.",
    "**What this can see.** Six pairs have standard errors of 0.1 to 0.5 points: a gain of less than that would not be found, and "
    "none of less than half a point is looked for. Each idea was trained by the house's recipe, with no search for settings of its "
    "own. The papers' full texts were not at hand: abstracts were, some formulas, and summaries. What these leave open was filled in "
    "here, so that a paper's own recipe may differ.",
)


def write(records: Sequence[Record], variants: Variants, options: argparse.Namespace) -> None:
    """The page and the raw figures."""
    if not records:
        raise SystemExit(f"nothing is done in {options.work}: train first, without --table")
    document = {
        "settings": options.settings,
        "versions": versions_line(),
        "records": sorted(records, key=lambda record: str(record["key"])),
    }
    output, raw = options.output or OUTPUT, options.raw or BESIDE
    raw.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    output.write_text(page(document, variants), encoding="utf-8")
    print(output)


def page(document: Record, variants: Variants) -> str:
    records, settings = document["records"], " ".join(map(str, document["settings"]))
    minutes = sum(record["seconds"] for record in records) / 60
    return "\n".join(
        [
            "# Ideas from papers, at equal bytes",
            "",
            "Written by `python benchmarks/papers.py`; do not edit by hand.",
            "",
            "UCI HAR, three folds of the training subjects, two seeds in each: trained on two thirds of the subjects, judged on the "
            "others. The test set is not read. Recurrent nets: HAR-2 (two classes), four readings a step, int4 weights with powers "
            "of two as scales, learned input gains, piecewise linear activations, `train.carry`, 30 epochs and 30 of fine-tuning. "
            "Residual nets: six classes, 12 epochs and 8. Differences are taken in pairs, of one fold and seed; in brackets their "
            f"standard error. An idea pays where it is better by {MARGIN} points and by {ERRORS} standard errors: then it is built, "
            "else not. Bytes are all const data of the C.",
            "",
            "| idea | net | bytes | judged as | float | accuracy | beside | difference, points | better in | |",
            "| --- | --- | ---: | --- | ---: | ---: | --- | ---: | ---: | --- |",
            *(row(name, compared, records) for name, compared in variants.items() if of(name, records)),
            "",
            *(line for note in NOTES for line in (note, "")),
            *verdict(variants, records),
            "",
            f"The jobs took {minutes:.0f} minutes, one after another, on one core that others used too."
            f"{f' Settings: {settings}.' if settings else ''}",
            f"Versions: {document['versions']}. Raw figures: `benchmarks/papers.json`.",
            "",
        ]
    )


def row(name: str, compared: Compared, records: Sequence[Record]) -> str:
    own = of(name, records)
    judges = [compared.judge] if compared.beside else [judge for judge in JUDGES if all(judge in record for record in own.values())]
    accuracies = " / ".join(f"{statistics.mean(record[judge] for record in own.values()):.2%}" for judge in judges)
    found = difference(name, compared, records)
    told = ["", "", ""] if found is None else [f"{found.mean:+.2f} ({found.error:.2f})", f"{found.better} of {found.pairs}", worth(found)]
    cells = [
        *(compared.idea, name, shown_bytes(own.values(), records), " / ".join(JUDGES[judge] for judge in judges)),
        *(f"{statistics.mean(record['float'] for record in own.values()):.2%}", accuracies, compared.beside or "", *told),
    ]
    return f"| {' | '.join(cells)} |"


def difference(name: str, compared: Compared, records: Sequence[Record]) -> Paired | None:
    return paired(of(name, records), of(compared.beside, records), compared.judge) if compared.beside else None


def pays(found: Paired) -> bool:
    return found.mean >= MARGIN and found.mean > ERRORS * found.error


def worth(found: Paired) -> str:
    return "pays" if pays(found) else "not kept"


def shown_bytes(own: Iterator[Record], records: Sequence[Record]) -> str:
    """Of a net without an integer form: its count, and what the house's net of the same input has beside its own."""
    rest = next((record["bytes"] - record["counted"] for record in records if "bytes" in record and "counted" in record), 0)
    sizes = sorted({record["bytes"] if "bytes" in record else record["counted"] + rest for record in own})
    return f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]}-{sizes[-1]}"


def verdict(variants: Variants, records: Sequence[Record]) -> Iterator[str]:
    found = {name: difference(name, compared, records) for name, compared in variants.items()}
    paying = [name for name, each in found.items() if each is not None and pays(each)]
    yield f"What pays by this rule: {', '.join(paying)}." if paying else "None of them pays by this rule, and none of them was built."
