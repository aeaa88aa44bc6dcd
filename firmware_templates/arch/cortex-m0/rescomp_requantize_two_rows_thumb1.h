/* SPDX-License-Identifier: 0BSD */
/*
 * What the requantizations of rows share on ARMv6-M: kernels/requantize_rows_*.c say what they compute. The file that includes this one
 * says in LOW and HIGH where these fields of `by` lie in the stack frame.
 */
#include "rescomp_call_saved_thumb1.h"

last  .req r8  /* the output at which the loop over pairs of rows ends */
bias  .req r9  /* of the next row */
low   .req r10
span  .req r11 /* high - low */
minus .req r12 /* of the form: -low, doubled where another bit is to be shifted out */

#define SAVED 36 /* bytes of the registers that `enter` saves; behind them the fields of `by` after its bias */

/* Saves the registers and sets up low and span; -low is in r4. bytes: of an output. */
.macro enter bytes
    push_call_saved
    mov bias, r3
.if \bytes == 2
    lsls r3, r2, #1
    adds r3, r1
.else
    adds r3, r1, r2
.endif
    mov lr, r3                      /* the end of the outputs */
    subs r3, #\bytes
    mov last, r3
    add r3, sp, #SAVED
    movs r4, #LOW
    ldrsh r4, [r3, r4]
    mov low, r4
    movs r5, #HIGH
    ldrsh r5, [r3, r5]
    subs r5, r4
    mov span, r5
    rsbs r4, r4, #0
.endm

/* x += the next row's bias; scratch and other are lost */
.macro add_bias x, scratch, other
    mov \scratch, bias
    ldmia \scratch!, {\other}
    mov bias, \scratch
    adds \x, \other
.endm

/* x = clamp(x + low), x being 0..span unless it needs the clamp; scratch is lost */
.macro clamp x, scratch
    cmp \x, span
    bls 9f
    asrs \scratch, \x, #31          /* seldom: 0 or span */
    mvns \scratch, \scratch
    mov \x, span
    ands \x, \scratch
9:  add \x, low
.endm
