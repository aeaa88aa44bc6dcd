/* SPDX-License-Identifier: 0BSD */
#include "rescomp_frontend.h"

void rescomp_band_sum_int32(const int32_t *input, int32_t *output, rescomp_count channels, rescomp_count bins, rescomp_count bands,
                            const RESCOMP_FLASH int16_t *first, const RESCOMP_FLASH int16_t *count,
                            const RESCOMP_FLASH int8_t *weight)
{
    for (; channels > 0; --channels, input += bins) {
        const RESCOMP_FLASH int8_t *next = weight;

        for (rescomp_count j = 0; j < bands; ++j) {
            const RESCOMP_FLASH int8_t *const end = next + count[j];
            const int32_t *bin = input + first[j];
            int32_t sum = 0;

            while (next < end) {
                sum += (uint8_t)*next++ * *bin++; /* none is negative */
            }
            *output++ = sum;
        }
    }
}
