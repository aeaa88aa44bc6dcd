/* SPDX-License-Identifier: 0BSD */
/*
 * Thumb-1 for rescomp_product_body.h with int8 weights, four rows at a time: an input is loaded once for all of them. The file
 * that includes it names the function in RESCOMP_KERNEL and the bytes of code of a column in COLUMN_BYTES, and defines the
 * macro load_input.
 *
 *     for each 4 rows
 *         for each column
 *             accumulator[row + 0] += input[column] * weight[row + 0][column]; ... accumulator[row + 3] += ...
 */
#include "rescomp_call_saved_thumb1.h"

#define ROWS 4
#define COLUMNS 4 /* unrolled */

/* The stack frame. */
#define ROWS_LEFT 0
#define ENTRY 4     /* where a block enters the loop over columns */
#define FOUR_ROWS 8 /* their bytes */
#define NEXT 12     /* where the next accumulators lie */
#define FRAME_BYTES 16
#define ACCUMULATOR (FRAME_BYTES + 36) /* argument, behind nine saved registers */

/* accumulator += x * row[column] */
.macro multiply_add accumulator, row
    ldrsb r7, [\row, r5]
    muls r7, r6
    add \accumulator, r7
.endm

.macro add_column
    load_input
    multiply_add r8, r0
    multiply_add r9, r1
    multiply_add r10, r2
    multiply_add r11, r3
    adds r5, #1
.endm

/* void RESCOMP_KERNEL(input: r0, columns: r1, rows: r2, weight: r3, accumulator) */
    begin_function RESCOMP_KERNEL, .text
    push_call_saved FRAME_BYTES
    str r2, [sp, #ROWS_LEFT]
    ldr r4, [sp, #ACCUMULATOR]
    str r4, [sp, #NEXT]
    lsls r4, r1, #2
    str r4, [sp, #FOUR_ROWS]
    negs r4, r1
    mov lr, r4
    lsls r4, r4, #30            @ entry = loop + (-columns % 4) columns
    lsrs r4, r4, #30
    movs r5, #COLUMN_BYTES
    muls r4, r5
    adr r5, .Lcolumn_0
    adds r4, r4, r5
    str r4, [sp, #ENTRY]
    adds r0, r0, r1
    mov r12, r0
    adds r0, r3, r1
    adds r3, r1, #0

    /*
     * r0-r3 the ends of four rows; r4 input, so that load_input finds an entry behind r4 + r5; r5 column - columns; r6 an
     * input; r7 a weight; r8-r11 four accumulators; r12 what r4 begins with; lr -columns.
     */
    adds r1, r0, r3
    adds r2, r1, r3
    adds r3, r2, r3
    ldr r4, [sp, #ROWS_LEFT]
.Lblock:
    cmp r4, #ROWS
    blo .Llast_block
.Lall_rows_exist:
    movs r7, #0
    mov r8, r7
    mov r9, r7
    mov r10, r7
    mov r11, r7
    mov r4, r12
    mov r5, lr
    ldr r7, [sp, #ENTRY]
    mov pc, r7
    .align 2
.Lcolumn_0:
    add_column
.Lcolumn_1:
    .if . - .Lcolumn_0 != COLUMN_BYTES
    .error "COLUMN_BYTES are the code of a column"
    .endif
    add_column
    add_column
    add_column
    bne .Lcolumn_0
    ldr r7, [sp, #NEXT]
    mov r4, r8
    mov r5, r9
    mov r6, r10
    stmia r7!, {r4, r5, r6}
    mov r4, r11
    stmia r7!, {r4}
    str r7, [sp, #NEXT]
    ldr r4, [sp, #FOUR_ROWS]
    adds r0, r0, r4
    adds r1, r1, r4
    adds r2, r2, r4
    adds r3, r3, r4
    ldr r4, [sp, #ROWS_LEFT]
    subs r4, #ROWS
    str r4, [sp, #ROWS_LEFT]
    bgt .Lblock

    pop_call_saved_and_return FRAME_BYTES

.Llast_block:                     @ one to three rows: the last one stands in for those that are missing
    cmp r4, #2
    beq 2f
    bhi 3f
    mov r1, r0
2:  mov r2, r1
3:  mov r3, r2
    b .Lall_rows_exist
    end_function RESCOMP_KERNEL
