"""Tables of docs/proof.md from what became of mutants.

python benchmarks/mutant_tables.py benchmarks/mutants_after.json [--before benchmarks/mutants_before.json]
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rescomp.model_directory import C_FOLDER, TFLITE

WAYS = ("build", "run", "refusal", "test", "stress", "layers", "stream", "use")
"""What a mutant is killed by: a compiler, the end of a program, a refusal in words, a set of vectors; or what a header offers."""
Row = Mapping[str, Any]
"""file, operator, fate and by of one mutant, as the results hold them."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--before", type=Path, help="of an earlier state of the vectors")
    options = parser.parse_args()
    document = json.loads(options.results.read_text())
    before = json.loads(options.before.read_text())["results"] if options.before else []
    print(f"{by_operator(document['results'], before)}\n\n{by_proof(document['results'])}\n")
    print("; ".join(f"{name} {number}" for name, number in document["on"].items()))


def by_operator(rows: Sequence[Row], before: Sequence[Row] = ()) -> str:
    """Kill rate by kind of file and operator, as Markdown. Rate: of those that are not proved equivalent. before: of another campaign, of
    which the rate alone is told.
    """
    earlier = _groups(before)
    head = ("file", "operator", *(["rate before"] if before else []), "mutants", *WAYS, "killed", "equivalent", "alive", "rate")
    lines = [f"| {' | '.join(head)} |", "|---|---|" + "---:|" * (len(head) - 2)]
    for (kind, operator), members in sorted(_groups(rows).items()):
        fates = Counter(row["fate"] for row in members)
        ways = Counter(row["by"] for row in members if row["fate"] == "killed")
        counts = [*(ways[way] for way in WAYS), fates["killed"], fates["equivalent"], len(members) - fates["killed"] - fates["equivalent"]]
        first = [_rate(earlier.get((kind, operator), ()))] if before else []
        lines.append(f"| {' | '.join([kind, operator, *first, str(len(members)), *(str(n or '') for n in counts), _rate(members)])} |")
    return "\n".join(lines)


def _groups(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        for operator in (row["operator"], "**all**"):
            groups.setdefault((kind_of(row["file"]), operator), []).append(row)
    return groups


def _rate(rows: Sequence[Row]) -> str:
    open = [row for row in rows if row["fate"] != "equivalent"]
    return f"{100 * sum(row['fate'] == 'killed' for row in open) / len(open):.0f} %" if open else ""


def by_proof(rows: Sequence[Row]) -> str:
    """How many each proof shows to be equivalent."""
    proofs = Counter((kind_of(row["file"]), row["by"]) for row in rows if row["fate"] == "equivalent")
    lines = [f"| {kind} | {proof} | {count} |" for (kind, proof), count in sorted(proofs.items())]
    return "\n".join(["| file | proof | mutants |", "|---|---|---:|", *lines])


def kind_of(file: str) -> str:
    """C, ONNX or TFLite; a core for assembly."""
    folder = file.partition("/")[0]
    if folder.startswith(f"{C_FOLDER}-"):
        return folder[len(C_FOLDER) + 1 :]
    return {C_FOLDER: "C", TFLITE: "TFLite"}.get(folder, "ONNX")


if __name__ == "__main__":
    main()
