/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#define RESCOMP_KERNEL rescomp_product_int8_ternary_tabled_words
#define INPUT_BYTES 1

/* high = input[index] << 16 */
.macro load_high high, index
    ldrb \high, [r0, #\index]
    lsls \high, \high, #24
    asrs \high, \high, #8
.endm

#include "rescomp_product_ternary_tabled_words_thumb1.h"
