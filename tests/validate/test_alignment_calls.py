"""What a header offers to a device that is worn: verify sets, adds up and calibrates as firmware does, and sees each fault there."""

import numpy as np
import pytest

from rescomp.graph.alignment import MOST_CALIBRATED, WIDEST_TURN, alignment_of, direction, set_alignment, unit, with_alignment
from rescomp.graph.fixed_point import round_half_up_shift
from rescomp.graph.ops.align import IDENTITY
from rescomp.validate.alignment_calls import AlignmentCalls
from rescomp.validate.build import RESCOMP_S_OWN, Build
from rescomp.validate.c_program import write_export
from rescomp.validate.registry import load_witness
from rescomp.validate.witness import Job

CHANNELS, AXES, UP = 7, (0, 1, 2, 6, 4, 3), direction(np.array([0.2, -0.95, 0.25]))
CORES = ["cortex-m0", "riscv32imc", "atmega328p"]


@pytest.fixture(scope="module")
def worn(random_fastgrnn):
    """A net that reads two readings a step."""
    return with_alignment(random_fastgrnn(np.random.default_rng(0), inputs=2 * CHANNELS, readings=2), CHANNELS, AXES, UP)


@pytest.fixture
def used(worn, random_sequences, tmp_path):
    """A function (file, right, wrong, core, further replacements) -> what the witness answers to the C in which a piece is replaced."""

    def use(file="", right="", wrong="", core="", also=()):
        write_export(tmp_path / "c", worn)
        for old, new in ((right, wrong), *also) if file else ():
            path = tmp_path / "c" / file
            text = path.read_text()
            assert text.count(old) == 1
            path.write_text(text.replace(old, new))
        x, lengths = random_sequences(np.random.default_rng(1), worn, count=4, longest=9)
        witness = "simavr" if core.startswith("at") else "qemu" if core else "c"
        build = Build("gcc", ("-O1",)) if file else RESCOMP_S_OWN
        (answer,) = load_witness(witness).run_uses(Job(worn, tmp_path, x.astype(np.int16), lengths, core, build=build))
        return answer

    return use


def test_generated_c_sets_adds_up_and_calibrates_as_numpy_does(used):
    answer = used()
    assert (answer.mismatches, answer.first, answer.small) == (0, "", False)
    assert answer.compared > 1500


@pytest.mark.parametrize("core", CORES)
def test_so_does_a_core(core, used, emulated):
    emulated(core)
    answer = used(core=core)
    assert (answer.mismatches, answer.first) == (0, "")


def test_what_is_called_reaches_both_sides_of_every_refusal(worn):
    """120 degrees and one step less, no direction, no room, and room for one reading of two."""
    readings = np.random.default_rng(2).integers(-3000, 3000, (5, *worn.input.type.shape))
    calls = AlignmentCalls(worn, readings, small=False)
    cosines = [
        int(round_half_up_shift(unit(sums) @ np.array(UP), 14))
        for sums in (array[()]["sums"].astype(np.int64) for what, array in calls.expected if "calibration 0 after bits" in what)
        if sums.any()
    ]
    assert {WIDEST_TURN + each for each in (-1, 0, 1)} <= set(cosines)
    found = [int(array) for what, array in calls.expected if what.startswith("what calibrate returns")]
    assert min(found.count(0), found.count(1)) > 30
    counts = {int(array["readings"]) for what, array in calls.expected if what.startswith("calibration") and "after add" in what}
    assert counts >= {MOST_CALIBRATED, MOST_CALIBRATED + 1, (1 << 32) - 1}
    small = AlignmentCalls(worn, readings, small=True)
    assert not any(what.startswith(("state 1", "calibration 1")) for what, _ in small.expected)


def test_any_bits_of_sums_have_a_direction_and_an_entry_past_one_is_one():
    """By hand: the lowest integer of 32 bits on every axis is a diagonal, and so is minus one."""
    lowest = np.full(3, -(1 << 31), np.int64)
    assert np.array_equal(unit(lowest), unit(np.full(3, -1)))
    assert unit(lowest).tolist() == [-9460] * 3  # s = 4096, L = floor(sqrt(12 s^2)) = 14188, (2^15 s + L / 2) / L = 9460.4
    assert alignment_of(lowest, direction(-np.ones(3))).tolist() == pytest.approx([0] * 9, abs=3)
    assert set_alignment(np.full(9, 32767)).tolist() == [0, 16384, 16384, 16384, 0, 16384, 16384, 16384, 0]
    assert np.array_equal(set_alignment(np.zeros(9, np.int64)), -IDENTITY)


