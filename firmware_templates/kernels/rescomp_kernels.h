/* SPDX-License-Identifier: 0BSD */
/*
 * The layers of a rescomp model. Plain C99: no heap, no float, no state of their own.
 *
 * Tensors are channels last. A function is named after the type of its tensors, then after its weights: conv2d_int8_int4 reads
 * and writes int8 and has int4 weights. Only requantize_int16_int8 and requantize_int8_int16 write another type than they read.
 * Where a function is marked "in place", its output may be one of its inputs; elsewhere they must not overlap.
 */
#ifndef RESCOMP_KERNELS_H
#define RESCOMP_KERNELS_H

#include "rescomp_math.h"

/* output[row] = requantize(weight[row] . input). weight: int8, row after row. */
void rescomp_fully_connected_int16_int8(const int16_t *input, int16_t *output, rescomp_count columns, rescomp_count rows,
                                        const RESCOMP_FLASH int8_t *weight, rescomp_requantization by);
void rescomp_fully_connected_int8_int8(const int8_t *input, int8_t *output, rescomp_count columns, rescomp_count rows,
                                       const RESCOMP_FLASH int8_t *weight, rescomp_requantization by);

/* The same with 3:4 ternary weights, packed as rescomp_ternary.h says. |input| <= 10922. */
void rescomp_fully_connected_int16_ternary(const int16_t *input, int16_t *output, rescomp_count columns, rescomp_count rows,
                                           const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by);
void rescomp_fully_connected_int8_ternary(const int8_t *input, int8_t *output, rescomp_count columns, rescomp_count rows,
                                          const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by);

/* The same with int4 weights, two to a byte, each row padded to whole bytes. */
void rescomp_fully_connected_int16_int4(const int16_t *input, int16_t *output, rescomp_count columns, rescomp_count rows,
                                        const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by);
void rescomp_fully_connected_int8_int4(const int8_t *input, int8_t *output, rescomp_count columns, rescomp_count rows,
                                       const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by);

/* The same with weights of +1 and -1, which rescomp_fully_connected_seeded_body.h draws from `seed`: they take no memory. */
void rescomp_fully_connected_int16_seeded(const int16_t *input, int16_t *output, rescomp_count columns, rescomp_count rows,
                                          uint32_t seed, rescomp_requantization by);
void rescomp_fully_connected_int8_seeded(const int8_t *input, int8_t *output, rescomp_count columns, rescomp_count rows,
                                         uint32_t seed, rescomp_requantization by);

/* The same with 3:4 ternary weights of few rows, packed as rescomp_fully_connected_ternary_rows_body.h says. */
void rescomp_fully_connected_int16_ternary_rows(const int16_t *input, int16_t *output, rescomp_count columns, rescomp_count rows,
                                                const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by);

/* The same with only the weights that are not zero, in the streams that rescomp_sparse.h describes. */
void rescomp_fully_connected_int16_sparse_bitmap_int8(const int16_t *input, int16_t *output, rescomp_count columns,
                                                      rescomp_count rows, const RESCOMP_FLASH uint8_t *weight,
                                                      rescomp_requantization by);
void rescomp_fully_connected_int8_sparse_bitmap_int8(const int8_t *input, int8_t *output, rescomp_count columns, rescomp_count rows,
                                                     const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by);
void rescomp_fully_connected_int16_sparse_bitmap_int4(const int16_t *input, int16_t *output, rescomp_count columns,
                                                      rescomp_count rows, const RESCOMP_FLASH uint8_t *weight,
                                                      rescomp_requantization by);
void rescomp_fully_connected_int8_sparse_bitmap_int4(const int8_t *input, int8_t *output, rescomp_count columns, rescomp_count rows,
                                                     const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by);
void rescomp_fully_connected_int16_sparse_delta_int8(const int16_t *input, int16_t *output, rescomp_count columns,
                                                     rescomp_count rows, const RESCOMP_FLASH uint8_t *weight,
                                                     rescomp_requantization by);
