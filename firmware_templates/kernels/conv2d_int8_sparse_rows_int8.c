/* SPDX-License-Identifier: 0BSD */
#define RESCOMP_KERNEL rescomp_conv2d_int8_sparse_rows_int8
#define RESCOMP_ACTIVATION int8_t
#include "rescomp_dot_int8.h"
#include "rescomp_conv2d_sparse_rows_body.h"
