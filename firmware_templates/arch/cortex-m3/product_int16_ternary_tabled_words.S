/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#define RESCOMP_KERNEL rescomp_product_int16_ternary_tabled_words
#define INPUT_BYTES 2

/* x = input[index]; the first entry is read last and takes the input to the next group. */
.macro load_input x, index
.if \index
    ldrsh \x, [r1, #2 * \index]
.else
    ldrsh \x, [r1], #8
.endif
.endm

#include "rescomp_product_ternary_tabled_words_thumb2.h"
