/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#define FRAME 8
#include "rescomp_fastgrnn_update_piecewise_linear_thumb2.h"
#include "rescomp_fastgrnn_update_dsp.h"

/* The frame: limits of pair_limits. */
#define LIMITS 0

four .req r12 /* 2^12 in both halves, in the loop over pairs */

    begin_function rescomp_fastgrnn_update_piecewise_linear_int16
    enter
    keep_constants
    halve_turns
    bcc 4f
    update_one sum
    store_first sum, limit
4:  mov r8, limit
    pair_limits
    strd r12, r8, [sp, #LIMITS]
    rsb zeta, #0                    /* of 16 bits, as smlabb and smlatb take it */
    mov four, #0x10001000
1:  add_pairs
    ldr r9, [gate_bias], #4         /* z = clamp((sum + gate_bias + 2^12) * 4, 0, 2^15 - 1), both halves */
    qadd16 r9, r9, sum
    qadd16 r9, r9, four
    qadd16 r9, r9, r9
    qadd16 r9, r9, r9
    usat16 z, #15, r9
    ldr r10, [candidate_bias], #4   /* candidate = saturate((sum + candidate_bias) * 8) */
    qadd16 sum, sum, r10
    qadd16 sum, sum, sum
    qadd16 sum, sum, sum
    qadd16 sum, sum, sum
    smlabb r10, zeta, z, opened
    smlabt r11, zeta, z, opened
    asr r10, r10, turns             /* gate0 */
    asr r11, r11, turns             /* gate1 */
    smlabb r10, r10, sum, constant
    smlabt r11, r11, sum, constant
    ldr sum, [state]
    smlabb r10, z, sum, r10
    smlatt r11, z, sum, r11
    ldrd r8, r9, [sp, #LIMITS]
    store_pair_and_loop r10, r11, r8, r9
    end_function rescomp_fastgrnn_update_piecewise_linear_int16
