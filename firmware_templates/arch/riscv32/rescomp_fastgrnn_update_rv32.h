/* SPDX-License-Identifier: 0BSD */
/*
 * Updates of a FastGRNN cell on RV32IMC, two entries a turn: kernels/fastgrnn_update_*_int16.c say what they compute. The file that
 * includes this one includes rescomp_fastgrnn_registers_rv32.h, names the function in RESCOMP_KERNEL and defines three macros:
 *   begin           sets up s0..s2, with the table's address in t6
 *   gates n         leaves z in t0 and the candidate in t1, for the entry n bytes from where the arrays begin; t2..t6 are free
 *   out_of_the_way  what `gates` jumps to seldom, by jal t5
 */
#include "rescomp_call_saved_rv32.h"

#define LOW 6
#define HIGH 8
#define FRAME 48

/* The pointers, so many bytes on. */
.macro advance bytes
    addi projected, projected, \bytes
    addi recurrent, recurrent, \bytes
    addi state, state, \bytes
    addi output, output, \bytes
    addi gate_bias, gate_bias, \bytes
    addi candidate_bias, candidate_bias, \bytes
.endm

/* output = clamp((gate * candidate + z * state + 2^14) >> 15) */
.macro update n
    gates \n
    mul t2, zeta, t0
    sub t2, opened, t2
    sra t2, t2, shift
    lh t3, \n(state)
    mul t1, t1, t2
    mul t3, t3, t0
    add t1, t1, t3
    add t1, t1, constant
    srai t1, t1, 15
    bgeu span, t1, 1f
    jal t5, clamp
1:  sub t1, t1, limit
    sh t1, \n(output)
.endm

    begin_function RESCOMP_KERNEL
    lw t6, 0(sp)
    push_call_saved 9, FRAME
    begin
    lh zeta, 0(cell)
    lh t0, 2(cell)
    lbu t1, 4(cell)
    add t0, t0, zeta
    slli t0, t0, 15
    li shift, 30
    sub shift, shift, t1
    addi t1, shift, -1
    li t2, 1
    sll t2, t2, t1
    add opened, t0, t2
    lh t0, LOW(cell)
    lh limit, HIGH(cell)
    neg t0, t0
    ble limit, t0, 1f
    mv limit, t0
1:  slli span, limit, 1
    slli t0, limit, 15
    li constant, 1 << 14
    add constant, constant, t0
    beqz left, return
    andi t0, left, 1
    beqz t0, turn
    addi left, left, 1              /* an odd number: into the middle of a turn, for its second entry */
    advance -2
    j second
turn:
    update 0
second:
    update 2
    advance 4
    addi left, left, -2
    bnez left, turn
return:
    pop_call_saved_and_return 9, FRAME

clamp: /* seldom: t1 within low + limit and high + limit; back to t5 */
    lh t2, LOW(cell)
    add t2, t2, limit
    bge t1, t2, 2f
    mv t1, t2
2:  lh t2, HIGH(cell)
    add t2, t2, limit
    ble t1, t2, 3f
    mv t1, t2
3:  jr t5
    out_of_the_way
    end_function RESCOMP_KERNEL
