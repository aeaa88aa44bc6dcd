/* SPDX-License-Identifier: 0BSD */
/* One entry of the state update of FastGRNN (Kusupati et al. 2018, section 3.1). */
#ifndef RESCOMP_FASTGRNN_GATE_H
#define RESCOMP_FASTGRNN_GATE_H

#include "rescomp_kernels.h"

/*
 * zeta * (1 - z) + nu is summed in Q30 and rounded to the state's format; with a candidate in Q15 both products of the
 * update are then in the state's format times 2^15. That no sum overflows was proved from zeta, nu and the state's range.
 */
static inline int16_t rescomp_fastgrnn_gate(int16_t z, int16_t candidate, int16_t state, const rescomp_fastgrnn_cell *cell)
{
    const int32_t one = INT32_C(1) << 15;
    const int32_t sum = cell->zeta * (one - z) + cell->nu * one;
    const int32_t gate = rescomp_clamp(rescomp_round_half_up_shift(sum, 30 - cell->fraction_bits), 0, INT16_MAX);
    const int32_t update = rescomp_round_half_up_shift(gate * candidate + (int32_t)z * state, 15);

    return (int16_t)rescomp_clamp(update, cell->low, cell->high);
}

#endif
