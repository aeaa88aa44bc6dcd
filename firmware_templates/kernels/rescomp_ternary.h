/* SPDX-License-Identifier: 0BSD */
/*
 * 3:4 ternary weights: of four consecutive inputs one weight is 0 and three are +1 or -1, in five bits.
 *
 * Stream: blocks of 8 rows; in a block, groups of 4 columns; for each, 40 bits, lowest byte first: the codes of the
 * 8 rows, row 0 in the lowest bits. A code's bits 4..3 are the position of the zero; bits 2..0 are the signs of the
 * other three in column order, bit 0 the first, 1 = negative. Rows and columns that only pad are ignored.
 * Inputs and outputs are of type RESCOMP_ACTIVATION.
 */
#ifndef RESCOMP_TERNARY_H
#define RESCOMP_TERNARY_H

#include <string.h>

#include "rescomp_math.h"

#define RESCOMP_TERNARY_COLUMNS 4
#define RESCOMP_TERNARY_ROWS 8
#define RESCOMP_TERNARY_BYTES 5

static inline int32_t rescomp_ternary_signed(RESCOMP_ACTIVATION value, unsigned negative)
{
    return negative ? -(int32_t)value : value;
}

/* What one row's code makes of four inputs. */
static inline int32_t rescomp_ternary_sum(const RESCOMP_ACTIVATION input[RESCOMP_TERNARY_COLUMNS], unsigned code)
{
    const unsigned zero = code >> 3;

    return rescomp_ternary_signed(input[zero == 0 ? 1 : 0], code & 1)
         + rescomp_ternary_signed(input[zero <= 1 ? 2 : 1], code & 2)
         + rescomp_ternary_signed(input[zero <= 2 ? 3 : 2], code & 4);
}

/* Adds four inputs, weighted by the 5 bytes at `packed`, to the accumulators of a block's 8 rows. */
static inline void rescomp_ternary_accumulate(int32_t accumulator[RESCOMP_TERNARY_ROWS],
                                              const RESCOMP_ACTIVATION input[RESCOMP_TERNARY_COLUMNS],
                                              const RESCOMP_FLASH uint8_t *packed)
{
    const RESCOMP_FLASH_BYTES uint8_t *const byte = packed;
    uint32_t codes = byte[0] | (uint32_t)byte[1] << 8 | (uint32_t)byte[2] << 16 | (uint32_t)byte[3] << 24;

    for (uint8_t row = 0; row < RESCOMP_TERNARY_ROWS; ++row) {
        if (row == 6) { /* 30 of the first 32 bits are used up: the last byte joins. */
            codes |= (uint32_t)byte[4] << 2;
        }
        accumulator[row] += rescomp_ternary_sum(input, codes & 31);
        codes >>= 5;
    }
}

/* An input in groups of four, the last one padded with zeros. */
typedef struct {
    const RESCOMP_ACTIVATION *whole;
    rescomp_count whole_groups;
    uint8_t rest; /* entries past the whole groups */
    RESCOMP_ACTIVATION tail[RESCOMP_TERNARY_COLUMNS];
} rescomp_ternary_input;

static inline rescomp_ternary_input rescomp_ternary_input_of(const RESCOMP_ACTIVATION *input, rescomp_count columns)
{
    rescomp_ternary_input source = {0, 0, 0, {0, 0, 0, 0}};

    source.whole = input;
    source.whole_groups = columns / RESCOMP_TERNARY_COLUMNS;
    source.rest = columns % RESCOMP_TERNARY_COLUMNS;
    memcpy(source.tail, input + (columns - source.rest), source.rest * sizeof *input);
    return source;
}

/* The accumulators of a block's 8 rows. Returns where the next block's weights begin. */
static inline const RESCOMP_FLASH uint8_t *rescomp_ternary_block(int32_t accumulator[RESCOMP_TERNARY_ROWS],
                                                                 const rescomp_ternary_input *source,
                                                                 const RESCOMP_FLASH uint8_t *packed)
{
    const RESCOMP_ACTIVATION *group = source->whole;

    memset(accumulator, 0, RESCOMP_TERNARY_ROWS * sizeof *accumulator);
    for (rescomp_count i = 0; i < source->whole_groups; ++i) {
        rescomp_ternary_accumulate(accumulator, group, packed);
        group += RESCOMP_TERNARY_COLUMNS;
        packed += RESCOMP_TERNARY_BYTES;
    }
    if (source->rest != 0) {
        rescomp_ternary_accumulate(accumulator, source->tail, packed);
        packed += RESCOMP_TERNARY_BYTES;
    }
    return packed;
}

/* Requantizes the rows of a block that exist and returns where the next block's outputs begin. */
static inline RESCOMP_ACTIVATION *rescomp_ternary_store(const int32_t accumulator[RESCOMP_TERNARY_ROWS],
                                                        RESCOMP_ACTIVATION *output, rescomp_count first_row, rescomp_count rows,
                                                        const rescomp_requantization *by)
{
    for (rescomp_count row = first_row; row < rows && row - first_row < RESCOMP_TERNARY_ROWS; ++row) {
        *output++ = (RESCOMP_ACTIVATION)rescomp_requantize(accumulator[row - first_row], by, row);
    }
    return output;
}

#endif
