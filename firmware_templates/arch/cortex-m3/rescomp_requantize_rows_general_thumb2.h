/* SPDX-License-Identifier: 0BSD */
/*
 * Thumb-2 for rescomp_requantize_rows_body.h, four rows at a time where each has its own scale. The file that includes it names
 * the function in RESCOMP_KERNEL and defines OUTPUT_BITS, STORE (an instruction), and two macros:
 *
 *     store_four     packs r4-r7 and stores them at r1, which moves on.
 *     multiply_pair  a, b: a = (a * m) >> 16 and b = (b * n) >> 16, where r9 = m + (n << 16); r10 is free.
 */
#include "rescomp_call_saved_thumb2.h"

#define ROWS 4
#define OUTPUT_BYTES (OUTPUT_BITS / 8)

/* The stack frame, and behind nine saved registers the fields of rescomp_requantization but the first. */
#define OUTPUT_END 0
#define FOURS_END 4 /* of the rows that are done four at a time */
#define FRAME_BYTES 12
#define MULTIPLIER (FRAME_BYTES + 36)
#define SHIFT (MULTIPLIER + 4)
#define MULTIPLIER_STEP (MULTIPLIER + 8)
#define SHIFT_STEP (MULTIPLIER + 9)
#define LOW (MULTIPLIER + 10)
#define HIGH (MULTIPLIER + 12)

/* value = (value + 2^(shift - 1)) >> shift by the lowest byte of shift, 1 to 31: the last bit shifted out is the carry. */
.macro round_half_up_shift value, shift
    asrs \value, \value, \shift
    adc \value, \value, #0
.endm

/* value = rescomp_clamp(value, r9, r9 + r10) */
.macro clamp value
    sub r8, \value, r9
    cmp r8, r10
    bhi .Lclamp_\value
.Lclamped_\value:
.endm

.macro clamp_out_of_line value
.Lclamp_\value:
    cmp \value, r9
    ite lt
    movlt \value, r9
    addge \value, r9, r10
    b .Lclamped_\value
.endm