void rescomp_fully_connected_int8_sparse_delta_int8(const int8_t *input, int8_t *output, rescomp_count columns, rescomp_count rows,
                                                    const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by);
void rescomp_fully_connected_int16_sparse_delta_int4(const int16_t *input, int16_t *output, rescomp_count columns,
                                                     rescomp_count rows, const RESCOMP_FLASH uint8_t *weight,
                                                     rescomp_requantization by);
void rescomp_fully_connected_int8_sparse_delta_int4(const int8_t *input, int8_t *output, rescomp_count columns, rescomp_count rows,
                                                    const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by);
void rescomp_fully_connected_int16_sparse_rows_int8(const int16_t *input, int16_t *output, rescomp_count columns,
                                                    rescomp_count rows, const RESCOMP_FLASH uint8_t *weight,
                                                    rescomp_requantization by);
void rescomp_fully_connected_int8_sparse_rows_int8(const int8_t *input, int8_t *output, rescomp_count columns, rescomp_count rows,
                                                   const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by);
void rescomp_fully_connected_int16_sparse_rows_int4(const int16_t *input, int16_t *output, rescomp_count columns,
                                                    rescomp_count rows, const RESCOMP_FLASH uint8_t *weight,
                                                    rescomp_requantization by);
void rescomp_fully_connected_int8_sparse_rows_int4(const int8_t *input, int8_t *output, rescomp_count columns, rescomp_count rows,
                                                   const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by);

/*
 * The products of named cores: accumulator[row] = weight[row] . input, for rescomp_requantize_rows_*. The accumulator has room for
 * rows padded to a multiple of 8; what is written past the last row means nothing. It is scratch of the caller's, as is a table.
 */

/* weight: int8, row after row. */
void rescomp_product_int16_int8(const int16_t *input, rescomp_count columns, rescomp_count rows, const RESCOMP_FLASH int8_t *weight,
                                int32_t *accumulator);
void rescomp_product_int8_int8(const int8_t *input, rescomp_count columns, rescomp_count rows, const RESCOMP_FLASH int8_t *weight,
                               int32_t *accumulator);

/* The same with int4 weights, two to a byte, each row padded to whole bytes. */
void rescomp_product_int16_int4(const int16_t *input, rescomp_count columns, rescomp_count rows,
                                const RESCOMP_FLASH uint8_t *weight, int32_t *accumulator);
void rescomp_product_int8_int4(const int8_t *input, rescomp_count columns, rescomp_count rows, const RESCOMP_FLASH uint8_t *weight,
                               int32_t *accumulator);

/* The same with 3:4 ternary weights, packed as rescomp_ternary.h says. |input| <= 10922. */
void rescomp_product_int16_ternary(const int16_t *input, rescomp_count columns, rescomp_count rows,
                                   const RESCOMP_FLASH uint8_t *weight, int32_t *accumulator);
void rescomp_product_int8_ternary(const int8_t *input, rescomp_count columns, rescomp_count rows,
                                  const RESCOMP_FLASH uint8_t *weight, int32_t *accumulator);

/*
 * The same for 32-bit cores, by tables of partial sums, in the order of rescomp_product_ternary_tabled_words_body.h.
 * table: 32 entries for every 4 columns, but never more than 512; it and the accumulator are aligned to 4 bytes.
 */
void rescomp_product_int16_ternary_tabled_words(const int16_t *input, rescomp_count columns, rescomp_count rows,
                                                const RESCOMP_FLASH uint32_t *weight, int32_t *accumulator, uint16_t *table);
void rescomp_product_int8_ternary_tabled_words(const int8_t *input, rescomp_count columns, rescomp_count rows,
                                               const RESCOMP_FLASH uint32_t *weight, int32_t *accumulator, uint16_t *table);

