/* SPDX-License-Identifier: 0BSD */
/* Helium for band_sum_int32.c: four bins at a time. */
#include <arm_mve.h>

#include "rescomp_core.h"
#include "rescomp_frontend.h"

enum { LANES = 4 };

void rescomp_band_sum_int32(const int32_t *input, int32_t *output, rescomp_count channels, rescomp_count bins, rescomp_count bands,
                            const RESCOMP_FLASH int16_t *first, const RESCOMP_FLASH int16_t *count,
                            const RESCOMP_FLASH int8_t *weight)
{
    for (; channels > 0; --channels, input += bins) {
        const int8_t *next = weight;

        for (rescomp_count j = 0; j < bands; ++j) {
            const int32_t *bin = input + first[j];
            uint32_t left = (uint32_t)count[j];
            int32_t sum = 0;

            for (; left >= LANES; left -= LANES, bin += LANES, next += LANES) {
                sum = vmladavaq_s32(sum, vldrwq_s32(bin), vldrbq_s32(next));
            }
            if (left > 0) {
                const mve_pred16_t active = vctp32q(left);

                sum = vmladavaq_s32(sum, vldrwq_z_s32(bin, active), vldrbq_z_s32(next, active));
                next += left;
            }
            *output++ = sum;
        }
    }
}
