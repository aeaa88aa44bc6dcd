/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#define RESCOMP_KERNEL rescomp_requantize_rows_int16
#define OUTPUT_BITS 16
#define STORE strh
#define VECTOR_STORE vstrh.32

.macro store_four
    bfi r4, r5, #16, #16
    str r4, [r1], #4
    bfi r6, r7, #16, #16
    str r6, [r1], #4
.endm

.macro multiply_pair a, b
    smulwb \a, \a, r9
    smulwt \b, \b, r9
.endm

#include "rescomp_requantize_rows_general_mve.h"
