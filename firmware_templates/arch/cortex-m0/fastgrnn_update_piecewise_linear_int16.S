/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#include "rescomp_fastgrnn_update_thumb1.h"

/* Where no conditional instruction can choose, a clamp is a branch around what the rarer case needs. */
largest .req r2 /* 2^15 - 1 */
one     .req r8 /* 2^12 */

/* value within -2^15..2^15 - 1; r7 is lost */
.macro saturate value
    sxth r7, \value
    cmp r7, \value
    beq 6f
    asrs \value, #31
    eors \value, largest
6:
.endm

    begin_function rescomp_fastgrnn_update_piecewise_linear_int16
    enter
    movs r3, #1
    lsls r3, #12
    mov one, r3
    ldr largest, =(1 << 15) - 1
1:  load r3, PROJECTED
    load r4, RECURRENT
    adds r3, r4
    saturate r3                     /* sum */
    load r4, CANDIDATE_BIAS         /* candidate = saturate((sum + candidate_bias[i]) * 8) */
    adds r4, r3
    lsls r4, #3
    saturate r4
    load r5, GATE_BIAS              /* z = clamp((sum + gate_bias[i] + 2^12) * 4, 0, 2^15 - 1) */
    adds r5, r3
    add r5, one
    lsls r5, #2
    asrs r3, r5, #31
    bics r5, r3
    cmp r5, largest
    ble 2f
    movs r5, largest
2:  update_and_loop
    end_function rescomp_fastgrnn_update_piecewise_linear_int16
