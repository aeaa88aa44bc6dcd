/* SPDX-License-Identifier: 0BSD */
#include "rescomp_kernels.h"

void rescomp_lstm_cell_int16(const int16_t *input_gate, const int16_t *forget_gate, const int16_t *candidate,
                             const int16_t *cell, int16_t *output, rescomp_count count, rescomp_state_format format)
{
    for (rescomp_count i = 0; i < count; ++i) {
        const int32_t update = rescomp_gated_sum(input_gate[i], candidate[i], forget_gate[i], cell[i], format.fraction_bits);

        output[i] = (int16_t)rescomp_clamp(update, format.low, format.high);
    }
}
