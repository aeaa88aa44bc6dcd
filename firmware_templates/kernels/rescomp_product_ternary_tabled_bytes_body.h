/* SPDX-License-Identifier: 0BSD */
/*
 * The definition of RESCOMP_KERNEL, the accumulators of a matrix-vector product: of values of type RESCOMP_ACTIVATION and of
 * 3:4 ternary weights, by tables of partial sums for cores with few registers and little RAM. Of four consecutive inputs (a
 * group) only 32 sums of three can come, and 16 but for the sign: they are written to a table once, and then each row costs
 * a look-up, a change of sign and an addition a group.
 *
 * Weights: a byte that says how many groups a chunk has, whose tables stand in memory together; chunks of so many groups,
 * the last one of what is left; in a chunk, blocks of 4 rows; in a block, pairs of groups, except that the first group of an
 * odd number of them stands alone. A pair is a byte of signs, then two bytes for each group; a group alone is a byte of
 * signs and two bytes. Signs (1 = negative) begin at bit 7, rows 0 to 3 of the first group, then those of the second. A
 * group's first byte holds the indices of rows 0 and 1, its second those of rows 2 and 3: the even row's in bits 4..1, the
 * odd row's there once the byte's halves are swapped.
 *
 * An index is position of the zero * 4 + (third sign differs from the first) * 2 + (second sign differs from the first); the
 * sign is that of the first. columns <= 340 for int8 inputs, and 1024 for int16 ones.
 */
#include "rescomp_kernels.h"

#define GROUP 4
#define BLOCK_ROWS 4
#define ENTRIES 16
#define BIAS 0x8000 /* of a table's entries, which are unsigned */

/* The four sums a +- b +- c. */
static uint16_t *write_sums(uint16_t *table, int32_t a, int32_t b, int32_t c)
{
    *table++ = (uint16_t)(BIAS + a + b + c);
    *table++ = (uint16_t)(BIAS + a - b + c);
    *table++ = (uint16_t)(BIAS + a + b - c);
    *table++ = (uint16_t)(BIAS + a - b - c);
    return table;
}

/* The table of the group at `input`, of which only the first `count` inputs exist. */
static uint16_t *write_table(uint16_t *table, const RESCOMP_ACTIVATION *input, rescomp_count count)
{
    int32_t x[GROUP] = {0, 0, 0, 0};

    for (rescomp_count i = 0; i < count; ++i) {
        x[i] = input[i];
    }
    table = write_sums(table, x[1], x[2], x[3]);
    table = write_sums(table, x[0], x[2], x[3]);
    table = write_sums(table, x[0], x[1], x[3]);
    return write_sums(table, x[0], x[1], x[2]);
}

/* Adds to two rows what a group's table holds for them; the rows' signs are bits 7 and 6. */
static inline void look_up(int32_t *accumulator, const uint16_t *table, unsigned indices, unsigned signs)
{
    const int32_t even = (int32_t)table[indices >> 1 & 15] - BIAS;
    const int32_t odd = (int32_t)table[(indices >> 5 | indices << 3) & 15] - BIAS;

    accumulator[0] += signs & 0x80 ? -even : even;
    accumulator[1] += signs & 0x40 ? -odd : odd;
}

/* Adds a group to a block's 4 rows. Returns what follows the group's two bytes. */
static inline const RESCOMP_FLASH uint8_t *add_group(int32_t accumulator[BLOCK_ROWS], const uint16_t *table, unsigned signs,
                                                     const RESCOMP_FLASH uint8_t *indices)
{
    look_up(accumulator, table, indices[0], signs);
    look_up(accumulator + 2, table, indices[1], signs << 2);
    return indices + 2;
}

/* Adds `groups` groups to a block's 4 rows. Returns where the next block's weights begin. */
static const RESCOMP_FLASH uint8_t *add_block(int32_t accumulator[BLOCK_ROWS], const uint16_t *table, rescomp_count groups,
                                              const RESCOMP_FLASH uint8_t *weight)
{
    if (groups % 2 != 0) {
        weight = add_group(accumulator, table, *weight, weight + 1);
        table += ENTRIES;
    }
    for (rescomp_count pairs = groups / 2; pairs > 0; --pairs) {
        const unsigned signs = *weight++;

        weight = add_group(accumulator, table, signs, weight);
        weight = add_group(accumulator, table + ENTRIES, signs << 4, weight);
        table += 2 * ENTRIES;
    }
    return weight;
}

void RESCOMP_KERNEL(const RESCOMP_ACTIVATION *input, rescomp_count columns, rescomp_count rows, const RESCOMP_FLASH uint8_t *weight,
                    int32_t *accumulator, uint16_t *table)
{
    const rescomp_count all_rows = (rescomp_count)(((uint32_t)rows + BLOCK_ROWS - 1) / BLOCK_ROWS * BLOCK_ROWS);
    const rescomp_count most_groups = *weight++;
    rescomp_count groups = (rescomp_count)(((uint32_t)columns + GROUP - 1) / GROUP);

    for (rescomp_count row = 0; row < all_rows; ++row) {
        accumulator[row] = 0;
    }
    while (groups != 0) {
        const rescomp_count chunk = groups < most_groups ? groups : most_groups;
        uint16_t *next = table;

        for (rescomp_count i = 0; i < chunk; ++i) {
            const rescomp_count count = columns < GROUP ? columns : GROUP;

            next = write_table(next, input, count);
            input += count;
            columns = (rescomp_count)(columns - count);
        }
        for (rescomp_count row = 0; row < all_rows; row = (rescomp_count)(row + BLOCK_ROWS)) {
            weight = add_block(accumulator + row, table, chunk, weight);
        }
        groups = (rescomp_count)(groups - chunk);
    }
}
