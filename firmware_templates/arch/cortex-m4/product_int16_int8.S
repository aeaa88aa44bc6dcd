/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#define RESCOMP_KERNEL rescomp_product_int16_int8
#define INPUT_BYTES 2
#define LOAD_INPUT ldrsh

/* Pairs of 16 bits: r9 = inputs 1 and 3, r10 = inputs 0 and 2 */
.macro load_quad
    ldr r11, [r8], #4
    ldr r12, [r8], #4
    pkhtb r9, r12, r11, asr #16
    pkhbt r10, r11, r12, lsl #16
.endm

#include "rescomp_product_int8_dsp.h"
