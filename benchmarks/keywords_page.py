"""docs/keywords.md out of keywords.json."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from keyword_alone_text import alone_text
from results_log import versions_line

Found = Mapping[str, Any]


def clustered_error(right: Sequence[bool], speakers: Sequence[str]) -> float:
    """Standard error of an accuracy whose clips come in clusters, one a speaker."""
    deviation = np.asarray(right, float) - np.mean(right)
    sums = [deviation[np.asarray(speakers) == speaker].sum() for speaker in sorted(set(speakers))]
    return float(np.sqrt(np.square(sums).sum() * len(sums) / (len(sums) - 1)) / len(right))


def page(raw: Mapping[str, Any]) -> str:
    """The whole page; what was not measured yet is left out."""
    models = [each for found in raw["final"].values() for each in found]
    counts = {key: sum(each[key] for each in models) for key in ("compared", "differing")}
    texts = {
        "validation": validation_text(raw),
        "final": "\n".join(final_rows(raw["final"])),
        "gate": gate_text(raw["gate"]),
        "costs": "\n".join(cost_rows(raw["costs"])),
    }
    return PAGE.format(
        **texts,
        compared=f"{counts['compared']:,}",
        differing=counts["differing"],
        versions=versions_line(),
    ) + ("\n" + alone_text(raw["alone"]) if "alone" in raw else "")


def final_rows(final: Mapping[str, Sequence[Found]]) -> Iterator[str]:
    for name, found in final.items():
        answered = [each["integer"] for each in found]
        error = statistics.mean(clustered_error(each["right"], each["speakers"]) for each in found)
        cells = (
            name,
            f"{statistics.median(each['float_'] for each in found):.2%}",
            " ".join(f"{each:.2%}" for each in answered),
            f"{statistics.median(answered):.2%}",
            f"{error:.2%}",
            f"{found[0]['bytes']['model'] - found[0]['frontend_bytes']:,}",
            f"{found[0]['bytes']['model']:,}",
            f"{found[0]['ram']:,}",
        )
        yield f"| {' | '.join(cells)} |"


def validation_text(raw: Mapping[str, Any]) -> str:
    """What the held-out speakers gave, of the nets that the test part was read for."""
    by_name = {name: " and ".join(f"{each['integer']:.1%}" for each in raw["validation"][name]) for name in raw["final"]}
    return "; ".join(f"{name} {told}" for name, told in by_name.items())


def gate_text(pairs: Sequence[Found]) -> str:
    """The difference of features, paired by split and seed."""
    differences = np.array([100 * (each["integer"] - each["real"]) for each in pairs])
    integer, real = (100 * statistics.mean(each[key] for each in pairs) for key in ("integer", "real"))
    error = differences.std(ddof=1) / len(differences) ** 0.5
    return (
        f"{integer:.2f} % on integer features, {real:.2f} % on real ones; {len(pairs)} pairs, "
        f"mean difference {differences.mean():+.2f} points, standard error {error:.2f}"
    )


def cost_rows(costs: Mapping[str, Mapping[str, Found]]) -> Iterator[str]:
    for name, by_core in costs.items():
        for core, cost in by_core.items():
            cells = (name, core, *(f"{cost[key]:,}" for key in ("second", "flash", "ram", "stack")))
            yield f"| {' | '.join(cells)} |"


PAGE = """# Keywords from samples

Nine spoken words (down, eight, five, go, left, one, right, up, zero) of Google Speech Commands v0.01 (Warden 2018, CC BY 4.0): 3,650 clips
of a second for training, 400 for testing, of other speakers; samples at 16 kHz, kept as 8-bit mu-law codes. It is no Google-12: no silence,
no unknown words, a fortieth of the clips. In front of every net stands the integer `log_mel` of 32 bands, a frame of 512 samples every 320.

Settings were chosen on speakers of the training part alone, a quarter of them held out, one quarter and another:
{validation}.
The test part was read once, with `--final`.
The error is the standard error of one accuracy, clips clustered by speaker, its mean over the seeds. Bytes of const data: of the net with
its shared tables, and with the front-end. RAM of the state and its scratch alone: the listener's, samples and features included, is below.

| net | float, median | integer, by seed | median | error | bytes | with front-end | RAM bytes |
|---|---|---|---|---|---|---|---|
{final}

{compared} values were compared by onnxruntime, TFLite, C and the trained net (40 clips of each model and its stress set):
{differing} differ.

**Integer features against real ones.** The same float net (FastGRNN, 64 units), the same seeds, held-out speakers of the training part:
{gate}. Half a point was the goal.

## What a second of sound costs

Instructions at -O2, 50 frames; flash of code and constants; RAM of the listener, which holds state and scratch; stack beside it. The
emulated Cortex-M0 has 16 KB of RAM: a net that is not in its row does not fit there beside the program that counts.

| net | core | instructions a second | flash bytes | RAM bytes | stack bytes |
|---|---|---|---|---|---|
{costs}

Made by `python benchmarks/keywords.py --work DIRECTORY --gate`, then `--final`, with {versions}; every answer is in
`benchmarks/keywords.json`.
"""
