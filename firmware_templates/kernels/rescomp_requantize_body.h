/* SPDX-License-Identifier: 0BSD */
/* The definition of RESCOMP_KERNEL, a change of format from values of type RESCOMP_INPUT to such of type RESCOMP_OUTPUT. */
#include "rescomp_kernels.h"

/* All channels of a position; is_multiplied: what `by` says of all of them is asked once. */
static inline void rescomp_requantize_position(const RESCOMP_INPUT *input, RESCOMP_OUTPUT *output, rescomp_count channels,
                                               uint8_t pre_shift, rescomp_requantization by, int is_multiplied)
{
    const RESCOMP_INPUT *const end = input + channels;

    while (input != end) {
        int32_t sum = *input++ * (INT32_C(1) << pre_shift);

        if (by.bias) {
            sum += *by.bias++;
        }
        sum = is_multiplied ? rescomp_scale_by_multiplier(sum, *by.multiplier, *by.shift)
                            : rescomp_scale_by_power_of_two(sum, *by.shift);
        *output++ = (RESCOMP_OUTPUT)rescomp_clamp(sum, by.low, by.high);
        by.shift += by.shift_step;
        if (is_multiplied) {
            by.multiplier += by.multiplier_step;
        }
    }
}

void RESCOMP_KERNEL(const RESCOMP_INPUT *input, RESCOMP_OUTPUT *output, rescomp_count positions, rescomp_count channels,
                    uint8_t pre_shift, rescomp_requantization by)
{
    for (rescomp_count position = 0; position < positions; ++position) {
        if (by.multiplier) {
            rescomp_requantize_position(input, output, channels, pre_shift, by, 1);
        } else {
            rescomp_requantize_position(input, output, channels, pre_shift, by, 0);
        }
        input += channels;
        output += channels;
    }
}
