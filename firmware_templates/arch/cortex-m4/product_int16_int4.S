/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#define RESCOMP_KERNEL rescomp_product_int16_int4
#define INPUT_BYTES 2
#define LOAD_INPUT ldrsh
#define SECOND 1
#define THIRD 2
#define FOURTH 3

/* Inputs 0 and 4, 1 and 5 */
.macro load_first_half
    ldr r12, [r8, #8]
    ldr r11, [r8], #16
    pkhbt r9, r11, r12, lsl #16
    pkhtb r10, r12, r11, asr #16
.endm

/* Inputs 2 and 6, 3 and 7 */
.macro load_second_half
    ldr r12, [r8, #-4]
    ldr r11, [r8, #-12]
    pkhbt r9, r11, r12, lsl #16
    pkhtb r10, r12, r11, asr #16
.endm

#include "rescomp_product_int4_dsp.h"
