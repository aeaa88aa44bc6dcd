/* SPDX-License-Identifier: 0BSD */
/* Helium for log2_int32.c: four bands at a time. */
#include <arm_mve.h>

#include "rescomp_core.h"
#include "rescomp_frontend.h"

enum { ONE_BITS = 10, ONE = 1 << ONE_BITS, INTERVAL_BITS = 5 };

/* log2 of values >= 1 in Q10: the places of their leading bits, and lines between two entries of the table. */
static inline int32x4_t logarithms(uint32x4_t values, const int16_t *table)
{
    const int32x4_t zeros = vreinterpretq_s32_u32(vclzq_u32(values));
    const uint32x4_t mantissas = vshlq_n_u32(vshlq_u32(values, zeros), 1); /* without the leading bit */
    const uint32x4_t i = vshrq_n_u32(mantissas, 32 - INTERVAL_BITS);
    const int32x4_t from = vldrhq_gather_shifted_offset_s32(table, i), to = vldrhq_gather_shifted_offset_s32(table + 1, i);
    const uint32x4_t fraction = vshrq_n_u32(vshlq_n_u32(mantissas, INTERVAL_BITS), 32 - ONE_BITS);
    const int32x4_t line = vrshrq_n_s32(vmulq_s32(vsubq_s32(to, from), vreinterpretq_s32_u32(fraction)), ONE_BITS);

    return vaddq_s32(vshlq_n_s32(vsubq_s32(vdupq_n_s32(31), zeros), ONE_BITS), vaddq_s32(from, line));
}

void rescomp_log2_int32(const int32_t *input, const int16_t *doublings, int16_t *output, rescomp_count channels, rescomp_count bands,
                        const RESCOMP_FLASH int16_t *table, const RESCOMP_FLASH int16_t *offset, int16_t floor)
{
    const int32x4_t low = vdupq_n_s32(floor), high = vdupq_n_s32(INT16_MAX);

    for (; channels > 0; --channels, ++doublings, input += bands, output += bands) {
        for (rescomp_count j = 0; j < bands; j += 4) {
            const mve_pred16_t active = vctp32q(bands - j);
            const int32x4_t sums = vmaxq_s32(vldrwq_z_s32(input + j, active), vdupq_n_s32(1));
            const int32x4_t raised = vaddq_s32(logarithms(vreinterpretq_u32_s32(sums), table), vldrhq_z_s32(offset + j, active));
            const int32x4_t result = vsubq_n_s32(raised, *doublings * ONE);

            vstrhq_p_s32(output + j, vminq_s32(vmaxq_s32(result, low), high), active);
        }
    }
}
