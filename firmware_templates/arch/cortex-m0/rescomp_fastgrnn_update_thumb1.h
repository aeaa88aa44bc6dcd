/* SPDX-License-Identifier: 0BSD */
/*
 * What the updates of a FastGRNN cell share on ARMv6-M: kernels/fastgrnn_update_*_int16.c say what they compute. One entry a turn.
 * Arrays are addressed from their ends, by one offset that runs up to 0; what does not fit into registers is in the stack frame.
 */
#include "rescomp_call_saved_thumb1.h"

offset   .req r0  /* of the entry from the ends of all arrays */
opened   .req r10 /* (zeta + nu) * 2^15 + 2^(shift - 1): the gate where z is 0, before its shift */
constant .req r11 /* 2^14 + limit * 2^15, limit being the smaller one of high and -low: results get it added, so that */
span     .req r12 /* 2 * limit is the largest one that needs no clamp, and 0 the smallest; */
negative_limit .req lr /* this brings them back */

#define PROJECTED 0 /* ends of arrays */
#define RECURRENT 4
#define GATE_BIAS 8
#define CANDIDATE_BIAS 12
#define STATE 16
#define NEGATIVE_ZETA 20
#define SHIFT 24 /* of the gate */
#define FRAME 28
#define SAVED (FRAME + 36) /* arguments on the stack, above the frame and the registers that `enter` saves */
#define COUNT (SAVED + 0)
#define GATE_BIAS_ARGUMENT (SAVED + 4)
#define CANDIDATE_BIAS_ARGUMENT (SAVED + 8)
#define CELL (SAVED + 12) /* zeta, nu, fraction_bits, low, high */
#define LOW 6             /* in it */
#define HIGH 8
#define TABLE (SAVED + 24)

.macro store_end pointer, bytes, place
    adds \pointer, \bytes
    str \pointer, [sp, #\place]
.endm

/* Saves the registers and sets up all of the above; with no entries, the function ends. */
.macro enter
    push_call_saved FRAME
    ldr r7, [sp, #COUNT]
    lsls r7, #1
    bne 1f
    bl return
1:  cmp r2, r3
    beq 3f
    movs r5, r7
2:  subs r5, #2                     /* output[i] = state[i] */
    ldrsh r6, [r2, r5]
    strh r6, [r3, r5]
    bne 2b
3:  store_end r0, r7, PROJECTED
    store_end r1, r7, RECURRENT
    store_end r3, r7, STATE
    ldr r0, [sp, #GATE_BIAS_ARGUMENT]
    store_end r0, r7, GATE_BIAS
    ldr r0, [sp, #CANDIDATE_BIAS_ARGUMENT]
    store_end r0, r7, CANDIDATE_BIAS
    add r1, sp, #CELL
    ldrh r2, [r1]                   /* zeta and nu are not negative */
    ldrh r3, [r1, #2]
    adds r3, r2
    lsls r3, #15
    rsbs r2, r2, #0
    str r2, [sp, #NEGATIVE_ZETA]
    ldrb r2, [r1, #4]
    movs r4, #30
    subs r4, r2
    str r4, [sp, #SHIFT]
    movs r2, #1
    subs r4, #1
    lsls r2, r4
    adds r3, r2
    mov opened, r3
    movs r2, #LOW
    ldrsh r2, [r1, r2]
    movs r3, #HIGH
    ldrsh r3, [r1, r3]
    rsbs r2, r2, #0
    cmp r3, r2
    ble 4f
    movs r3, r2
4:  rsbs r2, r3, #0
    mov negative_limit, r2
    lsls r2, r3, #1
    mov span, r2
    lsls r3, #15
    movs r2, #1
    lsls r2, #14
    adds r3, r2
    mov constant, r3
    rsbs offset, r7, #0
.endm

/* x = the entry of the array that ends at `place` */
.macro load x, place
    ldr \x, [sp, #\place]
    ldrsh \x, [\x, offset]
.endm

/*
 * state[i] = clamp((gate * candidate + z * state[i] + 2^14) >> 15), z being in r5, candidate in r4; then the next turn of the loop
 * 1, or the end.
 */
.macro update_and_loop
    ldr r3, [sp, #NEGATIVE_ZETA]
    muls r3, r5
    add r3, opened
    ldr r6, [sp, #SHIFT]
    asrs r3, r6                     /* gate */
    muls r3, r4
    ldr r6, [sp, #STATE]
    ldrsh r7, [r6, offset]
    muls r7, r5
    adds r3, r7
    add r3, constant
    asrs r3, #15
    cmp r3, span
    bhi 8f
    add r3, negative_limit
7:  strh r3, [r6, offset]
    adds offset, #2
    bne 1b
return:
    pop_call_saved_and_return FRAME

8:  add r3, negative_limit          /* seldom */
    add r4, sp, #CELL
    movs r5, #LOW
    ldrsh r5, [r4, r5]
    cmp r3, r5
    bge 9f
    movs r3, r5
9:  movs r5, #HIGH
    ldrsh r5, [r4, r5]
    cmp r3, r5
    ble 7b
    movs r3, r5
    b 7b
.endm
