/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#define RESCOMP_KERNEL rescomp_product_int16_int8
#define BYTES 2

.macro load_input x, index
    lh \x, BYTES * \index(t0)
.endm

#include "rescomp_product_int8_rv32.h"
