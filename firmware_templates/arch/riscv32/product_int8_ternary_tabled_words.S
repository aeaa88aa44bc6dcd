/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#define RESCOMP_KERNEL rescomp_product_int8_ternary_tabled_words
#define BYTES 1

.macro load_input x, index, from=t1
    lb \x, BYTES * \index(\from)
.endm

/* of t2, to the copy of the last group at t1 */
.macro store_tail
    sb t2, 0(t1)
.endm

#include "rescomp_product_ternary_tabled_words_rv32.h"
