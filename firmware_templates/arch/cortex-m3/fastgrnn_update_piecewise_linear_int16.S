/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#define FRAME 0
#include "rescomp_fastgrnn_update_piecewise_linear_thumb2.h"

    .section .text.rescomp_fastgrnn_update_piecewise_linear_int16, "ax", %progbits
    .balign 4
    .global rescomp_fastgrnn_update_piecewise_linear_int16
    .type rescomp_fastgrnn_update_piecewise_linear_int16, %function
    .thumb_func
rescomp_fastgrnn_update_piecewise_linear_int16:
    enter
    keep_constants
1:  update_one sum
    store sum, limit
    loop sum, limit
    .size rescomp_fastgrnn_update_piecewise_linear_int16, . - rescomp_fastgrnn_update_piecewise_linear_int16
