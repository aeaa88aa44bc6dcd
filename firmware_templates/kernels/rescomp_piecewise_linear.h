/* SPDX-License-Identifier: 0BSD */
/*
 * Two non-linearities from Q12 to Q15 by a shift and a clamp (Kusupati et al. 2018, quantTanh and quantSigm). A sum of two int16 is
 * taken as it is: its saturation to int16 would change nothing.
 */
#ifndef RESCOMP_PIECEWISE_LINEAR_H
#define RESCOMP_PIECEWISE_LINEAR_H

#include "rescomp_math.h"

/* clip(x, -1, 1). */
static inline int16_t rescomp_piecewise_linear_tanh(int32_t value)
{
    return rescomp_saturate_int16(value * 8);
}

/* clip((x + 1) / 2, 0, 1). */
static inline int16_t rescomp_piecewise_linear_sigmoid(int32_t value)
{
    const int32_t one = INT32_C(1) << 12;

    return (int16_t)rescomp_clamp((value + one) * 4, 0, INT16_MAX);
}

#endif
