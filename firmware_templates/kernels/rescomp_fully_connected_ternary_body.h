/* SPDX-License-Identifier: 0BSD */
/* The definition of RESCOMP_KERNEL, a matrix-vector product of values of type RESCOMP_ACTIVATION and of 3:4 ternary weights. */
#include "rescomp_kernels.h"
#include "rescomp_ternary.h"

void RESCOMP_KERNEL(const RESCOMP_ACTIVATION *input, RESCOMP_ACTIVATION *output, rescomp_count columns, rescomp_count rows,
                    const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by)
{
    const rescomp_ternary_input source = rescomp_ternary_input_of(input, columns);

    for (rescomp_count first_row = 0; first_row < rows; first_row = (rescomp_count)(first_row + RESCOMP_TERNARY_ROWS)) {
        int32_t accumulator[RESCOMP_TERNARY_ROWS];

        weight = rescomp_ternary_block(accumulator, &source, weight);
        output = rescomp_ternary_store(accumulator, output, first_row, rows, &by);
    }
}
