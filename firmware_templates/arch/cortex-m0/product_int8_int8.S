/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#define RESCOMP_KERNEL rescomp_product_int8_int8
#define COLUMN_BYTES 28

/* x = input[column] */
.macro load_input
    ldrsb r6, [r4, r5]
.endm

#include "rescomp_product_int8_thumb1.h"
