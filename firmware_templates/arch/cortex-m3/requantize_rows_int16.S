/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#define RESCOMP_KERNEL rescomp_requantize_rows_int16
#define OUTPUT_BITS 16
#define STORE strh

.macro store_four
    bfi r4, r5, #16, #16
    str r4, [r1], #4
    bfi r6, r7, #16, #16
    str r6, [r1], #4
.endm

.macro multiply_pair a, b
    lsl r10, r9, #16
    smull r10, \a, \a, r10
    bfc r9, #0, #16
    smull r9, \b, \b, r9
.endm

#include "rescomp_requantize_rows_general_thumb2.h"
