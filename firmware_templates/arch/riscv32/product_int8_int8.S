/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#define RESCOMP_KERNEL rescomp_product_int8_int8
#define BYTES 1

.macro load_input x, index
    lb \x, BYTES * \index(t0)
.endm

#include "rescomp_product_int8_rv32.h"
