/* SPDX-License-Identifier: 0BSD */
#include <string.h>

#include "rescomp_kernels.h"
#include "rescomp_ternary.h"

void rescomp_fully_connected_int16_ternary(const int16_t *input, int16_t *output, uint16_t columns, uint16_t rows,
                                           const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by)
{
    const uint16_t whole_groups = columns / RESCOMP_TERNARY_COLUMNS;
    const uint16_t rest = columns % RESCOMP_TERNARY_COLUMNS;
    const int16_t *const tail = input + (columns - rest);
    int16_t padded_tail[RESCOMP_TERNARY_COLUMNS] = {0, 0, 0, 0};

    memcpy(padded_tail, tail, rest * sizeof *tail);
    for (uint16_t first_row = 0; first_row < rows; first_row = (uint16_t)(first_row + RESCOMP_TERNARY_ROWS)) {
        int32_t accumulator[RESCOMP_TERNARY_ROWS] = {0, 0, 0, 0, 0, 0, 0, 0};
        const int16_t *group = input;

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
