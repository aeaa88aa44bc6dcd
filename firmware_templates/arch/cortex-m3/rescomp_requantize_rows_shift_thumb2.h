/* SPDX-License-Identifier: 0BSD */
/*
 * Shifts of a byte each, and where a rescomp_requantization lies in the stack frame, but for its bias. Four shifts are read as one word, which may be unaligned:
 * an application must not set UNALIGN_TRP. The file that includes this one names the function and the bits of an output.
 */
#define SHIFT 44
#define SHIFT_STEP 49
#define LOW 50
#define HIGH 52

/* r11: bytes from the shifts of four rows to the next four, 4 or 0. One shift for all rows is made four, in the place of its pointer. */
.macro begin
    ldr lr, [sp, #SHIFT]
    ldrb r11, [sp, #SHIFT_STEP]
    lsls r11, #2
    bne 1f
    ldrb r4, [lr]
    mov r5, #0x01010101
    mul r4, r5
    add lr, sp, #SHIFT
    str r4, [lr]
1:
.endm

.macro load_four
    ldr r8, [lr]
    add lr, r11
.endm

.macro load_one
    ldrb r8, [lr], #1
.endm

/* By as many bits as the lowest byte of r8 says; the last one shifted out is the carry that rounds. */
.macro scale x, n
    asrs \x, r8
    adc \x, \x, #0
    ssat \x, #BITS, \x
.if \n < 3
    lsr r8, #8
.endif
.endm

#include "rescomp_requantize_four_rows_thumb2.h"
