/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#define RESCOMP_KERNEL rescomp_product_int8_int8
#define INPUT_BYTES 1
#define LOAD_INPUT ldrsb

/* Pairs of 16 bits: r9 = inputs 1 and 3, r10 = inputs 0 and 2 */
.macro load_quad
    ldr r10, [r8], #4
    sxtb16 r9, r10, ror #8
    sxtb16 r10, r10
.endm

#include "rescomp_product_int8_dsp.h"
