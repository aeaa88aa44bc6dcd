/* SPDX-License-Identifier: 0BSD */
/*
 * int4 weights for rescomp_product_four_rows_thumb2.h, eight columns (a word of weights) at a time with the DSP extension. Of a
 * word, w >> 4 k and a mask give the weights of columns k and k + 4 as a pair of 16-bit numbers. So that they need no sign
 * extension, their top bits are flipped first, which adds 8 to each weight; the sums begin at -8 times that of the inputs.
 *
 * The file that includes it names the function in RESCOMP_KERNEL, the bytes of an input in INPUT_BYTES and how to load one in
 * LOAD_INPUT, and defines:
 *
 *     SECOND, THIRD, FOURTH         the order in which it wants the four k, of which 0 is the first.
 *     load_first_half               r9, r10 = the inputs of the first two k, in pairs; r11, r12 are free. It moves r8 on.
 *     load_second_half              the same of the other two.
 */
#define WEIGHTS_IN_BYTE 2
#include "rescomp_product_four_rows_thumb2.h"

#define WORD 8 /* columns */
#define MASK 0x000f000f
#define REST ENTRY /* columns % 8, which come after the words */
#define WORDS_END FREE
#define CORRECTION FREE + 4

/* accumulator += x . (weights + 8) of columns a, a + 4, b and b + 4 */
.macro multiply_add_half accumulator, row, a, b, step
    ldr r11, [\row], #\step
    eor r11, r11, #0x88888888
    and r12, lr, r11, lsr #4 * \a
    smlad \accumulator, r9, r12, \accumulator
    and r12, lr, r11, lsr #4 * \b
    smlad \accumulator, r10, r12, \accumulator
.endm

/* The first column of a word needs no shift. */
.macro multiply_add_first_half accumulator, row
    ldr r11, [\row]
    eor r11, r11, #0x88888888
    and r12, lr, r11
    smlad \accumulator, r9, r12, \accumulator
    and r12, lr, r11, lsr #4 * SECOND
    smlad \accumulator, r10, r12, \accumulator
.endm

.macro add_word
    load_first_half
    multiply_add_first_half r4, r0
    multiply_add_first_half r5, r1
    multiply_add_first_half r6, r2
    multiply_add_first_half r7, r3
    load_second_half
    multiply_add_half r4, r0, THIRD, FOURTH, 4
    multiply_add_half r5, r1, THIRD, FOURTH, 4
    multiply_add_half r6, r2, THIRD, FOURTH, 4
    multiply_add_half r7, r3, THIRD, FOURTH, 4
.endm

/* accumulator += x . two weights of a byte */
.macro multiply_add_two accumulator, row
    ldrb r11, [\row], #1
    sbfx r12, r11, #0, #4
    mla \accumulator, r9, r12, \accumulator
    sbfx r12, r11, #4, #4
    mla \accumulator, r10, r12, \accumulator
.endm

.macro add_two_columns
    LOAD_INPUT r9, [r8], #INPUT_BYTES
    LOAD_INPUT r10, [r8], #INPUT_BYTES
    multiply_add_two r4, r0
    multiply_add_two r5, r1
    multiply_add_two r6, r2
    multiply_add_two r7, r3
.endm

.macro multiply_add_last accumulator, row
    ldrb r11, [\row], #1
    sbfx r12, r11, #0, #4
    mla \accumulator, r9, r12, \accumulator
.endm

.macro add_last_column
    LOAD_INPUT r9, [r8], #INPUT_BYTES
    multiply_add_last r4, r0
    multiply_add_last r5, r1
    multiply_add_last r6, r2
    multiply_add_last r7, r3
.endm

/* rest; words_end; correction = -8 * the sum of the inputs before it; lr = mask */
.macro prepare_columns
    bics r4, r1, #WORD - 1
    add r5, r0, r4, lsl #INPUT_BYTES - 1
    str r5, [sp, #WORDS_END]
    and r6, r1, #WORD - 1
    str r6, [sp, #REST]
    mov r4, #0
    beq 2f
1:  LOAD_INPUT r6, [r0], #INPUT_BYTES
    LOAD_INPUT r7, [r0], #INPUT_BYTES
    sub r4, r4, r6
    sub r4, r4, r7
    cmp r0, r5
    bne 1b
2:  lsls r4, r4, #3
    str r4, [sp, #CORRECTION]
    mov lr, #MASK
.endm

.macro sum_block
    ldr r12, [sp, #WORDS_END]
    cmp r8, r12
    beq .Lwords_done
    ldr r4, [sp, #CORRECTION]
    mov r5, r4
    mov r6, r4
    mov r7, r4
.Lword:
    add_word
    ldr r12, [sp, #WORDS_END]
    cmp r8, r12
    bne .Lword
.Lwords_done:
    ldr lr, [sp, #REST]
    subs lr, #2
    blo .Llast_column
.Ltwo_columns:
    add_two_columns
    subs lr, #2
    bhs .Ltwo_columns
.Llast_column:
    cmn lr, #1
    bne .Lcolumns_done
    add_last_column
.Lcolumns_done:
    mov lr, #MASK
.endm

    product_of_four_rows
