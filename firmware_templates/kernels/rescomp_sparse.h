/* SPDX-License-Identifier: 0BSD */
/*
 * Sparse weights: a stream that stores the places and values of the entries that are not zero, row after row.
 *
 * Values: int8, a byte each; or int4, two to a byte, the first in the low half, without a gap between rows; after an odd
 * number of them half a byte of padding.
 *
 * Bitmap: for each row ceil(columns / 8) bytes, whose bit c % 8 of byte c / 8 is set where column c holds an entry (bits past
 * the last column are 0). After the bitmaps of all rows, the values.
 *
 * Delta: before each entry one or more bytes of skip: the number of zeros from the entry before it (or the matrix's start),
 * counted row after row through the whole matrix, as bytes to be added up; a byte of 255 is followed by another one. After the
 * skip comes the byte that holds the entry's value, except where an int4 value came with the entry before. After the last entry
 * stands the skip past the end of the matrix.
 *
 * Kernels: for each row (an output channel) ceil(channels / 8) bytes, whose bit c % 8 of byte c / 8 is set where the kernel that
 * reads channel c is stored. After the bitmaps of all rows, all values of these kernels, the zeros among them too.
 *
 * Rows: ceil(rows / 8) bytes, whose bit r % 8 of byte r / 8 is set where row r is stored. Then these rows, as dense weights are.
 */
#ifndef RESCOMP_SPARSE_H
#define RESCOMP_SPARSE_H

#include "rescomp_int4.h"

/* What reads a stream. pending: whether the high half of the byte `pair` is the next int4 value. */
typedef struct {
    const RESCOMP_FLASH uint8_t *next;
    uint8_t pair;
    uint8_t pending;
} rescomp_sparse_reader;

static inline rescomp_sparse_reader rescomp_sparse_reader_at(const RESCOMP_FLASH uint8_t *stream)
{
    rescomp_sparse_reader reader;

    reader.next = stream;
    reader.pair = 0;
    reader.pending = 0;
    return reader;
}

/* The next value of a stream. */
static inline int8_t rescomp_sparse_int8(rescomp_sparse_reader *reader)
{
    return (int8_t)*reader->next++;
}

static inline int8_t rescomp_sparse_int4(rescomp_sparse_reader *reader)
{
    reader->pending ^= 1;
    if (!reader->pending) {
        return rescomp_int4_of((unsigned)reader->pair >> 4);
    }
    reader->pair = *reader->next++;
    return rescomp_int4_of(reader->pair);
}

/* The zeros before the next entry. */
static inline int32_t rescomp_sparse_skip(rescomp_sparse_reader *reader)
{
    int32_t zeros = 0;
    uint8_t byte;

    do {
        byte = *reader->next++;
        zeros += byte;
    } while (byte == UINT8_MAX);
    return zeros;
}

/* The value at a place of values that follow one another. */
static inline int8_t rescomp_sparse_int8_at(const RESCOMP_FLASH uint8_t *values, uint32_t place)
{
    return (int8_t)values[place];
}

static inline int8_t rescomp_sparse_int4_at(const RESCOMP_FLASH uint8_t *values, uint32_t place)
{
    return rescomp_int4_of((unsigned)values[place / 2] >> (place % 2 * 4));
}

/* Whether the bit of `place` is set. */
static inline int rescomp_sparse_bit(const RESCOMP_FLASH uint8_t *bitmap, rescomp_count place)
{
    return (bitmap[place / 8] >> (place % 8)) & 1;
}

#endif
