"""The kernels of a front-end on the emulated cores and, as plain C, on the host: between guard bytes, with registers that must be kept.

On a core they are the files that its export would hold. Inputs are all sizes and lengths that take another path, with hostile frames; and
each of some errors planted in these files is found.
"""

import subprocess
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest

from rescomp.export.c_templates import read_template
from rescomp.frontend.description import FrontEnd
from rescomp.frontend.lowering import FEATURES, frontend_graph
from rescomp.graph import ops
from rescomp.graph.draws import Draws
from rescomp.graph.evaluate import evaluate_graph
from rescomp.graph.fixed_point import log2_table, sine_table
from rescomp.graph.formats import Format, TensorType
from rescomp.graph.verify import FRAME_INPUT
from rescomp.targets.cores import AVR, CORES
from rescomp.targets.kernel_choice import Target
from rescomp.tests.kernels.planted import firmware, write_kernels
from rescomp.validate.c_program import TAP_FLAG, WARNINGS, run_probe
from rescomp.validate.emulation import run_firmware, run_model
from rescomp.validate.host_c import SANITIZED

MAIN = Path(__file__).with_name("spectra_main.c")
NAMES = ("spectrum_int16", "band_sum_int32", "log2_int32", "statistics_int16", "deviation_sum_int16")
"""In the order of the numbers in spectra_main.c."""
INPUTS, BUFFERS = 4, 6
CASE = np.dtype([("kernel", "<u2"), ("bytes", "<u2", BUFFERS), ("offsets", "<u2", BUFFERS), ("parameters", "<i2", 4), ("unused", "<u2")])
LARGE_CORES = [core.name for core in CORES.values() if core.family is not AVR]


@dataclass(frozen=True)
class Case:
    """What spectra_main.c reads of a call, and the outputs that it should give."""

    data: bytes
    wanted: tuple[np.ndarray, ...]


def encode(name, inputs, wanted, parameters, offset=0):
    """offset: bytes by which buffers of int16 lie off a word."""
    buffers = [*inputs, *[np.zeros(0, np.int16)] * (INPUTS - len(inputs)), *wanted]
    buffers += [np.zeros(0, np.int16)] * (BUFFERS - len(buffers))
    header = np.zeros((), CASE)
    header["kernel"] = NAMES.index(name)
    header["bytes"] = [x.nbytes for x in buffers]
    header["offsets"] = [offset if x.dtype == np.int16 else 0 for x in buffers]
    header["parameters"][: len(parameters)] = parameters
    return Case(header.tobytes() + b"".join(x.tobytes() for x in inputs), tuple(wanted))


