/* SPDX-License-Identifier: 0BSD */
/*
 * The body of a shift of rows, for the file that includes it once and defines RESCOMP_ACTIVATION (the type of the entries) and
 * RESCOMP_KERNEL (the function's name).
 */
#include <string.h>

#include "rescomp_kernels.h"

void RESCOMP_KERNEL(const RESCOMP_ACTIVATION *state, const RESCOMP_ACTIVATION *input, RESCOMP_ACTIVATION *output,
                    rescomp_count count,
                    rescomp_count new_count)
{
    const rescomp_count kept = (rescomp_count)(count - new_count);

    memmove(output, state + new_count, kept * sizeof *output);
    memcpy(output + kept, input, new_count * sizeof *output);
}
