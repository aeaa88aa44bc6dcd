/* SPDX-License-Identifier: 0BSD */
/*
 * RV32IMC for rescomp_product_body.h with int8 weights: four rows at a time, so that an input is loaded once for four of them, and four
 * columns a turn. The file that includes this one names the function in RESCOMP_KERNEL, the bytes of an input in BYTES, and defines the
 * macro load_input x, index, which reads input[index].
 */
#include "rescomp_call_saved_rv32.h"

#define input t0 /* where it is read */
#define first a0 /* where it begins */
#define columns a1
#define rows a2 /* still to come */
#define weight a3 /* of the first row of four; a5, a6, a7: of the three others */
#define accumulator a4 /* of the first row; s0..s3: the sums of all four */
#define last t1 /* where the last four columns of the input begin, and then where it ends */

/* sum += input[index] * weight[index], the input being in t3 */
.macro add_product sum, row_weight, index
    lb t4, \index(\row_weight)
    mul t4, t4, t3
    add \sum, \sum, t4
.endm

.macro add_column index
    load_input t3, \index
    add_product s0, weight, \index
    add_product s1, a5, \index
    add_product s2, a6, \index
    add_product s3, a7, \index
.endm

.macro advance count
    addi input, input, BYTES * \count
    addi weight, weight, \count
    addi a5, a5, \count
    addi a6, a6, \count
    addi a7, a7, \count
.endm

/* last = the place in the input that lies t2 entries behind its beginning */
.macro find_last
.if BYTES == 2
    slli t2, t2, 1
.endif
    add last, first, t2
.endm

    begin_function RESCOMP_KERNEL
    push_call_saved 4, 16
    addi rows, rows, -4
    bltz rows, rest
four_rows:
    add a5, weight, columns
    add a6, a5, columns
    add a7, a6, columns
    li s0, 0
    li s1, 0
    li s2, 0
    li s3, 0
    mv input, first
    andi t2, columns, -4
    find_last
    beq input, last, odd_columns
four_columns:
    add_column 0
    add_column 1
    add_column 2
    add_column 3
    advance 4
    bne input, last, four_columns
odd_columns:
    mv t2, columns
    find_last
    beq input, last, store
one_column:
    add_column 0
    advance 1
    bne input, last, one_column
store:
    move_words sw, 4, accumulator
    addi accumulator, accumulator, 16
    mv weight, a7                   /* its end is the beginning of the next row */
    addi rows, rows, -4
    bgez rows, four_rows
rest:
    addi rows, rows, 4
    beqz rows, return
    mv t2, columns
    find_last
one_row:
    li s0, 0
    mv input, first
    beq input, last, store_one
1:  load_input t3, 0
    add_product s0, weight, 0
    addi input, input, BYTES
    addi weight, weight, 1
    bne input, last, 1b
store_one:
    sw s0, 0(accumulator)
    addi accumulator, accumulator, 4
    addi rows, rows, -1
    bnez rows, one_row
return:
    pop_call_saved_and_return 4, 16
    end_function RESCOMP_KERNEL
