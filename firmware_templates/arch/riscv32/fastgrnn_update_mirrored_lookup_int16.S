/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#include "rescomp_fastgrnn_registers_rv32.h"

#define RESCOMP_KERNEL rescomp_fastgrnn_update_mirrored_lookup_int16

#define two15 s0 /* 2^15, RESCOMP_MIRRORED_TABLE_OFFSET */
#define table s1
#define half s2 /* (2^15 + 1) * 2^9 + 2^8 - 1, of the sigmoid */

.macro begin
    mv table, t6
    li two15, 1 << 15
    li half, ((1 << 15) + 1) * (1 << 9) + (1 << 8) - 1
.endm

/*
 * low = the entry below value in the table, of which `first` entries lie before the one for 0; rest =
 * rescomp_mirrored_table_rest() without the constant part of its rounding. Lost: value, t3.
 */
.macro look_up rest, low, value, bits, first
    srli t3, \value, \bits
    slli t3, t3, 1
    add t3, t3, table
    lh \low, 2 * \first(t3)
    lh \rest, 2 * \first + 2(t3)
    sub \rest, \rest, \low
    andi t3, \value, (1 << \bits) - 1
    mul \rest, \rest, t3
    srli \value, \value, 15
    add \rest, \rest, \value
.endm

.macro gates n
    lh t0, \n(projected)
    lh t1, \n(recurrent)
    lh t2, \n(gate_bias)
    lh t3, \n(candidate_bias)
    add t0, t0, t1
    add t0, t0, two15               /* sum */
    add t2, t2, t0
    add t1, t3, t0
    or t3, t0, t1
    or t3, t3, t2
    srli t3, t3, 16
    beqz t3, 1f
    jal t5, saturate_all
1:  look_up t6, t4, t2, 9, 64       /* z = sigmoid(sum + gate_bias) */
    slli t4, t4, 9
    add t6, t6, t4
    add t6, t6, half
    srai t0, t6, 10
    look_up t6, t4, t1, 8, 0        /* candidate = tanh(sum + candidate_bias) */
    addi t6, t6, 127
    srai t6, t6, 8
    add t1, t4, t6
.endm

/* x within 0..2^16 - 1; t6 is lost */
.macro saturate x
    srli t6, \x, 16
    beqz t6, 4f
    srai \x, \x, 31
    not \x, \x
    slli \x, \x, 16
    srli \x, \x, 16
4:
.endm

/* t0, the sum, and t2 and t1, the sum with either bias */
.macro out_of_the_way
saturate_all:
    sub t2, t2, t0
    sub t1, t1, t0
    saturate t0
    add t2, t2, t0
    add t1, t1, t0
    saturate t2
    saturate t1
    jr t5
.endm

#include "rescomp_fastgrnn_update_rv32.h"
