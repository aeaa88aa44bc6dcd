/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#define RESCOMP_KERNEL rescomp_product_int16_ternary_tabled_words
#define INPUT_BYTES 2

/* high = input[index] << 16 */
.macro load_high high, index
    ldrh \high, [r0, #2 * \index]
    lsls \high, \high, #16
.endm

#include "rescomp_product_ternary_tabled_words_thumb1.h"
