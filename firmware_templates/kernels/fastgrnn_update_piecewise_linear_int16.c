/* SPDX-License-Identifier: 0BSD */
#include "rescomp_fastgrnn_update.h"
#include "rescomp_piecewise_linear.h"

void rescomp_fastgrnn_update_piecewise_linear_int16(const int16_t *projected, const int16_t *recurrent, const int16_t *state,
                                                    int16_t *output, rescomp_count count, const RESCOMP_FLASH int16_t *gate_bias,
                                                    const RESCOMP_FLASH int16_t *candidate_bias, rescomp_fastgrnn_cell cell)
{
    const rescomp_fastgrnn_constants constants = rescomp_fastgrnn_constants_of(cell);
    const int16_t *const end = projected + count;

    while (projected != end) {
        const int32_t sum = rescomp_saturate_int16((int32_t)*projected++ + *recurrent++);
        const int32_t z = rescomp_piecewise_linear_sigmoid(sum + *gate_bias++);
        const int32_t candidate = rescomp_piecewise_linear_tanh(sum + *candidate_bias++);

        *output++ = rescomp_fastgrnn_state(z, candidate, *state++, constants);
    }
}
