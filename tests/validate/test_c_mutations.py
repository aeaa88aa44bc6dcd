"""One-off errors planted in the exported C: each must be found, or the comparison proves nothing."""

import re

import numpy as np
import pytest

from rescomp.graph.evaluate import evaluate
from rescomp.validate.c_program import write_export
from rescomp.validate.compare import compare
from rescomp.validate.host_c import HostC
from rescomp.validate.witness import Job

ROUNDING = "return (value + (INT32_C(1) << (shift - 1))) >> shift;"


def mismatches(model, folder, x, lengths):
    job = Job(model, folder, x.astype(np.int16), lengths)
    return compare(job, evaluate(model, x, lengths), next(HostC().answers(job)).trajectory).mismatches


@pytest.fixture
def planted(request, random_sequences, tmp_path):
    """A function (file, pattern, replacement, model options) -> mismatches after replacing the first match, 0 before."""

    def plant(name, pattern, replacement, cell="fastgrnn", **options):
        rng = np.random.default_rng(3)
        model = request.getfixturevalue(f"random_{cell}")(rng, **options)
        x, lengths = random_sequences(rng, model, count=40, longest=12)
        write_export(tmp_path / "c", model)
        assert mismatches(model, tmp_path, x, lengths) == 0
        path = tmp_path / "c" / name
        text, count = re.subn(pattern, replacement, path.read_text(), count=1)
        assert count == 1
        path.write_text(text)
        return mismatches(model, tmp_path, x, lengths)

    return plant


@pytest.mark.parametrize(
    "wrong",
    [
        "return value >> shift;",
        "return (value + (INT32_C(1) << (shift - 1)) - 1) >> shift;",
        "return value / (INT32_C(1) << (shift - 1)) / 2;",
    ],
    ids=["no rounding", "half down", "towards zero"],
)
@pytest.mark.parametrize("weights", ["ternary", "int8"])
def test_rounding(planted, wrong, weights):
    assert planted("rescomp/rescomp_math.h", re.escape(ROUNDING), wrong, power_of_two=True, table=False, weights=weights) > 0


@pytest.mark.parametrize("entry", [8, 16])
def test_table_entry(planted, entry):
    pattern = rf"(tanh_table\[129\] = {{(?:\s*\d+,){{{entry}}}\s*)(\d+)"
    assert planted("tiny.c", pattern, lambda match: f"{match[1]}{int(match[2]) + 1}", power_of_two=True) > 0


@pytest.mark.parametrize("bit", [0, 2, 4])
def test_packed_ternary_code(planted, bit):
    pattern = r"(recurrent_product_weight\[\d+\] = \{\s*0x)([0-9a-f]{2})"
    assert planted("tiny.c", pattern, lambda match: f"{match[1]}{int(match[2], 16) ^ 1 << bit:02x}", power_of_two=True) > 0


def test_rounding_between_int8_values(planted):
    wrong = "return (value + (INT32_C(1) << (shift - 1)) - 1) >> shift;"
    assert planted("rescomp/rescomp_math.h", re.escape(ROUNDING), wrong, cell="mixed") > 0


@pytest.mark.parametrize(
    ("name", "pattern", "replacement"),
    [
        ("rescomp/rescomp_add_body.h", r", low, high\)", ", low, high - 1)"),
        ("rescomp/rescomp_dot_int4.h", r"pair >> 4", "pair >> 3"),
        ("mixed.c", r"joined, 7, 0, 127", "joined, 7, -128, 127"),
        ("mixed.c", r"scratch \+ 5;", "scratch + 4;"),
    ],
)
def test_int8_kernels_and_their_memory(planted, name, pattern, replacement):
    assert planted(name, pattern, replacement, cell="mixed") > 0


def test_ternary_decoder(planted):
    assert planted("rescomp/rescomp_ternary.h", r"byte\[4\] << 2", "byte[4] << 3", power_of_two=True) > 0


def test_requantization_multiplier(planted):
    pattern = r"(recurrent_product_multiplier\[\d+\] = \{\s*)(\d+)"
    assert planted("tiny.c", pattern, lambda match: f"{match[1]}{int(match[2]) ^ 64}", power_of_two=False) > 0


