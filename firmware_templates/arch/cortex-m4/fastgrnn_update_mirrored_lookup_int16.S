/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#define FRAME 32
#include "rescomp_fastgrnn_update_mirrored_thumb2.h"
#include "rescomp_fastgrnn_update_dsp.h"

/* In the frame, behind the constants of `enter`. */
#define LIMITS 16
#define HALF_OF_SIGMOID 24

/*
 * x = rescomp_mirrored_table_tanh(v, bits) + (half - 2^(bits - 1)), half being in lr, for v = values >> 16 (top) or the low half of
 * values; x may be values. What the definition writes as low + rise * fraction is low * (1 - fraction) + high * fraction here.
 */
.macro look_up_half x, values, top, bits
.if \top
    ubfx r12, \values, #16, #\bits
    asr \x, \values, #16 + \bits
.else
    ubfx r12, \values, #0, #\bits
    sbfx \x, \values, #\bits, #16 - \bits
.endif
    add lr, lr, \x, asr #31
    ldr \x, [middle, \x, lsl #1]
    rsb r3, r12, #1 << \bits
    smlabb lr, \x, r3, lr
    smlatb \x, \x, r12, lr
.endm

/* x = sigmoid(v) */
.macro sigmoid_half x, values, top
    ldr lr, [sp, #HALF_OF_SIGMOID]
    look_up_half \x, \values, \top, 9
    asr \x, #10
.endm

/* x = tanh(v) */
.macro tanh_half x, values, top
    mov lr, #1 << 7
    look_up_half \x, \values, \top, 8
    asr \x, #8
.endm

    begin_function rescomp_fastgrnn_update_mirrored_lookup_int16
    enter
    keep_constants
    pair_limits
    strd r12, r8, [sp, #LIMITS]
    load_halves
    str half_of_sigmoid, [sp, #HALF_OF_SIGMOID]
    halve_turns
    bcc 1f
    update_one sum
    store_first sum, r12
1:  add_pairs
    ldr r9, [gate_bias], #4         /* saturate(sum + gate_bias), both halves */
    qadd16 r9, sum, r9
    ldr r10, [candidate_bias], #4   /* saturate(sum + candidate_bias) */
    qadd16 r8, sum, r10
    sigmoid_half r10, r9, 0         /* z0 */
    tanh_half r11, r8, 0            /* candidate0 */
    sigmoid_half r9, r9, 1          /* z1 */
    tanh_half r8, r8, 1             /* candidate1 */
    ldrd r12, r3, [sp]              /* opened, zeta */
    mls lr, r3, r10, r12
    mls r12, r3, r9, r12
    asr lr, lr, turns               /* gate0 */
    asr r12, r12, turns             /* gate1 */
    ldr r3, [sp, #CONSTANT]
    mla r11, lr, r11, r3
    mla r8, r12, r8, r3
    ldr r3, [state]
    smlabb r11, r10, r3, r11
    smlabt r8, r9, r3, r8
    ldrd r12, r3, [sp, #LIMITS]
    store_pair_and_loop r11, r8, r12, r3
    end_function rescomp_fastgrnn_update_mirrored_lookup_int16
