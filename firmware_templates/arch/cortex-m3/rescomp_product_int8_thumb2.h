/* SPDX-License-Identifier: 0BSD */
/*
 * int8 weights for rescomp_product_four_rows_thumb2.h, a column at a time. The file that includes it names the function in
 * RESCOMP_KERNEL, the bytes of an input in INPUT_BYTES, and how to load one in LOAD_INPUT.
 */
#define WEIGHTS_IN_BYTE 1
#include "rescomp_product_four_rows_thumb2.h"

/* accumulator_a += x * *row_a++; accumulator_b += x * *row_b++ */
.macro multiply_add accumulator_a, row_a, accumulator_b, row_b
    ldrsb r10, [\row_a], #1
    ldrsb r11, [\row_b], #1
    mla \accumulator_a, r9, r10, \accumulator_a
    mla \accumulator_b, r9, r11, \accumulator_b
.endm

.macro add_column
    LOAD_INPUT r9, [r8], #INPUT_BYTES
    multiply_add r4, r0, r5, r1
    multiply_add r6, r2, r7, r3
.endm

/* lr = the input's end; entry = loop + (-columns % 4) columns */
.macro prepare_columns
    add lr, r0, r1, lsl #INPUT_BYTES - 1
    rsb r4, r1, #0
    and r4, r4, #3
    movs r5, #.Lcolumn_1 - .Lcolumn_0
    mul r4, r4, r5
    adr.w r5, .Lcolumn_0
    add r4, r4, r5
    orr r4, r4, #1
    str r4, [sp, #ENTRY]
.endm

.macro sum_block
    ldr pc, [sp, #ENTRY]
.Lcolumn_0:
    add_column
.Lcolumn_1:
    add_column
    add_column
    add_column
    cmp r8, lr
    bne .Lcolumn_0
.endm

    product_of_four_rows
