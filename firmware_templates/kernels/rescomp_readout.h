/* SPDX-License-Identifier: 0BSD */
/* The layers of a readout over blocks of steps, in the manner of rescomp_kernels.h. */
#ifndef RESCOMP_READOUT_H
#define RESCOMP_READOUT_H

#include "rescomp_math.h"

/*
 * block_steps: how many steps of its block a value holds, 1 .. length. A step after the last one begins the next block. What is kept
 * may hold any bits: it is clamped first. The output may be what is kept: block_steps, sum, maximum.
 */
void rescomp_block_count_int16(const int16_t *block_steps, int16_t *output, int16_t length);

/* output = sum + input, the sum clamped to what a step less can come to, +-(block_steps - 1) * bound. block_steps * bound < 2^30. */
void rescomp_block_sum_int32(const int32_t *sum, const int16_t *input, const int16_t *block_steps, int32_t *output,
                             rescomp_count count, int32_t bound);

/* output = the larger of maximum, clamped to low..high, and input; input alone where a block begins, block_steps <= 1. */
void rescomp_block_maximum_int16(const int16_t *maximum, const int16_t *input, const int16_t *block_steps, int16_t *output,
                                 rescomp_count count, int16_t low, int16_t high);

/* output = sum / block_steps, rounded half up, in low..high. length < 2^15 steps of values within +-bound <= 2^15 were summed up. */
void rescomp_block_mean_int32(const int32_t *sum, const int16_t *block_steps, int16_t *output, rescomp_count count, int16_t length,
                              int32_t bound, int16_t low, int16_t high);

/* output[i] = a[i], b[i], position after position. */
void rescomp_concat_int16(const int16_t *a, const int16_t *b, int16_t *output, rescomp_count positions, rescomp_count a_channels,
                          rescomp_count b_channels);
void rescomp_concat_int8(const int8_t *a, const int8_t *b, int8_t *output, rescomp_count positions, rescomp_count a_channels,
                         rescomp_count b_channels);

#endif
