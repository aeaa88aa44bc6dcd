/* SPDX-License-Identifier: 0BSD */
#define RESCOMP_KERNEL rescomp_conv2d_int16_sparse_rows_int8
#define RESCOMP_ACTIVATION int16_t
#include "rescomp_dot_int8.h"
#include "rescomp_conv2d_sparse_rows_body.h"