/*
 * The same for AVR, by tables of partial sums, in the order of rescomp_product_ternary_tabled_bytes_body.h, whose first byte is the
 * number of groups of a chunk. columns <= 340 for int8, 1024 for int16. table: 16 entries for every group of a chunk, and 16 more.
 */
void rescomp_product_int16_ternary_tabled_bytes(const int16_t *input, rescomp_count columns, rescomp_count rows,
                                                const RESCOMP_FLASH uint8_t *weight, int32_t *accumulator, uint16_t *table);
void rescomp_product_int8_ternary_tabled_bytes(const int8_t *input, rescomp_count columns, rescomp_count rows,
                                               const RESCOMP_FLASH uint8_t *weight, int32_t *accumulator, uint16_t *table);

/* output[row] = requantize(accumulator[row]): what follows a product that only accumulates. */
void rescomp_requantize_rows_int16(const int32_t *accumulator, int16_t *output, rescomp_count rows, rescomp_requantization by);
void rescomp_requantize_rows_int8(const int32_t *accumulator, int8_t *output, rescomp_count rows, rescomp_requantization by);

/* The same where every factor is 2^-shift and every shift is 1..31. by.multiplier is not read. */
void rescomp_requantize_rows_int16_shift(const int32_t *accumulator, int16_t *output, rescomp_count rows,
                                         rescomp_requantization by);
void rescomp_requantize_rows_int8_shift(const int32_t *accumulator, int8_t *output, rescomp_count rows, rescomp_requantization by);

/* Multiplier and shift of each row in one word, for the two functions below. */
typedef struct {
    const RESCOMP_FLASH int32_t *bias; /* in units of the accumulator; NULL: none */
    const RESCOMP_FLASH uint32_t *scale;
    uint8_t lift;      /* |accumulator + bias| * 2^lift stays below 2^31, which was proved when the model was generated */
    int16_t low, high; /* the output's range, both ends included */
} rescomp_row_scales;

static inline rescomp_row_scales rescomp_scale_by(const RESCOMP_FLASH int32_t *bias, const RESCOMP_FLASH uint32_t *scale,
                                                  uint8_t lift, int16_t low, int16_t high)
{
    rescomp_row_scales by;

    by.bias = bias;
    by.scale = scale;
    by.lift = lift;
    by.low = low;
    by.high = high;
    return by;
}

/*
 * The same for cores that multiply 32 by 32 to 64 bits: scale = multiplier * 2^(32 - shift - lift) < 2^31, so that the result
 * is the upper word of (accumulator + bias) * 2^lift * scale + 2^31.
 */
void rescomp_requantize_rows_int16_high(const int32_t *accumulator, int16_t *output, rescomp_count rows, rescomp_row_scales by);

/* The same for cores that multiply 32 by 32 to 32 bits: scale = multiplier * 2^16 + shift + lift - 17, at least 0 beside it. */
void rescomp_requantize_rows_int16_split(const int32_t *accumulator, int16_t *output, rescomp_count rows, rescomp_row_scales by);

/* The geometry of a convolution or a pool. Padding is zeros; what lies right and below follows from the output's size. */
typedef struct {
    rescomp_count height, width, channels;
} rescomp_size;

typedef struct {
    rescomp_count y, x;
} rescomp_pair;

typedef struct {
    rescomp_size input, output;
    rescomp_pair kernel, stride, pad; /* pad: above and left */
} rescomp_conv2d_shape;

static inline rescomp_size rescomp_size_of(rescomp_count height, rescomp_count width, rescomp_count channels)
{
    rescomp_size size;

    size.height = height;
    size.width = width;
    size.channels = channels;
    return size;
}

static inline rescomp_pair rescomp_pair_of(rescomp_count y, rescomp_count x)
{
    rescomp_pair pair;

    pair.y = y;
    pair.x = x;
    return pair;
}

