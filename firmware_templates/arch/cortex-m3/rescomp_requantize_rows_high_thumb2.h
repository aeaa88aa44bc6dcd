/* SPDX-License-Identifier: 0BSD */
/* Scales of a word each, and where a rescomp_row_scales lies in the stack frame, but for its bias. */
#define BITS 16
#define SCALE 40
#define LIFT 44
#define LOW 46
#define HIGH 48

scale0 .req r8
scale1 .req r9
scale2 .req r10
scale3 .req r11

.macro begin
    ldr lr, [sp, #SCALE]
.endm

.macro load_four
    ldm lr!, {r8-r11}
.endm

.macro load_one
    ldr r8, [lr], #4
.endm
