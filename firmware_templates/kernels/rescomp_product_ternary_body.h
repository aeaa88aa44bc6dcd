/* SPDX-License-Identifier: 0BSD */
/*
 * The definition of RESCOMP_KERNEL, the accumulators of a matrix-vector product: of values of type RESCOMP_ACTIVATION and of 3:4
 * ternary weights in the stream of rescomp_ternary.h.
 */
#include "rescomp_kernels.h"
#include "rescomp_ternary.h"

void RESCOMP_KERNEL(const RESCOMP_ACTIVATION *input, rescomp_count columns, rescomp_count rows, const RESCOMP_FLASH uint8_t *weight,
                    int32_t *accumulator)
{
    const rescomp_ternary_input source = rescomp_ternary_input_of(input, columns);

    for (rescomp_count row = 0; row < rows; row = (rescomp_count)(row + RESCOMP_TERNARY_ROWS)) {
        weight = rescomp_ternary_block(accumulator + row, &source, weight);
    }
}
