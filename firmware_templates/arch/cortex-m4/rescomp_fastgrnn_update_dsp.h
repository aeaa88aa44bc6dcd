/* SPDX-License-Identifier: 0BSD */
/*
 * Updates of a FastGRNN cell on cores with the DSP extension: two entries a turn, side by side in words. The first entry of an odd
 * number of them is left to one turn of the code for cortex-m3, whose registers keep their roles here: rescomp_fastgrnn_update_thumb2.h.
 * The words may be unaligned: an application must not set UNALIGN_TRP.
 */

/* The limit of `enter` in both halves of r8, twice as much in both of r12. */
.macro pair_limits
    orr r8, r8, r8, lsl #16
    lsl r12, r8, #1
.endm

/* sum = saturate(projected + recurrent), both halves */
.macro add_pairs
    ldr sum, [projected], #4
    ldr r9, [recurrent], #4
    qadd16 sum, sum, r9
.endm

/*
 * The next two states, of x0, x1 = ((gate * candidate + z * state) + constant of `enter`) before its shift by 15: clamped only where
 * one of them needs it; then the next turn of the loop 1, or the end. twice, limit: of pair_limits.
 */
.macro store_pair_and_loop x0, x1, twice, limit
    lsl \x1, #1
    pkhtb \x0, \x1, \x0, asr #15
    uqsub16 \x1, \x0, \twice
    cmp \x1, #0
    bne 3f
    ssub16 \x0, \x0, \limit
2:  str \x0, [state], #4
    subs turns, #0x100
    bpl 1b
    pop_call_saved_and_return FRAME
3:  ssub16 \twice, \x0, \limit
    asr \x1, \twice, #16
    sxth \twice, \twice
    clamp \twice
    clamp \x1
    pkhbt \x0, \twice, \x1, lsl #16
    b 2b
.endm

/* turns: those of pairs; the carry says whether the number of entries is odd. r8 is lost. */
.macro halve_turns
    uxtb turns, turns
    ldr r8, [sp, #COUNT]
    lsrs r8, #1
    add turns, turns, r8, lsl #8
    sub turns, #0x100
.endm

/* state[0] = clamp(x - limit), and the end if that was the only one. */
.macro store_first x, limit
    sub \x, \limit
    clamp \x
    strh \x, [state], #2
    cmp turns, #0
    bpl 9f
    pop_call_saved_and_return FRAME
9:
.endm
