/* SPDX-License-Identifier: 0BSD */
/*
 * Requantization of rows on ARMv7-M, four rows a turn: kernels/requantize_rows_*.c say what is computed. The file that includes this
 * one names the function in RESCOMP_KERNEL, the bits of an output in BITS (16 or 8), and in LOW, HIGH and (if there is one) LIFT where
 * these fields of `by` lie in the stack frame; and it defines these macros, which may use r12:
 *   begin          leaves in lr, and in r10 and r11 if it likes, what the scales are read by; r4..r11 are free
 *   load_four      the scales of the next four rows to r8..r11
 *   load_one       that of the next row to r8
 *   scale x, n     x, an accumulator, by the scale of row n = 0..3, rounded and saturated to BITS
 */
#include "rescomp_call_saved_thumb2.h"

/* r0: accumulators and r1: outputs, row after row; r4..r7: four of them; lr: for the scales. */
rows .req r2
how  .req r3 /* lift | BIASED if there is a bias | CLAMPED if the range is narrower than BITS say: 0 is the common case */
#define BIASED 0x100
#define CLAMPED 0x200
#define BIAS 0 /* in the stack frame: the bias of the next row */

.macro store x
.if BITS == 16
    strh \x, [r1], #2
.else
    strb \x, [r1], #1
.endif
.endm

.macro load_range
    ldrsh r8, [sp, #LOW]
    ldrsh r9, [sp, #HIGH]
.endm

/* On to `outside` unless x is within r8 and r8 + r9; r10 is lost. */
.macro check x, outside
    sub r10, \x, r8
    cmp r10, r9
    bhi \outside
.endm

/* x within r8 and r9 */
.macro clamp x
    cmp \x, r8
    it lt
    movlt \x, r8
    cmp \x, r9
    it gt
    movgt \x, r9
.endm

/* r12 = the bias of the next row, where the caller must put it back from; where there is no bias, on to `without`. */
.macro find_bias without
    tst how, #BIASED
    beq \without
    ldr r12, [sp, #BIAS]
.endm

    begin_function RESCOMP_KERNEL
    push {r3-r11, lr}
    cmp r3, #0
    ite ne
    movne r4, #BIASED
    moveq r4, #0
    load_range
    movw r10, #(1 << (BITS - 1)) - 1
    cmp r9, r10
    it eq
    cmneq r8, #1 << (BITS - 1)
    it ne
    orrne r4, #CLAMPED
#ifdef LIFT
    ldrb r5, [sp, #LIFT]
    orr r4, r5
#endif
    mov how, r4
    begin
    subs rows, #4
    blo last
turn:
    ldmia r0!, {r4-r7}
    cbnz how, prepare
prepared:
    load_four
    scale r4, 0
    scale r5, 1
    scale r6, 2
    scale r7, 3
    cbnz how, finish
finished:
    store r4
    store r5
    store r6
    store r7
    subs rows, #4
    bhs turn
last:
    adds rows, #4
    bne one
    pop {r3-r11, pc}

prepare:
    find_bias lift
    ldrd r8, r9, [r12], #8
    add r4, r8
    add r5, r9
    ldrd r8, r9, [r12], #8
    add r6, r8
    add r7, r9
    str r12, [sp, #BIAS]
lift:
#ifdef LIFT
    lsl r4, how
    lsl r5, how
    lsl r6, how
    lsl r7, how
#endif
    b prepared

finish:
    cmp how, #CLAMPED
    blo finished
    load_range
    sub r9, r8
    check r4, clamp_four
    check r5, clamp_four
    check r6, clamp_four
    check r7, clamp_four
    b finished
clamp_four: /* seldom: formats are chosen so that values fit */
    add r9, r8
    clamp r4
    clamp r5
    clamp r6
    clamp r7
    b finished

one: /* of the last one to three rows */
    ldr r4, [r0], #4
    find_bias lift_one
    ldr r8, [r12], #4
    add r4, r8
    str r12, [sp, #BIAS]
lift_one:
#ifdef LIFT
    lsl r4, how
#endif
    load_one
    scale r4, 0
    load_range
    clamp r4
    store r4
    subs rows, #1
    bne one
    pop {r3-r11, pc}
    end_function RESCOMP_KERNEL
