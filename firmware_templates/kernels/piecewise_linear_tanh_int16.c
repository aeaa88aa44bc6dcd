/* SPDX-License-Identifier: 0BSD */
#include "rescomp_kernels.h"
#include "rescomp_piecewise_linear.h"

void rescomp_piecewise_linear_tanh_int16(const int16_t *input, int16_t *output, rescomp_count count)
{
    for (rescomp_count i = 0; i < count; ++i) {
        output[i] = rescomp_piecewise_linear_tanh(input[i]);
    }
}
