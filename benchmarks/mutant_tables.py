"""Tables of docs/proof.md from what became of mutants.

python benchmarks/mutant_tables.py benchmarks/mutants_after.json ...
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rescomp.model_directory import C_FOLDER, TFLITE

WAYS = ("build", "run", "refusal", "test", "stress", "layers", "use")
"""What a mutant is killed by: a compiler, the end of a program, a refusal in words, a set of vectors; or what a header offers."""
Row = Mapping[str, Any]
"""file, operator, fate and by of one mutant, as the results hold them."""


def main() -> None:
    for path in map(Path, sys.argv[1:]):
        document = json.loads(path.read_text())
        print(f"**{path.name}**: {', '.join(f'{name} {number}' for name, number in document['on'].items())}\n")
        print(f"{by_operator(document['results'])}\n\n{by_proof(document['results'])}\n")


def by_operator(rows: Sequence[Row]) -> str:
    """Kill rate by kind of file and operator, as Markdown. Rate: of those that are not proved equivalent."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        for operator in (row["operator"], "**all**"):
            groups.setdefault((kind_of(row["file"]), operator), []).append(row)
    head = ("file", "operator", "mutants", *WAYS, "killed", "equivalent", "alive", "rate")
    lines = [f"| {' | '.join(head)} |", "|---|---|" + "---:|" * (len(head) - 2)]
    for (kind, operator), members in sorted(groups.items()):
        fates = Counter(row["fate"] for row in members)
        ways = Counter(row["by"] for row in members if row["fate"] == "killed")
        open = len(members) - fates["equivalent"]
        rate = f"{100 * fates['killed'] / open:.0f} %" if open else ""
        counts = [*(ways[way] for way in WAYS), fates["killed"], fates["equivalent"], open - fates["killed"]]
        lines.append(f"| {kind} | {operator} | {len(members)} | {' | '.join(str(count or '') for count in counts)} | {rate} |")
    return "\n".join(lines)


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