@pytest.mark.parametrize(("weights", "bytes_of_index"), [("sparse_bitmap_int8", 20), ("sparse_delta_int4", 1)])
def test_sparse_stream(planted, weights, bytes_of_index):
    """A bit of the recurrent matrix's first value, which follows its index, and one of the index itself."""
    for place, bit in ((bytes_of_index, 0), (0, 1)):
        pattern = rf"(recurrent_product_weight\[\d+\] = {{(?:\s*0x..,){{{place}}}\s*0x)([0-9a-f]{{2}})"
        assert planted("tiny.c", pattern, lambda match, bit=bit: f"{match[1]}{int(match[2], 16) ^ 1 << bit:02x}", weights=weights) > 0


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [(r"reader->pending \^= 1", "reader->pending = 1"), (r"pair >> 4", "pair >> 3")],
)
def test_sparse_decoder(planted, pattern, replacement):
    assert planted("rescomp/rescomp_sparse.h", pattern, replacement, weights="sparse_delta_int4", hidden=70) > 0


def test_sparse_skips(planted):
    name, pattern = "rescomp/rescomp_fully_connected_sparse_delta_body.h", r"1 \+ rescomp_sparse_skip"
    assert planted(name, pattern, "rescomp_sparse_skip", weights="sparse_delta_int4", hidden=70) > 0


@pytest.mark.parametrize(
    ("weights", "name", "pattern", "replacement"),
    [
        ("sparse_delta_int8", "sparse_patch", r"\(int32_t\)at.left \* ", "(int32_t)at.left + "),
        ("sparse_delta_int8", "sparse_patch", r"line < block->bottom", "line <= block->bottom"),
        ("sparse_bitmap_int4", "sparse_patch", r"input_line - block->kernel_line", "input_line"),
        ("sparse_bitmap_int4", "conv2d_sparse_bitmap_body", r"\+\+place", "place += 2"),
        ("sparse_kernels_int8", "conv2d_sparse_kernels_body", r"place \+= entries", "place += entries - 1"),
        ("sparse_kernels_int4", "conv2d_sparse_kernels_body", r"block->top \* shape->kernel.x", "block->top * 2"),
        ("sparse_kernels_int4", "sparse_patch", r"entry\[3 \* step\]", "entry[2 * step]"),
        ("sparse_delta_int4", "sparse_patch", r"source \+ 2 \* step, place", "source + step, place"),
        ("sparse_rows_int4", "conv2d_sparse_rows_body", r"7u", "8u"),
    ],
)
def test_sparse_windows(random_block, tmp_path, weights, name, pattern, replacement):
    rng = np.random.default_rng(3)
    model = random_block(rng, weights=weights, channels=8, size=(3, 11))
    x, lengths = rng.integers(-9000, 9000, (6, 3, 11, 8)), np.ones(6, np.int64)
    write_export(tmp_path / "c", model)
    assert mismatches(model, tmp_path, x, lengths) == 0
    path = tmp_path / "c" / "rescomp" / f"rescomp_{name}.h"
    text, count = re.subn(pattern, replacement, path.read_text(), count=1)
    assert count == 1
    path.write_text(text)
    assert mismatches(model, tmp_path, x, lengths) > 0


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [(r"word >> 17", "word >> 16"), (r"SIGNS 32", "SIGNS 31"), (r"signs & 1", "~signs & 1"), (r"entry \+= count", "entry += 31")],
)
def test_signs_from_a_seed(planted, pattern, replacement):
    assert planted("rescomp/rescomp_fully_connected_seeded_body.h", pattern, replacement, weights="seeded", inputs=40) > 0


@pytest.mark.parametrize("cell", ["fastrnn", "gru", "lstm"])
def test_rounding_of_a_gated_sum(planted, cell):
    """The last shift; the first one decides so rarely that test_op_witnesses.py picks the values where it does."""
    assert planted("rescomp/rescomp_math.h", re.escape(" + c * d, 15);"), " + c * d - 16384, 15);", cell=cell) > 0
