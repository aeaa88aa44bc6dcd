/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#define RESCOMP_KERNEL rescomp_product_int16_int8
#define LANES_BITS 16
#define MULTIPLY_ADD vmladava.s16

.macro load_input vector, from
    vldrh.s16 \vector, [\from], #16
.endm

/* Eight bytes, widened. */
.macro load_weight vector, from
    vldrb.s16 \vector, [\from], #8
.endm

#include "rescomp_product_int8_mve.h"