def lengths(size):
    """Around the places where the window turns, and the end: (samples, pre-emphasis, channels)."""
    yield from (
        (size, 0, 1),
        (size, 5, 1),
        (size - 1, 5, 1),
        (size - 2, 1, 1),
        (size - 3, 14, 1),
        (2, 5, 1),
        (3, 0, 1),
        (size // 2 + 1, 3, 1),
    )
    if size < 512:
        yield from ((size - 1, 5, 2), (size // 2 + 3, 0, 3))


def spectrum_cases():
    rng = np.random.default_rng(0)
    for size in (16, 32, 64, 128, 256, 512, 1024):
        for i, (length, pre_emphasis, channels) in enumerate(lengths(size)):
            window = rng.integers(0, 1 << 15, length // 2 + 1).astype(np.int16) >> (3 if i == 4 else 0)
            window[-1] = 32767
            op = ops.Spectrum(size, length, window, pre_emphasis)
            x = op.stress(Draws(i), TensorType((op.span, channels), Format(15)))[0]
            frames = x[rng.permutation(len(x))[: 12 if size < 256 else 5]]
            for k, (frame, bins, doublings) in enumerate(zip(frames, *op.evaluate(frames), strict=True)):
                wanted = bins.astype(np.int32), doublings.astype(np.int16)
                inputs = frame.astype(np.int16), window, sine_table(size)
                yield encode("spectrum_int16", inputs, wanted, (channels, size, length, pre_emphasis), 2 * (k % 2))


def band_sum_cases():
    rng = np.random.default_rng(1)
    for i in range(60):
        channels, bins, bands = int(rng.integers(1, 4)), 1 << int(rng.integers(1, 8)), int(rng.integers(1, 9))
        first = rng.integers(0, bins, bands)
        count = rng.integers(1, np.minimum(bins - first, 16) + 1) if i else np.ones(bands)
        weight = rng.integers(0, 128, int(count.sum())).astype(np.int8)
        op = ops.BandSum(first.astype(np.int16), count.astype(np.int16), weight)
        x = rng.integers(0, 1 << 20, (channels, bins)) >> int(rng.choice([0, 0, 10]))
        wanted = op.evaluate(x[None])[0][0].astype(np.int32)
        yield encode("band_sum_int32", (x.astype(np.int32), op.first, op.count, weight), (wanted,), (channels, bins, bands), 2 * (i % 2))


def log2_cases():
    rng = np.random.default_rng(2)
    powers = np.int64(1) << np.arange(31)
    edges = np.concatenate([[0], powers, powers - 1, powers + 1, [(1 << 31) - 1]])
    for i in range(40):
        channels, bands = int(rng.integers(1, 4)), int(rng.integers(1, 20))
        op = ops.Log2(
            rng.integers(-32767, 32768, bands).astype(np.int16) >> int(rng.choice([0, 3, 15])), int(rng.choice([-32768, 0, 5120]))
        )
        x = rng.choice(edges, (channels, bands)) if i % 2 else rng.integers(0, 1 << 31, (channels, bands)) >> int(rng.integers(31))
        doublings = rng.integers(0, 33, channels)
        wanted = op.evaluate(x[None], doublings[None])[0][0].astype(np.int16)
        inputs = x.astype(np.int32), doublings.astype(np.int16), log2_table(), op.offset
        yield encode("log2_int32", inputs, (wanted,), (channels, bands, op.floor), 2 * (i // 2 % 2))


def frames_of_statistics(rng, op):
    """(a frame [samples, channels], its number): few and many samples, odd and even channels, hostile frames in each of them."""
    for samples, channels in ((2, 1), (3, 2), (7, 3), (40, 1), (128, 9), (250, 4), (1024, 1), (1024, 2)):
        x = op.stress(Draws(samples), TensorType((samples, channels), Format(15)))[0]
        x = np.concatenate([x, rng.integers(-32768, 32768, (6, samples, channels)) >> rng.integers(0, 16, (6, 1, channels))])
        for number, row in enumerate(rng.permutation(len(x))[: 9 if samples < 1024 else 4]):
            mixed = np.stack([np.roll(x[(row + 7 * channel) % len(x), :, channel], channel) for channel in range(channels)], axis=1)
            yield mixed.astype(np.int16), number


def statistics_cases():
    rng = np.random.default_rng(3)
    for frame, number in frames_of_statistics(rng, ops.FrameStatistics(True, True, True, True, True)):
        wanted = int(rng.integers(1, 32)) if number % 3 else (31, 1, 14)[number // 3]
        op = ops.FrameStatistics(*(bool(wanted >> bit & 1) for bit in range(5)))
        parameters = frame.shape[1], frame.shape[0], wanted
        yield encode("statistics_int16", (frame,), (op.evaluate(frame[None].astype(np.int64))[0][0].astype(np.int16),), parameters)


def deviation_sum_cases():
    rng = np.random.default_rng(4)
    for frame, number in frames_of_statistics(rng, ops.DeviationSum(2)):
        op = ops.DeviationSum(1 + number % 2)
        sums, doublings = op.evaluate(frame[None].astype(np.int64))
        outputs, (samples, channels) = (sums[0].astype(np.int32), doublings[0].astype(np.int16)), frame.shape
        yield encode("deviation_sum_int16", (frame,), outputs, (channels, samples, op.power, 20 - op.bits(samples)), 2 * (number % 2))


CASES = dict(zip(NAMES, (spectrum_cases, band_sum_cases, log2_cases, statistics_cases, deviation_sum_cases), strict=True))


@cache
def cases_of(name):
    return list(CASES[name]())


def differing(run, cases):
    """Numbers of the cases in which anything went wrong."""
    output = run(np.uint32(len(cases)).tobytes() + b"".join(case.data for case in cases))
    wrong = []
    for number, case in enumerate(cases):
        said, output = int.from_bytes(output[:4], "little"), output[4:]
        for wanted in case.wanted:
            same = np.array_equal(np.frombuffer(output, wanted.dtype, wanted.size), wanted.reshape(-1))
            said, output = said or not same, output[wanted.nbytes :]
        wrong += [number] if said else []
    assert not output
    return wrong


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    return cache(lambda name: firmware(CORES[name], MAIN, NAMES, tmp_path_factory.mktemp(name)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("core", LARGE_CORES)
def test_kernels_of_a_front_end_compute_what_they_mean_on_a_core(emulated, programs, core, name):
    core = emulated(core)
    assert len(cases_of(name)) >= 40
    assert differing(lambda data: run_firmware(core, programs(core.name), data), cases_of(name)) == []


def host_program(folder, change=("", "", ""), flags=SANITIZED.flags):
    """The definitions, under the sanitizers."""
    (folder / "io.h").write_text(read_template("platforms/io.h"))
    (folder / "io.c").write_text(read_template("platforms/host/io.c"))
    sources = [*write_kernels(folder, NAMES, (), change), MAIN, folder / "io.c"]
    command = ["gcc", "-std=c99", *WARNINGS, *flags, f"-I{folder}", "-o", "program", *map(str, sources)]
    subprocess.run(command, cwd=folder, check=True, timeout=120)
    return lambda data: subprocess.run([folder / "program"], input=data, capture_output=True, check=True, timeout=120).stdout


def test_definitions_of_a_front_end_compute_what_they_mean(tmp_path):
    run = host_program(tmp_path)
    for name in NAMES:
        assert differing(run, cases_of(name)) == []


def test_a_front_end_on_an_avr_computes_what_it_means(emulated):
    """Where int has 16 bits, and constants lie in a memory of their own."""
    core, graph = emulated("atmega2560"), frontend_graph(FrontEnd("log_mel", 8000, 200, 80, 256, 5, 60.0, 3800.0))
    frames = graph.nodes[0].op.stress(Draws(1), graph.inputs[0].type)[0][::12]
    found = run_probe(
        graph, {FRAME_INPUT: frames}, lambda model, folder, data: run_model(core, model, folder, (TAP_FLAG,), data), Target(core)
    )
    wanted = evaluate_graph(graph, {FRAME_INPUT: frames})
    assert len(frames) > 10
    assert {name for name in found if not np.array_equal(found[name], wanted[name])} == set()
    assert {"magnitudes", "doublings", FEATURES} <= set(found)


SOON = {name: slice(None, None, step) for name, step in zip(NAMES, (3, 2, 2, 2, 2), strict=True)}
"""Of the cases, those that look for a planted error."""
READ, TRANSFORM, SPLIT = (f"rescomp_spectrum_{part}.h" for part in ("read", "transform", "split"))
PAIR = "rescomp_channel_pair.h"
PLANTED = [
    ("", TRANSFORM, "raised(point_at(p), 3)", "raised(point_at(p), 2)"),
    ("", READ, "rescomp_round_half_up_shift(largest, Q15)", "(largest >> Q15)"),
    ("", "rescomp_spectrum_zeros.h", "| 2) - 17", "| 1) - 17"),
    ("", "rescomp_spectrum_window.h", "length - i;", "length - i - 1;"),
    ("", "log2_int32.c", "fraction, ONE_BITS)", "fraction - 512, ONE_BITS)"),
    ("cortex-m0", "rescomp_spectrum_word.h", "halves[1] = (int16_t)upper", "halves[1] = (int16_t)(upper + (lower < 0))"),
    ("cortex-m3", "rescomp_leading_bit.h", "__builtin_clz(value)", "__builtin_clz(value + 1)"),
    ("cortex-m4", "rescomp_spectrum_point.h", "(1 << 14) - (int32_t)", "(1 << 14) - 1 - (int32_t)"),
    ("cortex-m4", READ, "from->before = second;", "from->before = first;"),
    ("cortex-m4", SPLIT, "((1 << 13) - re)", "((1 << 13) - 1 - re)"),
    ("cortex-m4", PAIR, "(spread->mean[0] + 15) >> 4", "(spread->mean[0] + 16) >> 4"),
    ("cortex-m4", PAIR, "pair.second = left > 1;", "pair.second = left > 0;"),
    (
        "cortex-m4",
        "deviation_sum_int16.c",
        "half - ((uint32_t)spread.mean[1] << zeros[1])",
        "half - ((uint32_t)spread.mean[1] << zeros[0])",
    ),
    ("cortex-m4", "statistics_int16.c", "half_of(spread->maximum, k)", "half_of(spread->maximum, 0)"),
    ("cortex-m55", TRANSFORM, "unless(v->is_one, y2, multiplied(y2, v->w))", "multiplied(y2, v->w)"),
    ("cortex-m55", READ, "vqsubq_s16", "vsubq_s16"),
    ("cortex-m55", "band_sum_int32.c", "next += left;", "next += left - 1;"),
]
"""(the core, or none: the definition; the file; what is there; what is put there)"""


@pytest.mark.parametrize(("core", "name", "old", "new"), PLANTED, ids=lambda each: each[:24])
def test_an_error_in_a_kernel_of_a_front_end_is_found(emulated, tmp_path, core, name, old, new):
    if core:
        program = firmware(emulated(core), MAIN, NAMES, tmp_path, (name, old, new))
        run = partial(run_firmware, CORES[core], program)
    else:
        run = host_program(tmp_path, (name, old, new), flags=("-O1",))
    assert any(differing(run, cases_of(each)[SOON[each]]) for each in NAMES)
