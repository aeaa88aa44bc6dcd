/* SPDX-License-Identifier: 0BSD */
#include "rescomp_kernels.h"

/*
 * zeta * (1 - z) + nu is summed in Q30 and rounded to the state's format; with a candidate in Q15 both products of the
 * update are then in the state's format times 2^15. That no sum overflows was proved from zeta, nu and the state's range.
 */
void rescomp_fastgrnn_gate_int16(const int16_t *z, const int16_t *candidate, const int16_t *state, int16_t *output,
                                 uint16_t count, rescomp_fastgrnn_cell cell)
{
    const int32_t one = INT32_C(1) << 15;
    const int gate_shift = 30 - cell.fraction_bits;

    for (uint16_t i = 0; i < count; ++i) {
        const int32_t sum = cell.zeta * (one - z[i]) + cell.nu * one;
        const int32_t gate = rescomp_clamp(rescomp_round_half_up_shift(sum, gate_shift), 0, INT16_MAX);
        const int32_t update = rescomp_round_half_up_shift(gate * candidate[i] + (int32_t)z[i] * state[i], 15);

        output[i] = (int16_t)rescomp_clamp(update, cell.low, cell.high);
    }
}
