/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#define RESCOMP_KERNEL rescomp_requantize_rows_int16_high
#include "rescomp_requantize_rows_high_thumb2.h"

/* The upper word of x * scale + 2^31. */
.macro scale x, n
    smmulr \x, \x, scale\n
    ssat \x, #16, \x
.endm

#include "rescomp_requantize_four_rows_thumb2.h"
