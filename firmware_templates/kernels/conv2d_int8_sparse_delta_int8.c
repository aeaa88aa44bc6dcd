/* SPDX-License-Identifier: 0BSD */
#define RESCOMP_KERNEL rescomp_conv2d_int8_sparse_delta_int8
#define RESCOMP_ACTIVATION int8_t
#define RESCOMP_VALUE rescomp_sparse_int8
#include "rescomp_conv2d_sparse_delta_body.h"
