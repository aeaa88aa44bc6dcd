/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#define RESCOMP_KERNEL rescomp_product_int8_int8
#define LANES_BITS 8
#define MULTIPLY_ADD vmladava.s8

.macro load_input vector, from
    vldrb.s8 \vector, [\from], #16
.endm

.macro load_weight vector, from
    vldrb.s8 \vector, [\from], #16
.endm

#include "rescomp_product_int8_mve.h"
