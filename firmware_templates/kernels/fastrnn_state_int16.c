/* SPDX-License-Identifier: 0BSD */
#include "rescomp_kernels.h"

void rescomp_fastrnn_state_int16(const int16_t *candidate, const int16_t *state, int16_t *output, rescomp_count count,
                                 int16_t alpha,
                                 int16_t beta, rescomp_state_format format)
{
    for (rescomp_count i = 0; i < count; ++i) {
        const int32_t update = rescomp_gated_sum(alpha, candidate[i], beta, state[i], format.fraction_bits);

        output[i] = (int16_t)rescomp_clamp(update, format.low, format.high);
    }
}
