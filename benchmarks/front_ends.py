"""Front-ends: values that every witness computes, the integers' distance from real numbers, and what a frame costs a core.

    python benchmarks/front_ends.py --work DIRECTORY

Writes docs/front_ends.md. Each witness runs each front-end on hostile frames and on sound made up here, at loudness 1 to 1/4096, and is
compared with numpy on every value of every layer.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

import numpy as np
from front_end_costs import CLOCKS, cost, goals, seconds, table
from pushed_minute import WHERE, pushed

from rescomp.frontend.description import PRESETS, FrontEnd, Statistic
from rescomp.frontend.lowering import FEATURES, frames_of, frontend_graph
from rescomp.frontend.real import real_features
from rescomp.graph.draws import Draws
from rescomp.graph.evaluate import evaluate_graph
from rescomp.graph.fixed_point import FloatArray, IntArray
from rescomp.graph.ir import Graph
from rescomp.graph.verify import FRAME_INPUT
from rescomp.targets.cores import AVR, CORES, Core
from rescomp.targets.kernel_choice import Target
from rescomp.tests.frontend.summing_net import summing_net
from rescomp.validate.c_program import run_probe
from rescomp.validate.c_vectors import PUSHED
from rescomp.validate.emulation import run_model
from rescomp.validate.host_c import SANITIZED, HostC
from rescomp.validate.onnxruntime import OnnxruntimeWitness
from rescomp.validate.registry import load_witness
from rescomp.validate.tflite import RESOLVERS, TfliteWitness

OUTPUT = Path(__file__).parent.parent / "docs" / "front_ends.md"
FRONT_ENDS: Mapping[str, FrontEnd] = {
    "log_mel": FrontEnd(),
    **PRESETS,
    "three axes": FrontEnd("spectrum", 4000, 256, 128, 256, 24, 0.0, 2000.0, window_function="hamming", floor=0, channels=3),
    "mfcc of three axes": FrontEnd("mfcc", 4000, 256, 128, 256, 24, 0.0, 2000.0, floor=0, channels=3, coefficients=10),
    "statistics": FrontEnd("statistics", 50, 128, 64, channels=9, statistics=get_args(Statistic)),
    "mean, log_deviation": FrontEnd("statistics", 25, 125, 125, channels=45, statistics=("mean", "log_deviation")),
    "wide bands": FrontEnd("spectrum", 16000, 1024, 512, 1024, 3, 0.0, 8000.0, window_function="rectangular", floor=-10),
}
COUNTED: Mapping[str, tuple[str, ...]] = {
    "log_mel": ("spectrum_int16", "band_sum_int32", "log2_int32"),
    "statistics": ("statistics_int16", "deviation_sum_int16", "log2_int32"),
}
"""Front-ends whose instructions are counted, and the kernels that are told apart."""
LARGE_CORES = tuple(core for core in CORES.values() if core.family is not AVR)
WITNESSES = {
    "onnxruntime": OnnxruntimeWitness(),
    "onnxruntime without optimization": OnnxruntimeWitness(optimize=False),
    **{f"tflite {resolver}": TfliteWitness(resolver) for resolver in RESOLVERS},
    "tflite-micro": load_witness("tflite-micro"),
    "c, sanitized": HostC([*SANITIZED.flags, "-DRESCOMP_TAP"]),
}
SECONDS = 60
"""Of the sound that is pushed without a break."""
AT_A_TIME = 300
"""Frames that a witness is given."""


def sound(seed: int, samples: int) -> IntArray:
    """A hum whose pitch wanders, noise that comes and goes, an offset and clicks: int64 [samples] within int16."""
    rng, t = np.random.default_rng(seed), np.arange(samples)
    pitch = 2 * np.pi * np.cumsum(120 + 40 * np.sin(t / 3000)) / 16000
    voiced = sum(np.sin(k * pitch) / k for k in range(1, 12))
    loudness = 2.0 ** (-3 + 3 * np.sin(t / 2500))
    clicks = np.where(rng.random(samples) < 1e-4, rng.choice([-30000, 30000], samples), 0)
    return np.clip(np.round(3000 * loudness * (voiced + 0.3 * rng.normal(size=samples)) + 300 + clicks), -32768, 32767).astype(np.int64)


def draw_frames(front_end: FrontEnd, graph: Graph, count: int) -> IntArray:
    """Half of them hostile, the others of sound at falling loudness: int64 [count, span, channels]."""
    hostile = graph.nodes[0].op.stress(Draws(7), graph.inputs[0].type)[0]
    rng = np.random.default_rng(8)
    wild = rng.integers(-32768, 32768, (max(0, count // 2 - len(hostile)), *hostile.shape[1:])) >> rng.integers(0, 16, (1, 1, 1))
    samples = front_end.span + front_end.hop * -(-count // 8)
    mono = np.stack([sound(channel, samples) for channel in range(front_end.channels)], axis=1)
    loud = np.concatenate([frames_of(mono >> quieter, front_end) for quieter in (0, 4, 8, 12)])
    return np.concatenate([hostile, wild, loud])[-count:] if count > len(hostile) else hostile[:count]


def runs(core: Core, graph: Graph, inputs: Mapping[str, IntArray]) -> dict[str, IntArray]:
    """Every value, by an emulated core's own export."""
    return run_probe(graph, inputs, lambda model, folder, data: run_model(core, model, folder, ("-DRESCOMP_TAP",), data), Target(core))


