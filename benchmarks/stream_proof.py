"""A million steps without a reset, every state and every score compared: the table of docs/proof.md.

    python benchmarks/stream_proof.py --work DIRECTORY

Models that are missing in DIRECTORY are trained for an epoch first. Each runs on this machine, as gcc -O2 makes it and under both
sanitizers; the first also on an emulated Cortex-M4, with the C for that core. What came of it is kept in benchmarks/stream_proof.json, and
the table is printed. Needs gcc, gcc-arm-none-eabi and qemu-system-arm.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mutant_models import MODELS as MUTATED
from mutant_models import run_rescomp, train_model

from rescomp.graph.events import KINDS
from rescomp.model_directory import REPORT, to_json

RESULTS = Path(__file__).with_suffix(".json")
MODELS = {
    **{name: MUTATED[name] for name in ("fastgrnn-ternary", "fastgrnn-int4", "gru", "dscnn-streaming")},
    "resnet-streaming": (*MUTATED["resnet"], "--set", "model.streaming=true"),
}
CORE = "cortex-m4"
STEPS = 1_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--models", default=",".join(MODELS))
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in options.models.split(","):
        for witness in ("c", f"qemu:{CORE}") if name == next(iter(MODELS)) else ("c",):
            found[f"{name} {witness}"] = measured(options.work / name, name, witness, options.steps)
            RESULTS.write_bytes(to_json(found))
    print("\n".join(table(found)))


def measured(path: Path, name: str, witness: str, steps: int) -> Mapping[str, Any]:
    """What verify writes of one witness of one model."""
    if not (path / f"c-{CORE}").exists():
        train_model(path, MODELS[name])
        run_rescomp("export", str(path), "--format", "c")
        run_rescomp("export", str(path), "--core", CORE)
    began = time.monotonic()
    run_rescomp("verify", str(path), "--against", witness, "--stress", "off", "--samples", "1", "--stream-steps", str(steps))
    seconds = round(time.monotonic() - began)
    report = json.loads((path / REPORT).read_text())
    entries = [entry for entry in report["evidence"] if entry["witness"] == witness and entry["steps"] == steps]
    variants = {entry["variant"]: {key: entry[key] for key in ("compared", "mismatches", "version")} for entry in entries}
    return {"graph_sha256": report["graph_sha256"], "steps": steps, "seconds": seconds, "variants": variants, "stream": report["stream"]}


def table(found: Mapping[str, Any]) -> list[str]:
    """The rows of the document."""
    lines = [
        "| model, variant | steps | values compared | differ | entries of states at an end | values at an end |",
        "|---|---|---|---|---|---|",
    ]
    for what, each in found.items():
        seen, name = each["stream"], what.split()[0]
        share = f"{seen['states_at_ends']:,} of {seen['states']:,} ({seen['states_at_ends'] / seen['states']:.1%})"
        ends = ", ".join(f"{KINDS[kind]} {count / seen['values']:.2%}" for kind, count in seen["at_ends"].items() if count)
        for variant, entry in each["variants"].items():
            row = (f"{name}, {variant}", f"{each['steps']:,}", f"{entry['compared']:,}", f"{entry['mismatches']:,}", share, ends)
            lines.append(f"| {' | '.join(row)} |")
    return lines


if __name__ == "__main__":
    main()
