/* SPDX-License-Identifier: 0BSD */
/* One entry of kernels/fastgrnn_update_piecewise_linear_int16.c on ARMv7-M. */
#include "rescomp_fastgrnn_update_thumb2.h"

constant .req r3
zeta     .req r6
limit    .req r12
opened   .req lr

/* The constants of `update_one`; comes right after `enter`. */
.macro keep_constants
    mov limit, r8
    mov constant, r9
    mov opened, r10
    mov zeta, r11
.endm

/* One turn, up to x for `store`. */
.macro update_one x
    add_projections
    ldrsh z, [gate_bias], #2        /* z = clamp((sum + gate_bias[i] + 2^12) * 4, 0, 2^15 - 1) */
    add z, sum
    add z, #0x1000
    usat z, #15, z, lsl #2
    ldrsh r10, [candidate_bias], #2 /* candidate = saturate((sum + candidate_bias[i]) * 8) */
    add sum, r10
    ssat sum, #16, sum, lsl #3
    mls r10, zeta, z, opened
    update \x, r10, sum, r11, constant
.endm
