/* SPDX-License-Identifier: 0BSD */
/* The sums that the scales of rescomp_row_scales are for. */
#ifndef RESCOMP_ROW_SCALES_H
#define RESCOMP_ROW_SCALES_H

#include "rescomp_kernels.h"

/* (accumulator + bias) * 2^lift */
static inline int32_t rescomp_lifted_sum(const int32_t *accumulator, rescomp_count row, const rescomp_row_scales *by)
{
    return (by->bias ? accumulator[row] + by->bias[row] : accumulator[row]) * (INT32_C(1) << by->lift);
}

#endif
