/* SPDX-License-Identifier: 0BSD */
#include "rescomp_half_table.h"
#include "rescomp_kernels.h"

void rescomp_lookup_sigmoid_int16(const int16_t *input, int16_t *output, rescomp_count count, const RESCOMP_FLASH int16_t *table)
{
    for (rescomp_count i = 0; i < count; ++i) {
        output[i] = rescomp_lookup_sigmoid(input[i], table);
    }
}