static inline rescomp_conv2d_shape rescomp_conv2d_shape_of(rescomp_size input, rescomp_size output, rescomp_pair kernel,
                                                           rescomp_pair stride, rescomp_pair pad)
{
    rescomp_conv2d_shape shape;

    shape.input = input;
    shape.output = output;
    shape.kernel = kernel;
    shape.stride = stride;
    shape.pad = pad;
    return shape;
}

/* output[y][x][row] = requantize(weight[row] . patch(y, x)). weight: [rows][kernel_height][kernel_width][channels]. */
void rescomp_conv2d_int16_int8(const int16_t *input, int16_t *output, rescomp_conv2d_shape shape,
                               const RESCOMP_FLASH int8_t *weight, rescomp_requantization by);
void rescomp_conv2d_int8_int8(const int8_t *input, int8_t *output, rescomp_conv2d_shape shape, const RESCOMP_FLASH int8_t *weight,
                              rescomp_requantization by);

/* The same with int4 weights, two to a byte, each row padded to whole bytes. */
void rescomp_conv2d_int16_int4(const int16_t *input, int16_t *output, rescomp_conv2d_shape shape,
                               const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by);
void rescomp_conv2d_int8_int4(const int8_t *input, int8_t *output, rescomp_conv2d_shape shape, const RESCOMP_FLASH uint8_t *weight,
                              rescomp_requantization by);

/* The same with 3:4 ternary weights over patches in that order, packed as rescomp_ternary.h says. |input| <= 10922. */
void rescomp_conv2d_int16_ternary(const int16_t *input, int16_t *output, rescomp_conv2d_shape shape,
                                  const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by);
void rescomp_conv2d_int8_ternary(const int8_t *input, int8_t *output, rescomp_conv2d_shape shape,
                                 const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by);

/* The same with only the weights that are not zero, or whole kernels or rows, in the streams that rescomp_sparse.h describes. */
void rescomp_conv2d_int16_sparse_bitmap_int8(const int16_t *input, int16_t *output, rescomp_conv2d_shape shape,
                                             const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by);
void rescomp_conv2d_int8_sparse_bitmap_int8(const int8_t *input, int8_t *output, rescomp_conv2d_shape shape,
                                            const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by);
void rescomp_conv2d_int16_sparse_bitmap_int4(const int16_t *input, int16_t *output, rescomp_conv2d_shape shape,
                                             const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by);
void rescomp_conv2d_int8_sparse_bitmap_int4(const int8_t *input, int8_t *output, rescomp_conv2d_shape shape,
                                            const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by);
void rescomp_conv2d_int16_sparse_delta_int8(const int16_t *input, int16_t *output, rescomp_conv2d_shape shape,
                                            const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by);
void rescomp_conv2d_int8_sparse_delta_int8(const int8_t *input, int8_t *output, rescomp_conv2d_shape shape,
                                           const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by);
void rescomp_conv2d_int16_sparse_delta_int4(const int16_t *input, int16_t *output, rescomp_conv2d_shape shape,
                                            const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by);
void rescomp_conv2d_int8_sparse_delta_int4(const int8_t *input, int8_t *output, rescomp_conv2d_shape shape,
                                           const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by);
void rescomp_conv2d_int16_sparse_kernels_int8(const int16_t *input, int16_t *output, rescomp_conv2d_shape shape,
                                              const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by);
void rescomp_conv2d_int8_sparse_kernels_int8(const int8_t *input, int8_t *output, rescomp_conv2d_shape shape,
                                             const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by);
void rescomp_conv2d_int16_sparse_kernels_int4(const int16_t *input, int16_t *output, rescomp_conv2d_shape shape,
                                              const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by);
void rescomp_conv2d_int8_sparse_kernels_int4(const int8_t *input, int8_t *output, rescomp_conv2d_shape shape,
                                             const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by);
void rescomp_conv2d_int16_sparse_rows_int8(const int16_t *input, int16_t *output, rescomp_conv2d_shape shape,
                                           const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by);
void rescomp_conv2d_int8_sparse_rows_int8(const int8_t *input, int8_t *output, rescomp_conv2d_shape shape,
                                          const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by);
