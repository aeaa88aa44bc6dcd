/* SPDX-License-Identifier: 0BSD */
#include "rescomp_fastgrnn_gate.h"

void rescomp_fastgrnn_gate_int16(const int16_t *z, const int16_t *candidate, const int16_t *state, int16_t *output,
                                 rescomp_count count, rescomp_fastgrnn_cell cell)
{
    for (rescomp_count i = 0; i < count; ++i) {
        output[i] = rescomp_fastgrnn_gate(z[i], candidate[i], state[i], &cell);
    }
}
