/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#include "rescomp_fastgrnn_registers_rv32.h"

#define RESCOMP_KERNEL rescomp_fastgrnn_update_piecewise_linear_int16

#define one s0      /* 2^12 */
#define largest s1  /* 2^15 - 1 */
#define smallest s2 /* -2^15 */

.macro begin
    li one, 1 << 12
    li largest, (1 << 15) - 1
    li smallest, -(1 << 15)
.endm

.macro clamp_to x, low
    ble \x, largest, 4f
    mv \x, largest
4:  bge \x, \low, 5f
    mv \x, \low
5:
.endm

.macro gates n
    lh t0, \n(projected)
    lh t1, \n(recurrent)
    lh t2, \n(gate_bias)
    lh t3, \n(candidate_bias)
    add t1, t1, t0
    clamp_to t1, smallest           /* sum */
    add t0, t1, t2                  /* z = clamp((sum + gate_bias + 2^12) * 4, 0, 2^15 - 1) */
    add t0, t0, one
    slli t0, t0, 2
    clamp_to t0, zero
    add t1, t1, t3                  /* candidate = saturate((sum + candidate_bias) * 8) */
    slli t1, t1, 3
    clamp_to t1, smallest
.endm

.macro out_of_the_way
.endm

#include "rescomp_fastgrnn_update_rv32.h"
