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

typedef int8_t rescomp_sparse_value(rescomp_sparse_reader *reader);

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

/* The matrix-vector products of both indices, for either kind of value; `value` is known where they are inlined. */
static inline void rescomp_sparse_bitmap(const int16_t *input, int16_t *output, rescomp_count columns, rescomp_count rows,
                                         const RESCOMP_FLASH uint8_t *bitmap, const rescomp_requantization *by,
                                         rescomp_sparse_value *value)
{
    const rescomp_count row_bytes = (rescomp_count)((columns + 7u) / 8);
    rescomp_sparse_reader values = rescomp_sparse_reader_at(bitmap + (uint32_t)rows * row_bytes);

    for (rescomp_count row = 0; row < rows; ++row) {
        int32_t sum = 0;

        for (rescomp_count byte = 0; byte < row_bytes; ++byte) {
            const int16_t *entry = input + byte * 8u;

            for (unsigned places = *bitmap++; places != 0; places >>= 1) {
                if (places & 1) {
                    sum += (int32_t)*entry * value(&values);
                }
                ++entry;
            }
        }
        output[row] = rescomp_requantize(sum, by, row);
    }
}

static inline void rescomp_sparse_delta(const int16_t *input, int16_t *output, rescomp_count columns, rescomp_count rows,
                                        const RESCOMP_FLASH uint8_t *stream, const rescomp_requantization *by,
                                        rescomp_sparse_value *value)
{
    rescomp_sparse_reader reader = rescomp_sparse_reader_at(stream);
    int32_t column = rescomp_sparse_skip(&reader);

    for (rescomp_count row = 0; row < rows; ++row) {
        int32_t sum = 0;

        while (column < (int32_t)columns) {
            sum += (int32_t)input[column] * value(&reader);
            column += 1 + rescomp_sparse_skip(&reader);
        }
        column -= (int32_t)columns;
        output[row] = rescomp_requantize(sum, by, row);
    }
}

#endif
