/* SPDX-License-Identifier: 0BSD */
/*
 * Thumb-2 for rescomp_product_body.h, four rows at a time: an input is loaded once for all of them. The file that includes it
 * names the function in RESCOMP_KERNEL and how many weights a byte holds in WEIGHTS_IN_BYTE, and ends with
 * product_of_four_rows, after two macros of its own:
 *
 *     prepare_columns  once a call; r0 is the input and r1 its columns, r4-r11 are free. It may leave something in lr and on
 *                      the stack from ENTRY on.
 *     sum_block        accumulator[0..3] += input . weight[0..3]: r0-r3 the beginnings of four rows, r4-r7 their
 *                      accumulators, r8 the input; r9-r12 are free. It leaves r3 at the end of the last row.
 */
#include "rescomp_call_saved_thumb2.h"

#define ROWS 4

/* The stack frame; the first three entries are loaded together. */
#define NEXT 0      /* where the next accumulators lie */
#define ROWS_LEFT 4 /* behind the block that is being done */
#define ROW_BYTES 8
#define INPUT 12
#define ENTRY 16    /* where a block enters its loop over columns, and two entries more, for the macros */
#define FREE 20
#define FRAME_BYTES 28
#define ACCUMULATOR (FRAME_BYTES + 36) /* argument, behind nine saved registers */

/* void RESCOMP_KERNEL(input: r0, columns: r1, rows: r2, weight: r3, accumulator) */
.macro product_of_four_rows
    begin_function RESCOMP_KERNEL, .text
    push_call_saved FRAME_BYTES
    sub r10, r2, #ROWS
    ldr r9, [sp, #ACCUMULATOR]
    mov r12, r1
#if WEIGHTS_IN_BYTE == 2
    add r12, r12, #1
    lsr r12, r12, #1
#endif
    stmia sp, {r9, r10, r12}
    str r0, [sp, #INPUT]
    prepare_columns
    ldm sp, {r9, r10, r12}
    cmp r10, #0
    blt .Llast_block
.Lblock:
    mov r0, r3
    add r1, r0, r12
    add r2, r1, r12
    add r3, r2, r12
.Lrows_set:
    ldr r8, [sp, #INPUT]
    movs r4, #0
    movs r5, #0
    movs r6, #0
    movs r7, #0
    sum_block
    ldm sp, {r9, r10, r12}
    stmia r9!, {r4-r7}
    subs r10, #ROWS
    strd r9, r10, [sp, #NEXT]
    bge .Lblock

.Llast_block:                     @ r10 + 4 rows are left: the last one stands in for those that are missing
    adds r10, #ROWS
    ble .Ldone
    mov r0, r3
    mov r1, r0
    cmp r10, #2
    it hs
    addhs r1, r1, r12
    mov r2, r1
    it hi
    addhi r2, r2, r12
    mov r3, r2
    movs r10, #0
    str r10, [sp, #ROWS_LEFT]
    b .Lrows_set
.Ldone:
    pop_call_saved_and_return FRAME_BYTES
    end_function RESCOMP_KERNEL
.endm
