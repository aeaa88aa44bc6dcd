/* SPDX-License-Identifier: 0BSD */
#include "rescomp_fastgrnn_update.h"
#include "rescomp_half_table.h"

void rescomp_fastgrnn_update_lookup_int16(const int16_t *projected, const int16_t *recurrent, const int16_t *state,
                                          int16_t *output, rescomp_count count, const RESCOMP_FLASH int16_t *gate_bias,
                                          const RESCOMP_FLASH int16_t *candidate_bias, rescomp_fastgrnn_cell cell,
                                          const RESCOMP_FLASH int16_t *table)
{
    const rescomp_fastgrnn_constants constants = rescomp_fastgrnn_constants_of(cell);
    const int16_t *const end = projected + count;

    while (projected != end) {
        const int32_t sum = rescomp_saturate_int16((int32_t)*projected++ + *recurrent++);
        const int16_t z = rescomp_lookup_sigmoid(rescomp_saturate_int16(sum + *gate_bias++), table);
        const int16_t candidate = rescomp_lookup_tanh(rescomp_saturate_int16(sum + *candidate_bias++), table);

        *output++ = rescomp_fastgrnn_state(z, candidate, *state++, constants);
    }
}
