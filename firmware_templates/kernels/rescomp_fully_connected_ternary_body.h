/* SPDX-License-Identifier: 0BSD */
/* The definition of RESCOMP_KERNEL, a matrix-vector product of values of type RESCOMP_ACTIVATION and of 3:4 ternary weights. */
#include <string.h>

#include "rescomp_kernels.h"
#include "rescomp_ternary.h"

void RESCOMP_KERNEL(const RESCOMP_ACTIVATION *input, RESCOMP_ACTIVATION *output, uint16_t columns, uint16_t rows,
                    const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by)
{
    const uint16_t whole_groups = columns / RESCOMP_TERNARY_COLUMNS;
    const uint16_t rest = columns % RESCOMP_TERNARY_COLUMNS;
    const RESCOMP_ACTIVATION *const tail = input + (columns - rest);
    RESCOMP_ACTIVATION padded_tail[RESCOMP_TERNARY_COLUMNS] = {0, 0, 0, 0};

    memcpy(padded_tail, tail, rest * sizeof *tail);
    for (uint16_t first_row = 0; first_row < rows; first_row = (uint16_t)(first_row + RESCOMP_TERNARY_ROWS)) {
        int32_t accumulator[RESCOMP_TERNARY_ROWS] = {0, 0, 0, 0, 0, 0, 0, 0};
        const RESCOMP_ACTIVATION *group = input;

        for (uint16_t i = 0; i < whole_groups; ++i) {
            rescomp_ternary_accumulate(accumulator, group, weight);
            group += RESCOMP_TERNARY_COLUMNS;
            weight += RESCOMP_TERNARY_BYTES;
        }
        if (rest != 0) {
            rescomp_ternary_accumulate(accumulator, padded_tail, weight);
            weight += RESCOMP_TERNARY_BYTES;
        }
        output = rescomp_ternary_store(accumulator, output, first_row, rows, &by);
    }
}
