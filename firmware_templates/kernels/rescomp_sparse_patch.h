/* SPDX-License-Identifier: 0BSD */
/*
 * Positions of a convolution side by side, for which one weight is read from its stream: of a few products each the reading is the
 * dearer part. Inputs and outputs have the type RESCOMP_ACTIVATION.
 */
#ifndef RESCOMP_SPARSE_PATCH_H
#define RESCOMP_SPARSE_PATCH_H

#include "rescomp_sparse.h"
#include "rescomp_window.h"

#define RESCOMP_SPARSE_POSITIONS 4

/*
 * Up to four positions in a row of the output. Of each: the first entry of a line of its patch that lies inside the input, and how many
 * do; none of those past `count`. whole: all four lie inside. top, bottom: the lines that do. source: the input's entry for the first
 * one of the first line at the first position; step: from a position's to the next one's. kernel_line, input_line: entries of a line.
 */
typedef struct {
    int32_t first[RESCOMP_SPARSE_POSITIONS], run[RESCOMP_SPARSE_POSITIONS];
    int32_t source, step, kernel_line, input_line;
    rescomp_count count, top, bottom;
    uint8_t whole;
} rescomp_sparse_block;

static inline rescomp_sparse_block rescomp_sparse_block_at(const rescomp_conv2d_shape *shape, rescomp_count out_y, rescomp_count out_x)
{
    const rescomp_window corner = rescomp_place_window(shape, out_y, out_x);
    const rescomp_count rest = (rescomp_count)(shape->output.width - out_x);
    const int32_t channels = (int32_t)shape->input.channels;
    rescomp_sparse_block block;

    block.kernel_line = (int32_t)shape->kernel.x * channels;
    block.input_line = (int32_t)shape->input.width * channels;
    block.source = corner.y * block.input_line + corner.x * channels;
    block.step = (int32_t)shape->stride.x * channels;
    block.count = rest < RESCOMP_SPARSE_POSITIONS ? rest : RESCOMP_SPARSE_POSITIONS;
    block.top = corner.top;
    block.bottom = corner.bottom;
    block.whole = 1;
    for (rescomp_count i = 0; i < RESCOMP_SPARSE_POSITIONS; ++i) {
        const rescomp_window at = rescomp_place_window(shape, out_y, (rescomp_count)(out_x + i));

        block.first[i] = (int32_t)at.left * channels;
        block.run[i] = i < block.count ? (int32_t)rescomp_window_run(at, shape) : 0;
        block.whole = (uint8_t)(block.whole && block.run[i] == block.kernel_line);
    }
    return block;
}

/* One output channel's sums. */
typedef struct {
    int32_t a, b, c, d;
} rescomp_sparse_sums;

/* The product with the entry at `source`, which counts where `place` of its line lies inside for the position. */
static inline int32_t rescomp_sparse_inside(const rescomp_sparse_block *block, uint8_t position, const RESCOMP_ACTIVATION *input,
                                            int32_t source, int32_t place, int8_t weight)
{
    return (uint32_t)(place - block->first[position]) < (uint32_t)block->run[position] ? (int32_t)input[source] * weight : 0;
}

/* One weight, at `place` of its line, times the entry at `source` of the input and those of the positions beside it. */
static inline void rescomp_sparse_add(rescomp_sparse_sums *sums, const rescomp_sparse_block *block, const RESCOMP_ACTIVATION *input,
                                      int32_t source, int32_t place, int8_t weight)
{
    const int32_t step = block->step;

    if (block->whole) {
        const RESCOMP_ACTIVATION *const entry = input + source;

        sums->a += (int32_t)entry[0] * weight;
        sums->b += (int32_t)entry[step] * weight;
        sums->c += (int32_t)entry[2 * step] * weight;
        sums->d += (int32_t)entry[3 * step] * weight;
    } else {
        sums->a += rescomp_sparse_inside(block, 0, input, source, place, weight);
        sums->b += rescomp_sparse_inside(block, 1, input, source + step, place, weight);
        sums->c += rescomp_sparse_inside(block, 2, input, source + 2 * step, place, weight);
        sums->d += rescomp_sparse_inside(block, 3, input, source + 3 * step, place, weight);
    }
}

/*
 * The line of a patch in which the last weight lay, for weights that come in the order of their places: its first place and the one
 * behind it, and what is to be added to a place for its entry of the input at the first position. inside: whether the line is.
 */
typedef struct {
    int32_t start, end, source;
    rescomp_count line;
    uint8_t inside;
} rescomp_sparse_line;

static inline rescomp_sparse_line rescomp_sparse_first_line(const rescomp_sparse_block *block)
{
    rescomp_sparse_line line;

    line.start = 0;
    line.end = block->kernel_line;
    line.source = block->source;
    line.line = 0;
    line.inside = block->top == 0 && block->bottom > 0;
    return line;
}

/* The weight at `place` of its row. */
static inline void rescomp_sparse_next(rescomp_sparse_sums *sums, rescomp_sparse_line *line, const rescomp_sparse_block *block,
                                       const RESCOMP_ACTIVATION *input, int32_t place, int8_t weight)
{
    while (place >= line->end) {
        line->start = line->end;
        line->end += block->kernel_line;
        line->source += block->input_line - block->kernel_line;
        ++line->line;
        line->inside = line->line >= block->top && line->line < block->bottom;
    }
    if (line->inside) {
        rescomp_sparse_add(sums, block, input, line->source + place, place - line->start, weight);
    }
}

/* Row `row` at all of the positions, the first of which has its outputs at `output`. */
static inline void rescomp_sparse_store(rescomp_sparse_sums sums, const rescomp_sparse_block *block, RESCOMP_ACTIVATION *output,
                                        rescomp_count row, rescomp_count rows, const rescomp_requantization *by)
{
    const int32_t sum[RESCOMP_SPARSE_POSITIONS] = {sums.a, sums.b, sums.c, sums.d};

    output += row;
    for (rescomp_count i = 0; i < block->count; ++i) {
        *output = (RESCOMP_ACTIVATION)rescomp_requantize(sum[i], by, row);
        output += rows;
    }
}

#endif
