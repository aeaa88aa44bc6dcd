/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#include "rescomp_fastgrnn_update_thumb1.h"

table    .req r1
next     .req r2 /* table + 1 */
two15    .req r8 /* 2^15, RESCOMP_MIRRORED_TABLE_OFFSET */
half     .req r9 /* (2^15 + 1) * 2^9 + 2^8 - 1, of the sigmoid */

/*
 * result = rest + low * 2^bits of rescomp_mirrored_table.h without the constant part of its rounding, value being what `first` entries
 * of the table lie below. Bit 15 of the value, shifted into the carry, is the other part of it. Lost: value, r3, r6.
 */
.macro look_up result, value, bits, first
    lsrs r6, \value, #\bits
    lsls r6, #1
.if \first
    adds r6, #2 * \first
.endif
    ldrsh \result, [next, r6]
    ldrsh r6, [table, r6]
    subs \result, r6
    lsls r3, \value, #32 - \bits
    lsrs r3, #32 - \bits
    lsls r6, #\bits
    lsls \value, #17
    muls \result, r3
    adcs \result, r6
.endm

/* value, plus 2^15, within 0..2^16 - 1 */
.macro saturate value
    lsrs r7, \value, #16
    beq 6f
    asrs \value, #31
    mvns \value, \value
    uxth \value, \value
6:
.endm

    begin_function rescomp_fastgrnn_update_mirrored_lookup_int16
    enter
    ldr table, [sp, #TABLE]
    adds next, table, #2
    movs r3, #1
    lsls r3, #15
    mov two15, r3
    ldr r3, =((1 << 15) + 1) * (1 << 9) + (1 << 8) - 1
    mov half, r3
1:  load r3, PROJECTED
    load r4, RECURRENT
    adds r3, r4
    add r3, two15                   /* sum */
    load r4, CANDIDATE_BIAS
    adds r4, r3
    load r5, GATE_BIAS
    adds r5, r3
    orrs r3, r4
    orrs r3, r5
    lsrs r3, #16
    bne saturate_all
2:  look_up r7, r5, 9, 64           /* z = sigmoid(sum + gate_bias[i]) */
    add r7, half
    asrs r5, r7, #10
    look_up r7, r4, 8, 0            /* candidate = tanh(sum + candidate_bias[i]) */
    adds r7, #127
    asrs r4, r7, #8
    update_and_loop

saturate_all: /* seldom */
    load r3, PROJECTED
    load r4, RECURRENT
    adds r3, r4
    add r3, two15
    saturate r3
    load r4, CANDIDATE_BIAS
    adds r4, r3
    saturate r4
    load r5, GATE_BIAS
    adds r5, r3
    saturate r5
    b 2b
    end_function rescomp_fastgrnn_update_mirrored_lookup_int16
