/* SPDX-License-Identifier: 0BSD */
#include "rescomp_half_table.h"
#include "rescomp_kernels.h"

/* Half the argument is one fraction bit more. */
void rescomp_lookup_sigmoid_int16(const int16_t *input, int16_t *output, uint16_t count, const RESCOMP_FLASH int16_t *table)
{
    const int32_t one = INT32_C(1) << 15;

    for (uint16_t i = 0; i < count; ++i) {
        output[i] = (int16_t)rescomp_round_half_up_shift(one + rescomp_half_table_tanh(input[i], 9, table), 1);
    }
}
