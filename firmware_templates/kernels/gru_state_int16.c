/* SPDX-License-Identifier: 0BSD */
#include "rescomp_kernels.h"

void rescomp_gru_state_int16(const int16_t *z, const int16_t *candidate, const int16_t *state, int16_t *output, rescomp_count count,
                             rescomp_state_format format)
{
    const int32_t one = INT32_C(1) << 15;

    for (rescomp_count i = 0; i < count; ++i) {
        const int32_t update = rescomp_gated_sum(one - z[i], candidate[i], z[i], state[i], format.fraction_bits);

        output[i] = (int16_t)rescomp_clamp(update, format.low, format.high);
    }
}