void rescomp_conv2d_int16_sparse_rows_int4(const int16_t *input, int16_t *output, rescomp_conv2d_shape shape,
                                           const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by);
void rescomp_conv2d_int8_sparse_rows_int4(const int8_t *input, int8_t *output, rescomp_conv2d_shape shape,
                                          const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by);

/*
 * The same for named cores, by rescomp_product_* and rescomp_requantize_rows_*: patches are put together in `patch` (room for one)
 * where they do not lie in one piece in the input. patch, accumulator and table are scratch of the caller's, as the products need it.
 */
void rescomp_im2col_int16_int8(const int16_t *input, int16_t *output, rescomp_conv2d_shape shape,
                               const RESCOMP_FLASH int8_t *weight, rescomp_requantization by, int16_t *patch, int32_t *accumulator);
void rescomp_im2col_int8_int8(const int8_t *input, int8_t *output, rescomp_conv2d_shape shape, const RESCOMP_FLASH int8_t *weight,
                              rescomp_requantization by, int8_t *patch, int32_t *accumulator);
void rescomp_im2col_int16_int4(const int16_t *input, int16_t *output, rescomp_conv2d_shape shape,
                               const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by, int16_t *patch,
                               int32_t *accumulator);
void rescomp_im2col_int8_int4(const int8_t *input, int8_t *output, rescomp_conv2d_shape shape, const RESCOMP_FLASH uint8_t *weight,
                              rescomp_requantization by, int8_t *patch, int32_t *accumulator);
void rescomp_im2col_int16_ternary(const int16_t *input, int16_t *output, rescomp_conv2d_shape shape,
                                  const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by, int16_t *patch,
                                  int32_t *accumulator);
void rescomp_im2col_int8_ternary(const int8_t *input, int8_t *output, rescomp_conv2d_shape shape,
                                 const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by, int8_t *patch,
                                 int32_t *accumulator);
void rescomp_im2col_int16_ternary_tabled_words(const int16_t *input, int16_t *output, rescomp_conv2d_shape shape,
                                               const RESCOMP_FLASH uint32_t *weight, rescomp_requantization by, int16_t *patch,
                                               int32_t *accumulator, uint16_t *table);
void rescomp_im2col_int8_ternary_tabled_words(const int8_t *input, int8_t *output, rescomp_conv2d_shape shape,
                                              const RESCOMP_FLASH uint32_t *weight, rescomp_requantization by, int8_t *patch,
                                              int32_t *accumulator, uint16_t *table);
void rescomp_im2col_int16_ternary_tabled_bytes(const int16_t *input, int16_t *output, rescomp_conv2d_shape shape,
                                               const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by, int16_t *patch,
                                               int32_t *accumulator, uint16_t *table);
void rescomp_im2col_int8_ternary_tabled_bytes(const int8_t *input, int8_t *output, rescomp_conv2d_shape shape,
                                              const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by, int8_t *patch,
                                              int32_t *accumulator, uint16_t *table);

/* output[y][x][c] = requantize(weight[..][..][c] . patch(y, x)[..][..][c]). weight: [kernel_height][kernel_width][channels]. */
void rescomp_depthwise_conv2d_int16_int8(const int16_t *input, int16_t *output, rescomp_conv2d_shape shape,
                                         const RESCOMP_FLASH int8_t *weight, rescomp_requantization by);
void rescomp_depthwise_conv2d_int8_int8(const int8_t *input, int8_t *output, rescomp_conv2d_shape shape,
                                        const RESCOMP_FLASH int8_t *weight, rescomp_requantization by);

/* output[y][x][c] = requantize(sum of patch(y, x)[..][..][c]), one requantization for all channels. */
void rescomp_average_pool_int16(const int16_t *input, int16_t *output, rescomp_conv2d_shape shape, rescomp_requantization by);
void rescomp_average_pool_int8(const int8_t *input, int8_t *output, rescomp_conv2d_shape shape, rescomp_requantization by);

