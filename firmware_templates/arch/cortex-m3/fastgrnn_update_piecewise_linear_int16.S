/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#define FRAME 0
#include "rescomp_fastgrnn_update_piecewise_linear_thumb2.h"

    begin_function rescomp_fastgrnn_update_piecewise_linear_int16
    enter
    keep_constants
1:  update_one sum
    store sum, limit
    loop sum, limit
    end_function rescomp_fastgrnn_update_piecewise_linear_int16
