/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#define RESCOMP_KERNEL rescomp_product_int16_int8
#define COLUMN_BYTES 30

/* x = input[column]: while r5 counts entries, r4 moves by as many bytes. */
.macro load_input
    ldrsh r6, [r4, r5]
    adds r4, #1
.endm

#include "rescomp_product_int8_thumb1.h"
