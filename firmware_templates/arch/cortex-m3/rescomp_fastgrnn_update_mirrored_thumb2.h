/* SPDX-License-Identifier: 0BSD */
/*
 * One entry of kernels/fastgrnn_update_mirrored_lookup_int16.c on ARMv7-M. Two neighbouring entries of the table are read as one
 * word, which may be unaligned: an application must not set UNALIGN_TRP. FRAME is at least 16 here.
 */
#include "rescomp_fastgrnn_update_thumb2.h"

half_of_sigmoid .req r3  /* 2^8 + (2^15 + 1) * 2^9 */
middle          .req r6  /* of the table: tanh(0) */
half_of_tanh    .req lr  /* 2^7 */

/* The frame begins with constants of `enter`: opened, zeta, constant, limit. */
#define CONSTANT 8
#define LIMIT 12

/*
 * low = table[x >> bits] and rest = what the low bits of x add to it, times 2^bits, rounding constant included:
 * low * 2^bits + rest = rescomp_mirrored_table_tanh(x, bits). x is lost.
 */
.macro look_up rest, low, x, bits, half
    asr \low, \x, #\bits
    ldr \rest, [middle, \low, lsl #1]
    sxth \low, \rest
    rsb \rest, \low, \rest, asr #16
    ubfx r12, \x, #0, #\bits
    add \x, \half, \x, asr #31
    mla \rest, \rest, r12, \x
.endm

/* The constants of `update_one`; keep_constants comes right after `enter`. */
.macro keep_constants
    strd r10, r11, [sp]
    strd r9, r8, [sp, #CONSTANT]
    ldr middle, [sp, #TABLE]
    add middle, #2 * 128
.endm

.macro load_halves
    ldr half_of_sigmoid, =(1 << 8) + ((1 << 15) + 1) * (1 << 9)
    mov half_of_tanh, #1 << 7
.endm

/* One turn, up to x and the limit in r12 for store. */
.macro update_one x
    add_projections
    ldrsh r9, [gate_bias], #2       /* z = sigmoid(saturate(sum + gate_bias[i])) */
    add r9, sum
    ssat r9, #16, r9
    look_up r10, r11, r9, 9, half_of_sigmoid
    add z, r10, r11, lsl #9
    asr z, #10
    ldrsh r10, [candidate_bias], #2 /* candidate = tanh(saturate(sum + candidate_bias[i])) */
    add sum, r10
    ssat sum, #16, sum
    look_up r10, r11, sum, 8, half_of_tanh
    add sum, r11, r10, asr #8
    ldm sp, {r10-r12}               /* opened, zeta, constant */
    mls r10, r11, z, r10
    update \x, r10, sum, r11, r12
    ldr r12, [sp, #LIMIT]
.endm
