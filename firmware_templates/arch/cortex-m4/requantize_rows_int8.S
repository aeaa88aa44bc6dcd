/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#define RESCOMP_KERNEL rescomp_requantize_rows_int8
#define OUTPUT_BITS 8
#define STORE strb

.macro store_four
    bfi r4, r5, #8, #8
    bfi r4, r6, #16, #8
    bfi r4, r7, #24, #8
    str r4, [r1], #4
.endm

.macro multiply_pair a, b
    smulwb \a, \a, r9
    smulwt \b, \b, r9
.endm

#include "rescomp_requantize_rows_general_thumb2.h"
