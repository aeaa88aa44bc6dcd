/* SPDX-License-Identifier: 0BSD */
/*
 * Thumb-1 for rescomp_requantize_rows_body.h. Where each row has its own scale, some rows at a time, in loops of which each
 * knows whether there are biases and multipliers. The file that includes it names the function in RESCOMP_KERNEL and defines,
 * for outputs of its type, OUTPUT_BYTES and STORE (an instruction).
 */
#include "rescomp_call_saved_thumb1.h"

/* The stack frame, and behind nine saved registers the fields of rescomp_requantization but the first. */
#define OUTPUT_END 0
#define LOOP 4            /* the loop for rows of their own scales */
#define LOOP_END 8        /* where it ends */
#define MULTIPLIER_STEP 12 /* in bytes */
#define SHIFT_STEP 16
#define MINUS_LOW 20
#define FRAME_BYTES 24
#define MULTIPLIER (FRAME_BYTES + 36)
#define SHIFT (MULTIPLIER + 4)
#define STEPS (MULTIPLIER + 8) /* a byte each: of multipliers, of shifts */
#define LOW (MULTIPLIER + 10)
#define HIGH (MULTIPLIER + 12)

#define UNROLLED 2
#define LOG2_UNROLLED 1

/* value += bias[index] */
.macro add_bias value, index
    mov r5, r11
    ldr r5, [r5, #4 * \index]
    adds \value, \value, r5
.endm

/* value = (value * multiplier) >> 15, in halves of 15 bits */
.macro multiply value, low_half, multiplier
    lsls \low_half, \value, #17
    lsrs \low_half, \low_half, #17
    asrs \value, \value, #15
    muls \low_half, \multiplier
    muls \value, \multiplier
    lsrs \low_half, \low_half, #15
    adds \value, \value, \low_half
.endm

/* A row of its own scale. A shift that leaves nothing to round goes the long way, with all rows of this turn. */
.macro row index, is_biased, is_multiplied
    ldr r4, [r0, #4 * \index]
.if \is_biased
    add_bias r4, \index
.endif
.if \is_multiplied
    ldrh r6, [r2, #2 * \index]
    multiply r4, r5, r6
    ldrb r6, [r3, #\index]
    subs r6, #15
.else
    movs r6, #\index
    ldrsb r6, [r3, r6]
    cmp r6, #0
.endif
    ble .Lsmall_shift
    asrs r4, r6                 @ the last bit shifted out is the carry
    adcs r4, r7
    cmp r4, r8
    bhi .Lclamp_\is_biased\is_multiplied\index
.Lclamped_\is_biased\is_multiplied\index:
    add r4, r9
    STORE r4, [r1, #OUTPUT_BYTES * \index]
.endm

.macro clamp_out_of_line is_biased, is_multiplied, index
.Lclamp_\is_biased\is_multiplied\index:
    bl .Lclamp
    b .Lclamped_\is_biased\is_multiplied\index
.endm

.macro rows is_biased, is_multiplied
.Lrows_\is_biased\is_multiplied:
    row 0, \is_biased, \is_multiplied
    row 1, \is_biased, \is_multiplied
    adds r0, #4 * UNROLLED
    adds r1, #OUTPUT_BYTES * UNROLLED
.if \is_multiplied
    adds r2, #2 * UNROLLED
.endif
    adds r3, #UNROLLED
.if \is_biased
    movs r5, #4 * UNROLLED
    add r11, r5
.endif
    cmp r1, r10
    bne .Lrows_\is_biased\is_multiplied
    b .Lnext_rows
    clamp_out_of_line \is_biased, \is_multiplied, 0
    clamp_out_of_line \is_biased, \is_multiplied, 1
.endm

/* void RESCOMP_KERNEL(accumulator: r0, output: r1, rows: r2, by: r3 and the stack) */
    begin_function RESCOMP_KERNEL, .text
    push_call_saved FRAME_BYTES
    mov r11, r3
    lsrs r7, r2, #LOG2_UNROLLED
    lsls r7, r7, #LOG2_UNROLLED
#if OUTPUT_BYTES == 2
    lsls r7, r7, #1
    lsls r2, r2, #1
#endif
    adds r7, r7, r1
    adds r2, r2, r1
    str r2, [sp, #OUTPUT_END]
    ldr r2, [sp, #MULTIPLIER]
    add r6, sp, #STEPS
    ldrb r4, [r6, #0]
    lsls r4, r4, #1
    ldrb r5, [r6, #1]
    str r4, [sp, #MULTIPLIER_STEP]
    str r5, [sp, #SHIFT_STEP]

    cmp r5, #1                  @ own scales?
    bne 1f
    cmp r2, #0
    beq 2f
    cmp r4, #2
    beq 2f
1:  mov r7, r1
2:  str r7, [sp, #LOOP_END]
    movs r5, #0                 @ loop = rows_<is_biased><is_multiplied>
    cmp r3, #0
    beq 3f
    adds r5, #8
3:  cmp r2, #0
    beq 4f
    adds r5, #4
4:  adr r4, .Lloops
    ldr r4, [r4, r5]
    str r4, [sp, #LOOP]
    movs r5, #2                 @ the range
    ldrsh r4, [r6, r5]
    movs r5, #4
    ldrsh r5, [r6, r5]
    subs r5, r5, r4
    mov r8, r5
    mov r9, r4
    negs r7, r4
    str r7, [sp, #MINUS_LOW]
    ldr r3, [sp, #SHIFT]

    /*
     * r0 accumulators; r1 output; r2 multipliers or NULL; r3 shifts; r4 the row; r5 free; r6 multiplier or shift; r7 -low; r8
     * high - low; r9 low; r10 where r1 stops; r11 biases or NULL.
     */
.Lnext_rows:
    ldr r4, [sp, #LOOP_END]
    mov r10, r4
    ldr r5, [sp, #LOOP]
    cmp r1, r4
    blo .Lenter_loop
    ldr r4, [sp, #OUTPUT_END]
    mov r10, r4
    cmp r1, r4
    beq .Ldone
    b .Lone_row
.Lenter_loop:
    bx r5
.Ldone:
    pop_call_saved_and_return FRAME_BYTES

    .align 2
.Lloops:
    .word .Lrows_00 + 1, .Lrows_01 + 1, .Lrows_10 + 1, .Lrows_11 + 1

.Lclamp:                        @ r4 = r4 < 0 ? 0 : high - low
    cmp r4, #0
    mov r4, r8
    bge 1f
    movs r4, #0
1:  bx lr

    rows 0, 0
    rows 0, 1
.Lsmall_shift:
    movs r4, #OUTPUT_BYTES * UNROLLED
    adds r4, r4, r1
    mov r10, r4
    b .Lone_row
    rows 1, 0
    rows 1, 1

    /* rescomp_requantize, with any shift and any step. r7 multiplier */
.Lone_row:
    ldmia r0!, {r4}
    mov r5, r11
    cmp r5, #0
    beq 1f
    ldmia r5!, {r6}
    mov r11, r5
    adds r4, r4, r6
1:  movs r6, #0
    ldrsb r6, [r3, r6]
    ldr r5, [sp, #SHIFT_STEP]
    adds r3, r3, r5
    cmp r2, #0
    beq .Lpower_of_two
    ldrh r7, [r2]
    ldr r5, [sp, #MULTIPLIER_STEP]
    adds r2, r2, r5
    subs r6, #15
    beq .Lno_further_shift
    blt .Llarge_factor
    multiply r4, r5, r7
.Lshift_one:
    asrs r4, r6
    movs r5, #0
    adcs r4, r5
    b .Lclamp_one
.Lno_further_shift:
    lsls r5, r4, #17
    lsrs r5, r5, #17
    asrs r4, r4, #15
    muls r5, r7
    muls r4, r7
    lsrs r5, r5, #15            @ the last bit shifted out is the carry
    adcs r4, r5
    b .Lclamp_one
.Llarge_factor:                   @ 1 or more: an accumulator outside int16 saturates anyway
    bl .Lsaturate_int16
    muls r4, r7
    adds r6, #15
    b .Lshift_one
.Lpower_of_two:
    cmp r6, #0
    bgt .Lshift_one
    bl .Lsaturate_int16
    negs r6, r6
    lsls r4, r6
.Lclamp_one:
    ldr r7, [sp, #MINUS_LOW]
    adds r4, r4, r7
    cmp r4, r8
    bls 2f
    bl .Lclamp
2:  add r4, r9
    STORE r4, [r1]
    adds r1, #OUTPUT_BYTES
    cmp r1, r10
    bne .Lone_row
    b .Lnext_rows

.Lsaturate_int16:
    sxth r5, r4
    cmp r5, r4
    beq 1f
    asrs r4, r4, #31            @ 0x7fff or its complement
    ldr r5, =0x7fff
    eors r4, r5
1:  bx lr
    .pool
    end_function RESCOMP_KERNEL
