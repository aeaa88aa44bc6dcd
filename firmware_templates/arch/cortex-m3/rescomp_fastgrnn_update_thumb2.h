/* SPDX-License-Identifier: 0BSD */
/*
 * What the updates of a FastGRNN cell share on ARMv7-M: kernels/fastgrnn_update_*_int16.c says what they compute. One entry a
 * turn. The file that includes this one names the bytes of its stack frame in FRAME. These registers have one role throughout:
 */
#include "rescomp_call_saved_thumb2.h"

projected .req r0   /* read entry after entry, as are: */
recurrent .req r1
state     .req r2   /* and written: the output is the state, or has been made a copy of it */
gate_bias .req r4
candidate_bias .req r5
turns     .req r7   /* turns left after this one << 8 | shift of the gate */
sum       .req r8   /* saturate(projected + recurrent), then the candidate */
z         .req r9

/* Arguments on the stack, above the frame and the registers that `enter` saves. */
#define SAVED (FRAME + 36)
#define COUNT SAVED
#define GATE_BIAS (SAVED + 4)
#define CANDIDATE_BIAS (SAVED + 8)
#define ZETA (SAVED + 12)
#define NU (SAVED + 14)
#define FRACTION_BITS (SAVED + 16)
#define LOW (SAVED + 18)
#define HIGH (SAVED + 20)
#define TABLE (SAVED + 24)

/*
 * Saves the registers and loads those above. Leaves in r8..r11: limit, the magnitude within which nothing is clamped, and for
 * h' = saturate((gate * candidate + z * state + 2^14) >> 15) + limit its constant; opened, what the gate is where z is 0; zeta.
 */
.macro enter
    push_call_saved FRAME
    ldr r7, [sp, #COUNT]
    cbnz r7, 1f
    pop_call_saved_and_return FRAME
1:  cmp r2, r3
    beq 3f
2:  subs r7, #1                     /* output[i] = state[i] */
    ldrsh r8, [r2, r7, lsl #1]
    strh r8, [r3, r7, lsl #1]
    bne 2b
    mov state, r3
    ldr r7, [sp, #COUNT]
3:  ldrd gate_bias, candidate_bias, [sp, #GATE_BIAS]
    ldrb r10, [sp, #FRACTION_BITS]
    rsb r10, #30
    subs r7, #1
    orr turns, r10, r7, lsl #8
    ldrsh r11, [sp, #ZETA]
    ldrsh r8, [sp, #NU]
    add r8, r11
    movs r9, #1
    sub r10, #1
    lsl r9, r10
    add r10, r9, r8, lsl #15        /* (zeta + nu) * 2^15 + 2^(shift - 1) */
    ldrsh r8, [sp, #HIGH]
    ldrsh r9, [sp, #LOW]
    rsb r9, #0
    cmp r8, r9
    it gt
    movgt r8, r9                    /* the smaller of high and -low */
    mov r9, #0x4000
    add r9, r9, r8, lsl #15
.endm

/* sum = saturate(projected[i] + recurrent[i]) */
.macro add_projections
    ldrsh sum, [projected], #2
    ldrsh r9, [recurrent], #2
    add sum, r9
    ssat sum, #16, sum
.endm

/* x = ((gate * candidate + z * state[i] + 2^14) >> 15) + limit, gate before its shift */
.macro update x, gate, candidate, old, constant
    asr \gate, \gate, turns
    ldrsh \old, [state]
    mla \x, \gate, \candidate, \constant
    mla \x, z, \old, \x
    asr \x, #15
.endm

/* x within low and high; r10 is lost */
.macro clamp x
    ldrsh r10, [sp, #LOW]
    cmp \x, r10
    it lt
    movlt \x, r10
    ldrsh r10, [sp, #HIGH]
    cmp \x, r10
    it gt
    movgt \x, r10
.endm

/* state[i] = clamp(x - limit), where only what lies outside 0 .. 2 * limit is looked at. */
.macro store x, limit
    cmp \x, \limit, lsl #1
    bhi 3f
    sub \x, \limit
2:  strh \x, [state], #2
.endm

/* The end of the loop 1 and of the function, and what is out of the way of `store`. */
.macro loop x, limit
    subs turns, #0x100
    bpl 1b
    pop_call_saved_and_return FRAME
3:  sub \x, \limit
    clamp \x
    b 2b
.endm