/* output[y][x][c] = max of patch(y, x)[..][..][c], of what lies inside the input; pad < kernel on every side. */
void rescomp_max_pool_int16(const int16_t *input, int16_t *output, rescomp_conv2d_shape shape);
void rescomp_max_pool_int8(const int8_t *input, int8_t *output, rescomp_conv2d_shape shape);

/*
 * output = requantize(input * 2^pre_shift), row = channel. Readings side by side are as many positions. In place where input and
 * output have one type.
 */
void rescomp_requantize_int16(const int16_t *input, int16_t *output, rescomp_count positions, rescomp_count channels,
                              uint8_t pre_shift, rescomp_requantization by);
void rescomp_requantize_int16_int8(const int16_t *input, int8_t *output, rescomp_count positions, rescomp_count channels,
                                   uint8_t pre_shift, rescomp_requantization by);
void rescomp_requantize_int8_int16(const int8_t *input, int16_t *output, rescomp_count positions, rescomp_count channels,
                                   uint8_t pre_shift, rescomp_requantization by);
void rescomp_requantize_int8(const int8_t *input, int8_t *output, rescomp_count positions, rescomp_count channels,
                             uint8_t pre_shift, rescomp_requantization by);

/* output = the last `count` entries of state[count], input[new_count]. The output may be the state, not the input. */
void rescomp_shift_in_int16(const int16_t *state, const int16_t *input, int16_t *output, rescomp_count count,
                            rescomp_count new_count);
void rescomp_shift_in_int8(const int8_t *state, const int8_t *input, int8_t *output, rescomp_count count, rescomp_count new_count);

/* output = a + b, clamped to low..high; a low of 0 makes it a sum and a ReLU. In place. */
void rescomp_add_int16(const int16_t *a, const int16_t *b, int16_t *output, rescomp_count count, int16_t low, int16_t high);
void rescomp_add_int8(const int8_t *a, const int8_t *b, int8_t *output, rescomp_count count, int16_t low, int16_t high);

/* output = saturate(a * b * 2^-shift) in low..high, 1 <= shift <= 30. a * b < 2^30. In place. */
void rescomp_mul_int16(const int16_t *a, const int16_t *b, int16_t *output, rescomp_count count, uint8_t shift, int16_t low,
                       int16_t high);

/* output = saturate(input + bias), one bias a channel. In place. */
void rescomp_bias_add_int16(const int16_t *input, int16_t *output, rescomp_count positions, rescomp_count channels,
                            const RESCOMP_FLASH int16_t *bias);

/* output = max(input, 0). In place. */
void rescomp_relu_int16(const int16_t *input, int16_t *output, rescomp_count count);
void rescomp_relu_int8(const int8_t *input, int8_t *output, rescomp_count count);

/* output = min(|input|, high). In place. */
void rescomp_abs_int16(const int16_t *input, int16_t *output, rescomp_count count, int16_t high);
void rescomp_abs_int8(const int8_t *input, int8_t *output, rescomp_count count, int16_t high);

/* Q12 -> Q15 by linear interpolation in the half table of tanh described in rescomp_half_table.h. In place. */
void rescomp_lookup_sigmoid_int16(const int16_t *input, int16_t *output, rescomp_count count, const RESCOMP_FLASH int16_t *table);
void rescomp_lookup_tanh_int16(const int16_t *input, int16_t *output, rescomp_count count, const RESCOMP_FLASH int16_t *table);

/* Q12 -> Q15: clip((x + 1) / 2, 0, 1) and clip(x, -1, 1). In place. */
void rescomp_piecewise_linear_sigmoid_int16(const int16_t *input, int16_t *output, rescomp_count count);
void rescomp_piecewise_linear_tanh_int16(const int16_t *input, int16_t *output, rescomp_count count);

