/* SPDX-License-Identifier: 0BSD */
/*
 * int8 weights for rescomp_product_four_rows_thumb2.h, four columns (a quad) at a time with the DSP extension, which multiplies
 * and adds pairs of 16-bit numbers. The file that includes it names the function in RESCOMP_KERNEL, the bytes of an input in
 * INPUT_BYTES and how to load one in LOAD_INPUT, and defines the macro load_quad.
 */
#define WEIGHTS_IN_BYTE 1
#include "rescomp_product_four_rows_thumb2.h"

#define QUADS_ENTRY FREE
#define SINGLE_END FREE + 4

/* accumulator += x . *row++ of four columns: r9 inputs 1 and 3, r10 inputs 0 and 2 */
.macro multiply_add_quad accumulator, row
    ldr r11, [\row], #4
    sxtb16 r12, r11, ror #8
    sxtb16 r11, r11
    smlad \accumulator, r9, r12, \accumulator
    smlad \accumulator, r10, r11, \accumulator
.endm

.macro add_quad
    load_quad
    multiply_add_quad r4, r0
    multiply_add_quad r5, r1
    multiply_add_quad r6, r2
    multiply_add_quad r7, r3
.endm

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

/*
 * lr = the input's end; quads_entry = loop + (-quads % 4) quads, or past the loop where there is none; a block enters there, or
 * where columns are no multiple of four at the loop over single columns, which comes first.
 */
.macro prepare_columns
    add lr, r0, r1, lsl #INPUT_BYTES - 1
    lsrs r4, r1, #2
    adr.w r5, .Lquads_done
    beq 1f
    rsbs r4, r4, #0
    and r4, r4, #3
    movs r5, #.Lquad_1 - .Lquad_0
    mul r4, r4, r5
    adr.w r5, .Lquad_0
    add r5, r5, r4
1:  orr r5, r5, #1
    str r5, [sp, #QUADS_ENTRY]
    ands r4, r1, #3
    beq 2f
    add r4, r0, r4, lsl #INPUT_BYTES - 1
    str r4, [sp, #SINGLE_END]
    adr.w r5, .Lsingle_columns
    orr r5, r5, #1
2:  str r5, [sp, #ENTRY]
.endm

.macro sum_block
    ldr pc, [sp, #ENTRY]
.Lsingle_columns:
    ldr r12, [sp, #SINGLE_END]
.Lcolumn:
    add_column
    cmp r8, r12
    bne .Lcolumn
    ldr pc, [sp, #QUADS_ENTRY]
.Lquad_0:
    add_quad
.Lquad_1:
    add_quad
    add_quad
    add_quad
    cmp r8, lr
    bne .Lquad_0
.Lquads_done:
.endm

    product_of_four_rows
