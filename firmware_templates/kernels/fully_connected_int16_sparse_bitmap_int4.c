/* SPDX-License-Identifier: 0BSD */
#include "rescomp_kernels.h"
#include "rescomp_sparse.h"

void rescomp_fully_connected_int16_sparse_bitmap_int4(const int16_t *input, int16_t *output, rescomp_count columns,
                                                      rescomp_count rows,
                                                      const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by)
{
    rescomp_sparse_bitmap(input, output, columns, rows, weight, &by, rescomp_sparse_int4);
}
