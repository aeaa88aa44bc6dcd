/* SPDX-License-Identifier: 0BSD */
/* What the updates of a FastGRNN cell share: the gate of rescomp_fastgrnn_gate.h, what does not change from entry to entry once. */
#ifndef RESCOMP_FASTGRNN_UPDATE_H
#define RESCOMP_FASTGRNN_UPDATE_H

#include "rescomp_kernels.h"

typedef struct {
    int32_t opened; /* zeta + nu in Q30, what the gate is before its shift where z is 0; with the shift's rounding constant */
    int32_t zeta;
    int shift;
    int32_t low, high;
} rescomp_fastgrnn_constants;

static inline rescomp_fastgrnn_constants rescomp_fastgrnn_constants_of(rescomp_fastgrnn_cell cell)
{
    rescomp_fastgrnn_constants constants;

    constants.zeta = cell.zeta;
    constants.shift = 30 - cell.fraction_bits;
    constants.opened = ((int32_t)cell.zeta + cell.nu) * (INT32_C(1) << 15) + (INT32_C(1) << (constants.shift - 1));
    constants.low = cell.low;
    constants.high = cell.high;
    return constants;
}

/* The gate lies below 2^14, for the state has at most 13 fraction bits: it needs no clamp. */
static inline int16_t rescomp_fastgrnn_state(int32_t z, int32_t candidate, int32_t state, rescomp_fastgrnn_constants constants)
{
    const int32_t gate = (constants.opened - constants.zeta * z) >> constants.shift;
    const int32_t update = rescomp_round_half_up_shift(gate * candidate + z * state, 15);

    return (int16_t)rescomp_clamp(update, constants.low, constants.high);
}

#endif
