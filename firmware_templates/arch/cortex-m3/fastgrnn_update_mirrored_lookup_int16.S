/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#define FRAME 16
#include "rescomp_fastgrnn_update_mirrored_thumb2.h"

    .section .text.rescomp_fastgrnn_update_mirrored_lookup_int16, "ax", %progbits
    .balign 4
    .global rescomp_fastgrnn_update_mirrored_lookup_int16
    .type rescomp_fastgrnn_update_mirrored_lookup_int16, %function
    .thumb_func
rescomp_fastgrnn_update_mirrored_lookup_int16:
    enter
    keep_constants
    load_halves
1:  update_one sum
    store sum, r12
    loop sum, r12
    .size rescomp_fastgrnn_update_mirrored_lookup_int16, . - rescomp_fastgrnn_update_mirrored_lookup_int16
