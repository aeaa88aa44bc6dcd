/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#define RESCOMP_KERNEL rescomp_product_int8_int4
#define INPUT_BYTES 1
#define LOAD_INPUT ldrsb
#define SECOND 2
#define THIRD 1
#define FOURTH 3

/* Inputs 0 and 4, 2 and 6 */
.macro load_first_half
    ldr r12, [r8, #4]
    ldr r11, [r8], #8
    sxtb16 r12, r12
    sxtb16 r11, r11
    pkhbt r9, r11, r12, lsl #16
    pkhtb r10, r12, r11, asr #16
.endm

/* Inputs 1 and 5, 3 and 7 */
.macro load_second_half
    ldr r12, [r8, #-4]
    ldr r11, [r8, #-8]
    sxtb16 r12, r12, ror #8
    sxtb16 r11, r11, ror #8
    pkhbt r9, r11, r12, lsl #16
    pkhtb r10, r12, r11, asr #16
.endm

#include "rescomp_product_int4_dsp.h"
