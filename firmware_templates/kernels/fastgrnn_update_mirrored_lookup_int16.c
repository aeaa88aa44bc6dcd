/* SPDX-License-Identifier: 0BSD */
#include "rescomp_fastgrnn_update.h"
#include "rescomp_mirrored_table.h"

/* value within 0..2^16 - 1 */
static inline uint32_t saturate(uint32_t value)
{
    return value >> 16 == 0 ? value : value >> 31 ? 0 : UINT16_MAX;
}

void rescomp_fastgrnn_update_mirrored_lookup_int16(const int16_t *projected, const int16_t *recurrent, const int16_t *state,
                                                   int16_t *output, rescomp_count count, const RESCOMP_FLASH int16_t *gate_bias,
                                                   const RESCOMP_FLASH int16_t *candidate_bias, rescomp_fastgrnn_cell cell,
                                                   const RESCOMP_FLASH int16_t *table)
{
    const rescomp_fastgrnn_constants constants = rescomp_fastgrnn_constants_of(cell);
    const int16_t *const end = projected + count;

    while (projected != end) {
        const uint32_t biases[2] = {(uint32_t)(int32_t)*gate_bias++, (uint32_t)(int32_t)*candidate_bias++};
        uint32_t sum = (uint32_t)((int32_t)*projected++ + *recurrent++) + RESCOMP_MIRRORED_TABLE_OFFSET;
        uint32_t gate = sum + biases[0], candidate = sum + biases[1];

        if ((sum | gate | candidate) >> 16 != 0) { /* one of them needs it, which is rare */
            sum = saturate(sum);
            gate = saturate(sum + biases[0]);
            candidate = saturate(sum + biases[1]);
        }
        *output++ = rescomp_fastgrnn_state(rescomp_mirrored_lookup_sigmoid(gate, table),
                                           rescomp_mirrored_lookup_tanh(candidate, table), *state++, constants);
    }
}
