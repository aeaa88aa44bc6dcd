/* SPDX-License-Identifier: 0BSD */
/*
 * The definition of RESCOMP_KERNEL, the accumulators of a matrix-vector product: of values of type RESCOMP_ACTIVATION and of 3:4
 * ternary weights, by tables of partial sums. Of four consecutive inputs (a group) only 32 sums can come: they are written to a
 * table once, and then each row costs a look-up and an addition a group.
 *
 * Weights: chunks of 16 groups (the last one of what is left), whose tables stand in memory together; in a chunk, blocks of 8 rows;
 * in a block, quads of 4 groups. Where a chunk's groups are no multiple of four, its first quad is the short one: it lacks its
 * first groups. A quad is a word for each of its groups, then a word whose bytes, lowest first, belong to the quad's four groups,
 * those of missing groups being 0. Codes are those of rescomp_ternary.h: rows 0 to 5 lie in a group's word, row 0 in the lowest
 * bits; row 6 in bits 0..4 of its byte; row 7 is (word >> 30) ^ (byte >> 3).
 */
#include <string.h>

#include "rescomp_kernels.h"

#define GROUP 4
#define QUAD 4
#define BLOCK_ROWS 8
#define CHUNK_COLUMNS 64
#define ENTRIES 32
#define BIAS 0x8000 /* of a table's entries, which are unsigned */

static rescomp_count groups_of(rescomp_count columns)
{
    return (rescomp_count)(((uint32_t)columns + GROUP - 1) / GROUP);
}

/* The eight sums of three inputs whose signs count up, a's the fastest. */
static uint16_t *write_sums(uint16_t *table, int32_t a, int32_t b, int32_t c)
{
    const int32_t plus = BIAS + a;
    const int32_t minus = BIAS - a;
    const int32_t sum = b + c;
    const int32_t difference = b - c;

    table[0] = (uint16_t)(plus + sum);
    table[1] = (uint16_t)(minus + sum);
    table[2] = (uint16_t)(plus - difference);
    table[3] = (uint16_t)(minus - difference);
    table[4] = (uint16_t)(plus + difference);
    table[5] = (uint16_t)(minus + difference);
    table[6] = (uint16_t)(plus - sum);
    table[7] = (uint16_t)(minus - sum);
    return table + 8;
}

/* The table of the group at `input`, of which only the first `count` inputs exist: entry `code` is what that code makes of them. */
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

/* The tables of all groups of a chunk's inputs. */
static void write_tables(uint16_t *table, const RESCOMP_ACTIVATION *input, rescomp_count columns)
{
    while (columns > 0) {
        const rescomp_count count = columns < GROUP ? columns : GROUP;

        table = write_table(table, input, count);
        input += count;
        columns = (rescomp_count)(columns - count);
    }
}

/* The sums of a block's 8 rows. */
typedef struct {
    int32_t row_0, row_1, row_2, row_3, row_4, row_5, row_6, row_7;
} sums;

/* Adds to each row what a group's table holds for it. */
static inline void look_up(sums *to, const uint16_t *table, uint32_t word, uint32_t byte)
{
    to->row_0 += table[word & 31];
    to->row_1 += table[word >> 5 & 31];
    to->row_2 += table[word >> 10 & 31];
    to->row_3 += table[word >> 15 & 31];
    to->row_4 += table[word >> 20 & 31];
    to->row_5 += table[word >> 25 & 31];
    to->row_6 += table[byte & 31];
    to->row_7 += table[word >> 30 ^ byte >> 3];
}

/* Adds `groups` groups to a block's 8 rows. Returns where the next block's weights begin. */
static const RESCOMP_FLASH uint32_t *add_block(int32_t accumulator[BLOCK_ROWS], const uint16_t *table, rescomp_count groups,
                                               const RESCOMP_FLASH uint32_t *weight)
{
    sums of;

    memcpy(&of, accumulator, sizeof of);
    while (groups > 0) {
        const rescomp_count count = groups % QUAD ? groups % QUAD : QUAD;
        uint32_t bytes = weight[count] >> 8 * (QUAD - count);

        for (rescomp_count i = 0; i < count; ++i) {
            look_up(&of, table, *weight++, bytes & 255);
            bytes >>= 8;
            table += ENTRIES;
        }
        ++weight;
        groups = (rescomp_count)(groups - count);
    }
    memcpy(accumulator, &of, sizeof of);
    return weight;
}

void RESCOMP_KERNEL(const RESCOMP_ACTIVATION *input, rescomp_count columns, rescomp_count rows,
                    const RESCOMP_FLASH uint32_t *weight, int32_t *accumulator,
                    uint16_t *table)
{
    const rescomp_count all_rows = (rescomp_count)(((uint32_t)rows + BLOCK_ROWS - 1) / BLOCK_ROWS * BLOCK_ROWS);

    for (rescomp_count row = 0; row < all_rows; ++row) {
        accumulator[row] = -(int32_t)BIAS * (int32_t)groups_of(columns);
    }
    while (columns > 0) {
        const rescomp_count here = columns < CHUNK_COLUMNS ? columns : CHUNK_COLUMNS;

        write_tables(table, input, here);
        for (rescomp_count row = 0; row < all_rows; row = (rescomp_count)(row + BLOCK_ROWS)) {
            weight = add_block(accumulator + row, table, groups_of(here), weight);
        }
        input += here;
        columns = (rescomp_count)(columns - here);
    }
}
