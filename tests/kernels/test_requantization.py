"""The 32-bit requantization of the kernels equals fixed_point.Requantization: every shift, edges, exact ties and their neighbours."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from rescomp.graph.fixed_point import MAX_SHIFT, MIN_SHIFT, Requantization

KERNELS = Path(__file__).parents[2] / "firmware_templates" / "kernels"
MULTIPLIERS = [1 << 14, (1 << 14) + 1, 19661, 24576, 28672, 30000, (1 << 15) - 2, (1 << 15) - 1]
LIMITS = [(-(1 << 15), (1 << 15) - 1), (-10922, 10922), (0, 32767)]
LIMIT = 1 << 30

PROGRAM = r"""
#include <stdio.h>
#include "rescomp_math.h"

int main(void)
{
    int32_t r[5];

    while (fread(r, sizeof r, 1, stdin) == 1) {
        const int16_t multiplier = (int16_t)r[1];
        const int8_t shift = (int8_t)r[2];
        const rescomp_requantization by =
            rescomp_requantize_by(NULL, multiplier ? &multiplier : NULL, 1, &shift, 1, (int16_t)r[3], (int16_t)r[4]);
        const int16_t result = rescomp_requantize(r[0], &by, 0);

        if (fwrite(&result, sizeof result, 1, stdout) != 1) {
            return 1;
        }
    }
    return 0;
}
"""


@pytest.fixture(scope="module", params=["-O2", "-O1 -fsanitize=undefined -fno-sanitize-recover=all"])
def requantize(request, tmp_path_factory):
    """A function (accumulator, multiplier (0: none), shift, low, high) -> int16, all int32 [n], run by the compiled C."""
    assert shutil.which("gcc"), "these tests need gcc: apt-get install gcc libc6-dev"
    folder = tmp_path_factory.mktemp("requantization")
    (folder / "main.c").write_text(PROGRAM)
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-Wconversion", f"-I{KERNELS}", *request.param.split()]
    subprocess.run(["gcc", *flags, "-o", "main", "main.c"], cwd=folder, check=True, timeout=120)

    def run(*columns):
        records = np.stack(np.broadcast_arrays(*columns), axis=1).astype("<i4")
        result = subprocess.run([folder / "main"], input=records.tobytes(), capture_output=True, check=True, timeout=120)
        return np.frombuffer(result.stdout, "<i2")

    return run


def accumulators(rng, multiplier, shift):
    """Edges, random values, and all sums whose product with `multiplier` is a tie, or one next to a tie, modulo 2^shift."""
    powers = 1 << np.arange(31)
    edges = np.concatenate([sign * powers + delta for sign in (-1, 1) for delta in (-1, 0, 1)])
    uniform = rng.integers(1 - LIMIT, LIMIT, 400)
    logarithmic = np.round(np.exp2(rng.uniform(0, 30, 400)) * rng.choice([-1, 1], 400))
    twos = (multiplier & -multiplier).bit_length() - 1
    modulus = 1 << (shift - min(twos, shift))
    inverse = pow(multiplier >> twos, -1, modulus) if modulus > 1 else 0
    targets = [((1 << (shift - 1)) >> twos) + delta for delta in range(-3, 4)]
    ties = [(target * inverse) % modulus for target in targets]
    near = [tie + modulus * k for tie in ties for k in range(-20, 20)]
    wrapped = [tie - modulus * ((tie + LIMIT) // modulus) for tie in ties]
    exact = [int(n) for n in (*near, *wrapped) if abs(n) < LIMIT]
    every = np.concatenate([edges, uniform, logarithmic, np.array(exact, np.int64)]).astype(np.int64)
    return every[np.abs(every) < LIMIT]


def expected(accumulator, multiplier, shift, low, high):
    by = Requantization(np.array([multiplier], np.int32), np.array([shift], np.int32))
    return by(accumulator[:, None], low, high)[:, 0]


def test_multiplier_form(requantize):
    rng, columns, results, ties = np.random.default_rng(0), [], [], 0
    for shift in range(MIN_SHIFT, MAX_SHIFT + 1):
        for multiplier in [*MULTIPLIERS, *rng.integers(1 << 14, 1 << 15, 4).tolist()]:
            low, high = LIMITS[rng.integers(3)]
            x = accumulators(rng, multiplier, shift)
            ties += int(np.sum((x * multiplier) % (1 << shift) == 1 << (shift - 1)))
            columns.append(np.stack(np.broadcast_arrays(x, multiplier, shift, low, high)))
            results.append(expected(x, multiplier, shift, low, high))
    assert ties > 2000
    np.testing.assert_array_equal(requantize(*np.concatenate(columns, axis=1)), np.concatenate(results))


def test_power_of_two_form(requantize):
    rng, columns, results = np.random.default_rng(1), [], []
    for shift in range(MIN_SHIFT, MAX_SHIFT + 1):
        for low, high in LIMITS:
            x = accumulators(rng, 1 << 14, shift)
            columns.append(np.stack(np.broadcast_arrays(x, 0, shift - 14, low, high)))
            results.append(expected(x, 1 << 14, shift, low, high))
    np.testing.assert_array_equal(requantize(*np.concatenate(columns, axis=1)), np.concatenate(results))


@pytest.mark.parametrize(("multiplier", "shift"), [(1 << 14, 8), (1 << 14, 14), (20000, 14), (32767, 15), (16385, 16), (24576, 17)])
def test_every_int16_accumulator(requantize, multiplier, shift):
    x = np.arange(-(1 << 15), 1 << 15)
    wanted = expected(x, multiplier, shift, *LIMITS[0])
    np.testing.assert_array_equal(requantize(x, multiplier, shift, *LIMITS[0]), wanted)
    if multiplier == 1 << 14:
        np.testing.assert_array_equal(requantize(x, 0, shift - 14, *LIMITS[0]), wanted)
