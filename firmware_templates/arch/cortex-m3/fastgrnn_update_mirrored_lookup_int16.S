/* SPDX-License-Identifier: 0BSD */
#include "rescomp_core.h"
#define FRAME 16
#include "rescomp_fastgrnn_update_mirrored_thumb2.h"

    begin_function rescomp_fastgrnn_update_mirrored_lookup_int16
    enter
    keep_constants
    load_halves
1:  update_one sum
    store sum, r12
    loop sum, r12
    end_function rescomp_fastgrnn_update_mirrored_lookup_int16
