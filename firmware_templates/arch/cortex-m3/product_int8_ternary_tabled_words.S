/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#define RESCOMP_KERNEL rescomp_product_int8_ternary_tabled_words
#define INPUT_BYTES 1

/* x = input[index]; the first entry is read last and takes the input to the next group. */
.macro load_input x, index
.if \index
    ldrsb \x, [r1, #\index]
.else
    ldrsb \x, [r1], #4
.endif
.endm

#include "rescomp_product_ternary_tabled_words_thumb2.h"
