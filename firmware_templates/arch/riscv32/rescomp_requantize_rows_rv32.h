/* SPDX-License-Identifier: 0BSD */
/*
 * Requantization of rows on RV32IMC, four rows a turn: kernels/requantize_rows_*.c say what is computed. The file that includes this one
 * names the function in RESCOMP_KERNEL, the bytes of an output in BYTES, and in LOW and HIGH where these fields of `by` lie; and it
 * defines these macros, which may use t1, t2, a4 and a5:
 *   begin        loads what scales are read from; a3 points to `by`
 *   scale row    t0, a sum, scaled by the scale of row 0..3 from the next one, and rounded
 *   advance n    goes n rows on
 */
#include "rescomp_call_saved_rv32.h"

/* a0: accumulators, a1: outputs, a2: rows left, t6: biases or 0; -low is in a6, high - low in a7. */

/* output[row] = clamp(scaled sum in t0) */
.macro finish row
    scale \row
    add t2, t0, a6
    bgeu a7, t2, 1f
    jal t5, clamp
1:
.if BYTES == 2
    sh t0, 2 * \row(a1)
.else
    sb t0, \row(a1)
.endif
.endm

.macro from_accumulator row
    lw t0, 4 * \row(a0)
    finish \row
.endm

    begin_function RESCOMP_KERNEL
    lh a6, LOW(a3)
    lh a7, HIGH(a3)
    sub a7, a7, a6
    neg a6, a6
    lw t6, 0(a3)
    begin
    bnez t6, one
    addi a2, a2, -4
    bltz a2, rest
four:
    from_accumulator 0
    from_accumulator 1
    from_accumulator 2
    from_accumulator 3
    addi a0, a0, 16
    addi a1, a1, 4 * BYTES
    advance 4
    addi a2, a2, -4
    bgez a2, four
rest:
    addi a2, a2, 4
one: /* row by row: the last ones, and those with a bias */
    beqz a2, return
    lw t0, 0(a0)
    beqz t6, 2f
    lw t1, 0(t6)
    addi t6, t6, 4
    add t0, t0, t1
2:  finish 0
    addi a0, a0, 4
    addi a1, a1, BYTES
    advance 1
    addi a2, a2, -1
    j one
return:
    ret

clamp: /* seldom: t0 = low or high, t2 being t0 - low; back to t5 */
    neg t0, a6
    bltz t2, 3f
    add t0, t0, a7
3:  jr t5
    end_function RESCOMP_KERNEL
