/* SPDX-License-Identifier: 0BSD */
/* Where the entries of a row of sparse weights, which come in the order of their places, lie in the input of a convolution. */
#ifndef RESCOMP_SPARSE_PATCH_H
#define RESCOMP_SPARSE_PATCH_H

#include "rescomp_sparse.h"
#include "rescomp_window.h"

/* Of all positions: entries of a line of the input, and of a line of the kernel. */
typedef struct {
    int32_t input, kernel;
} rescomp_sparse_lines;

static inline rescomp_sparse_lines rescomp_sparse_lines_of(const rescomp_conv2d_shape *shape)
{
    rescomp_sparse_lines lines;

    lines.input = (int32_t)shape->input.width * (int32_t)shape->input.channels;
    lines.kernel = (int32_t)shape->kernel.x * (int32_t)shape->input.channels;
    return lines;
}

/*
 * A line of the kernel at one position. end: the place behind its last. first: its first place that lies inside the input, and run: how
 * many do, 0 where the line lies outside. source: with a place added, the entry of the input.
 */
typedef struct {
    int32_t end, first, source;
    rescomp_count run, line;
} rescomp_sparse_line;

static inline rescomp_count rescomp_sparse_run(const rescomp_window *at, const rescomp_conv2d_shape *shape, rescomp_count line)
{
    return line >= at->top && line < at->bottom ? rescomp_window_run(*at, shape) : 0;
}

/* The first line. */
static inline rescomp_sparse_line rescomp_sparse_line_at(const rescomp_window *at, const rescomp_conv2d_shape *shape,
                                                         const rescomp_sparse_lines *lines)
{
    rescomp_sparse_line line;

    line.end = lines->kernel;
    line.first = (int32_t)at->left * (int32_t)shape->input.channels;
    line.source = at->y * lines->input + at->x * (int32_t)shape->input.channels;
    line.line = 0;
    line.run = rescomp_sparse_run(at, shape, 0);
    return line;
}

/* The entry of the input that the weight at `place` is for; 0 outside. No place is smaller than that of the call before. */
static inline RESCOMP_ACTIVATION rescomp_sparse_entry(rescomp_sparse_line *line, int32_t place, const RESCOMP_ACTIVATION *input,
                                                      const rescomp_window *at, const rescomp_conv2d_shape *shape,
                                                      const rescomp_sparse_lines *lines)
{
    while (place >= line->end) {
        line->end += lines->kernel;
        line->first += lines->kernel;
        line->source += lines->input - lines->kernel;
        line->run = rescomp_sparse_run(at, shape, ++line->line);
    }
    return (uint32_t)(place - line->first) < line->run ? input[line->source + place] : 0;
}

#endif