def compare(witness: str, front_end: FrontEnd, count: int) -> tuple[int, int]:
    """(values compared, values that differ)."""
    graph = frontend_graph(front_end)
    frames = draw_frames(front_end, graph, count)
    compared = differing = 0
    for start in range(0, len(frames), AT_A_TIME):
        inputs = {FRAME_INPUT: frames[start : start + AT_A_TIME]}
        found = WITNESSES[witness].run_graph(graph, inputs) if witness in WITNESSES else runs(CORES[witness], graph, inputs)
        for name, wanted in evaluate_graph(graph, inputs).items():
            if name != FRAME_INPUT:
                compared += wanted.size
                differing += int((found[name] != wanted).sum())
    return compared, differing


def error(front_end: FrontEnd, quieter: int) -> FloatArray:
    """Features less real ones, in their own unit, where the real ones are above the floor."""
    mono = np.stack([sound(channel, 60000) >> quieter for channel in range(front_end.channels)], axis=1)
    frames = frames_of(mono, front_end)
    real = real_features(frames, front_end)
    features = evaluate_graph(frontend_graph(front_end), {FRAME_INPUT: frames})[FEATURES] / 1024
    return (features - real)[real > front_end.floor + 1]


def count(core: Core, name: str) -> dict[str, int]:
    """What one frame of sound costs."""
    front_end = FRONT_ENDS[name]
    frame = frames_of(np.stack([sound(0, 4000)] * front_end.channels, axis=1), front_end)[3:4]
    return cost(core, front_end, COUNTED[name], frame)


def report(
    results: Mapping[str, Mapping[str, tuple[int, int]]],
    costs: Mapping[str, Mapping[str, Mapping[str, int]]],
    minute: Mapping[str, tuple[int, int]],
) -> Iterator[str]:
    """The page, line by line."""
    yield from [
        "# Front-ends, measured",
        "",
        "Written by `python benchmarks/front_ends.py`; [contract.md](contract.md) says what is computed.",
        "",
    ]
    yield from ["## Who agrees", "", "Values of every layer compared with numpy, and how many differ.", ""]
    yield f"| witness | {' | '.join(FRONT_ENDS)} | all |"
    yield "|---|" + "---|" * (len(FRONT_ENDS) + 1)
    for witness, row in results.items():
        total = [sum(each[i] for each in row.values()) for i in (0, 1)]
        cells = [f"{row[name][0]:,}, {row[name][1]}" if name in row else "-" for name in FRONT_ENDS]
        yield f"| {witness} | {' | '.join(cells)} | {total[0]:,}, {total[1]} |"
    yield from [
        "",
        "## How near real numbers",
        "",
        "Sound made up in the script, quiet parts and clicks included, at loudness 1, 1/16, 1/256, where it is above the floor: dB rms,",
    ]
    yield from ["6.02 a power of two. A pre-emphasis rounds samples of a few units. Of mlperf_tiny_kws it is coefficients.", ""]
    yield "| front-end | 1 | 1/16 | 1/256 |"
    yield "|---|---|---|---|"
    for name, front_end in FRONT_ENDS.items():
        if front_end.takes_spectra:
            yield f"| {name} | {' | '.join(f'{6.02 * np.sqrt(np.mean(error(front_end, by) ** 2)):.2f}' for by in (0, 4, 8))} |"
    yield from ["", "## What a frame costs", "", "Instructions at -O2 (cycles of an AVR), and bytes, each core with its own kernels."]
    for name, kernels in COUNTED.items():
        yield from ["", f"`{name}`, a frame of {FRONT_ENDS[name].length} samples and {FRONT_ENDS[name].features} features:", ""]
        yield from table(kernels, costs[name])
    yield from ["", "Goals for `log_mel`:", "", *goals(FRONT_ENDS["log_mel"], costs["log_mel"])]
    yield from ["", "## What a second costs", "", *seconds(FRONT_ENDS["log_mel"], costs["log_mel"])]
    yield from ["", "## A minute without a break", "", *minute_lines(minute)]


def minute_lines(minute: Mapping[str, tuple[int, int]]) -> Iterator[str]:
    """What came of SECONDS of sound, pushed."""
    parts = ", ".join(map(str, sorted(PUSHED)))
    yield f"{SECONDS} seconds of sound at 16,000 samples a second, pushed to `log_mel` and a small net behind it, {parts} samples at a time"
    yield "(over a serial line in parts of several sizes), beside the features, states and scores that numpy makes of it offline:"
    yield from ["", "| where | values compared | differ |", "|---|---|---|"]
    yield from (f"| {where} | {compared:,} | {differing} |" for where, (compared, differing) in minute.items())


def pushed_minute() -> dict[str, tuple[int, int]]:
    """By where it was pushed: values compared, and how many differ."""
    recording = sound(5, SECONDS * 16000)[:, None]
    return {where: pushed(summing_net(FRONT_ENDS["log_mel"], 1), recording, where) for where in WHERE}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--frames", type=int, default=300)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    results: dict[str, dict[str, tuple[int, int]]] = {}
    for witness in (*WITNESSES, *(core.name for core in LARGE_CORES)):
        kept = arguments.work / f"{witness}.json"
        known = json.loads(kept.read_text()) if kept.is_file() else {}
        known |= {name: compare(witness, each, arguments.frames) for name, each in FRONT_ENDS.items() if name not in known}
        kept.write_text(json.dumps(known))
        results[witness] = known
        print(witness, results[witness], flush=True)
    costs = {name: {core: count(CORES[core], name) for core in CLOCKS} for name in COUNTED}
    OUTPUT.write_text("\n".join([*report(results, costs, pushed_minute()), ""]), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