C, KERNEL = "tiny.c", "rescomp/rescomp_alignment.h"
FAULTS = {
    "one reading more": (C, "calibration->readings >= TINY_MOST_CALIBRATED", "calibration->readings > TINY_MOST_CALIBRATED"),
    "another most": ("tiny.h", "TINY_MOST_CALIBRATED 32768", "TINY_MOST_CALIBRATED 32767"),
    "only a count of so many": (C, "calibration->readings >= TINY_MOST_CALIBRATED", "calibration->readings == TINY_MOST_CALIBRATED"),
    "the count stands still": (C, "        ++calibration->readings;\n", ""),
    "an input of which one reading fits": (C, "            return;\n        }\n        ++", "            break;\n        } if (i + 1 < 2 && calibration->readings + 2 > TINY_MOST_CALIBRATED) return;\n        ++"),
    "other axes": (C, "axes[3] = {0, 1, 2}", "axes[3] = {0, 2, 1}"),
    "the first reading alone": (C, "++i, input += 7", "++i, input += 0"),
    "sums that saturate": (C, "calibration->sums[k] = (int32_t)((uint32_t)calibration->sums[k] + (uint32_t)(int32_t)input[axes[k]]);", "if (calibration->sums[k] < INT32_MAX - 32768 && calibration->sums[k] > INT32_MIN + 32768) {\n                calibration->sums[k] += input[axes[k]];\n            }"),
    "a rotation transposed": (C, "rotation[i], -RESCOMP", "rotation[i % 3 * 3 + i / 3], -RESCOMP"),
    "a rotation that is not clamped": (C, "rescomp_clamp(rotation[i], -RESCOMP_ROTATION_ONE, RESCOMP_ROTATION_ONE)", "rotation[i]"),
    "the last entry is left": (C, "i < 9; ++i) {\n        state->alignment", "i < 8; ++i) {\n        state->alignment"),
    "init clears no alignment": (C, "    memset(state->alignment, 0, sizeof state->alignment);\n", ""),
    "a refused calibration clears": (C, "rotation)) {\n        return 0;", "rotation)) {\n        memset(state->alignment, 0, sizeof state->alignment);\n        return 0;"),
    "a calibration begins the state anew": (C, "    tiny_set_alignment(state, rotation);\n    return 1;", "    tiny_init(state);\n    tiny_set_alignment(state, rotation);\n    return 1;"),
    "it always says yes": (C, "reference, rotation)) {\n        return 0;", "reference, rotation)) {\n        return 1;"),
    "one that is 120 degrees away": (KERNEL, "cosine <= -RESCOMP_ROTATION_ONE / 2", "cosine < -RESCOMP_ROTATION_ONE / 2"),
    "the other way around": (KERNEL, "== 1 ? -axis[third] : axis[third]", "== 1 ? axis[third] : -axis[third]"),
    "no rounding of the squares": (KERNEL, " + divisor / 2);", ");"),
    "a root that is one too large": (KERNEL, "(root | bit) * (root | bit) <= value", "(root | bit) * (root | bit) <= value + 2 * (root | bit)"),
    "a root below a square": (KERNEL, "(root | bit) * (root | bit) <= value", "(root | bit) * (root | bit) < value"),
    "a square too many": (KERNEL, "squares = 0, twice", "squares = 1, twice"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_seen(name, used):
    answer = used(*FAULTS[name])
    assert answer.mismatches > 0
    assert answer.first.isprintable()


def test_a_fault_is_told_by_its_call_and_entry(used):
    assert used(*FAULTS["one reading more"]).first.startswith("calibration 1 after add_calibration, in call ")
    assert used(*FAULTS["it always says yes"]).first.startswith("what calibrate returns, in call ")
    assert used(*FAULTS["another most"]).first == "TINY_MOST_CALIBRATED is 32767 instead of 32768"


def test_sums_that_are_kept_beside_the_calibration_are_seen(used):
    """The last calibration that was added to is the one that is found, whichever is asked for."""
    adds = "calibration->sums[k] = (int32_t)((uint32_t)calibration->sums[k] + (uint32_t)(int32_t)input[axes[k]]);"
    kept = f"{adds}\n            tiny_kept[k] = calibration->sums[k];"
    answer = used(
        C,
        adds,
        kept,
        also=[
            ("#include <string.h>\n", "#include <string.h>\nstatic int32_t tiny_kept[3];\n"),
            ("if (!rescomp_turn_to(calibration->sums", "(void)calibration;\n    if (!rescomp_turn_to(tiny_kept"),
        ],
    )
    assert answer.mismatches > 0
