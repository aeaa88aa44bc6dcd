/* SPDX-License-Identifier: 0BSD */
/*
 * The definition of RESCOMP_KERNEL, a matrix-vector product of values of type RESCOMP_ACTIVATION and of 3:4 ternary weights, for
 * matrices of few rows.
 *
 * Stream: the codes of a row's groups of 4 columns (rescomp_ternary.h says what they are), row after row, 5 bits each, the first in the
 * lowest bits of the first byte. Columns that only pad are ignored.
 */
#include "rescomp_kernels.h"
#include "rescomp_ternary.h"

#define RESCOMP_CODE_BITS 5

/* bits: what is left of the bytes before `next`, `count` of them. */
typedef struct {
    const RESCOMP_FLASH_BYTES uint8_t *next;
    uint16_t bits;
    uint8_t count;
} rescomp_code_stream;

static inline unsigned rescomp_next_code(rescomp_code_stream *stream)
{
    unsigned code;

    if (stream->count < RESCOMP_CODE_BITS) {
        stream->bits = (uint16_t)(stream->bits | (unsigned)*stream->next++ << stream->count);
        stream->count = (uint8_t)(stream->count + 8);
    }
    code = stream->bits & 31u;
    stream->bits = (uint16_t)(stream->bits >> RESCOMP_CODE_BITS);
    stream->count = (uint8_t)(stream->count - RESCOMP_CODE_BITS);
    return code;
}

void RESCOMP_KERNEL(const RESCOMP_ACTIVATION *input, RESCOMP_ACTIVATION *output, rescomp_count columns, rescomp_count rows,
                    const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by)
{
    const rescomp_ternary_input source = rescomp_ternary_input_of(input, columns);
    rescomp_code_stream stream = {0, 0, 0};

    stream.next = weight;
    for (rescomp_count row = 0; row < rows; ++row) {
        const RESCOMP_ACTIVATION *group = source.whole;
        int32_t sum = 0;

        for (rescomp_count i = 0; i < source.whole_groups; ++i) {
            sum += rescomp_ternary_sum(group, rescomp_next_code(&stream));
            group += RESCOMP_TERNARY_COLUMNS;
        }
        if (source.rest != 0) {
            sum += rescomp_ternary_sum(source.tail, rescomp_next_code(&stream));
        }
        output[row] = (RESCOMP_ACTIVATION)rescomp_requantize(sum, &by, row);
    }
}