/* void RESCOMP_KERNEL(accumulator: r0, output: r1, rows: r2, by: r3 and the stack) */
#ifndef FUNCTION
#define FUNCTION RESCOMP_KERNEL
#define BINDING .global
#endif
    begin_function FUNCTION, .text, BINDING
    push_call_saved FRAME_BYTES
    add r4, r1, r2, lsl #OUTPUT_BYTES - 1
    bic r5, r2, #ROWS - 1
    add r5, r1, r5, lsl #OUTPUT_BYTES - 1
    ldr r2, [sp, #MULTIPLIER]
    ldr lr, [sp, #SHIFT]
    ldrh r6, [sp, #MULTIPLIER_STEP] @ both steps
    cbnz r2, 1f
    orr r6, r6, #0x01           @ without multipliers their step does not matter
1:  movw r7, #0x0101
    cmp r6, r7
    it ne
    movne r5, r1
    strd r4, r5, [sp, #OUTPUT_END]
    adr.w r12, .Lfull_range
    ldrsh r8, [sp, #LOW]
    ldrsh r9, [sp, #HIGH]
    sub r9, r9, r8
    movw r8, #(1 << OUTPUT_BITS) - 1
    cmp r9, r8
    it ne
    adrne r12, .Lnarrow
    orr r12, r12, #1

    /*
     * r0 accumulators; r1 output; r2 multipliers or NULL; r3 biases or NULL; r4-r7 rows; r8 shifts; r9, r10 free; r11 where r1
     * stops; r12 what saturates four rows; lr shifts in flash.
     */
.Lnext_rows:
    ldr r11, [sp, #FOURS_END]
    cmp r1, r11
    blo .Lfour_rows
    ldr r11, [sp, #OUTPUT_END]
    cmp r1, r11
    bne .Lone_row
    pop_call_saved_and_return FRAME_BYTES

.Lfour_rows:
    ldr r8, [lr], #ROWS
    cbz r2, 1f
    sub r8, r8, #0x0f0f0f0f     @ the products have lost 15 bits
1:  sub r9, r8, #0x01010101     @ is one of the four shifts below 1?
    tst r9, #0x80808080
    bne .Lsmall_shifts
    ldmia r0!, {r4-r7}
    cbz r3, 2f
    ldrd r9, r10, [r3], #8
    add r4, r9
    add r5, r10
    ldrd r9, r10, [r3], #8
    add r6, r9
    add r7, r10
2:  cbz r2, 3f
    lsls r4, r4, #1
    lsls r5, r5, #1
    lsls r6, r6, #1
    lsls r7, r7, #1
    ldr r9, [r2], #4
    multiply_pair r4, r5
    ldr r9, [r2], #4
    multiply_pair r6, r7
3:  round_half_up_shift r4, r8
    lsr r8, r8, #8
    round_half_up_shift r5, r8
    lsr r8, r8, #8
    round_half_up_shift r6, r8
    lsr r8, r8, #8
    round_half_up_shift r7, r8
    bx r12
    .align 2
.Lfull_range:
    ssat r4, #OUTPUT_BITS, r4
    ssat r5, #OUTPUT_BITS, r5
    ssat r6, #OUTPUT_BITS, r6
    ssat r7, #OUTPUT_BITS, r7
.Lsaturated:
    store_four
    cmp r1, r11
    bne .Lfour_rows
    b .Lnext_rows
    .align 2
.Lnarrow:
    ldrsh r9, [sp, #LOW]
    ldrsh r10, [sp, #HIGH]
    sub r10, r10, r9
    clamp r4
    clamp r5
    clamp r6
    clamp r7
    b .Lsaturated
    clamp_out_of_line r4
    clamp_out_of_line r5
    clamp_out_of_line r6
    clamp_out_of_line r7

.Lsmall_shifts:
    sub lr, lr, #ROWS
    add r11, r1, #ROWS * OUTPUT_BYTES

    /*
     * rescomp_requantize, with any shift and any step. r4 the row; r5 multiplier, then bounds; r6 shift; r7 the product's high word.
     */
.Lone_row:
    ldr r4, [r0], #4
    cbz r3, 1f
    ldr r5, [r3], #4
    add r4, r5
1:  ldrsb r6, [lr]
    ldrb r5, [sp, #SHIFT_STEP]
    add lr, r5
    cbz r2, .Lpower_of_two
    ldrsh r5, [r2]
    ldrb r7, [sp, #MULTIPLIER_STEP]
    add r2, r2, r7, lsl #1
    subs r6, #15
    it lt                       @ the factor is 1 or more: an accumulator outside int16 saturates anyway
    ssatlt r4, #16, r4
    smull r4, r7, r4, r5
    blt .Lproduct_in_word
    lsrs r4, r4, #15            @ the product's two words without their last 15 bits, of which the first is the carry
    orr r4, r4, r7, lsl #17
    cbz r6, 2f
    asrs r4, r4, r6
2:  adc r4, r4, #0
    b .Lclamp_one
.Lproduct_in_word:
    adds r6, #15
    b .Lshift_one
.Lpower_of_two:
    cmp r6, #0
    bgt .Lshift_one
    ssat r4, #16, r4
    rsbs r6, r6, #0
    lsls r4, r4, r6
    b .Lclamp_one
.Lshift_one:
    round_half_up_shift r4, r6
.Lclamp_one:
    ldrsh r5, [sp, #LOW]
    cmp r4, r5
    it lt
    movlt r4, r5
    ldrsh r5, [sp, #HIGH]
    cmp r4, r5
    it gt
    movgt r4, r5
    STORE r4, [r1], #OUTPUT_BYTES
    cmp r1, r11
    bne .Lone_row
    b .Lnext_rows
    end_function FUNCTION