/* The constants of a FastGRNN cell (Kusupati et al. 2018). */
typedef struct {
    int16_t zeta, nu;      /* Q15 */
    uint8_t fraction_bits; /* of the state */
    int16_t low, high;     /* the state's range, both ends included */
} rescomp_fastgrnn_cell;

static inline rescomp_fastgrnn_cell rescomp_fastgrnn_cell_of(int16_t zeta, int16_t nu, uint8_t fraction_bits, int16_t low,
                                                             int16_t high)
{
    rescomp_fastgrnn_cell cell;

    cell.zeta = zeta;
    cell.nu = nu;
    cell.fraction_bits = fraction_bits;
    cell.low = low;
    cell.high = high;
    return cell;
}

/* output = z * state + (zeta * (1 - z) + nu) * candidate, z and candidate in Q15. In place. */
void rescomp_fastgrnn_gate_int16(const int16_t *z, const int16_t *candidate, const int16_t *state, int16_t *output,
                                 rescomp_count count, rescomp_fastgrnn_cell cell);

/*
 * The whole update after the two products, with s = saturate(projected + recurrent): the gate above of
 * z = sigmoid(saturate(s + gate_bias)) and candidate = tanh(saturate(s + candidate_bias)). The state has at most 13 fraction
 * bits. The output may be the state, but must not overlap the other inputs.
 * lookup: table is the half table of tanh; mirrored_lookup: its mirror image, then the table itself, 257 entries in all.
 */
void rescomp_fastgrnn_update_lookup_int16(const int16_t *projected, const int16_t *recurrent, const int16_t *state, int16_t *output,
                                          rescomp_count count, const RESCOMP_FLASH int16_t *gate_bias,
                                          const RESCOMP_FLASH int16_t *candidate_bias, rescomp_fastgrnn_cell cell,
                                          const RESCOMP_FLASH int16_t *table);
void rescomp_fastgrnn_update_mirrored_lookup_int16(const int16_t *projected, const int16_t *recurrent, const int16_t *state,
                                                   int16_t *output, rescomp_count count, const RESCOMP_FLASH int16_t *gate_bias,
                                                   const RESCOMP_FLASH int16_t *candidate_bias, rescomp_fastgrnn_cell cell,
                                                   const RESCOMP_FLASH int16_t *table);
void rescomp_fastgrnn_update_piecewise_linear_int16(const int16_t *projected, const int16_t *recurrent, const int16_t *state,
                                                    int16_t *output, rescomp_count count, const RESCOMP_FLASH int16_t *gate_bias,
                                                    const RESCOMP_FLASH int16_t *candidate_bias, rescomp_fastgrnn_cell cell);

/* How a state is stored. */
typedef struct {
    uint8_t fraction_bits;
    int16_t low, high; /* its range, both ends included */
} rescomp_state_format;

static inline rescomp_state_format rescomp_state_format_of(uint8_t fraction_bits, int16_t low, int16_t high)
{
    rescomp_state_format format;

    format.fraction_bits = fraction_bits;
    format.low = low;
    format.high = high;
    return format;
}

/* The updates below are gated sums (rescomp_math.h): gates and candidates in Q15, the state in its own format. In place. */

/* output = alpha * candidate + beta * state, alpha and beta in Q15. */
void rescomp_fastrnn_state_int16(const int16_t *candidate, const int16_t *state, int16_t *output, rescomp_count count,
                                 int16_t alpha, int16_t beta, rescomp_state_format format);

/* output = (1 - z) * candidate + z * state. */
void rescomp_gru_state_int16(const int16_t *z, const int16_t *candidate, const int16_t *state, int16_t *output, rescomp_count count,
                             rescomp_state_format format);

/* output = input_gate * candidate + forget_gate * cell. */
void rescomp_lstm_cell_int16(const int16_t *input_gate, const int16_t *forget_gate, const int16_t *candidate, const int16_t *cell,
                             int16_t *output, rescomp_count count, rescomp_state_format format);

#endif
