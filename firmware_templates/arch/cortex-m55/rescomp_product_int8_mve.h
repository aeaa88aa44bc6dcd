/* SPDX-License-Identifier: 0BSD */
/*
 * Helium for rescomp_product_body.h with int8 weights, a vector of columns and four rows at a time: an input is loaded once for
 * all of them. The loop's predicate leaves out what lies past the last column. The file that includes it names the function in
 * RESCOMP_KERNEL and defines, for inputs of its type, LANES_BITS, MULTIPLY_ADD and the macros load_input and load_weight.
 */
#include "rescomp_call_saved_thumb2.h"

#define ROWS 4
#define CONCATENATE(a, b) a##b
#define WITH_SUFFIX(a, b) CONCATENATE(a, b)
#define ACCUMULATOR 40 /* argument, behind ten saved registers */

/* accumulator += x . row of a vector of columns */
.macro multiply_add accumulator, row
    load_weight q1, \row
    MULTIPLY_ADD \accumulator, q0, q1
.endm

/* void RESCOMP_KERNEL(input: r0, columns: r1, rows: r2, weight: r3, accumulator) */
    begin_function RESCOMP_KERNEL, .text
    push {r3-r11, lr}
    str r0, [sp]
    mov r7, r1
    subs r12, r2, #ROWS
    mov r9, r3
    ldr r11, [sp, #ACCUMULATOR]

    /*
     * r0-r3 rows; r4, r6, r8, r10 their accumulators (instructions take even registers only); r5 input; r7 columns; r9 the next
     * row; r11 where accumulators go; r12 rows left behind this block; lr columns left. The input's beginning is on the stack.
     */
    blt .Llast_block
.Lblock:
    mov r0, r9
    add r1, r0, r7
    add r2, r1, r7
    add r3, r2, r7
    add r9, r3, r7
.Lrows_set:
    ldr r5, [sp]
    movs r4, #0
    movs r6, #0
    mov r8, #0
    mov r10, #0
    WITH_SUFFIX(dlstp., LANES_BITS) lr, r7
.Lvector:
    load_input q0, r5
    multiply_add r4, r0
    multiply_add r6, r1
    multiply_add r8, r2
    multiply_add r10, r3
    letp lr, .Lvector
    strd r4, r6, [r11], #8
    strd r8, r10, [r11], #8
    subs r12, #ROWS
    bge .Lblock

.Llast_block:                     @ r12 + 4 rows are left: the last one stands in for those that are missing
    adds r12, #ROWS
    ble .Ldone
    mov r0, r9
    mov r1, r0
    cmp r12, #2
    it hs
    addhs r1, r1, r7
    mov r2, r1
    it hi
    addhi r2, r2, r7
    mov r3, r2
    movs r12, #0
    b .Lrows_set
.Ldone:
    pop {r3-r11, pc}
    end_function RESCOMP_KERNEL
