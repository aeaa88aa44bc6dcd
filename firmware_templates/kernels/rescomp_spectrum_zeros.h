/* SPDX-License-Identifier: 0BSD */
#ifndef RESCOMP_SPECTRUM_ZEROS_H
#define RESCOMP_SPECTRUM_ZEROS_H

#include "rescomp_leading_bit.h"

/* How often the largest of some magnitudes below 2^15 is doubled to reach 2^14, 13 times at most: its highest bit alone decides. */
static inline uint8_t zeros_of(int32_t largest)
{
    return (uint8_t)(rescomp_leading_zeros((uint32_t)largest | 2) - 17);
}

#endif
