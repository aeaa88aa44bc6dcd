/* SPDX-License-Identifier: 0BSD */
/* A rotation of three axes in Q14, row after row, and the least one that turns a vector to a direction. */
#ifndef RESCOMP_ALIGNMENT_H
#define RESCOMP_ALIGNMENT_H

#include "rescomp_math.h"

#define RESCOMP_ROTATION_ONE INT32_C(16384)
#define RESCOMP_ROTATION_BITS 14

/* 1 on the diagonal of the identity, 0 beside it. */
static inline int32_t rescomp_identity_entry(uint8_t i)
{
    return i % 4 ? 0 : RESCOMP_ROTATION_ONE;
}

/* The largest integer whose square is at most `value`. */
static inline uint32_t rescomp_square_root(uint32_t value)
{
    uint32_t root = 0;

    for (uint32_t bit = UINT32_C(1) << 15; bit > 0; bit >>= 1) {
        if ((root | bit) * (root | bit) <= value) {
            root |= bit;
        }
    }
    return root;
}

/* vector as a direction in Q14; 0 if it has none. */
static inline uint8_t rescomp_direction(const int32_t *vector, int32_t *direction)
{
    uint32_t sizes[3], bits = 0, squares = 0, twice;
    uint8_t length = 0;

    for (uint8_t i = 0; i < 3; ++i) {
        sizes[i] = vector[i] < 0 ? 0 - (uint32_t)vector[i] : (uint32_t)vector[i];
        bits |= sizes[i];
    }
    for (; bits > 0; bits >>= 1) {
        ++length;
    }
    if (length == 0) {
        return 0;
    }
    for (uint8_t i = 0; i < 3; ++i) {
        if (length > 13) {
            sizes[i] = (sizes[i] + (UINT32_C(1) << (length - 14))) >> (length - 13);
        } else {
            sizes[i] <<= 13 - length;
        }
        squares += sizes[i] * sizes[i];
    }
    twice = rescomp_square_root(4 * squares);
    for (uint8_t i = 0; i < 3; ++i) {
        const int32_t entry = rescomp_clamp((int32_t)((sizes[i] * UINT32_C(32768) + twice / 2) / twice), 0, RESCOMP_ROTATION_ONE);

        direction[i] = vector[i] < 0 ? -entry : entry;
    }
    return 1;
}

/* Entries of the least rotation that turns a vector to `to`, a direction in Q14; 0 if it has no direction, or one 120 degrees away or more. */
static inline uint8_t rescomp_turn_to(const int32_t *vector, const int16_t *to, int16_t *rotation)
{
    int32_t from[3], axis[3], cosine, divisor;

    if (!rescomp_direction(vector, from)) {
        return 0;
    }
    cosine = rescomp_round_half_up_shift(from[0] * to[0] + from[1] * to[1] + from[2] * to[2], RESCOMP_ROTATION_BITS);
    if (cosine <= -RESCOMP_ROTATION_ONE / 2) {
        return 0;
    }
    for (uint8_t i = 0; i < 3; ++i) {
        const uint8_t next = (uint8_t)((i + 1) % 3), last = (uint8_t)((i + 2) % 3);

        axis[i] = rescomp_round_half_up_shift(from[next] * to[last] - from[last] * to[next], RESCOMP_ROTATION_BITS);
    }
    divisor = RESCOMP_ROTATION_ONE + cosine;
    for (uint8_t i = 0; i < 9; ++i) {
        const uint8_t row = (uint8_t)(i / 3), column = (uint8_t)(i % 3), third = (uint8_t)(3 - row - column);
        const uint32_t lifted = (uint32_t)(axis[row] * axis[column] + divisor * INT32_C(16384) + divisor / 2);
        int32_t entry = (int32_t)(lifted / (uint32_t)divisor) - INT32_C(16384);

        if (row == column) {
            entry += cosine;
        } else {
            entry += (column + 3 - row) % 3 == 1 ? -axis[third] : axis[third];
        }
        rotation[i] = (int16_t)rescomp_clamp(entry, -RESCOMP_ROTATION_ONE, RESCOMP_ROTATION_ONE);
    }
    return 1;
}

#endif
